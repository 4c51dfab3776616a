// Package postgres carries out walks inside a Postgres database: it finds,
// streams and erases the rows of a subject by set-based SQL, so that rows travel
// only when the subject is to be given them, and the cost follows the subject's
// rows, not the size of the tables.
//
// One walk can be carried out in several ways with one result: as one statement, a
// chain of CTEs (chain.go), or in key tables that a connection keeps (staged.go).
// Both are put together from the same conditions (walk.go, stays.go), which are
// made from a plan and the catalogue (program.go, catalog.go). Open walk.go for
// what is reached, stays.go for what an erasure must leave, erase.go for how an
// erasure runs.
//
// This is the only package that writes SQL against a source. Identifiers come
// from the data map or the catalogue and are quoted by pgx.Identifier; values
// are bound.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// Options of a source. The zero value is good for use.
type Options struct {
	StatementTimeout time.Duration // 0: 60 s
	LockTimeout      time.Duration // 0: 5 s; a shop goes on trading on these tables
	// StagedAbove is the number of reached rows above which a walk is staged;
	// 0: 10,000; negative: every walk is staged.
	StagedAbove int64
	// OverShared is the number of rows of others from which a value that leads
	// over a link without a key is braked, see brake.go; 0: 1,000; negative: never.
	OverShared int64
	// SliceAbove is the number of rows above which an erasure is carried out in
	// several transactions; 0: 100,000; negative: never.
	SliceAbove int64
	// SliceRows is how many rows of a collection one of these takes; 0: 20,000.
	SliceRows int64
	// LongAbove is the number of bytes above which a value does not travel with
	// its row into an archive, but by itself; 0: 1 MiB.
	LongAbove int64
	// MaxConns of a pool that Open opens; 0: the default of internal/pg.
	MaxConns int32
	// Shard: this database is one of several with the same schema, and a person's
	// rows may lie in any: every reference may lead elsewhere (feeds.go), and the
	// rows of a snapshot bring what they are merged by (source.Row.Rank).
	Shard bool
	// Now makes what was read from the catalogue expire after a minute. Nil:
	// the catalogue is read anew for every operation.
	Now func() time.Time
}

// catalogueLife is how long a compiled walk may rest on what the catalogue said. It
// asks whether that is still so unless it has just done (unasked): a table that
// inherits from one of the map's, or a foreign key that cascades, would have an erasure
// take rows that nobody reckoned with.
const (
	catalogueLife = time.Minute
	unasked       = time.Second
)

// DefaultOverShared is Options.OverShared unless set.
const DefaultOverShared = 1_000

// Source is one Postgres database that holds personal data.
type Source struct {
	name string
	pool *pgxpool.Pool
	o    Options
	own  bool // Open made the pool

	mu         sync.Mutex
	programs   map[string]*program // by the plan's digest
	texts      map[*datamap.Field]textRead
	catalogues map[string]catalogueRead // by collections
}

// New makes a source of a pool. The pool stays the caller's to close.
func New(name string, pool *pgxpool.Pool, o Options) (*Source, error) {
	if name == "" || pool == nil {
		return nil, errors.New("a source needs a name and a pool")
	}
	if o.StatementTimeout <= 0 {
		o.StatementTimeout = time.Minute
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = 5 * time.Second
	}
	if o.StagedAbove == 0 {
		o.StagedAbove = 10_000
	}
	if o.SliceAbove == 0 {
		o.SliceAbove = 100_000
	}
	if o.SliceRows <= 0 {
		o.SliceRows = 20_000
	}
	if o.LongAbove <= 0 {
		o.LongAbove = 1 << 20
	}
	if o.OverShared == 0 {
		o.OverShared = DefaultOverShared
	}
	o.OverShared = max(o.OverShared, 0)
	return &Source{name: name, pool: pool, o: o, programs: map[string]*program{}, texts: map[*datamap.Field]textRead{}, catalogues: map[string]catalogueRead{}}, nil
}

// Open opens a pool and makes a source of it; Close closes both. It does not
// connect: a source that is down is told by its first use.
func Open(ctx context.Context, name, url string, o Options) (*Source, error) {
	pool, err := pg.Open(ctx, url, pg.Options{
		Name: "lethe source " + name, MaxConns: o.MaxConns,
		StatementTimeout: o.StatementTimeout, LockTimeout: o.LockTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", name, pg.Clean(err))
	}
	s, err := New(name, pool, o)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.own = true
	return s, nil
}

// Name is the source's name in lethe.yaml.
func (s *Source) Name() string { return s.name }

// Close closes the pool if Open made it.
func (s *Source) Close() {
	if s.own {
		s.pool.Close()
	}
}

// Ping tells whether the database answers.
func (s *Source) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("source %s: %w", s.name, pg.Clean(err))
	}
	return nil
}

