package pg_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// TestAConnectionThatFellSilent: after a failover nobody tells that the old server
// is gone. Whoever takes an idle connection to it gets another one in seconds.
func TestAConnectionThatFellSilent(t *testing.T) {
	t.Parallel()
	empty := pgtest.Empty(t)
	conf := empty.Config().ConnConfig
	network, address := pgconn.NetworkAddress(conf.Host, conf.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var silent atomic.Bool // what was open when it was set passes nothing on any more
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				_ = client.Close()
				return
			}
			old := !silent.Load()
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() {
				buf := make([]byte, 8192)
				for {
					n, err := server.Read(buf)
					if err != nil || old && silent.Load() {
						return
					}
					_, _ = client.Write(buf[:n])
				}
			}()
		}
	}()
	dsn := url.URL{Scheme: "postgres", User: url.User(conf.User), Host: l.Addr().String(), Path: conf.Database, RawQuery: "sslmode=disable"}
	pool, err := pg.Open(t.Context(), dsn.String(), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `SELECT 1`); err != nil {
		t.Fatal(err)
	}
	silent.Store(true)
	time.Sleep(1100 * time.Millisecond) // so long idle, it is tried before it is given out
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := pool.Exec(ctx, `SELECT 1`); err != nil {
		t.Errorf("expected a new connection in place of the silent one, got %v", pg.Clean(err))
	}
}
