package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestVeryManyCollections: a statement asks for several counts of each collection,
// and a row of Postgres has no more than 1,664 columns; what one statement would take
// too long to plan goes by stages, and is counted a part after the other.
func TestVeryManyCollections(t *testing.T) {
	t.Parallel()
	for _, tables := range []int{300, 650} {
		t.Run(fmt.Sprint(tables), func(t *testing.T) {
			t.Parallel()
			veryManyCollections(t, tables)
		})
	}
}

func veryManyCollections(t *testing.T, tables int) {
	t.Helper()
	pool := pgtest.Empty(t)
	var ddl, m strings.Builder
	ddl.WriteString("CREATE TABLE t0 (id int PRIMARY KEY, email text); INSERT INTO t0 VALUES (1, 'a@x.example'), (2, 'b@x.example');")
	m.WriteString(`
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: t0
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
	for i := 1; i < tables; i++ {
		fmt.Fprintf(&ddl, "CREATE TABLE t%d (id int PRIMARY KEY, up int, note text); INSERT INTO t%[1]d VALUES (1, 1, 'n'), (2, 2, 'n');", i)
		fmt.Fprintf(&m, `
      - name: t%d
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: up, fides_meta: {references: [{dataset: w, field: t%d.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`, i, (i-1)/30)
	}
	pgtest.Exec(t, pool, ddl.String())
	parsed := mapOf(t, m.String())
	s := sourceOf(t, pool, "w", postgres.Options{})
	all := func(what string, findings []source.Finding, want int) {
		t.Helper()
		var n int64
		for _, f := range findings {
			n += f.Rows
		}
		if n != int64(want) {
			t.Errorf("expected %s to count %d rows, got %d", what, want, n)
		}
	}
	walk := source.Walk{Plan: planOf(t, parsed, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}
	found, err := s.Find(t.Context(), walk)
	if err != nil {
		t.Fatal(err)
	}
	all("find", found.Findings, tables)
	snapshot, err := s.Snapshot(t.Context(), walk)
	if err != nil {
		t.Fatal(err)
	}
	all("the snapshot", snapshot.Findings(), tables)
	if err := snapshot.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	walk.Plan = planOf(t, parsed, datamap.Erasure, "email")
	done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	all("the erasure", done.Findings, tables)
	left, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
	if err != nil {
		t.Fatal(err)
	}
	all("the second look", left.Findings, 0)
}
