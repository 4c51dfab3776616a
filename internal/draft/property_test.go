package draft_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// Whatever tables are called and however they hang together, the draft is a map
// that Lethe accepts, and an update has nothing to add to it.
func TestPropertyDraftIsAccepted(t *testing.T) {
	t.Parallel()
	tables := []string{"customers", "payments", "orders", "order_items", "reviews", "users", "staff", "user_emails", "addresses", "Kunden: alle", "account_user", "sales_agents", "on"}
	columns := []string{
		"id", "customer_id", "payment_id", "order_id", "item_id", "review_id", "user_id", "staff_id", "address_id", "agent_id", "parent_id", "root_id", "owner_id",
		"email", "from_email", "name", "payer", "country", "phone", "birthday", "file_path", "profile", "naïve \"q\" \\", "true", "reply_to_user_id", "parent_order_id",
	}
	types := []string{"integer", "bigint", "uuid", "text", "character varying", "character", "jsonb", "date", "inet", "text[]", "hstore", "boolean"}
	rapid.Check(t, func(t *rapid.T) {
		db := &draft.Database{Path: []string{"public"}}
		for _, schema := range []string{"billing", "public"} {
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(tables), 1, 8, rapid.ID).Draw(t, "tables") {
				one := &draft.Table{Schema: schema, Name: name, Kind: rapid.SampledFrom([]string{"table", "table", "table", "view"}).Draw(t, "kind")}
				names := rapid.SliceOfNDistinct(rapid.SampledFrom(columns), 1, 8, rapid.ID).Draw(t, "columns")
				names = append(names, "tenant")
				for _, c := range names {
					typ := rapid.SampledFrom(types).Draw(t, "type")
					if c == "tenant" || rapid.Bool().Draw(t, "a number") {
						typ = "integer"
					}
					col := &draft.Column{Name: c, Type: typ, Class: draft.ClassOf(typ), NotNull: rapid.Bool().Draw(t, "not null"), Generated: rapid.IntRange(0, 9).Draw(t, "generated") == 0}
					if col.Class == draft.Text {
						col.Length = rapid.SampledFrom([]int{0, 0, 1, 2, 5, 6, 15, 20, 21, 40}).Draw(t, "length")
					}
					if typ == "jsonb" {
						col.LookInside([]string{`{"email": "a@x.example", "customer": {"name": "A", "on": [1]}, "note": null}`}, today)
					}
					one.Columns = append(one.Columns, col)
				}
				if one.Kind == "table" {
					one.Key = rapid.SampledFrom([][]string{nil, names[:1], {"tenant", names[0]}}).Draw(t, "key")
					if rapid.Bool().Draw(t, "unique") {
						one.Unique = [][]string{{rapid.SampledFrom(names).Draw(t, "unique column")}}
					}
				}
				db.Tables = append(db.Tables, one)
			}
		}
		// Foreign keys of one column, or of one with the tenant; also to one's own table.
		for _, child := range db.Tables {
			for _, c := range child.Columns[:len(child.Columns)-1] {
				parent := rapid.SampledFrom(db.Tables).Draw(t, "parent")
				if child.Kind != "table" || len(parent.Key) == 0 || rapid.Bool().Draw(t, "none") {
					continue
				}
				if len(parent.Key) == 2 && slices.Contains(child.Key, c.Name) {
					continue // a key that is part of a composite link, to which others point twice, is more than all_of can say
				}
				key := draft.ForeignKey{Columns: []string{c.Name}, Schema: parent.Schema, Table: parent.Name, References: parent.Key}
				if len(parent.Key) == 2 {
					key.Columns = []string{"tenant", c.Name}
				}
				child.Links = append(child.Links, key)
			}
		}
		o := draft.Options{Source: "shop", New: "2026-11-24"}
		d := draft.Make(db, o)
		data, err := d.Map(datamap.ParseOptions{})
		if err != nil {
			t.Fatalf("expected the draft to be accepted: %v\n%s", err, d.YAML())
		}
		files := []datamap.File{{Name: "map.yaml", Data: data}}
		m, _ := datamap.Parse(files, datamap.ParseOptions{})
		u, err := draft.Renew(db, m, files, o, datamap.ParseOptions{})
		if err != nil || len(u.Added) > 0 {
			t.Fatalf("expected an update to have nothing to add: %v, %+v\n%s", err, u, data)
		}
	})
}
