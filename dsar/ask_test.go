package dsar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// newDesks is the usual service with two people beside its databases. The vault holds bota's data only.
func newDesks(t *testing.T, names ...string) *workBundle {
	t.Helper()
	b := newWork(t)
	all := map[string]Desk{
		"paper": {Owner: "HR desk", Mail: "hr@bota.example", Holds: "paper files of applicants", Days: 10, Limit: 10_000},
		"vault": {Owner: "Vault", Mail: "vault@bota.example", Holds: "signed contracts", Days: 5, Limit: 10_000, Controllers: []string{"bota"}},
		"other": {Owner: "Other", Mail: "other@uhr.example", Holds: "watches", Days: 5, Limit: 10_000, Controllers: []string{"uhr"}},
	}
	b.c.Desks = map[string]Desk{"other": all["other"]}
	for _, n := range names {
		b.c.Desks[n] = all[n]
	}
	return b
}

// linkOf is the owner's reference by the last letter that a desk was sent.
func (b *workBundle) linkOf(t *testing.T, address string) AskRef {
	t.Helper()
	var last *Letter
	for _, l := range append(b.mail.letters(letterAsk), b.mail.letters(letterAskAgain)...) {
		if l.To == address {
			last = &l
		}
	}
	if last == nil {
		t.Fatalf("expected %s to have been written to", address)
	}
	if want := "https://privacy.bota.example/desk/"; !strings.HasPrefix(last.Link, want) {
		t.Fatalf("expected a link below %s, got %s", want, last.Link)
	}
	return AskRef{Token: token(*last)}
}

func (b *workBundle) add(t *testing.T, ref AskRef, name, content string) {
	t.Helper()
	if err := b.AddFile(t.Context(), ref, name, strings.NewReader(content)); err != nil {
		t.Fatalf("expected the file to be taken, got %v", err)
	}
}

func (b *workBundle) answer(t *testing.T, ref AskRef, what string, more ...string) {
	t.Helper()
	a := AskAnswer{What: what}
	if len(more) == 2 {
		a.Who, a.Words = more[0], more[1]
	}
	if err := b.AnswerAsk(t.Context(), ref, a); err != nil {
		t.Fatalf("expected the answer %s to be taken, got %v", what, err)
	}
}

