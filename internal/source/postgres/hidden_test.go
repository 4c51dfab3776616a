package postgres_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// asRole opens the pool's database as a role of the test's own, with these rights.
func asRole(t *testing.T, pool *pgxpool.Pool, grants string) *pgxpool.Pool {
	t.Helper()
	role := fmt.Sprintf("seer_%d", number(t, pool, `SELECT oid::bigint FROM pg_database WHERE datname = current_database()`))
	pgtest.Exec(t, pool, "CREATE ROLE "+role+";"+strings.ReplaceAll(grants, "ROLE", role))
	t.Cleanup(func() { pgtest.Exec(t, pool, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	conf := pool.Config()
	conf.ConnConfig.RuntimeParams["role"] = role
	own, err := pgxpool.NewWithConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	return own
}

var tenantMap = peopleOf("shop") + `
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`

// TestRowSecurity: under row-level security a walk sees what its role sees, and
// check says that rows may be hidden. A hidden row that needs a seen one stops
// the erasure: nothing is half done, and the row that is not seen stays.
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, tenant int, email text);
			CREATE TABLE orders (id int PRIMARY KEY, tenant int, person int REFERENCES people, note text);
			CREATE INDEX ON people (lower(email)); CREATE INDEX ON orders (person);
			INSERT INTO people VALUES (1, 1, 'a@x.example'), (2, 2, 'a@x.example'), (3, 1, 'c@x.example');
			INSERT INTO orders VALUES (10, 1, 1, 'mine'), (20, 2, 2, 'of the other tenant'), (30, 2, 3, 'hidden, of a seen person');
			ALTER TABLE people ENABLE ROW LEVEL SECURITY; ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
			CREATE POLICY p ON people USING (tenant = 1); CREATE POLICY p ON orders USING (tenant = 1);`)
		m := mapOf(t, tenantMap)
		s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE, DELETE ON people, orders TO ROLE"), "shop", o)

		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprint(doubts)
		for _, table := range []string{"people", "orders"} {
			if !strings.Contains(said, `row-level security hides rows of "`+table+`"`) {
				t.Errorf("expected check to say that rows of %s may be hidden, it says %s", table, said)
			}
		}
		walk := func(kind datamap.Kind, email string) source.Walk {
			return source.Walk{Plan: planOf(t, m, kind, "email"), Seeds: seeds("email", email)}
		}
		found, err := s.Find(t.Context(), walk(datamap.Access, "a@x.example"))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(found.Findings)["people"], 1, 0, 0, 0)
		expect(t, by(found.Findings)["orders"], 1, 0, 0, 0)
		note, err := s.Erase(t.Context(), walk(datamap.Erasure, "a@x.example"), source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(note.Findings)["people"], 1, 0, 1, 0)
		if n := number(t, pool, `SELECT count(*) FROM people WHERE id = 2`) + number(t, pool, `SELECT count(*) FROM orders WHERE id = 20`); n != 2 {
			t.Errorf("expected the other tenant's rows to stay, %d of 2 are left", n)
		}

		_, err = s.Erase(t.Context(), walk(datamap.Erasure, "c@x.example"), source.Holds{}, noNote)
		if err == nil || strings.Contains(err.Error(), "c@x") || strings.Contains(err.Error(), "hidden, of") {
			t.Errorf("expected an erasure that a hidden row forbids to fail without contents, got %v", err)
		}
		if n := number(t, pool, `SELECT count(*) FROM people WHERE id = 3`) + number(t, pool, `SELECT count(*) FROM orders WHERE id = 30`); n != 2 {
			t.Errorf("expected nothing to be half done, %d of 2 are left", n)
		}
	})
}

// TestRowSecurityOfErasures: ON DELETE CASCADE takes rows that the role does not
// see, and a DELETE passes over rows that it may not delete. Erasures that could do
// so are refused before a row is touched; others go on.
func TestRowSecurityOfErasures(t *testing.T) {
	t.Parallel()
	const (
		plain = `
			CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE TABLE orders (id int PRIMARY KEY, tenant int, person int REFERENCES people ON DELETE CASCADE, note text);`
		parted = `
			CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE TABLE orders (id int PRIMARY KEY, tenant int, person int, note text) PARTITION BY RANGE (id);
			CREATE TABLE orders1 PARTITION OF orders FOR VALUES FROM (0) TO (15);
			CREATE TABLE orders2 PARTITION OF orders FOR VALUES FROM (15) TO (99);
			ALTER TABLE orders2 ADD CONSTRAINT orders_person_fkey FOREIGN KEY (person) REFERENCES people ON DELETE CASCADE;`
		view = `
			CREATE TABLE persons (id int PRIMARY KEY, email text);
			CREATE VIEW people AS SELECT * FROM persons;
			CREATE TABLE orders (id int PRIMARY KEY, tenant int, person int CONSTRAINT orders_person_fkey REFERENCES persons ON DELETE CASCADE, note text);`
		loose = `
			CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE TABLE orders (id int PRIMARY KEY, tenant int, person int, note text);`
		tenant = `ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON orders USING (tenant = 1);`
		all    = `ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON orders USING (true);`
		reads  = `ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON orders FOR SELECT USING (true);`
	)
	for name, c := range map[string]struct {
		schema, security, refused string // by which words
	}{
		"the role sees one tenant":                       {plain, tenant, "orders_person_fkey"},
		"it sees all":                                    {plain, all, ""},
		"it sees all, but a restrictive policy hides":    {plain, all + `CREATE POLICY fenced ON orders AS RESTRICTIVE USING (tenant = 1)`, "orders_person_fkey"},
		"a restrictive policy that hides nothing":        {plain, all + `CREATE POLICY fenced ON orders AS RESTRICTIVE USING (true) WITH CHECK (tenant = 1)`, ""},
		"a restrictive policy of what is new":            {plain, all + `CREATE POLICY fenced ON orders AS RESTRICTIVE FOR INSERT WITH CHECK (tenant = 1)`, ""},
		"it sees all and may delete one tenant's":        {loose, reads + `CREATE POLICY tenant ON orders FOR DELETE USING (tenant = 1)`, "may not delete"},
		"it sees all and may delete none":                {loose, reads, "may not delete"},
		"it may delete all and change one tenant's":      {loose, reads + `CREATE POLICY gone ON orders FOR DELETE USING (true); CREATE POLICY tenant ON orders FOR UPDATE USING (tenant = 1)`, "may not change"},
		"a policy for each command":                      {plain, reads + `CREATE POLICY gone ON orders FOR DELETE USING (true); CREATE POLICY changed ON orders FOR UPDATE USING (true)`, ""},
		"the key hangs on a partition":                   {parted, tenant, "orders_person_fkey"},
		"the partition is secured, which nobody asks":    {parted, `ALTER TABLE orders2 ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON orders2 USING (tenant = 1);`, ""},
		"the key hangs beneath a view":                   {view, tenant, "orders_person_fkey"},
		"a view over rows whose references are all seen": {view, all, ""},
		"an unmapped table hangs beneath a view":         {view + `CREATE TABLE extra (id int PRIMARY KEY, person int CONSTRAINT extra_fkey REFERENCES persons ON DELETE CASCADE); INSERT INTO persons VALUES (9); INSERT INTO extra VALUES (1, 9);`, "", "extra_fkey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, c.schema+`
					INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
					INSERT INTO orders VALUES (10, 1, 1, 'mine'), (20, 2, 1, 'of the other tenant'), (30, 1, 2, 'b''s');`+c.security)
				m := mapOf(t, tenantMap)
				s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE, DELETE ON people, orders TO ROLE"), "shop", o)
				doubts, err := s.Check(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				said := ""
				for _, d := range doubts {
					if d.Level == postgres.Wrong {
						said += d.Sentence + "\n"
					}
				}
				seeds := seeds("email", "a@x.example")
				_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds}, source.Holds{}, noNote)
				left := number(t, pool, `SELECT count(*) FROM orders`)
				if c.refused == "" {
					if err != nil || said != "" || left != 1 {
						t.Errorf("expected the person's rows to be erased: %v, %q, %d orders are left", err, said, left)
					}
					return
				}
				var unfit *postgres.Unfit
				if !errors.As(err, &unfit) || !strings.Contains(err.Error(), c.refused) || !strings.Contains(said, c.refused) {
					t.Errorf("expected a refusal that says %q, and check to say so, got %v and %q", c.refused, err, said)
				}
				if left != 3 {
					t.Errorf("expected no row to be touched, %d of 3 are left", left)
				}
				if _, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds}); err != nil {
					t.Errorf("expected what is seen to be given all the same, got %v", err)
				}
			})
		})
	}
}

// TestViews: a view is read, found by and given like a table; an erasure that
// would have to change one that Postgres cannot change says so before a row is touched.
func TestViews(t *testing.T) {
	t.Parallel()
	const schema = `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE calls (id int PRIMARY KEY, person int, note text);
		CREATE INDEX ON people (lower(email)); CREATE INDEX ON calls (person);
		INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
		INSERT INTO calls VALUES (1, 1, 'about boots'), (2, 2, 'not hers'), (3, 1, 'about laces');
		CREATE VIEW orders AS SELECT id, person, note FROM calls;
		CREATE VIEW sums AS SELECT person, count(*) AS calls, max(note) AS last FROM calls GROUP BY person;
		CREATE MATERIALIZED VIEW frozen AS SELECT id, person, note FROM calls;`
	const more = `
      - name: sums
        fields:
          - {name: person, fides_meta: {primary_key: true, references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: calls, data_categories: [user.behavior]}
          - {name: last, data_categories: [user.content]}
      - name: frozen
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, schema)
		m := mapOf(t, tenantMap+more)
		s := sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}
		found, err := s.Find(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]int64{"people": 1, "orders": 2, "sums": 1, "frozen": 2} {
			expect(t, by(found.Findings)[name], n, 0, 0, 0)
		}
		snap, err := s.Snapshot(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = snap.Close(t.Context()) }()
		var notes []string
		if err := snap.Rows(t.Context(), "shop.orders", func(r source.Row) error {
			notes = append(notes, fmt.Sprint(r.Values[len(r.Values)-1]))
			return nil
		}); err != nil || strings.Join(notes, ",") != "about boots,about laces" {
			t.Errorf("expected the rows of the view, got %v, %v", notes, err)
		}

		_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
		var unfit *postgres.Unfit
		if !errors.As(err, &unfit) || len(unfit.Reasons) != 2 || !strings.Contains(err.Error(), "shop.sums is a view whose rows cannot be masked") ||
			!strings.Contains(err.Error(), "shop.frozen is a materialised view") || !strings.Contains(err.Error(), "skip_processing: true") {
			t.Errorf("expected an erasure that has to change a view of sums to be refused in sentences that say what to do, got %v", err)
		}
		if n := number(t, pool, `SELECT count(*) FROM people`) + number(t, pool, `SELECT count(*) FROM calls`); n != 5 {
			t.Errorf("expected nothing to be touched, %d of 5 rows are left", n)
		}
		doubts, cerr := s.Check(t.Context(), m)
		if cerr != nil {
			t.Fatal(cerr)
		}
		for _, name := range []string{"sums", "frozen"} {
			if !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
				return d.Level == postgres.Wrong && d.Subject == "shop."+name && strings.Contains(d.Do, "(public.calls)") && strings.Contains(d.Do, "skip_processing")
			}) {
				t.Errorf("expected check to say that %s cannot be changed and what lies beneath it, it says %v", name, doubts)
			}
		}
	})
}

