package dsar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// An erasure waits for the same subject's access, whichever came first.
func TestErasureWaitsForAccess(t *testing.T) {
	t.Parallel()
	for _, accessFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("access first %t", accessFirst), func(t *testing.T) {
			t.Parallel()
			b := newIntake(t)
			a := verified(ask(datamap.Access, "email", "pavla@example.org", "phone", "+420602123456"))
			e := verified(ask(datamap.Erasure, "email", "pavla@example.org"))
			var access, erase Submitted
			if accessFirst {
				access, erase = b.submit(t, dpo, a), b.submit(t, dpo, e)
			} else {
				erase, access = b.submit(t, dpo, e), b.submit(t, dpo, a)
			}
			b.done(t, erase.ID, "discover")
			b.take(t)
			if err := b.Approve(t.Context(), dpo, erase.ID, Approval{}); err != nil {
				t.Fatal(err)
			}
			b.expectQueued(t)
			q := b.expectStatus(t, erase.ID, InReview)
			if !strings.Contains(q.Waiting, fmt.Sprintf("request %d of the same person", access.ID)) {
				t.Errorf("expected the erasure to say what it waits for, it says %q", q.Waiting)
			}
			expectNotNow(t, b.Approve(t.Context(), dpo, erase.ID, Approval{}), "approved already")
			if err := b.Withdraw(t.Context(), dpo, access.ID); err != nil {
				t.Fatal(err)
			}
			b.expectQueued(t, "letter withdrawn", "step erase crm", "step erase web")
			b.expectStatus(t, erase.ID, Running)
			expectNotNow(t, b.Approve(t.Context(), dpo, erase.ID, Approval{}), "is being carried out already")
		})
	}
}

// Two requests of one person that end at the same moment: the erasure that goes on
// from the one to the other is not left waiting for what has ended.
func TestErasureIsReleasedLate(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	access := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	export := b.submit(t, dpo, verified(ask(datamap.Export, "email", "karel@example.org"))).ID
	erase := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "karel@example.org"))).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, erase, Approval{}); err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 1)
	b.inTx(t, func(tx pgx.Tx) error {
		if err := b.move(t.Context(), tx, export, Withdrawn, system, nil); err != nil {
			return err
		}
		go func() { ends <- b.Withdraw(t.Context(), dpo, access) }()
		return b.lockWaits(t, 1)
	})
	if err := <-ends; err != nil {
		t.Fatal(err)
	}
	b.expectStatus(t, erase, InReview)
	if err := b.Minute(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b.expectStatus(t, erase, Running)
	b.worked(t)
	b.expectStatus(t, erase, Fulfilled)
}

// Rows that disagree on the person wait for the tick.
func TestRowsThatDisagree(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	out := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "png1@example.org")))
	b.done(t, out.ID, "discover",
		personRow("1", "png1@example.org", map[string]string{"name": "Pavla Ng"}, "email"),
		personRow("608", "PNG1@EXAMPLE.ORG", map[string]string{"name": "Ester Ng", "phone": "+420602123456"}, "email"))
	q := b.get(t, out.ID)
	if !q.Disagree || !strings.Contains(q.Waiting, "tick") {
		t.Fatalf("expected the rows to be shown as disagreeing, got %+v", q)
	}
	if err := b.Approve(t.Context(), dpo, out.ID, Approval{}); !errors.Is(err, ErrRows) {
		t.Fatalf("expected ErrRows without a tick, got %v", err)
	}
	err := b.Approve(t.Context(), dpo, out.ID, Approval{Rows: []string{"crm.people:1", "crm.people:609"}})
	if got := fields(err)["rows"]; !strings.HasPrefix(got, "Row 2 ") || strings.Contains(got, "609") {
		t.Fatalf("expected a sentence about the second row that does not repeat it, got %q", got)
	}
	b.take(t)
	if err := b.Approve(t.Context(), dpo, out.ID, Approval{Rows: []string{"crm.people:1"}}); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "step erase crm", "step erase web")
	for _, r := range b.get(t, out.ID).Roots {
		if r.Ticked == nil || *r.Ticked != (r.Key == "1") {
			t.Errorf("expected row 1 to be ticked and row 608 left, row %s is %v", r.Key, r.Ticked)
		}
	}
	if to := b.addressOf(t, out.ID); to != "png1@example.org" {
		t.Errorf("expected letters to go to the ticked row's address, got %q", to)
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	refused := b.submit(t, dpo, verified(ask(datamap.Access, "email", "a@example.org")))
	b.done(t, refused.ID, "discover", personRow("1", "a@example.org", nil, "email"))
	extended := b.submit(t, dpo, verified(ask(datamap.Access, "email", "b@example.org")))
	unknown := b.submit(t, dpo, ask(datamap.Access, "email", "c@example.org"))
	b.take(t)

	if got := fields(b.Refuse(t.Context(), dpo, refused.ID, "  "))["reason"]; !strings.Contains(got, "Give the reasons") {
		t.Errorf("expected a refusal without reasons to be refused, got %q", got)
	}
	if err := b.Refuse(t.Context(), dpo, refused.ID, "The request is manifestly excessive,\nas it is the ninth this year."); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "letter refused")
	q := b.expectStatus(t, refused.ID, Refused)
	if !strings.Contains(q.Reason, "ninth") || q.ScrubAt.Sub(q.FinishedAt) != defaultScrubAfter || q.Letters[0].To != "a@example.org" {
		t.Errorf("expected the reason, the time of scrubbing and the letter's address, got %+v", q)
	}
	expectNotNow(t, b.Refuse(t.Context(), dpo, refused.ID, "Again."), "which is an end")
	expectNotNow(t, b.Extend(t.Context(), dpo, refused.ID, "Later."), "nothing to extend")

	if err := b.Extend(t.Context(), dpo, extended.ID, "Many systems."); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "letter extended")
	if q := b.get(t, extended.ID); !q.Extended || q.DueOn.Format(time.DateOnly) != "2026-09-07" {
		t.Errorf("expected the extended deadline 2026-09-07, got %s", q.DueOn)
	}
	expectNotNow(t, b.Extend(t.Context(), dpo, extended.ID, "Once more."), "extended already")

	if err := b.Refuse(t.Context(), dpo, unknown.ID, "You cannot be identified."); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t) // no address on record: told by hand
	if q := b.get(t, unknown.ID); q.Letters[0].Status != "dropped" || q.Timeline[len(q.Timeline)-1].Type != "letter.skipped" {
		t.Errorf("expected the letter without an address to be on the record as skipped, got %+v", q.Letters)
	} else if !q.Letters[0].Nobody || !strings.Contains(q.Waiting, "tell the person in another way") {
		t.Errorf("expected the DPO to be told that nobody was written to, got %q and %+v", q.Waiting, q.Letters[0])
	} else {
		l, err := b.UnsentLetter(t.Context(), dpo, unknown.ID, q.Letters[0].ID)
		if err != nil || l.Kind != "refused" || l.Reason != "You cannot be identified." {
			t.Errorf("expected the letter to be there to be read, got %+v, %v", l, err)
		}
		if _, err := b.UnsentLetter(t.Context(), stranger, unknown.ID, q.Letters[0].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("expected it to be nobody else's to read, got %v", err)
		}
	}
	if _, err := b.UnsentLetter(t.Context(), dpo, refused.ID, b.get(t, refused.ID).Letters[0].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("expected a letter that goes out by mail not to be shown, got %v", err)
	}
	received := b.submit(t, dpo, ask(datamap.Access, "email", "a@example.org")).ID
	expectNotNow(t, b.Approve(t.Context(), dpo, received, Approval{}), "verify the identities yourself, or wait")
}

