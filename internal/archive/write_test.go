package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
)

var madeAt = time.Date(2026, 11, 1, 12, 30, 0, 0, time.UTC)

func letter() Letter {
	return Letter{
		Kind: "access", RequestID: 17, ReceivedAt: madeAt.AddDate(0, 0, -3), MadeAt: madeAt,
		Controller: Party{Name: "Bota Shop", Address: "Dlouhá 1, Praha", Email: "hello@bota.example"},
		DPO:        "dpo@bota.example", Authority: "ÚOOÚ, Pplk. Sochora 27, Praha 7", Automated: "There are none.",
		Purposes: []Purpose{{Collection: "contacts", Categories: []string{"user.contact.email"}, Uses: []string{"essential.service"}, Basis: "f"}},
		Recipients: []Recipient{
			{Name: "Vendor a.s.", Role: "processor", Region: "CZ", Gets: []string{"user.contact"}},
			{Name: "Far Inc.", Role: "processor", Region: "US", Ground: "standard contractual clauses"},
		},
		Retention: []Period{{Collection: "contacts", Keep: "P6M"}},
		Sources:   []string{"from you, in the chat"},
	}
}

func table(dataset, collection string, fields []string, rows ...[]any) Table {
	t := Table{Dataset: dataset, Collection: collection}
	for _, f := range fields {
		t.Fields = append(t.Fields, Column{Name: f})
	}
	t.Rows = func(_ context.Context, yield func([]any) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	}
	return t
}

// write makes an archive and returns its files.
func write(t *testing.T, l Letter, tables ...Table) (map[string]string, Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := Write(t.Context(), &b, l, "digest", tables)
	if err != nil {
		t.Fatalf("an archive was expected: %v", err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatalf("what was written should be a ZIP: %v", err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		if !f.Modified.Equal(madeAt) {
			t.Errorf("%s has the time %v; the archive's own, %v, was expected", f.Name, f.Modified, madeAt)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		files[f.Name] = string(text)
	}
	return files, m
}

func TestWriteKeepsValuesExactly(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 19, 13, 38, 35, 120_000_000, time.FixedZone("CEST", 7200))
	files, m := write(t, letter(), table("livechat", "contacts",
		[]string{"id", "name", "note", "score", "at", "props", "ok", "big"},
		[]any{int64(1), "Růžena O'Neil \"R\"", "two\nlines, and\r\nmore", 1.5, at, json.RawMessage(`{"a": [1, "=x"]}`), true, json.Number("123456789012345678901234.5")},
		[]any{int64(-2), nil, "", float64(-3), nil, nil, false, nil},
	))
	want := "[\n" +
		`  {"id": 1, "name": "Růžena O'Neil \"R\"", "note": "two\nlines, and\r\nmore", "score": 1.5, "at": "2026-07-19T11:38:35.12Z", "props": {"a":[1,"=x"]}, "ok": true, "big": 123456789012345678901234.5},` + "\n" +
		`  {"id": -2, "name": null, "note": "", "score": -3, "at": null, "props": null, "ok": false, "big": null}` + "\n]\n"
	if diff := cmp.Diff(want, files["data/livechat/contacts.json"]); diff != "" {
		t.Errorf("the JSON differs from what was expected (-want +got):\n%s", diff)
	}
	wantCSV := "id,name,note,score,at,props,ok,big\r\n" +
		`1,"Růžena O'Neil ""R""","two` + "\nlines, and\r\nmore\",1.5,2026-07-19T11:38:35.12Z,\"{\"\"a\"\": [1, \"\"=x\"\"]}\",true,123456789012345678901234.5\r\n" +
		"-2,,\"\",-3,,,false,\r\n"
	if diff := cmp.Diff(wantCSV, files["data/livechat/contacts.csv"]); diff != "" {
		t.Errorf("the CSV differs from what was expected (-want +got):\n%s", diff)
	}
	if len(m.Files) != 4 || len(files) != 5 {
		t.Fatalf("four files in the manifest and five in the ZIP were expected, not %d and %d", len(m.Files), len(files))
	}
	for _, f := range m.Files {
		sum := sha256.Sum256([]byte(files[f.Name]))
		if f.SHA256 != hex.EncodeToString(sum[:]) || f.Size != int64(len(files[f.Name])) {
			t.Errorf("%s: size and SHA-256 in the manifest should be those of the file", f.Name)
		}
		if strings.HasPrefix(f.Name, "data/") && f.Rows != 2 {
			t.Errorf("%s: 2 rows expected in the manifest, not %d", f.Name, f.Rows)
		}
	}
	var read Manifest
	if err := json.Unmarshal([]byte(files["manifest.json"]), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, read); diff != "" {
		t.Errorf("manifest.json should read back as what Write returned:\n%s", diff)
	}
}

// Files of some hundred bytes are stored, larger ones compressed; both come out
// as they went in.
func TestSmallFilesAreStored(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line like any other. ", 100)
	var out bytes.Buffer
	_, err := Write(t.Context(), &out, letter(), "sha256:0", []Table{
		table("shop", "small", []string{"id"}, []any{int64(1)}), table("shop", "large", []string{"text"}, []any{long}),
	})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		want := zip.Store
		if f.UncompressedSize64 > smallFile {
			want = zip.Deflate
		}
		if f.Method != want {
			t.Errorf("%s: %d bytes should be written by the method %d, not %d", f.Name, f.UncompressedSize64, want, f.Method)
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil || uint64(len(text)) != f.UncompressedSize64 || f.Name == "data/shop/large.csv" && !strings.Contains(string(text), long) {
			t.Errorf("%s: should read back as it was written: %v", f.Name, err)
		}
	}
}

func TestFormulasAreDefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+420 777 123 456": "'+420 777 123 456", "-5": "'-5", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t'=1", "\rx": "'\rx", "  =1": "'  =1", "\u00a0=1": "'\u00a0=1", "\u200b=1": "'\u200b=1", "＝1": "'＝1",
		"see;=HYPERLINK(1)": "see;'=HYPERLINK(1)", "a\n=1+1\nb": "a\n'=1+1\nb", "a; \"@SUM(A1)\"": "a;' \"@SUM(A1)\"", "x\t-2+cmd|'/C calc'!A0": "x\t'-2+cmd|'/C calc'!A0",
		"good ;-) bye": "good ;-) bye", "to buy:\n- milk\n- bread": "to buy:\n- milk\n- bread", "a;b;;c=d;": "a;b;;c=d;", "=a;=b": "'=a;'=b",
		"plain": "plain", "a=b": "a=b", "": "", "  x": "  x", "'=1": "'=1",
	} {
		if got := defuse(in); got != want {
			t.Errorf("defuse(%q): %q expected, got %q", in, want, got)
		}
	}
	row := func(v any) string {
		line, err := appendCSVRow(nil, []Column{{Name: "a"}, {Name: "b"}}, []any{v, nil})
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{int64(-5), "-5,\r\n"}, {-2.5, "-2.5,\r\n"}, {json.Number("-7.0"), "-7.0,\r\n"},
		{json.Number("=HYPERLINK(1)"), "'=HYPERLINK(1),\r\n"}, {json.RawMessage("-1"), "-1,\r\n"},
		{json.RawMessage("=1"), "'=1,\r\n"}, {"-5", "'-5,\r\n"},
	} {
		if got := row(c.v); got != c.want {
			t.Errorf("%T %v: the record %q was expected, got %q", c.v, c.v, c.want, got)
		}
	}
	r, err := csv.NewReader(strings.NewReader(string(csvHeader([]Column{{Name: "a,b"}, {Name: `"`}})))).Read()
	if err != nil || len(r) != 2 || r[0] != "a,b" || r[1] != `"` {
		t.Errorf("names with commas and quotes should read back, got %q, %v", r, err)
	}
}