// TestViewsThatCanBeChanged: a view of several tables is erased where an INSTEAD
// OF trigger says what that means, and check does not complain.
func TestViewsThatCanBeChanged(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, email text);
			CREATE TABLE calls (id int PRIMARY KEY, person int);
			CREATE TABLE texts (call int PRIMARY KEY, note text);
			INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
			INSERT INTO calls VALUES (1, 1), (2, 2), (3, 1);
			INSERT INTO texts VALUES (1, 'about boots'), (2, 'not hers'), (3, 'about laces');
			CREATE VIEW orders AS SELECT c.id, c.person, t.note FROM calls c JOIN texts t ON t.call = c.id;
			CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				DELETE FROM texts WHERE call = OLD.id; DELETE FROM calls WHERE id = OLD.id; RETURN OLD; END $$;
			CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				UPDATE texts SET note = NEW.note WHERE call = NEW.id; RETURN NEW; END $$;
			CREATE TRIGGER changed INSTEAD OF UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION changed();
			CREATE TRIGGER gone INSTEAD OF DELETE ON orders FOR EACH ROW EXECUTE FUNCTION gone();`)
		m := mapOf(t, peopleOf("shop")+`
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
		s := sourceOf(t, pool, "shop", o)
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range doubts {
			if d.Level == postgres.Wrong {
				t.Errorf("expected nothing to be wrong: %+v", d)
			}
		}
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
			t.Fatalf("expected the erasure to go through the view's trigger: %v", err)
		}
		for _, table := range []string{"people", "calls", "texts"} {
			if n := number(t, pool, `SELECT count(*) FROM `+table); n != 1 {
				t.Errorf("expected only the other person's row of %s to be left, there are %d", table, n)
			}
		}
	})
}

