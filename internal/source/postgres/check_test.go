package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

func TestCheckTheExample(t *testing.T) {
	t.Parallel()
	pool, m := chat(t)
	doubts, err := sourceOf(t, pool, "livechat", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doubts {
		if d.Level == postgres.Wrong || strings.Contains(d.Do, "CREATE INDEX") {
			t.Errorf("expected the example to be right and indexed: %s: %s %s", d.Subject, d.Sentence, d.Do)
		}
	}
}

func TestCheckTellsAllAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int, tenant int, email varchar(20) NOT NULL, phone text, nick text UNIQUE, age int CHECK (age > 0), kind text CHECK (kind IN ('a', 'b')));
		CREATE UNIQUE INDEX ON people (tenant, id);
		CREATE TABLE orders (id int PRIMARY KEY, person_id text, sum numeric);
		CREATE TABLE logs (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE);
		CREATE TABLE stamps (id int PRIMARY KEY, o int REFERENCES orders);
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
		CREATE TRIGGER audit AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION f();`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        lethe: {controller: tenant}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: nick, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: x}}}}
          - {name: age, data_categories: [user.demographic], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: old}}}}
          - {name: kind, data_categories: [user.demographic], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: c}}}}
          - {name: shoe, data_categories: [user.demographic]}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: sum, data_categories: [user.financial]}
      - name: nowhere
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, data_categories: [user.content], fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
`)
	s := sourceOf(t, pool, "w", postgres.Options{})
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ level, subject, part string }{
		{postgres.Wrong, "w.people.shoe", "no such column"},
		{postgres.Wrong, "w.nowhere", "no such table"},
		{postgres.Wrong, "w.people", "do not identify a row"},
		{postgres.Wrong, "w.people.email", "NOT NULL"},
		{postgres.Wrong, "w.people.nick", "value of its own"},
		{postgres.Wrong, "w.people.age", "type integer"},
		{postgres.Wrong, "w.people.kind", "people_kind_check"},
		{postgres.Doubtful, "w.people.email", `CREATE INDEX CONCURRENTLY ON "public"."people" (lower("email"))`},
		{postgres.Doubtful, "w.people.phone", `(regexp_replace("phone", '[^0-9+]', '', 'g'))`},
		{postgres.Doubtful, "w.orders.person_id", `CREATE INDEX CONCURRENTLY ON "public"."orders" ("person_id")`},
		{postgres.Doubtful, "w.orders", "logs_o_fkey"},
		{postgres.Doubtful, "w.orders", "stamps_o_fkey"},
		{postgres.Doubtful, "w.orders", "audit"},
	} {
		found := false
		for _, d := range doubts {
			found = found || d.Level == want.level && d.Subject == want.subject && strings.Contains(d.Sentence+" "+d.Do, want.part)
		}
		if !found {
			t.Errorf("expected %s: %s: … %s …", want.level, want.subject, want.part)
		}
	}
	if t.Failed() {
		for _, d := range doubts {
			t.Logf("%+v", d)
		}
	}
	_, err = s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Scope: "1", Seeds: seeds("email", "a@x.example")})
	var unfit *postgres.Unfit
	if !errors.As(err, &unfit) || !unfit.Permanent() || len(unfit.Reasons) != 3 {
		t.Errorf("expected all three misfits told at once, got %v", err)
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, livechat.Schema+`
		DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN END $$;
		GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;`)
	config := pool.Config()
	config.ConnConfig.RuntimeParams["role"] = "reader"
	as := poolOf(t, config)
	s := sourceOf(t, as, "livechat", postgres.Options{})
	m := mapOf(t, livechat.Datamap)
	doubts, err := s.Lacks(t.Context(), []*datamap.Plan{planOf(t, m, datamap.Erasure, datamap.IdentityTypes(m)...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lacks := 0
	for _, d := range doubts {
		if d.Level == postgres.Wrong && strings.HasPrefix(d.Do, "GRANT DELETE ON ") {
			lacks++
		}
	}
	if lacks != 8 {
		t.Errorf("expected the rights that lack on eight tables, got %d: %v", lacks, doubts)
	}
	_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Scope: "1", Seeds: seeds("email", "secret@x.example")}, source.Holds{}, noNote)
	if err == nil || !strings.Contains(err.Error(), "42501") || strings.Contains(err.Error(), "secret") {
		t.Errorf("expected the SQLSTATE and no address, got %v", err)
	}
}

