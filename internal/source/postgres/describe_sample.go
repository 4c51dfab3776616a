package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/draft"
)

// Sampled rows and bytes: of a large table some pages are drawn, so that not only
// its first customers are looked at, and of a long value only its beginning.
const (
	drawnAbove   = 10_000 // rows of a table from which pages are drawn
	sampledBytes = 400
	sampledJSON  = 4_000 // of a document, whose keys are looked at
)

// drawn is a table in a FROM clause, as t: of a large one some pages.
func drawn(t *draft.Table, sample int) string {
	from := pgx.Identifier{t.Schema, t.Name}.Sanitize() + " t"
	if t.Rows > drawnAbove {
		// Twenty times what is wanted: pages may be sparse.
		from += fmt.Sprintf(" TABLESAMPLE SYSTEM (%.6f)", min(100, max(0.0001, 100*20*float64(sample)/t.Rows)))
	}
	return from
}

// agree notes on a column that is called like a reference when none of its sampled
// values stands where it would point. Some that do prove nothing: small numbers
// stand everywhere.
func agree(ctx context.Context, tx pgx.Tx, g draft.Guess, sample int) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+milliseconds(sampleTimeout)); err != nil {
		return err
	}
	const enough = 3
	var seen, found int
	err := tx.QueryRow(ctx, fmt.Sprintf(`
		SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM %s p WHERE p.%s = v.v))
		FROM (SELECT %s AS v FROM %s WHERE %s IS NOT NULL LIMIT %d) v`,
		pgx.Identifier{g.Parent.Schema, g.Parent.Name}.Sanitize(), pgx.Identifier{g.Key}.Sanitize(),
		col("t", g.Column.Name), drawn(g.Table, sample), col("t", g.Column.Name), sample)).Scan(&seen, &found)
	if err != nil {
		return fmt.Errorf("compare %s.%s with %s: %w", g.Table.FullName(), g.Column.Name, g.Parent.FullName(), err)
	}
	if seen >= enough && found == 0 {
		g.Column.Astray = g.Parent.Name
	}
	return nil
}

// sample looks at some rows of a table and notes what each column's values look
// like. Nothing of the values is kept, and none can stand in an error: pg.Clean
// takes from these what Postgres quotes.
func sample(ctx context.Context, tx pgx.Tx, t *draft.Table, o Describing) error {
	var columns []*draft.Column
	var list []string
	for _, c := range t.Columns {
		switch c.Class {
		case draft.Text, draft.Inet, draft.UUID, draft.JSON, draft.Date, draft.Other, draft.Number:
			columns = append(columns, c)
			n := sampledBytes
			if c.Class == draft.JSON {
				n = sampledJSON
			}
			list = append(list, fmt.Sprintf("left(%s::text, %d)", col("t", c.Name), n))
		}
	}
	if len(list) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+milliseconds(sampleTimeout)); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT ARRAY["+strings.Join(list, ", ")+"]::text[] FROM "+drawn(t, o.Sample)+fmt.Sprintf(" LIMIT %d", o.Sample))
	if err != nil {
		return fmt.Errorf("sample %s: %w", t.FullName(), err)
	}
	values := make([][]string, len(columns))
	var row []*string
	if _, err := pgx.ForEachRow(rows, []any{&row}, func() error {
		for i, v := range row {
			if v != nil {
				values[i] = append(values[i], *v)
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("sample %s: %w", t.FullName(), err)
	}
	for i, c := range columns {
		c.Contents = draft.Look(values[i], o.Today)
		if strings.HasPrefix(c.Type, "json") || c.Class == draft.Text && c.Contents.Object > 0 {
			c.LookInside(values[i], o.Today)
		}
	}
	return nil
}
