package postgres_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A school: families and lessons know their people by what stands inside
// documents and arrays, both ways.
const schoolSchema = `
CREATE TABLE pupils   (id int PRIMARY KEY, email text, name text, profile jsonb, friends int[], plain json);
CREATE TABLE lessons  (id bigint PRIMARY KEY, attendees jsonb, teachers text[], note text);
CREATE TABLE grades   (id int PRIMARY KEY, slip jsonb, mark text);
CREATE TABLE mails    (id int PRIMARY KEY, recipients text[] NOT NULL DEFAULT '{}', body text);
CREATE TABLE rooms    (code text PRIMARY KEY, keeper text);
INSERT INTO pupils VALUES
 (1, 'ann@x.example', 'Ann', '{"contact": {"phone": "+420111", "likes": ["tea", null]}, "room": "R1", "class": 3}', '{2,3}', '{"nick": "A", "other": 1}'),
 (2, 'ben@x.example', 'Ben', '{"contact": {"phone": "+420222"}, "room": ["R2", "n/a"]}', '{}', '{"nick": "B"}'),
 (3, 'cyd@x.example', 'Cyd', NULL, NULL, '{"nick": "\u0000"}');
INSERT INTO lessons VALUES
 (10, '[{"pupil": 1, "name": "Ann", "was": {"late": true}}, {"pupil": 2, "name": "Ben", "was": {"late": false}}]', '{t1,t2}', 'n'),
 (11, '{"pupil": "1", "name": "Ann"}', '{}', 'n'),
 (12, '[{"pupil": 2, "name": "Ben"}]', NULL, 'n'),
 (13, 'null', '{}', 'n'), (14, '[]', '{}', 'n'), (15, '[{"pupil": null}, {"pupil": "x"}, 1]', '{}', 'n');
INSERT INTO grades VALUES (20, '{"of": {"pupil": 1}, "by": "t1"}', '1'), (21, '{"of": {"pupil": "2"}}', '2'), (22, '{"of": null}', '3'), (23, NULL, '4');
INSERT INTO mails VALUES (30, '{ANN@x.example,ben@x.example}', 'hello'), (31, '{ben@x.example}', 'hi'), (32, '{}', 'nobody');
INSERT INTO rooms VALUES ('R1', 'k'), ('R2', 'k'), ('n/a', 'k');`

const schoolIndexes = `
CREATE INDEX ON lessons USING gin (attendees jsonb_path_ops);
CREATE INDEX ON grades ((slip #>> '{of,pupil}'));
CREATE INDEX ON mails USING gin (recipients);
CREATE INDEX ON pupils USING gin (profile);
CREATE INDEX ON pupils USING gin (friends);`

const schoolMap = `
dataset:
  - fides_key: school
    lethe: {source: school, basis: f}
    collections:
      - name: pupils
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: hmac, configuration: {algorithm: SHA-512}}}}
          - name: profile
            fields:
              - name: contact
                fields:
                  - {name: phone, data_categories: [user.contact.phone_number]}
                  - {name: likes, data_categories: [user.behavior], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: x}}}}
              - {name: room, fides_meta: {references: [{dataset: school, field: rooms.code, direction: to}]}}
              - {name: class}
          - {name: friends, fides_meta: {data_type: "integer[]"}}
          - name: plain
            fields:
              - {name: nick, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: hash, configuration: {format_preservation: {suffix: "@h"}}}}}
      - name: lessons
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: attendees
            fields:
              - {name: pupil, fides_meta: {references: [{dataset: school, field: pupils.id, direction: from}]}}
              - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: hmac, configuration: {algorithm: SHA-512}}}}
          - {name: teachers, data_categories: [user.job_title], fides_meta: {data_type: "string[]", masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: someone}}}}
      - name: grades
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: slip
            fides_meta: {data_type: object}
            fields:
              - name: of
                fides_meta: {data_type: object}
                fields:
                  - {name: pupil, fides_meta: {data_type: integer, references: [{dataset: school, field: pupils.id, direction: from}]}}
              - {name: by, data_categories: [user.content], lethe: {redact: true}}
          - {name: mark, data_categories: [user.content]}
      - name: mails
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: recipients, data_categories: [user.contact.email], fides_meta: {identity: email, data_type: "string[]", masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
          - {name: body, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: preserve}}}
      - name: rooms
        fields:
          - {name: code, fides_meta: {primary_key: true}}
          - {name: keeper, data_categories: [user.name]}
`

