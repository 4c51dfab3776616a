// Package jobs is the queue: a River client in the control database, one worker
// for each kind of job, and the clock of the cron lines.
//
// A job's arguments are identifiers of Lethe's own and nothing else; what a job
// does stands in dsar and retention, which know nothing of River. Open
// workers.go for the kinds and their limits, minute.go for what time alone sets
// off, ticks.go for cron lines.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/retention"
)

// Requests is what workers ask of requests. dsar.Service is it.
type Requests interface {
	RunStep(ctx context.Context, id int64, run int) error
	SendLetter(ctx context.Context, id int64, run int, m dsar.Mailer) error
	GiveUp(ctx context.Context, w dsar.Work) error
	Minute(ctx context.Context, alive func(ctx context.Context, w []dsar.Work) (map[dsar.Work]bool, error)) error
}

// Sweeps is what workers ask of retention. retention.Service is it.
type Sweeps interface {
	ClaimDue(ctx context.Context) (int, error)
	RunSlice(ctx context.Context, id int64, run int, budget time.Duration) (more bool, err error)
	GiveUp(ctx context.Context, id int64) error
}

// Config is what a Client that works is made of.
type Config struct {
	Pool     *pgxpool.Pool // the control database
	Schema   string        // where River's tables stand
	Requests Requests
	Sweeps   Sweeps
	Mailer   dsar.Mailer
	Log      *slog.Logger
	// Concurrency is the number of steps worked on at once in this process
	// (default 8); letters get half as many, sweeps one.
	Concurrency int
	// JobLimit is the longest that any job may take (default two minutes).
	JobLimit time.Duration
	// RescueAfter is how long a job of a dead process stands before another
	// takes it over (default three minutes; never less than JobLimit).
	RescueAfter time.Duration
	// StopLimit is how long running jobs may go on once a stop was asked for;
	// then they are cancelled, and go back to the queue (default 20 s).
	StopLimit time.Duration
	// Now is the clock of ticks; River keeps its own time.
	Now func() time.Time
}

func (c *Config) validate() error {
	switch {
	case c.Pool == nil:
		return errors.New("jobs: the pool is missing")
	case c.Requests == nil, c.Sweeps == nil, c.Mailer == nil:
		return errors.New("jobs: requests, sweeps and mailer are all needed to work")
	case c.Log == nil:
		return errors.New("jobs: the logger is missing")
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.JobLimit == 0 {
		c.JobLimit = 2 * time.Minute
	}
	if c.RescueAfter == 0 {
		c.RescueAfter = 3 * time.Minute
	}
	if c.StopLimit == 0 {
		c.StopLimit = 20 * time.Second
	}
	if c.RescueAfter < c.JobLimit {
		return fmt.Errorf("jobs: a job would be taken over after %s though it may take %s", c.RescueAfter, c.JobLimit)
	}
	return nil
}

// Names of the queues: each kind has its own, so that a slow mail server does
// not keep erasures waiting.
const (
	queueSteps   = "steps"
	queueLetters = "letters"
	queueSweeps  = "sweeps"
	queueMinute  = "minute"
)

// A Client works on jobs until it is stopped.
type Client struct {
	river *river.Client[pgx.Tx]
	c     Config
}

// New makes a client; Start sets it to work.
func New(c Config) (*Client, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	client := &Client{c: c}
	workers := river.NewWorkers()
	for _, err := range []error{
		river.AddWorkerSafely(workers, &stepWorker{c: c}),
		river.AddWorkerSafely(workers, &letterWorker{c: c}),
		river.AddWorkerSafely(workers, &sweepWorker{c: c}),
		river.AddWorkerSafely(workers, &minuteWorker{c: c, alive: client.alive}),
	} {
		if err != nil {
			return nil, fmt.Errorf("jobs: %w", err)
		}
	}
	conf := common(c.Schema, c.Log)
	conf.Workers = workers
	conf.Queues = map[string]river.QueueConfig{
		queueSteps:   {MaxWorkers: c.Concurrency},
		queueLetters: {MaxWorkers: max(1, c.Concurrency/2)},
		queueSweeps:  {MaxWorkers: 1, FetchPollInterval: unhurried},
		queueMinute:  {MaxWorkers: 1, FetchPollInterval: unhurried},
	}
	conf.JobTimeout = c.JobLimit
	conf.RescueStuckJobsAfter = c.RescueAfter
	conf.SoftStopTimeout = c.StopLimit
	conf.RetryPolicy = rescuePolicy{}
	conf.Middleware = append(conf.Middleware, &guard{c: c})
	conf.PeriodicJobs = []*river.PeriodicJob{river.NewPeriodicJob(
		river.PeriodicInterval(time.Minute),
		func() (river.JobArgs, *river.InsertOpts) { return minuteArgs{}, nil },
		&river.PeriodicJobOpts{ID: "minute", RunOnStart: true},
	)}
	rc, err := river.NewClient(riverpgxv5.New(c.Pool), conf)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	client.river = rc
	return client, nil
}

// common is what every client needs, inserting ones too: at River's default
// cooldown, notifications of new jobs are held back for a second.
func common(schema string, log *slog.Logger) *river.Config {
	return &river.Config{
		Schema:            schema,
		Logger:            newCalm(log),
		FetchCooldown:     time.Millisecond,
		FetchPollInterval: pollEvery,
		Middleware:        []rivertype.Middleware{river.JobInsertMiddlewareFunc(dueByTheDatabase)},
	}
}

// dueByTheDatabase has what is due at once due by the database's clock, by which
// workers look for it: by that of the process that inserts it, a job would wait for
// as long as the one is ahead of the other. River puts now() where a zero time stands.
func dueByTheDatabase(ctx context.Context, params []*rivertype.JobInsertParams, insert func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	for _, p := range params {
		if p.State == rivertype.JobStateAvailable {
			p.ScheduledAt = &time.Time{}
		}
	}
	return insert(ctx)
}

// How often workers look for jobs that nobody told them of: because many came at
// once (notifyEvery), or a pooler lets no notifications through. Each look is a
// statement on the control database, also in a process that has nothing to do.
const (
	pollEvery = 200 * time.Millisecond
	unhurried = time.Second // for what nobody waits for
)

// Start sets the workers to work; they go on until Stop, not until ctx ends.
func (c *Client) Start(ctx context.Context) error {
	if err := c.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("jobs: start: %w", pg.Clean(err))
	}
	return nil
}

