package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A small world with every kind of tie: owners, a browser that leads to rows
// without an owner, a reference in direction "to", masked rows, foreign keys and
// references without them, and no index at all on one link.
const worldSchema = `
CREATE TABLE places  (id int PRIMARY KEY, tenant int, street text);
CREATE TABLE people  (id int PRIMARY KEY, tenant int, email text, phone text, name text, place_id int REFERENCES places);
CREATE TABLE devices (id text PRIMARY KEY, tenant int, person_id int REFERENCES people, agent text);
CREATE TABLE orders  (shop int, no int, tenant int, person_id int, device_id text REFERENCES devices, what text, PRIMARY KEY (shop, no));
CREATE TABLE events  (id int PRIMARY KEY, device_id text, ip text, word text);
CREATE TABLE scraps  (id int PRIMARY KEY, event_id text, body text);
CREATE INDEX ON people (lower(email));
CREATE INDEX ON people (place_id);
CREATE INDEX ON devices (person_id);
CREATE INDEX ON orders (person_id);
CREATE INDEX ON orders (device_id);
CREATE INDEX ON events (device_id);`

const worldMap = `
dataset:
  - fides_key: world
    lethe: {source: world, basis: f}
    collections:
      - name: people
        lethe: {controller: tenant}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: name, data_categories: [user.name]}
          - {name: place_id, fides_meta: {references: [{dataset: world, field: places.id, direction: to}]}}
      - name: places
        lethe: {controller: tenant}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: street, data_categories: [user.contact.address]}
      - name: devices
        lethe: {controller: tenant, owner: person_id}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, identity: visitor}}
          - {name: tenant}
          - {name: person_id, fides_meta: {references: [{dataset: world, field: people.id, direction: from}]}}
          - {name: agent, data_categories: [user.device]}
      - name: orders
        lethe: {controller: tenant, owner: person_id}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: shop, fides_meta: {primary_key: true}}
          - {name: no, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: person_id, fides_meta: {references: [{dataset: world, field: people.id, direction: from}]}}
          - {name: device_id, fides_meta: {references: [{dataset: world, field: devices.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
      - name: events
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: device_id, fides_meta: {references: [{dataset: world, field: devices.id, direction: from}]}}
          - {name: ip, data_categories: [user.device.ip_address]}
          - {name: word, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
      - name: scraps
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: event_id, fides_meta: {references: [{dataset: world, field: events.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`

// A world is the tables' rows: column to value, NULL left out.
type world map[string][]map[string]string

func drawWorld(t *rapid.T) world {
	w := world{}
	add := func(table string, n int, row func(i int) map[string]string) {
		for i := range rapid.IntRange(0, n).Draw(t, table) {
			r := row(i)
			for c, v := range r {
				if v == "NULL" {
					delete(r, c)
				}
			}
			w[table] = append(w[table], r)
		}
	}
	of := func(table, key string, more ...string) string {
		choice := slices.Clone(more)
		for _, r := range w[table] {
			choice = append(choice, r[key])
		}
		return rapid.SampledFrom(choice).Draw(t, table+" named")
	}
	tenant := func() string { return rapid.SampledFrom([]string{"1", "1", "1", "2"}).Draw(t, "tenant") }
	add("places", 3, func(i int) map[string]string {
		return map[string]string{"id": fmt.Sprint(i), "tenant": tenant(), "street": "s"}
	})
	add("people", 4, func(i int) map[string]string {
		return map[string]string{"id": fmt.Sprint(i), "tenant": tenant(), "name": "n",
			"email":    rapid.SampledFrom([]string{"a@x.example", "A@X.example", "b@x.example", "NULL", ""}).Draw(t, "email"),
			"phone":    rapid.SampledFrom([]string{"+420 111", "00420-111", "+420222", "NULL"}).Draw(t, "phone"),
			"place_id": of("places", "id", "NULL")}
	})
	add("devices", 4, func(i int) map[string]string {
		id := fmt.Sprintf("d%d", i)
		if i == 3 {
			id = "unknown" // a placeholder that somebody made a row of
		}
		return map[string]string{"id": id, "tenant": tenant(), "person_id": of("people", "id", "NULL"), "agent": "g"}
	})
	add("orders", 6, func(i int) map[string]string {
		return map[string]string{"shop": fmt.Sprint(i % 2), "no": fmt.Sprint(i), "tenant": tenant(), "what": "w",
			"person_id": of("people", "id", "NULL", "99"), "device_id": of("devices", "id", "NULL")}
	})
	add("events", 6, func(i int) map[string]string {
		return map[string]string{"id": fmt.Sprint(i), "device_id": of("devices", "id", "NULL", "", "n/a", "d9"),
			"ip": rapid.SampledFrom([]string{"198.18.0.1", "NULL"}).Draw(t, "ip"), "word": rapid.SampledFrom([]string{"w", "NULL"}).Draw(t, "word")}
	})
	add("scraps", 4, func(i int) map[string]string {
		return map[string]string{"id": fmt.Sprint(i), "event_id": of("events", "id", "NULL", "x", "7"), "body": "b"}
	})
	return w
}

