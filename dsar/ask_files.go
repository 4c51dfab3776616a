package dsar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

const (
	maxUploads = 100 // files of one answer
	// brokenAfter is how long after its beginning an upload that never ended is
	// taken for broken off: longer than any may take.
	brokenAfter = 2 * time.Hour
)

// uploadContent is sealed in uploads.cipher. Its hash tells the same file sent twice.
type uploadContent struct {
	Name string `json:"name"`
	Sum  string `json:"sum"`
}

// uploadRow is a file that is stored whole.
type uploadRow struct {
	ID      int64
	Object  string
	Cipher  []byte
	Size    int64
	BegunAt time.Time
	content uploadContent
}

// uploadsOf lists the files of an ask that are whole and were not taken back.
func (s *Service) uploadsOf(ctx context.Context, db pg.DB, askID int64) ([]uploadRow, error) {
	rows, err := db.Query(ctx, `
		SELECT id, object, cipher, size, begun_at FROM uploads
		WHERE ask_id = $1 AND size IS NOT NULL AND removed_at IS NULL ORDER BY id`, askID)
	if err != nil {
		return nil, fmt.Errorf("files of ask %d: %w", askID, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u uploadRow, err error) {
		return u, row.Scan(&u.ID, &u.Object, &u.Cipher, &u.Size, &u.BegunAt)
	})
	if err != nil {
		return nil, fmt.Errorf("files of ask %d: %w", askID, err)
	}
	for i := range list {
		if list[i].Cipher == nil {
			continue
		}
		if err := s.openJSON(place(uploadOf, list[i].ID), list[i].Cipher, &list[i].content); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// AddFile stores a file for an ask: streamed, encrypted, under a random name. It
// counts once all of it is there. Any number may come at once; their sizes are
// added up as each ends. A file sent twice counts once, so that a page sent
// again by mistake does no harm. What breaks off leaves nothing but a note by
// which the minute's work cleans up.
func (s *Service) AddFile(ctx context.Context, ref AskRef, name string, from io.Reader) error {
	var id, room, limit int64
	var object string
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		_, a, free, err := s.takesFiles(ctx, tx, ref)
		if err != nil {
			return err
		}
		if object, err = s.randomName(); err != nil {
			return err
		}
		room, limit = free, s.c.Desks[a.Source].Limit
		return tx.QueryRow(ctx, `INSERT INTO uploads (ask_id, object, begun_at) VALUES ($1, $2, $3) RETURNING id`, a.ID, object, s.now()).Scan(&id)
	})
	if err != nil {
		return fault("begin an upload", err)
	}
	c := uploadContent{Name: archive.FileName(name)}
	size, err := s.storeUpload(ctx, object, &c, from, room, limit)
	if err == nil {
		err = s.endUpload(ctx, ref, id, c, size)
	}
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	if derr := s.dropUpload(ctx, id, object); derr != nil {
		err = errors.Join(err, derr) // the minute's work tries again
	}
	var invalid *Invalid
	if errors.As(err, &invalid) {
		return invalid
	}
	return fault(fmt.Sprintf("upload %d", id), err)
}

// takesFiles tells whether an ask takes files now, and how many bytes more.
func (s *Service) takesFiles(ctx context.Context, tx pgx.Tx, ref AskRef) (requestRow, askRow, int64, error) {
	r, a, err := s.loadAsk(ctx, tx, ref, true)
	if err != nil {
		return r, a, 0, err
	}
	if err := awaits(r, a, ref); err != nil {
		return r, a, 0, err
	}
	if r.Kind == datamap.Erasure {
		return r, a, 0, &NotNow{"Nothing is handed over for an erasure: say what was done, in words."}
	}
	desk, ok := s.c.Desks[a.Source]
	if !ok {
		return r, a, 0, &NotNow{fmt.Sprintf("The source %s is no longer set up here: files cannot be taken. Write to the data protection officer.", a.Source)}
	}
	files, err := s.uploadsOf(ctx, tx, a.ID)
	if err != nil {
		return r, a, 0, err
	}
	if len(files) >= maxUploads {
		return r, a, 0, &Invalid{map[string]string{"files": fmt.Sprintf("At most %d files: put the rest into one ZIP.", maxUploads)}}
	}
	free := desk.Limit
	for _, f := range files {
		free -= f.Size
	}
	if free <= 0 {
		return r, a, 0, tooLarge(desk.Limit)
	}
	return r, a, free, nil
}

