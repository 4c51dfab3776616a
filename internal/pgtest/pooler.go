package pgtest

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pooler is the URL of a pool's database through a pooler that does as PgBouncer
// does: it knows few startup parameters and refuses the others, gives each client
// a process number of its own, and hands out its sessions for as long as a client
// stays, or, with transactions, for a transaction: the one given back last first.
func Pooler(t testing.TB, pool *pgxpool.Pool, transactions bool) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgtest: expected a pooler: %v", err)
	}
	p := &pooler{to: pool.Config().ConnConfig.Config.Copy(), transactions: transactions, clients: map[net.Conn]bool{}}
	p.to.RuntimeParams = map[string]string{}
	go p.serve(listener)
	t.Cleanup(func() {
		_ = listener.Close()
		p.close()
	})
	c := pool.Config().ConnConfig
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	q := url.Values{"host": {host}, "port": {port}, "sslmode": {"disable"}}
	return "postgres://" + url.PathEscape(c.User) + "@/" + c.Database + "?" + q.Encode()
}

type pooler struct {
	to           *pgconn.Config
	transactions bool

	mu      sync.Mutex
	free    []*session
	clients map[net.Conn]bool
	number  uint32
	closed  bool
}

// A session is one of the server's.
type session struct {
	conn *pgconn.HijackedConn
}

var knownParameters = []string{"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name", "extra_float_digits"}

func (p *pooler) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.clients[c] = true
		p.mu.Unlock()
		go func() {
			defer func() { _ = c.Close() }()
			_ = p.client(pgproto3.NewBackend(c, c)) // it went away
		}()
	}
}

func (p *pooler) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.clients {
		_ = c.Close()
	}
	for _, s := range p.free {
		_ = s.conn.Conn.Close()
	}
}

func (p *pooler) client(c *pgproto3.Backend) error {
	start, err := c.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	m, ok := start.(*pgproto3.StartupMessage)
	if !ok {
		return errors.New("a cancel request")
	}
	for name := range m.Parameters {
		if !slices.Contains(knownParameters, name) {
			c.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + name})
			return c.Flush()
		}
	}
	p.mu.Lock()
	p.number++
	number := p.number + 1<<30 // no process has it
	p.mu.Unlock()
	c.Send(&pgproto3.AuthenticationOk{})
	for name, is := range map[string]string{"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on", "integer_datetimes": "on", "TimeZone": "UTC"} {
		c.Send(&pgproto3.ParameterStatus{Name: name, Value: is})
	}
	c.Send(&pgproto3.BackendKeyData{ProcessID: number, SecretKey: binary4(number)})
	c.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := c.Flush(); err != nil {
		return err
	}
	var s *session
	defer func() { // what was begun, and set, ends with the client
		if s != nil {
			_ = s.conn.Conn.Close()
		}
	}()
	for {
		m, err := c.Receive()
		if err != nil {
			return err
		}
		if _, over := m.(*pgproto3.Terminate); over {
			return nil
		}
		if s == nil {
			if s, err = p.take(); err != nil {
				return err
			}
		}
		s.conn.Frontend.Send(m)
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
		default:
			continue
		}
		status, err := s.answer(c)
		if err != nil {
			return err
		}
		if p.transactions && status == 'I' { // before the client knows and asks for the next
			p.give(s)
			s = nil
		}
		if err := c.Flush(); err != nil {
			return err
		}
	}
}

func binary4(n uint32) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// answer passes on all that the server says until it is ready; that it is, is
// still to be flushed.
func (s *session) answer(c *pgproto3.Backend) (status byte, err error) {
	if err := s.conn.Frontend.Flush(); err != nil {
		return 0, err
	}
	for {
		m, err := s.conn.Frontend.Receive()
		if err != nil {
			return 0, err
		}
		c.Send(m)
		if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, nil
		}
		if err := c.Flush(); err != nil {
			return 0, err
		}
	}
}

func (p *pooler) take() (*session, error) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return s, nil
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, p.to)
	if err != nil {
		return nil, err
	}
	raw, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	_ = raw.Conn.SetDeadline(time.Time{})
	return &session{raw}, nil
}

func (p *pooler) give(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = s.conn.Conn.Close()
		return
	}
	p.free = append(p.free, s)
}
