package dsar

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// The shop's people in one database, their orders in another: nothing but the
// values of people.id leads from one to the other.
const linkedSchema = `
CREATE TABLE people (id bigint PRIMARY KEY, firm bigint, name text, mail text);
CREATE TABLE orders (id bigint PRIMARY KEY, person bigint, note text);
CREATE TABLE lines  (id bigint PRIMARY KEY, ordered bigint, what text);
CREATE INDEX ON people (lower(mail)); CREATE INDEX ON orders (person); CREATE INDEX ON lines (ordered);`

const linkedPeople = `INSERT INTO people VALUES (1, 1, 'Pavla Ng', 'Pavla@Example.org'), (2, 1, 'Karel Novák', 'karel@example.org');`

const linkedOrders = `INSERT INTO orders VALUES (10, 1, 'ring twice'), (12, 2, 'mine');
INSERT INTO lines VALUES (100, 10, 'boots'), (101, 10, 'laces'), (102, 12, 'gloves');`

var linkedMap = strings.NewReplacer(
	"      - name: orders", "  - fides_key: ware\n    lethe: {source: ware, basis: b}\n    collections:\n      - name: orders",
	"dataset: shop, field: orders.id", "dataset: ware, field: orders.id",
	"        lethe: {controller: firm}\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n        fields:\n          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}\n          - {name: firm, data_categories: [system.operations]}\n          - {name: person",
	"        fides_meta: {masking_strategy_override: {strategy: delete}}\n        fields:\n          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}\n          - {name: person",
).Replace(shopMap)

// away is a real source that can be switched off.
type away struct {
	*postgres.Source
	off bool
	// erasing switches it off for erasures alone.
	erasing bool
}

var errAway = &pgconn.PgError{Code: "57P01", Message: "terminating connection"}

func (a *away) Trace(ctx context.Context, w source.Walk, h source.Holds) (source.Trace, error) {
	if a.off {
		return source.Trace{}, errAway
	}
	return a.Source.Trace(ctx, w, h)
}

func (a *away) Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error) {
	if a.off {
		return nil, errAway
	}
	return a.Source.Snapshot(ctx, w)
}

func (a *away) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	if a.off || a.erasing {
		return source.Note{}, errAway
	}
	return a.Source.Erase(ctx, w, h, note)
}

var _ fleet.Node = (*away)(nil)

func newLinked(t *testing.T) (b *workBundle, shop, ware *away, pools [2]*pgxpool.Pool) {
	t.Helper()
	open := func(name, rows string) (*away, *pgxpool.Pool) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, linkedSchema+rows)
		s, err := postgres.New(name, pool, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return &away{Source: s}, pool
	}
	shop, pools[0] = open("shop", linkedPeople)
	ware, pools[1] = open("ware", linkedOrders)
	return newWorkOver(t, linkedMap, map[string]Source{"shop": shop, "ware": ware}), shop, ware, pools
}

func TestAccessOverLinkedSources(t *testing.T) {
	t.Parallel()
	b, _, ware, _ := newLinked(t)
	id := b.approved(t, datamap.Access, "pavla@example.org")
	if f := findingIn(t, b.get(t, id).Findings, "ware.lines"); f.Rows != 2 {
		t.Errorf("expected the discovery to find two lines in the other database, got %d", f.Rows)
	}
	ware.off = true
	b.work(t)
	q := b.get(t, id)
	if st := b.step(t, id, "archive", ""); !strings.Contains(st.Message, "ware cannot be reached") || q.Status != Running {
		t.Errorf("expected the request to wait and to say which source is away, it is %s: %q", q.Status, st.Message)
	}
	ware.off = false
	if err := b.run(t, b.job(t, id, "archive", "")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	for file, word := range map[string]string{"data/shop/people.json": "Pavla@Example.org", "data/ware/orders.json": "ring twice", "data/ware/lines.json": "boots"} {
		if !strings.Contains(files[file], word) || strings.Contains(files[file], "mine") || strings.Contains(files[file], "gloves") {
			t.Errorf("expected %q and nothing of others in %s, got %s", word, file, files[file])
		}
	}
	expectNowhere(t, b.dump(t), "ring twice")
}

// What leads from one database to the other is a number, however each of them keeps it.
func TestNumbersOverLinkedSources(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string][2]string{
		"of 19 digits":      {`UPDATE people SET id = 9223372036854775807 WHERE id = 1`, `UPDATE orders SET person = 9223372036854775807 WHERE person = 1`},
		"from a numeric":    {`ALTER TABLE people ALTER id TYPE numeric(10,2)`, ``},
		"to a numeric":      {``, `ALTER TABLE orders ALTER person TYPE numeric(10,2)`},
		"from a text":       {`ALTER TABLE people ALTER id TYPE text`, ``},
		"none, and too big": {`ALTER TABLE people ALTER id TYPE text; INSERT INTO people VALUES ('9999999999999999999', 1, '', 'pavla@example.org'), ('1.5', 1, '', 'pavla@example.org')`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _, _, pools := newLinked(t)
			for i, pool := range pools {
				pgtest.Exec(t, pool, sql[i])
			}
			id := b.toApprove(t, datamap.Access, "pavla@example.org")
			if f := findingIn(t, b.get(t, id).Findings, "ware.lines"); f.Rows != 2 {
				t.Errorf("expected two lines to be found in the other database, got %d", f.Rows)
			}
		})
	}
}

