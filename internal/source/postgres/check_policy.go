package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// refusedByPolicy tries the masked value against row-level security. A changed row
// has to meet the policies for changes (WITH CHECK, else USING) and, since the
// statement reads it, those for reading, too. A view has none of its own: those of
// what it changes count, where it does so by the rights of the role.
func refusedByPolicy(ctx context.Context, conn *pgxpool.Conn, t *table, m mask, masks []mask) (string, error) {
	others := slices.DeleteFunc(slices.Clone(masks), func(o mask) bool { return o.column.name == m.column.name || !o.alike() })
	for _, command := range []string{toChange, toRead} {
		refused, err := t.surelyRefuses(ctx, conn, command, append(others, m))
		if err == nil && refused {
			refused, err = t.surelyRefuses(ctx, conn, command, others)
			refused = !refused // so it is this one's fault
		}
		if err != nil {
			return "", fmt.Errorf("try a masked value: %w", err)
		}
		if refused {
			return "the row-level security of " + t.schema + "." + t.name + " (CREATE POLICY) refuses the row that holds the masked value", nil
		}
	}
	if l, below, beside := t.below(m, masks); l != nil && t.changed().invoked {
		return refusedByPolicy(ctx, conn, l, below, beside)
	}
	return "", nil
}

// beneath are those of a view's masks that change a column of what it reads.
func (l layer) beneath(masks []mask) []mask {
	var there []mask
	for _, m := range masks {
		if name := l.columns[m.column.name]; name != "" {
			c := *m.column
			c.name, m.column = name, &c
			there = append(there, m)
		}
	}
	return there
}

// below is what a view changes when one of its columns is masked, with the masks by
// the names that columns have there; nil for a table, and where nothing is known.
func (t *table) below(m mask, masks []mask) (*table, mask, []mask) {
	l := t.changed()
	if l == nil || l.columns[m.column.name] == "" {
		return nil, m, masks
	}
	there := l.beneath(append([]mask{m}, masks...))
	return l.t, there[0], there[1:]
}

// surelyRefuses tells whether a row with the masked values is refused whatever else
// it holds: by a restrictive policy, or by all that are permissive. Of a policy that
// looks at other columns, or cannot be tried, nothing is sure.
func (t *table) surelyRefuses(ctx context.Context, conn *pgxpool.Conn, command string, masks []mask) (bool, error) {
	refusing, allowing := false, false
	for _, p := range t.policiesTo(command) {
		condition := p.using
		if command == toChange {
			condition = cmp.Or(p.check, p.using)
		}
		met, err := satisfies(ctx, conn, "("+cmp.Or(condition, "true")+") IS TRUE", masks...)
		var untried *pgconn.PgError
		if err != nil && !errors.As(err, &untried) {
			return false, err
		}
		switch refuses := err == nil && !met; {
		case refuses && !p.permissive:
			return true, nil
		case refuses:
			refusing = true
		case p.permissive:
			allowing = true
		}
	}
	return refusing && !allowing, nil
}
