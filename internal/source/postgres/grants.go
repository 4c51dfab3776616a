package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A Grant is one GRANT and why it is needed.
type Grant struct {
	SQL, Why string
	ask      string // SQL of whether the role of the connection has it, with args
	args     []any
}

// A right is what one table is to be granted.
type right struct {
	read, remove string // why; "" where it is not needed
	write        map[string]string
	readColumns  map[string]string // of tables that the map does not know
	beneath      bool              // only a view of the map reads it, which needs no USAGE of its schema
}

// Grants are the least rights that a role needs to carry out these plans and
// selections: all rows of a mapped table are to be read, because foreign keys
// and statements look at columns that no plan names, but only masked columns are
// to be written. No sequence is needed, since nothing is inserted.
func (s *Source) Grants(ctx context.Context, role string, plans []*datamap.Plan, sweeps []source.Selection, texts ...datamap.MentionField) (grants []Grant, err error) {
	defer func() { err = s.failed("list the grants", err) }()
	return s.grants(ctx, role, plans, sweeps, texts)
}

func (s *Source) grants(ctx context.Context, role string, plans []*datamap.Plan, sweeps []source.Selection, texts []datamap.MentionField) (grants []Grant, err error) {
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		return s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
			cat, err := readCatalogue(ctx, tx, s.touched(plans, sweeps, texts))
			if err != nil {
				return err
			}
			var database string
			if err := tx.QueryRow(ctx, "SELECT current_database()::text").Scan(&database); err != nil {
				return err
			}
			rights, err := s.rights(cat, plans, sweeps, texts)
			if err != nil {
				return err
			}
			grants = written(cat, rights, role, database)
			return nil
		})
	})
	return grants, err
}

