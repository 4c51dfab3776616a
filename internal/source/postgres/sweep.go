package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

const (
	// heapWindow bounds how many blocks of 8 kB one slice reads: 64 MB.
	heapWindow = 8192
	// sweepTries: how often a slice begins anew when it met the shop's own
	// transactions on the way.
	sweepTries = 5
	// maxSlice bounds what a caller may ask for; locks are held so much longer.
	maxSlice = 10_000
)

// Sweep carries out one short transaction of at most limit rows, from where the
// last one ended ("" to start). Rows that somebody else has locked are skipped;
// they are still there for the next sweep.
//
// Two ways lead through a table. By ranges of the heap: each block is read once,
// in order, whatever the condition; a second pass follows when something is left,
// because replaced and updated rows move. Or, in large tables, for deletions, by
// an index on the start: only what is old enough is read.
func (s *Source) Sweep(ctx context.Context, sel source.Selection, from string, limit int) (source.Slice, error) {
	fault := func(err error) (source.Slice, error) {
		if pg.Code(err) == "23503" {
			err = notSwept("foreign key %s forbids it; where values are replaced, value_in must list every column that holds them", pg.Constraint(err))
		}
		return source.Slice{}, fmt.Errorf("source %s: sweep %s: %w", s.name, sel.Collection.FullName(), pg.Clean(err))
	}
	if limit <= 0 || limit > maxSlice {
		return fault(fmt.Errorf("a slice has between 1 and %d rows", maxSlice))
	}
	at, err := parsePosition(from)
	if err != nil {
		return fault(err)
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fault(err)
	}
	defer conn.Release()
	for try := 1; ; try++ {
		reached, err := s.reached(ctx, conn, sel)
		if err != nil {
			return fault(err)
		}
		var done source.Slice
		began := s.now()
		err = s.inTx(ctx, conn, sweeping, func(tx pgx.Tx) (err error) {
			if err := planned(ctx, tx); err != nil {
				return err
			}
			e, err := s.expiring(ctx, tx, sel, reached)
			if err != nil {
				return err
			}
			defer e.cat.firing(conn)
			done, err = e.slice(ctx, tx, at, limit)
			return err
		})
		if err == nil {
			done.Locked = s.now().Sub(began)
			return done, nil
		}
		switch pg.Code(err) {
		case "40001", "40P01", "23503": // a row came or moved meanwhile
			if try < sweepTries && ctx.Err() == nil {
				continue
			}
		}
		return fault(err)
	}
}

// now is zero where no clock was given.
func (s *Source) now() (t time.Time) {
	if s.o.Now != nil {
		t = s.o.Now()
	}
	return t
}

// position is where a sweep has come to. It is written "pass:from:end" in blocks,
// or "i:hours" since 1970 of the start: no more exact, since a time to the
// microsecond could tell whose row it was.
type position struct {
	pass      int
	from, end int64
	index     bool
	hours     int64
}

func parsePosition(text string) (position, error) {
	if text == "" {
		return position{}, nil
	}
	parts := strings.Split(text, ":")
	numbers := make([]int64, 0, 3)
	for _, p := range parts[min(1, len(parts)):] {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			return position{}, fmt.Errorf("a position that cannot be read")
		}
		numbers = append(numbers, n)
	}
	switch {
	case parts[0] == "i" && len(numbers) == 1:
		return position{index: true, hours: numbers[0]}, nil
	case (parts[0] == "1" || parts[0] == "2") && len(numbers) == 2:
		return position{pass: int(parts[0][0] - '0'), from: numbers[0], end: numbers[1]}, nil
	}
	return position{}, fmt.Errorf("a position that cannot be read")
}

func (p position) String() string {
	if p.index {
		return "i:" + strconv.FormatInt(p.hours, 10)
	}
	return fmt.Sprintf("%d:%d:%d", p.pass, p.from, p.end)
}

// slice goes on from a position.
func (e *expiring) slice(ctx context.Context, tx pgx.Tx, at position, limit int) (source.Slice, error) {
	if at == (position{}) {
		size, err := e.blocks(ctx, tx)
		if err != nil {
			return source.Slice{}, err
		}
		at = position{pass: 1, end: size}
		if size > heapWindow && e.byIndex() {
			at = position{index: true, hours: firstHour}
		}
	}
	if at.index {
		return e.indexSlice(ctx, tx, at, limit)
	}
	return e.heapSlice(ctx, tx, at, limit)
}

// byIndex tells whether old rows can be found by an index. Only deletions go that
// way: an updated row would come up again if the database undid the update.
func (e *expiring) byIndex() bool {
	return e.sel.Then == source.Delete && e.sel.StartsAt != "" && !e.parted() && e.t.indexed(e.sel.StartsAt, "")
}

// parted tells whether the rows stand in several tables, in which one place is many rows'.
func (e *expiring) parted() bool { return e.t.kind == "p" || e.t.heirs }

// blocks is the table's size; of one with partitions or heirs, that of the largest among them.
func (e *expiring) blocks(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `
		WITH RECURSIVE p AS (SELECT $1::oid AS relid UNION SELECT i.inhrelid FROM p JOIN pg_inherits i ON i.inhparent = p.relid)
		SELECT coalesce(max(pg_relation_size(relid)), 0) / current_setting('block_size')::bigint + 1 FROM p`, e.t.oid).Scan(&n)
	return n, err
}

