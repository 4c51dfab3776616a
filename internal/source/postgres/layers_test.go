package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

var viewMap = peopleOf("shop") + "\n"

// TestGrantsBeneathViews: a view that reads by the rights of the role needs them on
// what lies beneath, under the names that columns have there; no view of its owner does.
func TestGrantsBeneathViews(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		views string
		more  []string
	}{
		"by the role": {`CREATE VIEW people WITH (security_invoker) AS SELECT id, mail AS email, org FROM hidden.tp WHERE org IN (SELECT id FROM hidden.orgs)`,
			[]string{`SELECT ON "hidden"."orgs"`, `SELECT ON "hidden"."tp"`, `UPDATE ("mail") ON "hidden"."tp"`, `DELETE ON "hidden"."tp"`}},
		"by the owner": {`CREATE VIEW people AS SELECT id, mail AS email, org FROM hidden.tp`, nil},
		"a view of a view": {`CREATE VIEW inner_one WITH (security_invoker = on) AS SELECT id, mail AS m, org FROM hidden.tp; CREATE VIEW people AS SELECT id, m AS email FROM inner_one`,
			[]string{`SELECT ON "hidden"."tp"`, `UPDATE ("mail") ON "hidden"."tp"`, `DELETE ON "hidden"."tp"`}},
		"a view of an owner's": {`CREATE VIEW inner_one AS SELECT id, mail AS m, org FROM hidden.tp; CREATE VIEW people WITH (security_invoker) AS SELECT id, m AS email FROM inner_one`,
			[]string{`SELECT ON "public"."inner_one"`, `UPDATE ("m") ON "public"."inner_one"`, `DELETE ON "public"."inner_one"`}},
		"with a trigger": {`CREATE VIEW people WITH (security_invoker) AS SELECT id, mail AS email FROM hidden.tp;
			CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM hidden.tp WHERE id = OLD.id; RETURN OLD; END $$;
			CREATE TRIGGER gone INSTEAD OF DELETE OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION gone()`, []string{`SELECT ON "hidden"."tp"`}},
	} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE SCHEMA hidden; CREATE TABLE hidden.orgs (id int PRIMARY KEY); CREATE TABLE hidden.tp (id int PRIMARY KEY, org int, mail text);
			INSERT INTO hidden.orgs VALUES (1); INSERT INTO hidden.tp VALUES (1, 1, 'a@x.example'), (2, 1, 'b@x.example'); `+c.views)
		m := mapOf(t, viewMap)
		plans := []*datamap.Plan{planOf(t, m, datamap.Erasure, "email")}
		own := sourceOf(t, asRole(t, pool, "SELECT 1"), "shop", postgres.Options{StagedAbove: -1})
		role := text(t, pool, "SELECT 'seer_' || oid FROM pg_database WHERE datname = current_database()")
		grants, err := own.Grants(t.Context(), role, plans, nil)
		if err != nil {
			t.Fatal(err)
		}
		var more []string
		for _, g := range grants {
			pgtest.Exec(t, pool, g.SQL)
			if what := strings.TrimSuffix(strings.TrimPrefix(g.SQL, "GRANT "), ` TO "`+role+`"`); strings.Contains(what, " ON \"") && !strings.Contains(what, `"people"`) {
				more = append(more, what)
			}
		}
		slices.Sort(more)
		slices.Sort(c.more)
		if !slices.Equal(more, c.more) {
			t.Errorf("%s: expected rights beneath the view: %v, got %v", name, c.more, more)
		}
		if lacks, err := own.Lacks(t.Context(), plans, nil); err != nil || len(lacks) > 0 {
			t.Errorf("%s: expected nothing more to be asked for, got %v, %v", name, lacks, err)
		}
		for _, what := range c.more {
			pgtest.Exec(t, pool, fmt.Sprintf("REVOKE %s FROM %s", what, role))
			if lacks, err := own.Lacks(t.Context(), plans, nil); err != nil || len(lacks) != 1 || !strings.Contains(lacks[0].Do, what) {
				t.Errorf("%s: expected %s to be asked for, got %v, %v", name, what, lacks, err)
			}
			pgtest.Exec(t, pool, fmt.Sprintf("GRANT %s TO %s", what, role))
		}
		if _, err := own.Erase(t.Context(), source.Walk{Plan: plans[0], Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
			t.Errorf("%s: expected these rights to be enough: %v", name, err)
		}
		if n := number(t, pool, "SELECT count(*) FROM hidden.tp"); n != 1 {
			t.Errorf("%s: expected the other person's row alone to be left, there are %d", name, n)
		}
	}
}

// TestRowSecurityBeneathViews: the policies of a table count where a view reads it
// by the rights of the role.
func TestRowSecurityBeneathViews(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE tp (id int PRIMARY KEY, email text, org int); ALTER TABLE tp ENABLE ROW LEVEL SECURITY;
		CREATE POLICY seen ON tp FOR SELECT USING (org < 3); CREATE POLICY gone ON tp FOR DELETE USING (org = 1);
		CREATE VIEW inner_one WITH (security_invoker) AS SELECT id, email FROM tp; CREATE VIEW people WITH (security_invoker) AS SELECT * FROM inner_one;`)
	m := mapOf(t, viewMap)
	s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE, DELETE ON tp, inner_one, people TO ROLE"), "shop", postgres.Options{})
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
	const why = "by its row-level security the role sees rows of shop.people that it may not delete"
	if said := fmt.Sprint(doubts); !strings.Contains(said, `row-level security hides rows of "people"`) || !strings.Contains(said, why) || err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("expected both to be told, check said %s, the erasure %v", said, err)
	}
}

