package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// withChoices is a console whose map and configuration leave something to choose.
func withChoices(t *testing.T) (*site, *browser) {
	t.Helper()
	s := newSite(t, func(c *Config) {
		c.Policies = []Policy{{"names-only", datamap.Erasure}, {"contact", datamap.Erasure}, {"short", datamap.Access}}
		c.Pickable = []string{"crm.people", "crm.Visits"}
		c.Keeps = map[string][]Keep{"crm.bills": {{For: "P10Y", From: "issued_on", Because: "accounting law"}, {Because: "a court's order"}}}
	})
	s.addStaff("dana@bota.example", RoleProcessor)
	return s, s.signedIn("dana@bota.example")
}

func TestPolicyIsChosen(t *testing.T) {
	t.Parallel()
	s, b := withChoices(t)
	b.get("/requests/new").status(http.StatusOK).count("#f-policy option", 4).has("#f-policy option:nth-child(2)", "names-only (erasure)")

	form := url.Values{"controller": {"bota"}, "kind": {"erasure"}, "identity.email": {"a@b.example"}, "requester": {"self"}, "policy": {"names-only"}, "do": {"submit"}}
	b.post("/requests/new", form).to("/requests/17")
	if got := s.requests.named("Submit")[0].arg.(dsar.Submission).Policy; got != "names-only" {
		t.Errorf("expected the policy that was chosen, got %q", got)
	}
	form.Set("kind", "access")
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has("#f-policy-problem", "the usual one, short.").
		has("#f-policy option[selected]", "names-only").count(".problems a[href='#f-policy']", 1)
	form.Set("kind", "export")
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has("#f-policy-problem", "there is only the usual one")

	// The public form has no such choice, whatever somebody sends.
	form.Set("kind", "erasure")
	s.browser().post("/c/bota", form)
	all := s.requests.named("Submit")
	if got := all[len(all)-1].arg.(dsar.Submission); got.Channel != "form" || got.Policy != "" {
		t.Errorf("expected the public form to know no policy, got %q", got.Policy)
	}
	// Where nothing is configured, nothing is asked.
	_, plain := console(t)
	plain.get("/requests/new").count("#f-policy", 0).count("#f-rows", 0)
}

