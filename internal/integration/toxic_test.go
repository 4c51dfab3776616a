package integration

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

const schema = `
CREATE TABLE people (id int PRIMARY KEY, email text, name text);
CREATE TABLE notes  (id int PRIMARY KEY, person int, body text);
CREATE INDEX ON people (lower(email)); CREATE INDEX ON notes (person);`

const dataMap = `
dataset:
  - fides_key: club
    lethe: {source: club, basis: b}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: club, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`

const notes = 400

// A line is a shard behind a proxy that can be told to misbehave.
type line struct {
	proxy *toxiproxy.Proxy
	pool  *pgxpool.Pool // straight to the database
	url   string        // through the proxy
}

func newLine(t *testing.T) *line {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, schema)
	c := pool.Config().ConnConfig
	upstream := bridge(t, c.Host, int(c.Port))
	quiet := zerolog.Nop()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), quiet)
	p := toxiproxy.NewProxy(server, "shard", "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	host, port, _ := net.SplitHostPort(p.Listen)
	q := url.Values{"host": {host}, "port": {port}, "sslmode": {"disable"}, "connect_timeout": {"2"}}
	return &line{proxy: p, pool: pool, url: fmt.Sprintf("postgres://%s@/%s?%s", c.User, c.Database, q.Encode())}
}

// bridge makes a unix socket reachable by TCP, which is what the proxy speaks.
func bridge(t *testing.T, host string, port int) string {
	t.Helper()
	if !strings.HasPrefix(host, "/") {
		return net.JoinHostPort(host, fmt.Sprint(port))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", fmt.Sprintf("%s/.s.PGSQL.%d", host, port))
			if err != nil {
				in.Close()
				continue
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	return l.Addr().String()
}

func pipe(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *line) toxic(t *testing.T, kind string, attributes string) {
	t.Helper()
	body := fmt.Sprintf(`{"name": "bad", "type": %q, "stream": "downstream", "attributes": {%s}}`, kind, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func (l *line) mend(t *testing.T) {
	t.Helper()
	l.proxy.Toxics.ResetToxics(t.Context())
}

// TestNothingIsLost puts a proxy that delays, resets and swallows between Lethe
// and one of two shards, in the middle of an erasure: at the note before the
// commit. It is erased again until it says that it is done, as a retried step
// does, with what it noted; then every row of the person is gone, each is
// counted once, and nobody else's has changed.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, kind, attributes string }{
		{"latency", "latency", `"latency": 60, "jitter": 30`},
		{"reset", "reset_peer", `"timeout": 0`},
		{"black hole", "timeout", `"timeout": 0`},
		{"cut off", "limit_data", `"bytes": 10`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, b := newLine(t), newLine(t)
			pgtest.Exec(t, a.pool, fmt.Sprintf(`INSERT INTO people VALUES (1, 'p@x.example', 'P'), (2, 'q@x.example', 'Q');
				INSERT INTO notes SELECT i, 1 + i %% 2, 'n' FROM generate_series(1, %d) i WHERE i %% 3 = 0`, notes))
			pgtest.Exec(t, b.pool, fmt.Sprintf(`INSERT INTO notes SELECT i, 1 + i %% 2, 'n' FROM generate_series(1, %d) i WHERE i %% 3 > 0`, notes))
			s, err := shards.Open(t.Context(), "club", []string{a.url, b.url}, shards.Options{Postgres: postgres.Options{MaxConns: 4}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := walkOf(t)
			var noted source.Note
			var mine int64 // rows that committed transactions are known to have taken
			broke := false
			for try := 0; ; try++ {
				if try == 10 {
					t.Fatal("expected the erasure to end once the line is mended")
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				w.Feeds = noted.Feeds
				done, err := s.Erase(ctx, w, source.Holds{}, func(_ context.Context, n source.Note) error {
					noted = n
					if !broke {
						broke = true
						b.toxic(t, tc.kind, tc.attributes)
					}
					return nil
				})
				cancel()
				b.mend(t)
				if err == nil {
					if try == 0 && tc.kind != "latency" {
						t.Error("expected the line to break the first time")
					}
					mine += taken(done)
					break
				}
				if strings.Contains(err.Error(), "x.example") {
					t.Fatalf("expected an error without contents, got %v", err)
				}
				if noted.XID == "" {
					continue
				}
				switch outcome := settled(t, s, noted.XID); outcome {
				case source.Committed:
					mine += taken(noted)
				case source.Aborted:
				default:
					t.Fatalf("expected to learn what became of the transaction, got %q", outcome)
				}
				if noted.Before != nil {
					mine += taken(*noted.Before)
				}
				noted = source.Note{Feeds: noted.Feeds}
			}
			if mine != notes/2+1 {
				t.Errorf("expected %d rows on the record, each once, got %d", notes/2+1, mine)
			}
			for _, l := range []*line{a, b} {
				var left, others int
				if err := l.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM people WHERE id = 1) + count(*) FILTER (WHERE person = 1), count(*) FILTER (WHERE person = 2) FROM notes`).Scan(&left, &others); err != nil {
					t.Fatal(err)
				}
				if left != 0 || others == 0 {
					t.Errorf("expected nothing of the person and all of the other, %d rows are left and the other has %d", left, others)
				}
			}
			rest, err := s.Look(t.Context(), w, source.Holds{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rest.Findings {
				if f.Rows > 0 {
					t.Errorf("expected the second look to find nothing, it found %d rows of %s", f.Rows, f.Collection)
				}
			}
		})
	}
}

// settled waits until the server has made up its mind: a connection that was
// swallowed is only noticed in time.
func settled(t *testing.T, s *shards.Source, xid string) source.Outcome {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		outcome, err := s.Outcome(t.Context(), xid)
		if err == nil && outcome != source.InProgress {
			return outcome
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("expected an outcome in time, got %q and %v", outcome, err)
		}
	}
}

func taken(n source.Note) (rows int64) {
	for _, f := range n.Findings {
		rows += f.Erased
	}
	return rows
}

func walkOf(t *testing.T) source.Walk {
	t.Helper()
	m, problems := datamap.Parse([]datamap.File{{Name: "datamap.yaml", Data: []byte(dataMap)}}, datamap.ParseOptions{})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected the data map to be right: %s", p)
		}
	}
	plan, err := datamap.Compile(m, datamap.Builtin(datamap.Erasure), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	return source.Walk{Plan: plan, Seeds: []source.Seed{{Type: "email", Value: "p@x.example"}}}
}
