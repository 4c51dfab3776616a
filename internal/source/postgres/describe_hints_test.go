package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// What a draft cannot decide it says beside the column, with what to write.
// What people type themselves is provided by them.
func TestDraftSuggests(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE customers (id int PRIMARY KEY, email text, full_name text, phone text, city text, last_ip inet, password_hash text, note text);
		CREATE TABLE tickets (id int PRIMARY KEY, customer_id int REFERENCES customers, from_email text, support_email text, subject text);
		CREATE TABLE attachments (id int PRIMARY KEY, ticket_id int REFERENCES tickets, file_name text, file_path text, mime_type text);
		CREATE TABLE payments (id int PRIMARY KEY, customer_id int REFERENCES customers, payer text, payer_name text, recipient_name text, buyer text, holder text, account_holder text,
		  payer_kind text, shipping_city text, company_name text);
		CREATE TABLE photos (id int PRIMARY KEY, customer_id int REFERENCES customers, path text, storage_key text, avatar_url text);
		INSERT INTO customers VALUES (1, 'a@x.example', 'Ada Byron', '+47 22 11 11 11', 'Brno', '192.0.2.1', 'h', 'pays late');
		INSERT INTO payments (id, customer_id, shipping_city, payer) VALUES (1, 1, 'Brno', 'Ada Byron');`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	d := drafted(t, s, "shop", postgres.Describing{Sample: 100})
	fields := map[string]*draft.Field{}
	for _, c := range d.Collections {
		for _, f := range c.Fields {
			fields[c.Table.Name+"."+f.Column.Name] = f
		}
	}
	for _, name := range []string{"payer", "payer_name", "recipient_name", "buyer", "holder", "account_holder"} {
		if got := fields["payments."+name].Category; got != "user.name" {
			t.Errorf("expected %s to be a name, got %q", name, got)
		}
	}
	for name, says := range map[string]string{
		"tickets.from_email": "fides_meta: {identity: email}", "attachments.file_path": "lethe: {object: ", "attachments.file_name": "lethe: {object: ",
		"photos.path": "lethe: {object: ", "photos.storage_key": "lethe: {object: ",
		"tickets.support_email": "", "attachments.mime_type": "", "photos.avatar_url": "", "customers.email": "", "payments.payer_kind": "",
	} {
		why := strings.Join(fields[name].Why, "; ")
		if told := strings.Contains(why, "identity: email") || strings.Contains(why, "object: "); says == "" && told || !strings.Contains(why, says) {
			t.Errorf("expected the comment on %s to say %q, got %q", name, says, why)
		}
	}
	var provided []string
	for name, f := range fields {
		if f.Provided {
			provided = append(provided, name)
		}
	}
	slices.Sort(provided)
	if want := []string{"customers.city", "customers.email", "customers.full_name", "customers.phone", "payments.shipping_city"}; !slices.Equal(provided, want) {
		t.Errorf("expected what people type themselves to be provided by them, %v, got %v", want, provided)
	}
	// On which ground it is processed is for a person to say; then an export is not empty.
	yaml := string(d.YAML())
	if !strings.Contains(yaml, "basis: b") {
		t.Errorf("expected the draft to say that an export wants a basis\n%s", yaml)
	}
	m := mapOf(t, strings.Replace(yaml, "lethe: {source: shop}", "lethe: {source: shop, basis: b}", 1))
	rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Export, "email"), Seeds: seeds("email", "a@x.example")})
	if len(rows["customers"]) != 1 || !slices.Equal(rows["customers"][0].Fields, []string{"id", "email", "full_name", "phone", "city"}) || len(rows["payments"]) != 1 {
		t.Errorf("expected an export of what the person typed, got %+v", rows)
	}
}
