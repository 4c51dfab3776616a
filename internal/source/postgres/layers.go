package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// A layer is one table or view that a view reads.
type layer struct {
	t       *table
	invoked bool              // by the rights of the role, and by the policies for it, rather than by those of the view's owner (security_invoker)
	changes int               // which changes of the view's rows are carried out on it, as in table.writes
	columns map[string]string // columns of the view that are such of its own
}

// writable is which changes rows of c, a pg_class, admit within a statement of
// CTEs: there, no rule, save one of a view that stands in for it, always, and
// returns the rows.
const writable = `
	CASE WHEN c.relkind IN ('r', 'p') THEN 28 ELSE pg_relation_is_updatable(c.oid, true) END & ~coalesce((
		SELECT bit_or(CASE r.ev_type WHEN '2' THEN 4 WHEN '4' THEN 16 ELSE 0 END) FROM pg_rewrite r
		WHERE r.ev_class = c.oid AND r.ev_enabled <> 'D'
		  AND NOT (c.relkind = 'v' AND r.is_instead AND r.ev_qual::text = '<>' AND r.ev_action::text LIKE '%:returningList (%')), 0)`

// readLayers reads what stands beneath the views, at any depth. A change of a view
// without a trigger or rule of its own goes to the one table or view of its FROM:
// the first that its query names beside itself.
func (c *catalogue) readLayers(ctx context.Context, db pg.DB, oids []uint32) error {
	views := slices.DeleteFunc(slices.Clone(oids), func(oid uint32) bool { return c.tables[oid].kind != "v" })
	if len(views) == 0 {
		return nil
	}
	layers := map[uint32][]layer{}
	rows, err := db.Query(ctx, `
		WITH RECURSIVE reads AS (`+reads+` WHERE v.relkind = 'v' AND r.ev_type = '1'),
		beneath AS (
			SELECT by, what FROM reads WHERE by = ANY($1)
			UNION
			SELECT r.by, r.what FROM beneath b JOIN reads r ON r.by = b.what)
		SELECT b.by, c.oid, n.nspname::text, c.relname::text, c.relkind::text, `+writable+`,
		       EXISTS (SELECT FROM pg_options_to_table(v.reloptions) WHERE option_name = 'security_invoker' AND option_value::bool),
		       CASE WHEN c.oid = f.oid THEN pg_relation_is_updatable(b.by, false) & ~coalesce((
		         SELECT bit_or(CASE r.ev_type WHEN '2' THEN 4 WHEN '4' THEN 16 ELSE 0 END) FROM pg_rewrite r
		         WHERE r.ev_class = b.by AND r.ev_enabled <> 'D' AND r.is_instead), 0) & ~coalesce((
		         SELECT bit_or(CASE WHEN g.tgtype & 8 <> 0 THEN 16 ELSE 0 END | CASE WHEN g.tgtype & 16 <> 0 THEN 4 ELSE 0 END) FROM pg_trigger g
		         WHERE g.tgrelid = b.by AND g.tgtype & 64 <> 0 AND g.tgenabled <> 'D'), 0) ELSE 0 END,
		       o.tops, o.bases
		FROM beneath b
		JOIN pg_class v ON v.oid = b.by
		JOIN pg_class c ON c.oid = b.what AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_rewrite q ON q.ev_class = b.by AND q.ev_type = '1'
		LEFT JOIN LATERAL (
			SELECT m[1]::oid AS oid FROM regexp_matches(q.ev_action::text, ':relid ([0-9]+)', 'g') WITH ORDINALITY AS x(m, i)
			WHERE m[1] <> b.by::text ORDER BY i LIMIT 1) f ON true
		CROSS JOIN LATERAL (
			SELECT array_agg(top.attname::text ORDER BY top.attnum) AS tops, array_agg(base.attname::text ORDER BY top.attnum) AS bases
			FROM regexp_matches(q.ev_action::text, ':resno ([0-9]+) :resname (?:\\.|\S)+ :ressortgroupref [0-9]+ :resorigtbl ([0-9]+) :resorigcol ([0-9]+)', 'g') AS y(m)
			JOIN pg_attribute top ON top.attrelid = b.by AND top.attnum = m[1]::int
			JOIN pg_attribute base ON base.attrelid = c.oid AND base.attrelid = m[2]::oid AND base.attnum = m[3]::int) o
		ORDER BY 1, 2`, views)
	if err != nil {
		return fmt.Errorf("read what stands beneath views: %w", err)
	}
	var by uint32
	var t table
	var l layer
	var tops, bases []string
	if _, err := pgx.ForEachRow(rows, []any{&by, &t.oid, &t.schema, &t.name, &t.kind, &t.writes, &l.invoked, &l.changes, &tops, &bases}, func() error {
		if c.tables[t.oid] == nil {
			c.tables[t.oid] = &table{oid: t.oid, schema: t.schema, name: t.name, kind: t.kind, columns: map[string]*column{}}
		}
		c.tables[t.oid].writes = t.writes
		n := l
		n.t, n.columns = c.tables[t.oid], map[string]string{}
		for i, top := range tops {
			n.columns[top] = bases[i]
		}
		layers[by] = append(layers[by], n)
		return nil
	}); err != nil {
		return fmt.Errorf("read what stands beneath views: %w", err)
	}
	for oid, of := range layers {
		c.tables[oid].layers = of
	}
	return nil
}