// TestViewsOfKeptRows: a law's keep of a table says nothing of the rows of a view of
// it, through which an erasure would change them all the same.
func TestViewsOfKeptRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE orders (id int PRIMARY KEY, person int, note text);
		CREATE VIEW latest AS SELECT * FROM orders; CREATE VIEW newest AS SELECT * FROM latest; CREATE VIEW others AS SELECT * FROM people;`)
	for name, c := range map[string]struct{ view, how, keep string }{
		"newest":  {"newest", "fides_meta: {masking_strategy_override: {strategy: delete}}", ""},
		"latest":  {"latest", "tags: []", ""},
		"kept":    {"", "fides_meta: {masking_strategy_override: {strategy: delete}}", "lethe: {keep: {because: a law}}, "},
		"skipped": {"", "fides_meta: {skip_processing: true}", ""},
	} {
		table := cmp.Or(c.view, "latest")
		m := mapOf(t, strings.Replace(tenantMap, "- name: orders", "- name: orders\n        lethe: {keep: {because: a law}}", 1)+`
      - {name: `+table+`, `+c.keep+c.how+`, fields: [{name: id, fides_meta: {primary_key: true}}, {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}, {name: note, data_categories: [user.content]}]}
`)
		doubts, err := sourceOf(t, pool, "shop", postgres.Options{}).Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
			return d.Subject == "shop."+table && strings.Contains(d.Sentence, "a view that reads shop.orders")
		})
		if said != (c.view != "") {
			t.Errorf("%s: expected check to say of a view of kept rows: %v, it says %+v", name, c.view != "", doubts)
		}
	}
}

// TestViewsWhoseRowsHaveNoKey: an erasure passes over a row of a view whose key is
// NULL. The second look says so, for one and for many.
func TestViewsWhoseRowsHaveNoKey(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for _, erase := range []string{"masking_strategy_override: {strategy: delete}", "erase_after: []"} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `
				CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE calls (id int, person int, note text); CREATE VIEW orders AS SELECT * FROM calls;
				INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example'); INSERT INTO calls VALUES (1, 1, 'n'), (2, 2, 'n'), (NULL, 1, 'n'), (NULL, 1, 'm');`)
			before, after, _ := strings.Cut(tenantMap, "- name: orders")
			m := mapOf(t, before+"- name: orders"+strings.Replace(after, "masking_strategy_override: {strategy: delete}", erase, 1))
			s := sourceOf(t, pool, "shop", o)
			var walks []source.Walk
			var keys [][]source.RowKey
			for _, email := range []string{"a@x.example", "b@x.example"} {
				w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", email)}
				done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				walks, keys = append(walks, w), append(keys, done.Keys)
				left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
				if err != nil {
					t.Fatal(err)
				}
				if f := by(left.Findings)["orders"]; (f.Rows > 0) != (email == "a@x.example") {
					t.Errorf("%s: expected the rows that were passed over to be told, got %+v", email, f)
				}
			}
			if gone := s.GoneMany(t.Context(), walks, source.Holds{}, keys); gone[0] {
				t.Error("expected nobody to say that all is gone")
			}
		}
	})
}

