package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	p := b.get("/c/bota").status(http.StatusOK).has("h1", "Bota Shop").has("footer", "dpo@bota.example").has("footer", "ÚOOÚ")
	p.count("form[method=post]", 1).count("nav", 0)
	b.get("/c/nobody").status(http.StatusNotFound)
	b.post("/c/nobody", url.Values{"kind": {"access"}}).status(http.StatusNotFound)

	p = b.post("/c/bota", url.Values{"identity.email": {"a b"}, "requester": {"parent"}}).status(http.StatusUnprocessableEntity)
	p.has("#f-kind-problem", "Choose").has("#f-requester-name-problem", "name is needed").count("details[open] #f-requester-name", 1)

	form := url.Values{"kind": {"erasure"}, "identity.email": {"a@b.example"}, "identity.visitor": {"v1"}, "requester": {"self"}}
	b.post("/c/bota", form).to("/status/status-token?new=yes")
	sub := s.requests.named("Submit")[0]
	if got := sub.arg.(dsar.Submission); got.Controller != "bota" || got.Channel != "form" || len(got.Identities) != 2 || got.Verified != "" || !got.ReceivedAt.IsZero() {
		t.Error("expected a request by the form, unverified, received now")
	}
	if sub.actor.Name != "subject" || sub.actor.All || len(sub.actor.Controllers) != 1 {
		t.Errorf("expected the subject to act for this controller only, got %+v", sub.actor)
	}

	// A form cannot bring what only the DPO may say.
	form.Set("verified", "trust me")
	form.Set("received", "2020-01-01")
	form.Set("delivery", "hand")
	form.Set("controller", "stiefel")
	b.post("/c/bota", form)
	if got := s.requests.named("Submit")[1].arg.(dsar.Submission); got.Verified != "" || !got.ReceivedAt.IsZero() || got.Delivery != "" || got.Controller != "bota" {
		t.Error("expected fields that are not the subject's to be left out")
	}

	s.requests.status = ""
	b.post("/c/bota", form).to("/c/bota/received")
	b.get("/c/bota/received").has(".lead", "If we hold data")
	for _, h := range p.header.Values("Set-Cookie") {
		t.Errorf("expected no cookie on a subject's page, got %s", h)
	}
}

// What a company calls its own (a customer's number) is asked for beside the address;
// only what stands in a browser is a visitor's.
func TestAskForOwnIdentities(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Identities = []string{"customer_no", "email", "visitor"} })
	p := s.browser().get("/c/bota").status(http.StatusOK)
	p.count("#f-identity-customer-no", 1).count("details #f-identity-customer-no", 0).count("details #f-identity-visitor", 1)
	for id, browser := range map[string]bool{"customer-no": false, "visitor": true} {
		if got := strings.Contains(p.doc.Find("#f-identity-"+id+"-hint").Text(), "stands in the browser"); got != browser {
			t.Errorf("expected the hint of %s to speak of a browser: %t, got %t", id, browser, got)
		}
	}
}

func TestAskIsLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	form := url.Values{"kind": {"access"}}
	for i := range 20 {
		form.Set("identity.email", fmt.Sprintf("a%d@b.example", i))
		b.post("/c/bota", form).status(http.StatusSeeOther)
	}
	b.post("/c/bota", form).status(http.StatusTooManyRequests).has("h1", "Too many tries")
	b.get("/c/bota").status(http.StatusOK)
	other := s.browser()
	other.header.Set("X-Forwarded-For", "2001:db8:1:2::1")
	other.post("/c/bota", form).status(http.StatusSeeOther)
}

// Each request about an address sends a mail to it: from however many machines
// they come, and whether or not the address is known, there are few in a day.
func TestAskAboutOnePersonIsLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Controllers[0].Country = "CZ" })
	n := 0
	ask := func(controller, email, phone string) *answerPage {
		n++
		b := s.browser()
		b.header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", n))
		return b.post("/c/"+controller, url.Values{"kind": {"access"}, "identity.email": {email}, "identity.phone": {phone}})
	}
	for i := range 10 {
		ask("bota", []string{"a@b.example", " A@B.example"}[i%2], "").status(http.StatusSeeOther)
		ask("bota", "", []string{"+420 601 123 456", "601123456"}[i%2]).status(http.StatusSeeOther)
	}
	ask("bota", "A@b.example", "").status(http.StatusTooManyRequests).has("#f-identity-email-problem", "many times today")
	ask("bota", "c@b.example", "+420601123456").status(http.StatusTooManyRequests).has("#f-identity-phone-problem", "many times today")
	ask("bota", "d@b.example", "").status(http.StatusSeeOther)
	ask("stiefel", "a@b.example", "").status(http.StatusSeeOther)
	if got := len(s.requests.named("Submit")); got != 22 {
		t.Errorf("expected 22 requests to be taken in, got %d", got)
	}
}