// through are the tables and views on which a change of the table's rows is
// carried out: itself, and those beneath it.
func (t *table) through(change int) []*table {
	all := []*table{t}
	for i := 0; i < len(all); i++ {
		for _, l := range all[i].layers {
			if l.changes&change != 0 && !slices.Contains(all, l.t) {
				all = append(all, l.t)
			}
		}
	}
	return all
}

// policed are the tables whose policies for the role say which of the table's rows
// it sees: itself, and those that views read by the rights of the role.
func (t *table) policed() []*table {
	all, seen := []*table{t}, []*table{t}
	for i := 0; i < len(seen); i++ {
		for _, l := range seen[i].layers {
			if l.invoked && !slices.Contains(all, l.t) {
				all = append(all, l.t)
			}
			if !slices.Contains(seen, l.t) {
				seen = append(seen, l.t)
			}
		}
	}
	return all
}

// changed is the layer on which changes of a view's columns are carried out; nil for
// a table, and for a view with a trigger or rule of its own.
func (t *table) changed() *layer {
	for i, l := range t.layers {
		if l.changes&updatable != 0 {
			return &t.layers[i]
		}
	}
	return nil
}

// bases are the tables beneath views of which no foreign key has been read yet.
func (c *catalogue) bases(read []uint32) (oids []uint32) {
	for _, v := range c.tables {
		for _, l := range v.layers {
			if l.changes != 0 && l.t.real() && !slices.Contains(read, l.t.oid) && !slices.Contains(oids, l.t.oid) {
				oids = append(oids, l.t.oid)
			}
		}
	}
	return oids
}

// settle gives the views what the tables say that they change: of their columns, by
// their triggers, and of the foreign keys to them. Of an expression a view makes the
// values itself.
func (c *catalogue) settle() {
	settled := map[*table]bool{}
	var settle func(*table)
	settle = func(t *table) {
		if settled[t] {
			return
		}
		settled[t] = true
		for _, l := range t.layers {
			if l.changes != 0 {
				settle(l.t)
				t.inherit(l)
			}
		}
	}
	for _, t := range c.tables {
		settle(t)
	}
}

func (t *table) inherit(l layer) {
	above := map[string]string{} // the view's names of the columns beneath
	for _, of := range t.columns {
		name := l.columns[of.name]
		if name != "" {
			above[name] = of.name
		}
		below := l.t.columns[name]
		switch {
		case l.changes&updatable == 0:
		case below == nil:
			of.generated = true
		default:
			of.notNull, of.generated, of.identity = below.notNull, below.generated, below.identity
		}
	}
	t.triggers, t.lent = append(t.triggers, l.t.triggers...), t.lent || l.t.lent
	for _, k := range l.t.children {
		k.references = slices.Clone(k.references)
		for i, name := range k.references {
			k.references[i] = above[name]
		}
		if l.changes&deletable != 0 && !slices.Contains(k.references, "") {
			t.children = append(t.children, k)
			t.beneath = slices.DeleteFunc(t.beneath, func(o fkey) bool { return o.name == k.name && o.child == k.child })
		}
	}
}
