package dsar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// shared puts so many rows of one name under one address.
func (b *workBundle) sharedRows(n int) {
	b.people.set(func() {
		var rows []map[string]string
		for i := range n {
			rows = append(rows, map[string]string{"id": fmt.Sprint(i + 100), "firm": "1", "name": "Same Name", "mail": "many@example.org"})
		}
		b.people.rows["crm.people"] = rows
	})
}

func (b *workBundle) searched(t *testing.T, kind datamap.Kind, email string) int64 {
	t.Helper()
	id := b.submit(t, dpo, verified(ask(kind, "email", email))).ID
	b.worked(t)
	return id
}

// Above 25 root rows two people approve, and not a row is touched before.
func TestSecondPersonForManyRootRows(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.sharedRows(26)
	id := b.searched(t, datamap.Erasure, "many@example.org")
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, InReview)
	if !strings.Contains(q.Waiting, "second one to approve") || !strings.Contains(q.Waiting, "26 rows") || q.FirstApproval.By != dpo.Name || !q.ApprovedAt.IsZero() {
		t.Errorf("expected the request to wait for a second person, and to say why, got %q, %+v", q.Waiting, q.FirstApproval)
	}
	if n := len(b.people.keysOf("crm.people")); n != 26 {
		t.Fatalf("expected no row to be touched, %d of 26 are left", n)
	}
	expectNotNow(t, b.Approve(t.Context(), dpo, id, Approval{}), "a second person has to, too")
	if err := b.Approve(t.Context(), operator, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q = b.expectStatus(t, id, Fulfilled)
	if q.ApprovedBy != operator.Name || q.FirstApproval.By != dpo.Name {
		t.Errorf("expected both on the record, got %q and %+v", q.ApprovedBy, q.FirstApproval)
	}

	b.sharedRows(25)
	id = b.searched(t, datamap.Erasure, "many@example.org")
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)

	b.sharedRows(40)
	id = b.searched(t, datamap.Access, "many@example.org")
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled) // a copy brings nothing into danger
}

// The second person ticks other rows: that is another question, of which theirs is the first yes.
func TestSecondPersonTicksOtherwise(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.sharedRows(30)
	id := b.searched(t, datamap.Erasure, "many@example.org")
	var all []string
	for _, root := range b.get(t, id).Roots {
		all = append(all, rowName(root))
	}
	for _, step := range []struct {
		who  Actor
		rows []string
	}{{dpo, all}, {operator, all[1:]}, {operator, nil}} {
		err := b.Approve(t.Context(), step.who, id, Approval{Rows: step.rows})
		if step.rows == nil {
			expectNotNow(t, err, "second person")
		} else if err != nil {
			t.Fatal(err)
		}
		if q := b.expectStatus(t, id, InReview); q.FirstApproval.By != step.who.Name {
			t.Errorf("expected %s to be the first, got %+v", step.who.Name, q.FirstApproval)
		}
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if left := b.people.keysOf("crm.people"); len(left) != 1 {
		t.Errorf("expected the row that was not ticked to be left, got %v", left)
	}
}

func rowName(r RootRow) string { return r.Collection + ":" + r.Key }

// Ten times what is usual, once ten are known.
func TestSecondPersonForUnusualSizes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		known, rows int
		second      bool
	}{{9, 21, false}, {10, 20, false}, {10, 21, true}} {
		t.Run(fmt.Sprintf("%d known, %d rows", tc.known, tc.rows), func(t *testing.T) {
			t.Parallel()
			b := newWork(t)
			for i := range tc.known + 3 {
				id := b.searched(t, datamap.Erasure, fmt.Sprintf("past%d@example.org", i))
				// Three that found nothing, and the others of two rows each.
				_, err := b.pool.Exec(t.Context(), `UPDATE requests SET status = 'fulfilled', finished_at = received_at WHERE id = $1`, id)
				if err == nil && i < tc.known {
					_, err = b.pool.Exec(t.Context(), `UPDATE findings SET rows = 2 WHERE request_id = $1 AND source = 'crm'`, id)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			b.sharedRows(tc.rows)
			id := b.searched(t, datamap.Erasure, "many@example.org")
			if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
				t.Fatal(err)
			}
			q := b.get(t, id)
			if second := q.Status == InReview; second != tc.second {
				t.Errorf("expected a second person to be needed: %v; it is %s, %q", tc.second, q.Status, q.Waiting)
			}
			if tc.second && !strings.Contains(q.Waiting, "21 rows, more than 10 times the 2 that are usual") {
				t.Errorf("expected the numbers in the sentence, got %q", q.Waiting)
			}
		})
	}
}

// A value that strangers share stops an erasure before anybody can approve it,
// in every source: not only in the one that would refuse it. Once it is mended,
// retry searches again. A copy goes on, and says what was not followed.
func TestOverSharedValuesStopBeforeApproval(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	shared := func(n ...source.Brake) { b.people.set(func() { b.people.braked = n }) }
	shared(source.Brake{From: "crm.people.token", To: "crm.visits.token", Values: 2})

	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org"))).ID
	b.work(t)
	st := b.step(t, id, "discover", "crm")
	if st.Status != "failed" || st.Error != "over_shared" || !strings.Contains(st.Message, "crm.people.token → crm.visits.token with 2 values") || !strings.Contains(st.Message, "retry") {
		t.Errorf("expected the search to stop with the link, and to say what to do, it is %s: %s, %q", st.Status, st.Error, st.Message)
	}
	if q := b.get(t, id); !strings.Contains(q.Waiting, "over_shared") && !strings.Contains(q.Waiting, "crm.people.token") {
		t.Errorf("expected the request to say what it waits for, got %q", q.Waiting)
	}
	expectNotNow(t, b.Approve(t.Context(), dpo, id, Approval{}), "failed in crm")
	if b.people.erasures+b.web.erasures != 0 {
		t.Error("expected no source to be touched")
	}
	shared()
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)

	shared(source.Brake{From: "crm.people.token", To: "crm.visits.token", Values: 1})
	id = b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	b.worked(t)
	if st := b.step(t, id, "discover", "crm"); st.Status != "done" || !strings.Contains(st.Message, "Not followed: crm.people.token → crm.visits.token with 1 value,") {
		t.Errorf("expected a copy to go on and to say what was not followed, it is %s: %q", st.Status, st.Message)
	}
}
