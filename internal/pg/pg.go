// Package pg is what all Postgres code shares: pools (open.go), transactions
// (this file), and errors that keep SQLSTATE, constraint, table and column,
// never the message, which quotes values (clean.go, sqlstate.go).
package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is a pool, a connection or a transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Beginner is a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// rollbackLimit bounds a rollback: it must go through even when the caller's
// context has ended, and must not wait for a server that is gone.
const rollbackLimit = 5 * time.Second

// InTx runs f in a transaction; f's error or a panic rolls back. Errors of
// BEGIN and COMMIT are cleaned; f's own error comes back as it is, so that the
// caller's sentinels keep their text: f (or the exported method around it)
// applies Clean to what the database told it.
//
// Work of a convoy (Together) shares its transaction: f may then be called a
// second time, after a first time that was rolled back.
func InTx(ctx context.Context, db Beginner, o pgx.TxOptions, f func(pgx.Tx) error) error {
	alone := func() error { return inTx(ctx, db, o, f) }
	if o != (pgx.TxOptions{}) {
		return alone()
	}
	return togetherOr(ctx, db, f, alone)
}

// AtLast is InTx for what is to be written even when the caller's own time is
// over: it has limit. What a convoy needs to write it together with others does
// not count: whoever has to write it alone after that has all of its limit.
func AtLast(ctx context.Context, db Beginner, limit time.Duration, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	return togetherOr(ctx, db, func(tx pgx.Tx) error { return f(ctx, tx) }, func() error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return inTx(ctx, db, pgx.TxOptions{}, func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}

// togetherOr runs f in the transaction of the convoy to which the work belongs;
// where there is none, or its transaction fails, alone does it.
func togetherOr(ctx context.Context, db Beginner, f func(pgx.Tx) error, alone func() error) error {
	p, ok := db.(Pool)
	if !ok {
		return alone()
	}
	c := member(ctx)
	if c == nil || c.pool != p.Pool {
		return alone()
	}
	err := c.inTx(f)
	if errors.Is(err, errApart) {
		Away(ctx, func() { err = alone() })
	}
	return err
}

func inTx(ctx context.Context, db Beginner, o pgx.TxOptions, f func(pgx.Tx) error) error {
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return Clean(err)
	}
	done := false
	defer func() { // runs on a panic, too, which then goes on its way
		if done {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
		defer cancel()
		_ = tx.Rollback(ctx) // a lost connection has rolled back already
	}()
	own := &ownTx{tx, &deferred{}}
	if err := f(own); err != nil {
		return err
	}
	if err := own.d.flush(ctx, tx); err != nil {
		return Clean(err)
	}
	err = tx.Commit(ctx)
	done = true // whatever the outcome, pgx has ended the transaction
	return Clean(err)
}
