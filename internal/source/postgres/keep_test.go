package postgres_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const officeSchema = `
CREATE TABLE clients  (id int PRIMARY KEY, email text, name text, born date);
CREATE TABLE invoices (id int PRIMARY KEY, client_id int REFERENCES clients, paid date, state text, street text, memo text);
CREATE TABLE letters  (id int PRIMARY KEY, client_id int REFERENCES clients, body text);
CREATE INDEX ON invoices (client_id); CREATE INDEX ON letters (client_id);
INSERT INTO clients VALUES (1, 'a@x.example', 'A', '1990-01-01'), (2, 'a@x.example', 'A', '1990-01-01'), (3, 'b@x.example', 'B', NULL);
INSERT INTO invoices VALUES
 (10, 1, '2020-02-29', 'paid', 's', 'm'), (11, 1, '2016-11-22', 'paid', 's', 'm'), (12, 1, '2016-11-23', 'paid', 's', 'm'),
 (13, 1, NULL, 'paid', 's', 'm'), (14, 1, '2026-01-01', 'open', 's', 'm'), (15, 2, '2001-01-01', 'paid', 's', 'm'), (16, 3, '2026-01-01', 'paid', 's', 'm'),
 (17, 1, '2026-01-01', 'x-court-7', 's', 'm');
INSERT INTO letters VALUES (20, 1, 'l'), (21, 2, 'l'), (22, 3, 'l');`

const officeMap = `
dataset:
  - fides_key: office
    lethe: {source: office, basis: f}
    collections:
      - name: clients
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: born, data_categories: [user.demographic]}
      - name: invoices
        lethe:
          keep:
            - {where: {state: [paid]}, for: P10Y, from: paid, because: "tax law", mask: [street, memo]}
            - {where: {state: "x-court-*"}, because: "a lawsuit", mask: [memo]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: client_id, fides_meta: {references: [{dataset: office, field: clients.id, direction: from}]}}
          - {name: paid}
          - {name: state}
          - {name: street, data_categories: [user.contact.address]}
          - {name: memo, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
      - name: letters
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: client_id, fides_meta: {references: [{dataset: office, field: clients.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`

// TestKeep: rows that a law keeps stay with what they name, both masked as far
// as may be, and all else goes (Art. 17(3)).
func TestKeep(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, officeSchema)
		s := sourceOf(t, pool, "office", o)
		walk := source.Walk{Plan: planOf(t, mapOf(t, officeMap), datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err == nil || !strings.Contains(err.Error(), "which day") {
			t.Fatalf("expected an erasure without a day to be refused, got %v", err)
		}
		walk.Today = midnight("2026-11-23")
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		is := by(done.Findings)
		expect(t, is["clients"], 2, 0, 1, 1)
		expect(t, is["invoices"], 7, 0, 3, 4) // 11, 14 and 15 are gone
		expect(t, is["letters"], 2, 0, 2, 0)
		if is["invoices"].Kept != 4 {
			t.Errorf("expected four kept rows, got %+v", is["invoices"])
		}
		want := "10 2020-02-29 paid NULL gone|12 2016-11-23 paid NULL gone|13 NULL paid NULL gone|16 2026-01-01 paid s m|17 2026-01-01 x-court-7 s gone"
		if got := text(t, pool, "SELECT string_agg(concat_ws(' ', id, coalesce(paid::text, 'NULL'), state, coalesce(street, 'NULL'), memo), '|' ORDER BY id) FROM invoices"); got != want {
			t.Errorf("expected to be left\n%s, got\n%s", want, got)
		}
		if got := text(t, pool, "SELECT string_agg(id || coalesce(name, ''), ',' ORDER BY id) FROM clients"); got != "1,3B" {
			t.Errorf("expected the client of kept invoices to stay, without a name, got %s", got)
		}
		var kept []string
		for _, k := range done.Kept {
			kept = append(kept, k.Key+" "+k.Until.Format("2006-01-02"))
		}
		slices.Sort(kept)
		if got := strings.Join(kept, ", "); got != "10 2030-03-01, 12 2026-11-24, 13 0001-01-01, 17 0001-01-01" {
			t.Errorf("expected the kept rows with their end in the note, got %s", got)
		}
		again, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range again.Findings {
			if f.Erased+f.Masked != 0 {
				t.Errorf("expected a second erasure to change nothing, got %+v", f)
			}
		}
		left, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left.Findings {
			if f.Rows != 0 {
				t.Errorf("expected nothing left to do, got %+v", f)
			}
		}
		walk.Today = midnight("2026-11-24") // the law of invoice 12 has ended
		if done, err = s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil || by(done.Findings)["invoices"].Erased != 0 {
			// Its client has no address any more: only the note's keys lead back to it.
			t.Errorf("expected nothing to lead to invoice 12, got %+v %v", done.Findings, err)
		}
	})
}

