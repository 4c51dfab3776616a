package dsar

import (
	"context"
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// manyAtOnce is how many requests are taken in, or approved, in one transaction:
// their rows are locked until it ends.
const manyAtOnce = 100

// SubmitMany takes many requests in, each as Submit does. The results and errors
// stand in the order of the submissions; one that is refused stops none of the rest.
func (s *Service) SubmitMany(ctx context.Context, a Actor, subs []Submission) ([]Submitted, []error) {
	out, errs := make([]Submitted, len(subs)), make([]error, len(subs))
	submit := func(ctx context.Context, i int) {
		in, err := s.check(a, subs[i])
		if err != nil {
			errs[i] = fault("submit", err)
			return
		}
		out[i], errs[i] = s.takeIn(ctx, a, in)
	}
	// Who is there twice joins the earlier one, which has to be there by then.
	var first, again []int
	seen := map[string]bool{}
	for i, sub := range subs {
		who := fmt.Sprint(sub.Controller, sub.Kind)
		for _, id := range sub.Identities {
			who += "\x00" + id.Type + "\x00" + strings.ToLower(strings.TrimSpace(id.Value))
		}
		if seen[who] {
			again = append(again, i)
			continue
		}
		seen[who] = true
		first = append(first, i)
	}
	s.many(ctx, len(first), func(ctx context.Context, n int) { submit(ctx, first[n]) })
	for _, i := range again {
		submit(ctx, i)
	}
	return out, errs
}

// ApproveMany approves many requests, each as Approve does with its rows as the
// discovery left them. The errors stand in the order of the numbers.
func (s *Service) ApproveMany(ctx context.Context, a Actor, ids []int64) []error {
	errs := make([]error, len(ids))
	s.many(ctx, len(ids), func(ctx context.Context, i int) { errs[i] = s.Approve(ctx, a, ids[i], Approval{}) })
	return errs
}

// many calls f for 0 to n-1, many at a time.
func (s *Service) many(ctx context.Context, n int, f func(ctx context.Context, i int)) {
	for from := 0; from < n; from += manyAtOnce {
		for _, err := range pg.Together(ctx, s.c.Pool, min(manyAtOnce, n-from), func(ctx context.Context, i int) error { f(ctx, from+i); return nil }) {
			if err != nil { // a member panicked, as it would have alone
				panic(err)
			}
		}
	}
}
