package datamap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A map that says a thing once and names it again means what it would mean written out.
func TestAliasesAndMergeKeys(t *testing.T) {
	t.Parallel()
	const short = `dataset:
- fides_key: shop
  data_categories: &personal [user]
  collections:
  - name: people
    fields:
    - &id
      name: id
      fides_meta: &key {primary_key: true}
    - &mail
      name: email
      data_categories: [user.contact.email]
      fides_meta: {identity: email}
    - <<: *mail
      name: old
      data_categories: *personal
  - name: posts
    data_categories: *personal
    fields:
    - *id
    - {<<: [{name: author}, *id], fides_meta: {<<: *key, primary_key: false, references: [&ref {dataset: shop, field: people.id, direction: from}]}}
    - {name: editor, fides_meta: {references: [{<<: *ref, direction: to}]}}
---
data_category: [{fides_key: user.shoe}]
`
	const long = `dataset:
- fides_key: shop
  data_categories: [user]
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: old, data_categories: [user], fides_meta: {identity: email}}
  - name: posts
    data_categories: [user]
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: author, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
    - {name: editor, fides_meta: {references: [{dataset: shop, field: people.id, direction: to}]}}
---
data_category: [{fides_key: user.shoe}]
`
	said := func(text string) map[string]string {
		all := map[string]string{}
		for name, e := range mustParse(t, text).Elements() {
			all[name] = e.Text
		}
		return all
	}
	if diff := cmp.Diff(said(long), said(short)); diff != "" {
		t.Errorf("expected both maps to say the same (-written out +by name):\n%s", diff)
	}
	// What is written once is read in several places: nothing can be added to one of them.
	m := mustParse(t, strings.Replace(short, "    fields:\n    - *id\n", "    fields: &all\n    - *id\n", 1)+"---\ndataset: [{fides_key: x, collections: [{name: a, fields: &f [{name: id}]}, {name: b, fields: *f}]}]\n")
	if a, b := m.Datasets[1].Collections[0], m.Datasets[1].Collections[1]; a.Items == (List{}) || b.Items != (List{}) {
		t.Errorf("expected a list that is named by an alias to have no place of its own, got %+v and %+v", a.Items, b.Items)
	}
}

// What an alias cannot name is told where it stands, beside the map's other
// mistakes; one that would be endless or enormous ends the reading at once.
func TestAliasesThatCannotBe(t *testing.T) {
	t.Parallel()
	const frame = "dataset:\n- fides_key: shop\n  collections:\n  - name: c\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n"
	var wide, deep strings.Builder
	for i := range 9 {
		name := "x"
		if i > 0 {
			name = fmt.Sprintf("*a%d", i-1)
		}
		fmt.Fprintf(&wide, "k%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(name+", ", 9), ", "))
	}
	deep.WriteString("k0: &a0 {x: y}\n")
	for i := range 80 {
		fmt.Fprintf(&deep, "k%d: &a%d {x: *a%d}\n", i+1, i+1, i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"unknown": {frame + "    - {name: f, data_categories: *none, fides_meta: {length: many}}\n",
			"map1.yaml:7:35: nothing before this is called &none\nmap1.yaml:7:54: length must be a whole number from 1 to 16777216"},
		"of the document before": {frame + "---\ndataset: [{fides_key: &k other, collections: *list}]\n---\nx: *k\n", "map1.yaml:8:47: nothing before this is called &list"},
		"itself":                 {"dataset: &d [*d]\n", "map1.yaml:1:15: nothing before this is called &d"},
		"no mapping":             {frame + "    - {<<: [id], name: f}\n", "map1.yaml:7:8: a merge key (<<) needs a mapping, or a list of them"},
		"nine to the ninth":      {wide.String(), "map1.yaml:6:41: the aliases of this file come to more than 500000 values when they are written out"},
		"eighty deep":            {deep.String(), "nested more than 64 levels deep when its aliases are written out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, list := Parse([]File{{Name: "map1.yaml", Data: []byte(c.text)}}, ParseOptions{})
			var got []string
			for _, p := range list {
				if !p.Warning {
					got = append(got, p.String())
				}
			}
			if m != nil || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}
