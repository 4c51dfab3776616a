package postgres_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// The store is what speed is measured on: eight tables with foreign keys, and
// subjects with twenty rows in them.
const storeTables = `
CREATE TABLE people    (id bigint, email text, name text);
CREATE TABLE addresses (id bigint, person_id bigint, street text);
CREATE TABLE orders    (id bigint, person_id bigint, placed_at timestamptz, remark text);
CREATE TABLE lines     (id bigint, order_id bigint, what text);
CREATE TABLE payments  (id bigint, order_id bigint, account text);
CREATE TABLE tickets   (id bigint, person_id bigint, subject text);
CREATE TABLE replies   (id bigint, ticket_id bigint, body text);
CREATE TABLE logins    (id bigint, person_id bigint, ip inet, at timestamptz);`

// storeKeys come after the rows: an index is made faster at once.
const storeKeys = `
ALTER TABLE people    ADD PRIMARY KEY (id);
ALTER TABLE addresses ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES people;
ALTER TABLE orders    ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES people;
ALTER TABLE lines     ADD PRIMARY KEY (id), ADD FOREIGN KEY (order_id)  REFERENCES orders;
ALTER TABLE payments  ADD PRIMARY KEY (id), ADD FOREIGN KEY (order_id)  REFERENCES orders;
ALTER TABLE tickets   ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES people;
ALTER TABLE replies   ADD PRIMARY KEY (id), ADD FOREIGN KEY (ticket_id) REFERENCES tickets;
ALTER TABLE logins    ADD PRIMARY KEY (id), ADD FOREIGN KEY (person_id) REFERENCES people;
CREATE INDEX ON people (lower(email));
CREATE INDEX ON addresses (person_id);
CREATE INDEX ON orders (person_id);
CREATE INDEX ON lines (order_id);
CREATE INDEX ON payments (order_id);
CREATE INDEX ON tickets (person_id);
CREATE INDEX ON replies (ticket_id);
CREATE INDEX ON logins (person_id);
ANALYSE;`

const storeMap = `
dataset:
  - fides_key: store
    lethe: {source: store, basis: b}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
      - name: addresses
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: store, field: people.id, direction: from}]}}
          - {name: street, data_categories: [user.contact.address.street]}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: store, field: people.id, direction: from}]}}
          - {name: placed_at, data_categories: [user.behavior.purchase_history]}
          - {name: remark, data_categories: [user.content]}
      - name: lines
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: order_id, fides_meta: {references: [{dataset: store, field: orders.id, direction: from}]}}
          - {name: what, data_categories: [user.behavior.purchase_history]}
      - name: payments
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: order_id, fides_meta: {references: [{dataset: store, field: orders.id, direction: from}]}}
          - {name: account, data_categories: [user.financial.bank_account]}
      - name: tickets
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: store, field: people.id, direction: from}]}}
          - {name: subject, data_categories: [user.content]}
      - name: replies
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: ticket_id, fides_meta: {references: [{dataset: store, field: tickets.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
      - name: logins
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: store, field: people.id, direction: from}]}}
          - {name: ip, data_categories: [user.device.ip_address]}
          - {name: at, data_categories: [user.behavior]}
`

// storeNames are the tables, children first.
func storeNames() []string {
	return []string{"lines", "payments", "orders", "replies", "tickets", "addresses", "logins", "people"}
}

