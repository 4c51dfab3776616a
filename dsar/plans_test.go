package dsar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// Two databases: a shop, and a diary of what the same people did and wrote.
const (
	diarySchema = `
CREATE TABLE events (id bigint PRIMARY KEY, mail text, what text);
CREATE TABLE notes (id bigint PRIMARY KEY, mail text, body text);
CREATE TABLE members (id bigint PRIMARY KEY, mail text NOT NULL, name text NOT NULL UNIQUE);
CREATE INDEX ON events (lower(mail)); CREATE INDEX ON notes (lower(mail)); CREATE INDEX ON members (lower(mail));
INSERT INTO events SELECT g, CASE WHEN g < 7 THEN 'pavla@example.org' ELSE 'karel@example.org' END, 'visit' FROM generate_series(1, 9) g;
INSERT INTO notes VALUES (1, 'pavla@example.org', 'hello'), (2, 'pavla@example.org', 'again'), (3, 'karel@example.org', 'mine');
INSERT INTO members VALUES (1, 'pavla@example.org', 'Pavla Ng'), (2, 'pavla@example.org', 'Pavla Novak'), (3, 'karel@example.org', 'Karel Novák');`

	diaryHead = `
  - fides_key: diary
    name: Diary
    lethe: {source: diary, basis: b}
    collections:`
)

var (
	eventsPart  = diaryPart("events", "what", "user.behavior")
	notesPart   = diaryPart("notes", "body", "user.content")
	membersPart = diaryPart("members", "name", "user.name")
)

// diaryPart is a collection of the diary that has one column beside the address.
func diaryPart(collection, column, category string) string {
	return `
      - name: ` + collection + `
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: ` + column + `, data_categories: [` + category + `]}`
}

// keyedByName are the members under another key.
var keyedByName = strings.NewReplacer("{name: id, fides_meta: {primary_key: true}}", "{name: id}",
	"{name: name, data_categories: [user.name]}", "{name: name, data_categories: [user.name], fides_meta: {primary_key: true}}").Replace(membersPart)

// diaried is a service over both, with these collections of the diary.
func diaried(t *testing.T, collections ...string) (b *workBundle, diary *pgxpool.Pool) {
	t.Helper()
	sources := map[string]Source{}
	for name, sql := range map[string]string{"shop": shopSchema, "diary": diarySchema} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, sql)
		src, err := postgres.New(name, pool, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if sources[name] = src; name == "diary" {
			diary = pool
		}
	}
	return newWorkOver(t, withDiary(collections...), sources), diary
}

func withDiary(collections ...string) string {
	return shopMap + diaryHead[1:] + strings.Join(collections, "")
}

// restarted is the service after a change of the map or the sources (nil: the same).
func (b *workBundle) restarted(t *testing.T, yaml string, sources map[string]Source) {
	t.Helper()
	c := b.c
	if sources != nil {
		c.Sources = sources
	}
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(yaml)}}, datamap.ParseOptions{Sources: slices.Collect(maps.Keys(c.Sources)), Stores: slices.Collect(maps.Keys(c.Files))})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected a map without errors, got %s", p)
		}
	}
	c.Map = m
	var err error
	if b.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
}

// without is a source less.
func without(sources map[string]Source, name string) map[string]Source {
	less := maps.Clone(sources)
	delete(less, name)
	return less
}

// expectAgain expects an approval to be refused with these words, and the search to be begun anew.
func (b *workBundle) expectAgain(t *testing.T, id int64, words ...string) {
	t.Helper()
	err := b.Approve(t.Context(), dpo, id, Approval{})
	var notNow *NotNow
	if !errors.As(err, &notNow) {
		t.Fatalf("expected the approval to be refused, got %v", err)
	}
	for _, w := range append(words, "has changed since the search of 5 June 2026", "searched again") {
		if !strings.Contains(notNow.Sentence, w) {
			t.Errorf("expected the refusal to say %q, got %q", w, notNow.Sentence)
		}
	}
	if q := b.expectStatus(t, id, InReview); !q.ApprovedAt.IsZero() {
		t.Error("expected nothing to be approved")
	}
	b.worked(t)
}

