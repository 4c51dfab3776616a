package dsar

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Every pair of statuses: what the table allows works, anything else is
// refused with a sentence and changes nothing.
func TestMoves(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	all := []Status{Received, InReview, Running, Fulfilled, Refused, Withdrawn, Lapsed}
	for _, from := range all {
		for _, to := range all {
			id := b.submit(t, dpo, ask(datamap.Access, "email", "a@example.org")).ID
			if _, err := b.pool.Exec(t.Context(), `UPDATE requests SET status = $2 WHERE id = $1`, id, from); err != nil {
				t.Fatal(err)
			}
			allowed := slices.Contains(moves[from], to)
			err := pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return b.move(t.Context(), tx, id, to, system, nil) })
			var notNow *NotNow
			switch {
			case allowed && err != nil:
				t.Errorf("%s to %s: expected to be allowed, got %v", from, to, err)
			case !allowed && !errors.As(err, &notNow):
				t.Errorf("%s to %s: expected a sentence, got %v", from, to, err)
			}
			q := b.get(t, id)
			want := from
			if allowed {
				want = to
			}
			if q.Status != want {
				t.Errorf("%s to %s: expected the status %s, it is %s", from, to, want, q.Status)
			}
			if ended := allowed && !to.isOpen(); ended == q.ScrubAt.IsZero() {
				t.Errorf("%s to %s: expected a time of scrubbing at an end, and only there; it is %s", from, to, q.ScrubAt)
			}
		}
	}
}

// A request is never fulfilled while a step of its work is not.
func TestNotFulfilledBeforeItsSteps(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "a@example.org"))).ID
	b.done(t, id, "discover")
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	fulfil := func() error {
		return pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return b.move(t.Context(), tx, id, Fulfilled, system, nil) })
	}
	expectNotNow(t, fulfil(), "2 of its steps are still open")
	b.done(t, id, "erase")
	if err := fulfil(); err != nil {
		t.Fatal(err)
	}
}

// The outbox: a letter sent stays sent, any other is replaced, and the
// Message-ID is the same each time.
func TestAddLetter(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	id := b.submitted(t, "a@example.org")
	b.take(t)
	add := func(link string) (letter int64, messageID string) {
		b.inTx(t, func(tx pgx.Tx) error {
			r, err := loadRequest(t.Context(), tx, id, true)
			if err != nil {
				return err
			}
			return b.addLetter(t.Context(), tx, r, "confirm", "", 0, letterContent{To: "a@example.org", Link: link})
		})
		if err := b.pool.QueryRow(t.Context(), `SELECT id, message_id FROM letters WHERE request_id = $1 AND kind = 'confirm'`, id).Scan(&letter, &messageID); err != nil {
			t.Fatal(err)
		}
		return letter, messageID
	}
	one, first := add("https://privacy.bota.example/confirm/1")
	two, second := add("https://privacy.bota.example/confirm/2")
	if one != two || first != second {
		t.Errorf("expected the same letter and Message-ID, got %d %s and %d %s", one, first, two, second)
	}
	b.expectQueued(t, "letter confirm", "letter confirm")
	if _, err := b.pool.Exec(t.Context(), `UPDATE letters SET status = 'sent' WHERE id = $1`, one); err != nil {
		t.Fatal(err)
	}
	add("https://privacy.bota.example/confirm/3")
	b.expectQueued(t)
	if got := b.get(t, id).Letters; len(got) != 1 || got[0].Status != "sent" {
		t.Errorf("expected the letter to stay sent, got %+v", got)
	}
}
