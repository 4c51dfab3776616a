package shards_test

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestAHoldReachesOtherSources: a note in the other database is about two people,
// and one of them stands under a hold, and so does the note. What the note names
// stays, masked, though it lies in a database where nothing is held.
func TestAHoldReachesOtherSources(t *testing.T) {
	t.Parallel()
	for name, above := range map[string]int64{"one statement": 0, "staged": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pools, o := poolsOf(t, 2), postgres.Options{StagedAbove: above}
			pgtest.Exec(t, pools[0], `INSERT INTO people VALUES (1, 1, 'a@x.example', 'A', NULL), (2, 1, 'b@x.example', 'B', NULL)`)
			pgtest.Exec(t, pools[1], `INSERT INTO notes VALUES (1, '{"of": [{"who": 1, "text": "a"}, {"who": 2, "text": "b"}]}')`)
			m := mapOf(t, "other")
			w := together("two databases", m, pools, nil, map[string]store{"world": database(t, "world", pools[0], o), "other": database(t, "other", pools[1], o)})
			byMail := func(kind datamap.Kind, mail string) source.Walk {
				return source.Walk{Plan: planOf(t, m, kind, "email"), Scope: "1", Seeds: []source.Seed{{Type: "email", Value: mail}}}
			}
			held := source.Holds{Walks: []source.Walk{byMail(datamap.Access, "b@x.example")}}
			if _, err := w.erase(t.Context(), byMail(datamap.Erasure, "a@x.example"), held); err != nil {
				t.Fatal(err)
			}
			left := dump(t, pools)
			for _, row := range []string{`people (1,1,,,)`, `people (2,1,b@x.example,B,)`, `""who"": 1, ""text"": ""a""`} {
				if !strings.Contains(left, row) {
					t.Errorf("expected %s to be left, got\n%s", row, left)
				}
			}
		})
	}
}
