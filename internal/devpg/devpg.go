//go:build unix

// Package devpg runs a private Postgres for the demo and the tests: made in a
// temporary folder, reached by a unix socket in that folder only, gone when
// its owner is gone.
//
// Between the owner and Postgres stands a supervisor: the same executable,
// started again with a mark in its environment. It holds the reading end of a
// pipe whose other end only the owner has; when that end closes, for whatever
// reason (kill -9 included), it stops Postgres and removes the folder. So the
// executable must call Supervise first thing in main or TestMain.
//
// This file is the owner's side, supervisor.go the other one, binaries.go finds
// Postgres, folder.go the place.
package devpg

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

const (
	// superuser is the cluster's only user, a superuser.
	superuser = "lethe"
	// stopLimit is how long Stop waits for the supervisor before it kills it.
	// Postgres needs milliseconds for an immediate shutdown; a loaded machine more.
	stopLimit = 30 * time.Second
)

// Options of a cluster. The zero value is right for tests.
type Options struct {
	// Durable keeps fsync on, as a real server has it: for measuring. A
	// private cluster never outlives its owner, so nothing else needs it.
	Durable bool
	// MaxConns is max_connections; 0 means 100.
	MaxConns int
	// Settings are further lines of postgresql.conf; they win.
	Settings map[string]string
	// Dir is the folder in which the cluster's own folder is made; empty: the
	// first fitting one of $TMPDIR, /tmp and /var/tmp. It must be short, for
	// the path of a unix socket has some hundred bytes.
	Dir string
}

// A Server is a running private Postgres.
type Server struct {
	dir      string
	lifeline *os.File      // closing it stops the supervisor
	gone     chan struct{} // closed when the supervisor has ended
	process  *os.Process
	once     sync.Once
	stopErr  error

	mu   sync.Mutex
	pool *pgxpool.Pool // of who makes and drops databases; nil before the first
}

// order is what the owner asks of the supervisor; answer is what comes back.
type order struct {
	Binaries string
	Base     string
	Durable  bool
	MaxConns int
	Settings map[string]string
}

type answer struct {
	Dir   string
	Error string
}

// Start makes a cluster and waits until it answers. Cancelling ctx later does
// not stop it; Stop does, and so does the end of this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	if os.Getenv(mark) != "" {
		return nil, errors.New("private Postgres: devpg.Supervise was not called at the start of main")
	}
	binaries, err := find()
	if err != nil {
		return nil, err
	}
	base, err := baseFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.MaxConns == 0 {
		o.MaxConns = 100
	}
	s, answers, err := launch(order{Binaries: binaries, Base: base, Durable: o.Durable, MaxConns: o.MaxConns, Settings: o.Settings})
	if err != nil {
		return nil, fmt.Errorf("private Postgres: %w", err)
	}
	select {
	case a := <-answers:
		if a.Error == "" {
			s.dir = a.Dir
			return s, nil
		}
		_ = s.Stop()
		return nil, fmt.Errorf("private Postgres: %s", a.Error)
	case <-ctx.Done():
		_ = s.Stop()
		return nil, fmt.Errorf("private Postgres: %w", ctx.Err())
	}
}

// launch starts the supervisor. Its answer comes once, or an error in its place.
func launch(o order) (*Server, <-chan answer, error) {
	exe, err := executable()
	if err != nil {
		return nil, nil, err
	}
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	saysRead, saysWrite, err := os.Pipe()
	if err != nil {
		_, _ = lifeRead.Close(), lifeWrite.Close()
		return nil, nil, err
	}
	// Not the caller's context: only Stop and the pipe end the supervisor.
	cmd := exec.CommandContext(context.Background(), exe)
	cmd.Args = []string{"lethe-private-postgres"} // what ps shows
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.ExtraFiles = []*os.File{lifeRead, saysWrite}
	cmd.Dir = "/"
	// A session of its own: neither Ctrl-C nor a hang-up of the terminal reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_, _ = lifeRead.Close(), saysWrite.Close()
	if err == nil {
		err = json.NewEncoder(lifeWrite).Encode(o)
	}
	if err != nil {
		_, _ = lifeWrite.Close(), saysRead.Close()
		if cmd.Process != nil {
			_ = cmd.Wait()
		}
		return nil, nil, fmt.Errorf("start the supervisor: %w", err)
	}
	s := &Server{lifeline: lifeWrite, gone: make(chan struct{}), process: cmd.Process}
	answers := make(chan answer, 1)
	go func() {
		defer close(s.gone)
		a := answer{Error: "the supervisor ended without a word: does main call devpg.Supervise first?"}
		if line, err := bufio.NewReader(saysRead).ReadBytes('\n'); err == nil {
			if err := json.Unmarshal(line, &a); err != nil {
				a = answer{Error: "the supervisor's answer cannot be read: does main call devpg.Supervise first?"}
			}
		}
		answers <- a
		_ = saysRead.Close()
		_ = cmd.Wait()
	}()
	return s, answers, nil
}

