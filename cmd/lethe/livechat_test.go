package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// A person is a contact of a shop, read from its rows.
type person struct {
	sample.Person
	Visitors []string
}

func who(t testing.TB, shop *pgxpool.Pool, contact int64) person {
	t.Helper()
	p := person{Person: sample.Person{Contact: contact}}
	err := shop.QueryRow(t.Context(), `
		SELECT account_id::text, coalesce(name, ''), coalesce(surname, ''), coalesce(email, ''), coalesce(phone, '')
		FROM contacts WHERE id = $1`, contact).Scan(&p.Scope, &p.Name, &p.Surname, &p.Email, &p.Phone)
	if err != nil {
		t.Fatal(err)
	}
	p.Controller = map[string]string{"1": "bota", "2": "fahrrad", "3": "tea"}[p.Scope]
	p.Visitors = texts(t, shop, `SELECT id FROM visitors WHERE contact_id = $1 ORDER BY id`, contact)
	return p
}

func (p person) row() string { return "livechat.contacts:" + strconv.FormatInt(p.Contact, 10) }

// cast are the contacts that the stories are about.
type cast struct {
	one, other           int64 // one mailbox, two spellings
	browser, alsoBrowser int64 // one browser; the second only wrote from it
	stranger             int64 // of the same shop as one, with a telephone number
}

func casting(kind string) cast {
	if kind == "real rows" {
		return cast{one: 1, other: 608, browser: 556, alsoBrowser: 609, stranger: 609}
	}
	// internal/sample: contact numbers follow the order of its cast; the
	// stranger is the one who asks for access.
	return cast{one: 4, other: 5, browser: 6, alsoBrowser: 7, stranger: 1}
}

// TestOneMailboxTwoContacts: two contacts with one address, typed differently,
// are both found, and neither is given away nor erased before the DPO says
// whose address it is.
func TestOneMailboxTwoContacts(t *testing.T) {
	t.Parallel()
	for _, kind := range shopKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := setStageWith(t, mailbox.Options{}, kind.fill(t))
			c := casting(kind.name)
			one, other := who(t, s.shop, c.one), who(t, s.shop, c.other)
			if one.Email == other.Email || !strings.EqualFold(one.Email, other.Email) || one.Scope != other.Scope {
				t.Fatalf("contacts %d and %d should share a mailbox in two spellings", c.one, c.other)
			}

			found := read[foundJSON](t, s.must(t, done, "find", "--controller", one.Controller, "--email", one.Email, "--json"))
			if got, want := found.contacts(), []string{fmt.Sprint(c.one), fmt.Sprint(c.other)}; !slices.Equal(got, want) {
				t.Errorf("find should show contacts %v, it shows %v", want, got)
			}
			found.equal(t, held(t, s.shop, one.Scope, c.one, c.other))

			log := &safeBuffer{}
			s.start(t, log, "work")
			before := picture(t, s.shop)

			// The copy: nothing is approved without a tick, from either side.
			id := s.submit(t, inPart, "access", one, "--approve", "--wait")
			refused := s.must(t, failed, "request", "approve", fmt.Sprint(id))
			if !strings.Contains(refused.err, "disagree on the person: tick") {
				t.Errorf("approve without a tick should say that the rows disagree, it says %q", refused.err)
			}
			if q := s.show(t, id); q.Status != "in_review" || q.ApprovedAt != nil || !strings.Contains(q.Waiting, "tick") {
				t.Errorf("request %d should wait for the DPO's tick, it is %s: %q", id, q.Status, q.Waiting)
			}
			if n := number(t, s.control(t), `SELECT count(*) FROM archives`); n != 0 {
				t.Errorf("no archive should be made before the tick, there are %d", n)
			}
			s.must(t, done, "request", "approve", fmt.Sprint(id), "--rows", one.row())
			s.linkIn(t, one.Email, "/download/", 0)
			zip := s.file("copy.zip")
			s.must(t, done, "request", "archive", fmt.Sprint(id), "--out", zip)
			files := unzip(t, readAll(t, zip))
			expected := held(t, s.shop, one.Scope, c.one)
			for _, table := range tables {
				if got := int64(len(rowsOf(t, files, table))); got != expected[table].rows {
					t.Errorf("the archive should hold %d rows of %s, it holds %d", expected[table].rows, table, got)
				}
			}
			for _, row := range rowsOf(t, files, "contacts") {
				if fmt.Sprint(row["id"]) != fmt.Sprint(c.one) {
					t.Errorf("the archive should hold contact %d alone, it holds contact %v", c.one, row["id"])
				}
			}
			for name, text := range files {
				for what, value := range map[string]string{"name": other.Name + "\"", "spelling": other.Email, "telephone": other.Phone} {
					if value != "" && strings.Contains(text, value) {
						t.Errorf("the archive's %s should not hold the other contact's %s", name, what)
					}
				}
			}
			compare(t, before, picture(t, s.shop), nil, nil)

			// The erasure.
			id = s.submit(t, inPart, "erasure", one, "--approve", "--wait")
			compare(t, before, picture(t, s.shop), nil, nil)
			gone, emptied := fate(t, s.shop, one)
			s.must(t, done, "request", "approve", fmt.Sprint(id), "--rows", one.row())
			q := s.finished(t, id)
			compare(t, before, picture(t, s.shop), gone, emptied)
			counted(t, q, gone, emptied)
			for _, m := range s.box.Messages() {
				if m.To[0] == other.Email {
					t.Errorf("nothing should be sent to the other spelling, %q was", m.Subject)
				}
			}
			s.nothingOf(t, log.String(), one, other)
		})
	}
}

