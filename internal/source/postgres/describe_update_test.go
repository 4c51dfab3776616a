package postgres_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Of each of five products' maps random tables and columns are taken out. An
// update puts them back: the map is accepted, has what a fresh draft has, and
// what was there is there by the byte. An update of the whole map changes nothing.
func TestPropertyUpdateOfKnownProducts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"forum", "shop", "chat", "newsletter", "booking"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sql, err := os.ReadFile("testdata/draft/" + name + ".sql")
			if err != nil {
				t.Fatal(err)
			}
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, string(sql))
			db, _, err := sourceOf(t, pool, name, postgres.Options{}).Describe(t.Context(),
				postgres.Describing{Sample: 100, Today: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			o := draft.Options{Source: name, New: "2026-11-24"}
			whole := draft.Make(db, draft.Options{Source: name}).YAML()
			if u := renew(t, db, whole, o); len(u.Added) > 0 || len(u.Gone) > 0 || len(u.Files) > 0 {
				t.Errorf("expected an update of the whole draft to change nothing, got %+v", u)
			}
			want := slices.Sorted(maps.Keys(mapOf(t, string(whole)).Elements()))
			first, last := soaked(0, 3, 39)
			for seed := uint64(first); seed <= uint64(last); seed++ { //nolint:gosec // none is below zero
				d := draft.Make(db, draft.Options{Source: name})
				out := thin(d, rand.New(rand.NewPCG(seed, 7))) //nolint:gosec // a test's own dice
				part := string(d.YAML())
				u := renew(t, db, []byte(part), o)
				if len(u.Files) != 1 || len(u.Gone) > 0 {
					t.Fatalf("seed %d: expected the file to be added to and nothing to be gone, got %+v", seed, u)
				}
				after := u.Files[0].Data
				if got := slices.Sorted(maps.Keys(mapOf(t, string(after)).Elements())); !slices.Equal(got, want) {
					t.Fatalf("seed %d: expected what a fresh draft has, without %v\n%s", seed, out, after)
				}
				if got, want := reach(mapOf(t, string(after))), reach(mapOf(t, string(whole))); !slices.Equal(got, want) {
					t.Fatalf("seed %d: expected an address to reach what it does by a fresh draft, %v, got %v", seed, want, got)
				}
				if !subsequence(part, string(after)) {
					t.Fatalf("seed %d: expected every line that was there to stay\n%s", seed, after)
				}
				if again := renew(t, db, after, o); len(again.Added) > 0 || len(again.Files) > 0 {
					t.Fatalf("seed %d: expected a second update to change nothing, got %+v", seed, again.Added)
				}
			}
		})
	}
}

// reach is what an address reaches, by name: an update adds to the end.
func reach(m *datamap.Map) []string { return slices.Sorted(slices.Values(datamap.Reach(m)["email"])) }

func renew(t *testing.T, db *draft.Database, data []byte, o draft.Options) *draft.Update {
	t.Helper()
	files := []datamap.File{{Name: "map.yaml", Data: data}}
	m, problems := datamap.Parse(files, datamap.ParseOptions{})
	if m == nil {
		t.Fatalf("expected the map to be accepted: %v\n%s", problems, data)
	}
	u, err := draft.Renew(db, m, files, o, datamap.ParseOptions{})
	if err != nil {
		t.Fatalf("expected an update: %v\n%s", err, data)
	}
	return u
}

// subsequence tells whether every line of a text stands in another, in the same order.
func subsequence(part, whole string) bool {
	lines := strings.Split(part, "\n")
	for line := range strings.SplitSeq(whole, "\n") {
		if len(lines) > 0 && line == lines[0] {
			lines = lines[1:]
		}
	}
	return len(lines) == 0
}

// thin takes tables and columns out of a draft, and what names them.
func thin(d *draft.Draft, dice *rand.Rand) []string {
	var out []string
	d.Collections = slices.DeleteFunc(d.Collections, func(c *draft.Collection) bool {
		gone := dice.IntN(4) == 0 && len(d.Collections) > 1
		if gone {
			out = append(out, c.Table.Name)
		}
		return gone
	})
	left := map[string]bool{}
	for i, c := range d.Collections {
		c.Fields = slices.DeleteFunc(c.Fields, func(f *draft.Field) bool {
			gone := dice.IntN(6) == 0 && f != c.Fields[0] || i == 0 && f.Column == c.Table.Columns[1]
			if gone {
				out = append(out, c.Table.Name+"."+f.Column.Name)
			}
			return gone
		})
		for _, f := range c.Fields {
			left[c.Table.Name+"."+f.Column.Name] = true
		}
	}
	for _, c := range d.Collections {
		for _, f := range c.Fields {
			f.References = slices.DeleteFunc(f.References, func(r draft.Reference) bool { return !left[r.Parent.Name+"."+r.Field] })
		}
		at := func(name string) *draft.Field {
			i := slices.IndexFunc(c.Fields, func(f *draft.Field) bool { return f.Column.Name == name })
			if i < 0 {
				return nil
			}
			return c.Fields[i]
		}
		if f := at(c.Owner); f == nil || len(f.References) == 0 {
			c.Owner = ""
		}
		c.AllOf = slices.DeleteFunc(c.AllOf, func(tied []string) bool {
			return slices.ContainsFunc(tied, func(name string) bool { f := at(name); return f == nil || len(f.References) == 0 })
		})
	}
	return out
}
