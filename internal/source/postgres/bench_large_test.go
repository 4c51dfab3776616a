package postgres_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// BenchmarkLarge erases a subject with 100,000 rows in three ways in turns: ours
// (in one transaction, and in slices), the way other engines go, and set-based
// statements by hand.
func BenchmarkLarge(b *testing.B) {
	rounds := size(b, "LETHE_BENCH_ROUNDS", 3)
	pool, m := store(b, 20_000)
	plan := planOf(b, m, datamap.Erasure, "email")
	now := func() time.Time { return time.Unix(0, 0) }
	s := sourceOf(b, pool, "store", postgres.Options{Now: now, SliceAbove: -1})
	sliced := sourceOf(b, pool, "store", postgres.Options{Now: now, SliceAbove: 50_000, SliceRows: 20_000})
	ctx := b.Context()
	times, memory := map[string][]time.Duration{}, map[string][]float64{}
	ours := func(s *postgres.Source) func() (int64, error) {
		return func() (n int64, err error) {
			_, err = s.Erase(ctx, source.Walk{Plan: plan, Seeds: seeds("email", address(900_000))}, source.Holds{}, func(_ context.Context, note source.Note) error {
				n += erased(note.Findings)
				return nil
			})
			return n, err
		}
	}
	ways := []struct {
		name string
		do   func() (int64, error)
	}{
		{"erasure", ours(s)},
		{"sliced", ours(sliced)},
		{"hand", func() (int64, error) { return handErasesMany(ctx, pool, 900_000) }},
		{"row by row", func() (int64, error) { return naiveErases(ctx, pool, 900_000) }},
	}
	for b.Loop() {
		for range rounds {
			for _, way := range ways {
				pgtest.Exec(b, pool, storeRows(900_000, 900_000, 15_000, 35_000, 4_997)+"ANALYSE") // 100,000 rows
				start := time.Now()
				var n int64
				peak := peakOf(func() {
					var err error
					if n, err = way.do(); err != nil {
						b.Fatal(err)
					}
				})
				times[way.name] = append(times[way.name], time.Since(start))
				memory[way.name] = append(memory[way.name], float64(peak)/(1<<20))
				if n != 100_000 {
					b.Fatalf("%s: expected 100,000 rows to be erased, got %d", way.name, n)
				}
			}
		}
	}
	for name, took := range times {
		b.ReportMetric(median(took).Seconds()*1000, strings.ReplaceAll(name, " ", "_")+"/ms")
		b.ReportMetric(median(memory[name]), strings.ReplaceAll(name, " ", "_")+"/MiB")
	}
	b.ReportMetric(median(times["erasure"]).Seconds()/median(times["hand"]).Seconds(), "erasure/hand")
	b.ReportMetric(median(times["row by row"]).Seconds()/median(times["erasure"]).Seconds(), "row_by_row/erasure")
}

// handErasesMany is what somebody who knows the schema does for many rows: one
// DELETE a table, children first, by the walk's condition.
func handErasesMany(ctx context.Context, pool *pgxpool.Pool, person int) (n int64, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	const who = "(SELECT id FROM people WHERE lower(email) = $1)"
	for _, sql := range []string{
		"DELETE FROM lines WHERE order_id IN (SELECT id FROM orders WHERE person_id IN " + who + ")",
		"DELETE FROM payments WHERE order_id IN (SELECT id FROM orders WHERE person_id IN " + who + ")",
		"DELETE FROM orders WHERE person_id IN " + who,
		"DELETE FROM replies WHERE ticket_id IN (SELECT id FROM tickets WHERE person_id IN " + who + ")",
		"DELETE FROM tickets WHERE person_id IN " + who,
		"DELETE FROM addresses WHERE person_id IN " + who,
		"DELETE FROM logins WHERE person_id IN " + who,
		"DELETE FROM people WHERE lower(email) = $1",
	} {
		tag, err := tx.Exec(ctx, sql, address(person))
		if err != nil {
			return n, err
		}
		n += tag.RowsAffected()
	}
	return n, tx.Commit(ctx)
}

// naiveErases is the way of engines that hold rows in memory: a SELECT a table
// with the keys in the statement, then a DELETE a row.
func naiveErases(ctx context.Context, pool *pgxpool.Pool, person int) (n int64, err error) {
	rows := map[string][]map[string]any{}
	get := func(table, column string, values []string) error {
		got, err := pool.Query(ctx, "SELECT * FROM "+table+" WHERE "+column+" IN ("+strings.Join(values, ", ")+")")
		if err != nil {
			return err
		}
		defer got.Close()
		for got.Next() {
			values, err := got.Values()
			if err != nil {
				return err
			}
			row := map[string]any{}
			for i, f := range got.FieldDescriptions() {
				row[f.Name] = values[i]
			}
			rows[table] = append(rows[table], row)
		}
		return got.Err()
	}
	keys := func(table string) []string {
		var all []string
		for _, r := range rows[table] {
			all = append(all, fmt.Sprint(r["id"]))
		}
		return all
	}
	if err := get("people", "lower(email)", []string{"'" + address(person) + "'"}); err != nil {
		return 0, err
	}
	for _, step := range [][3]string{{"addresses", "person_id", "people"}, {"orders", "person_id", "people"}, {"tickets", "person_id", "people"},
		{"logins", "person_id", "people"}, {"lines", "order_id", "orders"}, {"payments", "order_id", "orders"}, {"replies", "ticket_id", "tickets"}} {
		if err := get(step[0], step[1], keys(step[2])); err != nil {
			return 0, err
		}
	}
	for _, table := range storeNames() {
		for _, r := range rows[table] {
			tag, err := pool.Exec(ctx, "DELETE FROM "+table+" WHERE id = $1", r["id"])
			if err != nil {
				return n, err
			}
			n += tag.RowsAffected()
		}
	}
	return n, nil
}

