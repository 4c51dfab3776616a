package dsar

import (
	"context"
	"errors"
	"reflect"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// What a source is asked takes its time: a convoy does not wait for one member's
// answer with what the others ask of the control database. A source that can be
// asked for many at once is, for all members that ask the same at this time; what
// it leaves open each member asks for itself. So the answers are those of one
// after the other.

// Many is a source that can be asked about many requests at once, and leaves
// open what it cannot answer in that way. internal/source/postgres is one.
type Many interface {
	// FindMany finds what Find finds for each; nil: ask Find.
	FindMany(ctx context.Context, walks []source.Walk) []*source.Found
	// EraseMany erases what Erase erases for each; nil: nothing was done, call
	// Erase. note is called before each commit with the numbers of the walks in it
	// and their notes; with a *source.Unnoted only those that it names fail.
	EraseMany(ctx context.Context, walks []source.Walk, h Holds, note func(ctx context.Context, of []int, notes []source.Note) error) []*source.Erased
	// GoneMany tells of which erasures Look is certain to find nothing.
	GoneMany(ctx context.Context, walks []source.Walk, h Holds, erased [][]source.RowKey) []bool
	// Unmentioned tells of whom SearchMentions is certain to find nothing.
	Unmentioned(ctx context.Context, all []source.Mentions) []bool
}

// asked is what members of a convoy ask of a source together.
type asked struct {
	what string
	of   Many
}

func find(ctx context.Context, src Source, w source.Walk) (found source.Found, err error) {
	if many, ok := src.(Many); ok {
		if found, _ := pg.Gather(ctx, asked{"find", many}, w, many.FindMany); found != nil {
			return *found, nil
		}
	}
	pg.Soon(ctx, func() { found, err = src.Find(ctx, w) })
	return found, err
}

// A looking is one second look.
type looking struct {
	w      source.Walk
	holds  Holds
	erased []source.RowKey
}

func look(ctx context.Context, src Source, w source.Walk, h Holds, erased []source.RowKey) (rest source.Remainder, err error) {
	if many, ok := src.(Many); ok {
		gone, together := pg.Gather(ctx, asked{"look", many}, looking{w, h, erased}, func(ctx context.Context, all []looking) []bool {
			gone := make([]bool, len(all))
			for _, of := range heldAlike(all, func(l looking) Holds { return l.holds }) {
				var walks []source.Walk
				var erased [][]source.RowKey
				for _, i := range of {
					walks, erased = append(walks, all[i].w), append(erased, all[i].erased)
				}
				for n, yes := range many.GoneMany(ctx, walks, all[of[0]].holds, erased) {
					gone[of[n]] = yes
				}
			}
			return gone
		})
		if together && gone {
			return source.Remainder{}, nil
		}
	}
	pg.Soon(ctx, func() { rest, err = src.Look(ctx, w, h, erased) })
	return rest, err
}

// heldAlike sorts what is asked by the holds under which it is.
func heldAlike[A any](all []A, holds func(A) Holds) (groups [][]int) {
next:
	for i, a := range all {
		for n, g := range groups {
			if reflect.DeepEqual(holds(all[g[0]]), holds(a)) {
				groups[n] = append(groups[n], i)
				continue next
			}
		}
		groups = append(groups, []int{i})
	}
	return groups
}

// An erasing is one erasure, with its own note.
type erasing struct {
	w     source.Walk
	holds Holds
	note  func(context.Context, source.Note) error
}

func eraseIn(ctx context.Context, src Source, w source.Walk, h Holds, note func(context.Context, source.Note) error) (done source.Note, err error) {
	if many, ok := src.(Many); ok {
		erased, _ := pg.Gather(ctx, asked{"erase", many}, erasing{w, h, note}, func(ctx context.Context, all []erasing) []*source.Erased {
			done := make([]*source.Erased, len(all))
			for _, of := range heldAlike(all, func(e erasing) Holds { return e.holds }) {
				for n, e := range eraseMany(ctx, many, all, of) {
					done[of[n]] = e
				}
			}
			return done
		})
		switch {
		case erased == nil:
		case errors.Is(erased.Err, pg.ErrPanic):
			panic(erased.Err) // as it would have been alone
		default:
			return erased.Note, erased.Err
		}
	}
	pg.Soon(ctx, func() { done, err = src.Erase(ctx, w, h, note) })
	return done, err
}

// eraseMany erases for members with the same holds. Each writes its own note,
// all of them at the same time, before the source commits.
func eraseMany(ctx context.Context, many Many, all []erasing, of []int) []*source.Erased {
	walks := make([]source.Walk, len(of))
	for n, i := range of {
		walks[n] = all[i].w
	}
	return many.EraseMany(ctx, walks, all[of[0]].holds, func(ctx context.Context, in []int, notes []source.Note) error {
		errs := make([]error, len(in))
		pg.Fan(ctx, len(in), func(ctx context.Context, n int) {
			defer func() {
				if r := recover(); r != nil {
					errs[n] = pg.Panicked(r)
				}
			}()
			errs[n] = all[of[in[n]]].note(ctx, notes[n])
		})
		why := map[int]error{}
		for n, err := range errs {
			if err != nil {
				why[in[n]] = err
			}
		}
		if len(why) > 0 {
			return &source.Unnoted{Why: why}
		}
		return nil
	})
}

// unmentioned tells whether it is certain that a person stands in no text of a
// column. Most do not: it is asked before anything else is.
func unmentioned(ctx context.Context, src MentionSource, m source.Mentions) (nowhere bool) {
	many, ok := src.(Many)
	if !ok {
		return false
	}
	nowhere, together := pg.Gather(ctx, asked{"mentions", many}, m, many.Unmentioned)
	if !together {
		pg.Soon(ctx, func() { nowhere = many.Unmentioned(ctx, []source.Mentions{m})[0] })
	}
	return nowhere
}
