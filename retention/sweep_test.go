package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/source"
)

const oldTracks = `rules:
  - {name: old, collection: shop.tracks, starts_at: made_at, keep: P1M, then: delete, schedule: "0 3 * * *"}
`

// tracks adds n rows that began so many days before 1 November 2026.
func (w *world) tracks(n, days int) {
	w.t.Helper()
	w.exec(`INSERT INTO tracks (name, made_at) SELECT 'x', timestamptz '2026-11-01 12:00Z' - make_interval(days => $2) FROM generate_series(1, $1)`, n, days)
}

// due moves the clock to the next tick, claims it, and returns the sweep's work.
func (w *world) due() Work {
	w.t.Helper()
	w.clock.move(24 * time.Hour)
	if n, err := w.ClaimDue(w.t.Context()); err != nil || n != 1 {
		w.t.Fatalf("one rule is due and should be claimed, got %d, %v", n, err)
	}
	return w.queue.take()[0]
}

// finish runs slices until the sweep is over, and returns how it ended.
func (w *world) finish(work Work) Result {
	w.t.Helper()
	for range 100 {
		more, err := w.RunSlice(w.t.Context(), work.ID, work.Run, time.Minute)
		if err != nil {
			w.t.Fatalf("run slice: %v", err)
		}
		if !more {
			row, err := loadSweep(w.t.Context(), w.control, work.ID)
			if err != nil {
				w.t.Fatal(err)
			}
			return row.result(w.plan(row.Rule))
		}
	}
	w.t.Fatal("a sweep should end within a hundred slices")
	return Result{}
}

func TestMissedTicksRunOnceAndNoneIsDoubled(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks+`  - {name: other, collection: shop.tracks, starts_at: made_at, keep: P1Y, then: delete, schedule: "0 4 * * *"}
`, nil)
	if n, err := w.ClaimDue(t.Context()); err != nil || n != 0 {
		t.Fatalf("nothing is due yet, claimed %d, %v", n, err)
	}
	w.clock.move(72*time.Hour + time.Hour) // three nights in which nothing ran
	w.again()                              // a restart must not forget what came due
	var wg sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		wg.Go(func() {
			n, err := w.ClaimDue(t.Context())
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			counts[i] = n
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	work := w.queue.take()
	if sum != 2 || len(work) != 2 {
		t.Errorf("each of two rules runs once for the ticks that it missed, however many claim: claimed %v, queued %v", counts, work)
	}
	if n := oneOf[int](t, w.control, `SELECT count(*) FROM sweeps WHERE dry_run AND status = 'waiting' AND due_at = timestamptz '2026-11-02 03:00Z' AND rule = 'old'`); n != 1 {
		t.Errorf("the sweep answers the first tick that was missed")
	}
	if next := oneOf[time.Time](t, w.control, `SELECT next_due FROM schedule WHERE rule = 'old'`); !next.Equal(day("2026-11-05T03:00:00Z")) {
		t.Errorf("the next tick is the first after now, got %s", next)
	}
	if n, err := w.ClaimDue(t.Context()); err != nil || n != 0 {
		t.Errorf("what was claimed is claimed: got %d, %v", n, err)
	}
}

func TestARuleThatLeftTheFileIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.config.Rules = nil
	w.again()
	w.clock.move(48 * time.Hour)
	if n, err := w.ClaimDue(t.Context()); err != nil || n != 0 {
		t.Errorf("a rule that is no longer in the file must not run: claimed %d, %v", n, err)
	}
}

func TestUnapprovedRulesRunDryAndChangedOnesAgain(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.tracks(5, 40)
	w.tracks(3, 10)
	if r := w.finish(w.due()); !r.DryRun || r.Expired != 5 || r.Deleted != 0 || r.Status != "done" {
		t.Errorf("an unapproved rule counts five rows and touches none, got %+v", r)
	}
	w.approve("old")
	if st, err := w.States(t.Context()); err != nil || len(st) != 1 || !st[0].Approved || st[0].ApprovedBy != "staff:1" || st[0].Last == nil || !st[0].Last.DryRun || !strings.HasPrefix(st[0].Why, "counted from ") {
		t.Errorf("the rule is approved now, its last run was dry: %+v, %v", st, err)
	}
	w.config.Rules = w.parse(strings.Replace(oldTracks, "P1M", "P5D", 1))
	w.again()
	if st, err := w.States(t.Context()); err != nil || st[0].Approved {
		t.Errorf("a changed rule is not approved as it reads now: %+v, %v", st, err)
	}
	if r := w.sweep("old"); !r.DryRun || r.Expired != 8 {
		t.Errorf("a changed rule runs dry again, got %+v", r)
	}
	w.approve("old")
	if r := w.finish(w.due()); r.DryRun || r.Deleted != 8 || r.Status != "done" {
		t.Errorf("an approved rule deletes what has expired, got %+v", r)
	}
	if n := one[int](w, `SELECT count(*) FROM tracks`); n != 0 {
		t.Errorf("nothing is left, got %d", n)
	}
}

