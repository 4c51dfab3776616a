package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A shape is a table as real databases have them. It holds rows of person 1
// and of person 2, who has the value 2 wherever person 1 has 1.
type shape struct {
	name   string
	schema string // of the table
	fields string // of its collection, as YAML
	table  string // the collection, "things" unless said
	more   string // of the collection, as YAML
	rows   int64  // of person 1
	left   string // SQL of what must be left, and
	want   string // how it looks
	check  string // part of what lethe check says of it; "" for nothing wrong
}

const ofPerson = `{name: person, fides_meta: {references: [{dataset: zoo, field: people.id, direction: from}]}}`
const withNote = `{name: note, data_categories: [user.content]}`

func shapes() []shape {
	return []shape{
		{name: "quoted names", schema: `CREATE TABLE "My Things" ("Id" int PRIMARY KEY, person int, "Sel""ect" text); INSERT INTO "My Things" VALUES (1, 1, 'a'), (2, 2, 'b')`,
			table: "My Things", fields: `{name: Id, fides_meta: {primary_key: true}}, ` + ofPerson, rows: 1, left: `SELECT count(*) FROM "My Things" WHERE person = 2`, want: "1"},
		{name: "composite key of text and uuid", schema: `CREATE TABLE things (a text, b uuid, person int, note text, PRIMARY KEY (a, b)); INSERT INTO things SELECT x, gen_random_uuid(), p, 'n' FROM unnest('{"a,b","(\"",""}'::text[]) x, generate_series(1, 2) p`,
			fields: `{name: a, fides_meta: {primary_key: true}}, {name: b, fides_meta: {primary_key: true}}, ` + ofPerson + ", " + withNote, rows: 3, left: "SELECT count(*) FROM things", want: "3"},
		{name: "domains, enums, ranges and citext", schema: `CREATE EXTENSION IF NOT EXISTS citext; CREATE DOMAIN pid AS int; CREATE DOMAIN pid2 AS pid; CREATE TYPE mood AS ENUM ('ok', 'no');
			CREATE TABLE things (id citext PRIMARY KEY, person pid2, note mood, span int4range, at tsrange); INSERT INTO things VALUES ('A', 1, 'ok', '[1,2)', NULL), ('B', 2, 'no', '[1,3)', NULL)`,
			fields: `{name: id, fides_meta: {primary_key: true}}, ` + ofPerson + ", " + withNote + `, {name: span, data_categories: [user.content]}`, rows: 1, left: "SELECT string_agg(id::text, ',') FROM things", want: "B"},
		{name: "partitioned", schema: `CREATE TABLE things (id int, day date, person int, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
			CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE things_2 PARTITION OF things DEFAULT;
			INSERT INTO things SELECT i, '2026-01-01'::date + 20 * i, 1 + i % 2, 'n' FROM generate_series(0, 5) i`,
			fields: `{name: id, fides_meta: {primary_key: true}}, {name: day, fides_meta: {primary_key: true}}, ` + ofPerson + ", " + withNote, rows: 3, left: "SELECT count(*) FROM things WHERE person = 2", want: "3"},
		{name: "inherited", schema: `CREATE TABLE things (id int PRIMARY KEY, person int, note text); CREATE TABLE special (extra text) INHERITS (things);
			INSERT INTO things VALUES (1, 1, 'n'), (2, 2, 'n'); INSERT INTO special VALUES (1, 2, 'other', 'x'), (2, 1, 'mine', 'x')`,
			fields: `{name: id, fides_meta: {primary_key: true}}, ` + ofPerson + ", " + withNote, rows: 2, left: "SELECT string_agg(id || ':' || person, ',' ORDER BY id) FROM things", want: "1:2,2:2"},
		{name: "no key", schema: `CREATE TABLE things (person int, note text); INSERT INTO things VALUES (1, 'n'), (1, 'n'), (1, NULL), (2, 'n'), (2, NULL)`,
			fields: ofPerson + ", " + withNote, rows: 3, left: "SELECT count(*) FROM things", want: "2", check: "its rows have no key"},
		{name: "no key, partitioned", schema: `CREATE TABLE things (person int, note text) PARTITION BY LIST (person); CREATE TABLE things_1 PARTITION OF things FOR VALUES IN (1); CREATE TABLE things_2 PARTITION OF things FOR VALUES IN (2);
			INSERT INTO things VALUES (1, 'n'), (2, 'n'), (2, 'm')`, fields: ofPerson + ", " + withNote, rows: 1, left: "SELECT count(*) FROM things", want: "2", check: "its rows have no key"},
		{name: "a unique index for a key", schema: `CREATE TABLE things (no int NOT NULL UNIQUE, person int, note text); INSERT INTO things VALUES (1, 1, 'n'), (2, 2, 'n')`,
			fields: ofPerson + ", " + withNote, rows: 1, left: "SELECT string_agg(no::text, ',') FROM things", want: "2"},
		{name: "generated and identity columns", schema: `CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int, note text, loud text GENERATED ALWAYS AS (upper(note)) STORED); INSERT INTO things (person, note) VALUES (1, 'n'), (2, 'n')`,
			fields: `{name: id, fides_meta: {primary_key: true}}, ` + ofPerson + ", " + withNote + `, {name: loud}`, rows: 1, left: "SELECT string_agg(id || loud, ',') FROM things", want: "2N", check: "makes its values itself"},
		{name: "char(n) masked", schema: `CREATE TABLE things (id int PRIMARY KEY, person int, note char(5)); INSERT INTO things VALUES (1, 1, 'n'), (2, 2, 'n')`, more: "masked",
			fields: `{name: id, fides_meta: {primary_key: true}}, ` + ofPerson + `, {name: note, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gonegone}}}}`,
			rows:   1, left: "SELECT string_agg(note, ',' ORDER BY id) FROM things", want: "goneg,n"},
		{name: "name masked", schema: `CREATE TABLE things (id int PRIMARY KEY, person int, note name); INSERT INTO things VALUES (1, 1, 'n'), (2, 2, 'n')`, more: "masked",
			fields: `{name: id, fides_meta: {primary_key: true}}, ` + ofPerson + `, {name: note, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: random_string_rewrite, configuration: {length: 80}}}}`,
			rows:   1, left: "SELECT string_agg(length(note)::text, ',' ORDER BY id) FROM things", want: "63,1"},
		{name: "array of references", schema: `CREATE TABLE things (id int PRIMARY KEY, person smallint[], note text); INSERT INTO things VALUES (1, '{1,2}', 'n'), (2, '{2}', 'n'), (3, '{}', 'n'), (4, NULL, 'n')`,
			fields: `{name: id, fides_meta: {primary_key: true}}, {name: person, fides_meta: {data_type: "integer[]", references: [{dataset: zoo, field: people.id, direction: from}]}}, ` + withNote, rows: 1,
			left: "SELECT string_agg(id::text, ',' ORDER BY id) FROM things", want: "2,3,4", check: "USING gin"},
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for _, sh := range shapes() {
		t.Run(sh.name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) { sh.try(t, o) })
		})
	}
}

