package draft_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// link adds foreign keys to a table: "user_id users".
func link(t *draft.Table, keys ...string) *draft.Table {
	for _, k := range keys {
		column, to, _ := strings.Cut(k, " ")
		t.Links = append(t.Links, draft.ForeignKey{Columns: []string{column}, Schema: "public", Table: to, References: []string{"id"}})
	}
	return t
}

// drafted is a first map of tables, read again.
func drafted(t *testing.T, tables ...*draft.Table) string {
	t.Helper()
	data, err := draft.Make(&draft.Database{Tables: tables}, draft.Options{Source: "desk"}).Map(datamap.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// expectDraft drafts a map and looks for what it says, and does not.
func expectDraft(t *testing.T, tables []*draft.Table, said, not []string) {
	t.Helper()
	data := drafted(t, tables...)
	for _, want := range said {
		if !strings.Contains(data, want) {
			t.Errorf("expected the draft to say %q\n%s", want, data)
		}
	}
	for _, other := range not {
		if strings.Contains(data, other) {
			t.Errorf("expected the draft not to say %q\n%s", other, data)
		}
	}
}

// Business software notes in each row who made it and who changed it last: that is
// whoever sat at the desk, and their request is none for everybody's rows. Accounts
// hold no addresses of their own there, and name the table of persons that does.
func TestDraftOfWhoMadeAndChangedRows(t *testing.T) {
	t.Parallel()
	stamp := []string{"create_uid integer", "write_uid integer"}
	stamped := func(name string, columns ...string) *draft.Table {
		return link(table(name, append(append([]string{"id integer"}, columns...), stamp...)...), "create_uid res_users", "write_uid res_users")
	}
	partners := link(stamped("res_partner", "name text", "complete_name text", "email text", "phone text", "user_id integer", "company_id integer"), "user_id res_users", "company_id res_company")
	users := link(table("res_users", "id integer", "login text", "partner_id integer"), "partner_id res_partner")
	blocked := stamped("mail_blacklist", "email text")
	blocked.Unique = [][]string{{"email"}}
	orders := link(stamped("leads", "partner_id integer", "salesman_id integer", "company_id integer", "note text"), "partner_id res_partner", "salesman_id res_users", "company_id res_company")
	company := link(stamped("res_company", "name text", "partner_id integer"), "partner_id res_partner")
	expectDraft(t, []*draft.Table{partners, users, blocked, orders, company, stamped("config_parameter", "value text")}, []string{
		"# An erasure deletes the rows: only the person's.\n      - name: leads\n",
		"# An erasure deletes the rows: only the person's.\n      - name: mail_blacklist\n",
		"# No identity leads here.\n      - name: config_parameter\n",
		"- name: salesman_id  # res_users.id is not followed: names who dealt with the row",
		"- name: user_id  # res_users.id is not followed: names somebody else's res_users: one's own names this row",
		"- name: company_id  # res_company.id is not followed: names in whose house the row is",
		"- name: name  # by its name; typed by the person, it seems\n            data_categories: [user.name]", // a table of addresses and telephones holds persons, whatever it is called
		"- name: complete_name  # by its name",
		"{dataset: desk, field: res_partner.id, direction: from}",
	}, []string{"field: res_users.id", "field: res_company.id"})
}

// Where no foreign key is declared, those of other tables say what a column of that name names.
func TestDraftOfKeysDeclaredElsewhere(t *testing.T) {
	t.Parallel()
	persons := table("user_entity", "id text", "email text", "first_name text")
	expectDraft(t, []*draft.Table{
		persons, table("federated_user", "id text", "provider text"), table("federated_identity", "id text", "provider text"),
		link(table("credential", "id text", "user_id text", "parent_id text"), "user_id user_entity", "parent_id credential"),
		table("event_entity", "id text", "user_id text", "ip_address text", "parent_id text"), table("sessions", "id text", "user_id integer"),
	}, []string{
		"- name: user_id  # no foreign key, user_entity as other tables declare it\n",
		"# An erasure deletes the rows: only the person's.\n      - name: event_entity\n",
		"# No identity leads here.\n      - name: sessions\n", // of another type
	}, []string{"federated_user.id", "parent_id  # no foreign key"})
	other := link(table("other", "id text", "user_id text"), "user_id federated_user") // nobody can tell which
	expectDraft(t, []*draft.Table{persons, table("federated_user", "id text"), other, link(table("credential", "id text", "user_id text"), "user_id user_entity"), table("event_entity", "id text", "user_id text")},
		nil, []string{"as other tables declare it"})
}

// Whoever came by somebody's invitation is somebody else. A place in a list is no person.
func TestDraftOfInvitations(t *testing.T) {
	t.Parallel()
	users := link(table("users", "id integer", "email text", "email_hash text", "invite_id integer"), "invite_id invites")
	expectDraft(t, []*draft.Table{users, link(table("invites", "id integer", "user_id integer", "code text"), "user_id users"), link(table("markers", "id integer", "user_id integer", "last_read_id integer"), "user_id users")},
		[]string{
			"- name: invite_id  # invites.id is not followed: names something that is a person's", "{dataset: desk, field: users.id, direction: from}",
			"- name: last_read_id\n",
		}, []string{"field: invites.id", "rows of markers"})
	if said := drafted(t, users); strings.Count(said, "identity: email") != 1 {
		t.Errorf("expected nobody to be found by a hash\n%s", said)
	}
}

// Whom to call if something happens is somebody else, and so is a spouse: no
// request of theirs is one for all that hangs on the employee, with whom their names go.
func TestDraftOfOthersNumbers(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{table("employees", "id integer", "work_email text", "emergency_phone text", "emergency_contact text", "passport_id text", "acc_number text", "spouse_email text", "email_layout text", "login_theme text")},
		[]string{"- name: emergency_phone  # by its name", "- name: emergency_contact  # by its name", "- name: passport_id  # by its name", "- name: acc_number  # by its name", "- name: email_layout\n", "- name: login_theme\n"},
		[]string{"identity: phone"})
}

// What an employee wrote into a customer's file is the customer's. What the house calls a
// department or a workshop owns nobody's rows, nor is its address a person's.
func TestDraftOfStaffAndHouses(t *testing.T) {
	t.Parallel()
	customers := table("customers", "id integer", "email text", "cpr text")
	employees := table("employees", "id integer", "email text", "full_name text")
	workshops := table("workshops", "id integer", "name text", "email text", "phone text")
	claims := link(table("claims", "id integer", "customer_id integer"), "customer_id customers")
	expectDraft(t, []*draft.Table{
		customers, employees, workshops, claims,
		link(table("claim_notes", "id integer", "claim_id integer", "author_id integer", "body text"), "claim_id claims", "author_id employees"),
		link(table("repairs", "id integer", "claim_id integer", "workshop_id integer", "estimate integer"), "claim_id claims", "workshop_id workshops"),
		link(table("payslips", "id integer", "employee_id integer", "amount integer"), "employee_id employees"),
	}, []string{
		"- name: author_id  # employees.id is not followed: names who of the staff wrote the row",
		"- name: cpr  # by its name\n            data_categories: [user.government_id.national_identification_number]",
		"field: employees.id, direction: from",
	}, []string{"owner: author_id", "owner: workshop_id", "field: workshops.id"})
}

// A household with a number of its own is no office: it says where a customer lives, and
// leads to nobody else who lives there.
func TestDraftOfHouseholds(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("households", "id integer", "street text", "phone text"),
		link(table("customers", "id integer", "email text", "household_id integer"), "household_id households"),
	}, []string{"references: [{dataset: desk, field: households.id, direction: to}]"}, []string{"identity: phone"})
}

