package draft_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/draft"
)

// Whom a row is addressed to stands in columns that begin alike: a name beside the
// street is somebody's, though the table is no person's. What a search index was
// made from is as personal as the text.
func TestDraftOfAddressees(t *testing.T) {
	t.Parallel()
	orders := link(table("orders", "id integer", "user_id integer", "shipping_method_name text", "email text", "phone text", "billing_company_name text"), "user_id users")
	invoices := link(table("invoice", "id integer", "order_id integer", "number text", "invoice_from text", "invoice_to_name text", "invoice_to_company text", "invoice_to_street text",
		"invoice_to_country text", "invoice_to_vat_id text", "venue_name text", "fullmessagehtml text", "messageformat text", "search tsvector", "words tsvector"), "order_id orders")
	invoices.Columns[len(invoices.Columns)-1].NotNull = true
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"), orders, invoices,
		link(table("orderaddress", "id integer", "order_id integer", "name_cached text", "street text", "company text"), "order_id orders"),
	}, []string{
		"- name: invoice_to_name  # by its name\n            data_categories: [user.name]",
		"- name: invoice_to_company  # by its name\n            data_categories: [user.contact.organization]",
		"- name: invoice_to_country  # by its name\n            data_categories: [user.contact.address.country]",
		"- name: invoice_to_vat_id  # by its name\n            data_categories: [user.government_id.national_identification_number]",
		"- name: search  # words of texts, to search by\n            data_categories: [user.content.private]\n",
		"rewrite_value: erased}}}\n",
		"- name: name_cached  # by its name; typed by the person, it seems\n            data_categories: [user.name]",
		"- name: shipping_method_name\n            data_categories: [system.operations]",
		"- name: billing_company_name  # by its name; typed by the person, it seems\n            data_categories: [user.contact.organization]",
		"- name: fullmessagehtml  # by its name\n            data_categories: [user.content.private]", "- name: messageformat\n", "- name: venue_name\n", "- name: number\n            data_categories: [system.operations]",
	}, nil)
}

// The lines of an invoice are as much of the books as the invoice, whatever they are called.
func TestDraftKeepsLinesOfBooks(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"),
		link(table("orders", "id integer", "user_id integer"), "user_id users"),
		link(table("invoices", "id integer", "order_id integer"), "order_id orders"),
		link(table("shop_invoiceline", "id integer", "invoice_id integer", "what text"), "invoice_id invoices"),
		link(table("line_items", "id integer", "order_id integer", "what text"), "order_id orders"),
		link(table("linetaxes", "id integer", "item_id integer", "rate text"), "item_id line_items"),
		link(table("parcels", "id integer", "order_id integer", "note text"), "order_id orders"),
		link(table("wishes", "id integer", "user_id integer"), "user_id users"),
		link(table("wish_items", "id integer", "wish_id integer"), "wish_id wishes"),
	}, []string{
		"# An erasure masks the rows: they hang on rows of invoices, which laws on books and taxes may want kept.\n      - name: shop_invoiceline\n",
		"# An erasure masks the rows: they hang on rows of orders, which laws on books and taxes may want kept.\n      - name: line_items\n",
		"# An erasure masks the rows: they hang on rows of line_items, which laws on books and taxes may want kept.\n      - name: linetaxes\n",
		"# An erasure deletes the rows: only the person's.\n      - name: parcels\n",
		"# An erasure deletes the rows: only the person's.\n      - name: wish_items\n",
	}, nil)
}
