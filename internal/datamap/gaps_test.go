package datamap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRowsOfSeveralPeople: where a row is reached by an array and deleted whole,
// check says that it may be others', too.
func TestRowsOfSeveralPeople(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy, field string
		told            bool
	}{
		"an array that a reference leads to": {"delete", `{name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: shop, field: people.id, direction: from}]}}`, true},
		"an array of identities":             {"delete", `{name: guests, fides_meta: {data_type: "string[]", identity: email}}`, true},
		"a field of an array's objects":      {"delete", `{name: guests, fides_meta: {data_type: "object[]"}, fields: [{name: mail, fides_meta: {identity: email}}]}`, true},
		"one that leads away only":           {"delete", `{name: guests, fides_meta: {data_type: "integer[]", references: [{dataset: shop, field: people.id, direction: to}]}}`, false},
		"one that is meant whole":            {"delete", `{name: guests, fides_meta: {data_type: "string[]", identity: email, return_all_elements: true}}`, false},
		"an array inside one that is whole":  {"delete", `{name: guests, fides_meta: {data_type: "object[]", return_all_elements: true}, fields: [{name: mails, fides_meta: {data_type: "string[]", identity: email}}]}`, false},
		"a row that is masked":               {"null_rewrite", `{name: guests, fides_meta: {data_type: "string[]", identity: email}}`, false},
		"a single value":                     {"delete", `{name: guests, fides_meta: {identity: email}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := ""
			if c.strategy == "delete" {
				over = "fides_meta: {masking_strategy_override: {strategy: delete}}, "
			}
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: shop
    collections:
      - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, fides_meta: {identity: email}}]}
      - {name: rooms, %sfields: [{name: id, fides_meta: {primary_key: true}}, %s]}
`, over, c.field))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "may name several people"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestSecretsThatAreGiven: a password's hash in an archive is told, unless it is left out.
func TestSecretsThatAreGiven(t *testing.T) {
	t.Parallel()
	m, problems := Parse([]File{{Name: "m.yaml", Data: []byte(`
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: hash, data_categories: [user.authorization.password]}
          - {name: token, data_categories: [user.authorization.credentials], lethe: {redact: true}}
`)}}, ParseOptions{})
	if Failed(problems) {
		t.Fatal(problems)
	}
	if said := fmt.Sprint(Gaps(m)); !strings.Contains(said, "shop.people.hash is a password") || strings.Contains(said, "shop.people.token is") {
		t.Errorf("expected the hash to be told, and not the token that is left out; got %s", said)
	}
}

// TestGapsOfManyCollections: what many collections of a dataset lack is said once,
// with what says it for all of them.
func TestGapsOfManyCollections(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]string{
		2: {"shop.t0 does not say its legal basis", "shop.t1 does not say its legal basis"},
		5: {"5 collections of shop do not say its legal basis (lethe: {basis: …}), what it is used for (data_uses), where it comes from (lethe: {origin: …}): letters will lack it; what the dataset says goes for all of them: t0, t1, t2, t3, t4"},
		// An old map of Fides has thousands: twenty are named.
		3000: {"3000 collections of shop do not say its legal basis (lethe: {basis: …}), what it is used for (data_uses), where it comes from (lethe: {origin: …}): letters will lack it; what the dataset says goes for all of them: " +
			"t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15, t16, t17, t18, t19, and 2980 more"},
	} {
		text := "dataset:\n- fides_key: shop\n  collections:\n"
		for i := range n {
			text += fmt.Sprintf("  - {name: t%d, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}]}\n", i)
		}
		m, problems := Parse([]File{{Name: "m.yaml", Data: []byte(text)}}, ParseOptions{})
		if Failed(problems) {
			t.Fatal(problems)
		}
		var said []string
		for _, p := range Gaps(m) {
			if strings.Contains(p.Message, "legal basis") {
				said = append(said, p.Message)
			}
		}
		if len(said) != len(want) {
			t.Fatalf("expected %d sentences about %d collections, got %q", len(want), n, said)
		}
		for i := range want {
			if !strings.HasPrefix(said[i], want[i]) {
				t.Errorf("expected %q, got %q", want[i], said[i])
			}
		}
	}
}

