package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// manyMap is of a company whose customers stand in shards, and whose warehouse
// has a database of its own that knows them by a token.
const manyMap = `
dataset:
  - fides_key: crm
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email, data_type: string}}
          - {name: token, data_categories: [user.unique_id], fides_meta: {data_type: string}}
      - name: calls
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - name: person
            fides_meta: {data_type: integer, references: [{dataset: crm, field: people.id, direction: from}]}
          - {name: words, data_categories: [user.content], fides_meta: {data_type: string}}
  - fides_key: ware
    collections:
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - name: customer
            fides_meta: {data_type: string, references: [{dataset: crm, field: people.token, direction: from}]}
          - {name: note, data_categories: [user.content], fides_meta: {data_type: string}}
`

const manyConfig = `
database: "${LETHE_DATABASE}"
sources:
  crm: {postgres: ["${SHARD_1}", "${SHARD_2}"], region: CZ}
  ware: {postgres: "${WARE}", region: CZ}
datamap: [datamap.yaml]
controllers:
  firm: {name: Firm, country: CZ, dpo: dpo@firm.example, address: "Dlouhá 1, Praha"}
mail: {url: "${MAIL_URL}", from: privacy@firm.example}
storage: "${STORAGE}"
key_file: "${KEY_FILE}"
listen: "${LISTEN}"
public_url: "${PUBLIC_URL}"
`

