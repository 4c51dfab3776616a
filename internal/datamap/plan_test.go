package datamap

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopMap is a dataset "shop" from lines of a small language, one collection a
// line: "name: field field …". A field is a name with marks: @email an identity,
// ! the key, <c.f found from, >c.f leads to, ~c.f undirected, #cat a category.
// Marks of the collection stand after "|": delete, skip, after=…, owner=….
func shopMap(t testing.TB, lines ...string) *Map {
	t.Helper()
	return mustParse(t, shopYAML(lines...))
}

func shopYAML(lines ...string) string {
	var b strings.Builder
	b.WriteString("dataset:\n- fides_key: shop\n  lethe: {basis: b}\n  collections:\n")
	for _, line := range lines {
		line, marks, _ := strings.Cut(line, "|")
		name, fields, _ := strings.Cut(line, ":")
		b.WriteString("  - name: " + strings.TrimSpace(name) + "\n")
		for _, m := range strings.Fields(marks) {
			key, value, _ := strings.Cut(m, "=")
			switch key {
			case "delete":
				b.WriteString("    fides_meta: {masking_strategy_override: {strategy: delete}}\n")
			case "skip":
				b.WriteString("    skip_processing: true\n")
			case "after":
				b.WriteString("    after: [shop." + value + "]\n")
			case "owner":
				b.WriteString("    lethe: {owner: " + value + "}\n")
			}
		}
		b.WriteString("    fields:\n")
		for _, f := range strings.Fields(fields) {
			b.WriteString(fieldYAML(f))
		}
	}
	return b.String()
}

func fieldYAML(f string) string {
	const marks = "@!<>~#"
	end := strings.IndexAny(f+"!", marks)
	name, rest := f[:end], f[end:]
	var meta, refs, cats, lethe []string
	for rest != "" {
		mark := rest[0]
		next := strings.IndexAny(rest[1:]+"!", marks) + 1
		value := rest[1:next]
		rest = rest[next:]
		switch mark {
		case '@':
			meta = append(meta, "identity: "+value)
		case '!':
			meta = append(meta, "primary_key: true")
		case '<':
			refs = append(refs, "{dataset: shop, field: "+value+", direction: from}")
		case '>':
			refs = append(refs, "{dataset: shop, field: "+value+", direction: to}")
		case '~':
			refs = append(refs, "{dataset: shop, field: "+value+"}")
		case '#':
			if value == "given" {
				lethe = append(lethe, "provided_by: subject")
			} else {
				cats = append(cats, value)
			}
		}
	}
	if len(refs) > 0 {
		meta = append(meta, "references: ["+strings.Join(refs, ", ")+"]")
	}
	out := "    - {name: " + name
	if len(cats) > 0 {
		out += ", data_categories: [" + strings.Join(cats, ", ") + "]"
	}
	if len(meta) > 0 {
		out += ", fides_meta: {" + strings.Join(meta, ", ") + "}"
	}
	if len(lethe) > 0 {
		out += ", lethe: {" + strings.Join(lethe, ", ") + "}"
	}
	return out + "}\n"
}

