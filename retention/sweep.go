package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// How a run goes:
//
//	waiting ──▶ running: count, brake ──▶ batch, note, breathe, batch, … ──▶ done
//	                        │                                    └──▶ failed
//	                        └──▶ stopped (the brake), or done (a dry run)
//
// Each batch is one short transaction in the source; after it the position and
// the count are noted in sweeps, so that a run killed anywhere goes on where it
// was. A batch whose note was lost is at most maxBatch rows: they are gone, are
// found no more, and the run's number is that much too small.

// Batches adapt between these, by the time for which the last one locked rows: what
// it takes to find the rows that are held (many requests are open) is not made
// shorter by smaller ones.
const (
	minBatch   = 50
	firstBatch = 250
	maxBatch   = 5000
	quick      = 50 * time.Millisecond  // twice as many next time
	slow       = 250 * time.Millisecond // half as many
	maxPause   = time.Second
)

// heldFor is how long a slice trusts the holds and open requests that it read.
const heldFor = 5 * time.Second

// sweep is a row of sweeps.
type sweep struct {
	ID                     int64
	Rule, Digest, Status   string
	Run                    int
	DryRun                 bool
	Expired, Held, Deleted int64
	At, Actor              string
	Message                *string
	CreatedAt              time.Time
	StartedAt, FinishedAt  *time.Time
}

const sweepColumns = `id, rule, digest, status, run, dry_run, expired, held, deleted, at, actor, message, created_at, started_at, finished_at`

// result is the row as others see it.
func (w sweep) result(p *plan) Result {
	r := Result{ID: w.ID, Rule: w.Rule, Expired: w.Expired, Held: w.Held, Deleted: w.Deleted, DryRun: w.DryRun, Status: w.Status}
	if p != nil {
		r.Cutoff = p.cutoff(w.CreatedAt)
	}
	if w.Message != nil {
		r.Message = *w.Message
	}
	if w.StartedAt != nil && w.FinishedAt != nil {
		r.Seconds = w.FinishedAt.Sub(*w.StartedAt).Seconds()
	}
	return r
}

// RunSlice works on a sweep for at most budget; more: it is not done and wants
// to go on. Running it again, or twice at once, does no harm. Errors that come
// back may pass (a source that is down); what cannot pass ends the sweep as
// failed, with a sentence, and no error.
func (s *Service) RunSlice(ctx context.Context, id int64, run int, budget time.Duration) (more bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sweep %d: %w", id, pg.Clean(err))
		}
	}()
	return s.locked(ctx, id, func(conn *pgxpool.Conn) (bool, error) {
		w, err := loadSweep(ctx, conn, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if w.Run != run || w.Status != "waiting" && w.Status != "running" {
			return false, nil // another job's, or over
		}
		more, err := s.slice(ctx, conn, w, budget, nil)
		if err == nil || ctx.Err() != nil || pg.Passing(err) {
			return more, err
		}
		return false, s.end(ctx, conn, w, "failed", pg.Clean(err).Error())
	})
}

