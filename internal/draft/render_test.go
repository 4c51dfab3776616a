package draft_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// A draft that the parser would refuse is an error with its line, and no file.
func TestDraftThatWouldBeRefused(t *testing.T) {
	t.Parallel()
	d := draft.Make(shop(), draft.Options{Source: "shop"})
	if data, err := d.Map(datamap.ParseOptions{}); err != nil || string(data) != string(d.YAML()) {
		t.Fatalf("expected the draft as it is, got %v", err)
	}
	customers := d.Collections[0]
	customers.Fields[0].References = []draft.Reference{{Parent: customers.Table, Field: "id", Direction: datamap.From}}
	data, err := d.Map(datamap.ParseOptions{})
	if err == nil || data != nil {
		t.Fatal("expected a key that names itself to be refused")
	}
	for _, part := range []string{"shop.customers.id references itself", "{dataset: shop, field: customers.id, direction: from}", "leave the table out"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("expected the error to say %q: %s", part, err)
		}
	}
}

// What opens an account is erased, and not given to whoever gets hold of an archive.
func TestDraftOfSecrets(t *testing.T) {
	t.Parallel()
	users := table("users", "id integer", "email text", "password_digest text")
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "- name: password_digest  # by its name; a secret: it is erased, and not given\n            data_categories: [user.authorization.password]\n            lethe: {redact: true}"
	if !strings.Contains(string(data), want) || strings.Count(string(data), "redact") != 1 {
		t.Errorf("expected the password alone to be left out\n%s", data)
	}
}

// Nobody counts the rows of a view: that they were not is no word about ANALYZE.
func TestDraftOfAViewCountsNothing(t *testing.T) {
	t.Parallel()
	users, view := table("users", "id integer", "email text"), table("paid_orders", "id integer")
	view.Kind, view.Rows = "view", -1
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, view}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "# A view: what it shows lies in tables.") || strings.Contains(string(data), "ANALYZE") {
		t.Errorf("expected the view to be told as one, and nothing of ANALYZE\n%s", data)
	}
}

// A view that shows rows which name a person keeps no row of theirs: the table does, and is walked.
func TestDraftOfAViewThatNamesPersons(t *testing.T) {
	t.Parallel()
	users, orders, view := table("users", "id integer", "email text"), table("reviews", "id integer", "user_id integer", "body text"), table("recent_reviews", "id integer", "user_id integer")
	orders.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
	view.Kind, view.Rows = "view", -1
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, orders, view}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "point here and are not walked") || strings.Count(string(data), "strategy: delete") != 2 {
		t.Errorf("expected users and reviews to be deleted\n%s", data)
	}
}

// A physician's address leads to no patient, an insurer's desk to nobody insured: a
// patient is a person of their own. The account that a patient signs in with is theirs.
func TestDraftOfPersonsThatNamePersons(t *testing.T) {
	t.Parallel()
	doctors, users, insurers := table("doctors", "id integer", "full_name text", "email text"), table("users", "id integer", "email text"), table("insurers", "id integer", "claims_email text")
	residences := table("residences", "id integer", "street text", "city text", "zip text")
	patients := table("patients", "id integer", "email text", "gp_id integer", "doctor_id integer", "user_id integer", "residence_id integer", "insurer_id integer")
	for column, parent := range map[string]string{"gp_id": "doctors", "doctor_id": "doctors", "user_id": "users", "residence_id": "residences", "insurer_id": "insurers"} {
		patients.Links = append(patients.Links, draft.ForeignKey{Columns: []string{column}, Schema: "public", Table: parent, References: []string{"id"}})
	}
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{doctors, users, residences, insurers, patients}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- name: gp_id  # doctors.id is not followed: names somebody else", "- name: doctor_id  # doctors.id is not followed: names somebody else",
		"{dataset: shop, field: users.id, direction: from}", "patients.residence_id names its rows: where they describe the person",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("expected the draft to say %q\n%s", want, data)
		}
	}
	if strings.Contains(string(data), "field: doctors.id") || strings.Contains(string(data), "field: insurers.id") {
		t.Errorf("expected a physician and an insurer to lead to no patient\n%s", data)
	}
}

// Customers and their orders name one another, both with the tenant: of the two
// the one that leads from the customer stays, and the other is told.
func TestDraftOfCompositeKeysInACircle(t *testing.T) {
	t.Parallel()
	customers := table("customers", "tenant integer", "id integer", "email text", "newest integer")
	orders := table("orders", "tenant integer", "id integer", "customer integer")
	customers.Key, orders.Key = []string{"tenant", "id"}, []string{"tenant", "id"}
	customers.Links = []draft.ForeignKey{{Columns: []string{"tenant", "newest"}, Schema: "public", Table: "orders", References: orders.Key}}
	orders.Links = []draft.ForeignKey{{Columns: []string{"tenant", "customer"}, Schema: "public", Table: "customers", References: customers.Key}}
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{customers, orders}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"lethe: {all_of: [tenant, customer]", "- name: newest  # orders.tenant, id is not followed: shares a column with the reference of orders to customers"} {
		if !strings.Contains(string(data), line) {
			t.Errorf("expected the draft to say %q\n%s", line, data)
		}
	}
}