// TestRightsNameTheRole: what lacks can be pasted as it is.
func TestRightsNameTheRole(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE people (id bigint PRIMARY KEY, email text); CREATE TABLE orders (id bigint PRIMARY KEY, person bigint, note text)`)
	as := asRole(t, pool, "GRANT USAGE ON SCHEMA public TO ROLE;")
	s := sourceOf(t, as, "shop", postgres.Options{})
	doubts, err := s.Check(t.Context(), mapOf(t, tenantMap))
	if err != nil {
		t.Fatal(err)
	}
	role, asked := as.Config().ConnConfig.RuntimeParams["role"], 0
	for _, d := range doubts {
		if strings.HasPrefix(d.Do, "GRANT SELECT ON ") && strings.HasSuffix(d.Do, ` TO "`+role+`"`) {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("expected two statements that name the role %s, got %v", role, doubts)
	}
}

// TestCheckOfColumnsThatNameSeveralTables: an author may be a user or a guest, and
// their numbers are alike; what a foreign key or a view holds to one kind is not told.
func TestCheckOfColumnsThatNameSeveralTables(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE users (id int PRIMARY KEY, email text); CREATE INDEX ON users (lower(email));
		CREATE TABLE comments (id int PRIMARY KEY, actor_type text, actor_id int, body text); CREATE INDEX ON comments (actor_id);
		CREATE VIEW user_comments AS SELECT * FROM comments WHERE actor_type = 'users';
		CREATE TABLE plans (id int PRIMARY KEY, account_id int REFERENCES users, account_type text); CREATE INDEX ON plans (account_id);
		CREATE TABLE visits (id int PRIMARY KEY, user_id int, user_type text); CREATE INDEX ON visits (user_id);
		INSERT INTO visits SELECT n, n, 'user' FROM generate_series(1, 9) n; ANALYZE visits;`)
	collections := ""
	for _, c := range [][2]string{{"comments", "actor_id"}, {"user_comments", "actor_id"}, {"plans", "account_id"}, {"visits", "user_id"}} {
		collections += fmt.Sprintf(`
      - name: %s
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: %s, fides_meta: {references: [{dataset: w, field: users.id, direction: from}]}}`, c[0], c[1])
	}
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}`+collections))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, d := range doubts {
		if strings.Contains(d.Sentence, "may tell of which table it names rows") {
			told = append(told, d.Subject)
		}
	}
	if !slices.Equal(told, []string{"w.comments.actor_id"}) {
		t.Errorf("expected the comments alone to be told, got %q of %v", told, doubts)
	}
}

// TestCheckOfWhatNobodyReaches: what only a skipped collection leads to is not read, so
// that no right to read it is asked for, as grants prints none, and no index.
func TestCheckOfWhatNobodyReaches(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text); CREATE INDEX ON people (lower(email));
		CREATE TABLE channels (id int PRIMARY KEY);
		CREATE TABLE events (id int PRIMARY KEY, channel int, note text);`)
	s := sourceOf(t, asRole(t, pool, "GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT ON people TO ROLE"), "w", postgres.Options{})
	doubts, err := s.Check(t.Context(), mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: channels
        skip_processing: true
        fields: [{name: id, fides_meta: {primary_key: true}}]
      - name: events
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: channel, fides_meta: {references: [{dataset: w, field: channels.id, direction: from}]}}
          - {name: note, data_categories: [user.content.private]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doubts {
		if strings.HasPrefix(d.Subject, "w.events") {
			t.Errorf("expected nothing to be asked for what nobody reaches, got %+v", d)
		}
	}
}

