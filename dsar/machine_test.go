package dsar

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A kill at each point of an erasure: nothing is erased twice, nothing lost,
// and the counts are those of the transaction that committed.
func TestErasureKilled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		kill     func(m *memory)
		meanly   func(m *memory) // what the source says afterwards
		erasures int
	}{
		{"after the source's commit, before ours", func(m *memory) { m.afterCommit = func() { panic(killed) } }, nil, 1},
		{"after the note, before the source's commit", func(m *memory) { m.beforeCommit = func(source.Note) { panic(killed) } }, nil, 1},
		{"committed, and the source has forgotten it", func(m *memory) { m.afterCommit = func() { panic(killed) } },
			func(m *memory) { m.outcome["1"] = source.Unknown }, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newWork(t)
			b.people.set(func() { tc.kill(b.people) })
			id := b.approved(t, datamap.Erasure, "karel@example.org")
			errs := b.work(t)
			if len(errs) != 1 || !errors.Is(errs[0], errKilled) {
				t.Fatalf("expected one killed job, got %v", errs)
			}
			b.expectStatus(t, id, Running)
			b.people.set(func() {
				b.people.afterCommit, b.people.beforeCommit = nil, nil
				if tc.meanly != nil {
					tc.meanly(b.people)
				}
			})
			if err := b.run(t, b.job(t, id, "erase", "crm")); err != nil {
				t.Fatalf("expected the second run to end well, got %v", err)
			}
			b.worked(t)
			q := b.expectStatus(t, id, Fulfilled)
			if f := findingIn(t, q.Findings, "crm.people"); f.Erased != 1 {
				t.Errorf("expected one erased row on the record, got %d", f.Erased)
			}
			if b.people.erasures != tc.erasures {
				t.Errorf("expected %d committed transactions in the source, got %d", tc.erasures, b.people.erasures)
			}
			if got := strings.Join(b.people.keysOf("crm.people"), " "); got != "1 3 4 5" {
				t.Errorf("expected row 2 gone and no other, got %s", got)
			}
			b.mail.one(t, "erased")
		})
	}
}

// While the noted transaction is in progress the step waits.
func TestErasureInProgress(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() { b.people.afterCommit = func() { panic(killed) } })
	id := b.approved(t, datamap.Erasure, "karel@example.org")
	b.work(t)
	b.people.set(func() { b.people.afterCommit = nil; b.people.outcome["1"] = source.InProgress })
	err := b.run(t, b.job(t, id, "erase", "crm"))
	if perm := (*Permanent)(nil); err == nil || errors.As(err, &perm) {
		t.Fatalf("expected a passing error, got %v", err)
	}
	if st := b.step(t, id, "erase", "crm"); st.Status != "waiting" || st.Error != "source_busy" {
		t.Errorf("expected the step to wait because the source is busy, it is %s (%s)", st.Status, st.Error)
	}
	b.people.set(func() { delete(b.people.outcome, "1") })
	if err := b.run(t, b.job(t, id, "erase", "crm")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}

// A run that hung and comes back after another took its step writes nothing.
func TestSupersededAttempt(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Erasure, "karel@example.org")
	w := b.job(t, id, "erase", "crm")
	first := true
	b.people.set(func() {
		b.people.beforeCommit = func(source.Note) {
			if !first {
				return
			}
			first = false
			b.people.set(func() { b.people.outcomes["1"] = source.Aborted })
			if err := b.run(t, w); err != nil { // the second attempt overtakes
				t.Errorf("expected the second attempt to end well, got %v", err)
			}
			panic(killed)
		}
	})
	b.work(t)
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if f := findingIn(t, q.Findings, "crm.people"); f.Erased != 1 {
		t.Errorf("expected one erased row on the record, got %d", f.Erased)
	}
	if err := b.run(t, w); err != nil {
		t.Errorf("expected a stale job to be nothing to do, got %v", err)
	}
}

