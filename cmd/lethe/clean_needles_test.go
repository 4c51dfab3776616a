package main

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/sample"
)

// A needle is one of a person's identities, however it is written.
type needle struct {
	what    string
	pattern *regexp.Regexp
}

// needles are a person's identities: the address in any case, the telephone
// number however it is set, browsers' values, and names as words; and all but the
// last as hexadecimal digits and base64, the way bytes get into dumps and logs.
func needles(p person) []needle {
	var list []needle
	add := func(what, pattern string) { list = append(list, needle{what, regexp.MustCompile(`(?i)` + pattern)}) }
	coded := func(what, value string) {
		for _, v := range []string{value, strings.ToLower(value), strings.ToUpper(value)} {
			add(what+" as hexadecimal digits", hex.EncodeToString([]byte(v)))
			for _, shift := range []string{"", "x", "xx"} {
				// The middle of it: the ends depend on what stands beside.
				b := base64.RawStdEncoding.EncodeToString([]byte(shift + v))
				list = append(list, needle{what + " in base64", regexp.MustCompile(regexp.QuoteMeta(b[4 : len(b)-2]))})
			}
		}
	}
	if p.Email != "" {
		add("address", regexp.QuoteMeta(p.Email))
		coded("address", p.Email)
	}
	if digits := onlyDigits(p.Phone); len(digits) > 6 {
		add("telephone number", strings.Join(strings.Split(digits[2:], ""), `[\s().\-/]*`))
		coded("telephone number", p.Phone)
		coded("telephone number", "+"+digits)
	}
	for _, v := range p.Visitors {
		list = append(list, needle{"browser's value", regexp.MustCompile(regexp.QuoteMeta(v))})
		coded("browser's value", v)
	}
	for _, name := range []string{p.Name, p.Surname} {
		if len([]rune(name)) > 2 {
			add("name", `(^|[^\pL])`+regexp.QuoteMeta(name)+`($|[^\pL])`)
		}
	}
	return list
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// hayIn looks for people's identities in a text, and says where it stood.
func hayIn(t testing.TB, where, text string, people ...person) {
	t.Helper()
	for i, p := range people {
		for _, n := range needles(p) {
			if at := n.pattern.FindStringIndex(text); at != nil {
				from, to := max(0, at[0]-150), min(len(text), at[1]+50)
				t.Errorf("%s should hold no identity of person %d in clear, it holds their %s: …%s…", where, i+1, n.what, text[from:to])
			}
		}
	}
}

// nothingOf looks through the log that is given, the whole control database (the
// queue's tables, too) and the folder with archives.
func (s *stage) nothingOf(t testing.TB, log string, people ...person) {
	t.Helper()
	hayIn(t, "the log", log, people...)
	for table, text := range dump(t, s.control(t)) {
		hayIn(t, "the control database's "+table, text, people...)
	}
	err := filepath.WalkDir(s.file("archives"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		hayIn(t, "a stored archive", filepath.Base(path)+string(readAll(t, path)), people...)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

var byteaText = regexp.MustCompile(`\\x([0-9a-f]{2,})`)

// dump is every table of the control database as text: all columns, and what is
// bytes both as hexadecimal digits and as the text that they may be.
func dump(t testing.TB, control *pgxpool.Pool) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range texts(t, control, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`) {
		var b strings.Builder
		rows, err := control.Query(t.Context(), `SELECT x::text FROM `+table+` x`)
		if err != nil {
			t.Fatal(err)
		}
		var row string
		_, err = pgx.ForEachRow(rows, []any{&row}, func() error {
			b.WriteString(row)
			b.WriteByte('\n')
			for _, m := range byteaText.FindAllStringSubmatch(row, -1) {
				if bytes, err := hex.DecodeString(m[1]); err == nil {
					b.Write(bytes)
					b.WriteByte('\n')
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all[table] = b.String()
	}
	if all["lethe.requests"] == "" || all["lethe.river_job"] == "" {
		t.Fatalf("the dump should hold requests and jobs, it holds %d tables", len(all))
	}
	return all
}

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNeedles: what looks for identities finds them however they are written,
// and nothing where there is nothing. Without it, the tests of cleanliness could
// pass because they are blind.
func TestNeedles(t *testing.T) {
	t.Parallel()
	p := person{Person: sample.Person{Name: "Jana", Surname: "Horáková", Email: "jana.horakova@example.org", Phone: "+44 7700 900101"}, Visitors: []string{"viAb3XyZ09qW"}}
	found := func(text string) bool {
		for _, n := range needles(p) {
			if n.pattern.MatchString(text) {
				return true
			}
		}
		return false
	}
	for name, text := range map[string]string{
		"the address":              `{"to":"jana.horakova@example.org"}`,
		"in capitals":              `JANA.HORAKOVA@EXAMPLE.ORG`,
		"as bytes":                 `(1,"\\x` + hex.EncodeToString([]byte("x jana.horakova@example.org")) + `")`,
		"in base64":                base64.StdEncoding.EncodeToString([]byte(`{"email":"jana.horakova@example.org"}`)),
		"in base64 for URLs":       base64.RawURLEncoding.EncodeToString([]byte(`to jana.horakova@example.org`)),
		"the number":               "+44 7700 900101",
		"as E.164":                 "tel:+447700900101",
		"as people write it":       "07700-900 101",
		"with brackets":            "(0)7700/900101",
		"the browser":              "visitor viAb3XyZ09qW seen",
		"the name":                 "Dear Jana,",
		"the surname":              "value (7, horáková, 3)",
		"the surname, in capitals": `HORÁKOVÁ`,
	} {
		if !found(text) {
			t.Errorf("%s should be found in %q", name, text)
		}
	}
	for name, text := range map[string]string{
		"other numbers":    "4477009001 id=7700, 900100",
		"another address":  "jan@example.org",
		"a longer word":    "Janata Sanjana",
		"hashes":           "\\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"another browser":  "viAb3XyZ09qX",
		"base64 of others": base64.StdEncoding.EncodeToString([]byte(`{"email":"klaus.brandt@example.net"}`)),
	} {
		if found(text) {
			t.Errorf("%s should not be taken for the person: %q", name, text)
		}
	}
}
