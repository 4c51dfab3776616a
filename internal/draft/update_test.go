package draft_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

func table(name string, columns ...string) *draft.Table {
	t := &draft.Table{Schema: "public", Name: name, Kind: "table", Rows: 40}
	for _, c := range columns {
		name, typ, _ := strings.Cut(c, " ")
		t.Columns = append(t.Columns, &draft.Column{Name: name, Type: typ, Class: draft.ClassOf(typ)})
	}
	t.Key, t.Columns[0].NotNull = []string{t.Columns[0].Name}, true
	return t
}

func shop(more ...*draft.Table) *draft.Database {
	orders := table("orders", "id integer", "customer_id integer", "note text")
	orders.Links = []draft.ForeignKey{{Columns: []string{"customer_id"}, Schema: "public", Table: "customers", References: []string{"id"}}}
	return &draft.Database{Path: []string{"public"}, Tables: append([]*draft.Table{
		table("customers", "id integer", "email text", "birthday date"), orders,
	}, more...)}
}

// renew updates a map of one or several files, and parses what comes of it.
func renew(t *testing.T, db *draft.Database, files ...string) (*draft.Update, []string, *datamap.Map) {
	t.Helper()
	var list []datamap.File
	for i, text := range files {
		list = append(list, datamap.File{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	m, problems := datamap.Parse(list, datamap.ParseOptions{})
	if m == nil {
		t.Fatalf("expected the map to be accepted: %v", problems)
	}
	o := draft.Options{Source: "shop", New: "2026-11-24"}
	u, err := draft.Renew(db, m, list, o, datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range u.Files {
		list[slices.IndexFunc(list, func(l datamap.File) bool { return l.Name == f.Name })] = f
	}
	after, problems := datamap.Parse(list, datamap.ParseOptions{})
	if after == nil {
		t.Fatalf("expected the updated map to be accepted: %v\n%s", problems, list)
	}
	again, err := draft.Renew(db, after, list, o, datamap.ParseOptions{})
	if err != nil || len(again.Added) > 0 || len(again.Files) > 0 {
		t.Errorf("expected a second update to change nothing, got %+v, %v", again, err)
	}
	var texts []string
	for _, f := range list {
		texts = append(texts, string(f.Data))
	}
	return u, texts, after
}

func added(u *draft.Update) string {
	var names []string
	for _, a := range u.Added {
		names = append(names, strings.TrimSuffix(a.Collection+"."+a.Field, "."))
	}
	return strings.Join(names, " ")
}

// What is left out on purpose does not come back; what is new does, behind what
// people wrote; what is gone is told.
func TestUpdateHeedsWhatPeopleWrote(t *testing.T) {
	t.Parallel()
	const text = `# ours
dataset:
  - fides_key: shop
    lethe: {draft: {ignore: [customers.birthday, logs]}}
    collections:
      - name: customers   # the people
        description: |
          first

          # not a comment
        fields:
          - {name: email, fides_meta: {identity: email}, data_categories: [user.contact.email]}
          - name: id
            fides_meta: {primary_key: true}
          # - name: birthday

  # the end
`
	legacy := strings.Replace(text, "  # the end", "      - {name: legacy, fields: [{name: id, fides_meta: {primary_key: true}}]}\n  # the end", 1)
	u, now, m := renew(t, shop(table("logs", "id integer", "at text")), legacy)
	if added(u) != "shop.orders" {
		t.Fatalf("expected orders alone to be added, got %s", added(u))
	}
	if len(u.Gone) != 1 || u.Gone[0].Collection != "shop.legacy" || u.Gone[0].Pos.Line != 17 {
		t.Errorf("expected legacy to be told as gone, with its place, got %+v", u.Gone)
	}
	head, tail, _ := strings.Cut(legacy, "  # the end\n")
	if !strings.HasPrefix(now[0], head) || !strings.HasSuffix(now[0], "  # the end\n"+tail) {
		t.Errorf("expected every byte that was there to be there:\n%s", now[0])
	}
	for _, line := range []string{"      # New 2026-11-24.\n", "references: [{dataset: shop, field: customers.id, direction: from}]"} {
		if !strings.Contains(now[0], line) {
			t.Errorf("expected %q in\n%s", line, now[0])
		}
	}
	if !slices.Contains(datamap.Reach(m)["email"], "shop.orders") {
		t.Errorf("expected the new collection to be reached, the way is\n%s", now[0])
	}
	if _, windows, _ := renew(t, shop(table("logs", "id integer", "at text")), strings.ReplaceAll(legacy, "\n", "\r\n")); windows[0] != strings.ReplaceAll(now[0], "\n", "\r\n") {
		t.Errorf("expected the same with the ends of lines that Windows writes:\n%q", windows[0])
	}
	u, now, _ = renew(t, shop(), strings.Replace(text, "customers.birthday, logs", "orders", 1))
	want := "          # - name: birthday\n          - name: birthday  # new 2026-11-24; "
	if added(u) != "shop.customers.birthday" || !strings.Contains(now[0], want) {
		t.Errorf("expected the column behind the comment of its list, got %s\n%s", added(u), now[0])
	}
}

// Lists in brackets, on one line or many, with a comma or a comment at their end.
func TestUpdateOfLists(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one line":     "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]\n",
		"comma":        "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields: [\n      {name: id, fides_meta: {primary_key: true}},\n      {name: email, fides_meta: {identity: email}},\n    ]\n",
		"comment":      "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields: [\n      {name: id, fides_meta: {primary_key: true}},\n      {name: email, fides_meta: {identity: email}} # theirs\n    ]\n",
		"both":         "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields: [\n      {name: id, fides_meta: {primary_key: true}},\n      {name: email, fides_meta: {identity: email}}, # theirs\n    ]\n",
		"all brackets": `dataset: [{fides_key: shop, collections: [{name: customers, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]}]}]`,
		"accents":      "dataset: [{fides_key: shop, name: Škoda žluť, collections: [{name: customers, description: Příšerně, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]}]}]\n",
		"no end":       "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, fides_meta: {identity: email}}",
		"dash alone":   "dataset:\n  -\n    fides_key: shop\n    collections:\n      -\n        fields:\n          -\n            name: id\n            fides_meta: {primary_key: true}\n          -\n            name: email\n            fides_meta: {identity: email}\n        name: customers\n",
		"fields first": "dataset:\n- collections:\n  - fields:\n    - name: id\n      fides_meta: {primary_key: true}\n    - name: email\n      fides_meta: {identity: email}\n    name: customers\n    description: >-\n      folded\n      text\n  fides_key: shop\n",
		"two documents": "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, fides_meta: {identity: email}}\n---\n" +
			"data_category:\n- fides_key: user.shoe\n",
	} {
		for _, windows := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				text := text
				if windows {
					text = strings.ReplaceAll(text, "\n", "\r\n")
				}
				u, now, m := renew(t, shop(), text)
				if added(u) != "shop.customers.birthday shop.orders" {
					t.Errorf("expected the column and the table, got %s", added(u))
				}
				if windows && strings.Contains(text, "\n") && strings.Count(now[0], "\n") != strings.Count(now[0], "\r\n") {
					t.Errorf("expected the ends of lines to be as they were: %q", now[0])
				}
				if !slices.Contains(datamap.Reach(m)["email"], "shop.orders") {
					t.Errorf("expected orders to be reached\n%s", now[0])
				}
			})
		}
	}
}