func (sh shape) try(t *testing.T, o postgres.Options) {
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE SCHEMA "Zoo x"; SET search_path TO "Zoo x", public; CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');`+sh.schema+`; SET search_path TO DEFAULT`)
	table, erase := sh.table, "fides_meta: {masking_strategy_override: {strategy: delete}}"
	if table == "" {
		table = "things"
	}
	if sh.more == "masked" {
		erase = "tags: []"
	}
	m := mapOf(t, `
dataset:
  - fides_key: zoo
    fides_meta: {namespace: {schema: "Zoo x"}}
    lethe: {source: zoo, basis: f}
    collections:
      - {name: people, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}
      - {name: `+table+`, data_categories: [user.content], `+erase+`, fields: [`+sh.fields+`]}
`)
	s := sourceOf(t, pool, "zoo", o)
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, d := range doubts {
		said = said || sh.check != "" && strings.Contains(d.Sentence+d.Do, sh.check)
		if d.Level == postgres.Wrong {
			t.Errorf("expected check to find nothing wrong: %+v", d)
		}
	}
	if said == (sh.check == "") {
		t.Errorf("expected check to say %q: %+v", sh.check, doubts)
	}
	full := "zoo." + table
	found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
	if err != nil {
		t.Fatal(err)
	}
	if f := found.Findings[1]; f.Collection != full || f.Rows != sh.rows || f.Shared != 0 {
		t.Errorf("expected %d rows found, got %+v", sh.rows, f)
	}
	if rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}); int64(len(rows[table])) < sh.rows-1 || int64(len(rows[table])) > sh.rows {
		t.Errorf("expected %d rows given, got %v", sh.rows, rows[table])
	}
	walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
	done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	if f := done.Findings[1]; f.Erased+f.Masked != sh.rows {
		t.Errorf("expected %d rows erased or masked, got %+v", sh.rows, f)
	}
	if got := inSchema(t, pool, sh.left); got != sh.want {
		t.Errorf("expected to be left: %s, got %s", sh.want, got)
	}
	left, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left.Findings {
		if f.Rows != 0 {
			t.Errorf("expected nothing left, got %+v", f)
		}
	}
}

