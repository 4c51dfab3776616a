package dsar

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// Brake is when an erasure needs a second person's approval: an identity that
// matches many rows, or reaches far more than is usual, is more often a
// placeholder or a mistake than a person, and nothing brings erased rows back.
type Brake struct {
	RootRows int // more root rows than this; 0: 25
	Times    int // more than so many times the usual; 0: 10
}

// What is usual is told from the last fulfilled erasures, and only once there
// are enough of them.
const (
	brakeRootRows = 25
	brakeTimes    = 10
	usualOf       = "100"
	usualFrom     = 10
)

// FirstApproval is a yes that waits for a second person's. The zero value: none.
type FirstApproval struct {
	At  time.Time
	By  string
	Why string // a sentence, without contents
}

func (r requestRow) firstApproval() FirstApproval {
	if r.ApprovedAt != nil {
		return FirstApproval{At: orNever(r.FirstApprovedAt), By: orEmpty(r.FirstApprovedBy)}
	}
	return FirstApproval{At: orNever(r.FirstApprovedAt), By: orEmpty(r.FirstApprovedBy), Why: orEmpty(r.Brake)}
}

// secondWords say what a request with a first approval waits for.
func secondWords(r requestRow) string {
	return "Approved by one person; waits for a second one to approve, too. " + orEmpty(r.Brake)
}

// brake says, in a sentence, why an erasure of so many root rows needs a second
// person, or "".
func (s *Service) brake(ctx context.Context, tx pgx.Tx, r requestRow, rootRows int) (string, error) {
	if r.Kind != datamap.Erasure {
		return "", nil
	}
	limit, times := s.c.Brake.RootRows, s.c.Brake.Times
	if limit <= 0 {
		limit = brakeRootRows
	}
	if times <= 0 {
		times = brakeTimes
	}
	if rootRows > limit {
		return fmt.Sprintf("Its identities match %d rows by themselves, more than %d: that looks like a value that several people share.", rootRows, limit), nil
	}
	// Erasures that found nothing say nothing of what is usual. The policy is
	// part of the question: one for names only reaches less.
	var known int
	var usual, own float64
	err := pg.EachRow(ctx, tx, `
		WITH e AS (SELECT * FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u (policy, request, n)),
		past AS (
			SELECT p.policy, (SELECT coalesce(sum(f.rows), 0) FROM findings f WHERE f.request_id = r.id) AS rows
			FROM (SELECT DISTINCT policy FROM e) p CROSS JOIN LATERAL (
				SELECT q.id FROM requests q WHERE q.kind = 'erasure' AND q.policy = p.policy AND q.status = 'fulfilled'
				ORDER BY q.finished_at DESC LIMIT `+usualOf+`) r),
		found AS (
			SELECT policy, count(*) AS many, percentile_cont(0.5) WITHIN GROUP (ORDER BY rows)::float8 AS usual FROM past WHERE rows > 0 GROUP BY policy)
		SELECT e.n, coalesce(many, 0), coalesce(usual, 0),
			(SELECT coalesce(sum(rows), 0)::float8 FROM findings WHERE request_id = e.request)
		FROM e LEFT JOIN found USING (policy)`, r.Policy, r.ID).Scan(&known, &usual, &own)
	if err != nil {
		return "", fmt.Errorf("what is usual for request %d: %w", r.ID, err)
	}
	if known >= usualFrom && own > usual*float64(times) {
		return fmt.Sprintf("It would take %.0f rows, more than %d times the %.0f that are usual.", own, times, usual), nil
	}
	return "", nil
}

// firstOf tells whether this approval is only the first of two. It keeps it
// then. The same person twice is one person; and rows ticked otherwise than the
// first one did are a new question, of which this approval is the first.
func (s *Service) firstOf(ctx context.Context, tx pgx.Tx, a Actor, r requestRow, ticked int, changed bool) (bool, error) {
	why, err := s.brake(ctx, tx, r, ticked)
	if err != nil || why == "" {
		return false, err
	}
	switch {
	case r.FirstApprovedBy == nil || changed:
	case *r.FirstApprovedBy == a.Name:
		return false, &NotNow{"You have approved this already; a second person has to, too. " + why}
	default:
		return false, nil
	}
	_, err = tx.Exec(ctx, `UPDATE requests SET first_approved_at = $2, first_approved_by = $3, brake = $4 WHERE id = $1`,
		r.ID, s.now(), a.Name, why)
	if err != nil {
		return false, fmt.Errorf("first approval of request %d: %w", r.ID, err)
	}
	return true, s.note(ctx, tx, "request.first_approved", r.ID, a.Name, map[string]any{"rows": ticked})
}
