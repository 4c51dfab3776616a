package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/pgtest"
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
