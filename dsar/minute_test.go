package dsar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// What a sweep may not touch: the rows of open requests, each controller's apart.
func TestOpenWalks(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, person, ask(datamap.Erasure, "email", "karel@example.org")).ID
	b.submit(t, person, ask(datamap.Access, "phone", "+420601000001"))
	walks, err := b.OpenWalks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(walks) != 1 || len(walks[0].Seeds) != 2 || walks[0].Scope != "1" || walks[0].Plan.Kind != datamap.Access {
		t.Fatalf("expected one walk of both requests of the controller, by the access plan, got %d", len(walks))
	}
	if err := b.Withdraw(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	if walks, err = b.OpenWalks(t.Context()); err != nil || len(walks) != 1 || len(walks[0].Seeds) != 1 {
		t.Errorf("expected the withdrawn request's seed to be gone (error %v)", err)
	}
	picked := b.submit(t, dpo, verified(ask(datamap.Erasure, datamap.Row, "crm.people:1"))).ID
	if walks, err = b.OpenWalks(t.Context()); err != nil || len(walks) != 1 || !slices.Contains(walks[0].Seeds, source.Seed{Type: "row:crm.people", Value: "1"}) {
		t.Errorf("expected the picked row among what is walked from (error %v)", err)
	}
	if _, err := b.pool.Exec(t.Context(), `UPDATE identities SET type = 'gone' WHERE request_id = $1`, picked); err != nil {
		t.Fatal(err)
	}
	if _, err = b.OpenWalks(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("request %d", picked)) {
		t.Errorf("expected request %d named, which starts from a type that the map has no more, got %v", picked, err)
	}
}

// minute does what time asks for, with no job alive.
func (b *workBundle) minute(t *testing.T) {
	t.Helper()
	if err := b.Minute(t.Context(), nil); err != nil {
		t.Fatalf("expected the minute to pass well, got %v", err)
	}
}

// Reminded once after three days, with a link that works; lapsed after a month.
func TestRemindAndLapse(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, person, ask(datamap.Access, "email", "karel@example.org")).ID
	kept := b.submit(t, person, ask(datamap.Access, "email", "nobody@example.org")).ID
	b.worked(t)
	b.minute(t)
	b.worked(t)
	if n := len(b.mail.letters("remind")); n != 0 {
		t.Fatalf("expected no reminder on the first day, got %d", n)
	}
	b.clock.set(b.clock.now().Add(73 * time.Hour))
	b.minute(t)
	b.worked(t)
	b.minute(t)
	b.worked(t)
	reminders := b.mail.letters("remind")
	if len(reminders) != 2 {
		t.Fatalf("expected one reminder for each request, got %d", len(reminders))
	}
	for _, l := range reminders {
		if l.RequestID == kept {
			if _, err := b.Confirm(t.Context(), token(l)); err != nil {
				t.Fatalf("expected the reminder's link to work, got %v", err)
			}
		}
	}
	b.clock.set(b.clock.now().Add(28 * 24 * time.Hour))
	b.minute(t)
	b.expectStatus(t, id, Lapsed)
	b.expectStatus(t, kept, InReview)
}

// Steps and letters whose job is gone are queued again, others left alone.
func TestReconcile(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	b.take(t) // the queue has lost everything
	lost := b.job(t, id, "discover", "crm")
	living := b.job(t, id, "discover", "web")
	alive := func(_ context.Context, _ []Work) (map[Work]bool, error) { return map[Work]bool{living: true}, nil }
	if err := b.Minute(t.Context(), alive); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t) // too early
	b.clock.set(b.clock.now().Add(6 * time.Minute))
	if err := b.Minute(t.Context(), alive); err != nil {
		t.Fatal(err)
	}
	if next := b.job(t, id, "discover", "crm"); next.Run != lost.Run+1 {
		t.Errorf("expected the lost step to have run %d, it has %d", lost.Run+1, next.Run)
	}
	if next := b.job(t, id, "discover", "web"); next.Run != living.Run {
		t.Errorf("expected the living step to be left alone, it has run %d", next.Run)
	}
	b.expectQueued(t, "step discover crm")
}