func (b *workBundle) stored(t *testing.T) (n int) {
	t.Helper()
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM uploads WHERE deleted_at IS NULL`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func expectInvalid(t *testing.T, err error, field, part string) {
	t.Helper()
	var invalid *Invalid
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Fields[field], part) {
		t.Errorf("expected a problem of %s with %q, got %v (%+v)", field, part, err, invalid)
	}
}

// A copy waits for the person who keeps the paper; what they hand over is in it.
func TestAccessWaitsForADesk(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	q := b.expectStatus(t, id, Running)
	if want := "Waits for the answer of HR desk, asked on 5 June 2026, due on 15 June 2026 (source paper)."; q.Waiting != want {
		t.Errorf("expected %q, got %q", want, q.Waiting)
	}
	if len(q.Asks) != 1 || q.Asks[0].Status != statusAsked || !q.Asks[0].MayAnswer {
		t.Fatalf("expected one open ask, of this controller's desk alone, got %+v", q.Asks)
	}
	if len(b.mail.letters("archive")) != 0 || q.Archive != nil {
		t.Error("expected no archive before the owner has answered")
	}
	l := b.mail.one(t, letterAsk)
	if l.Recipient != "HR desk" || l.Holds != "paper files of applicants" || l.DueOn.Format(time.DateOnly) != "2026-06-15" {
		t.Errorf("expected the letter to say who is asked, for what, and by when, got %+v", l)
	}
	expectNowhere(t, fmt.Sprintf("%s %s %s %s", l.Link, l.Reason, l.Holds, l.Recipient), "pavla")
	ref := b.linkOf(t, "hr@bota.example")

	v, err := b.LookAsk(t.Context(), ref.Token)
	if err != nil || len(v.Identities)+len(v.Names) != 0 || !q.Asks[0].OpenedAt.IsZero() {
		t.Fatalf("expected looking at the link to show nobody and to change nothing, got %+v, %v", v, err)
	}
	for range 2 { // a link may be opened as often as one likes
		if v, err = b.OpenAsk(t.Context(), ref.Token); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(v.Identities) != "[{email pavla@example.org}]" || fmt.Sprint(v.Names) != "[Pavla Ng]" {
		t.Errorf("expected the proved identity and the name on record, got %v, %v", v.Identities, v.Names)
	}

	b.add(t, ref, "../../životopis.pdf", "%PDF one")
	b.add(t, ref, "životopis.pdf", "%PDF one") // the same once more
	b.add(t, ref, "ŽIVOTOPIS.pdf", "%PDF two")
	b.add(t, ref, "wrong.txt", "somebody else's")
	v, _ = b.OpenAsk(t.Context(), ref.Token)
	if len(v.Files) != 3 {
		t.Fatalf("expected three files, and the one sent twice once, got %+v", v.Files)
	}
	if err := b.RemoveFile(t.Context(), ref, v.Files[2].ID); err != nil {
		t.Fatal(err)
	}
	expectInvalid(t, b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredNothing}), "answer", "You have added files")
	expectInvalid(t, b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredDone, Who: "x", Words: "y"}), "answer", "Choose one")
	b.answer(t, ref, AnsweredFiles)
	expectNotNow(t, b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredNothing}), "answered already")
	expectNotNow(t, b.AddFile(t.Context(), ref, "late.txt", strings.NewReader("late")), "answered already")
	expectNotNow(t, b.ReopenAsk(t.Context(), ref), "can no longer be changed")

	expectNowhere(t, b.dump(t), "pavla@example.org", "životopis", "%PDF one")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	if files["files/manual/paper/životopis.pdf"] != "%PDF one" || files["files/manual/paper/ŽIVOTOPIS (2).pdf"] != "%PDF two" {
		t.Errorf("expected both files in the archive under safe names of their own, got %v", keysIn(files))
	}
	if _, there := files["files/manual/paper/wrong.txt"]; there {
		t.Error("expected the file taken back to be nowhere")
	}
	if !strings.Contains(files["data/crm/people.json"], "Pavla@Example.org") {
		t.Error("expected the data of the databases beside the files")
	}
	if _, err := b.LookAsk(t.Context(), ref.Token); !errors.Is(err, ErrNoToken) {
		t.Errorf("expected the link to end with the request, got %v", err)
	}
	b.minute(t)
	if n := b.stored(t); n != 0 {
		t.Errorf("expected the uploads to be deleted once they are in the archive, %d are left", n)
	}
	b.clock.set(b.clock.now().Add(8 * 24 * time.Hour))
	b.minute(t)
	var ciphers int
	err = b.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM asks WHERE cipher IS NOT NULL) + (SELECT count(*) FROM uploads WHERE cipher IS NOT NULL)`).Scan(&ciphers)
	if err != nil || ciphers != 0 || !b.get(t, id).Scrubbed {
		t.Errorf("expected nothing of the answer after scrubbing, got %d ciphertexts, %v", ciphers, err)
	}
}

func keysIn(files map[string]string) (list []string) {
	for name := range files {
		list = append(list, name)
	}
	return list
}

