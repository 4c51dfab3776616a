package planview

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/layout"
)

// The arrow's head.
const (
	headLength = 9.0
	headWidth  = 9.0
)

// attach returns the arrows' ways with their ends set apart along the borders of
// what they join: the layout lets all of them aim at the middle.
func attach(f *figure, l *layout.Layout) [][]layout.Point {
	g := f.graph()
	place := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		place[n.ID] = i
	}
	type end struct{ route, point, toward int }
	type side struct {
		node   int
		bottom bool
	}
	ends := make(map[side][]end)
	ways := make([][]layout.Point, len(f.arrows))
	for i, a := range f.arrows {
		way := slices.Clone(l.Edges[i].Points)
		ways[i] = way
		if a.from == a.to {
			continue
		}
		last := len(way) - 1
		from, to := side{node: place[a.from]}, side{node: place[a.to]}
		from.bottom = way[1].Y > l.Nodes[from.node].Y
		to.bottom = way[last-1].Y > l.Nodes[to.node].Y
		ends[from] = append(ends[from], end{i, 0, 1})
		ends[to] = append(ends[to], end{i, last, last - 1})
	}
	for s, list := range ends {
		n, at := g.Nodes[s.node], l.Nodes[s.node]
		slices.SortStableFunc(list, func(a, b end) int {
			return cmp.Compare(ways[a.route][a.toward].X, ways[b.route][b.toward].X)
		})
		var want []float64
		for _, e := range list {
			want = append(want, ways[e.route][e.toward].X)
		}
		y := at.Y - n.Height/2
		if s.bottom {
			y = at.Y + n.Height/2
		}
		inset := min(18, n.Width/5)
		for i, x := range apart(want, at.X-n.Width/2+inset, at.X+n.Width/2-inset) {
			ways[list[i].route][list[i].point] = layout.Point{X: x, Y: y}
		}
	}
	return ways
}

// apart moves ascending places as little as need be for them to lie between low
// and high, and not on one another.
func apart(want []float64, low, high float64) []float64 {
	if high < low {
		low, high = (low+high)/2, (low+high)/2
	}
	gap := 18.0
	if n := len(want); n > 1 {
		gap = min(gap, (high-low)/float64(n-1))
	}
	out := make([]float64, len(want))
	for i, x := range want {
		out[i] = min(max(x, low), high)
		if i > 0 {
			out[i] = max(out[i], out[i-1]+gap)
		}
	}
	limit := high
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = min(out[i], limit)
		limit = out[i] - gap
	}
	return out
}

// A pen writes paths in the layout's places: sideways, as they are in the picture.
type pen struct {
	b        strings.Builder
	sideways bool
}

func (p *pen) to(command string, points ...layout.Point) {
	p.b.WriteString(command)
	for i, q := range points {
		if i > 0 {
			p.b.WriteByte(' ')
		}
		if p.sideways {
			q.X, q.Y = q.Y, q.X
		}
		p.b.WriteString(num(q.X) + " " + num(q.Y))
	}
}

// curveOf draws a way as a smooth line that leaves and arrives upright, and the
// head at its end.
func (f *figure) curveOf(way []layout.Point, loop bool) (path, head string) {
	line, tip := &pen{sideways: f.sideways}, &pen{sideways: f.sideways}
	if loop {
		loopOf(line, tip, way)
		return line.b.String(), tip.b.String()
	}
	way = slices.Clone(way)
	last := len(way) - 1
	end, length := way[last], headLength
	if way[last-1].Y > end.Y {
		length = -length
	}
	way[last].Y -= length * 0.9 // the head covers the line's end
	smooth(line, way)
	tip.to("M", end)
	tip.to("L", layout.Point{X: end.X - headWidth/2, Y: end.Y - length}, layout.Point{X: end.X + headWidth/2, Y: end.Y - length})
	tip.to("Z")
	return line.b.String(), tip.b.String()
}

// smooth joins points that go steadily down (or up) by cubic curves: upright at
// both ends, between them as steep as the neighbours say (Fritsch and Carlson's
// monotone interpolation, x as a function of y), so that it never swings out.
func smooth(pen *pen, p []layout.Point) {
	n := len(p)
	slope := make([]float64, n) // dx/dy
	for i := 1; i < n-1; i++ {
		h0, h1 := p[i].Y-p[i-1].Y, p[i+1].Y-p[i].Y
		if h0 == 0 || h1 == 0 {
			continue
		}
		s0, s1 := (p[i].X-p[i-1].X)/h0, (p[i+1].X-p[i].X)/h1
		if s0*s1 <= 0 {
			continue
		}
		mean := (s0*h1 + s1*h0) / (h0 + h1)
		slope[i] = math.Copysign(min(math.Abs(mean), 2*math.Abs(s0), 2*math.Abs(s1)), mean)
	}
	pen.to("M", p[0])
	for i := 1; i < n; i++ {
		third := (p[i].Y - p[i-1].Y) / 3
		pen.to("C", layout.Point{X: p[i-1].X + slope[i-1]*third, Y: p[i-1].Y + third},
			layout.Point{X: p[i].X - slope[i]*third, Y: p[i].Y - third}, p[i])
	}
}

// How far an arrow from a box to itself swings out, and where its label begins.
const (
	swing     = 24.0
	loopLabel = swing + 4
)

// loopOf leads from a box's right side (sideways: its lower) back into it.
func loopOf(line, tip *pen, way []layout.Point) {
	const half = 13.0
	side, middle := way[0].X, (way[0].Y+way[len(way)-1].Y)/2
	// A cubic curve goes three quarters of the way to where its handles lie.
	out := side + swing/0.75
	line.to("M", layout.Point{X: side, Y: middle - half})
	line.to("C", layout.Point{X: out, Y: middle - half - 6}, layout.Point{X: out, Y: middle + half + 6},
		layout.Point{X: side + headLength*0.9, Y: middle + half})
	tip.to("M", layout.Point{X: side, Y: middle + half})
	tip.to("L", layout.Point{X: side + headLength, Y: middle + half - headWidth/2}, layout.Point{X: side + headLength, Y: middle + half + headWidth/2})
	tip.to("Z")
}
