package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/dsar"
)

func TestHeadersOnEveryPage(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.requests.requests[17] = inReview()
	s.requests.tokens["download/tok"] = tokenInfo(dsar.Fulfilled)
	for _, path := range []string{"/", "/requests/17", "/requests/new", "/rules", "/holds", "/signin", "/c/bota", "/download/tok", "/confirm/x", "/nowhere", "/healthz"} {
		p := b.get(path)
		for k, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"Referrer-Policy":         "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		} {
			if got := strings.Join(p.header.Values(k), "|"); !strings.HasPrefix(got, want) {
				t.Errorf("expected %s to carry %s: %s, got %s", path, k, want, got)
			}
		}
		if strings.Contains(p.body, " style=") || strings.Contains(p.body, "<style") || strings.Contains(p.body, "<script") {
			t.Errorf("expected nothing inline on %s", path)
		}
		for _, out := range []string{"http://", "https://", "//"} {
			for _, sel := range []string{"[src^='" + out + "']", "link[href^='" + out + "']"} {
				p.count(sel, 0)
			}
		}
	}
}

func TestSecureWhereThePublicURLIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.PublicURL = "https://privacy.bota.example" })
	s.addStaff("dana@bota.example", RoleDPO, "bota")
	p := s.browser().post("/signin", url.Values{"email": {"dana@bota.example"}, "password": {password}}).to("/")
	cookie := p.header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "__Host-lethe_session=") || !strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "HttpOnly") {
		t.Errorf("expected a cookie for https only, got %s", cookie)
	}
	if p.header.Get("Strict-Transport-Security") == "" {
		t.Error("expected https to be insisted on")
	}
}

func TestFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.PublicURL = "https://privacy.bota.example" })
	form := url.Values{"kind": {"access"}, "identity.email": {"a@b.example"}}
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"ours":               {map[string]string{"Sec-Fetch-Site": "same-origin"}, 303},
		"no browser":         {nil, 303},
		"behind a proxy":     {map[string]string{"Origin": "https://privacy.bota.example"}, 303},
		"another site's":     {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		"a sister site's":    {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://shop.bota.example"}, 403},
		"an old browser's":   {map[string]string{"Origin": "https://evil.example"}, 403},
		"from nowhere":       {map[string]string{"Origin": "null"}, 403},
		"lookalike of ours":  {map[string]string{"Origin": "https://privacy.bota.example.evil.example"}, 403},
		"ours but not https": {map[string]string{"Origin": "http://privacy.bota.example"}, 403},
	} {
		b := s.browser()
		for k, v := range c.header {
			b.header.Set(k, v)
		}
		for _, path := range []string{"/c/bota"} {
			if p := b.post(path, form); p.code != c.want {
				t.Errorf("expected a form %s to be answered %d, got %d", name, c.want, p.code)
			}
		}
	}
}

func TestReferrerPolicyWhereItWouldBreakForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.PublicURL = "http://lethe.lan:8080" })
	get := func(host, site string) string {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+"/c/bota", nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Header().Get("Referrer-Policy")
	}
	for _, c := range []struct{ host, site, want string }{
		{"lethe.lan:8080", "", "strict-origin"}, {"lethe.lan:8080", "none", "no-referrer"}, {"127.0.0.1:8080", "", "no-referrer"},
		{"[::1]:8080", "", "no-referrer"}, {"localhost", "", "no-referrer"},
	} {
		if got := get(c.host, c.site); got != c.want {
			t.Errorf("expected %s at %s (%q), got %s", c.want, c.host, c.site, got)
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	b.post("/c/bota", url.Values{"kind": {strings.Repeat("x", maxBody)}}).status(http.StatusRequestEntityTooLarge).has("h1", "too long")
	b.post("/requests/new", url.Values{"kind": {strings.Repeat("x", maxBody)}}).status(http.StatusRequestEntityTooLarge)
	if len(s.requests.named("Submit")) != 0 {
		t.Error("expected nothing to be taken in")
	}
}

func TestLogHoldsRoutesOnly(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.requests.tokens["status/SecretToken"] = tokenInfo(dsar.Received)
	b.get("/status/SecretToken?name=Pavla").status(http.StatusOK)
	b.get("/Jana/Secretova?x=1").status(http.StatusNotFound)
	b.post("/c/bota", url.Values{"kind": {"access"}, "identity.email": {"pavla@example.org"}})
	b.do("PAVLA", "/", nil)
	log := s.log.String()
	for _, want := range []string{`route="GET /status/{token}"`, `route=/`, "status=200", "status=404", "method=other", "duration="} {
		if !strings.Contains(log, want) {
			t.Errorf("expected the log to hold %s", want)
		}
	}
	for _, secret := range []string{"SecretToken", "Secretova", "Pavla", "pavla", "PAVLA", "dana@", password} {
		if strings.Contains(log, secret) {
			t.Errorf("expected the log not to hold %q", secret)
		}
	}
}

func TestPanicsSayTheirTypeOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.requests.panics = "pavla@example.org"
	s.browser().get("/status/tok").status(http.StatusInternalServerError).has("h1", "Something went wrong")
	if log := s.log.String(); !strings.Contains(log, "type=string") || strings.Contains(log, "pavla") {
		t.Error("expected the log to hold the type of what was panicked with, and not its text")
	}
}

func TestHealthAndStatic(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	if p := b.get("/healthz").status(http.StatusOK); p.body != "ok\n" {
		t.Errorf("expected ok, got %q", p.body)
	}
	p := b.get("/static/lethe.css").status(http.StatusOK)
	if !strings.HasPrefix(p.header.Get("Content-Type"), "text/css") {
		t.Errorf("expected a stylesheet, got %s", p.header.Get("Content-Type"))
	}
	b.header.Set("If-None-Match", p.header.Get("ETag"))
	b.get("/static/lethe.css").status(http.StatusNotModified)
	b.header.Del("If-None-Match")
	b.get("/static/").status(http.StatusNotFound)
	b.get("/static/pico/").status(http.StatusNotFound)
	b.get("/static/pico/LICENSE.md").status(http.StatusOK)
}

func TestQueueIsTheProcessors(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) {
		c.Queue = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("queue " + r.URL.Path)) })
	})
	s.addStaff("p@vendor.example", RoleProcessor)
	s.browser().get("/queue/jobs").to("/signin?next=%2Fqueue%2Fjobs")
	b := s.signedIn("p@vendor.example")
	b.get("/").has("nav", "Queue")
	p := b.get("/queue/jobs").status(http.StatusOK)
	if p.body != "queue /queue/jobs" || !strings.Contains(p.header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("expected the queue's page under its own policy, got %q", p.body)
	}
	b.header.Set("Sec-Fetch-Site", "cross-site")
	b.post("/queue/api/jobs/cancel", nil).status(http.StatusForbidden)
}

func TestPeer(t *testing.T) {
	t.Parallel()
	s := &server{Config: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"198.51.100.1:5", "", "198.51.100.1"},
		{"198.51.100.1:5", "1.2.3.4", "198.51.100.1"}, // no proxy of ours: what it claims is nothing
		{"127.0.0.1:5", "1.2.3.4", "1.2.3.4"},
		{"10.1.1.1:5", "9.9.9.9, 1.2.3.4", "1.2.3.4"},
		{"[::1]:5", "", "::1"}, {"[::ffff:10.1.1.1]:5", "rubbish", "10.1.1.1"}, {"@", "", "@"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.peer(r); got != c.want {
			t.Errorf("expected %s forwarding %q to count as %s, got %s", c.remote, c.forwarded, c.want, got)
		}
	}
}
