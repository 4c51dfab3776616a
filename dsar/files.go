package dsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// FileStore is a store of files that rows name. internal/source/objects is one.
type FileStore interface {
	// Open streams a file; one that is not there is source.ErrNoFile.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete deletes files; one that is not there is a success.
	Delete(ctx context.Context, keys []string) (source.Deleted, error)
	// Alike are the other keys under which the same file lies, or may lie.
	Alike(key string) []string
}

// Namer is asked of a source whose rows name files: which of these keys do its
// rows, anybody's, still hold in one of the fields? Their files stay.
type Namer interface {
	Naming(ctx context.Context, fields []*datamap.Field, keys []string) ([]string, error)
}

// Files go after the rows that named them. An erasure's keys are stored,
// encrypted and in pieces, before its source commits; each piece is forgotten
// when its files are gone. Whether the transaction committed need not be known
// to the letter: a file that any row still names is left, so keys of a
// transaction that never happened do no harm.
const (
	keysInPiece = 1000 // of one row of step_files
	piecesInRun = 10   // pieces that one run of a job deletes, then others have their turn
)

// ErrMore: a step has done its share of a long piece of work and must be run
// again soon. It is no failure, and costs no attempt.
var ErrMore = errors.New("there is more to do")

// Locked: rows that a step needs are locked by another session of their source. It
// must be run again until they are free, later each time and without counting:
// whoever holds them may go home before they let go.
type Locked struct {
	Times int // that the step has been tried
	Err   error
}

func (e *Locked) Error() string { return e.Err.Error() }
func (e *Locked) Unwrap() error { return e.Err }

// storeError says which store of files an error came from.
type storeError struct {
	store string
	err   error
}

// Error quotes the store's own words only where they promise to hold no key.
func (e *storeError) Error() string {
	var told interface{ Told() string }
	if errors.As(e.err, &told) {
		return told.Told()
	}
	return "the store of files " + e.store + " failed"
}

func (e *storeError) Unwrap() error { return e.err }

// explainStore tells what is wrong with a store of files.
func explainStore(name string, err error) failure {
	at := "The store of files " + name + " "
	var denied interface{ Denied() bool }
	var outside interface{ Outside() bool }
	switch {
	case errors.As(err, &denied) && denied.Denied():
		return failure{"store_rights", at + "does not let Lethe list, read or delete its files. Grant that (`lethe check` tries it). The other sources go on meanwhile.", false}
	case errors.As(err, &outside) && outside.Outside():
		return failure{"store_link", at + "has a link that leads out of its folder, and a row names a file by it: such files are neither given nor erased. " +
			"List the links (`find FOLDER -type l`), and put the files into the folder, or mount there what the link leads to; then retry. The other sources go on meanwhile.", false}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{"store_slow", at + "took longer than one job may take. What is done stays done, and " + byItself + ".", true}
	}
	return failure{"store_down", at + "cannot be reached, or is not where lethe.yaml says. Nothing is lost, and " + byItself + ". If this stays, run `lethe check`.", true}
}

// objectFields are the fields of the map that name files, by store.
func objectFields(m *datamap.Map) map[string][]*datamap.Field {
	by := map[string][]*datamap.Field{}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			for _, f := range c.Fields {
				if f.Object != "" {
					by[f.Object] = append(by[f.Object], f)
				}
			}
		}
	}
	return by
}

// checkFiles makes sure that every store is there, and that whoever names its
// files can be asked whether a file is still named.
func (c Config) checkFiles() error {
	by := objectFields(c.Map)
	for _, store := range slices.Sorted(maps.Keys(by)) {
		if c.Files[store] == nil {
			return fmt.Errorf("the data map says that %s names files in the store %s, which sources: in lethe.yaml does not have", by[store][0].FullName(), store)
		}
		for _, f := range by[store] {
			if src, ok := c.Sources[f.Collection.Dataset.Source]; ok {
				if _, ok := src.(Namer); !ok {
					return fmt.Errorf("the source %s cannot say which files its rows still name: %s cannot name files there", f.Collection.Dataset.Source, f.FullName())
				}
			}
		}
	}
	return nil
}

// openFile is archive.Table.Open over the stores.
func (s *Service) openFile(ctx context.Context, store, key string) (io.ReadCloser, error) {
	r, err := s.c.Files[store].Open(ctx, key)
	switch {
	case errors.Is(err, source.ErrNoFile):
		return nil, archive.ErrNoFile
	case err != nil:
		return nil, &storeError{store, err}
	}
	return &fileReader{r, store}, nil
}

// fileReader marks the errors of a stream with their store.
type fileReader struct {
	io.ReadCloser
	store string
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == nil || err == io.EOF { //nolint:errorlint // a wrapped EOF is a fault
		return n, err
	}
	return n, &storeError{r.store, err}
}

