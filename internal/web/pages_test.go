package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// console is a site with a member of the processor's staff signed in.
func console(t *testing.T) (*site, *browser) {
	t.Helper()
	s := newSite(t, nil)
	s.addStaff("dana@bota.example", RoleProcessor)
	return s, s.signedIn("dana@bota.example")
}

func TestList(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.requests.requests = many(120)

	p := b.get("/").status(http.StatusOK)
	p.count("table.requests tbody tr", 50).has(".pager", "1–50 of 96")
	p.has(".tabs a[aria-current]", "Open 96").has(".tabs", "Overdue 3").has(".tabs", "All 120")
	p.has("tbody tr:nth-child(1)", "3 days overdue").has("tbody tr:nth-child(1) time", "Fri 20 Nov 2026")
	if at := p.doc.Find("tbody tr:nth-child(1) td[data-label=Due] time").AttrOr("datetime", ""); at != "2026-11-20" {
		t.Errorf("expected the day for machines, too, got %q", at)
	}
	next, _ := p.doc.Find("a[rel=next]").Attr("href")
	b.get(next).has(".pager", "51–96 of 96").count("a[rel=next]", 0).count("a[rel=prev]", 1)

	b.get("/?state=overdue").count("table.requests tbody tr", 3)
	b.get("/?state=done").has("tbody tr:nth-child(1)", "Fulfilled")
	b.get("/?controller=stiefel&kind=erasure&state=all").has(".pager", "1–40 of 40").has("tbody", "Stiefel GmbH")
	b.get("/?state=in_review&kind=access").has(".filters option[selected]", "Access")
	// What is no filter is none, rather than an error or an empty list.
	b.get("/?state=x&controller=nobody&kind=%00&page=-3").has(".pager", "1–50 of 96")
}

func TestStaffSeeTheirControllersOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Queue = http.NotFoundHandler() })
	s.requests.requests = many(9)
	s.requests.requests[17] = inReview()
	s.retention.states, s.retention.forecast, s.retention.holds = someRules(), someForecast(), someHolds()
	s.addStaff("dpo@stiefel.example", RoleDPO, "stiefel")
	s.addStaff("reader@bota.example", RoleReader, "bota", "stiefel")
	b := s.signedIn("dpo@stiefel.example")

	p := b.get("/").status(http.StatusOK)
	if strings.Contains(p.text("main"), "Bota") {
		t.Error("expected nothing of another controller in the list")
	}
	b.get("/requests/17").status(http.StatusNotFound)
	b.get("/requests/new").count("#f-controller option", 1)
	b.get("/queue/").status(http.StatusNotFound)
	rules := b.get("/rules").status(http.StatusOK).count(".rule button", 0)
	if strings.Contains(rules.text("main"), "399") || strings.Contains(rules.text("main"), "1,204") {
		t.Error("expected no numbers over all controllers' rows")
	}
	b.post("/rules/visits-25-months/approve", nil).status(http.StatusForbidden)
	holds := b.get("/holds").status(http.StatusOK)
	if strings.Contains(holds.text("main"), "held@example.org") {
		t.Error("expected no hold of another controller")
	}
	b.post("/holds/1/release", nil).status(http.StatusNotFound)
	b.post("/holds", url.Values{"controller": {"bota"}, "about": {"identity"}, "type": {"email"}, "value": {"a@b.example"}, "reason": {"x"}}).
		status(http.StatusUnprocessableEntity).has("#f-controller-problem", "Choose whose data")
	b.post("/requests/new", url.Values{"controller": {"bota"}, "kind": {"access"}, "identity.email": {"a@b.example"}}).
		status(http.StatusUnprocessableEntity).has("#f-controller-problem", "Choose whose data")
	if n := len(s.requests.named("Submit")) + len(s.retention.named("AddHold")) + len(s.retention.named("ReleaseHold")) + len(s.retention.named("ApproveRule")); n != 0 {
		t.Errorf("expected nothing to have been changed, got %d changes", n)
	}

	// A reader sees and changes nothing, and is shown no button that would not work.
	r := s.signedIn("reader@bota.example")
	r.get("/requests/17").status(http.StatusOK).count("aside form, section form", 0)
	r.get("/rules").has(".rule", "399").count(".rule button", 0)
	r.post("/rules/visits-25-months/try", nil).status(http.StatusForbidden)
	held := r.get("/holds").status(http.StatusOK).count("main form", 0)
	if strings.Contains(held.text("main"), "held@example.org") {
		t.Error("expected a reader not to see whom a hold is about")
	}
	r.post("/holds/1/release", nil).status(http.StatusForbidden)
	r.post("/requests/new", url.Values{}).status(http.StatusForbidden)
}

