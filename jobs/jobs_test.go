package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/importrule"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/migrations"
	"github.com/lethe-dsr/lethe/retention"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "net/smtp", "github.com/wneessen/go-mail", "github.com/lethe-dsr/lethe/internal/web",
		"github.com/lethe-dsr/lethe/internal/mail", "github.com/lethe-dsr/lethe/internal/source/postgres", "github.com/lethe-dsr/lethe/cmd")
}

// secret stands for what must never reach the queue's tables or the log.
const secret = "pavla@example.org"

// fake is both services, scripted.
type fake struct {
	step    func(ctx context.Context, id int64, run int) error
	letter  func(ctx context.Context, id int64) error
	slice   func(ctx context.Context, id int64) (bool, error)
	minute  func(ctx context.Context, alive func(context.Context, []dsar.Work) (map[dsar.Work]bool, error)) error
	mu      sync.Mutex
	gaveUp  []string
	changed chan struct{}
}

func (f *fake) RunStep(ctx context.Context, id int64, run int) error { return f.step(ctx, id, run) }
func (f *fake) SendLetter(ctx context.Context, id int64, _ int, _ dsar.Mailer) error {
	return f.letter(ctx, id)
}
func (f *fake) Minute(ctx context.Context, alive func(context.Context, []dsar.Work) (map[dsar.Work]bool, error)) error {
	if f.minute == nil {
		return nil
	}
	return f.minute(ctx, alive)
}
func (f *fake) GiveUp(_ context.Context, w dsar.Work) error {
	f.note(fmt.Sprintf("%s %d/%d", w.Kind, w.ID, w.Run))
	return nil
}
func (f *fake) note(s string) {
	f.mu.Lock()
	f.gaveUp = append(f.gaveUp, s)
	f.mu.Unlock()
	f.changed <- struct{}{}
}

type fakeSweeps struct{ f *fake }

func (s fakeSweeps) ClaimDue(context.Context) (int, error) { return 0, nil }
func (s fakeSweeps) RunSlice(ctx context.Context, id int64, _ int, _ time.Duration) (bool, error) {
	return s.f.slice(ctx, id)
}
func (s fakeSweeps) GiveUp(_ context.Context, id int64) error {
	s.f.note(fmt.Sprintf("sweep %d", id))
	return nil
}

type noMail struct{}

func (noMail) Send(context.Context, dsar.Letter) error { return nil }

type testBundle struct {
	pool   *pgxpool.Pool
	queue  *Inserter
	client *Client
	log    *bytes.Buffer
}

func setup(t *testing.T, f *fake) *testBundle {
	t.Helper()
	f.changed = make(chan struct{}, 100)
	b := &testBundle{pool: pgtest.Control(t), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(&locked{w: b.log}, nil))
	var err error
	if b.queue, err = NewInserter(b.pool, migrations.Schema, log); err != nil {
		t.Fatal(err)
	}
	b.client, err = New(Config{Pool: b.pool, Schema: migrations.Schema, Requests: f, Sweeps: fakeSweeps{f}, Mailer: noMail{}, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.client.Stop(); err != nil {
			t.Errorf("the client should stop: %v", err)
		}
	})
	return b
}

type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (b *testBundle) insert(t *testing.T, work ...dsar.Work) {
	t.Helper()
	err := pg.InTx(t.Context(), b.pool, pgx.TxOptions{}, func(tx pgx.Tx) error { return b.queue.Insert(t.Context(), tx, work...) })
	if err != nil {
		t.Fatal(err)
	}
}

// await fails the test when nothing comes in time.
func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

func TestWorkIsDoneOncePerRun(t *testing.T) {
	t.Parallel()
	ran := make(chan string, 10)
	f := &fake{step: func(_ context.Context, id int64, run int) error {
		ran <- fmt.Sprintf("step %d/%d", id, run)
		return nil
	},
		letter: func(_ context.Context, id int64) error { ran <- fmt.Sprintf("letter %d", id); return nil }}
	b := setup(t, f)
	b.insert(t, dsar.Work{Kind: "step", ID: 7, Run: 1}, dsar.Work{Kind: "step", ID: 7, Run: 1})
	if got := await(t, ran, "the step runs"); got != "step 7/1" {
		t.Errorf("step 7, run 1 should run, %s did", got)
	}
	b.insert(t, dsar.Work{Kind: "step", ID: 7, Run: 1}, dsar.Work{Kind: "step", ID: 7, Run: 2})
	if got := await(t, ran, "the second run"); got != "step 7/2" {
		t.Errorf("only run 2 should follow, %s did", got)
	}
	b.insert(t, dsar.Work{Kind: "letter", ID: 9, Run: 1})
	if got := await(t, ran, "the letter"); got != "letter 9" {
		t.Errorf("letter 9 should be sent, got %s", got)
	}
}