// TestRulesBeneathViews: a rule or publication of the table that a change of a view
// goes to is told before a row is touched; a trigger of the view needs neither.
func TestRulesBeneathViews(t *testing.T) {
	t.Parallel()
	const views = `CREATE TABLE tp (id int PRIMARY KEY, email text, gone bool); CREATE VIEW inner_one AS SELECT id, email FROM tp; CREATE VIEW people AS SELECT * FROM inner_one;
		INSERT INTO tp VALUES (1, 'a@x.example');`
	for sql, want := range map[string]string{
		`CREATE RULE d AS ON DELETE TO tp DO INSTEAD UPDATE tp SET gone = true WHERE id = OLD.id`: "shop.people is a view, and beneath it public.tp has a rule (CREATE RULE) by which its rows cannot be deleted",
		`CREATE RULE d AS ON DELETE TO inner_one DO INSTEAD NOTHING`:                              "shop.people is a view, and beneath it public.inner_one is a view whose rows cannot be deleted",
		`ALTER TABLE tp REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE tp`:              "shop.people is a view, and beneath it public.tp is published",
		`CREATE RULE d AS ON DELETE TO tp DO ALSO NOTIFY tp; CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$; CREATE TRIGGER g INSTEAD OF DELETE ON people FOR EACH ROW EXECUTE FUNCTION g()`: "",
	} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, views+sql)
		m := mapOf(t, viewMap)
		s := sourceOf(t, pool, "shop", postgres.Options{})
		doubts, err := s.Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
		said := fmt.Sprint(doubts)
		if want == "" && (err != nil || strings.Contains(said, "fails here")) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(said, want)) {
			t.Errorf("%s: expected %q, check said %s, the erasure %v", sql, want, said, err)
		}
		if n := number(t, pool, "SELECT count(*) FROM tp WHERE gone IS NULL"); n != 1 {
			t.Errorf("%s: expected no row to be touched", sql)
		}
	}
}

