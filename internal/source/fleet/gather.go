package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/lethe-dsr/lethe/internal/source"
)

// Gather settles what the members have to tell each other of a walk. What the
// walk was told already (Walk.Feeds) is kept: it comes from stores beyond these,
// or from rows that have gone since. The caller's walk is not changed.
func Gather(ctx context.Context, members []Member, w source.Walk, h source.Holds) ([]source.Feed, error) {
	g := &gathering{members: members, walk: w, holds: h, base: Sum(w.Feeds), crowded: told{}}
	g.crowded.add(g.base, crowded)
	for {
		err := g.gather(ctx)
		if errors.Is(err, errCrowded) {
			continue // without what led on by these values
		}
		if err != nil {
			return nil, err
		}
		return g.all(-1, values, mine, others, stays, spared).feeds(), nil
	}
}

// gather is the three exchanges, from the start.
func (g *gathering) gather(ctx context.Context) error {
	g.heard, g.asked, g.settled = make([]told, len(g.members)), make([]told, len(g.members)), false
	if err := g.settle(ctx); err != nil {
		return err
	}
	if err := g.others(ctx); err != nil {
		return err
	}
	g.settled = true
	return g.settle(ctx)
}

// Feed gathers the feeds of the walks that hold rows, and puts them in.
func Feed(ctx context.Context, members []Member, walks []source.Walk) ([]source.Walk, error) {
	fed := slices.Clone(walks)
	for i, w := range fed {
		feeds, err := Gather(ctx, members, w, source.Holds{})
		if err != nil {
			return nil, err
		}
		fed[i].Feeds = feeds
	}
	return fed, nil
}

// A kind is one of the lists of a feed, in the order of source.Feed.Lists.
type kind int

const (
	values kind = iota
	mine
	keys
	others
	stays
	crowded
	spared
	kinds
)

func (k kind) of(f *source.Feed) *[]string {
	return f.Lists()[k]
}

type pair [2]string

// told is what is known of references, by both ends.
type told map[pair]*[kinds]map[string]bool

func (t told) add(feeds []source.Feed, which ...kind) {
	for i := range feeds {
		f := &feeds[i]
		sets := t[pair{f.From, f.To}]
		if sets == nil {
			sets = &[kinds]map[string]bool{}
			t[pair{f.From, f.To}] = sets
		}
		for _, k := range which {
			for _, v := range *k.of(f) {
				if sets[k] == nil {
					sets[k] = map[string]bool{}
				}
				sets[k][v] = true
			}
		}
	}
}

func (t told) join(from told, which ...kind) {
	for p, sets := range from {
		for _, k := range which {
			if len(sets[k]) == 0 {
				continue
			}
			if t[p] == nil {
				t[p] = &[kinds]map[string]bool{}
			}
			if t[p][k] == nil {
				t[p][k] = map[string]bool{}
			}
			maps.Copy(t[p][k], sets[k])
		}
	}
}

// brake takes out what leads on by values that are crowded.
func (t told) brake(by told) {
	for p, sets := range by {
		if t[p] == nil {
			continue
		}
		for v := range sets[crowded] {
			delete(t[p][values], v)
			delete(t[p][mine], v)
		}
	}
}

func (t told) equal(u told) bool {
	return t.within(u) && u.within(t)
}

func (t told) within(u told) bool {
	for p, sets := range t {
		for k, set := range sets {
			if len(set) > 0 && (u[p] == nil || !maps.Equal(set, u[p][k])) {
				return false
			}
		}
	}
	return true
}

func (t told) has(k kind) bool {
	for _, sets := range t {
		if len(sets[k]) > 0 {
			return true
		}
	}
	return false
}

func (t told) size() (n int) {
	for _, sets := range t {
		for _, set := range sets {
			n += len(set)
		}
	}
	return n
}

// feeds are sorted, so that the same rows give the same feeds.
func (t told) feeds() []source.Feed {
	var out []source.Feed
	for p, sets := range t {
		f := source.Feed{From: p[0], To: p[1]}
		some := false
		for k := range kinds {
			if len(sets[k]) > 0 {
				*k.of(&f), some = slices.Sorted(maps.Keys(sets[k])), true
			}
		}
		if some {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b source.Feed) int {
		return slices.Compare([]string{a.From, a.To}, []string{b.From, b.To})
	})
	return out
}

