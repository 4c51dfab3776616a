package shards_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

const crowdSchema = `
CREATE TABLE guests (id int PRIMARY KEY, email text, token text);
CREATE TABLE visits (id int PRIMARY KEY, token text, page text);
CREATE INDEX ON guests (lower(email)); CREATE INDEX ON guests (token); CREATE INDEX ON visits (token);`

// crowdMap has guests in one source, and their visits in that or in another one.
const crowdMap = `
dataset:
  - fides_key: crowd
    lethe: {source: crowd, basis: f}
    collections:
      - name: guests
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: token}
  - fides_key: trail
    lethe: {source: %s, basis: f}
    collections:
      - name: visits
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: token, fides_meta: {references: [{dataset: crowd, field: guests.token, direction: from}]}}
          - {name: page, data_categories: [user.behavior]}
`

func crowdMapOf(t *testing.T, visits string) *datamap.Map {
	t.Helper()
	return parsed(t, fmt.Sprintf(crowdMap, visits))
}

// crowdAndTrail are two databases, a source each.
func crowdAndTrail(t *testing.T, m *datamap.Map, pools []*pgxpool.Pool, o postgres.Options) *way {
	t.Helper()
	return together("two databases", m, pools, nil, map[string]store{"crowd": database(t, "crowd", pools[0], o), "trail": database(t, "trail", pools[1], o)})
}

func crowdPools(t *testing.T, rows ...string) (pools []*pgxpool.Pool) {
	t.Helper()
	for _, insert := range rows {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, crowdSchema+insert)
		pools = append(pools, pool)
	}
	return pools
}

func everything(t *testing.T, pools []*pgxpool.Pool) string {
	t.Helper()
	var all []string
	for _, pool := range pools {
		var here string
		if err := pool.QueryRow(t.Context(), `SELECT (SELECT string_agg(g::text, ',' ORDER BY id) FROM guests g) || (SELECT coalesce(string_agg(v::text, ',' ORDER BY id), '') FROM visits v)`).Scan(&here); err != nil {
			t.Fatal(err)
		}
		all = append(all, here)
	}
	return strings.Join(all, "|")
}

// TestTheBrakeOverShards: strangers who share a value are counted wherever their
// rows lie, also where no row of the person is. It leads nowhere, in no shard, and
// an erasure stops before any shard is touched. One who is alone with the
// value is erased in all of them.
func TestTheBrakeOverShards(t *testing.T) {
	t.Parallel()
	pools := crowdPools(t, `
		INSERT INTO guests VALUES (1, 'one@x.example', 'web'), (2, 'own@x.example', 'own');
		INSERT INTO visits VALUES (1, 'web', 'p'), (2, 'own', 'p');`, `
		INSERT INTO guests SELECT 100 + i, 'g' || i || '@x.example', 'web' FROM generate_series(1, 60) i;
		INSERT INTO visits SELECT 100 + i, 'web', 'p' FROM generate_series(1, 30) i; INSERT INTO visits VALUES (3, 'own', 'p');`)
	for name, above := range map[string]int64{"one statement": 0, "staged": -1} {
		s, err := shards.Open(t.Context(), "crowd", []string{pgtest.URL(pools[0]), pgtest.URL(pools[1])},
			shards.Options{Postgres: postgres.Options{OverShared: 50, StagedAbove: above}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		m := crowdMapOf(t, "crowd")
		walk := func(kind datamap.Kind, mail string) source.Walk {
			return source.Walk{Plan: planOf(t, m, kind, "email"), Seeds: []source.Seed{{Type: "email", Value: mail}}}
		}
		found, err := s.Find(t.Context(), walk(datamap.Access, "one@x.example"))
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int64{}
		for _, f := range found.Findings {
			counts[f.Collection] = f.Rows + f.Shared
		}
		if counts["crowd.guests"] != 1 || counts["trail.visits"] != 0 {
			t.Errorf("%s: expected the value to lead nowhere, got %v", name, counts)
		}
		if len(found.Braked) != 1 || found.Braked[0].From != "crowd.guests.token" || found.Braked[0].To != "trail.visits.token" || found.Braked[0].Values != 1 {
			t.Errorf("%s: expected the link to be told, got %+v", name, found.Braked)
		}
		before := everything(t, pools)
		_, err = s.Erase(t.Context(), walk(datamap.Erasure, "one@x.example"), source.Holds{}, func(context.Context, source.Note) error {
			t.Errorf("%s: expected nothing to be noted", name)
			return nil
		})
		var braked *postgres.Braked
		if !errors.As(err, &braked) || !braked.Permanent() || strings.Contains(err.Error(), "web") {
			t.Errorf("%s: expected the brake, got %v", name, err)
		}
		if everything(t, pools) != before {
			t.Errorf("%s: expected no shard to be touched", name)
		}
		own, err := s.Find(t.Context(), walk(datamap.Access, "own@x.example"))
		if err != nil || len(own.Braked) > 0 {
			t.Errorf("%s: expected no brake for a value of one's own, got %+v, %v", name, own.Braked, err)
		}
		for _, f := range own.Findings {
			if f.Collection == "trail.visits" && f.Rows != 2 {
				t.Errorf("%s: expected the visits in both shards, got %d", name, f.Rows)
			}
		}
	}
}

// TestTheBrakeBetweenSources: nor does it lead to another database.
func TestTheBrakeBetweenSources(t *testing.T) {
	t.Parallel()
	pools := crowdPools(t, `INSERT INTO guests SELECT i, 'g' || i || '@x.example', 'web' FROM generate_series(1, 60) i;`,
		`INSERT INTO visits SELECT i, 'web', 'p' FROM generate_series(1, 30) i;`)
	o := postgres.Options{OverShared: 50}
	m := crowdMapOf(t, "trail")
	w := crowdAndTrail(t, m, pools, o)
	found, err := w.find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: []source.Seed{{Type: "email", Value: "g1@x.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Findings {
		if f.Collection == "trail.visits" && f.Rows+f.Shared != 0 {
			t.Errorf("expected the value to lead nowhere, got %d visits", f.Rows+f.Shared)
		}
	}
	if len(found.Braked) != 1 || found.Braked[0].Source != "crowd" {
		t.Errorf("expected the source that holds the values to tell of the link, got %+v", found.Braked)
	}
}