// A list that several tables share by an alias is not added to: the others would
// get the column, too.
func TestUpdateLeavesAliasesAlone(t *testing.T) {
	t.Parallel()
	for name, orders := range map[string]string{"shared list": "fields: *all", "shared item": "fields: [*id]"} {
		text := "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields: &all\n    - &id {name: id, fides_meta: {primary_key: true}}\n" +
			"    - {name: email, fides_meta: {identity: email}}\n    - {name: birthday, data_categories: [user]}\n  - name: orders\n    " + orders + "\n"
		list := []datamap.File{{Name: "a.yaml", Data: []byte(text)}}
		m, problems := datamap.Parse(list, datamap.ParseOptions{})
		if m == nil {
			t.Fatalf("%s: expected the map to be accepted: %v", name, problems)
		}
		u, err := draft.Renew(shop(), m, list, draft.Options{Source: "shop", New: "2026-11-24"}, datamap.ParseOptions{})
		switch shared := name == "shared list"; {
		case shared && (err == nil || !strings.Contains(err.Error(), "a list stands behind an alias") || !strings.Contains(err.Error(), "shop.orders.customer_id")):
			t.Errorf("%s: expected to be told what to add by hand, got %v, %v", name, added(u), err)
		case !shared && (err != nil || added(u) != "shop.orders.customer_id shop.orders.note"):
			t.Errorf("%s: expected the columns of orders, got %v", name, err)
		}
	}
}

