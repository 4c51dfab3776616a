package objects

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
)

func folder(t *testing.T, files ...string) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New("files", "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // a test's folder
	return s, dir
}

// What a row holds as a key is anything; none of it leads out of the folder,
// removes a folder, or stops an erasure.
func TestOddKeysAreMissingFiles(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "a/real.pdf", "empty/x")
	if err := os.Remove(filepath.Join(dir, "empty/x")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(dir), "outside-"+filepath.Base(dir))
	if err := os.WriteFile(outside, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(outside) //nolint:errcheck // a test's file
	odd := []string{
		"", " ", ".", "..", "../" + filepath.Base(outside), "a/../../" + filepath.Base(outside), "a", "a/", "empty", "empty/", "a/..", "/",
		"a/real.pdf/further", "a/real.pdf.attrs", strings.Repeat("x", 5000), "nul\x00", "bad\xffutf8", "nobody.pdf", "//", "a//real.pdf",
	}
	for _, key := range odd {
		if r, err := s.Open(t.Context(), key); !errors.Is(err, source.ErrNoFile) {
			t.Errorf("key %q: expected no file, got %v, %v", key, r, err)
		}
	}
	done, err := s.Delete(t.Context(), odd)
	if err != nil || done.Gone != 0 || done.Missing != int64(len(odd)) {
		t.Errorf("expected %d missing files and no error, got %+v, %v", len(odd), done, err)
	}
	for _, path := range []string{outside, filepath.Join(dir, "a/real.pdf"), filepath.Join(dir, "empty")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("expected %s to be left alone: %v", path, err)
		}
	}
}

func TestDeleteTakesTheFoldersThatItEmpties(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "pavla@example.org/1/photo.jpg", "shared/1.pdf", "shared/2.pdf", "top.txt")
	done, err := s.Delete(t.Context(), []string{"pavla@example.org/1/photo.jpg", "shared/1.pdf", "top.txt"})
	if err != nil || done.Gone != 3 {
		t.Fatalf("expected three files to go, got %+v, %v", done, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "shared" {
		t.Errorf("expected only the folder that still holds a file to be left, got %v, %v", entries, err)
	}
	if done, err = s.Delete(t.Context(), []string{"shared/2.pdf"}); err != nil || done.Gone != 1 {
		t.Fatalf("expected the last file to go, got %+v, %v", done, err)
	}
	if done, err = s.Delete(t.Context(), []string{"shared/2.pdf"}); err != nil || done.Missing != 1 {
		t.Errorf("expected a second deletion to be a success, and the store's own folder to stay; got %+v, %v", done, err)
	}
}

// A folder that is not there is no folder without files: to take it for one
// would call every file erased.
func TestAnAbsentFolderIsAnError(t *testing.T) {
	t.Parallel()
	s, err := New("files", "file://"+t.TempDir()+"/not/mounted")
	if err != nil {
		t.Fatal(err)
	}
	_, oerr := s.Open(t.Context(), "secret/key.pdf")
	_, derr := s.Delete(t.Context(), []string{"secret/key.pdf"})
	for doing, err := range map[string]error{"open": oerr, "delete": derr, "ping": s.Ping(t.Context())} {
		var own *Error
		if !errors.As(err, &own) || !own.Absent() || errors.Is(err, source.ErrNoFile) {
			t.Errorf("%s: expected the store to be said to be absent, got %v", doing, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "mounted")) {
			t.Errorf("%s: expected neither key nor address in %q", doing, err)
		}
	}
}

func TestOpenStreams(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, "a/real.pdf")
	r, err := s.Open(t.Context(), "a/real.pdf")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(data) != "content of a/real.pdf" {
		t.Errorf("expected the file's bytes, got %q, %v", data, err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"file:///var/lib/files": true, "s3://bucket": true, "s3://bucket?prefix=a/&region=eu-central-1": true,
		"s3://bucket?endpoint=http://127.0.0.1:9000&use_path_style=true&region=us-east-1": true,
		"file://var/lib":         false,
		"file:///":               false,
		"file:///x?y=1":          false,
		"s3://bucket/folder":     false,
		"s3://":                  false,
		"s3://key:secret@bucket": false,
		"https://x":              false,
		"mem://":                 false,
	} {
		err := Valid(url)
		if (err == nil) != good {
			t.Errorf("%s: expected it to be admitted: %t, got %v", url, good, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("expected no password in %q", err)
		}
	}
}

// Every key that is said to be alike brings the same file, and no other does.
func TestKeysAlike(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, "a/real.pdf", "top.txt")
	bucket, err := New("files", "s3://bucket")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a/real.pdf": "/a/real.pdf", "/a/real.pdf": "a/real.pdf", "/top.txt": "top.txt", "//top.txt": ""} {
		got := s.Alike(key)
		if strings.Join(got, " ") != want {
			t.Errorf("expected %q to be told for %q, got %q", want, key, got)
		}
		for _, k := range append(got, key) {
			r, err := s.Open(t.Context(), k)
			if want == "" {
				if !errors.Is(err, source.ErrNoFile) {
					t.Errorf("expected no file under %q, got %v", k, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("expected the file under %q, got %v", k, err)
				continue
			}
			r.Close() //nolint:errcheck // a test's file
		}
		if got := bucket.Alike(key); len(got) != 0 {
			t.Errorf("expected a key of a bucket to be itself alone, got %q", got)
		}
	}
}
