package mail

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 1, 12, 30, 0, 0, time.UTC)

// newSender makes a sender, with the limits given or generous ones.
func newSender(t *testing.T, url string, change ...func(*Options)) *Sender {
	t.Helper()
	o := Options{URL: url, From: "privacy@lethe.example", Now: func() time.Time { return now }, Timeout: 20 * time.Second}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newBox starts a mail server in this process.
func newBox(t *testing.T, respond func(stage, from, to string) int) *mailbox.Mailbox {
	t.Helper()
	box, err := mailbox.StartWith("127.0.0.1:0", mailbox.Options{Respond: respond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

func letter(kind string) dsar.Letter {
	prague, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		panic(err)
	}
	return dsar.Letter{
		ID: 5, Kind: kind, MessageID: "<letter.5.abc@bota.example>", To: "jana.novakova@example.org",
		Controller: dsar.Controller{
			Key: "bota", Name: "Bota Shop", Address: "Dlouhá 1, Praha", Registration: "IČ 01234567",
			DPO: "dpo@bota.example", Authority: "ÚOOÚ, Pplk. Sochora 27, Praha 7", Location: prague,
		},
		RequestID: 17, RequestKind: datamap.Erasure,
		ReceivedAt: time.Date(2026, 10, 31, 23, 30, 0, 0, time.UTC), // 1 November in Prague
		DueOn:      time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 11, 8, 12, 0, 0, 0, time.UTC),
		Link: "https://privacy.bota.example/confirm/0123456789abcdef", StatusLink: "https://privacy.bota.example/status/fedcba",
		Reason: "We could not tell who you are.\r\nPlease come in person.", Recipient: "Smartlook.com, s.r.o.",
		Notices: []dsar.Notice{{RequestID: 17, Named: "email: jana.novakova@example.org\nphone: +420601000001"}},
		Findings: []source.Finding{
			{Collection: "livechat.contacts", Erased: 1}, {Collection: "livechat.chat_messages", Masked: 3},
			{Collection: "shop.invoices", Held: 2}, {Collection: "livechat.visits", Shared: 4},
		},
		Kept: []string{"Invoices of 2024 stay until 31 December 2034, because bookkeeping law asks for it."},
	}
}

// mailError finds the *dsar.MailError, which each failure of a server must be.
func mailError(t *testing.T, err error) *dsar.MailError {
	t.Helper()
	var e *dsar.MailError
	if !errors.As(err, &e) {
		t.Fatalf("a *dsar.MailError was expected, got %v", err)
	}
	return e
}

// tlsServer is a server with STARTTLS or implicit TLS, and perhaps a password.
type tlsServer struct {
	addr  string
	roots *x509.CertPool
	mu    sync.Mutex
	mails []string
	users []string
}

func startTLSServer(t *testing.T, implicit bool) *tlsServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsServer{roots: x509.NewCertPool()}
	s.roots.AddCert(cert)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &tlsSession{s: s}, nil }))
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if implicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return s
}

type tlsSession struct {
	s    *tlsServer
	user string
}

func (s *tlsSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *tlsSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "lethe" || password != "se cret/%" {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}
func (s *tlsSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *tlsSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *tlsSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.mails, s.s.users = append(s.s.mails, string(text)), append(s.s.users, s.user)
	return err
}
func (s *tlsSession) Reset()        {}
func (s *tlsSession) Logout() error { return nil }

// script is a server that answers each command by the script: "" closes the
// connection, "hang" waits until the client has gone.
func script(t *testing.T, answers map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				serveScript(conn, answers)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "smtp://" + l.Addr().String()
}

func serveScript(conn net.Conn, answers map[string]string) {
	r := bufio.NewReader(conn)
	answer := func(step, usual string) bool {
		text, ok := answers[step]
		if !ok {
			text = usual
		}
		switch text {
		case "":
			return false
		case "hang":
			_, _ = io.Copy(io.Discard, r)
			return false
		}
		_, err := io.WriteString(conn, text+"\r\n")
		return err == nil
	}
	if !answer("greeting", "220 test ESMTP") {
		return
	}
	inData := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if inData {
			if line == "." {
				inData = false
				if !answer("dot", "250 accepted") {
					return
				}
			}
			continue
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		usual := "250 fine"
		switch verb {
		case "DATA":
			usual = "354 go on"
		case "QUIT":
			usual = "221 bye"
		}
		if !answer(verb, usual) {
			return
		}
		inData = verb == "DATA" && strings.HasPrefix(usual, "354") && answers["DATA"] == ""
	}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
