package postgres

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A gift is a column of a row as the subject is given it: the whole of it, or
// those parts of a document that are asked for. What the map marks with redact
// is a third person's and left out, and so are elements of an array by which
// the row was reached that lead to others (unless return_all_elements).
type gift struct {
	field *datamap.Field // of the column
	parts []*datamap.Field
	gone  []*datamap.Field // to be taken out of it
}

// given are the columns of a row as it is given to the subject: those asked for
// and those by which the reader follows it, in the map's order.
func (s *stop) given() []gift {
	if len(s.visit.Targets) == 0 {
		return nil
	}
	var gifts []gift
	for _, f := range s.c.Fields {
		if f.Redact || s.t.columns[f.Name] == nil {
			continue
		}
		g := gift{field: f}
		whole := false
		for _, inner := range s.asked() {
			switch {
			case inner == f:
				whole = true
			case inner.Column() == f && !redacted(inner):
				g.parts = append(g.parts, inner)
			}
		}
		if whole {
			g.parts = nil
		} else if len(g.parts) == 0 {
			continue
		}
		for _, inner := range flat(f.Fields) {
			if inner.Redact {
				g.gone = append(g.gone, inner)
			}
		}
		gifts = append(gifts, g)
	}
	return gifts
}

func (s *stop) asked() []*datamap.Field {
	fields := slices.Clone(s.visit.LinkFields)
	for _, t := range s.visit.Targets {
		fields = append(fields, t.Field)
	}
	return fields
}

func redacted(f *datamap.Field) bool {
	for ; f != nil; f = f.Parent {
		if f.Redact {
			return true
		}
	}
	return false
}

// gift is the expression of what is given of a column of row t, as value turns it into Go.
func (w *writer) gift(s *stop, g gift, values ledBy) string {
	c := s.t.columns[g.field.Name]
	name := col("t", c.name)
	switch c.class {
	case classArray:
		ends := w.ends(s, c.name, values)
		if len(ends) == 0 || c.element == nil {
			return c.given(name)
		}
		return c.given("(" + elementwise(c.plainArray(name), ends, func(e string) string { return e }, true) + ")")
	case classJSON:
		ends := w.ends(s, c.name, values)
		if len(g.parts)+len(g.gone)+len(ends) == 0 {
			return c.given(name)
		}
		root := &piece{only: len(g.parts) > 0, ownOnly: true}
		for _, f := range g.parts {
			at := root.below(f.Path())
			at.only = false
		}
		for _, f := range g.gone {
			if root.only && root.find(f.Path()[:len(f.Path())-1]) == nil {
				continue // nothing above it is given
			}
			root.below(f.Path()).gone = true
		}
		for _, e := range ends {
			if !root.only {
				root.below(e.c.place.path)
			}
			root.told(e)
		}
		return "CASE WHEN " + name + " IS NOT NULL THEN " + root.rewritten(c.document(name, false), 0) + "::text END"
	}
	return c.given(name)
}

// toldApart says whether elements of an array, by which a row was reached, are
// given or left out one by one.
func (p *program) toldApart() bool {
	return remember(p, apartKey{}, p.tellsApart)
}

func (p *program) tellsApart() bool {
	w := &writer{p: p}
	for _, s := range p.stops {
		for _, g := range s.given() {
			if len(w.ends(s, g.field.Name, nil)) > 0 {
				return true
			}
		}
	}
	return false
}

// some is the condition that a row has a value in a field that is asked for.
func (s *stop) some() string {
	var some []string
	for _, t := range s.visit.Targets {
		c := s.t.columns[t.Field.Column().Name]
		name := col("t", c.name)
		switch {
		case t.Field.Redact || redacted(t.Field):
		case t.Field.Parent == nil:
			some = append(some, name+" IS NOT NULL")
		default:
			some = append(some, "EXISTS (SELECT 1 FROM jsonb_path_query("+c.document(name, false)+", "+literal(jsonPath(t.Field.Path()))+") AS e(v) WHERE jsonb_typeof(e.v) <> 'null')")
		}
	}
	if len(some) == 0 {
		return "false"
	}
	return "(" + strings.Join(some, " OR ") + ")"
}
