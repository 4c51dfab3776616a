package planview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

const (
	rowHeight  = 30.0
	lineHeight = 18.0
)

// An entry of the legend: a sign, drawn from its upper left corner in a row of 20, and what it means.
type entry struct {
	width float64 // of the sign
	draw  func(s *svg, x, y float64)
	means string
}

func (e entry) whole() float64 { return e.width + 8 + textWidth(e.means, 12, false) + 28 }

// entries explains the signs that this picture uses, and no others.
func (f *figure) entries() []entry {
	list := []entry{{58, func(s *svg, x, y float64) {
		s.printf(`<rect x="%s" y="%s" width="58" height="20" rx="10" fill="%s" stroke="%s" stroke-width="1.5"/>`, num(x), num(y), seed, rim)
		s.text(x+29, y+14, "email", font{size: 11.5, bold: true, fill: ink, middle: true})
	}, "an identity that a request brings"}}
	for _, d := range []deed{deletes, masks, gives, follows} {
		if slices.ContainsFunc(f.boxes, func(b box) bool { return b.deed.word == d.word }) {
			list = append(list, entry{d.width(), d.draw, d.means})
		}
	}
	arrows := []struct {
		show  bool
		a     arrow
		means string
	}{
		{f.some(func(a arrow) bool { return strings.HasPrefix(a.from, "collection ") }), arrow{}, "a value leads to rows: column → column"},
		{f.some(func(a arrow) bool { return a.loose }), arrow{loose: true}, "only to rows that have no owner"},
		{f.some(func(a arrow) bool { return a.cycle }), arrow{cycle: true}, "in a cycle: followed again until nothing new is found"},
	}
	for _, w := range arrows {
		if w.show {
			list = append(list, entry{40, w.a.sample, w.means})
		}
	}
	return list
}

func (f *figure) some(is func(arrow) bool) bool { return slices.ContainsFunc(f.arrows, is) }

// sample is a short arrow to the right.
func (a arrow) sample(s *svg, x, y float64) {
	dash := ""
	if a.loose {
		dash = ` stroke-dasharray="6 4"`
	}
	s.printf(`<path d="M%s %sh32" stroke="%s" stroke-width="1.5"%s/><path d="M%s %sl-9-4.5v9z" fill="%s"/>`,
		num(x), num(y+10), a.colour(), dash, num(x+40), num(y+10), a.colour())
}

// keyRows breaks the legend into rows.
func keyRows(list []entry, width float64) [][]entry {
	var rows [][]entry
	used := width
	for _, e := range list {
		if used+e.whole() > width || len(rows) == 0 {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
		used += e.whole()
	}
	return rows
}

func drawKey(s *svg, rows [][]entry, left, y float64) {
	for _, row := range rows {
		x := left
		for _, e := range row {
			e.draw(s, x, y)
			s.text(x+e.width+8, y+14.5, e.means, font{size: 12, fill: ink})
			x += e.whole()
		}
		y += rowHeight
	}
}

// remarks are what a picture must not leave out: what is not visited, and what
// the plan says in sentences.
func (f *figure) remarks(width float64) []string {
	var list []string
	if left := f.plan.Left; len(left) > 0 {
		const most = 40
		text := strings.Join(left[:min(most, len(left))], ", ")
		if len(left) > most {
			text += fmt.Sprintf(" and %d more", len(left)-most)
		}
		list = append(list, wrapped("Not visited: "+text, 12, width)...)
	}
	for _, n := range f.plan.Notes {
		list = append(list, wrapped("Note: "+n, 12, width)...)
	}
	return list
}

func heading(p *datamap.Plan) string {
	kind := string(p.Kind)
	return strings.ToUpper(kind[:1]) + kind[1:] + " by " + strings.Join(p.Identities, ", ")
}

func subheading(p *datamap.Plan) string {
	visited := fmt.Sprintf("%d collections", len(p.Visits))
	if len(p.Visits) == 1 {
		visited = "1 collection"
	}
	return fmt.Sprintf("%s, numbered in walk order · policy %s · plan %.12s", visited, p.Policy, p.Digest)
}
