package planview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/layout"
)

// A figure is what a picture shows of a plan, before anything has a place.
type figure struct {
	plan   *datamap.Plan
	seeds  []pill
	boxes  []box
	arrows []arrow
	// sideways: walked from left to right. The layout knows nothing of it: it
	// is given heights for widths, and its x is y.
	sideways bool
}

// A pill is an identity type.
type pill struct {
	node, identity string
	width          float64
}

// A box is a visited collection.
type box struct {
	visit               *datamap.Visit
	node                string
	number, name, below string
	deed                deed
	cycle, keeps        bool
	width               float64
}

// An arrow is all that leads from one place to one collection.
type arrow struct {
	from, to string
	label    []string
	loose    bool // every way of it takes only rows without an owner
	cycle    bool
}

const (
	boxHeight  = 62.0
	moreHeight = 20.0 // of each line more in a box
	pillHeight = 34.0
	labelSize  = 11.5
	labelLine  = 14.0
)

func newFigure(p *datamap.Plan) *figure {
	f := &figure{plan: p}
	size := make(map[int]int)
	for _, v := range p.Visits {
		size[v.Component]++
	}
	component := make(map[*datamap.Collection]int)
	for i, v := range p.Visits {
		component[v.Collection] = v.Component
		itself := slices.ContainsFunc(v.Links, func(l datamap.Link) bool { return l.From.Collection == v.Collection })
		f.boxes = append(f.boxes, newBox(p, v, i+1, size[v.Component] > 1 || itself))
	}
	for _, v := range p.Visits {
		f.lead(v, component)
	}
	f.sideways = f.breadth() > broad
	return f
}

// Boxes are wide and low: more than these side by side are wider than a screen,
// and better stand one upon the other.
const broad = 6

// breadth is how many collections lie equally far from the identities, at most.
func (f *figure) breadth() (most int) {
	level, beside := make(map[string]int), make(map[int]int)
	for _, a := range f.arrows { // in walk order: what leads here is settled
		level[a.to] = max(level[a.to], 1)
		if !a.cycle {
			level[a.to] = max(level[a.to], level[a.from]+1)
		}
	}
	for _, b := range f.boxes {
		beside[level[b.node]]++
		most = max(most, beside[level[b.node]])
	}
	return most
}

func newBox(p *datamap.Plan, v *datamap.Visit, number int, cycle bool) box {
	b := box{
		visit: v, node: node(v.Collection), number: fmt.Sprint(number), name: shortened(v.Collection.FullName()),
		below: fmt.Sprintf("source %s · %s", shortened(v.Collection.Dataset.Source), fieldsOf(v)),
		deed:  deedOf(p.Kind, v), cycle: cycle, keeps: p.Kind == datamap.Erasure && len(v.Collection.Keeps) > 0,
	}
	b.width = max(200, 48+textWidth(b.name, 14, true)+14+b.deed.width()+12, 48+textWidth(b.below, 12, false)+14)
	if cycle {
		b.width = max(b.width, 48+18+textWidth(again, 12, false)+14)
	}
	return b
}

func (b box) height() float64 {
	h := boxHeight
	for _, more := range []bool{b.cycle, b.keeps} {
		if more {
			h += moreHeight
		}
	}
	return h
}

func fieldsOf(v *datamap.Visit) string {
	switch n, all := len(v.Targets), len(v.Collection.Fields); {
	case n == 0:
		return "no field targeted"
	case n == all && all < 2:
		return "its field targeted"
	case n == all:
		return fmt.Sprintf("all %d fields targeted", n)
	default:
		return fmt.Sprintf("%d of %d fields targeted", n, all)
	}
}

