package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// MaxScopes bounds what Scopes returns.
const MaxScopes = 100

// Scopes lists values of a collection's controller column that are none of
// known, as text and in order, at most MaxScopes: controllers whose rows nobody
// answers for. nil for a collection without such a column, and for one that the
// database does not have (Check says so).
//
// Where an index begins with the column, it is leapt along from value to value,
// which costs a look-up each; else the table is read once, within the statement's
// time limit.
func (s *Source) Scopes(ctx context.Context, c *datamap.Collection, known []string) (scopes []string, err error) {
	defer func() { err = s.failed("list the controllers of "+c.FullName(), err) }()
	if c.Controller == "" || c.Skip || !s.holds(c) {
		return nil, nil
	}
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		return s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
			cat, err := readCatalogue(ctx, tx, []*datamap.Collection{c})
			if err != nil {
				return err
			}
			t := cat.table(c)
			if t == nil || t.columns[c.Controller] == nil {
				return nil
			}
			of := t.columns[c.Controller]
			name, strange := pgx.Identifier{c.Controller}.Sanitize(), of.compared("w.v")+" <> ALL("+of.array("$1")+")"
			values := "SELECT DISTINCT " + name + " AS v FROM " + t.ident()
			if t.indexed(c.Controller, "") {
				values = "SELECT v FROM leap"
			}
			rows, err := tx.Query(ctx, fmt.Sprintf(`
				WITH RECURSIVE leap AS (
					(SELECT %[1]s AS v FROM %[2]s WHERE %[1]s IS NOT NULL ORDER BY %[1]s LIMIT 1)
					UNION ALL
					SELECT n.v FROM leap l CROSS JOIN LATERAL
						(SELECT %[1]s AS v FROM %[2]s WHERE %[1]s > l.v ORDER BY %[1]s LIMIT 1) n)
				SELECT w.v::text FROM (%[3]s) w WHERE w.v IS NOT NULL AND %[4]s ORDER BY w.v LIMIT %[5]d`,
				name, t.ident(), values, strange, MaxScopes), of.class.only(known))
			if err != nil {
				return err
			}
			scopes, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	})
	return scopes, err
}
