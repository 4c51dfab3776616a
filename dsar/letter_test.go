package dsar

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// letterJob finds a letter of a request as a job.
func (b *workBundle) letterJob(t *testing.T, id int64, kind string) Work {
	t.Helper()
	w := Work{Kind: "letter"}
	err := b.pool.QueryRow(t.Context(), `SELECT id, run FROM letters WHERE request_id = $1 AND kind = $2`, id, kind).Scan(&w.ID, &w.Run)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (b *workBundle) letterState(t *testing.T, id int64, kind string) LetterState {
	t.Helper()
	for _, l := range b.get(t, id).Letters {
		if l.Kind == kind {
			return l
		}
	}
	t.Fatalf("expected request %d to have a letter %s", id, kind)
	return LetterState{}
}

func answering(code int) func(Letter) error {
	return func(Letter) error { return &MailError{Code: code, Final: code >= 500, Doing: "sending"} }
}

// 4xx, and no answer at all, are tried again; the request goes on from there.
func TestMailServerAway(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Access, "karel@example.org")
	for _, code := range []int{421, 450, 0} {
		b.mail.refuse = answering(code)
		errs := b.work(t)
		if code != 421 { // the first time the job was in the queue
			errs = []error{b.run(t, b.letterJob(t, id, "archive"))}
		}
		if perm := (*Permanent)(nil); len(errs) != 1 || errs[0] == nil || errors.As(errs[0], &perm) {
			t.Fatalf("expected a passing error for %d, got %v", code, errs)
		}
		if l := b.letterState(t, id, "archive"); l.Status != "waiting" || l.Code != code {
			t.Errorf("expected the letter to wait after %d, it is %s (%d)", code, l.Status, l.Code)
		}
	}
	b.expectStatus(t, id, Running)
	b.mail.refuse = nil
	if err := b.run(t, b.letterJob(t, id, "archive")); err != nil {
		t.Fatal(err)
	}
	b.expectStatus(t, id, Fulfilled)
	if l := b.letterState(t, id, "archive"); l.Attempts != 4 {
		t.Errorf("expected four attempts on the record, got %d", l.Attempts)
	}
	// Sent is sent: the job run again does nothing.
	if err := b.run(t, b.letterJob(t, id, "archive")); err != nil {
		t.Fatal(err)
	}
	b.mail.one(t, "archive")
}

// The link in a letter that was refused takes the request back, in the person's
// name: whoever may only look at the request reads the letter without it.
func TestALetterToBeReadHasNoLinkForReaders(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.toApprove(t, datamap.Erasure, "jana@example.org")
	if err := b.Extend(t.Context(), dpo, id, "Many systems."); err != nil {
		t.Fatal(err)
	}
	b.mail.refuse = answering(550)
	_ = b.work(t)
	letter := b.letterState(t, id, "extended").ID
	for _, c := range []struct {
		who  Actor
		link bool
	}{{dpo, true}, {reader, false}} {
		l, err := b.UnsentLetter(t.Context(), c.who, id, letter)
		if err != nil || l.Reason != "Many systems." || (l.StatusLink != "") != c.link {
			t.Errorf("expected %s to read the letter, with its link: %t; got %q and %v", c.who.Name, c.link, l.StatusLink, err)
		}
	}
}

// 550 is final: the request waits in the DPO's sight, retry sends again; for an
// erasure a second final refusal ends the request, which is done.
func TestMailRefused(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Erasure, "karel@example.org")
	b.mail.refuse = func(l Letter) error {
		if l.Kind == "notice" {
			return nil
		}
		return answering(550)(l)
	}
	errs := b.work(t)
	var perm *Permanent
	if len(errs) != 1 || !errors.As(errs[0], &perm) || perm.Code != "mail_550" {
		t.Fatalf("expected one permanent error, got %v", errs)
	}
	q := b.expectStatus(t, id, Running)
	if l := b.letterState(t, id, "erased"); l.Status != "failed" || l.Code != 550 || q.Waiting == "" {
		t.Errorf("expected the letter to be failed (550) in the DPO's sight, it is %s (%d): %q", l.Status, l.Code, q.Waiting)
	}
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	b.expectStatus(t, id, Fulfilled)
	if l := b.letterState(t, id, "erased"); l.Status != "failed" {
		t.Errorf("expected the record to say that the letter never arrived, it is %s", l.Status)
	}
}