// What narrows a request is the DPO's to type, beside a word on what it narrows.
func TestFieldsNarrow(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) {
		c.Fields = []datamap.RequestField{{Name: "a.b", Collections: []string{"shop.bills"}}, {Name: "a_b", Collections: []string{"shop.bills", "shop.orders"}},
			{Name: "order_number", Collections: []string{"shop.orders"}}, {Name: "Tenant", Collections: []string{"t.a", "t.b", "t.c", "t.d", "t.e"}}}
	})
	s.addStaff("dana@bota.example", RoleProcessor)
	b := s.signedIn("dana@bota.example")
	const order = "[name='field.order_number']"
	p := b.get("/requests/new").status(http.StatusOK).count("input[name^='field.']", 4).
		has("label:contains(order_number)", "order_number optional").has("body", "Of shop.orders only the rows with this value.").
		has("body", "Of shop.bills and shop.orders only").has("body", "Of t.a, t.b, t.c and 2 other collections only")
	for _, name := range []string{"a.b", "a_b", "order_number", "Tenant"} {
		id := p.doc.Find("input[name='field."+name+"']").AttrOr("id", "")
		p.count("[id='"+id+"']", 1).has("label[for='"+id+"']", name)
		if hint := p.doc.Find("[id='"+id+"']").AttrOr("aria-describedby", ""); p.text("[id='"+hint+"']") == "" {
			t.Errorf("expected the field %s to be described by its hint, got %q", name, hint)
		}
	}

	form := url.Values{"controller": {"bota"}, "kind": {"erasure"}, "identity.email": {"a@b.example"}, "requester": {"self"},
		"field.order_number": {" A-11 "}, "field.Tenant": {"  "}, "do": {"preview"}}
	b.post("/requests/new", form).status(http.StatusOK).has("#found .narrowed", "Narrowed to rows with order_number A-11")
	form.Set("do", "submit")
	b.post("/requests/new", form).to("/requests/17")
	for _, name := range []string{"Preview", "Submit"} {
		if got := s.requests.named(name)[0].arg.(dsar.Submission).Fields; len(got) != 1 || got["order_number"] != "A-11" {
			t.Errorf("%s: expected what was typed and nothing else, got %d fields", name, len(got))
		}
	}

	// What the service says of one stands beside it, and what was typed stays.
	s.requests.fail = &dsar.Invalid{Fields: map[string]string{"fields.order_number": "No such <text>."}}
	p = b.post("/requests/new", form).status(http.StatusUnprocessableEntity)
	at, _ := p.doc.Find(".problems a").Attr("href")
	p.has(".problems a", "No such <text>.").has("[id='"+strings.TrimPrefix(at, "#")+"-problem']", "No such <text>.").
		count("[id='"+strings.TrimPrefix(at, "#")+"']"+order+"[aria-invalid=true]", 1)
	if got := p.doc.Find(order).AttrOr("value", ""); got != " A-11 " {
		t.Errorf("expected the value to be kept as typed, got %q", got)
	}
	s.requests.fail = nil
	before := len(s.requests.named("Submit"))
	form.Set("field.order_number", strings.Repeat("A", 301))
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has(".problems", "too long")
	// A page older than the map would narrow nothing by a field that is gone.
	form.Set("field.order_number", "A-11")
	form.Set("field.order_no", "A-11")
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has(".problems", "no longer has a field")
	if n := len(s.requests.named("Submit")); n != before {
		t.Errorf("expected nothing to be taken in, got %d more", n-before)
	}
	if strings.Contains(s.log.String(), "A-11") {
		t.Error("expected no value in the log")
	}

	// The public form has none, and takes none.
	s.browser().get("/c/bota").status(http.StatusOK).count("input[name^='field.']", 0)
	s.browser().post("/c/bota", form)
	all := s.requests.named("Submit")
	if got := all[len(all)-1].arg.(dsar.Submission); got.Channel != "form" || len(got.Fields) != 0 {
		t.Errorf("expected the public form to narrow nothing, got %d fields by %s", len(got.Fields), got.Channel)
	}
	// The request's page shows what narrows it, until it is forgotten.
	r := inReview()
	r.Fields = map[string]string{"order_number": "A-11"}
	s.requests.requests[17] = r
	b.get("/requests/17").has(".narrowed", "Narrowed to rows with order_number A-11").has(".shared", "by rows that the request does not take")
	s.requests.requests[9] = fulfilled()
	b.get("/requests/9").count(".narrowed", 0)
	// Where the map has none, none is asked for.
	_, plain := console(t)
	plain.get("/requests/new").count("input[name^='field.']", 0).count("#narrow-hint", 0)
}

func TestRowsArePicked(t *testing.T) {
	t.Parallel()
	s, b := withChoices(t)
	b.get("/requests/new").status(http.StatusOK).count("textarea#f-rows", 1).has("#f-rows-hint", "crm.people:1").has(".names", "crm.Visits")

	form := url.Values{"controller": {"bota"}, "kind": {"erasure"}, "requester": {"self"}, "rows": {" crm.people:1 \r\n\r\ncrm.Visits:(4,b:c)"}, "do": {"preview"}}
	s.requests.found.Found = source.Found{Findings: []source.Finding{{Source: "crm", Collection: "crm.people", Rows: 1}},
		Braked: []source.Brake{{Source: "crm", From: "crm.people.token", To: "crm.visits.token", Values: 1}}}
	b.post("/requests/new", form).status(http.StatusOK).has("#found", "crm.people").has("#found .note.warn", "crm.people.token to crm.visits.token in crm: 1 value")
	want := []dsar.Identity{{Type: datamap.Row, Value: "crm.people:1"}, {Type: datamap.Row, Value: "crm.Visits:(4,b:c)"}}
	if got := s.requests.named("Preview")[0].arg.(dsar.Submission).Identities; !slices.Equal(got, want) {
		t.Errorf("expected both rows as identities, got %d", len(got))
	}

	// A key is proved by nobody's link.
	form.Set("do", "submit")
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has("#f-verified-problem", "how you know").has("#f-rows", "crm.people:1")
	form.Set("verified", "passport seen")
	b.post("/requests/new", form).to("/requests/17")

	for rows, sentence := range map[string]string{
		"crm.people:1\ncrm.people": "Line 2 is no row",
		"\n\ncrm.peple:1":          "Line 1 names no collection", // the form's text begins with its first word
		":1":                       "Line 1 is no row",
	} {
		form.Set("rows", rows)
		b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has("#f-rows-problem", sentence).count("details[open] .names", 1)
	}
	form.Set("rows", "crm.people:1")
	s.requests.fail = &dsar.Invalid{Fields: map[string]string{"row": "That key cannot be one."}}
	b.post("/requests/new", form).status(http.StatusUnprocessableEntity).has("#f-rows-problem", "cannot be one").count(".problems a[href='#f-rows']", 1)
}

