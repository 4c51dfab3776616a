package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// household is two people at one address, and a third whom they share another with.
func household(t *testing.T, o postgres.Options) (*pgxpool.Pool, []source.Walk, *postgres.Source) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE homes (id int PRIMARY KEY, street text);
		CREATE TABLE people (id int PRIMARY KEY, email text, home_id int REFERENCES homes, work_id int REFERENCES homes);
		CREATE INDEX ON people (lower(email)); CREATE INDEX ON people (home_id); CREATE INDEX ON people (work_id);
		INSERT INTO homes VALUES (1, 'of two'), (2, 'of three');
		INSERT INTO people VALUES (1, 'a@x.example', 1, 2), (2, 'b@x.example', 1, 2), (3, 'c@x.example', NULL, 2)`)
	plan := planOf(t, mapOf(t, `dataset:
  - fides_key: d
    lethe: {source: src, basis: a}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: home_id, fides_meta: {references: [{dataset: d, field: homes.id, direction: to}]}}
          - {name: work_id, fides_meta: {references: [{dataset: d, field: homes.id, direction: to}]}}
      - name: homes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address.street]}
`), datamap.Erasure, "email")
	return pool, []source.Walk{{Plan: plan, Seeds: seeds("email", "a@x.example")}, {Plan: plan, Seeds: seeds("email", "b@x.example")}}, sourceOf(t, pool, "src", o)
}

func expectHousehold(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if number(t, pool, "SELECT count(*) FROM people") != 1 || number(t, pool, "SELECT count(*) FROM homes WHERE id = 1") != 0 || number(t, pool, "SELECT count(*) FROM homes WHERE id = 2") != 1 {
		t.Error("expected both people and the home of both to be gone, the third person and the home of three to stay")
	}
}

// Two of one batch share a row. Of the first it is shared, and stays; the
// second is then the only one to name it, and it goes. What a third names stays.
func TestTwoOfABatchWhoShareARow(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, walks, s := household(t, o)
		var order []int
		done := s.EraseBatch(t.Context(), walks, source.Holds{}, func(_ context.Context, of []int, _ []source.Note) error {
			order = append(order, of...)
			return nil
		})
		if len(order) != 2 || done[0].Err != nil || done[1].Err != nil {
			t.Fatalf("expected both walks to be carried out once, got %v: %v, %v", order, done[0].Err, done[1].Err)
		}
		first, second := by(done[order[0]].Note.Findings), by(done[order[1]].Note.Findings)
		expect(t, first["people"], 1, 0, 1, 0)
		expect(t, first["homes"], 0, 2, 0, 0)
		expect(t, second["people"], 1, 0, 1, 0)
		expect(t, second["homes"], 1, 1, 1, 0)
		expectHousehold(t, pool)
	})
}

// Two workers at the same time must not both take the row for the other's: each
// waits in its note until the other has come that far, or given way.
func TestTwoAtOnceWhoShareARow(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, walks, s := household(t, o)
		var all sync.WaitGroup
		met, errs := make(chan struct{}), make([]error, 2)
		var come sync.Map
		for i, w := range walks {
			all.Go(func() {
				meet := func(ctx context.Context, _ source.Note) error {
					if _, twice := come.LoadOrStore(i, true); twice {
						return nil
					}
					if _, other := come.Load(1 - i); other {
						close(met)
					}
					ctx, stop := context.WithTimeout(ctx, time.Second)
					defer stop()
					select {
					case <-met:
					case <-ctx.Done(): // the other waits for our locks
					}
					return nil
				}
				for range 20 {
					if _, errs[i] = s.Erase(t.Context(), w, source.Holds{}, meet); !pg.Passing(errs[i]) {
						break
					}
				}
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		expectHousehold(t, pool)
	})
}
