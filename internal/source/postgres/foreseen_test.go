package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// What check says of a schema, and what an erasure then meets there.

// foreseen makes tables, and gives what check says of the collections as one text
// and what an erasure of a@x.example comes to.
func foreseen(t *testing.T, tables, collections string) (said string, pool *pgxpool.Pool, erased error) {
	t.Helper()
	pool = pgtest.Empty(t)
	pgtest.Exec(t, pool, tables)
	m := mapOf(t, "dataset:\n  - fides_key: w\n    lethe: {source: w, basis: f}\n    collections:\n"+collections)
	s := sourceOf(t, pool, "w", postgres.Options{})
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range doubts {
		all.WriteString(d.Level + " " + d.Subject + ": " + d.Sentence + " " + d.Do + "\n")
	}
	_, erased = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
	return all.String(), pool, erased
}

// TestCheckOfConstraintsOverSeveralColumns: one whose columns all come out the same
// in every row is told; of others the row decides.
func TestCheckOfConstraintsOverSeveralColumns(t *testing.T) {
	t.Parallel()
	said, _, err := foreseen(t, `
		CREATE TABLE people (id int PRIMARY KEY, email text, phone text, name text NOT NULL, nick text NOT NULL, born date, died date,
		  CONSTRAINT reachable CHECK (email IS NOT NULL OR phone IS NOT NULL), CONSTRAINT differ CHECK (name <> nick),
		  CONSTRAINT known CHECK (id > 0 OR email IS NOT NULL), CONSTRAINT life CHECK (born < died),
		  kind text, title text, CONSTRAINT titled CHECK (kind <> 'doctor' OR title IS NOT NULL));
		INSERT INTO people VALUES (1, 'a@x.example', '1', 'Ada', 'A', NULL, NULL, 'doctor', 'Dr.'), (2, 'b@x.example', '2', 'Ben', 'B', NULL, NULL, 'other', NULL);`, `
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number]}
          - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: x}}}}
          - {name: nick, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: y}}}}
          - {name: born, data_categories: [user.demographic], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: 2020-01-01}}}}
          - {name: died, data_categories: [user.demographic], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: 2020-01-01}}}}
          - {name: title, data_categories: [user.name]}
`)
	for _, want := range []string{"wrong w.people.title: an erasure cannot mask it: the constraint titled refuses the masked value beside that of kind in rows that are there", "wrong w.people.email: an erasure cannot mask it: the constraint reachable refuses the masked value beside that of phone", "wrong w.people.phone: "} {
		if !strings.Contains(said, want) {
			t.Errorf("expected check to say %q, it said\n%s", want, said)
		}
	}
	for _, other := range []string{"differ", "known", "life"} {
		if strings.Contains(said, "constraint "+other) {
			t.Errorf("expected nothing to be said of the constraint %s:\n%s", other, said)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "reachable") {
		t.Errorf("expected the erasure to fail of the constraint, got %v", err)
	}
}

// TestCheckOfColumnsMadeOfMaskedOnes: what Postgres makes of a masked value may not be
// NULL, either. One that is made so that it never is says nothing.
func TestCheckOfColumnsMadeOfMaskedOnes(t *testing.T) {
	t.Parallel()
	said, _, err := foreseen(t, `
		CREATE TABLE people (id int PRIMARY KEY, email text, name text, nick text, city text,
		  label text GENERATED ALWAYS AS (name || ' (' || nick || ')') STORED NOT NULL, at text GENERATED ALWAYS AS (coalesce(city, '')) STORED NOT NULL);
		INSERT INTO people VALUES (1, 'a@x.example', 'Ada', 'A', 'Brno');`, `
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: nick}
          - {name: city, data_categories: [user.contact.address.city]}
`)
	if want := "wrong w.people.name: an erasure cannot mask it: the column label, which Postgres makes of it and which is NOT NULL, refuses the masked value beside that of nick"; !strings.Contains(said, want) || strings.Contains(said, "people.city") {
		t.Errorf("expected check to say %q and nothing of the city, it said\n%s", want, said)
	}
	if err == nil || !strings.Contains(err.Error(), "label") {
		t.Errorf("expected the erasure to fail of the column, got %v", err)
	}
}

// TestCheckOfConstraintsOnRowsThatCannotBeRead: a check says all else, also where
// the rows of a table cannot be tried, or not in good time; of columns that Postgres
// makes itself nobody knows what they will be.
func TestCheckOfConstraintsOnRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE FUNCTION stumble(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'row %', $1; END $$;
		CREATE FUNCTION linger(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;
		CREATE TABLE people (id int PRIMARY KEY, email text, kind text, long int GENERATED ALWAYS AS (length(email)) STORED,
		  CONSTRAINT told CHECK (kind <> 'doctor' OR email IS NOT NULL), CONSTRAINT same CHECK (email IS NOT NULL OR long IS NULL));
		INSERT INTO people VALUES (1, 'a@x.example', 'doctor');
		ALTER TABLE people ENABLE ROW LEVEL SECURITY;`)
	s := sourceOf(t, asRole(t, pool, "GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT, UPDATE ON people TO ROLE"), "w", postgres.Options{})
	m := mapOf(t, peopleOf("w"))
	for using, want := range map[string]bool{"true": true, "stumble(id)": false, "linger(id)": false} {
		pgtest.Exec(t, pool, "DROP POLICY IF EXISTS seen ON people; CREATE POLICY seen ON people USING ("+using+")")
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatalf("expected a check where rows are seen by %s, got %v", using, err)
		}
		said := fmt.Sprint(doubts)
		if strings.Contains(said, "constraint told") != want || strings.Contains(said, "constraint same") {
			t.Errorf("expected the constraint told to be named where rows are seen by %s: %v, got %s", using, want, said)
		}
	}
}

// TestCheckOfKeysThatFollow: a masked key goes on to the rows that name it by
// ON UPDATE CASCADE, unless it becomes NULL and they cannot.
func TestCheckOfKeysThatFollow(t *testing.T) {
	t.Parallel()
	tables := `
		CREATE TABLE people (id int PRIMARY KEY, login text UNIQUE, email text);
		CREATE TABLE posts (id int PRIMARY KEY, login text NOT NULL REFERENCES people (login) ON UPDATE CASCADE, body text);
		INSERT INTO people VALUES (1, 'ada', 'a@x.example'), (2, 'ben', 'b@x.example'); INSERT INTO posts VALUES (1, 'ada', 'x'), (2, 'ben', 'x');`
	collections := func(mask string) string {
		return `
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: login, data_categories: [user.unique_id], fides_meta: {masking_strategy_override: {strategy: ` + mask + `}}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: posts
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: login, fides_meta: {references: [{dataset: w, field: people.login, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`
	}
	said, pool, err := foreseen(t, tables, collections("random_string_rewrite"))
	if strings.Contains(said, "wrong") || err != nil {
		t.Errorf("expected nothing to stand in the way, check said\n%s\nand the erasure %v", said, err)
	}
	if left := text(t, pool, "SELECT string_agg(concat(length(login), body), ' ' ORDER BY id) FROM posts"); left != "30 3x" {
		t.Errorf("expected the post to name the masked login, got %q", left)
	}
	said, _, err = foreseen(t, tables, collections("null_rewrite"))
	if !strings.Contains(said, "rows of public.posts name it by the foreign key posts_login_fkey") || err == nil {
		t.Errorf("expected check and the erasure to tell of the key, got\n%s\nand %v", said, err)
	}
}

// TestCheckOfHalfAKeyThatIsWhole: of a foreign key that is whole or not there (MATCH
// FULL) all columns are emptied or none.
func TestCheckOfHalfAKeyThatIsWhole(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE TABLE people (tenant int, id int, email text, PRIMARY KEY (tenant, id));
		CREATE TABLE posts (id int PRIMARY KEY, tenant int, author int, body text, FOREIGN KEY (tenant, author) REFERENCES people MATCH FULL);
		INSERT INTO people VALUES (1, 1, 'a@x.example'); INSERT INTO posts VALUES (1, 1, 1, 'x');`
	const emptied = ", fides_meta: {references: [{dataset: w, field: people.id, direction: from}], masking_strategy_override: {strategy: null_rewrite}}"
	collections := func(tenant string) string {
		return `
      - name: people
        fields:
          - {name: tenant, fides_meta: {primary_key: true}}
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: posts
        lethe: {all_of: [tenant, author]}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant` + tenant + `}
          - {name: author, data_categories: [user.unique_id]` + emptied + `}
          - {name: body, data_categories: [user.content]}
`
	}
	said, _, err := foreseen(t, tables, collections(", fides_meta: {references: [{dataset: w, field: people.tenant, direction: from}]}"))
	if !strings.Contains(said, "w.posts.author: an erasure cannot mask it: the foreign key posts_tenant_author_fkey (MATCH FULL) wants all of its columns to be NULL, or none") || err == nil {
		t.Errorf("expected check and the erasure to tell of the key, got\n%s\nand %v", said, err)
	}
	said, _, err = foreseen(t, tables, collections(", data_categories: [user.unique_id]"+strings.Replace(emptied, "people.id", "people.tenant", 1)))
	if strings.Contains(said, "MATCH FULL") || err != nil {
		t.Errorf("expected nothing to stand in the way, check said\n%s\nand the erasure %v", said, err)
	}
}

// TestCheckOfAColumnThatAViewGivesTwice: no statement can change it by both names.
func TestCheckOfAColumnThatAViewGivesTwice(t *testing.T) {
	t.Parallel()
	collections := func(masking string) string {
		return `
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: contact, data_categories: [user.contact.email]` + masking + `}
`
	}
	const tables = `CREATE TABLE tp (id int PRIMARY KEY, email text); CREATE VIEW people AS SELECT *, email AS contact FROM tp; INSERT INTO tp VALUES (1, 'a@x.example');`
	said, _, err := foreseen(t, tables, collections(""))
	if !strings.Contains(said, "w.people.contact: an erasure cannot mask it: it is the same column of public.tp as w.people.email") || err == nil {
		t.Errorf("expected check and the erasure to tell of the column, got\n%s\nand %v", said, err)
	}
	said, _, err = foreseen(t, tables, collections(", fides_meta: {read_only: true}"))
	if strings.Contains(said, "the same column") || err != nil {
		t.Errorf("expected nothing to stand in the way, check said\n%s\nand the erasure %v", said, err)
	}
}

// TestCheckOfKeysThatNothingLeadsAlong: a foreign key between mapped tables that
// changes rows which no reference of the map reaches by it, such as who edited them.
func TestCheckOfKeysThatNothingLeadsAlong(t *testing.T) {
	t.Parallel()
	said, _, err := foreseen(t, `
		CREATE TABLE people (tenant int, id int, email text, PRIMARY KEY (tenant, id));
		CREATE TABLE posts (id int PRIMARY KEY, tenant int, author int, editor int, reader int, body text, FOREIGN KEY (tenant, author) REFERENCES people ON DELETE CASCADE,
		  FOREIGN KEY (tenant, editor) REFERENCES people ON DELETE SET NULL (editor), FOREIGN KEY (tenant, reader) REFERENCES people);
		INSERT INTO people VALUES (1, 1, 'a@x.example'), (1, 2, 'b@x.example'); INSERT INTO posts VALUES (1, 1, 1, NULL), (2, 1, 2, 1);`, `
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: tenant, fides_meta: {primary_key: true}}
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: posts
        lethe: {all_of: [tenant, author]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant, fides_meta: {references: [{dataset: w, field: people.tenant, direction: from}]}}
          - {name: author, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`)
	if !strings.Contains(said, "doubtful w.people: the foreign key posts_tenant_editor_fkey changes rows of public.posts when its parent is deleted, and no reference of the map leads along it") {
		t.Errorf("expected check to tell of the editor's key, it said\n%s", said)
	}
	if strings.Contains(said, "posts_tenant_author_fkey changes") || strings.Contains(said, "posts_tenant_reader_fkey changes") {
		t.Errorf("expected nothing to be said of the other keys:\n%s", said)
	}
	if beyond := (*postgres.Beyond)(nil); !errors.As(err, &beyond) {
		t.Errorf("expected the erasure to be refused, got %v", err)
	}
}

// TestCheckOfArraysThatAreNotDeclared: without a data_type the map does not say that
// rows may be several people's.
func TestCheckOfArraysThatAreNotDeclared(t *testing.T) {
	t.Parallel()
	for of, told := range map[string]bool{"": true, `data_type: "integer[]",`: false} {
		said, _, err := foreseen(t, `
			CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE rooms (id int PRIMARY KEY, guests int[], tags text[]);`, `
      - name: people
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]
      - name: rooms
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: guests, fides_meta: {`+of+` references: [{dataset: w, field: people.id, direction: from}]}}, {name: tags, data_categories: [user.content]}]
`)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, "w.rooms.guests: it is an array (integer[])") != told || strings.Contains(said, "rooms.tags: it is") {
			t.Errorf("with %q: expected the array to be told: %v; check said\n%s", of, told, said)
		}
	}
}

// TestCheckOfTriggersByTheRole: triggers act by the rights of whoever changes a row,
// which no GRANT of the map's tables covers.
func TestCheckOfTriggersByTheRole(t *testing.T) {
	t.Parallel()
	for how, told := range map[string]bool{"INVOKER": true, "DEFINER": false} {
		said, _, err := foreseen(t, `
			CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql SECURITY `+how+` AS 'BEGIN RETURN OLD; END';
			CREATE TRIGGER noted AFTER DELETE ON people FOR EACH ROW EXECUTE FUNCTION noted();`, `
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]
`)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, "they act by the rights of the role") != told {
			t.Errorf("SECURITY %s: expected the rights to be told: %v; check said\n%s", how, told, said)
		}
	}
}

// TestRulesOfViews: one that always stands in for a change and returns the rows is
// fit for an erasure; any other is told before anything is touched.
func TestRulesOfViews(t *testing.T) {
	t.Parallel()
	for rule, fits := range map[string]bool{
		"INSTEAD DELETE FROM persons WHERE id = OLD.id RETURNING id, email": true,
		"INSTEAD DELETE FROM persons WHERE id = OLD.id":                     false,
		"ALSO DELETE FROM notes WHERE id = OLD.id":                          false,
		"INSTEAD NOTHING": false,
	} {
		said, pool, err := foreseen(t, `
			CREATE TABLE persons (id int PRIMARY KEY, email text); CREATE TABLE notes (id int PRIMARY KEY);
			CREATE VIEW people AS SELECT id, email FROM persons; CREATE RULE gone AS ON DELETE TO people DO `+rule+`;
			INSERT INTO persons VALUES (1, 'a@x.example'), (2, 'b@x.example');`, `
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]
`)
		left := number(t, pool, "SELECT count(*) FROM persons")
		const why = "w.people is a view whose rows cannot be deleted"
		if fits && (err != nil || left != 1 || strings.Contains(said, why)) || !fits && (err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(said, why)) {
			t.Errorf("DO %s: expected it to be fit: %v; %d rows are left, the erasure said %v, check\n%s", rule, fits, left, err, said)
		}
	}
}

// TestCheckOfHeirsWithColumnsOfTheirOwn: what only an heir has is told, unless the map
// names the heir, too; partitions have no such columns.
func TestCheckOfHeirsWithColumnsOfTheirOwn(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE guests (room text, diet text, PRIMARY KEY (id)) INHERITS (people); CREATE TABLE staff () INHERITS (people);
		CREATE TABLE visits (id int PRIMARY KEY, person int) PARTITION BY HASH (id); CREATE TABLE visits_0 PARTITION OF visits FOR VALUES WITH (MODULUS 1, REMAINDER 0);`
	const collections = `
      - name: people
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]
      - name: visits
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}]
`
	const told = "w.people: the table public.guests inherits from it and has columns of its own (room, diet): they are neither given nor masked"
	said, _, err := foreseen(t, tables, collections)
	if err != nil || strings.Count(said, "inherits from it") != 1 || !strings.Contains(said, told) {
		t.Errorf("expected %q alone to be told of heirs, check said\n%s\n%v", told, said, err)
	}
	said, _, err = foreseen(t, tables, collections+`
      - name: guests
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}, {name: diet, data_categories: [user.health_and_medical]}]
`)
	if err != nil || strings.Contains(said, "inherits from it") {
		t.Errorf("expected nothing to be told of an heir that is mapped, check said\n%s\n%v", said, err)
	}
}

// TestCheckOfReferencesThatLeadNowhere: columns whose values are never equal are told;
// those that can be are not.
func TestCheckOfReferencesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	types := []string{"timestamptz", "timestamp", "date", "bool", "int", "uuid", "text", "numeric", "inet", "timestamptz[]", "int[]"}
	group := map[string]string{"timestamptz": "z", "timestamptz[]": "z", "timestamp": "d", "date": "d", "bool": "b", "int": "n", "numeric": "n", "int[]": "n", "uuid": "u", "inet": "i"}
	tables, people, hangers := "CREATE TABLE people (id int PRIMARY KEY, email text", "", ""
	want := map[string]bool{}
	for i, one := range types {
		tables += fmt.Sprintf(", c%d %s", i, one)
		people += fmt.Sprintf(", {name: c%d}", i)
		for j, other := range types {
			hangers += fmt.Sprintf("      - {name: h%d_%d, fields: [{name: id, fides_meta: {primary_key: true}}, {name: k, fides_meta: {references: [{dataset: w, field: people.c%d, direction: from}]}}]}\n", i, j, i)
			if a, b := group[one], group[other]; a != "" && b != "" && a != b {
				want[fmt.Sprintf("w.h%d_%d.k", i, j)] = true
			}
		}
	}
	tables += ", doc jsonb);"
	for i := range types {
		for j, other := range types {
			tables += fmt.Sprintf("CREATE TABLE h%d_%d (id int PRIMARY KEY, k %s);", i, j, other)
		}
	}
	said, _, err := foreseen(t, tables+"CREATE TABLE hd (id int PRIMARY KEY, k text);", `
      - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: doc}`+people+`]}
      - {name: hd, fields: [{name: id, fides_meta: {primary_key: true}}, {name: k, fides_meta: {references: [{dataset: w, field: people.doc, direction: from}]}}]}
