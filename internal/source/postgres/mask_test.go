package postgres_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A name that looks like the random letters of a mask is a name: it is masked.
// Letters enough that nobody wrote them are not masked again by a second erasure.
func TestWhatLooksMaskedIsMaskedAllTheSame(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, name text, long text);
			INSERT INTO people VALUES (1, 'a@x.example', 'gina', NULL), (2, 'b@x.example', NULL, 'Gina Lollo')`)
		m := mapOf(t, `dataset:
  - fides_key: d
    lethe: {source: src, basis: a}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, masking_strategy_override: {strategy: preserve}}}
          - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: random_string_rewrite, configuration: {length: 4}}}}
          - {name: long, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: random_string_rewrite}}}
`)
		s := sourceOf(t, pool, "src", o)
		plan := planOf(t, m, datamap.Erasure, "email")
		for _, want := range []struct {
			address       string
			first, second int64
		}{{"a@x.example", 1, 1}, {"b@x.example", 1, 0}} {
			w := source.Walk{Plan: plan, Seeds: seeds("email", want.address)}
			for round, masked := range []int64{want.first, want.second} {
				done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				if got := by(done.Findings)["people"].Masked; got != masked {
					t.Errorf("%s, erasure %d: expected %d rows to be masked, got %d", want.address, round+1, masked, got)
				}
				left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
				if err != nil {
					t.Fatal(err)
				}
				if got := by(left.Findings)["people"].Rows; got != 0 {
					t.Errorf("%s: expected the second look to find nothing, got %d rows", want.address, got)
				}
			}
		}
		if number(t, pool, "SELECT count(*) FROM people WHERE name = 'gina' OR long ~ 'Gina'") != 0 {
			t.Error("expected both names to be gone")
		}
	})
}

// TestArraysOfDomainsAndLengths: elements are masked as their type has them.
func TestArraysOfDomainsAndLengths(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE DOMAIN mail AS text CHECK (VALUE ~ '@');
			CREATE DOMAIN short AS varchar(4);
			CREATE TABLE people (id int PRIMARY KEY, mails mail[], codes varchar(3)[], tags short[], own mail[]);
			CREATE INDEX ON people USING gin (mails);
			INSERT INTO people VALUES (1, '{a@x.example,b@x.example}', '{abc,NULL}', '{abcd}', '{}'), (2, '{b@x.example}', '{abc}', '{x}', NULL);`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mails, data_categories: [user.contact.email], fides_meta: {data_type: "string[]", identity: email, masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone@x}}}}
          - {name: codes, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: hash}}}
          - {name: tags, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: erased}}}}
          - {name: own, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone@x}}}}
`)
		s := sourceOf(t, pool, "w", o)
		for _, match := range []datamap.Match{datamap.Fold, datamap.Exact} {
			m.Datasets[0].Collections[0].Field("mails").Match = match
			rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
			same(t, rows, "people", "mails", `["a@x.example"]`)
		}
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Secret: secret()}
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["people"], 1, 0, 0, 1)
		got := text(t, pool, "SELECT concat_ws(' ', mails, cardinality(codes), length(codes[1]), codes[2], tags, own) FROM people WHERE id = 1")
		if want := "{gone@x,b@x.example} 2 3 {eras} {}"; got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	})
}

// TestAValueIsWrittenInManyWays: 9.00 is the 9 that a mask wrote, and the second
// look knows it.
func TestAValueIsWrittenInManyWays(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, email text, a numeric(6,2), b date, c bool, d timestamptz, e uuid, f numeric[], g char(4));
			CREATE TABLE notes (id int PRIMARY KEY, person int REFERENCES people, note text);
			INSERT INTO people VALUES (1, 'a@x.example', 1, '2026-01-01', true, now(), '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '{1}', 'x');
			INSERT INTO notes VALUES (1, 1, 'n');`)
		field := func(name, value string) string {
			return `
          - {name: ` + name + `, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: "` + value + `"}}}}`
		}
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}`+
			field("a", "9")+field("b", "1 Jan 2000")+field("c", "no")+field("d", "1970-01-01")+field("e", "AAAAAAAA-0000-0000-0000-000000000000")+field("f", "09")+field("g", "gone")+`
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
		s := sourceOf(t, pool, "w", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		erasedWhole(t, s, walk)
	})
}

// TestEmptyDocuments: a program that reads an object is given one. Of a list by
// which the row was reached, others' elements stay.
func TestEmptyDocuments(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, email text, profile jsonb NOT NULL CHECK (jsonb_typeof(profile) = 'object'), tags json NOT NULL, inner_ jsonb, word jsonb, friends jsonb);
			INSERT INTO people VALUES (1, 'a@x.example', '{"name": "Ada"}', '["a", "b"]', '{"a": {"b": 1}, "c": null, "d": 2}', '{"a": "x"}', '[{"mail": "a@x.example"}, {"mail": "b@x.example"}]');`)
		const to = "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: "
		m := mapOf(t, `dataset:
  - fides_key: d
    lethe: {source: src, basis: a}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, masking_strategy_override: {strategy: preserve}}}
          - {name: profile, data_categories: [user], fides_meta: {`+to+`"{}"}}}}
          - {name: tags, data_categories: [user], fides_meta: {`+to+`"[]"}}}}
          - name: inner_
            fields:
              - {name: a, data_categories: [user], fides_meta: {`+to+`"{}"}}}}
              - {name: c, data_categories: [user], fides_meta: {`+to+`"{}"}}}}
          - name: word
            fields: [{name: a, data_categories: [user], fides_meta: {data_type: string, `+to+`"{}"}}}}]
          - name: friends
            fides_meta: {data_type: "object[]"}
            fields: [{name: mail, data_categories: [user.contact.email], fides_meta: {identity: email, `+to+`"{}"}}}}]
`)
		s := sourceOf(t, pool, "src", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		for round, masked := range []int64{1, 0} {
			done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
			if err != nil {
				t.Fatal(err)
			}
			if got := by(done.Findings)["people"].Masked; got != masked {
				t.Errorf("erasure %d: expected %d rows to be masked, got %d", round+1, masked, got)
			}
		}
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT concat_ws(' ', profile, tags, inner_, word, friends) FROM people").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := `{} [] {"a": {}, "c": null, "d": 2} {"a": "{}"} [{"mail": {}}, {"mail": "b@x.example"}]`; got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	})
}