// TestKeyless: rows that nothing names but what they hold are ticked and held by it.
func TestKeyless(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE logins (email text, ip text); INSERT INTO logins VALUES ('a@x.example', '1'), ('a@x.example', '2'), ('A@x.example', '3'), ('b@x.example', '1')`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: logins
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: ip, data_categories: [user.device.ip_address]}
`)
		s := sourceOf(t, pool, "w", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		found, err := s.Find(t.Context(), walk)
		if err != nil || len(found.Roots) != 3 {
			t.Fatalf("expected three root rows, got %+v %v", found.Roots, err)
		}
		walk.Restricted = true
		var held []source.RowKey
		for _, r := range found.Roots {
			switch r.Person["email"] {
			case "A@x.example":
				held = append(held, r.RowKey)
				walk.Roots = append(walk.Roots, r.RowKey)
			default:
				if len(walk.Roots) < 2 {
					walk.Roots = append(walk.Roots, r.RowKey)
				}
			}
		}
		done, err := s.Erase(t.Context(), walk, source.Holds{Rows: held}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if n := number(t, pool, "SELECT count(*) FROM logins WHERE email = 'A@x.example'"); n != 1 {
			t.Error("expected the held row to stay")
		}
		if len(done.Kept) != 1 || !done.Kept[0].Held || done.Kept[0].RowKey != held[0] {
			t.Errorf("expected the held row in the note, got %+v", done.Kept)
		}
		if n := number(t, pool, "SELECT count(*) FROM logins WHERE email = 'b@x.example'"); n != 1 {
			t.Error("expected other people's rows to stay")
		}
	})
}

// TestKeysThatMayBeNull: a row whose key is NULL is equal to none, so an erasure
// would pass it over and the second look not see it. Such a key is refused.
func TestKeysThatMayBeNull(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE logins (id int UNIQUE, email text) PARTITION BY HASH (id); CREATE TABLE logins1 PARTITION OF logins FOR VALUES WITH (MODULUS 1, REMAINDER 0);
			INSERT INTO logins VALUES (1, 'a@x.example'), (NULL, 'a@x.example'), (NULL, 'a@x.example'), (2, 'b@x.example')`)
		m := func(key string) *datamap.Map {
			return mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: logins, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id`+key+`}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}]`)
		}
		s := sourceOf(t, pool, "w", o)
		erase := func(m *datamap.Map) error {
			_, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
			return err
		}
		keyed := m(", fides_meta: {primary_key: true}")
		doubts, err := s.Check(t.Context(), keyed)
		if err != nil || !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
			return d.Level == postgres.Wrong && d.Subject == "w.logins" && strings.Contains(d.Sentence, "may be NULL")
		}) {
			t.Errorf("expected check to say that the key may be NULL, got %+v, %v", doubts, err)
		}
		if err := erase(keyed); err == nil || !strings.Contains(err.Error(), "may be NULL") {
			t.Errorf("expected the erasure to be refused, got %v", err)
		}
		if err := erase(m("")); err != nil {
			t.Fatal(err)
		}
		if n := number(t, pool, "SELECT count(*) FROM logins"); n != 1 {
			t.Errorf("expected only the other person's row to be left, got %d", n)
		}
	})
}

