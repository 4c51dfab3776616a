package dsar

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A dry run says what the approval with the same ticks then does, over sources
// that are linked, too, and leaves the request as it is.
func TestDryRun(t *testing.T) {
	t.Parallel()
	b, _, _, pools := newLinked(t)
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	before := left(t, pools[0]) + left(t, pools[1])
	d, err := b.DryRun(t.Context(), reader, id, nil)
	if err != nil || len(d.Refusals) != 0 {
		t.Fatalf("expected what an erasure would do, got %v, %v", d.Refusals, err)
	}
	if got := left(t, pools[0]) + left(t, pools[1]); got != before {
		t.Errorf("expected a dry run to change nothing, %s were there, now %s", before, got)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if done := b.expectStatus(t, id, Fulfilled).Findings; !sameCounts(done, d.Findings) {
		t.Errorf("expected the erasure to do what its dry run said, %+v, got %+v", d.Findings, done)
	}
	var notNow *NotNow
	if _, err := b.DryRun(t.Context(), dpo, id, nil); !errors.As(err, &notNow) {
		t.Errorf("expected no dry run of a request that has ended, got %v", err)
	}
}

// sameCounts compares findings, in any order.
func sameCounts(a, b []source.Finding) bool {
	sorted := func(list []source.Finding) []source.Finding {
		return slices.SortedFunc(slices.Values(list), func(x, y source.Finding) int { return strings.Compare(x.Source+x.Collection, y.Source+y.Collection) })
	}
	return slices.Equal(sorted(a), sorted(b))
}

// The ticks count: a row that the DPO leaves is not erased in the dry run either,
// and where rows disagree, nothing is tried before somebody has decided.
func TestDryRunWithTicks(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.toApprove(t, datamap.Erasure, "two@example.org")
	if _, err := b.DryRun(t.Context(), dpo, id, nil); !errors.Is(err, ErrRows) {
		t.Errorf("expected to be asked for ticks, got %v", err)
	}
	for rows, want := range map[string]int64{"crm.people:4": 1, "all": 2} {
		d, err := b.DryRun(t.Context(), dpo, id, []string{rows})
		if err != nil {
			t.Fatal(err)
		}
		if f := findingIn(t, d.Findings, "crm.people"); f.Erased != want {
			t.Errorf("with %s ticked expected %d rows to go, got %d", rows, want, f.Erased)
		}
	}
	if q := b.expectStatus(t, id, InReview); slices.ContainsFunc(q.Roots, func(r RootRow) bool { return r.Ticked != nil }) {
		t.Error("expected a dry run to write no ticks down")
	}
	copied := b.toApprove(t, datamap.Access, "karel@example.org")
	var notNow *NotNow
	if _, err := b.DryRun(t.Context(), dpo, copied, nil); !errors.As(err, &notNow) || !strings.Contains(notNow.Sentence, "asks for a copy") {
		t.Errorf("expected a dry run of an access request to be refused in words, got %v", err)
	}
	if _, err := b.DryRun(t.Context(), stranger, id, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("expected another controller's staff to be kept out, got %v", err)
	}
}

// What follows beside the rows is told: files, desks, recipients.
func TestDryRunSaysWhatFollows(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := newDesks(t, "paper")
	const told = "Newsletter Ltd is told of the erasure (Art. 19)."
	for _, c := range []struct {
		b     *workBundle
		email string
		want  []string
	}{
		{d.workBundle, "pavla@example.org", []string{"Files in the store attic that these rows of shop.papers name go with them, save those that other people's rows name, too.", told}},
		{d.workBundle, "nobody@example.org", nil},
		{b, "karel@example.org", []string{"HR desk is asked to erase by hand what lies in paper.", told}},
	} {
		id := c.b.toApprove(t, datamap.Erasure, c.email)
		got, err := c.b.DryRun(t.Context(), dpo, id, nil)
		if err != nil || !slices.Equal(got.Then, c.want) {
			t.Errorf("%s: expected %q, got %q, %v", c.email, c.want, got.Then, err)
		}
	}
}

// What would stop the erasure is told by its dry run, and by a preview.
func TestDryRunTellsRefusals(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.toApprove(t, datamap.Erasure, "karel@example.org")
	b.people.set(func() { b.people.refuse = &postgres.Braked{Source: "crm", Limit: 7, Links: []string{"a → b"}} })
	d, err := b.DryRun(t.Context(), dpo, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Preview(t.Context(), dpo, Submission{Controller: "bota", Kind: datamap.Erasure, Identities: []Identity{{"email", "karel@example.org"}}})
	if err != nil {
		t.Fatal(err)
	}
	for what, refusals := range map[string][]Refusal{"dry run": d.Refusals, "preview": p.Refusals} {
		if len(refusals) != 1 || refusals[0].Source != "crm" || !strings.Contains(refusals[0].Sentence, "more than 7 rows") {
			t.Errorf("%s: expected the source's reason, got %+v", what, refusals)
		}
	}
	if f := findingIn(t, p.Findings, "crm.people"); p.Tried || f.Rows != 1 || f.Erased != 0 {
		t.Errorf("expected the preview to fall back on what is found, got %+v", f)
	}
}