// TestMaterialisedViews: what was erased stays in a copy, and check names it.
func TestMaterialisedViews(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people, note text);
		CREATE TABLE weather (day date PRIMARY KEY);
		CREATE VIEW buyers AS SELECT p.id, p.email FROM people p WHERE EXISTS (SELECT FROM orders o WHERE o.person = p.id);
		CREATE MATERIALIZED VIEW "Top buyers" AS SELECT * FROM buyers;
		CREATE MATERIALIZED VIEW notes AS SELECT id, note FROM orders;
		CREATE UNIQUE INDEX ON notes (id);
		CREATE MATERIALIZED VIEW days AS SELECT * FROM weather;
		CREATE TABLE told (id int) ; CREATE RULE told AS ON UPDATE TO told DO ALSO DELETE FROM orders WHERE id = OLD.id;
		CREATE MATERIALIZED VIEW tellings AS SELECT * FROM told;`)
	doubts, err := sourceOf(t, pool, "shop", postgres.Options{}).Check(t.Context(), mapOf(t, tenantMap))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, d := range doubts {
		if strings.Contains(d.Sentence, "materialised view") {
			told = append(told, d.Sentence+": "+d.Do)
		}
	}
	if len(told) != 2 || !strings.Contains(told[0], `public.Top buyers copies rows of orders, people`) || !strings.Contains(told[0], `REFRESH MATERIALIZED VIEW "public"."Top buyers"`) ||
		!strings.Contains(told[1], "notes copies rows of orders:") || !strings.Contains(told[1], "CONCURRENTLY") {
		t.Errorf("expected the two copies of mapped tables, got %q", told)
	}
}

// TestMaterialisedViewsThatWereNeverFilled: they cannot be read, and Postgres says only 55000.
func TestMaterialisedViewsThatWereNeverFilled(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text); CREATE MATERIALIZED VIEW visits AS SELECT 1 AS id, 1 AS person WITH NO DATA`)
	m := mapOf(t, peopleOf("w")+`
      - name: visits
        data_categories: [user.behavior]
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}]
`)
	s := sourceOf(t, pool, "w", postgres.Options{})
	doubts, err := s.Check(t.Context(), m)
	if err != nil || !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
		return d.Level == postgres.Wrong && d.Subject == "w.visits" && d.Do == `REFRESH MATERIALIZED VIEW "public"."visits"`
	}) {
		t.Errorf("expected check to ask for the view to be filled, got %v, %v", doubts, err)
	}
	if _, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}); err == nil || !strings.Contains(err.Error(), "has never been filled") {
		t.Errorf("expected the search to say so, too, got %v", err)
	}
}

