package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// toldAnyway are the letters that may be handed over in another way than by mail.
// The others hold a link by which somebody proves who they are, opens an archive
// or answers for a source: those are for nobody's eyes but the addressee's.
var toldAnyway = []string{"erased", "nothing", "refused", "extended", "withdrawn", "notice"}

// Unsent tells whether a letter reached nobody, for want of an address or because
// the mail server refused it, and can be read (UnsentLetter).
func (l LetterState) Unsent() bool {
	return slices.Contains(toldAnyway, l.Kind) && (l.Status == "dropped" && l.Nobody || l.Status == "failed" && (l.Nobody || l.To != ""))
}

// UnsentLetter is such a letter, for the DPO to tell the person in another way:
// Art. 12(3) asks for an answer, not for a mail. ErrNotFound: there is none, or it
// is scrubbed. Who may only look reads it without the link to the request's status.
func (s *Service) UnsentLetter(ctx context.Context, a Actor, id, letter int64) (Letter, error) {
	r, err := s.loadFor(ctx, s.db, a, id, false, false)
	if err != nil {
		return Letter{}, fault(fmt.Sprintf("read a letter of request %d", id), err)
	}
	type row struct {
		letterRow
		Status string
	}
	rows, err := s.db.Query(ctx, `
		SELECT id, request_id, run, carrier, false AS carries, kind, recipient, cipher, message_id, status
		FROM letters WHERE id = $1 AND request_id = $2`, letter, id)
	if err != nil {
		return Letter{}, fault(fmt.Sprintf("read letter %d", letter), err)
	}
	l, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
	if errors.Is(err, pgx.ErrNoRows) {
		return Letter{}, ErrNotFound
	}
	if err != nil {
		return Letter{}, fault(fmt.Sprintf("read letter %d", letter), err)
	}
	state := LetterState{ID: l.ID, Kind: l.Kind, Status: l.Status}
	if err := s.addressed(&state, l.Cipher); err != nil {
		return Letter{}, fault(fmt.Sprintf("read letter %d", letter), err)
	}
	if !state.Unsent() {
		return Letter{}, ErrNotFound
	}
	out, _, wanted, err := s.compose(ctx, l.letterRow)
	if err != nil {
		return Letter{}, fault(fmt.Sprintf("compose letter %d", letter), err)
	}
	if !wanted {
		return Letter{}, ErrNotFound
	}
	if a.may(r.Controller, true) != nil {
		out.StatusLink = "" // by it the request is taken back, in the person's name
	}
	return out, nil
}
