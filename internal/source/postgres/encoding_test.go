package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// encoded is a fresh database in an encoding, dropped when the test ends: a pool that
// speaks UTF-8 whatever a pool of the product does, and such a one.
func encoded(t *testing.T, encoding string) (own, pool *pgxpool.Pool) {
	t.Helper()
	admin := pgtest.Empty(t)
	conf := admin.Config()
	conf.ConnConfig.Database += "_encoded"
	name := pgx.Identifier{conf.ConnConfig.Database}.Sanitize()
	pgtest.Exec(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { pgtest.Exec(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	pool = poolOf(t, conf.Copy())
	conf.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	return poolOf(t, conf), pool
}

// TestEncodings: a database in another encoding than UTF-8 is read, asked and
// changed as any other; a letter that its encoding lacks matches nothing there.
func TestEncodings(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name], fides_meta: {identity: name, masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: gone}}}}
          - {name: more, data_categories: [user.content]}
      - name: posts
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: author, fides_meta: {primary_key: true, references: [{dataset: w, field: people.name, direction: from}]}}
          - {name: body, data_categories: [user.content], lethe: {mentions: true}}
`)
	for encoding, name := range map[string]string{"UTF8": "Jürgen 山田", "LATIN1": "Jürgen", "WIN1250": "Růžena –", "EUC_JP": "山田太郎左衛門", "SQL_ASCII": "Jürgen 山田"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				own, pool := encoded(t, encoding)
				pgtest.Exec(t, own, `CREATE TABLE people (id int PRIMARY KEY, email text, name text UNIQUE, more jsonb); CREATE TABLE posts (author text PRIMARY KEY, body text);
					INSERT INTO people VALUES (1, 'a@x.example', '`+name+`', '{"n": "`+name+`"}'), (2, 'b@x.example', 'Ben', NULL); INSERT INTO posts VALUES ('`+name+`', 'by `+name+`'), ('Ben', 'ask `+name+`');`)
				s := sourceOf(t, pool, "w", o)
				for typ, value := range map[string]string{"email": "A@x.example", "name": name} {
					rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email", "name"), Seeds: seeds(typ, value)})
					same(t, rows, "people", "name", `"`+name+`"`)
					same(t, rows, "people", "more", `{"n": "`+name+`"}`)
					same(t, rows, "posts", "body", `"by `+name+`"`)
				}
				strange := seeds("email", "a@x.example", "name", "Ω😀", "email", "Ω😀@x.example")
				needle := source.Mentions{Field: datamap.MentionFields(m)[0], Needles: append(strange, seeds("name", name)...)}
				if keys, _ := search(t, s, needle); len(keys) != 2 {
					t.Errorf("expected the name to be found in both texts, got %v", keys)
				}
				walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email", "name"), Seeds: strange}
				expect(t, erasedWhole(t, s, walk)["posts"], 1, 0, 1, 0)
				if got := text(t, own, "SELECT string_agg(name, ' ' ORDER BY id) || (SELECT string_agg(author || ': ' || body, '|') FROM posts) FROM people"); got != "gone BenBen: ask "+name {
					t.Errorf("expected one person to be erased, got %s", got)
				}
			})
		})
	}
}

// TestBytesInNoEncoding: a database in SQL_ASCII holds what its clients wrote. Texts that
// are not UTF-8 are found, given legibly, masked and erased all the same.
func TestBytesInNoEncoding(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name], fides_meta: {masking_strategy_override: {strategy: hash}}}
          - {name: more, data_categories: [user.content]}
      - name: posts
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: author, fides_meta: {primary_key: true, references: [{dataset: w, field: people.name, direction: from}]}}
          - {name: body, data_categories: [user.content], lethe: {mentions: true}}
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
`)
	const name = `convert_from('\x4afc7267656e', 'SQL_ASCII')` // Jürgen in Latin 1
	both(t, func(t *testing.T, o postgres.Options) {
		_, pool := encoded(t, "SQL_ASCII")
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, name text UNIQUE, more jsonb); CREATE TABLE posts (author text PRIMARY KEY, body text); CREATE TABLE notes (person int, note text);
			INSERT INTO people VALUES (1, 'a@x.example', `+name+`, jsonb_build_object('n', `+name+`)), (2, 'b@x.example', 'Ben', NULL);
			INSERT INTO posts VALUES (`+name+`, 'by'), ('Ben', `+name+` || ' ask a@x.example. Ben'); INSERT INTO notes VALUES (1, `+name+`), (2, `+name+`);`)
		s := sourceOf(t, pool, "w", o)
		rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")})
		same(t, rows, "people", "name", `"Jürgen"`)
		same(t, rows, "people", "more", `{"n": "Jürgen"}`)
		same(t, rows, "notes", "note", `"Jürgen"`)
		sought := source.Mentions{Field: datamap.MentionFields(m)[0], Needles: seeds("email", "a@x.example")}
		slice, err := s.SearchMentions(t.Context(), sought, "")
		if err != nil || len(slice.Found) != 1 {
			t.Fatalf("expected one mention, got %d, %v", len(slice.Found), err)
		}
		if _, err := s.ChangeMention(t.Context(), source.MentionChange{Mentions: sought, Key: slice.Found[0].Key, Sum: slice.Found[0].Sum, After: slice.Found[0].After}); err != nil {
			t.Fatal(err)
		}
		is := erasedWhole(t, s, source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example"), Secret: []byte("0123456789abcdef")})
		expect(t, is["posts"], 1, 0, 1, 0)
		expect(t, is["notes"], 1, 0, 1, 0)
		if got := text(t, pool, `SELECT concat_ws('|', (SELECT string_agg(length(name)::text, ',' ORDER BY id) FROM people), (SELECT string_agg(author, ',') FROM posts),
			(SELECT replace(body, `+name+`, 'Juergen') FROM posts), (SELECT string_agg(person::text, ',') FROM notes))`); got != "64,3|Ben|Juergen ask [removed]. Ben|2" {
			t.Errorf("expected one person to be erased and the other text to stay, got %s", got)
		}
	})
}

// TestALocaleWithADotlessI: an address stored with a capital I is not found in a
// Turkish database. A check says so.
func TestALocaleWithADotlessI(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}]`)
	for locale, want := range map[string]bool{"tr": true, "cs": false} {
		admin := pgtest.Empty(t)
		if number(t, admin, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'pg_database'::regclass AND attname = 'datlocprovider'") == 0 {
			t.Skip("before 15 Postgres takes a database's locale from the machine, which may have none")
		}
		conf := admin.Config()
		conf.ConnConfig.Database += "_locale"
		name := pgx.Identifier{conf.ConnConfig.Database}.Sanitize()
		pgtest.Exec(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE '"+locale+"'")
		t.Cleanup(func() { pgtest.Exec(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
		pool := poolOf(t, conf)
		pgtest.Exec(t, pool, "CREATE TABLE people (id int PRIMARY KEY, email text)")
		doubts, err := sourceOf(t, pool, "w", postgres.Options{}).Check(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(doubts, func(d postgres.Doubt) bool { return strings.Contains(d.Sentence, "a capital I is a small ı") }); got != want {
			t.Errorf("%s: expected a doubt: %t, got %v", locale, want, doubts)
		}
	}
}

// TestLettersFromElsewhere: what other stores and a request's fields tell may hold
// letters that the database's encoding lacks: these lead to no row, and the others do.
func TestLettersFromElsewhere(t *testing.T) {
	t.Parallel()
	m := mapOf(t, `
dataset:
  - fides_key: e
    lethe: {source: e, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: posts
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: author, fides_meta: {references: [{dataset: e, field: people.name, direction: from}]}}
          - {name: topic, fides_meta: {custom_request_field: topic}}
          - {name: body, data_categories: [user.content]}
`)
	for _, encoding := range []string{"UTF8", "LATIN1"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o postgres.Options) {
				own, pool := encoded(t, encoding)
				pgtest.Exec(t, own, `CREATE TABLE posts (id int PRIMARY KEY, author text, topic text, body text);
					INSERT INTO posts VALUES (1, 'Jürgen', 'Käse', 'one'), (2, 'Jürgen', NULL, 'two'), (3, 'Ben', 'Käse', 'three')`)
				s := sourceOf(t, pool, "w", o)
				strange, names := []string{"山田", "Ω😀"}, []string{"Ω😀", "Jürgen", "山田"}
				feed := source.Feed{From: "e.people.name", To: "w.posts.author", Values: names, Mine: names, Others: strange, Stays: strange, Spared: strange, Crowded: strange}
				for topic, want := range map[string]int64{"": 2, "Käse": 1, "Ω": 0} {
					w := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "Ω😀@x.example"), Feeds: []source.Feed{feed}}
					if topic != "" {
						w.Fields = map[string]string{"topic": topic}
					}
					found, err := s.Find(t.Context(), w)
					if err != nil {
						t.Fatal(err)
					}
					if n := by(found.Findings)["posts"].Rows; n != want {
						t.Errorf("expected %d posts with the topic %q, got %d", want, topic, n)
					}
				}
				expect(t, erasedWhole(t, s, source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Feeds: []source.Feed{feed}})["posts"], 2, 0, 2, 0)
				if got := text(t, own, "SELECT string_agg(body, ' ') FROM posts"); got != "three" {
					t.Errorf("expected the other's post alone to be left, got %s", got)
				}
			})
		})
	}
}
