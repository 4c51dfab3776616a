package datamap

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A keyCase shows one key of Fideslang, or of Lethe's own, at work: a map, and
// what must hold of it.
type keyCase struct {
	text  string
	holds func(m *Map) bool
	says  string // a warning that must be there; empty: not one
}

// where a key stands in a map: DATASET, COLLECTION and FIELD are replaced.
const keyFrame = `dataset:
- fides_key: shop
DATASET  collections:
  - name: other
    fields: [{name: id, fides_meta: {primary_key: true}}, {name: a}, {name: b}]
  - name: c
COLLECTION    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: at}
    - {name: owner, fides_meta: {references: [{dataset: shop, field: other.id, direction: from}]}}
    - {name: f, FIELD}
`

func onDataset(text string) string    { return framed(text, "", "") }
func onCollection(text string) string { return framed("", text, "") }
func onField(text string) string      { return framed("", "", text) }

func framed(dataset, collection, field string) string {
	line := func(indent, s string) string {
		if s == "" {
			return ""
		}
		return indent + s + "\n"
	}
	if field == "" {
		field = "description: x"
	}
	return strings.NewReplacer("DATASET", line("  ", dataset), "COLLECTION", line("    ", collection), "FIELD", field).Replace(keyFrame)
}

func theDataset(m *Map) *Dataset       { return m.Datasets[0] }
func theCollection(m *Map) *Collection { return m.Datasets[0].Collections[1] }
func theField(m *Map) *Field           { return theCollection(m).Field("f") }

