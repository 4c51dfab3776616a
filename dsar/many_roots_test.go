package dsar

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A log that names people by their address holds thousands of rows of one person,
// each matched by itself. They are alike, so there is nothing to tick one by one.
func TestThousandsOfRootRows(t *testing.T) {
	t.Parallel()
	const rows = 4_000
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE visits (id bigint PRIMARY KEY, mail text, page text);
		INSERT INTO visits SELECT i, 'pavla@example.org', 'page ' || i FROM generate_series(1, 4000) i;
		INSERT INTO visits SELECT i, 'karel@example.org', 'page ' || i FROM generate_series(5001, 5010) i;
		CREATE INDEX ON visits (lower(mail)); ANALYSE visits`)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newWorkOver(t, `
dataset:
  - fides_key: shop
    lethe: {source: shop, basis: b, origin: the person}
    collections:
      - name: visits
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: page, data_categories: [user.behavior]}
`, map[string]Source{"shop": src})
	found := b.get(t, b.toApprove(t, datamap.Erasure, "pavla@example.org"))
	groups := GroupRoots(found.Roots)
	if len(found.Roots) != rows || found.Disagree || len(groups) != 1 || len(groups[0].Others) != rows-1 {
		t.Fatalf("expected %d rows that are alike, got %d in %d groups", rows, len(found.Roots), len(groups))
	}
	for _, name := range []string{"staff:1", "staff:2"} { // so many rows take two
		who := dpo
		who.Name = name
		if err := b.Approve(t.Context(), who, found.ID, Approval{}); err != nil {
			t.Fatal(err)
		}
	}
	b.worked(t)
	b.expectStatus(t, found.ID, Fulfilled)
	var left, theirs int
	err = pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE mail LIKE 'karel@%') FROM visits`).Scan(&left, &theirs)
	if err != nil || left != 10 || theirs != 10 {
		t.Errorf("expected the rows of others alone to be left, got %d of %d, %v", theirs, left, err)
	}
}

func TestGroupRoots(t *testing.T) {
	t.Parallel()
	yes := true
	row := func(key, name string, ticked *bool) RootRow {
		return RootRow{Source: "shop", RowKey: source.RowKey{Collection: "shop.people", Key: key}, Types: []string{"email"},
			Person: map[string]string{"name": name, "mail": "a@b.example"}, Proved: true, Ticked: ticked}
	}
	groups := GroupRoots([]RootRow{row("1", "Ada", nil), row("2", "Ben", nil), row("3", "Ada", nil), row("4", "Ada", &yes)})
	if len(groups) != 3 || groups[0].Key != "1" || len(groups[0].Others) != 1 || groups[0].Others[0] != "3" || groups[2].Key != "4" {
		t.Errorf("expected rows that are alike and decided alike to be together, got %+v", groups)
	}
}
