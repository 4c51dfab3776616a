package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const paperMap = `
dataset:
  - fides_key: desk
    name: Desk
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: papers
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, data_categories: [user.unique_id], fides_meta: {references: [{dataset: desk, field: people.id, direction: from}]}}
          - {name: scan, data_categories: [user.content]}
          - {name: pages, data_categories: [user.content]}
      - name: cards
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, data_categories: [system.operations], fides_meta: {references: [{dataset: desk, field: people.id, direction: from}]}}
          - {name: photo, data_categories: [user.content]}
          - {name: template, data_categories: [system.operations]}
`

const paperTables = `
CREATE TABLE people (id int PRIMARY KEY, mail text);
CREATE TABLE papers (id int PRIMARY KEY, person int REFERENCES people, scan text, pages text[]);
CREATE TABLE cards (id int PRIMARY KEY, person int, photo varchar(80) UNIQUE, template text);
CREATE INDEX ON papers (person); CREATE INDEX ON cards (person); CREATE INDEX ON people (lower(mail));
INSERT INTO people VALUES (1, 'a@example.org'), (2, 'b@example.org');
INSERT INTO papers VALUES (1, 1, 'scan/1', '{page/1a,page/1b,""}'), (2, 1, ' ', NULL), (3, 1, 'scan/both', NULL), (4, 2, 'scan/both', '{page/1b}'), (5, 1, 'scan/1', NULL);
INSERT INTO cards VALUES (1, 1, 'photo/1', 'card/standard'), (2, 2, 'photo/2', 'card/standard');`

// paper is a map whose columns name files, as lethe: {object: …} says it.
func paper(t *testing.T) *datamap.Map {
	t.Helper()
	m := mapOf(t, paperMap)
	for _, c := range m.Datasets[0].Collections {
		for _, name := range []string{"scan", "pages", "photo", "template"} {
			if f := c.Field(name); f != nil {
				f.Object = "files"
			}
		}
	}
	return m
}

// naming are the fields that name files.
func naming(m *datamap.Map) (fields []*datamap.Field) {
	for _, c := range m.Datasets[0].Collections {
		for _, f := range c.Fields {
			if f.Object != "" {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

func keysIn(objects []source.Object) string {
	var keys []string
	for _, o := range objects {
		keys = append(keys, o.Store+":"+o.Key)
	}
	return strings.Join(keys, " ")
}

// An erasure says which files its rows named, of deleted rows and of masked
// columns, before it commits; not of columns that stay as they are.
func TestEraseNotesFiles(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, paperTables)
		m := paper(t)
		s := sourceOf(t, pool, "desk", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@example.org")}
		held := source.Holds{Rows: []source.RowKey{{Collection: "desk.papers", Key: "5"}}}
		done, err := s.Erase(t.Context(), w, held, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := keysIn(done.Objects), "files:page/1a files:page/1b files:photo/1 files:scan/1 files:scan/both"; got != want {
			t.Errorf("expected the note to name %s, got %s", want, got)
		}
		var keys []string
		for _, o := range done.Objects {
			keys = append(keys, o.Key)
		}
		still, err := s.Naming(t.Context(), naming(m), append(keys, "card/standard", "nobody's"))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"card/standard", "page/1b", "scan/1", "scan/both"}; !slices.Equal(still, want) {
			t.Errorf("expected %v to be still named by rows that stay (another's, a held one), got %v", want, still)
		}
		again, err := s.Erase(t.Context(), w, held, noNote)
		if err != nil || len(again.Objects) != 0 {
			t.Errorf("expected a second erasure to name no files, got %v, %v", keysIn(again.Objects), err)
		}
	})
}

func TestEraseNotesManyFiles(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		const many = 12_000
		pgtest.Exec(t, pool, paperTables+fmt.Sprintf(`INSERT INTO papers SELECT 100 + n, 1, 'many/' || n FROM generate_series(1, %d) n`, many))
		m := paper(t)
		s := sourceOf(t, pool, "desk", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@example.org")}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(done.Objects); got != many+5 {
			t.Errorf("expected all %d files in the note, however many, got %d", many+5, got)
		}
	})
}

// Keys that stand in JSON would be looked for with their quotes, found nowhere, and
// their files called gone: such a column is refused, also where it names others' files.
func TestFilesNamedInJSON(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"jsonb USING to_jsonb(scan)", "json USING to_json(scan)", "jsonb[] USING array[to_jsonb(scan)]"} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, paperTables+"ALTER TABLE papers ALTER scan TYPE "+typ)
		m := paper(t)
		s := sourceOf(t, pool, "desk", postgres.Options{})
		for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
			w := source.Walk{Plan: planOf(t, m, kind, "email"), Seeds: seeds("email", "a@example.org")}
			if _, err := s.Find(t.Context(), w); err == nil || !strings.Contains(err.Error(), "desk.papers.scan names files, and is a JSON column") {
				t.Errorf("%s, %s: expected the column to be refused, got %v", typ, kind, err)
			}
		}
		if _, err := s.Naming(t.Context(), naming(m), []string{"scan/1"}); err == nil || !strings.Contains(err.Error(), "desk.papers.scan") {
			t.Errorf("%s: expected the look-up to be refused, got %v", typ, err)
		}
	}
}