func TestActors(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.requests.requests[17] = inReview()
	id := s.addStaff("dpo@bota.example", RoleDPO, "bota")
	s.signedIn("dpo@bota.example").post("/requests/17/withdraw", nil).to("/requests/17")
	got := s.requests.named("Withdraw")
	if len(got) != 1 {
		t.Fatalf("expected one withdrawal, got %d", len(got))
	}
	if a := got[0].actor; a.Name != fmt.Sprintf("staff:%d", id) || a.All || a.ReadOnly || len(a.Controllers) != 1 || a.Controllers[0] != "bota" {
		t.Errorf("expected a DPO of bota by their number, got %+v", a)
	}
}

func TestNewRequest(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	b.get("/requests/new").status(http.StatusOK).
		count("input[name='identity.email']", 1).count("input[name='identity.phone']", 1).count("input[name='identity.visitor']", 1)

	// Everything typed stays, each problem stands beside its field and in the summary.
	typed := url.Values{"controller": {"stiefel"}, "identity.phone": {`+420 "601"`}, "requester": {"lawyer"}, "requester_name": {"<b>Karel</b>"},
		"mandate": {"power of attorney"}, "received": {"2027-01-01"}, "delivery": {"hand"}, "verified": {"seen"}, "do": {"submit"}}
	p := b.post("/requests/new", typed).status(http.StatusUnprocessableEntity)
	p.has("title", "Problem:").count(".problems li", 3)
	for field, sentence := range map[string]string{"kind": "Choose what", "requester-address": "their e-mail address is needed", "received": "has not come yet"} {
		p.has("#f-"+field+"-problem", sentence).has(".problems a[href='#f-"+field+"']", sentence)
		in := p.doc.Find("#f-" + field)
		if !strings.Contains(in.AttrOr("aria-describedby", ""), "f-"+field+"-problem") {
			t.Errorf("expected field %s to name its problem", field)
		}
		if _, bad := in.Attr("aria-invalid"); !bad && in.Is("input") {
			t.Errorf("expected field %s to say that it is invalid", field)
		}
		if p.doc.Find(p.doc.Find(".problems a[href='#f-"+field+"']").AttrOr("href", "")).Length() != 1 {
			t.Errorf("expected the summary to lead to field %s", field)
		}
	}
	for name, want := range map[string]string{"identity.phone": `+420 "601"`, "requester_name": "<b>Karel</b>", "mandate": "power of attorney", "received": "2027-01-01", "verified": "seen"} {
		if got := p.doc.Find("[name='"+name+"']").AttrOr("value", ""); got != want {
			t.Errorf("expected %s to be kept as typed, got %q", name, got)
		}
	}
	for name, want := range map[string]string{"controller": "stiefel", "requester": "lawyer", "delivery": "hand"} {
		if got := p.doc.Find("[name='"+name+"'] option[selected]").AttrOr("value", ""); got != want {
			t.Errorf("expected %s to be kept as chosen, got %q", name, got)
		}
	}
	b.post("/requests/new", url.Values{"kind": {"access"}, "controller": {"bota"}}).has("#f-identity-email-problem", "at least one")

	// A preview shows what is found and changes nothing.
	s.requests.found.Found = source.Found{Findings: inReview().Findings, Roots: []source.Root{{RowKey: source.RowKey{Collection: "livechat.contacts", Key: "1"}, Types: []string{"email"}, Person: map[string]string{"name": "Pavla"}}}}
	good := url.Values{"controller": {"bota"}, "kind": {"access"}, "identity.email": {" Png1@example.org "}, "requester": {"self"}, "received": {"2026-11-20"}, "do": {"preview"}}
	b.post("/requests/new", good).status(http.StatusOK).has("#found", "1,214").has("#found", "Pavla")
	if len(s.requests.named("Submit")) != 0 {
		t.Error("expected a preview to take nothing in")
	}

	good.Set("do", "submit")
	b.post("/requests/new", good).to("/requests/17")
	sub := s.requests.named("Submit")[0].arg.(dsar.Submission)
	if sub.Channel != "console" || sub.Kind != datamap.Access || len(sub.Identities) != 1 || sub.Identities[0] != (dsar.Identity{Type: "email", Value: "Png1@example.org"}) {
		t.Errorf("expected what was typed to be submitted, got a %s request of %d identities by %s", sub.Kind, len(sub.Identities), sub.Channel)
	}
	if got := sub.ReceivedAt.In(prague(t)).Format("2006-01-02 15:04"); got != "2026-11-20 12:00" {
		t.Errorf("expected the day of receipt where the controller sits, got %s", got)
	}
	s.requests.requests[17] = inReview()
	b.get("/requests/17").has(".flash", "Request 17 is taken in")
	b.get("/requests/17").count(".flash", 0) // once

	// The service's own problems stand beside the fields that they are about.
	s.requests.fail = &dsar.Invalid{Fields: map[string]string{"identities.0": "This is not an address.", "delivery": "Not for this one.", "something else": "And this."}}
	p = b.post("/requests/new", good).status(http.StatusUnprocessableEntity)
	p.has("#f-identity-email-problem", "not an address").has("#f-delivery-problem", "Not for this one.").has(".problems li:first-child", "And this.")
}