// peakOf runs f and gives by how much this process' resident memory grew.
func peakOf(f func()) (grown int64) {
	debug.FreeOSMemory()
	idle := resident()
	var peak atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			peak.Store(max(peak.Load(), resident()))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	f()
	close(stop)
	<-done
	return max(0, peak.Load()-idle)
}

// resident is this process' resident memory in bytes; where /proc is not, what
// the Go runtime has in use.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(b)); err == nil && len(fields) > 1 {
		if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}

// BenchmarkExport streams a person with a million messages.
func BenchmarkExport(b *testing.B) {
	messages := size(b, "LETHE_BENCH_MESSAGES", 1_000_000)
	pool, m := store(b, 1_000)
	pgtest.Exec(b, pool, storeRows(900_000, 900_000, 3, messages, 2)+"ANALYSE")
	s := sourceOf(b, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	w := source.Walk{Plan: planOf(b, m, datamap.Access, "email"), Seeds: seeds("email", address(900_000))}
	var took []time.Duration
	var memory []float64
	for b.Loop() {
		for range size(b, "LETHE_BENCH_ROUNDS", 3) {
			start := time.Now()
			var n int64
			peak := peakOf(func() {
				var err error
				if n, err = gives(b.Context(), s, w); err != nil {
					b.Fatal(err)
				}
			})
			if n != int64(messages)+17 {
				b.Fatalf("expected %d rows, got %d", messages+17, n)
			}
			took = append(took, time.Since(start))
			memory = append(memory, float64(peak)/(1<<20))
		}
	}
	b.ReportMetric(median(took).Seconds(), "export/s")
	b.ReportMetric(median(memory), "export/MiB")
}

// BenchmarkTableSize measures one subject of 100 rows among one million and ten
// million rows, and among LETHE_BENCH_TABLE_ROWS if that is more: the cost
// follows the subject, not the table.
func BenchmarkTableSize(b *testing.B) {
	type world struct {
		rows int
		s    *postgres.Source
	}
	var worlds []world
	sizes := []int{1_000_000, 10_000_000}
	if most := size(b, "LETHE_BENCH_TABLE_ROWS", 0); most > sizes[1] {
		sizes = append(sizes, most)
	}
	const first, last = 9_000_000, 9_001_000
	var m *datamap.Map
	for _, rows := range sizes {
		pool, of := store(b, rows/20)
		m = of
		pgtest.Exec(b, pool, storeRows(first, last, 16, 30, 4)) // about 100 rows each
		for _, table := range []string{"people", "addresses", "orders", "lines", "payments", "tickets", "replies", "logins"} {
			pgtest.Exec(b, pool, "VACUUM ANALYSE "+table)
		}
		planned, heard := planned(b, pool)
		worlds = append(worlds, world{rows, sourceOf(b, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})})
		explained := sourceOf(b, planned, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
		with := seeds("email", address(last))
		if _, err := gives(b.Context(), explained, source.Walk{Plan: planOf(b, m, datamap.Access, "email"), Seeds: with}); err != nil {
			b.Fatal(err)
		}
		if _, err := explained.Erase(b.Context(), source.Walk{Plan: planOf(b, m, datamap.Erasure, "email"), Seeds: with}, source.Holds{}, noNote); err != nil {
			b.Fatal(err)
		}
		expectLookUps(b, "the walks among "+strconv.Itoa(rows)+" rows", heard.take())
	}
	erasure, access := planOf(b, m, datamap.Erasure, "email"), planOf(b, m, datamap.Access, "email")
	times := map[string]map[int][]time.Duration{"find": {}, "access": {}, "erasure": {}}
	ctx, next := b.Context(), first
	for b.Loop() {
		for i := range 200 {
			for _, w := range worlds {
				with := seeds("email", address(next))
				for _, do := range []struct {
					name string
					f    func() error
				}{
					{"find", func() error { _, err := w.s.Find(ctx, source.Walk{Plan: access, Seeds: with}); return err }},
					{"access", func() error { _, err := gives(ctx, w.s, source.Walk{Plan: access, Seeds: with}); return err }},
					{"erasure", func() error {
						note, err := w.s.Erase(ctx, source.Walk{Plan: erasure, Seeds: with}, source.Holds{}, noNote)
						if err == nil && erased(note.Findings) != 101 {
							err = fmt.Errorf("expected 101 rows, got %d", erased(note.Findings))
						}
						return err
					}},
				} {
					start := time.Now()
					if err := do.f(); err != nil {
						b.Fatal(err)
					}
					if i >= 20 { // connections and plans are made by then
						times[do.name][w.rows] = append(times[do.name][w.rows], time.Since(start))
					}
				}
			}
			next++
		}
	}
	for name, of := range times {
		small := median(of[sizes[0]])
		b.ReportMetric(small.Seconds()*1000, name+"_small/ms")
		for _, rows := range sizes[1:] {
			b.ReportMetric(median(of[rows]).Seconds()/small.Seconds(), fmt.Sprintf("%s_%dM/1M", name, rows/1_000_000))
		}
	}
}
