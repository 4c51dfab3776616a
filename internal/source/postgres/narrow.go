package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A field with custom_request_field takes only rows that hold the value that came
// with the request. The others are outside of what is asked for: nothing of them is
// found, given or changed, and they lead to nothing. They are the person's even so,
// and no stranger's: what they name is not shared by that. But it is spared, for they
// still need it: the customer of two orders stays as they are when one of them is
// erased, and so does the address that the customer names. But of a row that an
// identity matches by itself the DPO says whose it is, and of those outside nobody is
// asked: these are strangers' still.
//
// Such a walk goes in stages, with both marks in the key tables.

// narrowedBy tells whether fields of a request leave out rows of the program's, or
// rows elsewhere that are left out, or need what such rows need, lead here.
func (p *program) narrowedBy(w source.Walk) bool {
	return len(w.Fields) > 0 && (slices.ContainsFunc(w.Feeds, func(f source.Feed) bool { return len(f.Spared) > 0 }) ||
		slices.ContainsFunc(p.stops, func(s *stop) bool {
			return slices.ContainsFunc(s.narrows(), func(f *datamap.Field) bool { _, given := w.Fields[f.Request]; return given })
		}))
}

// narrows are the fields by which a request may narrow the stop.
func (s *stop) narrows() []*datamap.Field {
	return slices.DeleteFunc(slices.Clone(s.c.AllFields()), func(f *datamap.Field) bool { return f.Request == "" || s.t.at(f) == nil })
}

// narrowed is the condition that row t holds what the request's fields ask for,
// as " AND …"; a field that the request does not bring asks for nothing.
func (w *writer) narrowed(s *stop) string {
	sql := ""
	for _, f := range s.narrows() {
		c := s.t.at(f)
		open := w.bind("field "+f.Request+" open", func(r *run) any { _, given := r.walk.Fields[f.Request]; return !given }) + "::bool"
		values := func(r *run) any { return c.class.only(declared(f, []string{r.walk.Fields[f.Request]})) }
		name := "field " + f.Request + " " + string(c.class) + " " + f.DataType
		holds := c.compared(col("t", c.name)) + " = ANY(" + c.array(w.bind(name, values)) + ")"
		if c.place != nil {
			holds = "EXISTS (SELECT 1 FROM unnest(" + c.place.values("t") + ") AS e(v) WHERE e.v = ANY(" + w.bind(name, values) + "::text[]))"
		}
		sql += " AND (" + open + " OR " + holds + ")"
	}
	return sql
}

// isOutside is the condition that row t is outside of what is asked for.
func (w *writer) isOutside(s *stop) string {
	narrowed := w.narrowed(s)
	if narrowed == "" {
		return "false"
	}
	return "(true" + narrowed + ") IS NOT TRUE"
}

// inside are the reached rows of a stop that lead on.
func (w *writer) inside(at *stop, rel relation) string {
	if !w.v.narrowed || len(at.narrows()) == 0 {
		return rel(at)
	}
	return "(SELECT i.* FROM " + rel(at) + " i WHERE NOT i.outside)"
}

// but is the condition that a reached row k does not bear a mark of a narrowed walk.
func (w *writer) but(mark string) string {
	if !w.v.narrowed {
		return ""
	}
	return " AND NOT k." + mark
}

// sparedBy are the conditions under which a reached row k is needed by one that is
// outside of what is asked for, or is spared itself: by a reference of the map or a
// foreign key.
func (w *writer) sparedBy(s *stop, rel relation) []condition {
	var conditions []condition
	for _, l := range s.referrers {
		if at := w.p.of[l.From.Collection.FullName()]; at != nil {
			conditions = append(conditions, w.namedFrom(s, l, at, rel, "r.spared"))
		}
	}
	conditions = append(conditions, w.fedNames(s, "spared", toldSpared)...)
	for _, k := range s.t.children {
		child := w.p.cat.tables[k.child]
		for _, at := range w.p.on(k.child) {
			conditions = append(conditions, condition{func() string {
				return "EXISTS (SELECT 1 FROM " + child.ident() + " d WHERE " + s.tiedBy(child, k, "k") +
					" AND " + w.isIn(at, cols("d", at.key), rel(at), "spared") + k.apart(child) + ")"
			}, func(r *run) bool { return r.rows[at.i] == 0 }})
		}
	}
	return conditions
}

// spare settles what is outside of what is asked for, and what that needs: both
// stay as rows under a hold do, and count as none.
func (g *stage) spare(ctx context.Context, tx pgx.Tx, r *run) error {
	for _, s := range g.p.stops {
		if r.rows[s.i] == 0 || len(s.narrows()) == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, "UPDATE "+g.in(s)+" SET mine = false, own = false, held = true, spared = true WHERE outside"); err != nil {
			return fmt.Errorf("set apart what is not asked for of %s: %w", s.c.FullName(), err)
		}
	}
	for again := g.p.plan.Kind == datamap.Erasure; again; {
		again = false
		for _, s := range g.p.stops {
			if r.rows[s.i] == 0 {
				continue
			}
			for i, c := range g.writer().sparedBy(s, g.in) {
				if c.vain != nil && c.vain(r) {
					continue
				}
				n, err := g.exec(ctx, tx, r, fmt.Sprintf("spare %d.%d", s.i, i), func(w *writer) string {
					return "UPDATE " + g.in(s) + " k SET held = true, spared = true WHERE NOT k.spared AND " + w.sparedBy(s, g.in)[i].write()
				})
				if err != nil {
					return err
				}
				again = again || n > 0
			}
		}
	}
	return nil
}
