package postgres

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Where an identifier's value stands in other columns (a visitor's cookie that
// is the key of its visits), deleting the identifier's row leaves the identifier
// itself behind. So the value is replaced there by a new random one, the same
// everywhere, in the statement that deletes: foreign keys are checked at its
// end, rows keep their relations, and nothing leads back to the browser.

// shortestPseudonym: fewer hexadecimal digits would sooner or later collide.
const shortestPseudonym = 16

// readValueIn resolves "dataset.collection.field" by collection.
func (e *expiring) readValueIn() error {
	if e.sel.ValueColumn == "" {
		return nil
	}
	for _, full := range e.sel.ValueIn {
		dot := strings.LastIndex(full, ".")
		if dot < 0 {
			return notSwept("%s is not dataset.collection.field", full)
		}
		c := findCollection(e.sel.Collection, full[:dot])
		if c == nil {
			return notSwept("%s is in no collection of this dataset", full)
		}
		known := false
		for _, r := range e.in {
			if r.collection == c {
				r.columns = append(r.columns, full[dot+1:])
				known = true
			}
		}
		if !known {
			e.in = append(e.in, &replaced{collection: c, columns: []string{full[dot+1:]}})
		}
	}
	return nil
}

// findCollection looks a collection up in the dataset of another one.
func findCollection(beside *datamap.Collection, full string) *datamap.Collection {
	for _, c := range beside.Dataset.Collections {
		if c.FullName() == full {
			return c
		}
	}
	return nil
}

// checkValueIn: a new value must fit every column that it goes into.
func (e *expiring) checkValueIn() error {
	if len(e.in) == 0 {
		return nil
	}
	value := e.t.columns[e.sel.ValueColumn]
	for _, r := range e.in {
		for _, name := range r.columns {
			c, err := e.column(r.t, name)
			if err != nil {
				return err
			}
			switch {
			case c.generated:
				return notSwept("%s.%s is generated: it cannot be replaced", r.collection.FullName(), name)
			case !c.class.textual() && c.class != classUUID:
				return notSwept("%s.%s is of type %s, which holds no random pseudonym", r.collection.FullName(), name, c.typ)
			case (c.class == classUUID) != (value.class == classUUID):
				return notSwept("%s.%s and %s.%s differ in type (%s, %s)", r.collection.FullName(), name,
					e.sel.Collection.FullName(), value.name, c.typ, value.typ)
			case c.length > 0 && c.length < shortestPseudonym:
				return notSwept("%s.%s holds %d characters; a random pseudonym needs %d", r.collection.FullName(), name, c.length, shortestPseudonym)
			}
		}
	}
	return nil
}

// pseudonym is the expression of a new random value that fits all columns.
func (e *expiring) pseudonym() string {
	length := 32
	for _, r := range e.in {
		for _, name := range r.columns {
			c := r.t.columns[name]
			if c.class == classUUID {
				return "gen_random_uuid()"
			}
			if c.length > 0 {
				length = min(length, c.length)
			}
		}
	}
	return fmt.Sprintf("left(replace(gen_random_uuid()::text, '-', ''), %d)", length)
}

// heldElsewhere: the value stands in a held row of a collection where it would
// be replaced; then the identifier's own row has to wait, too.
func (e *expiring) heldElsewhere(alias string) []string {
	var ways []string
	for _, r := range e.in {
		keys := e.keys[r.collection.FullName()]
		if len(keys) == 0 {
			continue
		}
		bound := e.bind(keys, "text[]")
		for _, name := range r.columns {
			value := collated(e.t.columns[e.sel.ValueColumn], r.t.columns[name], col(alias, e.sel.ValueColumn))
			ways = append(ways, "EXISTS (SELECT 1 FROM "+r.t.ident()+" AS h WHERE "+col("h", name)+" = "+value+
				" AND "+e.keyOf("h", r.collection.FullName())+" = ANY ("+bound+"))")
		}
	}
	return ways
}

// replacing writes the CTEs that follow "gone" (value, scope): what is replaced
// by what, and the updates. A value under which a row of the class is still
// alive, or held, stays; so does one that stands for "no value".
func (e *expiring) replacing() string {
	value := e.t.columns[e.sel.ValueColumn]
	alive := "EXISTS (SELECT 1 FROM " + e.t.ident() + " AS l WHERE " + col("l", value.name) + " = d.value AND " + e.class("l") +
		" AND ((" + e.due("l") + ") IS NOT TRUE OR (" + e.held("l") + ") IS TRUE))"
	var b strings.Builder
	b.WriteString(`,
fresh AS MATERIALIZED (SELECT d.value AS old, d.scope, ` + e.pseudonym() + ` AS new
  FROM (SELECT DISTINCT ON (g.value) g.value, g.scope FROM gone g WHERE g.value IS NOT NULL AND ` + value.leads("g.value") + `) d
  WHERE NOT ` + alive + `)`)
	for i, r := range e.in {
		scope := ""
		if c := r.t.columns[r.collection.Controller]; c != nil && e.sel.Collection.Controller != "" {
			scope = " AND " + col("t", c.name) + "::text IS NOT DISTINCT FROM f.scope"
		}
		var set, where []string
		for _, name := range r.columns {
			expr, old := col("t", name), collated(value, r.t.columns[name], "f.old")
			cast := "::" + r.t.columns[name].typ
			target := bare(name)
			if len(r.columns) == 1 {
				set = append(set, target+" = f.new"+cast)
				where = append(where, expr+" = "+old)
				continue
			}
			// One row may hold values of two identifiers in two columns, and can be
			// updated only once in a statement.
			set = append(set, target+" = coalesce((SELECT f.new FROM fresh f WHERE "+old+" = "+expr+scope+")"+cast+", "+expr+")")
			where = append(where, "EXISTS (SELECT 1 FROM fresh f WHERE "+old+" = "+expr+scope+")")
		}
		from := " FROM fresh f WHERE " + where[0] + scope
		if len(r.columns) > 1 {
			from = " WHERE " + anyOf(where)
		}
		if r.t.oid == e.t.oid { // a row cannot be deleted and updated in one statement
			from += " AND NOT EXISTS (SELECT 1 FROM picked p WHERE p.id = t.ctid AND p.part = t.tableoid)"
		}
		fmt.Fprintf(&b, ",\nput_%d AS (UPDATE %s AS t SET %s%s)", i, r.t.ident(), strings.Join(set, ", "), from)
	}
	return b.String()
}
