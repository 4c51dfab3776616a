package datamap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parseText(t *testing.T, o ParseOptions, texts ...string) (*Map, []string) {
	t.Helper()
	var files []File
	for i, text := range texts {
		files = append(files, File{Name: fmt.Sprintf("map%d.yaml", i+1), Data: []byte(text)})
	}
	m, problems := Parse(files, o)
	var list []string
	for _, p := range problems {
		kind := "error"
		if p.Warning {
			kind = "warning"
		}
		list = append(list, fmt.Sprintf("%s: %s", kind, p))
	}
	return m, list
}

func mustParse(t testing.TB, text string) *Map {
	t.Helper()
	m, problems := Parse([]File{{Name: "map.yaml", Data: []byte(text)}}, ParseOptions{Sources: []string{"shop"}})
	if Failed(problems) {
		t.Fatalf("expected a map without errors, got %v", problems)
	}
	return m
}

// Every mistake of a file is reported at once, where it stands.
func TestParseReportsEverything(t *testing.T) {
	t.Parallel()
	m, got := parseText(t, ParseOptions{Sources: []string{"shop", "crm"}}, `dataset:
  - fides_key: shop
    namee: Shop
    lethe: {source: shp, owner: x}
    data_categories: [user.contact.emial]
    collections:
      - name: customers
        lethe: {owner: mail, basis: z, keep: {}}
        fides_meta: {after: [shop.customer], masking_strategy_override: {strategy: remove}}
        fields:
          - name: id
            fides_meta: {primary_key: maybe}
          - name: email
            name: mail
            fides_meta:
              identity: e-mail
              data_type: text
              custom_request_field: x
          - name: email
          - name: note
            fides_meta: {masking_strategy_override: {strategy: hash}}
            lethe: {provided_by: friend, match: fold, mentions: true, sourc: x}
      - name: orders
        lethe: {shared: maybe, order: [idd]}
        fides_meta: {partitioning: {}, skip: true}
        fields:
          - name: id
            fides_meta: {primary_key: true, masking_strategy_override: {strategy: null_rewrite}}
          - name: customer
            fides_meta:
              references:
                - {dataset: shop, field: customer.id, direction: from}
                - {dataset: shp, field: customers.id}
                - {dataset: shop, field: customers.di}
                - {dataset: shop, field: customers}
                - {dataset: shop, field: orders.id}
                - {dataset: shop, field: customers.id, direction: form}
                - {field: customers.id}
      - name: orders
        fields: []
      - description: nameless
        fields: [{name: id, fides_meta: {primary_key: true}}]
  - fides_key: shop
    collections: []
`)
	want := []string{
		`warning: map1.yaml:3:5: unknown key "namee" in a dataset is not read; did you mean "name"?`,
		`error: map1.yaml:4:13: unknown source "shp"; did you mean "shop"?`,
		`error: map1.yaml:4:26: unknown key "owner" in lethe of a dataset; it belongs under lethe of a collection`,
		`warning: map1.yaml:5:23: category "user.contact.emial" is not in the taxonomy; did you mean "user.contact.email"?`,
		`warning: map1.yaml:7:9: shop.customers has no primary_key: its rows cannot be picked one by one, and are told apart by the key that the table has, or else by all that they hold`,
		`error: map1.yaml:8:17: unknown field "mail" in shop.customers; did you mean "email"?`,
		`error: map1.yaml:8:30: basis must be one letter of Art. 6(1), a to f`,
		`error: map1.yaml:8:46: a keep needs because: the law that keeps these rows, as the letter says it`,
		`error: map1.yaml:9:30: unknown collection "customer" in dataset "shop"; did you mean "customers"?`,
		`error: map1.yaml:9:74: unknown masking strategy "remove"; known are null_rewrite, preserve, string_rewrite, random_string_rewrite, hash, hmac, aes_encrypt, delete`,
		`error: map1.yaml:12:26: primary_key must be true or false`,
		`error: map1.yaml:14:13: key "name" stands twice; the first is in line 13`,
		`error: map1.yaml:16:15: an identity type is letters, digits and _, as in email`,
		`error: map1.yaml:17:15: unknown data_type "text"; known are string, integer, float, boolean, object, object_id, each also with []`,
		`error: map1.yaml:19:13: field "email" stands twice in collection "customers"; the first is at map1.yaml:13:13`,
		`error: map1.yaml:22:21: provided_by can only be subject: what Art. 20 covers`,
		`error: map1.yaml:22:42: match says how an identity is compared, and note has no identity`,
		`error: map1.yaml:22:71: unknown key "sourc" in lethe of a field`,
		`error: map1.yaml:24:17: shared must be keep or erase`,
		`error: map1.yaml:24:40: unknown field "idd" in shop.orders; did you mean "id"?`,
		`warning: map1.yaml:25:22: partitioning has no effect: rows are looked up through indexes, one table is never read piece by piece`,
		`warning: map1.yaml:25:40: unknown key "skip" in fides_meta of a collection is not read`,
		`error: map1.yaml:28:45: a primary key is never masked; delete the rows, or take the override away`,
		`error: map1.yaml:32:35: unknown collection "customer" in dataset "shop"; did you mean "customers"?`,
		`error: map1.yaml:33:20: unknown dataset "shp"; did you mean "shop"?`,
		`error: map1.yaml:34:35: unknown field "di" in shop.customers; did you mean "id"?`,
		`error: map1.yaml:35:35: the field of a reference is collection.field, as in orders.id`,
		`error: map1.yaml:36:20: a reference of shop.orders to itself needs a direction: from or to`,
		`error: map1.yaml:37:56: direction must be from or to; without it the reference is followed from whichever end is reached first`,
		`error: map1.yaml:38:20: a reference needs a dataset and a field, as in {dataset: shop, field: orders.id}`,
		`error: map1.yaml:39:9: collection "orders" stands twice in dataset "shop"; the first is at map1.yaml:23:9`,
		`warning: map1.yaml:39:9: collection "orders" has no fields: nothing of it is found, given or erased`,
		`error: map1.yaml:41:9: the collection's name is missing`,
		`error: map1.yaml:43:5: dataset "shop" stands twice; the first is at map1.yaml:2:5`,
		`warning: map1.yaml:43:5: dataset "shop" has no collections: nothing of it is found, given or erased`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected every problem with its place (-want +got):\n%s", diff)
	}
	if m != nil {
		t.Error("expected no map from a file with errors")
	}
}