// Nothing anywhere is told as such; a desk that was skipped is not passed over in silence.
func TestNothingAndSkipped(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper", "vault")
	id := b.approved(t, datamap.Access, "nobody@example.org")
	b.worked(t)
	b.answer(t, b.linkOf(t, "hr@bota.example"), AnsweredNothing)
	b.worked(t)
	b.expectStatus(t, id, Running)
	b.answer(t, b.linkOf(t, "vault@bota.example"), AnsweredNothing)
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	b.mail.one(t, "nothing")

	id = b.approved(t, datamap.Access, "nobody@example.org")
	b.worked(t)
	expectInvalid(t, b.SkipAsk(t.Context(), dpo, id, "paper", " "), "reason", "Give the reasons")
	if err := b.SkipAsk(t.Context(), reader, id, "paper", "no"); !errors.Is(err, ErrForbidden) {
		t.Errorf("expected a reader to be refused, got %v", err)
	}
	if err := b.SkipAsk(t.Context(), stranger, id, "paper", "no"); !errors.Is(err, ErrNotFound) {
		t.Errorf("expected a stranger to find nothing, got %v", err)
	}
	if err := b.SkipAsk(t.Context(), dpo, id, "paper", "The cellar is flooded"); err != nil {
		t.Fatal(err)
	}
	if err := b.AnswerAsk(t.Context(), AskRef{Actor: dpo, RequestID: id, Source: "vault"}, AskAnswer{What: AnsweredNothing}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	if letter := strings.Join(strings.Fields(unzip(t, data)["letter.txt"]), " "); !strings.Contains(letter, "Paper files of applicants (HR desk): left out. The reason: The cellar is flooded.") {
		t.Errorf("expected the letter to say what was left out and why, got %s", letter)
	}
}

// An erasure is confirmed by hand; its letter says so, without the owner's own words.
func TestErasureByHand(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Running)
	if len(b.people.keysOf("crm.people")) != 4 {
		t.Error("expected the databases not to wait for the desk")
	}
	ref := b.linkOf(t, "hr@bota.example")
	expectNotNow(t, b.AddFile(t.Context(), ref, "a.txt", strings.NewReader("a")), "Nothing is handed over for an erasure")
	expectInvalid(t, b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredDone}), "who", "Give the name")
	expectInvalid(t, b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredDone}), "words", "Say what was done")
	b.answer(t, ref, AnsweredDone, "Eva Malá", "Shredded the folder of Pavla Ng")
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if a := q.Asks[0]; a.Who != "Eva Malá" || a.AnsweredBy != owner || a.Answer != AnsweredDone {
		t.Errorf("expected who did it on the request, got %+v", a)
	}
	l := b.mail.one(t, "erased")
	if fmt.Sprint(l.ByHand) != "[Paper files of applicants (HR desk)]" {
		t.Errorf("expected the letter to name what was erased by hand, got %v", l.ByHand)
	}
	expectNowhere(t, b.dump(t), "Shredded the folder", "Eva Malá")
}

