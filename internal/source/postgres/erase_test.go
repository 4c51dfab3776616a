package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A shop with names that need quotes.
const shopMap = `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: b}
    collections:
      - name: Kunden
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: Nr, fides_meta: {primary_key: true}}
          - {name: E-Mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: customer, fides_meta: {references: [{dataset: shop, field: Kunden.Nr, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`

func shop(t testing.TB, ddl string) (*pgxpool.Pool, *datamap.Map) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, ddl)
	return pool, mapOf(t, shopMap)
}

const shopTables = `
CREATE TABLE "Kunden" ("Nr" bigint PRIMARY KEY, "E-Mail" text, name text);
CREATE INDEX ON "Kunden" (lower("E-Mail"));
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES "Kunden" ON DELETE %DELETE%, note text);
CREATE INDEX ON orders (customer);
INSERT INTO "Kunden" VALUES (1, 'o''neil@x.example', 'O''Neil "the" \'), (2, 'other@x.example', 'Other');
INSERT INTO orders VALUES (10, 1, 'a'), (11, 1, 'b'), (20, 2, 'c');`

func TestForeignKeysOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "NO ACTION DEFERRABLE INITIALLY DEFERRED"} {
		t.Run(action, func(t *testing.T) {
			both(t, func(t *testing.T, o postgres.Options) {
				pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", action))
				s := sourceOf(t, pool, "shop", o)
				w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
				done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, by(done.Findings)["Kunden"], 1, 0, 1, 0)
				expect(t, by(done.Findings)["orders"], 2, 0, 2, 0)
				if n := number(t, pool, `SELECT (SELECT count(*) FROM "Kunden") * 10 + (SELECT count(*) FROM orders)`); n != 11 {
					t.Errorf("expected the other customer and order to stay, got %d", n)
				}
				again, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, by(again.Findings)["orders"], 0, 0, 0, 0)
			})
		})
	}
}

func TestBeyondTheMap(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
			CREATE TABLE invoices (id int PRIMARY KEY, customer bigint REFERENCES "Kunden" ON DELETE CASCADE);
			INSERT INTO invoices VALUES (1, 1), (2, 1), (3, 2);`)
		s := sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		_, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		var beyond *postgres.Beyond
		if !errors.As(err, &beyond) || len(beyond.Tables) != 1 || beyond.Tables[0].Table != "public.invoices" || beyond.Tables[0].Rows != 2 {
			t.Fatalf("expected the erasure refused for 2 rows of public.invoices, got %v", err)
		}
		if n := number(t, pool, "SELECT (SELECT count(*) FROM orders) * 10 + (SELECT count(*) FROM invoices)"); n != 33 {
			t.Errorf("expected nothing changed, got %d", n)
		}
	})
}

// A table outside the map that goes while a walk still rests on it is no reason to
// stop, alone or among many.
func TestUnmappedTableGoes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
			CREATE TABLE likes (id int PRIMARY KEY, customer bigint REFERENCES "Kunden" ON DELETE CASCADE);
			INSERT INTO likes VALUES (1, 1);`)
		o.Now = func() time.Time { return time.Unix(0, 0) }
		alone, many := sourceOf(t, pool, "shop", o), sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		nobody := source.Walk{Plan: w.Plan, Seeds: seeds("email", "nobody@x.example")}
		other := source.Walk{Plan: w.Plan, Seeds: seeds("email", "nobody.else@x.example")}
		var beyond *postgres.Beyond
		for _, s := range []*postgres.Source{alone, many} {
			if _, err := s.Erase(t.Context(), w, source.Holds{}, noNote); !errors.As(err, &beyond) {
				t.Fatalf("expected the erasure refused for a row of likes, got %v", err)
			}
		}
		pgtest.Exec(t, pool, "DROP TABLE likes")
		for i, d := range many.EraseMany(t.Context(), []source.Walk{nobody, other}, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil }) {
			if d != nil && d.Err != nil {
				t.Errorf("expected erasure %d of many to go by the tables as they are now, got %v", i, d.Err)
			}
		}
		if done, err := alone.Erase(t.Context(), w, source.Holds{}, noNote); err != nil || len(done.Findings) == 0 {
			t.Errorf("expected the erasure to go by the tables as they are now, got %v", err)
		}
	})
}

