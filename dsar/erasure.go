package dsar

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// passes is how often an erasure is repeated when the second look still finds
// something: rows come in while it runs, but not for ever.
const passes = 3

// eraseNote is sealed in steps.note_cipher of an erase step.
type eraseNote struct {
	// Done adds up the passes known to be committed.
	Done source.Note `json:"done"`
	// Now is the pass whose transaction id stands in note_xid: what it will
	// have done if that transaction committed.
	Now source.Note `json:"now"`
}

// erase erases in one source, and does not believe it until it has looked again.
//
// A kill may fall anywhere. Before the source's commit nothing has happened,
// whatever the note says, and the step runs again. After it, the note knows the
// transaction: its outcome is asked for first, and its counts are used.
func (s *Service) erase(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	src, err := s.source(st.Source)
	if err != nil {
		return s.eraseNoMore(ctx, st, r, err)
	}
	note, committed, err := s.settle(ctx, src, st)
	if err != nil {
		return finish{}, err
	}
	nobody := true // no row there is this person's
	var left []string
	for range passes {
		holds, err := s.holds(ctx, r)
		if err != nil {
			return finish{}, err
		}
		began := holds
		p, w, err := s.approvedWalk(ctx, r, st.Source)
		if err != nil {
			return finish{}, err
		}
		if len(w.Roots) > 0 {
			if w, holds, err = s.fedErasure(ctx, st, r, w, holds); err != nil {
				return finish{}, err
			}
		}
		w.Feeds = fleet.Sum(w.Feeds, note.Done.Feeds, note.Now.Feeds)
		ours := concerns(w, st.Source)
		nobody = nobody && !ours
		if !committed && ours {
			held := func(ctx context.Context) error { return s.heldAsBefore(ctx, r, began) }
			if note, err = s.pass(ctx, src, st, w, holds, note, held); err != nil {
				return finish{}, err
			}
		}
		committed = false
		w.Feeds = fleet.Sum(w.Feeds, note.Done.Feeds)
		if err := s.eraseFiles(ctx, st, src); err != nil {
			return finish{}, err
		}
		rest, err := look(ctx, src, w, holds, note.Done.Keys)
		if err != nil {
			return finish{}, &sourceError{st.Source, err}
		}
		fresh, err := s.undecided(ctx, r, st.Source, rest.Roots)
		if err != nil {
			return finish{}, err
		}
		if len(fresh) > 0 {
			if err := s.decideRows(ctx, st, r, w.Plan, fresh); err != nil {
				return finish{}, err
			}
			continue
		}
		if left = withRows(rest.Findings); len(left) == 0 {
			return s.erased(st, w.Plan, note.Done, nobody, someLeft(p.roots), s.nowhereNamed(ctx, st, r, src, p)), nil
		}
	}
	return finish{}, &Permanent{Code: "not_gone", Err: fmt.Errorf(
		"after %d passes there are still rows of this person in the source %s (%s): something keeps writing them, or a trigger undoes what is done or notes it down there. What hangs on rows that are erased already has to be deleted by hand",
		passes, st.Source, strings.Join(left, ", "))}
}

// approvedWalk is the walk of an erasure in one source from the rows ticked, as
// long as its plan is the one approved.
func (s *Service) approvedWalk(ctx context.Context, r requestRow, src string) (p dossier, w source.Walk, err error) {
	if p, err = s.dossierOf(ctx, s.db, r.ID); err != nil {
		return p, w, err
	}
	if w, err = s.tickedWalk(r, p, src, false); err != nil {
		return p, w, err
	}
	return p, w, s.asApproved(ctx, r, w.Plan, src)
}

// eraseNoMore ends the erasure in a source that has left lethe.yaml, where nothing
// of the plan approved was there, or the DPO had the rest go on without it (goOn).
// What was found there counts as left.
func (s *Service) eraseNoMore(ctx context.Context, st stepRow, r requestRow, gone error) (finish, error) {
	_, w, err := s.approvedWalk(ctx, r, st.Source)
	if err != nil {
		return finish{}, err
	}
	if r.Plan[st.Source] != nothing {
		return finish{}, gone // an earlier build noted no plan
	}
	if err := s.waitingFiles(ctx, st); err != nil {
		return finish{}, err
	}
	var note eraseNote
	if err := s.openNote(st, &note); err != nil {
		return finish{}, err
	}
	return s.erased(st, w.Plan, note.Done, false, false, nil), nil
}

// openNote opens what a step noted so far, if anything.
func (s *Service) openNote(st stepRow, note any) error {
	if st.NoteCipher == nil {
		return nil
	}
	return s.openJSON(place(stepOf, st.ID), st.NoteCipher, note)
}

// settle asks the source what became of the transaction noted earlier. unknown
// is too long ago to be remembered: erasing again does no harm, and if it finds
// nothing to erase, the noted counts were true.
func (s *Service) settle(ctx context.Context, src Source, st stepRow) (note eraseNote, committed bool, err error) {
	if err := s.openNote(st, &note); err != nil || st.NoteXID == nil {
		return note, false, err
	}
	var outcome source.Outcome
	pg.Away(ctx, func() { outcome, err = src.Outcome(ctx, *st.NoteXID) })
	if err != nil {
		return note, false, &sourceError{st.Source, err}
	}
	switch outcome {
	case source.Committed:
		note.Done, note.Now = addNotes(note.Done, whole(note.Now)), source.Note{}
		return note, true, nil
	case source.InProgress:
		return note, false, &sourceError{st.Source, errInProgress}
	case source.Aborted:
		// It did nothing, but those before it have.
		if note.Now.Before != nil {
			note.Done = addNotes(note.Done, *note.Now.Before)
		}
		note.Now = source.Note{Feeds: note.Now.Feeds}
	}
	return note, false, nil
}

// pass runs the erasure once. Its note is in the control database before the
// source commits; without it, the source rolls back. held says before each later
// part of an erasure in several transactions whether the holds are still the same.
func (s *Service) pass(ctx context.Context, src Source, st stepRow, w source.Walk, holds Holds, note eraseNote, held func(context.Context) error) (eraseNote, error) {
	before := whole(note.Now) // of a transaction whose outcome nobody knows
	started := note.Done
	known := func(n source.Note) source.Note {
		if changed(n.Findings) == 0 && changed(before.Findings) > 0 {
			return addNotes(before, n)
		}
		return n
	}
	var unnoted error
	done, err := eraseIn(ctx, src, w, holds, func(ctx context.Context, n source.Note) error {
		if n.Part > 0 {
			if unnoted = held(ctx); unnoted != nil {
				return unnoted
			}
		}
		if n = theirs(w.Plan, n); n.Part == 0 {
			n = known(n)
			note.Done = started // what other shards did stands in Before, their parts as well
		}
		files := n.Objects
		n.Objects = nil // they have a place of their own
		if n.Before != nil {
			before := *n.Before
			before.Objects = nil
			n.Before = &before
		}
		// The part before it has committed; a part that ran again, because rows
		// moved under it, did nothing the first time.
		if n.Part > note.Now.Part {
			note.Done = addNotes(note.Done, note.Now)
		}
		note.Now = n
		if unnoted = s.noteFiles(ctx, st, n.XID, files); unnoted != nil {
			return unnoted
		}
		unnoted = s.noteStep(ctx, st, &n.XID, note)
		return unnoted
	})
	if err != nil && unnoted != nil {
		return note, unnoted // ours to answer for, not the source's
	}
	if err != nil {
		return note, &sourceError{st.Source, err}
	}
	// Erase adds up its parts itself.
	feeds := fleet.Sum(note.Done.Feeds, note.Now.Feeds)
	note.Done, note.Now = addNotes(started, known(theirs(w.Plan, done))), source.Note{}
	note.Done.Feeds = fleet.Sum(note.Done.Feeds, feeds)
	return note, nil
}

// noteStep seals a note into a step that is still ours, in a transaction of its own.
func (s *Service) noteStep(ctx context.Context, st stepRow, xid *string, note any) error {
	cipher, err := s.sealJSON(place(stepOf, st.ID), note)
	if err != nil {
		return err
	}
	n, err := pg.EachExec(ctx, s.db, `
		UPDATE steps t SET note_xid = e.xid, note_cipher = e.note
		FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::bytea[]) WITH ORDINALITY AS e (step, run, attempts, xid, note, n)
		WHERE t.id = e.step AND t.run = e.run AND t.attempts = e.attempts AND coalesce(t.status, '') = 'running' RETURNING e.n`,
		st.ID, st.Run, st.Attempts, xid, cipher)
	if err != nil {
		return fmt.Errorf("note step %d: %w", st.ID, pg.Clean(err))
	}
	if n == 0 {
		return errSuperseded
	}
	return nil
}

// holds are the legal holds that touch the request's controller now. They are
// read once for all members of a convoy that ask.
func (s *Service) holds(ctx context.Context, r requestRow) (Holds, error) {
	if s.c.Holds == nil {
		return Holds{}, nil
	}
	type answer struct {
		holds Holds
		err   error
	}
	type of struct{ controller string }
	a, together := pg.Gather(ctx, of{r.Controller}, r.ID, func(ctx context.Context, all []int64) []answer {
		var a answer
		a.holds, a.err = s.c.Holds.Holds(ctx, r.Controller)
		return slices.Repeat([]answer{a}, len(all))
	})
	if !together {
		a.holds, a.err = s.c.Holds.Holds(ctx, r.Controller)
	}
	if a.err != nil {
		return Holds{}, fmt.Errorf("holds of controller %s: %w", r.Controller, a.err)
	}
	return a.holds, nil
}

// errHoldsChanged: a hold was placed or lifted between two parts of an erasure.
var errHoldsChanged = errors.New("the legal holds have changed since the erasure began")

// heldAsBefore tells whether the holds are those with which an erasure began. One in
// many transactions may take long, and what is held meanwhile must stay.
func (s *Service) heldAsBefore(ctx context.Context, r requestRow, began Holds) error {
	now, err := s.holds(ctx, r)
	if err == nil && !reflect.DeepEqual(now, began) {
		err = errHoldsChanged
	}
	return err
}

// undecided are the rows, matched by a seed, about which nobody has decided:
// they came after the approval. Rows that the DPO left are not looked at again.
func (s *Service) undecided(ctx context.Context, r requestRow, src string, matched []source.Root) ([]source.Root, error) {
	if len(matched) == 0 {
		return nil, nil
	}
	roots, _, err := s.rootsOf(ctx, s.db, r.ID)
	if err != nil {
		return nil, err
	}
	decided := map[source.RowKey]bool{}
	for _, root := range roots {
		if root.Source == src && root.Ticked != nil {
			decided[root.RowKey] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(matched), func(m source.Root) bool { return decided[m.RowKey] }), nil
}

// decideRows decides about rows that came after the approval. One that names the
// same person as the ticked ones is ticked, too, on the record; one that does not
// stops the step: erasing a row that the DPO has not seen is not ours to do. So
// does any row once the erasure of a source that it may lead to has begun: what
// hangs on it there would be left, and nothing would lead to it any more.
func (s *Service) decideRows(ctx context.Context, st stepRow, r requestRow, plan *datamap.Plan, fresh []source.Root) error {
	roots, _, err := s.rootsOf(ctx, s.db, r.ID)
	if err != nil {
		return err
	}
	ticked := slices.DeleteFunc(roots, func(root RootRow) bool { return root.Ticked == nil || !*root.Ticked })
	foreign := slices.ContainsFunc(fresh, func(f source.Root) bool { return !samePerson(st.Source, f, ticked) })
	late, err := s.linkedBegun(ctx, r.ID, plan, st.Source)
	if err != nil {
		return err
	}
	stops := foreign || late != ""
	var tick *bool
	if !stops {
		yes := true
		tick = &yes
	}
	err = pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := stillOurs(ctx, tx, st); err != nil {
			return err
		}
		if err := s.saveRoots(ctx, tx, r, st.Source, fresh, true, tick); err != nil {
			return err
		}
		return s.note(ctx, tx, "rows.appeared", r.ID, system, map[string]any{
			"step": st.ID, "source": st.Source, "rows": len(fresh), "taken": !stops})
	})
	if err != nil || !stops {
		return err
	}
	if !foreign {
		return &Permanent{Code: "new_rows", Err: fmt.Errorf(
			"since the approval %d more rows of this person have come up in the source %s, and the erasure of the source %s, to which they may lead, has begun already. They were left as they are. Press retry to leave them for good and finish, then take in a new request for them",
			len(fresh), st.Source, late)}
	}
	return &Permanent{Code: "new_rows", Err: fmt.Errorf(
		"since the approval %d more rows have come up in the source %s that match this person's identities but name somebody else. They were left as they are. Press retry to leave them for good and finish; if they are the person's, take in a new request for them",
		len(fresh), st.Source)}
}

// linkedBegun is a source linked with one that may have lost rows already; "" where none has.
func (s *Service) linkedBegun(ctx context.Context, requestID int64, plan *datamap.Plan, src string) (begun string, err error) {
	err = s.db.QueryRow(ctx, `
		SELECT coalesce(min(source), '') FROM steps
		WHERE request_id = $1 AND stage = 'erase' AND (note_xid IS NOT NULL OR status = 'done') AND source <> $2 AND source = ANY($3::text[])`,
		requestID, src, fleet.Linked(plan, src)).Scan(&begun)
	if err != nil {
		return "", fmt.Errorf("steps of request %d: %w", requestID, pg.Clean(err))
	}
	return begun, nil
}

// samePerson tells whether a row agrees with one of the ticked rows of its
// collection in every field that both have. In a collection without ticked
// rows there is nothing to disagree with.
func samePerson(src string, f source.Root, ticked []RootRow) bool {
	compared := false
	for _, t := range ticked {
		if t.Source != src || t.Collection != f.Collection {
			continue
		}
		compared = true
		if agree(f.Person, t.Person) {
			return true
		}
	}
	return !compared
}

// erased writes what an erasure did in one source; the last source's goes on
// to the answer. Where nobody's rows were ticked, what was found is not the
// person's, and is not counted as theirs; left: some row was left as not theirs.
// unnamed is what nowhereNamed says.
func (s *Service) erased(st stepRow, plan *datamap.Plan, done source.Note, nobody, left bool, unnamed *mentionNote) finish {
	return finish{write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		own, err := findingsIn(ctx, tx, r.ID, st.Source)
		if err != nil {
			return err
		}
		switch {
		case nobody && left:
			own = nil
		case nobody: // nothing leads there, perhaps any more
			own = unreached(plan, own)
		}
		merged := s.foundAndErased(plan, own, done.Findings)
		if err := s.saveFindings(ctx, tx, r.ID, st.Source, merged); err != nil {
			return err
		}
		if err := s.saveKept(ctx, tx, r, st.Source, done.Kept); err != nil {
			return err
		}
		evidence, err := s.evidence(ctx, tx, st, merged, done)
		if err != nil {
			return err
		}
		if err := s.note(ctx, tx, "step.erased", r.ID, system, evidence); err != nil {
			return err
		}
		for _, stage := range []string{stageErase, stageAsk} {
			over, err := stageOver(ctx, tx, r.ID, stage)
			if err != nil || !over {
				return err
			}
		}
		if err := pg.Put(ctx, tx, `DELETE FROM feeds WHERE request_id = ANY($1)`, r.ID); err != nil {
			return fmt.Errorf("forget the feeds of request %d: %w", r.ID, err)
		}
		return s.afterErasure(ctx, tx, r, unnamed)
	}}
}

// foundAndErased joins what was found with what was done about it.
func (s *Service) foundAndErased(plan *datamap.Plan, found, done []source.Finding) []source.Finding {
	merged := mergeFindings(found, done)
	s.staying(plan, merged)
	for _, f := range unreached(plan, merged) {
		i := slices.IndexFunc(merged, func(g source.Finding) bool { return g.Collection == f.Collection })
		merged[i].Stays = f.Stays
	}
	return merged
}

// evidence is what the ledger has of an erasure in one source.
func (s *Service) evidence(ctx context.Context, tx pgx.Tx, st stepRow, merged []source.Finding, done source.Note) (map[string]any, error) {
	counts := map[string]any{}
	for _, f := range merged {
		if f.Rows+f.Shared+f.Erased+f.Masked+f.Held+f.Kept > 0 {
			counts[f.Collection] = map[string]any{"erased": f.Erased, "masked": f.Masked, "held": f.Held, "kept": f.Kept, "shared": f.Shared, "stays": f.Stays}
		}
	}
	evidence := map[string]any{"step": st.ID, "source": st.Source, "collections": counts}
	files, err := s.closeFiles(ctx, tx, st)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		evidence["files"] = files
	}
	noted, err := notedOf(ctx, tx, st.RequestID)
	if err != nil {
		return nil, fmt.Errorf("kept rows of request %d: %w", st.RequestID, err)
	}
	var many int64
	for _, k := range unnoted(done.Findings, func(_, collection string) int64 { return noted(st.Source, collection) }) {
		many += k.Rows
	}
	if many > 0 {
		evidence["unnoted"] = many
	}
	return evidence, nil
}

// addNotes adds what a later pass did to what earlier ones did.
func addNotes(done, more source.Note) source.Note {
	sum := source.Note{XID: more.XID}
	sum.Findings = mergeFindings(nil, done.Findings)
	for _, f := range more.Findings {
		i := slices.IndexFunc(sum.Findings, func(g source.Finding) bool { return g.Collection == f.Collection })
		if i < 0 {
			sum.Findings = append(sum.Findings, f)
			continue
		}
		g := &sum.Findings[i]
		g.Rows = max(g.Rows, g.Erased+f.Rows) // what an earlier pass left, the later one finds again
		g.Erased += f.Erased
		g.Masked += f.Masked
		g.Held, g.Kept, g.Shared = f.Held, f.Kept, f.Shared
	}
	sum.Keys = append(slices.Clone(done.Keys), more.Keys...)
	sum.Kept = keptOnce(done.Kept, more.Kept)
	sum.Feeds = fleet.Sum(done.Feeds, more.Feeds)
	return sum
}

// whole is a note with what committed before it.
func whole(n source.Note) source.Note {
	if n.Before == nil {
		return n
	}
	before := *n.Before
	n.Before = nil
	sum := addNotes(before, n)
	// They are parts of one erasure, in different shards: what each found adds up.
	for i, f := range sum.Findings {
		for _, b := range before.Findings {
			for _, m := range n.Findings {
				if b.Collection == f.Collection && m.Collection == f.Collection {
					g := &sum.Findings[i]
					g.Rows, g.Shared, g.Held, g.Kept = b.Rows+m.Rows, b.Shared+m.Shared, b.Held+m.Held, b.Kept+m.Kept
				}
			}
		}
	}
	return sum
}

// mergeFindings puts what was done over what was found, by collection.
func mergeFindings(found, done []source.Finding) []source.Finding {
	out := slices.Clone(found)
	for _, f := range done {
		f.Rows = max(f.Rows, f.Erased+f.Held+max(f.Masked, f.Kept)) // a kept row may be masked, too
		i := slices.IndexFunc(out, func(g source.Finding) bool { return g.Collection == f.Collection })
		if i < 0 {
			out = append(out, f)
			continue
		}
		f.Source = out[i].Source
		out[i] = f
	}
	return out
}

// changed counts the rows that were deleted or masked.
func changed(findings []source.Finding) (n int64) {
	for _, f := range findings {
		n += f.Erased + f.Masked
	}
	return n
}
