package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// casesPerScheme requests are drawn for each scheme, each with rows of its own.
const casesPerScheme = 6

// TestPropertyRandomSchemes draws schemas, maps, rows and requests, and holds
// every way of a walk to the reference: what is found, what is given, what is
// left of every row of every table, and that there is nothing more to do after.
//
// 300 cases in make test, more than 5,000 in make soak. LETHE_SEED=n runs one
// scheme, LETHE_SEED=n-m those from n to m.
func TestPropertyRandomSchemes(t *testing.T) {
	t.Parallel()
	from, to := soaked(1, 50, 834)
	t.Logf("%d cases", (to-from+1)*casesPerScheme)
	pool := pgtest.Empty(t)
	turn := make(chan struct{}, 3)
	t.Run("schemes", func(t *testing.T) {
		for n := from; n <= to; n++ {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				randomScheme(t, pool, uint64(n))
			})
		}
	})
}

// soaked is which seeds are run: from and to, or up to long in a soak, or those of LETHE_SEED.
func soaked(from, to, long int) (first, last int) {
	if os.Getenv("LETHE_SOAK") != "" {
		to = long
	}
	if at := os.Getenv("LETHE_SEED"); at != "" {
		a, b, many := strings.Cut(at, "-")
		from, _ = strconv.Atoi(a)
		if to = from; many {
			to, _ = strconv.Atoi(b)
		}
	}
	return from, to
}

// alone is how to run the scheme of one seed by itself.
func alone(t *testing.T, seed uint64) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("again, alone: LETHE_SEED=%d go test -run '^%s$' ./internal/source/postgres", seed, test)
}

// A trial is one scheme, made in a database, with the policies asked of it.
type trial struct {
	s        *scheme
	m        *datamap.Map
	types    []string
	erasure  datamap.Policy
	giving   datamap.Policy
	plan     *datamap.Plan // of the erasure
	give     *datamap.Plan
	hold     *datamap.Plan
	ways     []*postgres.Source
	pool     *pgxpool.Pool
	wayNames []string
}

func randomScheme(t *testing.T, shared *pgxpool.Pool, seed uint64) {
	d := draw(seed)
	s := d.scheme(fmt.Sprintf("S %d", seed))
	config := shared.Config()
	config.MaxConns = 3
	x, err := newTrial(s, d)
	if err != nil {
		t.Fatalf("expected the map to be right: %v\n%s\n%s", err, alone(t, seed), s.yaml())
	}
	x.open(t, poolOf(t, config))
	for n := range casesPerScheme {
		d := draw(seed, uint64(n))
		c := d.contents(s)
		q := d.demand(s, c, x.types)
		if err := x.run(t.Context(), c, q); err != nil {
			c, q, err = x.shrink(t.Context(), c, q, err)
			t.Fatalf("case %d: %v\n%s\n%s", n, err, alone(t, seed), x.story(c, q))
		}
	}
	pgtest.Exec(t, shared, "DROP SCHEMA "+quoted(s.name)+" CASCADE")
}

