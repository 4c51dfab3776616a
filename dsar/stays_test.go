package dsar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

const staysMap = `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: orders
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
      - name: tax_bills
        lethe: {keep: [{for: P10Y, from: issued_on, because: accounting law}]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: order_id, fides_meta: {references: [{dataset: shop, field: orders.id, direction: from}]}}
          - {name: name, data_categories: [user.name]}
          - {name: issued_on, data_categories: [system.operations]}
      - name: wishes
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: words, data_categories: [user.content]}
`

// Rows that stay only because a kept row names them, and in which there is
// nothing to mask, are counted, recorded and told: what is found adds up to what
// went and what stays. Rows that would only be masked are no such rows.
func TestRowsThatAStayingRowNames(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, staysMap, `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE orders (id bigint PRIMARY KEY, person bigint, note text);
		CREATE TABLE tax_bills (id bigint PRIMARY KEY, order_id bigint REFERENCES orders, name text, issued_on date);
		CREATE TABLE wishes (id bigint PRIMARY KEY, person bigint, words text);
		CREATE INDEX ON people (lower(mail)); CREATE INDEX ON orders (person); CREATE INDEX ON tax_bills (order_id); CREATE INDEX ON wishes (person);
		INSERT INTO people VALUES (1, 'Pavla@example.org');
		INSERT INTO orders VALUES (1, 1, NULL), (2, 1, NULL), (3, 1, NULL), (4, 1, NULL), (5, 1, 'ring twice');
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '2026-01-31'), (2, 2, 'Pavla Ng', '2026-01-31'), (3, 3, 'Pavla Ng', '2025-01-31'),
			(4, 5, 'Pavla Ng', '2025-01-31'), (5, 4, 'Pavla Ng', '1999-01-31');
		INSERT INTO wishes VALUES (1, 1, NULL), (2, 1, 'a red hat');`)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	for collection, want := range map[string]source.Finding{
		"shop.orders":    {Rows: 5, Erased: 1, Masked: 1, Stays: 3},
		"shop.tax_bills": {Rows: 5, Erased: 1, Kept: 4},
		"shop.wishes":    {Rows: 2, Masked: 1},
	} {
		want.Source, want.Collection = "shop", collection
		if f := findingIn(t, q.Findings, collection); f != want {
			t.Errorf("expected of %s %+v, got %+v", collection, want, f)
		}
		if f := findingIn(t, b.mail.one(t, "erased").Findings, collection); f.Stays != want.Stays {
			t.Errorf("expected the letter to know of %d rows of %s that stay, it knows of %d", want.Stays, collection, f.Stays)
		}
	}
	var evidence []byte
	if err := b.pool.QueryRow(t.Context(), `SELECT data FROM ledger WHERE type = 'step.erased'`).Scan(&evidence); err != nil {
		t.Fatal(err)
	}
	var said struct {
		Collections map[string]struct{ Stays int64 }
	}
	if err := json.Unmarshal(evidence, &said); err != nil || said.Collections["shop.orders"].Stays != 3 {
		t.Errorf("expected the ledger to count 3 orders that stay, got %s (%v)", evidence, err)
	}
}

// Shared rows that the map lets an erasure take are the person's to whoever asked:
// the letter does not say that they were left. The search and the dry run say the same.
func TestSharedRowsThatGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says string
		want source.Finding
	}{
		{"", source.Finding{Rows: 1, Erased: 1, Shared: 2}},
		{"{shared: erase}", source.Finding{Rows: 3, Erased: 3}},
	} {
		b := overPostgres(t, strings.Replace(staysMap, "- name: wishes\n", "- name: wishes\n        lethe: "+c.says+
			"\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n", 1)+`
      - name: answers
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: wish, fides_meta: {references: [{dataset: shop, field: wishes.id, direction: to}]}}
`, `
			CREATE TABLE people (id bigint PRIMARY KEY, mail text);
			CREATE TABLE orders (id bigint PRIMARY KEY, person bigint, note text);
			CREATE TABLE tax_bills (id bigint PRIMARY KEY, order_id bigint, name text, issued_on date);
			CREATE TABLE wishes (id bigint PRIMARY KEY, person bigint, words text);
			CREATE TABLE answers (id bigint PRIMARY KEY, wish bigint);
			INSERT INTO people VALUES (1, 'Pavla@example.org');
			INSERT INTO wishes VALUES (1, 1, 'a red hat'), (2, 1, 'a blue one'), (3, 1, 'none');
			INSERT INTO answers VALUES (1, 1), (2, 3);`)
		c.want.Source, c.want.Collection = "shop", "shop.wishes"
		id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
		if f := findingIn(t, b.expectStatus(t, id, InReview).Findings, "shop.wishes"); f.Rows != c.want.Rows || f.Shared != c.want.Shared {
			t.Errorf("search: with %q expected %d rows and %d shared ones, got %+v", c.says, c.want.Rows, c.want.Shared, f)
		}
		d, err := b.DryRun(t.Context(), dpo, id, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
			t.Fatal(err)
		}
		b.worked(t)
		for what, findings := range map[string][]source.Finding{"dry run": d.Findings, "record": b.expectStatus(t, id, Fulfilled).Findings, "letter": b.mail.one(t, "erased").Findings} {
			if f := findingIn(t, findings, "shop.wishes"); f != c.want {
				t.Errorf("%s: with %q expected %+v, got %+v", what, c.says, c.want, f)
			}
		}
	}
}

// What stays is reckoned from the counts of a policy that deletes the collection.
func TestWhatStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f          source.Finding
		keptMasked bool
		want       int64
	}{
		"all went":                          {source.Finding{Rows: 4, Erased: 4}, false, 0},
		"three are named":                   {source.Finding{Rows: 4, Erased: 1}, false, 3},
		"held rows are told as held":        {source.Finding{Rows: 4, Erased: 1, Held: 2}, false, 1},
		"kept rows that are masked, too":    {source.Finding{Rows: 4, Erased: 1, Kept: 2, Masked: 2}, true, 1},
		"kept rows beside masked ones":      {source.Finding{Rows: 4, Kept: 2, Masked: 2}, false, 0},
		"shared rows are no part of rows":   {source.Finding{Rows: 1, Erased: 1, Shared: 3}, false, 0},
		"more went than was found at first": {source.Finding{Rows: 1, Erased: 2}, false, 0},
	} {
		if got := stays(c.f, c.keptMasked); got != c.want {
			t.Errorf("%s: expected %d rows that stay, got %d", name, c.want, got)
		}
	}
}

// A later pass finds what an earlier one left, beside rows that have come since.
func TestPassesAddUp(t *testing.T) {
	t.Parallel()
	first := source.Note{Findings: []source.Finding{{Collection: "shop.orders", Rows: 4, Erased: 1}}}
	for _, c := range []struct{ then, want source.Finding }{
		{source.Finding{Rows: 3}, source.Finding{Rows: 4, Erased: 1}},
		{source.Finding{Rows: 4, Erased: 1}, source.Finding{Rows: 5, Erased: 2}},
		{source.Finding{}, source.Finding{Rows: 4, Erased: 1}},
	} {
		c.then.Collection, c.want.Collection = "shop.orders", "shop.orders"
		if got := addNotes(first, source.Note{Findings: []source.Finding{c.then}}).Findings[0]; got != c.want {
			t.Errorf("after %+v expected %+v, got %+v", c.then, c.want, got)
		}
	}
}