// A foreign key and the map may name the same columns in two orders: one index serves both.
func TestCheckAsksForOneIndexOverTheSameColumns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (tenant int, nr int, email text, PRIMARY KEY (tenant, nr));
		CREATE TABLE orders (id int PRIMARY KEY, person int, tenant int, FOREIGN KEY (tenant, person) REFERENCES people);`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: tenant, fides_meta: {primary_key: true}}
          - {name: nr, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: orders
        lethe: {owner: person, all_of: [person, tenant]}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: w, field: people.nr, direction: from}]}}
          - {name: tenant, fides_meta: {references: [{dataset: w, field: people.tenant, direction: from}]}}
`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	told, asked := 0, map[string]bool{}
	for _, d := range doubts {
		if strings.Contains(d.Do, `"orders"`) {
			told++
			asked[d.Do] = true
		}
	}
	if told != 2 || len(asked) != 1 {
		t.Errorf("expected one index, for the foreign key and for the reference, got %d of %d doubts: %v", len(asked), told, asked)
	}
}

// TestCheckOfLookUpsThatNoIndexServes: an index is not asked for that would not help.
func TestCheckOfLookUpsThatNoIndexServes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE browsers (id int PRIMARY KEY, token bytea UNIQUE)`)
	m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: browsers, fields: [{name: id, fides_meta: {primary_key: true}}, {name: token, data_categories: [user.device.cookie_id], fides_meta: {identity: visitor}}]}]}]`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprint(doubts); !strings.Contains(said, "values of type bytea as texts, which no index serves") || strings.Contains(said, "CREATE INDEX") {
		t.Errorf("expected check to say that no index serves, it says %s", said)
	}
}

// Postgres makes no index CONCURRENTLY on a partitioned table: what is to be pasted
// has to be taken by it.
func TestCheckAsksForIndexesThatPostgresTakes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE visits (seen date NOT NULL, person int, visitor text, tags int[], note text) PARTITION BY RANGE (seen);
		CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: visits
        fields:
          - {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: tags, fides_meta: {data_type: "integer[]", references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: visitor, data_categories: [user.device.cookie_id], fides_meta: {identity: visitor}}
          - {name: note, data_categories: [user.content], lethe: {mentions: true}}
`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	pasted := 0
	for _, d := range doubts {
		if strings.Contains(d.Do, "CREATE INDEX ") && !strings.Contains(d.Do, "gin_trgm_ops") || strings.Contains(d.Do, "CONCURRENTLY ON \"public\".\"visits\"") {
			pgtest.Exec(t, pool, d.Do)
			pasted++
		}
	}
	if pasted < 4 {
		t.Errorf("expected an index for each look-up, got %d of %d doubts", pasted, len(doubts))
	}
}

// TestCheckNamesEveryColumnOfAKey: an index for a foreign key of several columns
// holds them all, in the order of the key that they reference.
func TestCheckNamesEveryColumnOfAKey(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (tenant int, nr int, email text, PRIMARY KEY (tenant, nr));
		CREATE TABLE orders (id int PRIMARY KEY, person int, tenant int, FOREIGN KEY (person, tenant) REFERENCES people (nr, tenant));
		CREATE INDEX ON orders (tenant);
		CREATE TABLE calls (id int PRIMARY KEY, person int, tenant int, FOREIGN KEY (person, tenant) REFERENCES people (nr, tenant));
		CREATE INDEX ON calls (person, tenant, id);`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: tenant, fides_meta: {primary_key: true}}
          - {name: nr, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, d := range doubts {
		if !strings.Contains(d.Do, "CREATE INDEX") || d.Subject != "w.people" {
			continue
		}
		told++
		if d.Do != `CREATE INDEX CONCURRENTLY ON "public"."orders" ("tenant", "person")` {
			t.Errorf("expected an index of both columns in the key's order, got %s", d.Do)
		}
	}
	if told != 1 {
		t.Errorf("expected one missing index to be told, got %d: %+v", told, doubts)
	}
}

