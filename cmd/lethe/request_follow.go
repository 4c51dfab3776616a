package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// following says how far a request is followed.
type following struct {
	approve, toTheEnd bool
	rows              []string
	limit             time.Duration
}

// follow approves a request when its findings are there, and waits for its end
// or until it waits for a person.
func (a *app) follow(ctx context.Context, w *world, id int64, f following) error {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	hinted, began := false, a.now()
	var last dsar.Request
	for {
		q, err := a.patiently(ctx, id)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			last = q
		}
		switch {
		case err != nil:
		case q.Status == dsar.Fulfilled || q.Status == dsar.Refused || q.Status == dsar.Withdrawn || q.Status == dsar.Lapsed:
			return nil
		case f.approve && q.Status == dsar.InReview && q.ApprovedAt.IsZero() && q.FirstApproval.By == "" && discovered(q):
			switch err := a.requests.Approve(ctx, operator, id, dsar.Approval{Rows: f.rows}); {
			case errors.Is(err, dsar.ErrRows):
				return doneInPart("request %d waits for you: %w", id, err)
			case err != nil && !pg.Passing(err):
				return err
			case err == nil && !f.toTheEnd:
				return nil
			case err == nil:
				continue
			} // it may be approved, or not: it is looked at again
		case q.Waiting != "" && !atWork(q):
			return doneInPart("request %d: %s", id, q.Waiting)
		case !f.toTheEnd && !f.approve:
			return nil
		}
		if err == nil && !hinted && a.now().Sub(began) > 10*time.Second && untouched(q) {
			hinted = true
			fmt.Fprintf(w.err, "lethe: request %d: %s\n", id, a.unbegun(ctx))
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return doneInPart("%s", a.overtime(context.WithoutCancel(ctx), last, id, f))
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// patiently is the request as it stands. While Lethe's own database is away (it is
// restarted, say) it is asked again, until ctx ends: what was begun is not told as
// failed for that.
func (a *app) patiently(ctx context.Context, id int64) (dsar.Request, error) {
	for {
		q, err := a.requests.Get(ctx, operator, id)
		if !pg.Passing(err) || ctx.Err() != nil {
			return q, err
		}
		rest := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// overtime says what becomes of a request that was followed long enough.
func (a *app) overtime(ctx context.Context, q dsar.Request, id int64, f following) string {
	goes := fmt.Sprintf("it goes on, see lethe request show %d", id)
	switch {
	case q.ID == 0:
		return fmt.Sprintf("request %d could not be looked at within %s", id, f.limit)
	case f.approve && q.Status == dsar.InReview && q.ApprovedAt.IsZero() && q.FirstApproval.By == "":
		goes = fmt.Sprintf("it is not approved yet: once its rows are found, lethe request approve %d", id)
	}
	if untouched(q) {
		goes += "; " + a.unbegun(ctx)
	}
	return fmt.Sprintf("request %d is not done after %s; %s", id, f.limit, goes)
}

// unbegun says why nobody has begun to work on a request.
func (a *app) unbegun(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	switch working, err := a.queue.Working(ctx); {
	case err != nil:
		return "nobody has begun to work on it yet"
	case working:
		return "it waits its turn: workers run, and others came before it"
	}
	return "nobody has begun to work on it: does lethe serve or lethe work run?"
}

func discovered(q dsar.Request) bool {
	some := false
	for _, s := range q.Steps {
		if s.Stage == "discover" {
			some = true
			if s.Status != "done" {
				return false
			}
		}
	}
	return some
}

// atWork: something is being done, or has not been tried yet. What another
// source could not do waits for a person by then, but is not all there is to tell.
func atWork(q dsar.Request) bool {
	return slices.ContainsFunc(q.Steps, func(s dsar.Step) bool {
		return s.Status == "running" || s.Status == "waiting" && s.Attempts == 0
	})
}

func untouched(q dsar.Request) bool {
	for _, s := range q.Steps {
		if !s.StartedAt.IsZero() {
			return false
		}
	}
	return true
}