// TestRules: a rule that stands in for a change, or beside it, is told before
// anything is tried.
func TestRules(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text, name text);
		CREATE TABLE notes (id int PRIMARY KEY, person int, note text);
		INSERT INTO people VALUES (1, 'a@x.example', 'A'); INSERT INTO notes VALUES (1, 1, 'n');
		CREATE RULE kept AS ON DELETE TO notes DO INSTEAD NOTHING;
		CREATE RULE told AS ON UPDATE TO people DO ALSO NOTIFY people;
		CREATE RULE new AS ON INSERT TO people DO ALSO NOTIFY people;`)
	m := mapOf(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: b}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, d := range doubts {
		if d.Level == postgres.Wrong {
			wrong = append(wrong, d.Sentence)
		}
	}
	_, err = s.Erase(t.Context(), walk, source.Holds{}, noNote)
	for _, want := range []string{"shop.notes has a rule (CREATE RULE) by which its rows cannot be deleted", "shop.people has a rule (CREATE RULE) by which its rows cannot be masked"} {
		if !strings.Contains(strings.Join(wrong, "\n"), want) || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected check and the erasure to say %q, they said %q and %v", want, wrong, err)
		}
	}
	if _, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}); err != nil {
		t.Errorf("expected the rows to be given all the same: %v", err)
	}
}
