package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retry puts failed steps and letters of a request back to work, and makes an
// archive anew that expired before it was handed over. Rows that came up
// during an erasure and name somebody else are left for good: pressing retry
// after that message is the DPO's decision, and goes on the record as such. So
// it is with what the data map has lost since the approval.
func (s *Service) Retry(ctx context.Context, a Actor, id int64) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		steps, err := s.retrySteps(ctx, tx, r, a)
		if err != nil {
			return err
		}
		letters, err := s.retryLetters(ctx, tx, r)
		if err != nil {
			return err
		}
		if steps == 0 && r.Status == Running {
			if steps, err = s.remakeArchive(ctx, tx, r); err != nil {
				return err
			}
		}
		resting, hurried, err := s.hurry(ctx, tx, r)
		if err != nil {
			return err
		}
		switch {
		case steps+letters+hurried > 0:
		case resting > 0:
			return &NotNow{fmt.Sprintf("What waited of request %d is being tried just now.", id)}
		default:
			return &NotNow{fmt.Sprintf("Nothing of request %d has failed, and nothing waits to be tried again.", id)}
		}
		about := map[string]any{"steps": steps, "letters": letters}
		if hurried > 0 {
			about["hurried"] = hurried
		}
		return s.note(ctx, tx, "request.retried", id, a.Name, about)
	})
	return fault(fmt.Sprintf("retry request %d", id), err)
}

// hurry has what rests after a failure that passes by itself tried at once: whoever
// has mended what was down need not wait until Lethe looks. It returns how much
// rests, and how much of it does no more; the rest is at work. Where another's
// job carries something, that job is hurried.
func (s *Service) hurry(ctx context.Context, tx pgx.Tx, r requestRow) (resting, hurried int, err error) {
	rows, err := tx.Query(ctx, `
		SELECT 'step' AS kind, coalesce(carrier, id) AS id, coalesce(carrier_run, run) AS run FROM steps
		WHERE request_id = $1 AND status = 'waiting' AND error IS NOT NULL
		UNION
		SELECT 'letter', coalesce(carrier, id), coalesce(carrier_run, run) FROM letters
		WHERE request_id = $1 AND status = 'waiting' AND trouble IS NOT NULL`, r.ID)
	if err != nil {
		return 0, 0, fmt.Errorf("what rests: %w", err)
	}
	work, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Work, err error) {
		return w, row.Scan(&w.Kind, &w.ID, &w.Run)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("what rests: %w", err)
	}
	if len(work) == 0 {
		return 0, 0, nil
	}
	if hurried, err = s.c.Queue.Hurry(ctx, tx, work...); err != nil {
		return 0, 0, fmt.Errorf("hurry what rests: %w", err)
	}
	return len(work), hurried, nil
}

func (s *Service) retrySteps(ctx context.Context, tx pgx.Tx, r requestRow, a Actor) (int, error) {
	rows, err := tx.Query(ctx, `
		SELECT stage, source, coalesce(error, '') AS code FROM steps
		WHERE request_id = $1 AND status = 'failed' ORDER BY id`, r.ID)
	if err != nil {
		return 0, fmt.Errorf("failed steps: %w", err)
	}
	type row struct{ Stage, Source, Code string }
	failed, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return 0, fmt.Errorf("failed steps: %w", err)
	}
	var stopped []string
	for _, f := range failed {
		if f.Code == codeChanged {
			stopped = append(stopped, f.Source)
		}
	}
	if err := s.goOn(ctx, tx, r, a, stopped); err != nil {
		return 0, err
	}
	for _, f := range failed {
		if f.Code == "new_rows" {
			tag, err := tx.Exec(ctx, `
				UPDATE roots SET ticked = false WHERE request_id = $1 AND source = $2 AND proved AND ticked IS NULL`, r.ID, f.Source)
			if err != nil {
				return 0, fmt.Errorf("leave rows: %w", err)
			}
			if err := s.note(ctx, tx, "rows.left", r.ID, a.Name, map[string]any{"source": f.Source, "rows": tag.RowsAffected()}); err != nil {
				return 0, err
			}
		}
		if f.Stage == stageAsk {
			if err := s.ask(ctx, tx, r, f.Source, a.Name); err != nil {
				return 0, err
			}
			continue
		}
		if err := s.addStep(ctx, tx, r.ID, f.Stage, f.Source); err != nil {
			return 0, err
		}
	}
	return len(failed), nil
}

func (s *Service) retryLetters(ctx context.Context, tx pgx.Tx, r requestRow) (int, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+letterColumns+`, false AS carries FROM letters
		WHERE request_id = $1 AND status = 'failed' AND cipher IS NOT NULL ORDER BY id`, r.ID)
	if err != nil {
		return 0, fmt.Errorf("failed letters: %w", err)
	}
	failed, err := pgx.CollectRows(rows, pgx.RowToStructByName[letterRow])
	if err != nil {
		return 0, fmt.Errorf("failed letters: %w", err)
	}
	for _, l := range failed {
		var c sentContent
		if err := s.openJSON(place(letterOf, l.ID), l.Cipher, &c); err != nil {
			return 0, err
		}
		c.Again = true
		if err := s.renewLink(ctx, tx, r, l, &c); err != nil {
			return 0, err
		}
		cipher, err := s.sealJSON(place(letterOf, l.ID), c)
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE letters SET status = 'waiting', run = run + 1, attempts = 0, carrier = NULL, carrier_run = NULL, smtp_code = NULL, trouble = NULL,
				cipher = $2, created_at = $3
			WHERE id = $1`, l.ID, cipher, s.now()); err != nil {
			return 0, fmt.Errorf("retry letter %d: %w", l.ID, err)
		}
		if err := s.enqueue(ctx, tx, Work{Kind: "letter", ID: l.ID, Run: l.Run + 1}); err != nil {
			return 0, err
		}
	}
	return len(failed), nil
}

// renewLink puts a fresh link into a confirmation whose own has expired, or is
// about to, while nobody could read it.
func (s *Service) renewLink(ctx context.Context, tx pgx.Tx, r requestRow, l letterRow, c *sentContent) error {
	if l.Kind != "confirm" && l.Kind != "remind" || c.ExpiresAt.After(s.now().Add(24*time.Hour)) {
		return nil
	}
	list, _, err := s.confirmations(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(x confirmation) bool { return x.to == c.To })
	if i < 0 {
		return nil // proved meanwhile in another way: SendLetter sends what was asked
	}
	token, err := s.newToken(ctx, tx, "confirm", r.ID, list[i].identities, 1, confirmTTL)
	if err != nil {
		return err
	}
	c.Link, c.ExpiresAt = s.publicURL(r.Controller)+"/confirm/"+token, s.now().Add(confirmTTL)
	return nil
}

// remakeArchive starts the archive step again when its archive has gone while
// the request still waits to hand it over.
func (s *Service) remakeArchive(ctx context.Context, tx pgx.Tx, r requestRow) (int, error) {
	var one int
	err := tx.QueryRow(ctx, `
		SELECT 1 FROM archives WHERE request_id = @request AND (deleted_at IS NOT NULL OR expires_at <= @now)
			AND NOT EXISTS (SELECT FROM steps WHERE request_id = @request AND stage = 'archive' AND status <> 'done')`,
		pgx.StrictNamedArgs{"request": r.ID, "now": s.now()}).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("expired archive: %w", err)
	}
	return 1, s.addStep(ctx, tx, r.ID, stageArchive, "")
}