// TestOneBrowserTwoContacts: whoever wrote from somebody else's browser keeps
// what they wrote when the other is erased; the browser stays, is counted, and
// leads to the erased contact no more than it must.
func TestOneBrowserTwoContacts(t *testing.T) {
	t.Parallel()
	for _, kind := range shopKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := setStageWith(t, mailbox.Options{}, kind.fill(t))
			c := casting(kind.name)
			p, other := who(t, s.shop, c.browser), who(t, s.shop, c.alsoBrowser)
			shared := held(t, s.shop, p.Scope, c.browser)
			if shared["visitors"].shared == 0 || shared["conversations"].rows == 0 {
				t.Fatalf("contact %d should have a conversation and a browser that others wrote from: %+v", c.browser, shared)
			}
			found := read[foundJSON](t, s.must(t, done, "find", "--controller", p.Controller, "--email", p.Email, "--kind", "erasure", "--json"))
			found.equal(t, shared)

			before := picture(t, s.shop)
			gone, emptied := fate(t, s.shop, p)
			theirs := texts(t, s.shop, `SELECT 'conversations:' || id FROM conversations WHERE contact_id = $1
				UNION ALL SELECT 'messages:' || m.id FROM messages m JOIN conversations k ON k.id = m.conversation_id WHERE k.contact_id = $1
				UNION ALL SELECT 'contacts:' || $1`, other.Contact)
			if len(theirs) < 3 {
				t.Fatalf("contact %d should have a conversation with messages, there are %d rows", other.Contact, len(theirs))
			}
			log := &safeBuffer{}
			s.start(t, log, "work")
			id := s.submit(t, done, "erasure", p)
			eventually(t, "the erasure should be in review", func() bool {
				return s.lethe(t, "request", "approve", fmt.Sprint(id), "--dry-run").status == done
			})
			would := read[foundJSON](t, s.must(t, done, "request", "approve", fmt.Sprint(id), "--dry-run", "--json"))
			if !slices.Equal(would.Findings, found.Findings) {
				t.Errorf("expected the dry run of the request to say what find did, %+v, got %+v", found.Findings, would.Findings)
			}
			s.must(t, done, "request", "approve", fmt.Sprint(id))
			q := s.finished(t, id)
			rows := slices.DeleteFunc(slices.Clone(q.Findings), func(f findingJSON) bool { return f.Source == "files" }) // they go with their rows
			if !slices.Equal(rows, would.Findings) {
				t.Errorf("expected the erasure to do what the dry run said, %+v, got %+v", would.Findings, rows)
			}
			after := picture(t, s.shop)
			compare(t, before, after, gone, emptied)
			for _, row := range theirs {
				if after[row] != before[row] {
					t.Errorf("%s is contact %d's and should be as it was", row, other.Contact)
				}
			}
			counted(t, q, gone, emptied)
			for table, n := range shared {
				if got := q.finding(table).Shared; got != n.shared {
					t.Errorf("%d rows of %s are shared and should be counted, the request says %d", n.shared, table, got)
				}
			}
			if n := number(t, s.shop, `SELECT count(*) FROM contacts WHERE id = $1 AND num_nonnulls(name, surname, email, phone, social_account, note) > 0`, p.Contact); n != 0 {
				t.Errorf("contact %d should be gone or emptied", p.Contact)
			}
			s.nothingOf(t, log.String(), p)
		})
	}
}