// What contradicts itself, or cannot be, is refused with a sentence.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	collection := func(extra, fields string) string {
		return "dataset:\n- fides_key: shop\n  collections:\n  - name: c\n" + extra +
			"    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n" + fields
	}
	for name, c := range map[string]struct{ text, want string }{
		"identity of an object": {
			collection("", "    - {name: o, fides_meta: {identity: email}, fields: [{name: e}]}\n"),
			"map1.yaml:7:30: identity needs a value to compare, and o is an object",
		},
		"reference on an object": {
			collection("", "    - {name: o, fides_meta: {references: [{dataset: shop, field: c.id, direction: to}]}, fields: [{name: e}]}\n"),
			"a reference needs a value to compare, and o is an object",
		},
		"reference to an object": {
			collection("", "    - {name: o, fields: [{name: e}]}\n    - {name: r, fides_meta: {references: [{dataset: shop, field: c.o, direction: to}]}}\n"),
			"a reference needs a value to compare, and shop.c.o is an object",
		},
		"reference to a key that is not there": {
			collection("", "    - {name: o, fields: [{name: key}]}\n    - {name: r, fides_meta: {references: [{dataset: shop, field: c.o.kye, direction: to}]}}\n"),
			`unknown field "kye" in shop.c.o; did you mean "key"?`,
		},
		"a key twice in an object": {
			collection("", "    - {name: o, fields: [{name: e}, {name: e}]}\n"), `field "e" stands twice in o`,
		},
		"all_of of one":    {collection("    lethe: {all_of: [id]}\n", ""), "all_of ties two fields or more"},
		"all_of of nobody": {collection("    lethe: {all_of: [id, r]}\n", "    - {name: r}\n"), "all_of ties nothing"},
		"all_of both ways": {
			collection("    lethe: {all_of: [a, b]}\n", "    - {name: a, fides_meta: {references: [{dataset: shop, field: p.a, direction: to}]}}\n"+
				"    - {name: b, fides_meta: {references: [{dataset: shop, field: p.b, direction: from}]}}\n") +
				"  - {name: p, fields: [{name: a}, {name: b}]}\n",
			"must lead the same way",
		},
		"all_of of two links in one": {
			collection("    lethe: {all_of: [a, b, d]}\n", "    - {name: a, fides_meta: {references: [{dataset: shop, field: p.a, direction: to}]}}\n"+
				"    - {name: b, fides_meta: {references: [{dataset: shop, field: p.b, direction: to}]}}\n"+
				"    - {name: d, fides_meta: {references: [{dataset: shop, field: p.b, direction: to}]}}\n") +
				"  - {name: p, fields: [{name: a}, {name: b}]}\n",
			"ties one field to two",
		},
		"keep without a law":     {collection("    lethe: {keep: {for: P10Y, from: id}}\n", ""), "a keep needs because"},
		"keep without a start":   {collection("    lethe: {keep: {for: P10Y, because: x}}\n", ""), "for needs from"},
		"keep without a period":  {collection("    lethe: {keep: {from: id, because: x}}\n", ""), "from needs for"},
		"keep for ten":           {collection("    lethe: {keep: {for: ten, from: id, because: x}}\n", ""), "for: a period is written in ISO 8601"},
		"keep by a column amiss": {collection("    lethe: {keep: {where: {idd: [1]}, because: x}}\n", ""), `unknown field "idd" in shop.c; did you mean "id"?`},
		"keep with what keeps nothing": {
			collection("    lethe: {keep: {with: r}}\n", "    - {name: r, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}\n") +
				"  - {name: p, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
			"shop.p, which r names, says no keep itself",
		},
		"keep with its own": {
			collection("    lethe: {keep: {with: r}}\n", "    - {name: r, fides_meta: {references: [{dataset: shop, field: c.id, direction: from}]}}\n"),
			"shop.c would be kept with itself",
		},
		"keep with no reference": {collection("    lethe: {keep: {with: id}}\n", ""), "with needs a field with one reference"},
		"keep with a law of its own": {
			collection("    lethe: {keep: {with: r, because: x}}\n", "    - {name: r, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}\n") +
				"  - {name: p, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
			"because stands beside with",
		},
		"keep that masks its key":         {collection("    lethe: {keep: {because: x, mask: [id]}}\n", ""), "id is a primary key, which is never masked"},
		"keep that masks where":           {collection("    lethe: {keep: {because: x, where: {r: [paid]}, mask: [r]}}\n", "    - {name: r}\n"), "r tells which rows are kept, so it cannot be masked in them"},
		"keep that masks another's start": {collection("    lethe: {keep: [{because: x, for: P1Y, from: r}, {because: y, mask: [r]}]}\n", "    - {name: r}\n"), "r tells which rows are kept"},
		"keep that masks its link": {
			collection("    lethe: {keep: {with: r, mask: [r]}}\n", "    - {name: r, fides_meta: {references: [{dataset: shop, field: p.id, direction: from}]}}\n") +
				"  - {name: p, lethe: {keep: {because: x}}, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
			"r tells which rows are kept",
		},
		"keep that masks what others name": {
			collection("    lethe: {keep: {with: r}}\n", "    - {name: r, fides_meta: {references: [{dataset: shop, field: p.mail, direction: from}]}}\n") +
				"  - {name: p, lethe: {keep: {because: x, mask: [mail]}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail}]}\n",
			"mail tells which rows are kept",
		},
		"object of nobody":        {collection("", "    - {name: r, lethe: {object: shpo}}\n"), `unknown source "shpo"; did you mean "shop"?`},
		"mentions in a number":    {collection("", "    - {name: r, fides_meta: {data_type: integer}, lethe: {mentions: true}}\n"), "mentions are searched in a column of text"},
		"an algorithm of its own": {collection("", "    - {name: r, fides_meta: {masking_strategy_override: {strategy: hash, configuration: {algorithm: MD5}}}}\n"), "algorithm must be SHA-256 or SHA-512"},
		"hash of a number":        {collection("", "    - {name: r, fides_meta: {data_type: integer, masking_strategy_override: {strategy: hmac}}}\n"), "hmac writes text, and data_type is integer"},
		"return_all_elements":     {collection("", "    - {name: r, fides_meta: {return_all_elements: true}}\n"), "return_all_elements needs an array"},
		"text into a number":      {collection("", "    - {name: r, fides_meta: {data_type: integer, masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: x}}}}\n"), "string_rewrite writes text, and data_type is integer"},
		"rewrite without text":    {collection("", "    - {name: r, fides_meta: {masking_strategy_override: {strategy: string_rewrite}}}\n"), "string_rewrite needs configuration"},
		"delete on a field":       {collection("", "    - {name: r, fides_meta: {masking_strategy_override: {strategy: delete}}}\n"), "strategy delete is for collections"},
		"fields of a string":      {collection("", "    - {name: r, fides_meta: {data_type: string}, fields: [{name: x}]}\n"), "only an object has fields of its own"},
		"owner that ties to nothing": {
			collection("    lethe: {owner: id}\n", ""), `owner "id" has no reference`,
		},
		"erase_after in a ring": {
			collection("    fides_meta: {erase_after: [shop.d]}\n", "") +
				"  - {name: d, fides_meta: {erase_after: [shop.c]}, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
			"erase_after cannot be satisfied: shop.c, shop.d each wait for the other",
		},
		"a dot in a name": {collection("", "    - {name: a.b}\n"), "the field's name holds a dot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, got := parseText(t, ParseOptions{Sources: []string{"shop", "crm"}}, c.text)
			if m != nil || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("expected the map to be refused with %q, got %q", c.want, got)
			}
		})
	}
}