// The owner is through before a database is: the request ends with the last of them, once.
func TestErasureEndsWithTheLast(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.web.set(func() { b.web.fail = errors.New("down") })
	b.work(t)
	b.answer(t, b.linkOf(t, "hr@bota.example"), AnsweredDone, "Eva", "Shredded")
	b.work(t)
	b.expectStatus(t, id, Running)
	b.web.set(func() { b.web.fail = nil })
	if err := b.run(t, b.job(t, id, "erase", "web")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	b.mail.one(t, "erased")
}

// They cannot: the DPO decides. Asking again starts over; answering for them, and skipping, end it.
func TestOwnerCannot(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	first := b.linkOf(t, "hr@bota.example")
	b.answer(t, first, AnsweredCannot, "Eva", "The archive is sealed until August")
	q := b.expectStatus(t, id, Running)
	if !strings.HasPrefix(q.Waiting, "HR desk cannot do what was asked") || q.Asks[0].Words != "The archive is sealed until August" {
		t.Errorf("expected the DPO to be told, with the reason, got %q, %+v", q.Waiting, q.Asks[0])
	}
	expectNotNow(t, b.AnswerAsk(t.Context(), first, AskAnswer{What: AnsweredNothing}), "answered already")
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if n := len(b.mail.letters(letterAsk)); n != 2 {
		t.Errorf("expected the owner to be asked again, got %d letters", n)
	}
	b.answer(t, b.linkOf(t, "hr@bota.example"), AnsweredCannot, "Eva", "Still")
	if err := b.AnswerAsk(t.Context(), AskRef{Actor: dpo, RequestID: id, Source: "paper"}, AskAnswer{What: AnsweredDone, Who: "Dana", Words: "went there"}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if q = b.expectStatus(t, id, Fulfilled); q.Asks[0].AnsweredBy != dpo.Name {
		t.Errorf("expected the record to say who answered for the owner, got %s", q.Asks[0].AnsweredBy)
	}
}

// Two desks at once: who has answered may change their mind until the last one has.
func TestTwoDesksAndASecondThought(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper", "vault")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	hr, vault := b.linkOf(t, "hr@bota.example"), b.linkOf(t, "vault@bota.example")
	b.answer(t, hr, AnsweredNothing)
	q := b.expectStatus(t, id, Running)
	if !strings.Contains(q.Waiting, "Vault") || strings.Contains(q.Waiting, "HR desk") {
		t.Errorf("expected the request to wait for the vault alone, got %q", q.Waiting)
	}
	if err := b.ReopenAsk(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	b.add(t, hr, "found.txt", "behind the cupboard")
	b.answer(t, hr, AnsweredFiles)
	b.answer(t, vault, AnsweredNothing)
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	if got := unzip(t, data)["files/manual/paper/found.txt"]; got != "behind the cupboard" {
		t.Errorf("expected what was added on second thought, got %q", got)
	}
}

// Of all the answers given at once exactly one counts, and the archive is made once.
func TestAnswersAtOnce(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	var wg sync.WaitGroup
	taken := make(chan bool, 8)
	for i := range 8 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				err = b.AnswerAsk(t.Context(), ref, AskAnswer{What: AnsweredNothing})
			} else {
				err = b.SkipAsk(t.Context(), dpo, id, "paper", "no")
			}
			if err == nil {
				taken <- true
			}
		})
	}
	wg.Wait()
	if n := len(taken); n != 1 {
		t.Errorf("expected one answer to count, got %d", n)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}

// Of a file that does not fit any more the owner is told what all of them may
// have, and not what is left of it.
func TestWhatAllFilesMayHave(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	b.add(t, ref, "one.txt", strings.Repeat("x", 7000))
	expectInvalid(t, b.AddFile(t.Context(), ref, "two.txt", strings.NewReader(strings.Repeat("y", 7000))), "files", "All files together may have 10 kB")
	b.add(t, ref, "three.txt", strings.Repeat("z", 3000))
}

// Uploads at once are added up: the limit holds for all of them together.
func TestUploadsAtOnce(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	var wg sync.WaitGroup
	for i := range 6 { // of 4,000 bytes each, where 10,000 fit
		wg.Go(func() {
			_ = b.AddFile(t.Context(), ref, fmt.Sprintf("%d.txt", i), strings.NewReader(strings.Repeat(fmt.Sprint(i), 4000)))
		})
	}
	wg.Wait()
	v, err := b.OpenAsk(t.Context(), ref.Token)
	if err != nil || len(v.Files) != 2 || v.Files[0].Size != 4000 || v.Files[1].Size != 4000 {
		t.Errorf("expected two files of 4,000 bytes, got %+v, %v", v.Files, err)
	}
	if n := b.stored(t); n != 2 {
		t.Errorf("expected nothing of the others to be left in the storage, got %d objects in all", n)
	}
	expectInvalid(t, b.AddFile(t.Context(), ref, "big.txt", strings.NewReader(strings.Repeat("x", 2001))), "files", "did not fit")
	expectInvalid(t, b.AddFile(t.Context(), ref, "empty.txt", strings.NewReader("")), "files", "empty")
	expectInvalid(t, b.AddFile(t.Context(), ref, "cv.exe", strings.NewReader("x")), "files", ".exe")
	expectInvalid(t, b.AddFile(t.Context(), ref, "cv.pdf", strings.NewReader("MZ....")), "files", "program")
	if v, _ = b.OpenAsk(t.Context(), ref.Token); len(v.Files) != 2 {
		t.Errorf("expected what is refused not to count, got %+v", v.Files)
	}
}

