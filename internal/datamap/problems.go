package datamap

import (
	"cmp"
	"fmt"
	"slices"
)

// maxProblems bounds what one Parse reports: beyond it nobody reads on, and a
// hostile file could ask for a million of them.
const maxProblems = 500

// problems collects what is wrong, in any order.
type problems struct {
	list    []Problem
	dropped int
	guesses int // suggestions made so far, see nearest
	shapes  map[Pos]bool
}

func (p *problems) fail(pos Pos, format string, args ...any) {
	if !p.shapes[pos] {
		p.add(Problem{Pos: pos, Message: fmt.Sprintf(format, args...)})
	}
}

// misshapen is fail for a value of the wrong shape: text where a list is wanted.
// What is wrong with it beyond that follows from it, and is not told.
func (p *problems) misshapen(pos Pos, format string, args ...any) {
	p.fail(pos, format, args...)
	if p.shapes == nil {
		p.shapes = make(map[Pos]bool)
	}
	p.shapes[pos] = true
}

func (p *problems) warn(pos Pos, format string, args ...any) {
	p.add(Problem{Pos: pos, Warning: true, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) add(one Problem) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, one)
		return
	}
	// Room for an error is made by forgetting a warning: a map whose errors
	// were all crowded out would look usable.
	if !one.Warning {
		if i := slices.IndexFunc(p.list, func(q Problem) bool { return q.Warning }); i >= 0 {
			p.list[i] = one
		}
	}
	p.dropped++
}

// sorted returns the problems by file (in the order given), line and column.
func (p *problems) sorted(files []File) []Problem {
	order := make(map[string]int, len(files))
	for i, f := range files {
		if _, seen := order[f.Name]; !seen {
			order[f.Name] = i
		}
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(order[a.Pos.File], order[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
		)
	})
	if p.dropped > 0 && len(p.list) > 0 {
		last := p.list[len(p.list)-1].Pos
		p.list = append(p.list, Problem{Pos: last, Warning: true, Message: fmt.Sprintf("and %d more problems", p.dropped)})
	}
	return p.list
}

// Failed tells whether a map with these problems must not be used: one of them
// is more than a warning.
func Failed(list []Problem) bool {
	return slices.ContainsFunc(list, func(p Problem) bool { return !p.Warning })
}