// TestAnExportThatGivesNothing: where no field is both provided by the person and
// processed by consent or contract, exports are empty, and check says so once.
func TestAnExportThatGivesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dataset, people, tracks string // what lethe says of them
		told                    bool
	}{
		"neither":                        {"", "", "", true},
		"provided, on no ground":         {"", "{provided_by: subject}", "", true},
		"provided, by legitimate reason": {"{basis: f}", "{provided_by: subject}", "{provided_by: subject}", true},
		"by contract, not provided":      {"{basis: b}", "", "", true},
		"the one here, the other there":  {"", "{provided_by: subject}", "{basis: a}", true},
		"both":                           {"", "{provided_by: subject, basis: a}", "", false},
		"both, one from above":           {"{basis: b}", "", "{provided_by: subject}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := func(lethe string) string {
				if lethe == "" {
					return ""
				}
				return ", lethe: " + lethe
			}
			file := fmt.Sprintf(`
dataset:
  - {fides_key: shop%s, collections: [
      {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}%s}]},
      {name: tracks, fields: [{name: id, fides_meta: {primary_key: true, references: [{dataset: shop, field: people.id, direction: from}]}}, {name: page, data_categories: [user.behavior]%s}]}]}
`, said(c.dataset), said(c.people), said(c.tracks))
			m := mustParse(t, file)
			want := 0
			if c.told {
				want = 1
			}
			if got := strings.Count(fmt.Sprint(Gaps(m)), "an export (Art. 20) gives nothing"); got != want {
				t.Errorf("expected %d warnings of an empty export, got %v", want, Gaps(m))
			}
		})
	}
	m, problems := Parse([]File{{Name: "m.yaml", Data: []byte(`
dataset:
  - fides_key: shop
    collections:
      - {name: places, fields: [{name: id, fides_meta: {primary_key: true}}, {name: seen, data_categories: [system.operations]}]}
`)}}, ParseOptions{Sources: []string{"shop"}})
	if Failed(problems) {
		t.Fatal(problems)
	}
	if got := Gaps(m); len(got) > 0 {
		t.Errorf("expected nothing to be said of a map without personal data, got %v", got)
	}
}

// TestIdentitiesWithoutACategory: what people are found by and no policy masks
// stays after an erasure, and check says so.
func TestIdentitiesWithoutACategory(t *testing.T) {
	t.Parallel()
	m, problems := Parse([]File{{Name: "m.yaml", Data: []byte(`
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: code, fides_meta: {identity: code, read_only: true}}
      - {name: gone, fides_meta: {masking_strategy_override: {strategy: delete}}, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, fides_meta: {identity: email}}]}
`)}}, ParseOptions{Sources: []string{"shop"}})
	if Failed(problems) {
		t.Fatal(problems)
	}
	var told []string
	for _, p := range Gaps(m) {
		if strings.Contains(p.Message, "without a personal category") {
			told = append(told, p.String())
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "m.yaml:8:") || !strings.Contains(told[0], "shop.people.mail is an identity (email)") {
		t.Errorf("expected the one address that would stay, got %q", told)
	}
}

// TestMaskingsWithoutACategory: a masking of a field that has no category is never
// carried out, since no policy targets it.
func TestMaskingsWithoutACategory(t *testing.T) {
	t.Parallel()
	m := mustParse(t, `
dataset:
  - fides_key: shop
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: nick, fides_meta: {masking_strategy_override: {strategy: null_rewrite}}}
          - {name: code, fides_meta: {masking_strategy_override: {strategy: preserve}}}
          - {name: lang, data_categories: [system.operations], fides_meta: {masking_strategy_override: {strategy: null_rewrite}}}
      - name: tickets
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: creator
            fides_meta: {references: [{dataset: shop, field: users.id, direction: from}], masking_strategy_override: {strategy: null_rewrite}}
          - {name: subject, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: null_rewrite}}}
`)
	var told []string
	for _, p := range Gaps(m) {
		if strings.Contains(p.Message, "is not carried out") {
			told = append(told, p.Message)
		}
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], "shop.users.nick has a masking and no category") || !strings.HasPrefix(told[1], "shop.tickets.creator ") {
		t.Errorf("expected the two maskings that do nothing, got %q", told)
	}
}