// A token is called value in a table of tokens, a code in one of passcodes; a public
// key opens nothing, and the code of a voucher is none.
func TestDraftOfTablesOfSecrets(t *testing.T) {
	t.Parallel()
	users := table("users", "id integer", "email text")
	db := &draft.Database{Tables: []*draft.Table{users}}
	for name, column := range map[string]string{"personal_access_tokens": "value", "passcodes": "code", "secrets": "ciphertext", "user_passwords": "hash", "webauthn_credentials": "public_key", "vouchers": "code"} {
		of := table(name, "id integer", "user_id integer", column+" text", "name text")
		of.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
		db.Tables = append(db.Tables, of)
	}
	data, err := draft.Make(db, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range []string{"value", "code", "ciphertext"} {
		want := "- name: " + column + "  # by its table's name; a secret: it is erased, and not given\n            data_categories: [user.authorization.credentials]\n            lethe: {redact: true}"
		if strings.Count(string(data), want) != 1 {
			t.Errorf("expected the draft to say once %q\n%s", want, data)
		}
	}
	if want := "- name: hash  # by its table's name; a secret: it is erased, and not given\n            data_categories: [user.authorization.password]\n"; !strings.Contains(string(data), want) {
		t.Errorf("expected the draft to say %q\n%s", want, data)
	}
	if n := strings.Count(string(data), "redact: true"); n != 4 {
		t.Errorf("expected four columns to be left out, got %d\n%s", n, data)
	}
}

// (tenant_id, user_id) beside user_id names the same person: the row is theirs
// alone, and goes with them.
func TestDraftOfKeysSaidTwice(t *testing.T) {
	t.Parallel()
	users, members := table("users", "tenant_id text", "id text", "email text"), table("members", "tenant_id text", "team_id text", "user_id text")
	users.Key, users.Unique, members.Key = []string{"id"}, [][]string{{"tenant_id", "id"}}, []string{"tenant_id", "team_id", "user_id"}
	members.Links = []draft.ForeignKey{
		{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}},
		{Columns: []string{"tenant_id", "user_id"}, Schema: "public", Table: "users", References: []string{"tenant_id", "id"}},
	}
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, members}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "# An erasure deletes the rows: only the person's.\n      - name: members\n"; !strings.Contains(string(data), want) {
		t.Errorf("expected the draft to say %q\n%s", want, data)
	}
}

// A ticket that two persons share is masked, and so is what hangs on it: what the one
// wrote goes with the one alone, and a watch or a file of the ticket with neither.
func TestDraftOfWhatHangsOnSharedRows(t *testing.T) {
	t.Parallel()
	users, tickets := table("users", "id integer", "email text"), table("tickets", "id integer", "requester_id integer", "contact_id integer", "subject text")
	files, pieces := table("files", "id integer", "ticket_id integer", "note text"), table("pieces", "id integer", "file_id integer", "note text")
	replies, settings := table("replies", "id integer", "ticket_id integer", "author_id integer", "body text"), table("user_settings", "id integer", "user_id integer", "value text")
	calls := table("calls", "id integer", "user_no integer", "logged_user integer", "note text")
	marks := table("marks", "id integer", "changed_by integer", "value text")
	link := func(of *draft.Table, column, to string) {
		of.Links = append(of.Links, draft.ForeignKey{Columns: []string{column}, Schema: "public", Table: to, References: []string{"id"}})
	}
	link(tickets, "requester_id", "users")
	link(tickets, "contact_id", "users")
	link(files, "ticket_id", "tickets")
	link(pieces, "file_id", "files")
	link(replies, "ticket_id", "tickets")
	link(replies, "author_id", "users")
	link(settings, "user_id", "users")
	link(calls, "user_no", "users")
	link(calls, "logged_user", "users")
	link(marks, "changed_by", "users")
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, tickets, files, pieces, replies, settings, calls, marks}}, draft.Options{Source: "desk"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# An erasure masks the rows: several persons may have a share in one row.\n      # Those that rows of others in replies name are shared and stay: lethe: {shared: erase} takes them, too, and without strategy: delete masks them.\n      - name: tickets\n",
		"# An erasure masks the rows: they hang on rows of tickets, in which several persons may have a share.\n      - name: files\n",
		"# An erasure masks the rows: they hang on rows of files, in which several persons may have a share.\n      - name: pieces\n",
		"# An erasure deletes the rows: only the person's.\n      - name: replies\n", "lethe: {owner: author_id}",
		"# An erasure deletes the rows: only the person's.\n      - name: user_settings\n",
		"# An erasure deletes the rows: only the person's.\n      - name: calls\n",
		"# No identity leads here.\n      - name: marks\n", // who changed a row last is not whom it is about
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("expected the draft to say %q\n%s", want, data)
		}
	}
}

