package dsar

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// killable is a real source whose process dies right after the next commit.
type killable struct {
	*postgres.Source
	pool *pgxpool.Pool
	kill bool
}

func (k *killable) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	done, err := k.Source.Erase(ctx, w, h, note)
	if err == nil && k.kill {
		k.kill = false
		panic(killed)
	}
	return done, err
}

// heldRows is a HoldFinder of single rows.
type heldRows struct{ rows []source.RowKey }

func (h *heldRows) Holds(context.Context, string) (Holds, error) { return Holds{Rows: h.rows}, nil }

func keptBench(t *testing.T) (*workBundle, *killable) {
	t.Helper()
	return keptBenchOver(t, keepsMap, "")
}

// keptBenchOver is the same over another map, with tables that were changed first.
func keptBenchOver(t *testing.T, file, change string) (*workBundle, *killable) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE tax_bills (id bigint PRIMARY KEY, person bigint, name text, phone text, issued_on date);
		CREATE INDEX ON people (lower(mail)); CREATE INDEX ON tax_bills (person);
		INSERT INTO people VALUES (1, 'Pavla@example.org'), (2, 'else@example.org');
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2026-01-31'), (2, 1, 'Pavla Ng', '+420601', '2025-01-31'),
			(3, 1, 'Pavla Ng', '+420601', '1999-01-31'), (4, 2, 'Else', '+420602', '2025-01-31');`+change)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := &killable{Source: src, pool: pool}
	return newWorkOver(t, file, map[string]Source{"shop": k}), k
}

// minuteAt moves the clock and lets a minute and its work pass.
func (b *workBundle) minuteAt(t *testing.T, at string) {
	t.Helper()
	b.clock.set(instant(t, at))
	if err := b.Minute(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// killedOnce plays the workers, of which one is killed at a step that another
// then takes over.
func (b *workBundle) killedOnce(t *testing.T, id int64, stage string) {
	t.Helper()
	if errs := b.work(t); len(errs) != 1 || !errors.Is(errs[0], errKilled) {
		t.Fatalf("expected one killed job, got %v", errs)
	}
	if err := b.run(t, b.job(t, id, stage, "shop")); err != nil {
		t.Fatalf("expected the second run of %s to end well, got %v", stage, err)
	}
	b.worked(t)
}

func (k *killable) bills(t *testing.T) (ids []int64) {
	t.Helper()
	var got []int64
	if err := k.pool.QueryRow(t.Context(), `SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM tax_bills`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Rows that a law kept are erased when their time is over, long after the
// request was scrubbed, whatever is killed, and nobody else's with them.
func TestKeptRowsAreErasedAtTheirEnd(t *testing.T) {
	t.Parallel()
	b, src := keptBench(t)
	src.kill = true // the rows that are kept must not be lost with the process
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.killedOnce(t, id, stageErase)
	b.expectStatus(t, id, Fulfilled)
	kept := func() []KeptRows {
		t.Helper()
		list, err := b.Kept(t.Context(), operator, id)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := kept(); len(list) != 2 || list[0].Rows != 1 || list[0].Done || list[0].Why == "" || list[0].Until.Format(time.DateOnly) != "2035-02-01" {
		t.Fatalf("expected two bills to be kept, the first until 2035-02-01, got %+v", list)
	}

	b.minuteAt(t, "2030-01-01T09:00:00Z")
	b.worked(t)
	var scrubbed bool
	if err := b.pool.QueryRow(t.Context(), `SELECT scrubbed_at IS NOT NULL FROM requests WHERE id = $1`, id).Scan(&scrubbed); err != nil || !scrubbed {
		t.Fatalf("expected the request to be scrubbed by 2030, got %v, %v", scrubbed, err)
	}
	if ids := src.bills(t); len(ids) != 3 {
		t.Fatalf("expected no bill to go before its time, got %v", ids)
	}

	src.kill = true
	b.minuteAt(t, "2035-02-02T09:00:00Z")
	b.killedOnce(t, id, stageKept)
	if ids := src.bills(t); len(ids) != 2 || ids[0] != 1 || ids[1] != 4 {
		t.Errorf("expected bill 2 alone to be gone in February 2035, left are %v", ids)
	}
	if list := kept(); len(list) != 2 || !list[0].Done == !list[1].Done {
		t.Errorf("expected one bill to be done, got %+v", list)
	}
	b.minuteAt(t, "2036-02-02T09:00:00Z")
	b.worked(t)
	b.minuteAt(t, "2036-02-03T09:00:00Z")
	b.worked(t)
	if ids := src.bills(t); len(ids) != 1 || ids[0] != 4 {
		t.Errorf("expected only the other person's bill to be left in 2036, got %v", ids)
	}
	var open, told int
	if err := b.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM kept WHERE cipher IS NOT NULL),
		(SELECT count(*) FROM ledger WHERE type = 'kept.finished')`).Scan(&open, &told); err != nil {
		t.Fatal(err)
	}
	if open != 0 || told != 2 {
		t.Errorf("expected every key to be forgotten and two entries in the ledger, got %d and %d", open, told)
	}
}