// TestOwnRowsNamedByOthers: a colleague's row that names a person's own makes that
// one a shared row, which an erasure leaves; check says so where nothing leads back.
func TestOwnRowsNamedByOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		people    string // what lethe says of the collection
		direction string
		told      bool
	}{
		"a clerk":               {"", ", direction: to", true},
		"erased all the same":   {"lethe: {shared: erase}", ", direction: to", false},
		"the ticket is reached": {"", ", direction: from", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: staff
    lethe: {source: shop}
    collections:
      - name: people
        %s
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: tickets
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: clerk_id
            data_categories: [system.operations]
            fides_meta: {references: [{dataset: staff, field: people.id%s}]}
`, c.people, c.direction))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "somebody else's staff.tickets.clerk_id names"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// A session's key signs in as a password does, and whatever names the row holds it; the
// number of a row of a table of secrets does not.
func TestKeysThatAreSecrets(t *testing.T) {
	t.Parallel()
	const shop = `
dataset:
  - fides_key: shop
    lethe: {source: shop}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: sessions
        fields:
          - {name: token, data_categories: [user.authorization.credentials], %[1]s fides_meta: {primary_key: true}}
          - {name: user_id, fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}}
      - name: hits
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: session_token, %[1]s fides_meta: {references: [{dataset: shop, field: sessions.token, direction: from}]}}
      - name: keys
        data_categories: [user.authorization]
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: user_id, %[1]s fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}}
`
	for redact, want := range map[string][]string{"": {"shop.sessions.token is", "shop.hits.session_token holds shop.sessions.token", "shop.keys.user_id is"}, "lethe: {redact: true},": nil} {
		var told []string
		for _, p := range Gaps(mustParse(t, fmt.Sprintf(shop, redact))) {
			if strings.Contains(p.Message, "a password, token or the like") {
				told = append(told, p.Message)
			}
		}
		if len(told) != len(want) {
			t.Errorf("expected %d secrets to be told, got %q", len(want), told)
		}
		for _, w := range want {
			if !slices.ContainsFunc(told, func(m string) bool { return strings.HasPrefix(m, w) }) {
				t.Errorf("expected a warning that begins with %q, got %q", w, told)
			}
		}
	}
}

// A composite reference leads to the rows that hold the key also where the owner's
// column is not its first: they are the person's and nobody else's.
func TestOwnRowsNamedByCompositeKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		direction string
		told      bool
	}{"followed": {"from", false}, "not followed": {"to", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: club
    lethe: {source: shop}
    collections:
      - name: users
        fields:
          - {name: tenant_id}
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: members
        lethe: {owner: user_id, all_of: [tenant_id, user_id]}
        fields:
          - {name: tenant_id, fides_meta: {primary_key: true, references: [{dataset: club, field: users.tenant_id, direction: %[1]s}]}}
          - {name: team_id, fides_meta: {primary_key: true}}
          - {name: user_id, fides_meta: {primary_key: true, references: [{dataset: club, field: users.id, direction: %[1]s}]}}
`, c.direction))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "somebody else's club.members."); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestPersonsWhomOthersInvited: from somebody to their invitations, and on to whoever
// came by them, is a way to other people.
func TestPersonsWhomOthersInvited(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		invite, user string
		told         bool
	}{
		"whom they invited": {"from", "from", true},
		"what they came by": {"to", "from", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: club
    lethe: {source: shop}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: invite_id, fides_meta: {references: [{dataset: club, field: invites.id, direction: %s}]}}
      - name: invites
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: user_id, fides_meta: {references: [{dataset: club, field: users.id, direction: %s}]}}
`, c.invite, c.user))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "the reference of club.users.invite_id leads from a person, over club.invites"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestMembersOfSomebodysProject: a project's members are not the rows of whoever made
// it, unless an owner says whose they are.
func TestMembersOfSomebodysProject(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lethe, project, second string
		told                   bool
	}{
		"without an owner":            {"", "from", "", true},
		"with an owner":               {"lethe: {owner: user_id}", "from", "", false},
		"names the project":           {"", "to", "", false},
		"several have a share in":     {"", "from", "- {name: guest_id, fides_meta: {references: [{dataset: club, field: users.id, direction: from}]}}", false},
		"is found by its own address": {"", "from", "- {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: club
    lethe: {source: shop}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: projects
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: creator_id, fides_meta: {references: [{dataset: club, field: users.id, direction: from}]}}
      - name: members
        %s
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: user_id, fides_meta: {references: [{dataset: club, field: users.id, direction: from}]}}
          - {name: project_id, fides_meta: {references: [{dataset: club, field: projects.id, direction: %s}]}}
          %s
`, c.lethe, c.project, c.second))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "the reference of club.members.project_id leads to rows of club.members that name somebody else in user_id, too"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestOwnRowsOfAHub: people whose addresses lie in a table of their own are told of as
// those are who have them beside their names.
func TestOwnRowsOfAHub(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		back string // how the addresses hang on the person
		told bool
	}{
		"addresses of one person": {", direction: from}", true},
		"a log that names people": {", direction: to}", false}, // nothing leads back to it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: desk
    lethe: {source: shop}
    collections:
      - name: people
        fields: [{name: id, fides_meta: {primary_key: true}}]
      - name: addresses
        fields:
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - name: person_id
            fides_meta: {references: [{dataset: desk, field: people.id, direction: to}, {dataset: desk, field: people.id%s]}
      - name: tickets
        fields:
          - {name: person_id, fides_meta: {references: [{dataset: desk, field: people.id, direction: from}]}}
          - {name: clerk_id, fides_meta: {references: [{dataset: desk, field: people.id, direction: to}]}}
`, c.back))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "somebody else's desk.tickets.clerk_id names"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestOwnRowsBesideAnOwner: a row that is its owner's and names a second person makes
// that one's own row a shared one, though a reference leads back; a browser is no
// second person.
func TestOwnRowsBesideAnOwner(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		owner, to string
		told      bool
	}{
		"who is rated":          {"lethe: {owner: rater_id}", "people", true},
		"the one who is named":  {"lethe: {owner: rated_id}", "people", false},
		"both have their share": {"", "people", false},
		"a browser":             {"lethe: {owner: rater_id}", "browsers", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: desk
    lethe: {source: shop}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: browsers
        fields:
          - {name: id, data_categories: [user.device.cookie_id], fides_meta: {primary_key: true, identity: visitor}}
      - name: ratings
        %s
        fields:
          - {name: rater_id, fides_meta: {references: [{dataset: desk, field: people.id, direction: from}]}}
          - {name: rated_id, fides_meta: {references: [{dataset: desk, field: %s.id, direction: from}]}}
`, c.owner, c.to))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "somebody else's desk.ratings.rated_id names"); told != c.told || strings.Contains(said, "rater_id names") != (name == "the one who is named") {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
		})
	}
}

