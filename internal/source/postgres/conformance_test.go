package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/sourcetest"
)

// Postgres keeps what every source promises, in both ways of a walk.
func TestConformance(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		o.Now = nil // the tables change underneath
		sourcetest.Run(t, func(t *testing.T) sourcetest.Subject { return conforming(t, o) })
	})
}

func conforming(t *testing.T, o postgres.Options) sourcetest.Subject {
	t.Helper()
	admin := pgtest.Empty(t)
	for _, table := range sourcetest.Tables() {
		var columns, names []string
		for i, c := range table.Columns {
			def := pgx.Identifier{c.Name}.Sanitize() + " text"
			if c.Number {
				def = pgx.Identifier{c.Name}.Sanitize() + " bigint"
			}
			if i == 0 {
				def += " PRIMARY KEY"
			}
			if c.Names != "" {
				def += " REFERENCES " + pgx.Identifier{c.Names}.Sanitize()
			}
			columns, names = append(columns, def), append(names, c.Name)
		}
		pgtest.Exec(t, admin, "CREATE TABLE "+pgx.Identifier{table.Name}.Sanitize()+" ("+strings.Join(columns, ", ")+")")
		if _, err := admin.CopyFrom(t.Context(), pgx.Identifier{table.Name}, names, pgx.CopyFromRows(table.Rows)); err != nil {
			t.Fatal(err)
		}
	}
	url := pgtest.URL(admin)
	s, err := postgres.Open(t.Context(), sourcetest.Name, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	database := pgx.Identifier{admin.Config().ConnConfig.Database}.Sanitize()
	var other *pgxpool.Pool
	return sourcetest.Subject{
		Rows: s, Atomic: true, Consistent: true, Close: s.Close,
		Keys: func(t *testing.T, collection string) (keys []string) {
			t.Helper()
			rows, err := admin.Query(t.Context(), "SELECT id::text FROM "+pgx.Identifier{collection}.Sanitize())
			if err == nil {
				keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
			}
			if err != nil {
				t.Fatal(err)
			}
			return keys
		},
		Value: func(t *testing.T, collection, key, field string) (value string) {
			t.Helper()
			err := admin.QueryRow(t.Context(), "SELECT coalesce("+pgx.Identifier{field}.Sanitize()+"::text, '') FROM "+
				pgx.Identifier{collection}.Sanitize()+" WHERE id::text = $1", key).Scan(&value)
			if err != nil {
				t.Fatal(err)
			}
			return value
		},
		Misfit: func(t *testing.T) {
			t.Helper()
			pgtest.Exec(t, admin, "ALTER TABLE lines RENAME COLUMN what TO something_else")
		},
		// Nobody may connect, and who is connected is cut off.
		Break: func(t *testing.T) {
			t.Helper()
			other = pgtest.Empty(t)
			pgtest.Exec(t, other, "ALTER DATABASE "+database+" ALLOW_CONNECTIONS false")
			pgtest.Exec(t, other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+admin.Config().ConnConfig.Database+"'")
			admin.Reset()
		},
		Mend: func(t *testing.T) {
			t.Helper()
			pgtest.Exec(t, other, "ALTER DATABASE "+database+" ALLOW_CONNECTIONS true")
		},
	}
}
