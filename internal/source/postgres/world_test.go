package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// A small world for tests and benchmarks: owners, a browser that leads to rows
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