// What a policy leaves alone, it leaves alone in kept rows, too.
func TestKeptRowsAreMaskedByThePolicy(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, officeSchema)
		s := sourceOf(t, pool, "office", o)
		const invoices = "SELECT string_agg(concat_ws(' ', id, street, memo), '|' ORDER BY id) FROM invoices WHERE id IN (10, 11, 17)"
		before := text(t, pool, invoices)
		erase := func(categories ...string) string {
			t.Helper()
			plan, err := datamap.Compile(mapOf(t, officeMap), datamap.Policy{Name: "narrow", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{{Categories: categories}}}, []string{"email"})
			if err != nil {
				t.Fatal(err)
			}
			grants, err := s.Grants(t.Context(), "r", []*datamap.Plan{plan}, nil)
			if err != nil || strings.Contains(fmt.Sprint(grants), "street") {
				t.Errorf("expected no right to write what stays, got %v, %v", grants, err)
			}
			walk := source.Walk{Plan: plan, Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
			if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
				t.Fatal(err)
			}
			return text(t, pool, invoices)
		}
		if got := erase("user.name"); got != before {
			t.Errorf("expected an erasure of names to leave invoices as they are\n%s, got\n%s", before, got)
		}
		if got, want := erase("user.name", "user.content"), strings.ReplaceAll(before, " m", " gone"); got != want {
			t.Errorf("expected the memo to be masked, and the street to be left\n%s, got\n%s", want, got)
		}
	})
}

// Where a policy takes a part of an object that kept rows lose, that part is masked.
func TestKeptRowsLoseOfAnObjectWhatThePolicyTakes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE bills (id int PRIMARY KEY, email text, paid bool, more jsonb); CREATE INDEX ON bills (lower(email));
			INSERT INTO bills VALUES (1, 'a@x.example', true, '{"mail": "a@x.example", "sum": 7}'), (2, 'a@x.example', false, '{"mail": "a@x.example", "sum": 8}')`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: bills
        lethe: {keep: [{because: tax law, where: {paid: [true]}, mask: [more]}, {because: another, where: {paid: [true]}, mask: [email, more]}]}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: paid}
          - name: more
            fides_meta: {data_type: object}
            fields:
              - {name: mail, data_categories: [user.contact.email]}
              - {name: sum, data_categories: [system.operations]}
`)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
		if _, err := sourceOf(t, pool, "w", o).Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		const want = `1 a@x.example {"sum": 7, "mail": null}|2 {"sum": 8, "mail": null}`
		if got := text(t, pool, "SELECT string_agg(concat_ws(' ', id, email, more), '|' ORDER BY id) FROM bills"); got != want {
			t.Errorf("expected the kept bill to lose the address within it alone\n%s, got\n%s", want, got)
		}
	})
}

