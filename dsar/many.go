package dsar

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// manyAtOnce is how many requests are taken in, or approved, in one transaction:
// their rows are locked until it ends.
const manyAtOnce = 200

// SubmitMany takes many requests in, each as Submit does. The results and errors
// stand in the order of the submissions; one that is refused stops none of the rest.
func (s *Service) SubmitMany(ctx context.Context, a Actor, subs []Submission) ([]Submitted, []error) {
	out, errs := make([]Submitted, len(subs)), make([]error, len(subs))
	checked := make([]intake, len(subs))
	// Who is there twice joins the earlier one, or waits for it, which has to be
	// there by then.
	var turns [][]int
	seen := map[string]int{}
	for i, sub := range subs {
		in, err := s.check(a, sub)
		if err != nil {
			errs[i] = fault("submit", err)
			continue
		}
		checked[i] = in
		turn := in.turn(seen)
		if turn == len(turns) {
			turns = append(turns, nil)
		}
		turns[turn] = append(turns[turn], i)
	}
	for _, of := range turns {
		s.many(ctx, len(of), func(ctx context.Context, n int) { out[of[n]], errs[of[n]] = s.takeIn(ctx, a, checked[of[n]]) })
	}
	return out, errs
}

// turn is after how many others that share an identity this one comes: seen counts them.
func (in intake) turn(seen map[string]int) (n int) {
	who := make([]string, len(in.Identities))
	for i, id := range in.Identities {
		who[i] = in.Controller + "\x00" + id.Type + "\x00" + id.Value
		n = max(n, seen[who[i]])
	}
	for _, w := range who {
		seen[w] = n + 1
	}
	return n
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