// noteFiles stores the keys of files that an erasure's transaction leaves
// without their rows, in place of what an earlier try of the same transaction left.
func (s *Service) noteFiles(ctx context.Context, st stepRow, xid string, files []source.Object) error {
	if len(files) == 0 {
		return nil
	}
	by := map[string][]string{}
	for _, o := range files {
		by[o.Store] = append(by[o.Store], o.Key)
	}
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := stillOurs(ctx, tx, st); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(`DELETE FROM step_files WHERE step_id = $1 AND xid = $2`, st.ID, xid)
		for _, store := range slices.Sorted(maps.Keys(by)) {
			for keys := range slices.Chunk(by[store], keysInPiece) {
				cipher, err := s.sealJSON(place(filesOf, st.ID), keys)
				if err != nil {
					return err
				}
				batch.Queue(`INSERT INTO step_files (step_id, xid, store, cipher) VALUES ($1, $2, $3, $4)`, st.ID, xid, store, cipher)
			}
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("note the files of step %d: %w", st.ID, err)
		}
		return nil
	})
}

// filesOf is the place of a piece of keys.
const filesOf = "step_files"

// A piece is some of the keys of a step.
type piece struct {
	ID     int64
	Store  string
	Cipher []byte
}

// eraseFiles deletes the files of rows that are gone, a bounded number of them a run.
func (s *Service) eraseFiles(ctx context.Context, st stepRow, src Source) error {
	if len(s.c.Files) == 0 {
		return nil
	}
	if err := s.settleFiles(ctx, st, src); err != nil {
		return err
	}
	for n := 0; ; n++ {
		p, found, err := s.nextPiece(ctx, st)
		switch {
		case err != nil:
			return err
		case !found:
			return nil
		case n == piecesInRun:
			return ErrMore
		}
		if err := s.erasePiece(ctx, st, p); err != nil {
			return err
		}
	}
}

// waitingFiles stops the end of an erasure whose source is gone while files of its
// rows wait: it alone can say whether the rows are gone, and who else names the files.
func (s *Service) waitingFiles(ctx context.Context, st stepRow) error {
	_, found, err := s.nextPiece(ctx, st)
	if err != nil || !found {
		return err
	}
	return &Permanent{Code: "no_source", Err: fmt.Errorf(
		"the source %s is no longer in lethe.yaml, and files that its rows named wait to be erased: it has to say whether another row names them. Put it back, then retry", st.Source)}
}

// settleFiles drops the keys of transactions that were rolled back.
func (s *Service) settleFiles(ctx context.Context, st stepRow, src Source) error {
	rows, err := pg.Each(ctx, s.db, `
		SELECT DISTINCT e.n, xid FROM unnest($1::bigint[]) WITH ORDINALITY AS e (step, n) JOIN step_files f ON f.step_id = e.step
		WHERE cipher IS NOT NULL`, st.ID)
	if err != nil {
		return fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	xids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	for _, xid := range xids {
		var outcome source.Outcome
		pg.Away(ctx, func() { outcome, err = src.Outcome(ctx, xid) })
		switch {
		case err != nil:
			return &sourceError{st.Source, err}
		case outcome == source.InProgress:
			return &sourceError{st.Source, errInProgress}
		case outcome != source.Aborted:
			continue
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM step_files WHERE step_id = $1 AND xid = $2`, st.ID, xid); err != nil {
			return fmt.Errorf("files of step %d: %w", st.ID, err)
		}
	}
	return nil
}

func (s *Service) nextPiece(ctx context.Context, st stepRow) (piece, bool, error) {
	rows, err := pg.Each(ctx, s.db, `
		SELECT e.n, f.* FROM unnest($1::bigint[]) WITH ORDINALITY AS e (step, n) CROSS JOIN LATERAL (
			SELECT id, store, cipher FROM step_files WHERE step_id = e.step AND cipher IS NOT NULL ORDER BY id LIMIT 1) f`, st.ID)
	if err != nil {
		return piece{}, false, fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[piece])
	if errors.Is(err, pgx.ErrNoRows) {
		return piece{}, false, nil
	}
	if err != nil {
		return piece{}, false, fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	return p, true, nil
}

// erasePiece deletes the files of one piece that no row names any more, and
// then forgets their keys.
func (s *Service) erasePiece(ctx context.Context, st stepRow, p piece) error {
	store := s.c.Files[p.Store]
	if store == nil {
		return &Permanent{Code: "store_unknown", Err: fmt.Errorf(
			"the store of files %s is no longer in lethe.yaml, and files there wait to be erased. Put it back, then retry", p.Store)}
	}
	var keys []string
	if err := s.openJSON(place(filesOf, st.ID), p.Cipher, &keys); err != nil {
		return err
	}
	var still map[string]bool
	var done source.Deleted
	var err error
	pg.Away(ctx, func() { still, done, err = s.deleteFiles(ctx, p.Store, store, keys) })
	if err != nil {
		return err
	}
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := stillOurs(ctx, tx, st); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE step_files SET cipher = NULL, gone = $2, missing = $3, kept = $4 WHERE id = $1 AND cipher IS NOT NULL`,
			p.ID, done.Gone, done.Missing, len(still))
		if err != nil {
			return fmt.Errorf("files of step %d: %w", st.ID, err)
		}
		return nil
	})
}