func TestLinksDoNothingOnGet(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	for _, purpose := range []string{"confirm", "status", "download"} {
		info := tokenInfo(dsar.Received)
		info.Controller.Location = prague(t)
		s.requests.tokens[purpose+"/tok"] = info
		p := b.get("/"+purpose+"/tok").status(http.StatusOK).count("main form[method=post] button", 1).count("form input", 0)
		p.has("main time", "Sat 21 Nov 2026") // received at 23:30 UTC: the next day where the controller sits
		if purpose != "status" {
			p.has(".note", "27 November 2026, 10:00 (Europe/Prague)") // as the letter has it
		}
	}
	if n := len(s.requests.calls); n != 0 {
		t.Errorf("expected three looks to change nothing, got %d changes", n)
	}
}

func TestConfirmAndStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	s.requests.tokens["confirm/tok"] = tokenInfo(dsar.Received)
	b.post("/confirm/tok", nil).status(http.StatusOK).has("h1", "confirmed").has("main time", "Mon 21 Dec 2026")
	b.post("/confirm/tok", nil).status(http.StatusNotFound)

	s.requests.tokens["status/tok"] = tokenInfo(dsar.Received)
	b.get("/status/tok?new=yes").has(".lead", "If we hold data").has("h1", "has arrived")
	p := b.get("/status/tok").has("main", "Answer dueMon 21 Dec 2026")
	action, _ := p.doc.Find("main form").Attr("action")
	b.post(action, nil).to("/status/tok")
	b.get("/status/tok").has(".stands", "taken back").count("main form", 0)
	s.requests.fail = &dsar.NotNow{Sentence: "It is being carried out already."}
	b.post("/status/tok/withdraw", nil).status(http.StatusConflict).has("main", "being carried out already")

	for status, words := range map[dsar.Status]string{dsar.InReview: "a person looks at it", dsar.Running: "carried out", dsar.Fulfilled: "done", dsar.Refused: "refused", dsar.Lapsed: "lapsed"} {
		s.requests.tokens["status/tok"] = tokenInfo(status)
		b.get("/status/tok").has(".stands", words)
	}
	// What became of an erasure stands in the letter: perhaps nothing could be erased yet.
	joined := tokenInfo(dsar.Withdrawn)
	joined.Joined = true
	s.requests.tokens["status/tok"] = joined
	b.get("/status/tok").has(".stands", "one that you made before")
	erasure := tokenInfo(dsar.Fulfilled)
	erasure.Kind = datamap.Erasure
	s.requests.tokens["status/tok"] = erasure
	b.get("/status/tok").has(".stands strong", "It is answered.")
}

func TestDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	s.requests.tokens["download/tok"] = tokenInfo(dsar.Fulfilled)
	b.get("/download/tok").has(".lead", "48.2 kB").has(".note", "5 more times")
	p := b.post("/download/tok", nil).status(http.StatusOK)
	want := map[string]string{"Content-Type": "application/zip", "Content-Disposition": `attachment; filename="data \"of\" request 17.zip"`,
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Length": "6"}
	for k, v := range want {
		if p.header.Get(k) != v {
			t.Errorf("expected %s: %s, got %s", k, v, p.header.Get(k))
		}
	}
	s.requests.breaks = errors.New("the stream was truncated")
	if p := b.post("/download/tok", nil); p.err == nil {
		t.Error("expected the connection to be broken off, and not a file that looks whole")
	}
	if !strings.Contains(s.log.String(), "download broken off") {
		t.Error("expected the operator to hear of it")
	}
	s.requests.breaks, s.requests.fail = nil, dsar.ErrNoToken
	b.post("/download/tok", nil).status(http.StatusNotFound)
}

// Wrong, used, expired and foreign links, and links for something else, are
// told apart by nobody.
func TestOneAnswerToBadLinks(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	s.requests.tokens["confirm/tok"] = tokenInfo(dsar.Received)
	b.post("/confirm/tok", nil).status(http.StatusOK)
	first := b.get("/confirm/wrong").status(http.StatusNotFound)
	for _, bad := range []struct{ method, path string }{
		{"POST", "/confirm/wrong"}, {"GET", "/confirm/tok"}, {"POST", "/confirm/tok"}, {"GET", "/status/tok"}, {"POST", "/status/tok/withdraw"},
		{"GET", "/download/tok"}, {"POST", "/download/tok"}, {"GET", "/download/%00"}, {"GET", "/confirm/" + strings.Repeat("a", 5000)},
		{"GET", "/confirm/a%2F..%2Fb"}, {"GET", "/signin/tok"}, {"POST", "/signin/tok"},
	} {
		p := b.do(bad.method, bad.path, nil).status(http.StatusNotFound)
		if p.body != first.body {
			t.Errorf("expected %s %.30s to be answered like every bad link", bad.method, bad.path)
		}
	}
}

func TestLinksAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	for range 60 {
		b.get("/confirm/guess").status(http.StatusNotFound)
	}
	b.get("/download/guess").status(http.StatusTooManyRequests)
}