// TestPersonsThatLeadToOthers: a reference of a table of persons to itself leads to
// somebody else, whatever its direction; shared: erase would take them all.
func TestPersonsThatLeadToOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mail, direction string
		told, shared    bool
	}{
		"a manager":                 {", fides_meta: {identity: email}", ", direction: to", true, true},
		"the colleagues below":      {", fides_meta: {identity: email}", ", direction: from", true, false},
		"nobody is recognised here": {"", ", direction: to", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustParse(t, fmt.Sprintf(`
dataset:
  - fides_key: staff
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email]%s}
          - {name: manager_id, fides_meta: {references: [{dataset: staff, field: people.id%s}]}}
`, c.mail, c.direction))
			said := fmt.Sprint(Gaps(m))
			if told := strings.Contains(said, "the reference of staff.people.manager_id leads from one row of staff.people to another"); told != c.told {
				t.Errorf("expected a warning: %t; got %s", c.told, said)
			}
			if shared := strings.Contains(said, "makes whoever is named a shared row"); shared != c.shared || strings.Contains(said, "shared: erase") {
				t.Errorf("expected the shared row to be told: %t, and no advice to erase what is shared; got %s", c.shared, said)
			}
		})
	}
}

// TestIdentitiesThatStayInLinks: the address by which a person was found stays where
// it links collections or is a key, and so does its copy at the other end.
func TestIdentitiesThatStayInLinks(t *testing.T) {
	t.Parallel()
	const file = `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email PEOPLE}}
      - name: visits
        fides_meta: {VISITS}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: who, data_categories: [user.contact.email], fides_meta: {references: [{dataset: shop, field: people.mail, direction: from}]}}
      - name: browsers
        fields:
          - {name: token, data_categories: [user.device.cookie_id], fides_meta: {primary_key: true, identity: visitor}}
          - {name: number, data_categories: [user.unique_id], fides_meta: {identity: number}}
`
	const mail, who = "shop.people.mail is an identity (email), and an erasure leaves it as it is, because it links", "shop.visits.who repeats an identity, and an erasure leaves it"
	const token = "shop.browsers.token is an identity (visitor), and an erasure leaves it as it is, because it is a primary key"
	for name, c := range map[string]struct {
		people, visits string
		want           []string
	}{
		"as it stands":     {"", "", []string{mail, who, token}},
		"visits go":        {"", "masking_strategy_override: {strategy: delete}", []string{mail, token}},
		"it is masked":     {", masking_strategy_override: {strategy: null_rewrite}", "", []string{who, token}},
		"it is to be kept": {", read_only: true", "", []string{who, token}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said []string
			for _, p := range Gaps(mustParse(t, strings.NewReplacer("PEOPLE", c.people, "VISITS", c.visits).Replace(file))) {
				if strings.Contains(p.Message, "an erasure leaves it as it is, because") {
					said = append(said, p.Message)
				}
			}
			if len(said) != len(c.want) {
				t.Fatalf("expected %d warnings, got %q", len(c.want), said)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(said[i], want) {
					t.Errorf("expected %q, got %q", want, said[i])
				}
			}
		})
	}
}