// The transactions that walks run in.
const (
	reading  = "begin isolation level repeatable read read only"
	changing = "begin isolation level repeatable read"
	sharing  = "begin isolation level serializable" // an erasure that found shared rows
	looking  = "begin isolation level read committed read only"
)

// begin opens a transaction with its limits, in one round trip.
func (s *Source) begin(ctx context.Context, conn *pgxpool.Conn, how string) (pgx.Tx, error) {
	if err := s.settings(ctx, conn); err != nil {
		return nil, err
	}
	return conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: how})
}

// settings are made once on each connection of the source's pool, because a walk
// is to be one round trip where it can. Plans are generic: a chain of CTEs is
// planned once per connection, not per request. Values of many types are read as
// text in places, and told to other stores so: their form is fixed here, whatever
// the role or the database has it. So is how Postgres reads a text in a statement, and
// how it tells names of types and columns. Row-level security shows what it shows, where
// row_security = off would have every statement refused: row_security.go tells what is
// hidden.
//
// The operators of an extension's types (citext, ltree) are found along the search
// path only: without them Postgres compares a citext as text, in silence. Their
// schemas are put at its end, where they hide no table. Postgres' own types, functions
// and operators come first, also where the role's path names pg_catalog after a schema
// that has some of the same name (orafce: date, regexp_replace): taken out of the path,
// it is searched before all others.
func (s *Source) settings(ctx context.Context, conn *pgxpool.Conn) error {
	made := conn.Conn().PgConn().CustomData()
	sql := "set statement_timeout = " + milliseconds(s.o.StatementTimeout) +
		"; set lock_timeout = " + milliseconds(s.o.LockTimeout) +
		"; set plan_cache_mode = force_generic_plan; set jit = off" +
		"; set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = postgres; set bytea_output = hex" +
		"; set extra_float_digits = 1; set standard_conforming_strings = on; set quote_all_identifiers = off" +
		"; set row_security = on; " + withTriggers + "; " + withExtensions
	if made[fired] != nil {
		if err := s.afresh(ctx, conn); err != nil {
			return err
		}
		delete(made, fired)
	} else if made["lethe.settings"] == sql {
		return nil
	}
	if _, err := conn.Exec(ctx, sql); pg.Code(err) == "42501" {
		return &Unfit{Source: s.name, Reasons: []string{"what its role changes would run no triggers and be held against no foreign keys; " +
			"a superuser has to ALTER ROLE … (or ALTER DATABASE …) RESET session_replication_role"}}
	} else if err != nil {
		return fmt.Errorf("make a connection's settings: %w", err)
	}
	made["lethe.settings"] = sql
	return nil
}

// fired marks a connection on which triggers have run: they may have left settings of
// theirs (set_config, SET), for the session and not for the transaction only.
const fired = "lethe.fired"

// firing marks the connection if changes of these tables run triggers.
func (c *catalogue) firing(conn *pgxpool.Conn) {
	for _, t := range c.tables {
		if len(t.triggers) > 0 {
			conn.Conn().PgConn().CustomData()[fired] = true
			return
		}
	}
}

// afresh makes the settings of a connection what they were when it was opened.
func (s *Source) afresh(ctx context.Context, conn *pgxpool.Conn) error {
	if _, err := conn.Exec(ctx, "reset role; reset all"); err != nil {
		return fmt.Errorf("reset a connection's settings: %w", err)
	}
	if opened := s.pool.Config().AfterConnect; opened != nil {
		return opened(ctx, conn.Conn())
	}
	return nil
}

// withTriggers is the one setting that may be refused: only superusers, and whom they let, change it.
const withTriggers = `SELECT set_config('session_replication_role', 'origin', false) WHERE current_setting('session_replication_role') <> 'origin'`

const withExtensions = `
	SELECT set_config('search_path', concat_ws(', ', nullif(CASE WHEN 'pg_catalog' = ANY(current_schemas(false))
			THEN (SELECT string_agg(quote_ident(s), ', ' ORDER BY n) FROM unnest(current_schemas(false)) WITH ORDINALITY AS p (s, n) WHERE s <> 'pg_catalog')
			ELSE current_setting('search_path') END, ''),
		string_agg(quote_ident(nspname), ', ' ORDER BY nspname)), false)
	FROM pg_namespace WHERE oid IN (SELECT o.oprnamespace FROM pg_operator o JOIN pg_depend d ON d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e')
	AND NOT nspname = ANY(current_schemas(true))`

// inTx runs f in a transaction on conn. What f returns comes back as it is.
func (s *Source) inTx(ctx context.Context, conn *pgxpool.Conn, how string, f func(pgx.Tx) error) error {
	tx, err := s.begin(ctx, conn, how)
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// rollback ends a transaction, also when ctx has ended before it.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // after a commit, or on a lost connection, there is nothing to do
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}