// TestTwoIdentitiesTwoProofs: one's own address and somebody else's telephone
// number in one form open each only what its own confirmation proves.
func TestTwoIdentitiesTwoProofs(t *testing.T) {
	t.Parallel()
	for _, kind := range shopKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := setStageWith(t, mailbox.Options{}, kind.fill(t))
			c := casting(kind.name)
			one, stranger := who(t, s.shop, c.one), who(t, s.shop, c.stranger)
			if stranger.Phone == "" || stranger.Scope != one.Scope {
				t.Fatalf("contact %d should have a telephone number in contact %d's shop", c.stranger, c.one)
			}
			log, pages := &safeBuffer{}, &safeBuffer{}
			s.start(t, log, "work")
			server := s.start(t, pages, "serve", "--no-work")
			subject, err := newVisitor(pagesAt(t, pages))
			if err != nil {
				t.Fatal(err)
			}
			id := read[requestJSON](t, s.must(t, done, "request", "submit", "--kind", "access", "--controller", one.Controller,
				"--email", one.Email, "--phone", stranger.Phone, "--json")).ID
			mine := s.linkIn(t, one.Email, "/confirm/", 0)
			// Who else has the number: with two owners no address may speak for both,
			// and the DPO proves it, or nobody does.
			owners := contactsWith(t, s.shop, stranger.Scope, stranger.Phone)
			prove := func() {
				s.must(t, done, "request", "verify", fmt.Sprint(id), "--identity", fmt.Sprint(s.show(t, id).identity(t, "phone")), "--how", "called back")
			}
			if len(owners) == 1 {
				theirs := s.linkIn(t, stranger.Email, "/confirm/", 0)
				if mine == theirs {
					t.Fatal("each address should get a link of its own")
				}
				prove = func() { press(t, subject, theirs) }
			}

			press(t, subject, mine)
			eventually(t, "the proved address should be searched for", func() bool { return len(s.show(t, id).Findings) > 0 })
			q := s.show(t, id)
			if got := provedTypes(q); !slices.Equal(got, []string{"email"}) {
				t.Errorf("one's own link should prove the address alone, it proves %v", got)
			}
			q.equal(t, held(t, s.shop, one.Scope, c.one, c.other))
			draft := s.file("draft.zip")
			s.must(t, done, "request", "archive", fmt.Sprint(id), "--draft", "--out", draft)
			for name, text := range unzip(t, readAll(t, draft)) {
				if strings.Contains(text, stranger.Phone) || strings.Contains(text, stranger.Email) {
					t.Errorf("the draft's %s should hold nothing of the number's owner, who has not confirmed", name)
				}
			}
			// Ticking a row that nobody proved does not open it either.
			if got := s.lethe(t, "request", "approve", fmt.Sprint(id), "--rows", one.row(), "--rows", stranger.row()); got.status == done {
				t.Errorf("a row found by an identity that nobody proved should not be ticked, lethe says %q", got.out)
			}

			for _, m := range s.box.Messages() {
				if len(owners) > 1 && m.To[0] != one.Email {
					t.Errorf("a number with %d owners should be asked about at nobody's address, %q went out", len(owners), m.Subject)
				}
			}
			prove()
			all := append([]int64{c.one, c.other}, owners...)
			eventually(t, "the proved number should be searched for, too", func() bool {
				q = s.show(t, id)
				return slices.Equal(provedTypes(q), []string{"email", "phone"}) && q.finding("contacts").Rows == int64(len(all))
			})
			q.equal(t, held(t, s.shop, one.Scope, all...))
			if refused := s.must(t, failed, "request", "approve", fmt.Sprint(id)); !strings.Contains(refused.err, "tick") {
				t.Errorf("the contacts found are not one person; approve should ask for a tick, it says %q", refused.err)
			}
			server.end(syscall.SIGTERM)
			s.nothingOf(t, log.String()+pages.String(), one, stranger)
		})
	}
}