// touched are the collections of this source that plans and selections name.
func (s *Source) touched(plans []*datamap.Plan, sweeps []source.Selection, texts []datamap.MentionField) []*datamap.Collection {
	var all []*datamap.Collection
	add := func(c *datamap.Collection) {
		if c != nil && s.holds(c) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, p := range plans {
		for _, v := range p.Visits {
			add(v.Collection)
			for _, r := range v.Referrers {
				add(r.From.Collection)
			}
			if p.Kind != datamap.Erasure {
				continue
			}
			for _, k := range v.Collection.Keeps {
				for _, l := range k.With {
					add(l.To.Collection)
				}
			}
		}
	}
	for _, sel := range sweeps {
		add(sel.Collection)
		if sel.Unless != nil {
			add(sel.Unless.Collection)
		}
	}
	for _, x := range texts {
		if x.Why != "" {
			continue // it is not searched
		}
		add(x.Field.Collection)
		for _, l := range x.Path {
			add(l.To.Collection)
			add(l.From.Collection)
		}
	}
	return all
}

// rights are what plans, sweeps and searches of texts need, by table.
func (s *Source) rights(cat *catalogue, plans []*datamap.Plan, sweeps []source.Selection, texts []datamap.MentionField) (map[uint32]*right, error) {
	n := needed{cat: cat, touched: s.touched(plans, sweeps, texts), rights: map[uint32]*right{}}
	var lost []string
	for _, c := range n.touched {
		t := cat.table(c)
		if t == nil {
			lost = append(lost, notThere(c))
			continue
		}
		n.on(t.oid).read = "the walk reads it"
	}
	if len(lost) > 0 {
		return nil, &Unfit{Source: s.name, Reasons: lost}
	}
	for _, p := range plans {
		for _, v := range p.Visits {
			if p.Kind == datamap.Erasure && s.holds(v.Collection) {
				n.erased(v)
			}
		}
	}
	for _, sel := range sweeps {
		if s.holds(sel.Collection) {
			n.swept(sel)
		}
	}
	for _, x := range texts {
		if x.Why == "" && s.holds(x.Field.Collection) {
			t := cat.table(x.Field.Collection)
			n.on(t.oid).write[x.Field.Column().Name] = "the DPO takes mentions of a person out of it"
			n.removed(t, "the DPO deletes rows that mention a person")
		}
	}
	for _, c := range n.touched {
		beneath(n.rights, cat.table(c), n.rights[cat.table(c).oid], nil)
	}
	return n.rights, nil
}

// needed gathers rights by table.
type needed struct {
	cat     *catalogue
	touched []*datamap.Collection
	rights  map[uint32]*right
}

func (n needed) on(oid uint32) *right {
	if n.rights[oid] == nil {
		n.rights[oid] = &right{write: map[string]string{}, readColumns: map[string]string{}}
	}
	return n.rights[oid]
}

// removed adds what it takes to delete rows: who names one is looked up before.
func (n needed) removed(t *table, why string) {
	n.on(t.oid).remove = why
	for _, k := range t.children {
		child, why := n.on(k.child), k.name+" is looked up beforehand when a row is deleted"
		switch {
		case child.read != "":
		case len(n.cat.parts[k.child]) > 0:
			child.read = why
		default:
			for _, c := range k.columns {
				child.readColumns[c] = why
			}
		}
	}
}

// erased adds what an erasure needs for one visit.
func (n needed) erased(v *datamap.Visit) {
	t := n.cat.table(v.Collection)
	if v.Delete {
		n.removed(t, "an erasure deletes rows")
	}
	write := n.on(t.oid).write
	for _, x := range v.Targets {
		name := x.Field.Column().Name
		if c := t.columns[name]; x.Masking != nil && x.Masking.Strategy != "preserve" && (c == nil || !c.fixed()) {
			write[name] = "an erasure masks it"
		}
	}
	for _, k := range v.Collection.Keeps {
		for _, x := range v.KeptTargets(k) {
			write[x.Field.Column().Name] = "an erasure masks it in rows that a law keeps"
		}
	}
}

// swept adds what a retention rule needs.
func (n needed) swept(sel source.Selection) {
	t := n.cat.table(sel.Collection)
	write := n.on(t.oid).write
	if sel.Then == source.Delete {
		n.removed(t, "a retention rule deletes rows")
		if len(write) == 0 && sel.StartsAt != "" { // FOR UPDATE asks for the right to update some column
			write[sel.StartsAt] = "a sweep locks the rows that it deletes"
		}
	}
	for _, c := range sel.Columns {
		write[c.Column] = "a retention rule changes it"
	}
	for _, name := range sel.ValueIn {
		for _, c := range n.touched {
			if column, ok := strings.CutPrefix(name, c.FullName()+"."); ok {
				n.on(n.cat.table(c).oid).write[column] = "a retention rule replaces its values"
			}
		}
	}
}

// beneath adds the rights on what stands beneath a view to be used so, as far as
// they are the role's own to have; the others are those of the views' owners.
func beneath(rights map[uint32]*right, view *table, of *right, above []*table) {
	if slices.Contains(above, view) {
		return // views that read each other, which Postgres refuses when they are used
	}
	why := "the view " + view.schema + "." + view.name + " reads it by the rights of the role (security_invoker)"
	for _, l := range view.layers {
		on := &right{read: why, write: map[string]string{}, beneath: true}
		if l.changes&deletable != 0 {
			on.remove = of.remove
		}
		for name, why := range of.write {
			if column := l.columns[name]; column != "" && l.changes&updatable != 0 {
				on.write[column] = why
			}
		}
		if l.invoked {
			if known := rights[l.t.oid]; known == nil {
				rights[l.t.oid] = &right{read: on.read, remove: on.remove, write: maps.Clone(on.write), beneath: true}
			} else {
				known.read, known.remove = cmp.Or(known.read, on.read), cmp.Or(known.remove, on.remove)
				for column, why := range on.write {
					known.write[column] = cmp.Or(known.write[column], why)
				}
			}
		}
		beneath(rights, l.t, on, append(above, view))
	}
}

// written puts rights into SQL, in the order of the tables' names.
func written(cat *catalogue, rights map[uint32]*right, role, database string) []Grant {
	to := " TO " + pgx.Identifier{role}.Sanitize()
	db := " ON DATABASE " + pgx.Identifier{database}.Sanitize() + to
	grants := []Grant{
		{SQL: "GRANT CONNECT" + db, Why: "to connect", ask: "true"},
		{SQL: "GRANT TEMPORARY" + db, Why: "the keys of large walks are kept in temporary tables", ask: "has_database_privilege(current_database(), 'TEMPORARY')"},
	}
	oids := slices.SortedFunc(maps.Keys(rights), func(a, b uint32) int { return strings.Compare(cat.tables[a].ident(), cat.tables[b].ident()) })
	var schemas []string
	for _, oid := range oids {
		if t := cat.tables[oid]; !rights[oid].beneath && !slices.Contains(schemas, t.schema) {
			schemas = append(schemas, t.schema)
			grants = append(grants, Grant{SQL: "GRANT USAGE ON SCHEMA " + pgx.Identifier{t.schema}.Sanitize() + to, Why: "its tables are in the map",
				ask: "has_schema_privilege($1::text, 'USAGE')", args: []any{t.schema}})
		}
	}
	for _, oid := range oids {
		r, on := rights[oid], " ON "+cat.tables[oid].ident()+to
		table := func(what, why string) {
			grants = append(grants, Grant{SQL: "GRANT " + what + on, Why: why, ask: "has_table_privilege($1::oid, '" + what + "')", args: []any{oid}})
		}
		columns := func(what string, of map[string]string) {
			names := slices.Sorted(maps.Keys(of))
			grants = append(grants, Grant{SQL: "GRANT " + what + " (" + strings.Join(quoted(names), ", ") + ")" + on, Why: of[names[0]],
				ask: "(SELECT bool_and(has_column_privilege($1::oid, c, '" + what + "')) FROM unnest($2::text[]) AS u(c))", args: []any{oid, names}})
		}
		switch {
		case r.read != "":
			table("SELECT", r.read)
		case len(r.readColumns) > 0:
			columns("SELECT", r.readColumns)
		}
		// A column that the map alone has is for Check to tell.
		maps.DeleteFunc(r.write, func(name, _ string) bool { return cat.tables[oid].columns[name] == nil })
		if len(r.write) > 0 {
			columns("UPDATE", r.write)
		}
		if r.remove != "" {
			table("DELETE", r.remove)
		}
	}
	return grants
}

// Lacks are those of Grants that the role of the connection does not have,
// column by column. A table that cannot be seen at all is left to Check.
func (s *Source) Lacks(ctx context.Context, plans []*datamap.Plan, sweeps []source.Selection, texts ...datamap.MentionField) (lacks []Doubt, err error) {
	defer func() { err = s.failed("ask for the rights held", err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		var role string
		if err := conn.QueryRow(ctx, "SELECT current_user::text").Scan(&role); err != nil {
			return err
		}
		var unfit *Unfit
		grants, err := s.grants(ctx, role, plans, sweeps, texts)
		if errors.As(err, &unfit) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, g := range grants {
			var has bool
			if err := conn.QueryRow(ctx, "SELECT "+g.ask, g.args...).Scan(&has); err != nil {
				return fmt.Errorf("ask for a right: %w", err)
			}
			if !has {
				lacks = append(lacks, Doubt{Level: Wrong, Subject: s.name, Sentence: "the role lacks a right: " + g.Why, Do: g.SQL})
			}
		}
		return nil
	})
	return lacks, err
}

func quoted(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = pgx.Identifier{n}.Sanitize()
	}
	return list
}