func (w world) load(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	var sql strings.Builder
	sql.WriteString("TRUNCATE places, people, devices, orders, events, scraps CASCADE;")
	for _, table := range []string{"places", "people", "devices", "orders", "events", "scraps"} {
		for _, r := range w[table] {
			var columns, values []string
			for c, v := range r {
				columns, values = append(columns, c), append(values, "'"+strings.ReplaceAll(v, "'", "''")+"'")
			}
			fmt.Fprintf(&sql, "INSERT INTO %s (%s) VALUES (%s);", table, strings.Join(columns, ", "), strings.Join(values, ", "))
		}
	}
	pgtest.Exec(t, pool, sql.String())
}

// dump is all that stands in the tables.
func dump(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	var all string
	for _, table := range []string{"places", "people", "devices", "orders", "events", "scraps"} {
		var rows string
		if err := pool.QueryRow(context.Background(), "SELECT coalesce(string_agg(x::text, ' ' ORDER BY x::text), '') FROM "+table+" x").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		all += table + ": " + rows + "\n"
	}
	return all
}

// reached is the slow and obvious walk: row by row, until nothing is new.
func (w world) reached(p *datamap.Plan, scope string, match func(row map[string]string, f *datamap.Field, identity string) bool) (all, mine map[string]bool) {
	name := func(table string, i int) string { return fmt.Sprintf("%s.%d", table, i) }
	lead := func(v string, ok bool) bool {
		return ok && !slices.Contains([]string{"", "n/a", "unknown"}, strings.ToLower(v))
	}
	walk := func(barred map[string]bool) map[string]bool {
		in := map[string]bool{}
		for again := true; again; {
			again = false
			for _, v := range p.Visits {
				table := v.Collection.Name
				for i, r := range w[table] {
					if in[name(table, i)] || barred[name(table, i)] || v.Collection.Controller != "" && r[v.Collection.Controller] != scope {
						continue
					}
					take := false
					for _, s := range v.Seeds {
						take = take || match(r, s.Field, s.Identity)
					}
					for _, l := range v.Links {
						if _, owned := r[v.Collection.Owner]; owned && l.To.Name != v.Collection.Owner {
							continue
						}
						for j, from := range w[l.From.Collection.Name] {
							value, ok := from[l.From.Name]
							take = take || in[name(l.From.Collection.Name, j)] && lead(value, ok) && value == r[l.To.Name]
						}
					}
					if take {
						in[name(table, i)], again = true, true
					}
				}
			}
		}
		return in
	}
	all = walk(nil)
	shared := map[string]bool{}
	for _, v := range p.Visits {
		for i, r := range w[v.Collection.Name] {
			for _, l := range v.Referrers {
				value, ok := r[l.To.Name]
				for j, d := range w[l.From.Collection.Name] {
					if lead(value, ok) && d[l.From.Name] == value && !all[name(l.From.Collection.Name, j)] {
						shared[name(v.Collection.Name, i)] = true
					}
				}
			}
		}
	}
	return all, walk(shared)
}

