package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.addStaff("Dana@bota.example", RoleDPO, "bota")
	b := s.browser()

	b.get("/").to("/signin")
	b.get("/requests/5").to("/signin?next=%2Frequests%2F5")
	b.post("/requests/5/approve", nil).to("/signin")

	p := b.get("/signin?next=/holds").status(http.StatusOK)
	if len(p.header.Values("Set-Cookie")) != 0 {
		t.Error("expected no cookie before anybody signs in")
	}
	next, _ := p.doc.Find("input[name=next]").Attr("value")
	p = b.post("/signin", url.Values{"email": {" dana@BOTA.example "}, "password": {password}, "next": {next}}).to("/holds")
	cookie := p.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("expected the cookie to be %s, got %s", want, cookie)
		}
	}
	if strings.Contains(cookie, "Secure") {
		t.Error("expected no Secure over plain http, or nobody could sign in")
	}
	b.get("/").status(http.StatusOK).has(".who", "Dana Prokop")

	// Somebody signed in needs no form.
	b.get("/signin").to("/")

	b.post("/signout", nil).to("/signin")
	b.get("/").to("/signin")
}

func TestSignInTellsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.addStaff("dana@bota.example", RoleDPO, "bota")
	if _, err := AddStaff(context.Background(), s.pool, StaffMember{Email: "links@bota.example", Name: "Links", Role: RoleDPO, Controllers: []string{"bota"}}, ""); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	var first string
	for _, try := range []struct{ email, password string }{
		{"dana@bota.example", "wrong"},
		{"nobody@bota.example", password},
		{"links@bota.example", ""}, // an account without a password
		{"", ""},
		{"dana@bota.example\x00", password},
		{"\xff\xfe", password},
		{strings.Repeat("a", 300) + "@bota.example", strings.Repeat("p", 9000)},
	} {
		p := b.post("/signin", url.Values{"email": {try.email}, "password": {try.password}}).status(http.StatusUnauthorized)
		p.has(".problems", wrongSignIn)
		if p.doc.Find("input[type=password]").AttrOr("value", "") != "" {
			t.Error("expected a password never to be shown again")
		}
		p.doc.Find("input[name=email]").SetAttr("value", "") // the only thing that may differ
		html, err := p.doc.Html()
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = html
		}
		if html != first {
			t.Errorf("expected one and the same answer to every failed try")
		}
	}
}

func TestSignInIsLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.addStaff("dana@bota.example", RoleDPO, "bota")

	// By account: whatever address the tries come from.
	for i := range 8 {
		b := s.browser()
		b.header.Set("X-Forwarded-For", "198.51.100."+string(rune('1'+i)))
		b.post("/signin", url.Values{"email": {"dana@bota.example"}, "password": {"wrong"}}).status(http.StatusUnauthorized)
	}
	b := s.browser()
	b.header.Set("X-Forwarded-For", "198.51.100.77")
	p := b.post("/signin", url.Values{"email": {"DANA@bota.example"}, "password": {password}}).status(http.StatusTooManyRequests)
	p.has("h1", "Too many tries")
	if p.header.Get("Retry-After") == "" {
		t.Error("expected to be told when to try again")
	}

	// By address: whatever account is tried; what a client claims before its proxy's word does not count.
	b.header.Set("X-Forwarded-For", "203.0.113.9, 192.0.2.1")
	limited := false
	for i := range 30 {
		b.header.Set("X-Forwarded-For", "203.0.113."+string(rune('1'+i%9))+", 192.0.2.1")
		p := b.post("/signin", url.Values{"email": {"u" + string(rune('a'+i)) + "@bota.example"}, "password": {"x"}})
		limited = limited || p.code == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("expected thirty tries from one address to be too many")
	}
}

func TestSessionIsFresh(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.addStaff("dana@bota.example", RoleDPO, "bota")
	b := s.browser()
	where, _ := url.Parse(s.url)
	b.client.Jar.SetCookies(where, []*http.Cookie{{Name: "lethe_session", Value: "chosen-by-somebody-else", Path: "/"}})
	b.post("/signin", url.Values{"email": {"dana@bota.example"}, "password": {password}}).to("/")
	now := b.client.Jar.Cookies(where)
	if len(now) != 1 || now[0].Value == "chosen-by-somebody-else" {
		t.Fatalf("expected a new session token after signing in, got %d cookies", len(now))
	}
	var hash []byte
	if err := s.pool.QueryRow(context.Background(), `SELECT token_hash FROM sessions`).Scan(&hash); err != nil {
		t.Fatalf("expected one session: %v", err)
	}
	if want := sha256.Sum256([]byte(now[0].Value)); string(hash) != string(want[:]) {
		t.Error("expected the session under the SHA-256 of its token, and the token nowhere")
	}
	old := s.browser()
	old.client.Jar.SetCookies(where, []*http.Cookie{{Name: "lethe_session", Value: "chosen-by-somebody-else", Path: "/"}})
	old.get("/").to("/signin")
}