func TestUnmappedRowsKeepWhatTheyName(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
			CREATE TABLE invoices (id int PRIMARY KEY, customer bigint REFERENCES "Kunden");
			INSERT INTO invoices VALUES (1, 1);`)
		s := sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(done.Findings)["Kunden"], 1, 0, 0, 1)
		expect(t, by(done.Findings)["orders"], 2, 0, 2, 0)
		if n := number(t, pool, `SELECT count(*) FROM "Kunden" WHERE "Nr" = 1 AND "E-Mail" IS NULL AND name IS NULL`); n != 1 {
			t.Error("expected the customer that an invoice names to be emptied, not deleted")
		}
	})
}

func TestHolds(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for name, holds := range map[string]func(m *datamap.Map) source.Holds{
			"a row": func(*datamap.Map) source.Holds {
				return source.Holds{Rows: []source.RowKey{{Collection: "shop.orders", Key: "10"}}}
			},
			// As retention.ActiveHolds gives it: a row with an empty key.
			"a collection": func(*datamap.Map) source.Holds {
				return source.Holds{Rows: []source.RowKey{{Collection: "shop.orders"}}}
			},
			"a walk": func(m *datamap.Map) source.Holds {
				p := planOf(t, m, datamap.Access, "email")
				return source.Holds{Walks: []source.Walk{
					{Plan: p, Seeds: seeds("email", "nobody@x.example")},
					{Plan: p, Seeds: seeds("email", "o'neil@x.example")},
				}}
			},
		} {
			pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
			s := sourceOf(t, pool, "shop", o)
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
			done, err := s.Erase(t.Context(), w, holds(m), noNote)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if f := by(done.Findings)["orders"]; name == "a row" && (f.Held != 1 || f.Erased != 1) || name != "a row" && (f.Held != 2 || f.Erased != 0) {
				t.Errorf("%s: expected its rows held, got %+v", name, f)
			}
			if f := by(done.Findings)["Kunden"]; name != "a walk" && f.Masked != 1 || name == "a walk" && (f.Masked != 0 || f.Held != 1) {
				t.Errorf("%s: expected the customer of a held order masked, or held itself; got %+v", name, f)
			}
			left, err := s.Look(t.Context(), w, holds(m), done.Keys)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left.Findings {
				if f.Rows != 0 {
					t.Errorf("%s: expected what is held not to count as left, got %+v", name, f)
				}
			}
		}
	})
}

func TestTriggersAreMet(t *testing.T) {
	t.Parallel()
	pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION")+`
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN UPDATE "Kunden" SET name = name || '!' WHERE "Nr" = OLD.customer; RETURN OLD; END $$;
		CREATE TRIGGER touch AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION touch();`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
	done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, by(done.Findings)["Kunden"], 1, 0, 1, 0)
	expect(t, by(done.Findings)["orders"], 2, 0, 2, 0)
}

// TestMasksThatMoveKeys: a masked name is part of the keys of rows that go, by ON
// UPDATE CASCADE or by a trigger. These are deleted by the keys that were found, so
// before the name changes; what is masked to let go of a row still comes first.
func TestMasksThatMoveKeys(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE TABLE people (id int PRIMARY KEY, email text, handle text NOT NULL UNIQUE);
		CREATE TABLE entries (handle text NOT NULL%s, n int, person int REFERENCES people, PRIMARY KEY (handle, n));
		CREATE TABLE devices (id int PRIMARY KEY, person int REFERENCES people);
		CREATE TABLE visits (id int PRIMARY KEY, person int REFERENCES people, device int REFERENCES devices, note text NOT NULL UNIQUE);
		INSERT INTO people VALUES (1, 'ada@x.example', 'ada'), (2, 'ben@x.example', 'ben');
		INSERT INTO entries VALUES ('ada', 1, 1), ('ada', 2, 1), ('ben', 1, 2);
		INSERT INTO devices VALUES (1, 1), (2, 2);
		INSERT INTO visits VALUES (1, 1, 1, 'by Ada'), (2, 2, 2, 'by Ben');`
	const moves = `
		CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN UPDATE entries SET handle = NEW.handle WHERE handle = OLD.handle; RETURN NEW; END $$;
		CREATE TRIGGER moves AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION moves();
		CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
		CREATE TRIGGER quiet BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION quiet();`
	m := mapOf(t, `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - name: handle
            data_categories: [user.account.username]
            fides_meta: {masking_strategy_override: {strategy: random_string_rewrite}}
      - name: entries
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: handle, data_categories: [user.account.username], fides_meta: {primary_key: true}}
          - {name: n, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
      - name: devices
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
      - name: visits
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: device, data_categories: [user.device], fides_meta: {masking_strategy_override: {strategy: null_rewrite}}}
          - name: note
            data_categories: [user.content]
            fides_meta: {masking_strategy_override: {strategy: random_string_rewrite}}
`)
	for name, schema := range map[string]string{
		"a cascade": fmt.Sprintf(tables, " REFERENCES people (handle) ON UPDATE CASCADE"),
		"a trigger": fmt.Sprintf(tables, "") + moves,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, schema)
				found := erasedWhole(t, sourceOf(t, pool, "shop", o), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "ada@x.example")})
				expect(t, found["people"], 1, 0, 0, 1)
				expect(t, found["entries"], 2, 0, 2, 0)
				expect(t, found["devices"], 1, 0, 1, 0)
				expect(t, found["visits"], 1, 0, 0, 1)
				if n := number(t, pool, "SELECT count(*) FROM entries"); n != 1 {
					t.Errorf("expected the entry of the other alone to be left, got %d", n)
				}
				if n := number(t, pool, "SELECT count(*) FROM people WHERE handle IN ('ada', 'ben')"); n != 1 {
					t.Error("expected one handle to be masked")
				}
			})
		})
	}
}

