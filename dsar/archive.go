package dsar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// How long an archive is kept and how often its link works.
const (
	linkTTL  = 7 * 24 * time.Hour
	linkUses = 5
	// handTTL gives somebody without a mail address time to come in person.
	handTTL = 30 * 24 * time.Hour
	// attachLimit is what mail servers commonly take; larger archives go by link.
	attachLimit = 10 << 20
)

// archiveNote is sealed in steps.note_cipher of an archive step before the
// first byte is stored: the objects of every attempt, so that none is
// orphaned by a kill. Their names are random and say nothing.
type archiveNote struct {
	Objects []string `json:"objects"`
}

// errLongCopy: the job's time was over before the archive was written.
var errLongCopy = errors.New("the copy takes longer than one job may take")

// seal makes the archive of an access or export request: all sources are read
// from consistent snapshots and streamed, encrypted, into storage.
func (s *Service) seal(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	var note archiveNote
	if err := s.openNote(st, &note); err != nil {
		return finish{}, err
	}
	for _, object := range note.Objects {
		var err error
		pg.Away(ctx, func() { err = s.c.Storage.Delete(ctx, object) })
		if err != nil {
			return finish{}, &storageError{err}
		}
	}
	p, err := s.pack(ctx, r, false)
	if err != nil {
		return finish{}, err
	}
	defer pg.Soon(ctx, func() { p.close(ctx) })
	if p.empty() {
		return finish{write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
			p, err := s.dossierOf(ctx, tx, r.ID)
			if err != nil {
				return err
			}
			return s.answer(ctx, tx, r, p, "nothing", letterContent{})
		}}, nil
	}
	object, err := s.randomName()
	if err != nil {
		return finish{}, err
	}
	note.Objects = append(note.Objects, object)
	if err := s.noteStep(ctx, st, nil, note); err != nil {
		return finish{}, err
	}
	var sum []byte
	var size int64
	var made archive.Manifest
	pg.Soon(ctx, func() { sum, size, made, err = s.store(ctx, object, p) })
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errLongCopy // whoever was asked last, it is not their fault
	}
	if err != nil {
		return finish{}, err
	}
	return finish{write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		for src, findings := range p.findings {
			if err := s.saveFindings(ctx, tx, r.ID, src, findings); err != nil {
				return err
			}
		}
		return s.deliver(ctx, tx, r, object, sum, size, made)
	}}, nil
}

// store writes the archive into storage, whole or not at all.
func (s *Service) store(ctx context.Context, object string, p *parcel) (sum []byte, size int64, made archive.Manifest, err error) {
	out, err := s.c.Storage.Create(ctx, object)
	if err != nil {
		return nil, 0, made, &storageError{err}
	}
	defer out.Abort()
	m := &meter{to: out, sum: sha256.New()}
	if made, err = archive.Write(ctx, m, p.letter, s.c.Map.Digest, p.tables, p.files...); err != nil {
		return nil, 0, made, err
	}
	if err := out.Close(); err != nil {
		return nil, 0, made, &storageError{err}
	}
	return m.sum.Sum(nil), m.size, made, nil
}

// meter counts and hashes what goes into storage, and marks its errors.
type meter struct {
	to   io.Writer
	sum  hash.Hash
	size int64
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.to.Write(b)
	m.sum.Write(b[:n])
	m.size += int64(n)
	if err != nil {
		return n, &storageError{err}
	}
	return n, nil
}

