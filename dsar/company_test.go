package dsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/migrations"
)

// crowdOf is a shop of many people, of whom one cannot be erased.
func crowdOf(t *testing.T, n int) (*workBundle, *poisoned) {
	t.Helper()
	var people, browsers []map[string]string
	for i := range n {
		mail := fmt.Sprintf("person%d@example.org", i)
		people = append(people, map[string]string{"id": fmt.Sprint(i + 1), "firm": "1", "name": fmt.Sprintf("Person %d", i), "mail": mail})
		if i%2 == 0 {
			browsers = append(browsers, map[string]string{"id": fmt.Sprint("v", i), "mail": mail})
		}
	}
	crm := &poisoned{memory: newMemory("crm", map[string][]map[string]string{"crm.people": people})}
	web := newMemory("web", map[string][]map[string]string{"web.browsers": browsers})
	b := newWorkOver(t, intakeMap, map[string]Source{"crm": crm, "web": web})
	b.people, b.web = crm.memory, web
	return b, crm
}

// poisoned refuses one person's erasure for good.
type poisoned struct {
	*memory
	who string
}

type refusedRow struct{}

func (refusedRow) Error() string   { return "a trigger said no" }
func (refusedRow) Permanent() bool { return true }

func (p *poisoned) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	if p.who != "" && slices.ContainsFunc(w.Seeds, func(s source.Seed) bool { return s.Value == p.who }) {
		return source.Note{}, refusedRow{}
	}
	return p.memory.Erase(ctx, w, h, note)
}

// crowd are the submissions: erasures and one access, one subject twice, one who
// is not there.
func crowd(n int) []Submission {
	var subs []Submission
	for i := range n {
		kind := datamap.Erasure
		if i == 1 {
			kind = datamap.Access
		}
		subs = append(subs, verified(ask(kind, "email", fmt.Sprintf("person%d@example.org", i))))
	}
	return append(subs, verified(ask(datamap.Erasure, "email", "person2@example.org")), verified(ask(datamap.Erasure, "email", "nobody@example.org")))
}

