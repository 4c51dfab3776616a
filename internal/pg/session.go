package pg

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrPooled is a database behind a pooler that hands out a session for each
// transaction: what is set for one statement (limits, prepared statements, key
// tables, advisory locks, LISTEN) would be somebody else's at the next.
var ErrPooled = errors.New("a pooler in between gives each transaction another session (PgBouncer: pool_mode = transaction); " +
	"give the server's own address, or that of a pool that keeps sessions (pool_mode = session)")

const (
	// settleLimit bounds what is asked on a new connection.
	settleLimit = 5 * time.Second
	// probeLimit bounds the second connection of a probe: a pool that keeps sessions
	// may have none left, and would let it wait.
	probeLimit = time.Second
	// probes are made at most, since a busy pool may give the same session twice.
	probes = 3
)

// A Session makes the settings of new connections, once it is known that they
// are this client's own. Settings are not sent as the connection starts:
// PgBouncer refuses those that it does not know. The zero value sets nothing.
type Session struct {
	Set map[string]string

	mu   sync.Mutex
	kept bool // a pooler was seen, and it keeps sessions
}

// Begin is pgxpool's AfterConnect.
func (s *Session) Begin(ctx context.Context, conn *pgx.Conn) error {
	within, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	err := s.ask(within, conn)
	if err == nil {
		err = s.make(within, conn)
	}
	if err != nil && ctx.Err() == nil && within.Err() != nil { // a pooler took it in, and has no session free
		return &Error{Code: "08001", reason: reason(within.Err()), connecting: true}
	}
	return err
}

func (s *Session) make(ctx context.Context, conn *pgx.Conn) error {
	set := map[string]string{}
	maps.Copy(set, s.Set)
	if conn.PgConn().ParameterStatus("server_encoding") == "SQL_ASCII" {
		// Nobody knows in which encoding its texts are. Those that are not UTF-8
		// would be refused, both ways, instead of passed on.
		set["client_encoding"] = "SQL_ASCII"
	}
	if len(set) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(set))
	for i, name := range names {
		names[i] = "set_config(" + quoted(name) + ", " + quoted(set[name]) + ", false)"
	}
	_, err := conn.Exec(ctx, "SELECT "+strings.Join(names, ", ")+", "+unlimited)
	return err
}

// unlimited lifts the limits of the role or database for which Lethe has its own: a pool
// keeps connections idle (one listens, another holds the lock of a migration), and a
// transaction is bounded by its statements and its job. Servers before 14 and 17 lack them.
const unlimited = "(SELECT count(set_config(name, '0', false)) FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout'))"

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// ask finds out whether the session is ours alone. Behind a pooler the server's
// process has another number than the one told as the connection began; only
// then is there more to ask.
func (s *Session) ask(ctx context.Context, conn *pgx.Conn) error {
	pid, err := plainly(ctx, conn, "SELECT pg_backend_pid()")
	if err != nil || pid == strconv.FormatUint(uint64(conn.PgConn().PID()), 10) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept {
		return nil
	}
	known, err := probe(ctx, conn)
	s.kept = known && err == nil
	return err
}

// plainly asks for one value without preparing anything, which may be another
// client's session. pgx itself would not ask so where the role has
// standard_conforming_strings off, which is not for us to set yet.
func plainly(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

// probe sets a mark on one connection and looks for it on another, which holds a
// transaction meanwhile: a pooler that shares sessions shows the mark there, or
// has to give the first one another session, without it. The mark means nothing
// to anybody. known is false when no second connection could be had, or when
// other trouble came between: then the next connection asks again.
func probe(ctx context.Context, conn *pgx.Conn) (known bool, err error) {
	within, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	other, err := pgx.ConnectConfig(within, conn.Config())
	if err != nil {
		return false, nil //nolint:nilerr // its trouble is not this connection's
	}
	defer func() { _ = other.Close(within) }()
	mark := rand.Text()
	seen := func(c *pgx.Conn) (string, error) {
		return plainly(within, c, "SELECT coalesce(current_setting('lethe.session', true), '')")
	}
	if _, err := conn.Exec(ctx, "SET lethe.session = "+quoted(mark)); err != nil {
		return false, err
	}
	for range probes {
		if _, err := other.Exec(within, "BEGIN"); err != nil {
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == "08P01" { // statement pooling takes no transactions
				return true, ErrPooled
			}
			return false, nil
		}
		there, err := seen(other)
		if err != nil {
			return false, nil //nolint:nilerr // as above
		}
		here := mark
		if there != mark { // else the only session may be the one that is busy
			if here, err = seen(conn); err != nil {
				return false, err
			}
		}
		if there == mark || here != mark {
			_, _ = other.Exec(within, "ROLLBACK; RESET lethe.session")
			return true, ErrPooled
		}
		if _, err := other.Exec(within, "ROLLBACK"); err != nil {
			return false, nil //nolint:nilerr // as above
		}
	}
	return true, nil
}