// lead gathers what leads to a visit: the ways from one place are one arrow.
func (f *figure) lead(v *datamap.Visit, component map[*datamap.Collection]int) {
	at := make(map[string]int) // from -> arrow
	add := func(from, way string, loose, cycle bool) {
		i, known := at[from]
		if !known {
			i = len(f.arrows)
			at[from] = i
			f.arrows = append(f.arrows, arrow{from: from, to: node(v.Collection), loose: true, cycle: cycle})
		}
		f.arrows[i].loose = f.arrows[i].loose && loose
		f.arrows[i].label = append(f.arrows[i].label, way)
	}
	for _, s := range v.Seeds {
		id := "identity " + s.Identity
		if !slices.ContainsFunc(f.seeds, func(p pill) bool { return p.node == id }) {
			f.seeds = append(f.seeds, pill{id, shortened(s.Identity), textWidth(shortened(s.Identity), 14, true) + 40})
		}
		add(id, "in "+shortened(s.Field.Name), false, false)
	}
	for _, l := range v.Links {
		from := l.From.Collection
		owner := v.Collection.Owner
		loose := owner != "" && owner != l.To.Name
		ways := []string{way("", l.From, l.To)}
		for _, pair := range l.And {
			ways = append(ways, way("and ", pair.From, pair.To))
		}
		if loose {
			ways = append(ways, "where "+shortened(owner)+" is empty")
		}
		for _, w := range ways {
			add(node(from), w, loose, component[from] == v.Component)
		}
	}
}

func way(and string, from, to *datamap.Field) string {
	return and + shortened(from.Name) + " → " + shortened(to.Name)
}

func node(c *datamap.Collection) string { return "collection " + c.FullName() }

// graph is the figure as the layout knows it: identities first, then collections
// in walk order.
func (f *figure) graph() layout.Graph {
	g := layout.Graph{NodeGap: 36, RankGap: 76}
	turn := func(w, h float64) (float64, float64) { return w, h }
	if f.sideways {
		g.NodeGap, g.RankGap = 22, 52
		turn = func(w, h float64) (float64, float64) { return h, w }
	}
	add := func(id string, w, h float64) {
		w, h = turn(w, h)
		g.Nodes = append(g.Nodes, layout.Node{ID: id, Width: w, Height: h})
	}
	for _, p := range f.seeds {
		add(p.node, p.width, pillHeight)
	}
	for _, b := range f.boxes {
		add(b.node, b.width, b.height())
	}
	for _, a := range f.arrows {
		w, h := turn(a.size())
		g.Edges = append(g.Edges, layout.Edge{From: a.from, To: a.to, Width: w, Height: h})
	}
	return g
}

// at is a place of the layout in the picture.
func (f *figure) at(p layout.Point) layout.Point {
	if f.sideways {
		p.X, p.Y = p.Y, p.X
	}
	return p
}

func (a arrow) size() (width, height float64) {
	for _, l := range a.label {
		width = max(width, textWidth(l, labelSize, false))
	}
	return width + 12, float64(len(a.label))*labelLine + 4
}

func (a arrow) colour() string {
	if a.cycle {
		return round
	}
	return line
}

// draw puts arrows first, then labels, then what they lead to: no line crosses a text.
func (f *figure) draw(s *svg, l *layout.Layout) {
	ends := attach(f, l)
	for i, a := range f.arrows {
		s.printf(`<g stroke="%s" fill="none" stroke-width="1.5">`, a.colour())
		dash := ""
		if a.loose {
			dash = ` stroke-dasharray="6 4"`
		}
		path, head := f.curveOf(ends[i], a.from == a.to)
		s.printf(`<path d="%s"%s/><path d="%s" fill="%s" stroke="none"/></g>`, path, dash, head, a.colour())
	}
	g := f.graph()
	for i, a := range f.arrows {
		at := l.Edges[i].Label
		if a.from == a.to {
			at.X = l.Edges[i].Points[0].X + loopLabel + g.Edges[i].Width/2
		}
		a.drawLabel(s, f.at(at))
	}
	for i, p := range f.seeds {
		p.draw(s, f.at(l.Nodes[i]))
	}
	for i, b := range f.boxes {
		b.draw(s, f.at(l.Nodes[len(f.seeds)+i]), f.tip(b))
	}
}

