// Package mail writes the letters that people are sent, and hands them to a mail
// server. It is the only package that speaks SMTP as a client.
//
// What is promised: Send returns nil exactly when the server has accepted the
// letter, also when the connection breaks after that. A process killed between
// the server's 250 and the caller's note of it sends the letter again, with the
// same Message-ID: mail programs show such a pair once, and no protocol does
// better. Letters travel encrypted, except to a server on this machine.
//
// Nothing of what a server says is kept but its code: its texts quote addresses.
//
// Open letters.go for the texts, failure.go for what an answer means, url.go for
// how a server is named.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/lethe-dsr/lethe/dsar"
)

// Limits, unless Options say otherwise.
const (
	// sendTimeout is for a whole letter. Above it stands the two-minute limit of
	// a job; below it a slow server must be able to take an attachment.
	sendTimeout = 60 * time.Second
	dialTimeout = 15 * time.Second
	// maxAttachment is what common servers take (25 MiB with base64's third on top is 34).
	maxAttachment = 25 << 20
)

// Options of a Sender.
type Options struct {
	// URL names the server: smtp+starttls://, smtps:// or, on this machine only,
	// smtp://, then [user:password@]host[:port].
	URL string
	// From is the sender's address where a controller has none of its own.
	From string
	// Timeout limits a whole send, DialTimeout the way to a greeting; 0: the defaults.
	Timeout, DialTimeout time.Duration
	// MaxAttachment in bytes; 0: the default.
	MaxAttachment int64
	// TLS is for servers with a private authority; nil: the system's.
	TLS *tls.Config
	Now func() time.Time
}

// A Sender sends letters through one server. It holds no connection, and may be
// used by many at once.
type Sender struct {
	o       Options
	server  server
	from    *netmail.Address
	letters *letters
	helo    string
}

// New checks the options. Errors never hold the password.
func New(o Options) (*Sender, error) {
	s := &Sender{o: o}
	var err error
	if s.server, err = parseURL(o.URL); err != nil {
		return nil, err
	}
	if o.Now == nil {
		return nil, errors.New("mail: Now is needed")
	}
	if s.from, err = netmail.ParseAddress(o.From); err != nil {
		return nil, errors.New("mail: from is not a mail address")
	}
	if s.o.Timeout <= 0 {
		s.o.Timeout = sendTimeout
	}
	if s.o.DialTimeout <= 0 {
		s.o.DialTimeout = min(dialTimeout, s.o.Timeout)
	}
	if s.o.MaxAttachment <= 0 {
		s.o.MaxAttachment = maxAttachment
	}
	if s.letters, err = loadLetters(); err != nil {
		return nil, err
	}
	if s.helo, err = os.Hostname(); err != nil || s.helo == "" {
		s.helo = "localhost"
	}
	return s, nil
}

// Send returns nil once the server has accepted the letter. A final refusal
// (5xx) is a *dsar.MailError with Final set; one without it may be tried again.
func (s *Sender) Send(ctx context.Context, l dsar.Letter) error {
	msg, err := s.message(ctx, l)
	if err != nil {
		return fmt.Errorf("mail: letter %d: %w", l.ID, err)
	}
	err = s.connected(ctx, func(c *mail.Client, session *session) error {
		if err := c.SendWithSMTPClient(session.smtp, msg); err != nil && !msg.IsDelivered() {
			return failure("sending", err)
		}
		return nil
	})
	if msg.IsDelivered() {
		// Accepted. What failed after that (a time-out, a cut line, QUIT) changes nothing.
		return nil
	}
	if err != nil {
		return fmt.Errorf("mail: letter %d: %w", l.ID, err)
	}
	return nil
}

// Check connects, greets, turns TLS on, signs in where there is a user, and
// leaves. It sends nothing.
func (s *Sender) Check(ctx context.Context) error {
	err := s.connected(ctx, func(_ *mail.Client, session *session) error {
		if err := session.smtp.Noop(); err != nil {
			return failure("checking", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

// connected runs f on a connection, and closes it. The limit of a whole send
// closes the connection under whatever waits on it: a server may take a letter's
// data and never answer.
func (s *Sender) connected(parent context.Context, f func(*mail.Client, *session) error) error {
	ctx, cancel := context.WithTimeout(parent, s.o.Timeout)
	defer cancel()
	err := s.dialled(ctx, f)
	if err != nil && parent.Err() != nil {
		return fmt.Errorf("%w (%w)", err, context.Cause(parent))
	}
	return err
}

func (s *Sender) dialled(ctx context.Context, f func(*mail.Client, *session) error) error {
	var conns []net.Conn
	defer func() {
		// The library leaves the connection open when a greeting or sign-in fails.
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	handshake := false
	dial := func(dialCtx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialCtx, network, address)
		if err != nil {
			return nil, err
		}
		conns = append(conns, conn)
		context.AfterFunc(ctx, func() { _ = conn.Close() })
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
	c, err := s.client(dial)
	if err != nil {
		return fmt.Errorf("client for the server: %w", failure("connecting", err))
	}
	// The library reckons its deadlines from the dial; the whole send has one limit.
	smtp, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return dialFailure(err, handshake)
	}
	if err := f(c, &session{smtp: smtp}); err != nil {
		return err
	}
	_ = smtp.Quit() // polite; the letter is accepted, or was none
	return nil
}

// client makes go-mail's client: cheap, and its state is per connection.
func (s *Sender) client(dial mail.DialContextFunc) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithPort(s.server.port), mail.WithHELO(s.helo), mail.WithDialContextFunc(dial),
		mail.WithTLSConfig(s.tls()), mail.WithTimeout(s.o.Timeout),
		// Without NOOP before and RSET after each letter: a connection carries one.
		mail.WithoutNoop(), mail.WithoutRset(),
	}
	switch s.server.mode {
	case plain, implicitTLS: // for the latter, dial has done it
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case startTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.server.user != "" {
		options = append(options, mail.WithUsername(s.server.user), mail.WithPassword(s.server.password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	return mail.NewClient(s.server.host, options...)
}

func (s *Sender) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.o.TLS != nil {
		c = s.o.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = s.server.host
	}
	return c
}
