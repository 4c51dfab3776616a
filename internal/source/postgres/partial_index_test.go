package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Indexes that leave out NULL serve every look-up, since what equals something is
// not NULL: no statement reads a table, and check asks for none. One that leaves
// rows out which are only marked as deleted serves none, and check says why.
func TestPartialIndexes(t *testing.T) {
	t.Parallel()
	full, m := store(t, 5_000)
	pgtest.Exec(t, full, `DO $$
		DECLARE x record;
		BEGIN
		  FOR x IN SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS def, (regexp_match(pg_get_indexdef(indexrelid, 1, true), '(email|[a-z]+_id)'))[1] AS col
		           FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) AND NOT indisunique LOOP
		    EXECUTE 'DROP INDEX ' || x.name;
		    EXECUTE x.def || ' WHERE ' || x.col || ' IS NOT NULL';
		  END LOOP;
		END $$;
		ANALYSE people`)
	pool, heard := planned(t, full)
	s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	with := seeds("email", address(7))
	if _, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: with}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: with}, source.Holds{}, noNote); err != nil {
		t.Fatal(err)
	}
	expectLookUps(t, "a walk over indexes without NULL", heard.take())
	if asked := indexesAsked(t, s, m); len(asked) > 0 {
		t.Errorf("expected no index to be asked for, got %q", asked)
	}
	pgtest.Exec(t, full, `ALTER TABLE orders ADD deleted_at timestamptz; DROP INDEX orders_person_id_idx; CREATE INDEX ON orders (person_id) WHERE deleted_at IS NULL;
		ALTER TABLE people ADD deleted_at timestamptz; DROP INDEX people_lower_idx; CREATE INDEX ON people (lower(email)) WHERE deleted_at IS NULL`)
	asked := indexesAsked(t, sourceOf(t, full, "store", postgres.Options{}), m)
	if len(asked) == 0 {
		t.Error("expected indexes to be asked for")
	}
	for _, a := range asked {
		if !strings.HasSuffix(a, "an index of it holds only rows where deleted_at IS NULL") {
			t.Errorf("expected check to say which rows the index lacks, got %q", a)
		}
	}
}

// indexesAsked is what check says of each index that it asks for.
func indexesAsked(t *testing.T, s *postgres.Source, m *datamap.Map) (asked []string) {
	t.Helper()
	doubts, err := s.Check(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doubts {
		if strings.HasPrefix(d.Do, "CREATE INDEX") {
			asked = append(asked, d.Sentence)
		}
	}
	return asked
}