// TestCheckMasks: what a column cannot hold is found before anything runs.
func TestCheckMasks(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TYPE size AS ENUM ('s', 'l'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 5); CREATE DOMAIN must AS text NOT NULL; CREATE DOMAIN mail AS text CHECK (VALUE ~ '@');
		CREATE TABLE kinds (name text PRIMARY KEY);
		CREATE TABLE people (id int PRIMARY KEY, email text, a size, b short, c must, d text REFERENCES kinds, e text UNIQUE, f int, g jsonb, h int[], i text[], j int GENERATED ALWAYS AS (id + 1) STORED, k varchar(3) UNIQUE, l uuid, m text, n mail[], o size[], p varchar(3)[], q mail[], r numeric(4,2), s bit(4), t numeric(4,2));
		CREATE TABLE tags (id int PRIMARY KEY, e text REFERENCES people (e));
		CREATE VIEW counts AS SELECT m AS name, count(*) AS n FROM people GROUP BY m;`)
	mask := func(strategy, value string) string {
		return `fides_meta: {masking_strategy_override: {strategy: ` + strategy + `, configuration: {` + value + `}}}`
	}
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        data_categories: [user.content]
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, fides_meta: {identity: email, masking_strategy_override: {strategy: preserve}}}
          - {name: a, `+mask("string_rewrite", "rewrite_value: x")+`}
          - {name: b, `+mask("string_rewrite", "rewrite_value: toolong")+`}
          - {name: c}
          - {name: d, `+mask("hmac", "")+`}
          - {name: e}
          - {name: f, `+mask("hash", "")+`}
          - {name: g, `+mask("hash", "")+`}
          - {name: h, `+mask("random_string_rewrite", "")+`}
          - {name: i, `+mask("random_string_rewrite", "")+`}
          - {name: j}
          - {name: k, `+mask("hash", "")+`}
          - {name: l, `+mask("string_rewrite", "rewrite_value: 6ba7b810-9dad-11d1-80b4-00c04fd430c8")+`}
          - {name: n, `+mask("string_rewrite", "rewrite_value: x")+`}
          - {name: o, `+mask("string_rewrite", "rewrite_value: x")+`}
          - {name: p, `+mask("string_rewrite", "rewrite_value: long")+`}
          - {name: r, `+mask("string_rewrite", "rewrite_value: \"123.5\"")+`}
          - {name: s, `+mask("string_rewrite", "rewrite_value: \"10\"")+`}
          - {name: t, `+mask("string_rewrite", "rewrite_value: \"1.5\"")+`}
          - {name: q, `+mask("string_rewrite", "rewrite_value: x@y")+`}
          - {name: m, fides_meta: {references: [{dataset: w, field: counts.name, direction: to}]}}
      - name: counts
        fields:
          - {name: name, fides_meta: {primary_key: true}}
          - {name: n, data_categories: [user.content]}
`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": "refuses the masked value", "b": "short refuses", "c": "NOT NULL", "d": "people_d_fkey", "e": "tags_e_fkey", "f": "type integer",
		"h": "type integer", "j": "makes its values itself", "k": "value of its own", "n": "mail[] refuses", "r": "numeric(4,2) refuses", "s": "bit(4) refuses", "o": "size[] refuses", "counts": "view",
	}
	for _, d := range doubts {
		field := strings.TrimPrefix(d.Subject, "w.people.")
		switch part := want[field]; {
		case d.Subject == "w.counts" && strings.Contains(d.Sentence, "view"):
			delete(want, "counts")
		case part != "" && strings.Contains(d.Sentence, part):
			delete(want, field)
		case d.Level == postgres.Wrong:
			t.Errorf("unexpected: %+v", d)
		}
	}
	if len(want) > 0 {
		t.Errorf("expected to be said of these fields: %v\n%+v", want, doubts)
	}
}