// submit takes a request in on the DPO's word, and returns its number.
func (s *stage) submit(t testing.TB, status int, kind string, p person, more ...string) int64 {
	t.Helper()
	return read[requestJSON](t, s.must(t, status, append([]string{"request", "submit", "--kind", kind, "--controller", p.Controller,
		"--email", p.Email, "--verified", "seen at the counter", "--json"}, more...)...)).ID
}

func (s *stage) show(t testing.TB, id int64) shown {
	t.Helper()
	return shown{read[requestJSON](t, s.must(t, done, "request", "show", fmt.Sprint(id), "--json"))}
}

// finished waits until a request is fulfilled.
func (s *stage) finished(t testing.TB, id int64) (q shown) {
	t.Helper()
	eventually(t, fmt.Sprintf("request %d should be fulfilled", id), func() bool {
		q = s.show(t, id)
		return q.Status == "fulfilled"
	})
	return q
}

// shown is a request as `request show --json` has it.
type shown struct{ requestJSON }

func (q shown) finding(table string) findingJSON {
	for _, f := range q.Findings {
		if f.Collection == "livechat."+table {
			return f
		}
	}
	return findingJSON{}
}

func (q shown) equal(t testing.TB, want map[string]reach) {
	t.Helper()
	for table, n := range want {
		if f := q.finding(table); f.Rows != n.rows || f.Shared != n.shared {
			t.Errorf("%s: %d rows and %d shared are expected by independent SQL, the request says %d and %d", table, n.rows, n.shared, f.Rows, f.Shared)
		}
	}
}

func (q shown) identity(t testing.TB, kind string) int64 {
	t.Helper()
	for _, i := range q.Identities {
		if i.Type == kind {
			return i.ID
		}
	}
	t.Fatalf("request %d should have an identity of the type %s", q.ID, kind)
	return 0
}

// contactsWith are the contacts of an account that have a telephone number,
// however it is set.
func contactsWith(t testing.TB, shop *pgxpool.Pool, scope, phone string) (ids []int64) {
	t.Helper()
	for _, id := range texts(t, shop, `SELECT id::text FROM contacts WHERE account_id::text = $1
		AND regexp_replace(phone, '[^0-9]', '', 'g') = regexp_replace($2, '[^0-9]', '', 'g') ORDER BY id`, scope, phone) {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, n)
	}
	return ids
}

func provedTypes(q shown) []string {
	var list []string
	for _, i := range q.Identities {
		if i.Proved {
			list = append(list, i.Type)
		}
	}
	slices.Sort(list)
	return list
}

// foundJSON is what `find --json` prints.
type foundJSON struct {
	Findings []findingJSON `json:"findings"`
	Roots    []rootJSON    `json:"root_rows"`
}