func tooLarge(limit int64) error {
	return &Invalid{map[string]string{"files": fmt.Sprintf(
		"All files together may have %s. This one did not fit and was not kept: make it smaller, or ask the data protection officer for another way.", megabytes(limit))}}
}

func megabytes(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%d kB", n/1e3)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e6), ".0") + " MB"
}

// storeUpload streams a file into storage, whole or not at all. It may have what
// room is left of the limit.
func (s *Service) storeUpload(ctx context.Context, object string, c *uploadContent, from io.Reader, room, limit int64) (int64, error) {
	head := make([]byte, archive.HeadLength)
	from = &ending{from} // a body cut short ends with the very error by which ReadFull tells a short file
	n, err := io.ReadFull(from, head)
	var broken *brokenOff
	if errors.As(err, &broken) {
		return 0, broken
	}
	head = head[:n]
	if n == 0 {
		return 0, &Invalid{map[string]string{"files": "This file is empty, and was not kept."}}
	}
	if why := archive.Unwanted(c.Name, head); why != "" {
		return 0, &Invalid{map[string]string{"files": "This file is not taken: " + why + ". Hand over a PDF or a picture of it instead."}}
	}
	out, err := s.c.Storage.Create(ctx, object)
	if err != nil {
		return 0, &storageError{err}
	}
	defer out.Abort()
	m := &meter{to: out, sum: sha256.New()}
	if _, err := m.Write(head); err != nil {
		return 0, err
	}
	if n < archive.HeadLength {
		from = strings.NewReader("")
	}
	if _, err := io.Copy(m, io.LimitReader(from, room+1)); err != nil {
		return 0, err
	}
	if m.size > room {
		return 0, tooLarge(limit)
	}
	if err := out.Close(); err != nil {
		return 0, &storageError{err}
	}
	c.Sum = hex.EncodeToString(m.sum.Sum(nil))
	return m.size, nil
}

// brokenOff is an upload whose sender went away, or sent too much. The cause
// is for the page, which knows what its own limits mean.
type brokenOff struct{ err error }

func (e *brokenOff) Error() string { return "the upload broke off" }
func (e *brokenOff) Unwrap() error { return e.err }

// ending marks the errors of the sender's side.
type ending struct{ from io.Reader }

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenOff{err}
	}
	return n, err
}

// endUpload makes a stored file count, if it still fits and is still asked for.
func (s *Service) endUpload(ctx context.Context, ref AskRef, id int64, c uploadContent, size int64) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		r, a, free, err := s.takesFiles(ctx, tx, ref)
		if err != nil {
			return err
		}
		files, err := s.uploadsOf(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.content == c {
				return s.forgetUpload(ctx, tx, id)
			}
		}
		if size > free {
			return tooLarge(s.c.Desks[a.Source].Limit)
		}
		cipher, err := s.sealJSON(place(uploadOf, id), c)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE uploads SET size = $2, cipher = $3 WHERE id = $1 AND size IS NULL AND deleted_at IS NULL`, id, size, cipher)
		if err != nil {
			return fmt.Errorf("end upload %d: %w", id, err)
		}
		if tag.RowsAffected() == 0 {
			return &NotNow{"The upload took too long, and was not kept: send it again."}
		}
		return s.note(ctx, tx, "upload.added", r.ID, ref.by(), map[string]any{"source": a.Source, "upload": id, "size": size})
	})
}

// forgetUpload marks an upload as taken back: the minute's work deletes it.
func (s *Service) forgetUpload(ctx context.Context, tx pgx.Tx, id int64) error {
	if _, err := tx.Exec(ctx, `UPDATE uploads SET removed_at = $2 WHERE id = $1`, id, s.now()); err != nil {
		return fmt.Errorf("forget upload %d: %w", id, err)
	}
	return nil
}

// RemoveFile takes a file back, as long as it has not been handed over.
func (s *Service) RemoveFile(ctx context.Context, ref AskRef, id int64) error {
	var object string
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, a, err := s.loadAsk(ctx, tx, ref, true)
		if err != nil {
			return err
		}
		if err := awaits(r, a, ref); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			UPDATE uploads SET removed_at = $3, cipher = NULL WHERE id = $1 AND ask_id = $2 AND size IS NOT NULL AND removed_at IS NULL
			RETURNING object`, id, a.ID, s.now()).Scan(&object)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // gone already
		}
		if err != nil {
			return err
		}
		return s.note(ctx, tx, "upload.removed", r.ID, ref.by(), map[string]any{"source": a.Source, "upload": id})
	})
	if err != nil || object == "" {
		return fault("remove a file", err)
	}
	// It counts no more; where the storage is away, the minute's work deletes it.
	_ = s.dropUpload(ctx, id, object)
	return nil
}