// A page that was still loading when somebody signed out does not bring their session back.
func TestSignOutOutlastsPagesThatLoad(t *testing.T) {
	t.Parallel()
	loading, load := make(chan struct{}), make(chan struct{})
	s := newSite(t, func(c *Config) {
		c.Queue = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(loading); <-load })
	})
	s.addStaff("petr@processor.example", RoleProcessor)
	s.addStaff("dana@bota.example", RoleDPO, "bota")
	b, tab := s.signedIn("petr@processor.example"), s.browser()
	where, _ := url.Parse(s.url)
	cookies := b.client.Jar.Cookies(where)
	tab.client.Jar.SetCookies(where, cookies)
	loaded := make(chan struct{})
	go func() { defer close(loaded); tab.get("/queue/") }()
	<-loading
	b.post("/signout", nil).to("/signin")
	s.signedIn("dana@bota.example") // dead sessions are swept meanwhile
	close(load)
	<-loaded
	tab.client.Jar.SetCookies(where, cookies)
	tab.get("/").to("/signin")
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.addStaff("dana@bota.example", RoleDPO, "bota")

	idle := s.signedIn("dana@bota.example")
	s.clock.add(29 * time.Minute)
	idle.get("/").status(http.StatusOK)
	s.clock.add(29 * time.Minute)
	idle.get("/").status(http.StatusOK) // a click renews it
	s.clock.add(31 * time.Minute)
	idle.get("/").to("/signin")

	busy := s.signedIn("dana@bota.example")
	for range 24 {
		s.clock.add(29 * time.Minute)
		busy.get("/").status(http.StatusOK)
	}
	s.clock.add(29 * time.Minute) // twelve hours and a little: clicks do not help
	busy.get("/").to("/signin")

	gone := s.signedIn("dana@bota.example")
	gone.get("/").status(http.StatusOK)
	if err := RemoveStaff(context.Background(), s.pool, "DANA@bota.example"); err != nil {
		t.Fatal(err)
	}
	gone.get("/").to("/signin")
	s.browser().post("/signin", url.Values{"email": {"dana@bota.example"}, "password": {password}}).status(http.StatusUnauthorized)
}

func TestSignInLink(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	id := s.addStaff("dana@bota.example", RoleProcessor)
	link := func() string {
		token, err := SignInLink(context.Background(), s.pool, id, 15*time.Minute, s.clock.now(), rand.Reader)
		if err != nil {
			t.Fatalf("expected a link: %v", err)
		}
		return "/signin/" + token
	}
	one := link()
	b := s.browser()
	for range 3 { // opening it does nothing: mail programs do that
		b.get(one).status(http.StatusOK).count("main form[method=post] button", 1)
	}
	b.get("/").to("/signin")
	b.post(one, nil).to("/")
	b.get("/").status(http.StatusOK)

	used := s.browser().get(one).status(http.StatusNotFound)
	usedPost := s.browser().post(one, nil).status(http.StatusNotFound)
	late := link()
	s.clock.add(16 * time.Minute)
	expired := s.browser().post(late, nil).status(http.StatusNotFound)
	wrong := s.browser().get("/signin/AAAA").status(http.StatusNotFound)
	for _, p := range []*answerPage{usedPost, expired, wrong} {
		if p.body != used.body {
			t.Error("expected one and the same answer to used, expired and wrong links")
		}
	}
	var stored string
	if err := s.pool.QueryRow(context.Background(), `SELECT string_agg(encode(hash, 'escape'), ' ') FROM tokens`).Scan(&stored); err == nil &&
		strings.Contains(stored, strings.TrimPrefix(late, "/signin/")) {
		t.Error("expected the token to be stored as its hash only")
	}
	if log := s.log.String(); strings.Contains(log, strings.TrimPrefix(one, "/signin/")) {
		t.Error("expected no token in the log")
	}
}

func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"": "/", "/holds": "/holds", "/?state=all": "/?state=all", "//evil.example": "/", "https://evil.example": "/",
		"/\\evil.example": "/", "/a\nb": "/", "/\t/evil.example": "/", "/signin": "/",
	} {
		if got := localPath(typed); got != want {
			t.Errorf("expected %q to lead to %s, got %s", typed, want, got)
		}
	}
}

func TestStaffStore(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	ctx := context.Background()
	good := StaffMember{Email: "dana@bota.example", Name: "Dana", Role: RoleDPO, Controllers: []string{"bota"}}
	if _, err := AddStaff(ctx, pool, good, password); err != nil {
		t.Fatalf("expected to be added: %v", err)
	}
	again := good
	again.Email = "DANA@bota.example"
	if _, err := AddStaff(ctx, pool, again, password); !errors.Is(err, ErrStaffExists) {
		t.Errorf("expected the same address, typed differently, to exist already, got %v", err)
	}
	for what, change := range map[string]func(*StaffMember) string{
		"no address":    func(m *StaffMember) string { m.Email = "dana"; return password },
		"a line break":  func(m *StaffMember) string { m.Email = "a@b.example\r\nBcc: x@y.example"; return password },
		"a named form":  func(m *StaffMember) string { m.Email = "Dana <a@b.example>"; return password },
		"no name":       func(m *StaffMember) string { m.Name = " "; return password },
		"another role":  func(m *StaffMember) string { m.Role = "root"; return password },
		"no controller": func(m *StaffMember) string { m.Controllers = nil; return password },
		"too short":     func(*StaffMember) string { return "short" },
		"one character": func(*StaffMember) string { return strings.Repeat("a", 20) },
	} {
		m := StaffMember{Email: "other@bota.example", Name: "Other", Role: RoleDPO, Controllers: []string{"bota"}}
		pass := change(&m)
		if _, err := AddStaff(ctx, pool, m, pass); err == nil {
			t.Errorf("expected %s to be refused", what)
		} else if strings.Contains(err.Error(), "@") {
			t.Errorf("expected the error not to quote the address: %v", err)
		}
	}
	list, err := ListStaff(ctx, pool)
	if err != nil || len(list) != 1 || list[0].Email != good.Email {
		t.Errorf("expected one member with a password, got %v, %v", list, err)
	}
	if err := RemoveStaff(ctx, pool, "nobody@bota.example"); !errors.Is(err, ErrStaffUnknown) {
		t.Errorf("expected an unknown address to be said so, got %v", err)
	}
}
