package shards_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// A small world without foreign keys between tables, so that any row may lie
// anywhere, with every kind of tie: owners, a browser that leads to rows without
// one, a reference in direction "to", one by text to a number, masked rows,
// references of two columns, by arrays and by what stands inside documents, and
// fields by which a request is narrowed.
const schema = `
CREATE TABLE places  (id int PRIMARY KEY, street text);
CREATE TABLE people  (id int PRIMARY KEY, tenant int, email text, name text, place_id int);
CREATE TABLE devices (id text PRIMARY KEY, person_id int, agent text);
CREATE TABLE orders  (shop int, no int, person_id text, device_id text, paid numeric, at timestamptz, PRIMARY KEY (shop, no));
CREATE TABLE events  (id int PRIMARY KEY, device_id text, ip inet, word text);
CREATE TABLE seats   (hall int, no int, person_id int, label text, PRIMARY KEY (hall, no));
CREATE TABLE tickets (id int PRIMARY KEY, hall text, seat bigint, note text);
CREATE TABLE rooms   (id int PRIMARY KEY, guests int[], topic text);
CREATE TABLE notes   (id int PRIMARY KEY, doc jsonb);
CREATE TABLE bags    (id int PRIMARY KEY, person_id int, items text[], label text);
CREATE TABLE goods   (id int PRIMARY KEY, name text);
CREATE INDEX ON people (lower(email)); CREATE INDEX ON people (place_id);
CREATE INDEX ON devices (person_id); CREATE INDEX ON orders (person_id); CREATE INDEX ON orders (device_id);
CREATE INDEX ON tickets (hall, seat); CREATE INDEX ON rooms USING gin (guests); CREATE INDEX ON notes USING gin (doc jsonb_path_ops);`

// Two datasets: what lies in the second one's database when there are two.
const worldMap = `
dataset:
  - fides_key: left
    lethe: {source: world, basis: f}
    collections:
      - name: people
        lethe: {controller: tenant, order: [name]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: place_id, fides_meta: {references: [{dataset: left, field: places.id, direction: to}]}}
      - name: places
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address]}
      - name: events
        lethe: {order: [word]}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: device_id, fides_meta: {references: [{dataset: right, field: devices.id, direction: from}]}}
          - {name: ip, data_categories: [user.device.ip_address]}
          - {name: word, data_categories: [user.content], fides_meta: {custom_request_field: word, masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
      - name: seats
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: hall, fides_meta: {primary_key: true}}
          - {name: no, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: left, field: people.id, direction: from}]}}
          - {name: label, data_categories: [user.content]}
      - name: bags
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: left, field: people.id, direction: from}]}}
          - {name: items, fides_meta: {data_type: "string[]", references: [{dataset: right, field: goods.id, direction: to}]}}
          - {name: label, data_categories: [user.content]}
  - fides_key: right
    lethe: {source: world, basis: f}
    collections:
      - name: tickets
        lethe: {all_of: [hall, seat]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: hall, fides_meta: {references: [{dataset: left, field: seats.hall, direction: from}]}}
          - {name: seat, fides_meta: {references: [{dataset: left, field: seats.no, direction: from}]}}
          - {name: note, data_categories: [user.content]}
      - name: rooms
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: guests
            data_categories: [user.unique_id]
            fides_meta:
              data_type: "integer[]"
              references: [{dataset: left, field: people.id, direction: from}]
              masking_strategy_override: {strategy: null_rewrite}
          - {name: topic, data_categories: [user.content]}
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: doc
            fides_meta: {data_type: object}
            fields:
              - name: of
                fides_meta: {data_type: "object[]"}
                fields:
                  - {name: who, data_categories: [user.unique_id], fides_meta: {references: [{dataset: left, field: people.id, direction: from}]}}
                  - {name: text, data_categories: [user.content]}
      - name: goods
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: name, data_categories: [user.content]}
      - name: devices
        lethe: {owner: person_id}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, identity: visitor}}
          - {name: person_id, fides_meta: {references: [{dataset: left, field: people.id, direction: from}]}}
          - {name: agent, data_categories: [user.device]}
      - name: orders
        lethe: {owner: person_id, order: [paid, at]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: shop, fides_meta: {primary_key: true, custom_request_field: shop}}
          - {name: no, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: left, field: people.id, direction: from}]}}
          - {name: device_id, fides_meta: {references: [{dataset: right, field: devices.id, direction: from}]}}
          - {name: paid, data_categories: [user.financial]}
          - {name: at, data_categories: [user.content]}
`

var (
	tables  = []string{"places", "people", "devices", "orders", "events", "seats", "tickets", "rooms", "notes", "bags", "goods"}
	onRight = []string{"devices", "orders", "tickets", "rooms", "notes", "goods"}
)

func parsed(t testing.TB, yaml string) *datamap.Map {
	t.Helper()
	m, problems := datamap.Parse([]datamap.File{{Name: "datamap.yaml", Data: []byte(yaml)}}, datamap.ParseOptions{})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected the data map to be right: %s", p)
		}
	}
	return m
}