// A reference without a direction whose two ends hold identities is told, since a
// request with both finds less over it than with one.
func TestReferencesBetweenTwoStarts(t *testing.T) {
	t.Parallel()
	shop := `
dataset:
- fides_key: shop
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: token}
  - name: members
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {IDENTITYdata_type: string}}
    - {name: token, fides_meta: {references: [{dataset: shop, field: people.tokenDIRECTION}]}}
`
	told := func(identity, direction string) (messages []string) {
		for _, p := range Gaps(mustParse(t, strings.NewReplacer("IDENTITY", identity, "DIRECTION", direction).Replace(shop))) {
			if strings.Contains(p.Message, "has no direction") {
				messages = append(messages, p.String())
			}
		}
		return messages
	}
	if got := told("identity: phone, ", ""); len(got) != 1 || !strings.HasPrefix(got[0], "map.yaml:14:48: the reference of shop.members.token to shop.people.token has no direction") ||
		!strings.Contains(got[0], "follows it from shop.people only, and what it finds in shop.members leads to nothing") {
		t.Errorf("expected the reference with its place, got %q", got)
	}
	shop = strings.Replace(shop, "- name: people\n", "- name: people\n    fides_meta: {after: [shop.members]}\n", 1)
	if got := told("identity: phone, ", ""); len(got) != 1 || !strings.Contains(got[0], "follows it from shop.members only, and what it finds in shop.people leads") {
		t.Errorf("expected the end that does not come after, got %q", got)
	}
	if got := append(told("identity: phone, ", ", direction: from"), told("", "")...); len(got) > 0 {
		t.Errorf("expected nothing of a direction, nor of one start, got %q", got)
	}
}

// A reference between a declared truth value and a declared number is told: no value
// is ever the same.
func TestReferencesBetweenTypesThatNeverMeet(t *testing.T) {
	t.Parallel()
	for types, told := range map[[2]string]bool{{"boolean", "integer"}: true, {"float", "boolean"}: true, {"integer", "float"}: false, {"boolean", "string"}: false, {"boolean", "boolean"}: false} {
		_, problems := parseText(t, ParseOptions{}, `
dataset:
- fides_key: shop
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: flag, fides_meta: {data_type: `+types[0]+`}}
  - name: members
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: flag, fides_meta: {data_type: `+types[1]+`, references: [{dataset: shop, field: people.flag, direction: from}]}}
`)
		if got := strings.Join(problems, "\n"); strings.Contains(got, "leads nowhere if shop.members.flag and shop.people.flag are of the types declared") != told {
			t.Errorf("%v: expected it to be told: %v, got %s", types, told, got)
		}
	}
}

// TestNamedBySkipped: a collection that is not visited keeps what it names from an
// erasure, which looks like a mistake of Lethe's where nobody says so.
func TestNamedBySkipped(t *testing.T) {
	t.Parallel()
	for lethe, told := range map[string]bool{"{}": true, "{shared: erase}": false} {
		m := mustParse(t, `
dataset:
- fides_key: shop
  lethe: {source: shop}
  collections:
  - name: people
    lethe: `+lethe+`
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - name: orders
    fides_meta: {skip_processing: true}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
    - {name: kind, fides_meta: {references: [{dataset: shop, field: kinds.id, direction: to}]}}
  - name: kinds
    fields: [{name: id, fides_meta: {primary_key: true}}, {name: label, data_categories: [system.operations]}]
`)
		said := ""
		for _, p := range Gaps(m) {
			if strings.Contains(p.Message, "skip_processing") {
				said += p.String() + "\n"
			}
		}
		want := "map.yaml:15:8: shop.orders is not visited (skip_processing), and its person makes each row of shop.people that it names a shared one"
		if told != strings.HasPrefix(said, want) || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: expected the reference to be told: %t, got %q", lethe, told, said)
		}
	}
}
