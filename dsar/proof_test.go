package dsar

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Each identity is proved by itself, by the link made for it.
func TestConfirmProvesOnlyItsIdentities(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	out := b.submit(t, person, Submission{
		Controller: "bota", Kind: datamap.Access, Channel: "form",
		Identities: []Identity{{"email", "png1@example.org"}, {"phone", "+420602123456"}},
	})
	b.expectQueued(t, "step locate crm", "step locate web")
	b.expectStatus(t, out.ID, Received)
	mail, phone := b.confirmLink(t, out.ID, 0), b.confirmLink(t, out.ID, 1)

	info, err := b.Token(t.Context(), mail, "confirm")
	if err != nil || info.RequestID != out.ID || info.Status != Received || info.UsesLeft != 1 {
		t.Fatalf("expected to be shown the link's request without using it, got %+v, %v", info, err)
	}
	if _, err := b.Confirm(t.Context(), mail); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "step discover crm", "step discover web")
	q := b.expectStatus(t, out.ID, InReview)
	if q.Identities[0].ProvedAt.IsZero() || q.Identities[0].How != byLink || !q.Identities[1].ProvedAt.IsZero() {
		t.Fatalf("expected the address alone to be proved, got %+v", q.Identities)
	}
	if seeds := b.seeds(q.Identities, true); len(seeds) != 1 || seeds[0].Type != "email" {
		t.Errorf("expected the walk to start from the proved address only, got %d seeds", len(seeds))
	}
	b.done(t, out.ID, "discover")
	if _, err := b.Confirm(t.Context(), phone); err != nil {
		t.Fatal(err)
	}
	b.expectQueued(t, "step discover crm", "step discover web")
	q = b.expectStatus(t, out.ID, InReview)
	for _, st := range q.Steps {
		if st.Stage == "discover" && (st.Run != 2 || st.Status != "waiting") {
			t.Errorf("expected the search to run again after the second proof, got %+v", st)
		}
	}
}