// newTrial reads the map and compiles the plans.
func newTrial(s *scheme, d drawer) (x *trial, err error) {
	x = &trial{s: s}
	var problems []datamap.Problem
	x.m, problems = datamap.Parse([]datamap.File{{Name: "map", Data: []byte(s.yaml())}}, datamap.ParseOptions{})
	for _, p := range problems {
		if !p.Warning {
			return nil, errors.New(p.String())
		}
	}
	known := datamap.IdentityTypes(x.m)
	x.types = slices.DeleteFunc(slices.Clone(known), func(string) bool { return d.one(3) })
	if len(x.types) == 0 {
		x.types = known
	}
	x.types = slices.DeleteFunc(x.types, func(typ string) bool { // only skipped collections have it
		return !slices.ContainsFunc(s.tables, func(t *sTable) bool {
			return t.mapped && !t.skip && slices.ContainsFunc(t.columns, func(c *sColumn) bool { return c.identity == typ })
		})
	})
	if len(x.types) == 0 {
		x.types = []string{"email", "phone", "visitor"}
		x.types = slices.DeleteFunc(x.types, func(typ string) bool { return !slices.Contains(known, typ) })
	}
	for _, t := range s.tables {
		if t.mapped && t.marked && !t.skip && d.one(12) {
			x.types = append(x.types, t.picked())
		}
	}
	x.erasure, x.giving = d.policy(datamap.Erasure), d.policy(of(d, datamap.Access, datamap.Access, datamap.Export))
	for _, want := range []struct {
		plan   **datamap.Plan
		policy datamap.Policy
	}{{&x.plan, x.erasure}, {&x.give, x.giving}, {&x.hold, datamap.Builtin(datamap.Access)}} {
		if *want.plan, err = datamap.Compile(x.m, want.policy, x.types); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// open makes the tables, and a source for each way of a walk.
func (x *trial) open(t *testing.T, pool *pgxpool.Pool) {
	x.pool = pool
	pgtest.Exec(t, pool, x.s.ddl())
	for _, way := range []struct {
		name         string
		above, slice int64
	}{{"one statement", 0, 0}, {"staged", -1, 0}, {"one statement that finds out that it must be staged", 3, 0}, {"several transactions", -1, 3}} {
		x.ways = append(x.ways, sourceOf(t, pool, "src", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }, StagedAbove: way.above,
			SliceAbove: way.slice, SliceRows: way.slice}))
		x.wayNames = append(x.wayNames, way.name)
	}
}

// run holds every way to the reference; the error says what differs.
func (x *trial) run(ctx context.Context, c contents, q demand) error {
	if broken := x.s.whole(c); broken != "" {
		return fmt.Errorf("the test itself is wrong: rows drawn break %s", broken)
	}
	v := view{s: x.s, c: c, w: q.walk, trail: x.s.trail(x.types)}
	giving := q.walk
	giving.Plan = x.give
	erasing := q.walk
	erasing.Plan, erasing.IncludeShared = x.plan, false
	holds := source.Holds{Rows: q.holds.Rows}
	var by []view
	for _, w := range q.by {
		by = append(by, view{s: x.s, c: c, w: w, trail: v.trail})
		w.Plan = x.hold
		holds.Walks = append(holds.Walks, w)
	}
	given, erased := v.find(x.giving), v.erase(x.erasure, holds, by)
	if broken := x.s.whole(erased.after); broken != "" && len(erased.beyond) == 0 {
		return fmt.Errorf("the reference is wrong: what it leaves breaks %s", broken)
	}
	if _, err := x.pool.Exec(ctx, x.s.load(c)); err != nil {
		return fmt.Errorf("load the rows: %w", err)
	}
	for i, way := range x.ways {
		if err := x.finds(ctx, way, v, giving, given); err != nil {
			return fmt.Errorf("%s: %w", x.wayNames[i], err)
		}
	}
	for i, way := range x.ways {
		if i > 0 {
			if _, err := x.pool.Exec(ctx, x.s.load(c)); err != nil {
				return fmt.Errorf("load the rows: %w", err)
			}
		}
		if err := x.erases(ctx, way, v, erasing, holds, slices.Clone(by), erased); err != nil {
			return fmt.Errorf("%s: %w", x.wayNames[i], err)
		}
	}
	return nil
}

func sameFindings(want map[string]source.Finding, got []source.Finding) error {
	left := maps.Clone(want)
	for _, f := range got {
		if w, known := left[f.Collection]; !known || w != f {
			return fmt.Errorf("expected %+v, got %+v", w, f)
		}
		delete(left, f.Collection)
	}
	if len(left) > 0 {
		return fmt.Errorf("expected findings of %v, too", slices.Sorted(maps.Keys(left)))
	}
	return nil
}

