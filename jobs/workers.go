package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lethe-dsr/lethe/dsar"
)

// The kinds of jobs. Kinds stand in rows of the queue: do not rename them.
const (
	kindStep   = "step"
	kindLetter = "letter"
	kindSweep  = "sweep"
	kindMinute = "minute"
)

// Each run of a step, letter or sweep is one job: the run number is part of the
// arguments because River's uniqueness counts completed jobs, too.
type (
	stepArgs struct {
		ID  int64 `json:"id"`
		Run int   `json:"run"`
	}
	letterArgs struct {
		ID  int64 `json:"id"`
		Run int   `json:"run"`
	}
	sweepArgs struct {
		ID  int64 `json:"id"`
		Run int   `json:"run"`
	}
	minuteArgs struct{}
)

func (stepArgs) Kind() string   { return kindStep }
func (letterArgs) Kind() string { return kindLetter }
func (sweepArgs) Kind() string  { return kindSweep }
func (minuteArgs) Kind() string { return kindMinute }

var unique = river.UniqueOpts{ByArgs: true}

// InsertOpts: a source that is away is tried for about an hour, then the step
// waits for the DPO's retry: a deadline of a month leaves room for a person, but
// not for a queue that hides the trouble.
func (stepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueSteps, UniqueOpts: unique, MaxAttempts: 14}
}

// InsertOpts: mail servers ask for patience (RFC 5321, 4.5.4.1: give up after
// four to five days); two days of tries leave the DPO time to do it otherwise.
func (letterArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueLetters, UniqueOpts: unique, MaxAttempts: 55}
}

// InsertOpts: a sweep goes on where it was, so more tries cost nothing; the next
// tick of its rule comes anyway.
func (sweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueSweeps, UniqueOpts: unique, MaxAttempts: 10}
}

// InsertOpts: a minute's job that fails is not tried again: the next is near.
// At most one waits, also when two leaders follow each other.
func (minuteArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueMinute, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

// backoff doubles from first, at most limit. River's own grows with the fourth
// power of the attempt and reaches days.
func backoff(attempt int, first, limit time.Duration) time.Duration {
	d := first
	for range min(attempt-1, 30) {
		if d >= limit/2 {
			return limit
		}
		d *= 2
	}
	return d
}

// retryAt is when a job that failed is tried again after a rest. When it was begun was
// said by the database, which also says when it is due: with a clock behind the
// database's there would be no rest, and all attempts be spent in seconds.
func (c Config) retryAt(job *rivertype.JobRow, rest time.Duration) time.Time {
	from := c.Now()
	if job.AttemptedAt != nil && job.AttemptedAt.After(from) {
		from = *job.AttemptedAt
	}
	return from.Add(rest)
}

// rescuePolicy is River's view of a job that no worker of ours gave a time for.
type rescuePolicy struct{}

func (rescuePolicy) NextRetry(job *rivertype.JobRow) time.Time {
	at := time.Time{}
	if job.AttemptedAt != nil {
		at = *job.AttemptedAt
	}
	return at.Add(backoff(job.Attempt, time.Second, time.Minute))
}

type stepWorker struct {
	river.WorkerDefaults[stepArgs]
	c Config
}

// Work carries out one step.
func (w *stepWorker) Work(ctx context.Context, job *river.Job[stepArgs]) error {
	err := w.c.Requests.RunStep(ctx, job.Args.ID, job.Args.Run)
	if errors.Is(err, dsar.ErrMore) {
		return river.JobSnooze(time.Second)
	}
	var locked *dsar.Locked
	if errors.As(err, &locked) { // for as long as it takes
		w.c.Log.LogAttrs(ctx, slog.LevelWarn, "step waits for a lock", slog.Int64("job", job.ID), slog.Int("times", locked.Times), slog.String("error", keep(err).Error()))
		return river.JobSnooze(stepRest(locked.Times))
	}
	return err
}

// Timeout: work is sliced so that two minutes are plenty; a hanging source is cut off there.
func (w *stepWorker) Timeout(*river.Job[stepArgs]) time.Duration { return w.c.JobLimit }

// NextRetry: quick at first (a source restarting), then every ten minutes.
func (w *stepWorker) NextRetry(job *river.Job[stepArgs]) time.Time {
	return w.c.retryAt(job.JobRow, stepRest(job.Attempt))
}

func stepRest(attempt int) time.Duration { return backoff(attempt, 2*time.Second, 10*time.Minute) }

type letterWorker struct {
	river.WorkerDefaults[letterArgs]
	c Config
}

// Work sends one letter.
func (w *letterWorker) Work(ctx context.Context, job *river.Job[letterArgs]) error {
	return w.c.Requests.SendLetter(ctx, job.Args.ID, job.Args.Run, w.c.Mailer)
}

// Timeout covers a mail with an archive attached over a slow line.
func (w *letterWorker) Timeout(*river.Job[letterArgs]) time.Duration { return w.c.JobLimit }

// NextRetry: greylisting wants minutes (RFC 6647), a full mailbox an hour.
func (w *letterWorker) NextRetry(job *river.Job[letterArgs]) time.Time {
	return w.c.retryAt(job.JobRow, backoff(job.Attempt, 5*time.Second, time.Hour))
}

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]
	c Config
}

// Work does half a limit's worth of a sweep, then lets others in: snoozing
// keeps the job, and costs no attempt.
func (w *sweepWorker) Work(ctx context.Context, job *river.Job[sweepArgs]) error {
	more, err := w.c.Sweeps.RunSlice(ctx, job.Args.ID, job.Args.Run, w.c.JobLimit/2)
	if err != nil {
		return err
	}
	if more {
		return river.JobSnooze(time.Second)
	}
	return nil
}

// Timeout: a slice takes half of it, its last batch and the breather the rest.
func (w *sweepWorker) Timeout(*river.Job[sweepArgs]) time.Duration { return w.c.JobLimit }

// NextRetry: a shop under load gets its rest.
func (w *sweepWorker) NextRetry(job *river.Job[sweepArgs]) time.Time {
	return w.c.retryAt(job.JobRow, backoff(job.Attempt, 10*time.Second, 15*time.Minute))
}

// giveUp tells the domain that a job has had its last attempt.
func (c Config) giveUp(ctx context.Context, kind string, id int64, run int) error {
	switch kind {
	case kindStep, kindLetter:
		return c.Requests.GiveUp(ctx, dsar.Work{Kind: kind, ID: id, Run: run})
	case kindSweep:
		return c.Sweeps.GiveUp(ctx, id)
	}
	return nil
}
