package dsar

import (
	"context"
	"fmt"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// manyAtOnce is how many requests are taken in, or approved, in one transaction:
// their rows are locked until it ends.
const manyAtOnce = 100

// SubmitMany takes many requests in, each as Submit does. The results and errors
// stand in the order of the submissions; one that is refused stops none of the rest.
func (s *Service) SubmitMany(ctx context.Context, a Actor, subs []Submission) ([]Submitted, []error) {
	out := make([]Submitted, len(subs))
	return out, s.many(ctx, len(subs), func(ctx context.Context, i int) (err error) {
		out[i], err = s.Submit(ctx, a, subs[i])
		return err
	})
}

// ApproveMany approves many requests, each as Approve does with its rows as the
// discovery left them. The errors stand in the order of the numbers.
func (s *Service) ApproveMany(ctx context.Context, a Actor, ids []int64) []error {
	return s.many(ctx, len(ids), func(ctx context.Context, i int) error { return s.Approve(ctx, a, ids[i], Approval{}) })
}

// many calls f for 0 to n-1, many at a time.
func (s *Service) many(ctx context.Context, n int, f func(ctx context.Context, i int) error) []error {
	var errs []error
	for from := 0; from < n; from += manyAtOnce {
		errs = append(errs, pg.Together(ctx, s.c.Pool, min(manyAtOnce, n-from), func(ctx context.Context, i int) error { return f(ctx, from+i) })...)
	}
	for i, err := range errs {
		errs[i] = fault(fmt.Sprintf("the %d. of %d", i+1, n), err)
	}
	return errs
}