// TestAViewBesideItsTable: a map that names a view and what it reads, or two views of
// one table, changes rows twice: none of the changes may be lost.
func TestAViewBesideItsTable(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]string{
		"the table goes, the view is masked": `
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
      - name: inner_notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: remark, data_categories: [user.content]}`,
		"two views, each masked in part": `
      - name: outer_notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
      - name: inner_notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: remark, data_categories: [user.content]}`,
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, `
					CREATE TABLE people (id int PRIMARY KEY, email text);
					CREATE TABLE notes (id int PRIMARY KEY, person int REFERENCES people, body text, remark text);
					CREATE VIEW inner_notes AS SELECT id, person, remark FROM notes;
					CREATE VIEW all_notes AS SELECT * FROM notes; CREATE VIEW outer_notes AS SELECT id, person, body FROM all_notes;
					CREATE INDEX ON people (lower(email)); CREATE INDEX ON notes (person);
					INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
					INSERT INTO notes VALUES (1, 1, 'mine', 'hers'), (2, 2, 'other', 'other');`)
				m := mapOf(t, strings.TrimSuffix(viewMap, "\n")+beside)
				s := sourceOf(t, pool, "shop", o)
				walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
				if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
					t.Fatal(err)
				}
				if left := number(t, pool, "SELECT count(*) FROM notes WHERE body IS NOT NULL OR remark IS NOT NULL"); left != 1 {
					t.Errorf("expected the other person's note alone to hold anything, got %d", left)
				}
			})
		})
	}
}

// TestRowsThatNameARowBeneathAView: a foreign key to the table that a view changes
// keeps the view's row as it would keep the table's: masked, not deleted.
func TestRowsThatNameARowBeneathAView(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"} {
		both(t, func(t *testing.T, o postgres.Options) {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE tp (no int PRIMARY KEY, mail text); CREATE TABLE invoices (id int PRIMARY KEY, person int REFERENCES tp `+key+`);
				CREATE VIEW inner_one AS SELECT no AS "the no", mail FROM tp; CREATE VIEW people AS SELECT "the no" AS id, mail AS email FROM inner_one;
				INSERT INTO tp VALUES (1, 'a@x.example'), (2, 'A@x.example'), (3, 'b@x.example'); INSERT INTO invoices VALUES (1, 1), (2, 3)`)
			m := mapOf(t, viewMap)
			s := sourceOf(t, pool, "shop", o)
			doubts, err := s.Check(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
				return d.Subject == "shop.people" && strings.Contains(d.Sentence, "rows of public.invoices, which is not in the data map, reference it (invoices_person_fkey)")
			}) {
				t.Errorf("expected check to tell of the foreign key, got %v", doubts)
			}
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
			expect(t, erasedWhole(t, s, w)["people"], 2, 0, 1, 1)
			if left := text(t, pool, "SELECT string_agg(concat(no, mail), ' ' ORDER BY no) FROM tp"); left != "1 3b@x.example" {
				t.Errorf("expected the row with an invoice to be masked and the other to go, got %q", left)
			}
		})
	}
}

// TestTriggersBeneathAView: they run when the view's rows are changed, and one
// statement would meet rows that they change, too.
func TestTriggersBeneathAView(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE tp (id int PRIMARY KEY, email text); CREATE TABLE notes (id int PRIMARY KEY, person int, body text); CREATE VIEW people AS SELECT * FROM tp;
		CREATE FUNCTION along() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM notes WHERE person = OLD.id; RETURN OLD; END $$;
		CREATE TRIGGER along BEFORE DELETE ON tp FOR EACH ROW EXECUTE FUNCTION along();
		INSERT INTO tp VALUES (1, 'a@x.example'), (2, 'b@x.example'); INSERT INTO notes VALUES (1, 1, 'x'), (2, 2, 'y')`)
	m := mapOf(t, viewMap+`
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
		return d.Subject == "shop.people" && strings.Contains(d.Sentence, "triggers run when its rows are changed (along)") && strings.Contains(d.Do, "by the rights of the role")
	}) {
		t.Errorf("expected check to tell of the trigger, got %v", doubts)
	}
	erasedWhole(t, s, source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")})
	if left := text(t, pool, "SELECT string_agg(concat(id, body), ' ' ORDER BY id) FROM notes"); left != "2y" {
		t.Errorf("expected the trigger to take the masked note along, got %q", left)
	}
}
