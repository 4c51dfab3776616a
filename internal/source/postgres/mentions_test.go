package postgres_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const forumMap = `
dataset:
  - fides_key: forum
    name: Forum
    collections:
      - name: Topics
        lethe: {controller: tenant}
        fides_meta: {skip_processing: true}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: tenant}
          - {name: phone, fides_meta: {identity: phone}}
      - name: posts
        fides_meta: {skip_processing: true}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: topic, fides_meta: {references: [{dataset: forum, field: Topics.id, direction: to}]}}
          - {name: body, lethe: {mentions: true}}
      - name: loose
        fides_meta: {skip_processing: true}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: body, lethe: {mentions: true}}
`

// forum has posts of two tenants over more blocks than one piece of a search reads.
func forum(t *testing.T, posts int) (*pgxpool.Pool, *postgres.Source, []datamap.MentionField) {
	t.Helper()
	one := pgtest.Empty(t).Config()
	one.MaxConns = 1 // so that its statistics are flushed when the test says so
	pool := poolOf(t, one)
	pgtest.Exec(t, pool, `
		CREATE TABLE "Topics" (id uuid PRIMARY KEY, tenant integer, phone text);
		CREATE TABLE posts (id bigint PRIMARY KEY, topic text, body text) WITH (fillfactor = 10);
		CREATE TABLE loose (id bigint PRIMARY KEY, body text);
		INSERT INTO "Topics" VALUES ('00000000-0000-0000-0000-000000000001', 1), ('00000000-0000-0000-0000-000000000002', 2);
		INSERT INTO posts SELECT g, '00000000-0000-0000-0000-00000000000' || 1 + g % 2, 'post ' || g || repeat(' words', 60) FROM generate_series(1, `+fmt.Sprint(posts)+`) g;
		UPDATE posts SET body = 'by ANNA@b.example, +420 777-123-456' WHERE id IN (2, 3, `+fmt.Sprint(posts)+`);
		UPDATE posts SET body = 'by xanna@b.example' WHERE id = 4; ANALYSE`)
	return pool, sourceOf(t, pool, "forum", postgres.Options{}), datamap.MentionFields(mapOf(t, forumMap))
}

func search(t *testing.T, s *postgres.Source, m source.Mentions) (keys []string, pieces int) {
	t.Helper()
	for from := ""; ; {
		slice, err := s.SearchMentions(t.Context(), m, from)
		if err != nil {
			t.Fatal(err)
		}
		pieces++
		for _, f := range slice.Found {
			keys = append(keys, f.Key)
		}
		if from = slice.Next; from == "" {
			return keys, pieces
		}
	}
}