// TestStartWithoutAServer: why it does not start is said without the connection string's parts.
func TestStartWithoutAServer(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), "postgres://someone@127.0.0.1:1/somewhere?sslmode=disable", pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	client, err := New(Config{Pool: pool, Schema: migrations.Schema, Requests: &fake{}, Sweeps: fakeSweeps{}, Mailer: noMail{}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "the connection was refused") || strings.Contains(err.Error(), "someone") {
		t.Errorf("expected it to say that the connection was refused, got %v", err)
	}
}

func TestInsertIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	ran := make(chan int64, 10)
	f := &fake{step: func(_ context.Context, id int64, _ int) error { ran <- id; return nil }}
	b := setup(t, f)
	undo := errors.New("undo")
	err := pg.InTx(t.Context(), b.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := b.queue.Insert(t.Context(), tx, dsar.Work{Kind: "step", ID: 1, Run: 1}); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	b.insert(t, dsar.Work{Kind: "step", ID: 2, Run: 1})
	if id := await(t, ran, "the committed step"); id != 2 {
		t.Errorf("a rolled-back insert ran as step %d", id)
	}
}

// full is a store's error.
type full struct{}

func (full) Error() string { return secret }
func (full) Told() string  { return "no space left" }

func TestFailuresHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail  func() error
		final bool
		kept  string
	}{
		"final":     {func() error { return &dsar.Permanent{Code: "source_schema", Err: errors.New(secret)} }, true, "final: source_schema"},
		"panic":     {func() error { panic("row of " + secret) }, true, "panic (string)"},
		"unknown":   {func() error { return fmt.Errorf("row of %s: %w", secret, errors.New(secret)) }, false, "*errors.errorString"},
		"mail":      {func() error { return &dsar.MailError{Code: 451, Doing: "sending"} }, false, "the mail server answered 451 while sending"},
		"time":      {func() error { return fmt.Errorf("%s: %w", secret, context.DeadlineExceeded) }, false, "took longer than its limit"},
		"a store":   {func() error { return fmt.Errorf("%s: %w", secret, full{}) }, false, "no space left"},
		"broken":    {func() error { return fmt.Errorf("%s: %w", secret, pg.Clean(pgx.ErrTxClosed)) }, false, "the connection to a database broke"},
		"keys":      {func() error { return pg.Clean(fmt.Errorf("%s: %w", secret, keys.ErrSealed)) }, false, "if keys were rotated, restart it"},
		"SQLSTATEs": {func() error { return fmt.Errorf("%s: %w", secret, &pg.Error{Code: "40001"}) }, false, "40001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan struct{}, 10)
			f := &fake{step: func(context.Context, int64, int) error { defer func() { failed <- struct{}{} }(); return tc.fail() }}
			b := setup(t, f)
			b.insert(t, dsar.Work{Kind: "step", ID: 3, Run: 1})
			await(t, failed, "the step fails")
			if tc.final {
				await(t, f.changed, "the domain hears of it")
				if got := strings.Join(f.gaveUp, ","); got != "step 3/1" {
					t.Errorf("GiveUp should be told of step 3/1, it was told of %q", got)
				}
			}
			if err := b.client.Stop(); err != nil {
				t.Fatal(err)
			}
			var state, row string
			err := b.pool.QueryRow(t.Context(), `SELECT state::text, j::text FROM river_job j WHERE kind = 'step'`).Scan(&state, &row)
			if err != nil {
				t.Fatal(err)
			}
			// A retry that is near counts as available already.
			if tc.final != (state == "cancelled") || !tc.final && state != "retryable" && state != "available" {
				t.Errorf("the job should be cancelled if and only if its failure is final (%v); it is %s", tc.final, state)
			}
			if !strings.Contains(row, tc.kept) {
				t.Errorf("the job should keep %q: %s", tc.kept, row)
			}
			if strings.Contains(row, secret) || strings.Contains(b.log.String(), secret) {
				t.Errorf("personal data in the job or the log")
			}
		})
	}
}

