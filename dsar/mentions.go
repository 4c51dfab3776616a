package dsar

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mentions"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Other people's text may name a person whose own rows are erased. Once those
// are gone, columns with lethe: {mentions: true} are searched for the person's
// identities, and each row in which one stands waits for the DPO: what others
// wrote is theirs, too (Art. 17(3)(a)), so nobody but a person weighs the two.
//
// One step for each source searches, and later carries out what was decided.
// Both are slices: a step that has not come to its end runs again.

// A MentionSource is a source that can be searched for mentions. internal/source/postgres is one.
type MentionSource interface {
	SearchMentions(ctx context.Context, m source.Mentions, from string) (source.MentionSlice, error)
	ReadMention(ctx context.Context, m source.Mentions, key string) (source.MentionText, bool, error)
	ChangeMention(ctx context.Context, c source.MentionChange) (source.MentionOutcome, error)
}

const (
	// mentionsAtOnce is how many undecided mentions of one source wait at most:
	// the search rests there, and goes on once they are decided.
	mentionsAtOnce = 1000
	// mentionSlice is how long one run of a step searches; a job may take two minutes.
	mentionSlice = 20 * time.Second
	// mentionLimit is how long the change of one row may take.
	mentionLimit = 15 * time.Second
)

// mentionOf is the place of a ciphertext.
const (
	mentionOf       = "mentions"
	mentionReasonOf = "mentions.reason"
)

// mentionContent is sealed in mentions.cipher.
type mentionContent struct {
	Key   string `json:"key"`
	Sum   string `json:"sum"`   // SHA-256 of the text as it was found
	After string `json:"after"` // and as it is without the passages
}

// mentionNote is sealed in steps.note_cipher of a mentions step.
type mentionNote struct {
	Field   int      `json:"field,omitempty"` // an earlier build's: how many of the source's columns, in the map's order, are done
	Done    []string `json:"done,omitempty"`  // the columns searched to their end: by name, since the map may change meanwhile
	At      string   `json:"at,omitempty"`    // the column in which Next stands
	Next    string   `json:"next,omitempty"`
	Over    bool     `json:"over"`
	Skipped []string `json:"skipped,omitempty"`
}

// open is the next of some columns that is not searched to its end, and from
// where the search goes on in it.
func (n *mentionNote) open(texts []datamap.MentionField) (text datamap.MentionField, from string, found bool) {
	if n.Field > 0 && n.Done == nil {
		for i, t := range texts {
			if i < n.Field {
				n.Done = append(n.Done, t.Field.FullName())
			} else if i == n.Field {
				n.At = t.Field.FullName()
			}
		}
		n.Field = 0
	}
	for _, t := range texts { // what was begun first
		if t.Field.FullName() == n.At {
			return t, n.Next, true
		}
	}
	i := slices.IndexFunc(texts, func(t datamap.MentionField) bool { return !slices.Contains(n.Done, t.Field.FullName()) })
	if i < 0 {
		return text, "", false
	}
	return texts[i], "", true
}

// went notes how far the search of a column has come.
func (n *mentionNote) went(text datamap.MentionField, next string) {
	if n.At, n.Next = text.Field.FullName(), next; next == "" {
		n.Done, n.At = append(n.Done, n.At), ""
	}
}

// checkMentions makes sure that whoever holds text to be searched can be searched.
func (c Config) checkMentions(texts []datamap.MentionField) error {
	for _, f := range texts {
		if src, ok := c.Sources[f.Field.Collection.Dataset.Source]; ok {
			if _, ok := src.(MentionSource); !ok {
				return fmt.Errorf("the source %s cannot be searched for mentions: take mentions: true away from %s", f.Field.Collection.Dataset.Source, f.Field.FullName())
			}
		}
	}
	return nil
}

// textsIn are the columns of one source that are searched.
func (s *Service) textsIn(src string) []datamap.MentionField {
	return slices.DeleteFunc(slices.Clone(s.texts), func(f datamap.MentionField) bool { return f.Field.Collection.Dataset.Source != src })
}

// nowhereNamed tells, once a person's own rows are gone from a source, whether
// it is certain already that no other people's text names them: most it does
// not, and no step has to search it. That can be told where all such text is in
// this source; nil: steps search it.
func (s *Service) nowhereNamed(ctx context.Context, st stepRow, r requestRow, found Source, p dossier) *mentionNote {
	src, ok := found.(MentionSource)
	texts := s.textsIn(st.Source)
	if !ok || len(texts) == 0 || len(texts) < len(s.texts) {
		return nil
	}
	needles, short := s.needles(r, p)
	if len(needles) == 0 || len(short) > 0 { // there is something to say of the search
		return nil
	}
	for _, text := range texts {
		if !unmentioned(ctx, src, source.Mentions{Field: text, Scope: s.c.Controllers[r.Controller].Scope, Needles: needles}) {
			return nil
		}
	}
	return &mentionNote{Over: true}
}

