package datamap

import (
	"slices"
	"testing"
)

// Of a row that a policy for names only masks, the address stays: a letter must
// not call it removed.
func TestWhatAPolicyIsNotAboutRemains(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: nick, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: preserve}}}
          - {name: seen, data_categories: [system.operations]}
`)
	for _, c := range []struct {
		policy Policy
		want   []string
	}{
		{Builtin(Erasure), []string{"nick"}},
		{Policy{Name: "names-only", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"user.name"}}}}, []string{"email", "nick"}},
	} {
		var got []string
		for _, f := range Remaining(m, c.policy)["shop.people"] {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: expected %v to stay, got %v", c.policy.Name, c.want, got)
		}
	}
}