// deleteFiles deletes what no row names any more; still are those that one does.
func (s *Service) deleteFiles(ctx context.Context, name string, store FileStore, keys []string) (still map[string]bool, done source.Deleted, err error) {
	spellings, alike := slices.Clone(keys), map[string][]string{}
	for _, key := range keys {
		alike[key] = store.Alike(key)
		spellings = append(spellings, alike[key]...)
	}
	named, err := s.stillNamed(ctx, name, spellings)
	if err != nil {
		return nil, done, err
	}
	goes, after, still := parted(keys, alike, named)
	if done, err = store.Delete(ctx, goes); err != nil {
		return nil, done, &storeError{name, err}
	}
	more, err := store.Delete(ctx, after)
	if err != nil {
		return nil, done, &storeError{name, err}
	}
	done.Gone += more.Gone
	return still, done, nil
}

// parted tells keys that go from those that a row still names. A file goes once,
// however many spellings of it the rows held. One that may mean another, by a link
// or in a bucket, may also be a file of its own: only the spellings of which each
// means the other are one file for sure. The rest goes after the others, with whom
// it may have gone already.
func parted(keys []string, alike map[string][]string, named map[string]bool) (goes, after []string, still map[string]bool) {
	still = map[string]bool{}
	seen := map[string]string{}
	for _, key := range keys {
		first, before := seen[key]
		switch {
		case before && (first == key || slices.Contains(alike[key], first)):
			continue
		case named[key] || slices.ContainsFunc(alike[key], func(other string) bool { return named[other] }):
			still[key] = true
		case before || slices.ContainsFunc(alike[key], func(other string) bool { return seen[other] != "" }):
			after = append(after, key)
		default:
			goes = append(goes, key)
		}
		for _, other := range append(slices.Clone(alike[key]), key) {
			seen[other] = key
		}
	}
	return goes, after, still
}

// stillNamed asks every source whose rows name files in a store.
func (s *Service) stillNamed(ctx context.Context, store string, keys []string) (map[string]bool, error) {
	by := map[string][]*datamap.Field{}
	for _, f := range objectFields(s.c.Map)[store] {
		by[f.Collection.Dataset.Source] = append(by[f.Collection.Dataset.Source], f)
	}
	if len(by) == 0 {
		return nil, &Permanent{Code: "store_unknown", Err: fmt.Errorf(
			"the data map no longer says which rows name files in the store %s, so that nobody can tell which of those that wait to be erased are somebody else's, too. Put that back (lethe: {object: %s}), then retry", store, store)}
	}
	still := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		namer, ok := s.c.Sources[name].(Namer)
		if !ok {
			continue // the map names a source that is not configured: its rows are nobody's here
		}
		named, err := namer.Naming(ctx, by[name], keys)
		if err != nil {
			return nil, &sourceError{name, err}
		}
		for _, key := range named {
			still[key] = true
		}
	}
	return still, nil
}

// fileCounts are what became of a step's files in one store.
type fileCounts struct {
	Store               string
	Gone, Missing, Kept int64
}

// filesOver counts what became of a step's files and forgets the pieces.
func filesOver(ctx context.Context, tx pgx.Tx, st stepRow) ([]fileCounts, map[string]any, error) {
	rows, err := pg.Each(ctx, tx, `
		WITH gone AS (
			DELETE FROM step_files f USING unnest($1::bigint[]) WITH ORDINALITY AS e (step, n) WHERE f.step_id = e.step
			RETURNING e.n, store, gone, missing, kept)
		SELECT n, store, sum(gone)::bigint AS gone, sum(missing)::bigint AS missing, sum(kept)::bigint AS kept FROM gone GROUP BY n, store ORDER BY store`, st.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByName[fileCounts])
	if err != nil {
		return nil, nil, fmt.Errorf("files of step %d: %w", st.ID, err)
	}
	evidence := map[string]any{}
	for _, c := range counts {
		evidence[c.Store] = map[string]any{"erased": c.Gone, "missing": c.Missing, "shared": c.Kept}
	}
	return counts, evidence, nil
}

// closeFiles puts what became of a step's files into the findings (source: the
// store, collection: files).
func (s *Service) closeFiles(ctx context.Context, tx pgx.Tx, st stepRow) (map[string]any, error) {
	counts, evidence, err := filesOver(ctx, tx, st)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		findings, err := findingsIn(ctx, tx, st.RequestID, c.Store)
		if err != nil {
			return nil, err
		}
		// Two sources may name files in one store, each in a step of its own.
		if len(findings) == 0 {
			findings = []source.Finding{{Source: c.Store, Collection: "files"}}
		}
		f := &findings[0]
		f.Rows, f.Shared, f.Erased, f.Missing = f.Rows+c.Gone+c.Missing, f.Shared+c.Kept, f.Erased+c.Gone, f.Missing+c.Missing
		if err := s.saveFindings(ctx, tx, st.RequestID, c.Store, findings); err != nil {
			return nil, err
		}
	}
	return evidence, nil
}
