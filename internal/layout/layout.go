// Package layout places the nodes of a directed graph and leads its edges around
// them: in ranks from top to bottom, each edge downward but those that close a
// cycle, with room for the edges' labels and as few crossings as can be had.
//
// The work is done by dagre (dagre/, unchanged, with its licence, which covers
// the graphlib bundled in it), a JavaScript library, in an interpreter of its own
// for each call: nothing is kept between calls, nothing is prepared before the
// first, and the script reaches neither files nor network nor a clock that
// matters. The same graph is always laid out in the same way.
//
// The package knows sizes and places, no shapes or texts: internal/planview draws.
package layout

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/dop251/goja"
)

// A Graph is what is to be laid out. Lengths have no unit: what goes in comes out.
type Graph struct {
	// Nodes in the order in which they are best read: where edges go round in
	// a circle, the one that leads back to an earlier node is the one turned.
	Nodes []Node
	Edges []Edge
	// Gaps between neighbours in a rank, and from rank to rank.
	NodeGap, RankGap float64
}

// A Node takes up a rectangle.
type Node struct {
	ID            string
	Width, Height float64
}

// An Edge leads from node to node, perhaps the same one; several may join the
// same two. Width and Height are its label's, zero for none.
type Edge struct {
	From, To      string
	Width, Height float64
}

// A Point lies right of and below the picture's upper left corner.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// A Layout answers a Graph: nodes and edges stand in the graph's order.
type Layout struct {
	Width, Height float64
	Nodes         []Point // centres
	Edges         []Route
}

// A Route is an edge's way, from its From to its To, both ends at the nodes'
// borders, and the centre of its label, which lies on the way (beside the node
// where an edge leads back to its own).
type Route struct {
	Points []Point `json:"points"`
	Label  Point   `json:"label"`
}

//go:embed dagre/dagre.min.js
var dagre string

// Nodes are named n0, n1 …: an ID of a caller's (__proto__, constructor) is never
// a key of the script's objects.
//
// dagre looks for few crossings from where the order of the edges makes it begin,
// and may stop early: it is asked several times, more often for a small graph,
// with the edges shuffled (by Park and Miller's generator, always from the same
// seed), and the answer with the shortest edges taken.
const script = `(function (input) {
	var q = JSON.parse(input);
	function lay(order) {
		var g = new dagre.graphlib.Graph({multigraph: true});
		g.setGraph({rankdir: "TB", nodesep: q.nodeGap, edgesep: q.nodeGap / 2, ranksep: q.rankGap});
		q.nodes.forEach(function (n, i) { g.setNode("n" + i, {width: n[0], height: n[1]}); });
		order.forEach(function (i) {
			var e = q.edges[i];
			g.setEdge("n" + e[0], "n" + e[1], {width: e[2], height: e[3], labelpos: "c"}, "e" + i);
		});
		dagre.layout(g);
		return g;
	}
	function edge(g, i) { return g.edge("n" + q.edges[i][0], "n" + q.edges[i][1], "e" + i); }
	function length(g) {
		return order.reduce(function (sum, i) {
			return edge(g, i).points.reduce(function (sum, p, j, all) {
				return j ? sum + Math.hypot(p.x - all[j - 1].x, p.y - all[j - 1].y) : sum;
			}, sum);
		}, 0);
	}
	var order = q.edges.map(function (_, i) { return i; });
	var best, shortest = Infinity, seed = 1;
	for (var tries = Math.max(2, Math.min(8, 500 / (q.nodes.length + q.edges.length))); tries >= 1; tries--) {
		var g = lay(order), l = length(g);
		if (l < shortest || !best) { best = g; shortest = l; }
		for (var i = order.length - 1; i > 0; i--) {
			seed = seed * 16807 % 2147483647;
			var j = seed % (i + 1), moved = order[i];
			order[i] = order[j];
			order[j] = moved;
		}
	}
	order.sort(function (a, b) { return a - b; });
	return JSON.stringify({
		width: best.graph().width, height: best.graph().height,
		nodes: q.nodes.map(function (_, i) { var n = best.node("n" + i); return {x: n.x, y: n.y}; }),
		edges: order.map(function (i) { var r = edge(best, i); return {points: r.points, label: {x: r.x, y: r.y}}; })
	});
})`

// Lay lays a graph out. It ends with ctx's error soon after ctx does.
func Lay(ctx context.Context, g Graph) (*Layout, error) {
	input, err := g.question()
	if err != nil {
		return nil, fmt.Errorf("lay out a graph: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("lay out a graph: %w", err)
	}
	if len(g.Nodes) == 0 {
		return &Layout{}, nil
	}
	out, err := run(ctx, input)
	if err != nil {
		return nil, fmt.Errorf("lay out a graph of %d nodes and %d edges: %w", len(g.Nodes), len(g.Edges), err)
	}
	var l Layout
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		return nil, fmt.Errorf("read a layout: %w", err)
	}
	return &l, nil
}

// run asks the script in a fresh interpreter.
func run(ctx context.Context, input string) (string, error) {
	vm := goja.New()
	stop := context.AfterFunc(ctx, func() { vm.Interrupt(ctx.Err()) })
	defer stop()
	out, err := func() (goja.Value, error) {
		if _, err := vm.RunScript("dagre.min.js", dagre); err != nil {
			return nil, err
		}
		v, err := vm.RunString(script)
		if err != nil {
			return nil, err
		}
		lay, ok := goja.AssertFunction(v)
		if !ok {
			return nil, errors.New("the script is no function")
		}
		return lay(goja.Undefined(), vm.ToValue(input))
	}()
	if interrupted := (*goja.InterruptedError)(nil); errors.As(err, &interrupted) && ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", err
	}
	return out.String(), nil
}

// question is the graph as the script reads it: numbers only.
func (g Graph) question() (string, error) {
	q := struct {
		NodeGap float64      `json:"nodeGap"`
		RankGap float64      `json:"rankGap"`
		Nodes   [][2]float64 `json:"nodes"`
		Edges   [][4]float64 `json:"edges"`
	}{g.NodeGap, g.RankGap, [][2]float64{}, [][4]float64{}}
	number := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		if _, twice := number[n.ID]; twice {
			return "", fmt.Errorf("two nodes have the ID %q", n.ID)
		}
		number[n.ID] = i
		q.Nodes = append(q.Nodes, [2]float64{n.Width, n.Height})
	}
	for _, e := range g.Edges {
		from, known := number[e.From]
		to, both := number[e.To]
		if !known || !both {
			return "", fmt.Errorf("the edge from %q to %q names a node that is not there", e.From, e.To)
		}
		q.Edges = append(q.Edges, [4]float64{float64(from), float64(to), e.Width, e.Height})
	}
	for _, length := range g.lengths() {
		if !(length >= 0 && length < math.MaxInt32) {
			return "", fmt.Errorf("%v is no length", length)
		}
	}
	text, err := json.Marshal(q)
	return string(text), err
}

func (g Graph) lengths() []float64 {
	list := []float64{g.NodeGap, g.RankGap}
	for _, n := range g.Nodes {
		list = append(list, n.Width, n.Height)
	}
	for _, e := range g.Edges {
		list = append(list, e.Width, e.Height)
	}
	return list
}
