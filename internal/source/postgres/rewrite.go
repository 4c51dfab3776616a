package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A piece is what becomes of one key of a JSON document when the document is
// given or masked, and of all below it. Real documents hold arrays where a map
// does not expect them: what is said of a part goes for each of its elements.
type piece struct {
	key   string
	parts []*piece
	// leaf is the new value of an element e, which is no JSON null.
	leaf func(e string) string
	// whole: it gets one new value, unless its elements are to be told apart: how
	// many there were is said of the person, too.
	whole bool
	// gone: the key is taken out of its object.
	gone bool
	// only: of an object, keys that are no part are taken out.
	only bool
	// ours are conditions, ORed, under which an element of an array is the
	// subject's: that by which the row was reached. Other elements are left as
	// they are, or, with only one's own to be given, taken out.
	ours    []func(e string) string
	ownOnly bool
}

// below is the part at a path, made where it is missing.
func (p *piece) below(path []string) *piece {
	for _, k := range path {
		i := slices.IndexFunc(p.parts, func(x *piece) bool { return x.key == k })
		if i < 0 {
			i = len(p.parts)
			p.parts = append(p.parts, &piece{key: k, only: p.only, ownOnly: p.ownOnly})
		}
		p = p.parts[i]
	}
	return p
}

// rewritten is the document x with each part as it is to be.
func (p *piece) rewritten(x string, depth int) string {
	if p.leaf == nil && len(p.parts) == 0 && len(p.ours) == 0 {
		return x
	}
	if p.whole && len(p.ours) == 0 {
		return p.element(x, depth)
	}
	e, n := fmt.Sprintf("a%d.e", depth), fmt.Sprintf("a%d.n", depth)
	list := "jsonb_typeof(" + x + ") = 'array'"
	become, filter := p.element(e, depth), ""
	if len(p.ours) > 0 {
		conditions := make([]string, len(p.ours))
		for i, o := range p.ours {
			conditions[i] = o(e)
		}
		ours := "NOT " + list + " OR " + strings.Join(conditions, " OR ")
		if p.ownOnly {
			filter = " FILTER (WHERE " + ours + ")"
		} else {
			become = "CASE WHEN " + ours + " THEN " + become + " ELSE " + e + " END"
		}
	}
	return "(SELECT CASE WHEN " + list + " THEN coalesce(jsonb_agg(" + become + " ORDER BY " + n + ")" + filter + ", '[]') ELSE jsonb_agg(" + become + " ORDER BY " + n + ") -> 0 END" +
		" FROM jsonb_array_elements(CASE WHEN " + list + " THEN " + x + " ELSE jsonb_build_array(" + x + ") END) WITH ORDINALITY AS " + fmt.Sprintf("a%d(e, n))", depth)
}

func (p *piece) element(e string, depth int) string {
	if p.leaf != nil {
		return "CASE WHEN jsonb_typeof(" + e + ") = 'null' THEN " + e + " ELSE " + p.leaf(e) + " END"
	}
	if len(p.parts) == 0 {
		return e
	}
	base, other := e, e
	var out, in []string
	for _, x := range p.parts {
		if x.gone {
			out = append(out, literal(x.key))
			continue
		}
		key := literal(x.key)
		in = append(in, " || CASE WHEN "+e+" ? "+key+" THEN jsonb_build_object("+key+", "+x.rewritten("("+e+" -> "+key+")", depth+1)+") ELSE '{}' END")
	}
	if p.only {
		base, other = "'{}'::jsonb", "'null'::jsonb"
	} else if len(out) > 0 {
		base = "(" + e + " - ARRAY[" + strings.Join(out, ", ") + "]::text[])"
	}
	return "CASE jsonb_typeof(" + e + ") WHEN 'object' THEN " + base + strings.Join(in, "") + " ELSE " + other + " END"
}

// An end is where a link or a seed found a row by what stands inside a column:
// with its list of values, it tells the subject's elements from other people's.
type end struct {
	c     *column // a place
	among func(text string) string
}

