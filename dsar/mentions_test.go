package dsar

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// realChat is the live chat over its real rows, where those are.
func realChat(t *testing.T) (*workBundle, *pgxpool.Pool) {
	t.Helper()
	dir := "../../shared/data/livechat"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the real rows are not beside the repository")
	}
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, livechat.Schema)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"accounts", "agents", "contacts", "visitors", "visits", "identifiers", "consents", "conversations", "messages", "attachments"} {
		f, err := os.Open(filepath.Join(dir, table+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Conn().PgConn().CopyFrom(t.Context(), f, "COPY "+table+" FROM STDIN (FORMAT csv, HEADER)")
		f.Close() //nolint:errcheck // it was only read
		if err != nil {
			t.Fatalf("expected %s to load: %v", table, err)
		}
	}
	conn.Release()
	pgtest.Exec(t, pool, "ANALYSE")
	src, err := postgres.New("livechat", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The files that attachments name are another test's.
	file := strings.ReplaceAll(livechat.Datamap, "object: files, ", "")
	return newWorkOver(t, file, map[string]Source{"livechat": src}), pool
}

func text(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) string {
	t.Helper()
	var out string
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&out); err != nil {
		t.Fatalf("expected a text from %s: %v", sql, err)
	}
	return out
}

// Contact 4 of the live chat asks to be erased; contact 1 has given her address
// to the shop in message 1327. It waits for the DPO, and at the DPO's word the
// address goes from it and nothing else from any message.
func TestMentionOfContactFour(t *testing.T) {
	t.Parallel()
	b, pool := realChat(t)
	const address = "xylmaz4@example.org"
	id := b.approved(t, datamap.Erasure, address)
	// What is somebody else's, byte for byte.
	const others = `SELECT md5(string_agg(m::text, E'\n' ORDER BY m.id)) FROM messages m
		WHERE m.id <> 1327 AND m.conversation_id IN (SELECT id FROM conversations WHERE contact_id IS DISTINCT FROM 4
			AND (contact_id IS NOT NULL OR visitor_id NOT IN (SELECT id FROM visitors WHERE contact_id = 4)))`
	before, row := text(t, pool, others), text(t, pool, `SELECT m::text FROM messages m WHERE id = 1327`)
	b.worked(t)
	q := b.expectStatus(t, id, Running)
	if len(q.Mentions) != 1 || q.Mentions[0].Key != "1327" || q.Mentions[0].Collection != "livechat.messages" || q.Mentions[0].Field != "content_text" {
		t.Fatalf("expected message 1327 and nothing else to be found, got %+v", q.Mentions)
	}
	if !strings.Contains(q.Waiting, "1 mention of the person") {
		t.Errorf("expected the request to say that it waits for the DPO, got %q", q.Waiting)
	}
	m := q.Mentions[0].ID
	shown, found, err := b.ShowMention(t.Context(), dpo, id, m)
	if err != nil || !found || len(shown.Spans) != 1 || shown.Text[shown.Spans[0][0]:shown.Spans[0][1]] != address {
		t.Errorf("expected the text with the passage in it to be shown, got %+v, %v, %v", shown, found, err)
	}
	if after := text(t, pool, others); after != before {
		t.Error("expected nothing to change before the DPO's word")
	}
	if err := b.DecideMention(t.Context(), dpo, id, []int64{m}, RedactMention, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.DecideMention(t.Context(), dpo, id, []int64{m}, DeleteMention, ""); err == nil {
		t.Error("expected the second word about a mention not to count")
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got, want := text(t, pool, `SELECT m::text FROM messages m WHERE id = 1327`), strings.ReplaceAll(row, address, "[removed]"); got != want {
		t.Errorf("expected the row to be\n%s\ngot\n%s", want, got)
	}
	if after := text(t, pool, others); after != before {
		t.Error("expected every other message to be the same, byte for byte")
	}
	l := b.mail.one(t, "erased")
	if len(l.Mentions) != 1 || !strings.Contains(l.Mentions[0], "1 text of other people") {
		t.Errorf("expected the letter to count the text, got %q", l.Mentions)
	}
	expectNowhere(t, b.dump(t), address, "please also write")
}

// mortalMentions dies after the source's commit, once.
type mortalMentions struct {
	*postgres.Source
	dies   bool
	fails  map[string]func(context.Context) error // by key
	before func(c source.MentionChange)
}

func (m *mortalMentions) ChangeMention(ctx context.Context, c source.MentionChange) (source.MentionOutcome, error) {
	if m.before != nil {
		m.before(c)
	}
	if fail := m.fails[c.Key]; fail != nil {
		return source.MentionOutcome{}, fail(ctx)
	}
	out, err := m.Source.ChangeMention(ctx, c)
	if m.dies && err == nil {
		m.dies = false
		panic(killed)
	}
	return out, err
}

const noteShop = `
ALTER TABLE people ADD phone text;
UPDATE people SET phone = '+420 777 123 456' WHERE id = 1;
CREATE TABLE notes (id bigint PRIMARY KEY, about bigint REFERENCES orders, words varchar(60));
INSERT INTO notes VALUES (1, 12, 'ask pavla@example.org first'), (2, 12, 'xpavla@example.org is no friend'),
	(3, 13, 'pavla@example.org of another firm'), (4, 12, 'call 777 123 456 or PAVLA@EXAMPLE.ORG'), (5, NULL, 'pavla@example.org of nobody'),
	(6, 12, 'pavla@example.org again');`

func noteMap() string {
	m := strings.Replace(shopMap, "          - {name: mail,", "          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}\n          - {name: mail,", 1)
	return m + `      - name: notes
        fides_meta: {skip_processing: true}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: about, fides_meta: {references: [{dataset: shop, field: orders.id, direction: to}]}}
          - {name: words, data_categories: [user.content], fides_meta: {data_type: string}, lethe: {mentions: true}}
`
}

func newNoteShop(t *testing.T) (*workBundle, *pgxpool.Pool, *mortalMentions) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema+noteShop)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := &mortalMentions{Source: src}
	return newWorkOver(t, noteMap(), map[string]Source{"shop": m}), pool, m
}

// mentionIDs expects these notes are found: another controller's, a longer address and
// rows of nobody are not.
func mentionIDs(t *testing.T, q Request, want ...string) map[string]int64 {
	t.Helper()
	ids := map[string]int64{}
	var keys []string
	for _, m := range q.Mentions {
		ids[m.Key] = m.ID
		keys = append(keys, m.Key)
	}
	if strings.Join(keys, " ") != strings.Join(want, " ") {
		t.Fatalf("expected mentions in the notes %v, got %v", want, keys)
	}
	return ids
}

// Each of the three ways, with a kill between the two commits.
func TestMentionsDecided(t *testing.T) {
	t.Parallel()
	b, pool, src := newNoteShop(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	ids := mentionIDs(t, b.expectStatus(t, id, Running), "1", "4", "6")
	src.dies = true
	if err := b.DecideMention(t.Context(), dpo, id, []int64{ids["4"]}, RedactMention, ""); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if err := b.run(t, b.job(t, id, "mentions", "shop")); err != nil {
		t.Fatalf("expected the second run to end well, got %v", err)
	}
	if got, want := text(t, pool, `SELECT words FROM notes WHERE id = 4`), "call [removed] or [removed]"; got != want {
		t.Errorf("expected %q, got %q", want, got)
	}
	if err := b.DecideMention(t.Context(), dpo, id, []int64{ids["6"]}, DeleteMention, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.DecideMention(t.Context(), dpo, id, []int64{ids["1"]}, LeaveMention, ""); err == nil {
		t.Error("expected leaving a mention to need a reason")
	}
	if err := b.DecideMention(t.Context(), dpo, id, nil, LeaveMention, "Needed for a claim of the writer"); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	var outcomes []string
	for _, m := range q.Mentions {
		outcomes = append(outcomes, m.Key+" "+m.Outcome)
	}
	if got := strings.Join(outcomes, ", "); got != "1 left, 4 redacted, 6 deleted" {
		t.Errorf("expected each decision carried out, got %s", got)
	}
	if got := text(t, pool, `SELECT string_agg(id::text, ' ' ORDER BY id) FROM notes`); got != "1 2 3 4 5" {
		t.Errorf("expected note 6 gone and no other, got %s", got)
	}
	l := b.mail.one(t, "erased")
	if len(l.Mentions) != 2 || !strings.Contains(strings.Join(l.Kept, " "), "Needed for a claim of the writer.") {
		t.Errorf("expected the letter to say what was removed, deleted and left, got %q and %q", l.Mentions, l.Kept)
	}
}

// A mention that fails, or takes for ever, stops none behind it: the one is tried
// again with its step, the other waits for the DPO with the reason.
func TestASlowMentionStopsNoOther(t *testing.T) {
	t.Parallel()
	b, pool, src := newNoteShop(t)
	b.mentionLimit = 3 * time.Second
	src.fails = map[string]func(context.Context) error{
		"1": func(context.Context) error { return errors.New("locked") },
		"4": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	ids := mentionIDs(t, b.expectStatus(t, id, Running), "1", "4", "6")
	if err := b.DecideMention(t.Context(), dpo, id, nil, RedactMention, ""); err != nil {
		t.Fatal(err)
	}
	if errs := b.work(t); len(errs) != 1 {
		t.Fatalf("expected the step to fail for the one that failed, got %v", errs)
	}
	for _, m := range b.get(t, id).Mentions {
		switch {
		case m.Key == "1" && (m.Decision == "" || m.Outcome != ""):
			t.Errorf("expected what failed to be tried again, got %+v", m)
		case m.Key == "4" && (!m.Open() || !strings.Contains(m.Trouble, "given up")):
			t.Errorf("expected what took too long to wait for the DPO with the reason, got %+v", m)
		case m.Key == "6" && m.Outcome != "redacted":
			t.Errorf("expected the one behind them to be redacted, got %+v", m)
		}
	}
	src.fails = nil
	if err := b.DecideMention(t.Context(), dpo, id, []int64{ids["4"]}, RedactMention, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.run(t, b.job(t, id, "mentions", "shop")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := text(t, pool, `SELECT string_agg(words, '; ' ORDER BY id) FROM notes WHERE id IN (1, 4, 6)`); strings.Contains(strings.ToLower(got), "pavla") {
		t.Errorf("expected all to be redacted in the end, got %q", got)
	}
}

// The text is written anew, the row goes, other rows hang on it, it does not fit.
func TestMentionsMeanwhile(t *testing.T) {
	t.Parallel()
	b, pool, _ := newNoteShop(t)
	pgtest.Exec(t, pool, `CREATE TABLE answers (note bigint REFERENCES notes ON DELETE CASCADE); INSERT INTO answers VALUES (6)`)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	ids := mentionIDs(t, b.expectStatus(t, id, Running), "1", "4", "6")
	pgtest.Exec(t, pool, `UPDATE notes SET words = 'now: pavla@example.org' WHERE id = 1; DELETE FROM notes WHERE id = 4`)
	decide := func(key, how string) {
		t.Helper()
		if err := b.DecideMention(t.Context(), dpo, id, []int64{ids[key]}, how, ""); err != nil {
			t.Fatal(err)
		}
	}
	decide("1", RedactMention)
	decide("4", RedactMention)
	decide("6", DeleteMention)
	b.worked(t)
	for _, m := range b.expectStatus(t, id, Running).Mentions {
		switch m.Key {
		case "1":
			if !m.Open() || !strings.Contains(m.Trouble, "changed") {
				t.Errorf("expected a text that changed to wait again, got %+v", m)
			}
		case "4":
			if m.Outcome != "gone" {
				t.Errorf("expected a row that went to be on the record as gone, got %+v", m)
			}
		case "6":
			if !m.Open() || !strings.Contains(m.Trouble, "answers") {
				t.Errorf("expected the table whose rows would go too to be named, got %+v", m)
			}
		}
	}
	if got := text(t, pool, `SELECT string_agg(words, '; ' ORDER BY id) FROM notes WHERE id IN (1, 6)`); got != "now: pavla@example.org; pavla@example.org again" {
		t.Errorf("expected nothing to be changed, got %q", got)
	}
	decide("1", RedactMention)
	decide("6", RedactMention)
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := text(t, pool, `SELECT string_agg(words, '; ' ORDER BY id) FROM notes WHERE id IN (1, 6)`); got != "now: [removed]; [removed] again" {
		t.Errorf("expected both redacted, got %q", got)
	}
}

// The columns still to be searched are known by their names: a data map that
// changes while a search rests has no column passed over, or begun in its middle.
func TestASearchOutlivesAChangedMap(t *testing.T) {
	t.Parallel()
	texts := func(names ...string) (all []datamap.MentionField) {
		c := &datamap.Collection{Name: "notes", Dataset: &datamap.Dataset{Key: "shop"}}
		for _, n := range names {
			all = append(all, datamap.MentionField{Field: &datamap.Field{Name: n, Collection: c}})
		}
		return all
	}
	rest := func(n mentionNote, names ...string) (left string) {
		for {
			text, from, found := n.open(texts(names...))
			if !found {
				return left
			}
			left += text.Field.Name + "@" + from + " "
			n.went(text, "")
		}
	}
	begun := mentionNote{}
	begun.went(texts("a")[0], "")
	begun.went(texts("b")[0], "7:9")
	for _, x := range []struct{ columns, want string }{
		{"a b c", "b@7:9 c@ "}, {"b c", "b@7:9 c@ "}, {"new a b c", "b@7:9 new@ c@ "}, {"a c", "c@ "}, {"c a b", "b@7:9 c@ "}, {"a", ""},
	} {
		if got := rest(begun, strings.Fields(x.columns)...); got != x.want {
			t.Errorf("expected %q of the columns %s to be searched, got %q", x.want, x.columns, got)
		}
	}
	if got := rest(mentionNote{Field: 1, Next: "7:9"}, "a", "b", "c"); got != "b@7:9 c@ " {
		t.Errorf("expected a note of an earlier build to be read, got %q", got)
	}
}

// Where it is certain, as soon as a person's rows are gone, that no other people's
// text names them, the request is answered at once: on the record stands a
// search that found nothing, as if a step of its own had made it.
func TestNamedNowhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words  string
		queued []string
		step   Step
	}{
		"nobody names them":  {"ask somebody else", []string{"letter erased", "letter notice"}, Step{Status: "done"}},
		"somebody does":      {"ask pavla@example.org", []string{"step mentions shop"}, Step{Status: "waiting"}},
		"a part of the name": {"ask pavla", []string{"letter erased", "letter notice"}, Step{Status: "done"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, pool, _ := newNoteShop(t)
			pgtest.Exec(t, pool, `CREATE EXTENSION pg_trgm; CREATE INDEX ON notes USING gin (words gin_trgm_ops);
				UPDATE people SET phone = NULL; DELETE FROM notes WHERE id <> 1; UPDATE notes SET words = '`+c.words+`'`)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, b.pool, `DELETE FROM test_queue q USING steps s WHERE q.kind = 'step' AND s.id = q.id AND s.stage = 'erase'`)
			b.expectQueued(t, c.queued...)
			i := slices.IndexFunc(b.get(t, id).Steps, func(st Step) bool { return st.Stage == stageMentions })
			if i < 0 {
				t.Fatal("expected a step for the search")
			}
			if st := b.get(t, id).Steps[i]; st.Status != c.step.Status || st.Source != "shop" || st.Attempts != 0 {
				t.Errorf("expected the search to be %s without an attempt, got %+v", c.step.Status, st)
			}
			entries, err := ledger.List(t.Context(), b.pool, id, 0)
			if err != nil {
				t.Fatal(err)
			}
			searched := slices.ContainsFunc(entries, func(e ledger.Entry) bool { return e.Type == "mentions.searched" && e.Data["mentions"] == int64(0) })
			if searched != (c.step.Status == "done") {
				t.Errorf("expected a search on record: %v, got %v", c.step.Status == "done", searched)
			}
		})
	}
}