func (a arrow) drawLabel(s *svg, at layout.Point) {
	w, h := a.size()
	s.printf(`<rect x="%s" y="%s" width="%s" height="%s" rx="3" fill="%s"/>`, num(at.X-w/2), num(at.Y-h/2), num(w), num(h), paper)
	fill := faint
	if a.cycle {
		fill = round
	}
	for i, text := range a.label {
		s.text(at.X, at.Y-h/2+float64(i+1)*labelLine-1, text, font{size: labelSize, fill: fill, middle: true})
	}
}

func (p pill) draw(s *svg, at layout.Point) {
	s.printf(`<rect x="%s" y="%s" width="%s" height="%s" rx="%s" fill="%s" stroke="%s" stroke-width="1.5"/>`,
		num(at.X-p.width/2), num(at.Y-pillHeight/2), num(p.width), num(pillHeight), num(pillHeight/2), seed, rim)
	s.text(at.X, at.Y+5, p.identity, font{size: 14, bold: true, fill: ink, middle: true})
}

const again = "visited again until nothing new is found"

func (b box) draw(s *svg, at layout.Point, tip string) {
	x, y, h := at.X-b.width/2, at.Y-b.height()/2, b.height()
	s.open(x, y)
	s.printf(`<title>%s</title>`, escaped(tip))
	edge, dash := frame, ""
	if b.cycle {
		edge = round
	}
	if !b.deed.solid {
		dash = ` stroke-dasharray="5 4"`
	}
	s.printf(`<rect width="%s" height="%s" rx="8" fill="%s" stroke="%s" stroke-width="1.25"%s/>`, num(b.width), num(h), white, edge, dash)
	s.printf(`<path d="M8 0H6v%sh2a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8z" fill="%s"/>`, num(h), b.deed.fill)
	s.text(28, 26, b.number, font{size: number(b.number), bold: true, fill: faint, middle: true})
	s.text(48, 26, b.name, font{size: 14, bold: true, fill: ink})
	b.deed.draw(s, b.width-12-b.deed.width(), 12)
	s.text(48, 47, b.below, font{size: 12, fill: faint})
	more := 67.0
	if b.cycle {
		drawCycle(s, 48, more-10)
		s.text(66, more, again, font{size: 12, fill: round})
		more += moreHeight
	}
	if b.keeps {
		s.text(48, more, "rows that a law keeps stay", font{size: 12, fill: masked})
	}
	s.close()
}

// number is the size of a walk's number, so that three digits fit, too.
func number(text string) float64 {
	if len(text) > 2 {
		return 11
	}
	return 14
}

// drawCycle draws a round arrow of 12 by 12.
func drawCycle(s *svg, x, y float64) {
	s.printf(`<path transform="translate(%s %s)" d="M10.2 3.4A5 5 0 1 0 11 6" fill="none" stroke="%s" stroke-width="1.6"/><path transform="translate(%s %s)" d="M11.6 0v4.6H7z" fill="%s"/>`,
		num(x), num(y), round, num(x), num(y), round)
}

// tip is what a pointer over a box reads: what cannot all stand in it.
func (f *figure) tip(b box) string {
	c := b.visit.Collection
	text := b.number + ". " + c.FullName()
	if c.Description != "" {
		text += ": " + c.Description
	}
	text += "\n" + b.deed.word
	var fields []string
	for _, t := range b.visit.Targets {
		name := t.Field.Name
		if t.Masking != nil && !b.visit.Delete {
			name += " (" + t.Masking.Strategy + ")"
		}
		fields = append(fields, name)
	}
	if len(fields) > 0 {
		text += ": " + strings.Join(fields, ", ")
	}
	if b.keeps {
		for _, k := range c.Keeps {
			text += "\nkept: " + k.Because
		}
	}
	return text
}