// TestCheckTellsOfAKeyThatTheMapDoesNotName: maps made for Fides need not name the
// primary key; where a category would mask it, what to say is told.
func TestCheckTellsOfAKeyThatTheMapDoesNotName(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE loyalty (id text PRIMARY KEY, code text NOT NULL)`)
	for key, want := range map[string]string{"": "id: fides_meta: {primary_key: true} leaves it as it is, code: change the column", ", primary_key: true": "code: change the column"} {
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: loyalty
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: loyalty_id`+key+`}}
          - {name: code, data_categories: [user.content]}
`)
		misfits, err := sourceOf(t, pool, "w", postgres.Options{}).Misfits(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, one := range misfits {
			for _, do := range []string{"fides_meta: {primary_key: true} leaves it as it is", "change the column"} {
				if strings.Contains(one.Do, do) {
					got = append(got, one.Field.Name+": "+do)
				}
			}
		}
		if said := strings.Join(got, ", "); said != want {
			t.Errorf("with %q: expected %q, got %q (%+v)", key, want, said, misfits)
		}
	}
}

// TestCheckNamesIndexesBetweenSources: a reference whose other end lies in
// another database is looked up here, too.
func TestCheckNamesIndexesBetweenSources(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE calls (id int PRIMARY KEY, who text); CREATE TABLE seats (id int PRIMARY KEY, hall int, no int);
		CREATE TABLE rooms (id int PRIMARY KEY, guests int[]);`)
	m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: hall}
          - {name: no}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - fides_key: crm
    lethe: {source: crm, basis: f}
    collections:
      - name: calls
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: who, fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}}]
      - name: rooms
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: shop, field: users.id, direction: from}]}}]
      - name: seats
        lethe: {all_of: [hall, no]}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: hall, fides_meta: {references: [{dataset: shop, field: users.hall, direction: from}]}}
          - {name: no, fides_meta: {references: [{dataset: shop, field: users.no, direction: from}]}}
`)
	doubts, err := sourceOf(t, pool, "crm", postgres.Options{}).Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range doubts {
		if strings.HasPrefix(d.Do, "CREATE INDEX") {
			got = append(got, strings.TrimPrefix(d.Do, "CREATE INDEX CONCURRENTLY ON "))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{`"public"."calls" ("who")`, `"public"."rooms" USING gin ("guests")`, `"public"."seats" ("hall", "no")`}, got); diff != "" {
		t.Errorf("expected an index for each reference that is followed here (-want +got):\n%s", diff)
	}
}

// divided are collections of persons' countries.
func divided(names ...string) (yaml string) {
	for _, name := range names {
		yaml += `
      - {name: ` + name + `, fields: [{name: p, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}, {name: land, data_categories: [user.content]}]}`
	}
	return yaml
}

// TestMasksThatPartitionsRefuse: what a partition or an heir demands beyond the
// table itself is told like the table's own.
func TestMasksThatPartitionsRefuse(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE p (id int PRIMARY KEY, email text);
		CREATE TABLE o (id int, r int, p int, v text, w text, x text, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
		CREATE TABLE o1 PARTITION OF o FOR VALUES IN (1); CREATE TABLE o2 PARTITION OF o FOR VALUES IN (2);
		ALTER TABLE o2 ALTER v SET NOT NULL; ALTER TABLE o1 ADD CHECK (w IS NOT NULL);
		CREATE TABLE base (id int PRIMARY KEY, p int, y text); CREATE TABLE kid (CHECK (y <> '')) INHERITS (base); ALTER TABLE kid ALTER y SET NOT NULL;
		CREATE TABLE c (p int, land text) PARTITION BY LIST (land); CREATE TABLE c1 PARTITION OF c FOR VALUES IN ('CZ', 'SK'); CREATE TABLE c2 PARTITION OF c FOR VALUES IN ('DE');
		CREATE TABLE d (p int, land text) PARTITION BY LIST (land); CREATE TABLE d1 PARTITION OF d FOR VALUES IN ('CZ', NULL); CREATE TABLE d2 PARTITION OF d FOR VALUES IN ('DE');
		CREATE TABLE e (p int, land text) PARTITION BY LIST (land); CREATE TABLE e1 PARTITION OF e DEFAULT;
		CREATE TABLE f (p int, land text) PARTITION BY HASH (land); CREATE TABLE f1 PARTITION OF f FOR VALUES WITH (MODULUS 1, REMAINDER 0)`)
	doubts, err := sourceOf(t, pool, "shop", postgres.Options{}).Check(t.Context(), mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - {name: p, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}
      - name: o
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: r, fides_meta: {primary_key: true}}
          - {name: p, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}
          - {name: v, data_categories: [user.content]}
          - {name: w, data_categories: [user.content]}
          - {name: x, data_categories: [user.content]}
      - name: base
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: p, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}
          - {name: y, data_categories: [user.content]}`+divided("c", "d", "e", "f")))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, d := range doubts {
		if d.Level == postgres.Wrong {
			told[d.Subject] = d.Sentence
		}
	}
	if len(told) != 4 || !strings.Contains(told["shop.c.land"], "no partition of public.c takes") || !strings.Contains(told["shop.o.v"], "NOT NULL in o2") || !strings.Contains(told["shop.o.w"], "o1_w_check") || !strings.Contains(told["shop.base.y"], "NOT NULL in kid") {
		t.Errorf("expected four columns that cannot be masked everywhere, got %v", told)
	}
}

