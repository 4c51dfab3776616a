package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Which tables a first map reaches in schemas of the kinds that products have.
func TestDraftFindsTheWay(t *testing.T) {
	t.Parallel()
	const people = `
		INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 8) i;`
	for name, tc := range map[string]struct{ schema, reached string }{
		// As Ory Kratos has it: who somebody is stands in no table of persons, and
		// each address once in a tenant.
		"an address once in a tenant": {`
			CREATE TABLE identities (id uuid PRIMARY KEY, state text);
			CREATE TABLE identity_verifiable_addresses (id uuid PRIMARY KEY, nid uuid, via text, value text, identity_id uuid REFERENCES identities, UNIQUE (nid, via, value));
			CREATE TABLE sessions (id uuid PRIMARY KEY, identity_id uuid REFERENCES identities, token text);
			INSERT INTO identities SELECT gen_random_uuid() FROM generate_series(1, 8);
			INSERT INTO identity_verifiable_addresses SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'email', row_number() OVER () || '@x.example', id FROM identities;`,
			"identities identity_verifiable_addresses sessions"},
		// As Zabbix has it: the one table with addresses says nothing by its name.
		"the only addresses": {`
			CREATE TABLE users (userid int PRIMARY KEY, login text);
			CREATE TABLE media (mediaid int PRIMARY KEY, userid int REFERENCES users, sendto text);
			CREATE TABLE sessions (sessionid int PRIMARY KEY, userid int REFERENCES users, ip text);` + people + `
			INSERT INTO media SELECT userid, userid, 'u' || userid || '@x.example' FROM users;`,
			"media sessions users"},
		// What was sent to an address does not say whose it is.
		"a log": {`
			CREATE TABLE users (id int PRIMARY KEY, nick text);
			CREATE TABLE email_log (id int PRIMARY KEY, user_id int REFERENCES users, sent_to text);
			CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users, body text);` + people + `
			INSERT INTO email_log SELECT id, id, 'u' || id || '@x.example' FROM users;`,
			"email_log"},
		// As MediaWiki has it: no foreign keys, and columns that begin with their table.
		"columns with a prefix": {`
			CREATE TABLE users (id int PRIMARY KEY, email text);
			CREATE TABLE watchlist (wl_id int PRIMARY KEY, wl_user int, wl_title text);
			CREATE TABLE steps (id int PRIMARY KEY, "order" int, label text);
			CREATE TABLE orders (id int PRIMARY KEY, user_id int);
			CREATE TABLE user_settings (user_id int PRIMARY KEY, user_theme text, user_zone text);`,
			"orders user_settings users watchlist"},
		// A number that is called like another table's key and is none; and an item of
		// which table nobody can tell.
		"values that agree with nothing": {`
			CREATE TABLE users (id int PRIMARY KEY, email text);
			CREATE TABLE ratings (id int PRIMARY KEY, user_id int, stars int);
			CREATE TABLE devices (id int PRIMARY KEY, user_id int, label text);
			CREATE TABLE shop_parts (id int PRIMARY KEY, user_id int, line_part_id int);` + people + `
			INSERT INTO ratings SELECT i, i FROM generate_series(1, 8) i;
			INSERT INTO devices SELECT i, 7000 + i FROM generate_series(1, 8) i;`,
			"ratings shop_parts users"},
		// What is called a mail and is no address.
		"a code of the post": {`
			CREATE TABLE places (id int PRIMARY KEY, mail_code text, mail_server text);
			CREATE TABLE letters (id int PRIMARY KEY, email_subject text, email text);
			INSERT INTO places SELECT i, '4' || i || '001', 'mx' || i FROM generate_series(1, 8) i;
			INSERT INTO letters SELECT i, 'Hello' FROM generate_series(1, 8) i;`,
			"letters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, tc.schema)
			s := sourceOf(t, pool, "it", postgres.Options{})
			yaml := string(drafted(t, s, "it", postgres.Describing{Sample: 100}).YAML())
			m := mapOf(t, yaml)
			var reached []string
			for _, c := range datamap.Reach(m)[datamap.Email] {
				reached = append(reached, strings.TrimPrefix(c, "it."))
			}
			slices.Sort(reached)
			if got := strings.Join(reached, " "); got != tc.reached {
				t.Errorf("expected an address to reach %s, got %s\n%s", tc.reached, got, yaml)
			}
			if name == "values that agree with nothing" && !strings.Contains(yaml, "called like a reference to users, where none of its sampled values stands") {
				t.Errorf("expected devices.user_id to say why it points nowhere\n%s", yaml)
			}
		})
	}
}

// A profile that each person has once stands for them: what hangs on it is theirs,
// and what hangs on somebody else's as well (another's mount of one's folder) goes
// with its own.
func TestDraftOfStandIns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
		CREATE TABLE profiles (id int PRIMARY KEY, user_id int NOT NULL UNIQUE REFERENCES users, bio text);
		CREATE TABLE folders (id int PRIMARY KEY, profile_id int NOT NULL REFERENCES profiles, title text);
		CREATE TABLE mounts (id int PRIMARY KEY, profile_id int NOT NULL REFERENCES profiles, folder_id int REFERENCES folders);
		INSERT INTO users VALUES (1, 'ann@x.example'), (2, 'ben@x.example');
		INSERT INTO profiles VALUES (11, 1, 'a'), (12, 2, 'b');
		INSERT INTO folders VALUES (21, 11, 'Ann'), (22, 12, 'Ben');
		INSERT INTO mounts VALUES (31, 11, 21), (32, 12, 21), (33, 12, 22);`)
	s := sourceOf(t, pool, "disk", postgres.Options{})
	yaml := string(drafted(t, s, "disk", postgres.Describing{}).YAML())
	found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, mapOf(t, yaml), datamap.Erasure, "email"), Seeds: seeds("email", "ann@x.example")})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"profiles", "folders", "mounts"} {
		if f := by(found.Findings)[table]; f.Rows+f.Shared != 1 {
			t.Errorf("expected Ann's row of %s alone, got %+v\n%s", table, f, yaml)
		}
	}
}

// A person named by a bare number (creator) leads nowhere by itself, since staff
// create rows, too; but the draft says so, and does not delete whom rows name.
func TestDraftOfCreators(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE users (id int PRIMARY KEY, emailaddress text, authtoken text, dav_displayname text, summary text);
		CREATE TABLE tickets (id int PRIMARY KEY, owner int NOT NULL, creator int NOT NULL, subject text, smtp_pass text);
		INSERT INTO users VALUES (1, 'ann@x.example'), (2, 'ben@x.example'), (3, 'cyd@x.example');
		INSERT INTO tickets VALUES (1, 2, 1, 'a'), (2, 1, 2, 'b'), (3, 1, 3, 'c');`)
	yaml := string(drafted(t, sourceOf(t, pool, "desk", postgres.Options{}), "desk", postgres.Describing{}).YAML())
	for _, want := range []string{
		"An erasure masks the rows: rows of tickets point here and are not walked",
		"but owner names users: where these are whose rows they are, give that column a reference to them with direction: from",
		"- name: dav_displayname  # by its name; typed by the person, it seems\n            data_categories: [user.name]",
		"- name: summary  # by its name\n            data_categories: [user.content.private]",
		"- name: authtoken  # by its name; a secret: it is erased, and not given",
		"- name: smtp_pass  # by its name; a secret: it is erased, and not given",
	} {
		if !strings.Contains(yaml, want) {
			t.Errorf("expected the draft to say %q:\n%s", want, yaml)
		}
	}
	mapOf(t, yaml)
}