// Rows that come in during an erasure: of the same person they are erased, too;
// of somebody else's name they are left, and the DPO is told.
func TestRowsThatAppear(t *testing.T) {
	t.Parallel()
	t.Run("same person", func(t *testing.T) {
		t.Parallel()
		b := newWork(t)
		b.appear(map[string]string{"id": "9", "firm": "1", "name": "Karel Novák", "mail": "KAREL@example.org"})
		id := b.approved(t, datamap.Erasure, "karel@example.org")
		b.worked(t)
		q := b.expectStatus(t, id, Fulfilled)
		if f := findingIn(t, q.Findings, "crm.people"); f.Erased != 2 {
			t.Errorf("expected both rows on the record, got %d", f.Erased)
		}
		if got := strings.Join(b.people.keysOf("crm.people"), " "); got != "1 3 4 5" {
			t.Errorf("expected rows 2 and 9 gone, got %s", got)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		t.Parallel()
		b := newWork(t)
		b.appear(map[string]string{"id": "9", "firm": "1", "name": "Somebody Else", "mail": "karel@example.org"})
		id := b.approved(t, datamap.Erasure, "karel@example.org")
		b.work(t)
		st := b.step(t, id, "erase", "crm")
		if st.Status != "failed" || st.Error != "new_rows" || strings.Contains(st.Message, "Somebody") {
			t.Fatalf("expected the step to wait for the DPO without naming anybody, it is %s (%s): %s", st.Status, st.Error, st.Message)
		}
		b.expectStatus(t, id, Running)
		if err := b.Retry(t.Context(), dpo, id); err != nil {
			t.Fatal(err)
		}
		b.worked(t)
		q := b.expectStatus(t, id, Fulfilled)
		if f := findingIn(t, q.Findings, "crm.people"); f.Erased != 1 {
			t.Errorf("expected one erased row on the record after the retry, got %d", f.Erased)
		}
		if got := strings.Join(b.people.keysOf("crm.people"), " "); got != "1 3 4 5 9" {
			t.Errorf("expected row 9 to be left, got %s", got)
		}
	})
}

// appear lets a row come in just after the next erasure's commit.
func (b *workBundle) appear(row map[string]string) {
	b.people.set(func() {
		b.people.afterCommit = func() {
			b.people.set(func() {
				b.people.rows["crm.people"] = append(b.people.rows["crm.people"], row)
				b.people.afterCommit = nil
			})
		}
	})
}

// A held row stays, is counted apart, and the letter says so.
func TestHeldRows(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.held[source.RowKey{Collection: "crm.people", Key: "2"}] = struct{}{}
	id := b.approved(t, datamap.Erasure, "karel@example.org")
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if f := findingIn(t, q.Findings, "crm.people"); f.Held != 1 || f.Erased != 0 {
		t.Errorf("expected one held row and none erased, got %d and %d", f.Held, f.Erased)
	}
	if f := findingIn(t, b.mail.one(t, "erased").Findings, "crm.people"); f.Held != 1 {
		t.Errorf("expected the letter to say what is kept, got %d held rows", f.Held)
	}
}

// One source fails: the others go on, the DPO reads why, retry finishes.
func TestOneSourceFails(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org"))).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.web.set(func() {
		b.web.fail = &pgconn.PgError{Code: "42501", Message: "permission denied for table browsers", Detail: "pavla@example.org"}
	})
	errs := b.work(t)
	var perm *Permanent
	if len(errs) != 1 || !errors.As(errs[0], &perm) || perm.Code != "source_rights" {
		t.Fatalf("expected one permanent error about rights, got %v", errs)
	}
	if strings.Contains(errs[0].Error(), "pavla") {
		t.Errorf("expected no contents in the error, got %v", errs[0])
	}
	if st := b.step(t, id, "erase", "crm"); st.Status != "done" {
		t.Errorf("expected the other source to be done, it is %s", st.Status)
	}
	st := b.step(t, id, "erase", "web")
	if st.Status != "failed" || !strings.Contains(st.Message, "Grant them") {
		t.Errorf("expected a sentence that says what to do, got %s: %q", st.Status, st.Message)
	}
	b.expectStatus(t, id, Running)
	b.web.set(func() { b.web.fail = nil })
	if err := b.Retry(t.Context(), reader, id); !errors.Is(err, ErrForbidden) {
		t.Errorf("expected a reader not to be allowed to retry, got %v", err)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	expectNotNow(t, b.Retry(t.Context(), dpo, id), "has failed")
}

// A source that is down is tried again; when the queue gives up, the DPO is told.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() { b.people.fail = &pgconn.PgError{Code: "57P03"} })
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	errs := b.work(t)
	if perm := (*Permanent)(nil); len(errs) != 1 || errors.As(errs[0], &perm) {
		t.Fatalf("expected one passing error, got %v", errs)
	}
	st := b.step(t, id, "discover", "crm")
	if st.Status != "waiting" || !strings.Contains(st.Message, "tries again") {
		t.Errorf("expected the step to wait and say so, it is %s: %q", st.Status, st.Message)
	}
	w := b.job(t, id, "discover", "crm")
	if err := b.GiveUp(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	st = b.step(t, id, "discover", "crm")
	if st.Status != "failed" || !strings.Contains(st.Message, "has tried several times") {
		t.Errorf("expected the step to be failed and say so, it is %s: %q", st.Status, st.Message)
	}
	if err := b.GiveUp(t.Context(), w); err != nil {
		t.Errorf("expected giving up twice to do no harm, got %v", err)
	}
	b.people.set(func() { b.people.fail = nil })
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if st := b.step(t, id, "discover", "crm"); st.Status != "done" || st.Message != "" {
		t.Errorf("expected the step to be done after retry, it is %s: %q", st.Status, st.Message)
	}
}