// In pieces of the heap, and by a trigram index in one statement: the same rows,
// and only the controller's, told by a row two types away.
func TestMentionsSearched(t *testing.T) {
	t.Parallel()
	pool, s, fields := forum(t, 6000)
	if len(fields) != 2 || fields[0].Why != "" || fields[1].Why == "" {
		t.Fatalf("expected posts to lead to their tenant and loose rows not, got %+v", fields)
	}
	m := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
	keys, pieces := search(t, s, m)
	if strings.Join(keys, " ") != "2 6000" && strings.Join(keys, " ") != "6000 2" || pieces < 2 {
		t.Errorf("expected posts 2 and 6000 in several pieces, got %v in %d", keys, pieces)
	}
	byPhone := m
	byPhone.Needles = seeds("phone", "+420777123456")
	if keys, _ := search(t, s, byPhone); len(keys) != 2 {
		t.Errorf("expected the same posts by the telephone number, got %v", keys)
	}
	stranger := m
	stranger.Scope = ""
	if keys, _ := search(t, s, stranger); len(keys) != 0 {
		t.Errorf("expected no rows for nobody's scope, got %v", keys)
	}
	slice, err := s.SearchMentions(t.Context(), source.Mentions{Field: fields[1], Scope: "1", Needles: m.Needles}, "")
	if err != nil || slice.Skipped == "" || len(slice.Found) > 0 {
		t.Errorf("expected a column of nobody knows whom not to be searched, and said, got %+v, %v", slice, err)
	}
	advice := advised(t, s, fields[0])
	if len(advice) != 2 || advice[0] != `CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX CONCURRENTLY ON "public"."posts" USING gin ("body" gin_trgm_ops)` {
		t.Fatalf("expected check to advise trigram indexes of the text and of its digits, got %q", advice)
	}
	pgtest.Exec(t, pool, `CREATE EXTENSION IF NOT EXISTS pg_trgm`)
	for _, sql := range advice {
		pgtest.Exec(t, pool, strings.ReplaceAll(sql, "CONCURRENTLY ", ""))
	}
	if advice := advised(t, s, fields[0]); len(advice) != 0 {
		t.Errorf("expected check to be content with what it advised, got %q", advice)
	}
	pgtest.Exec(t, pool, `DROP INDEX posts_body_idx`) // that of the digits stays
	both := m
	both.Needles = append(seeds("email", "anna@b.example"), byPhone.Needles...)
	if keys, pieces := search(t, s, m); len(keys) != 2 || pieces < 2 {
		t.Errorf("expected an index of the digits not to serve an address, got %v in %d", keys, pieces)
	}
	for _, index := range []string{"body gin_trgm_ops", "lower(body) gin_trgm_ops"} {
		pgtest.Exec(t, pool, `CREATE EXTENSION IF NOT EXISTS pg_trgm; DROP INDEX IF EXISTS posts_words; CREATE INDEX posts_words ON posts USING gin (`+index+`)`)
		before := scans(t, pool)
		for _, m := range []source.Mentions{m, byPhone, both} {
			keys, pieces := search(t, s, m)
			if len(keys) != 2 || pieces != 1 {
				t.Errorf("%s: expected both posts in one statement, got %v in %d", index, keys, pieces)
			}
		}
		if after := scans(t, pool); after != before {
			t.Errorf("%s: expected no sequential scan of the posts, there were %d", index, after-before)
		}
		if advice := advised(t, s, fields[0]); len(advice) != 0 {
			t.Errorf("%s: expected check to be content with it, got %q", index, advice)
		}
	}
}

// advised is what check would have done about the search of a column.
func advised(t *testing.T, s *postgres.Source, f datamap.MentionField) (advice []string) {
	t.Helper()
	doubts, err := s.Check(t.Context(), mapOf(t, forumMap))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doubts {
		if d.Subject == f.Field.FullName() && d.Level == postgres.Doubtful {
			advice = append(advice, d.Do)
		}
	}
	return advice
}

// A column that is not searched is told by check, with the reason, and no index
// is advised for it.
func TestMentionsNotSearched(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{"json": "its type is json", "jsonb": "its type is jsonb", "text[]": "which is no text"} {
		pool, s, fields := forum(t, 10)
		pgtest.Exec(t, pool, `ALTER TABLE posts DROP body; ALTER TABLE posts ADD body `+typ)
		doubts, err := s.Check(t.Context(), mapOf(t, forumMap))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, d := range doubts {
			if d.Subject == fields[0].Field.FullName() {
				said = append(said, d.Sentence)
			}
		}
		if len(said) != 1 || !strings.Contains(said[0], "not searched for mentions") || !strings.Contains(said[0], want) {
			t.Errorf("%s: expected check to say that it is not searched and why, and nothing else, got %q", typ, said)
		}
		slice, err := s.SearchMentions(t.Context(), source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}, "")
		if err != nil || !strings.Contains(slice.Skipped, want) {
			t.Errorf("%s: expected the search to say so, too, got %+v, %v", typ, slice, err)
		}
	}
}

// scans counts the sequential scans of the posts, as the server's own statistics have it.
func scans(t *testing.T, pool *pgxpool.Pool) int64 {
	t.Helper()
	pgtest.Exec(t, pool, `SELECT pg_stat_force_next_flush()`)
	return number(t, pool, `SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'posts'`)
}