func TestTriggerThatRaises(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example');
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no, % stays'', OLD.email; END'; CREATE TRIGGER g BEFORE DELETE ON people FOR EACH ROW EXECUTE FUNCTION f();`)
	m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: people, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}]`)
	_, err := sourceOf(t, pool, "w", postgres.Options{}).Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
	if err == nil || !strings.Contains(err.Error(), "P0001") || strings.Contains(err.Error(), "a@x.example") {
		t.Errorf("expected the SQLSTATE of the trigger and no address, got %v", err)
	}
}

// inSchema is text, of tables of the zoo.
func inSchema(t testing.TB, pool *pgxpool.Pool, sql string) string {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	var v *string
	_, err = tx.Exec(t.Context(), `SET LOCAL search_path TO "Zoo x", public`)
	if err == nil {
		err = tx.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v)
	}
	if err != nil || v == nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return *v
}

func midnight(date string) time.Time {
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return d
}

// TestAHoldOnARowWhoseKeyIsNoNumber: NaN is a key like any other, and a hold on its row holds.
func TestAHoldOnARowWhoseKeyIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"float8", "numeric"} {
		both(t, func(t *testing.T, o postgres.Options) {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE people (id `+typ+` PRIMARY KEY, email text); INSERT INTO people VALUES (1.5, 'a@x.example'), ('NaN', 'a@x.example')`)
			s := sourceOf(t, pool, "w", o)
			done, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, mapOf(t, peopleOf("w")), datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")},
				source.Holds{Rows: []source.RowKey{{Collection: "w.people", Key: "NaN"}}}, noNote)
			if err != nil {
				t.Fatal(err)
			}
			if f := by(done.Findings)["people"]; f.Held != 1 || f.Erased != 1 {
				t.Errorf("expected the row held to stay, got %+v", f)
			}
		})
	}
}

