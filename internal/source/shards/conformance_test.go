package shards_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/shards"
	"github.com/lethe-dsr/lethe/internal/source/sourcetest"
)

// Two shards, rows on either whatever they belong to, keep what every source
// promises, but for what takes one transaction over both.
func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, conforming)
}

func conforming(t *testing.T) sourcetest.Subject {
	t.Helper()
	pools := []*pgxpool.Pool{pgtest.Empty(t), pgtest.Empty(t)}
	var urls []string
	for i, pool := range pools {
		urls = append(urls, pgtest.URL(pool))
		for _, table := range sourcetest.Tables() {
			var columns, names []string
			for n, c := range table.Columns {
				def := pgx.Identifier{c.Name}.Sanitize() + " text"
				if c.Number {
					def = pgx.Identifier{c.Name}.Sanitize() + " bigint"
				}
				if n == 0 {
					def += " PRIMARY KEY"
				}
				columns, names = append(columns, def), append(names, c.Name)
			}
			var rows [][]any
			for n, row := range table.Rows {
				if n%len(pools) == i {
					rows = append(rows, row)
				}
			}
			pgtest.Exec(t, pool, "CREATE TABLE "+pgx.Identifier{table.Name}.Sanitize()+" ("+strings.Join(columns, ", ")+")")
			if _, err := pool.CopyFrom(t.Context(), pgx.Identifier{table.Name}, names, pgx.CopyFromRows(rows)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := shards.Open(t.Context(), sourcetest.Name, urls, shards.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return sourcetest.Subject{
		Rows: s, Consistent: true, Close: s.Close,
		Keys: func(t *testing.T, collection string) (keys []string) {
			t.Helper()
			for _, pool := range pools {
				rows, err := pool.Query(t.Context(), "SELECT id::text FROM "+pgx.Identifier{collection}.Sanitize())
				if err != nil {
					t.Fatal(err)
				}
				more, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, more...)
			}
			return keys
		},
		Value: func(t *testing.T, collection, key, field string) (value string) {
			t.Helper()
			for _, pool := range pools {
				var one string
				err := pool.QueryRow(t.Context(), "SELECT coalesce(min("+pgx.Identifier{field}.Sanitize()+"::text), '') FROM "+
					pgx.Identifier{collection}.Sanitize()+" WHERE id::text = $1", key).Scan(&one)
				if err != nil {
					t.Fatal(err)
				}
				value += one
			}
			return value
		},
		Misfit: func(t *testing.T) {
			t.Helper()
			for _, pool := range pools {
				pgtest.Exec(t, pool, "ALTER TABLE lines RENAME COLUMN what TO something_else")
			}
		},
	}
}
