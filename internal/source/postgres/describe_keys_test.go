package postgres_test

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Keys named for their tables, in two schemas: a key is what others point to and
// points nowhere itself, whether or not the foreign keys are declared.
func TestDraftOfKeysNamedForTheirTables(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE SCHEMA crm;
		CREATE TABLE customers (customer_id int PRIMARY KEY, email text, full_name text, referrer_id int);
		CREATE TABLE categories (category_id int PRIMARY KEY, title text, parent_category_id int);
		CREATE TABLE products (product_id int PRIMARY KEY, category_id int, title text);
		CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, note text);
		CREATE TABLE order_items (item_id int PRIMARY KEY, order_id int, product_id int, quantity int);
		CREATE TABLE payments (payment_id int PRIMARY KEY, order_id int, customer_id int, card_last4 text);
		CREATE TABLE reviews (review_id int PRIMARY KEY, customer_id int, product_id int, body text);
		CREATE TABLE sales_agents (agent_id int PRIMARY KEY, region text);
		CREATE TABLE crm.accounts (account_id int PRIMARY KEY, customer_id int, login text);
		CREATE TABLE crm.account_notes (account_id int, note_no int, parent_no int, body text, PRIMARY KEY (account_id, note_no));
		CREATE TABLE crm.payments (payment_id int PRIMARY KEY, account_id int, iban text);`
	const keys = `
		ALTER TABLE categories ADD FOREIGN KEY (parent_category_id) REFERENCES categories;
		ALTER TABLE products ADD FOREIGN KEY (category_id) REFERENCES categories;
		ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
		ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders, ADD FOREIGN KEY (product_id) REFERENCES products;
		ALTER TABLE payments ADD FOREIGN KEY (order_id) REFERENCES orders, ADD FOREIGN KEY (customer_id) REFERENCES customers;
		ALTER TABLE reviews ADD FOREIGN KEY (customer_id) REFERENCES customers, ADD FOREIGN KEY (product_id) REFERENCES products;
		ALTER TABLE crm.accounts ADD FOREIGN KEY (customer_id) REFERENCES customers, ADD FOREIGN KEY (account_id) REFERENCES crm.accounts;
		ALTER TABLE crm.account_notes ADD FOREIGN KEY (account_id) REFERENCES crm.accounts,
		  ADD FOREIGN KEY (account_id, parent_no) REFERENCES crm.account_notes;
		ALTER TABLE crm.payments ADD FOREIGN KEY (account_id) REFERENCES crm.accounts;`
	const contents = `
		INSERT INTO customers VALUES (1, 'ada@x.example', 'Ada Byron', NULL), (2, 'ben@x.example', 'Ben Nevis', 1);
		INSERT INTO categories VALUES (1, 'Looms', NULL), (2, 'Cards', 1);
		INSERT INTO products VALUES (1, 2, 'Card');
		INSERT INTO orders VALUES (1, 1), (2, 2);
		INSERT INTO order_items VALUES (1, 1, 1, 3), (2, 2, 1, 1);
		INSERT INTO payments VALUES (1, 1, 1), (2, 2, 2);
		INSERT INTO reviews VALUES (1, 1, 1), (2, 2, 1);
		INSERT INTO sales_agents VALUES (1), (2);
		INSERT INTO crm.accounts VALUES (1, 1), (2, 2);
		INSERT INTO crm.account_notes VALUES (1, 1, NULL), (1, 2, 1), (2, 1, NULL);
		INSERT INTO crm.payments VALUES (1, 1), (2, 2);`
	for name, sql := range map[string]string{"with foreign keys": tables + keys + contents, "by names alone": tables + contents} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, sql)
			s := sourceOf(t, pool, "shop", postgres.Options{})
			d := drafted(t, s, "shop", postgres.Describing{})
			yaml := string(d.YAML())
			m := mapOf(t, yaml)
			doubts, err := s.Check(t.Context(), m, datamap.Builtin(datamap.Erasure))
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range doubts {
				if one.Level == postgres.Wrong && !strings.Contains(one.Do, "CREATE INDEX") {
					t.Errorf("expected nothing wrong with the map but missing indexes: %+v", one)
				}
			}
			for _, c := range d.Collections {
				f := c.Fields[0]
				if len(c.Table.Key) == 1 && (len(f.References) > 0 || strings.Contains(strings.Join(f.Why, " "), "not followed")) {
					t.Errorf("expected the key %s.%s to name nothing else: %+v, %q", c.Table.FullName(), f.Column.Name, f.References, f.Why)
				}
			}
			found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "ada@x.example")})
			if err != nil {
				t.Fatal(err)
			}
			rows := map[string]int64{}
			for _, f := range found.Findings {
				rows[f.Collection] = f.Rows + f.Shared
			}
			for collection, n := range map[string]int64{
				"shop.customers": 1, "shop.orders": 1, "shop.order_items": 1, "shop.payments": 1, "shop.reviews": 1, "shop.products": 0, "shop.sales_agents": 0,
				"shop_crm.accounts": 1, "shop_crm.account_notes": 2, "shop_crm.payments": 1,
			} {
				if rows[collection] != n {
					t.Errorf("expected %d rows of %s, got %d\n%s", n, collection, rows[collection], yaml)
				}
			}
		})
	}
}

// A foreign key that every partition or heir has for itself, as tables from before
// Postgres 11 do, leads to the table's rows; one of a column that only an heir has does not.
func TestDraftOfKeysOfPartsOfTables(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE events (id int, year int, who int, note text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
		CREATE TABLE events_1 PARTITION OF events (FOREIGN KEY (who) REFERENCES people) FOR VALUES IN (1);
		CREATE TABLE events_2 PARTITION OF events (FOREIGN KEY (who) REFERENCES people) FOR VALUES IN (2);
		CREATE TABLE files (id int PRIMARY KEY, whose int, note text);
		CREATE TABLE images (judge int REFERENCES people, FOREIGN KEY (whose) REFERENCES people) INHERITS (files);
		INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
		INSERT INTO events VALUES (1, 1, 1, 'n'), (2, 2, 1, 'n'), (3, 2, 2, 'n');
		INSERT INTO images VALUES (1, 1, 'n', 2), (2, 2, 'n', 1);`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	yaml := string(drafted(t, s, "shop", postgres.Describing{}).YAML())
	found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, mapOf(t, yaml), datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	is := by(found.Findings)
	if is["events"].Rows != 2 || is["files"].Rows != 1 {
		t.Errorf("expected two events and one file of the person, got %d and %d\n%s", is["events"].Rows, is["files"].Rows, yaml)
	}
}
