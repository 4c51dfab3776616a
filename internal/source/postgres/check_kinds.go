package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// kinds tells of references at a column that names rows of several tables, where
// another beside it tells of which (sender_id, sender_type): a reference takes the
// rows of every kind, and the guest 7 would be given what the user 7 wrote. A
// foreign key leads to one table, and where all rows say one kind there is one.
func (k *checking) kinds(ctx context.Context, conn *pgxpool.Conn, c *datamap.Collection) error {
	t := k.cat.table(c)
	if t == nil || !t.real() || !k.reached[c.FullName()] {
		return nil // a view may hold the rows of one kind
	}
	for _, f := range c.Fields {
		kind := draft.KindBeside(f.Name, func(name string) bool { return t.columns[name] != nil })
		alone := slices.ContainsFunc(append([][]string{t.key}, t.unique...), func(u []string) bool { return slices.Equal(u, []string{f.Name}) })
		if kind == "" || alone || !k.linked(f) {
			continue
		}
		var told bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_constraint x JOIN pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = ANY(x.conkey)
				WHERE x.contype = 'f' AND x.conrelid = $1 AND a.attname = $2)
			OR EXISTS (SELECT FROM pg_stats s JOIN pg_class r ON r.oid = $1 WHERE s.schemaname = $3 AND s.tablename = $4 AND s.attname = $5
				AND CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * r.reltuples ELSE s.n_distinct END < 1.5)`, // below 0: a share of the rows
			t.oid, f.Name, t.schema, t.name, kind).Scan(&told); err != nil {
			return fmt.Errorf("ask what a column names: %w", err)
		}
		if !told {
			k.say(Doubtful, f.FullName(), "the column "+kind+" beside it may tell of which table it names rows, and a reference takes them all: those of others, too, where the same value stands for somebody else",
				"if it does, map a view of the rows that are meant instead (CREATE VIEW … AS SELECT * FROM "+t.ident()+" WHERE "+quoted([]string{kind})[0]+" = …), or leave the reference out")
		}
	}
	return nil
}