// What stands in the way of a change is said, and nothing is changed.
func TestMentionsRefused(t *testing.T) {
	t.Parallel()
	pool, s, fields := forum(t, 10)
	m := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
	slice, err := s.SearchMentions(t.Context(), m, "")
	if err != nil || len(slice.Found) != 2 {
		t.Fatalf("expected two mentions, got %+v, %v", slice, err)
	}
	f := slice.Found[0]
	change := source.MentionChange{Mentions: m, Key: f.Key, Sum: f.Sum, After: f.After}
	before := number(t, pool, `SELECT hashtext(string_agg(p::text, '' ORDER BY id)) FROM posts p`)
	held := change
	held.Holds.Rows = []source.RowKey{{Collection: "forum.posts", Key: f.Key}}
	foreign := change
	foreign.Scope = "2"
	for name, tc := range map[string]struct {
		sql    string
		change source.MentionChange
		what   string
	}{
		"a hold":     {"SELECT 1", held, source.MentionRefused},
		"not theirs": {"SELECT 1", foreign, source.MentionGone},
		"a trigger with a code of its own": {`
			CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'closed for %', OLD.body USING ERRCODE = '45000'; END$$;
			CREATE TRIGGER closed BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION no()`, change, source.MentionRefused},
		"a constraint": {`ALTER TABLE posts ADD CONSTRAINT no_signs CHECK (body NOT LIKE '%[removed]%')`, change, source.MentionRefused},
	} {
		pgtest.Exec(t, pool, tc.sql)
		out, err := s.ChangeMention(t.Context(), tc.change)
		if err != nil || out.What != tc.what || strings.Contains(out.Why, "anna") {
			t.Errorf("%s: expected %s, got %+v, %v", name, tc.what, out, err)
		}
		pgtest.Exec(t, pool, `ALTER TABLE posts DROP CONSTRAINT IF EXISTS no_signs; DROP TRIGGER IF EXISTS closed ON posts`)
	}
	if after := number(t, pool, `SELECT hashtext(string_agg(p::text, '' ORDER BY id)) FROM posts p`); after != before {
		t.Error("expected nothing to be changed")
	}
	for range 2 { // a second time tells that it has happened
		if out, err := s.ChangeMention(t.Context(), change); err != nil || out.What != source.MentionRedacted {
			t.Errorf("expected the passage to be removed, got %+v, %v", out, err)
		}
	}
}

// A text is looked through before its row is locked. What somebody writes in
// between is not overwritten.
func TestMentionWrittenAnewMeanwhile(t *testing.T) {
	t.Parallel()
	pool, s, fields := forum(t, 10)
	more := pool.Config()
	more.MaxConns = 2 // one that writes, one that looks
	other := poolOf(t, more)
	m := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
	slice, err := s.SearchMentions(t.Context(), m, "")
	if err != nil || len(slice.Found) != 2 {
		t.Fatalf("expected two mentions, got %+v, %v", slice, err)
	}
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context()) //nolint:errcheck // committed below
	const anew = "now: anna@b.example says more"
	if _, err := tx.Exec(t.Context(), `UPDATE posts SET body = $1 WHERE id = $2`, anew, slice.Found[0].Key); err != nil {
		t.Fatal(err)
	}
	type result struct {
		out source.MentionOutcome
		err error
	}
	ended := make(chan result, 1)
	go func() {
		f := slice.Found[0]
		out, err := s.ChangeMention(t.Context(), source.MentionChange{Mentions: m, Key: f.Key, Sum: f.Sum, After: f.After})
		ended <- result{out, err}
	}()
	for number(t, other, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256([]byte(anew))
	if r := <-ended; r.err != nil || r.out.What != source.MentionChanged || !bytes.Equal(r.out.Now.Sum, want[:]) || r.out.Now.Passages != 1 {
		t.Errorf("expected the text to be told as changed, with its sum now, got %+v, %v", r.out, r.err)
	}
	if n := number(t, other, `SELECT count(*) FROM posts WHERE body = '`+anew+`'`); n != 1 {
		t.Error("expected what was written meanwhile to stay")
	}
}