func secret() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// ways runs a test in both ways of a walk, with and without indexes.
func ways(t *testing.T, schema, indexes string, f func(t *testing.T, pool *pgxpool.Pool, o postgres.Options)) {
	t.Helper()
	for _, with := range []string{"", indexes} {
		t.Run(fmt.Sprintf("indexes %t", with != ""), func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, schema+with)
				f(t, pool, o)
			})
		})
	}
}

func TestInsideDocumentsAndArrays(t *testing.T) {
	t.Parallel()
	ways(t, schoolSchema, schoolIndexes, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		m := mapOf(t, schoolMap)
		s := sourceOf(t, pool, "school", o)
		ann := seeds("email", "ann@x.example")
		found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: ann})
		if err != nil {
			t.Fatal(err)
		}
		is := by(found.Findings)
		expect(t, is["pupils"], 1, 0, 0, 0)
		expect(t, is["lessons"], 2, 0, 0, 0)
		expect(t, is["grades"], 1, 0, 0, 0)
		expect(t, is["mails"], 1, 0, 0, 0)
		expect(t, is["rooms"], 1, 0, 0, 0)

		rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: ann})
		same(t, rows, "lessons", "attendees", `[{"name": "Ann", "pupil": 1}]`, `{"name": "Ann", "pupil": "1"}`)
		same(t, rows, "mails", "recipients", `["ANN@x.example"]`)
		same(t, rows, "grades", "slip", `{"of": {"pupil": 1}}`)
		same(t, rows, "pupils", "profile", `{"contact": {"phone": "+420111", "likes": ["tea", null]}, "room": "R1"}`)

		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: ann, Secret: secret()}
		before := text(t, pool, "SELECT name FROM pupils WHERE id = 1")
		erasedWhole(t, s, walk)
		name := text(t, pool, "SELECT name FROM pupils WHERE id = 1")
		if name == before || len(name) != 128 {
			t.Errorf("expected an HMAC of 128 digits, got %q", name)
		}
		for _, c := range []struct{ sql, want string }{
			{"SELECT attendees #>> '{0,name}' FROM lessons WHERE id = 10", name}, // equal values still join
			{"SELECT attendees #>> '{1,name}' FROM lessons WHERE id = 10", "Ben"},
			{"SELECT attendees #>> '{name}' FROM lessons WHERE id = 11", name},
			{"SELECT teachers::text FROM lessons WHERE id = 10", "{someone,someone}"},
			{"SELECT teachers::text FROM lessons WHERE id = 11", "{}"},
			{"SELECT recipients::text FROM mails WHERE id = 30", "{gone,ben@x.example}"},
			{"SELECT recipients::text FROM mails WHERE id = 31", "{ben@x.example}"},
			{"SELECT profile::text FROM pupils WHERE id = 1", `{"room": "R1", "class": 3, "contact": {"likes": ["x", null], "phone": null}}`},
			{"SELECT profile #>> '{contact,phone}' FROM pupils WHERE id = 2", "+420222"},
			{"SELECT left(plain ->> 'nick', 64) ~ '^[0-9a-f]{64}$' AND plain ->> 'nick' LIKE '%@h' AND plain ->> 'other' = '1' FROM pupils WHERE id = 1", "true"},
			{"SELECT count(*)::text FROM grades", "3"},
		} {
			if got := text(t, pool, c.sql); got != c.want {
				t.Errorf("%s: expected %s, got %s", c.sql, c.want, got)
			}
		}
	})
}