// manyStage is two shards and a warehouse: the person stands in the first
// shard, their calls in both, their order in the warehouse. The role by which
// the warehouse is opened is the test's to give rights to, and to take them from.
func manyStage(t *testing.T) (s *stage, shards [2]*pgxpool.Pool, role string) {
	t.Helper()
	s = setStageWith(t, mailbox.Options{}, func(ctx context.Context, ware *pgxpool.Pool) error {
		_, err := ware.Exec(ctx, `
			CREATE TABLE orders (id bigint PRIMARY KEY, customer text, note text);
			CREATE INDEX ON orders (customer);
			INSERT INTO orders VALUES (7, 'tok-1', 'ring twice'), (8, 'tok-2', 'mine');`)
		return err
	})
	for i, rows := range []string{
		`INSERT INTO people VALUES (1, 'Pavla@firm.example', 'tok-1'); INSERT INTO calls VALUES (10, 1, 'about boots'), (12, 2, 'not hers')`,
		`INSERT INTO people VALUES (2, 'karel@firm.example', 'tok-2'); INSERT INTO calls VALUES (11, 1, 'about laces')`,
	} {
		shards[i] = pgtest.Empty(t)
		pgtest.Exec(t, shards[i], `
			CREATE TABLE people (id bigint PRIMARY KEY, mail text, token text);
			CREATE TABLE calls (id bigint PRIMARY KEY, person bigint, words text);
			CREATE INDEX ON people (lower(mail)); CREATE INDEX ON calls (person);`+rows)
		s.set(fmt.Sprintf("SHARD_%d", i+1), pgtest.URL(shards[i]))
	}
	role = fmt.Sprintf("ware_%d", number(t, s.shop, `SELECT oid::bigint FROM pg_database WHERE datname = current_database()`))
	pgtest.Exec(t, s.shop, "CREATE ROLE "+role+"; GRANT SELECT, UPDATE, DELETE ON orders TO "+role)
	t.Cleanup(func() { pgtest.Exec(t, s.shop, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	s.set("WARE", parameter(t, pgtest.URL(s.shop), "role", role))
	for name, text := range map[string]string{"lethe.yaml": manyConfig, "datamap.yaml": manyMap} {
		if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, shards, role
}

// left are the keys of what is left, table by table, by shard.
func (s *stage) left(t testing.TB, shards [2]*pgxpool.Pool) string {
	t.Helper()
	ids := func(pool *pgxpool.Pool, table string) string {
		return strings.Join(texts(t, pool, `SELECT id::text FROM `+table+` ORDER BY id`), ",")
	}
	return fmt.Sprintf("people %s|%s calls %s|%s orders %s", ids(shards[0], "people"), ids(shards[1], "people"),
		ids(shards[0], "calls"), ids(shards[1], "calls"), ids(s.shop, "orders"))
}

// TestManySources: shards in lethe.yaml are one source, a reference leads on to
// another database; one that refuses leaves the others done and the request
// waiting with a plain sentence, and retry completes it.
func TestManySources(t *testing.T) {
	t.Parallel()
	s, shards, role := manyStage(t)
	const whole = "people 1|2 calls 10,12|11 orders 7,8"
	if got := s.must(t, inPart, "check", "--json"); strings.Contains(got.out, `"wrong"`) {
		t.Errorf("check should accept shards and linked sources:\n%s", got.out)
	}
	found := read[foundJSON](t, s.must(t, done, "find", "--email", "pavla@firm.example", "--json"))
	want := map[string]int64{"crm.people": 1, "crm.calls": 2, "ware.orders": 1}
	for _, f := range found.Findings {
		if f.Rows != want[f.Collection] {
			t.Errorf("find should count %d rows of %s, it counts %d", want[f.Collection], f.Collection, f.Rows)
		}
	}
	if len(found.Findings) != len(want) {
		t.Errorf("each collection should be counted once, however many shards there are: %+v", found.Findings)
	}

	log := &safeBuffer{}
	s.start(t, log, "work")
	submit := func(status int, kind string) int64 {
		return read[requestJSON](t, s.must(t, status, "request", "submit", "--kind", kind, "--email", "pavla@firm.example",
			"--verified", "passport seen", "--approve", "--wait", "--json")).ID
	}
	copied := submit(done, "access")
	s.must(t, done, "request", "archive", fmt.Sprint(copied), "--out", s.file("copy.zip"))
	files := unzip(t, readAll(t, s.file("copy.zip")))
	for name, ids := range map[string]string{"crm/people": "1", "crm/calls": "10,11", "ware/orders": "7"} {
		var rows []struct{ ID json.Number }
		if err := json.Unmarshal([]byte(files["data/"+name+".json"]), &rows); err != nil {
			t.Fatalf("the archive should hold %s: %v", name, err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.ID.String())
		}
		if strings.Join(got, ",") != ids {
			t.Errorf("the archive should hold rows %s of %s, it holds %s", ids, name, strings.Join(got, ","))
		}
	}
	if got := s.left(t, shards); got != whole {
		t.Errorf("a copy should change nothing: expected %s, got %s", whole, got)
	}

	// The warehouse lets nothing be deleted any more.
	pgtest.Exec(t, s.shop, "REVOKE DELETE ON orders FROM "+role)
	id := submit(inPart, "erasure")
	if got, want := s.left(t, shards), "people |2 calls 12| orders 7,8"; got != want {
		t.Errorf("the other source should be done: expected %s, got %s", want, got)
	}
	q := s.show(t, id)
	if q.Status != "running" || !strings.Contains(q.Waiting, "ware") || !strings.Contains(q.Waiting, "rights") || !strings.Contains(q.Waiting, "retry") {
		t.Errorf("the request should wait, and say for which source and what to do, it is %s: %q", q.Status, q.Waiting)
	}
	// What led there is gone; what it told is not.
	pgtest.Exec(t, s.shop, "GRANT DELETE ON orders TO "+role)
	s.must(t, done, "request", "retry", fmt.Sprint(id), "--wait")
	if got, want := s.left(t, shards), "people |2 calls 12| orders 8"; got != want {
		t.Errorf("retry should finish the erasure and touch nothing else: expected %s, got %s", want, got)
	}
	for collection, n := range want {
		q := s.show(t, id)
		for _, f := range q.Findings {
			if f.Collection == collection && f.Erased != n {
				t.Errorf("%d erased rows of %s should be on the record, there are %d", n, collection, f.Erased)
			}
		}
	}
	for _, word := range []string{"pavla@", "tok-1", "ring twice"} {
		if strings.Contains(strings.ToLower(log.String()), word) {
			t.Errorf("the worker's log should not hold %q", word)
		}
	}
}
