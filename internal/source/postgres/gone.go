package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

const (
	// goneKeys bounds how many erased rows one look at many erasures starts from.
	goneKeys = 20_000
	// goneLeast: fewer erasures than these, of which one left something, are
	// looked at one by one.
	goneLeast = 8
)

// GoneMany tells of which of many erasures Look is certain to find nothing, rows
// or roots. Of the others nothing is said. Those that are alike
// are looked at as if they were one erasure: whoever walks from all seeds and all
// erased rows reaches at least what each walk reaches, and takes no more of it for
// shared. So where that one leaves nothing, none does; erased holds the keys of
// each walk's own erasure.
func (s *Source) GoneMany(ctx context.Context, walks []source.Walk, h source.Holds, erased [][]source.RowKey) []bool {
	gone := make([]bool, len(walks))
	groups, _ := s.alike(walks)
	for _, group := range groups {
		for _, of := range portions(group, erased) {
			s.goneOf(ctx, walks, h, erased, of, gone)
		}
	}
	return gone
}

// portions parts a group so that none starts from too many erased rows.
func portions(group []int, erased [][]source.RowKey) (all [][]int) {
	keys := 0
	for n, i := range group {
		if keys += len(erased[i]); n == 0 || keys > goneKeys {
			all, keys = append(all, nil), len(erased[i])
		}
		all[len(all)-1] = append(all[len(all)-1], i)
	}
	return all
}

// goneOf looks at some walks, and where they left anything at all at each half.
func (s *Source) goneOf(ctx context.Context, walks []source.Walk, h source.Holds, erased [][]source.RowKey, of []int, gone []bool) {
	if len(of) < 2 || ctx.Err() != nil {
		return
	}
	each := make([]source.Walk, len(of))
	var keys []source.RowKey
	for n, i := range of {
		each[n] = walks[i]
		keys = append(keys, erased[i]...)
	}
	some, err := s.leave(ctx, each, h, keys)
	switch {
	case err == nil && !some:
		for _, i := range of {
			gone[i] = true
		}
	case len(of) >= goneLeast && (err == nil || errors.Is(err, errBig)): // of another error each look tells
		s.goneOf(ctx, walks, h, erased, of[:len(of)/2], gone)
		s.goneOf(ctx, walks, h, erased, of[len(of)/2:], gone)
	}
}

// leave tells whether erasures left anything at all: a row that the policy
// targets, or one that a seed matches and its walk does not list. All is seen in
// one snapshot: a row which one walk must leave alone hides what lies behind it
// from the others, so it must not be missed there.
func (s *Source) leave(ctx context.Context, walks []source.Walk, h source.Holds, erased []source.RowKey) (some bool, err error) {
	u := walks[0]
	u.Seeds, u.Roots = nil, nil
	for _, w := range walks {
		u.Seeds, u.Roots = append(u.Seeds, w.Seeds...), append(u.Roots, w.Roots...)
	}
	some = true
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, u, h)
		if err != nil {
			return err
		}
		if !c.p.unites() || c.staged() {
			return errNotTogether
		}
		for _, w := range walks {
			c.r.batch = append(c.r.batch, newRun(w, 0))
		}
		c.v.again, c.v.united = true, true
		c.r.erased = byCollection(erased)
		v := c.v
		v.held = v.held || len(c.holdings) > 0
		var res *result
		nothing := false
		err = c.atOnce(ctx, conn, reading, c.p.chain(toLook, v), func(row pgx.Row) (err error) {
			res, err = scan(row, c.r)
			return err
		}, func() error {
			if res.big {
				return errBig
			}
			for _, at := range c.p.stops {
				if n := res.counts[at.i*tallied:]; n[deleted]+n[masked] > 0 {
					return nil
				}
			}
			if nothing = !u.Restricted; nothing {
				return nil // every row that a seed matches is ticked
			}
			roots, err := c.rootsOfMany(ctx, conn, variant{})
			nothing = err == nil && allListed(walks, roots)
			return err
		})
		some = err != nil || !nothing
		return err
	})
	return some, err
}

// allListed tells whether each walk lists all rows that its seeds matched.
func allListed(walks []source.Walk, roots [][]source.Root) bool {
	for n, w := range walks {
		listed := listing(w)
		for _, r := range roots[n] {
			if !listed[r.RowKey] {
				return false
			}
		}
	}
	return true
}

// unites tells whether a look at many erasures as if they were one leaves out
// nothing that a look at one of them finds. What is reached only grows, and what is
// shared only shrinks, with more seeds. Not so where shared rows are erased, too
// (a row that only another walk reaches, and leaves, would keep the row that it
// names), nor where a foreign key takes rows of the map along (see keptBy); and
// what of an array or a document is whose is not asked here.
func (p *program) unites() bool {
	return remember(p, unitesKey{}, func() bool {
		return p.plan.Kind == datamap.Erasure && p.plain() && !slices.ContainsFunc(p.stops, func(s *stop) bool {
			return s.c.SharedErase ||
				slices.ContainsFunc(s.t.children, func(k fkey) bool { return s.visit.Delete && k.takes() && len(p.on(k.child)) > 0 }) ||
				slices.ContainsFunc(slices.Concat(s.masks(), s.keepMasks()), func(m mask) bool {
					return m.bits > 0 || !m.whole()
				})
		})
	})
}
