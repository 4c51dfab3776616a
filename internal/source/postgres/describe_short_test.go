package postgres_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// What an erasure puts into short columns that are NOT NULL is nothing that
// could be true of somebody: "er" is Eritrea, and "e" or "X" may be a gender.
func TestDraftMasksShortColumns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE DOMAIN code AS varchar(5);
		CREATE TABLE customers (id int PRIMARY KEY, email varchar(15) NOT NULL, gender char(1) NOT NULL, nationality_country char(2) NOT NULL,
		  country_iso char(3) NOT NULL, zip code NOT NULL, city varchar(6) NOT NULL, nick varchar(3) NOT NULL UNIQUE, country text);
		CREATE TABLE invoices (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers);
		INSERT INTO customers VALUES (1, 'a@x.example', 'f', 'DE', 'DEU', '10115', 'Berlin', 'ada', 'DE'), (2, 'b@x.example', 'f', 'CZ', 'CZE', '60200', 'Brno', 'ben', 'CZ');
		INSERT INTO invoices VALUES (1, 1), (2, 2);`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	yaml := string(drafted(t, s, "shop", postgres.Describing{Sample: 100}).YAML())
	m := mapOf(t, yaml)
	if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote); err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	var left string
	if err := pool.QueryRow(t.Context(), `SELECT concat_ws(' ', gender, nationality_country, country_iso, zip, city, nick, length(email) > 0, email LIKE '%x.example')
		FROM customers WHERE id = 1`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	// Of three letters that must differ between rows nobody can say which are true of no one.
	if want := "- XX XXX XXXXX erased ada t f"; left != want {
		t.Errorf("expected %q to be left, got %q\n%s", want, left, yaml)
	}
}

// What must differ from row to row, by whatever index, is masked by letters that do.
func TestDraftMasksWhatMustDiffer(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE customers (id int PRIMARY KEY, tenant int NOT NULL DEFAULT 1, email text NOT NULL, first_name text NOT NULL, last_name text NOT NULL, city text NOT NULL, UNIQUE (tenant, last_name));
		CREATE UNIQUE INDEX ON customers (lower(first_name));
		CREATE TABLE invoices (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers);
		INSERT INTO customers VALUES (1, 1, 'a@x.example', 'Ada', 'A', 'Brno'), (2, 1, 'b@x.example', 'Ben', 'B', 'Brno'); INSERT INTO invoices VALUES (1, 1), (2, 2);`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	yaml := string(drafted(t, s, "shop", postgres.Describing{Sample: 100}).YAML())
	m := mapOf(t, yaml)
	for _, email := range []string{"a@x.example", "b@x.example"} {
		if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", email)}, source.Holds{}, noNote); err != nil {
			t.Fatalf("%v\n%s", err, yaml)
		}
	}
	if left := text(t, pool, `SELECT string_agg(concat_ws(' ', first_name ~ '^[a-p]+$', last_name ~ '^[a-p]+$', city), ', ') FROM customers`); left != "t t erased, t t erased" {
		t.Errorf("expected names that differ, got %q\n%s", left, yaml)
	}
}
