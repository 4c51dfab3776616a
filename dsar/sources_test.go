package dsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// crowded is a real source that counts what it was asked for many, and can be
// made to fail there.
type crowded struct {
	*postgres.Source
	found, erased, gone int
	before              func(of []int) // the note
	lost                bool           // the commit's answer, once
	panics              bool           // where it is asked for many
}

func (c *crowded) FindMany(ctx context.Context, walks []source.Walk) []*source.Found {
	if c.panics {
		panic("a name")
	}
	all := c.Source.FindMany(ctx, walks)
	for _, f := range all {
		if f != nil {
			c.found++
		}
	}
	return all
}

var errLost = errors.New("connection lost")

func (c *crowded) EraseMany(ctx context.Context, walks []source.Walk, h Holds, note func(context.Context, []int, []source.Note) error) []*source.Erased {
	all := c.Source.EraseMany(ctx, walks, h, func(ctx context.Context, of []int, notes []source.Note) error {
		if c.before != nil {
			c.before(of)
		}
		return note(ctx, of, notes)
	})
	for _, e := range all {
		if e != nil && e.Err == nil {
			c.erased++
			if c.lost {
				*e = source.Erased{Err: errLost}
			}
		}
	}
	c.lost = false
	return all
}

func (c *crowded) GoneMany(ctx context.Context, walks []source.Walk, h Holds, erased [][]source.RowKey) []bool {
	all := c.Source.GoneMany(ctx, walks, h, erased)
	for _, gone := range all {
		if gone {
			c.gone++
		}
	}
	return all
}