// finds compares Find and the rows of a Snapshot.
func (x *trial) finds(ctx context.Context, way *postgres.Source, v view, w source.Walk, want answer) error {
	found, err := way.Find(ctx, w)
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	if err := sameFindings(want.findings, found.Findings); err != nil {
		return fmt.Errorf("find: %w", err)
	}
	roots := v.roots()
	for _, r := range found.Roots {
		var types []string
		for at, matched := range roots {
			if t := v.s.tables[at.t]; r.Collection == "d."+t.name && r.Key == t.key(v.c[at.t][at.j]) {
				types = matched
				delete(roots, at)
			}
		}
		if !slices.Equal(types, r.Types) {
			return fmt.Errorf("expected root row %s %s matched by %v, got %v", r.Collection, r.Key, types, r.Types)
		}
	}
	if len(roots) > 0 {
		return fmt.Errorf("expected root rows %v, too", roots)
	}
	snap, err := way.Snapshot(ctx, w)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	defer snap.Close(ctx)
	if err := sameFindings(want.findings, snap.Findings()); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	for _, i := range v.trail.reached {
		t := v.s.tables[i]
		names, rows := v.rows(x.giving, want, t)
		var got []record
		if err := snap.Rows(ctx, "d."+t.name, func(r source.Row) error {
			if !slices.Equal(r.Fields, names) {
				return fmt.Errorf("expected the fields %q of %s, got %q", names, t.name, r.Fields)
			}
			values := make(record, len(r.Values))
			for i, v := range r.Values {
				values[i] = none
				switch v := v.(type) {
				case nil:
				case time.Time:
					values[i] = v.Format(time.DateTime)
				default:
					values[i] = fmt.Sprint(v)
				}
			}
			got = append(got, values)
			return nil
		}); err != nil {
			return err
		}
		if err := sameRows(t.name+" as given", rows, got); err != nil {
			return err
		}
	}
	return nil
}

func byText(a, b record) int { return slices.Compare(a, b) }

// sameRows compares rows in any order; random letters by what they look like.
func sameRows(what string, want, got []record) error {
	want, got = slices.Clone(want), slices.Clone(got)
	slices.SortFunc(got, byText)
	for _, g := range got {
		at := slices.IndexFunc(want, func(w record) bool { return alike(g, w) })
		if at < 0 {
			return fmt.Errorf("%s: did not expect the row %q; expected yet %q", what, g, want)
		}
		want = slices.Delete(want, at, at+1)
	}
	if len(want) > 0 {
		return fmt.Errorf("%s: expected the rows %q, too", what, want)
	}
	return nil
}

// dump reads every row of every table as text.
func (x *trial) dump(ctx context.Context) (contents, error) {
	var parts []string
	for i, t := range x.s.tables {
		var list []string
		for _, c := range t.columns {
			list = append(list, quoted(c.name)+"::text")
		}
		parts = append(parts, fmt.Sprintf("SELECT %d, ARRAY[%s] FROM %s", i, strings.Join(list, ", "), quoted(x.s.name, t.name)))
	}
	rows, err := x.pool.Query(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return nil, err
	}
	c := make(contents, len(x.s.tables))
	var at int
	var values []*string
	_, err = pgx.ForEachRow(rows, []any{&at, &values}, func() error {
		r := make(record, len(values))
		for i, v := range values {
			r[i] = none
			if v != nil {
				r[i] = *v
			}
		}
		c[at] = append(c[at], r)
		return nil
	})
	for i := range c {
		slices.SortFunc(c[i], byText)
	}
	return c, err
}

func (x *trial) same(ctx context.Context, want contents) error {
	got, err := x.dump(ctx)
	if err != nil {
		return err
	}
	return x.sameContents(want, got)
}

func (x *trial) sameContents(want, got contents) error {
	for i, t := range x.s.tables {
		if err := sameRows(t.name, want[i], got[i]); err != nil {
			return err
		}
	}
	return nil
}

// erases compares an erasure, the second look after it, and a second erasure.
func (x *trial) erases(ctx context.Context, way *postgres.Source, v view, w source.Walk, h source.Holds, by []view, want answer) error {
	would, dry := way.DryRun(ctx, w, h)
	if err := x.same(ctx, v.c); err != nil {
		return fmt.Errorf("after a dry run: %w", err)
	}
	done, err := way.Erase(ctx, w, h, noNote)
	if did, tried := fmt.Sprintf("%+v, %v", done.Findings, err), fmt.Sprintf("%+v, %v", would, dry); did != strings.Replace(tried, ": erase (dry run):", ": erase:", 1) {
		return fmt.Errorf("expected a dry run to say what the erasure did, %s; got %s", did, tried)
	}
	var beyond *postgres.Beyond
	switch {
	case errors.As(err, &beyond):
		got := map[string]int64{}
		for _, t := range beyond.Tables {
			got[t.Constraint] += t.Rows
		}
		if !maps.Equal(got, want.beyond) {
			return fmt.Errorf("expected the erasure to stop for %v, got %v", want.beyond, got)
		}
		return x.same(ctx, v.c)
	case err != nil:
		return fmt.Errorf("erase: %w", err)
	case len(want.beyond) > 0:
		return fmt.Errorf("expected the erasure to stop for %v", want.beyond)
	}
	if err := x.same(ctx, want.after); err != nil {
		return fmt.Errorf("after the erasure: %w", err)
	}
	if err := sameFindings(want.findings, done.Findings); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return x.settles(ctx, way, v, w, h, by, done.Keys)
}

