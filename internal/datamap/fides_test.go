package datamap

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Truth as Fides' reader takes it, which follows YAML 1.1.
func TestTruthAsFidesReadsIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"true": true, "True": true, "yes": true, "On": true, `"true"`: true, "false": false, "No": false, "off": false, "~": false,
		"1": true, "0": false, "y": true, "N": false, "T": true, "f": false, `"1"`: true,
	} {
		m := mustParse(t, onField("fides_meta: {read_only: "+text+"}"))
		if got := theField(m).ReadOnly; got != want {
			t.Errorf("read_only: %s: expected %t, got %t", text, want, got)
		}
	}
	if _, problems := parseText(t, ParseOptions{}, onField("fides_meta: {read_only: perhaps}")); !strings.Contains(strings.Join(problems, ""), "read_only must be true or false") {
		t.Errorf("expected perhaps to be neither, got %q", problems)
	}
}

// Fides writes and takes a dataset without collections and a collection without fields.
// A list that is not there is a mistake to both.
func TestEmptyListsAsFidesWritesThem(t *testing.T) {
	t.Parallel()
	m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField("read_only: true")+`
- fides_key: unused
  lethe: {source: shop}
  collections: []
- fides_key: half
  lethe: {source: shop}
  collections:
  - {name: none, fields: []}
  - {name: missing_no_more, fides_meta: {erase_after: [half.none]}, fields: [{name: id, fides_meta: {primary_key: true}}]}
`)
	said := strings.Join(problems, "\n")
	if m == nil || !strings.Contains(said, `dataset "unused" has no collections: nothing of it is found, given or erased`) ||
		!strings.Contains(said, `collection "none" has no fields: nothing of it`) {
		t.Fatalf("expected two warnings and a map, got %q", said)
	}
	if _, err := KeptRow(m, "half.none"); err == nil {
		t.Error("expected no row of a collection without fields to be looked for")
	}
	for text, want := range map[string]string{
		"dataset: [{fides_key: shop}]":                                      `dataset "shop" has no collections`,
		"dataset: [{fides_key: shop, collections: ~}]":                      `dataset "shop" has no collections`,
		"dataset: [{fides_key: shop, collections: [{name: c, fields: ~}]}]": `collection "c" has no fields`,
	} {
		if m, problems := parseText(t, ParseOptions{}, text); m != nil || !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("%s: expected the error %s, got %q", text, want, problems)
		}
	}
}

// Of two spellings the newer one counts, unless it is empty.
func TestAnEmptyNewerSpelling(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"fides_meta: {}, fidesops_meta: {read_only: true}", "fidesops_meta: {read_only: true}, fides_meta: {}",
		"fidesops_meta: {read_only: true}, fides_meta: ~", "fides_meta: {read_only: true}, fidesops_meta: ~",
	} {
		m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField(text))
		if m == nil || !theField(m).ReadOnly || strings.Contains(strings.Join(problems, ""), "not read beside") {
			t.Errorf("%s: expected the spelling that says something to be read, got %q", text, problems)
		}
	}
}

// A key that Fides would pass over, because it stands a level too high or too
// low, is told with the place where it belongs.
func TestKeysAtTheWrongLevel(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		onField("references: []"):                                     `unknown key "references" in a field is not read; it belongs under fides_meta of a field`,
		onField("masking_strategy_override: {strategy: hash}"):        `"masking_strategy_override" in a field is not read; it belongs under fides_meta of a field`,
		onField("fides_meta: {data_categories: [user]}"):              `"data_categories" in fides_meta of a field is not read; it stands on a field itself`,
		onField("match: exact"):                                       `"match" in a field is not read; it belongs under lethe of a field`,
		onField("lethe: {identity: email}"):                           `unknown key "identity" in lethe of a field; it belongs under fides_meta of a field`,
		onCollection("masking_strategy_override: {strategy: delete}"): `"masking_strategy_override" in a collection is not read; it belongs under fides_meta of a collection`,
		onCollection("owner: owner"):                                  `"owner" in a collection is not read; it belongs under lethe of a collection`,
		onDataset("namespace: {schema: s}"):                           `"namespace" in a dataset is not read; it belongs under fides_meta of a dataset`,
		onDataset("lethe: {controller: id}"):                          `unknown key "controller" in lethe of a dataset; it belongs under lethe of a collection`,
		onField("lethe: {statute: x}"):                                `unknown key "statute" in lethe of a field`,
	} {
		_, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, text)
		if !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("expected %q, got %q", want, problems)
		}
	}
}

// One mistake is one error, and hides no other.
func TestOneMistakeIsOneError(t *testing.T) {
	t.Parallel()
	const frame = "dataset:\n- fides_key: shop\n  collections:\n  - name: c\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n"
	for text, want := range map[string]string{
		frame + "    - email\n":                "error: map1.yaml:7:7: a field must be a mapping of keys to values",
		frame + "  - orders\n":                 "error: map1.yaml:7:5: a collection must be a mapping of keys to values",
		frame + "- shop\n":                     "error: map1.yaml:7:3: a dataset must be a mapping of keys to values",
		frame + "data_category: [user.shoe]\n": "error: map1.yaml:7:17: a data category must be a mapping of keys to values",
		frame + "    - {name: f, fides_meta: {identity: [email, phone]}}\n":                                   "error: map1.yaml:7:30: identity must be text",
		frame + "    - {name: f, fides_meta: {custom_request_field: {a: b}}}\n":                               "error: map1.yaml:7:30: custom_request_field must be text",
		frame + "    - {name: f, fides_meta: {masking_strategy_override: hash}}\n":                            "error: map1.yaml:7:30: masking_strategy_override must be a mapping of keys to values",
		frame + "    - {name: f, fides_meta: {masking_strategy_override: {strategy: HASH}}}\n":                "error: map1.yaml:7:58: unknown masking strategy \"HASH\"; did you mean \"hash\"?",
		frame + "    - {name: f, fides_meta: {references: [{dataset: crm, field: c.id, direction: from}]}}\n": "error: map1.yaml:7:44: unknown dataset \"crm\"; the file that holds it has to be listed under datamap, too",
		frame + "    - {name: f, fides_meta: {references: [shop.c.id]}}\n":                                    "error: map1.yaml:7:43: a reference must be a mapping of keys to values",
		frame + "    - {name: f, fides_meta: {references: [{dataset: shpo, field: c.id, direction: form}]}}\n": "error: map1.yaml:7:44: unknown dataset \"shpo\"; did you mean \"shop\"?\n" +
			"error: map1.yaml:7:72: direction must be from or to; without it the reference is followed from whichever end is reached first",
	} {
		m, problems := parseText(t, ParseOptions{}, text)
		if got := strings.Join(problems, "\n"); m != nil || got != want {
			t.Errorf("expected\n%s\ngot\n%s", want, got)
		}
	}
}