func TestPageEscapesEverything(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>{{.Controller}}</style><img src=x onerror=1>" ' & </td>`
	l := letter()
	l.Controller = Party{Name: evil, Address: evil, Registration: evil, Email: evil}
	l.DPO, l.Authority, l.Automated = evil, evil, evil
	l.Sources, l.NotIncluded = []string{evil}, []string{evil}
	l.Purposes = []Purpose{{Collection: evil, Categories: []string{evil}, Uses: []string{evil}, Basis: evil, Consent: evil}}
	l.Recipients = []Recipient{{evil, evil, evil, evil, []string{evil}}}
	l.Retention = []Period{{Collection: evil, What: evil, Keep: evil}}
	tab := table(evil, evil, []string{evil}, []any{evil})
	tab.Title, tab.Description = evil, evil
	tab.Fields[0].Description, tab.Fields[0].Categories = evil, []string{evil}
	files, _ := write(t, l, tab)
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(files["index.html"]))
	if err != nil {
		t.Fatal(err)
	}
	if n := doc.Find("script, img, iframe, link, object, form, base").Length(); n != 0 {
		t.Errorf("no script, image or other active element was expected in index.html, found %d", n)
	}
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
				t.Errorf("the attribute %s was not expected in index.html", a.Key)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "data/") && a.Val != "letter.txt" && a.Val != "manifest.json" {
				t.Errorf("only links inside the archive were expected, not %q", a.Val)
			}
		}
	})
	if got := doc.Find("td").First().Text(); got != evil {
		t.Errorf("the stored text should be shown as it is, got %q", got)
	}
	for name := range files {
		if strings.ContainsAny(name, "<>\"' &") || strings.Contains(name, "..") {
			t.Errorf("a file name safe everywhere was expected, not %q", name)
		}
	}
	if !strings.Contains(files["index.html"], `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-`) {
		t.Error("index.html should carry a policy that forbids everything but its own style")
	}
	style := doc.Find("style").Text()
	if style != indexStyle {
		t.Error("the style in the page should be, byte for byte, the one the policy's hash is of")
	}
}