// dropUpload deletes the object first and notes it after: a kill in between
// deletes once too often and not once too little.
func (s *Service) dropUpload(ctx context.Context, id int64, object string) error {
	if err := s.c.Storage.Delete(ctx, object); err != nil {
		return fmt.Errorf("upload %d: %w", id, &storageError{err})
	}
	_, err := s.db.Exec(ctx, `UPDATE uploads SET deleted_at = $2, cipher = NULL WHERE id = $1 AND deleted_at IS NULL`, id, s.now())
	if err != nil {
		return fmt.Errorf("upload %d: %w", id, pg.Clean(err))
	}
	return nil
}

// expireUploads deletes what is no longer needed: files taken back or broken
// off, and those of requests that have ended. By then they are in the archive,
// which has an end of its own.
func (s *Service) expireUploads(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `
		SELECT u.id, u.object FROM uploads u JOIN asks a ON a.id = u.ask_id JOIN requests r ON r.id = a.request_id
		WHERE u.deleted_at IS NULL AND (u.removed_at IS NOT NULL OR u.size IS NULL AND u.begun_at <= @broken
			OR r.status NOT IN ('received', 'in_review', 'running'))
		ORDER BY u.begun_at LIMIT @batch`,
		pgx.StrictNamedArgs{"broken": s.now().Add(-brokenAfter), "batch": minuteBatch})
	if err != nil {
		return err
	}
	type row struct {
		ID     int64
		Object string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range list {
		errs = append(errs, s.dropUpload(ctx, u.ID, u.Object))
	}
	return errors.Join(errs...)
}

// handedOver are the files that go into an archive, of owners who have
// answered, and, as sentences, what was left out; draft takes what is there so far.
func (s *Service) handedOver(ctx context.Context, db pg.DB, requestID int64, draft bool) (files []archive.Attached, skipped bool, err error) {
	list, err := asksOf(ctx, db, requestID)
	if err != nil {
		return nil, false, err
	}
	for _, a := range list {
		skipped = skipped || a.Answer == answeredSkipped
		if a.Answer != AnsweredFiles && !draft {
			continue
		}
		uploads, err := s.uploadsOf(ctx, db, a.ID)
		if err != nil {
			return nil, false, err
		}
		for _, u := range uploads {
			files = append(files, archive.Attached{
				Folder: []string{"manual", a.Source}, Name: u.content.Name, From: a.Owner,
				Open: func(ctx context.Context) (io.ReadCloser, error) {
					r, err := s.c.Storage.Open(ctx, u.Object)
					if err != nil {
						return nil, &storageError{err}
					}
					return &storedFile{r}, nil
				},
			})
		}
	}
	return files, skipped, nil
}

// storedFile marks a storage's errors while reading.
type storedFile struct{ io.ReadCloser }

func (f *storedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &storageError{err}
	}
	return n, err
}
