package shards_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestAUUIDInCapitalsBetweenSources: rows of another database that name a UUID in a
// text are found in both usual spellings; a stranger's that does so shares the row.
func TestAUUIDInCapitalsBetweenSources(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
dataset:
  - fides_key: crowd
    lethe: {source: crowd, basis: f}
    collections:
      - name: guests
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: device, fides_meta: {references: [{dataset: trail, field: devices.id, direction: to}]}}
  - fides_key: trail
    lethe: {source: trail, basis: f}
    collections:
      - name: devices
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: agent, data_categories: [user.device]}]
      - name: visits
        lethe: {all_of: [guest, tenant]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: guest, fides_meta: {references: [{dataset: crowd, field: guests.id, direction: from}]}}
          - {name: tenant, fides_meta: {references: [{dataset: crowd, field: guests.email, direction: from}]}}
          - {name: page, data_categories: [user.behavior]}
      - name: clicks
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: guest, fides_meta: {references: [{dataset: crowd, field: guests.id, direction: from}]}}
          - {name: page, data_categories: [user.behavior]}
`)
	const low, high = "aaaaaaaa-0000-4000-8000-00000000000", "AAAAAAAA-0000-4000-8000-00000000000"
	for name, staged := range map[string]int64{"one statement": 0, "staged": -1} {
		left, right := pgtest.Empty(t), pgtest.Empty(t)
		pgtest.Exec(t, left, fmt.Sprintf(`CREATE TABLE guests (id uuid PRIMARY KEY, email text, device text); CREATE INDEX ON guests (device);
			INSERT INTO guests VALUES ('%[1]s1', 'a@x.example', '%[1]s7'), ('%[1]s2', 'b@x.example', '%[2]s7'), ('%[1]s3', 'c@x.example', '%[2]s8')`, low, high))
		pgtest.Exec(t, right, fmt.Sprintf(`CREATE TABLE devices (id uuid PRIMARY KEY, agent text); CREATE TABLE visits (id int PRIMARY KEY, guest text, tenant text, page text); CREATE TABLE clicks (id int PRIMARY KEY, guest text, page text);
			CREATE INDEX ON clicks (guest); INSERT INTO devices VALUES ('%[1]s7', 'x'), ('%[1]s8', 'x');
			INSERT INTO clicks VALUES (1, '%[1]s3', 'x'), (2, '%[2]s3', 'x'), (3, '%[2]s1', 'x');
			INSERT INTO visits VALUES (1, '%[1]s3', 'c@x.example', 'x'), (2, '%[2]s3', 'c@x.example', 'x'), (3, '%[2]s3', 'a@x.example', 'x')`, low, high))
		w := crowdAndTrail(t, m, []*pgxpool.Pool{left, right}, postgres.Options{StagedAbove: staged})
		erasing := func(email string) source.Walk {
			return source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: []source.Seed{{Type: "email", Value: email}}}
		}
		expect := func(what string, findings []source.Finding, want map[string][2]int64) {
			t.Helper()
			for _, f := range findings {
				if n := want[f.Collection]; f.Rows != n[0] || f.Shared != n[1] {
					t.Errorf("%s, %s: expected %v, got %+v", name, what, n, f)
				}
			}
		}
		found, err := w.find(t.Context(), erasing("a@x.example"))
		if err != nil {
			t.Fatal(err)
		}
		expect("a search", found.Findings, map[string][2]int64{"crowd.guests": {1, 0}, "trail.devices": {0, 1}, "trail.clicks": {1, 0}})
		findings, err := w.erase(t.Context(), erasing("c@x.example"), source.Holds{})
		if err != nil {
			t.Fatal(err)
		}
		expect("an erasure", findings, map[string][2]int64{"crowd.guests": {1, 0}, "trail.devices": {1, 0}, "trail.visits": {2, 0}, "trail.clicks": {2, 0}})
		if err := w.looked(t.Context(), erasing("c@x.example"), source.Holds{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWholeNumbersInDocumentsBetweenSources: a 3 of one database is the 3 and the 3.0 of
// another one's documents, and either of these is its 3.
func TestWholeNumbersInDocumentsBetweenSources(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
dataset:
  - fides_key: crowd
    lethe: {source: crowd, basis: f}
    collections:
      - name: guests
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: doc, fides_meta: {data_type: object}, fields: [{name: n, fides_meta: {data_type: integer}}]}
  - fides_key: trail
    lethe: {source: trail, basis: f}
    collections:
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: doc, fides_meta: {data_type: object}, fields: [{name: k, fides_meta: {data_type: integer, references: [{dataset: crowd, field: guests.id, direction: from}]}}]}]
      - name: plain
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id, fides_meta: {primary_key: true}}, {name: k, fides_meta: {data_type: integer, references: [{dataset: crowd, field: guests.doc.n, direction: from}]}}]
`)
	for _, index := range []string{"", "CREATE INDEX ON notes USING gin (doc);", "CREATE INDEX ON notes ((doc ->> 'k'));"} {
		for name, staged := range map[string]int64{"one statement": 0, "staged": -1} {
			left, right := pgtest.Empty(t), pgtest.Empty(t)
			pgtest.Exec(t, left, `CREATE TABLE guests (id int PRIMARY KEY, email text, doc jsonb); INSERT INTO guests VALUES (3, 'a@x.example', '{"n": 7.0}'), (4, 'b@x.example', '{"n": 8}')`)
			pgtest.Exec(t, right, `CREATE TABLE notes (id int PRIMARY KEY, doc jsonb); CREATE TABLE plain (id int PRIMARY KEY, k int);`+index+`
				INSERT INTO notes VALUES (1, '{"k": 3}'), (2, '{"k": 3.0}'), (3, '{"k": 4.0}'), (4, '{"k": 3.5}'); INSERT INTO plain VALUES (1, 7), (2, 8)`)
			w := crowdAndTrail(t, m, []*pgxpool.Pool{left, right}, postgres.Options{StagedAbove: staged})
			found, err := w.find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: []source.Seed{{Type: "email", Value: "a@x.example"}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found.Findings {
				if want := map[string]int64{"crowd.guests": 1, "trail.notes": 2, "trail.plain": 1}[f.Collection]; f.Rows != want {
					t.Errorf("%s, %q: expected %d rows of %s, got %+v", name, index, want, f.Collection, f)
				}
			}
		}
	}
}
