package dsar

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// remindOwners writes again to owners who have not answered: once before the
// due day, on the first working day after it, and then each week. Reminders
// that were missed while nothing ran are sent once, not once each.
func (s *Service) remindOwners(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT id, request_id FROM asks WHERE remind_at <= @now ORDER BY remind_at LIMIT @batch`,
		pgx.StrictNamedArgs{"now": s.now(), "batch": minuteBatch})
	if err != nil {
		return err
	}
	type row struct{ ID, RequestID int64 }
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range list {
		errs = append(errs, s.inTx(ctx, func(tx pgx.Tx) error { return s.remindOwner(ctx, tx, x.RequestID, x.ID) }))
	}
	return errors.Join(errs...)
}

func (s *Service) remindOwner(ctx context.Context, tx pgx.Tx, requestID, id int64) error {
	r, err := loadRequest(ctx, tx, requestID, true)
	if err != nil {
		return err
	}
	asks, err := asksOf(ctx, tx, requestID)
	if err != nil {
		return err
	}
	for _, a := range asks {
		if a.ID != id {
			continue
		}
		desk, known := s.c.Desks[a.Source]
		if a.Status != statusAsked || r.Status != Running {
			_, err := tx.Exec(ctx, `UPDATE asks SET remind_at = NULL WHERE id = $1`, id)
			return err
		}
		if !known { // taken out of lethe.yaml, or not yet in this process's: look again tomorrow
			_, err := tx.Exec(ctx, `UPDATE asks SET remind_at = $2 WHERE id = $1`, id, s.now().AddDate(0, 0, 1))
			return err
		}
		var due bool
		if err := tx.QueryRow(ctx, `SELECT coalesce(remind_at <= $2, false) FROM asks WHERE id = $1`, id, s.now()).Scan(&due); err != nil || !due {
			return err // another process was first
		}
		c := s.c.Controllers[r.Controller]
		today := s.today(r)
		next, err := nextReminder(today, a.DueOn, c)
		if err != nil {
			return err
		}
		a.Reminders++
		batch := &pgx.Batch{}
		if a.Owner != desk.Owner { // somebody else is asked from now on: whoever was before has no business there
			a.Owner = desk.Owner
			batch.Queue(`DELETE FROM tokens WHERE ask_id = $1`, id)
		}
		batch.Queue(`UPDATE asks SET reminders = $2, remind_at = $3, owner = $4 WHERE id = $1`, id, a.Reminders, next, a.Owner)
		batch.Queue(`UPDATE steps SET message = $2 WHERE id = $1`, a.StepID, a.words(c))
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("remind of ask %d: %w", id, err)
		}
		err = s.note(ctx, tx, "ask.reminded", requestID, system, map[string]any{"source": a.Source, "late": today.After(a.DueOn)})
		if err != nil {
			return err
		}
		return s.writeToOwner(ctx, tx, r, a, letterAskAgain)
	}
	return nil
}
