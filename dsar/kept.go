package dsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Rows that a law keeps (Art. 17(3)) or that stand under a hold are left by an
// erasure, and are owed to the person once the reason is gone (Art. 5(1)(e)).
// Their keys stand in the note before the source commits, and move into kept in
// the transaction that ends the step: no kill loses them, and the scrubbing of
// the request leaves them. When the end comes, a step of the stage kept erases
// exactly these rows, by note, commit and second look as any other erasure.

const (
	keptInRun = 10_000 // rows of one source that one run takes: all that one erasure can note
	// keptAgain is when a row is asked for again that should have been free and
	// was not, and one of which nobody can tell when its time is over.
	keptAgain = 24 * time.Hour
	keptAsk   = 30 * 24 * time.Hour
	keptOf    = "kept"
)

// keptOnce joins lists of kept rows; of a row in both, the later word counts.
func keptOnce(before, after []source.KeptRow) []source.KeptRow {
	if len(before)+len(after) == 0 {
		return nil
	}
	at := make(map[source.RowKey]int, len(before)+len(after))
	var all []source.KeptRow
	for _, k := range slices.Concat(before, after) {
		if i, twice := at[k.RowKey]; twice {
			all[i] = k
			continue
		}
		at[k.RowKey] = len(all)
		all = append(all, k)
	}
	return all
}

// saveKept stores rows that were left. What is known of a row already is
// replaced: its end may have moved with the data map or a hold.
func (s *Service) saveKept(ctx context.Context, tx pgx.Tx, r requestRow, src string, rows []source.KeptRow) error {
	if len(rows) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, k := range rows {
		mac := s.rootMAC(r.Controller, src, k.RowKey)
		cipher, err := s.c.Keys.Seal([]byte(source.KeyText(k.By, k.Key)), keptPlace(r.ID, mac))
		if err != nil {
			return fmt.Errorf("seal a kept row of request %d: %w", r.ID, err)
		}
		batch.Queue(`
			INSERT INTO kept (request_id, source, collection, key_hmac, cipher, until, held, looked_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (request_id, source, collection, key_hmac) DO UPDATE
			SET cipher = excluded.cipher, until = excluded.until, held = excluded.held, looked_at = excluded.looked_at, done_at = NULL`,
			r.ID, src, k.Collection, mac, cipher, nullTime(k.Until), k.Held, s.now())
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("kept rows of request %d: %w", r.ID, err)
	}
	return nil
}

// keptPlace binds a key to its request and to the sum by which its row is known:
// the number of the table's row does not exist yet when many are stored at once.
func keptPlace(request int64, mac []byte) string {
	return fmt.Sprintf("%s/%d/%x", keptOf, request, mac)
}

// keptDue is the condition that a kept row k of request r is to be looked at: its
// end has come, a hold of its controller was lifted since, or nobody could tell.
const keptDue = `k.cipher IS NOT NULL AND CASE
	WHEN k.held THEN EXISTS (SELECT FROM holds h WHERE h.controller = r.controller
		AND (h.released_at >= k.looked_at OR h.released_at IS NULL AND h.until < @today::date AND h.until >= k.looked_at::date))
	WHEN k.until IS NULL THEN k.looked_at <= @ask
	ELSE k.until <= @now AND (k.looked_at < k.until OR k.looked_at <= @again) END`

func (s *Service) dueArgs(more pgx.StrictNamedArgs) pgx.StrictNamedArgs {
	now := s.now()
	more["now"], more["today"] = now, now.Truncate(24*time.Hour)
	more["ask"], more["again"] = now.Add(-keptAsk), now.Add(-keptAgain)
	return more
}