// A file that was emptied (a disk that was full, a download that failed) takes its
// tables out of the map: it is told.
func TestAnEmptyFileIsTold(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n...\n", "~\n"} {
		m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField("read_only: true"), text)
		if said := strings.Join(problems, "\n"); m == nil || !strings.Contains(said, "warning: map2.yaml:1:1: the file is empty") {
			t.Errorf("%q: expected a warning, got %q", text, said)
		}
		if _, alone := parseText(t, ParseOptions{}, text); len(alone) != 1 {
			t.Errorf("%q alone: expected one error, got %q", text, alone)
		}
	}
}

// Types of identities are people's to name, as in Fides; but for the one by which
// the DPO's own choice is known.
func TestNamesOfIdentities(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"e-mail": "letters, digits and _", "ljt_readerID": "", "customer id": "letters, digits and _", "9lives": "letters, digits and _", "row": "cannot be called row",
	} {
		m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField("fides_meta: {identity: "+name+"}"))
		switch said := strings.Join(problems, "\n"); {
		case want == "" && (m == nil || theField(m).Identity != name):
			t.Errorf("%s: expected an identity, got %q", name, said)
		case want != "" && (m != nil || !strings.Contains(said, want)):
			t.Errorf("%s: expected %q, got %q", name, want, said)
		}
	}
}

// Capitals make another type, as in Fides: whoever wrote Email beside email would
// have an address by which nobody is found.
func TestIdentitiesInCapitals(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]string{"Email": "email", "PHONE": "phone", "Phone_Number": "phone", "phone_number": "", "email": "", "readerID": ""} {
		m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField("fides_meta: {identity: "+name+"}"))
		if said := strings.Join(problems, "\n"); m == nil || strings.Contains(said, "did you mean \""+known+"\"?") != (known != "") {
			t.Errorf("%s: expected the type %q to be named, got %q", name, known, said)
		}
	}
}

// Categories of earlier taxonomies are told with those that took their place.
func TestCategoriesOfEarlierTaxonomies(t *testing.T) {
	t.Parallel()
	for category, want := range map[string]string{
		"user.provided.identifiable.contact.email": "user.contact.email",
		"user.derived.identifiable.unique_id":      "user.unique_id",
		"user.gender":                              "user.demographic.gender",
		"user.cookie_id":                           "user.device.cookie_id",
		"user.contct.email":                        "user.contact.email",
		"user.contact.emial":                       "user.contact.email",
		"user.biometrc":                            "user.biometric",
		"user.provided.nonsense":                   "",
	} {
		if known, near := KnownCategory(nil, category); known || near != want {
			t.Errorf("%s: expected the suggestion %q, got %q", category, want, near)
		}
	}
	_, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, onField("data_categories: [user.gender]"))
	if !strings.Contains(strings.Join(problems, "\n"), `category "user.gender" is not in the taxonomy; did you mean "user.demographic.gender"?`) {
		t.Errorf("expected the category that took its place, got %q", problems)
	}
}

// A value narrows whatever names it, also inside an object; what is never visited is
// narrowed by nothing.
func TestRequestFields(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
dataset:
- fides_key: shop
  collections:
  - name: orders
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: number, fides_meta: {custom_request_field: order_number}}
    - {name: old_number, data_categories: [user.unique_id], fides_meta: {custom_request_field: order_number}}
    - {name: till, fides_meta: {data_type: object}, fields: [{name: branch, fides_meta: {custom_request_field: Branch}}]}
  - name: bills
    fields: [{name: order, fides_meta: {custom_request_field: order_number}}]
  - name: log
    fides_meta: {skip_processing: true}
    fields: [{name: day, fides_meta: {custom_request_field: day}}]
`)
	want := []RequestField{{"Branch", []string{"shop.orders"}, nil}, {"order_number", []string{"shop.orders", "shop.bills"}, []string{"user.unique_id"}}}
	if got := RequestFields(m); !reflect.DeepEqual(got, want) {
		t.Errorf("expected %v, got %v", want, got)
	}
}

// A line that names YAML's version is none of the map's, and moves no other.
func TestADirective(t *testing.T) {
	t.Parallel()
	m, problems := parseText(t, ParseOptions{Sources: []string{"shop"}}, "%YAML 1.1\n---\n"+onField("fides_metta: {}"))
	_, plain := parseText(t, ParseOptions{Sources: []string{"shop"}}, "\n\n"+onField("fides_metta: {}"))
	if diff := cmp.Diff(plain, problems); m == nil || diff != "" || len(plain) == 0 {
		t.Errorf("expected the map without its first line (-want +got):\n%s", diff)
	}
}
