package pg

import (
	"context"
	"sync"
)

// errands are what several members want of something else than the database,
// to be done by one call.
type errands struct {
	key    any
	ctx    context.Context
	all    []any
	do     func(ctx context.Context, all []any) []any
	asks   []*ask
	answer []any
}

type hostKey struct{}

// Gather asks something together with all other members that ask the same (by
// key) at this time: once nothing else is left to do, run is called for all of
// them, with a result for each. ok is false where the work belongs to no convoy,
// and run was not called.
func Gather[A, R any](ctx context.Context, key any, a A, run func(ctx context.Context, all []A) []R) (r R, ok bool) {
	c := member(ctx)
	if c == nil {
		return r, false
	}
	var e *errands
	n := 0
	w := &ask{}
	c.wait(w, func() {
		for _, known := range c.errands {
			if known.key == key {
				e = known
			}
		}
		if e == nil {
			e = &errands{key: key, ctx: ctx, do: func(ctx context.Context, values []any) []any {
				all := make([]A, len(values))
				for i, v := range values {
					all[i] = v.(A) //nolint:forcetypeassert // a key stands for one type
				}
				out := make([]any, len(values))
				for i, r := range run(ctx, all) {
					out[i] = r
				}
				return out
			}}
			c.errands = append(c.errands, e)
		}
		n = len(e.all)
		e.all, e.asks = append(e.all, a), append(e.asks, w)
	})
	if w.err != nil {
		panic(w.err) // as it would have been alone
	}
	return e.answer[n].(R), true //nolint:forcetypeassert // see do
}

func (e *errands) run(c *convoy) {
	defer func() {
		if r := recover(); r != nil {
			for _, a := range e.asks {
				a.err = Panicked(r)
			}
		}
		c.release(e.asks)
	}()
	e.answer = e.do(context.WithValue(context.WithValue(e.ctx, seatKey{}, nil), hostKey{}, c), e.all)
}

// Fan calls f for 0 to n-1 at the same time from within the run of a Gather, as
// members of its convoy.
func Fan(ctx context.Context, n int, f func(ctx context.Context, i int)) {
	c, _ := ctx.Value(hostKey{}).(*convoy)
	if c == nil {
		for i := range n {
			f(ctx, i)
		}
		return
	}
	c.mu.Lock()
	c.busy += n
	c.mu.Unlock()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer c.leave()
			f(c.seated(ctx), i)
		})
	}
	wg.Wait()
}
