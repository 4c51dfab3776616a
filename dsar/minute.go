package dsar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// What time asks for. Each round takes a bounded number of each; the next
// minute takes the rest.
const (
	remindAfter = 3 * 24 * time.Hour // after the confirmation was sent
	lapseAfter  = 30 * 24 * time.Hour
	// A request lapses only when its reminder has had a week: one that came in
	// on paper and late must not lapse before anybody was asked.
	lapseAfterReminder = 7 * 24 * time.Hour
	lostAfter          = 5 * time.Minute // of a step or letter without a job
	minuteBatch        = 200
	tidyAfter          = 24 * time.Hour // far longer than any archive takes to write
)

// Minute does what time asks for: reminders, lapses, expired archives, records
// to scrub, steps and letters that wait although no job of theirs is alive (alive tells).
// One part's failure does not keep the others from their turn.
func (s *Service) Minute(ctx context.Context, alive func(ctx context.Context, w []Work) (map[Work]bool, error)) error {
	parts := []struct {
		name string
		do   func(context.Context) error
	}{
		{"remind", s.remind},
		{"lapse", s.lapse},
		{"released late", s.releaseLate},
		{"remind owners", s.remindOwners},
		{"uploads", s.expireUploads},
		{"expired archives", s.expireArchives},
		{"broken-off archives", s.tidy},
		{"scrub", s.scrub},
		{"kept rows", s.claimKept},
		{"expired links", s.expireTokens},
		{"reconcile", func(ctx context.Context) error { return s.reconcile(ctx, alive) }},
	}
	var errs []error
	for _, p := range parts {
		if err := p.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, pg.Clean(err)))
		}
	}
	return errors.Join(errs...)
}

// inTx runs f in a transaction of the control database.
func (s *Service) inTx(ctx context.Context, f func(pgx.Tx) error) error {
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, f)
}

// due lists the requests that a condition names, oldest first.
func (s *Service) due(ctx context.Context, condition string, args pgx.StrictNamedArgs) ([]int64, error) {
	args["batch"] = minuteBatch
	rows, err := s.db.Query(ctx, `SELECT r.id FROM requests r WHERE `+condition+` ORDER BY r.id LIMIT @batch`, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// remind writes once to those who have not confirmed, with a new link.
func (s *Service) remind(ctx context.Context) error {
	ids, err := s.due(ctx, `r.status = 'received' AND r.reminded_at IS NULL AND EXISTS (
			SELECT FROM letters l WHERE l.request_id = r.id AND l.kind = 'confirm' AND l.status = 'sent' AND l.sent_at <= @sent)`,
		pgx.StrictNamedArgs{"sent": s.now().Add(-remindAfter)})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.inTx(ctx, func(tx pgx.Tx) error {
			r, err := loadRequest(ctx, tx, id, true)
			if err != nil || r.Status != Received || r.RemindedAt != nil {
				return err
			}
			list, _, err := s.confirmations(ctx, tx, id)
			if err != nil {
				return err
			}
			for i, c := range list {
				if err := s.askConfirmation(ctx, tx, r, "remind", i, c); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, `UPDATE requests SET reminded_at = $2 WHERE id = $1`, id, s.now()); err != nil {
				return fmt.Errorf("request %d: %w", id, err)
			}
			return s.note(ctx, tx, "request.reminded", id, system, map[string]any{"letters": len(list)})
		}))
	}
	return errors.Join(errs...)
}

// lapse ends requests that were never confirmed though asked for and reminded.
// A request that could not be asked about by mail waits for the DPO instead.
func (s *Service) lapse(ctx context.Context) error {
	ids, err := s.due(ctx, `r.status = 'received' AND r.received_at <= @received AND r.reminded_at <= @reminded`,
		pgx.StrictNamedArgs{"received": s.now().Add(-lapseAfter), "reminded": s.now().Add(-lapseAfterReminder)})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.inTx(ctx, func(tx pgx.Tx) error {
			err := s.move(ctx, tx, id, Lapsed, system, nil)
			if confirmed := (*NotNow)(nil); errors.As(err, &confirmed) {
				return nil // confirmed in this very moment
			}
			return err
		}))
	}
	return errors.Join(errs...)
}

