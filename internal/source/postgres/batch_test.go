package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestPropertyBatch is the third way: what a batch did must be what the same
// erasures do one after the other, in the order in which the batch noted them.
func TestPropertyBatch(t *testing.T) {
	t.Parallel()
	m := mapOf(t, worldMap)
	now := func() time.Time { return time.Unix(0, 0) }
	together, single := pgtest.Empty(t), pgtest.Empty(t)
	pgtest.Exec(t, together, worldSchema)
	pgtest.Exec(t, single, worldSchema)
	batch, one := sourceOf(t, together, "world", postgres.Options{Now: now}), sourceOf(t, single, "world", postgres.Options{Now: now})
	ctx, simple := t.Context(), 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		plan := planOf(t, m, datamap.Erasure, "email", "phone")
		browser := planOf(t, m, datamap.Erasure, "visitor")
		restricted := rapid.Bool().Draw(rt, "restricted")
		var roots []source.RowKey
		for i := range 4 {
			if restricted && rapid.Bool().Draw(rt, "ticked") {
				roots = append(roots, source.RowKey{Collection: "world.people", Key: fmt.Sprint(i)}, source.RowKey{Collection: "world.devices", Key: fmt.Sprintf("d%d", i)})
			}
		}
		var walks []source.Walk
		for _, with := range [][]source.Seed{seeds("email", "a@x.example"), seeds("email", "b@x.example"), seeds("phone", "+420222"), seeds("phone", "+420111", "email", "nobody@x.example")} {
			walks = append(walks, source.Walk{Plan: plan, Scope: "1", Seeds: with, Restricted: restricted, Roots: roots})
		}
		for _, d := range []string{"d0", "d1", "d2"} {
			walks = append(walks, source.Walk{Plan: browser, Scope: "1", Seeds: seeds("visitor", d), Restricted: restricted, Roots: roots})
		}
		var holds source.Holds
		if rapid.IntRange(0, 3).Draw(rt, "held") == 0 {
			holds.Rows = []source.RowKey{{Collection: "world.orders", Key: "(0,0)"}, {Collection: "world.events", Key: "0"}}
		}
		if rapid.IntRange(0, 3).Draw(rt, "held by a walk") == 0 {
			holds.Walks = []source.Walk{{Plan: planOf(t, m, datamap.Access, "email"), Scope: "1", Seeds: seeds("email", "b@x.example")}}
		}
		w.load(t, together)
		w.load(t, single)
		alikeFound(rt, batch, walks)
		var order []int
		done := batch.EraseBatch(ctx, walks, holds, func(_ context.Context, of []int, notes []source.Note) error {
			if len(of) != len(notes) {
				rt.Fatalf("expected a note for each walk: %d walks, %d notes", len(of), len(notes))
			}
			if len(of) > 1 {
				simple += len(of)
			}
			order = append(order, of...)
			return nil
		})
		if len(order) != len(walks) {
			rt.Fatalf("expected every walk to be noted once, got %v", order)
		}
		for _, i := range order {
			if done[i].Err != nil {
				rt.Fatalf("walk %d: %v", i, done[i].Err)
			}
			alone, err := one.Erase(ctx, walks[i], holds, noNote)
			if err != nil {
				rt.Fatalf("erase: %v", err)
			}
			if !slices.Equal(done[i].Note.Findings, alone.Findings) {
				rt.Fatalf("expected walk %d (of %v) to count the same in a batch and alone:\n%+v\n%+v", i, order, done[i].Note.Findings, alone.Findings)
			}
			a, b := sortedKeys(done[i].Note.Keys), sortedKeys(alone.Keys)
			if !slices.Equal(a, b) {
				rt.Fatalf("expected walk %d to note the same keys in a batch and alone: %d and %d", i, len(a), len(b))
			}
		}
		if a, b := dump(t, together), dump(t, single); a != b {
			rt.Fatalf("expected the same tables after a batch (order %v) as one by one:\n%s\n%s", order, a, b)
		}
	})
	if simple == 0 {
		t.Error("expected some walks to have been erased together")
	}
}

func sortedKeys(keys []source.RowKey) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Collection+" "+k.Key)
	}
	slices.Sort(all)
	return all
}

func TestABatchErasesEachAndNobodyElse(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 60)
	s := sourceOf(t, pool, "store", postgres.Options{})
	plan := planOf(t, m, datamap.Erasure, "email")
	var walks []source.Walk
	for i := range 40 {
		walks = append(walks, source.Walk{Plan: plan, Seeds: seeds("email", address(i+1))})
	}
	transactions := map[string]bool{}
	done := s.EraseBatch(t.Context(), walks, source.Holds{}, func(_ context.Context, of []int, notes []source.Note) error {
		for _, n := range notes {
			transactions[n.XID] = true
		}
		return nil
	})
	for i, d := range done {
		if d.Err != nil || erased(d.Note.Findings) != 20 {
			t.Errorf("expected 20 rows of person %d to be erased, got %d: %v", i+1, erased(d.Note.Findings), d.Err)
		}
	}
	if len(transactions) != 1 {
		t.Errorf("expected one transaction for 40 simple walks, got %d", len(transactions))
	}
	for _, table := range storeNames() {
		if number(t, pool, "SELECT count(*) FROM "+table) == 0 {
			t.Errorf("expected the other people's %s to stay", table)
		}
	}
	if n := number(t, pool, "SELECT count(*) FROM people"); n != 20 {
		t.Errorf("expected 20 people left, got %d", n)
	}
}