func TestKeptRowsSayWhy(t *testing.T) {
	t.Parallel()
	s, b := withChoices(t)
	r := fulfilled()
	r.Findings = []source.Finding{{Source: "crm", Collection: "crm.people", Rows: 2, Erased: 2}, {Source: "crm", Collection: "crm.bills", Rows: 3, Kept: 3, Masked: 3}}
	s.requests.requests[9] = r
	s.requests.kept = map[int64][]dsar.KeptRows{9: {
		{Collection: "crm.bills", Rows: 2, Until: time.Date(2031, 3, 4, 0, 0, 0, 0, time.UTC), Why: "A law keeps them."},
		{Collection: "crm.bills", Rows: 1, Unnoted: true, Why: "Too many."},
	}}
	b.get("/requests/9").has("#left tbody tr:nth-child(1)", "4 Mar 2031").has("#left tbody tr:nth-child(1)", "A law keeps them.").
		has("#left tbody tr:nth-child(2)", "not by itself")
	b.get("/requests/9").status(http.StatusOK).has(".figures thead", "Kept").has(".figures tbody tr:nth-child(2) [data-label=Kept]", "3").
		has(".kept li", "3 rows of crm.bills, for 10 years from issued_on (accounting law), without end (a court's order)")
	// Rows that a kept one names have a column where there are some, so that the figures add up.
	b.get("/requests/9").count(".figures [data-label=Stays]", 0)
	r.Findings = append(r.Findings, source.Finding{Source: "crm", Collection: "crm.orders", Rows: 4, Erased: 1, Stays: 3})
	s.requests.requests[9] = r
	b.get("/requests/9").has(".figures thead", "Stays").has(".figures tbody tr:nth-child(3) [data-label=Stays]", "3").
		has(".figures tfoot [data-label=Stays]", "3").has(".note", "named by one that must stay")
	// Files that were not there are told as such.
	b.get("/requests/9").count(".figures [data-label=Missing]", 0)
	r.Findings = append(r.Findings, source.Finding{Source: "attic", Collection: "files", Rows: 3, Erased: 1, Missing: 2})
	s.requests.requests[9] = r
	b.get("/requests/9").has(".figures tbody tr:nth-child(4) [data-label=Missing]", "2").has(".figures tbody tr:nth-child(4) [data-label=Erased]", "1")
	// Where nothing was found a name is enough; of many of them, one that is asked for.
	for i, name := range []string{"a", "b", "c", "d"} {
		r.Findings = append(r.Findings, source.Finding{Source: "crm", Collection: "crm." + name})
		s.requests.requests[9] = r
		p := b.get("/requests/9").count(".figures tbody tr", 4)
		if i < 3 {
			p.has(".figures ~ .note", "Nothing in crm.a").count(".figures ~ details", 0)
		} else {
			p.has(".figures ~ details summary", "Nothing in 4 other collections").has(".figures ~ details p", "crm.a, crm.b, crm.c, crm.d")
		}
	}
	// Before anything has been done, there is nothing to say of it.
	r = inReview()
	r.Kind = datamap.Erasure
	s.requests.requests[17] = r
	b.get("/requests/17").status(http.StatusOK).count(".figures [data-label=Kept]", 0).count(".kept", 0)
}