// marketOf is a shop of n people with two orders each; the first two have an
// order in common, that of a third is kept by nothing and held by nobody.
func marketOf(t *testing.T, n int) (*workBundle, *pgxpool.Pool, *crowded) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
CREATE TABLE people (id bigint PRIMARY KEY, firm bigint, name text, mail text);
CREATE TABLE orders (id bigint PRIMARY KEY, firm bigint, person bigint REFERENCES people, other bigint REFERENCES people, note text);
CREATE TABLE lines  (id bigint PRIMARY KEY, ordered bigint REFERENCES orders, what text);
CREATE INDEX ON people (lower(mail)); CREATE INDEX ON orders (person); CREATE INDEX ON orders (other); CREATE INDEX ON lines (ordered);`+fmt.Sprintf(`
INSERT INTO people SELECT g, 1, 'Person ' || g, 'person' || g || '@example.org' FROM generate_series(0, %d) g;
INSERT INTO orders SELECT g, 1, g / 2, CASE g WHEN 0 THEN 1 END, 'ring' FROM generate_series(0, %d) g;
INSERT INTO lines SELECT g, g / 2, 'boots' FROM generate_series(0, %d) g;`, n, 2*n+1, 4*n+3))
	real, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	src := &crowded{Source: real}
	yaml := strings.Replace(shopMap, "          - {name: note,", `          - {name: other, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note,`, 1)
	return newWorkOver(t, yaml, map[string]Source{"shop": src}), pool, src
}

// Over a source that is asked for many at once, each request ends as it would alone.
func TestTogetherOverPostgresAsAlone(t *testing.T) {
	t.Parallel()
	const n = 12
	alone, shopAlone, one := marketOf(t, n+1)
	var ids []int64
	for i := range n {
		id := alone.submit(t, dpo, verified(ask(datamap.Erasure, "email", fmt.Sprintf("person%d@example.org", i)))).ID
		alone.work(t)
		if err := alone.Approve(t.Context(), dpo, id, Approval{}); err != nil {
			t.Fatal(err)
		}
		alone.work(t)
		ids = append(ids, id)
	}
	want := alone.ends(t, ids)
	together, shop, many := marketOf(t, n+1)
	ids = together.reviewed(t, n)
	if err := errors.Join(together.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	together.worked(t)
	got := together.ends(t, ids)
	for who := range maps.Keys(want) {
		if who == "person0@example.org" || who == "person1@example.org" {
			continue // they share an order: which of them comes first says whose it was
		}
		if !slices.Equal(got[who], want[who]) {
			t.Errorf("%s: expected as alone\n%s\ngot\n%s", who, strings.Join(want[who], "\n"), strings.Join(got[who], "\n"))
		}
	}
	if a, b := left(t, shopAlone), left(t, shop); a != b {
		t.Errorf("expected the same rows to be left as alone, %s, got %s", a, b)
	}
	if one.found+one.erased+one.gone != 0 {
		t.Error("expected one by one to ask for nothing together")
	}
	if many.found < n-2 || many.erased < n-2 || many.gone < n-2 {
		t.Errorf("expected nearly all to be found, erased and looked for together, got %d, %d and %d", many.found, many.erased, many.gone)
	}
}

// One whose step is taken over while it is being erased is left out: nothing of
// its is erased, and the others are.
func TestOneOfManyIsTakenOver(t *testing.T) {
	t.Parallel()
	b, shop, src := marketOf(t, 10)
	ids := b.reviewed(t, 10)
	calls := 0
	src.before = func([]int) {
		if calls++; calls == 1 {
			pgtest.Exec(t, b.pool, fmt.Sprintf(`UPDATE steps SET attempts = attempts + 1 WHERE stage = 'erase' AND request_id = %d`, ids[5]))
		}
	}
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	for i, id := range ids {
		want := Fulfilled
		if i == 5 {
			want = Running
		}
		b.expectStatus(t, id, want)
	}
	if got, want := left(t, shop), "people 5 10, orders 10 11 20 21, lines 20 21 22 23 40 41 42 43"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// The answer to the commit of many gets lost: each asks by its own note what
// became of the transaction that they had in common.
func TestCommitOfManyIsLost(t *testing.T) {
	t.Parallel()
	b, shop, src := marketOf(t, 10)
	ids := b.reviewed(t, 10)
	src.lost = true
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if src.lost || src.erased == 0 {
		t.Fatal("expected some to have been erased together")
	}
	for _, id := range ids {
		if st := b.step(t, id, "erase", "shop"); st.Status != "done" {
			if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.worked(t)
	for i, id := range ids {
		q := b.expectStatus(t, id, Fulfilled)
		if f := findingIn(t, q.Findings, "shop.lines"); i > 1 && f.Erased != 4 {
			t.Errorf("expected four erased lines of person %d on the record, got %d", i, f.Erased)
		}
	}
	if got, want := left(t, shop), "people 10, orders 20 21, lines 40 41 42 43"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// noting is a source that has everything noted, and erases nothing.
type noting struct {
	Source
	Many
}

func (noting) EraseMany(ctx context.Context, walks []source.Walk, _ Holds, note func(context.Context, []int, []source.Note) error) []*source.Erased {
	all, of := make([]*source.Erased, len(walks)), make([]int, len(walks))
	for i := range walks {
		all[i], of[i] = &source.Erased{}, i
	}
	var some *source.Unnoted
	if err := note(ctx, of, make([]source.Note, len(walks))); errors.As(err, &some) {
		for i, why := range some.Why {
			all[i].Err = why
		}
	}
	return all
}

// TestWhatPanicsTogetherIsTriedAlone: also of the step whose job carries the
// others. What the job tells the queue names the place, and no value.
func TestWhatPanicsTogetherIsTriedAlone(t *testing.T) {
	t.Parallel()
	b, _, src := marketOf(t, 6)
	src.panics = true
	var ids []int64
	subs := make([]Submission, 6)
	for i := range subs {
		subs[i] = verified(ask(datamap.Erasure, "email", fmt.Sprintf("person%d@example.org", i)))
	}
	out, errs := b.SubmitMany(t.Context(), dpo, subs)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		ids = append(ids, o.ID)
	}
	failed := b.work(t)
	if len(failed) != 1 || !errors.Is(failed[0], pg.ErrPanic) || !strings.Contains(failed[0].Error(), "FindMany (sources_test.go:") || strings.Contains(failed[0].Error(), "a name") {
		t.Errorf("expected the shared job to tell of one panic and its place, got %v", failed)
	}
	for _, id := range ids {
		if q := b.get(t, id); len(q.Findings) == 0 || b.step(t, id, stageDiscover, "shop").Status != "done" {
			t.Errorf("expected request %d to be searched for alone, got %+v", id, q.Steps)
		}
	}
}

// A note that panics is its own member's panic, and nobody else's.
func TestOneNoteOfManyPanics(t *testing.T) {
	t.Parallel()
	src := &noting{}
	errs := pg.Together(t.Context(), pgtest.Empty(t), 5, func(ctx context.Context, i int) error {
		_, err := eraseIn(ctx, src, source.Walk{}, Holds{}, func(context.Context, source.Note) error {
			switch i {
			case 2:
				panic("a name")
			case 3:
				return errSuperseded
			}
			return nil
		})
		return err
	})
	for i, err := range errs {
		want := map[int]error{2: pg.ErrPanic, 3: errSuperseded}[i]
		if !errors.Is(err, want) {
			t.Errorf("member %d: expected %v, got %v", i, want, err)
		}
	}
}