// randomName is an object's key: 128 random bits that name nobody.
func (s *Service) randomName() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(s.c.Rand, raw[:]); err != nil {
		return "", fmt.Errorf("name an object: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// deliver records the archive and says how it reaches the person: by a link
// that expires, as an attachment where it is small enough, or by hand, which is
// also what is left when no address is on record.
func (s *Service) deliver(ctx context.Context, tx pgx.Tx, r requestRow, object string, sum []byte, size int64, made archive.Manifest) error {
	to, err := s.address(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	how, ttl := r.Delivery, linkTTL
	if how == "attachment" && size > attachLimit {
		how = "link"
	}
	if to == "" || how == "hand" {
		how, ttl = "hand", handTTL
	}
	expires := s.now().Add(ttl)
	_, err = pg.EachExec(ctx, tx, `
		INSERT INTO archives (request_id, object, size, sha256, sealed_at, expires_at)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::timestamptz[], $6::timestamptz[])
		ON CONFLICT (request_id) DO UPDATE SET object = excluded.object, size = excluded.size, sha256 = excluded.sha256,
			sealed_at = excluded.sealed_at, expires_at = excluded.expires_at, deleted_at = NULL`,
		r.ID, object, size, sum, s.now(), expires)
	if err != nil {
		return fmt.Errorf("record the archive of request %d: %w", r.ID, err)
	}
	if _, err := pg.EachExec(ctx, tx, `DELETE FROM tokens WHERE request_id = ANY($1) AND purpose = 'download'`, r.ID); err != nil {
		return fmt.Errorf("record the archive of request %d: %w", r.ID, err)
	}
	if how == "hand" {
		if _, err := pg.EachExec(ctx, tx, `UPDATE requests SET delivery = 'hand' WHERE id = ANY($1)`, r.ID); err != nil {
			return fmt.Errorf("record the archive of request %d: %w", r.ID, err)
		}
	}
	sealed := map[string]any{"size": size, "sha256": hex.EncodeToString(sum), "delivery": how}
	if made.Missing > 0 {
		sealed["missing_files"] = made.Missing
	}
	if err := s.note(ctx, tx, "archive.sealed", r.ID, system, sealed); err != nil {
		return err
	}
	if how == "hand" {
		return nil // the request waits for HandOver
	}
	status, err := s.statusLink(ctx, tx, r, nil)
	if err != nil {
		return err
	}
	c := letterContent{To: to, StatusLink: status, ExpiresAt: expires}
	if how == "attachment" {
		c.Attach = true
	} else {
		token, err := s.newToken(ctx, tx, "download", r.ID, nil, linkUses, linkTTL)
		if err != nil {
			return err
		}
		c.Link = s.publicURL(r.Controller) + "/download/" + token
	}
	// An archive made anew, after the first one expired, has a letter of its own.
	var ordinal int
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, (SELECT count(*) FROM letters l WHERE l.request_id = e.number AND l.kind = 'archive' AND l.status = 'sent')
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n)`, r.ID).Scan(&ordinal)
	if err != nil {
		return fmt.Errorf("letter of request %d: %w", r.ID, err)
	}
	return s.addLetter(ctx, tx, r, "archive", "", ordinal, c)
}

// answer writes the letter that ends a request. With no address to write to,
// the request ends all the same: the work is done, the time of scrubbing must
// begin, and the skipped letter in the record tells the DPO to tell the person.
func (s *Service) answer(ctx context.Context, tx pgx.Tx, r requestRow, p dossier, kind string, c letterContent) (err error) {
	if c.To, err = s.addressOf(ctx, tx, r.ID, p); err != nil {
		return err
	}
	if c.To != "" {
		if c.StatusLink, err = s.statusLink(ctx, tx, r, provedIDs(p.ids)); err != nil {
			return err
		}
	}
	if err := s.addLetter(ctx, tx, r, kind, "", 0, c); err != nil {
		return err
	}
	if c.To != "" {
		return nil // fulfilled once the mail server has taken it
	}
	return s.move(ctx, tx, r.ID, Fulfilled, system, map[string]any{"letter": "skipped"})
}

// A parcel is what goes into an archive: snapshots of all sources, opened.
type parcel struct {
	letter    archive.Letter
	tables    []archive.Table
	files     []archive.Attached          // what people handed over
	skipped   bool                        // somebody was not heard: the letter says so
	findings  map[string][]source.Finding // by source
	snapshots []source.Snapshot
}

// empty tells whether nothing at all was found, in any source, nor left out.
func (p *parcel) empty() bool {
	if len(p.files) > 0 || p.skipped {
		return false
	}
	for _, f := range p.findings {
		if rows, shared := total(f); rows+shared > 0 {
			return false
		}
	}
	return true
}

func (p *parcel) close(ctx context.Context) {
	for _, snap := range p.snapshots {
		snap.Close(context.WithoutCancel(ctx)) //nolint:errcheck // a read-only transaction is over either way
	}
}

// pack opens a snapshot in each source that holds ticked rows and lays out
// the tables and the letter. It holds no rows: those are streamed by Write.
func (s *Service) pack(ctx context.Context, r requestRow, draft bool) (_ *parcel, err error) {
	p := &parcel{findings: map[string][]source.Finding{}}
	defer func() {
		if err != nil {
			p.close(ctx)
		}
	}()
	known, err := s.dossierOf(ctx, s.db, r.ID)
	if err != nil {
		return nil, err
	}
	var all []source.Finding
	for i, name := range s.sources {
		w, err := s.tickedWalk(r, known, name, draft)
		if err != nil {
			return nil, err
		}
		if i == 0 && !draft {
			if err := s.asApproved(ctx, r, w.Plan, ""); err != nil {
				return nil, err
			}
		}
		if len(w.Roots) > 0 {
			if w, err = s.fed(ctx, w, Holds{}, name); err != nil {
				return nil, err
			}
		}
		if !concerns(w, name) {
			p.findings[name] = nil // nothing there is this person's
			continue
		}
		src, err := s.source(name)
		if err != nil {
			return nil, err
		}
		var snap source.Snapshot
		pg.Soon(ctx, func() { snap, err = src.Snapshot(ctx, w) })
		if err != nil {
			return nil, &sourceError{name, err}
		}
		p.snapshots = append(p.snapshots, snap)
		p.findings[name] = snap.Findings()
		all = append(all, snap.Findings()...)
		p.tables = append(p.tables, s.tables(name, snap, w)...)
	}
	if p.files, p.skipped, err = s.handedOver(ctx, s.db, r.ID, draft); err != nil {
		return nil, err
	}
	p.letter, err = s.letter(ctx, s.db, r, all)
	return p, err
}

// tables are the collections of one source in which something was found, in
// the order of the walk.
func (s *Service) tables(name string, snap source.Snapshot, w source.Walk) []archive.Table {
	found := map[string]source.Finding{}
	for _, f := range snap.Findings() {
		found[f.Collection] = f
	}
	var out []archive.Table
	for _, v := range w.Plan.Visits {
		c := v.Collection
		f := found[c.FullName()]
		if c.Dataset.Source != name || f.Rows+f.Shared == 0 || len(v.Targets) == 0 {
			continue
		}
		columns, shared := visitColumns(v), f.Shared
		if w.IncludeShared {
			shared = 0
		}
		out = append(out, archive.Table{
			Dataset: c.Dataset.Key, Collection: c.Name, Title: c.Name, Description: c.Description, Fields: columns, Found: f.Rows + f.Shared, Shared: shared,
			Rows: func(ctx context.Context, yield func([]any) error) error {
				return streamRows(ctx, name, snap, c.FullName(), columns, yield)
			},
			Open: s.openFile,
		})
	}
	return out
}

// visitColumns are the columns of a collection that are given out, in the map's
// order: also those of which only parts are, which the source takes out of them.
func visitColumns(v *datamap.Visit) []archive.Column {
	given := map[*datamap.Field]bool{}
	asked := map[*datamap.Field]bool{}
	for _, t := range v.Targets {
		given[t.Field.Column()], asked[t.Field] = true, true
	}
	for _, f := range v.LinkFields {
		given[f.Column()] = true
	}
	var out []archive.Column
	for _, f := range v.Collection.Fields {
		if given[f] {
			column := archive.Column{Name: f.Name, Description: f.Description, Categories: f.Categories}
			if asked[f] {
				column.Store = f.Object // a column that only links rows is no request for its files
			}
			out = append(out, column)
		}
	}
	return out
}

// streamRows streams one collection with its values in the columns' order, whatever
// order the source has them in.
func streamRows(ctx context.Context, name string, snap source.Snapshot, collection string, columns []archive.Column, yield func([]any) error) error {
	var at []int // position of each column in the source's rows
	values := make([]any, len(columns))
	one := func(row source.Row) error {
		if at == nil {
			for _, c := range columns {
				at = append(at, slices.Index(row.Fields, c.Name))
			}
		}
		for i, j := range at {
			values[i] = nil
			if j >= 0 {
				values[i] = row.Values[j]
			}
			if long, ok := values[i].(source.Long); ok {
				values[i] = archive.Long{Ending: long.Ending, Read: func(ctx context.Context, yield func([]byte) error) error {
					return streamed(name, yield, func(yield func([]byte) error) error { return long.Read(ctx, yield) })
				}}
			}
		}
		return yield(values)
	}
	return streamed(name, one, func(yield func(source.Row) error) error { return snap.Rows(ctx, collection, yield) })
}

// streamed tells apart what a stream from a source failed of: an error of the
// source names it; one of the archive's own passes through.
func streamed[T any](name string, yield func(T) error, read func(yield func(T) error) error) error {
	var own error
	err := read(func(v T) error {
		own = yield(v)
		return own
	})
	switch {
	case own != nil:
		return own
	case err != nil:
		return &sourceError{name, err}
	}
	return nil
}
