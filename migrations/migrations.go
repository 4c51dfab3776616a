// Package migrations brings the control schema up: River's tables by
// rivermigrate, ours by goose from the files beside this one, all in the schema
// "lethe" and under one advisory lock. Both tools take a newer schema in
// silence, so the versions are compared here (Check).
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Schema is where everything of ours stands in the control database.
const Schema = "lethe"

//go:embed *.sql
var files embed.FS

const (
	gooseTable = Schema + ".goose_db_version"
	// lockKey is "lethe" in ASCII; the advisory lock is per database.
	lockKey int64 = 0x6c65746865
	// lockEvery is how often a waiting process asks for the lock. It asks
	// instead of waiting inside pg_advisory_lock: that would hold a snapshot,
	// for which a CREATE INDEX CONCURRENTLY of the process ahead would wait in turn.
	lockEvery = 50 * time.Millisecond
)

// Up brings the control database of pool to this binary's version. It waits
// for another process that is doing so, changes nothing when there is nothing
// to do, and refuses a newer schema (ErrNewer). It uses connections of its own,
// without the pool's time-outs.
func Up(ctx context.Context, pool *pgxpool.Pool) error {
	config := connConfig(pool)
	lock, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return fmt.Errorf("migrate: %w", pg.Clean(err))
	}
	defer closeConn(ctx, lock) // ends the lock, too
	session := session()
	if err := session.Begin(ctx, lock); err != nil {
		return fmt.Errorf("migrate: %w", pg.Clean(err))
	}
	if err := encoded(ctx, lock); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := acquire(ctx, lock); err != nil {
		return fmt.Errorf("migrate: wait for the lock: %w", pg.Clean(err))
	}
	has, err := current(ctx, lock)
	if err != nil {
		return fmt.Errorf("migrate: read versions: %w", pg.Clean(err))
	}
	knows, err := known()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := notNewer(has, knows); err != nil {
		return err
	}
	if err := sameText(ctx, lock, has); err != nil || has == knows {
		return err
	}
	if err := createSchema(ctx, lock); pg.Code(err) == "42501" {
		return fmt.Errorf("migrate: create schema %s: %w: the owner of the database has to GRANT CREATE ON DATABASE %s TO %s",
			Schema, pg.Clean(err), pgx.Identifier{config.Database}.Sanitize(), pgx.Identifier{config.User}.Sanitize())
	} else if err != nil {
		return fmt.Errorf("migrate: create schema %s: %w", Schema, pg.Clean(err))
	}
	if err := riverUp(ctx, pool, config, session); err != nil {
		return fmt.Errorf("migrate the queue's tables: %w", pg.Clean(err))
	}
	if err := keepTexts(ctx, lock, has); err != nil {
		return fmt.Errorf("migrate: note what is carried out: %w", pg.Clean(err))
	}
	if err := gooseUp(ctx, config, session); err != nil {
		return fmt.Errorf("migrate our tables: %w", pg.Clean(err))
	}
	return nil
}

// connConfig is the pool's connection.
func connConfig(pool *pgxpool.Pool) *pgx.ConnConfig {
	c := pool.Config().ConnConfig.Copy()
	c.RuntimeParams["application_name"] = "lethe migrate"
	c.RuntimeParams["timezone"] = "UTC"
	return c
}

// session is for work that may take its time.
func session() *pg.Session {
	set := map[string]string{"search_path": Schema}
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		set[limit] = "0"
	}
	return &pg.Session{Set: set}
}

func acquire(ctx context.Context, c *pgx.Conn) error {
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		var got bool
		if err := c.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, lockKey).Scan(&got); err != nil {
			return err
		}
		if got {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// createSchema looks first: CREATE SCHEMA IF NOT EXISTS asks for the right to
// create one even where an administrator has made it already.
func createSchema(ctx context.Context, c *pgx.Conn) error {
	var there bool
	if err := c.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, Schema).Scan(&there); err != nil || there {
		return err
	}
	_, err := c.Exec(ctx, `CREATE SCHEMA `+Schema)
	return err
}

func riverUp(ctx context.Context, pool *pgxpool.Pool, config *pgx.ConnConfig, session *pg.Session) error {
	c := pool.Config()
	c.ConnConfig, c.AfterConnect = config.Copy(), session.Begin
	c.MinConns, c.MinIdleConns, c.MaxConns = 0, 0, 2
	own, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return err
	}
	defer own.Close()
	m, err := migrator(own)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func migrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: Schema, Logger: slog.New(slog.DiscardHandler),
	})
}

func gooseUp(ctx context.Context, config *pgx.ConnConfig, session *pg.Session) error {
	db := stdlib.OpenDB(*config.Copy(), stdlib.OptionAfterConnect(session.Begin))
	defer func() { _ = db.Close() }()
	p, err := provider(db)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func provider(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(gooseTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
}

func closeConn(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}