// releaseLate lets erasures go whose awaited request ended at the very moment at
// which they began to wait for it: neither of the two transactions saw the other.
func (s *Service) releaseLate(ctx context.Context) error {
	ids, err := s.due(ctx, `r.id IN (SELECT w.waits_for FROM requests w WHERE w.waits_for IS NOT NULL AND w.status IN ('received', 'in_review'))
		AND coalesce(r.status, '') NOT IN ('received', 'in_review', 'running')`, pgx.StrictNamedArgs{})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.inTx(ctx, func(tx pgx.Tx) error { return s.release(ctx, tx, id) }))
	}
	return errors.Join(errs...)
}

// expireTokens deletes links that work no more.
func (s *Service) expireTokens(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `
		DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires_at <= @now LIMIT 1000)`,
		pgx.StrictNamedArgs{"now": s.now()})
	return err
}

// reconcile queues again what waits or runs though no job of it is alive: a
// worker killed on a job's last attempt leaves such a step behind.
func (s *Service) reconcile(ctx context.Context, alive func(context.Context, []Work) (map[Work]bool, error)) error {
	if alive == nil {
		return nil
	}
	rows, err := s.db.Query(ctx, `
		(SELECT 'step' AS kind, t.id, t.run, coalesce(t.carrier, t.id) AS by, coalesce(t.carrier_run, t.run) AS by_run
		 FROM steps t
		 WHERE t.finished_at IS NULL AND t.status IN ('waiting', 'running') AND coalesce(t.started_at, t.created_at) <= @before ORDER BY t.created_at LIMIT @batch)
		UNION ALL
		(SELECT 'letter', t.id, t.run, coalesce(t.carrier, t.id), coalesce(t.carrier_run, t.run)
		 FROM letters t
		 WHERE t.status = 'waiting' AND t.created_at <= @before ORDER BY t.created_at LIMIT @batch)`,
		pgx.StrictNamedArgs{"before": s.now().Add(-lostAfter), "batch": minuteBatch})
	if err != nil {
		return err
	}
	type row struct {
		Kind  string
		ID    int64
		Run   int
		By    int64 // whose job does it
		ByRun int
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil || len(list) == 0 {
		return err
	}
	work := make([]Work, 0, len(list))
	for _, x := range list {
		work = append(work, Work{Kind: x.Kind, ID: x.By, Run: x.ByRun})
	}
	living, err := alive(ctx, work)
	if err != nil {
		return err
	}
	var errs []error
	for i, x := range list {
		if !living[work[i]] {
			errs = append(errs, s.requeue(ctx, Work{Kind: x.Kind, ID: x.ID, Run: x.Run}))
		}
	}
	return errors.Join(errs...)
}

// requeue gives a step or letter its next run. What its earlier runs have
// noted stays: an erasure asks for the outcome of its transaction first.
func (s *Service) requeue(ctx context.Context, w Work) error {
	sql := `UPDATE steps SET run = run + 1, status = 'waiting', started_at = NULL, carrier = NULL, carrier_run = NULL
		WHERE id = @id AND run = @run AND status IN ('waiting', 'running') RETURNING run`
	if w.Kind == "letter" {
		sql = `UPDATE letters SET run = run + 1, carrier = NULL, carrier_run = NULL WHERE id = @id AND run = @run AND status = 'waiting' RETURNING run`
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		next := Work{Kind: w.Kind, ID: w.ID}
		err := tx.QueryRow(ctx, sql, pgx.StrictNamedArgs{"id": w.ID, "run": w.Run}).Scan(&next.Run)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s %d: %w", w.Kind, w.ID, err)
		}
		return s.c.Queue.Insert(ctx, tx, next)
	})
}

// tidy removes what killed writers left in the storage; it lists the whole
// folder, so once an hour is enough.
func (s *Service) tidy(ctx context.Context) error {
	if s.now().Minute() != 0 {
		return nil
	}
	_, err := s.c.Storage.Tidy(ctx, s.now().Add(-tidyAfter))
	return err
}