// ends are those of a stop in one of its columns, but for arrays that are to be
// taken whole (return_all_elements). values are those with which rows here lead
// on; what stores elsewhere tell of the subject's own is added.
func (w *writer) ends(s *stop, in string, values ledBy) []end {
	var all []end
	links := slices.Clone(s.links)
	for _, l := range w.p.fedLinks(s) {
		if w.p.of[l.From.Collection.FullName()] == nil {
			links = append(links, l)
		}
	}
	for _, l := range links {
		ties := w.p.strands(l)
		list := func() string {
			if w.p.tied(l) == nil {
				return values(l, ties)
			}
			told := w.fed(l, "mine", toldMine)
			if w.p.of[l.From.Collection.FullName()] == nil {
				return told
			}
			return values(l, ties) + " UNION ALL " + told
		}
		for i, pair := range pairs(l) {
			c := ties[i].to
			if c.place == nil || c.place.in.name != in || undivided(pair.To) {
				continue
			}
			all = append(all, end{c: c, among: func(text string) string {
				return linked(ties[i].from, c, text) + " IN (SELECT o." + v(i) + " FROM (" + list() + ") o)"
			}})
		}
	}
	return append(all, w.seedEnds(s, in)...)
}

// seedEnds are those of seeds.
func (w *writer) seedEnds(s *stop, in string) []end {
	var all []end
	for _, seed := range s.visit.Seeds {
		c := s.t.at(seed.Field)
		if c.place == nil || c.place.in.name != in || undivided(seed.Field) {
			continue
		}
		all = append(all, end{c: c, among: func(text string) string {
			as, test := w.seedValues(seed, c) // bound where it is used
			return test(text) + " = ANY(" + as + ")"
		}})
	}
	return all
}

// undivided tells that the elements of an array are not to be told apart.
func undivided(f *datamap.Field) bool {
	for ; f != nil; f = f.Parent {
		if f.AllElements {
			return true
		}
	}
	return false
}

// told has the elements along the way to an end told apart.
func (p *piece) told(e end) {
	path := e.c.place.path
	for i := 0; i <= len(path); i++ {
		rest := path[i:]
		at := p.find(path[:i])
		if at == nil {
			return
		}
		at.ours = append(at.ours, func(x string) string {
			if len(rest) == 0 {
				return e.among("(" + x + " #>> '{}')")
			}
			return "EXISTS (SELECT 1 FROM jsonb_path_query(" + x + ", " + literal(jsonPath(rest)) + ") AS o(v) WHERE " + e.among("(o.v #>> '{}')") + ")"
		})
	}
}

// find is the part at a path, if something is said of it.
func (p *piece) find(path []string) *piece {
	for _, k := range path {
		i := slices.IndexFunc(p.parts, func(x *piece) bool { return x.key == k })
		if i < 0 {
			return nil
		}
		p = p.parts[i]
	}
	return p
}

// elementwise rewrites a Postgres array element by element; ours is as in part.
func elementwise(expr string, ends []end, become func(e string) string, ownOnly bool) string {
	var conditions []string
	for _, e := range ends {
		conditions = append(conditions, e.among("a.e::text"))
	}
	ours := either(toConditions(conditions))
	value, filter := become("a.e"), ""
	if len(ends) > 0 && ownOnly {
		filter = " FILTER (WHERE " + ours + ")"
	} else if len(ends) > 0 {
		value = "CASE WHEN " + ours + " THEN " + value + " ELSE a.e END"
	}
	return "CASE WHEN cardinality(" + expr + ") > 0 THEN (SELECT coalesce(array_agg(" + value + " ORDER BY a.n)" + filter + ", '{}') FROM unnest(" + expr + ") WITH ORDINALITY AS a(e, n)) ELSE " + expr + " END"
}

func toConditions(list []string) []condition {
	all := make([]condition, len(list))
	for i, sql := range list {
		all[i] = condition{write: func() string { return sql }}
	}
	return all
}
