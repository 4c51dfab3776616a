package postgres

import (
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// alike sorts walks into groups that one statement can carry: of one plan, one
// controller and one day. apart are those that bring something of their own.
func (s *Source) alike(walks []source.Walk) (groups [][]int, apart []int) {
	type kind struct {
		plan       *datamap.Plan
		scope      string
		restricted bool
		today      time.Time
	}
	at := map[kind]int{}
	for i, w := range walks {
		if len(w.Fields) > 0 || len(w.Feeds) > 0 || len(w.KeyedBy) > 0 || s.o.StagedAbove < 0 {
			apart = append(apart, i)
			continue
		}
		k := kind{w.Plan, w.Scope, w.Restricted, w.Today.UTC()}
		n, known := at[k]
		if !known || len(groups[n]) == BatchMost {
			n = len(groups)
			at[k] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups, apart
}
