package draft_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/draft"
)

// Who resolved a report, moderated a post or voided a record dealt with the row: a
// moderator's request is none for everybody's reports (Lemmy, OpenMRS).
func TestDraftOfModerators(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("person", "id integer", "email text", "password text"),
		link(table("reports", "id integer", "creator_id integer", "resolver_id integer", "reason text"), "creator_id person", "resolver_id person"),
		link(table("modlog", "id integer", "mod_id integer", "target_person_id integer"), "mod_id person", "target_person_id person"),
		link(table("obs", "id integer", "person_id integer", "voided_by integer", "banned_user_id integer"), "person_id person", "voided_by person", "banned_user_id person"),
	}, []string{
		"# No identity leads here, but creator_id names person: where these are whose rows they are", "- name: reports\n        skip_processing: true",
		"# An erasure deletes the rows: only the person's.\n      - name: modlog\n",
		"- name: mod_id  # person.id is not followed: names who dealt with the row", "- name: voided_by  # person.id is not followed: names who dealt with the row",
		"- name: banned_user_id\n            data_categories: [user.unique_id]\n            fides_meta: {references:", // who was banned is whom it is about
	}, nil)
}

// What a directory or an office is called, and which column of it holds what, says
// of no person whose row it is: accounts that are signed in to by LDAP (Redmine), and
// contacts at a place with a telephone (iDempiere) are their own.
func TestDraftOfPersonsInDirectoriesAndPlaces(t *testing.T) {
	t.Parallel()
	mails := link(table("email_addresses", "id integer", "user_id integer", "address text"), "user_id users")
	mails.Columns[2].Contents = draft.Look([]string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}, time.Now())
	expectDraft(t, []*draft.Table{
		table("auth_sources", "id integer", "host text", "account_password text", "attr_login text", "attr_firstname text", "attr_mail text"), mails,
		table("users", "id integer", "login text", "firstname text", "auth_source_id integer"),
	}, []string{
		"- name: attr_mail\n", "- name: attr_firstname\n", "# An erasure deletes the rows: only the person's.\n      - name: users\n",
	}, []string{"owner: auth_source_id", "field: auth_sources.id"})
	expectDraft(t, []*draft.Table{
		table("place", "id integer", "title text", "phone text"), table("ad_role", "id integer"),
		link(table("ad_user", "id integer", "email text", "emailuserpw text", "place_id integer", "supervisor_id integer"), "place_id place", "supervisor_id ad_user"),
		link(table("partner", "id integer", "taxid text", "salesrep_id integer"), "salesrep_id ad_user"),
		link(table("orders", "id integer", "ad_user_id integer", "salesrep_id integer", "partner_id integer", "note_uu text"), "ad_user_id ad_user", "salesrep_id ad_user", "partner_id partner"),
	}, []string{
		"- name: place_id  # place.id is not followed: names something that has an address or a number of its own",
		"- name: salesrep_id  # ad_user.id is not followed: names who dealt with the row", "# Looks personal, and nothing leads here",
		"- name: emailuserpw  # by its name; a secret", "- name: note_uu\n",
	}, []string{"owner: place_id"})
}

// Whoever is a member of a project is a user: who wrote an issue is one of the users,
// where no foreign key says so (Redmine). A uid is a user's (Gitea), and the user of a
// watch no row of issue_user, which names users in turn.
func TestDraftOfAuthorsBesideMembers(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"), table("members", "id integer", "user_id integer", "project_id integer"),
		table("issues", "id integer", "author_id integer", "subject text"),
	}, []string{"- name: author_id  # no foreign key, users by its name\n"}, nil)
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"), table("clients", "id integer", "user_id integer", "phone text"),
		table("issues", "id integer", "author_id integer", "subject text"),
	}, nil, []string{"- name: author_id  # no foreign key"}) // two sorts of persons, and nobody can tell which
	expectDraft(t, []*draft.Table{
		table("user", "id bigint", "email text", "passwd text"), table("issue", "id bigint", "poster_id bigint", "content text"),
		table("issue_user", "id bigint", "uid bigint", "issue_id bigint"), table("issue_watch", "id bigint", "user_id bigint", "issue_id bigint"),
		table("star", "id bigint", "uid bigint"), table("events", "id bigint", "uid text"), table("pages", "uid bigint", "title text"),
	}, []string{
		"- name: uid  # no foreign key, user by its name\n", "- name: user_id  # no foreign key, user by its name\n",
		"# An erasure deletes the rows: only the person's.\n      - name: star\n",
		"# No identity leads here.\n      - name: events\n", "# No identity leads here.\n      - name: pages\n",
	}, []string{"field: issue_user.id"})
}