// executable is the path of this program, also when its file was replaced or
// removed since it started (go test, an upgrade): Linux keeps it reachable.
func executable() (string, error) {
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// URL is the connection string of one of the cluster's databases.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.dir}}.Encode()
	return u.String()
}

// CreateDatabase makes a database as a copy of template ("" for an empty one).
// Nobody may be connected to the template meanwhile.
func (s *Server) CreateDatabase(ctx context.Context, name, template string) error {
	return s.admin(ctx, func(version string) string {
		sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
		if template != "" {
			sql += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
		}
		// By default Postgres 15 and later copy page by page, over the log: for a
		// small database that takes two and a half times as long as its files do.
		if major, _, _ := strings.Cut(version, "."); !slices.Contains([]string{"12", "13", "14"}, major) {
			sql += " STRATEGY file_copy"
		}
		return sql
	})
}

// DropDatabase removes a database, and whoever is connected to it. Postgres waits five
// seconds for these to go; one that has thousands of temporary tables may need longer.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	for {
		err := s.admin(ctx, func(string) string {
			return "DROP DATABASE IF EXISTS " + pgx.Identifier{name}.Sanitize() + " WITH (FORCE)"
		})
		if pg.Code(err) != "55006" || ctx.Err() != nil {
			return err
		}
	}
}

// admin runs one statement, which may depend on the server's version ("15.4 (Debian …)").
func (s *Server) admin(ctx context.Context, statement func(version string) string) error {
	pool, err := s.connectAdmins()
	if err == nil {
		err = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			_, err := c.Exec(ctx, statement(c.Conn().PgConn().ParameterStatus("server_version")))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("private Postgres: create or drop a database: %w", pg.Clean(err))
	}
	return nil
}

// connectAdmins makes the pool that databases are made and dropped over. It is kept: to
// connect takes longer than to copy an empty database.
func (s *Server) connectAdmins() (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		var err error
		if s.pool, err = pg.Open(context.Background(), s.URL("postgres"), pg.Options{MaxConns: 4}); err != nil {
			return nil, err
		}
	}
	return s.pool, nil
}

// Folder makes a folder for the owner's own files beside the cluster: it goes
// when the cluster goes, kill -9 of the owner included.
func (s *Server) Folder(name string) (string, error) {
	dir := filepath.Join(s.dir, "owner-"+name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("private Postgres: %w", err)
	}
	return dir, nil
}

// Stop ends Postgres and waits until its folder is gone. It may be called
// again, by several at once; all get the same answer.
func (s *Server) Stop() error {
	s.once.Do(func() {
		_ = s.lifeline.Close()
		timer := time.NewTimer(stopLimit)
		defer timer.Stop()
		select {
		case <-s.gone:
		case <-timer.C:
			_ = s.process.Kill()
			<-s.gone
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pool != nil {
			s.pool.Close()
		}
		if s.dir == "" {
			return
		}
		// Only a supervisor that was itself killed leaves something to do.
		if _, err := os.Lstat(s.dir); err == nil {
			killLeft(s.dir)
			if err := os.RemoveAll(s.dir); err != nil {
				s.stopErr = fmt.Errorf("private Postgres: remove its folder %s: %w", filepath.Base(s.dir), err)
			}
		}
	})
	return s.stopErr
}
