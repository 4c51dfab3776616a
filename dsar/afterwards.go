package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// errInProgress: a transaction noted earlier has not ended yet.
var errInProgress = errors.New("an earlier attempt's transaction is still in progress")

// closeErasure does what follows when every source is done, in the order of the
// law: tombstones against late imports, the recipients (Art. 19), the person
// (Art. 12(3)).
func (s *Service) closeErasure(ctx context.Context, tx pgx.Tx, r requestRow) error {
	err := pg.Put(ctx, tx, `
		INSERT INTO tombstones (controller, type, hmac, key_id, erased_at, request_id)
		SELECT e.controller, type, hmac, key_id, e.now, request_id
		FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS e (controller, request, now) JOIN identities i ON i.request_id = e.request
		WHERE proved_at IS NOT NULL
		ON CONFLICT DO NOTHING`, r.Controller, r.ID, s.now())
	if err != nil {
		return fmt.Errorf("tombstones of request %d: %w", r.ID, err)
	}
	findings, err := findingsOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	byHand, skipped, err := s.byHand(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	removed, stays, err := s.closeMentions(ctx, tx, r)
	if err != nil {
		return err
	}
	p, err := s.dossierOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	if rows, shared := total(findings); rows+shared == 0 && len(byHand)+len(skipped)+len(removed)+len(stays) == 0 {
		return s.answer(ctx, tx, r, p, "nothing", letterContent{})
	}
	told, err := s.tellRecipients(ctx, tx, r, p, findings)
	if err != nil {
		return err
	}
	ends, err := keptEndsOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	beyond, collections := s.unreachedWords(r, p, findings)
	kept := slices.Concat(s.obliged(findings, ends, s.leaves(r.Policy)), unattributed(p), beyond, stays, skipped)
	return s.answer(ctx, tx, r, p, "erased", letterContent{Kept: kept, Unreached: collections, ByHand: byHand, Mentions: removed, Told: told})
}

// unattributed says what an erasure did not touch because it could not be told
// to be this person's: root rows that were left, and what stands under identities
// that nobody proved. The sentences name neither. What is held or shared the
// letter reads from the findings.
func unattributed(p dossier) []string {
	var out []string
	if someLeft(p.roots) {
		out = append(out, "Records under the same address or number that could not be attributed to you with certainty: they may be somebody else's (Art. 11, 15(4)).")
	}
	if slices.ContainsFunc(p.ids, func(id ProvedIdentity) bool { return id.ProvedAt.IsZero() }) {
		out = append(out, "Whatever stands under identities that you named and that were not confirmed: it was not searched for.")
	}
	return out
}

// counted is "1 row", "2 rows".
func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
