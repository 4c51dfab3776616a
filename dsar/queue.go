package dsar

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Steps, letters and their jobs are written at the end of the transaction that
// needs them, all that it makes in one statement: who is carried by whom is
// known then, and stands in the row from the start.

// A newStep is a step to be written.
type newStep struct {
	id            int64 // of a new request's; 0: there may be the step already
	requestID     int64
	stage, source string
	// searched: it is one of stage mentions, and done.
	searched *mentionNote
}

type addingSteps struct{}

// addStep makes a step of a request, or runs it again (the next run number,
// its error forgotten), and queues its job. source is "" for a step over all
// sources. The caller holds the request's row, and does not look for the step in
// this transaction.
func (s *Service) addStep(ctx context.Context, tx pgx.Tx, requestID int64, stage, source string) error {
	return pg.Later(ctx, tx, addingSteps{}, newStep{requestID: requestID, stage: stage, source: source}, s.insertSteps)
}

// addSteps makes a step for each source. ids are the numbers drawn for those of
// a new request.
func (s *Service) addSteps(ctx context.Context, tx pgx.Tx, requestID int64, stage string, ids ...int64) error {
	for i, name := range s.sources {
		n := newStep{requestID: requestID, stage: stage, source: name}
		if ids != nil {
			n.id = ids[i]
		}
		if err := pg.Later(ctx, tx, addingSteps{}, n, s.insertSteps); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) insertSteps(ctx context.Context, tx pgx.Tx, all []newStep) error {
	known := map[newStep]bool{}
	all = slices.DeleteFunc(all, func(n newStep) bool { // asked for twice, it runs once
		again := known[n]
		known[n] = true
		return again
	})
	work, err := numbered(ctx, tx, all)
	if err != nil {
		return fmt.Errorf("number %d steps: %w", len(all), err)
	}
	var open []Work
	var groups []group
	for i, n := range all {
		if n.searched == nil {
			open = append(open, work[i])
			groups = append(groups, group{"step", n.stage, n.source})
		}
	}
	jobs, by := inCompany(open, groups)
	now := s.now()
	for i, n := range all {
		w, status, ended, note := work[i], "waiting", (*time.Time)(nil), []byte(nil)
		if n.searched != nil {
			if note, err = s.sealJSON(place(stepOf, w.ID), n.searched); err != nil {
				return err
			}
			status, ended = "done", &now
		}
		err := pg.Put(ctx, tx, `
			INSERT INTO steps (id, request_id, stage, source, run, status, carrier, carrier_run, note_cipher, started_at, finished_at, created_at) OVERRIDING SYSTEM VALUE
			SELECT id, request_id, stage, source, run, status, nullif(carrier, 0), nullif(carrier_run, 0), note, ended, ended, now
			FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::text[], $7::bigint[], $8::int[], $9::bytea[], $10::timestamptz[], $11::timestamptz[])
				AS e (id, request_id, stage, source, run, status, carrier, carrier_run, note, ended, now)
			ON CONFLICT (id) DO UPDATE
			SET run = excluded.run, status = excluded.status, attempts = 0, error = NULL, message = NULL, started_at = excluded.started_at,
				finished_at = excluded.finished_at, carrier = excluded.carrier, carrier_run = excluded.carrier_run`,
			w.ID, n.requestID, n.stage, n.source, w.Run, status, by[w.ID].ID, by[w.ID].Run, note, ended, now)
		if err != nil {
			return fmt.Errorf("add %d steps: %w", len(all), err)
		}
	}
	return s.insertJobs(ctx, tx, jobs)
}

// numbered gives steps their numbers and runs: one that stands there already
// keeps its number.
func numbered(ctx context.Context, tx pgx.Tx, all []newStep) ([]Work, error) {
	work := make([]Work, len(all))
	var unknown []int
	var sets [][]any
	for i, n := range all {
		work[i] = Work{Kind: "step", ID: n.id, Run: 1}
		if n.id == 0 {
			unknown = append(unknown, i)
			sets = append(sets, []any{n.requestID, n.stage, n.source})
		}
	}
	if len(unknown) == 0 {
		return work, nil
	}
	rows, err := pg.EachOf(ctx, tx, `
		SELECT e.n, coalesce(t.id, nextval('steps_id_seq')), coalesce(t.run, 0) + 1
		FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS e (request, stage, source, n)
		LEFT JOIN steps t ON t.request_id = e.request AND t.stage = e.stage AND t.source = e.source ORDER BY e.n`, sets)
	if err != nil {
		return nil, err
	}
	var w Work
	_, err = pgx.ForEachRow(rows, []any{&w.ID, &w.Run}, func() error {
		work[unknown[0]].ID, work[unknown[0]].Run = w.ID, w.Run
		unknown = unknown[1:]
		return nil
	})
	return work, err
}

type queueing struct{}

// enqueue queues a job of its own for work that is there already.
func (s *Service) enqueue(ctx context.Context, tx pgx.Tx, w Work) error {
	return pg.Later(ctx, tx, queueing{}, w, s.insertJobs)
}

func (s *Service) insertJobs(ctx context.Context, tx pgx.Tx, jobs []Work) error {
	if err := s.c.Queue.Insert(ctx, tx, jobs...); err != nil {
		return fmt.Errorf("queue %d jobs: %w", len(jobs), err)
	}
	return nil
}
