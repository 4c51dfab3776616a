package dsar

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// An access request, from the form to the download and to the end of its record.
func TestAccessFromFormToDownload(t *testing.T) {
	t.Parallel()
	b := newWork(t)

	id := b.submit(t, person, Submission{Controller: "bota", Kind: datamap.Access, Channel: "form",
		Identities: []Identity{{"email", "pavla@example.org"}}}).ID
	b.worked(t)
	b.expectStatus(t, id, Received)
	confirm := b.mail.one(t, "confirm")
	// The browser's row holds the very bytes that were typed, the customer's row another spelling.
	if confirm.To != "pavla@example.org" {
		t.Fatalf("expected the confirmation to go to the stored bytes that equal the typed ones, it went to %s", confirm.To)
	}
	if want := "https://privacy.bota.example/confirm/"; !strings.HasPrefix(confirm.Link, want) {
		t.Fatalf("expected a link below %s, got %s", want, confirm.Link)
	}

	if _, err := b.Confirm(t.Context(), token(confirm)); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, InReview)
	if f := findingIn(t, q.Findings, "crm.people"); f.Rows != 1 {
		t.Fatalf("expected one row of this controller in crm.people, got %d", f.Rows)
	}

	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q = b.expectStatus(t, id, Fulfilled)
	if q.Archive == nil {
		t.Fatal("expected an archive on the record")
	}
	ready := b.mail.one(t, "archive")
	data, err := b.download(t, ready)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != q.Archive.Size {
		t.Errorf("expected %d bytes, as recorded, got %d", q.Archive.Size, len(data))
	}
	people := unzip(t, data)["data/crm/people.json"]
	if !strings.Contains(people, "Pavla@Example.org") || strings.Contains(people, "karel") {
		t.Errorf("expected the person's own row and nobody else's, got %s", people)
	}

	for range linkUses - 1 {
		if _, err := b.download(t, ready); err != nil {
			t.Fatalf("expected %d downloads to be allowed, got %v", linkUses, err)
		}
	}
	if _, err := b.download(t, ready); !errors.Is(err, ErrNoToken) {
		t.Errorf("expected the link to be used up, got %v", err)
	}

	b.clock.set(b.clock.now().Add(8 * 24 * time.Hour))
	b.minute(t)
	q = b.get(t, id)
	if !q.Archive.Deleted || !q.Scrubbed {
		t.Errorf("expected the archive deleted and the record scrubbed after a week, got deleted %v, scrubbed %v", q.Archive.Deleted, q.Scrubbed)
	}
	expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "+420601000001")
}

// An erasure leaves no identity in clear: encrypted while it runs, nowhere but
// as an HMAC once it is scrubbed.
func TestErasureLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if got := b.people.keysOf("crm.people"); strings.Join(got, " ") != "2 3 4 5" {
		t.Errorf("expected this controller's row 1 gone and the others left, got %v", got)
	}
	if got := b.web.keysOf("web.browsers"); strings.Join(got, " ") != "v2" {
		t.Errorf("expected v1 gone, got %v", got)
	}
	if f := findingIn(t, q.Findings, "crm.people"); f.Erased != 1 {
		t.Errorf("expected one erased row on the record, got %d", f.Erased)
	}
	erased := b.mail.one(t, "erased")
	if f := findingIn(t, erased.Findings, "crm.people"); f.Erased != 1 || erased.To != "pavla@example.org" {
		t.Errorf("expected the letter to tell of one row, to the address on record; got %d, to %s", f.Erased, erased.To)
	}
	notice := b.mail.one(t, "notice")
	if !slices.Equal(notice.Notices, []Notice{{id, "email: pavla@example.org"}}) || notice.Reason != "" {
		t.Errorf("expected the notice to say how the recipient finds the person, and no more, got %+v", notice.Notices)
	}
	if notice.To != "privacy@news.example" || notice.Recipient != "Newsletter Ltd" {
		t.Errorf("expected a notice to the recipient of contact data alone (Art. 19), got one to %s", notice.To)
	}
	expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "+420601000001", "privacy@news.example")

	var tombstones int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM tombstones WHERE request_id = $1`, id).Scan(&tombstones); err != nil {
		t.Fatal(err)
	}
	if tombstones != 1 {
		t.Errorf("expected a tombstone for the proved identity, got %d", tombstones)
	}

	b.clock.set(b.clock.now().Add(8 * 24 * time.Hour))
	b.minute(t)
	if how := b.get(t, id).Identities[0].How; how != "staff" {
		t.Errorf("expected the staff's words to be scrubbed, and that it was staff to stay; got %q", how)
	}
	q = b.get(t, id)
	if !q.Scrubbed || q.Identities[0].Value != "" {
		t.Error("expected the identities to be scrubbed")
	}
	expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "+420601000001")
	var ciphers int
	err := b.pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM identities WHERE cipher IS NOT NULL) + (SELECT count(*) FROM roots WHERE cipher IS NOT NULL)
			+ (SELECT count(*) FROM letters WHERE cipher IS NOT NULL) + (SELECT count(*) FROM steps WHERE note_cipher IS NOT NULL)`).Scan(&ciphers)
	if err != nil {
		t.Fatal(err)
	}
	if ciphers != 0 {
		t.Errorf("expected no ciphertext left after scrubbing, got %d", ciphers)
	}
}

