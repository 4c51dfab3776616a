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
// how a server is named,
// session.go for connections.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"sync"
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
	// Idle is how long a connection is kept for the next letter; 0: five seconds.
	Idle time.Duration
	// MaxAttachment in bytes; 0: the default.
	MaxAttachment int64
	// TLS is for servers with a private authority; nil: the system's.
	TLS *tls.Config
	Now func() time.Time
}

// A Sender sends letters through one server, and may be used by many at once. It
// keeps connections open for the next letter, for some seconds: Close ends them.
type Sender struct {
	o       Options
	server  server
	from    *netmail.Address
	letters *letters
	helo    string

	mu     sync.Mutex
	kept   []*session // used last: last
	closed bool
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
	if s.o.Idle <= 0 {
		s.o.Idle = idleTime
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
func (s *Sender) Send(parent context.Context, l dsar.Letter) error {
	msg, err := s.message(parent, l)
	if err != nil {
		return fmt.Errorf("mail: letter %d: %w", l.ID, err)
	}
	ctx, cancel := context.WithTimeout(parent, s.o.Timeout)
	defer cancel()
	if err := s.send(ctx, msg); err != nil {
		return fmt.Errorf("mail: letter %d: %w", l.ID, because(parent, err))
	}
	return nil
}

// Words are the subject and the text of a letter, for where it cannot be mailed.
func (s *Sender) Words(l dsar.Letter) (subject, text string, err error) {
	r, err := s.letters.render(l)
	if err != nil {
		return "", "", fmt.Errorf("mail: %w", err)
	}
	return r.Subject, r.Text, nil
}

// send uses a connection that is kept, where there is one, and a new one where
// the kept one turns out to be of no more use.
func (s *Sender) send(ctx context.Context, msg *mail.Msg) error {
	if o := s.take(); o != nil {
		if err := s.sendOn(ctx, o, msg); !unheard(err) {
			return sendFailure(err)
		}
	}
	o, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return sendFailure(s.sendOn(ctx, o, msg))
}

// sendOn sends on a connection and keeps it, if all went well.
func (s *Sender) sendOn(ctx context.Context, o *session, msg *mail.Msg) error {
	stop := o.within(ctx)
	err := o.client.SendWithSMTPClient(o.smtp, msg)
	o.letters++
	if stop() && err == nil {
		s.keep(o)
	} else {
		o.cut()
	}
	if msg.IsDelivered() {
		// Accepted. What failed after that (a time-out, a cut line) changes nothing.
		return nil
	}
	return err
}

// Check connects, greets, turns TLS on, signs in where there is a user, and
// leaves. It sends nothing.
func (s *Sender) Check(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, s.o.Timeout)
	defer cancel()
	o, err := s.dial(ctx)
	if err == nil {
		defer o.within(ctx)()
		defer o.quit()
		if noop := o.smtp.Noop(); noop != nil {
			err = failure("checking", noop)
		}
	}
	if err != nil {
		return fmt.Errorf("mail: %w", because(parent, err))
	}
	return nil
}

// because adds that the caller wanted no more, where that is so. A connection whose
// time is the caller's may notice its end a moment before the caller's context does.
func because(parent context.Context, err error) error {
	cause := context.Cause(parent)
	if until, ok := parent.Deadline(); ok && cause == nil && time.Until(until) <= 0 {
		cause = context.DeadlineExceeded
	}
	if cause != nil {
		return fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}

// client makes go-mail's client: cheap, and its state is per connection.
func (s *Sender) client(dial mail.DialContextFunc) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithPort(s.server.port), mail.WithHELO(s.helo), mail.WithDialContextFunc(dial),
		mail.WithTLSConfig(s.tls()), mail.WithTimeout(s.o.Timeout),
		// Without NOOP before and RSET after each letter: a letter's end resets a
		// session by itself (RFC 5321, 4.1.1.4), and one that failed ends it.
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