// diaryLeft counts what stands in the diary of Pavla.
func diaryLeft(t *testing.T, diary *pgxpool.Pool) string {
	t.Helper()
	var out string
	err := diary.QueryRow(t.Context(), `SELECT format('events %s, notes %s, members %s',
		(SELECT count(*) FROM events WHERE mail LIKE 'pavla%'), (SELECT count(*) FROM notes WHERE mail LIKE 'pavla%'), (SELECT count(*) FROM members WHERE mail LIKE 'pavla%'))`).Scan(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameMapInOtherWordsIsTheSame(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart)
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	b.restarted(t, "# of the spring\n"+strings.Replace(withDiary(eventsPart), "name: Diary", "name: The diary  # renamed", 1), nil)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.restarted(t, withDiary(eventsPart)+"\n# and of the summer\n", nil)
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := diaryLeft(t, diary); !strings.HasPrefix(got, "events 0,") {
		t.Errorf("expected the events to be erased, %s are left", got)
	}
}

// What was seen and what would be done are not the same any more: the request is
// searched again, only where that is so, and approved then.
func TestMapChangesBeforeApproval(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart, notesPart)
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	if f := findingIn(t, b.get(t, id).Findings, "diary.events"); f.Rows != 6 {
		t.Fatalf("expected six events to be found, got %d", f.Rows)
	}
	b.restarted(t, withDiary(notesPart), nil)
	b.expectAgain(t, id, "diary.events (6 rows found) is no longer searched")
	q := b.get(t, id)
	if slices.ContainsFunc(q.Findings, func(f source.Finding) bool { return f.Collection == "diary.events" }) {
		t.Error("expected no findings in a collection that is gone")
	}
	if st := b.step(t, id, "discover", "shop"); st.Run != 1 {
		t.Errorf("expected the shop not to be searched again, its search has run %d", st.Run)
	}
	if !slices.ContainsFunc(q.Timeline, func(e Event) bool {
		return strings.Contains(e.Text, "diary.events (6 rows found) is no longer searched")
	}) {
		t.Error("expected the time line to tell of the change")
	}
	b.restarted(t, withDiary(notesPart, membersPart), nil)
	b.expectAgain(t, id, "diary.members is searched newly")
	if f := findingIn(t, b.get(t, id).Findings, "diary.members"); f.Rows != 2 {
		t.Errorf("expected the DPO to see two members, got %d", f.Rows)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: []string{"all"}}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got, want := diaryLeft(t, diary), "events 6, notes 0, members 0"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// A source that has left the configuration leaves the request, and is told; one that is
// new is searched before it is touched.
func TestSourcesChangeBeforeApproval(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart)
	both := b.c.Sources
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	b.restarted(t, shopMap, without(both, "diary"))
	b.expectAgain(t, id, "diary.events (6 rows found) is no longer searched")
	for _, st := range b.get(t, id).Steps {
		if st.Source == "diary" {
			t.Errorf("expected no step of a source that is gone, there is %s", st.Stage)
		}
	}
	for _, root := range b.get(t, id).Roots {
		if root.Source == "diary" {
			t.Error("expected no root rows of a source that is gone")
		}
	}
	b.restarted(t, withDiary(eventsPart), both)
	b.expectAgain(t, id, "the source diary is new")
	if f := findingIn(t, b.get(t, id).Findings, "diary.events"); f.Rows != 6 {
		t.Errorf("expected the DPO to see six events, got %d", f.Rows)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := diaryLeft(t, diary); !strings.HasPrefix(got, "events 0,") {
		t.Errorf("expected the events to be erased, got %s", got)
	}
}

// Ticks of rows that are still there stay; of rows whose key has changed nobody has decided.
func TestTicksOutliveAChangedMap(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, membersPart)
	b.c.Brake.RootRows = 1 // so that a first approval writes the ticks down
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	rows := []string{"shop.people:1", "diary.members:1"}
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	if by := b.get(t, id).FirstApproval.By; by == "" {
		t.Fatal("expected a first approval")
	}
	b.restarted(t, withDiary(membersPart, notesPart), nil)
	second := Actor{Name: "staff:9", All: true}
	var notNow *NotNow
	if err := b.Approve(t.Context(), second, id, Approval{Rows: rows}); !errors.As(err, &notNow) {
		t.Fatalf("expected the second approval to be refused, got %v", err)
	}
	b.worked(t)
	q := b.get(t, id)
	if q.FirstApproval.By != "" {
		t.Error("expected the first approval to be over: it was of other findings")
	}
	ticks := map[string]string{}
	for _, r := range q.Roots {
		word := "undecided"
		if r.Ticked != nil {
			word = fmt.Sprint(*r.Ticked)
		}
		ticks[r.Collection+":"+r.Key] = word
	}
	want := map[string]string{"shop.people:1": "true", "diary.members:1": "true", "diary.members:2": "false", "diary.notes:1": "undecided", "diary.notes:2": "undecided"}
	if !maps.Equal(ticks, want) {
		t.Errorf("expected the ticks %v, got %v", want, ticks)
	}
	b.c.Brake.RootRows = 0
	b.restarted(t, withDiary(keyedByName), nil)
	b.expectAgain(t, id)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); !errors.Is(err, ErrRows) {
		t.Fatalf("expected rows of which nobody has decided to be ticked first, got %v", err)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: []string{"shop.people:1", "diary.members:Pavla Ng"}}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if got, want := diaryLeft(t, diary), "events 6, notes 2, members 1"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// A number that is another row's under a key of the same kind is not taken for the
