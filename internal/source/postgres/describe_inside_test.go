package postgres_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Personal keys inside JSON stand in the draft, keys that may be values do not;
// the map is accepted, and what it names is given and masked.
func TestDraftLooksInsideDocuments(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE customers (id int PRIMARY KEY, email text, full_name text, settings jsonb NOT NULL DEFAULT '{}', points jsonb);
		CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, shipping jsonb NOT NULL, raw_log json, extra jsonb);
		CREATE TABLE events (id int PRIMARY KEY, payload jsonb);
		INSERT INTO customers SELECT n, 'c' || n || '@x.example', NULL, '{"theme": "dark", "newsletter": true}',
		  jsonb_build_object('Mara Quist', 3, 'odo', n, 'quist' || n || '@x.example', 1) FROM generate_series(1, 8) n;
		INSERT INTO orders SELECT n, n,
		  jsonb_build_object('carrier', 'post', 'parcels', 2, 'address', jsonb_build_object('name', 'Mara Quist', 'line1', 'Lemon Row 4', 'zip', '60200', 'city', 'Brno'),
		    'notify', jsonb_build_array(jsonb_build_object('kind', 'mail', 'value', 'c' || n || '@x.example'))),
		  json_build_object('customer', json_build_object('name', json_build_object('given', 'Mara'), 'phone', '+47 22 11 11 11'), 'trace', repeat('x', 5000)),
		  '{"a": 1}' FROM generate_series(1, 8) n;
		INSERT INTO events SELECT n, jsonb_build_object('email', 'c' || n || '@x.example', 'name', 'Mara') FROM generate_series(1, 8) n;`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	db, _, err := s.Describe(t.Context(), postgres.Describing{Sample: 100})
	if err != nil {
		t.Fatal(err)
	}
	d := draft.Make(db, draft.Options{Source: "shop"})
	yaml := string(d.YAML())
	for _, value := range []string{"Mara", "odo", "quist", "Lemon"} {
		if strings.Contains(yaml, value) {
			t.Errorf("expected no value in the map, %s stands there", value)
		}
	}
	m := mapOf(t, yaml)
	got := map[string]string{}
	for _, c := range m.Datasets[0].Collections {
		for _, f := range c.AllFields() {
			if len(f.Fields) == 0 && f.Parent != nil {
				got[c.Name+"."+f.LocalName()] = strings.Join(f.Categories, " ")
			}
		}
	}
	want := map[string]string{
		"orders.shipping.address.name": "user.name", "orders.shipping.address.line1": "user.contact.address.street", "orders.shipping.address.zip": "user.contact.address.postal_code",
		"orders.shipping.address.city": "user.contact.address.city", "orders.shipping.notify.value": "user.contact.email",
		"orders.raw_log.customer.name": "user.name", "orders.raw_log.customer.phone": "user.contact.phone_number",
		"customers.settings.newsletter": "user.privacy_preferences", "events.payload.email": "user.contact.email", "events.payload.name": "user.name",
	}
	for name, category := range want {
		if got[name] != category {
			t.Errorf("expected %s to be %s, got %q", name, category, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("expected these fields inside documents and no others, got %v", got)
	}
	for column, comment := range map[string]string{"extra": "was not decided", "shipping": "stay where the row is masked", "email": "may be an identity"} {
		if !strings.Contains(yaml, "- name: "+column+"  # ") || !strings.Contains(yaml, comment) {
			t.Errorf("expected a comment on %s that says %q\n%s", column, comment, yaml)
		}
	}
	doubts, err := s.Check(t.Context(), m, datamap.Builtin(datamap.Erasure))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range doubts {
		if one.Level == postgres.Wrong && !strings.Contains(one.Do, "CREATE INDEX") {
			t.Errorf("expected nothing wrong with the map but missing indexes: %+v", one)
		}
	}
	rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "c3@x.example")})
	order, _ := json.Marshal(rows["orders"])
	for _, value := range []string{"Lemon Row 4", "c3@x.example", "Mara", `parcels`} {
		if !strings.Contains(string(order), value) {
			t.Errorf("expected the order to be given with %s: %s", value, order)
		}
	}
	if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "c3@x.example")}, source.Holds{}, noNote); err != nil {
		t.Fatal(err)
	}
	var left string
	if err := pool.QueryRow(t.Context(), "SELECT shipping::text || left(raw_log::text, 100) FROM orders WHERE id = 3").Scan(&left); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"Lemon", "c3@", "Mara", "+47", "60200", "Brno"} {
		if strings.Contains(left, value) {
			t.Errorf("expected %s to be erased, %s is left", value, left)
		}
	}
	if !strings.Contains(left, `"carrier": "post"`) {
		t.Errorf("expected what is not personal to stay, %s is left", left)
	}
	// An update adds such a column with what lies in it, to lists of either style.
	for _, flow := range []bool{false, true} {
		old := "dataset:\n  - fides_key: shop\n    lethe: {source: shop, draft: {ignore: [events, customers.points]}}\n    collections:\n"
		if flow {
			old += "      - {name: orders, skip_processing: true, fields: [{name: id}, {name: customer_id}, {name: raw_log}, {name: extra}]}\n"
		} else {
			old += "      - name: orders\n        skip_processing: true\n        fields: [{name: id}, {name: customer_id}, {name: raw_log}, {name: extra}]\n"
		}
		u := renew(t, db, []byte(old), draft.Options{Source: "shop", New: "2026-11-24"})
		text := string(u.Files[0].Data)
		if m := mapOf(t, text); len(m.Datasets[0].Collections[0].Field("shipping").Fields) != 2 {
			t.Errorf("expected shipping with address and notify\n%s", text)
		}
	}
}