// TestHalfAKey: of a key of several columns the whole is named to whoever may take
// the advice and mark one of them.
func TestHalfAKey(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE visits (email text, seen date, PRIMARY KEY (email, seen))`)
	for meta, want := range map[string]string{
		"{identity: email}":                    "primary key: fides_meta: {primary_key: true} on each of email, seen leaves it as it is",
		"{identity: email, primary_key: true}": "no unique index covers them; the table's own key is email, seen",
	} {
		doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: visits
        fields:
          - {name: email, data_categories: [user.contact.email], fides_meta: `+meta+`}
          - {name: seen, data_categories: [system.operations]}
`))
		if err != nil {
			t.Fatal(err)
		}
		if said := fmt.Sprint(doubts); !strings.Contains(said, want) {
			t.Errorf("%s: expected to read %q, got %s", meta, want, said)
		}
	}
}

// TestMasksThatMustDiffer: whatever forbids two rows to be alike is told of a
// mask that makes them so: for certain where it is of all rows and nothing else.
func TestMasksThatMustDiffer(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE EXTENSION btree_gist;
		CREATE TABLE people (id int PRIMARY KEY, tenant int NOT NULL, email text, a text, b text, c text, d text, e text, f text, g text, h text, i text, j text, k text,
			norm text GENERATED ALWAYS AS (lower(h)) STORED UNIQUE, UNIQUE (tenant, b), UNIQUE (id, d), UNIQUE (e, f), EXCLUDE USING gist (g WITH =), UNIQUE (i, k));
		CREATE UNIQUE INDEX ON people (lower(a)); CREATE UNIQUE INDEX ON people (c) WHERE tenant > 1; CREATE UNIQUE INDEX ON people (id) INCLUDE (j);`)
	fields := ""
	for _, name := range strings.Fields("a b c d e f g h i j k") {
		strategy := "{strategy: string_rewrite, configuration: {rewrite_value: gone}}"
		switch name {
		case "f":
			strategy = "{strategy: random_string_rewrite}"
		case "k":
			strategy = "{strategy: null_rewrite}"
		}
		fields += "\n          - {name: " + name + ", data_categories: [user.content], fides_meta: {masking_strategy_override: " + strategy + "}}"
	}
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}`+fields))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, d := range doubts {
		if strings.Contains(d.Sentence, "a value of its own") {
			told[strings.TrimPrefix(d.Subject, "w.people.")] = d.Level + strings.TrimPrefix(strings.Split(d.Sentence, ":")[0], "an erasure cannot mask it")
		}
	}
	if diff := cmp.Diff(map[string]string{"a": "wrong", "h": "wrong", "b": "doubtful, should two rows meet in people_tenant_b_key",
		"c": "doubtful, should two rows meet in people_c_idx", "g": "doubtful, should two rows meet in people_g_excl"}, told); diff != "" {
		t.Errorf("expected masks that make rows alike to be told (-want +got): %s", diff)
	}
}