// Two customers whom a mandate names are staff by their roles' words alone: a person decides.
func TestDraftOfMandates(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("customers", "id integer", "email text"),
		link(table("mandates", "id integer", "grantor_customer_id integer", "agent_customer_id integer"), "grantor_customer_id customers", "agent_customer_id customers"),
		link(table("settings", "id integer", "approved_by_customer_id integer"), "approved_by_customer_id customers"),
	}, []string{"# No identity leads here, but grantor_customer_id names customers:", "# No identity leads here.\n      - name: settings\n"}, nil)
}

// A friend's address leads to no row of whom the friend was told of; a file's name is nobody's.
func TestDraftOfFriendsAndFiles(t *testing.T) {
	t.Parallel()
	entries := table("entries", "id integer", "email text", "friend_email text")
	files := link(table("attachments", "id integer", "entry_id integer", "original_name text"), "entry_id entries")
	files.Columns[2].Contents = draft.Look([]string{"bilag.pdf", "IMG_0001.JPG", "Anna Lund cv.docx"}, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	expectDraft(t, []*draft.Table{entries, files}, []string{"- name: friend_email  # by its name; may be an identity"}, []string{"user.name"})
}

// A column that tells of which table another names rows is told; what only marks
// how far a member has read leads from nobody's message to the member.
func TestDraftOfMarksAndKinds(t *testing.T) {
	t.Parallel()
	users := table("users", "id integer", "email text")
	messages := link(table("messages", "id integer", "user_id integer", "res_model text", "res_id integer", "body text"), "user_id users")
	members := link(table("members", "id integer", "user_id integer", "guest_id integer", "seen_message_id integer"), "user_id users", "guest_id users", "seen_message_id messages")
	channels := table("channels", "id integer", "first_message_id integer", "purpose text") // the first one's writer is not whose channel it is
	expectDraft(t, []*draft.Table{users, messages, members, channels}, []string{
		"# No identity leads here.\n      - name: channels\n",
		"- name: res_id  # res_model may tell of which table it names rows: a reference would take them all",
		"- name: seen_message_id  # messages.id is not followed: tells how far",
	}, []string{"field: messages.id"})
}

// An account kept as a document is personal by the addresses in it, and told where nothing leads there.
func TestDraftTellsOfDocumentsWithAddresses(t *testing.T) {
	t.Parallel()
	accounts := table("accounts", "uid text", "data text")
	accounts.Columns[1].Contents = draft.Look([]string{`{"email":{"value":"a@x.example"}}`, `{"email":{"value":"o'neil@x.example"}}`, `{}`}, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	d := draft.Make(&draft.Database{Tables: []*draft.Table{accounts}}, draft.Options{Source: "cloud"})
	if len(d.Unreached) != 1 || d.Unreached[0] != "public.accounts" {
		t.Errorf("expected the accounts to be told, got %q", d.Unreached)
	}
}

// What is called a model beside a thing's number is the thing's, where a table of such things is there.
func TestAModelOfAThingNamesNoTable(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"),
		link(table("devices", "id integer", "user_id integer", "serial text"), "user_id users"),
		table("visits", "id integer", "device_id integer", "device_model text", "ip text"),
	}, []string{"no foreign key, devices by its name"}, []string{"device_model may tell of which table"})
}