// In an address book stand others than its owner: a request of theirs finds the row
// by their address, and the comment does not say that it is one person's.
func TestDraftOfAddressBooks(t *testing.T) {
	t.Parallel()
	users, book := table("users", "id integer", "email text"), table("collected_addresses", "id integer", "user_id integer", "email text")
	book.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, book}}, draft.Options{Source: "mail"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "# An erasure deletes the rows: the person's, and those that hold their address, whoever user_id names (an address book's: take identity away where they are their owner's alone).\n      - name: collected_addresses\n"
	if !strings.Contains(string(data), want) {
		t.Errorf("expected the draft to say %q\n%s", want, data)
	}
}

// Text in which addresses stand is personal, whatever its column is called, and a
// table of such texts is told where nothing leads to it. An address with something
// before or behind it is no identity, since no request would find it.
func TestDraftOfTextThatHoldsAddresses(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	look := func(values ...string) draft.Contents { return draft.Look(values, today) }
	users, events, mails := table("users", "id integer", "email text", "homephone text"), table("events", "id integer", "user_id integer", "ical text", "attendee text", "colour text"),
		table("mails", "id integer", "headers text", "content text")
	users.Columns[1].Contents = look("a@x.example", "b@x.example, c@x.example", "d@x.example")
	events.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
	events.Columns[2].Contents = look("BEGIN:VEVENT\nOWNER:mailto:a@x.example", "BEGIN:VEVENT\nATTENDEE:mailto:b@x.example", "BEGIN:VEVENT")
	events.Columns[3].Contents = look("mailto:a@x.example", "mailto:b@x.example", "c@chat.example/phone")
	events.Columns[4].Contents = look("red", "green", "blue")
	mails.Columns[1].Contents = look("From: a@x.example", "From: b@x.example", "Subject: none")
	d := draft.Make(&draft.Database{Tables: []*draft.Table{users, events, mails}}, draft.Options{Source: "desk"})
	data, err := d.Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- name: ical  # mail addresses stand in 2 of 3 sampled values\n            data_categories: [user.content.private]\n",
		"- name: attendee  # mail addresses stand in 3 of 3 sampled values\n            data_categories: [user.content.private]\n",
		"- name: colour\n            data_categories: [system.operations]\n",
		"1 of 3 sampled values hold more than a bare address (a name, a second address), and no request finds them by it",
		"- name: homephone  # by its name",
		"# Looks personal, and nothing leads here: give it an identity or a reference, and take skip_processing away.\n      - name: mails\n",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("expected the draft to say %q\n%s", want, data)
		}
	}
	if len(d.Unreached) != 1 || d.Unreached[0] != "public.mails" {
		t.Errorf("expected the mails to be told, got %q", d.Unreached)
	}
}

// The key of a table of sessions is what signs in, and so is what names its rows.
func TestDraftOfKeysThatAreSecrets(t *testing.T) {
	t.Parallel()
	users, sessions, hits := table("users", "id integer", "email text"), table("sessions", "token text", "user_id integer"), table("hits", "id integer", "session_token text")
	sessions.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
	hits.Links = []draft.ForeignKey{{Columns: []string{"session_token"}, Schema: "public", Table: "sessions", References: []string{"token"}}}
	data, err := draft.Make(&draft.Database{Tables: []*draft.Table{users, sessions, hits}}, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const secret = "a secret: it is not given\n            data_categories: [user.authorization.credentials]\n            lethe: {redact: true}\n            fides_meta: {"
	for _, want := range []string{"- name: token  # by its name; " + secret + "primary_key: true}", "- name: session_token  # holds sessions.token; " + secret + "references:"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("expected the draft to say %q\n%s", want, data)
		}
	}
}

// A column by which most tables name one of a table of organisations may part their
// people: the draft says how, since a request would reach all of them.
func TestDraftTellsOfTenants(t *testing.T) {
	t.Parallel()
	for parts, want := range map[int]bool{3: true, 2: false} {
		users := table("users", "id integer", "email text")
		db := &draft.Database{Tables: []*draft.Table{table("tenants", "id integer", "name text"), users}}
		for i, name := range []string{"devices", "logins", "notes"} {
			of := table(name, "id integer", "tenant_id integer", "user_id integer")
			of.Links = []draft.ForeignKey{{Columns: []string{"user_id"}, Schema: "public", Table: "users", References: []string{"id"}}}
			if i < parts {
				of.Columns[1].NotNull = true
				of.Links = append(of.Links, draft.ForeignKey{Columns: []string{"tenant_id"}, Schema: "public", Table: "tenants", References: []string{"id"}})
			}
			db.Tables = append(db.Tables, of)
		}
		data, err := draft.Make(db, draft.Options{Source: "shop"}).Map(datamap.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Contains(string(data), "# tenant_id names a row of public.tenants in 3 of the 4 tables that are walked.") && strings.Contains(string(data), "write lethe: {controller: tenant_id} on the tables")
		if said != want {
			t.Errorf("with %d tables of 4: expected the tenants to be told: %t\n%s", parts, want, data)
		}
	}
}