// TestEndsThatAreFloats: a floating-point number is compared with a number of any
// other type as the number that it is, also where it is written as text.
func TestEndsThatAreFloats(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
			CREATE TABLE p (id int PRIMARY KEY, email text, f float8, r real, n numeric, i bigint, t text COLLATE alike);
			INSERT INTO p VALUES (1, 'a@x.example', 1e15, 1.5, 1.50, 7, '07.0'), (2, 'b@x.example', 2e15, 2.5, 2.5, 8, 'NaN'), (3, 'c@x.example', 'NaN', 'Infinity', 'NaN', 9, 'nine');
			CREATE TABLE f_i (id int PRIMARY KEY, k bigint); INSERT INTO f_i VALUES (1, 1000000000000000), (2, 2000000000000000);
			CREATE TABLE f_n (id int PRIMARY KEY, k numeric(20,2)); INSERT INTO f_n VALUES (1, 1e15), (2, 2e15), (3, 'NaN');
			CREATE TABLE r_f (id int PRIMARY KEY, k float8); INSERT INTO r_f VALUES (1, 1.5), (2, 2.5), (3, 'Infinity');
			CREATE TABLE n_f (id int PRIMARY KEY, k float8); INSERT INTO n_f VALUES (1, 1.5), (2, 2.5), (3, 'NaN');
			CREATE TABLE i_f (id int PRIMARY KEY, k float8); INSERT INTO i_f VALUES (1, 7), (2, 8), (3, 9);
			CREATE TABLE t_f (id int PRIMARY KEY, k float8); INSERT INTO t_f VALUES (1, 7), (2, 'NaN'), (3, 9);`)
		var hangers strings.Builder
		names := []string{"f_i", "f_n", "r_f", "n_f", "i_f", "t_f"}
		for _, name := range names {
			fmt.Fprintf(&hangers, "      - {name: %s, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, "+
				"{name: k, data_categories: [user], fides_meta: {references: [{dataset: shop, field: p.%s, direction: from}]}}]}\n", name, name[:1])
		}
		m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: p
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: f}
          - {name: r}
          - {name: n}
          - {name: i}
          - {name: t}
`+hangers.String())
		s := sourceOf(t, pool, "shop", o)
		for mail, want := range map[string]string{"a@x.example": "f_i 1, f_n 1, i_f 1, n_f 1, r_f 1, t_f 1", "c@x.example": "i_f 1"} {
			found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", mail)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range slices.Sorted(slices.Values(names)) {
				if n := by(found.Findings)[name].Rows; n > 0 {
					got = append(got, fmt.Sprintf("%s %d", name, n))
				}
			}
			if said := strings.Join(got, ", "); said != want {
				t.Errorf("%s: expected %s, got %s", mail, want, said)
			}
		}
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if left := text(t, pool, `SELECT string_agg(id::text, ',' ORDER BY id) FROM `+name); !strings.HasPrefix(left, "2") {
				t.Errorf("expected the others' rows of %s to be left and no more, got %s", name, left)
			}
		}
	})
}

// TestEndsOfOtherTypes: an address of the network is compared as people write it,
// a day with a moment as a moment.
func TestEndsOfOtherTypes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE p (id int PRIMARY KEY, email text, ip inet, lastip text, born date, seen timestamp);
			CREATE TABLE h1 (id int PRIMARY KEY, ip text); CREATE TABLE h2 (id int PRIMARY KEY, ip inet); CREATE TABLE h3 (id int PRIMARY KEY, ips text[]);
			CREATE TABLE h4 (id int PRIMARY KEY, at timestamp); CREATE TABLE h5 (id int PRIMARY KEY, day date);
			INSERT INTO p VALUES (1, 'a@x.example', '192.0.2.7', '192.0.2.7', '1990-02-03', '1990-02-03'), (2, 'b@x.example', '192.0.2.8', '192.0.2.8', '1991-01-01', '1991-01-01 12:00');
			INSERT INTO h1 VALUES (1, '192.0.2.7'), (2, '192.0.2.8'), (3, NULL); INSERT INTO h2 VALUES (1, '192.0.2.7'), (2, '192.0.2.8'), (3, NULL);
			INSERT INTO h3 VALUES (1, '{192.0.2.7}'), (2, '{192.0.2.8}');
			INSERT INTO h4 VALUES (1, '1990-02-03'), (2, '1991-01-01'); INSERT INTO h5 VALUES (1, '1990-02-03'), (2, '1991-01-01')`)
		m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: p
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: ip}
          - {name: lastip}
          - {name: born}
          - {name: seen}
      - {name: h1, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: ip, data_categories: [user.device], fides_meta: {references: [{dataset: shop, field: p.ip, direction: from}]}}]}
      - {name: h2, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: ip, data_categories: [user.device], fides_meta: {references: [{dataset: shop, field: p.lastip, direction: from}]}}]}
      - {name: h3, fields: [{name: id, fides_meta: {primary_key: true}}, {name: ips, data_categories: [user.device], fides_meta: {data_type: "string[]", references: [{dataset: shop, field: p.ip, direction: from}]}}]}
      - {name: h4, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: at, data_categories: [user], fides_meta: {references: [{dataset: shop, field: p.born, direction: from}]}}]}
      - {name: h5, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: day, data_categories: [user], fides_meta: {references: [{dataset: shop, field: p.seen, direction: from}]}}]}
`)
		s := sourceOf(t, pool, "shop", o)
		found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"h1", "h2", "h3", "h4", "h5"} {
			if n := by(found.Findings)[name].Rows; n != 1 {
				t.Errorf("expected one row of %s, got %d", name, n)
			}
		}
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		if left := text(t, pool, `SELECT concat_ws(' ', (SELECT string_agg(id::text, ',' ORDER BY id) FROM h1), (SELECT string_agg(id::text, ',' ORDER BY id) FROM h2),
			(SELECT string_agg(id::text, ',' ORDER BY id) FROM h4), (SELECT string_agg(id::text, ',' ORDER BY id) FROM h5))`); left != "2,3 2,3 2 2" {
			t.Errorf("expected the others' rows to be left, got %s", left)
		}
	})
}

