package dsar

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// discover counts what the proved identities of a request reach in one source,
// and lists the rows that they match. The DPO sees both before approving;
// nothing has been read out or changed.
func (s *Service) discover(ctx context.Context, st stepRow, r requestRow) (finish, error) {
	src := s.c.Sources[st.Source] // nil: it has left lethe.yaml, and is searched no more
	ids, err := s.identitiesOf(ctx, s.db, r.ID)
	if err != nil {
		return finish{}, err
	}
	var note discoverNote
	var found source.Found
	var feeds []source.Feed
	if seeds := s.seeds(ids, true); len(seeds) > 0 {
		w, err := s.walk(r, seeds)
		if err != nil {
			return finish{}, err
		}
		if narrows(w.Plan, w.Fields) != nil { // identities that led there are not proved, or the map has changed
			return finish{}, &Permanent{Code: "not_narrowed", Err: errors.New(
				"the request is narrowed by a field of the data map, and what is proved leads to nothing that the field narrows: all would be taken where a part was asked for. Prove the other identities, or withdraw the request and enter it anew")}
		}
		note.Plan, note.Types = s.planIn(r, w.Plan, st.Source), w.Plan.Identities
		if src != nil {
			if w, err = s.fed(ctx, w, Holds{}, st.Source); err != nil {
				return finish{}, err
			}
			feeds = w.Feeds
			if found, err = find(ctx, src, w); err != nil {
				return finish{}, &sourceError{st.Source, err}
			}
		}
		if err := tooManyRoots(st.Source, found); err != nil {
			return finish{}, err
		}
		if r.Kind == datamap.Erasure {
			if len(found.Braked) > 0 {
				return finish{}, overShared(st.Source, found.Braked)
			}
			found.Findings = ownedBy(w.Plan, found.Findings) // counted as the dry run and the erasure will
		}
	}
	for _, to := range found.Reached {
		if to, ok := mailable(to); ok {
			note.Reached = append(note.Reached, to)
		}
	}
	return finish{note: note, write: func(ctx context.Context, tx pgx.Tx, r requestRow) error {
		if err := s.saveFindings(ctx, tx, r.ID, st.Source, found.Findings); err != nil {
			return err
		}
		if err := s.forgetRoots(ctx, tx, r, st.Source, found.Roots); err != nil {
			return err
		}
		if err := s.saveRoots(ctx, tx, r, st.Source, found.Roots, true, nil); err != nil {
			return err
		}
		if len(feeds) > 0 && r.Kind == datamap.Erasure {
			if err := s.keepFeeds(ctx, tx, r.ID, keptFeeds{Feeds: feeds}); err != nil {
				return err
			}
		}
		if len(found.Braked) > 0 {
			if err := s.sayNotFollowed(ctx, tx, st.ID, found.Braked); err != nil {
				return err
			}
		}
		rows, shared := total(found.Findings)
		return s.note(ctx, tx, "step.discovered", r.ID, system, map[string]any{
			"step": st.ID, "source": st.Source, "rows": rows, "shared": shared, "roots": len(found.Roots)})
	}}, nil
}

// forgetRoots drops rows that proved identities matched before and match no more.
func (s *Service) forgetRoots(ctx context.Context, tx pgx.Tx, r requestRow, src string, roots []source.Root) error {
	still := make([]string, 0, len(roots))
	for _, root := range roots {
		still = append(still, hex.EncodeToString(s.rootMAC(r.Controller, src, root.RowKey)))
	}
	_, err := pg.EachExec(ctx, tx, `
		DELETE FROM roots t USING unnest($1::bigint[], $2::text[], $3::text[]) AS e (request, source, still)
		WHERE t.request_id = e.request AND t.source = e.source AND t.proved AND encode(t.key_hmac, 'hex') <> ALL (string_to_array(e.still, ' '))`,
		r.ID, src, strings.Join(still, " "))
	if err != nil {
		return fmt.Errorf("forget root rows of request %d: %w", r.ID, err)
	}
	return nil
}
