package layout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLay(t *testing.T) {
	t.Parallel()
	g := Graph{
		Nodes: []Node{{"__proto__", 100, 40}, {"constructor", 200, 60}, {"c", 80, 40}, {"alone", 80, 40}},
		Edges: []Edge{
			{"__proto__", "constructor", 60, 12}, {"constructor", "c", 60, 12}, {"__proto__", "c", 0, 0},
			{"__proto__", "constructor", 60, 12}, // another between the same two
			{"c", "constructor", 60, 12},         // closes a cycle
			{"c", "c", 60, 12},
		},
		NodeGap: 30, RankGap: 50,
	}
	l, err := Lay(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if !(l.Nodes[0].Y < l.Nodes[1].Y && l.Nodes[1].Y < l.Nodes[2].Y) {
		t.Errorf("the nodes should stand in their order from top to bottom: %v", l.Nodes)
	}
	check(t, g, l)
	if l.Edges[0].Label == l.Edges[3].Label {
		t.Error("two edges between the same nodes should go beside each other")
	}
	if first, last := l.Edges[4].Points[0], l.Edges[4].Points[len(l.Edges[4].Points)-1]; first.Y < last.Y {
		t.Errorf("the edge back should start below where it ends: %v", l.Edges[4].Points)
	}
	again, err := Lay(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, again); diff != "" {
		t.Errorf("the same graph should be laid out the same way again (-first +second):\n%s", diff)
	}
}

func TestLayRefuses(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]Graph{
		"two of one ID":  {Nodes: []Node{{ID: "a"}, {ID: "a"}}},
		"unknown end":    {Nodes: []Node{{ID: "a"}}, Edges: []Edge{{From: "a", To: "b"}}},
		"no number":      {Nodes: []Node{{ID: "a", Width: math.NaN()}}},
		"without end":    {Nodes: []Node{{ID: "a", Height: math.Inf(1)}}},
		"less than none": {Nodes: []Node{{ID: "a"}}, NodeGap: -1},
	} {
		if _, err := Lay(t.Context(), g); err == nil {
			t.Errorf("%s: an error was expected", name)
		}
	}
	if l, err := Lay(t.Context(), Graph{}); err != nil || l.Width != 0 {
		t.Errorf("nothing should be laid out as nothing, got %v, %v", l, err)
	}
}

// TestLayEndsWithItsContext: a graph that takes far longer than the limit.
func TestLayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Lay(ctx, web(2000))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the layout should have ended with its context, got %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := Lay(gone, web(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("a layout that nobody waits for should not begin, got %v", err)
	}
}

// TestLayAnyGraph: whatever the graph, no node covers another and edges end at their
// nodes.
func TestLayAnyGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := Graph{NodeGap: 20, RankGap: 30}
		n := rapid.IntRange(1, 6).Draw(t, "nodes")
		for i := range n {
			g.Nodes = append(g.Nodes, Node{fmt.Sprint(i), rapid.Float64Range(1, 300).Draw(t, "width"), rapid.Float64Range(1, 100).Draw(t, "height")})
		}
		for range rapid.IntRange(0, 8).Draw(t, "edges") {
			node := rapid.IntRange(0, n-1)
			g.Edges = append(g.Edges, Edge{fmt.Sprint(node.Draw(t, "from")), fmt.Sprint(node.Draw(t, "to")), 50, 12})
		}
		l, err := Lay(context.Background(), g)
		if err != nil {
			t.Fatal(err)
		}
		check(t, g, l)
	})
}

func check(t interface {
	Helper()
	Errorf(string, ...any)
}, g Graph, l *Layout) {
	t.Helper()
	const slack = 0.01
	place := map[string]int{}
	for i, a := range g.Nodes {
		place[a.ID] = i
		p := l.Nodes[i]
		if p.X-a.Width/2 < -slack || p.Y-a.Height/2 < -slack || p.X+a.Width/2 > l.Width+slack || p.Y+a.Height/2 > l.Height+slack {
			t.Errorf("node %s at %v leaves the picture of %v by %v", a.ID, p, l.Width, l.Height)
		}
		for j, b := range g.Nodes[:i] {
			q := l.Nodes[j]
			if math.Abs(p.X-q.X) < (a.Width+b.Width)/2-slack && math.Abs(p.Y-q.Y) < (a.Height+b.Height)/2-slack {
				t.Errorf("node %s covers node %s", a.ID, b.ID)
			}
		}
	}
	for i, e := range g.Edges {
		points := l.Edges[i].Points
		if len(points) < 3 {
			t.Errorf("the edge from %s to %s has %d points, at least its ends and its label's were expected", e.From, e.To, len(points))
			continue
		}
		for end, id := range map[Point]string{points[0]: e.From, points[len(points)-1]: e.To} {
			n, p := g.Nodes[place[id]], l.Nodes[place[id]]
			if math.Abs(end.X-p.X) > n.Width/2+slack || math.Abs(end.Y-p.Y) > n.Height/2+slack {
				t.Errorf("the edge from %s to %s should end at the border of %s, it ends at %v", e.From, e.To, id, end)
			}
		}
	}
}

// web is a map-like graph: each node hangs on an earlier one, some on two.
func web(n int) Graph {
	g := Graph{NodeGap: 30, RankGap: 50}
	for i := range n {
		g.Nodes = append(g.Nodes, Node{fmt.Sprint(i), 240, 64})
		if i > 0 {
			g.Edges = append(g.Edges, Edge{fmt.Sprint(i / 3), fmt.Sprint(i), 90, 14})
		}
		if i > 5 && i%4 == 0 {
			g.Edges = append(g.Edges, Edge{fmt.Sprint(i / 2), fmt.Sprint(i), 90, 14})
		}
	}
	return g
}

func BenchmarkLay(b *testing.B) {
	for _, n := range []int{10, 60, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Lay(b.Context(), web(n)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
