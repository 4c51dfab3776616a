package draft_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/draft"
)

var today = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// A key that is made of the rules' own words is told from its first document on,
// another where many documents have it; what may be a value is told never.
func TestLookInside(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		documents []string
		told      []string
		hidden    int
	}{
		"known words":         {[]string{`{"billing_address": {"zip": "1"}, "mara": 1, "mara_email": "m@x.example"}`}, []string{"billing_address", "billing_address.zip"}, 1},
		"common":              {[]string{`{"fld": 1}`, `{"fld": 2}`, `{"fld": null}`, `{"odo": 1}`}, []string{"fld"}, 0},
		"twice only":          {[]string{`{"fld": 1}`, `{"fld": 2}`}, nil, 0},
		"of few":              {slices.Concat(repeat(`{"odo": "o@x.example"}`, 3), repeat(`{}`, 10)), nil, 3},
		"an address as a key": {repeat(`{"o@x.example": 1, "Lemon Row 4, Bergen": 2, "192.0.2.1": 3}`, 5), nil, 0},
		"arrays, cut off":     {repeat(`[{"email": "o@x.example"}, {"phone": "1", "emai`, 3), []string{"email", "phone"}, 0},
		"no documents":        {[]string{`"text"`, `1`, `null`, ``, `{`, `}`, `[]`, "{\"q\": \"\xff\"}"}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &draft.Column{Name: "data", Type: "jsonb", Class: draft.JSON}
			c.LookInside(one.documents, today)
			var told []string
			var walk func(prefix string, list []*draft.Column)
			walk = func(prefix string, list []*draft.Column) {
				for _, in := range list {
					told = append(told, prefix+in.Name)
					walk(prefix+in.Name+".", in.Inside)
				}
			}
			walk("", c.Inside)
			if fmt.Sprint(told) != fmt.Sprint(one.told) || c.Hidden != one.hidden {
				t.Errorf("expected the keys %v and %d hidden addresses, got %v and %d", one.told, one.hidden, told, c.Hidden)
			}
		})
	}
}

func repeat(document string, n int) []string {
	return slices.Repeat([]string{document}, n)
}

// Some libraries store JSON in a column of text. A word put there would be no JSON,
// over which the program fails that reads the row; and an address inside is one.
func TestDocumentsInText(t *testing.T) {
	t.Parallel()
	customers, orders := table("customers", "id integer", "email text"), table("orders", "id integer", "customer_id integer")
	orders.Links = []draft.ForeignKey{{Columns: []string{"customer_id"}, Schema: "public", Table: "customers", References: []string{"id"}}}
	for name, values := range map[string][]string{
		"shipping_address": {`{"fullName": "Ada Byron", "city": "Brno"}`, `{}`, `{"fullName": "Ben Ale", "city": "Pra`}, // cut off
		"notes":            {`["call first"]`, `[]`, `[{"at": 1}]`},
		"metadata":         {`{"public": {"email": "ada@x.example"}}`, `{"public": {"email": "ben@x.example"}}`, `{"public": 1}`},
		"contact":          {`{"phone": "+420 601 111 222"}`, `{"phone": "+420 601 111 333"}`, `{"phone": null}`},
		"options":          {`{"wrap": true}`, `{"wrap": false}`, `{}`},
		"comment":          {`[sic] so she wrote`, `{see above}`, `[1] and more`},
	} {
		c := &draft.Column{Name: name, Type: "text", Class: draft.Text, NotNull: true, Contents: draft.Look(values, today)}
		c.LookInside(values, today)
		orders.Columns = append(orders.Columns, c)
	}
	got := map[string]*draft.Field{}
	for _, c := range draft.Make(&draft.Database{Tables: []*draft.Table{customers, orders}}, draft.Options{Source: "shop"}).Collections {
		for _, f := range c.Fields {
			got[f.Column.Name] = f
		}
	}
	for name, want := range map[string][2]string{
		"shipping_address": {"user.contact.address.street", "{}"}, "notes": {"user.content.private", "[]"}, "metadata": {"user.content.private", "{}"},
		"contact": {"user.content.private", "{}"}, "options": {"system.operations", ""}, "comment": {"user.content.private", "erased"},
	} {
		if f := got[name]; f.Category != want[0] || f.Value != want[1] || len(f.Inside) > 0 {
			t.Errorf("expected %s to be %q, masked by %q as a whole, got %q, %q (%q)", name, want[0], want[1], f.Category, f.Value, f.Why)
		}
	}
}