// Sum joins feeds: of two that tell of one reference, what either says.
func Sum(lists ...[]source.Feed) []source.Feed {
	sum := told{}
	for _, feeds := range lists {
		sum.add(feeds, values, mine, others, stays, crowded, spared)
	}
	sum.brake(sum)
	return sum.feeds()
}

// gathering is one walk over all members.
type gathering struct {
	members []Member
	walk    source.Walk
	holds   source.Holds
	base    []source.Feed
	heard   []told // what each member answered last
	asked   []told // what it was told for that; nil: nothing asked yet
	settled bool   // what is reached and shared is settled
	crowded told   // all that any member has found crowded; it only grows
}

// all joins the base and what the members other than one said.
func (g *gathering) all(but int, which ...kind) told {
	sum := told{}
	sum.add(g.base, which...)
	for i, t := range g.heard {
		if i != but {
			sum.join(t, which...)
		}
	}
	sum.join(g.crowded, crowded)
	sum.brake(g.crowded)
	return sum
}

// errCrowded begins the exchanges anew: what was said rests on values that, as
// has turned out since, lead nowhere.
var errCrowded = errors.New("a value is crowded")

// crowds takes in what members found crowded, and tells whether any of it is new.
func (g *gathering) crowds() bool {
	before := g.crowded.size()
	for _, t := range g.heard {
		g.crowded.join(t, crowded)
	}
	return g.crowded.size() > before
}

// settle asks the members until none has more of a kind to tell. A member whose
// part in it has not changed is not asked again.
func (g *gathering) settle(ctx context.Context) error {
	which := []kind{values}
	said := make([]told, len(g.members)) // of mine, in this exchange
	if g.settled {
		which = []kind{values, mine, others, spared}
		// What was said of the subject's own before it was known what is shared
		// was said too early.
		for i := range g.heard {
			said[i] = told{}
			said[i].join(g.heard[i], mine)
			for _, sets := range g.heard[i] {
				sets[mine] = nil
			}
		}
	}
	for {
		next := make([]told, len(g.members))
		var again []int
		for i := range g.members {
			next[i] = g.all(i, which...)
			if g.asked[i] == nil || !g.asked[i].equal(next[i]) {
				again = append(again, i)
			} else if said[i] != nil { // it would answer what it did
				g.heard[i].join(said[i], mine)
			}
			said[i] = nil
		}
		if len(again) == 0 {
			for i := range next { // a member's word may have changed what others are told
				if !g.asked[i].equal(g.all(i, which...)) {
					again = append(again, i)
				}
			}
			if len(again) == 0 {
				return nil
			}
			continue
		}
		if err := g.ask(ctx, again, next, values, mine, keys, stays, crowded, spared); err != nil {
			return err
		}
		if g.crowds() {
			return errCrowded
		}
		if g.all(-1, values, mine, keys, others, stays, spared).size() > MaxValues {
			return TooMany{}
		}
	}
}

// others asks each member which keys that rows elsewhere go by are named by a
// row of its own that nobody reached.
func (g *gathering) others(ctx context.Context) error {
	next := make([]told, len(g.members))
	var asked []int
	for i := range g.members {
		ask := g.all(i, keys)
		if ask.has(keys) {
			next[i] = g.all(i, values)
			next[i].join(ask, keys)
			asked = append(asked, i)
		}
	}
	before := slices.Clone(g.asked)
	if err := g.ask(ctx, asked, next, others); err != nil {
		return err
	}
	g.asked = before // but for the question, they were told no more than before
	return nil
}

// ask traces the walk in some members at once, and keeps of the answers what is wanted.
func (g *gathering) ask(ctx context.Context, which []int, next []told, wanted ...kind) error {
	return Each(ctx, len(which), func(ctx context.Context, n int) error {
		i := which[n]
		w := g.walk
		w.Feeds = next[i].feeds()
		trace, err := g.members[i].Node.Trace(ctx, w, g.holds)
		if err != nil {
			return &MemberError{g.members[i].Name, err}
		}
		if g.heard[i] == nil {
			g.heard[i] = told{}
		}
		for _, sets := range g.heard[i] {
			for _, k := range wanted {
				sets[k] = nil
			}
		}
		g.heard[i].add(trace.Feeds, wanted...)
		g.asked[i] = next[i]
		return nil
	})
}