// given reads all rows that a walk gives, by collection without its dataset.
func given(t testing.TB, s *postgres.Source, w source.Walk) map[string][]source.Row {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	rows := map[string][]source.Row{}
	for _, f := range snap.Findings() {
		name := f.Collection[strings.Index(f.Collection, ".")+1:]
		if err := snap.Rows(t.Context(), f.Collection, func(r source.Row) error {
			rows[name] = append(rows[name], source.Row{Fields: slices.Clone(r.Fields), Values: slices.Clone(r.Values)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// same compares a field of all rows given of a collection, as JSON.
func same(t testing.TB, rows map[string][]source.Row, collection, field string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range rows[collection] {
		if i := slices.Index(r.Fields, field); i >= 0 {
			b, err := json.Marshal(r.Values[i])
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(b))
		}
	}
	plain := func(s string) string {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	if len(got) != len(want) {
		t.Errorf("%s.%s: expected %v, got %v", collection, field, want, got)
		return
	}
	for i := range want {
		if plain(got[i]) != plain(want[i]) {
			t.Errorf("%s.%s: expected %s, got %s", collection, field, want[i], got[i])
		}
	}
}

func text(t testing.TB, pool *pgxpool.Pool, sql string) string {
	t.Helper()
	var v *string
	if err := pool.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return "NULL"
	}
	return *v
}

const registerSchema = `
CREATE TABLE firms  (country text, no int, email text, PRIMARY KEY (country, no));
CREATE TABLE bills  (id int PRIMARY KEY, country text, firm_no int, sum int);
CREATE TABLE seats  (id int PRIMARY KEY, land text, firm int, street text);
INSERT INTO firms VALUES ('CZ', 1, 'a@x.example'), ('DE', 2, 'A@x.example'), ('DE', 1, 'b@x.example'), ('SK', 9, 'a@x.example');
INSERT INTO bills VALUES (1, 'CZ', 1, 5), (2, 'DE', 2, 5), (3, 'DE', 1, 5), (4, 'CZ', 2, 5), (5, NULL, 1, 5), (6, 'CZ', NULL, 5), (7, 'SK', 9, 1);
INSERT INTO seats VALUES (1, 'CZ', 1, 's'), (2, 'DE', 1, 's'), (3, 'CZ', 2, 's');`

const registerMap = `
dataset:
  - fides_key: register
    lethe: {source: register, basis: f}
    collections:
      - name: firms
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: country, fides_meta: {primary_key: true}}
          - {name: no, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: bills
        lethe: {all_of: [country, firm_no]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: country, fides_meta: {references: [{dataset: register, field: firms.country, direction: from}]}}
          - {name: firm_no, fides_meta: {references: [{dataset: register, field: firms.no, direction: from}]}}
          - {name: sum, data_categories: [user.financial]}
      - name: seats
        lethe: {all_of: [land, firm]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: land, fides_meta: {references: [{dataset: register, field: firms.country, direction: from}]}}
          - {name: firm, fides_meta: {references: [{dataset: register, field: firms.no, direction: from}]}}
          - {name: street, data_categories: [user.contact.address]}
`

// TestAllOf: a link by two columns leads to rows where both agree with one row,
// and is looked back over in the same way to tell what is shared.
func TestAllOf(t *testing.T) {
	t.Parallel()
	ways(t, registerSchema, `CREATE INDEX ON bills (firm_no, country); CREATE INDEX ON seats (land, firm);`, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		s := sourceOf(t, pool, "register", o)
		walk := source.Walk{Plan: planOf(t, mapOf(t, registerMap), datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		done, err := s.Erase(t.Context(), walk, source.Holds{Rows: []source.RowKey{{Collection: "register.bills", Key: "7"}}}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		is := by(done.Findings)
		expect(t, is["firms"], 3, 0, 2, 1) // what a held bill names stays, masked
		expect(t, is["bills"], 3, 0, 2, 0)
		expect(t, is["seats"], 1, 0, 1, 0)
		if got := text(t, pool, "SELECT string_agg(id::text, ',' ORDER BY id) FROM bills"); got != "3,4,5,6,7" {
			t.Errorf("expected only the bills of the firms' own to go, left are %s", got)
		}
		if left, err := s.Look(t.Context(), walk, source.Holds{Rows: []source.RowKey{{Collection: "register.bills", Key: "7"}}}, done.Keys); err != nil || left.Findings[0].Rows+left.Findings[1].Rows+left.Findings[2].Rows != 0 {
			t.Errorf("expected nothing left, got %+v %v", left, err)
		}
	})
}

// TestInsideIsIndexed: with the indexes that check names, no table is read
// whole, however many rows it has.
func TestInsideIsIndexed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, schoolSchema+`
		CREATE TABLE bulk AS SELECT i FROM generate_series(1000, 6000) i;
		INSERT INTO pupils SELECT i, 'p' || i || '@x.example', 'P', jsonb_build_object('room', 'R' || i), ARRAY[i], '{}' FROM bulk;
		INSERT INTO lessons SELECT i, jsonb_build_array(jsonb_build_object('pupil', i, 'name', 'P')), '{t}', 'n' FROM bulk;
		INSERT INTO grades SELECT i, jsonb_build_object('of', jsonb_build_object('pupil', i)), '1' FROM bulk;
		INSERT INTO mails SELECT i, ARRAY['p' || i || '@x.example'], 'b' FROM bulk;
		INSERT INTO rooms SELECT 'R' || i, 'k' FROM bulk;`)
	m := mapOf(t, strings.ReplaceAll(schoolMap, "fides_meta: {identity: email", "lethe: {match: exact}, fides_meta: {identity: email"))
	s := sourceOf(t, pool, "school", postgres.Options{})
	for range 2 { // what check names first may be all
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range doubts {
			if strings.HasPrefix(d.Do, "CREATE INDEX CONCURRENTLY ON ") {
				pgtest.Exec(t, pool, strings.Replace(d.Do, "CONCURRENTLY ", "", 1))
			}
		}
	}
	pgtest.Exec(t, pool, "ANALYSE")
	config := pool.Config()
	config.MaxConns = 1
	one := poolOf(t, config)
	count := func() (n int64) {
		t.Helper()
		if _, err := one.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
			t.Fatal(err)
		}
		if err := one.QueryRow(t.Context(), "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname <> 'bulk'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for _, above := range []int64{0, -1} {
		s := sourceOf(t, one, "school", postgres.Options{StagedAbove: above})
		for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
			found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, kind, "email"), Seeds: seeds("email", "p2000@x.example")})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found.Findings {
				if f.Rows != 1 {
					t.Errorf("expected one row of each, got %+v", f)
				}
			}
		}
	}
	if after := count(); after != before {
		t.Errorf("expected no table to be read whole, got %d times", after-before)
		rows, _ := one.Query(t.Context(), "SELECT relname::text || ' ' || seq_scan FROM pg_stat_user_tables WHERE schemaname = 'public'")
		for rows.Next() {
			v, _ := rows.Values()
			t.Log(v...)
		}
	}
}

// TestARowThatHoldsTwoOfTheValues: a row that two elements lead to is one row,
// with an index and without.
func TestARowThatHoldsTwoOfTheValues(t *testing.T) {
	t.Parallel()
	ways(t, `CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE rooms (id int PRIMARY KEY, guests int[], topic text);
		INSERT INTO people VALUES (1, 'a@x.example'), (2, 'A@x.example'), (3, 'b@x.example');
		INSERT INTO rooms VALUES (1, '{1,2,3}', 't'), (2, '{2}', 't'), (3, '{3}', 't');`, `CREATE INDEX ON rooms USING gin (guests);`, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		m := mapOf(t, `
dataset:
  - fides_key: inn
    lethe: {source: inn, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: inn, field: people.id, direction: from}]}}
          - {name: topic, data_categories: [user.content]}
`)
		found, err := sourceOf(t, pool, "inn", o).Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(found.Findings)["rooms"], 2, 0, 0, 0)
	})
}

