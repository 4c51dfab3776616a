package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A large erasure goes in parts, the person's own row last: stopped between any
// two of them, what is left is found and finished by the same walk.
func TestALargeErasureStoppedBetweenItsParts(t *testing.T) {
	t.Parallel()
	plan := func(m *datamap.Map) *datamap.Plan { return planOf(t, m, datamap.Erasure, "email") }
	for stopAt := range 5 {
		pool, m := store(t, 3)
		big := storeRows(10, 10, 40, 90, 30) // 1 + 1 + 40 + 80 + 40 + 1 + 90 + 30 rows
		if _, err := pool.Exec(t.Context(), big); err != nil {
			t.Fatal(err)
		}
		s := sourceOf(t, pool, "store", postgres.Options{StagedAbove: 50, SliceAbove: 60, SliceRows: 25})
		w := source.Walk{Plan: plan(m), Seeds: seeds("email", address(10))}
		killed := errors.New("killed")
		var parts []source.Note
		note := func(_ context.Context, n source.Note) error {
			if n.Part != len(parts) {
				t.Errorf("expected part %d, got %d", len(parts), n.Part)
			}
			if n.Part == stopAt {
				return killed
			}
			for _, f := range n.Findings {
				if f.Erased > 25 && n.More {
					t.Errorf("expected at most 25 rows of %s in a part, got %d", f.Collection, f.Erased)
				}
			}
			if number(t, pool, "SELECT count(*) FROM people WHERE id = 10") != 1 {
				t.Error("expected the person's own row to be there until the last part")
			}
			parts = append(parts, n)
			return nil
		}
		_, err := s.Erase(t.Context(), w, source.Holds{}, note)
		if !errors.Is(err, killed) {
			t.Fatalf("expected the erasure to stop at part %d of several, got %v after %d", stopAt, err, len(parts))
		}
		before := parts
		stopAt, parts = 1000, nil
		done, err := s.Erase(t.Context(), w, source.Holds{}, note)
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, n := range slices.Concat(before, parts) {
			sum += erased(n.Findings)
		}
		if sum != 283 {
			t.Errorf("expected the parts' notes to add up to 283 rows, got %d", sum)
		}
		if len(parts) > 0 && parts[len(parts)-1].More || done.More {
			t.Error("expected the last part to say that no more follow")
		}
		expectGone(t, pool, 10)
		if n := number(t, pool, "SELECT count(*) FROM people"); n != 3 {
			t.Errorf("expected the other three people to stay, got %d", n)
		}
	}
}

// A reference that only the last part masks holds back what it names until then:
// the rows of identities are masked last, and a part that took the row named by
// one of them would break the foreign key.
func TestAPartTakesNoRowThatIsFreedLater(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE notes (id int PRIMARY KEY, body text);
		CREATE TABLE people (id int PRIMARY KEY, email text, pinned int REFERENCES notes DEFERRABLE INITIALLY DEFERRED);
		CREATE INDEX ON people (email);
		CREATE INDEX ON people (pinned);
		INSERT INTO notes SELECT n, 'text' FROM generate_series(1, 9) n;
		INSERT INTO people SELECT n, 'a@x.example', n FROM generate_series(1, 8) n;`)
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: body, data_categories: [user.content]}
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: pinned, data_categories: [user.content], fides_meta: {references: [{dataset: w, field: notes.id, direction: to}], masking_strategy_override: {strategy: null_rewrite}}}
`)
	s := sourceOf(t, pool, "w", postgres.Options{StagedAbove: -1, SliceAbove: 3, SliceRows: 3})
	done, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, by(done.Findings)["notes"], 8, 0, 8, 0)
	if n := number(t, pool, "SELECT count(*) FROM people WHERE email IS NULL AND pinned IS NULL"); n != 8 {
		t.Errorf("expected the eight rows of the person to be masked, got %d", n)
	}
	if n := number(t, pool, "SELECT count(*) FROM notes"); n != 1 {
		t.Errorf("expected the note that nobody pinned to be all that is left, got %d", n)
	}
}

// A trigger that writes something else than the mask makes the same rows be found
// again: the parts come to an end, and the look afterwards tells what is left.
func TestALargeErasureEndsThoughATriggerUndoesIt(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"another value": `NEW.note := upper(NEW.note); RETURN NEW`,
		"the old row":   `RETURN OLD`,
		"no change":     `RETURN NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `
				CREATE TABLE people (id int PRIMARY KEY, email text);
				CREATE TABLE notes (id int PRIMARY KEY, person int, note text);
				INSERT INTO people VALUES (1, 'a@x.example'); INSERT INTO notes SELECT g, 1, 'n' FROM generate_series(1, 40) g;
				CREATE INDEX ON notes (person); CREATE INDEX ON people (lower(email));
				CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN `+body+`; END';
				CREATE TRIGGER other BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION other()`)
			m := mapOf(t, peopleOf("shop")+`
      - name: notes
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: erased}}}}
`)
			s := sourceOf(t, pool, "shop", postgres.Options{SliceAbove: 5, SliceRows: 10})
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
			parts := 0
			done, err := s.Erase(t.Context(), w, source.Holds{}, func(context.Context, source.Note) error {
				if parts++; parts > 30 {
					return errors.New("it does not end")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
			if err != nil {
				t.Fatal(err)
			}
			if n := by(left.Findings)["notes"].Rows; n != 40 {
				t.Errorf("expected the look to find the 40 notes as they are, it finds %d after %d parts: %+v", n, parts, left)
			}
		})
	}
}

// TestPartsOfAControllersRows: where rows are one controller's, or an owner's, a part
// tells that a row is the person's alone though it has read few of those that name it.
func TestPartsOfAControllersRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, firm int, email text);
		CREATE TABLE orders (id int PRIMARY KEY, firm int, person int REFERENCES people, note text);
		CREATE INDEX ON people (lower(email));
		CREATE INDEX ON orders (person);
		INSERT INTO people VALUES (1, 1, 'a@x.example'), (2, 1, 'b@x.example'), (3, 1, 'c@x.example');
		INSERT INTO orders SELECT n, 1, 1 + n % 2, 'n' FROM generate_series(1, 60) n;
		INSERT INTO orders SELECT 100 + n, 1, 3, 'n' FROM generate_series(1, 30) n;
		INSERT INTO orders VALUES (200, 2, 3, 'another firm''s');`)
	m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: d, basis: b}
    collections:
      - name: people
        lethe: {controller: firm}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: orders
        lethe: {controller: firm, owner: person}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person, fides_meta: {references: [{dataset: d, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
	s := sourceOf(t, pool, "d", postgres.Options{StagedAbove: -1, SliceAbove: 10, SliceRows: 7})
	for address, want := range map[string][]int64{
		"a@x.example": {7, 7, 7, 7, 2, 1}, // the last part takes the person
		"c@x.example": {0},                // shared with another firm's order
	} {
		var parts []int64
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Scope: "1", Seeds: seeds("email", address)}
		done, err := s.Erase(t.Context(), w, source.Holds{}, func(_ context.Context, n source.Note) error {
			parts = append(parts, erased(n.Findings))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(parts, want) {
			t.Errorf("%s: expected parts of %v rows, got %v (%+v)", address, want, parts, done.Findings)
		}
	}
	if n := number(t, pool, "SELECT (SELECT count(*) FROM people) * 100 + (SELECT count(*) FROM orders)"); n != 261 {
		t.Errorf("expected 2 people and 61 orders to be left, got %d", n)
	}
}
