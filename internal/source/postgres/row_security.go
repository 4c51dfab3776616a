package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Under row-level security a role sees a part of a table and is not told so.
// What is hidden is neither found nor erased; check says where that may be. But
// foreign keys act on hidden rows, too: ON DELETE CASCADE takes them with their
// parent, and nobody could count them beforehand. And rows may be seen that may
// not be deleted or changed: a DELETE passes over them in silence. Erasures that
// could do either are refused.

// A rowPolicy is one that applies to the role.
type rowPolicy struct {
	command    string // of pg_policy: r, w, d, or * for all
	permissive bool
	using      string // as pg_get_expr has it; "" for none
	check      string // WITH CHECK, alike
}

// Commands of policies.
const (
	toRead   = "r"
	toChange = "w"
	toRemove = "d"
)

// readSecurity reads where row-level security applies to the role, and by which policies.
func (c *catalogue) readSecurity(ctx context.Context, db pg.DB, oids []uint32) error {
	rows, err := db.Query(ctx, `
		SELECT t.oid, coalesce(y.polcmd::text, ''), coalesce(y.polpermissive, false), coalesce(pg_get_expr(y.polqual, y.polrelid), ''),
		       coalesce(pg_get_expr(y.polwithcheck, y.polrelid), '')
		FROM unnest($1::oid[]) AS t(oid)
		LEFT JOIN pg_policy y ON y.polrelid = t.oid
			AND EXISTS (SELECT FROM unnest(y.polroles) AS role WHERE CASE role WHEN 0 THEN true ELSE pg_has_role(role, 'USAGE') END)
		WHERE row_security_active(t.oid) ORDER BY t.oid, 3, 4`, oids)
	if err != nil {
		return fmt.Errorf("read the catalogue's policies: %w", err)
	}
	var oid uint32
	var p rowPolicy
	if _, err := pgx.ForEachRow(rows, []any{&oid, &p.command, &p.permissive, &p.using, &p.check}, func() error {
		t := c.tables[oid]
		t.secured = true
		if p.command != "" {
			t.policies = append(t.policies, p)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the catalogue's policies: %w", err)
	}
	return nil
}

// readBeneath reads the foreign keys that change rows when those are deleted
// which stand beneath a view, and takes in the tables that hold them.
func (c *catalogue) readBeneath(ctx context.Context, db pg.DB, oids []uint32) error {
	views := slices.DeleteFunc(slices.Clone(oids), func(oid uint32) bool { return c.tables[oid].kind != "v" })
	if len(views) == 0 {
		return nil
	}
	rows, err := db.Query(ctx, `
		WITH RECURSIVE reads AS (`+reads+`),
		beneath AS (
			SELECT by AS top, what FROM reads WHERE by = ANY ($1)
			UNION
			SELECT b.top, r.what FROM beneath b JOIN reads r ON r.by = b.what)
		SELECT b.top, k.conname::text, k.conrelid, k.confrelid, k.confdeltype::text, n.nspname::text, t.relname::text, t.relkind::text
		FROM beneath b
		JOIN pg_constraint k ON k.confrelid = b.what AND k.contype = 'f' AND k.conparentid = 0 AND k.confdeltype IN ('c', 'n', 'd')
		JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
		ORDER BY k.oid`, views)
	if err != nil {
		return fmt.Errorf("read the catalogue's foreign keys beneath views: %w", err)
	}
	var top uint32
	var k fkey
	var schema, name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&top, &k.name, &k.child, &k.parent, &k.action, &schema, &name, &kind}, func() error {
		c.tables[top].beneath = append(c.tables[top].beneath, k)
		if c.tables[k.child] == nil {
			c.tables[k.child] = &table{oid: k.child, schema: schema, name: name, kind: kind, columns: map[string]*column{}}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the catalogue's foreign keys beneath views: %w", err)
	}
	return nil
}

// reads is the query of which view reads what.
const reads = `
	SELECT DISTINCT r.ev_class AS by, d.refobjid AS what
	FROM pg_rewrite r
	JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
	JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class`

// sameRows tells whether two policies say the same of rows that are there.
func (p rowPolicy) sameRows(o rowPolicy) bool {
	return p.permissive == o.permissive && p.using == o.using
}

// policiesTo are the policies that apply to a command.
func (t *table) policiesTo(command string) []rowPolicy {
	var list []rowPolicy
	for _, p := range t.policies {
		if p.command == command || p.command == "*" {
			list = append(list, p)
		}
	}
	return list
}

// veiled tells whether a command may pass over rows of the table in silence.
func (t *table) veiled(command string) bool {
	return slices.ContainsFunc(t.policed(), func(t *table) bool { return t.restricts(command) })
}

func (t *table) restricts(command string) bool {
	if !t.secured {
		return false
	}
	all := false
	for _, p := range t.policiesTo(command) {
		switch {
		case p.permissive:
			all = all || p.using == "true"
		case p.using != "" && p.using != "true": // without USING it says nothing of rows that are there
			return true
		}
	}
	return !all
}

// spares tells whether a change may pass over rows that the role sees.
func (t *table) spares(change int) bool {
	command := map[int]string{deletable: toRemove, updatable: toChange}[change]
	by := t.policed()
	return slices.ContainsFunc(t.through(change), func(t *table) bool {
		return slices.Contains(by, t) && t.restricts(command) && !slices.EqualFunc(t.policiesTo(command), t.policiesTo(toRead), rowPolicy.sameRows)
	})
}

// seen gives the tables by which rows of a foreign key's child are seen: those of
// the map among whose rows they stand, else the child itself.
func (c *catalogue) seen(child uint32) (by []*table, mapped bool) {
	for _, t := range c.named {
		if t.oid == child || slices.Contains(c.parts[child], t.oid) {
			by = append(by, t)
		}
	}
	if len(by) > 0 {
		return by, true
	}
	return []*table{c.tables[child]}, false
}

// hides tells whether rows of a foreign key's child may be hidden from the role.
func (c *catalogue) hides(k fkey) bool {
	by, _ := c.seen(k.child)
	return slices.ContainsFunc(by, func(t *table) bool { return t.veiled(toRead) })
}

const showAll = "ALTER ROLE … BYPASSRLS, or a policy that gives the role all rows (FOR ALL TO … USING (true))"

// unseen are the reasons, as sentences, why rows of the stop cannot be erased:
// hidden rows could go with them, or they themselves could stay.
func (s *stop) unseen(cat *catalogue) (reasons []string) {
	if s.visit.Delete {
		for _, k := range slices.Concat(s.t.children, s.t.beneath) {
			child := cat.tables[k.child]
			name := child.schema + "." + child.name
			_, mapped := cat.seen(k.child)
			switch {
			case !k.takes():
			case cat.hides(k):
				reasons = append(reasons, fmt.Sprintf("row-level security hides rows of %s from the role, and the foreign key %s would change them, unseen, when rows of %s are deleted: %s", name, k.name, s.c.FullName(), showAll))
			case s.t.kind == "v" && !mapped:
				reasons = append(reasons, fmt.Sprintf("%s is a view, and beneath it the foreign key %s would change rows of %s, which is not in the data map, when rows are deleted: %s", s.c.FullName(), k.name, name, mapIt))
			}
		}
		if s.t.spares(deletable) {
			reasons = append(reasons, fmt.Sprintf("by its row-level security the role sees rows of %s that it may not delete: %s", s.c.FullName(), showAll))
		}
	}
	if len(s.visit.Targets) > 0 && s.t.spares(updatable) {
		reasons = append(reasons, fmt.Sprintf("by its row-level security the role sees rows of %s that it may not change: %s", s.c.FullName(), showAll))
	}
	return reasons
}

const mapIt = "add that table to the data map"

// hidden names tables of which a walk may miss rows in silence.
func (k *checking) hidden() {
	for _, name := range k.names() {
		if k.cat.named[name].veiled(toRead) {
			k.say(Doubtful, k.s.name, "row-level security hides rows of "+name+" from the role: what is hidden is neither found nor erased", showAll)
		}
	}
}

// unseen tells where an erasure will be refused (see stop.unseen).
func (k *checking) unseen(at *stop) {
	for _, reason := range at.unseen(k.cat) {
		for _, do := range []string{showAll, mapIt} {
			if sentence, ok := strings.CutSuffix(reason, ": "+do); ok {
				k.say(Wrong, at.c.FullName(), "an erasure fails here: "+sentence, do)
			}
		}
	}
}