// TestMasksOfNullsThatMustDiffer: Postgres 15 lets an index take two NULLs for alike.
func TestMasksOfNullsThatMustDiffer(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	if number(t, pool, "SELECT current_setting('server_version_num')::bigint") < 150000 {
		t.Skip("this Postgres has no NULLS NOT DISTINCT")
	}
	pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE, a text, UNIQUE NULLS NOT DISTINCT (a))`)
	doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: a, data_categories: [user.content]}]}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, d := range doubts {
		if d.Level == postgres.Wrong {
			told = append(told, d.Subject)
		}
	}
	if !slices.Equal(told, []string{"w.people.a"}) {
		t.Errorf("expected the column to be told that admits one NULL, got %v", told)
	}
}

// TestMasksThatPoliciesBeneathAViewRefuse: those of the table count where the view is
// used by the rights of the role, under the names that columns have there.
func TestMasksThatPoliciesBeneathAViewRefuse(t *testing.T) {
	t.Parallel()
	for option, told := range map[string]bool{"WITH (security_invoker)": true, "": false} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE tp (id int PRIMARY KEY, mail text); ALTER TABLE tp ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON tp USING (true) WITH CHECK (mail IS NOT NULL);
			CREATE VIEW people `+option+` AS SELECT id, mail AS email FROM tp; INSERT INTO tp VALUES (1, 'a@x.example')`)
		s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE ON tp, people TO ROLE"), "shop", postgres.Options{})
		m := mapOf(t, strings.Replace(viewMap, "        fides_meta: {masking_strategy_override: {strategy: delete}}\n", "", 1))
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
		wrong := slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
			return d.Subject == "shop.people.email" && strings.Contains(d.Sentence, "the row-level security of public.tp (CREATE POLICY) refuses")
		})
		if wrong != told || (err != nil) != told {
			t.Errorf("%q: expected it to be told: %v, check said %v, the erasure %v", option, told, doubts, err)
		}
	}
}