// walked renders a plan's walk: "c<a.x>y b.z>w" means c, led to by a.x to its y and b.z to its w.
func walked(p *Plan) []string {
	var list []string
	for _, v := range p.Visits {
		s := v.Collection.Name
		for _, seed := range v.Seeds {
			s += " @" + seed.Identity
		}
		for _, l := range v.Links {
			s += " " + l.From.Collection.Name + "." + l.From.Name + ">" + l.To.Name
			if l.Own {
				s += " own"
			}
		}
		list = append(list, s)
	}
	return list
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines  []string
		by     []string
		want   []string
		left   []string
		cyclic bool
		err    string
	}{
		"directions": {
			lines: []string{"orders: id! customer<customers.id address>addresses.id", "customers: id! email@email", "addresses: id!"},
			by:    []string{"email"},
			want:  []string{"customers @email", "orders customers.id>customer", "addresses orders.address>id own"},
		},
		"an undirected reference is followed from the end reached first, and never back": {
			lines: []string{"products: id! code", "items: id! product~products.id order~orders.id", "orders: id! customer~customers.id", "customers: id! email@email"},
			by:    []string{"email"},
			want:  []string{"customers @email", "orders customers.id>customer", "items orders.id>order", "products items.product>id"},
		},
		"the same reference declared at both ends counts once": {
			lines: []string{"customers: id!>orders.customer email@email", "orders: id! customer<customers.id"},
			by:    []string{"email"},
			want:  []string{"customers @email", "orders customers.id>customer"},
		},
		"several ways into one collection are taken together, after all that lead there": {
			lines: []string{"messages: id! chat<chats.id visitor<visitors.id", "chats: id! contact<contacts.id visitor<visitors.id", "visitors: id! contact<contacts.id", "contacts: id! email@email"},
			by:    []string{"email"},
			want: []string{"contacts @email", "visitors contacts.id>contact", "chats contacts.id>contact visitors.id>visitor",
				"messages chats.id>chat visitors.id>visitor"},
		},
		"several identities start where each stands": {
			lines: []string{"contacts: id! email@email phone@phone", "visitors: id!@visitor contact<contacts.id"},
			by:    []string{"visitor", "phone", "email", "phone"},
			want:  []string{"contacts @email @phone", "visitors @visitor contacts.id>contact"},
		},
		"what another identity type reaches is left out": {
			lines: []string{"contacts: id! email@email", "visitors: id!@visitor contact<contacts.id", "visits: id! visitor<visitors.id url#user.behavior"},
			by:    []string{"visitor"},
			want:  []string{"visitors @visitor", "visits visitors.id>visitor"},
			left:  []string{"shop.contacts"},
		},
		"a directed cycle is one component": {
			lines:  []string{"a: id! email@email c<c.id", "b: id! a<a.id", "c: id! b<b.id", "d: id! c<c.id"},
			by:     []string{"email"},
			want:   []string{"a @email c.id>c", "b a.id>a", "c b.id>b", "d c.id>c"},
			cyclic: true,
		},
		"a collection may lead to itself": {
			lines:  []string{"comments: id! author<users.id parent<comments.id", "users: id! email@email"},
			by:     []string{"email"},
			want:   []string{"users @email", "comments users.id>author comments.id>parent"},
			cyclic: true,
		},
		"skip takes out what only it leads to": {
			lines: []string{"users: id! email@email", "logs: id! user<users.id | skip", "lines: id! log<logs.id text#user.content"},
			by:    []string{"email"},
			want:  []string{"users @email"},
			left:  []string{"shop.logs", "shop.lines"},
		},
		"after puts a collection later": {
			lines: []string{"users: id! email@email", "a: id! user<users.id | after=c", "b: id! user<users.id", "c: id! user<users.id"},
			by:    []string{"email"},
			want:  []string{"users @email", "b users.id>user", "c users.id>user", "a users.id>user"},
		},
		"an undirected reference leads to what comes after": {
			lines: []string{"orders: id! mail@email user~users.id | after=users", "users: id! mail@email"},
			by:    []string{"email"},
			want:  []string{"users @email", "orders @email users.id>user"},
		},
		"what comes after lets others go first, too": {
			lines: []string{"a: id! mail@email b~b.id d~d.id | after=c", "c: id! mail@email | after=b", "b: id! mail@email", "d: id!"},
			by:    []string{"email"},
			want:  []string{"b @email", "c @email", "a @email b.id>b", "d a.d>id"},
		},
		"after that cannot be": {
			lines: []string{"users: id! email@email", "a: id! user<users.id | after=b", "b: id! a<a.id", "c: id! b<b.id"},
			by:    []string{"email"},
			err:   "the order cannot be satisfied: each of shop.a, shop.b would have to come before another of them, by references and after",
		},
		"after inside a cycle": {
			lines: []string{"a: id! email@email b<b.id", "b: id! a<a.id | after=a"},
			by:    []string{"email"},
			err:   "the order cannot be satisfied: each of shop.a, shop.b",
		},
		"what no identity reaches and the policy targets": {
			lines: []string{"users: id! email@email", "notes: id! text#user.content", "codes: id! code"},
			by:    []string{"email"},
			err:   `policy "access" targets what no identity reaches: shop.notes; give it a reference or an identity, or skip_processing: true`,
		},
		"what no identity reaches and nobody targets": {
			lines: []string{"users: id! email@email", "codes: id! code"},
			by:    []string{"email"},
			want:  []string{"users @email"},
			left:  []string{"shop.codes"},
		},
		"an identity that is not in the map": {
			lines: []string{"users: id! email@email phone@phone"},
			by:    []string{"cookie"},
			err:   `the data map has no identity "cookie"; known are email, phone`,
		},
		"no identity": {lines: []string{"users: id! email@email"}, err: "no identity is given"},
		"an identity that is skipped": {
			lines: []string{"users: id! email@email | skip", "x: id! phone@phone"}, by: []string{"email"},
			err: "identity email leads nowhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(shopMap(t, c.lines...), Builtin(Access), c.by)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("expected the error %q, got %v", c.err, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("expected a plan, got %v", err)
			}
			if diff := cmp.Diff(c.want, walked(p)); diff != "" {
				t.Errorf("expected this walk (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.left, p.Left); diff != "" {
				t.Errorf("expected these to be left (-want +got):\n%s", diff)
			}
			if p.Cyclic != c.cyclic {
				t.Errorf("expected cyclic %v, got %v", c.cyclic, p.Cyclic)
			}
		})
	}
}