// One walk whose transaction fails spoils nothing: the rest goes in halves.
func TestABatchWithOneThatFails(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 12)
	pgtest.Exec(t, pool, `CREATE TABLE odd (person_id bigint PRIMARY KEY, CHECK (person_id <> 0));
		CREATE TABLE notes (id bigint PRIMARY KEY, person_id bigint REFERENCES people ON DELETE CASCADE); CREATE INDEX ON notes (person_id);
		INSERT INTO notes VALUES (1, 5)`)
	s := sourceOf(t, pool, "store", postgres.Options{})
	plan := planOf(t, m, datamap.Erasure, "email")
	var walks []source.Walk
	for i := range 10 {
		walks = append(walks, source.Walk{Plan: plan, Seeds: seeds("email", address(i+1))})
	}
	done := s.EraseBatch(t.Context(), walks, source.Holds{}, func(_ context.Context, of []int, notes []source.Note) error { return nil })
	for i, d := range done {
		var beyond *postgres.Beyond
		switch {
		case i == 4 && !errors.As(d.Err, &beyond):
			t.Errorf("expected person 5, from whom a table outside the map would lose rows, to be refused, got %v", d.Err)
		case i != 4 && d.Err != nil:
			t.Errorf("expected person %d to be erased, got %v", i+1, d.Err)
		}
	}
	if n := number(t, pool, "SELECT count(*) FROM people"); n != 3 {
		t.Errorf("expected three people left, got %d", n)
	}
}

// What note says is final: no walk of the transaction is touched.
func TestABatchThatIsNotNoted(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 10)
	s := sourceOf(t, pool, "store", postgres.Options{})
	plan := planOf(t, m, datamap.Erasure, "email")
	refused := errors.New("the control database is down")
	done := s.EraseBatch(t.Context(), []source.Walk{{Plan: plan, Seeds: seeds("email", address(1))}, {Plan: plan, Seeds: seeds("email", address(2))}},
		source.Holds{}, func(context.Context, []int, []source.Note) error { return refused })
	for i, d := range done {
		if !errors.Is(d.Err, refused) || strings.Contains(d.Err.Error(), "@") {
			t.Errorf("expected walk %d to have failed by its note, got %v", i, d.Err)
		}
	}
	if n := number(t, pool, "SELECT count(*) FROM people"); n != 10 {
		t.Errorf("expected nobody to be gone, got %d of 10 left", n)
	}
}

// TestManyWithFieldsInsideDocuments: names and identities inside a document and
// in arrays are shown to the DPO for many as for one.
func TestManyWithFieldsInsideDocuments(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text, phones text[], profile jsonb);
		CREATE INDEX ON people (lower(email));
		INSERT INTO people SELECT g, 'p' || g || '@x.example', ARRAY['+4206010000' || g, '+4206020000' || g],
			jsonb_build_object('nick', 'nick ' || g, 'contact', jsonb_build_object('telegram', '@p' || g)) FROM generate_series(10, 19) g`)
	m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phones, data_categories: [user.contact.phone_number], fides_meta: {data_type: "string[]"}}
          - name: profile
            fides_meta: {data_type: object}
            fields:
              - {name: nick, data_categories: [user.name]}
              - name: contact
                fides_meta: {data_type: object}
                fields: [{name: telegram, fides_meta: {identity: telegram}}]
`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
		var walks []source.Walk
		plan := planOf(t, m, kind, "email")
		for i := 10; i < 20; i++ {
			walks = append(walks, source.Walk{Plan: plan, Seeds: seeds("email", fmt.Sprintf("p%d@x.example", i))})
		}
		for i, got := range s.FindMany(t.Context(), walks) {
			if got == nil {
				t.Fatalf("%s: expected walk %d to be found with the others", kind, i)
			}
			alone, err := s.Find(t.Context(), walks[i])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(alone.Roots, got.Roots); diff != "" || len(got.Roots) != 1 || got.Roots[0].Person["profile.nick"] != fmt.Sprintf("nick %d", i+10) {
				t.Errorf("%s: expected the roots of walk %d as if alone (-alone +together): %s %+v", kind, i, diff, got.Roots)
			}
		}
	}
}

// A table that somebody holds for minutes (ALTER TABLE) is waited for a few times,
// not by every half of a batch anew; one locked row stops nobody else.
func TestABatchWaitsForLocks(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 60)
	s := sourceOf(t, pool, "store", postgres.Options{LockTimeout: 20 * time.Millisecond})
	plan := planOf(t, m, datamap.Erasure, "email")
	var walks []source.Walk
	for i := range 40 {
		walks = append(walks, source.Walk{Plan: plan, Seeds: seeds("email", address(i+1))})
	}
	erase := func(lock string) (done, busy, left int) {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := tx.Exec(t.Context(), lock); err != nil {
			t.Fatal(err)
		}
		for _, d := range s.EraseMany(t.Context(), walks, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
			switch {
			case d == nil:
				left++
			case d.Err == nil:
				done++
			case pg.Code(d.Err) == "55P03":
				busy++
			default:
				t.Errorf("expected a lock to be waited for in vain at most, got %v", d.Err)
			}
		}
		return done, busy, left
	}
	if done, busy, left := erase("LOCK TABLE people IN ACCESS EXCLUSIVE MODE"); done != 0 || busy < 36 {
		t.Errorf("expected all but a few to be told that the table is locked, got %d done, %d told, %d left to be asked one by one", done, busy, left)
	}
	if done, busy, left := erase("SELECT FROM people WHERE email = '" + address(1) + "' FOR UPDATE"); done < 38 || busy != 0 {
		t.Errorf("expected everybody else to be erased beside one locked row, save who is halved with it to the end, got %d done, %d told, %d left", done, busy, left)
	}
}
