package dsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// archiveRow is what a delivery needs of an archive.
type archiveRow struct {
	ID        int64
	RequestID int64
	Object    string
	Size      int64
}

// name is what the file is called on the person's side.
func (a archiveRow) name() string { return fmt.Sprintf("request-%d.zip", a.RequestID) }

// liveArchive reads the archive of a request, unless it has expired. It is looked
// up by the request: of the index over all that are live it would read too much.
func (s *Service) liveArchive(ctx context.Context, db pg.DB, requestID int64) (archiveRow, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, request_id, object, size FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY AS e (number, now, n)
		JOIN archives a ON a.request_id = e.number WHERE coalesce(deleted_at, 'infinity') = 'infinity' AND expires_at > e.now`, requestID, s.now())
	if err != nil {
		return archiveRow{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[archiveRow])
}

// beginDelivery notes that an archive starts on its way.
func (s *Service) beginDelivery(ctx context.Context, tx pgx.Tx, a archiveRow, how, actor string) (int64, error) {
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO deliveries (archive_id, how, actor, started_at) VALUES (@archive, @how, @actor, @now) RETURNING id`,
		pgx.StrictNamedArgs{"archive": a.ID, "how": how, "actor": actor, "now": s.now()}).Scan(&id)
	return id, err
}

// endDelivery notes that all of it has left.
func (s *Service) endDelivery(ctx context.Context, tx pgx.Tx, a archiveRow, delivery int64, how, actor string) error {
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET finished_at = @now WHERE id = @id`,
		pgx.StrictNamedArgs{"id": delivery, "now": s.now()}); err != nil {
		return err
	}
	return s.note(ctx, tx, "archive.delivered", a.RequestID, actor, map[string]any{"delivery": delivery, "how": how})
}

// Download uses one of the download link's turns and streams the archive in
// clear through begin, which is told its name and size once it is sure to exist.
// An error after begin means that what was written must not be trusted: the
// caller breaks the connection off (the stream is authenticated piece by piece,
// and that it is whole is known at its end only).
func (s *Service) Download(ctx context.Context, token string, begin func(name string, size int64) io.Writer) error {
	var a archiveRow
	var delivery int64
	hash := tokenHash(token)
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var requestID int64
		err := tx.QueryRow(ctx, `
			UPDATE tokens SET uses_left = uses_left - 1, used_at = @now
			WHERE hash = @hash AND purpose = 'download' AND uses_left > 0 AND expires_at > @now
			RETURNING request_id`, pgx.StrictNamedArgs{"hash": hash, "now": s.now()}).Scan(&requestID)
		if err != nil {
			return err
		}
		if a, err = s.liveArchive(ctx, tx, requestID); err != nil {
			return err
		}
		delivery, err = s.beginDelivery(ctx, tx, a, "link", subject)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoToken
	}
	if err != nil {
		return fault("download", err)
	}
	in, err := s.c.Storage.Open(ctx, a.Object)
	if err != nil {
		// Nothing has left: the person keeps the turn.
		_, undo := s.db.Exec(context.WithoutCancel(ctx), `
			UPDATE tokens SET uses_left = uses_left + 1 WHERE hash = @hash`, pgx.StrictNamedArgs{"hash": hash})
		return errors.Join(fmt.Errorf("download archive %d: %w", a.ID, &storageError{err}), pg.Clean(undo))
	}
	defer in.Close() //nolint:errcheck // read to its end or given up
	if err := pour(begin(a.name(), a.Size), in, a); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	return fault(fmt.Sprintf("note delivery %d", delivery), pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return s.endDelivery(ctx, tx, a, delivery, "link", subject)
	}))
}

// pour copies an archive out and checks that all of it came.
func pour(out io.Writer, in io.Reader, a archiveRow) error {
	from := &remembering{Reader: in}
	n, err := io.Copy(out, from)
	switch {
	case err != nil && from.err == nil:
		return fmt.Errorf("archive %d broke off after %d bytes: %w", a.ID, n, &takerError{err})
	case err != nil:
		return fmt.Errorf("archive %d broke off after %d bytes: %w", a.ID, n, &storageError{err})
	case n != a.Size:
		return fmt.Errorf("archive %d has %d bytes instead of %d: %w", a.ID, n, a.Size, &storageError{io.ErrUnexpectedEOF})
	}
	return nil
}

// remembering tells a failure to read from one to write, which io.Copy does not.
type remembering struct {
	io.Reader
	err error
}

// Read is io.Reader's.
func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// takerError marks a failure of what an archive is written to: a file, somebody's
// browser. Its texts may hold an address, so it shows what the system says alone.
type takerError struct{ err error }

func (e *takerError) Error() string {
	var why syscall.Errno
	if errors.As(e.err, &why) {
		return "it could not be written (" + why.Error() + ")"
	}
	return "it could not be written"
}

// HandOver writes the sealed archive for the DPO to hand over, on the record.
// With delivery "hand" it fulfils the request; so it does where the letter with
// the link never arrived, and the person comes for the archive instead.
func (s *Service) HandOver(ctx context.Context, a Actor, id int64, w io.Writer) error {
	var ar archiveRow
	var delivery int64
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		if r.Kind == datamap.Erasure {
			return &NotNow{fmt.Sprintf("Request %d asks for erasure: there is no archive to hand over.", id)}
		}
		ar, err = s.liveArchive(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return &NotNow{fmt.Sprintf("Request %d has no archive now: it is not sealed yet, or it has expired. While the request runs, retry makes it anew.", id)}
		}
		if err != nil {
			return err
		}
		delivery, err = s.beginDelivery(ctx, tx, ar, "hand", a.Name)
		return err
	})
	if err != nil {
		return fault(fmt.Sprintf("hand over request %d", id), err)
	}
	in, err := s.c.Storage.Open(ctx, ar.Object)
	if err != nil {
		return fmt.Errorf("hand over archive %d: %w", ar.ID, &storageError{err})
	}
	defer in.Close() //nolint:errcheck // read to its end or given up
	if err := pour(w, in, ar); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	return fault(fmt.Sprintf("note delivery %d", delivery), pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		r, err := loadRequest(ctx, tx, id, true)
		if err != nil {
			return err
		}
		if err := s.endDelivery(ctx, tx, ar, delivery, "hand", a.Name); err != nil {
			return err
		}
		var unsent bool
		err = tx.QueryRow(ctx, `SELECT NOT EXISTS (
			SELECT FROM letters WHERE request_id = $1 AND kind = 'archive' AND status IN ('waiting', 'sent'))`, id).Scan(&unsent)
		if err != nil {
			return err
		}
		if r.Status != Running || r.Delivery != "hand" && !unsent {
			return nil
		}
		return s.move(ctx, tx, id, Fulfilled, a.Name, map[string]any{"delivery": "hand"})
	}))
}

// Draft writes the archive as it would be now, unsealed, for the DPO's eyes.
func (s *Service) Draft(ctx context.Context, a Actor, id int64, w io.Writer) error {
	var r requestRow
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var err error
		if r, err = s.loadFor(ctx, tx, a, id, true, true); err != nil {
			return err
		}
		if r.Kind == datamap.Erasure {
			return &NotNow{fmt.Sprintf("Request %d asks for erasure: there is no archive to draft.", id)}
		}
		if r.Status != InReview && r.Status != Running {
			return notNow(id, r.Status, Running)
		}
		return s.note(ctx, tx, "archive.drafted", id, a.Name, map[string]any{})
	})
	if err != nil {
		return fault(fmt.Sprintf("draft request %d", id), err)
	}
	p, err := s.pack(ctx, r, true)
	if err != nil {
		return draftFault(id, err)
	}
	defer p.close(ctx)
	if _, err := archive.Write(ctx, w, p.letter, s.c.Map.Digest, p.tables, p.files...); err != nil {
		return draftFault(id, err)
	}
	return nil
}

// draftFault tells the DPO of a source's failure as a step would.
func draftFault(id int64, err error) error {
	var src *sourceError
	if errors.As(err, &src) {
		return &NotNow{explain(err).sentence}
	}
	return fault(fmt.Sprintf("draft request %d", id), err)
}
