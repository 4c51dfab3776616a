package dsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
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
	kept := slices.Concat(s.obliged(findings, ends), unattributed(p), beyond, stays, skipped)
	return s.answer(ctx, tx, r, p, "erased", letterContent{Kept: kept, Unreached: collections, ByHand: byHand, Mentions: removed, Told: told})
}

// namedTo are the identities by which a recipient can find the person. The key
// of a picked row says nothing to them: the identities stored in the row do.
func (s *Service) namedTo(p dossier) []string {
	var about []string
	picked := false
	for _, seed := range s.seeds(p.ids, true) {
		if strings.HasPrefix(seed.Type, datamap.Row) && !slices.Contains(s.types, seed.Type) {
			picked = true
			continue
		}
		about = append(about, seed.Type+": "+seed.Value)
	}
	if !picked {
		return about
	}
	for _, root := range p.roots {
		if !root.Proved || root.Ticked != nil && !*root.Ticked {
			continue
		}
		for _, typ := range slices.Sorted(maps.Keys(root.Stored)) {
			if line := typ + ": " + root.Stored[typ]; !slices.Contains(about, line) {
				about = append(about, line)
			}
		}
	}
	return about
}

// tellRecipients writes to everybody who was given data of the categories
// erased and who can be told (Art. 19): each learns the identities by which
// they can find the person, and nothing else. told: there was somebody.
func (s *Service) tellRecipients(ctx context.Context, tx pgx.Tx, r requestRow, p dossier, findings []source.Finding) (told bool, err error) {
	if changed(findings) == 0 || len(s.c.Notify) == 0 {
		return false, nil
	}
	w, err := s.walk(r, s.seeds(p.ids, true))
	if err != nil {
		return false, err
	}
	about := s.namedTo(p)
	touched := touchedCategories(w.Plan, findings)
	for _, key := range slices.Sorted(maps.Keys(s.c.Notify)) {
		to := s.c.Notify[key]
		if to.Address == "" || !s.gets(to.Name, touched) {
			continue
		}
		// Every erasure names the same few recipients: a row written each time
		// would make all erasures take turns, each until its commit.
		err = pg.Put(ctx, tx, `
			INSERT INTO recipients (key, name, seen_at)
			SELECT DISTINCT ON (e.key) e.key, e.name, e.now FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS e (key, name, now)
			WHERE NOT EXISTS (SELECT 1 FROM recipients r WHERE r.key = e.key AND r.name = e.name AND r.seen_at > e.now - interval '1 day')
			ORDER BY e.key
			ON CONFLICT (key) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at`, key, to.Name, s.now())
		if err != nil {
			return false, fmt.Errorf("notice of request %d to %s: %w", r.ID, key, err)
		}
		err = s.addLetter(ctx, tx, r, "notice", key, 0, letterContent{To: to.Address, Name: to.Name, Reason: strings.Join(about, "\n")})
		if err != nil {
			return false, err
		}
		told = true
	}
	return told, nil
}

// gets tells whether a recipient was given any of the categories. One of whom
// nothing is written down may have been given all.
func (s *Service) gets(name string, categories []string) bool {
	for _, rec := range s.c.Recipients {
		if rec.Name != name {
			continue
		}
		return len(rec.Gets) == 0 || overlap(rec.Gets, categories)
	}
	return true
}

// overlap tells whether a category of one list stands at, above or under one of the other.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool {
			return datamap.CategoryMatches(x, y) || datamap.CategoryMatches(y, x)
		})
	})
}

// touchedCategories are those of the fields that an erasure changed.
func touchedCategories(plan *datamap.Plan, findings []source.Finding) []string {
	did := map[string]bool{}
	for _, f := range findings {
		did[f.Collection] = f.Erased+f.Masked > 0
	}
	seen := map[string]bool{}
	for _, v := range plan.Visits {
		if !did[v.Collection.FullName()] {
			continue
		}
		for _, field := range v.Collection.AllFields() {
			if v.Delete || slices.ContainsFunc(v.Targets, func(t datamap.Target) bool { return t.Field == field }) {
				for _, c := range field.Categories {
					seen[c] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
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
