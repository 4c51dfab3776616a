package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Keys returns the first keys of a collection, at most limit, or, where among
// is not nil, those of them that are there: Check of a sharded source looks
// whether its shards count for themselves. A table that is not there, or has no
// key, has none (Check says so).
func (s *Source) Keys(ctx context.Context, c *datamap.Collection, among []string, limit int) (keys []string, err error) {
	defer func() { err = s.failed("look at the keys of "+c.FullName(), err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		return s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
			cat, err := readCatalogue(ctx, tx, []*datamap.Collection{c})
			if err != nil {
				return err
			}
			t := cat.table(c)
			if t == nil || len(t.key) != 1 {
				return nil
			}
			key := t.columns[t.key[0]]
			name := col("t", key.name)
			where, args := "true", []any{}
			if among != nil {
				where, args = key.compared(name)+" = ANY("+key.array("$1")+")", []any{key.class.only(among)}
			}
			rows, err := tx.Query(ctx, "SELECT "+name+"::text FROM "+t.ident()+" t WHERE "+where+" ORDER BY "+strings.Join(cols("t", t.key), ", ")+" LIMIT "+itoa(limit), args...)
			if err != nil {
				return err
			}
			keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	})
	return keys, err
}
