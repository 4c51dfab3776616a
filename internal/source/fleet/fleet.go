// Package fleet walks over several stores as if they were one: the shards of a
// source, or sources whose data map has references from one to another.
//
// Each store walks by itself, in SQL, over its own rows. What it cannot know are
// rows elsewhere: so the stores tell each other values, by reference
// (source.Feed), in three exchanges, until nobody has anything new:
//
//  1. which values reached rows lead on with, until no store reaches more;
//  2. which of the reached rows' keys a row that nobody reached names: those
//     rows are shared;
//  3. with which values rows of the subject alone lead on, until no store has
//     more of them, and which values rows that an erasure leaves name.
//
// The result is what one database holding all rows would have settled by
// itself. It is given to every store alike: what a store told itself, told back
// to it, changes nothing. Open gather.go.
//
// Only linking values travel, through this process's memory; they are personal
// data like the rows they come from.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A Node is one store that takes part. internal/source/postgres is one, and
// internal/source/shards.
type Node interface {
	Trace(ctx context.Context, w source.Walk, h source.Holds) (source.Trace, error)
}

// A Member is a node by name: a source's, or a shard's.
type Member struct {
	Name string
	Node Node
}

// A MemberError says in which member an exchange failed.
type MemberError struct {
	Member string
	Err    error
}

func (e *MemberError) Error() string { return e.Member + ": " + e.Err.Error() }
func (e *MemberError) Unwrap() error { return e.Err }

// MaxValues bounds how many values one walk may exchange: they are held in
// memory, and stored encrypted with a request.
const MaxValues = 1_000_000

// TooMany is a walk whose stores have more to tell each other than MaxValues.
type TooMany struct{}

func (TooMany) Error() string {
	return fmt.Sprintf("the rows of this person are tied together by more than %d values that lie in different databases: keep the collections with the most rows in one database with what leads to them", MaxValues)
}

// Permanent tells callers not to try again.
func (TooMany) Permanent() bool { return true }

// Linked are the sources that must exchange values with the named one in a walk
// of the plan, in the plan's order, itself among them; nil when it stands alone.
func Linked(plan *datamap.Plan, name string) []string {
	var order []string
	near := map[string][]string{}
	note := func(s string) {
		if _, known := near[s]; !known {
			near[s] = nil
			order = append(order, s)
		}
	}
	for _, v := range plan.Visits {
		to := v.Collection.Dataset.Source
		note(to)
		for _, links := range [][]datamap.Link{v.Links, v.Referrers} {
			for _, l := range links {
				if from := l.From.Collection.Dataset.Source; from != to {
					note(from)
					near[from], near[to] = append(near[from], to), append(near[to], from)
				}
			}
		}
	}
	in := map[string]bool{name: true}
	for next := []string{name}; len(next) > 0; next = next[1:] {
		for _, other := range near[next[0]] {
			if !in[other] {
				in[other] = true
				next = append(next, other)
			}
		}
	}
	if len(in) == 1 {
		return nil
	}
	var linked []string
	for _, s := range order {
		if in[s] {
			linked = append(linked, s)
		}
	}
	return linked
}

// Leads tells whether any value leads to a collection of the source.
func Leads(plan *datamap.Plan, feeds []source.Feed, name string) bool {
	with := map[[2]string]bool{}
	for _, f := range feeds {
		with[[2]string{f.From, f.To}] = len(f.Values) > 0
	}
	for _, v := range plan.Visits {
		for _, l := range v.Links {
			from, to := l.Ends()
			if v.Collection.Dataset.Source == name && l.From.Collection.Dataset.Source != name && with[[2]string{from, to}] {
				return true
			}
		}
	}
	return false
}

// Each runs f for 0 … n-1 at once and waits for all. The first error that is
// not the echo of another one comes back; it stops the others.
func Each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, n)
	var first error
	var once sync.Once
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if errs[i] = f(ctx, i); errs[i] != nil {
				once.Do(func() { first = errs[i] })
				cancel()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return first
}
