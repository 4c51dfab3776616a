package draft_test

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// A draft that the parser would refuse is an error with its line, and no file.
func TestDraftThatWouldBeRefused(t *testing.T) {
	t.Parallel()
	d := draft.Make(shop(), draft.Options{Source: "shop"})
	if data, err := d.Map(datamap.ParseOptions{}); err != nil || string(data) != string(d.YAML()) {
		t.Fatalf("expected the draft as it is, got %v", err)
	}
	customers := d.Collections[0]
	customers.Fields[0].References = []draft.Reference{{Parent: customers.Table, Field: "id", Direction: datamap.From}}
	data, err := d.Map(datamap.ParseOptions{})
	if err == nil || data != nil {
		t.Fatal("expected a key that names itself to be refused")
	}
	for _, part := range []string{"shop.customers.id references itself", "{dataset: shop, field: customers.id, direction: from}", "leave the table out"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("expected the error to say %q: %s", part, err)
		}
	}
}