// A number of the program's own beside the key may be what other tables name
// (Kill Bill: accounts.id beside record_id), and a column may be called after it.
func TestDraftOfTablesWithTwoKeys(t *testing.T) {
	t.Parallel()
	accounts := table("accounts", "record_id bigint", "id text", "uuid uuid", "email text")
	accounts.Unique = [][]string{{"id"}, {"uuid"}, {"email"}}
	users := table("users", "id bigint", "uuid text", "email text")
	users.Unique = [][]string{{"uuid"}}
	expectDraft(t, []*draft.Table{users, link(table("services", "id bigint", "user_id bigint", "service_user_id text"), "user_id users")}, nil, []string{"users.uuid"})
	expectDraft(t, []*draft.Table{
		accounts, table("bundles", "record_id bigint", "account_id text", "account_record_id bigint"), table("tags", "id bigint", "account_record_id bigint"),
		table("seats", "id bigint", "account_uuid uuid"), table("desks", "id bigint", "account_id uuid"), table("shelves", "id bigint", "account_code text", "record_uuid uuid"),
	}, []string{
		"- name: account_id  # no foreign key, accounts by its name\n            data_categories: [user.unique_id]\n            fides_meta: {references: [{dataset: desk, field: accounts.id, direction: from}]}",
		"# An erasure deletes the rows: only the person's.\n      - name: bundles\n", "- name: account_record_id\n",
		"- name: account_record_id  # no foreign key, accounts by its name\n            data_categories: [user.unique_id]\n            fides_meta: {references: [{dataset: desk, field: accounts.record_id, direction: from}]}",
		"- name: account_uuid  # no foreign key, accounts by its name\n            data_categories: [user.unique_id]\n            fides_meta: {references: [{dataset: desk, field: accounts.uuid, direction: from}]}",
		"# No identity leads here.\n      - name: shelves\n", "- name: account_id  # no foreign key, accounts by its name\n            data_categories: [user.unique_id]\n            fides_meta: {references: [{dataset: desk, field: accounts.uuid, direction: from}]}",
	}, nil)
}

// Where persons have their addresses in a table that is called like a thing's
// (Canvas: communication_channels.path), they are found by them all the same.
func TestDraftOfAddressesInChannels(t *testing.T) {
	t.Parallel()
	mails := draft.Look([]string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}, time.Now())
	channels := link(table("communication_channels", "id integer", "path text", "user_id integer"), "user_id users")
	channels.Columns[1].Contents = mails
	posts := link(table("posts", "id integer", "user_id integer", "body text"), "user_id users")
	expectDraft(t, []*draft.Table{table("users", "id integer", "name text"), channels, posts}, []string{
		"holds the person's address: leads to the person", "# An erasure deletes the rows: only the person's.\n      - name: posts\n",
	}, nil)
	// A channel's own address is nobody's, nor is one where persons have theirs elsewhere.
	house := table("communication_channels", "id integer", "path text")
	house.Columns[1].Contents = mails
	expectDraft(t, []*draft.Table{table("users", "id integer", "name text"), house, posts}, nil, []string{"identity: email"})
	if said := drafted(t, table("users", "id integer", "email text"), channels, posts); strings.Count(said, "identity: email") != 1 {
		t.Errorf("expected users to be found by their own address alone\n%s", said)
	}
}

// Who made a message that has a recipient has sent it (Lemmy): it is both's.
func TestDraftOfMessagesAndTheirMakers(t *testing.T) {
	t.Parallel()
	users := table("users", "id integer", "email text", "password text", "merged_into_user_id integer")
	expectDraft(t, []*draft.Table{
		link(users, "merged_into_user_id users"),
		link(table("private_message", "id integer", "creator_id integer", "recipient_id integer", "content text"), "creator_id users", "recipient_id users"),
		link(table("notices", "id integer", "creator_id integer", "recipient_id integer"), "creator_id users", "recipient_id users"),
	}, []string{
		"# An erasure masks the rows: several persons may have a share in one row.\n      - name: private_message\n",
		"# An erasure deletes the rows: only the person's.\n      - name: notices\n",
		"- name: merged_into_user_id  # users.id is not followed: names the row that this one was merged into, of the same person",
	}, nil)
}

// An account's history names the account above it, as the account does: it is no row of
// that one's (Kill Bill).
func TestDraftOfParentsInHistories(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		link(table("accounts", "id integer", "email text", "parent_account_id integer"), "parent_account_id accounts"),
		link(table("account_history", "id integer", "email text", "parent_account_id integer"), "parent_account_id accounts"),
	}, []string{"- name: parent_account_id  # accounts.id is not followed: names somebody above"}, []string{"owner: parent_account_id", "field: accounts.id"})
}