// One's own address and somebody else's telephone number do not open both.
func TestEachIdentityIsConfirmedByItself(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	id := b.submit(t, person, ask(datamap.Access, "email", "karel@example.org", "phone", "+420601000001")).ID
	b.worked(t)
	letters := b.mail.letters("confirm")
	if len(letters) != 2 {
		t.Fatalf("expected two letters to two people, got %d", len(letters))
	}
	byAddress := map[string]Letter{}
	for _, l := range letters {
		byAddress[l.To] = l
	}
	if _, ok := byAddress["Pavla@Example.org"]; !ok {
		t.Fatal("expected the telephone number to be confirmed at the address that stands beside it")
	}
	if _, err := b.Confirm(t.Context(), token(byAddress["karel@example.org"])); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, InReview)
	for _, root := range q.Roots {
		if root.Proved && root.Key != "2" {
			t.Errorf("expected karel's row alone to be proved, got row %s of %s", root.Key, root.Collection)
		}
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	if people := unzip(t, data)["data/crm/people.json"]; strings.Contains(people, "Pavla") {
		t.Errorf("expected nothing of the other person, got %s", people)
	}
}

// Somebody writes another person's number into their own row; that person's
// row has no address. The number is not confirmed at the stranger's address.
func TestBorrowedNumber(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() {
		b.people.rows["crm.people"] = []map[string]string{
			{"id": "1", "firm": "1", "name": "Pavla Ng", "phone": "+420601000001"},
			{"id": "2", "firm": "1", "phone": "+420601000001", "mail": "mallory@example.org"},
		}
	})
	id := b.submit(t, person, ask(datamap.Access, "phone", "+420601000001")).ID
	b.worked(t)
	if n := len(b.mail.letters("confirm")); n != 0 {
		t.Errorf("expected nobody to be asked, %d were", n)
	}
	if q := b.expectStatus(t, id, Received); !strings.Contains(q.Waiting, "verify the identities yourself") {
		t.Errorf("expected the request to wait for the DPO, got %q", q.Waiting)
	}
}

// An address that the walk reached through a row which the DPO then left as
// somebody else's is not written to, least of all with the other's archive.
func TestArchiveGoesToNobodyWhoWasLeft(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() {
		b.people.rows["crm.people"] = []map[string]string{
			{"id": "1", "firm": "1", "name": "Pavla Ng", "phone": "+420601000001"},
			{"id": "2", "firm": "1", "name": "Karel Novák", "phone": "+420601000001"},
		}
		b.people.reached = []string{"karel@example.org"} // by row 2
	})
	id := b.submit(t, dpo, verified(ask(datamap.Access, "phone", "+420601000001"))).ID
	b.worked(t)
	if to := b.addressOf(t, id); to != "" {
		t.Errorf("expected no address while the rows disagree on the person, got %q", to)
	}
	if err := b.Approve(t.Context(), dpo, id, Approval{Rows: []string{"crm.people:1"}}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, Running)
	if q.Delivery != "hand" || len(b.mail.letters("archive")) != 0 {
		t.Errorf("expected the archive to be handed over, it was mailed: delivery %s, %d letters", q.Delivery, len(b.mail.letters("archive")))
	}
	if list, _, err := b.List(t.Context(), dpo, Filter{}); err != nil || len(list) != 1 || q.Waiting == "" || list[0].Waiting != q.Waiting {
		t.Errorf("expected the list to say what the request's page says, %q, got %+v (%v)", q.Waiting, list, err)
	}
}

// Found by a number alone, and confirmed at the address beside it: the answer goes there,
// whatever other addresses hang on the row. Where another row has the number and no
// address, whose the one is nobody knows.
func TestAnswerGoesWhereItWasConfirmed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ second, to string }{
		"one row":                     {"", "pavla@example.org"},
		"another without any address": {"+420601000001", ""},
	} {
		b := newWork(t)
		b.people.set(func() {
			b.people.rows["crm.people"] = []map[string]string{
				{"id": "1", "firm": "1", "name": "Pavla Ng", "phone": "+420601000001", "mail": "pavla@example.org"},
				{"id": "2", "firm": "1", "name": "Pavla Ng", "phone": c.second},
			}
			b.people.reached = []string{"old@example.org", "pavla@example.org", "work@example.org"}
		})
		id := b.submit(t, dpo, verified(ask(datamap.Access, "phone", "+420601000001"))).ID
		b.worked(t)
		if to := b.addressOf(t, id); to != c.to {
			t.Errorf("%s: expected the answer to go to %q, got %q", name, c.to, to)
		}
	}
}