`+hangers)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(said, "\n") {
		subject, _, _ := strings.Cut(strings.TrimPrefix(line, "doubtful "), ":")
		if strings.Contains(line, " leads nowhere: ") && !want[subject] {
			t.Errorf("expected nothing of the kind to be said: %s", line)
		} else if strings.Contains(line, " leads nowhere: ") {
			delete(want, subject)
		}
	}
	if len(want) > 0 {
		t.Errorf("expected to be told of %v", want)
	}
	if !strings.Contains(said, "w.people.doc: it is a JSON column at the end of a reference") {
		t.Errorf("expected to be told of the JSON column")
	}
}

// TestCheckOfEventTriggers: one that forbids temporary tables stops every staged walk,
// and is told; nothing of the attempt stays.
func TestCheckOfEventTriggers(t *testing.T) {
	t.Parallel()
	const people = `
      - name: people
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]
`
	const why = "wrong w: no temporary table can be made, in which exports and large erasures keep their keys: SQLSTATE P0001 (a function of the database refused it)"
	for tag, forbids := range map[string]bool{"CREATE TABLE AS": true, "CREATE INDEX": true, "DROP TABLE": false} {
		said, pool, _ := foreseen(t, `CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
			CREATE EVENT TRIGGER frozen ON ddl_command_end WHEN TAG IN ('`+tag+`') EXECUTE FUNCTION no();`, people)
		if strings.Contains(said, why) != forbids || strings.Contains(said, "(frozen)") != forbids {
			t.Errorf("%s: expected it to be told: %v, check said\n%s", tag, forbids, said)
		}
		if n := number(t, pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'lethe_tried%'"); n != 0 {
			t.Errorf("%s: expected nothing to stay of the attempt", tag)
		}
	}
}

// TestCheckOfPartsOfColumns: what constraints, domains and unique indexes say of
// documents and arrays is tried on the rows that are there, whole or in part, and
// what they say of a column that Postgres makes of a masked one.
func TestCheckOfPartsOfColumns(t *testing.T) {
	t.Parallel()
	const (
		empties = "masking_strategy_override: {strategy: null_rewrite}"
		writes  = "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}"
	)
	whole := func(meta string) string { return "{name: c, data_categories: [user.name], fides_meta: {" + meta + "}}" }
	key := func(meta string) string {
		return "{name: c, fides_meta: {data_type: object}, fields: [{name: a, data_categories: [user.name], fides_meta: {" + meta + "}}]}"
	}
	document, list := `'{"a": "x", "b": "x"}', '{"a": "y", "b": "y"}'`, `'{a}', '{b}'`
	for name, c := range map[string]struct{ column, more, values, field, told string }{
		"a document that is no object":    {"jsonb CHECK (jsonb_typeof(c) = 'object')", "", document, whole(writes), "the constraint people_c_check refuses"},
		"an emptied document":             {"jsonb CHECK (c IS NOT NULL)", "", document, whole(empties), "the constraint people_c_check refuses"},
		"an emptied key":                  {"jsonb CHECK (c ->> 'a' IS NOT NULL)", "", document, key(empties), "the constraint people_c_check refuses"},
		"another key":                     {"jsonb CHECK (c ->> 'b' IS NOT NULL)", "", document, key(empties), ""},
		"a domain of documents":           {"object", "", document, whole(writes), "its type object refuses"},
		"a key of an object in a domain":  {"object", "", document, key(writes), ""},
		"an element":                      {"text[] CHECK ('gone' <> ALL (c))", "", list, whole(writes), "the constraint people_c_check refuses"},
		"an emptied array":                {"text[] CHECK (c IS NOT NULL)", "", list, whole(empties), "the constraint people_c_check refuses"},
		"one's own elements of an array":  {"text[] CHECK (c IS NOT NULL)", "", `'{a@x.example}', '{a@x.example,b}'`, whole(`data_type: "string[]", identity: email, ` + empties), ""},
		"a unique key":                    {"jsonb", "CREATE UNIQUE INDEX ON people ((c ->> 'a'))", document, key(writes), "each row must have a value of its own"},
		"a unique key of another name":    {"jsonb", "CREATE UNIQUE INDEX ON people ((c ->> 'b'))", document, key(writes), ""},
		"a unique key of some other rows": {"jsonb", "CREATE UNIQUE INDEX ON people ((c ->> 'a')) WHERE id > 2", document, key(writes), ""},
		"a column made of another":        {"text", "ALTER TABLE people ADD lower text GENERATED ALWAYS AS (lower(c)) STORED NOT NULL", "'A', 'B'", whole(empties), "the column lower, which Postgres makes of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second, _ := strings.Cut(c.values, ", '")
			said, _, err := foreseen(t, `
				CREATE DOMAIN object AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
				CREATE TABLE people (id int PRIMARY KEY, email text, c `+c.column+`);
				INSERT INTO people VALUES (1, 'a@x.example', `+first+`), (2, 'a@x.example', '`+second+`);
				`+c.more, `
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - `+c.field+`
`)
			if told := strings.Contains(said, "wrong w.people.c"); told != (c.told != "") || !strings.Contains(said, c.told) {
				t.Errorf("expected check to say %q, it said\n%s", c.told, said)
			}
			if (err != nil) != (c.told != "") {
				t.Errorf("expected an erasure to fail: %t, got %v", c.told != "", err)
			}
		})
	}
}