// storeRows fills the tables: people from to upto, each with that many
// orders (of two lines and a payment each), a ticket with its replies, an
// address and logins. Three orders, three replies and two logins make twenty rows.
func storeRows(from, upto, orders, replies, logins int) string {
	return fmt.Sprintf(`
INSERT INTO people    SELECT p, 'p' || p || '@x.example', 'n' || p FROM generate_series(%[1]d, %[2]d) p;
INSERT INTO addresses SELECT p, p, 'street ' || p FROM generate_series(%[1]d, %[2]d) p;
INSERT INTO orders    SELECT p * 1000000::bigint + o, p, now(), 'r' FROM generate_series(%[1]d, %[2]d) p, generate_series(1, %[3]d) o;
INSERT INTO lines     SELECT p * 4000000::bigint + o, p * 1000000::bigint + (o + 1) / 2, 'w' FROM generate_series(%[1]d, %[2]d) p, generate_series(1, 2 * %[3]d) o;
INSERT INTO payments  SELECT p * 1000000::bigint + o, p * 1000000::bigint + o, 'a' FROM generate_series(%[1]d, %[2]d) p, generate_series(1, %[3]d) o;
INSERT INTO tickets   SELECT p, p, 's' FROM generate_series(%[1]d, %[2]d) p;
INSERT INTO replies   SELECT p * 10000000::bigint + o, p, 'a body of a few words, as people write them ' || o FROM generate_series(%[1]d, %[2]d) p, generate_series(1, %[4]d) o;
INSERT INTO logins    SELECT p * 1000000::bigint + o, p, '198.18.0.1', now() FROM generate_series(%[1]d, %[2]d) p, generate_series(1, %[5]d) o;
`, from, upto, orders, replies, logins)
}

// store is such a database, with a pool of eight connections.
func store(t testing.TB, people int) (*pgxpool.Pool, *datamap.Map) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, storeTables)
	const piece = 250_000 // people at a time: each statement has its limit
	for from := 1; from <= people; from += piece {
		oneByOne(t, pool, storeRows(from, min(people, from+piece-1), 3, 3, 2))
	}
	oneByOne(t, pool, storeKeys)
	return poolOfStore(t, pool), mapOf(t, storeMap)
}

// oneByOne runs statements that end with a line.
func oneByOne(t testing.TB, pool *pgxpool.Pool, sql string) {
	t.Helper()
	for _, one := range strings.Split(strings.TrimSpace(sql), ";\n") {
		pgtest.Exec(t, pool, one)
	}
}