// afterErasure goes on once everything of the person's own is gone: other
// people's text is searched, where the map names any and it is not known to name
// nobody (unnamed); then the request is answered.
func (s *Service) afterErasure(ctx context.Context, tx pgx.Tx, r requestRow, unnamed *mentionNote) error {
	var begun bool
	err := pg.EachRow(ctx, tx, `
		SELECT e.n, EXISTS (SELECT FROM steps s WHERE s.request_id = e.number AND s.stage = 'mentions')
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n)`, r.ID).Scan(&begun)
	if err != nil {
		return fmt.Errorf("mentions of request %d: %w", r.ID, err)
	}
	searches := slices.DeleteFunc(slices.Clone(s.sources), func(name string) bool { return begun || len(s.textsIn(name)) == 0 })
	if len(searches) == 0 {
		return s.afterMentions(ctx, tx, r)
	}
	for _, name := range searches {
		step := newStep{requestID: r.ID, stage: stageMentions, source: name, searched: unnamed}
		if err := pg.Later(ctx, tx, addingSteps{}, step, s.insertSteps); err != nil {
			return err
		}
		if unnamed == nil {
			continue
		}
		if err := s.noteSearched(ctx, tx, r, name, 0, unnamed); err != nil {
			return err
		}
	}
	if unnamed == nil {
		return nil
	}
	return s.closeErasure(ctx, tx, r)
}

// afterMentions answers the request once nothing is left to search, to decide
// and to carry out. The caller holds the request's row.
func (s *Service) afterMentions(ctx context.Context, tx pgx.Tx, r requestRow) error {
	over, err := stageOver(ctx, tx, r.ID, stageMentions)
	if err != nil || !over {
		return err
	}
	var undone int64
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, (SELECT count(*) FROM mentions m WHERE m.request_id = e.number AND m.outcome IS NULL)
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n)`, r.ID).Scan(&undone)
	if err != nil {
		return fmt.Errorf("mentions of request %d: %w", r.ID, err)
	}
	if undone > 0 {
		return nil
	}
	notes, err := s.mentionNotes(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	again := false
	for _, n := range notes {
		if !n.note.Over { // it rested until these were decided
			again = true
			if err := s.addStep(ctx, tx, r.ID, stageMentions, n.source); err != nil {
				return err
			}
		}
	}
	if again {
		return nil
	}
	return s.closeErasure(ctx, tx, r)
}

type mentionStep struct {
	source string
	note   mentionNote
}

// mentionNotes says how far the search of each source has come.
func (s *Service) mentionNotes(ctx context.Context, db pg.DB, requestID int64) ([]mentionStep, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, source, note_cipher FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN steps s ON s.request_id = e.number
		WHERE stage = 'mentions' ORDER BY source`, requestID)
	if err != nil {
		return nil, fmt.Errorf("searches of request %d: %w", requestID, err)
	}
	type row struct {
		ID         int64
		Source     string
		NoteCipher []byte
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("searches of request %d: %w", requestID, err)
	}
	var steps []mentionStep
	for _, x := range list {
		st := mentionStep{source: x.Source}
		if x.NoteCipher != nil {
			if err := s.openJSON(place(stepOf, x.ID), x.NoteCipher, &st.note); err != nil {
				return nil, err
			}
		}
		steps = append(steps, st)
	}
	return steps, nil
}