// Equal rows of a table without a key have one name: they are one root, alone
// and among many, counted as often as they stand there.
func TestEqualRowsAreOneRoot(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE visits (email text, day date); INSERT INTO visits VALUES ('a@x.example', '2026-01-01'), ('a@x.example', '2026-01-01'),
			('a@x.example', '2026-01-02'), ('b@x.example', '2026-01-01')`)
		m := mapOf(t, `
dataset:
  - fides_key: zoo
    lethe: {source: zoo, basis: f}
    collections: [{name: visits, fields: [{name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: day}]}]
`)
		s := sourceOf(t, pool, "zoo", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}
		alone, err := s.Find(t.Context(), walk)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range []*source.Found{&alone, s.FindMany(t.Context(), []source.Walk{walk, walk})[0]} {
			if found != nil && (len(found.Roots) != 2 || found.Findings[0].Rows != 3) {
				t.Errorf("expected three rows under two names, got %+v of %+v", found.Roots, found.Findings)
			}
		}
		walk = source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: walk.Seeds, Restricted: true, Roots: []source.RowKey{alone.Roots[0].RowKey, alone.Roots[1].RowKey}}
		if done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil || done.Findings[0].Masked != 3 {
			t.Errorf("expected all three to be masked, got %+v, %v", done.Findings, err)
		}
	})
}

// TestKeysOfArraysAndRows: a key that is an array or of a composite type is one
// value, whatever an array of such would be.
func TestKeysOfArraysAndRows(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TYPE spot AS (shelf int, label text);
			CREATE TABLE boxes (at spot, path int[], email text, PRIMARY KEY (at, path)); CREATE TABLE paths (path int[] PRIMARY KEY, email text); CREATE TABLE spots (at spot PRIMARY KEY, email text);
			INSERT INTO boxes VALUES ('(1,"a, b")', '{1,2}', 'a@x.example'), ('(1,"a, b")', '{1,3}', 'b@x.example');
			INSERT INTO paths VALUES ('{1,2}', 'a@x.example'), ('{2,1}', 'b@x.example');
			INSERT INTO spots VALUES ('(1,"a, b")', 'a@x.example'), ('(1,)', 'b@x.example')`)
		collections := ""
		for name, key := range map[string][]string{"boxes": {"at", "path"}, "paths": {"path"}, "spots": {"at"}} {
			collections += "      - name: " + name + "\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n        fields:\n"
			for _, k := range key {
				collections += "          - {name: " + k + ", fides_meta: {primary_key: true}}\n"
			}
			collections += "          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n"
		}
		m := mapOf(t, "dataset:\n  - fides_key: shop\n    lethe: {source: shop, basis: f}\n    collections:\n"+collections)
		s := sourceOf(t, pool, "shop", o)
		snapshot, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
		if err != nil {
			t.Fatal(err)
		}
		given := 0
		for _, f := range snapshot.Findings() {
			if err := snapshot.Rows(t.Context(), f.Collection, func(source.Row) error { given++; return nil }); err != nil {
				t.Error(err)
			}
		}
		if err := snapshot.Close(t.Context()); err != nil || given != 3 {
			t.Errorf("expected three rows to be given, got %d, %v", given, err)
		}
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		keys := []source.RowKey{{Collection: "shop.boxes", Key: text(t, pool, "SELECT ROW(at, path)::text FROM boxes WHERE email = 'a@x.example'")},
			{Collection: "shop.paths", Key: "{1,2}"}, {Collection: "shop.spots", Key: `(1,"a, b")`}}
		look := func(want int64) {
			t.Helper()
			left, err := s.Look(t.Context(), source.Walk{Plan: walk.Plan}, source.Holds{}, keys)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left.Findings {
				if f.Rows != want {
					t.Errorf("expected %d rows of %s to be found by their keys, got %d", want, f.Collection, f.Rows)
				}
			}
		}
		look(1)
		if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		look(0)
		if n := number(t, pool, "SELECT (SELECT count(*) FROM boxes) * 100 + (SELECT count(*) FROM paths) * 10 + (SELECT count(*) FROM spots)"); n != 111 {
			t.Errorf("expected the other person's rows to stay, got %d", n)
		}
	})
}

