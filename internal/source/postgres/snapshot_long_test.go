package postgres_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// lengthy is a map of one collection with these fields beside id and email.
func lengthy(t testing.TB, collection string, fields ...string) *datamap.Map {
	t.Helper()
	more := ""
	for _, f := range fields {
		more += fmt.Sprintf("          - {name: %s, data_categories: [user.content]}\n", f)
	}
	return mapOf(t, `
dataset:
  - fides_key: v
    lethe: {source: v, basis: f}
    collections:
      - name: `+collection+`
        lethe: {order: [id]}
        fields:
          - {name: id}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`+more)
}

// A long value comes by itself, whatever its type and however the walk is made;
// one that is not stays with its row.
func TestLongValues(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]postgres.Options{
		"one statement": {}, "staged": {StagedAbove: -1}, "a shard": {Shard: true},
	} {
		o.LongAbove = 200_000
		for table, key := range map[string]string{"with a key": ", PRIMARY KEY (id, part)", "without a key": ""} {
			t.Run(name+", "+table, func(t *testing.T) {
				t.Parallel()
				pool := pgtest.Empty(t)
				pgtest.Exec(t, pool, `
					CREATE TABLE p (id bigint, part text, email text, photo bytea, words text, doc jsonb, list text[], fixed char(5)`+key+`);
					ALTER TABLE p ALTER photo SET STORAGE EXTERNAL;
					INSERT INTO p
					SELECT n, 'a"b', 'a@x.example', CASE WHEN n = 1 THEN decode(repeat('00ff41', 1000000), 'hex') ELSE '\x00ff' END,
						CASE WHEN n = 1 THEN repeat('ž€', 100000) ELSE 'short' END, jsonb_build_object('k', repeat('y', CASE WHEN n = 1 THEN 300000 ELSE 3 END)),
						ARRAY[repeat('z', CASE WHEN n = 1 THEN 300000 ELSE 3 END)], 'x'
					FROM generate_series(1, 2) n`)
				m := lengthy(t, "p", "photo", "words", "doc", "list", "fixed")
				s := sourceOf(t, pool, "v", o)
				snap, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
				if err != nil {
					t.Fatal(err)
				}
				defer snap.Close(t.Context())
				var rows []map[string]any
				if err := snap.Rows(t.Context(), "v.p", func(r source.Row) error {
					row := map[string]any{}
					for i, f := range r.Fields {
						row[f] = r.Values[i]
					}
					rows = append(rows, row)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if len(rows) != 2 {
					t.Fatalf("expected two rows, got %d", len(rows))
				}
				short := map[string]any{"photo": `\x00ff`, "words": "short", "doc": json.RawMessage(`{"k": "yyy"}`), "list": json.RawMessage(`["zzz"]`), "fixed": "x"}
				for f, want := range short {
					if diff := cmp.Diff(want, rows[1][f]); diff != "" {
						t.Errorf("%s: expected a short value to stay with its row (-want +got):\n%s", f, diff)
					}
				}
				for _, c := range []struct{ field, ending, want string }{
					{"photo", "bin", strings.Repeat("\x00\xffA", 1_000_000)}, {"words", "txt", strings.Repeat("ž€", 100_000)},
					{"doc", "json", `{"k": "` + strings.Repeat("y", 300_000) + `"}`}, {"list", "json", `["` + strings.Repeat("z", 300_000) + `"]`},
				} {
					long, ok := rows[0][c.field].(source.Long)
					if !ok {
						t.Errorf("%s: expected a value to be read by itself, got a %T", c.field, rows[0][c.field])
						continue
					}
					sum, n, most := sha256.New(), 0, 0
					if err := long.Read(t.Context(), func(piece []byte) error {
						sum.Write(piece)
						n, most = n+len(piece), max(most, len(piece))
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					if long.Ending != c.ending || n != len(c.want) || [32]byte(sum.Sum(nil)) != sha256.Sum256([]byte(c.want)) || most > 1<<20 {
						t.Errorf("%s: expected %d bytes of %s in pieces of a MiB, got %d of %s in pieces of %d", c.field, len(c.want), c.ending, n, long.Ending, most)
					}
				}
			})
		}
	}
}

// statement_timeout is for the database's work: whoever takes longer over the
// rows reads on, and a database that is silent for so long is given up.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE p (id bigint PRIMARY KEY, email text, word text);
		INSERT INTO p SELECT n, 'a@x.example', repeat(md5(n::text), 500) FROM generate_series(1, 2000) n;
		CREATE FUNCTION quiet() RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(60)::text
			WHERE EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) $$;
		CREATE VIEW q AS SELECT id, email, coalesce(quiet(), word) AS word FROM p WHERE id < 3`)
	const limit = 2 * time.Second // long enough for a busy machine
	s := sourceOf(t, pool, "v", postgres.Options{StatementTimeout: limit, StagedAbove: -1})
	read := func(m *datamap.Map, yield func(row int)) (rows int, err error) {
		t.Helper()
		snap, err := s.Snapshot(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close(t.Context())
		yield(0)
		err = snap.Rows(t.Context(), m.Datasets[0].Collections[0].FullName(), func(source.Row) error {
			rows++
			yield(rows)
			return nil
		})
		return rows, err
	}
	rows, err := read(lengthy(t, "p", "word"), func(row int) {
		if row == 1 {
			time.Sleep(limit * 3 / 2) // a disk that is slow
		}
	})
	if err != nil || rows != 2000 {
		t.Errorf("expected all 2,000 rows however slowly they are read, got %d (%v)", rows, err)
	}
	m := lengthy(t, "q", "word")
	m.Datasets[0].Collections[0].Fields[0].PrimaryKey = true // a view has none
	_, err = read(m, func(row int) {
		if row == 0 {
			pgtest.Exec(t, pool, "SELECT pg_advisory_lock(7)")
		}
	})
	if pg.Code(err) != "57014" {
		t.Errorf("expected a database that says nothing for %s to be given up, got %v", limit, err)
	}
}