// mentions is one run of a step: what has been decided is carried out, then the search goes on.
func (s *Service) mentions(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	found, err := s.source(st.Source)
	if err != nil {
		return s.searchNoMore(ctx, st, r, err)
	}
	src, ok := found.(MentionSource)
	if !ok {
		return finish{}, &Permanent{Code: "no_mentions", Err: fmt.Errorf("the source %s cannot be searched for mentions. Take mentions: true out of the data map", st.Source)}
	}
	p, err := s.dossierOf(ctx, s.db, r.ID)
	if err != nil {
		return finish{}, err
	}
	needles, short := s.needles(r, p)
	if err := s.carryOut(ctx, st, r, src, needles); err != nil {
		return finish{}, err
	}
	var note mentionNote
	if err := s.openNote(st, &note); err != nil {
		return finish{}, err
	}
	waiting, err := s.undecidedIn(ctx, s.db, r.ID, st.Source)
	if err != nil {
		return finish{}, err
	}
	texts, over := s.textsIn(st.Source), note.Over
	own := sync.OnceValues(func() ([]source.Walk, error) { return s.ownWalk(r, p, st.Source) })
	// What found nothing at the first look is noted with the step's end: after a
	// kill it is looked at again.
	unsaved := false
	for began := s.now(); !note.Over && waiting < mentionsAtOnce; {
		if s.now().Sub(began) > mentionSlice {
			if unsaved {
				err = s.saveMentions(ctx, st, r, nil, source.Mentions{}, note)
			}
			return finish{}, cmp.Or(err, ErrMore)
		}
		text, from, found := note.open(texts)
		if !found || len(needles) == 0 {
			note.Over = true
			note.Skipped = append(note.Skipped, short...)
			break
		}
		m := source.Mentions{Field: text, Scope: s.c.Controllers[r.Controller].Scope, Needles: needles}
		var slice source.MentionSlice
		if from != "" || !unmentioned(ctx, src, m) {
			// Which rows are the person's own matters only where something is found.
			if m.Own, err = own(); err != nil {
				return finish{}, err
			}
			pg.Soon(ctx, func() { slice, err = src.SearchMentions(ctx, m, from) })
			if err != nil {
				return finish{}, &sourceError{st.Source, err}
			}
		}
		note.went(text, slice.Next)
		if slice.Skipped != "" {
			note.Skipped = append(note.Skipped, slice.Skipped)
		}
		waiting += int64(len(slice.Found))
		if unsaved = len(slice.Found) == 0 && slice.Next == ""; unsaved {
			continue
		}
		if err := s.saveMentions(ctx, st, r, slice.Found, m, note); err != nil {
			return finish{}, err
		}
	}
	return finish{note: note, write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		if note.Over && !over {
			n, err := s.mentionsIn(ctx, tx, r.ID, st.Source)
			if err == nil {
				err = s.noteSearched(ctx, tx, r, st.Source, n, &note)
			}
			if err != nil {
				return err
			}
		}
		return s.searched(ctx, tx, st, r)
	}}, nil
}

// searchNoMore ends the search in a source that has left lethe.yaml, as
// eraseNoMore does, and says so. What waits there for somebody's word, or was
// decided, needs the source.
func (s *Service) searchNoMore(ctx context.Context, st stepRow, r requestRow, gone error) (finish, error) {
	var waits bool
	err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM mentions WHERE request_id = $1 AND source = $2 AND outcome IS NULL)`, r.ID, st.Source).Scan(&waits)
	if err != nil {
		return finish{}, fmt.Errorf("mentions of request %d: %w", r.ID, err)
	}
	if waits || r.Plan[st.Source] != nothing {
		return finish{}, gone
	}
	var note mentionNote
	if err := s.openNote(st, &note); err != nil {
		return finish{}, err
	}
	note.Over = true
	note.Skipped = append(note.Skipped, fmt.Sprintf("The source %s has left lethe.yaml: other people's text there was not searched to its end.", st.Source))
	return finish{note: note, write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		if err := s.noteSearched(ctx, tx, r, st.Source, 0, &note); err != nil {
			return err
		}
		return s.searched(ctx, tx, st, r)
	}}, nil
}

// searched ends a run, unless something was decided meanwhile.
func (s *Service) searched(ctx context.Context, tx pgx.Tx, st stepRow, r requestRow) error {
	var decided bool
	err := pg.EachRow(ctx, tx, `
		SELECT e.n, EXISTS (SELECT FROM mentions m WHERE m.request_id = e.number AND m.source = e.source AND decision IS NOT NULL AND outcome IS NULL)
		FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS e (number, source, n)`, r.ID, st.Source).Scan(&decided)
	if err != nil {
		return fmt.Errorf("mentions of request %d: %w", r.ID, err)
	}
	if decided {
		return ErrMore
	}
	return s.afterMentions(ctx, tx, r)
}

// noteSearched puts on record that a source has been searched to its end.
func (s *Service) noteSearched(ctx context.Context, tx pgx.Tx, r requestRow, src string, found int64, note *mentionNote) error {
	return s.note(ctx, tx, "mentions.searched", r.ID, system, map[string]any{"source": src, "mentions": found, "skipped": len(note.Skipped)})
}

// mentionsIn counts the mentions found in a source.
func (s *Service) mentionsIn(ctx context.Context, tx pgx.Tx, requestID int64, src string) (n int64, err error) {
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, (SELECT count(*) FROM mentions m WHERE m.request_id = e.number AND m.source = e.source)
		FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS e (number, source, n)`, requestID, src).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("mentions of request %d: %w", requestID, err)
	}
	return n, nil
}

