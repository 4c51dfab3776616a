package datamap

import (
	"slices"
	"strings"
	"testing"
)

// A rule that never applies is one whose categories the rules before it cover, one
// of them each; what is covered in part still applies.
func TestRulesThatNeverApply(t *testing.T) {
	t.Parallel()
	rules := func(all ...string) (list []PolicyRule) {
		for _, categories := range all {
			list = append(list, PolicyRule{Categories: strings.Fields(categories)})
		}
		return list
	}
	for name, c := range map[string]struct {
		rules []PolicyRule
		want  []int
	}{
		"narrow first":       {rules("user.name", "user"), nil},
		"wide first":         {rules("user", "user.name user.contact.email"), []int{2}},
		"the same":           {rules("user.name", "user.name"), []int{2}},
		"each by another":    {rules("user.name", "user.contact", "user.contact.email user.name"), []int{3}},
		"in part":            {rules("user.name", "user.contact user.name"), nil},
		"not by its letters": {rules("user.contact", "user.contacts"), nil},
		"everything first":   {rules("", "user.name", ""), []int{2, 3}},
		"everything last":    {rules("user", ""), nil},
	} {
		if got := (Policy{Kind: Erasure, Rules: c.rules}).Idle(); !slices.Equal(got, c.want) {
			t.Errorf("%s: expected %v, got %v", name, c.want, got)
		}
	}
	if got := (Policy{Kind: Access, Rules: rules("user", "user.name")}).Idle(); got != nil {
		t.Errorf("expected rules that give nothing more to stand in nobody's way, got %v", got)
	}
}

// TestPlannable: what a policy targets and nothing reaches is an error of the
// map, with its place, before a request fails of it. Settings are nobody's.
func TestPlannable(t *testing.T) {
	t.Parallel()
	parse := func(text string) *Map {
		m, problems := Parse([]File{{Name: "m.yaml", Data: []byte(text)}}, ParseOptions{Sources: []string{"shop"}})
		if Failed(problems) {
			t.Fatal(problems)
		}
		return m
	}
	const shop = `
dataset:
  - fides_key: shop
    collections:
      - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}
      - {name: settings, fields: [{name: key, data_categories: [system.operations]}]}
`
	if list := Plannable(parse(shop)); len(list) > 0 {
		t.Errorf("expected a table of settings to stand in nobody's way, got %v", list)
	}
	m := parse(shop + `      - {name: notes, fields: [{name: id, fides_meta: {primary_key: true}}, {name: text, data_categories: [user.content]}]}
      - {name: left, fides_meta: {skip_processing: true}, fields: [{name: text, data_categories: [user.content]}]}
`)
	list := Plannable(m, Policy{Name: "settings", Kind: Access, Rules: []PolicyRule{{Categories: []string{"system.operations"}}}})
	if len(list) != 2 || list[0].Warning || list[0].Pos.Line != 6 || !strings.Contains(list[0].Message, "shop.settings, which the policy settings targets") ||
		list[1].Pos.Line != 7 || !strings.Contains(list[1].Message, "no identity reaches shop.notes, which the policies access, erasure target") {
		t.Errorf("expected what is not reached, with its place and the policies, got %v", list)
	}
	if _, err := Compile(m, Builtin(Access), []string{"email"}); err == nil {
		t.Error("expected the plan to be refused, too")
	}
	list = Plannable(parse("dataset: [{fides_key: shop, collections: [{name: visits, fields: [{name: ip, data_categories: [user.device.ip_address]}]}]}]"))
	if len(list) != 1 || !list[0].Warning || !strings.Contains(list[0].Message, "no field has an identity, so that nobody can be found") {
		t.Errorf("expected a warning of a map by which nobody is found, got %v", list)
	}
	list = Plannable(parse(`
dataset:
  - fides_key: shop
    collections:
      - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]}
      - {name: a, fides_meta: {after: [shop.b]}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: p, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}]}
      - {name: b, fields: [{name: id}, {name: a, fides_meta: {references: [{dataset: shop, field: a.id, direction: from}]}}]}
`))
	if len(list) != 1 || !strings.Contains(list[0].Message, "the order cannot be satisfied") {
		t.Errorf("expected an order that cannot be, got %v", list)
	}
}

// Categories of one's own that no erasure targets are told once, where they stand
// first; a policy of one's own may target them.
func TestOwnCategoriesBesideUser(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
data_category: [{fides_key: client.shoe}, {fides_key: user.shoe}, {fides_key: system.pump}]
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: left, data_categories: [client.shoe]}
          - {name: right, data_categories: [client.shoe]}
          - {name: both, data_categories: [client.shoe, user.shoe]}
          - {name: pump, data_categories: [system.pump]}
`)
	list := Plannable(m)
	if len(list) != 1 || !list[0].Warning || list[0].Pos.Line != 10 || !strings.Contains(list[0].Message, `category "client.shoe" is the map's own and does not stand below user`) {
		t.Errorf("expected one warning, of the first field, got %v", list)
	}
	if list = Plannable(m, Policy{Name: "clients", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"client"}}}}); len(list) > 0 {
		t.Errorf("expected what a policy targets to be no matter, got %v", list)
	}
}
