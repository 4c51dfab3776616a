package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Other people's text is read only when the DPO asks for it, escaped; each of
// the three ways reaches the service, and leaving one needs a reason.
func TestMentionsOfARequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.requests.requests[17] = dsar.Request{ID: 17, Controller: "bota", Kind: datamap.Erasure, Status: dsar.Running, DueOn: date(2026, 12, 23), Waiting: "1 mention.", Delayed: "Goes on as soon as it can. The source shop cannot be reached.",
		Mentions: []dsar.Mention{{ID: 4, Source: "shop", Collection: "shop.notes", Field: "words", Key: "99", Passages: 1}}}
	s.addStaff("dpo@bota.example", "dpo", "bota")
	b := s.signedIn("dpo@bota.example")
	page := b.get("/requests/17").count(".waits a[href='#mentions']", 1).count("#mentions", 1).has(".waits.slow", "The source shop cannot be reached")
	b.get("/").has(".waiting", "1 mention.").has(".waiting", "The source shop cannot be reached")
	if n := len(s.requests.named("ShowMention")); n != 0 || strings.Contains(page.body, "jana@example.org") {
		t.Errorf("expected no text before the DPO asks for it, it was read %d times", n)
	}
	page = b.post("/requests/17/mentions/4/read", url.Values{})
	if !strings.Contains(page.body, "<mark>jana@example.org</mark>") || strings.Contains(page.body, "<b>ask</b>") {
		t.Errorf("expected the text, escaped, with the passage marked")
	}
	page = b.post("/requests/17/mentions/4/leave", url.Values{"mention_reason": {""}})
	if page.code != 422 || len(s.requests.named("DecideMention")) != 0 {
		t.Errorf("expected leaving without a reason to be refused, got %d", page.code)
	}
	b.post("/requests/17/mentions/4/leave", url.Values{"mention_reason": {"a claim"}})
	b.post("/requests/17/mentions/4/redact", url.Values{})
	b.post("/requests/17/mentions/4/delete", url.Values{})
	var got []string
	for _, c := range s.requests.named("DecideMention") {
		got = append(got, strings.TrimSpace(c.arg.(string)))
	}
	if strings.Join(got, "; ") != "[4] leave a claim; [4] redact; [4] delete" {
		t.Errorf("expected the three decisions in their order, got %q", got)
	}
}
