package draft_test

import (
	"testing"

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
