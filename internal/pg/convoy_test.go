package pg_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func fleetOf(t *testing.T) pg.Pool {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE carts (id int PRIMARY KEY, load text, xid bigint NOT NULL DEFAULT txid_current(), at timestamptz NOT NULL DEFAULT clock_timestamp());
		CREATE TABLE log (cart int NOT NULL, word text NOT NULL)`)
	return pg.Pool{Pool: pool}
}

func count(t *testing.T, db pg.DB, sql string) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

type word struct {
	cart int
	text string
}

func write(ctx context.Context, tx pgx.Tx, cart int, text string, calls *atomic.Int64) error {
	return pg.Later(ctx, tx, "log", word{cart, text}, func(ctx context.Context, tx pgx.Tx, all []word) error {
		calls.Add(1)
		var carts []int
		var texts []string
		for _, w := range all {
			carts, texts = append(carts, w.cart), append(texts, w.text)
		}
		_, err := tx.Exec(ctx, `INSERT INTO log SELECT * FROM unnest($1::int[], $2::text[])`, carts, texts)
		return err
	})
}

// What members ask goes together: one transaction for all, and what they only
// add goes in one statement.
func TestConvoySharesATransaction(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	var calls atomic.Int64
	errs := pg.Together(t.Context(), pool.Pool, 20, func(ctx context.Context, i int) error {
		var before int
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM carts WHERE id = $1`, i).Scan(&before); err != nil || before != 0 {
			return fmt.Errorf("expected no cart %d yet, got %d, %w", i, before, err)
		}
		return pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO carts (id, load) VALUES ($1, $2)`, i, fmt.Sprint("load ", i)); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, `SELECT id, load FROM carts WHERE id = @id`, pgx.StrictNamedArgs{"id": i})
			if err != nil {
				return err
			}
			type cart struct {
				ID   int
				Load *string
			}
			got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[cart])
			if err != nil || got.ID != i || *got.Load != fmt.Sprint("load ", i) {
				return fmt.Errorf("expected cart %d back, got %+v, %w", i, got, err)
			}
			var none int
			if err := tx.QueryRow(ctx, `SELECT id FROM carts WHERE id = $1`, 1000+i).Scan(&none); !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("expected no rows, got %w", err)
			}
			b := &pgx.Batch{}
			b.Queue(`UPDATE carts SET load = load || '!' WHERE id = $1`, i)
			b.Queue(`UPDATE carts SET load = load || '!' WHERE id = $1`, -1)
			sent := tx.SendBatch(ctx, b)
			for _, want := range []int64{1, 0} {
				if tag, err := sent.Exec(); err != nil || tag.RowsAffected() != want {
					return fmt.Errorf("expected %d rows affected, got %v, %w", want, tag, err)
				}
			}
			if err := sent.Close(); err != nil {
				return err
			}
			return write(ctx, tx, i, "loaded", &calls)
		})
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, `SELECT count(*) FROM carts WHERE load LIKE 'load %!'`); n != 20 {
		t.Errorf("expected 20 carts, got %d", n)
	}
	if n := count(t, pool, `SELECT count(DISTINCT xid) FROM carts`); n != 1 {
		t.Errorf("expected one transaction, there were %d", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM log`); n != 20 || calls.Load() != 1 {
		t.Errorf("expected 20 lines in one statement, got %d in %d", n, calls.Load())
	}
}

