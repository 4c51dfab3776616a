package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// BenchmarkRate measures subjects with twenty rows in eight tables, on eight
// connections, in turns with the statement that somebody who knows the schema
// writes by hand. Times are ratios: 1.25 is a quarter slower than by hand.
func BenchmarkRate(b *testing.B) {
	people, each, rounds := size(b, "LETHE_BENCH_SUBJECTS", 100_000), size(b, "LETHE_BENCH_EACH", 1_000), size(b, "LETHE_BENCH_ROUNDS", 5)
	if people < 6*each*rounds {
		b.Fatalf("%d subjects are too few for %d rounds of %d", people, rounds, each)
	}
	pool, m := store(b, people)
	s := sourceOf(b, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	erasure, access := planOf(b, m, datamap.Erasure, "email"), planOf(b, m, datamap.Access, "email")
	ctx := b.Context()
	of := func(plan *datamap.Plan, i int) source.Walk {
		return source.Walk{Plan: plan, Seeds: seeds("email", address(i))}
	}
	next := 1
	times := map[string][]time.Duration{}
	turn := func(name string, f func(i int) error) {
		times[name] = append(times[name], atOnce(b, next, next+each, f))
		next += each
	}
	for b.Loop() {
		for range rounds {
			turn("hand/access", func(i int) error { _, err := handGives(ctx, pool, i); return err })
			next -= each
			turn("access", func(i int) error {
				n, err := gives(ctx, s, of(access, i))
				if err == nil && n != 20 {
					err = fmt.Errorf("expected 20 rows of person %d, got %d", i, n)
				}
				return err
			})
			turn("hand/erasure", func(i int) error { _, err := handErases(ctx, pool, i); return err })
			turn("erasure", func(i int) error {
				note, err := s.Erase(ctx, of(erasure, i), source.Holds{}, noNote)
				if err == nil && erased(note.Findings) != 20 {
					err = fmt.Errorf("expected 20 rows of person %d to be erased, got %d", i, erased(note.Findings))
				}
				return err
			})
			var walks []source.Walk
			for i := range 2 * each {
				walks = append(walks, of(erasure, next+i))
			}
			next += 2 * each
			// As many at once as the benchmark's machine has cores, of its eight connections.
			took := atOnce(b, 0, 2, func(n int) error {
				for i, d := range s.EraseBatch(ctx, walks[n*each:(n+1)*each], source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
					if d.Err != nil || erased(d.Note.Findings) != 20 {
						return fmt.Errorf("expected 20 rows of walk %d to be erased, got %d: %w", i, erased(d.Note.Findings), d.Err)
					}
				}
				return nil
			})
			times["batch"] = append(times["batch"], took/2) // the times are of as many subjects as the others'
		}
	}
	for name, took := range times {
		b.ReportMetric(float64(each)/median(took).Seconds(), name+"/s")
	}
	b.ReportMetric(median(times["access"]).Seconds()/median(times["hand/access"]).Seconds(), "access/hand")
	b.ReportMetric(median(times["erasure"]).Seconds()/median(times["batch"]).Seconds(), "singly/batch")
	b.ReportMetric(median(times["erasure"]).Seconds()/median(times["hand/erasure"]).Seconds(), "erasure/hand")
}
