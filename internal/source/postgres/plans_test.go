package postgres_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// plans listens to the plans that Postgres makes for what runs on a pool.
type plans struct {
	mu  sync.Mutex
	all []string
}

// planned is a pool whose statements' plans are heard (auto_explain).
func planned(t testing.TB, pool *pgxpool.Pool) (*pgxpool.Pool, *plans) {
	t.Helper()
	heard := &plans{}
	c, err := pgxpool.ParseConfig(pgtest.URL(pool))
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConns = 2
	c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		heard.all = append(heard.all, n.Message)
	}
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = 'notice'; SET auto_explain.log_analyze = on`)
		return err
	}
	p := poolOf(t, c)
	if err := p.Ping(t.Context()); err != nil {
		t.Skipf("this Postgres has no auto_explain: %v", err)
	}
	return p, heard
}

// take gives the plans heard since the last time.
func (p *plans) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

var readsWhole = regexp.MustCompile(`Seq Scan on (people|addresses|orders|lines|payments|tickets|replies|logins)\b`)

// expectLookUps fails when a plan reads a table of the store from end to end.
func expectLookUps(t testing.TB, what string, all []string) {
	t.Helper()
	if len(all) == 0 {
		t.Errorf("expected the plans of %s", what)
	}
	for _, plan := range all {
		if reads := readsWhole.FindString(plan); reads != "" {
			t.Errorf("expected %s to look every row up, got %q in\n%s", what, reads, plan)
		}
	}
}

// TestNoStatementReadsATable is cost by the subject's rows, not the table's:
// whatever a walk does, in every way, each row is looked up.
func TestNoStatementReadsATable(t *testing.T) {
	t.Parallel()
	full, m := store(t, 5_000)
	expectNoReading(t, full, m)
}

// Of such tables Postgres knows nothing: not even how many rows they hold.
func TestNoStatementReadsATableNeverAnalysed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	for _, sql := range []string{storeTables, storeKeys, storeRows(1, 5_000, 3, 3, 2)} {
		oneByOne(t, pool, sql)
	}
	expectNoReading(t, poolOfStore(t, pool), mapOf(t, storeMap))
}

func expectNoReading(t *testing.T, full *pgxpool.Pool, m *datamap.Map) {
	t.Helper()
	pool, heard := planned(t, full)
	erasure, access := planOf(t, m, datamap.Erasure, "email"), planOf(t, m, datamap.Access, "email")
	ctx, next := t.Context(), 0
	for name, o := range map[string]postgres.Options{
		"one statement": {}, "staged": {StagedAbove: -1}, "sliced": {StagedAbove: 10, SliceAbove: 10, SliceRows: 7},
	} {
		o.Now = func() time.Time { return time.Unix(0, 0) }
		s := sourceOf(t, pool, "store", o)
		next += 10
		with := seeds("email", address(next))
		if _, err := s.Find(ctx, source.Walk{Plan: access, Seeds: with}); err != nil {
			t.Fatal(err)
		}
		expectLookUps(t, "find, "+name, heard.take())
		if _, err := gives(ctx, s, source.Walk{Plan: access, Seeds: with}); err != nil {
			t.Fatal(err)
		}
		expectLookUps(t, "a snapshot, "+name, heard.take())
		note, err := s.Erase(ctx, source.Walk{Plan: erasure, Seeds: with}, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expectLookUps(t, "an erasure, "+name, heard.take())
		if _, err := s.Look(ctx, source.Walk{Plan: erasure, Seeds: with}, source.Holds{}, note.Keys); err != nil {
			t.Fatal(err)
		}
		expectLookUps(t, "the second look, "+name, heard.take())
		if name == "staged" {
			continue
		}
		var many []source.Walk
		for i := range 5 {
			many = append(many, source.Walk{Plan: erasure, Seeds: seeds("email", address(next+i+1))})
		}
		for _, d := range s.EraseBatch(ctx, many, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
			if d.Err != nil {
				t.Fatal(d.Err)
			}
		}
		expectLookUps(t, "a batch, "+name, heard.take())
	}
}

// Key tables are made once a connection: the catalogue does not grow with requests.
func TestTheCatalogueDoesNotGrowWithRequests(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 80)
	c, err := pgxpool.ParseConfig(pgtest.URL(pool))
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConns = 1
	one := poolOf(t, c)
	erasure, access := planOf(t, m, datamap.Erasure, "email"), planOf(t, m, datamap.Access, "email")
	ctx := t.Context()
	var sources []*postgres.Source
	for _, above := range []int64{0, -1} {
		sources = append(sources, sourceOf(t, one, "store", postgres.Options{StagedAbove: above, Now: func() time.Time { return time.Unix(0, 0) }}))
	}
	request := func(i int) {
		for n, s := range sources {
			with := seeds("email", address(2*i+n+1))
			if _, err := gives(ctx, s, source.Walk{Plan: access, Seeds: with}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Erase(ctx, source.Walk{Plan: erasure, Seeds: with}, source.Holds{}, noNote); err != nil {
				t.Fatal(err)
			}
		}
	}
	size := func() int64 {
		pgtest.Exec(t, one, "SELECT pg_stat_force_next_flush()") // what this connection wrote is told when the statement ends
		return number(t, one, "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_sys_tables WHERE relname = 'pg_attribute'") +
			number(t, one, "SELECT count(*) FROM pg_attribute")
	}
	request(0)
	before := size()
	for i := range 30 {
		request(i + 1)
	}
	if after := size(); after != before {
		t.Errorf("expected 60 requests to leave pg_attribute as it was: %d rows and writes before, %d after", before, after)
	}
}

// Plans that reach the same columns of the same tables share their key tables:
// Postgres empties all that a connection has at each commit.
func TestKeyTablesDoNotGrowWithPlans(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, worldSchema)
	c := pool.Config()
	c.MaxConns = 1
	one := poolOf(t, c)
	s, m := sourceOf(t, one, "world", postgres.Options{StagedAbove: -1}), mapOf(t, worldMap)
	tables := func() int64 {
		return number(t, one, "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'")
	}
	var first int64
	for _, types := range [][]string{{"email"}, {"phone"}, {"email", "phone"}, {"email", "visitor"}, {"email", "phone", "visitor"}} {
		plan := planOf(t, m, datamap.Access, types...)
		if _, err := s.Find(t.Context(), source.Walk{Plan: plan, Scope: "1", Seeds: seeds(types[0], "x")}); err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = tables()
		}
	}
	if after := tables(); first == 0 || after != first {
		t.Errorf("expected five plans to use the key tables of the first, %d; got %d", first, after)
	}
}

// A staged walk asks nothing of collections that nothing leads to: for somebody
// unknown, only who has the address, and the count.
func TestWhatNothingLeadsToIsNotAsked(t *testing.T) {
	t.Parallel()
	full, m := store(t, 80)
	pool, heard := planned(t, full)
	s := sourceOf(t, pool, "store", postgres.Options{StagedAbove: -1, Now: func() time.Time { return time.Unix(0, 0) }})
	walk := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", address(1))}
	if _, err := s.Find(t.Context(), walk); err != nil { // makes the key tables
		t.Fatal(err)
	}
	heard.take()
	walk.Seeds = seeds("email", "nobody@x.example")
	if _, err := s.Find(t.Context(), walk); err != nil {
		t.Fatal(err)
	}
	if all := heard.take(); len(all) != 2 {
		t.Errorf("expected two statements for somebody unknown, got %d:\n%s", len(all), strings.Join(all, "\n\n"))
	}
}

// A thread is followed answer by answer: each round asks for the answers to those
// of the round before, and nothing of what hangs on the people.
func TestALongThreadIsFollowedByItself(t *testing.T) {
	t.Parallel()
	full := pgtest.Empty(t)
	pgtest.Exec(t, full, `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE answers (id int PRIMARY KEY, person int REFERENCES people, parent int REFERENCES answers);
		CREATE TABLE logins (id int PRIMARY KEY, person int);
		CREATE INDEX ON people (lower(email)); CREATE INDEX ON answers (person); CREATE INDEX ON answers (parent);
		INSERT INTO people VALUES (1, 'ada@x.example');
		INSERT INTO answers SELECT n, CASE n WHEN 1 THEN 1 END, nullif(n - 1, 0) FROM generate_series(1, 20) n;
		INSERT INTO logins VALUES (1, 1);`)
	m := mapOf(t, `dataset:
  - fides_key: forum
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: answers
        fields:
          - {name: id, data_categories: [user.content], fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: forum, field: people.id, direction: from}]}}
          - {name: parent, fides_meta: {references: [{dataset: forum, field: answers.id, direction: from}]}}
      - name: logins
        fields:
          - {name: id, data_categories: [user.content], fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: forum, field: people.id, direction: from}]}}
`)
	pool, heard := planned(t, full)
	s := sourceOf(t, pool, "forum", postgres.Options{})
	found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "ada@x.example")})
	if err != nil {
		t.Fatal(err)
	}
	if rows := found.Findings[slices.IndexFunc(found.Findings, func(f source.Finding) bool { return f.Collection == "forum.answers" })].Rows; rows != 20 {
		t.Errorf("expected all of a thread of 20, got %d", rows)
	}
	if asked := strings.Count(strings.Join(heard.take(), "\n"), "INSERT INTO pg_temp.lethe_"); asked > 30 {
		t.Errorf("expected little more than a statement for each answer, got %d", asked)
	}
}
