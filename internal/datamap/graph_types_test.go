package datamap

import (
	"slices"
	"testing"
)

func TestBrowserTypes(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: number, data_categories: [user.unique_id], fides_meta: {identity: customer_no}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: cookie, data_categories: [user.device.cookie_id], fides_meta: {identity: visitor}}`)
	if got := BrowserTypes(m); !slices.Equal(got, []string{"visitor"}) {
		t.Errorf("expected the cookie's type alone to stand in a browser, got %v", got)
	}
}
