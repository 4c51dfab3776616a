package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// guard stands around every job. It keeps personal data out of the queue's
// tables (River stores errors and panics as they come), tells passing failures
// from final ones, and tells the domain when a job has had its last attempt.
type guard struct {
	river.MiddlewareDefaults
	c Config
}

// Work is the middleware.
func (g *guard) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) (err error) {
	var final bool
	func() {
		defer func() {
			if r := recover(); r != nil {
				err, final = pg.Panicked(r), true
			}
		}()
		err = inner(ctx)
	}()
	var snooze *river.JobSnoozeError
	if err == nil || errors.As(err, &snooze) {
		return err
	}
	var permanent *dsar.Permanent
	if errors.As(err, &permanent) {
		final = true
	}
	kept := keep(err)
	g.c.Log.LogAttrs(ctx, slog.LevelWarn, "job failed", slog.String("kind", job.Kind), slog.Int64("job", job.ID),
		slog.Int("attempt", job.Attempt), slog.Bool("final", final), slog.String("error", kept.Error()))
	if !final && job.Attempt < job.MaxAttempts {
		return kept
	}
	var args struct {
		ID  int64 `json:"id"`
		Run int   `json:"run"`
	}
	if json.Unmarshal(job.EncodedArgs, &args) == nil && args.ID != 0 {
		// The job's own context may have ended: that is often why it failed.
		if gerr := g.c.giveUp(context.WithoutCancel(ctx), job.Kind, args.ID, args.Run); gerr != nil {
			// The minute's reconciling does it later.
			g.c.Log.LogAttrs(ctx, slog.LevelError, "giving up failed", slog.String("kind", job.Kind),
				slog.Int64("id", args.ID), slog.String("error", keep(gerr).Error()))
		}
	}
	return river.JobCancel(kept)
}

// keep reduces an error to what may stand in the queue and the log: our own
// codes, SQLSTATEs and SMTP codes. What it does not know keeps its type only.
func keep(err error) error {
	var (
		permanent *dsar.Permanent
		mail      *dsar.MailError
		database  *pg.Error
		panicked  *pg.Panic
		told      interface{ Told() string } // a store's, which holds no contents
	)
	switch {
	case errors.As(err, &permanent):
		return errors.New("final: " + permanent.Code)
	case errors.As(err, &panicked):
		return errors.New(panicked.Error())
	case errors.As(err, &mail):
		return errors.New(mail.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("took longer than its limit")
	case errors.Is(err, context.Canceled):
		return errors.New("stopped before it was done")
	case errors.As(err, &database):
		return errors.New(database.Error())
	case errors.As(err, &told):
		return errors.New(told.Told())
	case errors.Is(err, keys.ErrSealed):
		return errors.New("something that is stored cannot be decrypted by this process: if keys were rotated, restart it")
	case errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, pgx.ErrTxClosed):
		return errors.New("the connection to a database broke, or its transaction had ended")
	}
	if code := pg.Code(err); code != "" {
		return errors.New("SQLSTATE " + code)
	}
	root := err
	for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
		root = next
	}
	return fmt.Errorf("%T", root)
}
