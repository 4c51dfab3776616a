package datamap

import (
	"strings"
	"testing"
)

// TestDigestIn: the sum of a source changes with what is done there, and with
// nothing else.
func TestDigestIn(t *testing.T) {
	t.Parallel()
	const base = `dataset:
  - fides_key: a
    name: A
    lethe: {source: a}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - fides_key: b
    name: B
    lethe: {source: b}
    collections:
      - name: visits
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
`
	sums := func(file string) (a, b, none string) {
		m, problems := Parse([]File{{Name: "map.yaml", Data: []byte(file)}}, ParseOptions{Sources: []string{"a", "b", "c"}})
		for _, p := range problems {
			if !p.Warning {
				t.Fatalf("expected a map without errors, got %s", p)
			}
		}
		p, err := Compile(m, Builtin(Erasure), []string{Email})
		if err != nil {
			t.Fatal(err)
		}
		return p.DigestIn("a"), p.DigestIn("b"), p.DigestIn("c")
	}
	a, b, none := sums(base)
	if a == "" || b == "" || a == b || none != "" {
		t.Errorf("expected two sums and none for a source without collections, got %q, %q, %q", a, b, none)
	}
	for _, tc := range []struct {
		name, old, new string
		a, b           bool // changes
	}{
		{"a comment", "dataset:", "# spring\ndataset:", false, false},
		{"a name and a description", "name: B\n", "name: Bee\n    description: what was seen\n", false, false},
		{"a strategy", "- name: visits\n", "- name: visits\n        fides_meta: {masking_strategy_override: {strategy: delete}}\n", false, true},
		{"a collection", "      - name: visits\n", "      - name: more\n        fields:\n          - {name: mail, data_categories: [user], fides_meta: {identity: email}}\n      - name: visits\n", false, true},
		{"a field", "- {name: id, fides_meta: {primary_key: true}}\n", "- {name: id, fides_meta: {primary_key: true}}\n          - {name: town, data_categories: [user.contact]}\n", true, false},
	} {
		gotA, gotB, _ := sums(strings.Replace(base, tc.old, tc.new, 1))
		if (gotA != a) != tc.a || (gotB != b) != tc.b {
			t.Errorf("%s: expected it to change %t and %t, it changed %t and %t", tc.name, tc.a, tc.b, gotA != a, gotB != b)
		}
	}
}
