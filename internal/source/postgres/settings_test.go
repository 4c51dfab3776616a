package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestSettingsOfTheRole: what is found, given and erased does not hang on how
// the role or the database is set up.
func TestSettingsOfTheRole(t *testing.T) {
	t.Parallel()
	m := mapOf(t, peopleOf("w")+`
          - {name: phone, fides_meta: {identity: phone_number}}
          - {name: nick}
          - {name: seal, data_categories: [user.unique_id]}
          - {name: wait, data_categories: [user.behavior]}
          - {name: score, data_categories: [user.behavior]}
          - {name: rate, data_categories: [user.behavior]}
          - {name: more, fides_meta: {data_type: object}, fields: [{name: nick, data_categories: [user.name]}]}
      - name: paths
        lethe: {keep: {for: P10Y, from: walked, because: a law}}
        fields:
          - {name: path, fides_meta: {primary_key: true}}
          - {name: nick, fides_meta: {references: [{dataset: w, field: people.nick, direction: from}]}}
          - {name: word, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: 'a\b'}}}}
          - {name: walked}
`)
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			-- As orafce has it: names of Postgres' own, put before these by the search path.
			CREATE SCHEMA oracle; CREATE DOMAIN oracle.date AS timestamp(0);
			CREATE FUNCTION oracle.regexp_replace(text, text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'nobody' $$;
			CREATE SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions; CREATE EXTENSION ltree SCHEMA extensions;
			CREATE TABLE people (id int PRIMARY KEY, email extensions.citext, phone text, nick extensions.citext UNIQUE, seal bytea, wait interval, score float8, rate real, more json);
			CREATE TABLE paths (path extensions.ltree PRIMARY KEY, nick extensions.citext REFERENCES people (nick), word text, walked date DEFAULT '2001-01-01');
			INSERT INTO people VALUES (1, 'Ada@x.example', '+420 601 000 001', 'Ada', '\x00ff', '1 mon 2 days', 0.1, 0.1, '{"nick": "A"}'), (2, 'Ben@x.example', NULL, 'Ben', '\x00ff', NULL, NULL, NULL, NULL);
			INSERT INTO paths VALUES ('a.b', 'ADA', 'w'), ('a.c', 'ben', 'w');`)
		conf := pool.Config()
		for name, value := range map[string]string{"bytea_output": "escape", "intervalstyle": "sql_standard", "extra_float_digits": "-10", "standard_conforming_strings": "off", "datestyle": "German", "quote_all_identifiers": "on",
			"search_path": `oracle, "$user", public, pg_catalog`} {
			conf.ConnConfig.RuntimeParams[name] = value
		}
		s := sourceOf(t, poolOf(t, conf), "w", o)
		rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "ada@x.example")})
		if byPhone := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "phone"), Seeds: seeds("phone", "+420601000001")}); len(byPhone["people"]) != 1 {
			t.Errorf("expected a telephone number to be found as ever, got %v", byPhone)
		}
		same(t, rows, "people", "seal", `"\\x00ff"`)
		same(t, rows, "people", "wait", `"1 mon 2 days"`)
		same(t, rows, "people", "score", "0.1")
		same(t, rows, "people", "rate", "0.1")
		same(t, rows, "people", "more", `{"nick": "A"}`)
		same(t, rows, "paths", "path", `"a.b"`)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "ada@x.example"), Today: midnight("2026-12-01")}
		is := erasedWhole(t, s, walk)
		expect(t, is["paths"], 1, 0, 0, 1)
		if got := text(t, pool, "SELECT string_agg(path || '=' || word, ' ' ORDER BY path) FROM (SELECT path::text, word FROM paths) p"); got != `a.b=a\b a.c=w` {
			t.Errorf("expected one path to be masked, got %s", got)
		}
	})
}

// TestSettingsThatATriggerLeaves: what a trigger sets for its session, which is a
// connection of the pool, does not reach the next walk; and what the pool itself sets
// on a connection is set again.
func TestSettingsThatATriggerLeaves(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: born, data_categories: [user.demographic]}]
`)
	both(t, func(t *testing.T, o postgres.Options) {
		admin := pgtest.Empty(t)
		pgtest.Exec(t, admin, `
			CREATE SCHEMA audit; CREATE TABLE people (id int PRIMARY KEY, email text, born date);
			INSERT INTO people VALUES (1, 'a@x.example', '1990-12-01'), (2, 'b@x.example', '1990-12-01'), (3, 'c@x.example', '1990-12-01');
			CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				PERFORM set_config('search_path', 'audit', false), set_config('datestyle', 'German', false), set_config('idle_in_transaction_session_timeout', '1s', false); RETURN OLD; END $$;
			CREATE TRIGGER audited BEFORE DELETE ON people FOR EACH ROW EXECUTE FUNCTION audited();`)
		pool, err := pg.Open(t.Context(), pgtest.URL(admin), pg.Options{Name: "w", MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.Now = nil // the catalogue is read anew
		s := sourceOf(t, pool, "w", o)
		erasure := planOf(t, m, datamap.Erasure, "email")
		for _, email := range []string{"a@x.example", "b@x.example"} {
			note, err := s.Erase(t.Context(), source.Walk{Plan: erasure, Seeds: seeds("email", email)}, source.Holds{}, noNote)
			if err != nil {
				t.Fatalf("%s: expected the erasure to meet the database as it is: %v", email, err)
			}
			expect(t, by(note.Findings)["people"], 1, 0, 1, 0)
		}
		rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "c@x.example")})
		same(t, rows, "people", "born", `"1990-12-01"`)
		if got := text(t, pool, "SELECT current_setting('idle_in_transaction_session_timeout')"); got != "2min" {
			t.Errorf("expected the pool's own settings again, got %s", got)
		}
	})
}