func TestRequestPage(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.requests.requests[17] = inReview()
	s.requests.requests[9] = fulfilled()

	p := b.get("/requests/17").status(http.StatusOK)
	p.has("h1", "Access, request 17").has(".waits", "disagree on the person")
	p.has(".derivation", "a Sunday, so Monday 21 December").has(".big", "in 28 days")
	p.count("input[name=rows]", 3).count("input[name=rows][disabled]", 1).count("input[name=rows][checked]", 0)
	p.has(".figures tfoot", "1,234").has(".t-failed", "Failed").has("main", "source_down, tried 3 times")
	p.has("main", "Not accepted (code 550)").has("main", "for good (550): find another way to reach the person, or retry.").has(".panel.warn", "Nobody to complain to").has(".timeline", "Identity proved")
	for _, action := range []string{"verify", "approve", "refuse", "extend", "withdraw", "retry", "draft"} {
		p.count("form[action='/requests/17/"+action+"']", 1)
	}
	p.count("form[action='/requests/17/archive']", 0)

	done := b.get("/requests/9").status(http.StatusOK).count("main form", 1).count("form[action='/requests/9/retry']", 1) // a mail failed
	done.has("main", "no longer kept").has("main", "replaced by their keyed hash").has(".figures tfoot", "1,101").has("main", "Dana Prokop")

	b.get("/requests/4711").status(http.StatusNotFound)
	b.get("/requests/x").status(http.StatusNotFound)
	b.get("/requests/99999999999999999999").status(http.StatusNotFound)
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.requests.requests[17] = inReview()

	b.post("/requests/17/approve", url.Values{"rows": {"livechat.contacts:1"}, "include_shared": {"yes"}}).to("/requests/17")
	if ap := s.requests.named("Approve")[0].arg.(dsar.Approval); len(ap.Rows) != 1 || ap.Rows[0] != "livechat.contacts:1" || !ap.IncludeShared {
		t.Errorf("expected the ticks to arrive, got %+v", ap)
	}
	b.post("/requests/17/refuse", url.Values{"refuse_reason": {"  "}}).status(http.StatusUnprocessableEntity).has("#f-refuse-reason-problem", "Say why").count("details[open] #f-refuse-reason", 1)
	b.post("/requests/17/refuse", url.Values{"refuse_reason": {"Third time\r\nthis week"}}).to("/requests/17")
	if got := s.requests.named("Refuse")[0].arg; got != "Third time\nthis week" {
		t.Errorf("expected the reason, got %q", got)
	}
	b.post("/requests/17/extend", url.Values{}).status(http.StatusUnprocessableEntity).has("#f-extend-reason-problem", "Say why")
	b.post("/requests/17/extend", url.Values{"extend_reason": {"Many sources"}}).to("/requests/17")
	b.post("/requests/17/verify", url.Values{"identity": {"32"}}).status(http.StatusUnprocessableEntity).
		count("details[open] input[name=identity][value='32']", 1).has(".problems a[href='#f-how']", "Say how").count("#f-how", 1)
	b.post("/requests/17/verify", url.Values{"identity": {"32"}, "how": {"called back"}}).to("/requests/17")
	b.post("/requests/17/retry", nil).to("/requests/17")

	s.requests.fail = dsar.ErrRows
	b.post("/requests/17/approve", url.Values{}).status(http.StatusUnprocessableEntity).has(".problems a[href='#f-rows']", "tick those")
	s.requests.fail = &dsar.NotNow{Sentence: "The first month is over: it can no longer be extended."}
	b.post("/requests/17/extend", url.Values{"extend_reason": {"Kept <words>"}}).status(http.StatusConflict).
		has(".problems", "The first month is over").has("#f-extend-reason", "Kept <words>")
	s.requests.fail = dsar.ErrForbidden
	b.post("/requests/17/withdraw", nil).status(http.StatusForbidden)
	s.requests.fail = errors.New("secret words of a database")
	p := b.post("/requests/17/withdraw", nil).status(http.StatusInternalServerError)
	if strings.Contains(p.body, "secret") {
		t.Error("expected no error's text in the browser")
	}
	_, ref, _ := strings.Cut(p.text(".problems"), "the reference ")
	ref = strings.TrimSuffix(ref, ".")
	if len(ref) != 8 || !strings.Contains(s.log.String(), "reference="+ref) {
		t.Errorf("expected the page's reference %q in the log", ref)
	}
}

