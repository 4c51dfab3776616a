package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"životopis Jany.pdf":              "životopis Jany.pdf",
		"../../etc/passwd":                "passwd",
		`C:\Users\hr\plan.xlsx`:           "plan.xlsx",
		"..":                              "_",
		"":                                "_",
		".htaccess":                       "htaccess",
		"con.txt":                         "_con.txt",
		"aux .pdf":                        "_aux.pdf",
		"COM1":                            "_COM1",
		"a\x00b\r\nc.pdf":                 "ab c.pdf",
		"invoice\u202efdp.exe":            "invoicefdp.exe",
		"a:b*c?d\"e<f>g|h.pdf":            "a_b_c_d_e_f_g_h.pdf",
		"trailing. . .":                   "trailing",
		"bad\xffbytes.pdf":                "bad_bytes.pdf",
		strings.Repeat("ř", 300) + ".pdf": strings.Repeat("ř", maxFileName-4) + ".pdf",
		strings.Repeat("a", maxFileName-1) + " plan": strings.Repeat("a", maxFileName-1),
		"x." + strings.Repeat("y", 300):              "x." + strings.Repeat("y", maxFileName-2),
	} {
		if got := FileName(in); got != want {
			t.Errorf("expected %q to become %q, got %q", in, want, got)
		}
	}
}

// Whatever a file is called, its name is safe, and making it safe again changes nothing.
func TestFileNameIsSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "name")
		got := FileName(in)
		switch {
		case got == "", !utf8.ValidString(got), strings.ContainsAny(got, "/\\:\x00\n\r"),
			strings.HasPrefix(got, "."), strings.HasSuffix(got, "."), strings.HasSuffix(got, " "), utf8.RuneCountInString(got) > maxFileName+1:
			t.Fatalf("expected a safe name of %q, got %q", in, got)
		}
		if again := FileName(got); again != got {
			t.Fatalf("expected %q to stay, got %q", got, again)
		}
	})
}

func TestUnwanted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, head string
		bad        bool
	}{
		{"cv.pdf", "%PDF-1.7", false},
		{"scan.jpg", "\xff\xd8\xff\xe0", false},
		{"letter.docx", "PK\x03\x04", false},
		{"note.txt", "Jana asked for <b>bold</b> words", false},
		{"empty.txt", "", false},
		{"invoice.xml", "\xef\xbb\xbf<?xml version=\"1.0\"?><Invoice><Brand>x</Brand><Bridge/></Invoice>", false},
		{"mail.eml", "Received: from a by b\r\n", false},
		{"people.csv", "id;name\n1;<Jana>\n", false},
		{"run.exe", "", true},
		{"cv.pdf.EXE", "", true},
		{"page.html", "words", true},
		{"drawing.svg", "words", true},
		{"cv.pdf", "MZ\x90\x00", true},
		{"cv.pdf", "\x7fELF", true},
		{"readme", "#!/bin/sh", true},
		{"cv.txt", " \n<!DOCTYPE html><p>", true},
		{"cv.txt", "<!-- c --><html>", true},
		{"cv.txt", "<!-- never ended", true},
		{"cv.txt", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", true},
		{"data.xml", "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"x()\"/>", true},
		{"data.xml", "<?xml version=\"1.0\"?><?xml-stylesheet href=\"x.xsl\"?><a/>", true},
	} {
		if got := Unwanted(tc.name, []byte(tc.head)); (got != "") != tc.bad {
			t.Errorf("expected %s beginning with %q to be refused: %v; the reason was %q", tc.name, tc.head, tc.bad, got)
		}
	}
}

// Files stand in the archive as they came, each under a name of its own, and
// the letter and the manifest name them.
func TestAttachedFiles(t *testing.T) {
	t.Parallel()
	give := func(content string) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
	}
	var buf bytes.Buffer
	m, err := Write(t.Context(), &buf, Letter{Kind: "access", RequestID: 17}, "digest", nil,
		Attached{Folder: []string{"manual", "paper"}, Name: "cv.pdf", From: "HR desk", Open: give("one")},
		Attached{Folder: []string{"manual", "paper"}, Name: "CV.pdf", From: "HR desk", Open: give("two")},
		Attached{Folder: []string{"manual", "../up"}, Name: "../../cv.pdf", Open: give("three")},
	)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(content)
	}
	for name, content := range map[string]string{
		"files/manual/paper/cv.pdf": "one", "files/manual/paper/CV (2).pdf": "two", "files/manual/_up/cv.pdf": "three",
	} {
		if got[name] != content {
			t.Errorf("expected %s to hold %q, it holds %q", name, content, got[name])
		}
		if !strings.Contains(strings.Join(strings.Fields(got["letter.txt"]), " "), name) || !strings.Contains(got["index.html"], name) {
			t.Errorf("expected the letter to name %s", name)
		}
		if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == name && f.Size == int64(len(content)) }) {
			t.Errorf("expected the manifest to list %s with its size", name)
		}
	}
	if strings.Contains(got["letter.txt"], "We found no data") {
		t.Error("expected files alone to count as data")
	}
}