// TestKeepWith: an invoice's lines, and what hangs on them, say nothing of how
// long a law keeps them. They stay with their invoice, and go with it.
func TestKeepWith(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, officeSchema+`
			CREATE TABLE lines (id int PRIMARY KEY, invoice_id int REFERENCES invoices, what text);
			CREATE TABLE remarks (id int PRIMARY KEY, line_id int REFERENCES lines, body text);
			INSERT INTO lines SELECT i * 10 + n, i, 'thing' FROM generate_series(10, 17) i, generate_series(1, 2) n;
			INSERT INTO remarks SELECT id, id, 'r' FROM lines;`)
		s := sourceOf(t, pool, "office", o)
		m := mapOf(t, officeMap+`
      - name: lines
        lethe: {keep: {with: invoice_id, mask: [what]}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: invoice_id, fides_meta: {references: [{dataset: office, field: invoices.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
      - name: remarks
        lethe: {keep: {with: line_id}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: line_id, fides_meta: {references: [{dataset: office, field: lines.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		is := by(done.Findings)
		expect(t, is["lines"], 14, 0, 6, 8)   // of the invoices 11, 14 and 15; those of 10, 12, 13 and 17 are masked
		expect(t, is["remarks"], 14, 0, 6, 0) // and stay as they are
		if is["lines"].Kept != 8 || is["remarks"].Kept != 8 {
			t.Errorf("expected eight kept rows of each, got %+v, %+v", is["lines"], is["remarks"])
		}
		const left = "SELECT string_agg(l.id || coalesce(what, '') || r.body, ' ' ORDER BY l.id) FROM lines l JOIN remarks r ON r.line_id = l.id"
		if got := text(t, pool, left); got != "101r 102r 121r 122r 131r 132r 161thingr 162thingr 171r 172r" {
			t.Errorf("expected the lines and remarks of kept invoices to stay, got %s", got)
		}
		ends := map[string]string{}
		for _, k := range done.Kept {
			ends[k.Collection+" "+k.Key] = k.Until.Format("2006-01-02")
		}
		if ends["office.lines 121"] != "2026-11-24" || ends["office.remarks 122"] != "2026-11-24" || ends["office.lines 131"] != "0001-01-01" {
			t.Errorf("expected each to have the end of its invoice, got %v", ends)
		}
		again, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range again.Findings {
			if f.Rows != 0 {
				t.Errorf("expected nothing left to do, got %+v", f)
			}
		}
		// The law of invoice 12 has ended: it goes, with all that was kept with it.
		picked := planOf(t, m, datamap.Erasure, "row:office.invoices", "row:office.lines", "row:office.remarks").Exactly()
		walk = source.Walk{Plan: picked, Today: midnight("2026-11-24"), Seeds: []source.Seed{
			{Type: "row:office.invoices", Value: "12"}, {Type: "row:office.lines", Value: "121"}, {Type: "row:office.lines", Value: "122"},
			{Type: "row:office.remarks", Value: "121"}, {Type: "row:office.remarks", Value: "122"}}}
		if done, err = s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		is = by(done.Findings)
		expect(t, is["invoices"], 1, 0, 1, 0)
		expect(t, is["lines"], 2, 0, 2, 0)
		expect(t, is["remarks"], 2, 0, 2, 0)
	})
}

// billsMap is of rows that are kept with others, by columns of any type.
const billsMap = `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: bills
        lethe: {keep: {because: a law, where: {state: [paid]}}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: no}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: state}
      - name: lines
        lethe: {keep: {with: bill}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: bill, fides_meta: {references: [{dataset: w, field: bills.no, direction: from}]}}
          - {name: state, data_categories: [user.content]}
`

// TestKeepWithColumnsOfOtherTypes: a row is kept with the one that it names
// wherever a walk follows the reference, whatever the types and collations; and
// what a keep says of that one's columns, check asks of no others.
func TestKeepWithColumnsOfOtherTypes(t *testing.T) {
	t.Parallel()
	m := mapOf(t, billsMap)
	both(t, func(t *testing.T, o postgres.Options) {
		for name, c := range map[string][2]string{
			"collations": {`text COLLATE "C"`, `text COLLATE "POSIX"`}, "enums": {"first", "second"}, "a text and a number": {"text", "int"}, "a number and a text": {"bigint", "text"},
		} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `
				CREATE TYPE first AS ENUM ('1', '2'); CREATE TYPE second AS ENUM ('2', '1');
				CREATE TABLE bills (no `+c[0]+` PRIMARY KEY, email text, state text); CREATE TABLE lines (id int PRIMARY KEY, bill `+c[1]+`, state int);
				INSERT INTO bills VALUES ('1', 'a@x.example', 'paid'), ('2', 'a@x.example', 'open'); INSERT INTO lines VALUES (10, '1', 7), (20, '2', 7)`)
			s := sourceOf(t, pool, "w", o)
			doubts, err := s.Check(t.Context(), m)
			if i := slices.IndexFunc(doubts, func(d postgres.Doubt) bool { return d.Level == postgres.Wrong }); err != nil || i >= 0 {
				t.Errorf("%s: expected nothing to be wrong, got %+v, %v", name, doubts, err)
			}
			walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
			if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := text(t, pool, "SELECT string_agg(id::text, ',') FROM lines"); got != "10" {
				t.Errorf("%s: expected the line of the kept bill to be left and no other, got %s", name, got)
			}
		}
	})
}

// TestKeepWithHiddenRows: where row-level security hides the row with which one is
// kept, nobody can tell, and it is kept without a known end.
func TestKeepWithHiddenRows(t *testing.T) {
	t.Parallel()
	m := mapOf(t, billsMap)
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE bills (no int PRIMARY KEY, email text, state text); CREATE TABLE lines (id int PRIMARY KEY, bill int, state int);
			INSERT INTO bills VALUES (1, 'a@x.example', 'paid'), (2, 'a@x.example', 'open'); INSERT INTO lines VALUES (10, 1, 7), (20, 2, 7), (30, NULL, 7);
			ALTER TABLE bills ENABLE ROW LEVEL SECURITY; CREATE POLICY unpaid ON bills USING (state = 'open')`)
		s := sourceOf(t, asRole(t, pool, "GRANT ALL ON bills, lines TO ROLE"), "w", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "row:w.lines"), Today: midnight("2026-11-23")}
		for _, id := range []string{"10", "20", "30"} {
			walk.Seeds = append(walk.Seeds, seeds("row:w.lines", id)...)
		}
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if f := by(done.Findings)["lines"]; f.Erased != 2 || f.Kept != 1 || len(done.Kept) != 1 || done.Kept[0].Key != "10" || !done.Kept[0].Until.IsZero() {
			t.Errorf("expected the line of the hidden bill to be kept, got %+v, %+v", f, done.Kept)
		}
	})
}

// TestKeepWithOneControllersRows: two controllers number their bills alike. What a
// law says of the one's keeps nothing of the other's.
func TestKeepWithOneControllersRows(t *testing.T) {
	t.Parallel()
	m := mapOf(t, strings.ReplaceAll(billsMap, "lethe: {keep: ", "lethe: {controller: tenant, keep: "))
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		s := sourceOf(t, pool, "w", o)
		pgtest.Exec(t, pool, `CREATE TABLE bills (no int UNIQUE, email text, state text); CREATE TABLE lines (id int PRIMARY KEY, bill int, state text, tenant int)`)
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "row:w.lines"), Scope: "1", Seeds: seeds("row:w.lines", "1"), Today: midnight("2026-11-23")}, source.Holds{}, noNote); err == nil || !strings.Contains(err.Error(), "w.bills.tenant") {
			t.Errorf("expected the column that is not there to be named, got %v", err)
		}
		pgtest.Exec(t, pool, `DROP TABLE bills; CREATE TABLE bills (no int, email text, state text, tenant int, PRIMARY KEY (tenant, no));
			INSERT INTO bills VALUES (1, 'a@x.example', 'open', 1), (1, 'a@x.example', 'paid', 2), (2, 'a@x.example', 'paid', 1); INSERT INTO lines VALUES (10, 1, 'x', 1), (20, 2, 'x', 1)`)
		s = sourceOf(t, pool, "w", o)
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Scope: "1", Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		if got := text(t, pool, "SELECT string_agg(id::text, ',') FROM lines"); got != "20" {
			t.Errorf("expected the line of their own paid bill to be left and no other, got %s", got)
		}
	})
}