// A kill between storing the archive and noting it leaves no object behind.
func TestArchiveKilled(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Access, "karel@example.org")
	w := b.job(t, id, "archive", "")
	// The first attempt stores its object, and dies before the end of the step.
	st, _, err := b.claimStep(t.Context(), w.ID, w.Run)
	if err != nil {
		t.Fatal(err)
	}
	r, err := loadRequest(t.Context(), b.pool, id, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.seal(t.Context(), st, r); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if _, err := b.download(t, b.mail.one(t, "archive")); err != nil {
		t.Fatal(err)
	}
	var note archiveNote
	var cipher []byte
	if err := b.pool.QueryRow(t.Context(), `SELECT note_cipher FROM steps WHERE id = $1`, w.ID).Scan(&cipher); err != nil {
		t.Fatal(err)
	}
	if err := b.openJSON(place(stepOf, w.ID), cipher, &note); err != nil {
		t.Fatal(err)
	}
	if len(note.Objects) != 2 {
		t.Fatalf("expected both attempts' objects to be noted, got %d", len(note.Objects))
	}
	if _, err := b.c.Storage.Open(t.Context(), note.Objects[0]); err == nil {
		t.Error("expected the first attempt's object to be deleted")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err     error
		code    string
		says    string
		passing bool
	}{
		{&pgconn.PgError{Code: "28P01", Message: `password authentication failed for user "x"`}, "source_signin", "user and password", false},
		{&pgconn.PgError{Code: "3D000"}, "source_database", "has no database", false},
		{&pgconn.PgError{Code: "42P01", Message: `relation "people" does not exist`}, "source_table", "the table people", false},
		{&pgconn.PgError{Code: "42703", Message: `column "mail" does not exist`}, "source_column", "the column mail", false},
		{&pgconn.PgError{Code: "25006"}, "source_read_only", "read-only", false},
		{&pgconn.PgError{Code: "57014"}, "source_slow", "longer than allowed", true},
		{&pgconn.PgError{Code: "40P01"}, "source_busy", "busy", true},
		{&pgconn.PgError{Code: "53300"}, "source_full", "no connection", true},
		{&pgconn.PgError{Code: "57P01"}, "source_down", "cannot be reached", true},
		{&pgconn.PgError{Code: "23503", TableName: "orders"}, "source_constraint", "the table orders", false},
		{&pgconn.PgError{Code: "XX001", Message: "secret"}, "XX001", "XX001", false},
		{errors.New("dial tcp: secret"), "source_down", "cannot be reached", true},
	} {
		f := explain(&sourceError{"crm", tc.err})
		if f.code != tc.code || f.passing != tc.passing || !strings.Contains(f.sentence, tc.says) {
			t.Errorf("%v: expected %s, passing %v, saying %q; got %+v", tc.err, tc.code, tc.passing, tc.says, f)
		}
		if strings.Contains(f.sentence, "secret") || strings.Contains(f.err("step", tc.err).Error(), "secret") {
			t.Errorf("%v: expected no contents in the sentence or the error", tc.code)
		}
	}
}

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

// Two sources that end at the same moment: exactly one goes on to the letters.
func TestSourcesEndTogether(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.take(t)
	jobs := []Work{b.job(t, id, "erase", "crm"), b.job(t, id, "erase", "web")}
	// Each waits, after its commit, for the other's.
	var both sync.WaitGroup
	both.Add(2)
	meet := func() { both.Done(); both.Wait() }
	b.people.set(func() { b.people.afterCommit = meet })
	b.web.set(func() { b.web.afterCommit = meet })
	errs := make(chan error, 2)
	for _, w := range jobs {
		go func() { errs <- b.RunStep(t.Context(), w.ID, w.Run) }()
	}
	for range jobs {
		if err := <-errs; err != nil {
			t.Errorf("expected both steps to end well, got %v", err)
		}
	}
	b.expectQueued(t, "letter erased", "letter notice")
}

// Rows that match and that the DPO left stay, and the letter says so without
// saying whose they are.
func TestRowsLeft(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Erasure, "two@example.org", "crm.people:4")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := strings.Join(b.people.keysOf("crm.people"), " "); got != "1 2 3 5" {
		t.Errorf("expected the ticked row 4 gone and row 5 left, got %s", got)
	}
	if kept := b.mail.one(t, "erased").Kept; len(kept) != 1 || !strings.Contains(kept[0], "certainty") {
		t.Errorf("expected the letter to say that something was left, got %q", kept)
	}
}
