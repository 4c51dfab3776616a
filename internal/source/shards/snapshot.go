package shards

import (
	"context"
	"errors"

	"github.com/lethe-dsr/lethe/internal/source"
)

// Snapshot opens a view of each shard. Each is consistent in itself; between two
// of them, moments pass.
func (s *Source) Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error) {
	w, _, err := s.gather(ctx, w, source.Holds{})
	if err != nil {
		return nil, err
	}
	snap := &snapshot{s: s}
	snap.parts, err = ofEach(ctx, s, func(ctx context.Context, d Database) (source.Snapshot, error) { return d.Snapshot(ctx, w) })
	if err != nil {
		return nil, errors.Join(err, snap.Close(ctx))
	}
	return snap, nil
}

type snapshot struct {
	s     *Source
	parts []source.Snapshot
}

// Findings are the counts over all shards, in walk order.
func (n *snapshot) Findings() []source.Finding {
	var sum []source.Finding
	for _, p := range n.parts {
		sum = add(sum, p.Findings())
	}
	return sum
}

// Close ends all views.
func (n *snapshot) Close(ctx context.Context) error {
	var errs []error
	for i, p := range n.parts {
		if p == nil {
			continue
		}
		if err := p.Close(ctx); err != nil {
			errs = append(errs, &Error{n.s.parts[i].Name, err})
		}
	}
	return errors.Join(errs...)
}

// A stream is one shard's rows on their way into the merge.
type stream struct {
	rows chan source.Row
	head source.Row
	on   bool
	err  error // set before rows is closed
}

func (st *stream) next() {
	st.head, st.on = <-st.rows, false
	if st.head.Fields != nil {
		st.on = true
	}
}

// Rows merges the rows of all shards in the collection's order. One row of each
// shard is held here, whatever their number.
func (n *snapshot) Rows(ctx context.Context, collection string, yield func(source.Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	streams := make([]*stream, len(n.parts))
	done := make(chan struct{}, len(n.parts))
	for i, p := range n.parts {
		st := &stream{rows: make(chan source.Row)}
		streams[i] = st
		go func() {
			defer func() { close(st.rows); done <- struct{}{} }()
			st.err = p.Rows(ctx, collection, func(r source.Row) error {
				select {
				case st.rows <- r:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}()
	}
	err := merge(streams, yield)
	cancel()
	for range streams {
		<-done
	}
	if err != nil {
		return err
	}
	for i, st := range streams {
		if st.err != nil {
			return &Error{n.s.parts[i].Name, st.err}
		}
	}
	return nil
}

// merge yields the least head until all streams are dry, or one broke off: what
// would have come of it must not be passed over.
func merge(streams []*stream, yield func(source.Row) error) error {
	for _, st := range streams {
		if st.next(); !st.on && st.err != nil {
			return nil //nolint:nilerr // Rows tells
		}
	}
	for {
		var least *stream
		for _, st := range streams {
			if st.on && (least == nil || compareRanks(st.head.Rank, least.head.Rank) < 0) {
				least = st
			}
		}
		if least == nil {
			return nil
		}
		row := least.head
		row.Rank = nil
		if err := yield(row); err != nil {
			return err
		}
		if least.next(); !least.on && least.err != nil {
			return nil //nolint:nilerr // Rows tells
		}
	}
}