func poolOfStore(t testing.TB, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	p, err := pg.Open(t.Context(), pgtest.URL(pool), pg.Options{Name: "store", MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// What somebody who knows the schema writes by hand.
const (
	handWalk = `
p AS MATERIALIZED (SELECT * FROM people WHERE lower(email) = $1),
a AS MATERIALIZED (SELECT * FROM addresses WHERE person_id IN (SELECT id FROM p)),
o AS MATERIALIZED (SELECT * FROM orders WHERE person_id IN (SELECT id FROM p)),
l AS MATERIALIZED (SELECT * FROM lines WHERE order_id IN (SELECT id FROM o)),
y AS MATERIALIZED (SELECT * FROM payments WHERE order_id IN (SELECT id FROM o)),
t AS MATERIALIZED (SELECT * FROM tickets WHERE person_id IN (SELECT id FROM p)),
r AS MATERIALIZED (SELECT * FROM replies WHERE ticket_id IN (SELECT id FROM t)),
g AS MATERIALIZED (SELECT * FROM logins WHERE person_id IN (SELECT id FROM p))`
	handAccess = "WITH" + handWalk + `
SELECT (SELECT json_agg(p)::text FROM p), (SELECT json_agg(a)::text FROM a), (SELECT json_agg(o)::text FROM o), (SELECT json_agg(l)::text FROM l),
       (SELECT json_agg(y)::text FROM y), (SELECT json_agg(t)::text FROM t), (SELECT json_agg(r)::text FROM r), (SELECT json_agg(g)::text FROM g)`
	handErasure = `WITH
p AS MATERIALIZED (SELECT id FROM people WHERE lower(email) = $1),
o AS MATERIALIZED (SELECT id FROM orders WHERE person_id IN (SELECT id FROM p)),
t AS MATERIALIZED (SELECT id FROM tickets WHERE person_id IN (SELECT id FROM p)),
d1 AS (DELETE FROM lines WHERE order_id IN (SELECT id FROM o) RETURNING 1),
d2 AS (DELETE FROM payments WHERE order_id IN (SELECT id FROM o) RETURNING 1),
d3 AS (DELETE FROM orders WHERE id IN (SELECT id FROM o) RETURNING 1),
d4 AS (DELETE FROM replies WHERE ticket_id IN (SELECT id FROM t) RETURNING 1),
d5 AS (DELETE FROM tickets WHERE id IN (SELECT id FROM t) RETURNING 1),
d6 AS (DELETE FROM addresses WHERE person_id IN (SELECT id FROM p) RETURNING 1),
d7 AS (DELETE FROM logins WHERE person_id IN (SELECT id FROM p) RETURNING 1),
d8 AS (DELETE FROM people WHERE id IN (SELECT id FROM p) RETURNING 1)
SELECT (SELECT count(*) FROM d1), (SELECT count(*) FROM d2), (SELECT count(*) FROM d3), (SELECT count(*) FROM d4),
       (SELECT count(*) FROM d5), (SELECT count(*) FROM d6), (SELECT count(*) FROM d7), (SELECT count(*) FROM d8)`
)

func address(person int) string { return "p" + strconv.Itoa(person) + "@x.example" }

// handGives reads a person's rows by hand, and says how many bytes they were.
func handGives(ctx context.Context, pool *pgxpool.Pool, person int) (int, error) {
	var v [8]*string
	err := pool.QueryRow(ctx, handAccess, address(person)).Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
	n := 0
	for _, s := range v {
		if s != nil {
			n += len(*s)
		}
	}
	return n, err
}

// handErases erases a person by hand, and says how many rows that were.
func handErases(ctx context.Context, pool *pgxpool.Pool, person int) (int64, error) {
	var n [8]int64
	err := pool.QueryRow(ctx, handErasure, address(person)).Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7])
	return n[0] + n[1] + n[2] + n[3] + n[4] + n[5] + n[6] + n[7], err
}

// gives streams all that a walk may be given, and counts it.
func gives(ctx context.Context, s *postgres.Source, w source.Walk) (rows int64, err error) {
	snap, err := s.Snapshot(ctx, w)
	if err != nil {
		return 0, err
	}
	defer snap.Close(ctx)
	for _, v := range w.Plan.Visits {
		if err := snap.Rows(ctx, v.Collection.FullName(), func(source.Row) error { rows++; return nil }); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

func erased(findings []source.Finding) (n int64) {
	for _, f := range findings {
		n += f.Erased
	}
	return n
}

// atOnce runs f for from, from+1, … upto-1 on eight connections, and gives the time.
func atOnce(t testing.TB, from, upto int, f func(i int) error) time.Duration {
	t.Helper()
	var next atomic.Int64
	next.Store(int64(from) - 1)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)); i < upto; i = int(next.Add(1)) {
				if err := f(i); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	return time.Since(start)
}

func median[T int64 | float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// size is a number from the environment: how much a benchmark does.
func size(t testing.TB, name string, usual int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(strings.ReplaceAll(v, "_", ""))
	if err != nil || n <= 0 {
		t.Fatalf("%s wants a number above nothing", name)
	}
	return n
}

// expectGone fails unless nothing is left of a person of the store.
func expectGone(t testing.TB, pool *pgxpool.Pool, person int) {
	t.Helper()
	n := number(t, pool, fmt.Sprintf(`SELECT (SELECT count(*) FROM people WHERE id = %[1]d) + (SELECT count(*) FROM addresses WHERE person_id = %[1]d) +
		(SELECT count(*) FROM orders WHERE person_id = %[1]d) + (SELECT count(*) FROM lines WHERE order_id / 1000000 = %[1]d) +
		(SELECT count(*) FROM payments WHERE order_id / 1000000 = %[1]d) + (SELECT count(*) FROM tickets WHERE person_id = %[1]d) +
		(SELECT count(*) FROM replies WHERE ticket_id = %[1]d) + (SELECT count(*) FROM logins WHERE person_id = %[1]d)`, person))
	if n != 0 {
		t.Errorf("expected nothing left of person %d, got %d rows", person, n)
	}
}