// row that was ticked.
func TestTicksAreNotAnotherRows(t *testing.T) {
	t.Parallel()
	part := strings.Replace(membersPart, "{name: id, fides_meta: {primary_key: true}}", "{name: id, fides_meta: {primary_key: true}}\n          - {name: number}", 1)
	b, diary := diaried(t, part)
	pgtest.Exec(t, diary, `ALTER TABLE members ADD number bigint NOT NULL DEFAULT 0; UPDATE members SET number = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE id END; CREATE UNIQUE INDEX ON members (number)`)
	b.c.Brake.RootRows = 1
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: []string{"shop.people:1", "diary.members:1"}}); err != nil {
		t.Fatal(err)
	}
	b.c.Brake.RootRows = 0
	byNumber := strings.NewReplacer("{name: id, fides_meta: {primary_key: true}}", "{name: id}", "{name: number}", "{name: number, fides_meta: {primary_key: true}}").Replace(part)
	b.restarted(t, withDiary(byNumber), nil)
	b.expectAgain(t, id)
	for _, r := range b.get(t, id).Roots {
		if r.Collection == "diary.members" && r.Ticked != nil {
			t.Errorf("expected nobody to have decided about member %s, it is ticked: %t", r.Person["name"], *r.Ticked)
		}
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); !errors.Is(err, ErrRows) {
		t.Errorf("expected the rows to be ticked first, got %v", err)
	}
}

// After the approval a step waits and says what has changed. The map put back, it
// does what was approved; else a retry goes on, and the letter says what was left.
func TestMapChangesAfterApproval(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprintf("put back %t", back), func(t *testing.T) {
			t.Parallel()
			b, diary := diaried(t, eventsPart)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			b.restarted(t, withDiary(notesPart), nil)
			if errs := b.work(t); len(errs) != 1 {
				t.Fatalf("expected one step to fail, got %v", errs)
			}
			if st := b.step(t, id, "erase", "shop"); st.Status != "done" {
				t.Errorf("expected the shop, of which nothing has changed, to be done, it is %s", st.Status)
			}
			q := b.expectStatus(t, id, Running)
			for _, words := range []string{"changed since the approval of 5 June 2026", "diary.events (6 rows found) is no longer searched", "diary.notes is searched newly"} {
				if !strings.Contains(q.Waiting, words) {
					t.Errorf("expected the request to say %q, got %q", words, q.Waiting)
				}
			}
			if got, want := diaryLeft(t, diary), "events 6, notes 2, members 2"; got != want {
				t.Errorf("expected %s to be left, got %s", want, got)
			}
			want := "events 6, notes 0, members 2"
			if back {
				b.restarted(t, withDiary(eventsPart), nil)
				want = "events 0, notes 2, members 2"
			}
			if err := b.Retry(t.Context(), dpo, id); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			q = b.expectStatus(t, id, Fulfilled)
			if got := diaryLeft(t, diary); got != want {
				t.Errorf("expected %s to be left, got %s", want, got)
			}
			if f := findingIn(t, q.Findings, "diary.events"); (f.Stays == 6) == back || (f.Erased == 6) != back {
				t.Errorf("expected the findings to say what became of the events, got %+v", f)
			}
			for _, f := range b.mail.one(t, "erased").Findings {
				if f.Stays > 0 {
					t.Error("expected what was left to be told once, with its own reason")
				}
			}
			left := strings.Contains(strings.Join(b.mail.one(t, "erased").Kept, " "), "6 records of events (diary)")
			if left == back {
				t.Errorf("expected the letter to tell of what was left: %t, got %q", !back, b.mail.one(t, "erased").Kept)
			}
			gone := slices.ContainsFunc(q.Timeline, func(e Event) bool { return e.Type == "request.gone_on" && strings.Contains(e.Text, "6 rows found") })
			if gone == back {
				t.Errorf("expected the decision to stand in the time line: %t", !back)
			}
		})
	}
}

