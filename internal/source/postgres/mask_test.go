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
