package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// masks looks whether each column can hold what the built-in erasure would put
// there: by its type, NOT NULL, unique indexes and check constraints. A column
// of a collection that loses its rows is masked only where a row must stay, so
// what is wrong there is a doubt.
func (k *checking) masks(ctx context.Context, conn *pgxpool.Conn) error {
	plan, err := datamap.Compile(k.m, datamap.Builtin(datamap.Erasure), datamap.IdentityTypes(k.m))
	if err != nil {
		return nil //nolint:nilerr // what is wrong with the map itself is told by datamap
	}
	for _, v := range plan.Visits {
		t := k.cat.table(v.Collection)
		if t == nil || !k.s.holds(v.Collection) {
			continue
		}
		at := &stop{visit: v, c: v.Collection, t: t}
		v := *v
		v.Targets = slices.DeleteFunc(slices.Clone(v.Targets), func(x datamap.Target) bool { return t.columns[x.Field.Name] == nil })
		at.visit = &v
		for _, m := range at.masks() {
			why := cannotHold(t, m)
			if why == "" {
				if why, err = refusedByCheck(ctx, conn, t, m); err != nil {
					return err
				}
			}
			if why == "" {
				continue
			}
			level, more := Wrong, ""
			if v.Delete {
				level, more = Doubtful, ", should a row have to stay"
			}
			k.say(level, m.field.FullName(), "an erasure cannot mask it"+more+": "+why, "give the field a masking_strategy_override that fits, or change the column")
		}
	}
	return nil
}

// cannotHold says why a column cannot hold its masked value, or "".
func cannotHold(t *table, m mask) string {
	c := m.column
	switch {
	case c.generated:
		return "the column is generated"
	case m.how == "null_rewrite" && c.notNull:
		return "null_rewrite, and the column is NOT NULL"
	case m.how == "string_rewrite" && !c.class.holds(m.value):
		return "a value of type " + c.typ + " is needed"
	case m.how == "random_string_rewrite" && !c.class.textual():
		return "random letters do not fit type " + c.typ
	}
	if m.how == "string_rewrite" && slices.ContainsFunc(t.unique, func(u []string) bool { return len(u) == 1 && u[0] == c.name }) {
		return "each row must have a value of its own, and string_rewrite gives all the same"
	}
	return ""
}

// refusedByCheck tries the masked value against the column's check constraints.
func refusedByCheck(ctx context.Context, conn *pgxpool.Conn, t *table, m mask) (string, error) {
	rows, err := conn.Query(ctx, `
		SELECT k.conname::text, pg_get_expr(k.conbin, k.conrelid)
		FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = $2 AND k.conkey = ARRAY[a.attnum]
		WHERE k.conrelid = $1 AND k.contype = 'c'`, t.oid, m.column.name)
	if err != nil {
		return "", fmt.Errorf("read check constraints: %w", err)
	}
	type check struct{ Name, Expression string }
	checks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[check])
	if err != nil {
		return "", fmt.Errorf("read check constraints: %w", err)
	}
	var value *string
	switch m.how {
	case "string_rewrite":
		value = &m.value
	case "random_string_rewrite":
		v := cut("abcdefghijklmnopabcdefghijklmnopabcdefghijklmnop", m.letters) + m.suffix
		value = &v
	}
	for _, c := range checks {
		var refused bool
		// The expression is Postgres' own print of the constraint.
		sql := "SELECT ((" + c.Expression + ") IS FALSE) FROM (SELECT $1::text::" + m.column.typ + " AS " + pgx.Identifier{m.column.name}.Sanitize() + ") x"
		if err := conn.QueryRow(ctx, sql, value).Scan(&refused); err != nil {
			return "", fmt.Errorf("try constraint %s: %w", c.Name, err)
		}
		if refused {
			return "the constraint " + c.Name + " refuses the masked value", nil
		}
	}
	return "", nil
}