// TestKeepFromDatesThatAreNone: a date that stands for never keeps its row for
// ever, also where no period can be added to it.
func TestKeepFromDatesThatAreNone(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for typ, far := range map[string]string{"date": "5874897-12-31", "timestamp": "290000-01-01", "timestamptz": "294276-12-31"} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE bills (id int PRIMARY KEY, email text, paid `+typ+`);
				INSERT INTO bills SELECT n, 'a@x.example', d::`+typ+` FROM unnest('{9999-12-31,infinity,-infinity,0044-03-15 BC,`+far+`}'::text[]) WITH ORDINALITY AS x(d, n)`)
			m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: bills, lethe: {keep: {for: P10Y, from: paid, because: a law}}, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: paid}]}]}]`)
			walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
			done, err := sourceOf(t, pool, "w", o).Erase(t.Context(), walk, source.Holds{}, noNote)
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			if f := by(done.Findings)["bills"]; f.Erased != 2 || f.Kept != f.Rows-2 {
				t.Errorf("%s: expected the two rows of long ago to go and the others to be kept, got %+v", typ, f)
			}
		}
	})
}

// TestCheckOfKeeps: a value that no row can have keeps nothing, which would show
// only when what a law keeps is gone.
func TestCheckOfKeeps(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TYPE state AS ENUM ('paid', 'open'); CREATE DOMAIN flag AS bool;
		CREATE TABLE bills (id int PRIMARY KEY, email text, state state, final flag, sum numeric(8,2), day date, at timestamptz, no int, code uuid, word text, ip inet)`)
	keeps := func(column, value string) []postgres.Doubt {
		m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: bills, lethe: {keep: {where: {`+column+`: [`+value+`]}, because: a law}}, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}, {name: `+column+`}]}]}]`)
		doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(doubts, func(d postgres.Doubt) bool { return d.Level != postgres.Wrong })
	}
	for _, c := range []struct{ column, value, says string }{
		{"state", "paid", ""}, {"state", "piad", `no row is kept by "piad": it is no value of type state`}, {"state", "p*", ""},
		{"final", "true", ""}, {"final", "t", `of type boolean it is written "true"`},
		{"sum", `"1.5"`, ""}, {"sum", "much", "no value of type numeric"}, {"no", `"007"`, ""}, {"no", "x", "no value of type integer"},
		{"day", `"2020-01-02"`, ""}, {"day", `"2 Jan 2020"`, `written "2020-01-02"`}, {"at", `"2020-01-02"`, `written "2020-01-02 00:00:00+00"`},
		{"code", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", ""}, {"ip", `"192.0.2.7"`, ""}, {"word", "anything", ""}, {"day", "null", ""},
	} {
		switch wrong := keeps(c.column, c.value); {
		case c.says == "" && len(wrong) > 0:
			t.Errorf("%s: expected %s to be right, got %+v", c.column, c.value, wrong)
		case c.says != "" && (len(wrong) != 1 || wrong[0].Subject != "w.bills."+c.column || !strings.Contains(wrong[0].Sentence, c.says)):
			t.Errorf("%s: expected %q to be said of %s, got %+v", c.column, c.says, c.value, wrong)
		}
	}
}

const crowdSchema = `
CREATE TABLE guests (id int PRIMARY KEY, email text, token text, desk int, code uuid);
CREATE TABLE visits (id int PRIMARY KEY, token text, desk int, code uuid, page text);
CREATE INDEX ON guests (token); CREATE INDEX ON visits (token); CREATE INDEX ON guests (desk); CREATE INDEX ON visits (desk); CREATE INDEX ON guests (code); CREATE INDEX ON visits (code);
INSERT INTO guests SELECT i, 'g' || i || '@x.example', 'web', 0, '00000000-0000-0000-0000-000000000000' FROM generate_series(1, 60) i;
INSERT INTO guests VALUES (100, 'own@x.example', 'own', 7, NULL), (101, 'OWN@x.example', 'own', -1, NULL), (102, 'nobody@x.example', 'N/A', 0, NULL);
INSERT INTO guests SELECT 200 + i, 'many@x.example', 'many', NULL, NULL FROM generate_series(1, 60) i;
INSERT INTO visits SELECT i, 'web', 0, '00000000-0000-0000-0000-000000000000', 'p' FROM generate_series(1, 30) i;
INSERT INTO visits VALUES (100, 'own', 7, NULL, 'p'), (101, 'own', 9, NULL, 'p'), (102, 'N/A', -1, NULL, 'p'), (103, 'many', NULL, NULL, 'p');`

