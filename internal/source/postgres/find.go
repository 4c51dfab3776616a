package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Find counts what a walk reaches and lists the rows that seeds matched, in one
// read-only snapshot.
func (s *Source) Find(ctx context.Context, w source.Walk) (found source.Found, err error) {
	defer func() { err = s.failed("find", err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, w, source.Holds{})
		if err != nil || len(c.p.stops) == 0 {
			return err
		}
		return c.do(ctx, conn, reading, toFind, func(tx pg.DB, res *result) error {
			found.Findings, found.Reached, found.Braked = res.findings(s.name), res.addresses, res.braked
			found.Roots, err = c.roots(ctx, tx, c.v)
			return err
		})
	})
	return found, err
}

// roots lists the rows that seeds matched, by collection and then key.
func (c *carriage) roots(ctx context.Context, tx pg.DB, v variant) ([]source.Root, error) {
	v.again = false
	var roots []source.Root
	for _, at := range c.p.stops {
		if len(at.visit.Seeds) == 0 {
			continue
		}
		more, err := c.rootsOf(ctx, tx, at, v)
		if err != nil {
			return nil, err
		}
		roots = append(roots, more...)
	}
	slices.SortStableFunc(roots, func(a, b source.Root) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Key, b.Key))
	})
	return roots[:min(len(roots), source.MaxRoots)], nil
}

// rootsOf lists one collection's. The columns read are those by which a person
// is told from another; they are shown to the DPO, and letters go to them. Equal
// rows of a table without a key have one name, and are one root.
func (c *carriage) rootsOf(ctx context.Context, tx pg.DB, at *stop, v variant) ([]source.Root, error) {
	shown := c.p.shownOf(at)
	st := c.p.statement(fmt.Sprintf("roots %d%s", at.i, v.name()), func() *statement {
		w := &writer{p: c.p}
		var matched, values []string
		for _, seed := range at.visit.Seeds {
			matched = append(matched, "coalesce("+w.match(at, seed)+", false)")
		}
		for _, f := range shown {
			values = append(values, w.shown(at, f))
		}
		rows := "(" + w.reach(at, w.seedArms(at, v)) + ")"
		return w.statement("SELECT DISTINCT " + keyText(at.tableIDs()) + " AS key, ARRAY[" + strings.Join(matched, ", ") + "]::bool[], ARRAY[" +
			strings.Join(values, ", ") + "]::text[] FROM " + at.t.ident() + " t WHERE " + w.these(at, rows, "true") +
			fmt.Sprintf(" ORDER BY key LIMIT %d", source.MaxRoots))
	})
	rows, err := tx.Query(ctx, st.sql, st.args(c.r)...)
	if err != nil {
		return nil, fmt.Errorf("list the root rows of %s: %w", at.c.FullName(), err)
	}
	var roots []source.Root
	var key string
	var matched []bool
	var values []*string
	_, err = pgx.ForEachRow(rows, []any{&key, &matched, &values}, func() error {
		roots = append(roots, c.root(at, key, matched, shown, values))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the root rows of %s: %w", at.c.FullName(), err)
	}
	return roots, nil
}

// root puts one root row together. Where several fields hold an identity of
// one type, what is kept of it are the bytes of the field that matched.
func (c *carriage) root(at *stop, key string, matched []bool, shown []*datamap.Field, values []*string) source.Root {
	root := source.Root{Source: c.s.name, RowKey: source.RowKey{Collection: at.c.FullName(), Key: key},
		Stored: map[string]string{}, Person: map[string]string{}}
	hit := map[*datamap.Field]bool{}
	for i, seed := range at.visit.Seeds {
		if matched[i] {
			root.Types = append(root.Types, seed.Identity)
			hit[seed.Field] = true
		}
	}
	slices.Sort(root.Types)
	root.Types = slices.Compact(root.Types)
	settled := map[string]bool{}
	for i, f := range shown {
		if values[i] == nil || *values[i] == "" {
			continue
		}
		root.Person[f.LocalName()] = *values[i]
		if _, known := root.Stored[f.Identity]; f.Identity != "" && (!known || hit[f] && !settled[f.Identity]) {
			root.Stored[f.Identity] = *values[i]
			settled[f.Identity] = hit[f]
		}
	}
	return root
}

// shownOf are the fields by which the DPO tells people apart: names, telephones,
// identities, and the persons whom rows name.
func (p *program) shownOf(at *stop) []*datamap.Field {
	return remember(p, shownKey{at.i}, func() []*datamap.Field { return p.personal(at) })
}

func (p *program) personal(at *stop) []*datamap.Field {
	var fields []*datamap.Field
	for _, f := range at.c.AllFields() {
		tells := f.Identity != "" || slices.ContainsFunc(f.Categories, func(c string) bool {
			return datamap.CategoryMatches("user.name", c) || datamap.CategoryMatches("user.contact.phone_number", c)
		})
		if (tells || p.namesOwner(at, f)) && at.t.at(f) != nil && len(f.Fields) == 0 {
			fields = append(fields, f)
		}
	}
	return fields
}

// namesOwner tells whether a field of a stop names whose the row is, as user_id does
// in a table of addresses: it points to a row from which the walk goes on. Two
// people may have written down one address (their team's), and nothing else in
// those rows tells that there are two. What describes a person, as a postal address
// does, leads nowhere; and where the field is the row's own key, rows differ in
// it as customers do in their numbers.
func (p *program) namesOwner(at *stop, f *datamap.Field) bool {
	return f.Parent == nil && !f.Array && !slices.Equal(at.key, []string{f.Name}) && slices.ContainsFunc(p.stops, func(owner *stop) bool {
		return owner != at && slices.ContainsFunc(owner.links, func(l datamap.Link) bool { return l.Own && l.From == f && len(l.And) == 0 }) &&
			slices.ContainsFunc(p.stops, func(next *stop) bool {
				return slices.ContainsFunc(next.links, func(l datamap.Link) bool { return l.From.Collection == owner.c })
			})
	})
}

// shown is what row t, which a seed matched, holds of such a field. Of arrays it
// is what stands in the elements that matched: the others are other people's,
// unless return_all_elements says that all are one's own. Of several identities of a
// type there is one that matched; where none did, only one that stands alone.
func (w *writer) shown(at *stop, f *datamap.Field) string {
	c := at.t.at(f)
	if c.place == nil || f.Parent == nil && c.place.in.class == classJSON {
		whole := at.t.columns[f.Name]
		return whole.text(col("t", whole.name))
	}
	ends := w.seedEnds(at, c.place.in.name)
	told := slices.ContainsFunc(ends, func(e end) bool { return !e.c.place.one })
	values := c.place.values("t")
	switch {
	case told:
		values = c.ownBy(ends)
	case w.divides(at, c):
		return "NULL::text"
	}
	each := " FROM unnest(" + values + ") AS e(v))"
	alone := "CASE WHEN count(DISTINCT e.v) = 1 THEN min(e.v) END"
	switch seed := slices.IndexFunc(at.visit.Seeds, func(s datamap.PlanSeed) bool { return s.Field == f }); {
	case f.Identity == "":
		return "(SELECT string_agg(DISTINCT e.v, ', ')" + each
	case seed >= 0 && undivided(f):
		as, test := w.seedValues(at.visit.Seeds[seed], c)
		return "(SELECT coalesce(min(e.v) FILTER (WHERE " + test("e.v") + " = ANY(" + as + ")), " + alone + ")" + each
	case told:
		return "(" + values + ")[1]"
	}
	return "(SELECT " + alone + each
}
