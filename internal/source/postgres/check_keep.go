package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// keeps looks whether columns can hold the values by which a law keeps rows: by
// one that no row has, nothing is kept, and an erasure takes what it should leave.
// Of a keep with another row, its collection is asked.
func (k *checking) keeps(ctx context.Context, conn *pgxpool.Conn, c *datamap.Collection) error {
	t := k.cat.table(c)
	if t == nil {
		return nil
	}
	for _, keep := range c.Keeps {
		if len(keep.With) > 0 {
			continue
		}
		if err := t.vain(ctx, conn, keep.Where, func(column, v, why string) {
			k.say(Wrong, c.FullName()+"."+column, fmt.Sprintf("no row is kept by %q: %s", v, why), "correct where of its keep")
		}); err != nil {
			return err
		}
	}
	return nil
}

// vain tells the values of a condition that no row can have. Of a text nobody can say.
func (t *table) vain(ctx context.Context, conn *pgxpool.Conn, where map[string][]*string, tell func(column, v, why string)) error {
	for _, name := range slices.Sorted(maps.Keys(where)) {
		column := t.columns[name]
		if column == nil || column.class.textual() {
			continue
		}
		for _, v := range where[name] {
			if v == nil || placeholderWord.MatchString(*v) || strings.Contains(*v, "*") {
				continue
			}
			why, err := neverHeld(ctx, conn, column, *v)
			if err != nil {
				return err
			}
			if why != "" {
				tell(name, *v, why)
			}
		}
	}
	return nil
}

// neverHeld says why no row of a column compares as equal to a value, or "".
func neverHeld(ctx context.Context, conn *pgxpool.Conn, c *column, v string) (string, error) {
	why := "it is no value of type " + c.typ
	if !c.class.holds(v) {
		return why, nil
	}
	var same bool
	value := "$1::text::" + c.typ
	if err := conn.QueryRow(ctx, "SELECT "+c.compared(value)+" = ANY("+c.array("ARRAY[$1::text]")+")", v).Scan(&same); err != nil {
		return tried(err, why)
	}
	if same {
		return "", nil
	}
	var written string
	if err := conn.QueryRow(ctx, "SELECT ("+value+")::text", v).Scan(&written); err != nil {
		return tried(err, why)
	}
	return fmt.Sprintf("of type %s it is written %q", c.typ, written), nil
}