func mapOf(t testing.TB, right string) *datamap.Map {
	t.Helper()
	m := parsed(t, worldMap)
	m.Datasets[1].Source = right
	return m
}

func planOf(t testing.TB, m *datamap.Map, kind datamap.Kind, identities ...string) *datamap.Plan {
	t.Helper()
	p, err := datamap.Compile(m, datamap.Builtin(kind), identities)
	if err != nil {
		t.Fatalf("expected a plan: %v", err)
	}
	return p
}

// A row is a statement that inserts it.
type row struct{ table, insert string }

func drawRows(r *rand.Rand) []row {
	var rows []row
	put := func(table string, values ...string) {
		for i, v := range values {
			if v != "NULL" {
				values[i] = "'" + v + "'"
			}
		}
		rows = append(rows, row{table, "INSERT INTO " + table + " VALUES (" + strings.Join(values, ", ") + ");"})
	}
	of := func(choice ...string) string { return choice[r.IntN(len(choice))] }
	among := func(prefix string, n int, more ...string) string {
		for i := range n {
			more = append(more, fmt.Sprint(prefix, i))
		}
		return of(more...)
	}
	places, people, devices := r.IntN(4), 1+r.IntN(4), r.IntN(5)
	for i := range places {
		put("places", fmt.Sprint(i), "s")
	}
	for i := range people {
		put("people", fmt.Sprint(i), of("1", "1", "1", "2"), of("a@x.example", "A@X.example", "b@x.example", "NULL"), of("Zoe", "adam", "Émile", "NULL"), among("", places, "NULL"))
	}
	for i := range devices {
		put("devices", fmt.Sprint("d", i), among("", people, "NULL", "NULL"), "g")
	}
	for i := range r.IntN(8) {
		put("orders", fmt.Sprint(i%2), fmt.Sprint(i), among("", people, "NULL", "NULL", "99", "n/a"), among("d", devices, "NULL", ""),
			of("10", "9.50", "NaN", "NULL", "100000000000000000000"), of("2026-01-02 03:04:05.000001+00", "infinity", "NULL", "2026-01-02 03:04:05+00"))
	}
	for i := range r.IntN(7) {
		put("events", fmt.Sprint(i), among("d", devices, "NULL", "unknown", "d9"), of("198.18.0.1", "NULL"), of("w", "W", "ö", "NULL"))
	}
	person := func(more ...string) string { return among("", people, more...) }
	goods := r.IntN(4)
	for i := range goods {
		put("goods", fmt.Sprint(i), "g")
	}
	for i := range r.IntN(4) {
		put("seats", fmt.Sprint(i%2), fmt.Sprint(i), person("NULL"), "s")
		put("bags", fmt.Sprint(i), person("NULL", "77"), "{"+of("", "1", "0,2", "1,1", "n/a,3", "x")+"}", "b")
	}
	for i := range r.IntN(6) {
		put("tickets", fmt.Sprint(i), of("0", "1", "00", "NULL", "x"), of("0", "1", "2", "NULL"), "t")
		put("rooms", fmt.Sprint(i), "{"+person()+","+person("77", "NULL")+"}", of("t", "NULL"))
		put("notes", fmt.Sprint(i), of(`{"of": [{"who": `+person()+`, "text": "a"}, {"who": "`+person("x")+`", "text": "b"}], "else": 1}`,
			`{"of": {"who": `+person()+`, "text": "c"}}`, `{"of": []}`, `{}`, "NULL"))
	}
	return rows
}

// load puts the rows in place of those that stand there. They are deleted, not
// truncated: that would make every connection plan all its statements anew.
func load(t testing.TB, pools []*pgxpool.Pool, at func(row) int, rows []row) {
	t.Helper()
	sql := make([]strings.Builder, len(pools))
	for i := range sql {
		for _, table := range tables {
			sql[i].WriteString("DELETE FROM " + table + ";")
		}
	}
	for _, r := range rows {
		sql[at(r)].WriteString(r.insert)
	}
	for i, pool := range pools {
		pgtest.Exec(t, pool, sql[i].String())
	}
}