const crowdMap = `
dataset:
  - fides_key: crowd
    lethe: {source: crowd, basis: f}
    collections:
      - name: guests
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: token}
          - {name: desk}
          - {name: code}
      - name: visits
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: token, fides_meta: {references: [{dataset: crowd, field: guests.token, direction: from}]}}
          - {name: desk, fides_meta: {references: [{dataset: crowd, field: guests.desk, direction: from}]}}
          - {name: code, fides_meta: {references: [{dataset: crowd, field: guests.code, direction: from}]}}
          - {name: page, data_categories: [user.behavior]}
`

// TestBrakes: tokens of nobody, addresses of nobody and a value that half the
// table holds lead nowhere, and the last stops an erasure before a row is touched.
func TestBrakes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, crowdSchema)
		o.OverShared = 50
		s := sourceOf(t, pool, "crowd", o)
		plan := planOf(t, mapOf(t, crowdMap), datamap.Erasure, "email")
		for _, c := range []struct {
			email          string
			guests, visits int64
			braked         bool
		}{
			{"g1@x.example", 1, 0, true},         // "web" is braked; 0 and the nil UUID are nobody's
			{"own@x.example", 2, 2, false},       // "own" is shared by the subject's own rows only; -1 is nobody's
			{"many@x.example", 60, 1, false},     // sixty rows hold it, all the subject's
			{"nobody@x.example", 0, 0, false},    // an address of nobody matches nobody
			{"no-reply@x.example", 0, 0, false},  //
			{"undefined@x.example", 0, 0, false}, //
		} {
			walk := source.Walk{Plan: plan, Seeds: seeds("email", c.email)}
			found, err := s.Find(t.Context(), walk)
			if err != nil {
				t.Fatal(err)
			}
			is := by(found.Findings)
			if is["guests"].Rows+is["guests"].Shared != c.guests || is["visits"].Rows+is["visits"].Shared != c.visits || (len(found.Braked) > 0) != c.braked {
				t.Errorf("%s: expected %d guests, %d visits, braked %t; got %+v", c.email, c.guests, c.visits, c.braked, found)
			}
			if !c.braked {
				continue
			}
			before := text(t, pool, "SELECT md5(string_agg(g::text, ',' ORDER BY id)) FROM guests g")
			_, err = s.Erase(t.Context(), walk, source.Holds{}, noNote)
			var braked *postgres.Braked
			if !errors.As(err, &braked) || !braked.Permanent() || fmt.Sprint(braked.Links) != "[crowd.guests.token → crowd.visits.token]" || strings.Contains(err.Error(), "web") {
				t.Errorf("%s: expected the brake, got %v", c.email, err)
			}
			if text(t, pool, "SELECT md5(string_agg(g::text, ',' ORDER BY id)) FROM guests g") != before {
				t.Errorf("%s: expected nothing to be touched", c.email)
			}
		}
	})
}

// TestFieldsOfTheRequest: custom_request_field narrows a collection to what the
// request names, a plain column or a part of a document, and narrows nothing otherwise.
func TestFieldsOfTheRequest(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, shop int, more jsonb);
			INSERT INTO people VALUES (1, 'a@x.example', 1, '{"lang": "cs"}'), (2, 'a@x.example', 2, '{"lang": ["cs", "de"]}'), (3, 'a@x.example', NULL, NULL)`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: shop, fides_meta: {custom_request_field: shop}}
          - name: more
            fields: [{name: lang, fides_meta: {custom_request_field: lang}}]
`)
		s := sourceOf(t, pool, "w", o)
		for _, c := range []struct {
			fields map[string]string
			rows   int64
		}{
			{nil, 3}, {map[string]string{"shop": "2"}, 1}, {map[string]string{"shop": "x"}, 0}, {map[string]string{"lang": "cs"}, 2},
			{map[string]string{"lang": "de", "shop": "2"}, 1}, {map[string]string{"other": "x"}, 3},
		} {
			found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example"), Fields: c.fields})
			if err != nil || found.Findings[0].Rows != c.rows {
				t.Errorf("%v: expected %d rows, got %+v %v", c.fields, c.rows, found.Findings, err)
			}
		}
	})
}

