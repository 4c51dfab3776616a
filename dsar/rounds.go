package dsar

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// rounds carry out what comes at the same time together: what comes while
// others are on their way makes up the next one. Who comes alone does not wait.
type rounds struct {
	mu   sync.Mutex
	on   int
	next []*rider
}

type rider struct {
	f    func(ctx context.Context) error
	err  error
	done chan struct{}
}

// roundsAtOnce may be on their way: while one waits for its commit, another works.
const roundsAtOnce = 2

// roundLimit bounds a round: it is nobody's request in particular, and goes on
// when one of those who ride leaves.
const roundLimit = time.Minute

// together calls f in the next round, as a member of a convoy.
func (s *Service) together(ctx context.Context, f func(ctx context.Context) error) error {
	r := &rider{f: f, done: make(chan struct{})}
	s.rounds.mu.Lock()
	s.rounds.next = append(s.rounds.next, r)
	first := s.rounds.on < roundsAtOnce
	if first {
		s.rounds.on++
	}
	s.rounds.mu.Unlock()
	if first {
		go s.ride(context.WithoutCancel(ctx))
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		s.rounds.leave(r)
		return ctx.Err() // as of a commit, nobody can say whether what was on its way was still carried out
	}
	if errors.Is(r.err, pg.ErrPanic) {
		panic(r.err)
	}
	return r.err
}

// leave takes back what no round has taken along yet: whoever gave up waiting, and
// asks again, must not be there twice.
func (r *rounds) leave(who *rider) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = slices.DeleteFunc(r.next, func(x *rider) bool { return x == who })
}

// ride carries out rounds until nobody waits any more.
func (s *Service) ride(ctx context.Context) {
	for {
		s.rounds.mu.Lock()
		n := min(len(s.rounds.next), manyAtOnce)
		now := s.rounds.next[:n:n]
		s.rounds.next = s.rounds.next[n:]
		if n == 0 {
			s.rounds.on--
			s.rounds.mu.Unlock()
			return
		}
		s.rounds.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, roundLimit)
		pg.Together(ctx, s.c.Pool, n, func(ctx context.Context, i int) error {
			defer close(now[i].done)
			defer func() {
				if p := recover(); p != nil {
					now[i].err = pg.Panicked(p)
				}
			}()
			now[i].err = now[i].f(ctx)
			return nil
		})
		cancel()
	}
}