// The first month is over at midnight in Prague, not in London.
func TestExtendWithinTheFirstMonth(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "a@example.org"))).ID
	b.clock.set(instant(t, "2026-07-07T22:00:00Z"))
	expectNotNow(t, b.Extend(t.Context(), dpo, id, "Many systems."), "by 7 July 2026")
	b.clock.set(instant(t, "2026-07-07T21:59:59Z"))
	if err := b.Extend(t.Context(), dpo, id, "Many systems."); err != nil {
		t.Errorf("expected the last second of the first month to be in time, got %v", err)
	}
}

func TestWithdrawByToken(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	open := b.submit(t, person, Submission{Controller: "bota", Kind: datamap.Access, Channel: "form", Identities: []Identity{{"email", "a@example.org"}}})
	b.take(t)
	if err := b.WithdrawByToken(t.Context(), open.StatusToken); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t) // never confirmed: no mail to somebody who may be a stranger
	q := b.expectStatus(t, open.ID, Withdrawn)
	for _, st := range q.Steps {
		if st.Status != "dropped" {
			t.Errorf("expected the steps that waited to be dropped, got %+v", st)
		}
	}
	// Who filed in somebody's name cannot end what that person has confirmed.
	filed := b.submit(t, person, Submission{Controller: "bota", Kind: datamap.Access, Channel: "form", Identities: []Identity{{"email", "c@example.org"}}})
	b.done(t, filed.ID, "locate")
	if _, err := b.Confirm(t.Context(), b.confirmLink(t, filed.ID, 0)); err != nil {
		t.Fatal(err)
	}
	expectNotNow(t, b.WithdrawByToken(t.Context(), filed.StatusToken), "by the link to its status in the mail")
	if info, err := b.Token(t.Context(), filed.StatusToken, "status"); err != nil || info.CanWithdraw {
		t.Errorf("expected the form's status page to go on showing, without a way to withdraw; got %+v, %v", info, err)
	}
	var mailed string
	b.inTx(t, func(tx pgx.Tx) error {
		r, err := loadRequest(t.Context(), tx, filed.ID, false)
		if err != nil {
			return err
		}
		link, err := b.statusLink(t.Context(), tx, r, nil)
		mailed = link[strings.LastIndex(link, "/")+1:]
		return err
	})
	if err := b.WithdrawByToken(t.Context(), mailed); err != nil {
		t.Errorf("expected the link that was mailed to take it back, got %v", err)
	}
	b.expectStatus(t, filed.ID, Withdrawn)
	running := b.submit(t, dpo, verified(ask(datamap.Access, "email", "b@example.org")))
	b.done(t, running.ID, "discover")
	if err := b.Approve(t.Context(), dpo, running.ID, Approval{}); err != nil {
		t.Fatal(err)
	}
	expectNotNow(t, b.WithdrawByToken(t.Context(), running.StatusToken), "can no longer be withdrawn")
}