// One that fails, gives up or panics takes nobody with it, and leaves nothing.
func TestConvoyMembersFailAlone(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	pgtest.Exec(t, pool.Pool, `INSERT INTO carts (id) VALUES (3)`)
	given := errors.New("not today")
	var calls atomic.Int64
	errs := pg.Together(t.Context(), pool.Pool, 12, func(ctx context.Context, i int) error {
		if i == 9 {
			panic("a name")
		}
		if i == 8 { // outside of a transaction, too
			_, err := pool.Exec(ctx, `SELECT 1/0`)
			return err
		}
		return pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if err := write(ctx, tx, i, "tried", &calls); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO carts (id) VALUES ($1)`, i); err != nil {
				return err
			}
			switch i {
			case 5:
				return given
			case 6:
				panic("another name")
			}
			return nil
		})
	})
	for i, err := range errs {
		switch i {
		case 3:
			if pg.Code(err) != "23505" {
				t.Errorf("expected the doubled cart to be refused, got %v", err)
			}
		case 5:
			if !errors.Is(err, given) {
				t.Errorf("expected member 5 to have given up, got %v", err)
			}
		case 6, 9:
			if !errors.Is(err, pg.ErrPanic) || !regexp.MustCompile(`^panic \(string\) in pg_test\.\S+ \(convoy_test.go:\d+\)$`).MatchString(err.Error()) {
				t.Errorf("expected member %d to have panicked, with its place and without words, got %v", i, err)
			}
		case 8:
			if pg.Code(err) != "22012" {
				t.Errorf("expected a division by zero, got %v", err)
			}
		default:
			if err != nil {
				t.Errorf("expected member %d not to be touched by the others, got %v", i, err)
			}
		}
	}
	var there []int
	rows, err := pool.Pool.Query(t.Context(), `SELECT id FROM carts ORDER BY id`)
	if err == nil {
		there, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if want := []int{0, 1, 2, 3, 4, 7, 10, 11}; err != nil || !slices.Equal(there, want) {
		t.Errorf("expected carts %v, got %v, %v", want, there, err)
	}
	if n := count(t, pool, `SELECT count(*) FROM log`); n != 7 {
		t.Errorf("expected the lines of those that went through, got %d", n)
	}
}

const addCart = `INSERT INTO carts (id) SELECT unnest($1::int[])`

// putting lets members put what sql says, of their number; "": nothing. It returns
// their errors, and how often each was tried.
func putting(t *testing.T, pool pg.Pool, n int, sql func(i int) string) (errs []error, tried []int64) {
	t.Helper()
	counts := make([]atomic.Int64, n)
	errs = pg.Together(t.Context(), pool.Pool, n, func(ctx context.Context, i int) error {
		return pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			counts[i].Add(1)
			what := sql(i)
			if what == "" {
				return nil
			}
			return pg.Put(ctx, tx, what, i)
		})
	})
	for i := range counts {
		tried = append(tried, counts[i].Load())
	}
	return errs, tried
}

// What goes wrong in the last statements, which go out with the commit, is the
// fault of the one whose they are: nothing was committed, and each goes alone.
func TestConvoyFailsAtItsEnd(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	pgtest.Exec(t, pool.Pool, `INSERT INTO carts (id) VALUES (3)`)
	errs, tried := putting(t, pool, 6, func(i int) string {
		if i == 4 { // nothing at all to do
			return ""
		}
		return addCart
	})
	for i, err := range errs {
		switch {
		case i == 3 && pg.Code(err) != "23505":
			t.Errorf("expected the doubled cart to be refused, got %v", err)
		case i != 3 && err != nil:
			t.Errorf("expected member %d not to be touched by it, got %v", i, err)
		}
		if n := tried[i]; n != 2 {
			t.Errorf("expected member %d to be tried together and alone, it was tried %d times", i, n)
		}
	}
	if n := count(t, pool, `SELECT count(*) FROM carts`); n != 5 {
		t.Errorf("expected four new carts beside the old one, there are %d", n)
	}
	for range 2 {
		if errs := pg.Together(t.Context(), pool.Pool, 2, func(ctx context.Context, _ int) error {
			return pg.InTx(ctx, pool, pgx.TxOptions{}, func(pgx.Tx) error { return nil })
		}); errors.Join(errs...) != nil {
			t.Errorf("expected nothing to do to be no error, got %v", errs)
		}
	}
}

// A connection that ends before the commit takes nobody along but the one whose
// statement it ended at.
func TestConvoyLosesItsConnection(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	errs, tried := putting(t, pool, 3, func(i int) string {
		if i != 1 { // written in the same pipeline, before and after
			return addCart
		}
		go func() {
			for ended := int64(0); ended == 0 && t.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
				tag, _ := pool.Pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()`)
				ended = tag.RowsAffected()
			}
		}()
		return `SELECT pg_sleep(60) FROM unnest($1::int[])`
	})
	if n := count(t, pool, `SELECT count(*) FROM carts`); n != 2 {
		t.Errorf("expected the two others' carts, there are %d", n)
	}
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("expected one member to fail, got %v", errs)
	}
	for i, n := range tried {
		if n > 2 {
			t.Errorf("expected member %d not to be tried more than together and alone, it was %d times", i, n)
		}
	}
}