// TestArraysThatNobodyDeclared: an object that follows from its fields alone may be
// an array in the rows; one that is said to be an object is one value.
func TestArraysThatNobodyDeclared(t *testing.T) {
	t.Parallel()
	ways(t, `CREATE TABLE notes (id int PRIMARY KEY, doc jsonb); INSERT INTO notes VALUES (1, '{"mail": "a@x.example"}'), (2, '[{"mail": "A@x.example"}, {"mail": "b@x.example"}]');`,
		`CREATE INDEX ON notes USING gin (doc);`, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
			for said, rows := range map[string]int64{"": 2, "fides_meta: {data_type: object},": 1} {
				m := mapOf(t, `
dataset:
  - fides_key: desk
    lethe: {source: desk, basis: f}
    collections:
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: doc, `+said+` fields: [{name: mail, data_categories: [user.contact.email], fides_meta: {identity: email, data_type: string}}]}
`)
				found, err := sourceOf(t, pool, "desk", o).Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
				if err != nil || found.Findings[0].Rows != rows {
					t.Errorf("%q: expected %d rows, got %+v, %v", said, rows, found.Findings, err)
				}
			}
		})
}

// TestReturnAllElements: of an array that a reference led to, one's own elements
// alone are given and masked; with return_all_elements all of it is.
func TestReturnAllElements(t *testing.T) {
	t.Parallel()
	for all, want := range map[bool][2]string{false: {"[1]", "{NULL,2}"}, true: {"[1,2]", "NULL"}} {
		ways(t, `CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE rooms (id int PRIMARY KEY, guests int[]);
			INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example'); INSERT INTO rooms VALUES (1, '{1,2}'), (2, '{2}');`,
			`CREATE INDEX ON rooms USING gin (guests);`, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
				m := mapOf(t, fmt.Sprintf(`
dataset:
  - fides_key: inn
    lethe: {source: inn, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: guests
            data_categories: [user.unique_id]
            fides_meta:
              data_type: "integer[]"
              return_all_elements: %t
              references: [{dataset: inn, field: people.id, direction: from}]
              masking_strategy_override: {strategy: null_rewrite}
`, all))
				s := sourceOf(t, pool, "inn", o)
				snap, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
				if err != nil {
					t.Fatal(err)
				}
				given := ""
				err = snap.Rows(t.Context(), "inn.rooms", func(r source.Row) error {
					given += fmt.Sprintf("%s", r.Values[slices.Index(r.Fields, "guests")])
					return nil
				})
				if err := errors.Join(err, snap.Close(t.Context())); err != nil {
					t.Fatal(err)
				}
				if given != want[0] {
					t.Errorf("return_all_elements %t: expected %s to be given, got %s", all, want[0], given)
				}
				if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
					t.Fatal(err)
				}
				if got := text(t, pool, "SELECT string_agg(coalesce(guests::text, 'NULL'), ' ' ORDER BY id) FROM rooms"); got != want[1]+" {2}" {
					t.Errorf("return_all_elements %t: expected %s to be left in the first room, got %s", all, want[1], got)
				}
			})
	}
}

