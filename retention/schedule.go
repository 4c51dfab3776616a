package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Sync brings the rules and schedule tables in line with the file; at the start
// of every process. Several at once do no harm: they wait for each other.
func (s *Service) Sync(ctx context.Context) error {
	err := pg.InTx(ctx, s.c.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('lethe rules'))`); err != nil {
			return err
		}
		now := s.c.Now()
		names := make([]string, 0, len(s.plans))
		for _, p := range s.plans {
			names = append(names, p.rule.Name)
			if err := s.syncRule(ctx, tx, p, now); err != nil {
				return fmt.Errorf("rule %s: %w", p.rule.Name, err)
			}
		}
		if _, err := tx.Exec(ctx, `
			UPDATE rules SET gone_at = @now WHERE gone_at IS NULL AND NOT name = ANY (@names)`,
			pgx.StrictNamedArgs{"now": now, "names": names}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM schedule WHERE NOT rule = ANY (@names)`, pgx.StrictNamedArgs{"names": names})
		return err
	})
	if err != nil {
		return fmt.Errorf("bring rules in line with the file: %w", pg.Clean(err))
	}
	return nil
}

// syncRule writes one rule. A schedule that reads as before keeps its due time:
// a tick that came due while nothing ran is still to be claimed.
func (s *Service) syncRule(ctx context.Context, tx pgx.Tx, p plan, now time.Time) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO rules (name, digest, seen_at) VALUES (@name, @digest, @now)
		ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, seen_at = excluded.seen_at, gone_at = NULL`,
		pgx.StrictNamedArgs{"name": p.rule.Name, "digest": p.digest, "now": now}); err != nil {
		return err
	}
	next, err := s.c.Ticks.Next(p.rule.Schedule, now)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO schedule (rule, line, next_due) VALUES (@rule, @line, @next)
		ON CONFLICT (rule) DO UPDATE SET line = excluded.line, next_due = excluded.next_due
		WHERE schedule.line <> excluded.line`,
		pgx.StrictNamedArgs{"rule": p.rule.Name, "line": p.rule.Schedule, "next": next})
	return err
}

// claimBatch bounds one claim; the next minute takes the rest.
const claimBatch = 100

// ClaimDue claims due schedule rows, inserts their sweeps and work in the same
// transaction, and moves the due times on. However many ticks were missed while
// nothing ran, a rule runs once for them: its cutoff is that of now anyway. Two
// claimers at once skip each other's rows, and UNIQUE (rule, due_at) holds even
// if they did not.
func (s *Service) ClaimDue(ctx context.Context) (int, error) {
	if s.c.Queue == nil {
		return 0, fmt.Errorf("claim due rules: there is no queue")
	}
	claimed := 0
	err := pg.InTx(ctx, s.c.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		claimed = 0
		now := s.c.Now()
		type due struct {
			Rule, Line, Digest string
			NextDue            time.Time
			Approved           bool
		}
		rows, err := tx.Query(ctx, `
			SELECT c.rule, c.line, r.digest, c.next_due, r.approved_digest IS NOT DISTINCT FROM r.digest AS approved
			FROM schedule c JOIN rules r ON r.name = c.rule
			WHERE c.next_due <= @now AND r.gone_at IS NULL
			ORDER BY c.next_due LIMIT @limit
			FOR UPDATE OF c SKIP LOCKED`, pgx.StrictNamedArgs{"now": now, "limit": claimBatch})
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[due])
		if err != nil {
			return err
		}
		for _, d := range list {
			var id int64
			err := tx.QueryRow(ctx, `
				INSERT INTO sweeps (rule, digest, due_at, dry_run, status, actor, created_at)
				VALUES (@rule, @digest, @due, @dry, 'waiting', 'system', @now)
				ON CONFLICT (rule, due_at) DO NOTHING RETURNING id`,
				pgx.StrictNamedArgs{"rule": d.Rule, "digest": d.Digest, "due": d.NextDue, "dry": !d.Approved, "now": now}).Scan(&id)
			switch {
			case errors.Is(err, pgx.ErrNoRows): // that tick has its sweep
			case err != nil:
				return err
			default:
				if err := s.c.Queue.InsertSweep(ctx, tx, Work{ID: id, Run: 1}); err != nil {
					return fmt.Errorf("queue sweep %d: %w", id, err)
				}
				claimed++
			}
			next, err := s.c.Ticks.Next(d.Line, now)
			if err != nil || !next.After(now) {
				// The line was good when it was synced; a day later it is looked at again.
				next = now.AddDate(0, 0, 1)
			}
			if _, err := tx.Exec(ctx, `UPDATE schedule SET last_due = next_due, next_due = @next WHERE rule = @rule`,
				pgx.StrictNamedArgs{"next": next, "rule": d.Rule}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("claim due rules: %w", pg.Clean(err))
	}
	return claimed, nil
}
