// Package mailbox is the demo's post office: an SMTP server on this machine
// that keeps what it is sent in memory, and pages to read it. Tests use it, too,
// and let it answer with errors. It is no mail server: it delivers nothing.
//
// Open parse.go for how a mail is taken apart, pages.go for how it is shown.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// What is kept: the oldest mails go first.
const (
	maxMessages = 1000
	maxBytes    = 256 << 20
	maxMessage  = 64 << 20
)

// A Message is one mail that was accepted.
type Message struct {
	ID          int // from 1, in the order of arrival
	From        string
	To          []string // of the envelope
	Header      map[string][]string
	Subject     string
	MessageID   string
	Text, HTML  string
	Attachments []Attachment
	Received    time.Time
	Raw         []byte
}

// An Attachment of a mail.
type Attachment struct {
	Name, Type string
	Data       []byte
}

// Options of a mailbox.
type Options struct {
	// Respond, when set, is asked before each answer; a code other than 0 is
	// given instead of a yes. Stages: "connect" (EHLO), "mail", "rcpt", "data"
	// (the whole mail was read, and is dropped when refused). It may block.
	Respond func(stage, from, to string) (code int)
	Now     func() time.Time // nil: the mail's own Date
}

// A Mailbox is a running server.
type Mailbox struct {
	o      Options
	server *smtp.Server
	listen net.Listener
	served chan struct{}

	mu       sync.Mutex
	messages []*kept
	bytes    int
	last     int
	changed  chan struct{} // closed and made anew at each arrival
}

// Start listens on a loopback address ("127.0.0.1:0" for any port).
func Start(addr string) (*Mailbox, error) { return StartWith(addr, Options{}) }

// StartWith is Start with options.
func StartWith(addr string, o Options) (*Mailbox, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, errors.New("mailbox: the address is not HOST:PORT")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("mailbox: it shows everybody's mail, and listens on a loopback address only")
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	m := &Mailbox{o: o, listen: l, served: make(chan struct{}), changed: make(chan struct{})}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		if err := m.respond("connect", "", ""); err != nil {
			return nil, err
		}
		return &session{box: m}, nil
	}))
	m.server.Domain = "localhost"
	m.server.MaxMessageBytes = maxMessage
	m.server.EnableSMTPUTF8 = true
	m.server.ReadTimeout = time.Minute
	m.server.WriteTimeout = time.Minute
	m.server.ErrorLog = log.New(io.Discard, "", 0) // its lines quote addresses
	go func() {
		defer close(m.served)
		_ = m.server.Serve(l) // ends with Close
	}()
	return m, nil
}

// SMTPAddr is where it listens, HOST:PORT.
func (m *Mailbox) SMTPAddr() string { return m.listen.Addr().String() }

// Close stops the server and forgets the mails.
func (m *Mailbox) Close() error {
	err := m.server.Close()
	_ = m.listen.Close() // the server knows of it only once it serves
	<-m.served
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages, m.bytes = nil, 0
	if errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return err
}

// A kept mail is taken apart when somebody looks at it.
type kept struct {
	id       int
	from     string
	to       []string
	received time.Time
	raw      []byte
	message  func() Message
}

func (k *kept) parse() Message {
	msg := parse(k.raw)
	msg.ID, msg.From, msg.To = k.id, k.from, k.to
	if !k.received.IsZero() {
		msg.Received = k.received
	}
	return msg
}

// Messages are the mails kept, oldest first.
func (m *Mailbox) Messages() []Message {
	m.mu.Lock()
	kept := m.messages
	m.mu.Unlock()
	messages := make([]Message, len(kept))
	for i, k := range kept {
		messages[i] = k.message()
	}
	return messages
}

// Wait returns the oldest kept mail that want accepts, as soon as there is one.
func (m *Mailbox) Wait(ctx context.Context, want func(Message) bool) (Message, error) {
	seen := 0
	for {
		m.mu.Lock()
		messages, changed := m.messages, m.changed
		m.mu.Unlock()
		for _, k := range messages {
			if k.id <= seen {
				continue
			}
			seen = k.id
			if msg := k.message(); want(msg) {
				return msg, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("mailbox: no such mail among the %d that came: %w", seen, ctx.Err())
		}
	}
}

// message finds a kept mail.
func (m *Mailbox) message(id int) (Message, bool) {
	m.mu.Lock()
	kept := m.messages
	m.mu.Unlock()
	for _, k := range kept {
		if k.id == id {
			return k.message(), true
		}
	}
	return Message{}, false
}

// add keeps a mail. What stands in the slice is never changed, only what comes
// after it: it is read unlocked.
func (m *Mailbox) add(k *kept) {
	k.message = sync.OnceValue(k.parse)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	k.id = m.last
	m.bytes += len(k.raw)
	from := 0
	for from < len(m.messages) && (m.bytes > maxBytes || len(m.messages)-from >= maxMessages) {
		m.bytes -= len(m.messages[from].raw)
		from++
	}
	m.messages = append(m.messages[from:], k)
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Mailbox) respond(stage, from, to string) error {
	if m.o.Respond == nil {
		return nil
	}
	code := m.o.Respond(stage, from, to)
	if code == 0 {
		return nil
	}
	return &smtp.SMTPError{
		Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0},
		// As real servers do: the text quotes the address. Nobody may keep it.
		Message: "refused by order: " + to,
	}
}

// session is one connection's mail.
type session struct {
	box  *Mailbox
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.box.respond("mail", from, "")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.box.respond("rcpt", s.from, to); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	to := ""
	if len(s.to) > 0 {
		to = s.to[0]
	}
	if err := s.box.respond("data", s.from, to); err != nil {
		return err
	}
	k := &kept{from: s.from, to: slices.Clone(s.to), raw: raw}
	if s.box.o.Now != nil {
		k.received = s.box.o.Now()
	}
	s.box.add(k)
	return nil
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }
