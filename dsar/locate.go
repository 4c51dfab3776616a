package dsar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// confirmTTL is how long a confirmation link works.
const confirmTTL = 7 * 24 * time.Hour

// locateNote is sealed in steps.note_cipher of a locate step: where, by what
// this source knows, each identity could be confirmed.
type locateNote struct {
	Sightings []sighting `json:"sightings"`
}

// A sighting is what one identity, by itself, leads to in one source.
type sighting struct {
	Identity int64    `json:"identity"`
	Matched  bool     `json:"matched"`           // a row holds it
	Stored   []string `json:"stored,omitempty"`  // addresses in the very rows that hold it
	Reached  []string `json:"reached,omitempty"` // addresses in rows that those lead to
	// Mixed: of several rows of one collection that hold it, some have an
	// address beside it and some have none.
	Mixed bool `json:"mixed,omitempty"`
}

// locate looks in one source for the rows that each identity of a request
// matches by itself. Nobody has proved anything yet: what is found is not
// shown to anybody outside; it only tells where the confirmations go.
func (s *Service) locate(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	src := s.c.Sources[st.Source]
	ids, err := s.identitiesOf(ctx, s.db, r.ID)
	if err != nil {
		return finish{}, err
	}
	var note locateNote
	var roots []source.Root
	for _, id := range ids {
		seeds := s.seeds([]ProvedIdentity{id}, false)
		if len(seeds) == 0 || src == nil {
			continue // scrubbed; it has left lethe.yaml, and is searched no more
		}
		// One identity at a time: an address and somebody else's telephone
		// number must not open each other's rows.
		w, err := s.walk(r, seeds)
		if err != nil {
			return finish{}, err
		}
		if w, err = s.fed(ctx, w, Holds{}, st.Source); err != nil {
			return finish{}, err
		}
		found, err := find(ctx, src, w)
		if err != nil {
			return finish{}, &sourceError{st.Source, err}
		}
		if err := tooManyRoots(st.Source, found); err != nil {
			return finish{}, err
		}
		note.Sightings = append(note.Sightings, sight(id, found))
		roots = append(roots, found.Roots...)
	}
	roots = mergeRoots(roots)
	return finish{note: note, write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		if err := s.saveRoots(ctx, tx, r, st.Source, roots, false, nil); err != nil {
			return err
		}
		over, err := stageOver(ctx, tx, r.ID, stageLocate)
		if err != nil || !over {
			return err
		}
		return s.askConfirmations(ctx, tx, r)
	}}, nil
}

// sight keeps of what one identity found the addresses alone.
func sight(id ProvedIdentity, found source.Found) sighting {
	si := sighting{Identity: id.ID, Matched: len(found.Roots) > 0}
	addressed := map[string]bool{} // collection -> whether its rows have addresses
	for _, root := range found.Roots {
		to, ok := mailable(root.Stored["email"])
		if ok && !slices.Contains(si.Stored, to) {
			si.Stored = append(si.Stored, to)
		}
		if before, seen := addressed[root.Collection]; seen && before != ok {
			si.Mixed = true
		}
		addressed[root.Collection] = ok
	}
	for _, to := range found.Reached {
		if to, ok := mailable(to); ok && !slices.Contains(si.Reached, to) {
			si.Reached = append(si.Reached, to)
		}
	}
	return si
}

// mailable returns the stored bytes, without blanks around them, if they are an
// address at all: a field for addresses may hold "n/a".
func mailable(stored string) (string, bool) {
	to := strings.TrimSpace(stored)
	if to == "" {
		return "", false
	}
	_, err := datamap.Normalise("email", to, "")
	return to, err == nil
}

// mergeRoots makes one of each row that several identities matched.
func mergeRoots(roots []source.Root) []source.Root {
	at := map[source.RowKey]int{}
	var out []source.Root
	for _, root := range roots {
		i, seen := at[root.RowKey]
		if !seen {
			at[root.RowKey] = len(out)
			root.Types = slices.Clone(root.Types)
			out = append(out, root)
			continue
		}
		out[i].Types = slices.Compact(slices.Sorted(slices.Values(append(out[i].Types, root.Types...))))
		merged := map[string]string{}
		for _, stored := range []map[string]string{out[i].Stored, root.Stored} {
			for typ, value := range stored {
				merged[typ] = value
			}
		}
		out[i].Stored = merged
	}
	return out
}

// A confirmation is one letter to one address, for the identities that it proves.
type confirmation struct {
	to         string
	identities []int64
}

// confirmations decides where the identities of a request that nobody proved
// yet are to be confirmed. undecided are those that the DPO has to look at:
// several different addresses stand beside them, or none does.
func (s *Service) confirmations(ctx context.Context, db pg.DB, requestID int64) (list []confirmation, undecided []int64, err error) {
	ids, err := s.identitiesOf(ctx, db, requestID)
	if err != nil {
		return nil, nil, err
	}
	sightings, err := s.sightings(ctx, db, requestID)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		if id.Value == "" || !id.ProvedAt.IsZero() {
			continue
		}
		to := confirmAt(id, sightings[id.ID])
		if to == "" {
			undecided = append(undecided, id.ID)
			continue
		}
		i := slices.IndexFunc(list, func(c confirmation) bool { return c.to == to })
		if i < 0 {
			list = append(list, confirmation{to: to})
			i = len(list) - 1
		}
		list[i].identities = append(list[i].identities, id.ID)
	}
	return list, undecided, nil
}

// sightings gathers what the locate steps of all sources saw, by identity.
func (s *Service) sightings(ctx context.Context, db pg.DB, requestID int64) (map[int64]sighting, error) {
	notes, err := notesOf[locateNote](ctx, s, db, requestID, stageLocate)
	if err != nil {
		return nil, err
	}
	all := map[int64]sighting{}
	for _, note := range notes {
		for _, si := range note.Sightings {
			sum := all[si.Identity]
			sum.Identity, sum.Matched, sum.Mixed = si.Identity, sum.Matched || si.Matched, sum.Mixed || si.Mixed
			sum.Stored = append(sum.Stored, si.Stored...)
			sum.Reached = append(sum.Reached, si.Reached...)
			all[si.Identity] = sum
		}
	}
	return all, nil
}

// confirmAt is the address at which one identity is confirmed, or "" when a
// person has to decide ("What always holds", rule 5):
//   - an address beside the identity in the row that holds it, bytes as stored;
//     of several the one equal to what was typed, else none: two spellings may
//     be two people's mailboxes;
//   - none where a number stands in rows with an address and in rows without:
//     whoever writes somebody else's number into their own row must not prove it;
//   - else the only address that the row leads to (a browser's one contact);
//   - an address typed and found nowhere is asked itself: it proves nothing but
//     itself, and opens nothing.
func confirmAt(id ProvedIdentity, si sighting) string {
	pick := func(list []string) string {
		list = slices.Compact(slices.Sorted(slices.Values(list)))
		if id.Type == "email" && slices.Contains(list, id.Value) {
			return id.Value
		}
		if len(list) == 1 {
			return list[0]
		}
		return ""
	}
	switch {
	case id.Type != "email" && si.Mixed:
		return ""
	case len(si.Stored) > 0:
		return pick(si.Stored)
	case id.Type == "email" && !si.Matched:
		return id.Value
	case si.Matched:
		return pick(si.Reached)
	default:
		return ""
	}
}

// askConfirmations writes the letters that let each identity be proved by
// itself: one per address, with a link that covers exactly the identities that
// stand beside that address. Identities asked about before are left alone.
func (s *Service) askConfirmations(ctx context.Context, tx pgx.Tx, r requestRow) error {
	if r.Status != Received && r.Status != InReview {
		return nil
	}
	list, undecided, err := s.confirmations(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	var asked []int64
	var ordinal int
	err = tx.QueryRow(ctx, `
		SELECT array(SELECT DISTINCT unnest(identities) FROM tokens WHERE request_id = @request AND purpose = 'confirm'),
			(SELECT coalesce(max(ordinal) + 1, 0) FROM letters WHERE request_id = @request AND kind = 'confirm')`,
		pgx.StrictNamedArgs{"request": r.ID}).Scan(&asked, &ordinal)
	if err != nil {
		return fmt.Errorf("confirmations of request %d: %w", r.ID, err)
	}
	letters := 0
	for _, c := range list {
		c.identities = slices.DeleteFunc(c.identities, func(id int64) bool { return slices.Contains(asked, id) })
		if len(c.identities) == 0 {
			continue
		}
		if err := s.askConfirmation(ctx, tx, r, "confirm", ordinal+letters, c); err != nil {
			return err
		}
		letters++
	}
	return s.note(ctx, tx, "request.located", r.ID, system, map[string]any{
		"confirmations": letters, "undecided": len(undecided)})
}

// askConfirmation writes one letter with a new link.
func (s *Service) askConfirmation(ctx context.Context, tx pgx.Tx, r requestRow, kind string, ordinal int, c confirmation) error {
	token, err := s.newToken(ctx, tx, "confirm", r.ID, c.identities, 1, confirmTTL)
	if err != nil {
		return err
	}
	status, err := s.statusLink(ctx, tx, r, c.identities)
	if err != nil {
		return err
	}
	return s.addLetter(ctx, tx, r, kind, "", ordinal, letterContent{
		To: c.to, Link: s.publicURL(r.Controller) + "/confirm/" + token,
		StatusLink: status, ExpiresAt: s.now().Add(confirmTTL)})
}

// source finds a source by name. One that has gone from the configuration
// while a request was open waits for the DPO.
func (s *Service) source(name string) (Source, error) {
	src := s.c.Sources[name]
	if src == nil {
		return nil, &Permanent{Code: "no_source", Err: fmt.Errorf(
			"the source %s is no longer in lethe.yaml. Put it back", name)}
	}
	return src, nil
}