// TestMasksBeneathAView: the table that a view changes says what its rows can be
// masked to, and which columns nobody can write. What check is silent of is carried out.
func TestMasksBeneathAView(t *testing.T) {
	t.Parallel()
	const gone = ", fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}"
	for name, c := range map[string]struct{ word, view, masking, level, told string }{
		"not null":           {`text NOT NULL DEFAULT 'w'`, `SELECT id, mail AS email, word AS "a word" FROM tp`, "", postgres.Wrong, "NOT NULL"},
		"in a view's view":   {`text NOT NULL DEFAULT 'w'`, `SELECT id, mail AS email, "w 1" AS "a word" FROM inner_one`, "", postgres.Wrong, "NOT NULL"},
		"a constraint":       {`text DEFAULT 'w' CHECK (word <> 'gone')`, `SELECT id, mail AS email, word AS "a word" FROM tp`, gone, postgres.Wrong, "tp_word_check"},
		"a unique index":     {`text DEFAULT 'w' UNIQUE`, `SELECT id, mail AS email, word AS "a word" FROM tp`, gone, postgres.Wrong, "a value of its own"},
		"a foreign key":      {`text DEFAULT 'w' REFERENCES words`, `SELECT id, mail AS email, word AS "a word" FROM tp`, gone, postgres.Wrong, "tp_word_fkey"},
		"generated":          {`text GENERATED ALWAYS AS (upper(mail)) STORED`, `SELECT id, mail AS email, word AS "a word" FROM tp`, "", postgres.Doubtful, "makes its values itself"},
		"generated, deeper":  {`text GENERATED ALWAYS AS (upper(mail)) STORED`, `SELECT id, mail AS email, "w 1" AS "a word" FROM inner_one`, "", postgres.Doubtful, "makes its values itself"},
		"an expression":      {`text`, `SELECT id, mail AS email, upper(mail) AS "a word" FROM tp`, "", postgres.Doubtful, "makes its values itself"},
		"numbered":           {`int GENERATED ALWAYS AS IDENTITY`, `SELECT id, mail AS email, word AS "a word" FROM tp`, "", postgres.Doubtful, "numbers it itself"},
		"nothing in the way": {`text DEFAULT 'w'`, `SELECT id, mail AS email, word AS "a word" FROM tp`, gone, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE words (word text PRIMARY KEY); INSERT INTO words VALUES ('w'); CREATE TABLE tp (id int PRIMARY KEY, mail text, word `+c.word+`);
				CREATE VIEW inner_one AS SELECT id, mail, word AS "w 1" FROM tp; CREATE VIEW people AS `+c.view+`; INSERT INTO tp VALUES (1, 'a@x.example')`)
			m := mapOf(t, strings.Replace(viewMap, "        fides_meta: {masking_strategy_override: {strategy: delete}}\n", "", 1)+
				"          - {name: a word, data_categories: [user.content]"+c.masking+"}\n")
			s := sourceOf(t, pool, "shop", postgres.Options{})
			doubts, err := s.Check(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			level := ""
			for _, d := range doubts {
				if d.Subject == "shop.people.a word" && strings.Contains(d.Sentence, c.told) {
					level = d.Level
				}
			}
			if level != c.level {
				t.Errorf("expected %q to be told (%q), got %v", c.told, c.level, doubts)
			}
			if c.level == postgres.Wrong {
				return
			}
			erasedWhole(t, s, source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")})
			if n := number(t, pool, `SELECT count(*) FROM tp WHERE mail IS NOT NULL OR word::text IN ('w', 'A@X.EXAMPLE')`); n != 0 {
				t.Errorf("expected what can be masked to be masked, %d rows are not", n)
			}
		})
	}
}

// TestMasksThatPoliciesRefuse: a masked row that the policies for the role refuse,
// whatever else it holds, is told, and the step that meets one names the table.
func TestMasksThatPoliciesRefuse(t *testing.T) {
	t.Parallel()
	const fields = `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number]}
`
	for policies, blamed := range map[string]string{
		`CREATE POLICY p ON people USING (true) WITH CHECK (email IS NOT NULL)`:                                                                  "email",
		`CREATE POLICY p ON people USING (true) WITH CHECK (email IS NOT NULL OR phone IS NOT NULL)`:                                             "email phone",
		`CREATE POLICY p ON people USING (phone <> '')`:                                                                                          "phone",
		`CREATE POLICY p ON people USING (true); CREATE POLICY r ON people AS RESTRICTIVE FOR UPDATE USING (true) WITH CHECK (email LIKE '%@%')`: "email",
		`CREATE POLICY r ON people FOR SELECT USING (email LIKE '%@%'); CREATE POLICY w ON people FOR UPDATE USING (true)`:                       "email",
		`CREATE POLICY p ON people USING (true); CREATE POLICY q ON people USING (true) WITH CHECK (email IS NOT NULL)`:                          "",
		`CREATE POLICY p ON people USING (true) WITH CHECK (email IS NOT NULL OR id = 1)`:                                                        "",
		`CREATE POLICY p ON people USING (true)`:                                                                                                 "",
	} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, phone text); INSERT INTO people VALUES (1, 'a@x.example', '1'); ALTER TABLE people ENABLE ROW LEVEL SECURITY;`+policies)
		s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE ON people TO ROLE"), "shop", postgres.Options{})
		m := mapOf(t, fields)
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, d := range doubts {
			if strings.Contains(d.Sentence, "(CREATE POLICY) refuses") {
				told = append(told, strings.TrimPrefix(d.Subject, "shop.people."))
			}
		}
		slices.Sort(told)
		if got := strings.Join(told, " "); got != blamed {
			t.Errorf("%s: expected check to name %q, it names %q", policies, blamed, got)
		}
		_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
		if blamed == "" && err != nil || blamed != "" && (err == nil || !strings.Contains(err.Error(), "on table people")) {
			t.Errorf("%s: expected the erasure to go as was told, got %v", policies, err)
		}
	}
}
