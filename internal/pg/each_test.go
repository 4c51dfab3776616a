package pg_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

type cart struct {
	ID   int
	Load *string
}

const cartsOf = `SELECT e.n, c.id, c.load FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS e (id, not_load, n)
	JOIN carts c ON c.id = e.id AND c.load IS DISTINCT FROM e.not_load`

// A statement for many gives each caller its own rows, alone, in a transaction
// and in a convoy, and counts as one for all members of a convoy.
func TestEach(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	if _, err := pool.Exec(t.Context(), `INSERT INTO carts (id, load) SELECT i, nullif('load ' || i, 'load 3') FROM generate_series(0, 19) i`); err != nil {
		t.Fatal(err)
	}
	get := func(ctx context.Context, db pg.DB, id int) (cart, error) {
		rows, err := pg.Each(ctx, db, cartsOf, id, "none")
		if err != nil {
			return cart{}, err
		}
		return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[cart])
	}
	check := func(ctx context.Context, db pg.DB, id int) error {
		got, err := get(ctx, db, id)
		if err != nil || got.ID != id || (got.Load == nil) != (id == 3) || got.Load != nil && *got.Load != fmt.Sprint("load ", id) {
			return fmt.Errorf("expected cart %d, got %+v, %w", id, got, err)
		}
		if _, err := get(ctx, db, 1000+id); !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("expected no cart %d, got %w", 1000+id, err)
		}
		var load *string
		if err := pg.EachRow(ctx, db, cartsOf, id, "none").Scan(new(int), &load); err != nil || (load == nil) != (id == 3) {
			return fmt.Errorf("expected the load of cart %d, got %w", id, err)
		}
		n, err := pg.EachExec(ctx, db, `
			UPDATE carts c SET load = e.load FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS e (id, load, n)
			WHERE c.id = e.id RETURNING e.n`, id, fmt.Sprint("load ", id))
		if err != nil || n != 1 {
			return fmt.Errorf("expected cart %d to be written once, got %d, %w", id, n, err)
		}
		_, err = pg.EachExec(ctx, db, `INSERT INTO log SELECT * FROM unnest($1::int[], $2::text[])`, id, "seen")
		return err
	}
	if err := check(t.Context(), pool, 3); err != nil {
		t.Error(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE carts SET load = NULL WHERE id = 3`); err != nil {
		t.Fatal(err)
	}
	if err := pg.InTx(t.Context(), pool, pgx.TxOptions{}, func(tx pgx.Tx) error { return check(t.Context(), tx, 4) }); err != nil {
		t.Error(err)
	}
	for _, err := range pg.Together(t.Context(), pool.Pool, 20, func(ctx context.Context, i int) error {
		if err := pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error { return check(ctx, tx, i) }); err != nil || i == 3 {
			return err
		}
		return check(ctx, pool, i)
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := count(t, pool, `SELECT count(DISTINCT xid) FROM (SELECT xmin::text AS xid FROM carts) x`); n != 2 {
		t.Errorf("20 members should write in two statements, one of each transaction, they wrote in %d", n)
	}
}

// One caller whose values cannot be read spoils nobody else's answer.
func TestEachApart(t *testing.T) {
	t.Parallel()
	pool := fleetOf(t)
	errs := pg.Together(t.Context(), pool.Pool, 10, func(ctx context.Context, i int) error {
		var got int
		text := fmt.Sprint(i)
		if i == 7 {
			text = "seven"
		}
		err := pg.EachRow(ctx, pool, `SELECT e.n, e.t::int FROM unnest($1::text[]) WITH ORDINALITY AS e (t, n)`, text).Scan(&got)
		if err == nil && got != i {
			return fmt.Errorf("expected %d, got %d", i, got)
		}
		return err
	})
	for i, err := range errs {
		if (err != nil) != (i == 7) {
			t.Errorf("member %d: %v", i, err)
		}
	}
}