// cut ends a stream as a browser that goes away does; killed as a process that dies.
type cut struct {
	after io.Reader
	dies  bool
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.after.Read(p)
	if errors.Is(err, io.EOF) {
		if c.dies {
			panic(killed)
		}
		return n, errors.New("connection reset")
	}
	return n, err
}

func TestUploadBrokenOff(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	long := bytes.Repeat([]byte("x"), 5000)
	ctx, cancel := context.WithCancel(t.Context())
	err := b.AddFile(ctx, ref, "a.txt", &cut{after: bytes.NewReader(long)})
	cancel()
	if err == nil || b.stored(t) != 0 {
		t.Errorf("expected nothing of an upload that broke off, got %v and %d objects", err, b.stored(t))
	}
	short := io.MultiReader(strings.NewReader("the first line of th"), iotest.ErrReader(io.ErrUnexpectedEOF)) // as a form's part ends that was cut
	if err := b.AddFile(t.Context(), ref, "c.txt", short); err == nil || b.stored(t) != 0 {
		t.Errorf("expected nothing of a short upload that broke off, got %v and %d objects", err, b.stored(t))
	}
	func() {
		defer func() { _ = recover() }()
		_ = b.AddFile(t.Context(), ref, "b.txt", &cut{after: bytes.NewReader(long), dies: true})
	}()
	if b.stored(t) != 1 {
		t.Fatal("expected a killed process to leave a note of what it had begun")
	}
	b.clock.set(b.clock.now().Add(brokenAfter + time.Minute))
	b.minute(t)
	if n := b.stored(t); n != 0 {
		t.Errorf("expected the minute to clean up, %d are left", n)
	}
	if v, _ := b.OpenAsk(t.Context(), ref.Token); len(v.Files) != 0 {
		t.Errorf("expected neither to count, got %+v", v.Files)
	}
}

