package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// An order moves to somebody else between the walk and the deletion of the
// first attempt. The erasure must begin again, and leave it.
func TestARowThatMovesAway(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
		s := sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		ctx := t.Context()
		shopping, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer shopping.Rollback(ctx)
		if _, err := shopping.Exec(ctx, "UPDATE orders SET customer = 2 WHERE id = 10"); err != nil {
			t.Fatal(err)
		}
		erased := make(chan error, 1)
		var done source.Note
		go func() {
			var err error
			done, err = s.Erase(ctx, w, source.Holds{}, noNote)
			erased <- err
		}()
		for number(t, pool, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 {
			select {
			case err := <-erased:
				t.Fatalf("expected the erasure to wait for the order that is being changed: %v", err)
			default:
			}
		}
		if err := shopping.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-erased; err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["orders"], 1, 0, 1, 0)
		if n := number(t, pool, "SELECT count(*) FROM orders WHERE id = 10 AND customer = 2"); n != 1 {
			t.Error("expected the order that moved to another customer to stay")
		}
	})
}

// Orders come in for customers while these are being erased; whoever wins, no
// order is left without its customer and no other customer's is gone.
func TestErasuresAmidTrade(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
			INSERT INTO "Kunden" SELECT i, 'c' || i || '@x.example', 'n' FROM generate_series(100, 139) i;
			INSERT INTO orders SELECT i * 10, i, 'n' FROM generate_series(100, 139) i;`)
		s := sourceOf(t, pool, "shop", o)
		plan := planOf(t, m, datamap.Erasure, "email")
		ctx, stop := context.WithCancel(t.Context())
		traded := make(chan struct{})
		go func() {
			defer close(traded)
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = pool.Exec(ctx, `INSERT INTO orders VALUES ($1, $2, 'new')`, 10_000+i, 100+i%40) // refused once the customer is gone
				_, _ = pool.Exec(ctx, `UPDATE orders SET note = 'changed' WHERE customer = $1`, 100+(i*7)%40)
			}
		}()
		for i := 100; i < 120; i++ {
			w := source.Walk{Plan: plan, Seeds: seeds("email", fmt.Sprintf("c%d@x.example", i))}
			// Five restarts may all run into new orders; then the queue runs the
			// step again, and here so do we. Any other error is one.
			_, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
			for again := 0; again < 20 && (pg.Passing(err) || pg.Code(err) == "23503"); again++ {
				_, err = s.Erase(t.Context(), w, source.Holds{}, noNote)
			}
			if err != nil {
				t.Errorf("expected customer %d to be erased amid the trade: %v", i, err)
			}
		}
		stop()
		<-traded
		if n := number(t, pool, `SELECT count(*) FROM "Kunden" WHERE "Nr" >= 100`); n != 20 {
			t.Errorf("expected 20 customers left, got %d", n)
		}
		if n := number(t, pool, `SELECT count(*) FROM orders WHERE customer < 120 AND customer >= 100`); n != 0 {
			t.Errorf("expected no order of an erased customer, got %d", n)
		}
	})
}

// Two people at one address are erased at once: each erasure sees that the
// other still lives there. As one after the other would, both together must
// leave nothing of it.
func TestTwoWhoShareAreErasedAtOnce(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, worldSchema)
		world{
			"places": {{"id": "1", "tenant": "1", "street": "of both"}},
			"people": {{"id": "1", "tenant": "1", "email": "a@x.example", "place_id": "1"}, {"id": "2", "tenant": "1", "email": "b@x.example", "place_id": "1"}},
		}.load(t, pool)
		s := sourceOf(t, pool, "world", o)
		plan := planOf(t, mapOf(t, worldMap), datamap.Erasure, "email")
		var met, done sync.WaitGroup
		met.Add(2)
		for _, address := range []string{"a@x.example", "b@x.example"} {
			done.Go(func() {
				var once sync.Once
				w := source.Walk{Plan: plan, Scope: "1", Seeds: seeds("email", address)}
				if _, err := s.Erase(t.Context(), w, source.Holds{}, func(context.Context, source.Note) error {
					once.Do(func() { met.Done(); met.Wait() }) // neither commits before the other has erased
					return nil
				}); err != nil {
					t.Errorf("expected both erasures to be carried out: %v", err)
				}
			})
		}
		done.Wait()
		if n := number(t, pool, "SELECT (SELECT count(*) FROM people) * 10 + (SELECT count(*) FROM places)"); n != 0 {
			t.Errorf("expected neither person nor address to be left, got %d (people, places)", n)
		}
	})
}

func TestALockThatIsHeldTooLong(t *testing.T) {
	t.Parallel()
	pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
	s := sourceOf(t, pool, "shop", postgres.Options{LockTimeout: 10 * time.Millisecond})
	ctx := t.Context()
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
	_, err = s.Erase(ctx, w, source.Holds{}, noNote)
	if err == nil || !strings.Contains(err.Error(), "55P03") || strings.Contains(err.Error(), "neil") {
		t.Errorf("expected the lock's time-out by its SQLSTATE and no address, got %v", err)
	}
}

// A row that somebody keeps locked is waited for once, not by six walks one after
// the other, and the error names its table.
func TestARowThatIsLockedTooLong(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
		o.LockTimeout = 2 * time.Second
		s := sourceOf(t, pool, "shop", o)
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := tx.Exec(t.Context(), "SELECT FROM orders FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		began := time.Now()
		_, err = s.Erase(t.Context(), w, source.Holds{}, noNote)
		if pg.Code(err) != "55P03" || !strings.Contains(err.Error(), "on table orders") || strings.Contains(err.Error(), "neil") {
			t.Errorf("expected the table whose row is locked to be named, got %v", err)
		}
		if d := time.Since(began); d >= 5*o.LockTimeout {
			t.Errorf("expected the lock to be waited for once, it took %s", d)
		}
	})
}

// Large tables are never read through for one subject, whatever the planner
// believes of the number of rows that a walk has reached.
func TestNoTableIsReadThrough(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, worldSchema+`
			CREATE INDEX ON scraps (event_id);
			CREATE INDEX ON people (regexp_replace(phone, '[^0-9+]', '', 'g'));
			INSERT INTO places SELECT i, 1, 's' FROM generate_series(1, 20000) i;
			INSERT INTO people SELECT i, 1, 'p' || i || '@x.example', '+420' || i, 'n', i % 20000 + 1 FROM generate_series(1, 20000) i;
			INSERT INTO devices SELECT 'd' || i, 1, i, 'g' FROM generate_series(1, 20000) i;
			INSERT INTO orders SELECT i % 2, i, 1, i % 20000 + 1, 'd' || (i % 20000 + 1), 'w' FROM generate_series(1, 50000) i;
			INSERT INTO events SELECT i, 'd' || (i % 20000 + 1), 'ip', 'w' FROM generate_series(1, 200000) i;
			INSERT INTO scraps SELECT i, i::text, 'b' FROM generate_series(1, 50000) i;
			ANALYSE;`)
		// scraps is reached by a number written as text: event_id = id::text.
		s := sourceOf(t, pool, "world", o)
		m := mapOf(t, worldMap)
		read := func() int64 {
			t.Helper()
			pgtest.Exec(t, pool, "SELECT pg_stat_force_next_flush()")
			return number(t, pool, "SELECT coalesce(sum(seq_tup_read), 0)::int8 FROM pg_stat_user_tables WHERE relname NOT LIKE 'lethe%'")
		}
		before := read()
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email", "phone"), Scope: "1", Seeds: seeds("email", "p77@x.example", "phone", "+42078")}
		for range 3 {
			if _, err := s.Find(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Look(t.Context(), w, source.Holds{}, done.Keys); err != nil {
			t.Fatal(err)
		}
		if f := by(done.Findings)["people"]; f.Erased != 2 {
			t.Errorf("expected two people erased, got %+v", f)
		}
		if f := by(done.Findings)["events"]; f.Masked != 20 {
			t.Errorf("expected their twenty events masked, got %+v", f)
		}
		pool.Reset() // connections report what they read as they close
		for range 1000 {
			if number(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'") == 0 {
				break
			}
		}
		if n := read() - before; n > 0 {
			t.Errorf("expected no row to be read but by an index, %d were", n)
		}
	})
}
