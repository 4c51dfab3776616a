package datamap

import (
	"strings"
	"testing"
)

// A key that lacks a column finds nothing, as if the person had no such row: it is refused.
func TestAPickedRowHasItsWholeKey(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
dataset:
  - fides_key: shop
    collections:
      - name: orders
        fields:
          - {name: shop, fides_meta: {primary_key: true}}
          - {name: "no", fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
	for text, good := range map[string]bool{
		"shop.orders:(1,2)": true, `shop.orders:(1,"a,b")`: true, "shop.people:1": true, "shop.people:(1,2)": true,
		"shop.orders:1": false, "shop.orders:1,2": false, "shop.orders:(1)": false,
	} {
		_, _, err := PickedRow(m, text)
		if (err == nil) != good {
			t.Errorf("%s: expected it to be taken: %t, got %v", text, good, err)
		}
		if err != nil && !strings.Contains(err.Error(), "shop.orders:(shop,no)") {
			t.Errorf("%s: expected the error to say how it is written, got %v", text, err)
		}
	}
}

// Where the rows of a source are of several controllers, a key alone does not say whose a row is.
func TestAPickedRowIsTheControllersOwn(t *testing.T) {
	t.Parallel()
	m, problems := Parse([]File{{Name: "map.yaml", Data: []byte(`
dataset:
  - fides_key: chat
    collections:
      - name: talks
        lethe: {controller: account}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: messages
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: talk, fides_meta: {references: [{dataset: chat, field: talks.id, direction: from}]}}
  - fides_key: shop
    collections:
      - name: orders
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)}}, ParseOptions{})
	if Failed(problems) {
		t.Fatal(problems)
	}
	for text, want := range map[string]string{"chat.talks": "", "shop.orders": "", "chat.messages": "does not name its controller", "chat.orders": "no collection"} {
		err := MayPick(m, text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: expected %q, got %v", text, want, err)
		}
	}
	// What a source named itself was found from the controller's own rows.
	if _, err := KeptRow(m, "chat.messages"); err != nil {
		t.Errorf("expected a kept row to be known again, got %v", err)
	}
}
