package draft_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/draft"
)

// Whoever made a row may be staff, whether the column is called creator_id or, as
// camelCase is left where Postgres folds it, creatorid.
func TestDraftOfFoldedNamesOfActors(t *testing.T) {
	t.Parallel()
	users := table("users", "id integer", "email text", "password text")
	wiki := link(table("wiki", "id integer", "creatorid integer", "title text"), "creatorid users")
	wiki.Columns[2].NotNull = true
	expectDraft(t, []*draft.Table{
		users, link(table("channels", "id integer", "creatorid integer", "purpose text"), "creatorid users"), table("emoji", "id integer", "creatorid integer"), wiki,
		link(table("tasks", "id integer", "userid integer", "approverid integer", "updatedby integer"), "userid users", "approverid users", "updatedby users"),
	}, []string{
		"# No identity leads here, but creatorid names users: where these are whose rows they are", "- name: emoji\n        skip_processing: true",
		// Ready to be walked: given whole, and maskable, where somebody's word makes it theirs.
		"- name: purpose\n            data_categories: [system.operations]", "- name: title  # by its name\n            data_categories: [user.content.private]\n            fides_meta: {masking_strategy_override:",
		"- name: approverid  # users.id is not followed: names who dealt with the row",
		"- name: updatedby  # users.id is not followed: names who dealt with the row",
		"# An erasure deletes the rows: only the person's.\n      - name: tasks\n",
	}, nil)
}

// What an address leads to is the person even where nothing calls it one (Zulip's
// userprofile): whoever made a folder is told, and before what else names it.
func TestDraftTellsOfMakers(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("zo_userprofile", "id integer", "email text", "password text"),
		link(table("zo_folder", "id integer", "creator_id integer"), "creator_id zo_userprofile"),
		link(table("zo_project", "id integer", "creator_id integer", "nickname text"), "creator_id zo_userprofile"),
		link(table("zo_share", "id integer", "user_id integer", "project_id integer"), "user_id zo_userprofile", "project_id zo_project"),
	}, []string{
		"# No identity leads here, but creator_id names zo_userprofile: where these",
		"# Looks personal, and nothing leads here, but creator_id names zo_userprofile: where these",
	}, []string{"zo_share.project_id names its rows"})
}

// A row that says by itself of which table it stands for one (Zulip's recipients: a
// user, a stream) is no person, and leads from a message to nobody.
func TestDraftOfRowsThatStandForOthers(t *testing.T) {
	t.Parallel()
	users := link(table("users", "id integer", "email text", "password text", "recipient_id integer"), "recipient_id recipients")
	users.Unique = [][]string{{"email"}}
	tables := []*draft.Table{
		users, table("recipients", "id integer", "type integer", "type_id integer"),
		link(table("messages", "id integer", "sender_id integer", "recipient_id integer", "content text"), "sender_id users", "recipient_id recipients"),
	}
	expectDraft(t, tables, []string{
		"# An erasure deletes the rows: only the person's.\n      - name: messages\n", "# No identity leads here.\n      - name: recipients\n",
	}, []string{"field: recipients.id"})
	said := draft.KindBeside("type_id", func(name string) bool { return name == "type" })
	if said != "type" || draft.KindBeside("objectid", func(name string) bool { return name == "objecttable" }) != "objecttable" {
		t.Errorf("expected what tells of which table type_id and objectid name rows, got %q", said)
	}
}

// Who sent a message and to whom is named so, too (Moodle), and what is called like
// a table of the same part of a product names that one (forum_reads.post_id).
func TestDraftOfSendersAndNeighbours(t *testing.T) {
	t.Parallel()
	expectDraft(t, []*draft.Table{
		table("mdl_user", "id integer", "email text", "password text"),
		table("mdl_messages", "id integer", "useridfrom integer", "body text"),
		table("mdl_notices", "id integer", "fromuserid integer", "touserid integer", "body text"),
		table("mdl_post", "id integer", "userid integer"), table("mdl_forum_posts", "id integer", "userid integer"),
		table("mdl_forum_read", "id integer", "userid integer", "postid integer"), table("mdl_config", "id integer"),
	}, []string{
		"# An erasure deletes the rows: only the person's.\n      - name: mdl_messages\n", "- name: useridfrom  # no foreign key, mdl_user by its name\n",
		"# An erasure masks the rows: several persons may have a share in one row.\n      - name: mdl_notices\n",
		"- name: postid  # no foreign key, mdl_forum_posts by its name\n",
	}, nil)
}

// What several persons have a share in is not reached by the house of one of them:
// a merge request in somebody's project is its author's.
func TestDraftOfSharesInSomebodysProject(t *testing.T) {
	t.Parallel()
	tables := []*draft.Table{
		table("users", "id integer", "email text", "password text"),
		link(table("projects", "id integer", "user_id integer"), "user_id users"),
		link(table("merge_requests", "id integer", "project_id integer", "author_id integer", "merge_user_id integer", "reporter_id integer", "title text"), "project_id projects", "author_id users", "merge_user_id users", "reporter_id users"),
		link(table("issues", "id integer", "project_id integer", "author_id integer"), "project_id projects", "author_id users"),
		link(table("labels", "id integer", "project_id integer"), "project_id projects"),
		table("members", "id integer", "invite_email text"), table("oauth_access_tokens", "id integer", "resource_owner_id integer", "token text"),
	}
	expectDraft(t, tables, []string{
		"# An erasure masks the rows: several persons may have a share in one row.\n      - name: merge_requests\n",
		"- name: project_id  # projects.id is not followed: names a thing of somebody's, and the row names several persons itself",
		"lethe: {owner: author_id}", "- name: merge_user_id  # users.id is not followed: names who dealt with the row",
		"- name: resource_owner_id  # no foreign key, users by its name\n",
		"# An erasure deletes the rows: only the person's.\n      - name: labels\n",
	}, nil)
}
