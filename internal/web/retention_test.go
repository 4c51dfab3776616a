package web

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/lethe-dsr/lethe/retention"
)

func TestRules(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.retention.states, s.retention.forecast = someRules(), someForecast()
	p := b.get("/rules").status(http.StatusOK).count(".rule", 2)
	p.has(".rule:nth-child(1)", "approved").has(".rule:nth-child(1)", "399 rows").has(".rule:nth-child(1)", "308 of 310 expired, 2 held").has(".rule:nth-child(1)", "after 6 months")
	p.has(".rule:nth-child(2)", "runs dry").has(".rule:nth-child(2)", "dry: 1,204 would have gone").count("form[action$='/approve']", 1)
	p.has("main table", "no documented end")
	// A rule may name no collection of its own: what it counts says which it concerns.
	s.retention.states[0].Collection = ""
	b.get("/rules").has(".rule:nth-child(1) p code", "livechat.identifiers")

	b.post("/rules/visits-25-months/try", nil).to("/rules")
	b.get("/rules").has(".flash", "nothing was deleted: 1,204 rows would go now, 1 row under a hold would stay")
	if dry := s.retention.named("Sweep")[0].arg.(bool); !dry {
		t.Error("expected a try to delete nothing")
	}
	b.post("/rules/visits-25-months/approve", nil).to("/rules")
	b.get("/rules").has(".flash", "is approved")
	b.post("/rules/no-such/approve", nil).status(http.StatusNotFound)

	s.retention.slow = true
	b.get("/rules").status(http.StatusOK).has(".note.warn", "takes longer than this page waits").count(".rule", 2)
}

func TestHolds(t *testing.T) {
	t.Parallel()
	s, b := console(t)
	s.retention.holds = someHolds()
	b.get("/holds").status(http.StatusOK).count("tbody tr", 2).has("tbody", "held@example.org").has("tbody", "all rows")

	p := b.post("/holds", url.Values{"controller": {"bota"}, "about": {"row"}, "key": {"556"}, "until": {"2020-01-01"}}).status(http.StatusUnprocessableEntity)
	p.has("#f-collection-problem", "Say which").has("#f-reason-problem", "Say why").has("#f-until-problem", "has passed")
	if got := p.doc.Find("#f-key").AttrOr("value", ""); got != "556" {
		t.Errorf("expected the key to be kept, got %q", got)
	}
	b.post("/holds", url.Values{"controller": {"bota"}, "about": {"identity"}, "type": {"email"}, "value": {"a@b.example"}, "collection": {"not.this"}, "reason": {"Claim"}, "until": {"2027-05-31"}}).to("/holds")
	h := s.retention.named("AddHold")[0].arg.(retention.Hold)
	if h.Type != "email" || h.Value != "a@b.example" || h.Collection != "" || !h.Until.Equal(date(2027, 5, 31)) {
		t.Errorf("expected a hold of one identity, got type %q, collection %q, until %s", h.Type, h.Collection, h.Until)
	}
	b.get("/holds").has(".flash", "Hold 3 stands, but as the data are now it covers nothing")
	b.post("/holds/1/release", nil).to("/holds")
	b.post("/holds/77/release", nil).status(http.StatusNotFound)
	s.retention.fail = errors.New("x")
	b.post("/holds/1/release", nil).status(http.StatusInternalServerError)
}

func TestPeriodsInWords(t *testing.T) {
	t.Parallel()
	for iso, want := range map[string]string{"P6M": "6 months", "P1Y": "1 year", "P1Y6M": "1 year and 6 months", "P2W": "2 weeks", "PT72H": "72 hours", "P": "P", "six months": "six months", "P6": "P6", "PM": "PM"} {
		if got := periodWord(iso); got != want {
			t.Errorf("expected %q for %s, got %q", want, iso, got)
		}
	}
}

// A hold's reason stays on the record in clear, so it must not say who is held.
func TestHoldReasonNamesNobody(t *testing.T) {
	t.Parallel()
	_, b := console(t)
	for _, reason := range []string{"claim of ANNA@b.example", "mail to lawyer@x.example"} {
		p := b.post("/holds", url.Values{
			"controller": {"bota"}, "about": {"identity"}, "type": {"email"}, "value": {"anna@b.example"}, "reason": {reason}})
		p.status(http.StatusUnprocessableEntity).has("#f-reason-problem", "stays on the record")
	}
}