// claimKept makes a step wherever the time of kept rows has come. One that
// failed is left to retry: it says why, and a person has to look.
func (s *Service) claimKept(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `
		SELECT DISTINCT k.request_id, k.source FROM kept k JOIN requests r ON r.id = k.request_id
		WHERE r.finished_at IS NOT NULL AND `+keptDue+`
			AND NOT EXISTS (SELECT FROM steps t WHERE t.request_id = k.request_id AND t.stage = 'kept' AND t.source = k.source
				AND t.status IN ('waiting', 'running', 'failed'))
		ORDER BY k.request_id, k.source LIMIT @batch`, s.dueArgs(pgx.StrictNamedArgs{"batch": minuteBatch}))
	if err != nil {
		return err
	}
	type due struct {
		RequestID int64
		Source    string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[due])
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range list {
		errs = append(errs, s.inTx(ctx, func(tx pgx.Tx) error {
			if _, err := loadRequest(ctx, tx, d.RequestID, true); err != nil {
				return err
			}
			var taken bool // by another process, in this very minute
			err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM steps WHERE request_id = $1 AND stage = 'kept' AND source = $2
				AND status IN ('waiting', 'running', 'failed'))`, d.RequestID, d.Source).Scan(&taken)
			if err != nil || taken {
				return err
			}
			return s.addStep(ctx, tx, d.RequestID, stageKept, d.Source)
		}))
	}
	return errors.Join(errs...)
}

// A keptOpen is a row that is still kept, its key in clear.
type keptOpen struct {
	id int64
	source.RowKey
	by string // as source.KeptRow.By
}

// keptOpen are the rows of a request that are still kept in a source, where the
// time of any has come; also those whose time has not: one that names another
// keeps it, masked, as it did in the erasure.
func (s *Service) keptOpen(ctx context.Context, st stepRow, r requestRow) ([]keptOpen, error) {
	rows, err := s.db.Query(ctx, `
		SELECT k.id, k.collection, k.key_hmac, k.cipher, `+keptDue+` AS due FROM kept k JOIN requests r ON r.id = k.request_id
		WHERE k.request_id = @request AND k.source = @source AND k.cipher IS NOT NULL ORDER BY due DESC, k.looked_at, k.id LIMIT @most`,
		s.dueArgs(pgx.StrictNamedArgs{"request": r.ID, "source": st.Source, "most": keptInRun}))
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", r.ID, pg.Clean(err))
	}
	type row struct {
		ID         int64
		Collection string
		KeyHmac    []byte
		Cipher     []byte
		Due        bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", r.ID, pg.Clean(err))
	}
	if len(list) == 0 || !list[0].Due {
		return nil, nil
	}
	open := make([]keptOpen, 0, len(list))
	for _, x := range list {
		if _, err := datamap.KeptRow(s.c.Map, x.Collection); err != nil && !x.Due {
			continue // trouble enough once its time comes
		}
		text, err := s.c.Keys.Open(x.Cipher, keptPlace(r.ID, x.KeyHmac))
		if err != nil {
			return nil, fmt.Errorf("open kept row %d: %w", x.ID, err)
		}
		by, key := source.ReadKeyText(string(text))
		open = append(open, keptOpen{x.ID, source.RowKey{Collection: x.Collection, Key: key}, by})
	}
	return open, nil
}

// finishKept erases rows that were kept and whose time has come: exactly these,
// as the data map and the holds say now. What these still keep stays, with its new end.
func (s *Service) finishKept(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	src, err := s.source(st.Source)
	if err != nil {
		return finish{}, err
	}
	note, _, err := s.settle(ctx, src, st)
	if err != nil {
		return finish{}, err
	}
	open, err := s.keptOpen(ctx, st, r)
	if err != nil {
		return finish{}, err
	}
	if len(open) > 0 {
		w, err := s.keptWalk(r, open)
		if err != nil {
			return finish{}, err
		}
		for n := 0; ; n++ {
			holds, err := s.holds(ctx, r)
			if err != nil {
				return finish{}, err
			}
			began := holds
			if holds, err = s.fedHolds(ctx, holds, st.Source); err != nil {
				return finish{}, err
			}
			// Also after a transaction known to have committed: more rows may have
			// come due since, and the last pass says what stays.
			note.Done.Kept = nil
			held := func(ctx context.Context) error { return s.heldAsBefore(ctx, r, began) }
			if note, err = s.pass(ctx, src, st, w, holds, note, held); err != nil {
				return finish{}, err
			}
			if err := s.eraseFiles(ctx, st, src); err != nil {
				return finish{}, err
			}
			rest, err := look(ctx, src, w, holds, nil)
			if err != nil {
				return finish{}, &sourceError{st.Source, err}
			}
			if left, _ := total(rest.Findings); left == 0 {
				break
			}
			if n == passes {
				return finish{}, &Permanent{Code: "not_gone", Err: fmt.Errorf(
					"rows that were kept are still in the source %s after %d passes: something keeps writing them. Find out what does, then retry", st.Source, passes)}
			}
		}
	}
	return s.keptFinished(st, open, note.Done), nil
}

// keptWalk is the walk of exactly these rows, by the request's policy.
func (s *Service) keptWalk(r requestRow, open []keptOpen) (source.Walk, error) {
	var seeds []source.Seed
	var roots []source.RowKey
	keyedBy := map[string]string{}
	for _, k := range open {
		if k.by != "" { // of two, the source has one at most, and says so of the other
			if was := keyedBy[k.Collection]; was != "" && was != k.by {
				k.by = was + "; " + k.by
			}
			keyedBy[k.Collection] = k.by
		}
		typ, err := datamap.KeptRow(s.c.Map, k.Collection)
		if err != nil {
			return source.Walk{}, &Permanent{Code: "kept_unknown", Err: fmt.Errorf(
				"rows of %s that were kept cannot be found any more: %w. Put that right in the data map, then retry", k.Collection, err)}
		}
		seeds, roots = append(seeds, source.Seed{Type: typ, Value: k.Key}), append(roots, k.RowKey)
	}
	w, err := s.walk(r, seeds)
	if err != nil {
		return w, err
	}
	w.Plan, w.Restricted, w.Roots = w.Plan.Exactly(), true, roots
	w.KeyedBy = keyedBy
	w.Fields = nil // the rows are known one by one
	if w.Secret == nil {
		// That of the request was forgotten at its end: nothing is left to join with.
		w.Secret = make([]byte, 32)
		if _, err := io.ReadFull(s.c.Rand, w.Secret); err != nil {
			return w, fmt.Errorf("draw a secret for request %d: %w", r.ID, err)
		}
	}
	return w, nil
}

// keptFinished forgets the keys of rows that are dealt with.
func (s *Service) keptFinished(st stepRow, open []keptOpen, done source.Note) finish {
	return finish{write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		stays := map[source.RowKey]bool{}
		for _, k := range done.Kept {
			stays[k.RowKey] = true
		}
		var over []int64
		for _, k := range open {
			if !stays[k.RowKey] {
				over = append(over, k.id)
			}
		}
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE kept SET cipher = NULL, done_at = $2 WHERE id = ANY ($1)`, over, s.now())
		batch.Queue(`UPDATE steps SET note_xid = NULL, note_cipher = NULL WHERE id = $1`, st.ID)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("kept rows of request %d: %w", r.ID, err)
		}
		if err := s.saveKept(ctx, tx, r, st.Source, done.Kept); err != nil {
			return err
		}
		if len(over) == 0 {
			return nil
		}
		counts := map[string]any{}
		for _, f := range done.Findings {
			if f.Erased+f.Masked+f.Held+f.Kept+f.Shared > 0 {
				counts[f.Collection] = map[string]any{"erased": f.Erased, "masked": f.Masked, "held": f.Held, "kept": f.Kept, "shared": f.Shared}
			}
		}
		evidence := map[string]any{"step": st.ID, "source": st.Source, "finished": len(over), "collections": counts}
		_, files, err := filesOver(ctx, tx, st)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			evidence["files"] = files
		}
		return s.note(ctx, tx, "kept.finished", r.ID, system, evidence)
	}}
}

