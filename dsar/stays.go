package dsar

import (
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// theirs is a note in which shared rows count as the person's own where the map
// says `shared: erase`: an erasure takes them like these, and whoever asked is
// not to be told that they were left.
func theirs(plan *datamap.Plan, n source.Note) source.Note {
	n.Findings = ownedBy(plan, n.Findings)
	if n.Before != nil {
		before := theirs(plan, *n.Before)
		n.Before = &before
	}
	return n
}

func ownedBy(plan *datamap.Plan, findings []source.Finding) []source.Finding {
	out := slices.Clone(findings)
	for _, v := range plan.Visits {
		for i, f := range out {
			if v.Collection.SharedErase && f.Collection == v.Collection.FullName() {
				out[i].Rows, out[i].Shared = f.Rows+f.Shared, 0
			}
		}
	}
	return out
}

// staying counts, after an erasure, the rows that were to be deleted and stay as
// they are: one that must stay (kept, held or others') names them, and nothing in
// them was the person's, so that there was nothing to mask. Whoever asked has to
// be told of them, too (Art. 12(4)). In a collection that is only masked, rows
// without anything to mask are no such rows: nobody meant them to go.
func (s *Service) staying(plan *datamap.Plan, findings []source.Finding) {
	for _, v := range plan.Visits {
		if !v.Delete {
			continue
		}
		for i, f := range findings {
			if f.Collection == v.Collection.FullName() {
				findings[i].Stays = stays(f, slices.ContainsFunc(v.Collection.Keeps, func(k datamap.Keep) bool { return len(v.KeptTargets(k)) > 0 }))
			}
		}
	}
}

// stays is the rest of a collection's own rows: neither erased, held, kept nor missing
// (some kept ones are masked as well), nor masked.
func stays(f source.Finding, keptMasked bool) int64 {
	f.Masked, f.Stays = maskedBeside(f, keptMasked), 0
	return f.Rest()
}

// maskedBeside counts the masked rows that no law keeps, as far as the counts
// tell: where something is masked in kept rows, too (keptMasked), these may be among the masked.
func maskedBeside(f source.Finding, keptMasked bool) int64 {
	if keptMasked {
		return max(0, f.Masked-f.Kept)
	}
	return f.Masked
}
