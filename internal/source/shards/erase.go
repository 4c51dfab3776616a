package shards

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Erase erases in every shard at once, each in a transaction of its own. They
// commit one after another, each with its note before it, so that at any moment
// the outcome of at most one transaction is in doubt: the note names it
// ("shard:xid"), with what it will have done, and in Before what the ones that
// are known to have committed did. A process killed between two shards asks for
// the one outcome, and erases again what is left: the feeds stand in the note,
// because the rows that led from one shard to another may be gone.
//
// A shard that fails leaves the others done: the error names it. A value that
// strangers share stops all of them beforehand.
func (s *Source) Erase(ctx context.Context, w source.Walk, h source.Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	w, h, err := s.toErase(ctx, w, h)
	if err != nil {
		return source.Note{}, err
	}
	e := &erasing{feeds: w.Feeds, note: note}
	errs := make([]error, len(s.parts))
	// A shard that is down must not keep the others from being done.
	_ = fleet.Each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		errs[i] = s.turn(ctx, i, func() error { return e.part(ctx, s.parts[i], w, h) })
		return nil
	})
	if e.refused != nil { // ours to answer for, not a shard's
		return source.Note{}, e.refused
	}
	if e.doubt != nil { // before those that gave way to it
		return source.Note{}, e.doubt
	}
	for _, err := range errs {
		if err != nil {
			return source.Note{}, err
		}
	}
	e.sum.Feeds = w.Feeds
	return e.sum, nil
}

// toErase gathers for an erasure, and stops it before any shard is touched.
func (s *Source) toErase(ctx context.Context, w source.Walk, h source.Holds) (source.Walk, source.Holds, error) {
	w, h, err := s.gather(ctx, w, h)
	if err != nil {
		return w, h, err
	}
	if _, links := s.braked(w); len(links) > 0 {
		return w, h, &postgres.Braked{Source: s.name, Limit: s.overShared, Links: links}
	}
	return w, h, nil
}

// erasing is one erasure over all shards.
type erasing struct {
	feeds []source.Feed
	note  func(context.Context, source.Note) error

	commits sync.Mutex  // held from a note to the end of its commit
	sum     source.Note // of all that has committed
	refused error       // what note said
	doubt   error       // a shard failed after its note: nobody knows its outcome
}

// part erases in one shard. What changed nothing there needs no note.
func (e *erasing) part(ctx context.Context, p Part, w source.Walk, h source.Holds) error {
	committing, noted := false, false
	defer func() {
		if committing {
			e.commits.Unlock()
		}
	}()
	done, err := p.Database.Erase(ctx, w, h, func(ctx context.Context, n source.Note) error {
		if changed(n.Findings) == 0 {
			return nil
		}
		if !committing { // a transaction that was restarted notes again
			e.commits.Lock()
			committing = true
		}
		if e.refused != nil || e.doubt != nil {
			return errors.Join(e.refused, e.doubt)
		}
		n.XID, n.Feeds = p.ID+":"+n.XID, e.feeds
		if changed(e.sum.Findings) > 0 {
			before := e.sum
			n.Before = &before
		}
		e.refused = e.note(ctx, n)
		noted = e.refused == nil
		return e.refused
	})
	if err != nil {
		if noted {
			e.doubt = &Error{p.Name, err}
		}
		return err
	}
	if !committing {
		e.commits.Lock()
		committing = true
	}
	e.sum.Findings = add(e.sum.Findings, done.Findings)
	if done.XID != "" {
		e.sum.XID = p.ID + ":" + strings.TrimPrefix(done.XID, p.ID+":")
	}
	e.sum.Keys = append(slices.Clip(e.sum.Keys), done.Keys...)
	e.sum.Objects = append(slices.Clip(e.sum.Objects), done.Objects...)
	e.sum.Kept = append(slices.Clip(e.sum.Kept), done.Kept...)
	return nil
}

// DryRun tells what Erase would do, all shards together.
func (s *Source) DryRun(ctx context.Context, w source.Walk, h source.Holds) ([]source.Finding, error) {
	w, h, err := s.toErase(ctx, w, h)
	if err != nil {
		return nil, err
	}
	would, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]source.Finding, error) { return d.DryRun(ctx, w, h) })
	if err != nil {
		return nil, err
	}
	var sum []source.Finding
	for _, w := range would {
		sum = add(sum, w)
	}
	return sum, nil
}

func changed(findings []source.Finding) (n int64) {
	for _, f := range findings {
		n += f.Erased + f.Masked
	}
	return n
}

// Outcome asks the shard that the transaction ran in. One that has gone from
// the configuration knows nothing: what it holds is nobody's any more.
func (s *Source) Outcome(ctx context.Context, xid string) (outcome source.Outcome, err error) {
	id, number, ok := strings.Cut(xid, ":")
	i := slices.IndexFunc(s.parts, func(p Part) bool { return p.ID == id })
	if !ok || i < 0 {
		return source.Unknown, nil
	}
	err = s.turn(ctx, i, func() error {
		outcome, err = s.parts[i].Database.Outcome(ctx, number)
		return err
	})
	return outcome, err
}

// Look looks again in all shards, with the feeds that the erasure noted.
func (s *Source) Look(ctx context.Context, w source.Walk, h source.Holds, erased []source.RowKey) (source.Remainder, error) {
	w, h, err := s.gather(ctx, w, h)
	if err != nil {
		return source.Remainder{}, err
	}
	lefts, err := ofEach(ctx, s, func(ctx context.Context, d Database) (source.Remainder, error) { return d.Look(ctx, w, h, erased) })
	if err != nil {
		return source.Remainder{}, err
	}
	var sum source.Remainder
	for _, l := range lefts {
		sum.Findings = add(sum.Findings, l.Findings)
		sum.Roots = append(sum.Roots, l.Roots...)
	}
	if err := s.distinct(sum.Roots); err != nil {
		return source.Remainder{}, err
	}
	sum.Roots = inOrder(sum.Roots)
	return sum, nil
}
