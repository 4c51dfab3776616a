package dsar

import (
	"context"
	"encoding/hex"
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
	src, err := s.source(st.Source)
	if err != nil {
		return nil, err
	}
	ids, err := s.identitiesOf(ctx, s.db, r.ID)
	if err != nil {
		return nil, err
	}
	var found source.Found
	var feeds []source.Feed
	if seeds := s.seeds(ids, true); len(seeds) > 0 {
		w, err := s.walk(r, seeds)
		if err != nil {
			return nil, err
		}
		if w, err = s.fed(ctx, w, st.Source); err != nil {
			return nil, err
		}
		feeds = w.Feeds
		if found, err = find(ctx, src, w); err != nil {
			return nil, &sourceError{st.Source, err}
		}
		if err := tooManyRoots(st.Source, found); err != nil {
			return nil, err
		}
		if r.Kind == datamap.Erasure && len(found.Braked) > 0 {
			return nil, overShared(st.Source, found.Braked)
		}
	}
	return func(ctx context.Context, tx pgx.Tx, r requestRow) error {
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
		var reached []string
		for _, to := range found.Reached {
			if to, ok := mailable(to); ok {
				reached = append(reached, to)
			}
		}
		if err := s.saveNote(ctx, tx, st.ID, discoverNote{Reached: reached}); err != nil {
			return err
		}
		if len(found.Braked) > 0 {
			if err := s.sayNotFollowed(ctx, tx, st.ID, found.Braked); err != nil {
				return err
			}
		}
		rows, shared := total(found.Findings)
		return s.note(ctx, tx, "step.discovered", r.ID, system, map[string]any{
			"step": st.ID, "source": st.Source, "rows": rows, "shared": shared, "roots": len(found.Roots)})
	}, nil
}

// saveFindings replaces what is known of one source: counts, never contents.
func (s *Service) saveFindings(ctx context.Context, tx pgx.Tx, requestID int64, src string, findings []source.Finding) error {
	names := make([]string, 0, len(findings))
	sets := make([][]any, 0, len(findings))
	for i, f := range findings {
		names = append(names, f.Collection)
		sets = append(sets, []any{requestID, src, f.Collection, i, f.Rows, f.Shared, f.Held, f.Kept, f.Erased, f.Masked, s.now()})
	}
	_, err := pg.EachExec(ctx, tx, `
		DELETE FROM findings f USING unnest($1::bigint[], $2::text[], $3::text[]) AS e (request, source, names)
		WHERE f.request_id = e.request AND f.source = e.source AND f.collection <> ALL (string_to_array(e.names, E'\n'))`,
		requestID, src, strings.Join(names, "\n"))
	if err == nil && len(findings) > 0 {
		err = pg.EachOfExec(ctx, tx, `
			INSERT INTO findings (request_id, source, collection, ordinal, rows, shared, held, kept, erased, masked, found_at)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
				$9::bigint[], $10::bigint[], $11::timestamptz[])
			ON CONFLICT (request_id, source, collection) DO UPDATE SET ordinal = excluded.ordinal, rows = excluded.rows, shared = excluded.shared,
				held = excluded.held, kept = excluded.kept, erased = excluded.erased, masked = excluded.masked, found_at = excluded.found_at`, sets)
	}
	if err != nil {
		return fmt.Errorf("findings of request %d in %s: %w", requestID, src, err)
	}
	return nil
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

// total adds up what findings count.
func total(findings []source.Finding) (rows, shared int64) {
	for _, f := range findings {
		rows += f.Rows
		shared += f.Shared
	}
	return rows, shared
}
