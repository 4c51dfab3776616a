package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
)

// What is drawn must be worth the trial: each thing that an erasure can meet is
// met in a good share of the cases, by the reference's own word.
func TestRandomSchemesAreWorthTheirWhile(t *testing.T) {
	t.Parallel()
	met := map[string]int{}
	const schemes = 100
	for seed := range uint64(schemes) {
		d := draw(seed + 1)
		s := d.scheme(fmt.Sprintf("S %d", seed+1))
		x, err := newTrial(s, d)
		if err != nil {
			t.Fatalf("LETHE_SEED=%d: expected the map to be right: %v\n%s", seed+1, err, s.yaml())
		}
		for n := range casesPerScheme {
			d := draw(seed+1, uint64(n))
			c := d.contents(s)
			q := d.demand(s, c, x.types)
			v := view{s: s, c: c, w: q.walk, trail: s.trail(x.types)}
			var by []view
			for _, w := range q.by {
				by = append(by, view{s: s, c: c, w: w, trail: v.trail})
			}
			a := v.erase(x.erasure, q.holds, by)
			sum := source.Finding{}
			for _, f := range a.findings {
				sum.Rows += min(f.Rows, 1)
				sum.Shared += min(f.Shared, 1)
				sum.Held += f.Held
				sum.Kept += f.Kept
				sum.Erased += f.Erased
				sum.Masked += f.Masked
			}
			kept := false
			for at := range a.mine {
				kept = kept || s.tables[at.t].loses(x.erasure) && !a.held[at] && slices.ContainsFunc(a.after[at.t], func(r record) bool { return s.tables[at.t].key(r) == s.tables[at.t].key(c[at.t][at.j]) })
			}
			for what, yes := range map[string]bool{
				"found": sum.Rows > 0, "found in several collections": sum.Rows > 1, "shared": sum.Shared > 0, "held": sum.Held > 0, "erased": sum.Erased > 0,
				"masked": sum.Masked > 0, "stopped": len(a.beyond) > 0, "masked instead of deleted": kept && len(a.beyond) == 0,
				"a circle": x.plan.Cyclic, "restricted": q.walk.Restricted && len(a.all) > 0,
				"kept by a law": sum.Kept > 0, "narrowed": len(q.walk.Fields) > 0 && len(a.all) > 0,
			} {
				if yes {
					met[what]++
				}
			}
		}
	}
	for what, least := range map[string]int{
		"found": 50, "found in several collections": 25, "shared": 25, "held": 5, "erased": 20, "masked": 25, "stopped": 3,
		"masked instead of deleted": 5, "a circle": 15, "restricted": 5,
		"kept by a law": 5, "narrowed": 3,
	} {
		share := met[what] * 100 / (schemes * casesPerScheme)
		t.Logf("%s: %d of 100 cases", what, share)
		if share < least {
			t.Errorf("expected %s in at least %d of 100 cases, got %d", what, least, share)
		}
	}
}
