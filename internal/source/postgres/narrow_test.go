package postgres_test

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A client with three orders, of which one names a parcel that another one is in,
// too, and whose address only the client names. The coupon names an order by a
// foreign key alone.
const orderSchema = `
CREATE TABLE addresses (id int PRIMARY KEY, street text);
CREATE TABLE clients   (id int PRIMARY KEY, email text, name text, address_id int REFERENCES addresses);
CREATE TABLE parcels   (id int PRIMARY KEY, label text);
CREATE TABLE orders    (id int PRIMARY KEY, no text, client_id int REFERENCES clients, parcel_id int REFERENCES parcels, follows int REFERENCES orders);
CREATE TABLE lines     (id int PRIMARY KEY, order_id int REFERENCES orders, what text);
CREATE TABLE visits    (id int PRIMARY KEY, client_id int REFERENCES clients ON DELETE CASCADE, ip inet);
CREATE INDEX ON clients (lower(email)); CREATE INDEX ON clients (address_id); CREATE INDEX ON orders (client_id); CREATE INDEX ON orders (parcel_id); CREATE INDEX ON orders (follows);
CREATE INDEX ON lines (order_id); CREATE INDEX ON visits (client_id);
INSERT INTO addresses VALUES (1, 'Long Street'), (2, 'Short Street');
INSERT INTO clients VALUES (1, 'a@x.example', 'Ada', 1), (2, 'b@x.example', 'Bob', 2);
INSERT INTO parcels VALUES (1, 'only A-1'), (2, 'A-1 or A-2'), (3, 'Bob''s');
INSERT INTO orders VALUES (1, 'A-1', 1, 1, NULL), (2, 'A-1', 1, 2, NULL), (3, 'A-2', 1, 2, NULL), (4, 'B-1', 2, 3, NULL), (5, 'A-1', 1, NULL, NULL), (6, NULL, 1, NULL, 5);
INSERT INTO lines VALUES (1, 1, 'cup'), (2, 2, 'jug'), (3, 3, 'pot'), (4, 4, 'pan'), (5, 5, 'lid'), (6, 6, 'box');
INSERT INTO visits VALUES (1, 1, '198.18.0.1'), (2, 2, '198.18.0.2');
`

const orderMap = `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: clients
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: address_id, fides_meta: {references: [{dataset: w, field: addresses.id, direction: to}]}}
      - name: addresses
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address]}
      - name: parcels
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: label, data_categories: [user.content]}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: no, data_categories: [user.unique_id], fides_meta: {custom_request_field: order_number}}
          - {name: client_id, fides_meta: {references: [{dataset: w, field: clients.id, direction: from}]}}
          - {name: parcel_id, fides_meta: {references: [{dataset: w, field: parcels.id, direction: to}]}}
      - name: lines
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: order_id, fides_meta: {references: [{dataset: w, field: orders.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
      - name: visits
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: client_id, fides_meta: {references: [{dataset: w, field: clients.id, direction: from}]}}
          - {name: ip, data_categories: [user.device.ip_address]}
`

// TestErasureOfAPart: rows that a field of the request leaves out stay as they are,
// with all that they need; what hangs on these, and is asked for, goes.
func TestErasureOfAPart(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, orderSchema)
		s := sourceOf(t, pool, "w", o)
		walk := source.Walk{Plan: planOf(t, mapOf(t, orderMap), datamap.Access, "email"), Seeds: seeds("email", "a@x.example"), Fields: map[string]string{"order_number": "A-1"}}
		found, err := s.Find(t.Context(), walk)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found.Findings {
			name := strings.TrimPrefix(f.Collection, "w.")
			if want := map[string]int64{"clients": 1, "addresses": 1, "orders": 3, "parcels": 2, "lines": 3, "visits": 1}[name]; f.Rows != want || f.Shared != 0 {
				t.Errorf("expected %d rows of %s to be the person's, and none shared, got %+v", want, name, f)
			}
		}
		walk.Plan = planOf(t, mapOf(t, orderMap), datamap.Erasure, "email")
		tried, err := s.DryRun(t.Context(), walk, source.Holds{})
		if err != nil {
			t.Fatal(err)
		}
		done := erasedWhole(t, s, walk)
		for name, want := range map[string]source.Finding{
			"clients": {Rows: 1, Stays: 1}, "addresses": {Rows: 1, Stays: 1}, "orders": {Rows: 3, Erased: 2, Stays: 1}, "parcels": {Rows: 2, Erased: 1, Stays: 1},
			"lines": {Rows: 3, Erased: 3}, "visits": {Rows: 1, Erased: 1},
		} {
			want.Source, want.Collection = "w", "w."+name
			if got := done[name]; got != want {
				t.Errorf("expected %+v, got %+v", want, got)
			}
			if got := by(tried)[name]; got != want {
				t.Errorf("expected the dry run to say %+v, got %+v", want, got)
			}
		}
		if got := text(t, pool, `SELECT concat_ws('; ', (SELECT string_agg(id || ' ' || coalesce(no, '-'), ', ' ORDER BY id) FROM orders), (SELECT string_agg(what, ', ' ORDER BY id) FROM lines),
			(SELECT string_agg(label, ', ' ORDER BY id) FROM parcels), (SELECT string_agg(concat_ws(' ', id, email, name), ', ' ORDER BY id) FROM clients),
			(SELECT string_agg(street, ', ' ORDER BY id) FROM addresses), (SELECT string_agg(id::text, ', ' ORDER BY id) FROM visits))`); got !=
			"3 A-2, 4 B-1, 5 A-1, 6 -; pot, pan, box; A-1 or A-2, Bob's; 1 a@x.example Ada, 2 b@x.example Bob; Long Street, Short Street; 2" {
			t.Errorf("expected just the part to be gone, left is %s", got)
		}
	})
}