// A refusal that never reached the person goes on waiting for the DPO, until
// it is delivered or scrubbed; and with it go the words of the staff.
func TestRefusalThatDidNotArrive(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	sub := verified(ask(datamap.Access, "email", "karel@example.org"))
	sub.Requester = Requester{As: "lawyer", Name: "Clara Law", Address: "clara@law.example", Mandate: "power of attorney of 3 May 2026"}
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	b.mail.refuse = answering(550)
	if err := b.Refuse(t.Context(), dpo, id, "Manifestly unfounded."); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if q := b.expectStatus(t, id, Refused); !strings.Contains(q.Waiting, "(550)") {
		t.Errorf("expected the refused request to say that its letter did not arrive, got %q", q.Waiting)
	}
	b.clock.set(b.clock.now().Add(8 * 24 * time.Hour))
	b.minute(t)
	q := b.get(t, id)
	if !q.Scrubbed || q.Waiting != "" {
		t.Errorf("expected nothing to wait once scrubbed, got %q", q.Waiting)
	}
	if q.Requester.Mandate != "seen" || q.MandateBy != dpo.Name || q.Identities[0].How != "staff" {
		t.Errorf("expected the staff's words to be gone, and who saw the mandate to stay; got %+v, %q, %q",
			q.Requester, q.MandateBy, q.Identities[0].How)
	}
	expectNowhere(t, b.dump(t), "power of attorney", "passport seen")
}

// A kill between the server's acceptance and our note is the only way to a
// second copy, and it has the same Message-ID.
func TestSecondCopyHasTheSameMessageID(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Access, "karel@example.org")
	b.mail.dieSent = true
	errs := b.work(t)
	if len(errs) != 1 || !errors.Is(errs[0], errKilled) {
		t.Fatalf("expected one killed job, got %v", errs)
	}
	b.expectStatus(t, id, Running)
	if err := b.run(t, b.letterJob(t, id, "archive")); err != nil {
		t.Fatal(err)
	}
	b.expectStatus(t, id, Fulfilled)
	copies := b.mail.letters("archive")
	if len(copies) != 2 || copies[0].MessageID != copies[1].MessageID || copies[0].Link != copies[1].Link {
		t.Errorf("expected two copies with the same Message-ID and link, got %d", len(copies))
	}
}

// Somebody without an address on record comes in person.
func TestByHand(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	sub := verified(ask(datamap.Access, "phone", "+420601000001"))
	sub.Delivery = "hand"
	id := b.submit(t, dpo, sub).ID
	b.worked(t)

	var draft bytes.Buffer
	if err := b.Draft(t.Context(), dpo, id, &draft); err != nil {
		t.Fatal(err)
	}
	if people := unzip(t, draft.Bytes())["data/crm/people.json"]; !strings.Contains(people, "Pavla") {
		t.Errorf("expected the draft to hold what would be sent, got %s", people)
	}
	expectNotNow(t, b.HandOver(t.Context(), dpo, id, io.Discard), "no archive")

	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Running)
	if n := len(b.mail.letters("archive")); n != 0 {
		t.Errorf("expected no mail, got %d", n)
	}
	if err := b.HandOver(t.Context(), stranger, id, io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("expected another controller's staff not to find it, got %v", err)
	}
	// Not fetched in time: retry makes it anew.
	b.clock.set(b.clock.now().Add(31 * 24 * time.Hour))
	b.minute(t)
	expectNotNow(t, b.HandOver(t.Context(), dpo, id, io.Discard), "expired")
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	// The disk that it is written to is full: that is no failure of ours, and no delivery.
	err := b.HandOver(t.Context(), dpo, id, fullDisk{})
	if err == nil || strings.Contains(err.Error(), "storage") || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("expected it to be said that there is no space, got %v", err)
	}
	b.expectStatus(t, id, Running)
	var file bytes.Buffer
	if err := b.HandOver(t.Context(), dpo, id, &file); err != nil {
		t.Fatal(err)
	}
	unzip(t, file.Bytes())
	q := b.expectStatus(t, id, Fulfilled)
	if q.Archive.Deliveries != 1 {
		t.Errorf("expected one delivery on the record, got %d", q.Archive.Deliveries)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "request.zip", Err: syscall.ENOSPC}
}

// The archive itself, attached, where the controller has it so.
func TestAttachment(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	sub := verified(ask(datamap.Access, "email", "karel@example.org"))
	sub.Delivery = "attachment"
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	l := b.mail.one(t, "archive")
	if l.Link != "" {
		t.Error("expected no link beside an attachment")
	}
	if people := unzip(t, b.mail.files[l.ID])["data/crm/people.json"]; !strings.Contains(people, "karel@example.org") {
		t.Errorf("expected the archive in the mail, got %s", people)
	}
	if q.Archive.Deliveries != 1 {
		t.Errorf("expected one delivery on the record, got %d", q.Archive.Deliveries)
	}
}

// A download that breaks off in storage is an error, and the turn is kept when
// nothing has left.
func TestDownloadOfAMissingObject(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Access, "karel@example.org")
	b.worked(t)
	var object string
	if err := b.pool.QueryRow(t.Context(), `SELECT object FROM archives WHERE request_id = $1`, id).Scan(&object); err != nil {
		t.Fatal(err)
	}
	if err := b.c.Storage.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	l := b.mail.one(t, "archive")
	_, err := b.download(t, l)
	if err == nil || errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), object) {
		t.Errorf("expected an error that does not quote the object, got %v", err)
	}
	info, err := b.Token(t.Context(), token(l), "download")
	if err != nil || info.UsesLeft != linkUses {
		t.Errorf("expected all %d turns to be left, got %d (%v)", linkUses, info.UsesLeft, err)
	}
}

