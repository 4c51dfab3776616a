package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// trade is a load of inserts, updates and reads, at a steady rate on four
// connections, over people from 1 to people. It ends with ctx and gives the
// time of each statement. number gives new rows their keys.
func trade(ctx context.Context, t testing.TB, pool *pgxpool.Pool, number *atomic.Int64, people int, every time.Duration) func() []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for i := n; ; i += 7 {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				p := i%people + 1
				start := time.Now()
				var err error
				switch i % 4 {
				case 0:
					_, err = pool.Exec(ctx, "INSERT INTO orders VALUES ($1, $2, now(), 'new')", number.Add(1), p)
				case 1:
					_, err = pool.Exec(ctx, "INSERT INTO logins VALUES ($1, $2, '198.18.0.2', now())", number.Add(1), p)
				case 2:
					_, err = pool.Exec(ctx, "UPDATE orders SET remark = 'changed' WHERE person_id = $1", p)
				default:
					var rows int
					err = pool.QueryRow(ctx, "SELECT count(*) FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.person_id = $1", p).Scan(&rows)
				}
				took := time.Since(start)
				if err != nil && ctx.Err() == nil && pg.Code(err) != "23503" {
					t.Errorf("expected the trade to go on, or to be told that the person is gone: %v", err)
				}
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
		})
	}
	return func() []time.Duration { wg.Wait(); return all }
}

// erasesAmid erases people from 1 to n, one after the other, as the queue does:
// what trade keeps in the way is tried again.
func erasesAmid(t testing.TB, s *postgres.Source, plan *datamap.Plan, n int) {
	t.Helper()
	for i := range n {
		w := source.Walk{Plan: plan, Seeds: seeds("email", address(i+1))}
		_, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		for again := 0; again < 20 && (pg.Passing(err) || pg.Code(err) == "23503"); again++ {
			_, err = s.Erase(t.Context(), w, source.Holds{}, noNote)
		}
		if err != nil {
			t.Fatalf("expected person %d to be erased amid the trade: %v", i+1, err)
		}
	}
}

// Two hundred erasures amid trade on the same people: the trade meets no error
// but that a person is gone, and nothing of the erased is left.
func TestTwoHundredErasuresAmidTrade(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 400)
	trading := poolOfStore(t, pool)
	s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	ctx, stop := context.WithCancel(t.Context())
	var keys atomic.Int64
	keys.Store(5_000_000_000_000)
	traded := trade(ctx, t, trading, &keys, 400, 2*time.Millisecond)
	erasesAmid(t, s, planOf(t, m, datamap.Erasure, "email"), 200)
	stop()
	traded()
	for table, of := range map[string]string{"people": "id", "addresses": "person_id", "orders": "person_id", "tickets": "person_id", "replies": "ticket_id",
		"logins": "person_id", "lines": "order_id / 1000000", "payments": "order_id / 1000000"} {
		if n := number(t, pool, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s BETWEEN 1 AND 200", table, of)); n != 0 {
			t.Errorf("expected nothing of the 200 erased in %s, got %d rows", table, n)
		}
	}
	if n := number(t, pool, "SELECT count(*) FROM people"); n != 200 {
		t.Errorf("expected the other 200 people to stay, got %d", n)
	}
}

// BenchmarkTrade measures the 99th percentile of a shop's statements with 200
// erasures beside them, and without.
func BenchmarkTrade(b *testing.B) {
	rounds, each := size(b, "LETHE_BENCH_ROUNDS", 5), 200
	var idle, amid []float64
	for b.Loop() {
		pool, m := store(b, 20_000)
		trading := poolOfStore(b, pool)
		s := sourceOf(b, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
		plan := planOf(b, m, datamap.Erasure, "email")
		p99 := func(all []time.Duration) float64 {
			slices.Sort(all)
			return all[len(all)*99/100].Seconds() * 1000
		}
		var number atomic.Int64
		number.Store(5_000_000_000_000)
		next := 0
		for range rounds {
			for _, erasing := range []bool{false, true} {
				ctx, stop := context.WithTimeout(b.Context(), 4*time.Second)
				traded := trade(ctx, b, trading, &number, 20_000, 4*time.Millisecond)
				if erasing {
					for range each { // 200 erasures over the four seconds
						next++
						begun := time.Now()
						w := source.Walk{Plan: plan, Seeds: seeds("email", address(next))}
						if _, err := s.Erase(b.Context(), w, source.Holds{}, noNote); err != nil {
							b.Fatal(err)
						}
						timer := time.NewTimer(20*time.Millisecond - time.Since(begun))
						<-timer.C
					}
					amid = append(amid, p99(traded()))
				} else {
					idle = append(idle, p99(traded()))
				}
				stop()
			}
			pgtest.Exec(b, pool, "VACUUM")
		}
	}
	b.ReportMetric(median(idle), "idle_p99/ms")
	b.ReportMetric(median(amid), "erasing_p99/ms")
	b.ReportMetric(median(amid)/median(idle), "erasing/idle")
}