func (e *expiring) heapSlice(ctx context.Context, tx pgx.Tx, at position, limit int) (source.Slice, error) {
	to := min(at.from+heapWindow, at.end)
	e.args = nil
	within := "t.ctid >= " + e.bind(tid(at.from), "tid")
	if to < at.end { // a partition of another server may be longer than any that is here
		within += " AND t.ctid < " + e.bind(tid(to), "tid")
	}
	got, err := e.run(ctx, tx, within, "t.ctid", "(t.ctid::text::point)[0]::bigint", limit)
	if err != nil {
		return source.Slice{}, err
	}
	next := at
	switch {
	case got.picked < int64(limit):
		next.from = to
	case !e.parted():
		next.from = got.furthest // the rest of that block is still to come
	}
	if next.from < next.end {
		return source.Slice{Changed: got.changed, Next: next.String()}, nil
	}
	if at.pass == 1 {
		left, err := e.left(ctx, tx)
		if err != nil {
			return source.Slice{}, err
		}
		if left {
			size, err := e.blocks(ctx, tx)
			if err != nil {
				return source.Slice{}, err
			}
			return source.Slice{Changed: got.changed, Next: position{pass: 2, end: size}.String()}, nil
		}
	}
	return source.Slice{Changed: got.changed}, nil
}

// firstHour is where an index begins: before any time there is, and where -infinity
// stands, which has no epoch that a bigint could hold.
const firstHour = -1 << 40

func (e *expiring) indexSlice(ctx context.Context, tx pgx.Tx, at position, limit int) (source.Slice, error) {
	e.args = nil
	start := col("t", e.sel.StartsAt)
	within := "true"
	if at.hours > firstHour {
		since := "to_timestamp(" + e.bind(at.hours*3600, "bigint") + ")"
		if e.t.columns[e.sel.StartsAt].class != classStamp {
			since = "(" + since + " AT TIME ZONE 'UTC')"
		}
		within = start + " >= " + since
	}
	hours := "CASE WHEN isfinite(" + start + ") THEN floor(extract(epoch FROM " + start + ") / 3600)::bigint ELSE " + strconv.Itoa(firstHour) + " END"
	got, err := e.run(ctx, tx, within, start, hours, limit)
	if err != nil {
		return source.Slice{}, err
	}
	if got.picked < int64(limit) {
		return source.Slice{Changed: got.changed}, nil
	}
	return source.Slice{Changed: got.changed, Next: position{index: true, hours: got.furthest}.String()}, nil
}

// left tells whether anything has expired that is not held.
func (e *expiring) left(ctx context.Context, tx pgx.Tx) (left bool, err error) {
	e.args = nil
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+e.t.ident()+" AS t WHERE "+e.due("t")+" AND ("+e.held("t")+") IS NOT TRUE)", e.args...).Scan(&left)
	return left, err
}

// taken is what one statement did.
type taken struct {
	picked, changed, furthest int64
}

// run picks and changes at most limit rows in one statement.
func (e *expiring) run(ctx context.Context, tx pgx.Tx, within, order, place string, limit int) (taken, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "WITH picked AS MATERIALIZED (SELECT t.ctid AS id, t.tableoid AS part, %s AS place\n FROM %s AS t\n WHERE %s\n AND %s\n AND (%s) IS NOT TRUE\n ORDER BY %s LIMIT %d FOR UPDATE OF t SKIP LOCKED)",
		place, e.t.ident(), within, e.due("t"), e.held("t"), order, limit)
	mine := "t.ctid = ANY (ARRAY(SELECT id FROM picked))"
	if e.parted() {
		mine = "EXISTS (SELECT 1 FROM picked p WHERE p.id = t.ctid AND p.part = t.tableoid)"
	}
	if e.sel.Then == source.Delete {
		value, scope := "NULL", "NULL::text"
		if len(e.in) > 0 {
			value = col("t", e.sel.ValueColumn)
			if c := e.sel.Collection.Controller; c != "" {
				scope = col("t", c) + "::text"
			}
		}
		fmt.Fprintf(&b, ",\ngone AS (DELETE FROM %s AS t WHERE %s RETURNING %s AS value, %s AS scope, false AS undone)", e.t.ident(), mine, value, scope)
		if len(e.in) > 0 {
			b.WriteString(e.replacing())
		}
	} else {
		fmt.Fprintf(&b, ",\ngone AS (UPDATE %s AS t SET %s WHERE %s RETURNING %s AS undone)", e.t.ident(), e.setting("t"), mine, e.unchanged("t"))
	}
	b.WriteString("\nSELECT (SELECT count(*) FROM picked), (SELECT count(*) FROM gone), coalesce((SELECT max(place) FROM picked), 0), (SELECT count(*) FROM gone WHERE undone IS TRUE)")
	var got taken
	var undone int64
	if err := tx.QueryRow(ctx, b.String(), e.args...).Scan(&got.picked, &got.changed, &got.furthest, &undone); err != nil {
		return got, err
	}
	if undone > 0 || got.picked > 0 && got.changed == 0 && len(e.t.triggers) > 0 {
		return got, notSwept("a trigger of %s.%s undoes the change: rows would expire for ever", e.t.schema, e.t.name)
	}
	return got, nil
}

func tid(block int64) string { return fmt.Sprintf("(%d,0)", block) }
