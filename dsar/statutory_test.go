package dsar

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

const keepsMap = `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: tax_bills
        lethe: {keep: [{for: P10Y, from: issued_on, because: accounting law, mask: [phone]}]}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: name, data_categories: [user.name]}
          - {name: phone, data_categories: [user.contact.phone_number]}
          - {name: issued_on, data_categories: [system.operations]}
`

const keepsSchema = `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE tax_bills (id bigint PRIMARY KEY, person bigint, name text, phone text, issued_on date);
		CREATE INDEX ON people (lower(mail)); CREATE INDEX ON tax_bills (person);
		INSERT INTO people VALUES (1, 'Pavla@example.org');`

// Rows that a law keeps are told as kept, with the law and its time, and never
// as entries from which the person's data were removed: the name is still there.
func TestTheLetterNamesTheLaw(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, keepsMap, keepsSchema+`
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2026-01-31'), (2, 1, 'Pavla Ng', '+420601', '2025-01-31'), (3, 1, 'Pavla Ng', '+420601', '1999-01-31');`)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if f := findingIn(t, q.Findings, "shop.tax_bills"); f.Rows != 3 || f.Kept != 2 || f.Erased != 1 || f.Masked != 2 {
		t.Errorf("expected three bills, of which two are kept and masked and one is erased, got %+v", f)
	}
	letter := b.mail.one(t, "erased")
	const sentence = "tax bills (shop): 2 entries, because the law obliges us (Article 17(3) GDPR): accounting law, for 10 years, counted from “issued on”. What the law does not ask for was removed from them. They are kept until 31 January 2035 and 31 January 2036, and then erased."
	if len(letter.Kept) != 1 || !strings.HasPrefix(letter.Kept[0], sentence) {
		t.Errorf("expected the letter to name the law and its time, got %q", letter.Kept)
	}
	if !letter.Changed {
		t.Error("expected masking in kept rows to count as a change")
	}
	for _, f := range letter.Findings {
		if f.Collection == "shop.tax_bills" && f.Masked != 0 {
			t.Errorf("expected no entry to be told as emptied while the name stands in it, got %+v", f)
		}
	}
}

// TestTheLetterDoesNotCallCodesRemoved: of kept rows, too.
func TestTheLetterDoesNotCallCodesRemoved(t *testing.T) {
	t.Parallel()
	coded := strings.Replace(keepsMap, "[user.contact.phone_number]", "[user.contact.phone_number], fides_meta: {masking_strategy_override: {strategy: hmac}}", 1)
	b := overPostgres(t, coded, keepsSchema+`
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2026-01-31');`)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if kept := b.mail.one(t, "erased").Kept; len(kept) != 1 || !strings.Contains(kept[0], "replaced by a code (pseudonymised, Article 4(5) GDPR)") {
		t.Errorf("expected the letter to say that the telephone number is a code now, got %q", kept)
	}
}

// TestTheLetterCallsNothingRemovedThatThePolicyLeft: of two bills one is masked by
// a policy of names, and the other, which a law keeps, is left as it is.
func TestTheLetterCallsNothingRemovedThatThePolicyLeft(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, keepsMap, keepsSchema+`
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2026-01-31'), (2, 1, 'Pavla Ng', '+420601', '1999-01-31');`)
	b.c.Policies = []datamap.Policy{{Name: "names-only", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{{Categories: []string{"user.name"}}}}}
	sub := verified(ask(datamap.Erasure, "email", "pavla@example.org"))
	sub.Policy = "names-only"
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if f := findingIn(t, b.expectStatus(t, id, Fulfilled).Findings, "shop.tax_bills"); f.Kept != 1 || f.Masked != 1 {
		t.Fatalf("expected one bill to be kept and one to be masked, got %+v", f)
	}
	letter := b.mail.one(t, "erased")
	if len(letter.Kept) != 1 || strings.Contains(letter.Kept[0], "removed") {
		t.Errorf("expected nothing to be called removed from the kept bill, got %q", letter.Kept)
	}
	if f := findingIn(t, letter.Findings, "shop.tax_bills"); f.Masked != 1 {
		t.Errorf("expected the letter to tell of the masked bill, got %+v", f)
	}
}

// Rows that a policy only follows stay with all that is personal in them: the letter
// names them, and does not call the request done.
func TestTheLetterTellsWhatThePolicyDoesNotTake(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, keepsMap+`
      - name: visits
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: bill, fides_meta: {references: [{dataset: shop, field: tax_bills.id, direction: from}]}}
          - {name: seen_from, data_categories: [user.device.ip_address]}
          - {name: weekday, data_categories: [system.operations]}
`, keepsSchema+`
		CREATE TABLE visits (id bigint PRIMARY KEY, bill bigint, seen_from inet, weekday int); CREATE INDEX ON visits (bill);
		INSERT INTO tax_bills VALUES (2, 1, 'Pavla Ng', '+420601', '1999-01-31');
		INSERT INTO visits VALUES (1, 2, '192.0.2.1', 1), (2, 2, '192.0.2.2', 2);`)
	b.c.Policies = []datamap.Policy{{Name: "names-only", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{{Categories: []string{"user.name"}}}}}
	sub := verified(ask(datamap.Erasure, "email", "pavla@example.org"))
	sub.Policy = "names-only"
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	d, err := b.DryRun(t.Context(), dpo, id, nil)
	if err != nil || findingIn(t, d.Findings, "shop.visits").Rows != 2 {
		t.Errorf("expected the dry run to count the visits, got %+v, %v", d.Findings, err)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	letter := b.mail.one(t, "erased")
	if f := findingIn(t, letter.Findings, "shop.visits"); f.Rows != 2 || f.Masked != 0 || !slices.Equal(letter.Remains["shop.visits"], []string{"seen from"}) {
		t.Errorf("expected the letter to know of two visits in which an address stays, got %+v, %q", f, letter.Remains["shop.visits"])
	}
}