func TestTheBrake(t *testing.T) {
	t.Parallel()
	t.Run("first limit", func(t *testing.T) {
		t.Parallel()
		w := small(t, oldTracks, nil)
		w.tracks(60, 40)
		w.approve("old")
		w.tracks(100, 40)
		r := w.finish(w.due())
		if r.Status != "stopped" || r.Deleted != 0 || !strings.Contains(r.Message, "far more than the 60 that were seen when the rule was approved") {
			t.Errorf("160 rows are far more than the 60 approved: the run stops and says so, got %+v", r)
		}
		w.approve("old")
		if r := w.finish(w.due()); r.Status != "done" || r.Deleted != 160 {
			t.Errorf("approved again, it goes on, got %+v", r)
		}
	})
	t.Run("ten times the usual", func(t *testing.T) {
		t.Parallel()
		w := small(t, oldTracks, nil)
		w.approve("old")
		for range 3 {
			w.tracks(20, 40)
			if r := w.finish(w.due()); r.Status != "done" || r.Deleted != 20 {
				t.Fatalf("a usual run, got %+v", r)
			}
		}
		if r := w.finish(w.due()); r.Status != "done" || r.Expired != 0 {
			t.Fatalf("a quiet night, got %+v", r)
		}
		w.tracks(201, 40)
		if r := w.finish(w.due()); r.Status != "stopped" || !strings.Contains(r.Message, "more than ten times the usual 20") {
			t.Errorf("201 rows are more than ten times 20, got %+v", r)
		}
	})
	t.Run("stop_above", func(t *testing.T) {
		t.Parallel()
		w := small(t, strings.Replace(oldTracks, "then:", `stop_above: "10%", then:`, 1), nil)
		w.tracks(80, 1)
		w.tracks(8, 40)
		w.approve("old")
		if r := w.finish(w.due()); r.Status != "done" || r.Deleted != 8 {
			t.Fatalf("the first run is held to what was approved, got %+v", r)
		}
		w.tracks(9, 50)
		if r := w.finish(w.due()); r.Status != "stopped" || !strings.Contains(r.Message, "9 of 89 rows have expired, more than stop_above allows (10%)") {
			t.Errorf("nine of 89 rows are more than a tenth, got %+v", r)
		}
	})
}

func TestAKilledSweepGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.tracks(2500, 40)
	w.tracks(100, 10)
	w.approve("old")
	work := w.due()
	ctx, kill := context.WithCancel(t.Context())
	w.pause = func(context.Context, time.Duration) error { kill(); return ctx.Err() }
	if _, err := w.RunSlice(ctx, work.ID, work.Run, time.Minute); !errors.Is(err, context.Canceled) {
		t.Fatalf("the run should break off with its context, got %v", err)
	}
	at := oneOf[string](t, w.control, `SELECT at FROM sweeps WHERE id = $1`, work.ID)
	deleted := oneOf[int](t, w.control, `SELECT deleted FROM sweeps WHERE id = $1 AND status = 'running'`, work.ID)
	if at == "" || at == "0:" || deleted != firstBatch || one[int](w, `SELECT count(*) FROM tracks`) != 2600-firstBatch {
		t.Errorf("one batch of %d is done and noted: at %q, %d deleted", firstBatch, at, deleted)
	}
	w.again()
	if r := w.finish(work); r.Status != "done" || r.Deleted != 2500 || r.Expired != 2500 {
		t.Errorf("a new process goes on to the end, 2500 rows in all, got %+v", r)
	}
	if n := one[int](w, `SELECT count(*) FROM tracks`); n != 100 {
		t.Errorf("the hundred rows that have not expired stay, got %d", n)
	}
	entries, err := ledger.List(t.Context(), w.control, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if last := entries[len(entries)-1]; last.Type != "sweep.done" || fmt.Sprint(last.Data["deleted"]) != "2500" {
		t.Errorf("the ledger says what was done: %+v", last)
	}
	if more, err := w.RunSlice(t.Context(), work.ID, work.Run, time.Minute); more || err != nil {
		t.Errorf("a job that comes twice finds nothing to do, got %v, %v", more, err)
	}
}

// lost is a source whose batches are committed, but whose process dies before it can say so.
type lost struct {
	Source
	times int
}

func (l *lost) Sweep(ctx context.Context, s source.Selection, from string, limit int) (source.Slice, error) {
	done, err := l.Source.Sweep(ctx, s, from, limit)
	if l.times > 0 && err == nil {
		l.times--
		return source.Slice{}, context.DeadlineExceeded
	}
	return done, err
}