func TestLastAttemptIsTold(t *testing.T) {
	t.Parallel()
	f := &fake{step: func(context.Context, int64, int) error { return errors.New(secret) }}
	b := setup(t, f)
	b.insert(t, dsar.Work{Kind: "step", ID: 3, Run: 2})
	// Fourteen attempts take an hour: leave one.
	var err error
	for err == nil {
		var left int
		if err = b.pool.QueryRow(t.Context(), `
			WITH hurried AS (
				UPDATE river_job SET max_attempts = attempt + 1, scheduled_at = now(), state = 'available'
				WHERE kind = 'step' AND state IN ('retryable', 'available') AND attempt > 0 RETURNING 1)
			SELECT count(*) FROM hurried`).Scan(&left); left > 0 {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, f.changed, "the domain hears of the last attempt")
	if got := strings.Join(f.gaveUp, ","); got != "step 3/2" {
		t.Errorf("GiveUp should be told of step 3/2, it was told of %q", got)
	}
}

func TestWorking(t *testing.T) {
	t.Parallel()
	b := setup(t, &fake{})
	known := func() bool {
		yes, err := b.queue.Working(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	for !known() {
		if t.Context().Err() != nil {
			t.Fatal("workers that run should be known")
		}
	}
	if err := b.client.Stop(); err != nil {
		t.Fatal(err)
	}
	if known() {
		t.Error("workers that have stopped should not be taken to run")
	}
}

// A lock is waited for however long it is held: no attempt is counted.
func TestLockedStepsAreNotCounted(t *testing.T) {
	t.Parallel()
	tried := make(chan struct{}, 10)
	f := &fake{step: func(context.Context, int64, int) error {
		tried <- struct{}{}
		return &dsar.Locked{Times: 3, Err: fmt.Errorf("%s: %w", secret, &pg.Error{Code: "55P03", Table: "orders"})}
	}}
	b := setup(t, f)
	b.insert(t, dsar.Work{Kind: "step", ID: 3, Run: 1})
	await(t, tried, "the step meets the lock")
	if err := b.client.Stop(); err != nil {
		t.Fatal(err)
	}
	var state string
	var attempt int
	var wait time.Duration
	err := b.pool.QueryRow(t.Context(), `SELECT state::text, attempt, scheduled_at - attempted_at FROM river_job WHERE kind = 'step'`).Scan(&state, &attempt, &wait)
	if err != nil {
		t.Fatal(err)
	}
	if state != "scheduled" || attempt != 0 || wait < 7*time.Second || wait > time.Minute {
		t.Errorf("the job should wait for about 8 s and have no attempt counted; it is %s for %s, with %d", state, wait, attempt)
	}
	if log := b.log.String(); !strings.Contains(log, "on table orders") || strings.Contains(log, secret) {
		t.Errorf("the log should name the table and nobody, it says %s", log)
	}
}

// What rests after a failure is done at once where somebody asks for it; what is
// not due for another reason, done or unknown is left alone.
func TestHurry(t *testing.T) {
	t.Parallel()
	tried := make(chan int64, 10)
	var mended atomic.Bool
	f := &fake{step: func(_ context.Context, id int64, _ int) error {
		tried <- id
		if mended.Load() {
			return nil
		}
		return &dsar.Locked{Times: 10, Err: errors.New("locked")}
	}}
	b := setup(t, f)
	rests := dsar.Work{Kind: "step", ID: 3, Run: 2}
	b.insert(t, rests, dsar.Work{Kind: "step", ID: 4, Run: 1, At: time.Now().Add(time.Hour)})
	await(t, tried, "the step fails")
	hurried := 0
	ask := func(work ...dsar.Work) {
		t.Helper()
		if err := pg.InTx(t.Context(), b.pool, pgx.TxOptions{}, func(tx pgx.Tx) (err error) {
			hurried, err = b.queue.Hurry(t.Context(), tx, work...)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	mended.Store(true)
	for tick := time.NewTicker(10 * time.Millisecond); hurried == 0; <-tick.C { // the queue notes the failure in its own time
		ask(rests, dsar.Work{Kind: "step", ID: 3, Run: 1}, dsar.Work{Kind: "letter", ID: 3, Run: 2}, dsar.Work{Kind: "step", ID: 99, Run: 1})
	}
	if id := await(t, tried, "the step is tried again"); id != 3 || hurried != 1 {
		t.Errorf("step 3 alone should be tried again, step %d was, of %d", id, hurried)
	}
	if err := b.client.Stop(); err != nil {
		t.Fatal(err)
	}
	if ask(rests); hurried != 0 {
		t.Errorf("what is done should not be hurried, %d were", hurried)
	}
	select {
	case id := <-tried:
		t.Errorf("step %d should wait for its time", id)
	default:
	}
}

func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	slices := make(chan int64, 10)
	n := 0
	f := &fake{slice: func(_ context.Context, id int64) (bool, error) { n++; slices <- id; return n < 2, nil }}
	b := setup(t, f)
	err := pg.InTx(t.Context(), b.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return b.queue.InsertSweep(t.Context(), tx, retention.Work{ID: 5, Run: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, slices, "the first slice")
	await(t, slices, "the second slice, a second later")
}

func TestMinuteKnowsLivingJobs(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	started := make(chan struct{}, 1)
	f := &fake{step: func(ctx context.Context, id int64, _ int) error {
		started <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return nil
	}}
	b := setup(t, f)
	b.insert(t, dsar.Work{Kind: "step", ID: 1, Run: 1}, dsar.Work{Kind: "letter", ID: 2, Run: 1, At: time.Now().Add(time.Hour)})
	await(t, started, "the step begins")
	alive, err := b.client.alive(t.Context(), []dsar.Work{{Kind: "step", ID: 1, Run: 1}, {Kind: "step", ID: 1, Run: 2}, {Kind: "letter", ID: 2, Run: 1}, {Kind: "letter", ID: 3, Run: 1}})
	if err != nil {
		t.Fatal(err)
	}
	close(hold)
	for w, want := range map[dsar.Work]bool{{Kind: "step", ID: 1, Run: 1}: true, {Kind: "step", ID: 1, Run: 2}: false, {Kind: "letter", ID: 2, Run: 1}: true, {Kind: "letter", ID: 3, Run: 1}: false} {
		if alive[w] != want {
			t.Errorf("alive(%v) should be %v", w, want)
		}
	}
}

// Jobs are due by the clock of the database, whatever that of the process says.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	pool := pgtest.Control(t)
	queue, err := NewInserter(pool, migrations.Schema, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if err := queue.Insert(t.Context(), tx, dsar.Work{Kind: "step", ID: 1, Run: 1}); err != nil {
			return err
		}
		var ahead time.Duration
		if err := tx.QueryRow(t.Context(), `SELECT scheduled_at - now() FROM river_job WHERE kind = 'step'`).Scan(&ahead); err != nil || ahead != 0 {
			t.Errorf("expected the job to be due when the database says it was inserted, it is %s later (%v)", ahead, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	database := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for behind, want := range map[time.Duration]time.Time{10 * time.Minute: database.Add(2 * time.Second), -10 * time.Minute: database.Add(10*time.Minute + 2*time.Second)} {
		w := &stepWorker{c: Config{Now: func() time.Time { return database.Add(-behind) }}}
		if got := w.NextRetry(&river.Job[stepArgs]{JobRow: &rivertype.JobRow{Attempt: 1, AttemptedAt: &database}}); !got.Equal(want) {
			t.Errorf("%s behind: expected the next try at %s, got %s", behind, want, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		attempt int
		want    time.Duration
	}{{1, 2 * time.Second}, {2, 4 * time.Second}, {5, 32 * time.Second}, {14, 10 * time.Minute}, {1000, 10 * time.Minute}} {
		if got := backoff(tc.attempt, 2*time.Second, 10*time.Minute); got != tc.want {
			t.Errorf("attempt %d should wait %s, it waits %s", tc.attempt, tc.want, got)
		}
	}
}
