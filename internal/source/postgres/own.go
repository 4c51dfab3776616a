package postgres

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Of an array by which a row was reached, the elements that did are the
// subject's; the others are other people's, and so is what they name. A row
// carries all of them, because it is not known yet, when it is reached, which
// are whose: where they count, the row itself is asked once more.

// ledBy gives the values (columns v, v1, …) that rows led on with over a link.
type ledBy func(datamap.Link, []strand) string

// divides tells whether the elements around a place are told apart: a way to the
// stop ends in the same column, in what may be an array.
func (w *writer) divides(at *stop, c *column) bool {
	return c.place != nil && slices.ContainsFunc(w.ends(at, c.place.in.name, nil), func(e end) bool { return !e.c.place.one })
}

// leading selects the values (columns v, v1, …) with which the rows of a relation
// lead on, of a link's strands from their stop. filter is a condition on a row k
// of it; by says with which values other rows had led to these.
func (w *writer) leading(ties []strand, at *stop, rel, filter string, by ledBy) string {
	return valueList(ties, rel+" k", filter, w.owns(at, by))
}

// owns gives the subject's own values of a column that a reached row k carries.
func (w *writer) owns(at *stop, by ledBy) func(*column) string {
	return func(c *column) string {
		if slices.Contains(w.within, at) || !w.divides(at, c) { // in a circle of arrays, what it carries has to do
			return "k." + at.f(c.name)
		}
		equal := make([]string, len(at.key))
		for i, name := range at.key {
			equal[i] = col("t", name) + " = k." + at.f(name)
		}
		return "(SELECT " + w.ownIn(at, c, by) + " FROM " + at.t.ident() + " t WHERE " + strings.Join(equal, " AND ") + ")"
	}
}

// ownIn are the texts at a place in row t, but for those in others' elements.
func (w *writer) ownIn(at *stop, c *column, by ledBy) string {
	w.within = append(w.within, at)
	defer func() { w.within = w.within[:len(w.within)-1] }()
	return c.ownBy(w.ends(at, c.place.in.name, by))
}

// ownBy are they where the ends are known by which the row was reached.
func (c *column) ownBy(ends []end) string {
	if c.place.in.class == classArray {
		return "(" + elementwise(c.place.in.plainArray(col("t", c.place.in.name)), ends, func(e string) string { return e }, true) + ")::text[]"
	}
	root := &piece{ownOnly: true}
	root.below(c.place.path)
	for _, e := range ends {
		root.told(e)
	}
	return scalars(c.place.found(root.rewritten(c.place.document("t"), 0)))
}