// Kept rows of a collection that has no primary_key in the map are finished, too:
// by the table's own key, or by all that they hold. Where a keep masks rows that no
// key names, nothing would know them again: that is told at once.
func TestKeptRowsWithoutAKeyInTheMap(t *testing.T) {
	t.Parallel()
	const key, loose = "fides_meta: {primary_key: true, data_type: integer}}\n          - {name: person", "fides_meta: {data_type: integer}}\n          - {name: person"
	keyless := strings.Replace(keepsMap, key, loose, 1)
	if keyless == keepsMap {
		t.Fatal("expected the key of the bills in the map")
	}
	for _, c := range []struct {
		name, file, change string
		left               int // in 2036, of four bills
	}{
		{"the table's own", keyless, "", 1},
		{"all that they hold", strings.Replace(keyless, ", mask: [phone]", "", 1), "ALTER TABLE tax_bills DROP CONSTRAINT tax_bills_pkey", 1},
		{"masked and without any", keyless, "ALTER TABLE tax_bills DROP CONSTRAINT tax_bills_pkey", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, src := keptBenchOver(t, c.file, c.change)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			b.worked(t)
			b.expectStatus(t, id, Fulfilled)
			list, err := b.Kept(t.Context(), operator, id)
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(list, func(k KeptRows) bool { return k.Unnoted && k.Rows == 2 && strings.Contains(k.Why, "without a key") })
			if told != (c.left == 3) {
				t.Errorf("expected rows that nothing will finish to be told: %t, got %+v", c.left == 3, list)
			}
			for _, at := range []string{"2035-02-02T09:00:00Z", "2036-02-02T09:00:00Z", "2036-02-03T09:00:00Z"} {
				b.minuteAt(t, at)
				b.worked(t)
			}
			if ids := src.bills(t); len(ids) != c.left || ids[len(ids)-1] != 4 {
				t.Errorf("expected %d bills to be left in 2036, the other person's among them, got %v", c.left, ids)
			}
		})
	}
}