// TestTextsThatAreNoCharacters: a column of type json holds what jsonb refuses,
// \u0000 and halves of a character. Such a document is searched, given and masked
// like any other, and nobody else's request fails of it.
func TestTextsThatAreNoCharacters(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: doc
            fields:
              - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
              - {name: last, data_categories: [user.content]}
              - {name: code}
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: doc, fields: [{name: of, fides_meta: {references: [{dataset: w, field: people.doc.code, direction: from}]}}]}
          - {name: body, data_categories: [user.content]}
`)
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, doc json); CREATE TABLE notes (id int PRIMARY KEY, doc json, body text);
			INSERT INTO people VALUES
			  (1, '{"mail": "a@x.example", "last": "cut \ud83d", "more": "\u0000\u0000 \ud83d\ude00 \ude00\\u0000", "code": "\u0000"}'),
			  (2, '{"mail": "b@x.example", "last": "\\\ud83d\ud83d\ude00", "code": "c-2"}'),
			  (3, '{"mail": "c@x.example", "last": "\\ud83d\ude00 \\\\ud83d\ude00 \\\\\ud83d\ude00"}');
			INSERT INTO notes VALUES (1, '{"of": "\u0000"}', 'nobody''s'), (2, '{"of": "c-2", "x": "\ud83d"}', 'b''s');`)
		s := sourceOf(t, pool, "w", o)
		walk := func(kind datamap.Kind, email string) source.Walk {
			return source.Walk{Plan: planOf(t, m, kind, "email"), Seeds: seeds("email", email)}
		}
		rows := given(t, s, walk(datamap.Access, "a@x.example"))
		same(t, rows, "people", "doc", `{"mail": "a@x.example", "last": "cut \ufffd", "code": "\ufffd"}`)
		same(t, rows, "notes", "body")
		rows = given(t, s, walk(datamap.Access, "b@x.example"))
		same(t, rows, "people", "doc", `{"mail": "b@x.example", "last": "\\\ufffd\ud83d\ude00", "code": "c-2"}`)
		same(t, rows, "notes", "body", `"b's"`)
		rows = given(t, s, walk(datamap.Access, "c@x.example"))
		same(t, rows, "people", "doc", `{"mail": "c@x.example", "last": "\\ud83d\ufffd \\\\ud83d\ufffd \\\\\ud83d\ude00"}`)
		erase := walk(datamap.Erasure, "a@x.example")
		done, err := s.Erase(t.Context(), erase, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["people"], 1, 0, 0, 1)
		if left, err := s.Look(t.Context(), erase, source.Holds{}, done.Keys); err != nil || by(left.Findings)["people"].Rows != 0 {
			t.Errorf("expected nothing left, got %+v, %v", left.Findings, err)
		}
		if got := text(t, pool, "SELECT doc FROM people WHERE id = 1"); got != "{\"code\": \"\ufffd\", \"last\": null, \"mail\": null, \"more\": \"\ufffd\ufffd 😀 \ufffd\\\\u0000\"}" {
			t.Errorf("expected the rest of the document to be left, got %s", got)
		}
	})
}