// A source of which the map says nothing any more, or that has left lethe.yaml,
// forgets nothing of what was found there.
func TestNothingOfASourceIsSearchedAfterApproval(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		t.Run(fmt.Sprintf("configured %t", there), func(t *testing.T) {
			t.Parallel()
			b, diary := diaried(t, eventsPart)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			sources := b.c.Sources
			if !there {
				sources = without(sources, "diary")
			}
			b.restarted(t, shopMap, sources)
			b.work(t)
			if st := b.step(t, id, "erase", "diary"); st.Error != codeChanged || !strings.Contains(st.Message, "diary.events (6 rows found) is no longer searched") {
				t.Fatalf("expected the step to wait, it is %s: %s", st.Status, st.Message)
			}
			if err := b.Retry(t.Context(), dpo, id); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			q := b.expectStatus(t, id, Fulfilled)
			if f := findingIn(t, q.Findings, "diary.events"); f.Stays != 6 {
				t.Errorf("expected six events to count as staying, got %+v", f)
			}
			if kept := fmt.Sprint(b.mail.one(t, "erased").Kept); !strings.Contains(kept, "6 records of events (diary)") {
				t.Errorf("expected the letter to tell of what was left, got %s", kept)
			}
			if got := diaryLeft(t, diary); !strings.HasPrefix(got, "events 6,") {
				t.Errorf("expected the events to be left, got %s", got)
			}
		})
	}
}

// A source that leaves lethe.yaml before it was searched stops nobody; put back, it is searched before an approval.
func TestSourceGoneBeforeItsSearch(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart)
	both := b.c.Sources
	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org"))).ID
	b.restarted(t, shopMap, without(both, "diary"))
	b.worked(t)
	b.expectStatus(t, id, InReview)
	b.restarted(t, withDiary(eventsPart), both)
	b.expectAgain(t, id, "the source diary is new")
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := diaryLeft(t, diary); !strings.HasPrefix(got, "events 0,") {
		t.Errorf("expected the events to be erased, got %s", got)
	}
}