// Stop takes no new jobs, lets running ones finish for StopLimit, then cancels
// them: they go back to the queue. It returns when nothing runs any more.
func (c *Client) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.c.StopLimit+10*time.Second)
	defer cancel()
	if err := c.river.Stop(ctx); err != nil {
		return fmt.Errorf("jobs: stop: %w", err)
	}
	return nil
}

// notifyEvery is how often a queue's workers are told at most that there is work:
// telling them is a round trip of its own, and those who are busy, or were told just
// now, look by themselves.
const notifyEvery = 5 * time.Millisecond

// An Inserter puts work into the queue in the transaction of the change that
// needs it. It works on nothing itself.
type Inserter struct {
	river  *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
	schema string
}

// NewInserter makes one.
func NewInserter(pool *pgxpool.Pool, schema string, log *slog.Logger) (*Inserter, error) {
	c := common(schema, log)
	c.FetchCooldown = notifyEvery
	rc, err := river.NewClient(riverpgxv5.New(pool), c)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Inserter{river: rc, pool: pool, schema: schema}, nil
}

// Working tells whether any process works on jobs: of those that do one leads, and
// says so every five seconds. For fifteen after the last has died it is still believed.
func (q *Inserter) Working(ctx context.Context) (yes bool, err error) {
	err = q.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+table(q.schema, "river_leader")+` WHERE expires_at > now())`).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("jobs: working: %w", pg.Clean(err))
	}
	return yes, nil
}

// Insert queues steps and letters. It is dsar.Queue.
func (q *Inserter) Insert(ctx context.Context, tx pgx.Tx, work ...dsar.Work) error {
	params := make([]river.InsertManyParams, 0, len(work))
	seen := make(map[dsar.Work]bool, len(work))
	for _, w := range work {
		// The queue takes each job once per statement.
		one := dsar.Work{Kind: w.Kind, ID: w.ID, Run: w.Run}
		if seen[one] {
			continue
		}
		seen[one] = true
		var args river.JobArgs
		switch w.Kind {
		case kindStep:
			args = stepArgs{ID: w.ID, Run: w.Run}
		case kindLetter:
			args = letterArgs{ID: w.ID, Run: w.Run}
		default:
			return fmt.Errorf("jobs: no worker for work of kind %q", w.Kind)
		}
		params = append(params, river.InsertManyParams{Args: args, InsertOpts: &river.InsertOpts{ScheduledAt: w.At}})
	}
	if len(params) == 0 {
		return nil
	}
	if _, err := q.river.InsertManyTx(ctx, tx, params); err != nil {
		return fmt.Errorf("jobs: insert %d: %w", len(params), err)
	}
	return nil
}

// Hurry makes jobs due that wait for their next try, and returns how many there
// were. What is at work just now, or done, is left as it is. It is dsar.Queue.
func (q *Inserter) Hurry(ctx context.Context, tx pgx.Tx, work ...dsar.Work) (int, error) {
	var kinds []string
	var ids []int64
	var runs []int
	for _, w := range work {
		kinds, ids, runs = append(kinds, w.Kind), append(ids, w.ID), append(runs, w.Run)
	}
	rows, err := tx.Query(ctx, `
		SELECT j.id FROM unnest($1::text[], $2::bigint[], $3::int[]) AS w (kind, id, run)
		JOIN `+table(q.schema, "river_job")+` j ON j.kind = w.kind AND j.args @> jsonb_build_object('id', w.id, 'run', w.run)
		WHERE j.state IN ('retryable', 'scheduled')`, kinds, ids, runs)
	if err != nil {
		return 0, fmt.Errorf("jobs: hurry %d: %w", len(work), pg.Clean(err))
	}
	resting, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("jobs: hurry %d: %w", len(work), pg.Clean(err))
	}
	for _, id := range resting {
		if _, err := q.river.JobRetryTx(ctx, tx, id); err != nil {
			return 0, fmt.Errorf("jobs: hurry job %d: %w", id, err)
		}
	}
	return len(resting), nil
}

// InsertSweep queues a sweep. It is retention.Queue.
func (q *Inserter) InsertSweep(ctx context.Context, tx pgx.Tx, work retention.Work) error {
	_, err := q.river.InsertTx(ctx, tx, sweepArgs{ID: work.ID, Run: work.Run}, &river.InsertOpts{ScheduledAt: work.At})
	if err != nil {
		return fmt.Errorf("jobs: insert sweep %d: %w", work.ID, err)
	}
	return nil
}
