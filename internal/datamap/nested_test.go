package datamap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nestedMap = `dataset:
- fides_key: shop
  collections:
  - name: users
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - name: profile
      fields:
      - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - {name: shoe, data_categories: [user.behavior]}
      - {name: version, data_categories: [system.operations]}
      - name: devices
        fides_meta: {data_type: "object[]"}
        fields:
        - {name: cookie, data_categories: [user.device.cookie_id]}
        - {name: label, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: hash}}}
    - name: address
      data_categories: [user.contact.address]
      fields:
      - {name: street}
      - {name: agent, data_categories: [user.name], lethe: {redact: true}}
    - {name: tags, data_categories: [user.content], fides_meta: {data_type: "string[]", masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
    - {name: referee, data_categories: [user.contact.email], lethe: {redact: true}}
  - name: visits
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - name: data
      data_categories: [user.behavior]
      fields:
      - {name: cookie, fides_meta: {references: [{dataset: shop, field: users.profile.devices.cookie, direction: from}]}}
      - {name: url}
    - {name: bag, data_categories: [user.behavior], fides_meta: {data_type: "integer[]", return_all_elements: true, references: [{dataset: shop, field: goods.id, direction: to}]}}
  - name: goods
    fields: [{name: id, fides_meta: {primary_key: true}}]
`

func targetsOf(v *Visit) map[string]string {
	got := make(map[string]string)
	for _, t := range v.Targets {
		got[t.Field.LocalName()] = ""
		if t.Masking != nil {
			got[t.Field.LocalName()] = t.Masking.Strategy
		}
	}
	return got
}

func fieldNames(list []*Field) string {
	var out []string
	for _, f := range list {
		out = append(out, f.LocalName())
	}
	return strings.Join(out, " ")
}