// A fault loses nothing that was typed.
func TestFaultsKeepTheForm(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	form := url.Values{"controller": {"stiefel"}, "kind": {"access"}, "identity.email": {"kept@example.org"}, "requester": {"self"}, "do": {"preview"}}
	for err, want := range map[error]string{
		context.DeadlineExceeded: "A database does not answer",
		&dsar.Permanent{Code: "no_plan", Err: errors.New("livechat.visits")}: "as it is set up",
		errors.New("x"): "Something went wrong",
	} {
		s.requests.fail = err
		for _, do := range []string{"preview", "submit"} {
			form.Set("do", do)
			p := b.post("/requests/new", form).has(".problems", want)
			if p.code < 500 || p.doc.Find("#f-identity-email").AttrOr("value", "") != "kept@example.org" {
				t.Errorf("expected the form with status 5xx and what was typed, got %d", p.code)
			}
		}
		p := s.browser().post("/c/bota", form).has(".problems", want)
		if p.doc.Find("#f-identity-email").AttrOr("value", "") != "kept@example.org" || strings.Contains(p.body, "livechat") {
			t.Error("expected the subject's form with what was typed, and no inner words")
		}
	}
}

func TestArchives(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	r := inReview()
	r.Archive = &dsar.ArchiveState{Size: 48213, SHA256: "ab12"}
	s.requests.requests[17] = r
	b.get("/requests/17").count("form[action='/requests/17/archive']", 1).has("main", "48.2 kB")
	for path, name := range map[string]string{"draft": "request-17-draft.zip", "archive": "request-17-archive.zip"} {
		p := b.post("/requests/17/"+path, nil).status(http.StatusOK)
		if p.body != "PK zip" || p.header.Get("Content-Type") != "application/zip" || !strings.Contains(p.header.Get("Content-Disposition"), name) {
			t.Errorf("expected the file %s, got %s", name, p.header.Get("Content-Disposition"))
		}
	}
	s.requests.fail = &dsar.NotNow{Sentence: "The archive has expired."}
	b.post("/requests/17/archive", nil).to("/requests/17")
	b.get("/requests/17").has(".flash.warn", "has expired")
	s.requests.fail, s.requests.breaks = nil, errors.New("half way")
	if p := b.post("/requests/17/archive", nil); p.err == nil {
		t.Error("expected a broken connection rather than a short file")
	}
	b.get("/requests/17/archive").status(http.StatusNotFound) // GET gives nothing away
}

func TestEveryFieldIsEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) {
		c.Controllers[0].Name, c.Controllers[0].Address, c.Controllers[0].DPO, c.Controllers[0].Authority, c.Controllers[0].Registration = hostile, hostile, hostile, hostile, hostile
	})
	if _, err := AddStaff(t.Context(), s.pool, StaffMember{Email: "dana@bota.example", Name: hostile, Role: RoleProcessor}, password); err != nil {
		t.Fatal(err)
	}
	b := s.signedIn("dana@bota.example")
	s.requests.requests[66] = hostileRequest()
	s.requests.found.Found = source.Found{Findings: hostileRequest().Findings, Roots: []source.Root{{RowKey: source.RowKey{Collection: hostile, Key: hostile}, Types: []string{hostile}, Person: map[string]string{hostile: hostile}}}}
	s.retention.states = someRules()
	for i := range s.retention.states {
		r := &s.retention.states[i]
		r.Collection, r.Then, r.Keep, r.Why, r.Schedule, r.Last.Status, r.Last.Message = hostile, hostile, hostile, hostile, hostile, hostile, hostile
	}
	s.retention.forecast = someForecast()
	for i := range s.retention.forecast {
		f := &s.retention.forecast[i]
		f.Collection, f.Name, f.Why = hostile, hostile, hostile
	}
	s.retention.holds = someHolds()
	for i := range s.retention.holds {
		h := &s.retention.holds[i]
		h.Type, h.Value, h.Collection, h.Reason, h.PlacedBy = hostile, hostile, hostile, hostile, hostile
	}
	typed := url.Values{}
	for _, f := range []string{"kind", "identity.email", "identity.phone", "identity.visitor", "requester", "requester_name", "requester_address", "mandate", "received", "delivery", "verified", "controller", "about", "type", "value", "collection", "key", "reason", "until"} {
		typed.Set(f, hostile)
	}
	found := url.Values{"controller": {"bota"}, "kind": {"access"}, "identity.email": {hostile}, "do": {"preview"}}
	for name, p := range map[string]*answerPage{
		"list": b.get("/"), "request": b.get("/requests/66"), "rules": b.get("/rules"), "holds": b.get("/holds"),
		"new": b.post("/requests/new", typed), "found": b.post("/requests/new", found), "hold": b.post("/holds", typed), "ask": b.post("/c/bota", typed),
		"nowhere": b.get("/" + url.PathEscape(hostile)),
	} {
		if n := p.doc.Find("script, img[onerror], [onerror], [style]").Length(); n != 0 || p.code == http.StatusInternalServerError {
			t.Errorf("expected page %s to hold text only, got %d elements that somebody typed (status %d)", name, n, p.code)
		}
		if name != "nowhere" && !strings.Contains(p.text("body")+p.doc.Find("input[name='identity.email'], input[name=value]").AttrOr("value", ""), "<script>alert(1)</script>") {
			t.Errorf("expected page %s to show what was typed, as text", name)
		}
	}
}

// A letter that reached nobody can be read and printed, by who may see the request.
func TestUnsentLetter(t *testing.T) {
	t.Parallel()
	words := func(l dsar.Letter) (string, string, error) {
		return "Your <request>", "Dear person,\n\n" + l.Reason, nil
	}
	s := newSite(t, func(c *Config) { c.Words = words })
	s.addStaff("dana@bota.example", RoleProcessor)
	b := s.signedIn("dana@bota.example")
	r := fulfilled()
	r.ID, r.Letters = 9, []dsar.LetterState{
		{ID: 4, Kind: "refused", Status: "dropped", Nobody: true}, {ID: 5, Kind: "confirm", Status: "failed", To: "a@b.example"}, {ID: 6, Kind: "erased", Status: "failed"},
	}
	s.requests.requests[9] = r
	b.get("/requests/9").count("a[href='/requests/9/letters/4']", 1).count("a[href^='/requests/9/letters/']", 1)
	b.get("/requests/9/letters/4").status(http.StatusOK).has("article h1", "Your <request>").has("article .said", "No <proof>")
	for _, path := range []string{"/requests/9/letters/5", "/requests/9/letters/x", "/requests/8/letters/4"} {
		b.get(path).status(http.StatusNotFound)
	}
	if to := s.browser().get("/requests/9/letters/4"); strings.Contains(to.body, "proof") {
		t.Error("expected nobody else to read it")
	}
}
