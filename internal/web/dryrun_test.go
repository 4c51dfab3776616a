package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// The dry run of an erasure stands in the page of the request, with the ticks
// that it was made with; what would stop it, too.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s, b := withChoices(t)
	r := inReview()
	b.get("/requests/17").count("button[formaction]", 0)
	r.Kind = datamap.Erasure
	s.requests.requests[17] = r
	b.get("/requests/17").has("#approve button[formaction='/requests/17/dry-run']", "Dry run").has("#findings", "What is found")

	s.requests.trial = dsar.DryRun{Findings: []source.Finding{{Source: "crm", Collection: "crm.bills", Rows: 3, Kept: 2, Masked: 1}}, Then: []string{"Newsletter Ltd is told."}}
	b.post("/requests/17/dry-run", url.Values{"rows": {"crm.people:4"}}).status(http.StatusOK).
		has("#findings", "What the erasure would do").has("#dry-run", "nothing was changed").
		has(".figures [data-label='To mask']", "1").has(".figures [data-label='To erase']", "0").has(".kept li", "2 rows of crm.bills, for 10 years").
		has(".o1 h3 + ul li", "Newsletter Ltd is told.")
	if got := s.requests.named("DryRun")[0].arg.([]string); !slices.Equal(got, []string{"crm.people:4"}) {
		t.Errorf("expected the ticks to be taken along, got %v", got)
	}

	s.requests.trial = dsar.DryRun{Refusals: []dsar.Refusal{{Source: "crm", Sentence: "Foreign keys would take 3 rows of others."}}}
	b.post("/requests/17/dry-run", nil).status(http.StatusOK).has(".note.warn", "would take 3 rows of others").count(".figures [data-label='To erase']", 0)

	s.requests.fail = dsar.ErrRows
	b.post("/requests/17/dry-run", nil).status(http.StatusUnprocessableEntity).has("#f-rows", "tick those that are theirs")
}

// Rows that are alike have one box, which stands for all of them.
func TestRowsThatAreAlikeAreTickedTogether(t *testing.T) {
	t.Parallel()
	s, b := withChoices(t)
	r := inReview()
	r.Kind = datamap.Erasure
	like := r.Roots[1]
	for _, key := range []string{"700", "701"} {
		like.Key = key
		r.Roots = append(r.Roots, like)
	}
	s.requests.requests[17] = r
	b.get("/requests/17").count(".roots tbody tr", 3).has(".roots tbody tr:nth-child(2) th", "livechat.contacts 608 and 2 like it")
	b.post("/requests/17/approve", url.Values{"rows": {"livechat.contacts:608"}}).to("/requests/17")
	want := []string{"livechat.contacts:608", "livechat.contacts:700", "livechat.contacts:701"}
	if got := s.requests.named("Approve")[0].arg.(dsar.Approval).Rows; !slices.Equal(got, want) {
		t.Errorf("expected all rows of the box to be approved, got %v", got)
	}
}
