package postgres_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestARowThatNothingCanNameElsewhere: where another store says which rows strangers
// name there, a row whose column for it is NULL is not among these.
func TestARowThatNothingCanNameElsewhere(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE customers (id int PRIMARY KEY, email text, code text);
			CREATE INDEX ON customers (lower(email));
			CREATE INDEX ON customers (code);
			INSERT INTO customers VALUES (1, 'a@x.example', 'A1'), (2, 'a@x.example', NULL);`)
		m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: d, basis: b}
    collections:
      - name: customers
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: code}
  - fides_key: e
    lethe: {source: e, basis: b}
    collections:
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: code, fides_meta: {references: [{dataset: d, field: customers.code, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
		s := sourceOf(t, pool, "d", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"),
			Feeds: []source.Feed{{From: "e.orders.code", To: "d.customers.code", Others: []string{"A1"}}}}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["customers"], 1, 1, 1, 0)
		if n := number(t, pool, "SELECT sum(id) FROM customers"); n != 1 {
			t.Errorf("expected the shared customer alone to be left, got the sum %d", n)
		}
	})
}
