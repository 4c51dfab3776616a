package dsar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

const (
	keptNoted = 10_000 // rows of one erasure whose keys a source notes, see source.Note
	keptEnds  = 3      // days that a letter names one by one
)

// A keptEnd is how many rows of a collection a law lets go at one instant.
type keptEnd struct {
	Collection string
	Rows       int64
	Until      time.Time
}

// keptEndsOf are the ends known of rows that a law keeps, by collection.
func keptEndsOf(ctx context.Context, db pg.DB, requestID int64) (map[string][]keptEnd, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, collection, count(*), until FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN kept k ON k.request_id = e.number
		WHERE until IS NOT NULL AND NOT held GROUP BY e.n, collection, until ORDER BY collection, until`, requestID)
	if err != nil {
		return nil, fmt.Errorf("ends of kept rows of request %d: %w", requestID, err)
	}
	by := map[string][]keptEnd{}
	var e keptEnd
	if _, err := pgx.ForEachRow(rows, []any{&e.Collection, &e.Rows, &e.Until}, func() error {
		by[e.Collection] = append(by[e.Collection], e)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("ends of kept rows of request %d: %w", requestID, err)
	}
	return by, nil
}

// endWords is " They are kept until 3 March 2031, and then erased.", where every
// row's end is known; else nothing: half a promise would be read as a whole one.
func endWords(kept int64, ends []keptEnd) string {
	var known int64
	var days []string
	for _, e := range ends {
		known += e.Rows
		// An end is the first instant at which a row may go: the day before is its last.
		if day := e.Until.UTC().Add(-time.Nanosecond).Format("2 January 2006"); !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	if known == 0 || known != kept {
		return ""
	}
	last := days[len(days)-1]
	switch {
	case kept == 1:
		return " It is kept until " + last + ", and then erased."
	case len(days) == 1:
		return " They are kept until " + last + ", and then erased."
	case len(days) <= keptEnds:
		return " They are kept until " + strings.Join(days[:len(days)-1], ", ") + " and " + last + ", and then erased."
	}
	return " The first of them are kept until " + days[0] + " and the last until " + last + "; each is then erased."
}

// unnoted are rows that an erasure left and of which no key is noted: nothing
// will finish them. Where a source's list is full, a row that is both kept and
// held may count twice: too many are told rather than too few.
func unnoted(findings []source.Finding, noted func(src, collection string) int64) []KeptRows {
	by := map[string]int64{}
	for _, f := range findings {
		by[f.Source] += noted(f.Source, f.Collection)
	}
	var all []KeptRows
	for _, f := range findings {
		left := max(f.Kept, f.Held)
		if by[f.Source] >= keptNoted {
			left = f.Kept + f.Held
		}
		if left -= noted(f.Source, f.Collection); left > 0 {
			all = append(all, KeptRows{Source: f.Source, Collection: f.Collection, Rows: left, Unnoted: true,
				Why: "Their keys are not noted, since they are more than one erasure takes note of, or stand in a table without a key and were masked: Lethe will not erase them by itself. Take in a new request for this person once their time is over."})
		}
	}
	return all
}

// notedOf counts the rows of a request that are or were noted, finished or not.
func notedOf(ctx context.Context, db pg.DB, requestID int64) (func(src, collection string) int64, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, source, collection, count(*) FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN kept k ON k.request_id = e.number
		GROUP BY e.n, source, collection`, requestID)
	if err != nil {
		return nil, err
	}
	by := map[[2]string]int64{}
	var src, collection string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&src, &collection, &n}, func() error {
		by[[2]string{src, collection}] = n
		return nil
	}); err != nil {
		return nil, err
	}
	return func(src, collection string) int64 { return by[[2]string{src, collection}] }, nil
}
