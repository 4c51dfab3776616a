package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const firmsMap = `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: b}
    collections:
      - name: people
        lethe: {controller: firm}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
`

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"int", "text", "uuid", "varchar(40)"} {
		for _, index := range []string{"", "CREATE INDEX ON people (firm, id);"} {
			t.Run(typ+" "+index, func(t *testing.T) {
				t.Parallel()
				value := func(n int) string {
					if typ == "uuid" {
						return fmt.Sprintf("00000000-0000-0000-0000-%012d", n)
					}
					return fmt.Sprint(n)
				}
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, firm `+typ+`, mail text);`+index)
				for i, n := range []int{3, 1, 2, 2, 1, 3, 7} {
					pgtest.Exec(t, pool, fmt.Sprintf(`INSERT INTO people VALUES (%d, '%s', 'x')`, i, value(n)))
				}
				pgtest.Exec(t, pool, `INSERT INTO people VALUES (99, NULL, 'x')`)
				s := sourceOf(t, pool, "shop", postgres.Options{})
				people := collection(t, mapOf(t, firmsMap), "people")
				// A scope that the column cannot hold is nobody's.
				got, err := s.Scopes(t.Context(), people, []string{value(1), value(3), "no'body"})
				if want := []string{value(2), value(7)}; err != nil || !slices.Equal(got, want) {
					t.Errorf("expected the controllers %v to be without a configuration, got %v (%v)", want, got, err)
				}
				if got, err := s.Scopes(t.Context(), people, []string{value(1), value(2), value(3), value(7)}); err != nil || len(got) != 0 {
					t.Errorf("expected nobody to be without a configuration, got %v (%v)", got, err)
				}
			})
		}
	}
}

func TestScopesAreBounded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, firm int, mail text); CREATE INDEX ON people (firm);
		INSERT INTO people SELECT n, n, 'x' FROM generate_series(1, 5000) n`)
	got, err := sourceOf(t, pool, "shop", postgres.Options{}).Scopes(t.Context(), collection(t, mapOf(t, firmsMap), "people"), nil)
	if err != nil || len(got) != postgres.MaxScopes {
		t.Errorf("expected %d controllers and no more, got %d (%v)", postgres.MaxScopes, len(got), err)
	}
}

func collection(t *testing.T, m *datamap.Map, name string) *datamap.Collection {
	t.Helper()
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			if c.Name == name {
				return c
			}
		}
	}
	t.Fatalf("expected the map to have the collection %s", name)
	return nil
}