// The archive's worker is killed half-way: the uploads are still there for the next run.
func TestArchiveOfUploadsKilled(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	b.add(t, ref, "a.txt", "kept")
	b.answer(t, ref, AnsweredFiles)
	b.people.set(func() { b.people.fail = errors.New("down") })
	if errs := b.work(t); len(errs) != 1 {
		t.Fatalf("expected the archive step to fail once, got %v", errs)
	}
	b.minute(t)
	b.people.set(func() { b.people.fail = nil })
	if err := b.run(t, b.job(t, id, "archive", "")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	if got := unzip(t, data)["files/manual/paper/a.txt"]; got != "kept" {
		t.Errorf("expected the file in the archive of the second run, got %q", got)
	}
}

// Reminded before the day, after it, and each week; each letter's link works. Then it is sent again, and only that one does.
func TestOwnersAreReminded(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	first := b.linkOf(t, "hr@bota.example")
	at := func(when string, want int) {
		t.Helper()
		b.clock.set(instant(t, when))
		b.minute(t)
		b.minute(t)
		b.worked(t)
		if got := len(b.mail.letters(letterAskAgain)); got != want {
			t.Errorf("%s: expected %d reminders, got %d", when, want, got)
		}
	}
	// Due on Monday the 15th: the working day before is Friday the 12th, 8:00 in Prague.
	at("2026-06-12T05:59:00Z", 0)
	at("2026-06-12T06:00:00Z", 1)
	at("2026-06-15T12:00:00Z", 1)
	at("2026-06-16T06:00:00Z", 2)
	at("2026-06-20T06:00:00Z", 2)
	at("2026-06-23T06:00:00Z", 3)
	letters := b.mail.letters(letterAskAgain)
	if letters[0].Late || !letters[1].Late {
		t.Error("expected the letter after the day to say that it is over, and the one before it not to")
	}
	if q := b.get(t, id); !strings.Contains(q.Waiting, "reminded 3 times") {
		t.Errorf("expected the reminders in the DPO's sight, got %q", q.Waiting)
	}
	if _, err := b.OpenAsk(t.Context(), first.Token); err != nil {
		t.Errorf("expected the first mail's link to go on working, got %v", err)
	}
	if err := b.ResendAsk(t.Context(), dpo, id, "paper"); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if _, err := b.OpenAsk(t.Context(), first.Token); !errors.Is(err, ErrNoToken) {
		t.Errorf("expected earlier links to end when the DPO sends a new one, got %v", err)
	}
	ref := AskRef{Token: token(b.mail.letters(letterAsk)[1])}
	b.answer(t, ref, AnsweredNothing)
	at("2026-07-23T06:00:00Z", 3)
}

// A desk whose owner has changed in lethe.yaml reminds the new one, by their name,
// and the links of the one before end.
func TestANewOwnerIsReminded(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	first := b.linkOf(t, "hr@bota.example")
	c := b.c
	c.Desks = map[string]Desk{"other": c.Desks["other"], "paper": {Owner: "Archivist", Mail: "archivist@bota.example", Holds: "paper files of applicants", Days: 10, Limit: 10_000}}
	var err error
	if b.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
	b.clock.set(instant(t, "2026-06-12T06:00:00Z"))
	b.minute(t)
	b.worked(t)
	if got := b.mail.one(t, letterAskAgain); got.To != "archivist@bota.example" || got.Recipient != "Archivist" {
		t.Errorf("expected the new owner to be reminded by name, got a letter to %s", got.Recipient)
	}
	if _, err := b.OpenAsk(t.Context(), first.Token); !errors.Is(err, ErrNoToken) {
		t.Errorf("expected the link of the owner before to have ended, got %v", err)
	}
	if q := b.get(t, id); !strings.Contains(q.Waiting, "Archivist") {
		t.Errorf("expected the request to wait for the new owner, got %q", q.Waiting)
	}
	b.answer(t, b.linkOf(t, "archivist@bota.example"), AnsweredNothing)
}

// While only people are asked for a copy, the request can be taken back, and their links end.
func TestWithdrawnWhileAsked(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	ref := b.linkOf(t, "hr@bota.example")
	b.add(t, ref, "a.txt", "a")
	expectNotNow(t, b.Refuse(t.Context(), dpo, id, "no"), "cannot become refused")
	if err := b.Withdraw(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Withdrawn)
	if _, err := b.OpenAsk(t.Context(), ref.Token); !errors.Is(err, ErrNoToken) {
		t.Errorf("expected the owner's link to end, got %v", err)
	}
	b.minute(t)
	if n := b.stored(t); n != 0 {
		t.Errorf("expected what was uploaded to be deleted, %d are left", n)
	}
	id = b.approved(t, datamap.Erasure, "pavla@example.org")
	expectNotNow(t, b.Withdraw(t.Context(), dpo, id), "can no longer be withdrawn")
}

// Only proved identities are shown to an owner.
func TestOwnersSeeProvedIdentities(t *testing.T) {
	t.Parallel()
	b := newDesks(t, "paper")
	id := b.submit(t, person, ask(datamap.Access, "email", "karel@example.org", "phone", "+420601000001")).ID
	b.worked(t)
	for _, l := range b.mail.letters("confirm") {
		if l.To == "karel@example.org" {
			if _, err := b.Confirm(t.Context(), token(l)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	v, err := b.OpenAsk(t.Context(), b.linkOf(t, "hr@bota.example").Token)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprint(v.Identities, v.Names); shown != "[{email karel@example.org}] [Karel Novák]" {
		t.Errorf("expected the proved address and the name beside it alone, got %s", shown)
	}
}
