package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A subject with more rows than the quick statement takes, be it in a table at
// the end of a way or in one that others hang on, is erased whole, counted
// right, and nobody else loses a row.
func TestQuickErasureOfTooManyRows(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][3]int{
		"few":               {3, 3, 2},
		"just enough":       {0, 100, 97}, // with person, address and ticket: 200
		"one too many":      {0, 100, 98},
		"leaves":            {3, 3, 1_500},
		"rows that lead on": {1_200, 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, storeTables+storeRows(1, 1, rows[0], rows[1], rows[2])+storeRows(2, 40, 3, 3, 2)+storeKeys)
			s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
			before := storeCount(t, pool)
			walk := source.Walk{Plan: planOf(t, mapOf(t, storeMap), datamap.Erasure, "email"), Seeds: seeds("email", address(1))}
			var noted int64
			note, err := s.Erase(t.Context(), walk, source.Holds{}, collect(&noted))
			if err != nil {
				t.Fatalf("expected the erasure to succeed, got %v", err)
			}
			want := int64(3 + 4*rows[0] + rows[1] + rows[2])
			if n := erased(note.Findings); n != want || noted != want {
				t.Errorf("expected %d rows to be erased, and so noted before the commit; got %d, noted %d", want, n, noted)
			}
			if n := before - storeCount(t, pool); n != want {
				t.Errorf("expected %d rows to be gone from the tables, got %d", want, n)
			}
			expectGone(t, pool, 1)
			if len(note.Keys) != min(2+rows[0], 10_000) || note.XID == "" {
				t.Errorf("expected the keys of the person, the ticket and %d orders, and the transaction's number; got %d keys, number %q", rows[0], len(note.Keys), note.XID)
			}
		})
	}
}

// Texts that differ may be equal to the database: a way by citext or through an
// array reaches a row more than once, and still counts it once and leaves none.
func TestQuickErasureOfRowsReachedTwice(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE EXTENSION citext;
		CREATE TABLE people (id int PRIMARY KEY, email text, nick text);
		CREATE INDEX ON people (lower(email));
		CREATE TABLE notes (id int PRIMARY KEY, nick citext);
		CREATE INDEX ON notes (nick);
		INSERT INTO people VALUES (1, 'p1@x.example', 'Ann'), (2, 'p1@x.example', 'ANN'), (3, 'p3@x.example', 'Cyd');
		INSERT INTO notes SELECT i, 'ann' FROM generate_series(1, 700) i;
		INSERT INTO notes VALUES (701, 'cyd');
		ANALYSE;`)
	m := mapOf(t, `
dataset:
  - fides_key: d
    lethe: {source: store, basis: b}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: nick, data_categories: [user.name]}
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: nick, data_categories: [user.name], fides_meta: {references: [{dataset: d, field: people.nick, direction: from}]}}
`)
	s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", address(1))}
	note, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
	if err != nil {
		t.Fatalf("expected the erasure to succeed, got %v", err)
	}
	if n := by(note.Findings)["notes"].Erased; n != 700 {
		t.Errorf("expected 700 notes to be erased, got %d", n)
	}
	if n := number(t, pool, "SELECT count(*) FROM notes"); n != 1 {
		t.Errorf("expected the other's note to be left alone, got %d notes", n)
	}
}

// A value too long to come with the walk, and the very text that stands for one,
// are given whole by the longer way.
func TestValuesTooLongToComeWithTheWalk(t *testing.T) {
	t.Parallel()
	for name, street := range map[string]string{
		"long":     "repeat('x', 70000)",
		"the mark": "'lethe: this value is too long to come with the walk'",
		"short":    "'s'",
		"null":     "NULL",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, storeTables+storeRows(1, 3, 3, 3, 2)+fmt.Sprintf("UPDATE addresses SET street = %s WHERE id = 2;", street)+storeKeys)
			s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
			walk := source.Walk{Plan: planOf(t, mapOf(t, storeMap), datamap.Access, "email"), Seeds: seeds("email", address(2))}
			snap, err := s.Snapshot(t.Context(), walk)
			if err != nil {
				t.Fatalf("expected a snapshot, got %v", err)
			}
			defer snap.Close(t.Context())
			if n := by(snap.Findings())["addresses"].Rows; n != 1 {
				t.Errorf("expected one address to be counted, got %d", n)
			}
			want := textOf(t, pool, "SELECT street FROM addresses WHERE id = 2")
			var got []any
			if err := snap.Rows(t.Context(), "store.addresses", func(r source.Row) error {
				got = append(got, r.Values[2])
				return nil
			}); err != nil {
				t.Fatalf("expected the addresses, got %v", err)
			}
			if want == nil && len(got) != 0 {
				t.Errorf("expected a row without a value that is asked for to be left out, got %d", len(got))
			}
			if want != nil && (len(got) != 1 || got[0] != *want) {
				t.Errorf("expected the street as it stands in the table (%d bytes), got %d rows", len(*want), len(got))
			}
		})
	}
}

func storeCount(t testing.TB, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	for _, name := range storeNames() {
		n += number(t, pool, "SELECT count(*) FROM "+name)
	}
	return n
}

func collect(n *int64) func(context.Context, source.Note) error {
	return func(_ context.Context, note source.Note) error {
		*n = erased(note.Findings)
		return nil
	}
}

func textOf(t testing.TB, pool *pgxpool.Pool, sql string) (v *string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("expected a value, got %v", err)
	}
	return v
}
