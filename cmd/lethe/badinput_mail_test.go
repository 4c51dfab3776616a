package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// faults let a mailbox answer by the recipient, as large servers do.
type faults struct {
	mu    sync.Mutex
	codes map[string]int
	hangs map[string]chan struct{} // closed: the server wakes up
}

// respond is a mailbox's hook.
func (f *faults) respond(stage, _, to string) int {
	f.mu.Lock()
	code, hang := f.codes[to], f.hangs[to]
	f.mu.Unlock()
	if stage == "data" && hang != nil {
		<-hang
		return 451 // too late: whoever sent it has left
	}
	if stage == "rcpt" {
		return code
	}
	return 0
}

// on makes a fault of an address: a code, or 0 for silence.
func (f *faults) on(to string, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.codes[to] = code
	if code == 0 {
		f.hangs[to] = make(chan struct{})
	}
}

// mend takes all faults away.
func (f *faults) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.hangs {
		close(c)
	}
	f.codes, f.hangs = nil, nil
}

const thenAgain = "; nothing is lost, and Lethe tries again by itself. If this stays, run `lethe check`."

// letter is one of a request's letters.
func (q shown) letter(kind string) letterJSON {
	for _, l := range q.Letters {
		if l.Kind == kind {
			return l
		}
	}
	return letterJSON{}
}

// generated fills a stage with generated rows.
func generated(t testing.TB, o mailbox.Options) *stage {
	t.Helper()
	return setStageWith(t, o, sample.Generate(1, asOf, sample.Options{Contacts: 60, Visits: 300}).Load)
}

// someone is a person of the shop with a mail address of their own.
func someone(t testing.TB, s *stage, n int) []person {
	t.Helper()
	picked, err := sample.Pick(t.Context(), s.shop, n)
	if err != nil || len(picked) < n {
		t.Fatalf("%d people were expected in the shop, got %d (%v)", n, len(picked), err)
	}
	var list []person
	for _, p := range picked {
		list = append(list, who(t, s.shop, p.Contact))
	}
	return list
}

// TestMailServersThatDoNotTakeLetters: 421, 450, 451, 550 and silence in DATA.
// The request stays where it is, the DPO reads why, and it goes on.
func TestMailServersThatDoNotTakeLetters(t *testing.T) {
	t.Parallel()
	f := &faults{codes: map[string]int{}, hangs: map[string]chan struct{}{}}
	s := generated(t, mailbox.Options{Respond: f.respond})
	t.Cleanup(f.mend) // before the mailbox closes, which waits for its sessions
	s.configure(t, "work: {job_limit: 5s, rescue_after: 10s}")
	cases := []struct {
		fault string
		code  int
		says  string
	}{
		{"421", 421, `The mail server put off the letter "archive" (421)` + thenAgain},
		{"450", 450, `The mail server put off the letter "archive" (450)` + thenAgain},
		{"550", 550, `The mail server refused the letter "archive" for good (550): find another way to reach the person, or retry.`},
		{"hangs in DATA", 0, `The mail server did not answer for the letter "archive"` + thenAgain},
	}
	people := someone(t, s, len(cases))
	for i, c := range cases {
		f.on(people[i].Email, c.code)
	}
	log := &safeBuffer{}
	s.start(t, log, "work")
	ids := make([]int64, len(cases))
	for i := range cases {
		ids[i] = s.submit(t, done, "access", people[i], "--approve")
	}
	for i, c := range cases {
		eventually(t, fmt.Sprintf("%s: the letter's state should say %q", c.fault, c.says), func() bool {
			return s.show(t, ids[i]).letter("archive").Message == c.says
		})
		q := s.show(t, ids[i])
		if q.Status != "running" || q.letter("archive").SentAt != nil {
			t.Errorf("%s: the request should be running and its letter not sent, it is %s: %+v", c.fault, q.Status, q.letter("archive"))
		}
		if final := c.code == 550; final != (q.Waiting == c.says) {
			t.Errorf("%s: it should wait for the DPO (%t), with that sentence; it says %q", c.fault, final, q.Waiting)
		}
		// Who types the command reads it, too.
		if text := s.must(t, done, "request", "show", fmt.Sprint(ids[i])).out; !strings.Contains(text, c.says) {
			t.Errorf("%s: `request show` should print %q, it prints\n%s", c.fault, c.says, text)
		}
	}
	f.mend()
	for _, id := range ids {
		s.retry(t, id)
	}
	for i, c := range cases {
		if l := s.finished(t, ids[i]).letter("archive"); l.Status != "sent" || l.Message != "" {
			t.Errorf("%s: the letter should be sent and nothing be wrong with it, it is %+v", c.fault, l)
		}
	}
	sent := map[string]int{}
	for _, m := range s.box.Messages() {
		sent[m.To[0]]++
	}
	for i, c := range cases {
		if n := sent[people[i].Email]; n != 1 {
			t.Errorf("%s: one mail should have arrived, %d did", c.fault, n)
		}
	}
	s.nothingOf(t, log.String(), people...)
}

// TestMailServersThatAreNotThere: without TLS, then away, then there.
func TestMailServersThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{})
	p := someone(t, s, 1)[0]
	plain, _ := s.lookup("MAIL_URL")
	log := &safeBuffer{}
	for _, c := range []struct{ what, url, says, check string }{
		{"no TLS", "smtp+starttls://lethe:hunter2@" + s.box.SMTPAddr(),
			`The mail server offers no encryption that can be trusted, and the letter "archive" is sent encrypted or not at all` + thenAgain, "starting TLS"},
		{"TLS from the start", "smtps://lethe:hunter2@" + s.box.SMTPAddr(),
			`The mail server offers no encryption that can be trusted, and the letter "archive" is sent encrypted or not at all` + thenAgain, "starting TLS"},
		{"away", "smtp://" + freePort(t), `The mail server cannot be reached for the letter "archive"` + thenAgain, "connecting"},
	} {
		s.set("MAIL_URL", c.url)
		w := s.start(t, log, "work")
		if number(t, s.control(t), `SELECT count(*) FROM requests`) == 0 {
			s.submit(t, done, "access", p, "--approve")
		} else {
			s.retry(t, 1)
		}
		eventually(t, fmt.Sprintf("%s: the letter's state should say %q", c.what, c.says), func() bool {
			return s.show(t, 1).letter("archive").Message == c.says
		})
		if q := s.show(t, 1); q.Status != "running" || q.letter("archive").Status != "waiting" {
			t.Errorf("%s: the request should be running and its letter wait, it is %s: %+v", c.what, q.Status, q.letter("archive"))
		}
		w.end(syscall.SIGTERM)
		got := s.lethe(t, "check")
		if got.status != failed || !strings.Contains(got.out, c.check) {
			t.Errorf("%s: lethe check should say %q of the mail server, it ends with %d:\n%s", c.what, c.check, got.status, got.out)
		}
		if strings.Contains(got.out+got.err, "hunter2") {
			t.Errorf("%s: lethe check should not print the password", c.what)
		}
	}
	if len(s.box.Messages()) != 0 {
		t.Error("no mail should go out before the server is right")
	}
	s.set("MAIL_URL", plain)
	s.start(t, log, "work")
	s.retry(t, 1)
	s.finished(t, 1)
	if n := len(s.box.Messages()); n != 1 {
		t.Errorf("one mail should have arrived in the end, %d did", n)
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log should not hold the mail server's password")
	}
	s.nothingOf(t, log.String(), p)
}

// freePort is an address of this machine where nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing is lost
	return l.Addr().String()
}