// end tells of each person's requests how they ended: status, findings, failed
// steps, letters, and what stands in the record, without numbers.
func (b *workBundle) ends(t *testing.T, ids []int64) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, id := range ids {
		q := b.get(t, id)
		var words []string
		for _, f := range q.Findings {
			words = append(words, fmt.Sprintf("%s %d %d %d", f.Collection, f.Rows, f.Erased, f.Masked))
		}
		for _, st := range q.Steps {
			words = append(words, st.Stage+" "+st.Source+" "+st.Status+" "+st.Message)
		}
		for _, l := range q.Letters {
			words = append(words, l.Kind+" "+l.Status)
		}
		entries, err := ledger.List(t.Context(), b.pool, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		for _, e := range entries {
			types = append(types, e.Type)
		}
		slices.Sort(types) // two sources' steps end in any order
		slices.Sort(words)
		who := q.Identities[0].Value
		out[who] = append(out[who], string(q.Status)+": "+strings.Join(append(words, types...), ", "))
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// What is carried out together ends, for each, as it would have alone.
func TestTogetherAsAlone(t *testing.T) {
	t.Parallel()
	const n = 12
	play := func(b *workBundle, crm *poisoned, submit func([]Submission) []int64, approve func([]int64)) map[string][]string {
		crm.who = "person5@example.org"
		ids := submit(crowd(n))
		b.work(t)
		var ready []int64
		for _, id := range ids {
			if b.get(t, id).Status == InReview {
				ready = append(ready, id)
			}
		}
		approve(ready)
		b.work(t)
		return b.ends(t, ids)
	}
	alone, crm := crowdOf(t, n)
	want := play(alone, crm, func(subs []Submission) (ids []int64) {
		for _, sub := range subs {
			ids = append(ids, alone.submit(t, dpo, sub).ID)
		}
		return ids
	}, func(ids []int64) {
		for _, id := range ids {
			if err := alone.Approve(t.Context(), dpo, id, Approval{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	together, crm := crowdOf(t, n)
	jobs := 0
	got := play(together, crm, func(subs []Submission) (ids []int64) {
		out, errs := together.SubmitMany(t.Context(), dpo, subs)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, s := range out {
			ids = append(ids, s.ID)
		}
		if err := together.pool.QueryRow(t.Context(), `SELECT count(*) FROM test_queue`).Scan(&jobs); err != nil {
			t.Fatal(err)
		}
		return ids
	}, func(ids []int64) {
		if err := errors.Join(together.ApproveMany(t.Context(), dpo, ids)...); err != nil {
			t.Fatal(err)
		}
	})
	if jobs == 0 || jobs > 10 {
		t.Errorf("expected few jobs for the discovery of many, got %d", jobs)
	}
	for who, ends := range want {
		if !slices.Equal(got[who], ends) {
			t.Errorf("%s: expected as alone\n%s\ngot\n%s", who, strings.Join(ends, "\n"), strings.Join(got[who], "\n"))
		}
	}
	if want, got := len(alone.mail.letters("erased")), len(together.mail.letters("erased")); want != got || got != n-2 {
		t.Errorf("expected %d letters, one each, got %d alone and %d together", n-2, want, got)
	}
}

// A refusal of the mail server for a while puts one letter off, and no other.
func TestLettersTogether(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 10)
	ids := b.reviewed(t, 10)
	b.mail.refuse = func(l Letter) error {
		if l.To == "person3@example.org" {
			return &MailError{Code: 451, Doing: "sending"}
		}
		return nil
	}
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	for range 3 { // each time the queue is empty but for what waits
		b.work(t)
	}
	b.mail.refuse = nil
	for i, id := range ids {
		want := Fulfilled
		if i == 3 {
			want = Running
		}
		b.expectStatus(t, id, want)
	}
	l := b.letterState(t, ids[3], "erased")
	if l.Status != "waiting" || l.Code != 451 {
		t.Errorf("expected the letter to wait with the server's code, got %+v", l)
	}
	b.clock.set(b.clock.now().Add(time.Hour))
	if err := b.Minute(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	b.expectStatus(t, ids[3], Fulfilled)
	if n := len(b.mail.letters("erased")); n != 10 {
		t.Errorf("expected ten letters, each once, got %d", n)
	}
}

// What a recipient is told of many erasures is one mail, which goes again as one
// when the server wants it later; each notice stands on the record.
func TestNoticesTogether(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 10)
	ids := b.reviewed(t, 10)
	code := 451
	b.mail.refuse = func(l Letter) error {
		if l.Kind == "notice" && code != 0 {
			return &MailError{Code: code, Doing: "sending"}
		}
		return nil
	}
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if l := b.letterState(t, ids[9], "notice"); l.Status != "waiting" || l.Code != 451 {
		t.Errorf("expected each notice to wait with the server's code, got %+v", l)
	}
	code = 0
	w := Work{Kind: "letter"}
	if err := b.pool.QueryRow(t.Context(), `SELECT min(id), min(run) FROM letters WHERE kind = 'notice' AND carrier IS NULL HAVING count(*) = 1`).Scan(&w.ID, &w.Run); err != nil {
		t.Fatalf("expected one job for all of them still: %v", err)
	}
	if err := b.run(t, w); err != nil {
		t.Fatal(err)
	}
	one := b.mail.one(t, "notice")
	told := map[int64]string{}
	for _, n := range one.Notices {
		told[n.RequestID] = n.Named
	}
	if !slices.Equal(slices.Sorted(maps.Keys(told)), slices.Sorted(slices.Values(ids))) || told[ids[3]] != "email: person3@example.org" {
		t.Errorf("expected one mail of all ten, got %+v", one.Notices)
	}
	var sent int
	err := b.pool.QueryRow(t.Context(), `
		SELECT count(*) FROM letters l JOIN notices n ON n.letter_id = l.id AND n.told_at IS NOT NULL
		WHERE l.status = 'sent' AND l.message_id = $1`, one.MessageID).Scan(&sent)
	if err != nil || sent != 10 {
		t.Errorf("expected ten notices on the record, under the mail's Message-ID, got %d, %v", sent, err)
	}
	b.work(t)
	b.mail.one(t, "notice")
}

// What the server took without our knowing goes again as the same mail, whatever
// has come to wait meanwhile, and whoever else is written to beside.
func TestNoticesAgain(t *testing.T) {
	t.Parallel()
	unheard := func(context.Context, *workBundle) error { return &MailError{Doing: "sending"} }
	for name, trouble := range map[string]struct {
		fails    func(context.Context, *workBundle) error // once the mail is accepted
		language string                                   // of every other request
	}{
		"unheard":     {fails: unheard},
		"two readers": {fails: unheard, language: "cs"},
		"not noted": {fails: func(ctx context.Context, b *workBundle) error {
			_, err := b.pool.Exec(ctx, `ALTER TABLE notices ADD CHECK (told_at IS NULL)`)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := crowdOf(t, 10)
			ids := b.reviewed(t, 10)
			if trouble.language != "" {
				pgtest.Exec(t, b.pool, `UPDATE requests SET language = 'cs' WHERE id % 2 = 0`)
			}
			var mu sync.Mutex
			failed, mails := false, map[int64][]string{}
			b.mail.refuse = func(l Letter) error {
				mu.Lock()
				defer mu.Unlock()
				if l.Kind != "notice" {
					return nil
				}
				for _, n := range l.Notices {
					if !slices.Contains(mails[n.RequestID], l.MessageID) {
						mails[n.RequestID] = append(mails[n.RequestID], l.MessageID)
					}
				}
				if failed || trouble.language != "" && l.Language != trouble.language {
					return nil
				}
				failed = true
				return trouble.fails(t.Context(), b)
			}
			if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids[:6])...); err != nil {
				t.Fatal(err)
			}
			first := b.workBut(t, "letter")
			for _, w := range first {
				_ = b.run(t, w) // that of the notices fails
			}
			pgtest.Exec(t, b.pool, `ALTER TABLE notices DROP CONSTRAINT IF EXISTS notices_told_at_check`)
			if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids[6:])...); err != nil {
				t.Fatal(err)
			}
			more := b.workBut(t, "letter")
			for _, w := range append(first, more...) {
				if err := b.run(t, w); err != nil {
					t.Error(err)
				}
			}
			b.worked(t)
			for _, id := range ids {
				if l := b.letterState(t, id, "notice"); l.Status != "sent" || len(mails[id]) != 1 {
					t.Errorf("expected request %d to be told of under one Message-ID, got %s under %q", id, l.Status, mails[id])
				}
			}
		})
	}
}

// workBut plays the workers, and returns the jobs of a kind that are queued meanwhile.
func (b *workBundle) workBut(t *testing.T, kind string) (left []Work) {
	t.Helper()
	for {
		jobs := b.queued(t)
		if len(jobs) == 0 {
			return left
		}
		for _, w := range jobs {
			if w.Kind == kind {
				left = append(left, w)
			} else if err := b.run(t, w); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// queued takes all jobs out of the queue.
func (b *workBundle) queued(t *testing.T) []Work {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), `WITH gone AS (DELETE FROM test_queue RETURNING *) SELECT kind, id, run FROM gone ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Work, err error) { return w, row.Scan(&w.Kind, &w.ID, &w.Run) })
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// A refusal for good is each notice's own, for the DPO to see.
func TestNoticesRefused(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 3)
	ids := b.reviewed(t, 3)
	b.mail.refuse = func(l Letter) error {
		if l.Kind == "notice" {
			return answering(550)(l)
		}
		return nil
	}
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	for _, id := range ids {
		if l := b.letterState(t, id, "notice"); l.Status != "failed" || l.Code != 550 {
			t.Errorf("expected the notice of request %d to have failed, got %+v", id, l)
		}
	}
	b.mail.refuse = nil
	if err := b.Retry(t.Context(), dpo, ids[1]); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if one := b.mail.one(t, "notice"); len(one.Notices) != 1 || one.Notices[0].RequestID != ids[1] {
		t.Errorf("expected the one that was retried to go by itself, got %+v", one.Notices)
	}
}

// The Message-ID of a mail of several notices is theirs, whatever their order,
// and no other company's.
func TestNoticesMessageID(t *testing.T) {
	t.Parallel()
	notice := func(id int64) Letter {
		return Letter{ID: id, RequestID: id, MessageID: fmt.Sprintf("<%d.notice@shop.example>", id), Notices: []Notice{{RequestID: id}}}
	}
	one, again := inOne([]Letter{notice(1), notice(2)}), inOne([]Letter{notice(2), notice(1)})
	more := inOne([]Letter{notice(1), notice(2), notice(3)})
	if one.MessageID != again.MessageID || one.MessageID == more.MessageID || !strings.HasSuffix(one.MessageID, "@shop.example>") {
		t.Errorf("expected one number for the same notices and another for others, got %s, %s, %s", one.MessageID, again.MessageID, more.MessageID)
	}
	if got := inOne([]Letter{notice(7)}).MessageID; got != "<7.notice@shop.example>" {
		t.Errorf("expected a notice alone to keep its own, got %s", got)
	}
}

// reviewed takes n erasures in, up to the DPO's decision.
func (b *workBundle) reviewed(t *testing.T, n int) (ids []int64) {
	t.Helper()
	var subs []Submission
	for i := range n {
		subs = append(subs, verified(ask(datamap.Erasure, "email", fmt.Sprintf("person%d@example.org", i))))
	}
	out, errs := b.SubmitMany(t.Context(), dpo, subs)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, s := range out {
		ids = append(ids, s.ID)
	}
	b.work(t)
	return ids
}

// dead knows of no job that is alive.
func dead(context.Context, []Work) (map[Work]bool, error) { return nil, nil }

// A process that dies in the middle of many leaves them to the carrier's job,
// which the queue runs again; where that job is lost, too, each gets its own.
func TestCompanyKilled(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 8)
	ids := b.reviewed(t, 8)
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	carried := func(src string) (n int) {
		err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM steps WHERE stage = 'erase' AND source = $1 AND carrier IS NOT NULL`, src).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if carried("crm") != 7 || carried("web") != 7 {
		t.Fatalf("expected one job for each source, which carries seven, got %d and %d", carried("crm"), carried("web"))
	}
	// As a kill leaves them: some done, the rest claimed.
	if _, err := b.pool.Exec(t.Context(), `UPDATE steps SET status = 'running', attempts = 1, started_at = $1 WHERE stage = 'erase'`, b.clock.now()); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]Work{}
	rows, err := b.pool.Query(t.Context(), `DELETE FROM test_queue q USING steps s WHERE s.id = q.id AND q.kind = 'step' RETURNING s.source, q.id, q.run`)
	if err != nil {
		t.Fatal(err)
	}
	var src string
	var w Work
	if _, err := pgx.ForEachRow(rows, []any{&src, &w.ID, &w.Run}, func() error { jobs[src] = w; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.RunStep(t.Context(), jobs["crm"].ID, jobs["crm"].Run); err != nil {
		t.Fatal(err)
	}
	if n := b.people.erasures; n != 8 {
		t.Errorf("expected the job run again to carry out all eight, got %d erasures", n)
	}
	if err := b.RunStep(t.Context(), jobs["crm"].ID, jobs["crm"].Run); err != nil || b.people.erasures != 8 {
		t.Errorf("expected a third run to do nothing, got %d erasures, %v", b.people.erasures, err)
	}
	// The other job lives, as far as anybody knows: nothing is queued twice.
	b.clock.set(b.clock.now().Add(10 * time.Minute))
	alive := func(_ context.Context, all []Work) (map[Work]bool, error) {
		yes := map[Work]bool{}
		for _, w := range all {
			yes[w] = w == Work{Kind: "step", ID: jobs["web"].ID, Run: jobs["web"].Run}
		}
		return yes, nil
	}
	if err := b.Minute(t.Context(), alive); err != nil {
		t.Fatal(err)
	}
	if got := b.take(t); len(got) != 0 {
		t.Errorf("expected nothing to be queued while the carrier's job is alive, got %q", got)
	}
	if err := b.Minute(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	if n := carried("web"); n != 0 {
		t.Errorf("expected each to have a job of its own, %d are still carried", n)
	}
	b.work(t)
	for _, id := range ids {
		b.expectStatus(t, id, Fulfilled)
	}
	if n := len(b.mail.letters("erased")); n != 8 {
		t.Errorf("expected eight letters, each once, got %d", n)
	}
}

// Who asks for a copy and for erasure in one batch gets the copy first, as one
// after the other.
func TestCopyFirstAmongMany(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 3)
	var subs []Submission
	for i := range 3 {
		mail := fmt.Sprintf("person%d@example.org", i)
		subs = append(subs, verified(ask(datamap.Access, "email", mail)), verified(ask(datamap.Erasure, "email", mail, "phone", "+42060200000"+fmt.Sprint(i))))
	}
	out, errs := b.SubmitMany(t.Context(), dpo, subs)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(out); i += 2 {
		r, err := loadRequest(t.Context(), b.pool, out[i+1].ID, false)
		if err != nil || orZero(r.WaitsFor) != out[i].ID {
			t.Errorf("expected erasure %d to wait for access %d, it waits for %d, %v", out[i+1].ID, out[i].ID, orZero(r.WaitsFor), err)
		}
	}
}

// mailing is a mailer that is a function.
type mailing func(ctx context.Context, l Letter) error

func (m mailing) Send(ctx context.Context, l Letter) error { return m(ctx, l) }

// steps plays the workers of steps alone.
func (b *workBundle) steps(t *testing.T) {
	t.Helper()
	for {
		w := Work{Kind: "step"}
		err := b.pool.QueryRow(t.Context(), `
			DELETE FROM test_queue WHERE n = (SELECT min(n) FROM test_queue WHERE kind = 'step') RETURNING id, run`).Scan(&w.ID, &w.Run)
		if errors.Is(err, pgx.ErrNoRows) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := b.run(t, w); err != nil {
			t.Fatal(err)
		}
	}
}

// Whose letter was refused may be written to again while the job that carried it
// is still at those of others: these are left to it.
func TestRetryOfACarrier(t *testing.T) {
	t.Parallel()
	b, _ := crowdOf(t, 6)
	ids := b.reviewed(t, 6)
	if err := errors.Join(b.ApproveMany(t.Context(), dpo, ids)...); err != nil {
		t.Fatal(err)
	}
	b.steps(t)
	var carrier, request int64
	err := b.pool.QueryRow(t.Context(), `SELECT DISTINCT c.id, c.request_id FROM letters l JOIN letters c ON c.id = l.carrier WHERE l.kind = 'erased'`).Scan(&carrier, &request)
	if err != nil {
		t.Fatal(err)
	}
	var retried atomic.Bool
	again := func(ctx context.Context) {
		for b.letterState(t, request, "erased").Status != "failed" {
			time.Sleep(time.Millisecond)
		}
		if err := b.Retry(ctx, dpo, request); err != nil {
			t.Error(err)
		}
		if err := b.SendLetter(ctx, carrier, 2, b.mail); err != nil {
			t.Errorf("expected the letter to be sent at the second try, got %v", err)
		}
	}
	err = b.SendLetter(t.Context(), carrier, 1, mailing(func(ctx context.Context, l Letter) error {
		if l.ID == carrier {
			return &MailError{Code: 550, Final: true, Doing: "sending"}
		}
		if retried.CompareAndSwap(false, true) {
			again(t.Context())
		}
		return b.mail.Send(ctx, l)
	}))
	if permanent := (*Permanent)(nil); !errors.As(err, &permanent) {
		t.Errorf("expected the first try to be refused for good, got %v", err)
	}
	copies := map[string]int{}
	for _, l := range b.mail.letters("erased") {
		copies[l.To]++
	}
	for to, n := range copies {
		if n != 1 || len(copies) != 6 {
			t.Errorf("expected one letter to each of six, got %d to %s, %d people", n, to, len(copies))
		}
	}
}

// Submissions come in twos, each two with a job: the first job that begins does
// the work of all, and the others find nothing to do.
func TestCompanionsBringTheirOwn(t *testing.T) {
	t.Parallel()
	const n = 8
	b, _ := crowdOf(t, n)
	subs := crowd(n)[:n]
	for pair := range slices.Chunk(subs, 2) {
		if _, errs := b.SubmitMany(t.Context(), dpo, pair); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
	}
	counts := func() (done, carried, twice int) {
		t.Helper()
		err := b.pool.QueryRow(t.Context(), `
			SELECT count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE carrier IS NOT NULL), count(*) FILTER (WHERE attempts > 1)
			FROM steps WHERE source = 'crm' AND stage = 'discover'`).Scan(&done, &carried, &twice)
		if err != nil {
			t.Fatal(err)
		}
		return done, carried, twice
	}
	if done, carried, _ := counts(); done != 0 || carried != n/2 {
		t.Fatalf("expected each second step to be carried by the one before, %d are", carried)
	}
	first := Work{Kind: "step"}
	err := b.pool.QueryRow(t.Context(), `
		SELECT q.id, q.run FROM test_queue q JOIN steps s ON s.id = q.id WHERE s.source = 'crm' ORDER BY q.n LIMIT 1`).Scan(&first.ID, &first.Run)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(t, first); err != nil {
		t.Fatal(err)
	}
	if done, carried, _ := counts(); done != n || carried != n-1 {
		t.Errorf("expected one job to do all %d, and to carry the others: %d are done, %d were carried", n, done, carried)
	}
	b.worked(t)
	if done, _, twice := counts(); done != n || twice > 0 {
		t.Errorf("expected the other jobs to find nothing to do, %d steps were done twice", twice)
	}
}

// byKey is a pool on the same database as the service has it when it is not tested.
func byKey(t *testing.T, on *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.URL(on), pg.Options{SearchPath: migrations.Schema, ByKey: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// lockWaits returns once so many transactions wait for a lock.
func (b *intakeBundle) lockWaits(t *testing.T, n int) error {
	t.Helper()
	for waiting := 0; waiting < n; {
		err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			return err
		}
	}
	return nil
}

// Two companies that lock the same requests at the same time take turns: neither
// loses what it did to a deadlock.
func TestCompaniesMeet(t *testing.T) {
	t.Parallel()
	const n = 10
	b, _ := crowdOf(t, n)
	ids := b.reviewed(t, n)
	conf := b.c
	conf.Pool = byKey(t, b.pool)
	s, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	held, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(t.Context()) //nolint:errcheck // the end of the test
	if _, err := loadRequest(t.Context(), held, ids[n/2], true); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var companies sync.WaitGroup
	for range 2 {
		slices.Reverse(ids)
		order := slices.Clone(ids)
		companies.Go(func() {
			var turn atomic.Int64
			errs := pg.Together(t.Context(), conf.Pool, n, func(ctx context.Context, i int) error {
				for turn.Load() != int64(i) { // they come one after the other
					time.Sleep(time.Millisecond)
				}
				return s.inTx(ctx, func(tx pgx.Tx) error {
					calls.Add(1)
					turn.Add(1)
					_, err := loadRequest(ctx, tx, order[i], true)
					return err
				})
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
		})
	}
	if err := b.lockWaits(t, 2); err != nil {
		t.Fatal(err)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	companies.Wait()
	if calls.Load() != 2*n {
		t.Errorf("expected each part to be carried out once, %d were carried out %d times", 2*n, calls.Load())
	}
}