func TestDatasetAfter(t *testing.T) {
	t.Parallel()
	text := `dataset:
- fides_key: a
  fides_meta: {after: [b]}
  lethe: {source: shop}
  collections: [{name: users, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]}]
- fides_key: b
  lethe: {source: shop}
  collections:
  - {name: one, fields: [{name: id, fides_meta: {primary_key: true, identity: email}}]}
  - {name: two, fields: [{name: id, fides_meta: {primary_key: true, references: [{dataset: b, field: one.id, direction: from}]}}]}
`
	p, err := Compile(mustParse(t, text), Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one @email", "two one.id>id", "users @email"}, walked(p)); diff != "" {
		t.Errorf("expected dataset a after all of b (-want +got):\n%s", diff)
	}
	_, err = Compile(mustParse(t, strings.Replace(text, "- fides_key: b", "- fides_key: b\n  after: [a]", 1)), Builtin(Access), []string{"email"})
	if err == nil || !strings.Contains(err.Error(), "a.users, b.one") {
		t.Errorf("expected an error that names the collections of a and b, got %v", err)
	}
}

// Whoever holds a row's key makes it shared, whichever end declares the
// reference, visited or skipped or not.
func TestReferrers(t *testing.T) {
	t.Parallel()
	m := shopMap(t,
		"users: id!>carts.user email@email",
		"carts: id! user",
		"orders: id! user<users.id buyer<users.email address>addresses.id",
		"addresses: id!",
		"logs: id! user~users.id | skip",
		"profiles: user!<users.id",
		"phones: id! user~users.id")
	p, err := Compile(m, Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]string)
	for _, v := range p.Visits {
		for _, l := range v.Referrers {
			if l.To.Collection != v.Collection {
				t.Errorf("expected the referrer %s to name a field of %s, got %s", l.From.FullName(), v.Collection.Name, l.To.FullName())
			}
			got[v.Collection.Name] = append(got[v.Collection.Name], l.From.Collection.Name+"."+l.From.Name)
		}
	}
	want := map[string][]string{
		"users":     {"carts.user", "orders.user", "orders.buyer", "logs.user", "profiles.user", "phones.user"},
		"addresses": {"orders.address"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected these columns to hold a row's key (-want +got):\n%s", diff)
	}
}