// A map in several files: what is new goes to the file that has its schema's
// tables; a schema of its own behind the last dataset of the source.
func TestUpdateOfSeveralFiles(t *testing.T) {
	t.Parallel()
	crm := table("leads", "id integer", "email text")
	crm.Schema = "crm"
	u, now, m := renew(t, shop(crm),
		"dataset:\n- fides_key: other\n  collections:\n  - {name: x, fields: [{name: id, fides_meta: {primary_key: true}}]}\n",
		"dataset:\n- fides_key: shop\n  collections:\n  - {name: customers, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email}, {name: birthday}]}\n")
	if len(u.Files) != 1 || u.Files[0].Name != "b.yaml" || added(u) != "shop_crm.leads shop.orders" {
		t.Fatalf("expected the source's file alone to change, got %s in %+v", added(u), u.Files)
	}
	if d := m.Datasets[len(m.Datasets)-1]; d.Key != "shop_crm" || d.Schema != "crm" || d.Source != "shop" {
		t.Errorf("expected a dataset of the new schema, got %+v\n%s", d, now[1])
	}
	list := []datamap.File{{Name: "a.yaml", Data: []byte(now[0])}}
	m, _ = datamap.Parse(list, datamap.ParseOptions{})
	if _, err := draft.Renew(shop(), m, list, draft.Options{Source: "shop"}, datamap.ParseOptions{}); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("expected a sentence that says how a source begins, got %v", err)
	}
}

// A table that written ones point to is tied at its own end; columns of a key
// that must match together are left to a person where both ends are written.
func TestUpdateTiesToWhatIsWritten(t *testing.T) {
	t.Parallel()
	orders := table("orders", "id integer", "customer_id integer", "address_id integer")
	orders.Links = []draft.ForeignKey{{Columns: []string{"address_id"}, Schema: "public", Table: "addresses", References: []string{"id"}}}
	lines := table("lines", "id integer", "tenant integer", "nr integer")
	bills := table("bills", "tenant integer", "nr integer", "customer_id integer")
	bills.Key, bills.Columns[1].NotNull = []string{"tenant", "nr"}, true
	lines.Links = []draft.ForeignKey{{Columns: []string{"tenant", "nr"}, Schema: "public", Table: "bills", References: []string{"tenant", "nr"}}}
	db := &draft.Database{Path: []string{"public"}, Tables: []*draft.Table{
		table("addresses", "id integer", "street text", "city text"), bills, table("customers", "id integer", "email text"), lines, orders,
	}}
	const text = `dataset:
- fides_key: shop
  collections:
  - {name: customers, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, fides_meta: {identity: email}}]}
  - name: orders
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: customer_id, fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
    - {name: address_id}
`
	const written = `  - name: bills
    fields:
    - {name: tenant, fides_meta: {primary_key: true}}
    - {name: nr, fides_meta: {primary_key: true}}
    - {name: customer_id, fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
`
	_, now, m := renew(t, db, text)
	for _, name := range []string{"shop.addresses", "shop.bills", "shop.lines"} {
		if !slices.Contains(datamap.Reach(m)["email"], name) {
			t.Errorf("expected %s to be reached\n%s", name, now[0])
		}
	}
	if !strings.Contains(now[0], "{dataset: shop, field: orders.address_id, direction: from}") {
		t.Errorf("expected the address to be tied at its own end\n%s", now[0])
	}
	if _, now, m = renew(t, db, text+written); !strings.Contains(now[0], "all_of: [tenant, nr]") || !slices.Contains(datamap.Reach(m)["email"], "shop.lines") {
		t.Errorf("expected lines to be tied by both columns\n%s", now[0])
	}
	if _, now, m = renew(t, db, text+"  - name: lines\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: tenant}\n    - {name: nr}\n"); !strings.Contains(now[0], "all_of: [tenant, nr]") ||
		!slices.Contains(datamap.Reach(m)["email"], "shop.lines") {
		t.Errorf("expected bills to be tied by both columns at their own end\n%s", now[0])
	}
	u, now, _ := renew(t, db, text+written+"  - name: lines\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: tenant}\n")
	if strings.Contains(now[0], "bills.nr") || !slices.ContainsFunc(u.Notes, func(n string) bool { return strings.Contains(n, "public.lines (tenant, nr)") }) {
		t.Errorf("expected half a key to be left to a person, who is told: %v\n%s", u.Notes, now[0])
	}
}