// saveMentions writes what a slice found, and how far the search has come.
func (s *Service) saveMentions(ctx context.Context, st stepRow, r requestRow, found []source.Mention, m source.Mentions, note mentionNote) error {
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := stillOurs(ctx, tx, st); err != nil {
			return err
		}
		for _, f := range found {
			collection, field := m.Field.Field.Collection.FullName(), m.Field.Field.Name
			var id int64
			err := tx.QueryRow(ctx, `
				INSERT INTO mentions (request_id, source, collection, field, key_hmac, passages, found_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (request_id, source, collection, field, key_hmac) DO UPDATE SET passages = excluded.passages
				WHERE mentions.decision IS NULL
				RETURNING id`,
				r.ID, st.Source, collection, field, s.c.Keys.MAC("mention", r.Controller, st.Source, collection, field, f.Key).Sum, f.Passages, s.now()).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				continue // decided already
			}
			if err != nil {
				return fmt.Errorf("store a mention: %w", err)
			}
			if err := s.sealMention(ctx, tx, id, f); err != nil {
				return err
			}
		}
		cipher, err := s.sealJSON(place(stepOf, st.ID), note)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE steps SET note_cipher = $2 WHERE id = $1`, st.ID, cipher); err != nil {
			return fmt.Errorf("note step %d: %w", st.ID, err)
		}
		return nil
	})
}

func (s *Service) sealMention(ctx context.Context, tx pgx.Tx, id int64, f source.Mention) error {
	cipher, err := s.sealJSON(place(mentionOf, id), mentionContent{Key: f.Key, Sum: hex.EncodeToString(f.Sum), After: hex.EncodeToString(f.After)})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE mentions SET cipher = $2, passages = $3 WHERE id = $1`, id, cipher, f.Passages); err != nil {
		return fmt.Errorf("store mention %d: %w", id, err)
	}
	return nil
}

// needles are the identities to look for: the proved ones, and those that stood
// in the rows ticked as the person's. short are sentences about those that are
// too short to be searched.
func (s *Service) needles(r requestRow, p dossier) (needles []source.Seed, short []string) {
	var all []source.Seed
	for _, id := range p.ids {
		if id.Value != "" && !id.ProvedAt.IsZero() && id.Type != datamap.Row {
			all = append(all, source.Seed{Type: id.Type, Value: id.Value})
		}
	}
	for _, root := range p.roots {
		if root.Ticked == nil || !*root.Ticked {
			continue
		}
		for typ, stored := range root.Stored {
			if value, err := datamap.Normalise(typ, stored, s.c.Controllers[r.Controller].Country); err == nil {
				all = append(all, source.Seed{Type: typ, Value: value})
			}
		}
	}
	for _, n := range all {
		switch {
		case slices.Contains(needles, n):
		case mentions.Searchable(mentions.Needle(n)):
			needles = append(needles, n)
		default:
			words := fmt.Sprintf("An identity of the type %s is shorter than %d characters and was not searched for in other people's text.", n.Type, mentions.Least)
			if !slices.Contains(short, words) {
				short = append(short, words)
			}
		}
	}
	return needles, short
}

// ownWalk reaches what an erasure left of the person's own rows in a source (held,
// kept by a law, shared): the rows ticked, by their keys, since of those that
// were masked nothing else leads on.
func (s *Service) ownWalk(r requestRow, p dossier, src string) ([]source.Walk, error) {
	w, err := s.tickedWalk(r, p, src, false)
	if err != nil || len(w.Roots) == 0 {
		return nil, err
	}
	seeds := w.Seeds
	for _, root := range w.Roots {
		if typ, key, err := datamap.PickedRow(s.c.Map, root.Collection+":"+root.Key); err == nil {
			seeds = append(seeds, source.Seed{Type: typ, Value: key})
		}
	}
	own, err := s.walk(r, seeds)
	if err != nil {
		return nil, err
	}
	own.Restricted, own.Roots = true, w.Roots
	own.Fields, own.Secret, own.Today = w.Fields, w.Secret, w.Today
	return []source.Walk{own}, nil
}