func maskings(v *Visit) map[string]string {
	got := make(map[string]string)
	for _, t := range v.Targets {
		got[t.Field.Name] = t.Masking.Strategy + t.Masking.Value
	}
	return got
}

func visitOf(t *testing.T, p *Plan, name string) *Visit {
	t.Helper()
	i := slices.IndexFunc(p.Visits, func(v *Visit) bool { return v.Collection.Name == name })
	if i < 0 {
		t.Fatalf("expected a visit of %s, got %v", name, walked(p))
	}
	return p.Visits[i]
}

func TestErasureTargets(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `dataset:
- fides_key: shop
  collections:
  - name: users
    fields:
    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}
    - {name: name, data_categories: [user.name]}
    - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: note, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
    - {name: tax, data_categories: [user.government_id], fides_meta: {read_only: true}}
    - {name: kept, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: preserve}}}
    - {name: at, data_categories: [system.operations]}
    - {name: bare}
  - name: orders
    fides_meta: {masking_strategy_override: {strategy: delete}}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: buyer, data_categories: [user.contact.email], fides_meta: {references: [{dataset: shop, field: users.mail, direction: from}]}}
    - {name: text, data_categories: [user.content]}
`)
	p, err := Compile(m, Builtin(Erasure), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	users, orders := visitOf(t, p, "users"), visitOf(t, p, "orders")
	want := map[string]string{"name": "null_rewrite", "note": "string_rewritegone", "kept": "preserve"}
	if diff := cmp.Diff(want, maskings(users)); diff != "" || users.Delete {
		t.Errorf("expected users to be masked, delete %v (-want +got):\n%s", users.Delete, diff)
	}
	if diff := cmp.Diff(map[string]string{"text": "null_rewrite"}, maskings(orders)); diff != "" || !orders.Delete {
		t.Errorf("expected orders to be deleted (%v), and masked where a row must stay (-want +got):\n%s", orders.Delete, diff)
	}
	notes := []string{
		"shop.users.mail is targeted and not masked: it links collections; give it a masking_strategy_override.",
		"shop.users.tax is targeted and not masked: it is read_only.",
	}
	if diff := cmp.Diff(notes, p.Notes); diff != "" {
		t.Errorf("expected what stays to be named (-want +got):\n%s", diff)
	}

	// A narrow policy masks what it names; it does not delete the whole row.
	narrow := Policy{Name: "text-only", Kind: Erasure, Rules: []PolicyRule{{Categories: []string{"user.content"}, Strategy: &Masking{Strategy: "random_string_rewrite"}}}}
	p, err = Compile(m, narrow, []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	orders = visitOf(t, p, "orders")
	if diff := cmp.Diff(map[string]string{"text": "random_string_rewrite"}, maskings(orders)); diff != "" || orders.Delete {
		t.Errorf("expected the text of orders to be masked and the rows to stay, delete %v (-want +got):\n%s", orders.Delete, diff)
	}
	if orders.Targets[0].Masking.Length != 30 {
		t.Errorf("expected random text of 30 letters, got %d", orders.Targets[0].Masking.Length)
	}
	if len(p.Notes) == 0 || !strings.HasPrefix(p.Notes[0], "shop.orders: rows are masked and stay") {
		t.Errorf("expected a note that rows stay, got %q", p.Notes)
	}
}

func TestAccessTargets(t *testing.T) {
	t.Parallel()
	m := shopMap(t, "users: id! email@email#user.contact.email", "orders: id! user<users.id at#system.operations text#user.content")
	p, err := Compile(m, Policy{Name: "mail", Kind: Access, Rules: []PolicyRule{{Categories: []string{"user.content"}}}}, []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	v := visitOf(t, p, "orders")
	if len(v.Targets) != 1 || v.Targets[0].Field.Name != "text" || v.Targets[0].Masking != nil {
		t.Errorf("expected only text, unmasked; got %+v", v.Targets)
	}
	if len(v.LinkFields) != 2 || v.LinkFields[0].Name != "id" || v.LinkFields[1].Name != "user" {
		t.Errorf("expected the columns that link, id and user; got %v", v.LinkFields)
	}
	if users := visitOf(t, p, "users"); len(users.Targets) != 0 || len(users.LinkFields) != 1 {
		t.Errorf("expected users to be followed only, got %+v and %+v", users.Targets, users.LinkFields)
	}
}

func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	m := shopMap(t, "users: id! email@email#user.contact.email")
	for want, p := range map[string]Policy{
		`unknown kind "rectify"`: {Name: "p", Kind: "rectify", Rules: []PolicyRule{{}}},
		"has no rules":           {Name: "p", Kind: Access},
		`did you mean "user.name"?, category "user.nosuch" is not in the taxonomy`: {Name: "p", Kind: Access, Rules: []PolicyRule{{Categories: []string{"user.nmae"}}, {Categories: []string{"user.nosuch"}}}},
		`category "user.nmae" is not in the taxonomy; did you mean "user.name"?`:   {Name: "p", Kind: Access, Rules: []PolicyRule{{Categories: []string{"user.nmae"}}}},
		`unknown algorithm "MD5"`:                                      {Name: "p", Kind: Erasure, Rules: []PolicyRule{{Strategy: &Masking{Strategy: "hash", Algorithm: "MD5"}}}},
		"only an erasure masks; access and export may say links: omit": {Name: "p", Kind: Access, Links: LinksMask, Rules: []PolicyRule{{}}},
		`unknown masking strategy "erase"`:                             {Name: "p", Kind: Erasure, Rules: []PolicyRule{{Strategy: &Masking{Strategy: "erase"}}}},
		"strategy delete belongs on a collection":                      {Name: "p", Kind: Erasure, Rules: []PolicyRule{{Strategy: &Masking{Strategy: "delete"}}}},
		"only an erasure masks":                                        {Name: "p", Kind: Access, Rules: []PolicyRule{{Strategy: &Masking{Strategy: "null_rewrite"}}}},
	} {
		if _, err := Compile(m, p, []string{"email"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected the error %q, got %v", want, err)
		}
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	m := shopMap(t, "contacts: id! email@email phone@phone", "visitors: id!@visitor contact<contacts.id", "visits: id! visitor<visitors.id", "codes: id!")
	got := Reach(m)
	all := []string{"shop.contacts", "shop.visitors", "shop.visits"}
	want := map[string][]string{"email": all, "phone": all, "visitor": all[1:]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected what each type reaches (-want +got):\n%s", diff)
	}
}

// Only a walk that has reached all rows of a subject can tell which of them are
// shared with others: what an export leaves out is followed all the same.
func TestExportFollowsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	m := shopMap(t,
		"users: id! email@email#user.contact.email#given",
		"scores: id! user<users.id score#user.behavior",
		"details: id! score<scores.id x#user.behavior")
	p, err := Compile(m, Builtin(Export), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"users @email", "scores users.id>user", "details scores.id>score"}, walked(p)); diff != "" {
		t.Errorf("expected every collection that the subject's rows lead to (-want +got):\n%s", diff)
	}
	for _, v := range p.Visits[1:] {
		if len(v.Targets) > 0 {
			t.Errorf("%s was not provided by the subject: nothing of it should be given", v.Collection.FullName())
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	lines := []string{"users: id! email@email#user.contact.email phone@phone", "orders: id! user<users.id text#user.content"}
	base, err := Compile(shopMap(t, lines...), Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	same, _ := Compile(shopMap(t, lines...), Builtin(Access), []string{"email", "email"})
	if same.Digest != base.Digest {
		t.Error("expected the same plan to have the same digest")
	}
	other, _ := Compile(shopMap(t, lines...), Builtin(Access), []string{"phone"})
	erase, _ := Compile(shopMap(t, lines...), Builtin(Erasure), []string{"email"})
	m := shopMap(t, lines...)
	m.Datasets[0].Schema = "other"
	schema, _ := Compile(m, Builtin(Access), []string{"email"})
	for _, p := range []*Plan{other, erase, schema} {
		if p.Digest == base.Digest {
			t.Errorf("expected another digest of %s by %v", p.Kind, p.Identities)
		}
	}
}

// The example's plans, as a person reads them.
func TestExamplePlans(t *testing.T) {
	t.Parallel()
	m := example(t)
	for _, c := range []struct {
		kind Kind
		by   []string
		file string
	}{
		{Erasure, []string{"email", "phone"}, "erasure-email-phone.txt"},
		{Access, []string{"email"}, "access-email.txt"},
		{Export, []string{"email"}, "export-email.txt"},
		{Erasure, []string{"visitor"}, "erasure-visitor.txt"},
	} {
		p, err := Compile(m, Builtin(c.kind), c.by)
		if err != nil {
			t.Fatalf("expected a plan for %s by %v, got %v", c.kind, c.by, err)
		}
		path := "testdata/" + c.file
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(p.Text()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), p.Text()); diff != "" {
			t.Errorf("expected the plan of %s; if the change is meant, run with UPDATE=1 (-want +got):\n%s", path, diff)
		}
		if _, err := p.JSON(); err != nil {
			t.Errorf("expected JSON of the plan, got %v", err)
		}
	}
}

func example(t testing.TB) *Map {
	t.Helper()
	const path = "../../examples/livechat/datamap.yaml"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, problems := Parse([]File{{Name: "datamap.yaml", Data: data}}, ParseOptions{Sources: []string{"livechat", "files"}})
	if len(problems) > 0 {
		t.Fatalf("expected the example without a warning, got %v", problems)
	}
	if gaps := Gaps(m); len(gaps) > 0 {
		t.Fatalf("expected the example to say all that letters need, got %v", gaps)
	}
	return m
}

// The plan of an erasure says which rows a law keeps, and where rows go though
// what they belong to is kept.
func TestPlanTellsWhatIsKept(t *testing.T) {
	t.Parallel()
	const text = `dataset:
- fides_key: shop
  collections:
  - name: people
    fides_meta: {masking_strategy_override: {strategy: delete}}
    fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}]
  - name: bills
    lethe: {keep: {for: P10Y, from: paid, where: {state: [paid, ~]}, because: tax law}}
    fides_meta: {masking_strategy_override: {strategy: delete}}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
    - {name: paid}
    - {name: state}
  - name: lines
    LETHE
    fides_meta: {masking_strategy_override: {strategy: delete}}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: bill, fides_meta: {references: [{dataset: shop, field: bills.id, direction: from}]}}
    - {name: what, data_categories: [user.content]}
`
	for lethe, want := range map[string]string{
		"description: x":              "also those of kept rows of shop.bills (keep: {with: bill} keeps them)",
		"lethe: {keep: {with: bill}}": "but keep with the rows of shop.bills whose state is paid or empty, P10Y from paid: tax law",
	} {
		m, problems := parseText(t, ParseOptions{}, strings.Replace(text, "LETHE", lethe, 1))
		if m == nil {
			t.Fatal(problems)
		}
		p, err := Compile(m, Builtin(Erasure), []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Text(); !strings.Contains(got, want) || !strings.Contains(got, "but keep those whose state is paid or empty, P10Y from paid: tax law") {
			t.Errorf("expected the plan to say %q, got\n%s", want, got)
		}
	}
}