// A map made for Fides loads unchanged.
func TestParseFidesMap(t *testing.T) {
	t.Parallel()
	m, got := parseText(t, ParseOptions{Sources: []string{"pg"}}, "\xef\xbb\xbf"+`dataset:
  - fides_key: <instance_fides_key>
    retention: 1 year
    tags: null
    name: Postgres Example
    description: >-
      Example of a
      dataset
    meta: {a: {b: [c]}}
    data_categories: []
    fidesops_meta:
      resource_id: 1
      namespace: {database_name: app, schema: public}
    collections:
      - name: address
        fields:
          - name: city
            data_categories: [user.contact.address.city]
          - name: id
            data_categories: [system.operations]
            fidesops_meta: {primary_key: True}
      - name: customer
        fidesops_meta: {after: ["<instance_fides_key>.address"]}
        fields:
          - name: address_id
            fidesops_meta:
              references:
                - dataset: <instance_fides_key>
                  field: address.id
                  direction: to
          - name: email
            data_categories: [user.contact.email]
            fidesops_meta: {identity: email, data_type: string, length: 40}
          - name: phone
            data_categories: [user.contact.phone_number]
            fides_meta:
              identity: phone_number
              masking_strategy_override:
                strategy: random_string_rewrite
                configuration: {format_preservation: {suffix: "@x"}}
          - name: id
            fidesops_meta: {primary_key: True, read_only: false}
          - name: tags
            fides_meta: {data_type: "string[]", return_all_elements: true}
          - name: extra
            fides_meta: {data_type: object}
            fields:
              - name: nick
                data_categories: [user.account.username]
---
data_category:
  - {fides_key: user.shoe_size, name: Shoe size, parent_key: user}
---
`)
	if m == nil {
		t.Fatalf("expected the map to load, got %q", got)
	}
	if len(got) > 0 {
		t.Errorf("expected not even a warning, got %q", got)
	}
	d := m.Datasets[0]
	if d.Source != "pg" || d.Schema != "public" || d.Description != "Example of a dataset" {
		t.Errorf("expected the only source, schema public and the folded description, got %q, %q, %q", d.Source, d.Schema, d.Description)
	}
	c := d.Collections[1]
	phone := c.Field("phone")
	if phone.Identity != Phone || phone.Match != E164 {
		t.Errorf("expected phone_number to be phone, compared by e164; got %s, %s", phone.Identity, phone.Match)
	}
	if diff := cmp.Diff(&Masking{Strategy: "random_string_rewrite", Length: 30, Suffix: "@x"}, phone.Masking); diff != "" {
		t.Errorf("expected the masking with Fides' default length (-want +got):\n%s", diff)
	}
	if f := c.Field("extra"); !cmp.Equal(f.Categories, []string{"user.account.username"}) {
		t.Errorf("expected an object to take its fields' categories, got %v", f.Categories)
	}
	if got := c.Field("address_id").References; len(got) != 1 || got[0].Target.FullName() != "<instance_fides_key>.address.id" || got[0].Direction != To {
		t.Errorf("expected the reference to be tied to address.id, got %+v", got)
	}
	if !cmp.Equal(m.Categories, []string{"user.shoe_size"}) {
		t.Errorf("expected the map's own category, got %v", m.Categories)
	}
}

