package dsar

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// saveRoots stores root rows of one source. A row seen before keeps its tick, if it
// says the same of the person still, and once proved it stays so; ticked is the
// tick of rows not seen before.
func (s *Service) saveRoots(ctx context.Context, tx pgx.Tx, r requestRow, src string, roots []source.Root, proved bool, ticked *bool) error {
	if len(roots) == 0 {
		return nil
	}
	// What is sealed is bound to the row's number, so that comes first.
	sets := make([][]any, 0, len(roots))
	for _, root := range roots {
		sets = append(sets, []any{r.ID, src, root.Collection, s.rootMAC(r.Controller, src, root.RowKey)})
	}
	rows, err := pg.EachOf(ctx, tx, `
		SELECT e.n, coalesce(r.id, nextval(pg_get_serial_sequence('roots', 'id'))) AS id, CASE WHEN r.ticked IS NOT NULL THEN r.cipher END AS decided
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS e (request, source, collection, sum, n)
		LEFT JOIN roots r ON r.request_id = e.request AND r.source = e.source AND r.collection = e.collection AND r.key_hmac = e.sum
		ORDER BY e.n`, sets)
	if err != nil {
		return fmt.Errorf("store root rows of request %d: %w", r.ID, err)
	}
	type known struct {
		ID      int64
		Decided []byte
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[known])
	if err != nil || len(list) != len(roots) {
		return fmt.Errorf("store %d root rows of request %d, %d are there: %w", len(roots), r.ID, len(list), err)
	}
	for i, root := range roots {
		c := rootContent{Key: root.Key, Types: root.Types, Stored: root.Stored, Person: root.Person}
		if err := s.forgetTick(ctx, tx, list[i].ID, list[i].Decided, c); err != nil {
			return err
		}
		cipher, err := s.sealJSON(place(rootOf, list[i].ID), c)
		if err != nil {
			return err
		}
		sets[i] = append(sets[i], list[i].ID, cipher, proved, ticked, s.now())
	}
	err = pg.EachOfExec(ctx, tx, `
		INSERT INTO roots (request_id, source, collection, key_hmac, id, cipher, proved, ticked, seen_at)
		OVERRIDING SYSTEM VALUE
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bool[], $8::bool[], $9::timestamptz[])
		ON CONFLICT (id) DO UPDATE
			SET cipher = excluded.cipher, proved = roots.proved OR excluded.proved, seen_at = excluded.seen_at,
				ticked = coalesce(roots.ticked, excluded.ticked)`, sets)
	if err != nil {
		return fmt.Errorf("store root rows of request %d: %w", r.ID, err)
	}
	return nil
}

// forgetTick takes the tick from a row that says something else of the person
// than when it was decided on: somebody has it now, or another key gives it this name.
func (s *Service) forgetTick(ctx context.Context, tx pgx.Tx, id int64, decided []byte, now rootContent) error {
	if decided == nil {
		return nil
	}
	var then rootContent
	if err := s.openJSON(place(rootOf, id), decided, &then); err != nil {
		return err
	}
	if agree(then.Person, now.Person) && agree(then.Stored, now.Stored) {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE roots SET ticked = NULL WHERE id = $1`, id); err != nil {
		return fmt.Errorf("root row %d: %w", id, err)
	}
	return nil
}

// agree tells whether two rows have the same values where both have one.
func agree(a, b map[string]string) bool {
	for name, value := range a {
		if other, both := b[name]; both && other != value {
			return false
		}
	}
	return true
}

// tickedWalk is the walk that a request may take in one source: from proved
// identities, through the root rows that were ticked, and through no others.
// Before the approval (draft) it takes the rows that nobody has left out.
func (s *Service) tickedWalk(r requestRow, p dossier, src string, draft bool) (source.Walk, error) {
	w, err := s.walk(r, s.seeds(p.ids, true))
	if err != nil {
		return source.Walk{}, err
	}
	w.Restricted = true
	within := append(fleet.Linked(w.Plan, src), src) // sources that walk together have their root rows together
	for _, root := range p.roots {
		if !slices.Contains(within, root.Source) || !root.Proved || root.Key == "" {
			continue
		}
		if root.Ticked != nil && *root.Ticked || draft && root.Ticked == nil {
			w.Roots = append(w.Roots, root.RowKey)
		}
	}
	return w, nil
}

// someLeft tells whether the DPO left a row as not theirs.
func someLeft(roots []RootRow) bool {
	return slices.ContainsFunc(roots, func(r RootRow) bool { return r.Proved && r.Ticked != nil && !*r.Ticked })
}

// tooManyRoots stops a request whose identities match more rows than the list
// of root rows holds: a walk restricted to a list that was cut off would leave
// rows behind in silence, and so many matches are mostly a placeholder's.
func tooManyRoots(src string, found source.Found) error {
	if len(found.Roots) < source.MaxRoots {
		return nil
	}
	return &Permanent{Code: "too_many_rows", Err: fmt.Errorf(
		"the identities of this request match %d rows or more in the source %s by themselves. That looks like a value that many people share; look at it with `lethe find`, and ask the person for another identity",
		source.MaxRoots, src)}
}
