package shards_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestPropertyTheSameAsOne holds four shards, two databases, and two databases
// one of which is sharded to one database that holds all rows: the same rows
// found, the same archive in the same order, the same erasure.
//
// LETHE_SEED=n runs one case.
func TestPropertyTheSameAsOne(t *testing.T) {
	t.Parallel()
	for name, above := range map[string]int64{"one statement": 0, "staged": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ways := waysOf(t, postgres.Options{StagedAbove: above, Now: func() time.Time { return time.Unix(0, 0) }})
			seeds := []int{0, 1, 2, 3, 4, 12, 57} // 12: NaN is given; 57: rows listed, though the walk is not restricted to them
			if os.Getenv("LETHE_SOAK") != "" {
				for n := 5; n < 400; n++ {
					seeds = append(seeds, n)
				}
			}
			if at, err := strconv.Atoi(os.Getenv("LETHE_SEED")); err == nil {
				seeds = []int{at}
			}
			for _, seed := range seeds {
				same(t, ways, rand.New(rand.NewPCG(uint64(seed), 1)), fmt.Sprintf("LETHE_SEED=%d, %s", seed, name))
			}
		})
	}
}

func waysOf(t *testing.T, o postgres.Options) []*way {
	t.Helper()
	left, right := mapOf(t, "world"), mapOf(t, "other")
	var ways []*way
	single := poolsOf(t, 1)
	ways = append(ways, together("one", left, single, func(row) int { return 0 }, map[string]store{"world": database(t, "world", single[0], o)}))
	four := poolsOf(t, 4)
	ways = append(ways, together("four shards", left, four, nil, map[string]store{"world": sharded(t, four, o)}))
	two := poolsOf(t, 2)
	ways = append(ways, together("two databases", right, two, func(r row) int {
		if slices.Contains(onRight, r.table) {
			return 1
		}
		return 0
	}, map[string]store{"world": database(t, "world", two[0], o), "other": database(t, "other", two[1], o)}))
	mixed := poolsOf(t, 3)
	ways = append(ways, together("two shards and a database", right, mixed, nil, map[string]store{"world": sharded(t, mixed[:2], o), "other": database(t, "other", mixed[2], o)}))
	return ways
}

func same(t *testing.T, ways []*way, r *rand.Rand, what string) {
	t.Helper()
	rows := drawRows(r)
	where := map[string]int{}
	for _, one := range rows {
		where[one.insert] = r.IntN(4)
	}
	ways[1].at = func(r row) int { return where[r.insert] }
	ways[3].at = func(r row) int {
		if slices.Contains(onRight, r.table) {
			return 2
		}
		return where[r.insert] % 2
	}
	kinds := [][]string{{"email"}, {"visitor"}, {"email", "visitor"}}
	types := kinds[r.IntN(len(kinds))]
	value := map[string]string{"email": "a@x.example", "visitor": "d1"}
	var holds source.Holds
	heldWalk := r.IntN(3) == 0
	if r.IntN(2) == 0 {
		holds.Rows = []source.RowKey{{Collection: "right.orders", Key: "(0,0)"}, {Collection: "left.events", Key: "1"}, {Collection: "right.devices", Key: "d1"}}
	}
	restricted, roots := r.IntN(3) == 0, []source.RowKey{{Collection: "left.people", Key: "0"}, {Collection: "right.devices", Key: "d1"}}
	shared := r.IntN(2) == 0
	if restricted && !slices.ContainsFunc(rows, func(one row) bool { // what is ticked was matched
		return strings.HasPrefix(strings.ToLower(one.insert), "insert into people values ('0', '1', 'a@x.example'")
	}) {
		roots = roots[1:]
	}
	fields := []map[string]string{nil, nil, {"shop": "0"}, {"word": "w"}, {"shop": "1", "word": "ö"}}[r.IntN(5)]
	var first outcome
	for i, w := range ways {
		load(t, w.pools, w.at, rows)
		walk := source.Walk{Scope: "1", Restricted: restricted, Roots: roots, Fields: fields}
		for _, typ := range types {
			walk.Seeds = append(walk.Seeds, source.Seed{Type: typ, Value: value[typ]})
		}
		h := holds
		if heldWalk {
			h.Walks = []source.Walk{{Plan: planOf(t, w.m, datamap.Access, "email"), Scope: "1", Seeds: []source.Seed{{Type: "email", Value: "b@x.example"}}}}
		}
		var got outcome
		walk.Plan = planOf(t, w.m, datamap.Access, types...)
		walk.IncludeShared = shared
		found, err := w.find(t.Context(), walk)
		if err != nil {
			t.Fatalf("%s, %s: find: %v", what, w.name, err)
		}
		got.found = listed(found)
		if got.given, err = w.given(t.Context(), walk); err != nil {
			t.Fatalf("%s, %s: give: %v", what, w.name, err)
		}
		walk.Plan, walk.IncludeShared = planOf(t, w.m, datamap.Erasure, types...), false
		findings, err := w.erase(t.Context(), walk, h)
		if err != nil {
			t.Fatalf("%s, %s: erase: %v", what, w.name, err)
		}
		got.erased, got.left = listed(source.Found{Findings: findings}), dump(t, w.pools)
		if err := w.looked(t.Context(), walk, h); err != nil {
			t.Fatalf("%s, %s: after an erasure: %v", what, w.name, err)
		}
		if i == 0 {
			first = got
			continue
		}
		if got != first {
			t.Fatalf("%s: expected %s to give what one database gives (-want +got):\n%s\nrows:\n%v\nseeds %v, restricted %t, fields %v, holds %+v", what, w.name, diff.Diff(first.String(), got.String()), rows, types, restricted, fields, h.Rows)
		}
	}
}

// outcome is all that came of one case.
type outcome struct{ found, given, erased, left string }

func (o outcome) String() string {
	return strings.Join([]string{o.found, o.given, o.erased, o.left}, "\n\n")
}

// listed is what was found, whichever source found it.
func listed(f source.Found) string {
	var lines []string
	for _, x := range f.Findings {
		x.Source = ""
		lines = append(lines, fmt.Sprintf("%+v", x))
	}
	slices.Sort(lines)
	slices.SortFunc(f.Roots, func(a, b source.Root) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Key, b.Key))
	})
	for _, x := range f.Roots {
		x.Source = ""
		lines = append(lines, fmt.Sprintf("%+v", x))
	}
	return fmt.Sprintf("%s\nreached %v", strings.Join(lines, "\n"), f.Reached)
}
