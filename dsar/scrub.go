package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// expireArchives deletes archives whose time is over: the object first, the
// note of it after, so that a kill in between deletes once too often and not
// once too little.
func (s *Service) expireArchives(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `
		SELECT id, request_id, object, size FROM archives
		WHERE deleted_at IS NULL AND expires_at <= @now ORDER BY expires_at LIMIT @batch`,
		pgx.StrictNamedArgs{"now": s.now(), "batch": minuteBatch})
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[archiveRow])
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range list {
		errs = append(errs, s.expireArchive(ctx, a))
	}
	return errors.Join(errs...)
}

func (s *Service) expireArchive(ctx context.Context, a archiveRow) error {
	if err := s.deleteObjects(ctx, a.RequestID, a.Object); err != nil {
		return err
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE archives SET deleted_at = @now WHERE id = @id AND object = @object AND deleted_at IS NULL`,
			pgx.StrictNamedArgs{"id": a.ID, "object": a.Object, "now": s.now()})
		if err != nil {
			return fmt.Errorf("archive %d: %w", a.ID, err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		return s.note(ctx, tx, "archive.deleted", a.RequestID, system, map[string]any{"archive": a.ID})
	})
}

// deleteObjects deletes the named objects of a request and those that attempts
// of its archive step noted and may have left behind.
func (s *Service) deleteObjects(ctx context.Context, requestID int64, objects ...string) error {
	var step int64
	var cipher []byte
	err := s.db.QueryRow(ctx, `
		SELECT id, note_cipher FROM steps
		WHERE request_id = $1 AND stage = 'archive' AND note_cipher IS NOT NULL AND status IN ('done', 'failed', 'dropped')`,
		requestID).Scan(&step, &cipher)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("objects of request %d: %w", requestID, err)
	}
	if cipher != nil {
		var note archiveNote
		if err := s.openJSON(place(stepOf, step), cipher, &note); err != nil {
			return err
		}
		objects = append(objects, note.Objects...)
	}
	for _, object := range slices.Compact(slices.Sorted(slices.Values(objects))) {
		if err := s.c.Storage.Delete(ctx, object); err != nil {
			return fmt.Errorf("objects of request %d: %w", requestID, &storageError{err})
		}
	}
	return nil
}

// scrub replaces the identities in Lethe's own records by their HMAC, some time
// after the end of a request (Art. 5(1)(e)): what remains tells that something
// was asked and answered, and when, but not by whom.
func (s *Service) scrub(ctx context.Context) error {
	ids, err := s.due(ctx, `r.scrub_at <= @now AND r.scrubbed_at IS NULL`, pgx.StrictNamedArgs{"now": s.now()})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.scrubRequest(ctx, id))
	}
	return errors.Join(errs...)
}

func (s *Service) scrubRequest(ctx context.Context, id int64) error {
	var live bool
	err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM archives WHERE request_id = $1 AND deleted_at IS NULL)`, id).Scan(&live)
	if err != nil {
		return fmt.Errorf("request %d: %w", id, err)
	}
	if !live {
		if err := s.deleteObjects(ctx, id); err != nil {
			return err
		}
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := loadRequest(ctx, tx, id, true)
		if err != nil || r.ScrubbedAt != nil || r.Status.isOpen() {
			return err
		}
		batch := &pgx.Batch{}
		// The words of the staff may name somebody, whatever they were asked:
		// that a proof and a mandate were seen, by whom and when, stays.
		batch.Queue(`UPDATE identities SET cipher = NULL,
			proved_how = CASE WHEN proved_how <> $2 THEN 'staff' ELSE proved_how END WHERE request_id = $1`, id, byLink)
		batch.Queue(`UPDATE roots SET cipher = NULL WHERE request_id = $1`, id)
		batch.Queue(`UPDATE mentions SET cipher = NULL, reason_cipher = NULL WHERE request_id = $1`, id)
		batch.Queue(`DELETE FROM feeds WHERE request_id = $1`, id)
		batch.Queue(`UPDATE letters SET cipher = NULL, status = CASE WHEN status = 'waiting' THEN 'dropped' ELSE status END
			WHERE request_id = $1`, id)
		// A step of kept rows may be in the middle of its work; it forgets its note at its end.
		// Of an archive step the note holds random names of objects; it goes with the archive.
		batch.Queue(`UPDATE steps SET note_cipher = NULL WHERE request_id = $1 AND stage <> 'kept' AND (stage <> 'archive' OR NOT $2)`, id, live)
		batch.Queue(`DELETE FROM step_files WHERE step_id IN (SELECT id FROM steps WHERE request_id = $1 AND stage <> 'kept')`, id)
		batch.Queue(`UPDATE asks SET cipher = NULL WHERE request_id = $1`, id)
		batch.Queue(`UPDATE uploads SET cipher = NULL WHERE ask_id IN (SELECT id FROM asks WHERE request_id = $1)`, id)
		batch.Queue(`DELETE FROM tokens WHERE request_id = $1 AND purpose IN ('confirm', 'ask')`, id)
		batch.Queue(`UPDATE requests SET requester_cipher = NULL, reason_cipher = NULL, scrubbed_at = $2,
			mandate_kind = CASE WHEN mandate_kind IS NOT NULL THEN 'seen' END WHERE id = $1`, id, s.now())
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("request %d: %w", id, err)
		}
		return s.note(ctx, tx, "request.scrubbed", id, system, nil)
	})
}
