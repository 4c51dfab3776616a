package datamap

import "slices"

// Exactly is a plan for picked rows alone: what it does with the rows that seeds
// name (Row) it does as before, and it follows no reference from them. It serves
// rows that an erasure left for a time: all that they lead to was dealt with
// then, and what has come up since belongs to nobody's request. Nor are they
// shared by whoever names them: they were the person's, and would be left for ever.
func (p *Plan) Exactly() *Plan {
	q := *p
	q.Visits, q.Cyclic = nil, false
	for _, v := range p.Visits {
		if !slices.ContainsFunc(v.Seeds, func(s PlanSeed) bool { return s.Row }) {
			continue
		}
		only := *v
		only.Links, only.Referrers, only.Component = nil, nil, len(q.Visits)
		q.Visits = append(q.Visits, &only)
	}
	q.Digest += "/exactly"
	return &q
}
