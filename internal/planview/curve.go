package planview

import (
	"cmp"
	"fmt"
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
		for i, x := range apart(want, at.X-n.Width/2+18, at.X+n.Width/2-18) {
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

type curve struct{ path, head string }

// curveOf draws a way as a smooth line that leaves and arrives upright.
func curveOf(way []layout.Point, loop bool) curve {
	if loop {
		return loopOf(way)
	}
	last := len(way) - 1
	tip := way[last]
	down := 1.0
	if way[last-1].Y > tip.Y {
		down = -1
	}
	way = slices.Clone(way)
	way[last].Y -= down * (headLength - 1)
	return curve{path: smooth(way), head: headAt(tip, down)}
}

func headAt(tip layout.Point, down float64) string {
	return fmt.Sprintf("M%s %sl%s %sh%sz", num(tip.X), num(tip.Y), num(-headWidth/2), num(-down*headLength), num(headWidth))
}

// smooth joins points that go steadily down (or up) by cubic curves: upright at
// both ends, between them as steep as the neighbours say (Fritsch and Carlson's
// monotone interpolation, x as a function of y), so that it never swings out.
func smooth(p []layout.Point) string {
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
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", num(p[0].X), num(p[0].Y))
	for i := 1; i < n; i++ {
		third := (p[i].Y - p[i-1].Y) / 3
		fmt.Fprintf(&b, "C%s %s %s %s %s %s",
			num(p[i-1].X+slope[i-1]*third), num(p[i-1].Y+third),
			num(p[i].X-slope[i]*third), num(p[i].Y-third), num(p[i].X), num(p[i].Y))
	}
	return b.String()
}

// How far an arrow from a box to itself swings out, and where its label begins.
const (
	swing     = 24.0
	loopLabel = swing + 4
)

// loopOf leads from a box's right side back into it.
func loopOf(way []layout.Point) curve {
	const half = 13.0
	side, middle := way[0].X, (way[0].Y+way[len(way)-1].Y)/2
	// A cubic curve goes three quarters of the way to where its handles lie.
	out := num(side + swing/0.75)
	path := fmt.Sprintf("M%s %sC%s %s %s %s %s %s", num(side), num(middle-half),
		out, num(middle-half-6), out, num(middle+half+6), num(side+headLength-1), num(middle+half))
	head := fmt.Sprintf("M%s %sl%s %sv%sz", num(side), num(middle+half), num(headLength), num(-headWidth/2), num(headWidth))
	return curve{path, head}
}
