package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// site is a running console over a database of its own, with fakes for what
// lies behind it.
type site struct {
	t         *testing.T
	url       string
	pool      *pgxpool.Pool
	requests  *fakeRequests
	retention *fakeRetention
	clock     *clock
	log       *lockedBuffer
	handler   http.Handler
}

const password = "correct horse battery"

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func prague(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatalf("expected the time zones to be there: %v", err)
	}
	return l
}

// newSite starts a console; change may alter its configuration.
func newSite(t *testing.T, change func(*Config)) *site {
	t.Helper()
	s := &site{
		t: t, pool: pgtest.Control(t), requests: newFakeRequests(), retention: &fakeRetention{},
		clock: &clock{t: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}, log: &lockedBuffer{},
	}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	c := Config{
		Requests: s.requests, Retention: s.retention, Staff: NewStaff(s.pool),
		Controllers: []dsar.Controller{
			{Key: "bota", Name: "Bota Shop", DPO: "dpo@bota.example", Authority: "ÚOOÚ, Pplk. Sochora 27, Praha", Address: "Dlouhá 1, Praha", Location: prague(t)},
			{Key: "stiefel", Name: "Stiefel GmbH", DPO: "dpo@stiefel.example"},
		},
		Identities: []string{"visitor", "phone", "email"}, Browser: []string{"visitor"},
		PublicURL: s.url, Now: s.clock.now, Rand: rand.Reader,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatalf("expected a console: %v", err)
	}
	s.handler = h
	server.Config.Handler = h
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// addStaff lets somebody sign in.
func (s *site) addStaff(email, role string, controllers ...string) int64 {
	s.t.Helper()
	id, err := AddStaff(context.Background(), s.pool, StaffMember{Email: email, Name: "Dana Prokop", Role: role, Controllers: controllers}, password)
	if err != nil {
		s.t.Fatalf("expected %s staff to be added: %v", role, err)
	}
	return id
}

// browser is a client with cookies that does not follow redirects.
type browser struct {
	s      *site
	client *http.Client
	header http.Header
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{s: s, header: http.Header{}, client: &http.Client{Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is a browser of somebody who has signed in by password.
func (s *site) signedIn(email string) *browser {
	s.t.Helper()
	b := s.browser()
	p := b.post("/signin", url.Values{"email": {email}, "password": {password}})
	p.status(http.StatusSeeOther)
	return b
}

// answerPage is what came back, read to its end.
type answerPage struct {
	t      *testing.T
	code   int
	header http.Header
	body   string
	err    error // of reading the body
	doc    *goquery.Document
}

func (b *browser) do(method, path string, form url.Values) *answerPage {
	b.s.t.Helper()
	if form == nil {
		return b.ask(method, path, nil, "")
	}
	return b.ask(method, path, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

// send posts a body just as it is.
func (b *browser) send(path, body, contentType string) *answerPage {
	b.s.t.Helper()
	return b.ask(http.MethodPost, path, strings.NewReader(body), contentType)
}

func (b *browser) ask(method, path string, body io.Reader, contentType string) *answerPage {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, b.s.url+path, body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	for k, v := range b.header {
		req.Header[k] = v
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return &answerPage{t: b.s.t, err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	p := &answerPage{t: b.s.t, code: resp.StatusCode, header: resp.Header, body: string(raw), err: err}
	if p.doc, err = goquery.NewDocumentFromReader(bytes.NewReader(raw)); err != nil {
		b.s.t.Fatalf("expected HTML: %v", err)
	}
	return p
}

func (b *browser) get(path string) *answerPage {
	b.s.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

func (b *browser) post(path string, form url.Values) *answerPage {
	b.s.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do(http.MethodPost, path, form)
}

// status fails the test on any other status.
func (p *answerPage) status(want int) *answerPage {
	p.t.Helper()
	if p.code != want {
		p.t.Fatalf("expected status %d, got %d (%v): %s", want, p.code, p.err, p.text("main"))
	}
	return p
}

// text is the text of a selection, with single spaces.
func (p *answerPage) text(selector string) string {
	if p.doc == nil {
		return ""
	}
	return strings.Join(strings.Fields(p.doc.Find(selector).Text()), " ")
}

// has fails the test unless the selection's text holds want.
func (p *answerPage) has(selector, want string) *answerPage {
	p.t.Helper()
	if got := p.text(selector); !strings.Contains(got, want) {
		p.t.Errorf("expected %q to hold %q, got %q", selector, want, got)
	}
	return p
}

// count fails the test unless the selection has so many elements.
func (p *answerPage) count(selector string, want int) *answerPage {
	p.t.Helper()
	if got := p.doc.Find(selector).Length(); got != want {
		p.t.Errorf("expected %d of %q, got %d", want, selector, got)
	}
	return p
}

// to fails the test unless the answer sends the browser on to a path.
func (p *answerPage) to(want string) *answerPage {
	p.t.Helper()
	p.status(http.StatusSeeOther)
	if got := p.header.Get("Location"); got != want {
		p.t.Errorf("expected to be sent on to %s, got %s", want, got)
	}
	return p
}
