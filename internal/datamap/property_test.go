package datamap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawMap draws up to 12 collections with references of all directions, some
// skipped, and two identity types.
func drawMap(t *rapid.T) string {
	n := rapid.IntRange(1, 12).Draw(t, "collections")
	lines := make([]string, n)
	for i := range lines {
		line := fmt.Sprintf("c%d: id!", i)
		for j := range rapid.IntRange(0, 3).Draw(t, "references") {
			to := rapid.IntRange(0, n-1).Draw(t, "to")
			mark := rapid.SampledFrom([]string{"<", ">", "~"}).Draw(t, "direction")
			if to == i && mark == "~" {
				mark = "<"
			}
			line += fmt.Sprintf(" r%d%sc%d.id", j, mark, to)
		}
		if rapid.IntRange(0, 3).Draw(t, "seed") == 0 || i == 0 {
			line += " who@" + rapid.SampledFrom([]string{"email", "phone"}).Draw(t, "identity")
		}
		if i > 0 && rapid.IntRange(0, 7).Draw(t, "skip") == 0 {
			line += " | skip"
		}
		lines[i] = line
	}
	return shopYAML(lines...)
}

// A visit stands after all that lead to it, unless both are on one cycle; every
// seed and only what a seed leads to is visited; nothing is in two places.
func TestPlanProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := drawMap(rt)
		m, problems := Parse([]File{{Name: "m", Data: []byte(text)}}, ParseOptions{})
		if m == nil {
			rt.Fatalf("expected a map, got %v from\n%s", problems, text)
		}
		types := IdentityTypes(m)
		by := types[:rapid.IntRange(1, len(types)).Draw(rt, "types")]
		p, err := Compile(m, Builtin(Access), by)
		if err != nil {
			if strings.Contains(err.Error(), "leads nowhere") {
				return
			}
			rt.Fatalf("expected a plan, got %v of\n%s", err, text)
		}
		place := make(map[*Collection]int)
		for i, v := range p.Visits {
			if _, twice := place[v.Collection]; twice || v.Collection.Skip {
				rt.Fatalf("expected %s once and not skipped", v.Collection.FullName())
			}
			place[v.Collection] = i
			if i > 0 && v.Component < p.Visits[i-1].Component {
				rt.Fatal("expected components in walk order")
			}
			if len(v.Seeds)+len(v.Links) == 0 {
				rt.Fatalf("expected a way to %s", v.Collection.FullName())
			}
		}
		cyclic := false
		for i, v := range p.Visits {
			for _, l := range v.Links {
				from, visited := place[l.From.Collection]
				if !visited || l.To.Collection != v.Collection {
					rt.Fatalf("expected links from visited collections to %s, got %s", v.Collection.FullName(), l.From.FullName())
				}
				same := p.Visits[from].Component == v.Component
				cyclic = cyclic || same
				if from >= i && !same {
					rt.Fatalf("expected %s before %s in\n%s", l.From.FullName(), v.Collection.FullName(), p.Text())
				}
			}
		}
		if cyclic != p.Cyclic {
			rt.Fatalf("expected cyclic %v, got %v", cyclic, p.Cyclic)
		}
		if len(p.Visits)+len(p.Left) != len(m.Datasets[0].Collections) {
			rt.Fatal("expected each collection visited or left")
		}
		want := slowReach(m, by)
		for _, c := range m.Datasets[0].Collections {
			if _, visited := place[c]; visited != want[c] {
				rt.Fatalf("expected %s visited %v, got %v", c.FullName(), want[c], visited)
			}
		}
		m2, _ := Parse([]File{{Name: "m", Data: []byte(text)}}, ParseOptions{})
		again, err := Compile(m2, Builtin(Access), by)
		if err != nil || again.Digest != p.Digest || !cmp.Equal(walked(again), walked(p)) {
			rt.Fatalf("expected the same plan from the same map, got\n%s\nand\n%s", p.Text(), again.Text())
		}
	})
}

// slowReach is the obvious way: add what can be reached until nothing is added.
func slowReach(m *Map, types []string) map[*Collection]bool {
	got := make(map[*Collection]bool)
	for grew := true; grew; {
		grew = false
		for _, c := range m.Datasets[0].Collections {
			for _, f := range c.Fields {
				if !c.Skip && !got[c] && slices.Contains(types, f.Identity) {
					got[c], grew = true, true
				}
				for _, r := range f.References {
					d := r.Target.Collection
					if got[c] && !got[d] && !d.Skip && r.Direction != From {
						got[d], grew = true, true
					}
					if got[d] && !got[c] && !c.Skip && r.Direction != To {
						got[c], grew = true, true
					}
				}
			}
		}
	}
	return got
}

// The components of Tarjan are those of the definition: two nodes are in one
// when each reaches the other.
func TestComponents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(rt, "nodes")
		next := make([][]int, n)
		reach := make([][]bool, n)
		for i := range next {
			next[i] = rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(rt, "edges")
			reach[i] = make([]bool, n)
			reach[i][i] = true
			for _, j := range next[i] {
				reach[i][j] = true
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		of := make([]int, n)
		for r, ring := range Components(next) {
			for _, i := range ring {
				of[i] = r + 1
			}
		}
		for i := range n {
			for j := range n {
				if (of[i] == of[j]) != (reach[i][j] && reach[j][i]) || of[i] == 0 {
					rt.Fatalf("expected %d and %d in one component: %v", i, j, reach[i][j] && reach[j][i])
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var lines []string
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf("c%d: id! a<c%d.id text#user email@email", i, i/2))
	}
	files := []File{{Name: "m", Data: []byte(shopYAML(lines...))}}
	b.SetBytes(int64(len(files[0].Data)))
	for b.Loop() {
		if m, problems := Parse(files, ParseOptions{}); m == nil {
			b.Fatal(problems[0])
		}
	}
}