// One and the same answer for every token that does not work.
func TestTokensThatDoNotWork(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	out := b.submit(t, person, Submission{Controller: "bota", Kind: datamap.Access, Channel: "form", Identities: []Identity{{"email", "a@example.org"}}})
	used, late, moot := b.confirmLink(t, out.ID, 0), b.confirmLink(t, out.ID, 0), b.confirmLink(t, out.ID, 0)
	if _, err := b.Confirm(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	if err := b.Refuse(t.Context(), dpo, b.submitted(t, "b@example.org"), "Not the person."); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"wrong": "AAAA", "empty": "", "used": used, "foreign": out.StatusToken, "hostile": "'; DROP TABLE tokens; --\x00",
	} {
		if _, err := b.Confirm(t.Context(), token); !errors.Is(err, ErrNoToken) {
			t.Errorf("%s token: expected ErrNoToken, got %v", name, err)
		}
		if _, err := b.Token(t.Context(), token, "confirm"); !errors.Is(err, ErrNoToken) {
			t.Errorf("%s token: expected ErrNoToken before the button, too, got %v", name, err)
		}
	}
	if _, err := b.Token(t.Context(), out.StatusToken, "download"); !errors.Is(err, ErrNoToken) {
		t.Errorf("a status token as download: expected ErrNoToken, got %v", err)
	}
	b.clock.set(b.clock.now().Add(8 * 24 * time.Hour))
	if _, err := b.Confirm(t.Context(), late); !errors.Is(err, ErrNoToken) {
		t.Errorf("expired token: expected ErrNoToken, got %v", err)
	}
	b.clock.set(b.clock.now().Add(-8 * 24 * time.Hour))
	if err := b.Withdraw(t.Context(), dpo, out.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Confirm(t.Context(), moot); !errors.Is(err, ErrNoToken) {
		t.Errorf("token of a withdrawn request: expected ErrNoToken, got %v", err)
	}
	info, err := b.Token(t.Context(), out.StatusToken, "status")
	if err != nil || info.Status != Withdrawn || info.CanWithdraw {
		t.Errorf("expected the status page to go on showing the end, got %+v, %v", info, err)
	}
}

// Two open requests of one subject become one; nothing else does.
func TestJoin(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	first := b.submit(t, dpo, verified(ask(datamap.Access, "email", "pavla@example.org")))
	b.take(t)
	paper := verified(ask(datamap.Access, "email", "PAVLA@example.org"))
	paper.ReceivedAt = instant(t, "2026-06-01")
	second := b.submit(t, dpo, paper)
	if !second.Joined || second.Into != first.ID {
		t.Fatalf("expected the second request to be joined into %d, got %+v", first.ID, second)
	}
	b.expectQueued(t)
	q := b.expectStatus(t, second.ID, Withdrawn)
	if q.JoinedInto != first.ID || q.ScrubAt.IsZero() {
		t.Errorf("expected the newer request to end in the older one and be scrubbed, got %+v", q)
	}
	if info, err := b.Token(t.Context(), second.StatusToken, "status"); err != nil || !info.Joined {
		t.Errorf("expected the newer one's status page to say that it was joined, got %+v, %v", info, err)
	}
	if got := b.expectStatus(t, first.ID, InReview).DueOn.Format(time.DateOnly); got != "2026-07-01" {
		t.Errorf("expected the earlier deadline to count, got %s", got)
	}
	for name, sub := range map[string]Submission{
		"another kind":    verified(ask(datamap.Export, "email", "pavla@example.org")),
		"another set":     verified(ask(datamap.Access, "email", "pavla@example.org", "phone", "+420602123456")),
		"another address": verified(ask(datamap.Access, "email", "pavel@example.org")),
		"not proved":      ask(datamap.Access, "email", "pavla@example.org"),
	} {
		if out := b.submit(t, dpo, sub); out.Joined {
			t.Errorf("%s: expected a request of its own, it was joined", name)
		}
	}
	other := verified(ask(datamap.Access, "email", "pavla@example.org"))
	other.Controller = "uhr"
	if out := b.submit(t, operator, other); out.Joined {
		t.Error("expected another controller's request to be left alone, it was joined")
	}
}

// A field of the request narrows what is searched: whoever asks for less and then
// for all has asked for two things, also where a link proves the second.
func TestRequestsOfOtherFieldsAreNotJoined(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	of := func(branch string) Submission {
		sub := verified(ask(datamap.Access, "email", "pavla@example.org"))
		if branch != "" {
			sub.Fields = map[string]string{"branch": branch}
		}
		return sub
	}
	brno := b.submit(t, dpo, of("Brno"))
	for _, branch := range []string{"Praha", ""} {
		if out := b.submit(t, dpo, of(branch)); out.Joined {
			t.Errorf("branch %q: expected a request of its own beside that of Brno, it was joined", branch)
		}
	}
	if out := b.submit(t, dpo, of("Brno")); out.Into != brno.ID {
		t.Errorf("expected the same branch to be joined into %d, got %+v", brno.ID, out)
	}
	form := ask(datamap.Access, "email", "pavla@example.org")
	form.Fields = map[string]string{"branch": "Zlín"}
	out := b.submit(t, dpo, form)
	if _, err := b.Confirm(t.Context(), b.confirmLink(t, out.ID, 0)); err != nil {
		t.Fatal(err)
	}
	if q := b.expectStatus(t, out.ID, InReview); q.Fields["branch"] != "Zlín" {
		t.Errorf("expected staff to see what narrows the request, got %d fields", len(q.Fields))
	}
	if err := b.Withdraw(t.Context(), dpo, out.ID); err != nil {
		t.Fatal(err)
	}
	if q := b.expectStatus(t, out.ID, Withdrawn); len(q.Fields) != 0 {
		t.Errorf("expected the value to be forgotten with the request's end, got %d fields", len(q.Fields))
	}
}

// A subject would narrow by guesswork, and learn from the answer whether a guess is right.
func TestSubjectsNarrowNothing(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	sub := ask(datamap.Access, "email", "pavla@example.org")
	sub.Fields, sub.Channel = map[string]string{"branch": "Brno"}, "form"
	for _, a := range []Actor{{Name: "subject", Controllers: []string{"bota"}}, dpo} { // staff, too, where they fill in the public form
		if _, err := b.Submit(t.Context(), a, sub); fields(err)["fields"] == "" {
			t.Errorf("%s by the public form: expected a sentence about the fields, got %v", a.Name, err)
		}
	}
	sub.Channel, sub.Fields["branch"] = "console", "Brno\x00"
	if _, err := b.Submit(t.Context(), dpo, sub); fields(err)["fields.branch"] == "" {
		t.Errorf("a value that is no text: expected a sentence about the one field, got %v", err)
	}
}

// A field that is passed over would erase all where a part was asked for.
func TestFieldsThatNarrowNothingAreRefused(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	sub := verified(ask(datamap.Erasure, "visitor", "v-1"))
	sub.Fields = map[string]string{"branch": "Brno"}
	if _, err := b.Submit(t.Context(), dpo, sub); fields(err)["fields.branch"] == "" {
		t.Errorf("a visitor leads to no branch: expected a sentence about the field, got %v", err)
	}
	asked := sub
	asked.Kind = datamap.Access
	if _, err := b.Preview(t.Context(), dpo, asked); fields(err)["fields.branch"] == "" {
		t.Errorf("a preview of it: expected a sentence about the field, got %v", err)
	}
}

// The identity that leads to what a field narrows may be the one that nobody proves.
func TestNothingIsFoundWhereAFieldNarrowsNothing(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	sub := ask(datamap.Erasure, "visitor", "v1", "email", "karel@example.org")
	sub.Fields = map[string]string{"branch": "Brno"}
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	verify := func(typ string) {
		for _, one := range b.get(t, id).Identities {
			if one.Type == typ {
				if err := b.Verify(t.Context(), dpo, id, one.ID, "called back"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	verify("visitor")
	b.work(t)
	if q := b.get(t, id); !strings.Contains(q.Waiting, "narrowed by a field") || len(q.Findings) != 0 {
		t.Errorf("expected the search to stop and say why, it says %q and found %d collections", q.Waiting, len(q.Findings))
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: []string{"all"}}); err == nil {
		t.Error("expected no approval of a search that was not narrowed")
	}
	verify("email")
	b.worked(t)
	if q := b.get(t, id); len(q.Findings) == 0 {
		t.Errorf("expected the search to go on once the other identity is proved, it says %q", q.Waiting)
	}
}

// A new key does not tear apart what belongs together.
func TestJoinAndWaitAcrossKeyRotation(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	first := b.submit(t, dpo, verified(ask(datamap.Access, "email", "pavla@example.org")))
	if err := b.c.Keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if second := b.submit(t, dpo, verified(ask(datamap.Access, "email", "pavla@example.org"))); second.Into != first.ID {
		t.Errorf("expected the request under the new key to be joined into %d, got %+v", first.ID, second)
	}
	erase := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org", "phone", "+420602123456")))
	b.done(t, erase.ID, "discover")
	if err := b.Approve(t.Context(), dpo, erase.ID, Approval{}); err != nil {
		t.Fatal(err)
	}
	if q := b.expectStatus(t, erase.ID, InReview); !strings.Contains(q.Waiting, "Approved; waits for request") {
		t.Errorf("expected the erasure to wait for the access request under the old key, it says %q", q.Waiting)
	}
}

// The older request may be the one proved later: it still answers for both.
func TestJoinByLaterProofOfTheOlder(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	older := b.submit(t, dpo, ask(datamap.Access, "email", "pavla@example.org"))
	newer := b.submit(t, dpo, verified(ask(datamap.Access, "email", "pavla@example.org")))
	if _, err := b.Confirm(t.Context(), b.confirmLink(t, older.ID, 0)); err != nil {
		t.Fatal(err)
	}
	b.expectStatus(t, older.ID, InReview)
	b.expectStatus(t, newer.ID, Withdrawn)
}

// Twenty proofs at once leave one open request.
func TestJoinAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	const n = 10
	var links []string
	for range n {
		out := b.submit(t, dpo, ask(datamap.Access, "email", "pavla@example.org", "phone", "+420602123456"))
		links = append(links, b.confirmLink(t, out.ID, 0, 1))
	}
	var wg sync.WaitGroup
	errs := make(chan error, 2*n)
	for i := range n {
		wg.Go(func() { _, err := b.Confirm(context.WithoutCancel(t.Context()), links[i]); errs <- err })
		wg.Go(func() {
			_, err := b.Submit(context.WithoutCancel(t.Context()), dpo, verified(ask(datamap.Access, "phone", "+420602123456", "email", "pavla@example.org")))
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil && !errors.Is(err, ErrNoToken) { // its request may have been joined just before
			t.Errorf("expected every proof to succeed or come too late, got %v", err)
		}
	}
	_, open, err := b.List(t.Context(), dpo, Filter{Statuses: []Status{InReview}})
	if err != nil || open != 1 {
		t.Errorf("expected one open request of the proved identities, got %d, %v", open, err)
	}
}

// Verify proves one identity, with words that name nobody.
func TestVerify(t *testing.T) {
	t.Parallel()
	b := newIntake(t)
	out := b.submit(t, dpo, ask(datamap.Access, "email", "a@example.org", "visitor", "viX"))
	ids := b.get(t, out.ID).Identities
	for _, how := range []string{"", "wrote from A@EXAMPLE.ORG", "called vix", "mailed x@y", "line\nbreak", strings.Repeat("x", 301)} {
		if fields(b.Verify(t.Context(), dpo, out.ID, ids[1].ID, how))["how"] == "" {
			t.Errorf("expected words like %q to be refused", how)
		}
	}
	if err := b.Verify(t.Context(), dpo, out.ID, ids[1].ID, "showed the browser at the counter"); err != nil {
		t.Fatal(err)
	}
	q := b.expectStatus(t, out.ID, InReview)
	if !q.Identities[0].ProvedAt.IsZero() || q.Identities[1].ProvedAt.IsZero() {
		t.Errorf("expected the visitor alone to be proved, got %+v", q.Identities)
	}
	expectNotNow(t, b.Verify(t.Context(), dpo, out.ID, ids[1].ID, "again"), "proved already")
	if fields(b.Verify(t.Context(), dpo, out.ID, 999, "again"))["identity"] == "" {
		t.Error("expected an identity of no request to be refused")
	}
}
