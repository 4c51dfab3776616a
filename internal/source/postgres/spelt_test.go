package postgres_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Two people with a UUID, and rows of both that name it in either spelling.
const speltTables = `
	CREATE TABLE people (id uuid PRIMARY KEY, email text);
	INSERT INTO people SELECT ('aaaaaaaa-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'p' || i || '@x.example' FROM generate_series(1, 3000) i;
	CREATE INDEX ON people (lower(email));`

// speltPlaces are columns that hold a UUID as something else, and whether an index
// serves the look-up.
func speltPlaces() map[string]struct{ typ, value, index string } {
	return map[string]struct{ typ, value, index string }{
		"t_text":    {"text", "%s", "(k)"},
		"t_varchar": {"varchar(36)", "%s", "(k)"},
		"t_char":    {"char(40)", "%s", "(k)"},
		"t_citext":  {"citext", "%s", "(k)"},
		"t_array":   {"text[]", "ARRAY[%s, 'x']", "USING gin (k)"},
		"t_json":    {"jsonb", "jsonb_build_object('u', %s)", "USING gin (k)"},
		"t_bare":    {"text", "%s", ""},
	}
}

// plain leaves out those inside arrays and documents: no batch takes them.
func spelt(t *testing.T, plain bool) (*pgxpool.Pool, *datamap.Map, []string) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, "CREATE EXTENSION citext;"+speltTables)
	yaml := peopleOf("shop") + "\n"
	var names []string
	for name, p := range speltPlaces() {
		if plain && p.value != "%s" {
			continue
		}
		names = append(names, name)
		pgtest.Exec(t, pool, fmt.Sprintf(`CREATE TABLE %[1]s (id int PRIMARY KEY, k %[2]s, note text);
			INSERT INTO %[1]s SELECT 2 * n, %[3]s, 'n' FROM (SELECT row_number() OVER () AS n, id FROM people) p;
			INSERT INTO %[1]s SELECT 2 * n + 1, %[4]s, 'n' FROM (SELECT row_number() OVER () AS n, id FROM people) p;`,
			name, p.typ, fmt.Sprintf(p.value, "id::text"), fmt.Sprintf(p.value, "upper(id::text)")))
		if p.index != "" {
			pgtest.Exec(t, pool, "CREATE INDEX ON "+name+" "+p.index)
		}
		refers := "fides_meta: {%sreferences: [{dataset: shop, field: people.id, direction: from}]}"
		field := "{name: k, " + fmt.Sprintf(refers, "") + "}"
		switch p.typ {
		case "text[]":
			field = "{name: k, " + fmt.Sprintf(refers, "data_type: 'string[]', return_all_elements: true, ") + "}"
		case "jsonb":
			field = "{name: k, fides_meta: {data_type: object}, fields: [{name: u, " + fmt.Sprintf(refers, "") + "}]}"
		}
		yaml += fmt.Sprintf("      - {name: %s, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, %s, {name: note, data_categories: [user.content]}]}\n", name, field)
	}
	pgtest.Exec(t, pool, "ANALYSE")
	return pool, mapOf(t, yaml), names
}

func expectBoth(t *testing.T, what string, names []string, findings []source.Finding, erased int64) {
	t.Helper()
	for _, name := range names {
		if f := by(findings)[name]; f.Rows != 2 || f.Erased != erased || f.Shared != 0 {
			t.Errorf("%s: expected both rows of %s, got %+v", what, name, f)
		}
	}
}

var readsIndexed = regexp.MustCompile(`Seq Scan on (people|t_text|t_varchar|t_char|t_citext|t_array|t_json)\b`)

func (p *plans) expectLookUps(t *testing.T, what string) {
	t.Helper()
	for _, plan := range p.take() {
		if at := readsIndexed.FindString(plan); at != "" {
			t.Errorf("expected %s to look every row up, got %q in\n%s", what, at, plan)
		}
	}
}

// TestAUUIDInCapitals: rows that name a UUID in a text are found in both usual
// spellings, in every way, and with the index of the text.
func TestAUUIDInCapitals(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		full, m, names := spelt(t, false)
		pool, heard := planned(t, full)
		s := sourceOf(t, pool, "shop", o)
		expectAll := func(what string, findings []source.Finding, erased int64) {
			t.Helper()
			expectBoth(t, what, names, findings, erased)
			heard.expectLookUps(t, what)
		}
		erasure := planOf(t, m, datamap.Erasure, "email")
		found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "p1@x.example")})
		if err != nil {
			t.Fatal(err)
		}
		expectAll("a search", found.Findings, 0)
		w := source.Walk{Plan: erasure, Seeds: seeds("email", "p1@x.example")}
		note, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expectAll("an erasure", note.Findings, 2)
		// Rows that come meanwhile are found by the key erased.
		for _, name := range names {
			p := speltPlaces()[name]
			pgtest.Exec(t, full, fmt.Sprintf("INSERT INTO %s VALUES (0, %s, 'late')", name, fmt.Sprintf(p.value, "'AAAAAAAA-0000-4000-8000-000000000001'")))
		}
		left, err := s.Look(t.Context(), w, source.Holds{}, note.Keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if f := by(left.Findings)[name]; f.Rows != 1 {
				t.Errorf("the second look: expected the late row of %s, got %+v", name, f)
			}
		}
		heard.expectLookUps(t, "the second look")
	})
}

