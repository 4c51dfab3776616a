package postgres_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A role with exactly these grants finds, reads, sweeps and erases; without any
// one of them (CONNECT apart, which PUBLIC has) something fails.
func TestGrantsAreTheLeast(t *testing.T) {
	t.Parallel()
	pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
		CREATE TABLE unmapped (id int PRIMARY KEY, customer bigint REFERENCES "Kunden" ON DELETE CASCADE);
		CREATE TABLE names (id int PRIMARY KEY, customer bigint REFERENCES "Kunden");
		CREATE TABLE special (FOREIGN KEY (customer) REFERENCES "Kunden") INHERITS (orders);
		CREATE TABLE logs (id int PRIMARY KEY, at timestamptz, what text);
		INSERT INTO logs VALUES (1, '2020-01-01', 'x');`)
	logs := logSelection(t, source.Delete)
	admin := sourceOf(t, pool, "shop", postgres.Options{})
	role := fmt.Sprintf("role of %s", pool.Config().ConnConfig.Database)
	plans := []*datamap.Plan{planOf(t, m, datamap.Access, "email"), planOf(t, m, datamap.Erasure, "email")}
	logs.Collection.Dataset.Source = "shop"
	grants, err := admin.Grants(t.Context(), role, plans, []source.Selection{logs})
	if err != nil {
		t.Fatal(err)
	}
	quoted := `"` + role + `"`
	pgtest.Exec(t, pool, "CREATE ROLE "+quoted+" LOGIN PASSWORD 'x'; REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE TEMPORARY ON DATABASE \""+
		pool.Config().ConnConfig.Database+"\" FROM PUBLIC")
	t.Cleanup(func() { pgtest.Exec(t, pool, "DROP OWNED BY "+quoted+"; DROP ROLE "+quoted) })
	address, err := url.Parse(pgtest.URL(pool))
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword(role, "x")
	work := func() error {
		s, err := postgres.Open(t.Context(), "shop", address.String(), postgres.Options{StagedAbove: -1, MaxConns: 2})
		if err != nil {
			return err
		}
		defer s.Close()
		w := source.Walk{Plan: plans[0], Seeds: seeds("email", "o'neil@x.example")}
		if _, err := s.Find(t.Context(), w); err != nil {
			return err
		}
		snapshot, err := s.Snapshot(t.Context(), w)
		if err != nil {
			return err
		}
		_ = snapshot.Close(t.Context())
		if _, err := s.Sweep(t.Context(), logs, "", 10); err != nil {
			return err
		}
		w.Plan = plans[1]
		// Rows of which nothing is known for certain: one that is held is masked, should it have to stay.
		_, err = s.Erase(t.Context(), w, source.Holds{Rows: []source.RowKey{{Collection: "shop.orders", Key: "0"}}}, noNote)
		return err
	}
	for _, g := range grants {
		pgtest.Exec(t, pool, g.SQL)
	}
	lacking := func() []postgres.Doubt {
		s, err := postgres.Open(t.Context(), "shop", address.String(), postgres.Options{MaxConns: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		lacks, err := s.Lacks(t.Context(), plans, []source.Selection{logs})
		if err != nil {
			t.Fatal(err)
		}
		return lacks
	}
	if lacks := lacking(); len(lacks) > 0 {
		t.Errorf("expected the grants to be all that is asked for, got %+v", lacks)
	}
	for _, g := range grants[1:] {
		back := strings.Replace(strings.Replace(g.SQL, "GRANT ", "REVOKE ", 1), " TO "+quoted, " FROM "+quoted, 1)
		pgtest.Exec(t, pool, back)
		if lacks := lacking(); len(lacks) != 1 && !strings.Contains(g.SQL, "USAGE ON SCHEMA") || len(lacks) == 1 && lacks[0].Do != g.SQL {
			t.Errorf("expected the check to ask for %s alone, got %+v", g.SQL, lacks)
		}
		if err := work(); err == nil {
			t.Errorf("expected something to fail without %s", g.SQL)
		}
		pgtest.Exec(t, pool, g.SQL)
	}
	if err := work(); err != nil {
		t.Errorf("expected these grants to be enough: %v", err)
	}
	if n := number(t, pool, `SELECT count(*) FROM "Kunden"`); n != 1 {
		t.Errorf("expected one customer to be left, there are %d", n)
	}
}

// Of mentions, too, exactly what is granted is enough and is asked for.
func TestGrantsKnowMentions(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE notes (id int PRIMARY KEY, text text, other text)`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: text, lethe: {mentions: true}}
          - {name: other}
`)
	grants, err := sourceOf(t, pool, "w", postgres.Options{}).Grants(t.Context(), "r", nil, nil, datamap.MentionFields(m)...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range grants[3:] {
		got = append(got, g.SQL)
	}
	want := `GRANT SELECT ON "public"."notes" TO "r" GRANT UPDATE ("text") ON "public"."notes" TO "r" GRANT DELETE ON "public"."notes" TO "r"`
	if strings.Join(got, " ") != want {
		t.Errorf("expected the rights to search, redact and delete, got %q", got)
	}
}

// TestANewRoleLearnsWhatItLacks: the role itself lists its grants and checks its
// rights before it has any, in a schema that it may not use.
func TestANewRoleLearnsWhatItLacks(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE SCHEMA "the store"; CREATE TABLE "the store".people (id int PRIMARY KEY, email text); CREATE INDEX ON "the store".people (lower(email))`)
	m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: f}
    fides_meta: {namespace: {schema: the store}}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
	s := sourceOf(t, asRole(t, pool, "SELECT 1"), "shop", postgres.Options{})
	plans := []*datamap.Plan{planOf(t, m, datamap.Erasure, "email")}
	grants, err := s.Grants(t.Context(), "r", plans, nil)
	if err != nil || len(grants) < 4 || grants[2].SQL != `GRANT USAGE ON SCHEMA "the store" TO "r"` {
		t.Errorf("expected the list of grants, got %v, %v", grants, err)
	}
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatalf("expected the check to say what is missing, got %v", err)
	}
	lacks, err := s.Lacks(t.Context(), plans, nil)
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprint(doubts, lacks); !strings.Contains(said, `GRANT USAGE ON SCHEMA "the store" TO "seer_`) || !strings.Contains(said, "GRANT SELECT ON") {
		t.Errorf("expected the missing rights with what to do, got %s", said)
	}
}

// Columns whose values Postgres makes itself are not written, whatever their category.
func TestGrantsOfColumnsThatPostgresMakes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY, email text, folded text GENERATED ALWAYS AS (lower(email)) STORED)`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        data_categories: [user.contact.email]
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: no}, {name: email, fides_meta: {identity: email}}, {name: folded}]
`)
	grants, err := sourceOf(t, pool, "w", postgres.Options{}).Grants(t.Context(), "r", []*datamap.Plan{planOf(t, m, datamap.Erasure, "email")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last := grants[len(grants)-1].SQL; last != `GRANT UPDATE ("email") ON "public"."people" TO "r"` {
		t.Errorf("expected one column to be written, got %s", last)
	}
}
