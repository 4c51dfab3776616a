package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Foreign keys that hang on a part of a table, a partition or an heir, and not
// on the table that the map names.
const partedSchema = `
CREATE TABLE people (id int PRIMARY KEY, email text);
CREATE TABLE carts  (id int PRIMARY KEY, person int REFERENCES people, txt text);
CREATE TABLE events (id int, year int, person int, cart int, txt text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE events_2_all PARTITION OF events_2 DEFAULT;
ALTER TABLE events_2 ADD FOREIGN KEY (cart) REFERENCES carts %DELETE%;
CREATE TABLE files (id int PRIMARY KEY, person int REFERENCES people, txt text);
CREATE TABLE images (wide bool, PRIMARY KEY (id), FOREIGN KEY (person) REFERENCES people %DELETE%) INHERITS (files);
CREATE TABLE frames (id int PRIMARY KEY, image int REFERENCES images %DELETE%, event int, year int, txt text, FOREIGN KEY (event, year) REFERENCES events_1 %DELETE%);
INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
INSERT INTO carts  VALUES (1, 1, 'c'), (2, 2, 'c');
INSERT INTO events VALUES (1, 1, 1, NULL, 'e'), (2, 2, 1, 1, 'e'), (3, 1, 2, NULL, 'e'), (4, 2, 2, 2, 'e');
INSERT INTO files  VALUES (1, 1, 'f'), (2, 2, 'f');
INSERT INTO images VALUES (3, 1, 'i'), (4, 2, 'i');`

func partedMap(more string) string {
	all := peopleOf("w") + "\n"
	for _, name := range []string{"carts", "events", "files"} {
		all += fmt.Sprintf(`      - name: %s
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: txt, data_categories: [user.content]}
`, name)
	}
	return strings.Replace(all, "      - name: events\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n        fields:\n",
		"      - name: events\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n        fields:\n          - {name: year, fides_meta: {primary_key: true}}\n", 1) + more
}

func TestForeignKeysOfPartsOfTables(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"", "ON DELETE CASCADE", "ON DELETE SET NULL"} {
		t.Run(action, func(t *testing.T) {
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, strings.ReplaceAll(partedSchema, "%DELETE%", action))
				s := sourceOf(t, pool, "w", o)
				walk := source.Walk{Plan: planOf(t, mapOf(t, partedMap("")), datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
				done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				is := by(done.Findings)
				expect(t, is["people"], 1, 0, 1, 0)
				expect(t, is["carts"], 1, 0, 1, 0)
				expect(t, is["events"], 2, 0, 2, 0)
				expect(t, is["files"], 2, 0, 2, 0)
				if n := number(t, pool, `SELECT (SELECT count(*) FROM people) * 1000 + (SELECT count(*) FROM carts) * 100 + (SELECT count(*) FROM events) * 10 + (SELECT count(*) FROM files)`); n != 1122 {
					t.Errorf("expected the other person's rows to stay, got %d", n)
				}
			})
		})
	}
}

// TestRowsThatNameAPartOfATable: rows beyond the map that name a partition's or an
// heir's row keep it, masked, or stop the erasure.
func TestRowsThatNameAPartOfATable(t *testing.T) {
	t.Parallel()
	for action, stops := range map[string]bool{"": false, "ON DELETE CASCADE": true} {
		t.Run(action, func(t *testing.T) {
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, strings.ReplaceAll(partedSchema, "%DELETE%", action)+
					"INSERT INTO frames VALUES (1, 3, NULL, NULL, 'x'), (2, NULL, 1, 1, 'x');")
				s := sourceOf(t, pool, "w", o)
				m := mapOf(t, partedMap(""))
				walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
				doubts, err := s.Check(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				said := 0
				for _, d := range doubts {
					if strings.Contains(d.Sentence, "events_2,") || strings.Contains(d.Sentence, "images,") {
						t.Errorf("expected the parts of mapped tables to be known, got %+v", d)
					}
					if strings.Contains(d.Sentence, "public.frames, which is not in the data map") {
						said++
					}
				}
				if said != 2 {
					t.Errorf("expected two foreign keys of frames to be told, got %d of %+v", said, doubts)
				}
				done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
				if stops {
					if err == nil || !strings.Contains(err.Error(), "frames") {
						t.Errorf("expected the erasure to be refused and to name frames, got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				is := by(done.Findings)
				expect(t, is["events"], 2, 0, 1, 1)
				expect(t, is["files"], 2, 0, 1, 1)
				expect(t, is["people"], 1, 0, 0, 1) // the image that stays names it
			})
		})
	}
}

// TestAPartBesideItsTable: a map that names a table and a part of it names rows twice.
func TestAPartBesideItsTable(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, strings.ReplaceAll(partedSchema, "%DELETE%", ""))
		s := sourceOf(t, pool, "w", o)
		m := mapOf(t, partedMap(`      - name: images
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: wide, data_categories: [user.content]}
`))
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["files"], 2, 0, 2, 0)
		if n := number(t, pool, "SELECT count(*) FROM files"); n != 2 {
			t.Errorf("expected the other person's files to stay, got %d", n)
		}
	})
}