// What is asked of something else is gathered, and can ask back as members.
func TestConvoyGathers(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	var calls atomic.Int64
	errs := pg.Together(t.Context(), pool.Pool, 10, func(ctx context.Context, i int) error {
		got, ok := pg.Gather(ctx, i%2, i, func(ctx context.Context, all []int) []string {
			calls.Add(1)
			out := make([]string, len(all))
			pg.Fan(ctx, len(all), func(ctx context.Context, n int) {
				_ = pool.QueryRow(ctx, `SELECT 'answer ' || $1::int`, all[n]).Scan(&out[n])
			})
			return out
		})
		if want := fmt.Sprint("answer ", i); !ok || got != want {
			return fmt.Errorf("expected %q, got %q, %v", want, got, ok)
		}
		pg.Away(ctx, func() {
			_, err := pool.Exec(ctx, `INSERT INTO carts (id) VALUES ($1)`, i)
			if err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 2 {
		t.Errorf("expected one call for each key, there were %d", calls.Load())
	}
	if n := count(t, pool, `SELECT count(*) FROM carts`); n != 10 {
		t.Errorf("expected the ten carts of those away, got %d", n)
	}
	if _, ok := pg.Gather(t.Context(), "", 0, func(context.Context, []int) []int { return nil }); ok {
		t.Error("expected nothing to be gathered outside of a convoy")
	}
}

// Two convoys that want the same rows take turns, whoever of their members they
// belong to; a member's own second try is not kept waiting by its first.
func TestConvoysMeet(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	pgtest.Exec(t, pool.Pool, `INSERT INTO carts (id, load) SELECT g, '' FROM generate_series(0, 9) g`)
	both := make(chan error, 2)
	for c := range 2 {
		go func() {
			both <- errors.Join(pg.Together(t.Context(), pool.Pool, 10, func(ctx context.Context, i int) error {
				at := i
				if c == 1 {
					at = 9 - i
				}
				return pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
					for n := range 3 {
						if _, err := tx.Exec(ctx, `UPDATE carts SET load = load || 'x' WHERE id = $1`, (at+n)%10); err != nil {
							return err
						}
					}
					return nil
				})
			})...)
		}()
	}
	for range 2 {
		if err := <-both; err != nil && pg.Code(err) != "40P01" {
			t.Error(err)
		}
	}
	if n := count(t, pool, `SELECT sum(length(load)) % 3 FROM carts`); n != 0 {
		t.Errorf("expected whole transactions only, got %d letters over", n)
	}
}

// A row that somebody else holds keeps its own member waiting, and takes from the
// others neither their work nor the time that they have for it.
func TestConvoyAtLast(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	pgtest.Exec(t, pool.Pool, `INSERT INTO carts (id) VALUES (0)`)
	held, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(t.Context()) //nolint:errcheck // the end of the test
	if _, err := held.Exec(t.Context(), `UPDATE carts SET load = 'held' WHERE id = 0`); err != nil {
		t.Fatal(err)
	}
	errs := pg.Together(t.Context(), pool.Pool, 6, func(ctx context.Context, i int) error {
		if i == 5 { // one whose own time is over
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			cancel()
		}
		return pg.AtLast(ctx, pool, 3*time.Second, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO carts (id, load) VALUES ($1, 'late') ON CONFLICT (id) DO UPDATE SET load = excluded.load`, i)
			return err
		})
	})
	if errs[0] == nil {
		t.Error("expected the member whose row is held to fail")
	}
	if err := errors.Join(errs[1:]...); err != nil {
		t.Errorf("expected the others to be done, got %v", err)
	}
	if n := count(t, pool, `SELECT count(*) FROM carts WHERE load = 'late'`); n != 5 {
		t.Errorf("expected five carts, got %d", n)
	}
}