// dump is all that stands in the tables of all databases, wherever it stands.
func dump(t testing.TB, pools []*pgxpool.Pool) string {
	t.Helper()
	var all []string
	var parts []string
	for _, table := range tables {
		parts = append(parts, "SELECT '"+table+" ' || x::text AS line FROM "+table+" x")
	}
	for _, pool := range pools {
		var rows []string
		if err := pool.QueryRow(context.Background(), "SELECT coalesce(array_agg(line), '{}') FROM ("+strings.Join(parts, " UNION ALL ")+") a").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// A way is one manner to hold the rows: in one database, in shards, in two sources.
type way struct {
	name   string
	m      *datamap.Map
	pools  []*pgxpool.Pool
	at     func(row) int
	find   func(context.Context, source.Walk) (source.Found, error)
	given  func(context.Context, source.Walk) (string, error)
	erase  func(context.Context, source.Walk, source.Holds) ([]source.Finding, error)
	looked func(context.Context, source.Walk, source.Holds) error
}

func poolsOf(t testing.TB, n int) []*pgxpool.Pool {
	t.Helper()
	var pools []*pgxpool.Pool
	for range n {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, schema)
		pools = append(pools, pool)
	}
	return pools
}

func database(t testing.TB, name string, pool *pgxpool.Pool, o postgres.Options) *postgres.Source {
	t.Helper()
	s, err := postgres.New(name, pool, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sharded(t testing.TB, pools []*pgxpool.Pool, o postgres.Options) *shards.Source {
	t.Helper()
	o.Shard = true
	var parts []shards.Part
	for i, pool := range pools {
		parts = append(parts, shards.Part{Name: fmt.Sprintf("world, shard %d", i+1), ID: fmt.Sprint("s", i), Server: fmt.Sprint(i % 2),
			Database: database(t, "world", pool, o)})
	}
	s, err := shards.New("world", parts, shards.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// store is what requests ask of a source.
type store interface {
	fleet.Node
	Find(context.Context, source.Walk) (source.Found, error)
	Snapshot(context.Context, source.Walk) (source.Snapshot, error)
	Erase(context.Context, source.Walk, source.Holds, func(context.Context, source.Note) error) (source.Note, error)
	Look(context.Context, source.Walk, source.Holds, []source.RowKey) (source.Remainder, error)
}

// together makes a way of stores that are asked one after the other, as the
// steps of a request are: each with what the others had to tell before.
func together(name string, m *datamap.Map, pools []*pgxpool.Pool, at func(row) int, stores map[string]store) *way {
	names := slices.Sorted(func(yield func(string) bool) {
		for n := range stores {
			if !yield(n) {
				return
			}
		}
	})
	var members []fleet.Member
	for _, n := range names {
		members = append(members, fleet.Member{Name: n, Node: stores[n]})
	}
	gather := func(ctx context.Context, w source.Walk, h source.Holds) (source.Walk, source.Holds, error) {
		if len(members) == 1 {
			return w, h, nil
		}
		var err error
		if h.Walks, err = fleet.Feed(ctx, members, h.Walks); err != nil {
			return w, h, err
		}
		w.Feeds, err = fleet.Gather(ctx, members, w, h)
		return w, h, err
	}
	var feeds []source.Feed
	var keys []source.RowKey
	wy := &way{name: name, m: m, pools: pools, at: at}
	wy.find = func(ctx context.Context, w source.Walk) (sum source.Found, err error) {
		if w, _, err = gather(ctx, w, source.Holds{}); err != nil {
			return sum, err
		}
		for _, n := range names {
			f, err := stores[n].Find(ctx, w)
			if err != nil {
				return sum, err
			}
			sum.Findings, sum.Roots, sum.Reached = append(sum.Findings, f.Findings...), append(sum.Roots, f.Roots...), append(sum.Reached, f.Reached...)
			sum.Braked = append(sum.Braked, f.Braked...)
		}
		slices.Sort(sum.Reached)
		sum.Reached = slices.Compact(sum.Reached)
		return sum, nil
	}
	wy.given = func(ctx context.Context, w source.Walk) (string, error) {
		w, _, err := gather(ctx, w, source.Holds{})
		if err != nil {
			return "", err
		}
		snaps := map[string]source.Snapshot{}
		for _, n := range names {
			snap, err := stores[n].Snapshot(ctx, w)
			if err != nil {
				return "", err
			}
			defer snap.Close(ctx) //nolint:errcheck // read only
			snaps[n] = snap
		}
		var all strings.Builder
		for _, v := range w.Plan.Visits {
			full := v.Collection.FullName()
			fmt.Fprintf(&all, "%s:\n", full)
			err := snaps[v.Collection.Dataset.Source].Rows(ctx, full, func(r source.Row) error {
				line, err := json.Marshal([]any{r.Fields, r.Values})
				all.Write(append(line, '\n'))
				return err
			})
			if err != nil {
				return "", err
			}
		}
		return all.String(), nil
	}
	wy.erase = func(ctx context.Context, w source.Walk, h source.Holds) ([]source.Finding, error) {
		w, h, err := gather(ctx, w, h)
		if err != nil {
			return nil, err
		}
		feeds, keys = w.Feeds, nil
		var findings []source.Finding
		for _, n := range names {
			done, err := stores[n].Erase(ctx, w, h, func(context.Context, source.Note) error { return nil })
			if err != nil {
				return nil, err
			}
			findings, keys = append(findings, done.Findings...), append(keys, done.Keys...)
			feeds = fleet.Sum(feeds, done.Feeds)
		}
		return findings, nil
	}
	wy.looked = func(ctx context.Context, w source.Walk, h source.Holds) error {
		w.Feeds = feeds
		w, h, err := gather(ctx, w, h)
		if err != nil {
			return err
		}
		for _, n := range names {
			left, err := stores[n].Look(ctx, w, h, keys)
			if err != nil {
				return err
			}
			for _, f := range left.Findings {
				if f.Rows > 0 {
					return fmt.Errorf("the second look found %d rows of %s", f.Rows, f.Collection)
				}
			}
		}
		return nil
	}
	return wy
}
