package dsar

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// countsOf are a finding as it stands in findings.counts.
type countsOf struct {
	Collection string `json:"collection"`
	Rows       int64  `json:"rows,omitempty"`
	Shared     int64  `json:"shared,omitempty"`
	Held       int64  `json:"held,omitempty"`
	Kept       int64  `json:"kept,omitempty"`
	Erased     int64  `json:"erased,omitempty"`
	Masked     int64  `json:"masked,omitempty"`
	Stays      int64  `json:"stays,omitempty"`
	Missing    int64  `json:"missing,omitempty"`
}

// saveFindings replaces what is known of one source: counts, never contents.
func (s *Service) saveFindings(ctx context.Context, tx pgx.Tx, requestID int64, src string, findings []source.Finding) error {
	counts := make([]countsOf, 0, len(findings))
	for _, f := range findings {
		counts = append(counts, countsOf{f.Collection, f.Rows, f.Shared, f.Held, f.Kept, f.Erased, f.Masked, f.Stays, f.Missing})
	}
	text, err := json.Marshal(counts)
	if err != nil {
		return fmt.Errorf("findings of request %d in %s: %w", requestID, src, err)
	}
	rows, _ := total(findings)
	_, err = pg.EachExec(ctx, tx, `
		INSERT INTO findings (request_id, source, rows, counts, found_at)
		SELECT request_id, source, rows, counts::jsonb, now
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) AS e (request_id, source, rows, counts, now)
		ON CONFLICT (request_id, source) DO UPDATE SET rows = excluded.rows, counts = excluded.counts, found_at = excluded.found_at`,
		requestID, src, rows, string(text), s.now())
	if err != nil {
		return fmt.Errorf("findings of request %d in %s: %w", requestID, src, err)
	}
	return nil
}

// findingsOf are a request's, by source, in the order of the walk.
func findingsOf(ctx context.Context, db pg.DB, requestID int64) ([]source.Finding, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, source, counts FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN findings f ON f.request_id = e.number
		ORDER BY source`, requestID)
	if err != nil {
		return nil, fmt.Errorf("findings of request %d: %w", requestID, err)
	}
	var findings []source.Finding
	var src string
	var counts []byte
	_, err = pgx.ForEachRow(rows, []any{&src, &counts}, func() error {
		var all []countsOf
		if err := json.Unmarshal(counts, &all); err != nil {
			return err
		}
		for _, c := range all {
			findings = append(findings, source.Finding{
				Source: src, Collection: c.Collection, Rows: c.Rows, Shared: c.Shared, Held: c.Held, Kept: c.Kept, Erased: c.Erased, Masked: c.Masked, Stays: c.Stays, Missing: c.Missing,
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("findings of request %d: %w", requestID, err)
	}
	return findings, nil
}

// findingsIn are those of one source.
func findingsIn(ctx context.Context, db pg.DB, requestID int64, src string) ([]source.Finding, error) {
	all, err := findingsOf(ctx, db, requestID)
	return slices.DeleteFunc(all, func(f source.Finding) bool { return f.Source != src }), err
}

// withRows are the collections in which rows were found, by full name.
func withRows(findings []source.Finding) (names []string) {
	for _, f := range findings {
		if f.Rows > 0 {
			names = append(names, f.Collection)
		}
	}
	return names
}

// total adds up what findings count.
func total(findings []source.Finding) (rows, shared int64) {
	for _, f := range findings {
		rows += f.Rows
		shared += f.Shared
	}
	return rows, shared
}
