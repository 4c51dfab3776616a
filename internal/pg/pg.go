// Package pg is what all Postgres code shares: pools, transactions, and errors
// that keep SQLSTATE, constraint, table and column, never the message, which
// quotes values.
package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is a pool, a connection or a transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Options of a pool.
type Options struct {
	Name             string // application_name: "lethe control", "lethe source livechat"
	SearchPath       string // "" leaves the server's
	MaxConns         int32
	StatementTimeout time.Duration
	LockTimeout      time.Duration
}

// Open opens a pool: time zone UTC, time-outs set, connect time limited.
// Errors never hold the password.
func Open(ctx context.Context, url string, o Options) (*pgxpool.Pool, error) { panic("to be built") }

// Beginner is a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// InTx runs f in a transaction; f's error or a panic rolls back.
func InTx(ctx context.Context, db Beginner, o pgx.TxOptions, f func(pgx.Tx) error) error {
	panic("to be built")
}

// Error is what is kept of a Postgres error.
type Error struct{ Code, Constraint, Schema, Table, Column string }

func (e *Error) Error() string { panic("to be built") }

// Clean replaces a *pgconn.PgError in err's chain (and connect errors) by *Error, keeping
// context errors and pgx.ErrNoRows recognisable; what it does not know keeps its type's name only.
func Clean(err error) error { panic("to be built") }

// Code is the SQLSTATE of err, or "".
func Code(err error) string { panic("to be built") }

// Constraint is the constraint that err names, or "".
func Constraint(err error) string { panic("to be built") }

// Passing tells whether trying again may help: connection lost, time-outs,
// serialization failures, deadlocks, too many connections, shutting down.
func Passing(err error) bool { panic("to be built") }