// TestWholeNumbersInDocuments: a document holds a whole number as 3 or as 3.0; both are
// the 3 of a column, from either end, whatever the map declares and which index there is.
func TestWholeNumbersInDocuments(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE TABLE people (id int PRIMARY KEY, email text, doc jsonb, n int); INSERT INTO people VALUES (1, 'a@x.example', '{"n": 3.0}', 4), (2, 'b@x.example', '{"n": 5}', 6);
		CREATE TABLE plain (id int PRIMARY KEY, k int); INSERT INTO plain VALUES (1, 3), (2, 5);
		CREATE TABLE notes (id int PRIMARY KEY, doc jsonb); INSERT INTO notes VALUES (1, '{"k": 4.0}'), (2, '{"k": 4}'), (3, '{"k": 6.0}'), (4, '{"k": 4.5}');`
	for _, index := range []string{"", "CREATE INDEX ON notes USING gin (doc);", "CREATE INDEX ON notes ((doc ->> 'k'));"} {
		for _, declared := range []string{"", "data_type: integer, "} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, tables+index)
			m := mapOf(t, strings.ReplaceAll(`
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: n}
          - {name: doc, fides_meta: {data_type: object}, fields: [{name: n}]}
      - name: plain
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: k, fides_meta: {DECLAREDreferences: [{dataset: shop, field: people.doc.n, direction: from}]}}]
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: doc, fides_meta: {data_type: object}, fields: [{name: k, fides_meta: {DECLAREDreferences: [{dataset: shop, field: people.n, direction: from}]}}]}]
`, "DECLARED", declared))
			for way, staged := range map[string]int64{"one statement": 0, "staged": -1} {
				s := sourceOf(t, pool, "shop", postgres.Options{StagedAbove: staged})
				found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")})
				if err != nil {
					t.Fatal(err)
				}
				if plain, notes := by(found.Findings)["plain"], by(found.Findings)["notes"]; plain.Rows != 1 || notes.Rows != 2 {
					t.Errorf("%s, %q, %q: expected one plain row and two notes, got %+v, %+v", way, index, declared, plain, notes)
				}
			}
		}
	}
}

// NULL stays NULL, in a copy and in an erasure: an array that a row does not have is
// no empty one, and a check may tell the two apart.
func TestArraysThatAreNull(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE TABLE rooms (id int PRIMARY KEY, host int, guests int[] CHECK (cardinality(guests) > 0), tags text[] CHECK (cardinality(tags) > 0), topic text);
			INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
			INSERT INTO rooms VALUES (1, 1, NULL, NULL, 't'), (2, 2, '{1,2}', '{x}', 't'), (3, 1, '{2}', NULL, 't');`)
		m := mapOf(t, `
dataset:
  - fides_key: inn
    lethe: {source: inn}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: host, fides_meta: {references: [{dataset: inn, field: people.id, direction: from}]}}
          - name: guests
            data_categories: [user.unique_id]
            fides_meta:
              data_type: "integer[]"
              references: [{dataset: inn, field: people.id, direction: from}]
              masking_strategy_override: {strategy: null_rewrite}
          - {name: tags, data_categories: [user.content], fides_meta: {data_type: "string[]", masking_strategy_override: {strategy: hash}}}
          - {name: topic, data_categories: [user.content]}
`)
		s := sourceOf(t, pool, "inn", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Secret: bytes.Repeat([]byte{7}, 32)}
		if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		const want = "1 NULL NULL|2 {NULL,2} hash|3 {2} NULL"
		if got := text(t, pool, `SELECT string_agg(concat_ws(' ', id, coalesce(guests::text, 'NULL'), CASE WHEN length(tags[1]) = 64 THEN 'hash' ELSE coalesce(tags::text, 'NULL') END), '|' ORDER BY id) FROM rooms`); got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	})
}