// The letter is about what was found, names recipients that got such data, and
// says what was left out.
func TestLetterOfAnArchive(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	r, err := loadRequest(t.Context(), b.pool, id, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.letter(t.Context(), b.pool, r, []source.Finding{
		{Source: "crm", Collection: "crm.people", Rows: 1, Shared: 2}, {Source: "web", Collection: "web.browsers"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Purposes {
		if p.Collection != "crm.people" {
			t.Errorf("expected only collections with findings, got %s", p.Collection)
		}
	}
	if len(l.Purposes) == 0 || l.Purposes[0].Basis != "f" {
		t.Errorf("expected the legal basis of the map, got %+v", l.Purposes)
	}
	if !slices.Equal(l.Sources, []string{"the person"}) {
		t.Errorf("expected the origin of the map, got %q", l.Sources)
	}
	if len(l.Recipients) != 1 || l.Recipients[0].Name != "Newsletter Ltd" {
		t.Errorf("expected the recipient of contact data by name, and no other, got %+v", l.Recipients)
	}
	if len(l.Missing()) == 0 {
		t.Error("expected the letter to say what is not configured")
	}
}

// What a law keeps has a period, too: that of the data map.
func TestLetterNamesStatutoryPeriods(t *testing.T) {
	t.Parallel()
	const keep = "{for: P10Y, from: issued_on, because: accounting law, mask: [phone]}"
	b := newWorkOver(t, strings.Replace(keepsMap, "keep: ["+keep+"]", "keep: ["+keep+", {where: {name: [Acme]}, because: a court's order}]", 1),
		map[string]Source{"shop": newMemory("shop", nil)})
	b.c.Periods = []archive.Period{{Collection: "shop.people", Keep: "2 years"}}
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	r, err := loadRequest(t.Context(), b.pool, id, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.letter(t.Context(), b.pool, r, []source.Finding{{Source: "shop", Collection: "shop.people", Rows: 1}, {Source: "shop", Collection: "shop.tax_bills", Rows: 2}})
	if err != nil {
		t.Fatal(err)
	}
	want := []archive.Period{
		{Collection: "shop.people", Keep: "2 years"},
		{Collection: "shop.tax_bills", Keep: "10 years, counted from “issued on”, because a law obliges us (accounting law)"},
		{Collection: "shop.tax_bills", What: "some entries", Keep: "without a fixed end, because a law obliges us (a court's order)"},
	}
	if !slices.Equal(l.Retention, want) {
		t.Errorf("expected the periods %+v, got %+v", want, l.Retention)
	}
}

// A field that the map keeps out of what is given is said to be left out, and why.
func TestLetterTellsWhatIsWithheld(t *testing.T) {
	t.Parallel()
	b := newWorkOver(t, strings.NewReplacer(
		"{name: phone, data_categories: [user.contact.phone_number]}", "{name: pass_word, data_categories: [user.authorization.password], lethe: {redact: true}}",
		"{name: name, data_categories: [user.name]}", "{name: name, data_categories: [user.name], lethe: {redact: true}}", ", mask: [phone]", "",
	).Replace(keepsMap), map[string]Source{"shop": newMemory("shop", nil)})
	for kind, want := range map[datamap.Kind][]string{
		datamap.Access: {
			"tax bills (shop): “pass word”, left out because it is a secret, which would open your account to whoever gets hold of this archive.",
			"tax bills (shop): “name”, left out to protect the rights of others (Article 15(4)). If you think that this is yours, write to us.",
		},
		datamap.Export: nil, // Art. 20 covers neither
	} {
		id := b.submit(t, dpo, verified(ask(kind, "email", "karel@example.org"))).ID
		r, err := loadRequest(t.Context(), b.pool, id, false)
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.letter(t.Context(), b.pool, r, []source.Finding{{Source: "shop", Collection: "shop.tax_bills", Rows: 2}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, sentence := range l.NotIncluded {
			if strings.Contains(sentence, "tax bills") {
				got = append(got, sentence)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: expected the letter to say of what is withheld %q, got %q", kind, want, got)
		}
	}
}

// A letter that does not end a request does not wait for its row, which other
// letters of it would, too.
func TestLettersOfOneRequest(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	b.worked(t)
	b.inTx(t, func(tx pgx.Tx) error {
		r, err := loadRequest(t.Context(), tx, id, true)
		if err != nil {
			return err
		}
		for n := range 2 {
			if err := b.addLetter(t.Context(), tx, r, "extended", "", n, letterContent{To: "karel@example.org"}); err != nil {
				return err
			}
		}
		return nil
	})
	held, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(t.Context()) //nolint:errcheck // the end of the test
	if _, err := loadRequest(t.Context(), held, id, true); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if n := len(b.mail.letters("extended")); n != 2 {
		t.Errorf("expected two letters, each once, got %d", n)
	}
}