// A retry is the DPO's word of what they have been told, and of nothing else.
func TestRetryGoesOnWhereItWasTold(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	both := strings.Replace(withDiary(notesPart), "{name: note, data_categories: [user.content]}", "{name: note}", 1)
	b.restarted(t, both, nil)
	shop := b.job(t, id, "erase", "shop")
	if err := b.run(t, shop); err == nil {
		t.Fatal("expected the step in the shop to wait")
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if st := b.step(t, id, "erase", "shop"); st.Status != "done" {
		t.Errorf("expected the shop to be done, it is %s: %s", st.Status, st.Message)
	}
	if st := b.step(t, id, "erase", "diary"); st.Error != codeChanged {
		t.Errorf("expected the diary to wait for a word of its own, it is %s %s", st.Status, st.Error)
	}
	if got, want := diaryLeft(t, diary), "events 6, notes 2, members 2"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// Rows that were ticked by a key that the map no longer has are found by their new
// one after a retry: they came up anew, and name the same person or wait for the DPO.
func TestKeyChangesAfterApproval(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart, membersPart)
	id := b.approved(t, datamap.Erasure, "pavla@example.org", "all")
	b.restarted(t, withDiary(eventsPart, keyedByName), nil)
	b.work(t)
	if st := b.step(t, id, "erase", "diary"); st.Error != codeChanged {
		t.Fatalf("expected the step to wait, it is %s: %s", st.Status, st.Message)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got, want := diaryLeft(t, diary), "events 0, notes 2, members 0"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// A copy is not made of other tables than those that were looked at.
func TestMapChangesBeforeACopyIsMade(t *testing.T) {
	t.Parallel()
	b, _ := diaried(t, eventsPart)
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.restarted(t, shopMap, without(b.c.Sources, "diary"))
	if errs := b.work(t); len(errs) != 1 {
		t.Fatalf("expected the archive to wait, got %v", errs)
	}
	if q := b.get(t, id); !strings.Contains(q.Waiting, "diary.events (6 rows found) is no longer searched") {
		t.Errorf("expected the request to say what it waits for, got %q", q.Waiting)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}

// An erasure that was approved while it waited for a copy is not carried out by another map either.
func TestMapChangesWhileAnErasureWaits(t *testing.T) {
	t.Parallel()
	b, diary := diaried(t, eventsPart)
	access := b.approved(t, datamap.Access, "pavla@example.org")
	id := b.submit(t, dpo, verified(ask(datamap.Erasure, "email", "pavla@example.org"))).ID
	if err := b.run(t, b.job(t, id, "discover", "shop")); err != nil {
		t.Fatal(err)
	}
	if err := b.run(t, b.job(t, id, "discover", "diary")); err != nil {
		t.Fatal(err)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	if q := b.get(t, id); q.Status != InReview || q.ApprovedAt.IsZero() {
		t.Fatalf("expected an approved erasure that waits, it is %s", q.Status)
	}
	b.restarted(t, withDiary(eventsPart, notesPart), nil)
	b.work(t) // the copy stops, too
	if err := b.Retry(t.Context(), dpo, access); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, access, Fulfilled)
	if q := b.expectStatus(t, id, InReview); !q.ApprovedAt.IsZero() || findingIn(t, q.Findings, "diary.notes").Rows != 2 {
		t.Errorf("expected the erasure to be searched again and to wait for its approval, %s", q.Waiting)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got, want := diaryLeft(t, diary), "events 0, notes 0, members 2"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}

// Requests that an earlier build has searched, or approved, go on as they did.
func TestSearchedByAnEarlierBuild(t *testing.T) {
	t.Parallel()
	b, _ := diaried(t, eventsPart)
	searched, approved := b.toApprove(t, datamap.Erasure, "pavla@example.org"), b.toApprove(t, datamap.Erasure, "karel@example.org")
	if err := b.Approve(t.Context(), dpo, approved, Approval{}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, b.pool, `UPDATE requests SET plan = NULL`)
	for _, src := range []string{"shop", "diary"} {
		st := b.step(t, searched, "discover", src)
		cipher, err := b.sealJSON(place(stepOf, st.ID), discoverNote{Reached: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, b.pool, fmt.Sprintf(`UPDATE steps SET note_cipher = '\x%x' WHERE id = %d`, cipher, st.ID))
	}
	b.restarted(t, withDiary(notesPart), nil)
	if err := b.Approve(t.Context(), dpo, searched, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, approved, Fulfilled)
	b.expectStatus(t, searched, Fulfilled)
	if kept := fmt.Sprint(b.mail.letters("erased")[0].Kept, b.mail.letters("erased")[1].Kept); !strings.Contains(kept, "6 records of events (diary)") {
		t.Errorf("expected the letter to tell of what was left, got %s", kept)
	}
}

// A shard that leaves lethe.yaml takes no rows along in silence.
func TestShardLeaves(t *testing.T) {
	t.Parallel()
	var parts []shards.Part
	for i, rows := range shardRows {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, shardSchema+rows)
		db, err := postgres.New("shop", pool, postgres.Options{Shard: true})
		if err != nil {
			t.Fatal(err)
		}
		name := string(rune('1' + i))
		parts = append(parts, shards.Part{Name: "shop, shard " + name, ID: "s" + name, Server: name, Database: db})
	}
	over := func(parts ...shards.Part) map[string]Source {
		s, err := shards.New("shop", parts, shards.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return map[string]Source{"shop": s}
	}
	b := newWorkOver(t, shopMap, over(parts...))
	id := b.toApprove(t, datamap.Erasure, "pavla@example.org")
	b.restarted(t, shopMap, over(parts[0], parts[1]))
	b.expectAgain(t, id)
	if f := findingIn(t, b.get(t, id).Findings, "shop.lines"); f.Rows != 2 {
		t.Errorf("expected the DPO to see the two lines that are left, got %d", f.Rows)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.restarted(t, shopMap, over(parts[1], parts[0])) // in another order: the same
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	later := b.approved(t, datamap.Erasure, "karel@example.org")
	b.restarted(t, shopMap, over(parts[1]))
	b.work(t)
	if st := b.step(t, later, "erase", "shop"); st.Error != codeChanged {
		t.Errorf("expected the step to wait after a shard has left, it is %s %s", st.Status, st.Error)
	}
}

// Many at once: each is refused and searched again, and carried out then.
func TestMapChangesForMany(t *testing.T) {
	t.Parallel()
	b, shop, _ := marketOf(t, 8)
	ids := b.reviewed(t, 8)
	yaml := strings.Replace(shopMap, "          - {name: note, data_categories: [user.content]}\n", "          - {name: note}\n", 1)
	b.restarted(t, yaml, nil)
	for _, err := range b.ApproveMany(t.Context(), dpo, ids) {
		var notNow *NotNow
		if !errors.As(err, &notNow) {
			t.Errorf("expected each to be refused, got %v", err)
		}
	}
	b.worked(t)
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	for _, id := range ids {
		b.expectStatus(t, id, Fulfilled)
	}
	if got := left(t, shop); !strings.HasPrefix(got, "people 8") {
		t.Errorf("expected all eight to be erased, got %s", got)
	}
}