// Two people on one mailbox, typed differently, and neither as typed now: the DPO decides.
func TestSeveralSpellingsAreForTheDPO(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	b.people.set(func() { b.people.rows["crm.people"][3]["mail"] = "Two@example.org" })
	id := b.submit(t, person, ask(datamap.Access, "email", "two@example.org")).ID
	b.worked(t)
	if n := len(b.mail.letters("confirm")); n != 0 {
		t.Errorf("expected no confirmation to either of two addresses, got %d", n)
	}
	q := b.expectStatus(t, id, Received)
	if q.Waiting == "" {
		t.Error("expected the request to say that it waits for the DPO")
	}
}

// A subject nobody knows is asked at the typed address, and told so.
func TestNothingFound(t *testing.T) {
	t.Parallel()
	for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newWork(t)
			id := b.submit(t, person, ask(kind, "email", "nobody@example.org")).ID
			b.worked(t)
			confirm := b.mail.one(t, "confirm")
			if confirm.To != "nobody@example.org" {
				t.Fatalf("expected the typed address to be asked, got %s", confirm.To)
			}
			if _, err := b.Confirm(t.Context(), token(confirm)); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			b.expectStatus(t, id, Fulfilled)
			if to := b.mail.one(t, "nothing").To; to != "nobody@example.org" {
				t.Errorf("expected the honest letter at the typed address, got %s", to)
			}
			if n := len(b.mail.letters("archive")) + len(b.mail.letters("erased")) + len(b.mail.letters("notice")); n != 0 {
				t.Errorf("expected no other letter, got %d", n)
			}
		})
	}
}

// An erasure that was approved starts when the access request it waits for has ended.
func TestErasureStartsAfterAccess(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	access := b.submit(t, dpo, verified(ask(datamap.Access, "email", "karel@example.org"))).ID
	b.worked(t)
	erasure := b.approved(t, datamap.Erasure, "karel@example.org")
	b.worked(t)
	b.expectStatus(t, erasure, InReview)
	if err := b.Approve(t.Context(), dpo, access, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, access, Fulfilled)
	b.expectStatus(t, erasure, Fulfilled)
	if data, err := b.download(t, b.mail.one(t, "archive")); err != nil || !strings.Contains(unzip(t, data)["data/crm/people.json"], "karel") {
		t.Errorf("expected the copy to hold what was erased afterwards (error %v)", err)
	}
}

func TestConfirmAt(t *testing.T) {
	t.Parallel()
	email := ProvedIdentity{ID: 1, Type: "email", Value: "a@example.org"}
	phone := ProvedIdentity{ID: 2, Type: "phone", Value: "+420601000001"}
	for _, tc := range []struct {
		name string
		id   ProvedIdentity
		seen sighting
		want string
	}{
		{"found nowhere: the typed address", email, sighting{}, "a@example.org"},
		{"a number found nowhere: nobody to ask", phone, sighting{}, ""},
		{"the stored bytes, not the typed ones", email, sighting{Matched: true, Stored: []string{"A@example.org"}}, "A@example.org"},
		{"of several the one typed", email, sighting{Matched: true, Stored: []string{"A@example.org", "a@example.org"}}, "a@example.org"},
		{"several, none as typed", email, sighting{Matched: true, Stored: []string{"A@example.org", "a@Example.org"}}, ""},
		{"the same in two sources", email, sighting{Matched: true, Stored: []string{"A@example.org", "A@example.org"}}, "A@example.org"},
		{"the address beside a number", phone, sighting{Matched: true, Stored: []string{"b@example.org"}, Reached: []string{"c@example.org"}}, "b@example.org"},
		{"the only address that a row leads to", phone, sighting{Matched: true, Reached: []string{"c@example.org"}}, "c@example.org"},
		{"a number that stands in a row without an address, too", phone, sighting{Matched: true, Stored: []string{"b@example.org"}, Mixed: true}, ""},
		{"two people behind one number", phone, sighting{Matched: true, Reached: []string{"c@example.org", "d@example.org"}}, ""},
		{"matched, but no address on record: never the typed one", email, sighting{Matched: true}, ""},
	} {
		if got := confirmAt(tc.id, tc.seen); got != tc.want {
			t.Errorf("%s: expected %q, got %q", tc.name, tc.want, got)
		}
	}
}

func TestMailable(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]bool{" a@example.org ": true, "n/a": false, "": false, "a@b@c": false, "a@example.org\r\nBcc: b@example.org": false} {
		if _, ok := mailable(stored); ok != want {
			t.Errorf("expected mailable(%q) to be %v", stored, want)
		}
	}
}