func TestInheritance(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `dataset:
- fides_key: shop
  data_categories: [user]
  data_purposes: [essential]
  data_subjects: [customer]
  lethe: {basis: a, consent: analytics, origin: the till}
  collections:
  - name: c
    data_uses: [analytics]
    fields:
    - {name: id, fides_meta: {primary_key: true}, data_categories: [system.operations]}
    - {name: x, lethe: {basis: b}}
`)
	c := m.Datasets[0].Collections[0]
	x := c.Field("x")
	if !cmp.Equal(x.Categories, []string{"user"}) || !cmp.Equal(c.Field("id").Categories, []string{"system.operations"}) {
		t.Errorf("expected x to take the dataset's category and id its own, got %v and %v", x.Categories, c.Field("id").Categories)
	}
	if want := (Legal{Basis: "b", Origin: "the till"}); x.Legal != want {
		t.Errorf("expected %+v: a consent goes with its basis; got %+v", want, x.Legal)
	}
	if want := (Legal{Basis: "a", Consent: "analytics", Origin: "the till"}); c.Legal != want {
		t.Errorf("expected the collection to inherit %+v, got %+v", want, c.Legal)
	}
	if !cmp.Equal(x.Uses, []string{"analytics"}) || !cmp.Equal(c.Subjects, []string{"customer"}) {
		t.Errorf("expected uses from the collection and subjects from the dataset, got %v and %v", x.Uses, c.Subjects)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	one := func(key, lethe string) string {
		return "dataset:\n- fides_key: " + key + "\n" + lethe + "  collections: [{name: c, fields: [{name: id, fides_meta: {primary_key: true}}]}]\n"
	}
	for name, c := range map[string]struct {
		text    string
		sources []string
		want    string // source, or the problem
	}{
		"named":           {one("x", "  lethe: {source: crm}\n"), []string{"shop", "crm"}, "crm"},
		"of its own name": {one("shop", ""), []string{"shop", "crm"}, "shop"},
		"the only one":    {one("x", ""), []string{"shop"}, "shop"},
		"not checked":     {one("x", ""), nil, "x"},
		"one of several":  {one("x", ""), []string{"shop", "crm"}, `error: map1.yaml:2:3: dataset "x" names no source, and there are several; write lethe: {source: shop | crm}`},
		"unknown":         {one("x", "  lethe: {source: sohp}\n"), []string{"shop", "crm"}, `error: map1.yaml:3:11: unknown source "sohp"; did you mean "shop"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, problems := parseText(t, ParseOptions{Sources: c.sources}, c.text)
			got := strings.Join(problems, "\n")
			if m != nil {
				got = m.Datasets[0].Source
			}
			if got != c.want {
				t.Errorf("expected %s, got %s", c.want, got)
			}
		})
	}
}

// Sources are erased side by side: an order between them is told to have no effect.
func TestEraseAfterBetweenSources(t *testing.T) {
	t.Parallel()
	text := "dataset:\n- fides_key: shop\n  collections: [{name: c, fides_meta: {erase_after: [crm.c]}, fields: [{name: id, fides_meta: {primary_key: true}}]}]\n" +
		"- fides_key: crm\n  lethe: {source: %s}\n  collections: [{name: c, fields: [{name: id, fides_meta: {primary_key: true}}]}]\n"
	for source, want := range map[string]string{"shop": "", "crm": "warning: map1.yaml:3:18: erase_after of shop.c has no effect on crm.c: it lies in the source crm, and sources are erased side by side"} {
		m, problems := parseText(t, ParseOptions{Sources: []string{"shop", "crm"}}, fmt.Sprintf(text, source))
		if got := strings.Join(problems, "\n"); m == nil || !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("crm.c in source %s: expected %q, got %q", source, want, got)
		}
	}
}

// A hostile file is turned away with a sentence, and fast.
func TestParseHostile(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	var keys strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"80 kB of [":     {strings.Repeat("[", 80_000), "map1.yaml:1:65: nested more than 64 levels deep"},
		"[ line by line": {strings.Repeat("[\n", 80_000), "nested more than 64 levels deep"},
		"dashes":         {strings.Repeat("- ", 80_000), "nested more than 64 levels deep"},
		"65 levels":      {deep(65), "map1.yaml:65:66: nested more than 64 levels deep"},
		"90,000 keys":    {keys.String(), "more than 4000 keys in one mapping"},
		"one key 100,000 times": {
			strings.Repeat("a: 1\n", 100_000), "more than 4000 keys in one mapping",
		},
		"over 32 MiB":    {strings.Repeat("#", 32<<20+1), "larger than 32 MiB"},
		"tabs":           {"dataset:\n\t- x\n \t- y\n", "map1.yaml:2:1: a tab cannot indent in YAML; use spaces\nerror: map1.yaml:3:2: a tab"},
		"UTF-16":         {"\xff\xfed\x00", "not UTF-8"},
		"NUL":            {"dataset:\x00", "not UTF-8"},
		"duplicate keys": {"dataset: []\ndataset: []\n", `map1.yaml:2:1: key "dataset" stands twice; the first is in line 1`},
		"open quote":     {"dataset: \"x\n", "map1.yaml:1:10: this is not YAML"},
		"a list":         {"- a\n", "map1.yaml:1:1: the file must be a mapping"},
		"a word":         {"hello\n", "the file must be a mapping"},
		"nothing":        {"", "the data map has no dataset"},
		"null dataset":   {"dataset:\n- ~\n", "a dataset needs a fides_key"},
		"words for maps": {"dataset:\n- fides_key: [x]\n  collections: {a: b}\n  fides_meta: 3\n  lethe: []\n", "lethe of a dataset must be a mapping"},
		"many misspelt": {
			"dataset:\n- fides_key: shop\n  collections:\n  - name: c\n    fields:\n" + strings.Repeat("    - {namee: x}\n", 20_000),
			"more problems",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			m, got := parseText(t, ParseOptions{}, c.text)
			if m != nil || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("expected the file to be refused with %q, got %.600q", c.want, got)
			}
			// Generous, for busy machines and the race detector: what is to be caught
			// here takes tens of seconds without either.
			if took := time.Since(start); took > 25*time.Second {
				t.Errorf("expected an answer at once, it took %s", took)
			}
		})
	}
	if _, got := parseText(t, ParseOptions{}, deep(64)); strings.Contains(strings.Join(got, ""), "levels deep") {
		t.Errorf("expected 64 levels to be admitted, got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("dataset:\n- fides_key: x\n  collections:\n  - name: c\n    fields: [{name: id}]\n"))
	f.Add([]byte(nestedMap))
	f.Add([]byte(thirtyMistakes))
	f.Add([]byte("dataset:\n- fides_key: x\n  collections:\n  - name: c\n    lethe: {all_of: [[a, b], ~, [c]], keep: [~, {where: {a: [~, 1]}, for: P1D, from: a, because: x, mask: [a.b]}]}\n    fields: [{name: a, fields: [{name: b}]}]\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("a: &x {b: &y [c]}\nb: {<<: *x, <<: [*x, *z], d: *y}\ndataset: *y\n"))
	f.Add([]byte("? [a]\n: {b: }\n--- !!x\n|"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, problems := Parse([]File{{Name: "f", Data: data}}, ParseOptions{})
		if (m == nil) != Failed(problems) {
			t.Fatalf("expected a map or an error, got %v and %v", m, problems)
		}
		if m != nil {
			for _, kind := range []Kind{Access, Export, Erasure} {
				if p, err := Compile(m, Builtin(kind), IdentityTypes(m)); err == nil {
					if _, err := p.JSON(); err != nil || p.Text() == "" {
						t.Fatalf("expected the plan to be shown, got %v", err)
					}
				}
			}
			if got := Compare(m, m); len(got) > 0 {
				t.Fatalf("expected a map to be like itself, got %v", got)
			}
		}
		for _, p := range problems {
			if p.Pos.Line < 1 || p.Pos.Column < 1 {
				t.Fatalf("expected a place in the file, got %s", p)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"namee": "name", "referencess": "references", "xyz": "", "": "", "ids": "id"} {
		if got, _ := nearest(word, names("id", "name", "references")); got != want {
			t.Errorf("expected %q to suggest %q, got %q", word, want, got)
		}
	}
}

func TestCategoryMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, category string
		want             bool
	}{
		{"user.contact", "user.contact", true}, {"user.contact", "user.contact.email", true},
		{"user.contact", "user.contacts", false}, {"user.contact.email", "user.contact", false}, {"user", "system", false},
	} {
		if got := CategoryMatches(c.target, c.category); got != c.want {
			t.Errorf("expected %s to match %s: %v, got %v", c.target, c.category, c.want, got)
		}
	}
}

// TestAMapOfManyTables: what a draft of a thousand tables writes is read.
func TestAMapOfManyTables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("dataset:\n  - fides_key: shop\n    collections:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "      - name: t%d\n        fields:\n          - {name: id, fides_meta: {primary_key: true}}\n", i)
		for j := range 30 {
			fmt.Fprintf(&b, "          - name: a_column_%d  # by its name\n            data_categories: [user.content]\n", j)
		}
	}
	m, problems := Parse([]File{{Name: "map.yaml", Data: []byte(b.String())}}, ParseOptions{Sources: []string{"shop"}})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected %d KiB to be read, got %s", b.Len()>>10, p)
		}
	}
	if n := len(m.Datasets[0].Collections); n != 1000 {
		t.Errorf("expected 1000 collections, got %d", n)
	}
}