// TestARoleWhoseChangesRunNoTriggers: with session_replication_role = replica rows would
// be deleted though others name them. Who may set it otherwise, has it set; for
// anybody else nothing is done.
func TestARoleWhoseChangesRunNoTriggers(t *testing.T) {
	t.Parallel()
	m := mapOf(t, peopleOf("w"))
	admin := pgtest.Empty(t)
	name := admin.Config().ConnConfig.Database
	pgtest.Exec(t, admin, `
		CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
		CREATE ROLE replicating LOGIN; GRANT SELECT, DELETE, UPDATE ON people TO replicating;
		ALTER TABLE people ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON people TO replicating USING (true);`)
	t.Cleanup(func() { pgtest.Exec(t, admin, "DROP OWNED BY replicating; DROP ROLE replicating") })
	erase := func(user, email string) (source.Note, error) {
		conf := admin.Config()
		conf.ConnConfig.User, conf.ConnConfig.RuntimeParams["row_security"] = user, "off"
		s := sourceOf(t, poolOf(t, conf), "w", postgres.Options{})
		return s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", email)}, source.Holds{}, noNote)
	}
	pgtest.Exec(t, admin, "ALTER DATABASE "+name+" SET session_replication_role = replica")
	var unfit *postgres.Unfit
	if _, err := erase("replicating", "a@x.example"); !errors.As(err, &unfit) || !strings.Contains(err.Error(), "session_replication_role") {
		t.Errorf("expected the erasure to be refused with what to do, got %v", err)
	}
	pgtest.Exec(t, admin, "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$; CREATE TRIGGER kept BEFORE DELETE ON people FOR EACH ROW EXECUTE FUNCTION kept()")
	if _, err := erase(admin.Config().ConnConfig.User, "a@x.example"); pg.Code(err) != "P0001" {
		t.Errorf("expected a superuser's erasure to run triggers, got %v", err)
	}
	pgtest.Exec(t, admin, "DROP TRIGGER kept ON people; ALTER DATABASE "+name+" RESET session_replication_role")
	note, err := erase("replicating", "b@x.example")
	if err != nil {
		t.Fatalf("expected row_security = off to hinder nothing where a policy shows all rows, got %v", err)
	}
	expect(t, by(note.Findings)["people"], 1, 0, 1, 0)
}
