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

// Each statement is told with its plan, and none with a value.
func TestExplain(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool, m := shop(t, strings.ReplaceAll(shopTables, "%DELETE%", "NO ACTION"))
		w := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "o'neil@x.example")}
		o.Now = time.Now
		found, list, err := postgres.Explain(t.Context(), "shop", pgtest.URL(pool), o, w)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, by(found.Findings)["orders"], 2, 0, 0, 0)
		planned := 0
		for _, e := range list {
			if strings.Contains(e.SQL+e.Plan, "neil") {
				t.Error("expected no value in what is told")
			}
			if strings.Contains(e.SQL, "pg_policy") || strings.Contains(e.SQL, "pg_publication") || strings.Contains(e.SQL, "set_config") {
				t.Errorf("expected the walk's own statements only, got %s", e.SQL)
			}
			if strings.Contains(e.Plan, "orders") {
				planned++
			}
		}
		if len(list) < 2 || planned == 0 {
			t.Errorf("expected the statements of the walk with their plans, got %+v", list)
		}
	})
}