// null_rewrite empties an array inside a document whole, as it does a column: that
// there were three says something of the person. Elements of several people are
// told apart all the same.
func TestArraysInDocumentsEmptied(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, doc jsonb);
			CREATE TABLE rooms (id int PRIMARY KEY, doc jsonb);
			INSERT INTO people VALUES (1, 'a@x.example', '{"phones": ["1", "2", "3"], "cards": [{"pans": [1, 2]}, {"x": 1}], "theme": 1}');
			INSERT INTO rooms VALUES (1, '{"guests": [1, 2]}');`)
		m := mapOf(t, `
dataset:
  - fides_key: inn
    lethe: {source: inn}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - name: doc
            fields:
              - {name: phones, data_categories: [user.contact.phone_number], fides_meta: {data_type: "string[]"}}
              - {name: cards, fields: [{name: pans, data_categories: [user.financial]}]}
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: doc
            fields:
              - name: guests
                data_categories: [user.unique_id]
                fides_meta:
                  references: [{dataset: inn, field: people.id, direction: from}]
                  masking_strategy_override: {strategy: null_rewrite}
`)
		s := sourceOf(t, pool, "inn", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		const want = `{"cards": [{"pans": null}, {"x": 1}], "theme": 1, "phones": null} {"guests": [null, 2]}`
		if got := text(t, pool, `SELECT p.doc || ' ' || r.doc::text FROM (SELECT doc::text FROM people) p, rooms r`); got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	})
}
