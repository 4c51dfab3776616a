package shards

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// tracer is a shard as a member of the fleet, in its turn.
type tracer struct {
	s *Source
	i int
}

func (t tracer) Trace(ctx context.Context, w source.Walk, h source.Holds) (trace source.Trace, err error) {
	err = t.s.turn(ctx, t.i, func() error {
		trace, err = t.s.parts[t.i].Database.Trace(ctx, w, h)
		return err
	})
	return trace, err
}

func (s *Source) members() []fleet.Member {
	members := make([]fleet.Member, len(s.parts))
	for i, p := range s.parts {
		members[i] = fleet.Member{Name: p.Name, Node: tracer{s, i}}
	}
	return members
}

// gather tells a walk, and the walks that hold rows, what rows in other shards
// have to say of them.
func (s *Source) gather(ctx context.Context, w source.Walk, h source.Holds) (source.Walk, source.Holds, error) {
	var err error
	if h.Walks, err = fleet.Feed(ctx, s.members(), h.Walks); err != nil {
		return w, h, own(err)
	}
	w.Feeds, err = fleet.Gather(ctx, s.members(), w, h)
	return w, h, own(err)
}

// own takes off what fleet wraps around an error that names the shard already.
func own(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return err
}

// Trace answers for all shards to sources beyond: what it is told of them comes
// in the walk's feeds.
func (s *Source) Trace(ctx context.Context, w source.Walk, h source.Holds) (source.Trace, error) {
	asked := w.Feeds
	w, h, err := s.gather(ctx, w, h)
	if err != nil {
		return source.Trace{}, err
	}
	w.Feeds = withKeys(w.Feeds, asked)
	traces, err := ofEach(ctx, s, func(ctx context.Context, d Database) (source.Trace, error) { return d.Trace(ctx, w, h) })
	if err != nil {
		return source.Trace{}, err
	}
	sum := source.Trace{}
	at := map[[2]string]int{}
	for _, t := range traces {
		sum.Rows += t.Rows
		for _, f := range t.Feeds {
			pair := [2]string{f.From, f.To}
			i, seen := at[pair]
			if !seen {
				i = len(sum.Feeds)
				at[pair] = i
				sum.Feeds = append(sum.Feeds, source.Feed{From: f.From, To: f.To})
			}
			g := &sum.Feeds[i]
			g.Values, g.Mine, g.Keys = append(g.Values, f.Values...), append(g.Mine, f.Mine...), append(g.Keys, f.Keys...)
			g.Others, g.Stays, g.Crowded = append(g.Others, f.Others...), append(g.Stays, f.Stays...), append(g.Crowded, f.Crowded...)
			g.Spared = append(g.Spared, f.Spared...)
		}
	}
	return sum, nil
}

// withKeys puts the keys that were asked about back into feeds.
func withKeys(feeds, asked []source.Feed) []source.Feed {
	for _, a := range asked {
		if len(a.Keys) == 0 {
			continue
		}
		i := slices.IndexFunc(feeds, func(f source.Feed) bool { return f.From == a.From && f.To == a.To })
		if i < 0 {
			feeds = append(feeds, source.Feed{From: a.From, To: a.To})
			i = len(feeds) - 1
		}
		feeds[i].Keys = a.Keys
	}
	return feeds
}

// Find counts what a walk reaches in all shards and lists the rows that seeds matched.
func (s *Source) Find(ctx context.Context, w source.Walk) (source.Found, error) {
	w, _, err := s.gather(ctx, w, source.Holds{})
	if err != nil {
		return source.Found{}, err
	}
	founds, err := ofEach(ctx, s, func(ctx context.Context, d Database) (source.Found, error) { return d.Find(ctx, w) })
	if err != nil {
		return source.Found{}, err
	}
	var sum source.Found
	for _, f := range founds {
		sum.Findings = add(sum.Findings, f.Findings)
		sum.Roots = append(sum.Roots, f.Roots...)
		sum.Reached = append(sum.Reached, f.Reached...)
	}
	if err := s.distinct(sum.Roots); err != nil {
		return source.Found{}, err
	}
	sum.Roots = inOrder(sum.Roots)
	slices.Sort(sum.Reached)
	sum.Reached = slices.Compact(sum.Reached)
	sum.Reached = sum.Reached[:min(len(sum.Reached), maxReached)]
	sum.Braked, _ = s.braked(w)
	return sum, nil
}

const maxReached = 10 // of source.Found.Reached

// KeyTwice is a key that two shards use for different rows: no reference may be
// followed between them, and trying again cannot mend it.
type KeyTwice struct{ Source, Collection string }

func (e *KeyTwice) Error() string {
	return fmt.Sprintf("two shards of the source %s have a row of %s with the same key, so Lethe cannot tell whose rows belong to it: keys must be unique over all shards. Make them so, or name each shard as a source of its own, with a dataset of its own", e.Source, e.Collection)
}

// Permanent tells callers not to try again.
func (e *KeyTwice) Permanent() bool { return true }

func (s *Source) distinct(roots []source.Root) error {
	seen := map[source.RowKey]bool{}
	for _, r := range roots {
		if seen[r.RowKey] {
			return &KeyTwice{s.name, r.Collection}
		}
		seen[r.RowKey] = true
	}
	return nil
}

func inOrder(roots []source.Root) []source.Root {
	slices.SortStableFunc(roots, func(a, b source.Root) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Key, b.Key))
	})
	return roots[:min(len(roots), source.MaxRoots)]
}

// add sums findings by collection; all shards list them in walk order.
func add(sum, more []source.Finding) []source.Finding {
	sum = slices.Clone(sum)
	for _, f := range more {
		i := slices.IndexFunc(sum, func(g source.Finding) bool { return g.Collection == f.Collection })
		if i < 0 {
			sum = append(sum, f)
			continue
		}
		g := &sum[i]
		g.Rows, g.Shared, g.Held, g.Kept = g.Rows+f.Rows, g.Shared+f.Shared, g.Held+f.Held, g.Kept+f.Kept
		g.Erased, g.Masked, g.Stays = g.Erased+f.Erased, g.Masked+f.Masked, g.Stays+f.Stays
	}
	return sum
}
