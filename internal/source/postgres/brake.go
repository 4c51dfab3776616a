package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The brake stops a walk at a value that strangers share: a visitor id "web",
// a test address, a telephone number of a call centre. Such a value is told by
// this: the link that it leads over ends in a key on neither side, and more than
// OverShared rows, beyond those that the walk itself reached, hold it where it
// starts from. A person's million messages are no case of it: they lead from a
// key, or are all reached.
//
// A braked value leads nowhere, a request is told of it, and an erasure that
// meets one is refused before a row is touched.

// braking tells whether a link may be braked at all, and whether an index makes
// the question cheap. Without one `lethe check` asks for it.
func (w *writer) braking(l datamap.Link, ties []strand) bool {
	at := w.p.of[l.From.Collection.FullName()]
	return w.p.overShared > 0 && at != nil && at.t.real() && ties[0].loose && at.t.servedBy(w.p.strands(turned(l)), "")
}

// real tells a table from a view.
func (t *table) real() bool { return t.kind == "r" || t.kind == "p" }

// crowded is the condition that too many rows which were not reached hold given
// values (of the link's From columns): here, or in another shard, which said so.
func (w *writer) crowded(l datamap.Link, rel relation, values []string) string {
	at := w.p.of[l.From.Collection.FullName()]
	back := w.p.strands(turned(l))
	equal := make([]strand, len(back))
	for i, t := range back {
		equal[i] = strand{from: t.to, to: t.to}
	}
	limit := w.bind("over shared", func(r *run) any { return r.p.overShared }) + "::int8"
	// As many as are allowed, and one more, need be counted.
	here := "(SELECT count(*) FROM (SELECT 1 FROM " + at.t.ident() + " d WHERE " + w.equals(at.t, equal, "d", values) +
		" AND NOT " + w.isIn(at, cols("d", at.key), rel(at), "") + " LIMIT " + limit + " + 1) c) > " + limit
	if said := w.saidCrowded(l, w.p.strands(l), values); said != "" {
		return "(" + here + " OR " + said + ")"
	}
	return here
}

// A brake is one link of a plan with the query that counts its braked values.
type brake struct {
	link  datamap.Link
	count string
}

// unbraked are the values, column v and so on, with which a link's rows lead on
// and that are not braked: each value is asked about once.
func (w *writer) unbraked(l datamap.Link, ties []strand, rel relation, filter string, by ledBy) string {
	at := w.p.of[l.From.Collection.FullName()]
	list := make([]string, len(ties))
	for i, t := range ties {
		list[i] = convert(t.from, t.to, "b."+v(i)) + " AS " + v(i)
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + w.held(ties, at, rel, filter, by) + ") b WHERE NOT " +
		w.crowded(l, rel, columnsOf(ties, "b"))
}

// held are those that would lead on, as the rows hold them, each once.
func (w *writer) held(ties []strand, at *stop, rel relation, filter string, by ledBy) string {
	raw := slices.Clone(ties)
	for i := range raw {
		raw[i].to = raw[i].from
	}
	return "SELECT DISTINCT " + strings.Join(columnsOf(ties, "q"), ", ") + " FROM (" + w.leading(raw, at, w.inside(at, rel), filter, by) + ") q"
}

// brakes are those of a walk, over the rows that it reached.
func (w *writer) brakes(rel relation) []brake {
	var all []brake
	for _, l := range w.leadingLinks() {
		ties := w.p.strands(l)
		if w.braking(l, ties) {
			at := w.p.of[l.From.Collection.FullName()]
			by := func(l datamap.Link, _ []strand) string { return w.linkValues(l, w.v, rel, "") }
			all = append(all, brake{link: l, count: "SELECT count(*) FROM (" + w.held(ties, at, rel, "", by) + ") b WHERE " +
				w.crowded(l, rel, columnsOf(ties, "b"))})
		}
	}
	return all
}

// leadingLinks are those that rows here lead on by, to rows here or elsewhere.
func (w *writer) leadingLinks() []datamap.Link {
	var links []datamap.Link
	for _, s := range w.counted() {
		links = append(links, s.links...)
	}
	if !w.countsLast() {
		return links
	}
	for _, t := range w.p.ties {
		if t.leads && !t.here {
			links = append(links, t.l)
		}
	}
	return links
}

// between names a link: the map's words only.
func between(l datamap.Link) string {
	var names []string
	for _, p := range pairs(l) {
		names = append(names, p.From.FullName()+" → "+p.To.FullName())
	}
	return strings.Join(names, ", ")
}

// Braked is an erasure that met values which strangers share. Nothing was changed.
type Braked struct {
	Source string
	Limit  int64
	Links  []string // "dataset.collection.field → dataset.collection.field"
}

func (e *Braked) Error() string {
	return fmt.Sprintf("source %s: a value that leads over %s is held by more than %d rows of others; it cannot tell one person from another: mend the rows, or change the reference in the data map",
		e.Source, strings.Join(e.Links, "; "), e.Limit)
}

// Permanent tells callers not to try again.
func (e *Braked) Permanent() bool { return true }