// TestPropertyEveryWay holds the ways of a walk to each other and to the slow
// one: the same rows found, the same tables left, and nothing more to do after.
func TestPropertyEveryWay(t *testing.T) {
	t.Parallel()
	m := mapOf(t, worldMap)
	now := func() time.Time { return time.Unix(0, 0) }
	var ways []*postgres.Source
	var pools []*pgxpool.Pool
	for _, o := range []postgres.Options{
		{}, {StagedAbove: -1}, {StagedAbove: 2}, // one statement, staged, one that finds out that it must be staged
		{StagedAbove: -1, SliceAbove: 1, SliceRows: 2}, // in several transactions
	} {
		o.Now = now
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, worldSchema)
		pools = append(pools, pool)
		ways = append(ways, sourceOf(t, pool, "world", o))
	}
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		types := rapid.SampledFrom([][]string{{"email"}, {"visitor"}, {"email", "phone"}, {"email", "visitor"}}).Draw(rt, "types")
		values := map[string]string{"email": "a@x.example", "phone": "+420111", "visitor": "d1"}
		var with []source.Seed
		for _, typ := range types {
			with = append(with, source.Seed{Type: typ, Value: values[typ]})
		}
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, types...), Scope: "1", Seeds: with}
		if rapid.Bool().Draw(rt, "restricted") {
			walk.Restricted = true
			for i := range 4 {
				if rapid.Bool().Draw(rt, "ticked") {
					walk.Roots = append(walk.Roots, source.RowKey{Collection: "world.people", Key: fmt.Sprint(i)}, source.RowKey{Collection: "world.devices", Key: fmt.Sprintf("d%d", i)})
				}
			}
		}
		var holds source.Holds
		if rapid.Bool().Draw(rt, "held") {
			holds.Rows = []source.RowKey{{Collection: "world.orders", Key: "(0,0)"}, {Collection: "world.orders", Key: "(1,1)"}, {Collection: "world.events", Key: "0"}}
		}
		if rapid.IntRange(0, 3).Draw(rt, "held by a walk") == 0 {
			holds.Walks = []source.Walk{{Plan: planOf(t, m, datamap.Access, "email"), Scope: "1", Seeds: seeds("email", "b@x.example")}}
		}
		findings, dumps := make([][]source.Finding, len(ways)), make([]string, len(ways))
		for i, s := range ways {
			w.load(t, pools[i])
			found, err := s.Find(ctx, walk)
			if err != nil {
				rt.Fatalf("find: %v", err)
			}
			if !walk.Restricted {
				compare(rt, w, walk, found)
			}
			done, err := s.Erase(ctx, walk, holds, noNote)
			if err != nil {
				rt.Fatalf("erase: %v", err)
			}
			findings[i], dumps[i] = done.Findings, dump(t, pools[i])
			left, err := s.Look(ctx, walk, holds, done.Keys)
			if err != nil {
				rt.Fatalf("look: %v", err)
			}
			for _, f := range left.Findings {
				if f.Rows != 0 {
					rt.Fatalf("expected the second look to find nothing, way %d found %+v\nafter %+v\n%s", i, f, done, dumps[i])
				}
			}
		}
		for i := range ways {
			if !slices.Equal(findings[0], findings[i]) {
				rt.Fatalf("expected the same counts in every way:\n%+v\n%+v", findings[0], findings[i])
			}
			if dumps[0] != dumps[i] {
				rt.Fatalf("expected the same tables in every way:\n%s\n%s", dumps[0], dumps[i])
			}
		}
	})
}

func compare(rt *rapid.T, w world, walk source.Walk, found source.Found) {
	all, mine := w.reached(walk.Plan, walk.Scope, func(r map[string]string, f *datamap.Field, identity string) bool {
		digits := strings.NewReplacer(" ", "", "-", "").Replace(r[f.Name])
		switch identity {
		case "email":
			return strings.EqualFold(r[f.Name], "a@x.example")
		case "phone":
			return digits == "+420111" || digits == "00420111"
		}
		return r[f.Name] == "d1"
	})
	count := func(in map[string]bool, table string) (n int64) {
		for k := range in {
			if strings.HasPrefix(k, table+".") {
				n++
			}
		}
		return n
	}
	for _, f := range found.Findings {
		table := strings.TrimPrefix(f.Collection, "world.")
		if f.Rows != count(mine, table) || f.Rows+f.Shared != count(all, table) {
			rt.Fatalf("%s: expected %d rows and %d shared, got %+v", table, count(mine, table), count(all, table)-count(mine, table), f)
		}
	}
}
