package dsar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
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
	var collections []string
	var rows, shared, held, kept, erased, masked []int64
	for _, f := range findings {
		collections = append(collections, f.Collection)
		rows, shared, held = append(rows, f.Rows), append(shared, f.Shared), append(held, f.Held)
		kept, erased, masked = append(kept, f.Kept), append(erased, f.Erased), append(masked, f.Masked)
	}
	batch := &pgx.Batch{}
	batch.Queue(`DELETE FROM findings WHERE request_id = $1 AND source = $2`, requestID, src)
	if len(findings) > 0 {
		batch.Queue(`
			INSERT INTO findings (request_id, source, collection, ordinal, rows, shared, held, kept, erased, masked, found_at)
			SELECT $1, $2, collection, ordinal - 1, rows, shared, held, kept, erased, masked, $10
			FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
				WITH ORDINALITY AS u (collection, rows, shared, held, kept, erased, masked, ordinal)`,
			requestID, src, collections, rows, shared, held, kept, erased, masked, s.now())
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("findings of request %d in %s: %w", requestID, src, err)
	}
	return nil
}

// forgetRoots drops rows that proved identities matched before and match no more.
func (s *Service) forgetRoots(ctx context.Context, tx pgx.Tx, r requestRow, src string, roots []source.Root) error {
	still := make([][]byte, 0, len(roots))
	for _, root := range roots {
		still = append(still, s.rootMAC(r.Controller, src, root.RowKey))
	}
	_, err := tx.Exec(ctx, `
		DELETE FROM roots WHERE request_id = @request AND source = @source AND proved AND key_hmac <> ALL (@still::bytea[])`,
		pgx.StrictNamedArgs{"request": r.ID, "source": src, "still": still})
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
