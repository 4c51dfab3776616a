package datamap

import (
	"fmt"
	"strings"
	"testing"
)

// TestRowsOfSeveralPeople: where a row is reached by an array and deleted whole,
// check says that it may be others', too.
func TestRowsOfSeveralPeople(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy, field string
		told            bool
	}{
		"an array that a reference leads to": {"delete", `{name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: shop, field: people.id, direction: from}]}}`, true},
		"an array of identities":             {"delete", `{name: guests, fides_meta: {data_type: "string[]", identity: email}}`, true},
		"a field of an array's objects":      {"delete", `{name: guests, fides_meta: {data_type: "object[]"}, fields: [{name: mail, fides_meta: {identity: email}}]}`, true},
		"one that leads away only":           {"delete", `{name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: shop, field: people.id, direction: to}]}}`, false},
		"one that is meant whole":            {"delete", `{name: guests, fides_meta: {data_type: "string[]", identity: email, return_all_elements: true}}`, false},
		"an array inside one that is whole":  {"delete", `{name: guests, fides_meta: {data_type: "object[]", return_all_elements: true}, fields: [{name: mails, fides_meta: {data_type: "string[]", identity: email}}]}`, false},
		"a row that is masked":               {"null_rewrite", `{name: guests, fides_meta: {data_type: "string[]", identity: email}}`, false},
		"a single value":                     {"delete", `{name: guests, fides_meta: {identity: email}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := ""
			if c.strategy == "delete" {
				over = "fides_meta: {masking_strategy_override: {strategy: delete}}, "
			}
			m, problems := Parse([]File{{Name: "m.yaml", Data: fmt.Appendf(nil, `
dataset:
  - fides_key: shop
    collections:
      - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, fides_meta: {identity: email}}]}
      - {name: rooms, %sfields: [{name: id, fides_meta: {primary_key: true}}, %s]}
`, over, c.field)}}, ParseOptions{Sources: []string{"shop"}})
			if Failed(problems) {
				t.Fatal(problems)
			}
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "may name several people"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}
