package pg

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	defaultConns   = 8
	// idleInTx is the server's own brake on a transaction whose process hangs
	// between two statements: no job lasts longer than this (DESIGN.md, rule 9).
	idleInTx = 2 * time.Minute
)

// ErrURL is a connection string that cannot be read. It says nothing of the
// string, in which a password may stand at any place.
var ErrURL = errors.New("the database URL, or a service or certificate that it names, cannot be read; it should look like postgres://user@host:5432/database")

// Options of a pool.
type Options struct {
	Name       string // application_name: "lethe control", "lethe source livechat"
	SearchPath string // "" leaves the server's
	MaxConns   int32  // 0: the URL's pool_max_conns, else 8
	// ByKey is for statements that look up a few rows by their keys. Each is
	// planned once a connection, not for its values each time; and since that may
	// be while the tables are empty, when reading them from end to end looks
	// cheapest, an index is taken wherever there is one. Where there is none,
	// reading a table counts as so dear that Postgres would compile it (jit)
	// each time, for longer than it runs.
	ByKey            bool
	StatementTimeout time.Duration
	LockTimeout      time.Duration
}

// Open opens a pool: time zone UTC, time-outs set, connect time limited.
// Errors never hold the password. It does not connect: a database that is down
// is told by the first use, so that one source does not keep the others from
// their work. A pooler in between has to keep sessions: ErrPooled, told by the
// first use, too.
func Open(ctx context.Context, url string, o Options) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, ErrURL
	}
	switch {
	case o.MaxConns > 0:
		c.MaxConns = o.MaxConns
	case !strings.Contains(url, "pool_max_conns"):
		c.MaxConns = defaultConns
	}
	c.ConnConfig.ConnectTimeout = connectTimeout
	if c.PingTimeout == 0 {
		// An idle connection whose server is gone without a word is given up as
		// soon as a new one would be; a statement on it would wait for the network.
		c.PingTimeout = connectTimeout
	}
	// These three PgBouncer knows; the rest is set on the session (Session). Without
	// the second a database in another encoding than UTF-8 would be read and asked
	// in its own, and every letter outside of ASCII be lost.
	p := c.ConnConfig.RuntimeParams
	p["timezone"] = "UTC"
	p["client_encoding"] = "UTF8"
	if o.Name != "" {
		p["application_name"] = o.Name
	}
	set := map[string]string{"idle_in_transaction_session_timeout": milliseconds(idleInTx)}
	if o.ByKey {
		set["plan_cache_mode"] = "force_generic_plan"
		for _, way := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
			set[way] = "off"
		}
	}
	if o.SearchPath != "" {
		set["search_path"] = o.SearchPath
	}
	if o.StatementTimeout > 0 {
		set["statement_timeout"] = milliseconds(o.StatementTimeout)
	}
	if o.LockTimeout > 0 {
		set["lock_timeout"] = milliseconds(o.LockTimeout)
	}
	c.AfterConnect = (&Session{Set: set}).Begin
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, Clean(err)
	}
	return pool, nil
}

// milliseconds is d as Postgres reads a bare number of its time-outs; never
// "0", which would switch the limit off.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}