// The key by which a row was kept may name another one in ten years, when the map or
// the table has another key: then nobody's row goes, and the step says what to do.
func TestKeptRowsOfAnotherKey(t *testing.T) {
	t.Parallel()
	b, src := keptBench(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	// Bill 4, of somebody else, has the number that is the key of bill 2.
	pgtest.Exec(t, src.pool, `ALTER TABLE tax_bills ADD number bigint; UPDATE tax_bills SET number = CASE id WHEN 4 THEN 2 ELSE id + 100 END;
		ALTER TABLE tax_bills ALTER number SET NOT NULL; CREATE UNIQUE INDEX ON tax_bills (number)`)
	const key = "{name: id, fides_meta: {primary_key: true, data_type: integer}}\n          - {name: person"
	const other = "{name: number, fides_meta: {primary_key: true, data_type: integer}}\n          - {name: person"
	b.restarted(t, strings.Replace(keepsMap, key, other, 1), nil)
	b.minuteAt(t, "2035-02-02T09:00:00Z")
	b.work(t)
	if ids := src.bills(t); !slices.Equal(ids, []int64{1, 2, 4}) {
		t.Errorf("expected nobody's bill to go, left are %v", ids)
	}
	if st := b.step(t, id, stageKept, "shop"); st.Status != "failed" || !strings.Contains(st.Message, "shop.tax_bills were kept by their id, and are known by their number now") {
		t.Errorf("expected the step to say that the key is another one, it is %s: %s", st.Status, st.Message)
	}
	b.restarted(t, keepsMap, nil)
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if ids := src.bills(t); !slices.Equal(ids, []int64{1, 4}) {
		t.Errorf("expected bill 2 to go once the key is put back, left are %v", ids)
	}
}

// A held row is erased once its hold is lifted, and not before.
func TestHeldRowsAreErasedWhenTheHoldIsLifted(t *testing.T) {
	t.Parallel()
	b, src := keptBench(t)
	holds := &heldRows{rows: []source.RowKey{{Collection: "shop.tax_bills", Key: "3"}}}
	b.c.Holds = holds
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	b.minuteAt(t, "2026-06-09T09:00:00Z")
	b.worked(t)
	if ids := src.bills(t); len(ids) != 4 {
		t.Fatalf("expected the held bill to stay, left are %v", ids)
	}
	holds.rows = nil
	pgtest.Exec(t, b.pool, `INSERT INTO holds (controller, collection, reason, placed_by, placed_at, released_at)
		VALUES ('bota', 'shop.tax_bills', 'claim', 'dpo', '2026-06-01', '2026-06-10')`)
	b.minuteAt(t, "2026-06-10T09:00:00Z")
	b.worked(t)
	if ids := src.bills(t); len(ids) != 3 || ids[2] != 4 {
		t.Errorf("expected the released bill 3 to be gone, left are %v", ids)
	}
}

// A row whose time is over is not a stranger's because another of the person's own
// still names it: one that a longer law or a hold keeps, or that was masked only.
// It loses what the policy takes, and stays as long as it is named.
func TestKeptRowsThatOthersOfThePersonName(t *testing.T) {
	t.Parallel()
	const more = `
      - name: bill_lines
        lethe: {keep: [{for: P30Y, from: sold_on, because: asbestos register}]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: bill, fides_meta: {references: [{dataset: shop, field: tax_bills.id, direction: from}]}}
          - {name: sold_on, data_categories: [system.operations]}
      - name: reminders
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: bill, fides_meta: {references: [{dataset: shop, field: tax_bills.id, direction: from}]}}
          - {name: words, data_categories: [user.content]}
`
	b, src := keptBenchOver(t, keepsMap+more[1:], `
		CREATE TABLE bill_lines (id bigint PRIMARY KEY, bill bigint REFERENCES tax_bills ON DELETE CASCADE, sold_on date);
		CREATE TABLE reminders (id bigint PRIMARY KEY, bill bigint REFERENCES tax_bills, words text);
		INSERT INTO bill_lines VALUES (1, 1, '2026-01-31');
		INSERT INTO reminders VALUES (1, 2, 'pay, Pavla');`)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	bills := func() (all string) {
		t.Helper()
		err := src.pool.QueryRow(t.Context(), `SELECT string_agg(concat_ws(' ', id, name, (SELECT count(*) FROM bill_lines WHERE bill = t.id)), ', ' ORDER BY id) FROM tax_bills t`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	b.minuteAt(t, "2035-02-02T09:00:00Z") // the end of bill 2
	b.worked(t)
	if got, want := bills(), "1 Pavla Ng 1, 2 0, 4 Else 0"; got != want {
		t.Errorf("expected bill 2 to be masked although a reminder names it: %q, got %q", want, got)
	}
	b.minuteAt(t, "2036-02-02T09:00:00Z") // of bill 1, whose line is kept for longer
	b.worked(t)
	if got, want := bills(), "1 1, 2 0, 4 Else 0"; got != want {
		t.Errorf("expected bill 1 to be masked, and its line to stay: %q, got %q", want, got)
	}
	var open int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM kept WHERE cipher IS NOT NULL`).Scan(&open); err != nil || open != 1 {
		t.Errorf("expected the line alone to be still kept, got %d, %v", open, err)
	}
}

// A hold that is lifted while a law keeps the row leaves it kept, as the law says.
func TestHeldRowsThatALawKeepsToo(t *testing.T) {
	t.Parallel()
	b, src := keptBenchOver(t, keepsMap+`      - name: bill_lines
        lethe: {keep: {with: bill}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: bill, fides_meta: {references: [{dataset: shop, field: tax_bills.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
`, `
		CREATE TABLE bill_lines (id bigint PRIMARY KEY, bill bigint REFERENCES tax_bills, what text);
		INSERT INTO bill_lines VALUES (1, 1, 'a lamp');`)
	holds := &heldRows{rows: []source.RowKey{{Collection: "shop.tax_bills", Key: "1"}}}
	b.c.Holds = holds
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	holds.rows = nil
	pgtest.Exec(t, b.pool, `INSERT INTO holds (controller, collection, reason, placed_by, placed_at, released_at)
		VALUES ('bota', 'shop.tax_bills', 'claim', 'dpo', '2026-06-01', '2026-06-10')`)
	b.minuteAt(t, "2026-06-10T09:00:00Z")
	b.worked(t)
	var phone *string
	var kept int
	err := src.pool.QueryRow(t.Context(), `SELECT phone FROM tax_bills WHERE id = 1`).Scan(&phone)
	if err == nil {
		err = b.pool.QueryRow(t.Context(), `SELECT count(*) FROM kept WHERE cipher IS NOT NULL AND NOT held AND collection = 'shop.tax_bills'`).Scan(&kept)
	}
	if err != nil || phone != nil || kept != 2 {
		t.Errorf("expected bill 1 to be kept like bill 2, its telephone number gone, got %v, %d kept, %v", phone, kept, err)
	}
}

// Of several laws all are named: which of them keeps a row nobody noted, and the
// first would be wrong for those that the second keeps.
func TestKeptRowsOfTwoLaws(t *testing.T) {
	t.Parallel()
	b, _ := keptBenchOver(t, strings.ReplaceAll(keepsMap, "mask: [phone]}]", "mask: [phone]}, {for: P30Y, from: issued_on, because: asbestos register}]"), "")
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	list, err := b.Kept(t.Context(), operator, id)
	if err != nil {
		t.Fatal(err)
	}
	const why = "A law keeps them: accounting law, for 10 years, counted from “issued on”; or asbestos register, for 30 years, counted from “issued on”."
	if len(list) != 3 || list[0].Why != why {
		t.Errorf("expected three bills and both laws, got %+v", list)
	}
}
