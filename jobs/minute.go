package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/lethe-dsr/lethe/dsar"
)

// minuteWorker does what time alone sets off: sweeps that have come due,
// reminders, lapses, archives and records whose time is over, and steps and
// letters whose job has been lost (a job killed on its last attempt is discarded
// without anybody being told). Both halves are tried, whatever the other does.
type minuteWorker struct {
	river.WorkerDefaults[minuteArgs]
	c     Config
	alive func(ctx context.Context, w []dsar.Work) (map[dsar.Work]bool, error)
}

// Work is one minute's work.
func (w *minuteWorker) Work(ctx context.Context, _ *river.Job[minuteArgs]) error {
	_, sweeps := w.c.Sweeps.ClaimDue(ctx)
	return errors.Join(sweeps, w.c.Requests.Minute(ctx, w.alive))
}

// Timeout: the next minute must not wait for this one.
func (w *minuteWorker) Timeout(*river.Job[minuteArgs]) time.Duration { return 50 * time.Second }

// table is one of River's own, where they stand in that schema.
func table(schema, name string) string {
	if schema == "" {
		return pgx.Identifier{name}.Sanitize()
	}
	return pgx.Identifier{schema, name}.Sanitize()
}

// alive tells for which work a job waits or runs. Keys are looked up without their At.
func (c *Client) alive(ctx context.Context, work []dsar.Work) (map[dsar.Work]bool, error) {
	ids := make([]int64, 0, len(work))
	for _, w := range work {
		ids = append(ids, w.ID)
	}
	rows, err := c.c.Pool.Query(ctx, `
		SELECT kind, (args->>'id')::bigint, (args->>'run')::int
		FROM `+table(c.c.Schema, "river_job")+`
		WHERE kind IN ('step', 'letter')
		  AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
		  AND (args->>'id')::bigint = ANY(@ids)`, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("jobs: alive: %w", err)
	}
	alive := make(map[dsar.Work]bool)
	var w dsar.Work
	_, err = pgx.ForEachRow(rows, []any{&w.Kind, &w.ID, &w.Run}, func() error {
		alive[w] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: alive: %w", err)
	}
	return alive, nil
}
