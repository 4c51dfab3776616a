package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Connections outlive their letter for a moment: greeting, TLS and sign-in cost
// more than a letter does. They are few and short-lived, because servers count them.
const (
	idleTime  = 5 * time.Second
	maxIdle   = 8
	perServer = 100             // letters on one connection; many servers draw a line there
	quitLimit = 1 * time.Second // for the server's goodbye
)

// session is one connection to a server, used by one letter at a time.
type session struct {
	client  *mail.Client
	smtp    *smtp.Client
	conns   []net.Conn
	letters int         // how many it has carried
	idle    *time.Timer // while it is kept: ends it
}

// within closes the connection under whatever waits on it when ctx is over: a
// server may take a letter's data and never answer. The function that comes back
// ends the watch, and is false when it was over already.
func (o *session) within(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, o.cut)
}

// cut closes the connection without a word.
func (o *session) cut() {
	for _, c := range o.conns {
		_ = c.Close()
	}
}

// quit says goodbye and closes. The letter is accepted, or was none: nothing
// depends on the answer.
func (o *session) quit() {
	if o.smtp.UpdateDeadline(quitLimit) == nil {
		_ = o.smtp.Quit()
	}
	o.cut()
}

// dial opens a connection: greeting, TLS, sign-in.
func (s *Sender) dial(ctx context.Context) (*session, error) {
	o := &session{}
	var watches []func() bool
	defer func() {
		for _, stop := range watches {
			stop() // whoever uses the connection sets a limit of its own
		}
	}()
	handshake := false
	dial := func(dialCtx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialCtx, network, address)
		if err != nil {
			return nil, err
		}
		o.conns = append(o.conns, conn)
		// The library reckons its deadlines from the dial; the whole send has one limit.
		watches = append(watches, context.AfterFunc(ctx, func() { _ = conn.Close() }))
		if s.server.mode != implicitTLS {
			return conn, nil
		}
		// The type *tls.Conn tells the library that a password may be sent.
		secure := tls.Client(conn, s.tls())
		if err := secure.HandshakeContext(dialCtx); err != nil {
			handshake = true
			return nil, err
		}
		return secure, nil
	}
	var err error
	if o.client, err = s.client(dial); err != nil {
		return nil, fmt.Errorf("client for the server: %w", failure("connecting", err))
	}
	if o.smtp, err = o.client.DialToSMTPClientWithContext(ctx); err != nil {
		o.cut() // the library leaves it open when a greeting or sign-in fails
		return nil, dialFailure(err, handshake)
	}
	return o, nil
}

// take returns a connection that was kept, the one used last, or nil.
func (s *Sender) take() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := len(s.kept); n > 0; n = len(s.kept) {
		o := s.kept[n-1]
		s.kept = s.kept[:n-1]
		if o.idle.Stop() { // else its time has just come, and it is being closed
			return o
		}
	}
	return nil
}

// keep puts a connection by for the next letter, or closes it.
func (s *Sender) keep(o *session) {
	s.mu.Lock()
	if s.closed || len(s.kept) >= maxIdle || o.letters >= perServer {
		s.mu.Unlock()
		o.quit()
		return
	}
	o.idle = time.AfterFunc(s.o.Idle, func() { s.forget(o); o.quit() })
	s.kept = append(s.kept, o)
	s.mu.Unlock()
}

func (s *Sender) forget(o *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.kept {
		if other == o {
			s.kept = append(s.kept[:i], s.kept[i+1:]...)
			return
		}
	}
}

// Close ends the connections that are kept. Letters may still be sent after it,
// each on a connection of its own.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for o := s.take(); o != nil; o = s.take() {
		o.quit()
	}
}

// unheard tells whether a letter did not get beyond its first command: then the
// server has nothing of it, whatever became of the connection. A server that is
// tired of a kept connection says so there (421), or has closed it.
func unheard(err error) bool {
	var sent *mail.SendError
	return errors.As(err, &sent) && (sent.Reason == mail.ErrSMTPMailFrom || sent.Reason == mail.ErrConnCheck)
}