// TestKeptRowsAreMaskedByAnyStrategy: once, and looked at again as what is masked.
func TestKeptRowsAreMaskedByAnyStrategy(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[string]string{
		`{strategy: null_rewrite}`: "^NULL$",
		`{strategy: string_rewrite, configuration: {rewrite_value: gone, format_preservation: {suffix: "!"}}}`: "^gone!?$",
		`{strategy: random_string_rewrite, configuration: {length: 24, format_preservation: {suffix: "@x"}}}`:  "^[a-p]{24}@x$",
		`{strategy: random_string_rewrite, configuration: {length: 4}}`:                                        "^[a-p]{4}$",
		`{strategy: hash, configuration: {algorithm: SHA-512, format_preservation: {suffix: "@x"}}}`:           "^[0-9a-f]{128}@x$",
		`{strategy: hmac}`: "^[0-9a-f]{64}$",
		`{strategy: aes_encrypt, configuration: {mode: GCM}}`: "^[A-Za-z0-9+/]{38,}={0,2}$",
	} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, officeSchema)
				m := mapOf(t, strings.Replace(officeMap, "{strategy: string_rewrite, configuration: {rewrite_value: gone}}", strategy, 1))
				policy := datamap.Builtin(datamap.Erasure)
				if strings.Contains(strategy, "aes") {
					policy = datamap.Policy{Name: "coded", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{
						{Categories: []string{"user.content"}, Strategy: &datamap.Masking{Strategy: "aes_encrypt"}}, {Categories: []string{"user"}}}}
				}
				plan, err := datamap.Compile(m, policy, []string{"email"})
				if err != nil {
					t.Fatal(err)
				}
				s := sourceOf(t, pool, "office", o)
				walk := source.Walk{Plan: plan, Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23"), Secret: []byte("a secret of sixteen and more bytes")}
				done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				if kept := by(done.Findings)["invoices"]; kept.Kept != 4 || kept.Masked != 4 {
					t.Errorf("expected four kept rows, all of them masked, got %+v", kept)
				}
				memos := text(t, pool, "SELECT string_agg(coalesce(memo, 'NULL'), ' ' ORDER BY id) FROM invoices WHERE client_id = 1")
				for _, memo := range strings.Fields(memos) {
					if !regexp.MustCompile(want).MatchString(memo) {
						t.Errorf("expected memos like %s, got %q", want, memo)
					}
				}
				left, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range left.Findings {
					if f.Rows != 0 {
						t.Errorf("expected nothing to be left, got %+v", f)
					}
				}
			})
		})
	}
}

// TestKeepWithOnAShard: where the invoice of a line lies in another shard, nobody
// here can tell how long the line is kept; so it is.
func TestKeepWithOnAShard(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for shard, want := range map[bool]string{false: "", true: "1"} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `
				CREATE TABLE people (id int PRIMARY KEY, mail text);
				CREATE TABLE bills (id int PRIMARY KEY, paid date);
				CREATE TABLE lines (id int PRIMARY KEY, person int, bill int, what text);
				INSERT INTO people VALUES (1, 'a@x.example');
				INSERT INTO bills VALUES (2, '1999-01-01');
				INSERT INTO lines VALUES (1, 1, 1, 'of a bill elsewhere'), (2, 1, 2, 'of one that is over'), (3, 1, NULL, 'of none');`)
			o.Shard = shard
			s := sourceOf(t, pool, "office", o)
			m := mapOf(t, `dataset:
  - fides_key: office
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}]
      - name: bills
        lethe: {keep: {for: P10Y, from: paid, because: tax law}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: paid}]
      - name: lines
        lethe: {keep: {with: bill}}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: office, field: people.id, direction: from}]}}
          - {name: bill, fides_meta: {references: [{dataset: office, field: bills.id, direction: to}]}}
          - {name: what, data_categories: [user.content]}
`)
			walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Today: midnight("2026-11-23")}
			done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, pool, "SELECT coalesce(string_agg(id::text, ' '), '') FROM lines"); got != want {
				t.Errorf("shard %t: expected line %q to stay, got %q", shard, want, got)
			}
			if shard && (len(done.Kept) != 1 || !done.Kept[0].Until.IsZero()) {
				t.Errorf("expected it to be noted without an end, got %+v", done.Kept)
			}
		}
	})
}