// TestViewsWithRowsThatHaveNoKey: a reached row of a view whose key is NULL must not
// hide that rows of others name the same row.
func TestViewsWithRowsThatHaveNoKey(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE addresses (id int PRIMARY KEY, street text);
			CREATE TABLE members (id int, email text, address_id int);
			CREATE INDEX ON members (lower(email));
			CREATE INDEX ON members (address_id);
			CREATE VIEW people AS SELECT * FROM members;
			INSERT INTO addresses VALUES (1, 'x'), (2, 'y');
			INSERT INTO members VALUES (NULL, 'a@x.example', 1), (2, 'b@x.example', 1), (NULL, 'c@x.example', 2), (4, 'd@x.example', 2);`)
		m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: d, basis: b}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, masking_strategy_override: {strategy: preserve}}}
          - {name: address_id, fides_meta: {references: [{dataset: d, field: addresses.id, direction: to}]}}
      - name: addresses
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address.street]}
`)
		s := sourceOf(t, pool, "d", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["addresses"], 0, 1, 0, 0)
		other := source.Walk{Plan: w.Plan, Seeds: seeds("email", "c@x.example")}
		for i, e := range s.EraseBatch(t.Context(), []source.Walk{w, other}, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
			if e.Err != nil {
				t.Fatal(e.Err)
			}
			if f := by(e.Note.Findings)["addresses"]; f.Shared != 1 || f.Erased != 0 {
				t.Errorf("walk %d: expected the shared address to stay, got %+v", i, f)
			}
		}
		if n := number(t, pool, "SELECT count(*) FROM addresses"); n != 2 {
			t.Errorf("expected both addresses to stay, got %d", n)
		}
	})
}

// TestAHoldBesideRowsThatHaveNoKey: what cannot be erased, because it has no key, is told
// also where other rows are held.
func TestAHoldBesideRowsThatHaveNoKey(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE members (id int, email text, name text);
			CREATE VIEW people AS SELECT * FROM members;
			INSERT INTO members VALUES (NULL, 'a@x.example', 'x'), (2, 'b@x.example', 'y');`)
		m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: d, basis: b}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
`)
		s := sourceOf(t, pool, "d", o)
		h := source.Holds{Rows: []source.RowKey{{Collection: "d.people", Key: "2"}}}
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		done, err := s.Erase(t.Context(), w, h, noNote)
		if err != nil {
			t.Fatal(err)
		}
		left, err := s.Look(t.Context(), w, h, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		if n := by(left.Findings)["people"].Rows; n != 1 {
			t.Errorf("expected the second look to find the row that is left, got %d", n)
		}
	})
}