func TestNoteAndOutcome(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
		s := sourceOf(t, pool, "shop", o)
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example")}
		ask := func(xid string, want source.Outcome) {
			t.Helper()
			if got, err := s.Outcome(t.Context(), xid); err != nil || got != want {
				t.Errorf("expected %q, got %q, %v", want, got, err)
			}
		}
		away := errors.New("the control database is away")
		var noted source.Note
		_, err := s.Erase(t.Context(), w, source.Holds{}, func(_ context.Context, n source.Note) error {
			noted = n
			ask(n.XID, source.InProgress)
			return away
		})
		if !errors.Is(err, away) {
			t.Fatalf("expected the note's own error, got %v", err)
		}
		ask(noted.XID, source.Aborted)
		if n := number(t, pool, "SELECT count(*) FROM orders"); n != 3 {
			t.Fatalf("expected nothing erased without a note, %d orders are left", n)
		}
		// The process dies between the note and the commit: its connection goes.
		ctx, kill := context.WithCancel(t.Context())
		_, err = s.Erase(ctx, w, source.Holds{}, func(_ context.Context, n source.Note) error {
			noted = n
			kill()
			return nil
		})
		if err == nil {
			t.Fatal("expected an error from an erasure that was killed")
		}
		for { // until the server has noticed that the connection is gone
			if got, err := s.Outcome(t.Context(), noted.XID); err != nil || got != source.InProgress {
				break
			}
		}
		ask(noted.XID, source.Aborted)
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		ask(done.XID, source.Committed)
		ask("999999999999", source.Unknown)
		if len(done.Keys) == 0 {
			t.Error("expected the keys of erased rows that others could still name")
		}
		// A late webhook brings a row back: found by the key erased.
		pgtest.Exec(t, pool, `ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey; INSERT INTO orders VALUES (12, 1, 'late')`)
		left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		if f := by(left.Findings)["orders"]; f.Rows != 1 {
			t.Errorf("expected the late order to be found by its customer's key, got %+v", f)
		}
	})
}

func TestLookFindsNewRoots(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
		s := sourceOf(t, pool, "shop", o)
		one := []source.RowKey{{Collection: "shop.Kunden", Key: "1"}}
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "o'neil@x.example"), Restricted: true, Roots: one}
		done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, pool, `INSERT INTO "Kunden" VALUES (3, 'O''Neil@x.example', 'New')`)
		left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		if len(left.Roots) != 1 || left.Roots[0].Key != "3" {
			t.Errorf("expected the row that matches since to be told, not erased: got %d roots", len(left.Roots))
		}
		if f := by(left.Findings)["Kunden"]; f.Rows != 0 {
			t.Errorf("expected nothing of the ticked rows left, got %+v", f)
		}
	})
}