// The database that leads to the other one is erased, then the other one comes
// back: what led there is gone, and nothing is lost.
func TestErasureOverLinkedSources(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		breaks        func(shop, ware *away)
		first, second string // done, waiting
	}{
		{"the one that is led to is away", func(_, ware *away) { ware.off = true }, "shop", "ware"},
		{"it fails in the middle", func(_, ware *away) { ware.erasing = true }, "shop", "ware"},
		{"the one that leads is away", func(shop, _ *away) { shop.off = true }, "ware", "shop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, shop, ware, pools := newLinked(t)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			tc.breaks(shop, ware)
			for _, err := range b.work(t) {
				var perm *Permanent
				if errors.As(err, &perm) {
					t.Fatalf("expected a source that is away to pass, got %v", err)
				}
			}
			if st := b.step(t, id, "erase", tc.first); st.Status != "done" {
				t.Errorf("expected the erasure in %s to be done all the same, it is %s: %q", tc.first, st.Status, st.Message)
			}
			st := b.step(t, id, "erase", tc.second)
			if st.Status != "waiting" || !strings.Contains(st.Message, tc.second+" cannot be reached") {
				t.Errorf("expected the step of %s to wait and say why, it is %s: %q", tc.second, st.Status, st.Message)
			}
			b.expectStatus(t, id, Running)
			shop.off, ware.off, ware.erasing = false, false, false
			if err := b.run(t, b.job(t, id, "erase", tc.second)); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			q := b.expectStatus(t, id, Fulfilled)
			if got := left(t, pools[0]); got != "people 2" {
				t.Errorf("expected the other person alone in the shop, got %s", got)
			}
			if got := left(t, pools[1]); got != "orders 12, lines 102" {
				t.Errorf("expected the other person's rows alone in the warehouse, got %s", got)
			}
			for collection, want := range map[string]int64{"shop.people": 1, "ware.orders": 1, "ware.lines": 2} {
				if f := findingIn(t, q.Findings, collection); f.Erased != want {
					t.Errorf("expected %d erased rows of %s on the record, got %d", want, collection, f.Erased)
				}
			}
			var kept int
			if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM feeds`).Scan(&kept); err != nil {
				t.Fatal(err)
			}
			if kept != 0 {
				t.Errorf("expected the linking values to go with the last step, %d are left", kept)
			}
		})
	}
}

// A row that stays, masked, is still the person's for a database that is erased
// later: what it names there does not become a stranger's.
func TestErasureOverLinkedSourcesOfWhatAMaskedRowNames(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"shop", "ware"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			open := func(name, sql string) *away {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, sql)
				s, err := postgres.New(name, pool, postgres.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return &away{Source: s}
			}
			sources := map[string]*away{
				"shop": open("shop", `CREATE TABLE people (id int PRIMARY KEY, mail text); CREATE TABLE cards (id int PRIMARY KEY, person int, place int, note text);
					INSERT INTO people VALUES (1, 'pavla@example.org'), (2, 'karel@example.org');
					INSERT INTO cards VALUES (1, 1, 10, 'mine'), (2, 1, 11, 'ours'), (3, 2, 11, 'his')`),
				"ware": open("ware", `CREATE TABLE places (id int PRIMARY KEY, street text); INSERT INTO places VALUES (10, 'Nova 1'), (11, 'Stara 2')`),
			}
			b := newWorkOver(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: b}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: cards
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: place, fides_meta: {references: [{dataset: ware, field: places.id, direction: to}]}}
          - {name: note, data_categories: [user.content]}
  - fides_key: ware
    lethe: {source: ware, basis: b}
    collections:
      - name: places
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address.street]}
`, map[string]Source{"shop": sources["shop"], "ware": sources["ware"]})
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			second := map[string]string{"shop": "ware", "ware": "shop"}[first]
			sources[second].erasing = true
			b.work(t)
			if st := b.step(t, id, "erase", first); st.Status != "done" {
				t.Fatalf("expected %s to be erased first, its step is %s: %q", first, st.Status, st.Message)
			}
			sources[second].erasing = false
			if err := b.run(t, b.job(t, id, "erase", second)); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			q := b.expectStatus(t, id, Fulfilled)
			if f := findingIn(t, q.Findings, "ware.places"); f.Erased != 1 || f.Shared != 1 {
				t.Errorf("expected the person's own place to be erased, and the one that somebody else's card names to be shared, got %+v", f)
			}
		})
	}
}

// A row that comes after the approval leads to a database that is done: neither it
// nor what it leads to is left there in silence.
func TestRowsThatAppearWhenALinkedSourceIsDone(t *testing.T) {
	t.Parallel()
	b, shop, _, pools := newLinked(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	shop.erasing = true
	b.work(t)
	if st := b.step(t, id, "erase", "ware"); st.Status != "done" {
		t.Fatalf("expected ware to be erased first, its step is %s: %q", st.Status, st.Message)
	}
	pgtest.Exec(t, pools[0], `INSERT INTO people VALUES (5, 1, 'Pavla Ng', 'Pavla@Example.org')`)
	pgtest.Exec(t, pools[1], `INSERT INTO orders VALUES (15, 5, 'new')`)
	shop.erasing = false
	var perm *Permanent
	if err := b.run(t, b.job(t, id, "erase", "shop")); !errors.As(err, &perm) {
		t.Fatalf("expected the step to stop, got %v", err)
	}
	if st := b.step(t, id, "erase", "shop"); !strings.Contains(st.Message, "the source ware, to which they may lead, has begun already") {
		t.Errorf("expected the step to say what is left, it says %q", st.Message)
	}
	b.expectStatus(t, id, Running)
	if people, orders := left(t, pools[0]), left(t, pools[1]); people != "people 2 5" || orders != "orders 12 15, lines 102" {
		t.Errorf("expected the new row to stay with what it leads to, got %s and %s", people, orders)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}