// settles looks again and erases again, as a step does: nothing is found and
// nothing changes. Save where masking emptied the very value by which one row
// named another: then the reference's own second erasure says what changes, and
// after it the look finds nothing: no request goes round for ever.
func (x *trial) settles(ctx context.Context, way *postgres.Source, v view, w source.Walk, h source.Holds, by []view, keys []source.RowKey) error {
	for round := 0; ; round++ {
		left, err := way.Look(ctx, w, h, keys)
		if err != nil {
			return fmt.Errorf("look: %w", err)
		}
		found := slices.IndexFunc(left.Findings, func(f source.Finding) bool { return f.Rows != 0 })
		if round > 0 && found < 0 {
			return nil
		}
		if v.c, err = x.dump(ctx); err != nil {
			return err
		}
		for i := range by {
			by[i].c = v.c
		}
		next := v.erase(x.erasure, h, by)
		if found >= 0 && (round == 3 || x.sameContents(next.after, v.c) == nil) {
			return fmt.Errorf("expected the second look to find nothing, got %+v", left.Findings[found])
		}
		done, err := way.Erase(ctx, w, h, noNote)
		var beyond *postgres.Beyond
		switch {
		case errors.As(err, &beyond) && len(next.beyond) > 0:
			return x.same(ctx, v.c)
		case err != nil:
			return fmt.Errorf("erase again: %w", err)
		}
		if err := x.same(ctx, next.after); err != nil {
			return fmt.Errorf("after another erasure: %w", err)
		}
		keys = done.Keys
	}
}

// shrink takes rows, holds and ticks away while the case still fails.
func (x *trial) shrink(ctx context.Context, c contents, q demand, failed error) (contents, demand, error) {
	end := time.Now().Add(20 * time.Second)
	try := func(c contents, q demand) bool {
		if time.Now().After(end) || x.s.whole(c) != "" {
			return false
		}
		err := x.run(ctx, c, q)
		if err != nil {
			failed = err
		}
		return err != nil
	}
	for _, less := range []func(*demand){
		func(q *demand) { q.by = nil }, func(q *demand) { q.holds.Rows = nil },
		func(q *demand) { q.walk.Restricted, q.walk.Roots = false, nil }, func(q *demand) { q.walk.Seeds = q.walk.Seeds[:min(1, len(q.walk.Seeds))] },
	} {
		smaller := q
		if less(&smaller); try(c, smaller) {
			q = smaller
		}
	}
	for step := 16; step > 0; step /= 2 {
		for i := range c {
			for j := len(c[i]) - step; j >= 0; j -= step {
				smaller := c.clone()
				smaller[i] = slices.Delete(smaller[i], j, j+step)
				if try(smaller, q) {
					c = smaller
				}
			}
		}
	}
	return c, q, failed
}

// story is what one needs to see a failure.
func (x *trial) story(c contents, q demand) string {
	walk := q.walk
	return fmt.Sprintf("%s\n%s\n%s\nerasure %+v\ngiving %+v\ntypes %v\nwalk %+v\nholds %+v by %+v", x.s.ddl(), x.s.yaml(), x.s.load(c), rules(x.erasure), rules(x.giving), x.types,
		walk, q.holds, q.by)
}

func rules(p datamap.Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", p.Kind)
	for _, r := range p.Rules {
		fmt.Fprintf(&b, " %v %+v", r.Categories, r.Strategy)
	}
	return cmp.Or(b.String(), "none")
}