func TestThreadsInACircle(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text);
		CREATE TABLE comments (id int PRIMARY KEY, author int REFERENCES people, parent int REFERENCES comments, body text);
		CREATE INDEX ON comments (author); CREATE INDEX ON comments (parent);
		INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example');
		INSERT INTO comments VALUES (1, 1, NULL, 'x'), (2, NULL, 1, 'x'), (3, NULL, 2, 'x'), (4, NULL, 3, 'x'), (5, 2, NULL, 'y'), (6, NULL, 5, 'y');`)
	m := mapOf(t, peopleOf("forum")+`
      - name: comments
        lethe: {owner: author}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: author, fides_meta: {references: [{dataset: forum, field: people.id, direction: from}]}}
          - {name: parent, fides_meta: {references: [{dataset: forum, field: comments.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`)
	s := sourceOf(t, pool, "forum", postgres.Options{})
	w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
	if !w.Plan.Cyclic {
		t.Fatal("expected a plan that runs in a circle")
	}
	done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, by(done.Findings)["comments"], 4, 0, 4, 0)
	expect(t, by(done.Findings)["people"], 1, 0, 1, 0)
	// Of the other thread an answer is held: what it hangs on is masked.
	w.Seeds = seeds("email", "b@x.example")
	done, err = s.Erase(t.Context(), w, source.Holds{Rows: []source.RowKey{{Collection: "forum.comments", Key: "6"}}}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	if f := by(done.Findings)["comments"]; f.Held != 1 || f.Masked != 1 || f.Erased != 0 {
		t.Errorf("expected comment 6 held and comment 5 masked, got %+v", f)
	}
	expect(t, by(done.Findings)["people"], 1, 0, 0, 1)
}

// TestEraseAfter: where the order of deletions shows, because triggers run, a
// collection goes after those that its erase_after names.
func TestEraseAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, second string }{{"letters", "notes"}, {"notes", "letters"}} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
			CREATE TABLE people (id int PRIMARY KEY, email text); CREATE TABLE notes (id int PRIMARY KEY, who int, words text); CREATE TABLE letters (id int PRIMARY KEY, who int, words text);
			INSERT INTO people VALUES (1, 'a@x.example'); INSERT INTO notes VALUES (1, 1, 'n'); INSERT INTO letters VALUES (1, 1, 'l');
			CREATE TABLE gone (n serial, what text);
			CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO gone (what) VALUES (TG_TABLE_NAME); RETURN NULL; END';
			CREATE TRIGGER note AFTER DELETE ON notes FOR EACH ROW EXECUTE FUNCTION note(); CREATE TRIGGER note AFTER DELETE ON letters FOR EACH ROW EXECUTE FUNCTION note();`)
		collection := func(name, after string) string {
			return `
      - name: ` + name + `
        fides_meta: {masking_strategy_override: {strategy: delete}` + after + `}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: who, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: words, data_categories: [user.content]}`
		}
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}`+
			collection(c.second, ", erase_after: [w."+c.first+"]")+collection(c.first, ""))
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		if _, err := sourceOf(t, pool, "w", postgres.Options{}).Erase(t.Context(), walk, source.Holds{}, noNote); err != nil {
			t.Fatal(err)
		}
		if got := text(t, pool, "SELECT string_agg(what, ' ' ORDER BY n) FROM gone"); got != c.first+" "+c.second {
			t.Errorf("expected %s to go before %s, got %s", c.first, c.second, got)
		}
	}
}

// TestRowsThatFollowAMaskedKey: a foreign key carries a masked value on to the rows
// that name it (ON UPDATE CASCADE), so that they no longer stand where they were found.
func TestRowsThatFollowAMaskedKey(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		for _, code := range []string{"code text", "given text, code text GENERATED ALWAYS AS (given || '-') STORED"} {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `
				CREATE TABLE customers (id int PRIMARY KEY, email text, `+code+`, UNIQUE (code));
				CREATE INDEX ON customers (lower(email));
				CREATE TABLE orders (id int PRIMARY KEY, code text REFERENCES customers (code) ON UPDATE CASCADE, note text);
				CREATE INDEX ON orders (code);
				INSERT INTO customers VALUES (1, 'a@x.example', 'A1'), (2, 'b@x.example', 'B2');
				INSERT INTO orders SELECT n, (SELECT code FROM customers WHERE id = (n + 2) / 3), 'n' FROM generate_series(1, 6) n;`)
			masked, more := "code", ""
			if strings.HasPrefix(code, "given") {
				masked, more = "given", "          - {name: code}\n"
			}
			m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: d, basis: b}
    collections:
      - name: customers
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`+more+`          - {name: `+masked+`, data_categories: [user.unique_id], fides_meta: {masking_strategy_override: {strategy: random_string_rewrite}}}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: code, fides_meta: {references: [{dataset: d, field: customers.code, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
			s := sourceOf(t, pool, "d", o)
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
			done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, by(done.Findings)["customers"], 1, 0, 0, 1)
			expect(t, by(done.Findings)["orders"], 3, 0, 3, 0)
			if n := number(t, pool, "SELECT count(*) FROM orders"); n != 3 {
				t.Errorf("%s: expected the other customer's 3 orders to be left, got %d", masked, n)
			}
		}
	})
}