func (f foundJSON) contacts() []string {
	var keys []string
	for _, r := range f.Roots {
		if r.Collection == "livechat.contacts" {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (f foundJSON) equal(t testing.TB, want map[string]reach) {
	t.Helper()
	shown{requestJSON{Findings: f.Findings}}.equal(t, want)
}

// A reach is how many rows of a table are somebody's, and how many more they share.
type reach struct{ rows, shared int64 }

// mine names, for contacts $1, what the tables mean by themselves: a browser is
// the contact's who was recognised in it, and shared when somebody else wrote
// from it; a conversation is its contact's, or, without one, its browser's.
const mine = `
	WITH browsers AS (
		SELECT v.id, EXISTS (SELECT FROM conversations k WHERE k.visitor_id = v.id AND NOT k.contact_id = ANY ($1)) AS shared
		FROM visitors v WHERE v.contact_id = ANY ($1)
	), talks AS (
		SELECT k.id, k.contact_id IS NULL AND b.shared AS shared
		FROM conversations k LEFT JOIN browsers b ON b.id = k.visitor_id
		WHERE k.contact_id = ANY ($1) OR k.contact_id IS NULL AND b.id IS NOT NULL
	), reached AS (
		SELECT 'contacts' AS collection, id::text, false AS shared FROM contacts WHERE id = ANY ($1)
		UNION ALL SELECT 'visitors', id, shared FROM browsers
		UNION ALL SELECT 'visits', x.id::text, b.shared FROM visits x JOIN browsers b ON b.id = x.visitor_id
		UNION ALL SELECT 'identifiers', x.id::text, b.shared FROM identifiers x JOIN browsers b ON b.id = x.visitor_id
		UNION ALL SELECT 'consents', x.id::text, b.shared FROM consents x JOIN browsers b ON b.id = x.visitor_id
		UNION ALL SELECT 'conversations', id, shared FROM talks
		UNION ALL SELECT 'messages', m.id::text, k.shared FROM messages m JOIN talks k ON k.id = m.conversation_id
		UNION ALL SELECT 'attachments', a.id::text, k.shared FROM attachments a JOIN messages m ON m.id = a.message_id JOIN talks k ON k.id = m.conversation_id
	)`

// held counts what is held about contacts, by SQL that shares nothing with the engine.
func held(t testing.TB, shop *pgxpool.Pool, scope string, contacts ...int64) map[string]reach {
	t.Helper()
	if n := number(t, shop, `SELECT count(*) FROM contacts WHERE id = ANY ($1) AND account_id::text <> $2`, contacts, scope); n != 0 {
		t.Fatalf("contacts %v should be of account %s", contacts, scope)
	}
	rows, err := shop.Query(t.Context(), mine+` SELECT collection, count(*) FILTER (WHERE NOT shared), count(*) FILTER (WHERE shared) FROM reached GROUP BY 1`, contacts)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]reach{}
	for _, table := range tables[2:] {
		all[table] = reach{}
	}
	for rows.Next() {
		var table string
		var r reach
		if err := rows.Scan(&table, &r.rows, &r.shared); err != nil {
			t.Fatal(err)
		}
		all[table] = r
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// fate says which rows an erasure must delete, and which it must empty because
// a row that stays names them: "table:id" each.
func fate(t testing.TB, shop *pgxpool.Pool, p person) (gone, emptied []string) {
	t.Helper()
	ids := []int64{p.Contact}
	emptied = texts(t, shop, mine+` SELECT 'contacts:' || c.id FROM contacts c WHERE c.id = ANY ($1) AND EXISTS (
		SELECT FROM visitors v JOIN browsers b ON b.id = v.id WHERE v.contact_id = c.id AND b.shared)`, ids)
	gone = texts(t, shop, mine+` SELECT collection || ':' || id FROM reached WHERE NOT shared`, ids)
	gone = slices.DeleteFunc(gone, func(row string) bool { return slices.Contains(emptied, row) })
	if len(gone) == 0 {
		t.Fatalf("contact %d should have rows to erase", p.Contact)
	}
	return gone, emptied
}

// counted checks an erasure's own numbers against what is gone.
func counted(t testing.TB, q shown, gone, emptied []string) {
	t.Helper()
	want := map[string][2]int64{}
	for i, list := range [][]string{gone, emptied} {
		for _, row := range list {
			table, _, _ := strings.Cut(row, ":")
			n := want[table]
			n[i]++
			want[table] = n
		}
	}
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if f := q.finding(table); f.Erased != want[table][0] || f.Masked != want[table][1] {
			t.Errorf("%s: %d rows are gone and %d emptied, the request says %d and %d", table, want[table][0], want[table][1], f.Erased, f.Masked)
		}
	}
}

func rowsOf(t testing.TB, files map[string]string, table string) (rows []map[string]any) {
	t.Helper()
	text, ok := files["data/livechat/"+table+".json"]
	if !ok {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatalf("%s.json should be an array of objects: %v", table, err)
	}
	return rows
}