// A column whose fields have categories is a target in parts; one that has some
// itself is a target as a whole, unless an erasure must leave one of its fields.
func TestNestedFields(t *testing.T) {
	t.Parallel()
	m := mustParse(t, nestedMap)
	p, err := Compile(m, Builtin(Erasure), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	users, visits := visitOf(t, p, "users"), visitOf(t, p, "visits")
	want := map[string]string{
		"profile.mail": "null_rewrite", "profile.shoe": "null_rewrite", "profile.devices.label": "hash",
		"address": "null_rewrite", "tags": "string_rewrite", "referee": "null_rewrite",
	}
	if diff := cmp.Diff(want, targetsOf(users)); diff != "" {
		t.Errorf("expected the parts of profile and the whole of address to be masked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"data.url": "null_rewrite"}, targetsOf(visits)); diff != "" {
		t.Errorf("expected the linking cookie to stay, and so data to be masked in parts (-want +got):\n%s", diff)
	}
	if got := fieldNames(visits.LinkFields); got != "id data.cookie bag" {
		t.Errorf("expected id, data.cookie and bag as link fields, got %s", got)
	}
	notes := strings.Join(p.Notes, "\n")
	for _, note := range []string{
		"shop.users.profile.devices.cookie is targeted and not masked: it links collections",
		"shop.users.profile.devices.label is masked by hash, which is not erased",
		"shop.visits.data is masked only in the fields that the data map names",
	} {
		if !strings.Contains(notes, note) {
			t.Errorf("expected the note %q in:\n%s", note, notes)
		}
	}
	if got := walked(p); !cmp.Equal(got, []string{"users @email", "visits users.cookie>cookie", "goods visits.bag>id own"}) {
		t.Errorf("expected the walk through the cookie inside both objects and the elements of bag, got %q", got)
	}

	access, err := Compile(m, Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	users = visitOf(t, access, "users")
	if diff := cmp.Diff(map[string]string{
		"profile.mail": "", "profile.shoe": "", "profile.version": "", "profile.devices.cookie": "", "profile.devices.label": "", "address": "", "tags": "",
	}, targetsOf(users)); diff != "" {
		t.Errorf("expected all but what is redacted to be given (-want +got):\n%s", diff)
	}
	if got := fieldNames(users.Withheld); got != "address.agent referee" {
		t.Errorf("expected the third person's data to be withheld, got %q", got)
	}
	if access.Digest == p.Digest {
		t.Error("expected another digest")
	}
}

// What stands in an object, in an array or under a keep is part of the digest:
// statements are cached by it.
func TestDigestKnowsTheNewWords(t *testing.T) {
	t.Parallel()
	base, err := Compile(mustParse(t, nestedMap), Builtin(Erasure), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *Collection){
		"an array":           func(c *Collection) { c.Field("tags").Array = false },
		"a guess":            func(c *Collection) { c.Field("profile").Inferred = !c.Field("profile").Inferred },
		"all elements":       func(c *Collection) { c.Field("tags").AllElements = true },
		"a request's field":  func(c *Collection) { c.Field("profile").Fields[1].Request = "x" },
		"redaction":          func(c *Collection) { c.Field("referee").Redact = false },
		"a keep":             func(c *Collection) { c.Keeps = []Keep{{Because: "law"}} },
		"an algorithm":       func(c *Collection) { c.Field("profile").Fields[3].Fields[1].Masking.Algorithm = "SHA-512" },
		"a type deep inside": func(c *Collection) { c.Field("profile").Fields[0].DataType = "string" },
	} {
		m := mustParse(t, nestedMap)
		m.Digest = base.Digest // not by the file alone
		same, err := Compile(m, Builtin(Erasure), []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		change(m.Datasets[0].Collections[0])
		other, err := Compile(m, Builtin(Erasure), []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		if same.Digest == other.Digest {
			t.Errorf("expected %s to change the digest", name)
		}
	}
}

func TestPolicyOnLinkColumns(t *testing.T) {
	t.Parallel()
	m := shopMap(t, "users: id! email@email#user.contact.email", "orders: id! buyer<users.email#user.contact.email text#user.content")
	p, err := Compile(m, Policy{Name: "all", Kind: Erasure, Links: LinksMask, Rules: []PolicyRule{{Categories: []string{"user"}}}}, []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if got := targetsOf(visitOf(t, p, "orders")); !cmp.Equal(got, map[string]string{"buyer": "null_rewrite", "text": "null_rewrite"}) || len(p.Notes) > 0 {
		t.Errorf("expected the link column to be masked without a note, got %v, %q", got, p.Notes)
	}
	p, err = Compile(m, Policy{Name: "bare", Kind: Access, Links: LinksOmit, Rules: []PolicyRule{{Categories: []string{"user.content"}}}}, []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if v := visitOf(t, p, "orders"); len(v.LinkFields) != 0 {
		t.Errorf("expected no link columns, got %s", fieldNames(v.LinkFields))
	}
}

// Encrypted is not erased: refused, unless the policy asks for it by name.
func TestPseudonymisedIsNotErased(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `dataset:
- fides_key: shop
  collections:
  - name: users
    fields:
    - {name: id, fides_meta: {primary_key: true, identity: email}}
    - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: aes_encrypt}}}
    - {name: nick, data_categories: [user.account.username], fides_meta: {masking_strategy_override: {strategy: hmac}}}
`)
	_, err := Compile(m, Builtin(Erasure), []string{"email"})
	if err == nil || !strings.Contains(err.Error(), "aes_encrypt is not erasure") || !strings.Contains(err.Error(), "shop.users.name") {
		t.Errorf("expected encryption to be refused by name, got %v", err)
	}
	asked := Policy{Name: "lock", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"user"}, Strategy: &Masking{Strategy: "aes_encrypt"}}}}
	p, err := Compile(m, asked, []string{"email"})
	if err != nil {
		t.Fatalf("expected a policy that asks for it to have it, got %v", err)
	}
	if got := visitOf(t, p, "users").Targets[0].Masking; got.Mode != "GCM" {
		t.Errorf("expected the mode filled in, got %+v", got)
	}
	list := Weaknesses(m, Builtin(Erasure), asked)
	if len(list) != 4 || list[0].Warning || list[0].Pos.Line != 7 || !list[1].Warning || !strings.Contains(list[1].Message, "shop.users.nick is masked with hmac by policy erasure") {
		t.Errorf("expected the encrypted name as an error of the built-in policy and the rest as warnings, got %v", list)
	}
}

// A policy's strategy that writes text where a field is declared to hold none is told;
// a field's own is refused.
func TestTextWhereNoneIsDeclared(t *testing.T) {
	t.Parallel()
	hashed := Policy{Name: "hashed", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"user"}, Strategy: &Masking{Strategy: strategyHash}}}}
	for field, told := range map[string]bool{
		"data_categories: [user], fides_meta: {data_type: integer}":                                                           true,
		`data_categories: [user], fides_meta: {data_type: "float[]"}`:                                                         true,
		"data_categories: [user], fides_meta: {data_type: string}":                                                            false,
		"data_categories: [user]":                                                                                             false,
		"data_categories: [user], fides_meta: {data_type: boolean, masking_strategy_override: {strategy: null_rewrite}}":      false,
		"fields: [{name: age, data_categories: [user], fides_meta: {data_type: integer}}]":                                    true,
		"fides_meta: {data_type: object}, fields: [{name: age, data_categories: [user], fides_meta: {data_type: object_id}}]": false,
	} {
		var said []string
		for _, p := range Weaknesses(mustParse(t, onField(field)), hashed) {
			if strings.Contains(p.Message, "which writes text, and its data_type is") {
				said = append(said, p.String())
			}
		}
		if (len(said) == 1) != told {
			t.Errorf("%s: expected a warning: %t, got %q", field, told, said)
		}
	}
}