func TestPageShowsTwoHundredRows(t *testing.T) {
	t.Parallel()
	rows := make([][]any, 207)
	for i := range rows {
		rows[i] = []any{int64(i), strings.Repeat("á", 3000)}
	}
	files, _ := write(t, letter(), table("d", "c", []string{"id", "text"}, rows...))
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(files["index.html"]))
	if err != nil {
		t.Fatal(err)
	}
	if n := doc.Find("#data-d-c tbody tr").Length(); n != 200 {
		t.Errorf("200 rows expected in the page, got %d", n)
	}
	if got := doc.Find("#data-d-c .more").Text(); got != "7 more in the CSV." {
		t.Errorf("%q expected below the table, got %q", "7 more in the CSV.", got)
	}
	if !utf8.ValidString(files["index.html"]) {
		t.Error("long texts should be cut between characters")
	}
	if n := doc.Find("#data-d-c td i").Length(); n != 200 {
		t.Errorf("each of 200 long texts should say that it goes on in the files, %d do", n)
	}
}

func TestLargeCollectionsAreReadAgain(t *testing.T) {
	t.Parallel()
	var readings int
	tab := table("d", "c", []string{"n", "text"})
	tab.Rows = func(_ context.Context, yield func([]any) error) error {
		readings++
		for i := range 30_000 {
			if err := yield([]any{int64(i), "some text that fills the row a little"}); err != nil {
				return err
			}
		}
		return nil
	}
	files, m := write(t, letter(), tab)
	if readings != 2 {
		t.Errorf("two readings of a large collection were expected, not %d", readings)
	}
	records, err := csv.NewReader(strings.NewReader(files["data/d/c.csv"])).ReadAll()
	if err != nil || len(records) != 30_001 || m.Files[1].Rows != 30_000 {
		t.Errorf("30,000 records and a header expected in the CSV, got %d (%v)", len(records), err)
	}
	tab.Rows = func(_ context.Context, yield func([]any) error) error {
		readings++
		for i := range 30_000 - readings {
			if err := yield([]any{int64(i), "some text that fills the row a little"}); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := Write(t.Context(), io.Discard, letter(), "", []Table{tab}); !errors.Is(err, errChanged) {
		t.Errorf("a collection that differs between two readings should be an error, got %v", err)
	}
}

// Not parallel: it looks at the memory of the whole process.
func TestMemoryIsBounded(t *testing.T) {
	const rows = 300_000
	text := strings.Repeat("x", 40)
	tab := table("d", "c", []string{"n", "text"})
	var peak uint64
	tab.Rows = func(_ context.Context, yield func([]any) error) error {
		for i := range rows {
			if err := yield([]any{int64(i), text}); err != nil {
				return err
			}
			if i%50_000 == 0 {
				runtime.GC()
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				peak = max(peak, s.HeapAlloc)
			}
		}
		return nil
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := Write(t.Context(), io.Discard, letter(), "", []Table{tab}); err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("at most 24 MiB of heap were expected for %d rows, used %d MiB", rows, grown>>20)
	}
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	for name, tab := range map[string]Table{
		"source":  {Dataset: "d", Collection: "c", Rows: func(context.Context, func([]any) error) error { return broken }},
		"type":    table("d", "c", []string{"a"}, []any{struct{ Secret string }{"hidden"}}),
		"columns": table("d", "c", []string{"a"}, []any{1, 2}),
	} {
		_, err := Write(t.Context(), io.Discard, letter(), "", []Table{tab})
		if err == nil || !strings.Contains(err.Error(), "request 17: collection d.c") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: an error naming request and collection, without contents, was expected, got %v", name, err)
		}
	}
	if _, err := Write(t.Context(), failing{}, letter(), "", []Table{table("d", "c", []string{"a"}, []any{"x"})}); err == nil {
		t.Error("a writer that fails should be an error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestNames(t *testing.T) {
	t.Parallel()
	n := newNames()
	for _, c := range [][3]string{
		{"livechat", "contacts", "data/livechat/contacts"}, {"livechat", "Contacts", "data/livechat/Contacts-2"},
		{"..", "../../etc/passwd", "data/_/_.._etc_passwd"}, {"a/b", "c\\d", "data/a_b/c_d"}, {"", "con", "data/_/_con"},
		{"x", "lpt1.txt", "data/x/_lpt1.txt"}, {"x", ".hidden", "data/x/hidden"}, {"č", "ř", "data/_/_"},
	} {
		if got := n.base(c[0], c[1]); got != c[2] {
			t.Errorf("%q, %q: the path %q was expected, got %q", c[0], c[1], c[2], got)
		}
	}
	if got := safe(strings.Repeat("x", 300)); len(got) != 100 {
		t.Errorf("a name of at most 100 characters was expected, got %d", len(got))
	}
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	sum := func() string {
		h := sha256.New()
		if _, err := Write(t.Context(), h, letter(), "d", []Table{table("d", "c", []string{"a"}, []any{"x"})}); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	if first, second := sum(), sum(); first != second {
		t.Error("the same data should give the same archive")
	}
}
