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