// KeptRows are rows of one collection that an erasure left, counted by their end.
type KeptRows struct {
	Source, Collection string
	Rows               int64
	Until              time.Time // zero: nobody can tell, or until a hold is lifted
	Held               bool
	Done               bool   // their time is over, and they were dealt with
	Unnoted            bool   // too many, or not to be known again: nothing will finish them
	Why                string // a sentence
}

// Kept lists what an erasure left until when and why. It names no row.
func (s *Service) Kept(ctx context.Context, a Actor, requestID int64) ([]KeptRows, error) {
	if _, err := s.loadFor(ctx, s.db, a, requestID, false, false); err != nil {
		return nil, err
	}
	rows, err := s.db.Query(ctx, `
		SELECT source, collection, count(*) AS rows, until, held, cipher IS NULL AS done FROM kept
		WHERE request_id = $1 GROUP BY source, collection, until, held, cipher IS NULL
		ORDER BY source, collection, done, until NULLS LAST, held LIMIT 1000`, requestID)
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", requestID, pg.Clean(err))
	}
	type row struct {
		Source, Collection string
		Rows               int64
		Until              *time.Time
		Held, Done         bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", requestID, pg.Clean(err))
	}
	findings, err := findingsOf(ctx, s.db, requestID)
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", requestID, pg.Clean(err))
	}
	noted, err := notedOf(ctx, s.db, requestID)
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", requestID, pg.Clean(err))
	}
	all := make([]KeptRows, 0, len(list))
	for _, x := range list {
		k := KeptRows{Source: x.Source, Collection: x.Collection, Rows: x.Rows, Until: orNever(x.Until), Held: x.Held, Done: x.Done}
		if k.Held {
			k.Why = "They stand under a legal hold."
		} else {
			if laws := s.lawsOf(x.Collection); len(laws) > 0 {
				k.Why = "A law keeps them: " + strings.Join(laws, "; or ") + "."
			}
		}
		all = append(all, k)
	}
	return append(all, unnoted(findings, noted)...), nil
}