// Rows of a table without a key move with each change of theirs, and their places
// are filled by others. What was found is known by its text: it is not told as
// deleted while it stands, nor taken for a stranger's, and a hold is one all the same.
func TestMentionsWithoutAKey(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, mail text);
		CREATE TABLE wall (who int, words text, likes int);
		INSERT INTO people VALUES (1, 'anna@b.example'), (2, 'bob@b.example');
		INSERT INTO wall VALUES (2, 'ask anna@b.example', 0), (2, 'I know anna@b.example', 0), (2, 'and anna@b.example', 0), (1, 'mine: anna@b.example', 0)`)
	m := mapOf(t, `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: wall
        fields:
          - {name: who, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: words, data_categories: [user.content], lethe: {mentions: true}}
          - {name: likes}
`)
	s := sourceOf(t, pool, "shop", postgres.Options{})
	plan := planOf(t, m, datamap.Access, "email")
	walk := func(mail string) source.Walk { return source.Walk{Plan: plan, Seeds: seeds("email", mail)} }
	where := source.Mentions{Field: datamap.MentionFields(m)[0], Needles: seeds("email", "anna@b.example"), Own: []source.Walk{walk("anna@b.example")}}
	slice, err := s.SearchMentions(t.Context(), where, "")
	if err != nil || len(slice.Found) != 3 {
		t.Fatalf("expected the three texts of others and not the person's own, got %+v, %v", slice.Found, err)
	}
	pgtest.Exec(t, pool, `UPDATE wall SET likes = likes + 1`)
	pgtest.Exec(t, pool, `VACUUM wall`)
	pgtest.Exec(t, pool, `INSERT INTO wall SELECT 2, 'nothing of anybody', 0 FROM generate_series(1, 4)`)
	change := func(i int, remove bool, holds source.Holds) string {
		t.Helper()
		f := slice.Found[i]
		out, err := s.ChangeMention(t.Context(), source.MentionChange{Mentions: where, Key: f.Key, Sum: f.Sum, After: f.After, Delete: remove, Holds: holds})
		if err != nil {
			t.Fatal(err)
		}
		return out.What
	}
	if what := change(0, true, source.Holds{Walks: []source.Walk{walk("bob@b.example")}}); what != source.MentionRefused {
		t.Errorf("expected a row under a hold to be refused, was %s", what)
	}
	if what := change(0, true, source.Holds{}); what != source.MentionDeleted {
		t.Errorf("expected the first to be deleted, was %s", what)
	}
	if what := change(1, false, source.Holds{}); what != source.MentionRedacted {
		t.Errorf("expected the second to be redacted, was %s", what)
	}
	pgtest.Exec(t, pool, `UPDATE wall SET words = 'now anna@b.example' WHERE words LIKE 'and %'`)
	if what := change(2, true, source.Holds{}); what != source.MentionGone {
		t.Errorf("expected a text that was changed not to be told as deleted, was %s", what)
	}
	left := `SELECT count(*) FROM wall WHERE words IN ('I know [removed]', 'mine: anna@b.example', 'now anna@b.example') AND likes = 1 OR words LIKE 'nothing%'`
	if all, kept := number(t, pool, `SELECT count(*) FROM wall`), number(t, pool, left); all != 7 || kept != 7 {
		t.Errorf("expected three rows of the four and the four new ones, there are %d of %d", kept, all)
	}
}

// A text that the database makes of other columns is found, and cannot be
// redacted: somebody is told so, and may delete the row.
func TestMentionsInAGeneratedText(t *testing.T) {
	t.Parallel()
	pool, s, fields := forum(t, 10)
	pgtest.Exec(t, pool, `
		ALTER TABLE posts RENAME body TO words;
		ALTER TABLE posts ADD body text GENERATED ALWAYS AS ('> ' || words) STORED`)
	m := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
	slice, err := s.SearchMentions(t.Context(), m, "")
	if err != nil || len(slice.Found) != 2 {
		t.Fatalf("expected two mentions, got %+v, %v", slice, err)
	}
	f := slice.Found[0]
	change := source.MentionChange{Mentions: m, Key: f.Key, Sum: f.Sum, After: f.After}
	out, err := s.ChangeMention(t.Context(), change)
	if err != nil || out.What != source.MentionRefused || !strings.Contains(out.Why, "of other columns") {
		t.Errorf("expected the change to be refused with the reason, got %+v, %v", out, err)
	}
	change.Delete = true
	if out, err := s.ChangeMention(t.Context(), change); err != nil || out.What != source.MentionDeleted {
		t.Errorf("expected the row to be deleted at the DPO's word, got %+v, %v", out, err)
	}
}

// A row that names a file is not deleted, which would leave the file behind; one
// whose column is blank names none.
func TestMentionsBesideAFile(t *testing.T) {
	t.Parallel()
	pool, s, _ := forum(t, 10)
	m := mapOf(t, strings.Replace(forumMap, "          - {name: body,", "          - {name: scan}\n          - {name: body,", 1))
	fields := datamap.MentionFields(m)
	fields[0].Field.Collection.Field("scan").Object = "files"
	for _, tc := range []struct{ scan, what string }{
		{"text DEFAULT '2026/letter.pdf'", source.MentionRefused},
		{"text[] DEFAULT '{2026/letter.pdf}'", source.MentionRefused},
		{"text[] DEFAULT '{}'", source.MentionDeleted},
		{"text DEFAULT ''", source.MentionDeleted},
	} {
		pgtest.Exec(t, pool, `ALTER TABLE posts DROP COLUMN IF EXISTS scan; ALTER TABLE posts ADD scan `+tc.scan)
		of := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
		slice, err := s.SearchMentions(t.Context(), of, "")
		if err != nil || len(slice.Found) == 0 {
			t.Fatalf("expected mentions, got %+v, %v", slice, err)
		}
		f := slice.Found[0]
		out, err := s.ChangeMention(t.Context(), source.MentionChange{Mentions: of, Key: f.Key, Sum: f.Sum, After: f.After, Delete: true})
		if err != nil || out.What != tc.what {
			t.Errorf("scan %s: expected the row to be %s, got %+v, %v", tc.scan, tc.what, out, err)
		}
	}
}

// TestMentionsOfHiddenReplies: a row is not deleted where foreign keys could take
// rows along that row-level security hides.
func TestMentionsOfHiddenReplies(t *testing.T) {
	t.Parallel()
	pool, _, fields := forum(t, 10)
	pgtest.Exec(t, pool, `
		CREATE TABLE replies (id int PRIMARY KEY, tenant int, post bigint REFERENCES posts ON DELETE CASCADE);
		INSERT INTO replies SELECT id, 2, id FROM posts;
		ALTER TABLE replies ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON replies USING (tenant = 1)`)
	s := sourceOf(t, asRole(t, pool, "GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE"), "forum", postgres.Options{})
	m := source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "anna@b.example")}
	slice, err := s.SearchMentions(t.Context(), m, "")
	if err != nil || len(slice.Found) == 0 {
		t.Fatalf("expected mentions, got %+v, %v", slice, err)
	}
	f := slice.Found[0]
	before := number(t, pool, `SELECT count(*) FROM replies`)
	out, err := s.ChangeMention(t.Context(), source.MentionChange{Mentions: m, Key: f.Key, Sum: f.Sum, After: f.After, Delete: true})
	if err != nil || out.What != source.MentionRefused || !strings.Contains(out.Why, "public.replies") {
		t.Errorf("expected the deletion to be refused for the replies' sake, got %+v, %v", out, err)
	}
	if n := number(t, pool, `SELECT count(*) FROM replies`); n != before {
		t.Errorf("expected no reply to go, %d of %d are left", n, before)
	}
}
