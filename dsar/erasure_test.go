package dsar

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

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
	l := b.mail.one(t, "erased")
	if f := findingIn(t, l.Findings, "crm.people"); f.Held != 1 {
		t.Errorf("expected the letter to say what is kept, got %d held rows", f.Held)
	}
	if l.Changed || l.Told {
		t.Errorf("expected the letter to say neither that something was erased nor that recipients are told of it, got %t and %t", l.Changed, l.Told)
	}
	b.approved(t, datamap.Erasure, "two@example.org", "all")
	b.worked(t)
	if all := b.mail.letters("erased"); !all[1].Changed || !all[1].Told {
		t.Errorf("expected the letter of another person to say that rows were erased and the recipient is told, got %t and %t", all[1].Changed, all[1].Told)
	}
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

// Two erasures that tell the same recipient do not wait for each other: what the
// first has written of the recipient is not written again by the second.
func TestErasuresDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.approved(t, datamap.Erasure, "karel@example.org")
	b.worked(t)
	b.mail.one(t, "notice")
	// A third erasure, not committed yet, has the recipients' rows in its hands.
	other, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `SELECT 1 FROM recipients FOR NO KEY UPDATE`); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	letGo := time.AfterFunc(10*time.Second, func() {
		close(waited)
		other.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // only so that the test ends
	})
	id := b.approved(t, datamap.Erasure, "two@example.org", "all")
	b.worked(t)
	if !letGo.Stop() {
		<-waited
		t.Fatal("expected the second erasure to go on while another one holds the recipient's row, it waited")
	}
	b.expectStatus(t, id, Fulfilled)
	if n := len(b.mail.letters("notice")); n != 2 {
		t.Errorf("expected both erasures to tell the recipient, %d did", n)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