// keyCases are named "level: key", as levels() has them.
func keyCases() map[string]keyCase {
	cases := map[string]keyCase{
		"the file: dataset":          {text: onField(""), holds: func(m *Map) bool { return len(m.Datasets) == 1 }},
		"the file: data_category":    {text: onField("data_categories: [user.shoe]") + "data_category: [{fides_key: user.shoe}]\n", holds: func(m *Map) bool { return slices.Equal(m.Categories, []string{"user.shoe"}) }},
		"a data category: fides_key": {text: onField("data_categories: [user.shoe]") + "data_category: [{fides_key: user.shoe.size}]\n", holds: func(m *Map) bool { known, _ := KnownCategory(m, "user.shoe"); return known }},
		"a dataset: fides_key":       {text: onField(""), holds: func(m *Map) bool { return theCollection(m).FullName() == "shop.c" }},
		"a dataset: name":            {text: onDataset("name: Shop"), holds: func(m *Map) bool { return theDataset(m).Name == "Shop" }},
		"a dataset: description":     {text: onDataset("description: Shop"), holds: func(m *Map) bool { return theDataset(m).Description == "Shop" }},
		"a dataset: data_categories": {text: onDataset("data_categories: [user.name]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Categories, []string{"user.name"}) }},
		"a dataset: data_uses":       {text: onDataset("data_uses: [essential]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"essential"}) }},
		"a dataset: data_purposes":   {text: onDataset("data_purposes: [essential]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"essential"}) }},
		"a dataset: data_subjects":   {text: onDataset("data_subjects: [customer]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Subjects, []string{"customer"}) }},
		"a dataset: after":           {text: onDataset("after: [x]") + "- {fides_key: x, collections: [{name: y, fields: [{name: id, fides_meta: {primary_key: true}}]}]}\n", holds: func(m *Map) bool { return slices.Equal(theDataset(m).After, []string{"x"}) }},
		"a dataset: fides_meta":      {text: onDataset("fides_meta: {namespace: {schema: s}}"), holds: func(m *Map) bool { return theDataset(m).Schema == "s" }},
		"a dataset: fidesops_meta":   {text: onDataset("fidesops_meta: {namespace: {schema: s}}"), holds: func(m *Map) bool { return theDataset(m).Schema == "s" }},
		"a dataset: collections":     {text: onField(""), holds: func(m *Map) bool { return len(theDataset(m).Collections) == 2 }},
		"a dataset: lethe":           {text: onDataset("lethe: {basis: b}"), holds: func(m *Map) bool { return theField(m).Legal.Basis == "b" }},
		"fides_meta of a dataset: after": {text: onDataset("fides_meta: {after: [x]}") + "- {fides_key: x, collections: [{name: y, fields: [{name: id, fides_meta: {primary_key: true}}]}]}\n",
			holds: func(m *Map) bool { return slices.Equal(theDataset(m).After, []string{"x"}) }},
		"fides_meta of a dataset: namespace": {text: onDataset("fides_meta: {namespace: {schema: s, database_name: d}}"), holds: func(m *Map) bool { return theDataset(m).Schema == "s" }},
		"fides_meta of a dataset: redact":    {text: onDataset("fides_meta: {redact: name}"), says: "redact: name has no effect: an archive shows the names"},
		"namespace: schema":                  {text: onDataset("fides_meta: {namespace: {schema: s}}"), holds: func(m *Map) bool { return theDataset(m).Schema == "s" }},
		"lethe of a dataset: draft":          {text: onDataset("lethe: {draft: {}}"), holds: func(m *Map) bool { return theDataset(m).Ignored == nil }},
		"draft: ignore":                      {text: onDataset("lethe: {draft: {ignore: [visits, visits.agent]}}"), holds: func(m *Map) bool { return slices.Equal(theDataset(m).Ignored, []string{"visits", "visits.agent"}) }},

		"a collection: name":            {text: onField(""), holds: func(m *Map) bool { return theCollection(m).Name == "c" }},
		"a collection: description":     {text: onCollection("description: d"), holds: func(m *Map) bool { return theCollection(m).Description == "d" }},
		"a collection: data_categories": {text: onCollection("data_categories: [user.name]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Categories, []string{"user.name"}) }},
		"a collection: data_uses":       {text: onCollection("data_uses: [essential]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"essential"}) }},
		"a collection: data_purposes": {text: onCollection("{data_purposes: [old], data_uses: [new]}"), says: "data_purposes is not read beside data_uses",
			holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"new"}) }},
		"a collection: data_subjects":   {text: onCollection("data_subjects: [customer]"), holds: func(m *Map) bool { return slices.Equal(theCollection(m).Subjects, []string{"customer"}) }},
		"a collection: fields":          {text: onField(""), holds: func(m *Map) bool { return len(theCollection(m).Fields) == 4 }},
		"a collection: after":           {text: onCollection("after: [shop.other]"), holds: func(m *Map) bool { return slices.Equal(theCollection(m).After, []string{"shop.other"}) }},
		"a collection: erase_after":     {text: onCollection("erase_after: [shop.other]"), holds: func(m *Map) bool { return slices.Equal(theCollection(m).EraseAfter, []string{"shop.other"}) }},
		"a collection: skip_processing": {text: onCollection("skip_processing: true"), holds: func(m *Map) bool { return theCollection(m).Skip }},
		"a collection: fides_meta":      {text: onCollection("fides_meta: {skip_processing: true}"), holds: func(m *Map) bool { return theCollection(m).Skip }},
		"a collection: fidesops_meta":   {text: onCollection("fidesops_meta: {skip_processing: true}"), holds: func(m *Map) bool { return theCollection(m).Skip }},
		"a collection: lethe":           {text: onCollection("lethe: {owner: owner}"), holds: func(m *Map) bool { return theCollection(m).Owner == "owner" }},

		"fides_meta of a collection: after":           {text: onCollection("fides_meta: {after: [shop.other]}"), holds: func(m *Map) bool { return len(theCollection(m).After) == 1 }},
		"fides_meta of a collection: erase_after":     {text: onCollection("fides_meta: {erase_after: [shop.other]}"), holds: func(m *Map) bool { return len(theCollection(m).EraseAfter) == 1 }},
		"fides_meta of a collection: skip_processing": {text: onCollection("fides_meta: {skip_processing: true}"), holds: func(m *Map) bool { return theCollection(m).Skip }},
		"fides_meta of a collection: masking_strategy_override": {text: onCollection("fides_meta: {masking_strategy_override: {strategy: delete}}"),
			holds: func(m *Map) bool { return theCollection(m).Delete }},
		"fides_meta of a collection: redact":       {text: onCollection("fides_meta: {redact: name}"), says: "redact: name has no effect"},
		"fides_meta of a collection: partitioning": {text: onCollection("fides_meta: {partitioning: {field: at, windows: [{start: x}]}}"), says: "partitioning has no effect: rows are looked up through indexes"},

		"a field: name":            {text: onField(""), holds: func(m *Map) bool { return theField(m) != nil }},
		"a field: description":     {text: onField("description: d"), holds: func(m *Map) bool { return theField(m).Description == "d" }},
		"a field: data_categories": {text: onField("data_categories: [user.name]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Categories, []string{"user.name"}) }},
		"a field: data_uses":       {text: onField("data_uses: [essential]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"essential"}) }},
		"a field: data_purposes":   {text: onField("data_purposes: [essential]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Uses, []string{"essential"}) }},
		"a field: data_subjects":   {text: onField("data_subjects: [customer]"), holds: func(m *Map) bool { return slices.Equal(theField(m).Subjects, []string{"customer"}) }},
		"a field: fields": {text: onField("fields: [{name: o, fields: [{name: k, data_categories: [user.name]}]}]"), holds: func(m *Map) bool {
			f := theField(m)
			k := f.Fields[0].Fields[0]
			return f.DataType == "object" && k.Column() == f && slices.Equal(k.Path(), []string{"o", "k"}) && k.FullName() == "shop.c.f.o.k" && slices.Equal(f.Categories, []string{"user.name"})
		}},
		"a field: fides_meta": {text: onField("fides_meta: {read_only: true}"), holds: func(m *Map) bool { return theField(m).ReadOnly }},
		"a field: fidesops_meta": {text: onField("fidesops_meta: {read_only: true}, fides_meta: {length: 3}"), says: "fidesops_meta is not read beside fides_meta",
			holds: func(m *Map) bool { return !theField(m).ReadOnly && theField(m).Length == 3 }},
		"a field: lethe": {text: onField("lethe: {provided_by: subject}"), holds: func(m *Map) bool { return theField(m).ProvidedBy == "subject" }},

		"fides_meta of a field: identity":    {text: onField("fides_meta: {identity: phone_number}"), holds: func(m *Map) bool { return theField(m).Identity == Phone && theField(m).Match == E164 }},
		"fides_meta of a field: primary_key": {text: onField("fides_meta: {primary_key: true}"), holds: func(m *Map) bool { return len(theCollection(m).PrimaryKey()) == 2 }},
		"fides_meta of a field: references": {text: onField("fides_meta: {references: [{dataset: shop, field: other.id, direction: to}]}"), holds: func(m *Map) bool {
			return theField(m).References[0].Target.FullName() == "shop.other.id"
		}},
		"fides_meta of a field: data_type":            {text: onField("fides_meta: {data_type: 'integer[]'}"), holds: func(m *Map) bool { return theField(m).Array && theField(m).DataType == "integer" }},
		"fides_meta of a field: length":               {text: onField("fides_meta: {length: 7}"), holds: func(m *Map) bool { return theField(m).Length == 7 }},
		"fides_meta of a field: return_all_elements":  {text: onField("fides_meta: {data_type: 'string[]', return_all_elements: true}"), holds: func(m *Map) bool { return theField(m).AllElements }},
		"fides_meta of a field: read_only":            {text: onField("fides_meta: {read_only: true}"), holds: func(m *Map) bool { return theField(m).ReadOnly }},
		"fides_meta of a field: custom_request_field": {text: onField("fides_meta: {custom_request_field: order_number}"), holds: func(m *Map) bool { return theField(m).Request == "order_number" }},
		"fides_meta of a field: masking_strategy_override": {text: onField("fides_meta: {masking_strategy_override: {strategy: hash}}"), holds: func(m *Map) bool {
			return cmp.Equal(theField(m).Masking, &Masking{Strategy: "hash", Algorithm: "SHA-256"})
		}},
		"fides_meta of a field: redact": {text: onField("fides_meta: {redact: name}"), says: "redact: name has no effect"},

		"a reference: dataset":   {text: onField("fides_meta: {references: [{dataset: shop, field: other.id, direction: to}]}"), holds: func(m *Map) bool { return theField(m).References[0].Target.Collection.Dataset.Key == "shop" }},
		"a reference: field":     {text: onField("fides_meta: {references: [{dataset: shop, field: other.id, direction: to}]}"), holds: func(m *Map) bool { return theField(m).References[0].Target.Name == "id" }},
		"a reference: direction": {text: onField("fides_meta: {references: [{dataset: shop, field: other.id, direction: to}]}"), holds: func(m *Map) bool { return theField(m).References[0].Direction == To }},

		"masking_strategy_override: strategy": {text: onField("fides_meta: {masking_strategy_override: {strategy: hmac}}"), holds: func(m *Map) bool { return theField(m).Masking.Strategy == "hmac" }},
		"masking_strategy_override: configuration": {text: onField("fides_meta: {masking_strategy_override: {strategy: aes_encrypt, configuration: {mode: GCM}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Mode == "GCM" }},
		"configuration: rewrite_value": {text: onField("fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Value == "gone" }},
		"configuration: length": {text: onField("fides_meta: {masking_strategy_override: {strategy: random_string_rewrite, configuration: {length: 12}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Length == 12 }},
		"configuration: algorithm": {text: onField("fides_meta: {masking_strategy_override: {strategy: hash, configuration: {algorithm: SHA-512}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Algorithm == "SHA-512" }},
		"configuration: mode": {text: onField("fides_meta: {masking_strategy_override: {strategy: hash, configuration: {mode: GCM}}}"), says: "mode has no effect on hash"},
		"configuration: format_preservation": {text: onField("fides_meta: {masking_strategy_override: {strategy: hmac, configuration: {format_preservation: {suffix: '@x'}}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Suffix == "@x" }},
		"format_preservation: suffix": {text: onField("fides_meta: {masking_strategy_override: {strategy: random_string_rewrite, configuration: {format_preservation: {suffix: '@x'}}}}"),
			holds: func(m *Map) bool { return theField(m).Masking.Suffix == "@x" }},

		"lethe of a dataset: source":  {text: onDataset("lethe: {source: crm}"), holds: func(m *Map) bool { return theDataset(m).Source == "crm" }},
		"lethe of a dataset: basis":   {text: onDataset("lethe: {basis: f}"), holds: func(m *Map) bool { return theDataset(m).Legal.Basis == "f" }},
		"lethe of a dataset: consent": {text: onDataset("lethe: {basis: a, consent: analytics}"), holds: func(m *Map) bool { return theField(m).Legal.Consent == "analytics" }},
		"lethe of a dataset: origin":  {text: onDataset("lethe: {origin: here}"), holds: func(m *Map) bool { return theField(m).Legal.Origin == "here" }},
		"lethe of a dataset: kept":    {text: onDataset("lethe: {kept: long}"), holds: func(m *Map) bool { return theField(m).Legal.Kept == "long" }},

		"lethe of a collection: controller": {text: onCollection("lethe: {controller: shop_id}"), holds: func(m *Map) bool { return theCollection(m).Controller == "shop_id" }},
		"lethe of a collection: owner":      {text: onCollection("lethe: {owner: owner}"), holds: func(m *Map) bool { return theCollection(m).Owner == "owner" }},
		"lethe of a collection: shared":     {text: onCollection("lethe: {shared: erase}"), holds: func(m *Map) bool { return theCollection(m).SharedErase }},
		"lethe of a collection: order":      {text: onCollection("lethe: {order: [at, id]}"), holds: func(m *Map) bool { return slices.Equal(theCollection(m).Order, []string{"at", "id"}) }},
		"lethe of a collection: keep":       {text: onCollection("lethe: {keep: {because: law}}"), holds: func(m *Map) bool { return theCollection(m).Keeps[0].Because == "law" }},
		"lethe of a collection: all_of": {text: framed("", "lethe: {all_of: [owner, f]}", "fides_meta: {references: [{dataset: shop, field: other.b, direction: from}]}"),
			holds: func(m *Map) bool { return len(theCollection(m).AllOf) == 2 && len(composites(m)) == 1 }},
		"lethe of a collection: basis":   {text: onCollection("lethe: {basis: f}"), holds: func(m *Map) bool { return theCollection(m).Legal.Basis == "f" }},
		"lethe of a collection: consent": {text: onCollection("lethe: {basis: a, consent: c}"), holds: func(m *Map) bool { return theField(m).Legal.Consent == "c" }},
		"lethe of a collection: origin":  {text: onCollection("lethe: {origin: here}"), holds: func(m *Map) bool { return theField(m).Legal.Origin == "here" }},
		"lethe of a collection: kept":    {text: onCollection("lethe: {kept: long}"), holds: func(m *Map) bool { return theCollection(m).Legal.Kept == "long" }},

		"lethe of a field: match":       {text: onField("fides_meta: {identity: email}, lethe: {match: exact}"), holds: func(m *Map) bool { return theField(m).Match == Exact }},
		"lethe of a field: provided_by": {text: onField("lethe: {provided_by: subject, basis: a}"), holds: func(m *Map) bool { return portable(theField(m)) }},
		"lethe of a field: object":      {text: onField("lethe: {object: crm}"), holds: func(m *Map) bool { return theField(m).Object == "crm" }},
		"lethe of a field: redact":      {text: onField("lethe: {redact: true}"), holds: func(m *Map) bool { return theField(m).Redact }},
		"lethe of a field: mentions":    {text: onField("lethe: {mentions: true}"), holds: func(m *Map) bool { return theField(m).Mentions }},
		"lethe of a field: basis":       {text: onField("lethe: {basis: f}"), holds: func(m *Map) bool { return theField(m).Legal.Basis == "f" }},
		"lethe of a field: consent":     {text: onField("lethe: {basis: a, consent: c}"), holds: func(m *Map) bool { return theField(m).Legal.Consent == "c" }},
		"lethe of a field: origin":      {text: onField("lethe: {origin: here}"), holds: func(m *Map) bool { return theField(m).Legal.Origin == "here" }},
		"lethe of a field: kept":        {text: onField("lethe: {kept: long}"), holds: func(m *Map) bool { return theField(m).Legal.Kept == "long" }},

		"keep: where": {text: onCollection("lethe: {keep: [{where: {at: [a, null]}, because: law}]}"), holds: func(m *Map) bool {
			admitted := theCollection(m).Keeps[0].Where["at"]
			return len(admitted) == 2 && *admitted[0] == "a" && admitted[1] == nil
		}},
		"keep: for":     {text: onCollection("lethe: {keep: [{for: P10Y, from: at, because: law}]}"), holds: func(m *Map) bool { return theCollection(m).Keeps[0].For == "P10Y" }},
		"keep: from":    {text: onCollection("lethe: {keep: [{for: P10Y, from: at, because: law}]}"), holds: func(m *Map) bool { return theCollection(m).Keeps[0].From == "at" }},
		"keep: because": {text: onCollection("lethe: {keep: [{because: law}]}"), holds: func(m *Map) bool { return theCollection(m).Keeps[0].Because == "law" }},
		"keep: mask":    {text: onCollection("lethe: {keep: [{because: law, mask: [f]}]}"), holds: func(m *Map) bool { return theCollection(m).Keeps[0].Mask[0] == theField(m) }},
		"keep: with": {text: framed("", "lethe: {keep: {with: f}}", "fides_meta: {references: [{dataset: shop, field: bills.id, direction: from}]}") +
			"  - {name: bills, lethe: {keep: {because: law}}, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
			holds: func(m *Map) bool {
				k := theCollection(m).Keeps[0]
				return k.Because == "law" && k.With[0].To.FullName() == "shop.bills.id"
			}},
	}
	// What only describes is accepted without a word, wherever Fideslang has it.
	at := map[string]func(key string) string{
		"the file": func(key string) string { return onField("") + key + ": [{fides_key: x}]\n" },
		"a data category": func(key string) string {
			return onField("") + "data_category: [{fides_key: user.shoe, " + key + ": x}]\n"
		},
		"a dataset":                  func(key string) string { return onDataset(key + ": x") },
		"fides_meta of a dataset":    func(key string) string { return onDataset("fides_meta: {" + key + ": x}") },
		"namespace":                  func(key string) string { return onDataset("fides_meta: {namespace: {" + key + ": x}}") },
		"a collection":               func(key string) string { return onCollection(key + ": x") },
		"fides_meta of a collection": func(key string) string { return onCollection("fides_meta: {" + key + ": x}") },
		"a field":                    func(key string) string { return onField(key + ": x") },
	}
	for _, level := range levels() {
		for _, key := range level.unused {
			cases[level.what+": "+key] = keyCase{text: at[level.what](key), holds: func(*Map) bool { return true }}
		}
	}
	return cases
}

// Every key that is read, accepted or without effect has a case that names it: a
// key without one fails, and so does a case without a key.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	cases := keyCases()
	left := make(map[string]bool)
	for name := range cases {
		left[name] = true
	}
	for _, level := range levels() {
		keys := slices.Concat(level.read, level.unused)
		for key := range level.idle {
			keys = append(keys, key)
		}
		for _, key := range keys {
			name := level.what + ": " + key
			c, ok := cases[name]
			delete(left, name)
			if !ok {
				t.Errorf("the key %s needs a case in keyCases", name)
				continue
			}
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				text := strings.Replace(c.text, "    {data_purposes: [old], data_uses: [new]}\n", "    data_purposes: [old]\n    data_uses: [new]\n", 1)
				m, problems := parseText(t, ParseOptions{Sources: []string{"shop", "crm", "x"}}, text)
				said := slices.DeleteFunc(problems, func(s string) bool {
					return strings.Contains(s, "has no primary_key") || strings.Contains(s, "both reference")
				})
				switch {
				case m == nil:
					t.Fatalf("expected %s to be read, got %q from\n%s", name, problems, text)
				case c.holds != nil && !c.holds(m):
					t.Errorf("expected %s to show in the map of\n%s", name, text)
				case c.says == "" && len(said) > 0:
					t.Errorf("expected %s without a word, got %q", name, said)
				case c.says != "" && !strings.Contains(strings.Join(said, "\n"), c.says):
					t.Errorf("expected %s to say %q, got %q", name, c.says, said)
				}
			})
		}
	}
	for name := range left {
		t.Errorf("the case %s belongs to no key of keys.go", name)
	}
}