// locked runs f as the only one that works on the sweep. A job that was rescued
// while its first run still breathes is told to come again.
func (s *Service) locked(ctx context.Context, id int64, f func(*pgxpool.Conn) (bool, error)) (more bool, err error) {
	conn, err := s.c.Pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	var got bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended('lethe sweep', $1))`, id).Scan(&got); err != nil {
		return false, err
	}
	if !got {
		return true, nil
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, e := conn.Exec(clean, `SELECT pg_advisory_unlock(hashtextextended('lethe sweep', $1))`, id); e != nil {
			_ = conn.Conn().Close(clean) // the lock goes with the session
		}
	}()
	return f(conn)
}

func loadSweep(ctx context.Context, db pg.DB, id int64) (sweep, error) {
	rows, err := db.Query(ctx, `SELECT `+sweepColumns+` FROM sweeps WHERE id = $1`, id)
	if err != nil {
		return sweep{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[sweep])
}

// slice goes on with a sweep, until it is over or the budget is.
func (s *Service) slice(ctx context.Context, db *pgxpool.Conn, w sweep, budget time.Duration, progress func(Result)) (more bool, err error) {
	p := s.plan(w.Rule)
	switch {
	case p == nil:
		return false, s.end(ctx, db, w, "stopped", "the rule is no longer in the rule file")
	case p.digest != w.Digest:
		return false, s.end(ctx, db, w, "stopped", "the rule has changed since this run was planned; the next run follows the new one")
	}
	begun := s.c.Now()
	if w.At == "" {
		over, err := s.start(ctx, db, p, &w)
		if over || err != nil {
			return false, err
		}
	}
	index, next, ok := parseAt(w.At)
	if !ok || index > len(p.parts) {
		return false, fmt.Errorf("the noted position cannot be read")
	}
	limit := firstBatch
	var kept *protection
	for index < len(p.parts) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if kept, err = s.protect(ctx, db, kept); err != nil {
			return false, err
		}
		sel := kept.shield(p.at(index, w.CreatedAt))
		t := s.c.Now()
		done, err := s.c.Sources[p.parts[index].source].Sweep(ctx, sel, next, limit)
		if err != nil {
			return false, err
		}
		took := s.c.Now().Sub(t)
		if next = done.Next; next == "" {
			index++
		}
		if err := s.note(ctx, db, &w, formatAt(index, next), done.Changed); err != nil {
			return false, err
		}
		if progress != nil {
			progress(w.result(p))
		}
		if index == len(p.parts) {
			break
		}
		if s.c.Now().Sub(begun)+took >= budget {
			return true, nil
		}
		limit = nextBatch(limit, cmp.Or(done.Locked, took))
		// As long a breather as the batch took: a loaded server is slower, and is
		// left alone for longer.
		if err := s.pause(ctx, min(took, maxPause)); err != nil {
			return false, err
		}
	}
	return false, s.end(ctx, db, w, "done", "")
}

func nextBatch(limit int, locked time.Duration) int {
	switch {
	case locked < quick:
		return min(2*limit, maxBatch)
	case locked > slow:
		return max(limit/2, minBatch)
	}
	return limit
}

// start counts what has expired, looks at the brake, and notes that the run has
// begun; over: there is nothing more to do.
func (s *Service) start(ctx context.Context, db *pgxpool.Conn, p *plan, w *sweep) (over bool, err error) {
	now := s.c.Now()
	w.StartedAt = &now
	if _, err := db.Exec(ctx, `UPDATE sweeps SET status = 'running', started_at = coalesce(started_at, @now), cutoff = @cutoff WHERE id = @id`,
		pgx.StrictNamedArgs{"now": now, "cutoff": nullDate(p.cutoff(w.CreatedAt)), "id": w.ID}); err != nil {
		return false, err
	}
	sum, err := s.count(ctx, db, p, w.CreatedAt)
	if err != nil {
		return false, err
	}
	w.Expired, w.Held = sum.Expired, sum.Held
	if w.DryRun {
		return true, s.end(ctx, db, *w, "done", "")
	}
	a, err := loadApproval(ctx, db, w.Rule)
	if err != nil {
		return false, err
	}
	if sentence := a.brake(p, sum); sentence != "" {
		return true, s.end(ctx, db, *w, "stopped", sentence)
	}
	w.At = formatAt(0, "")
	_, err = db.Exec(ctx, `UPDATE sweeps SET at = @at, expired = @expired, held = @held WHERE id = @id`,
		pgx.StrictNamedArgs{"at": w.At, "expired": w.Expired, "held": w.Held, "id": w.ID})
	return false, err
}

// count adds up what a rule's parts match at a moment, with holds as of now.
func (s *Service) count(ctx context.Context, db pg.DB, p *plan, at time.Time) (source.Expiry, error) {
	kept, err := s.protect(ctx, db, nil)
	if err != nil {
		return source.Expiry{}, err
	}
	var sum source.Expiry
	totals := map[string]int64{}
	for i, part := range p.parts {
		e, err := s.c.Sources[part.source].Expired(ctx, kept.shield(p.at(i, at)), "")
		if err != nil {
			return sum, err
		}
		sum.Expired += e.Expired
		sum.Held += e.Held
		totals[part.sel.Collection.FullName()] = e.Total
	}
	for _, n := range totals {
		sum.Total += n
	}
	return sum, nil
}

// note saves where a run has come to. Its condition on the old position keeps a
// second worker, should there be one, from counting the same batch.
func (s *Service) note(ctx context.Context, db pg.DB, w *sweep, at string, changed int64) error {
	tag, err := db.Exec(ctx, `UPDATE sweeps SET at = @at, deleted = deleted + @changed WHERE id = @id AND status = 'running' AND at = @before`,
		pgx.StrictNamedArgs{"at": at, "changed": changed, "id": w.ID, "before": w.At})
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return errors.New("somebody else has ended this run or goes on with it")
	}
	w.At = at
	w.Deleted += changed
	return nil
}

// end writes the outcome, its ledger entry and what is usual now, in one transaction.
func (s *Service) end(ctx context.Context, db pg.Beginner, w sweep, status, message string) error {
	return pg.InTx(ctx, db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		now := s.c.Now()
		// A run that is failed from outside carries counts that only the row knows.
		tag, err := tx.Exec(ctx, `
			UPDATE sweeps SET status = @status, message = nullif(@message, ''), finished_at = @now,
			       expired = greatest(expired, @expired), held = greatest(held, @held)
			WHERE id = @id AND status IN ('waiting', 'running')`,
			pgx.StrictNamedArgs{"status": status, "message": message, "now": now, "expired": w.Expired, "held": w.Held, "id": w.ID})
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if w, err = loadSweep(ctx, tx, w.ID); err != nil {
			return err
		}
		if status == "done" && !w.DryRun {
			if err := renewUsual(ctx, tx, w.Rule); err != nil {
				return err
			}
		}
		return ledger.Write(ctx, tx, ledger.Entry{Type: "sweep." + status, At: now, Actor: w.Actor, Data: map[string]any{
			"sweep": w.ID, "rule": w.Rule, "rule_digest": w.Digest, "dry_run": w.DryRun,
			"expired": w.Expired, "held": w.Held, "deleted": w.Deleted,
		}})
	})
}

// GiveUp marks a sweep failed whose job the queue has discarded.
func (s *Service) GiveUp(ctx context.Context, id int64) error {
	err := s.end(ctx, s.c.Pool, sweep{ID: id}, "failed", "given up after several attempts; the next run takes it up again")
	if err != nil {
		return fmt.Errorf("give up sweep %d: %w", id, pg.Clean(err))
	}
	return nil
}

// Sweep runs rules now, to their end; rule "" means all. progress may be nil. A
// rule that nobody approved runs dry. One rule's failure stands in its Result
// and does not keep the others from running.
func (s *Service) Sweep(ctx context.Context, actor, rule string, dryRun bool, progress func(Result)) ([]Result, error) {
	if rule != "" && s.plan(rule) == nil {
		return nil, s.noRule(rule)
	}
	results := []Result{}
	for i := range s.plans {
		p := &s.plans[i]
		if rule != "" && p.rule.Name != rule {
			continue
		}
		r, err := s.sweepNow(ctx, actor, p, dryRun, progress)
		if err != nil {
			return results, fmt.Errorf("sweep by rule %s: %w", p.rule.Name, pg.Clean(err))
		}
		results = append(results, r)
	}
	return results, nil
}

func (s *Service) sweepNow(ctx context.Context, actor string, p *plan, dryRun bool, progress func(Result)) (Result, error) {
	if err := s.endBroken(ctx, p.rule.Name); err != nil {
		return Result{}, err
	}
	a, err := loadApproval(ctx, s.c.Pool, p.rule.Name)
	if err != nil {
		return Result{}, err
	}
	var id int64
	err = s.c.Pool.QueryRow(ctx, `
		INSERT INTO sweeps (rule, digest, dry_run, status, actor, created_at)
		VALUES (@rule, @digest, @dry, 'running', @actor, @now) RETURNING id`,
		pgx.StrictNamedArgs{"rule": p.rule.Name, "digest": p.digest, "dry": dryRun || !a.of(p), "actor": actor, "now": s.c.Now()}).Scan(&id)
	if err != nil {
		return Result{}, err
	}
	_, err = s.locked(ctx, id, func(conn *pgxpool.Conn) (bool, error) {
		for {
			w, err := loadSweep(ctx, conn, id)
			if err != nil {
				return false, err
			}
			if more, err := s.slice(ctx, conn, w, time.Hour, progress); !more || err != nil {
				return false, err
			}
		}
	})
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		message := pg.Clean(err).Error()
		if ctx.Err() != nil {
			message = "broken off"
		}
		if e := s.end(clean, s.c.Pool, sweep{ID: id}, "failed", message); e != nil || ctx.Err() != nil {
			return Result{}, err
		}
	}
	w, err := loadSweep(ctx, s.c.Pool, id)
	return w.result(p), err
}

// endBroken marks runs by hand whose process was killed: nobody goes on with them.
func (s *Service) endBroken(ctx context.Context, rule string) error {
	rows, err := s.c.Pool.Query(ctx, `SELECT id FROM sweeps WHERE rule = $1 AND due_at IS NULL AND status = 'running'`, rule)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := s.locked(ctx, id, func(conn *pgxpool.Conn) (bool, error) {
			return false, s.end(ctx, conn, sweep{ID: id}, "failed", "broken off")
		}); err != nil {
			return err
		}
	}
	return nil
}

// A position is "part:next": the part's number and the source's own words.
func formatAt(index int, next string) string { return strconv.Itoa(index) + ":" + next }

func parseAt(at string) (index int, next string, ok bool) {
	number, next, found := strings.Cut(at, ":")
	index, err := strconv.Atoi(number)
	return index, next, found && err == nil && index >= 0
}

func nullDate(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
