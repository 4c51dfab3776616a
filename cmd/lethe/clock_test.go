package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// smallShop is enough where it matters when a rule runs, not what it finds.
func smallShop(t testing.TB) *stage {
	t.Helper()
	return setStageWith(t, mailbox.Options{}, sample.Generate(1, asOf, sample.Options{Contacts: 30, Visits: 300}).Load)
}

// TestTwoWorkersMissNoTickAndDoubleNone: a rule that came due while no process
// ran, is run once by two that start together, however many of its ticks were
// missed; and so again after both have been killed.
func TestTwoWorkersMissNoTickAndDoubleNone(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	// Its own next tick must not come while the test runs.
	rules := bytes.Replace(readAll(t, s.file("retention.yaml")), []byte(`"27 3 * * *"`), []byte(`"27 3 29 2 *"`), 1)
	if err := os.WriteFile(s.file("retention.yaml"), rules, 0o600); err != nil {
		t.Fatal(err)
	}
	db := s.control(t)
	if o := s.lethe(t, "rules", "approve", "smartlook", "ssupp-visits"); o.status != done {
		t.Fatalf("the rules should be approved: %s%s", o.out, o.err)
	}
	if n := number(t, db, `SELECT count(*) FROM sweeps WHERE due_at IS NOT NULL`); n != 0 {
		t.Fatalf("no rule should have come due yet, %d have", n)
	}
	log := &safeBuffer{}
	var missed []time.Time
	for round, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		// The clock moves on while nothing runs: what was due next has been due
		// for days. (Moving the due time back is the same, for real processes.)
		at := time.Now().UTC().Truncate(time.Minute).Add(time.Duration(round-3) * 24 * time.Hour)
		missed = append(missed, at)
		if _, err := db.Exec(t.Context(), `UPDATE schedule SET next_due = $1 WHERE rule = 'smartlook'`, at); err != nil {
			t.Fatal(err)
		}
		workers := []*process{s.start(t, log, "work"), s.start(t, log, "work")}
		eventually(t, "the sweep of the missed tick should be done", func() bool {
			return number(t, db, `SELECT count(*) FROM sweeps WHERE rule = 'smartlook' AND due_at = $1 AND status = 'done' AND NOT dry_run`, at) == 1
		})
		// Both have seen a minute's work go by before they are ended.
		eventually(t, "no job of a sweep or a minute should be left at work", func() bool {
			return number(t, db, `SELECT count(*) FROM river_job WHERE kind IN ('sweep', 'minute') AND state IN ('available', 'running', 'retryable')`) == 0
		})
		for _, w := range workers {
			w.end(signal)
		}
		if got := ticks(t, db, "smartlook"); !slices.EqualFunc(got, missed, time.Time.Equal) {
			t.Fatalf("after round %d the ticks %v should each have one sweep, those with one are %v\n%s", round+1, missed, got, log.String())
		}
		var next time.Time
		if err := db.QueryRow(t.Context(), `SELECT next_due FROM schedule WHERE rule = 'smartlook'`).Scan(&next); err != nil {
			t.Fatal(err)
		}
		if next = next.UTC(); !next.After(time.Now()) || next.Format("01-02 15:04") != "02-29 03:27" {
			t.Errorf("the next tick should be that of the cron line, 03:27 on 29 February, it is %s", next)
		}
	}
	if n := number(t, db, `SELECT count(*) FROM river_job WHERE kind = 'sweep' AND args->>'id' IN (SELECT id::text FROM sweeps WHERE rule = 'smartlook')`); n != 2 {
		t.Errorf("two sweeps should have had two jobs, they had %d", n)
	}
}

// TestEveryTickOnceByAMovedClock: two installations of the parts, which share
// nothing but the database, look at each minute of a moved clock at once; every
// tick of every rule has exactly one sweep. Half-way both are gone for five hours.
func TestEveryTickOnceByAMovedClock(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	db := s.control(t)
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(clock.Load(), 0).UTC() }
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	clock.Store(begin.Unix())
	open := func() []*app {
		apps := []*app{s.open(t, slog.New(slog.DiscardHandler), now), s.open(t, slog.New(slog.DiscardHandler), now)}
		for _, a := range apps {
			if err := a.retention.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return apps
	}
	minutes := func(apps []*app, n int) {
		t.Helper()
		for range n {
			clock.Add(60)
			var both sync.WaitGroup
			for _, a := range apps {
				both.Go(func() {
					if _, err := a.retention.ClaimDue(t.Context()); err != nil {
						t.Errorf("the minute of %s: %v", now(), err)
					}
				})
			}
			both.Wait()
		}
	}
	minutes(open(), 2*60)    // 00:01 to 02:00
	clock.Add(5 * 60 * 60)   // nothing runs until 07:00
	minutes(open(), 60+30+1) // 07:01 to 08:31

	// ip-withheld comes at minute 7 of each hour, smartlook at 03:27, in the gap.
	at := func(hour, minute int) time.Time {
		return begin.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	for rule, want := range map[string][]time.Time{
		"ip-withheld":               {at(0, 7), at(1, 7), at(2, 7), at(7, 7), at(8, 7)},
		"analytics-without-consent": {at(0, 32), at(1, 32), at(2, 32), at(7, 32)},
		"marketing-without-consent": {at(0, 37), at(1, 37), at(2, 37), at(7, 37)},
		"smartlook":                 {at(3, 27)},
		"ssupp-vid":                 {at(3, 17)},
		"visits-unlinked":           {at(3, 42)},
	} {
		if got := ticks(t, db, rule); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s should have one sweep for each of %s, it has %s", rule, clockTimes(want), clockTimes(got))
		}
	}
	sweeps, jobs := number(t, db, `SELECT count(*) FROM sweeps`), number(t, db, `SELECT count(*) FROM river_job WHERE kind = 'sweep'`)
	if sweeps != jobs {
		t.Errorf("each of %d sweeps should have one job, there are %d", sweeps, jobs)
	}
}

// ticks are the due times to which a rule's sweeps answer, in order.
func ticks(t testing.TB, db *pgxpool.Pool, rule string) []time.Time {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT due_at FROM sweeps WHERE rule = $1 AND due_at IS NOT NULL ORDER BY due_at`, rule)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func clockTimes(list []time.Time) (s []string) {
	for _, at := range list {
		s = append(s, fmt.Sprint(at.UTC().Format("15:04")))
	}
	return s
}