// An invitation to a team is sent to a person (Gitea), though a team's settings are nobody's.
func TestDraftOfInvitationsToTeams(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("user", "id bigint", "email text", "passwd text"), table("team", "id bigint", "name text"),
		table("team_invite", "id bigint", "team_id bigint", "inviter_id bigint", "email text"), table("team_settings", "id bigint", "email text"),
	}, []string{
		"# An erasure deletes the rows: only the person's.\n      - name: team_invite\n", "# No identity leads here.\n      - name: team_settings\n",
	}, nil)
}

// A table of contact mechanisms holds mail addresses and telephone numbers in one
// column (Tryton): it is the person's, and they are found by their address.
func TestDraftOfAddressesAndNumbersInOneColumn(t *testing.T) {
	t.Parallel()
	mechanisms := link(table("party_contact_mechanism", "id integer", "party integer", "type text", "value text"), "party party_person")
	mechanisms.Columns[3].Contents = draft.Look([]string{"a@x.example", "+420601111222", "b@x.example", "+420601111223", "c@x.example", "+420601111224", "https://x.example"}, time.Now())
	expectDraft(t, []*draft.Table{
		table("party_person", "id integer", "name text"), mechanisms,
		link(table("sale_sale", "id integer", "party integer", "note text"), "party party_person"),
	}, []string{
		"- name: value  # 3 of 7 sampled values are mail addresses and 3 telephone numbers", "identity: email",
		"# An erasure deletes the rows: only the person's.\n      - name: sale_sale\n",
	}, nil)
}

// A party is a person or a company, reached by its contact mechanisms; the employee
// who quoted, packed or validated something only dealt with it (Tryton).
func TestDraftOfPartiesAndEmployees(t *testing.T) {
	t.Parallel()
	mechanisms := link(table("party_contact_mechanism", "id integer", "party integer", "value text"), "party party_party")
	mechanisms.Columns[2].Contents = draft.Look([]string{"a@x.example", "+420601111222", "b@x.example", "+420601111223"}, time.Now())
	web := link(table("web_user", "id integer", "email text", "party integer"), "party party_party")
	web.Unique = [][]string{{"email"}}
	expectDraft(t, []*draft.Table{
		link(table("party_party", "id integer", "name text", "replaced_by integer"), "replaced_by party_party"), mechanisms, web,
		link(table("company_employee", "id integer", "email text", "party integer"), "party party_party"), table("company_company", "id integer"),
		link(table("sale_sale", "id integer", "party integer", "quoted_by integer", "packed_by integer", "issued_to integer"), "party party_party", "quoted_by company_employee", "packed_by company_employee", "issued_to party_party"),
		link(table("counts", "id integer", "confirmed_by integer"), "confirmed_by company_employee"),
	}, []string{
		"- name: party  # holds the person's address: leads to the person", "- name: replaced_by  # party_party.id is not followed: names the row that this one was merged into",
		"- name: quoted_by  # company_employee.id is not followed: names who dealt with the row", "- name: packed_by  # company_employee.id is not followed",
		"{dataset: desk, field: party_party.id, direction: from}", "- name: counts\n        skip_processing: true",
		"- name: issued_to\n            data_categories: [user.unique_id]",
	}, nil)
}

// A line of somebody's order names a seller's product: it is not the seller's.
func TestDraftOfLinesThatNameSomebodysProduct(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("users", "id integer", "email text", "password text"),
		link(table("products", "id integer", "user_id integer", "title text"), "user_id users"), link(table("orders", "id integer", "user_id integer"), "user_id users"),
		link(table("order_items", "id integer", "order_id integer", "product_id integer", "note text"), "order_id orders", "product_id products"),
		link(table("product_files", "id integer", "product_id integer", "body text"), "product_id products"),
	}, []string{
		"- name: product_id  # products.id is not followed: names somebody's thing or desk, and the row hangs on something of a person's itself",
		"# An erasure deletes the rows: only the person's.\n      - name: product_files\n",
	}, nil)
}

// Somebody's account stands for them (PeerTube): a reply is its own writer's, and a
// report that names two accounts is both's.
func TestDraftOfAccountsThatStandForUsers(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("user", "id integer", "email text", "password text"), link(table("account", "id integer", "userId integer"), "userId user"),
		link(table("videoComment", "id integer", "accountId integer", "inReplyToCommentId integer", "text text"), "accountId account", "inReplyToCommentId videoComment"),
		link(table("userNotification", "id integer", "userId integer", "accountId integer"), "userId user", "accountId account"), // whose comment it tells of
		link(table("abuse", "id integer", "reporterAccountId integer", "flaggedAccountId integer", "message text"), "reporterAccountId account", "flaggedAccountId account"),
	}, []string{
		"- name: accountId  # account.id is not followed: names somebody by what stands for them", "- name: inReplyToCommentId  # videoComment.id is not followed: a row's parent",
		"# An erasure masks the rows: several persons may have a share in one row.\n      - name: abuse\n",
	}, []string{"field: videoComment.id"})
}
