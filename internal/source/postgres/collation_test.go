package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Every text has a collation of its own, one of them so that capitals do not
// count, by which no pattern can be matched.
const collationTables = `
	CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE people (name text COLLATE alike PRIMARY KEY, email text COLLATE alike, phone text COLLATE alike, note varchar(70) COLLATE alike, ref text COLLATE "C" UNIQUE);
	CREATE TABLE devices (id text COLLATE "POSIX" PRIMARY KEY, person text COLLATE "C" REFERENCES people (ref), email text COLLATE "POSIX");
	CREATE TABLE visits (id int PRIMARY KEY, device text COLLATE "C", page text COLLATE alike);
	CREATE TABLE posts (id int PRIMARY KEY, author text COLLATE alike REFERENCES people, topic text COLLATE alike);
	CREATE TABLE likes (id int PRIMARY KEY, device text COLLATE "C" REFERENCES devices ON DELETE CASCADE);
	CREATE INDEX ON devices (person); CREATE INDEX ON visits (device); CREATE INDEX ON posts (author); CREATE INDEX ON likes (device);
	INSERT INTO people VALUES ('Ada', 'Ada@x.example', '+420 601 111 222', 'a', 'p1'), ('Ben', 'Ben@x.example', '+420 602 111 222', 'b', 'p2'), ('Cyd', 'Cyd@x.example', '+420 603 111 222', 'c', 'p3');
	INSERT INTO devices VALUES ('d1', 'p1', 'a2@x.example'), ('d2', 'p2', 'b2@x.example'), ('d3', 'p3', 'c2@x.example');
	INSERT INTO visits VALUES (1, 'd1', '/a'), (2, 'd2', '/b'), (3, 'd3', '/c');
	INSERT INTO posts VALUES (1, 'ADA', 'shoes'), (2, 'ben', 'shoes'), (3, 'CYD', 'shoes'), (11, 'ada', 'law'), (12, 'BEN', 'law'), (13, 'Cyd', 'law');
	INSERT INTO likes VALUES (1, 'd1'), (2, 'd2'), (3, 'd3');`

const collationMap = `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: name, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, masking_strategy_override: {strategy: random_string_rewrite}}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: note, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: hash}}}
          - {name: ref}
      - name: devices
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: w, field: people.ref, direction: from}]}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: visits
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: device, fides_meta: {references: [{dataset: w, field: devices.id, direction: from}]}}
          - {name: page, data_categories: [user.behavior]}
      - name: posts
        lethe: {keep: {because: a law, where: {topic: ["l*"]}}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: author, fides_meta: {references: [{dataset: w, field: people.name, direction: from}]}}
          - {name: topic, data_categories: [user.content]}
      - name: likes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [user.behavior], fides_meta: {primary_key: true}}
          - {name: device, fides_meta: {references: [{dataset: w, field: devices.id, direction: from}]}}
`

// TestCollations: columns that are compared with each other may have different
// collations, and such by which texts that differ are equal.
func TestCollations(t *testing.T) {
	t.Parallel()
	m := mapOf(t, collationMap)
	walk := func(kind datamap.Kind, seed ...string) source.Walk {
		return source.Walk{Plan: planOf(t, m, kind, "email", "phone"), Seeds: seeds(seed...), Secret: []byte("0123456789abcdef"), Today: midnight("2026-12-01")}
	}
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, collationTables)
		s := sourceOf(t, pool, "w", o)
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range doubts {
			if d.Level == postgres.Wrong || strings.Contains(d.Sentence, "reference") {
				t.Errorf("expected nothing to be wrong, got %+v", d)
			}
		}
		for _, seed := range [][]string{{"email", "ada@x.example"}, {"phone", "+420601111222"}} {
			found, err := s.Find(t.Context(), walk(datamap.Access, seed...))
			if err != nil {
				t.Fatal(err)
			}
			for name, n := range map[string]int64{"people": 1, "devices": 1, "visits": 1, "posts": 2, "likes": 1} {
				expect(t, by(found.Findings)[name], n, 0, 0, 0)
			}
			if len(given(t, s, walk(datamap.Access, seed...))["posts"]) != 2 {
				t.Errorf("expected both posts to be given to %v", seed)
			}
		}
		one, other := walk(datamap.Erasure, "email", "ada@x.example"), walk(datamap.Erasure, "email", "ben@x.example")
		is := erasedWhole(t, s, one)
		expect(t, is["people"], 1, 0, 0, 1)
		expect(t, is["posts"], 2, 0, 1, 0)
		expect(t, is["likes"], 1, 0, 1, 0)
		for _, d := range s.EraseBatch(t.Context(), []source.Walk{other}, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
			if d.Err != nil {
				t.Fatal(d.Err)
			}
		}
		if got := text(t, pool, `SELECT concat_ws(' ', (SELECT string_agg(ref, ',' ORDER BY ref) FROM people WHERE email LIKE '%@%' COLLATE "C"), (SELECT string_agg(id, ',' ORDER BY id) FROM devices),
			(SELECT string_agg(id::text, ',') FROM visits), (SELECT string_agg(id::text, ',' ORDER BY id) FROM posts), (SELECT string_agg(id::text, ',') FROM likes))`); got != "p3 d3 3 3,11,12,13 3" {
			t.Errorf("expected the other person's rows and the kept ones to be left, got %s", got)
		}
	})
}

// TestAKeyThatIsUniqueByAnotherCollation: an index by which Ada and ada differ makes no
// key of a column by which they are equal.
func TestAKeyThatIsUniqueByAnotherCollation(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
			CREATE TABLE people (name text COLLATE alike NOT NULL, email text); CREATE UNIQUE INDEX ON people (name COLLATE "C");
			INSERT INTO people VALUES ('Ada', 'a@x.example'), ('ada', 'other@x.example')`)
		m := func(key string) *datamap.Map {
			return mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: people, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: name`+key+`}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}]`)
		}
		s := sourceOf(t, pool, "w", o)
		erase := func(m *datamap.Map) error {
			_, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
			return err
		}
		if err := erase(m(", fides_meta: {primary_key: true}")); err == nil || !strings.Contains(err.Error(), "do not identify a row") {
			t.Errorf("expected the key to be refused, got %v", err)
		}
		if err := erase(m("")); err != nil {
			t.Fatal(err)
		}
		if left := text(t, pool, "SELECT string_agg(name, ',') FROM people"); left != "ada" {
			t.Errorf("expected the other person alone to be left, there are %s", left)
		}
	})
}