// TestAUUIDInCapitalsOfMany is the same of many requests at once.
func TestAUUIDInCapitalsOfMany(t *testing.T) {
	t.Parallel()
	full, m, names := spelt(t, true)
	pool, heard := planned(t, full)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	expectAll := func(what string, findings []source.Finding, erased int64) {
		t.Helper()
		expectBoth(t, what, names, findings, erased)
		heard.expectLookUps(t, what)
	}
	erasure, many := planOf(t, m, datamap.Erasure, "email"), []source.Walk(nil)
	for i := 2; i < 6; i++ {
		many = append(many, source.Walk{Plan: erasure, Seeds: seeds("email", fmt.Sprintf("p%d@x.example", i))})
	}
	for i, found := range s.FindMany(t.Context(), many) {
		if found == nil {
			t.Fatalf("expected the search of walk %d to be carried out with the others", i)
		}
		expectAll("a search", found.Findings, 0)
	}
	for i, d := range s.EraseMany(t.Context(), many, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
		if d == nil || d.Err != nil {
			t.Fatalf("expected the erasure of walk %d to be carried out with the others, got %+v", i, d)
		}
		expectAll("an erasure", d.Note.Findings, 2)
	}
}

// TestSharedByAUUIDInCapitals: a stranger's row that names a person's row in capitals shares it.
func TestSharedByAUUIDInCapitals(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for _, index := range []string{"", "CREATE INDEX ON people (device)"} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE devices (id uuid PRIMARY KEY, agent text); CREATE TABLE people (id int PRIMARY KEY, email text, device text);`+index+`;
				INSERT INTO devices VALUES ('aaaaaaaa-0000-4000-8000-000000000001', 'x'), ('aaaaaaaa-0000-4000-8000-000000000002', 'x');
				INSERT INTO people SELECT p, chr(96 + p) || '@x.example', d FROM (VALUES (1, 'aaaaaaaa-0000-4000-8000-000000000001'), (2, 'AAAAAAAA-0000-4000-8000-000000000001'), (3, 'AAAAAAAA-0000-4000-8000-000000000002')) v(p, d)`)
			m := mapOf(t, strings.ReplaceAll(viewMap, "          - {name: id,", `          - {name: device, fides_meta: {references: [{dataset: shop, field: devices.id, direction: to}]}}
          - {name: id,`)+`
      - name: devices
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: agent, data_categories: [user.device]}]
`)
			s := sourceOf(t, pool, "shop", o)
			for mail, shared := range map[string]int64{"a@x.example": 1, "c@x.example": 0} {
				found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", mail)})
				if err != nil {
					t.Fatal(err)
				}
				if f := by(found.Findings)["devices"]; f.Shared != shared || f.Rows != 1-shared {
					t.Errorf("%s: expected %d shared device, got %+v", mail, shared, f)
				}
			}
		}
	})
}

// TestACapitalUUIDOfARequest: an identity that is typed in capitals is found in an array
// of UUIDs, too, with an index and without, and tells which element is the person's own.
func TestACapitalUUIDOfARequest(t *testing.T) {
	t.Parallel()
	for _, index := range []string{"", "CREATE INDEX ON rooms USING gin (guests);"} {
		both(t, func(t *testing.T, o postgres.Options) {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE rooms (id int PRIMARY KEY, guests uuid[]); INSERT INTO rooms VALUES (1, '{aaaaaaaa-0000-4000-8000-000000000001,aaaaaaaa-0000-4000-8000-000000000002}'), (2, '{aaaaaaaa-0000-4000-8000-000000000002}');`+index)
			m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: guests, data_categories: [user.unique_id], fides_meta: {data_type: "string[]", identity: visitor, masking_strategy_override: {strategy: null_rewrite}}}
`)
			s := sourceOf(t, pool, "shop", o)
			w := source.Walk{Plan: planOf(t, m, datamap.Access, "visitor"), Seeds: seeds("visitor", "AAAAAAAA-0000-4000-8000-000000000001")}
			same(t, given(t, s, w), "rooms", "guests", `["aaaaaaaa-0000-4000-8000-000000000001"]`)
			w.Plan = planOf(t, m, datamap.Erasure, "visitor")
			expect(t, erasedWhole(t, s, w)["rooms"], 1, 0, 0, 1)
			if left := text(t, pool, "SELECT string_agg(guests::text, ' ' ORDER BY id) FROM rooms"); left != "{NULL,aaaaaaaa-0000-4000-8000-000000000002} {aaaaaaaa-0000-4000-8000-000000000002}" {
				t.Errorf("expected the person alone to be masked, left is %s", left)
			}
		})
	}
}