func TestABatchWhoseNoteWasLost(t *testing.T) {
	t.Parallel()
	l := &lost{times: 2}
	w := small(t, oldTracks, func(c *Config) { l.Source = c.Sources["shop"]; c.Sources = map[string]Source{"shop": l} })
	w.tracks(1000, 40)
	w.approve("old")
	work := w.due()
	for range 2 {
		if _, err := w.RunSlice(t.Context(), work.ID, work.Run, time.Minute); err == nil {
			t.Fatal("a broken batch should come back as an error that may pass")
		}
	}
	if r := w.finish(work); r.Status != "done" || one[int](w, `SELECT count(*) FROM tracks`) != 0 || r.Deleted != 1000-2*firstBatch {
		t.Errorf("all rows are gone; those of lost notes are not counted: got %+v", r)
	}
}

func TestOneSweepHasOneWorker(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.tracks(600, 40)
	w.approve("old")
	work := w.due()
	w.pause = func(ctx context.Context, _ time.Duration) error {
		if more, err := w.RunSlice(ctx, work.ID, work.Run, time.Minute); !more || err != nil {
			t.Errorf("a second worker is told to come again, got %v, %v", more, err)
		}
		return nil
	}
	if r := w.finish(work); r.Deleted != 600 || r.Status != "done" {
		t.Errorf("the first worker goes on undisturbed, got %+v", r)
	}
}

// slowSource is one whose batches take time, before or while they lock rows.
type slowSource struct {
	Source
	clock  *clock
	locked time.Duration
}

func (s slowSource) Sweep(ctx context.Context, sel source.Selection, from string, limit int) (source.Slice, error) {
	s.clock.move(40 * time.Second)
	done, err := s.Source.Sweep(ctx, sel, from, limit)
	done.Locked = s.locked
	return done, err
}

// A batch becomes smaller when it has locked rows for long, and not when it took long
// to find those that are held.
func TestSlicesEndWithTheirBudgetAndBatchesFollowTheLocks(t *testing.T) {
	t.Parallel()
	for locked, second := range map[time.Duration]int{40 * time.Second: firstBatch / 2, 10 * time.Millisecond: 2 * firstBatch} {
		w := small(t, oldTracks, nil)
		w.config.Sources = map[string]Source{"shop": slowSource{w.source, w.clock, locked}}
		w.again()
		w.tracks(1000, 40)
		w.approve("old")
		work := w.due()
		var waited []time.Duration
		w.pause = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
		if more, err := w.RunSlice(t.Context(), work.ID, work.Run, 2*time.Minute); !more || err != nil {
			t.Fatalf("the budget is for two batches of 40 s, the sweep wants to go on; got %v, %v", more, err)
		}
		if n := one[int](w, `SELECT count(*) FROM tracks`); n != 1000-firstBatch-second {
			t.Errorf("expected a second batch of %d rows after one that locked rows for %s, %d rows are left", second, locked, n)
		}
		if len(waited) != 1 || waited[0] != maxPause {
			t.Errorf("the breather follows the load, up to a second: %v", waited)
		}
	}
}

func TestASweepThatCannotWorkSaysWhy(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: emptied, collection: shop.people, where: {mail: "*"}, unless: {collection: shop.yes, link: {id: person_id}}, then: null, columns: [mail], schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO people VALUES ('p', 1, 'p@shop.example'); ALTER TABLE people ALTER mail SET NOT NULL`)
	work := w.due()
	if r := w.finish(work); r.Status != "failed" || !strings.Contains(r.Message, "shop.people.mail is NOT NULL") || strings.Contains(r.Message, "@") {
		t.Errorf("the sentence names the column and no value, got %+v", r)
	}
	w.exec(`ALTER TABLE people ALTER mail DROP NOT NULL`)
	w.approve("emptied")
	work = w.due()
	if err := w.GiveUp(t.Context(), work.ID); err != nil {
		t.Fatal(err)
	}
	if r := w.finish(work); r.Status != "failed" || !strings.Contains(r.Message, "given up") {
		t.Errorf("a sweep whose job was discarded is failed and stays so, got %+v", r)
	}
	if r := w.sweep("emptied"); r.Deleted != 1 || one[int](w, `SELECT count(*) FROM people WHERE mail IS NULL`) != 1 {
		t.Errorf("the next run takes it up, got %+v", r)
	}
	if _, err := w.Sweep(t.Context(), "operator", "nothing", false, nil); !errors.Is(err, ErrNoRule) {
		t.Errorf("a rule that is not in the file is told, got %v", err)
	}
}

func TestRunsByHandThatWereKilledAreEnded(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.tracks(3, 40)
	w.approve("old")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := w.Sweep(ctx, "operator", "old", false, func(Result) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Logf("ended before it could be cancelled: %v", err)
	}
	if _, err := w.control.Exec(t.Context(), `INSERT INTO sweeps (rule, digest, dry_run, status, actor, created_at) VALUES ('old', 'x', false, 'running', 'operator', now())`); err != nil {
		t.Fatal(err)
	}
	w.sweep("old")
	if n := oneOf[int](t, w.control, `SELECT count(*) FROM sweeps WHERE status = 'running'`); n != 0 {
		t.Errorf("nobody goes on with a run by hand whose process is gone: %d still running", n)
	}
}
