package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// approval is what the rules table knows of a rule.
type approval struct {
	ApprovedDigest    *string
	ApprovedBy        *string
	ApprovedAt        *time.Time
	FirstLimit, Usual *int64
}

// loadApproval reads a rule's row; a rule that was never synced is not approved.
func loadApproval(ctx context.Context, db pg.DB, rule string) (approval, error) {
	rows, err := db.Query(ctx, `SELECT approved_digest, approved_by, approved_at, first_limit, usual FROM rules WHERE name = $1`, rule)
	if err != nil {
		return approval{}, err
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[approval])
	if errors.Is(err, pgx.ErrNoRows) {
		return approval{}, nil
	}
	return a, err
}

// of tells whether the approval is of the rule as it reads now.
func (a approval) of(p *plan) bool { return a.ApprovedDigest != nil && *a.ApprovedDigest == p.digest }

// brakeFloor: below so many rows a run is too small to be alarming. A rule that
// usually finds three rows may find a hundred.
const brakeFloor = 100

// brake says why a run must stop before its first row, or "". The approval sets
// the first limit: what was seen then, and as much again for the days between.
// Later runs stop at ten times the usual, or where the rule says stop_above.
func (a approval) brake(p *plan, e source.Expiry) string {
	const what = "nothing was touched; look at it (sweep --dry-run), and approve the rule again if it is right"
	if !a.of(p) {
		return "the rule is not approved as it reads now; " + what
	}
	if a.Usual == nil && a.FirstLimit != nil {
		if limit := max(2**a.FirstLimit, brakeFloor); e.Expired > limit {
			return fmt.Sprintf("%d rows have expired, far more than the %d that were seen when the rule was approved; %s", e.Expired, *a.FirstLimit, what)
		}
		return ""
	}
	switch l := p.rule.StopAbove; {
	case l.Rows > 0:
		if e.Expired > l.Rows {
			return fmt.Sprintf("%d rows have expired, more than stop_above allows (%d); %s", e.Expired, l.Rows, what)
		}
	case l.Share > 0:
		if float64(e.Expired) > l.Share*float64(e.Total) {
			return fmt.Sprintf("%d of %d rows have expired, more than stop_above allows (%g%%); %s", e.Expired, e.Total, 100*l.Share, what)
		}
	case a.Usual != nil:
		if e.Expired > max(10**a.Usual, brakeFloor) {
			return fmt.Sprintf("%d rows have expired, more than ten times the usual %d; %s", e.Expired, *a.Usual, what)
		}
	}
	return ""
}

// renewUsual sets the usual to the median of the last runs since the approval;
// runs that found nothing do not count, or a quiet week would arm the brake.
func renewUsual(ctx context.Context, tx pgx.Tx, rule string) error {
	_, err := tx.Exec(ctx, `
		UPDATE rules r SET usual = coalesce((
			SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY last.expired)
			FROM (SELECT w.expired FROM sweeps w
			      WHERE w.rule = r.name AND w.status = 'done' AND NOT w.dry_run AND w.expired > 0
			        AND w.digest = r.digest AND w.created_at >= r.approved_at
			      ORDER BY w.created_at DESC LIMIT 10) last), r.usual)
		WHERE r.name = $1`, rule)
	return err
}

// ApproveRule lets a rule delete; its present count becomes the first limit.
// Approving again is how a person lets a stopped rule go on.
func (s *Service) ApproveRule(ctx context.Context, actor, name string) (Result, error) {
	p := s.plan(name)
	if p == nil {
		return Result{}, s.noRule(name)
	}
	now := s.c.Now()
	e, err := s.count(ctx, s.c.Pool, p, now)
	if err != nil {
		return Result{}, fmt.Errorf("count what rule %s matches: %w", name, pg.Clean(err))
	}
	err = pg.InTx(ctx, s.c.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := s.syncRule(ctx, tx, *p, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE rules SET approved_digest = digest, approved_at = @now, approved_by = @actor, first_limit = @limit, usual = NULL
			WHERE name = @name`,
			pgx.StrictNamedArgs{"now": now, "actor": actor, "limit": e.Expired, "name": name}); err != nil {
			return err
		}
		return ledger.Write(ctx, tx, ledger.Entry{Type: "rule.approved", At: now, Actor: actor, Data: map[string]any{
			"rule": name, "rule_digest": p.digest, "expired": e.Expired, "held": e.Held}})
	})
	if err != nil {
		return Result{}, fmt.Errorf("approve rule %s: %w", name, pg.Clean(err))
	}
	return Result{Rule: name, Cutoff: p.cutoff(now), Expired: e.Expired, Held: e.Held, DryRun: true, Status: "done"}, nil
}

// States lists the rules of the file, in its order, with their last and next runs.
func (s *Service) States(ctx context.Context) ([]RuleState, error) {
	states := make([]RuleState, 0, len(s.plans))
	for i := range s.plans {
		st, err := s.state(ctx, &s.plans[i])
		if err != nil {
			return nil, fmt.Errorf("state of rule %s: %w", s.plans[i].rule.Name, pg.Clean(err))
		}
		states = append(states, st)
	}
	return states, nil
}

func (s *Service) state(ctx context.Context, p *plan) (RuleState, error) {
	r := p.rule
	st := RuleState{Name: r.Name, Then: string(r.Then), Keep: r.Keep.String(), Schedule: r.Schedule, Why: why(r)}
	if r.Collection != nil {
		st.Collection = r.Collection.FullName()
	}
	a, err := loadApproval(ctx, s.c.Pool, r.Name)
	if err != nil {
		return st, err
	}
	st.Approved = a.of(p)
	if a.ApprovedBy != nil && a.ApprovedAt != nil {
		st.ApprovedBy, st.ApprovedAt = *a.ApprovedBy, *a.ApprovedAt
	}
	err = s.c.Pool.QueryRow(ctx, `SELECT next_due FROM schedule WHERE rule = $1`, r.Name).Scan(&st.NextDue)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return st, err
	}
	rows, err := s.c.Pool.Query(ctx, `SELECT `+sweepColumns+` FROM sweeps WHERE rule = $1 ORDER BY created_at DESC, id DESC LIMIT 1`, r.Name)
	if err != nil {
		return st, err
	}
	w, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[sweep])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return st, nil
	case err != nil:
		return st, err
	}
	last := w.result(p)
	st.Last, st.LastAt = &last, w.CreatedAt
	return st, nil
}

// why says in one sentence what a rule promises, behind what it does and after how long.
func why(r Rule) string {
	if r.Description != "" {
		return r.Description
	}
	switch {
	case r.Withheld != "":
		return r.Withheld + " is emptied for the controllers that do not want it kept"
	case len(r.Lifetimes) > 0 && !r.Keep.IsZero():
		return "documented lifetime: " + r.Keep.Words() + " (" + r.Lifetimes[0].Source + ")"
	case !r.Keep.IsZero():
		return "counted from " + r.StartsAt
	case r.Unless != nil:
		return "goes as soon as " + r.Unless.Collection.FullName() + " has no counterpart"
	}
	return ""
}
