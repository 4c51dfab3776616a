package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
)

func TestLetterArrives(t *testing.T) {
	t.Parallel()
	box := newBox(t, nil)
	s := newSender(t, "smtp://"+box.SMTPAddr())
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a server that works should pass the check: %v", err)
	}
	l := letter("confirm")
	if err := s.Send(soon(t), l); err != nil {
		t.Fatal(err)
	}
	got := box.Messages()[0]
	for name, want := range map[string]string{
		"From": `"Bota Shop" <privacy@lethe.example>`, "To": "<jana.novakova@example.org>", "Reply-To": "<dpo@bota.example>",
		"Message-Id": "<letter.5.abc@bota.example>", "Date": "Sun, 01 Nov 2026 12:30:00 +0000", "Auto-Submitted": "auto-generated",
		"Subject": "Your request to Bota Shop (no. 17): please confirm",
	} {
		if v := got.Header[name]; len(v) != 1 || v[0] != want {
			t.Errorf("header %s: %q expected, got %q", name, want, v)
		}
	}
	if got.From != "privacy@lethe.example" || len(got.To) != 1 || got.To[0] != l.To {
		t.Errorf("the envelope should hold the sender and the one recipient, got %q, %q", got.From, got.To)
	}
	if !strings.HasPrefix(got.Header["Content-Type"][0], "multipart/alternative") || got.Text == "" || got.HTML == "" {
		t.Error("text and HTML expected, as alternatives")
	}
	l.Controller.From = "Privacy team <privacy@bota.example>"
	if err := s.Send(soon(t), l); err != nil {
		t.Fatal(err)
	}
	if v := box.Messages()[1]; v.From != "privacy@bota.example" || v.Header["From"][0] != `"Privacy team" <privacy@bota.example>` {
		t.Errorf("the controller's own sender expected, got %q", v.Header["From"])
	}
}

func TestAttachment(t *testing.T) {
	t.Parallel()
	box := newBox(t, nil)
	s := newSender(t, "smtp://"+box.SMTPAddr(), func(o *Options) { o.MaxAttachment = 1000 })
	l := letter("archive")
	content := bytes.Repeat([]byte{0, 1, 254, '\n'}, 250)
	l.Attachment = func(context.Context) (string, io.ReadCloser, error) {
		return "archive\r\nBcc: x@example.org.zip", io.NopCloser(bytes.NewReader(content)), nil
	}
	if err := s.Send(soon(t), l); err != nil {
		t.Fatal(err)
	}
	got := box.Messages()[0]
	if len(got.Attachments) != 1 || !bytes.Equal(got.Attachments[0].Data, content) {
		t.Fatalf("the archive expected as it is, got %d attachments", len(got.Attachments))
	}
	if got.Header["Bcc"] != nil || strings.Contains(got.Text, l.Link) {
		t.Error("neither a header made by the file's name nor a link beside the attachment was expected")
	}
	content = append(content, 'x')
	if e := mailError(t, s.Send(soon(t), l)); !e.Final || e.Code != 552 {
		t.Errorf("an attachment above the limit can never be sent: 552, final, expected; got %+v", e)
	}
	away := errors.New("storage away")
	l.Attachment = func(context.Context) (string, io.ReadCloser, error) { return "", nil, away }
	if err := s.Send(soon(t), l); !errors.Is(err, away) {
		t.Errorf("a storage that is away should be the error, to be tried again; got %v", err)
	}
	if n := len(box.Messages()); n != 1 {
		t.Errorf("no further mail expected, got %d", n-1)
	}
}

func TestAnswersOfTheServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    dsar.MailError
	}{
		{"421 as greeting", map[string]string{"greeting": "421 busy"}, dsar.MailError{Code: 421, Doing: "connecting"}},
		{"554 as greeting", map[string]string{"greeting": "554 go away 198.18.0.1"}, dsar.MailError{Code: 554, Doing: "connecting"}},
		{"421 to MAIL", map[string]string{"MAIL": "421 closing"}, dsar.MailError{Code: 421, Doing: "sending"}},
		{"450 to RCPT", map[string]string{"RCPT": "450 jana.novakova@example.org greylisted"}, dsar.MailError{Code: 450, Doing: "sending"}},
		{"550 to RCPT", map[string]string{"RCPT": "550 5.1.1 jana.novakova@example.org unknown"}, dsar.MailError{Code: 550, Final: true, Doing: "sending"}},
		{"452 to DATA", map[string]string{"DATA": "452 full"}, dsar.MailError{Code: 452, Doing: "sending"}},
		{"552 at the end", map[string]string{"dot": "552 jana.novakova@example.org full"}, dsar.MailError{Code: 552, Final: true, Doing: "sending"}},
		{"451 at the end", map[string]string{"dot": "451 later"}, dsar.MailError{Code: 451, Doing: "sending"}},
		{"cut at RCPT", map[string]string{"RCPT": ""}, dsar.MailError{Doing: "sending"}},
		{"cut at the end", map[string]string{"dot": ""}, dsar.MailError{Doing: "sending"}},
		{"nonsense", map[string]string{"RCPT": "what jana.novakova@example.org"}, dsar.MailError{Doing: "sending"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := newSender(t, script(t, c.answers)).Send(soon(t), letter("confirm"))
			if e := mailError(t, err); *e != c.want {
				t.Errorf("%+v expected, got %+v", c.want, *e)
			}
			for _, secret := range []string{"jana", "198.18", "127.0.0.1", "greylisted"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the server's text should not be kept: %v", err)
				}
			}
		})
	}
}

func TestAcceptedIsAccepted(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]map[string]string{
		"cut after acceptance": {"QUIT": ""}, "error after acceptance": {"QUIT": "421 tired"}, "RSET not known": {"RSET": "500 what?"},
	} {
		if err := newSender(t, script(t, answers)).Send(soon(t), letter("confirm")); err != nil {
			t.Errorf("%s: the letter was accepted, so no error was expected; got %v", name, err)
		}
	}
	s := newSender(t, script(t, map[string]string{"QUIT": "hang"}), func(o *Options) { o.Timeout = 2 * time.Second })
	if err := s.Send(soon(t), letter("confirm")); err != nil {
		t.Errorf("silence after acceptance: no error expected, got %v", err)
	}
}

func TestSilentServersAreLeft(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"greeting", "EHLO", "MAIL", "DATA", "dot"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			url := script(t, map[string]string{step: "hang"})
			begun := time.Now()
			s := newSender(t, url, func(o *Options) { o.Timeout = 300 * time.Millisecond })
			if e := mailError(t, s.Send(t.Context(), letter("confirm"))); e.Final || e.Code != 0 {
				t.Errorf("a silent server should be tried again: no code, not final, expected; got %+v", e)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the limit of 0.3 s should hold, it took %v", took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := newSender(t, url).Send(ctx, letter("confirm"))
			if mailError(t, err); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller's own limit should be recognisable, got %v", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := newSender(t, "smtp://"+addr)
	for _, err := range []error{s.Send(soon(t), letter("confirm")), s.Check(soon(t))} {
		if e := mailError(t, err); e.Final || e.Doing != "connecting" || strings.Contains(err.Error(), addr) {
			t.Errorf("a server that is away: connecting, not final, no address, expected; got %v", err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	open := newBox(t, nil)
	for _, scheme := range []string{"smtp+starttls", "smtps"} {
		server := startTLSServer(t, scheme == "smtps")
		trust := func(o *Options) { o.TLS = &tls.Config{RootCAs: server.roots} }
		user := scheme + "://lethe:se%20cret%2F%25@" + server.addr

		s := newSender(t, user, trust)
		if err := s.Check(soon(t)); err != nil {
			t.Errorf("%s: the check should pass: %v", scheme, err)
		}
		if err := s.Send(soon(t), letter("confirm")); err != nil {
			t.Errorf("%s: the letter should be sent: %v", scheme, err)
		}
		if err := newSender(t, scheme+"://"+server.addr, trust).Send(soon(t), letter("confirm")); err != nil {
			t.Errorf("%s, without a user: the letter should be sent: %v", scheme, err)
		}
		if len(server.mails) != 2 || server.users[0] != "lethe" || server.users[1] != "" {
			t.Errorf("%s: two mails, the first of them with sign-in, expected; got %d, %q", scheme, len(server.mails), server.users)
		}

		err := newSender(t, scheme+"://lethe:wrong-one@"+server.addr, trust).Send(soon(t), letter("confirm"))
		if e := mailError(t, err); e.Code != 535 || e.Final || e.Doing != "signing in" || strings.Contains(err.Error(), "wrong-one") {
			t.Errorf("%s: a wrong password is the operator's to mend: 535, not final, expected; got %v", scheme, err)
		}
		if e := mailError(t, newSender(t, user).Send(soon(t), letter("confirm"))); e.Doing != "starting TLS" || e.Final {
			t.Errorf("%s: an unknown authority should stop it while starting TLS, got %+v", scheme, e)
		}
		err = newSender(t, scheme+"://"+open.SMTPAddr()).Send(soon(t), letter("confirm"))
		if e := mailError(t, err); e.Doing != "starting TLS" || e.Final {
			t.Errorf("%s: a server without TLS should be refused while starting TLS, got %+v", scheme, e)
		}
	}
	if n := len(open.Messages()); n != 0 {
		t.Errorf("nothing should be sent in clear, %d mails were", n)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"smtp://mail.example:25":                "on this machine only",
		"smtp://10.0.0.1":                       "on this machine only",
		"http://mail.example":                   "begins with",
		"smtps://":                              "no host",
		"smtps://user:hunter2@mail.example:0":   "port",
		"smtps://user:hunter2@mail.example/x":   "after the port",
		"smtps://user:hun%ter2@mail.example":    "no URL",
		"smtps://user:hunter2@mail.example:abc": "no URL",
		"":                                      "begins with",
	} {
		_, err := New(Options{URL: url, From: "a@b.example", Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hun") {
			t.Errorf("%s: an error with %q, and without the password, was expected; got %v", url, want, err)
		}
	}
	for _, url := range []string{"smtp://localhost:1025", "smtp://[::1]:25", "smtp://127.0.0.9", "smtps://mail.example", "smtp+starttls://u@mail.example:2525"} {
		if _, err := New(Options{URL: url, From: "a@b.example", Now: time.Now}); err != nil {
			t.Errorf("%s should be taken, got %v", url, err)
		}
	}
	if _, err := New(Options{URL: "smtps://mail.example", From: "nobody", Now: time.Now}); err == nil {
		t.Error("a sender that is no address should be refused")
	}
	if _, err := New(Options{URL: "smtps://mail.example", From: "a@b.example"}); err == nil {
		t.Error("a clock is needed")
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	box := newBox(t, nil)
	s := newSender(t, "smtp://"+box.SMTPAddr())
	l := letter("confirm")
	evil := "x\r\nBcc: evil@example.org\r\n\r\n<b>body</b>\u2028\u202e\x00"
	l.Controller.Name, l.MessageID, l.Controller.DPO = evil, "<1@a>"+evil, evil
	if err := s.Send(soon(t), l); err != nil {
		t.Fatal(err)
	}
	got := box.Messages()[0]
	if got.Header["Bcc"] != nil || len(got.To) != 1 || got.Header["Reply-To"] != nil {
		t.Errorf("no header should come out of a value, got %v", got.Header)
	}
	if strings.ContainsAny(got.Subject, "\r\n\u202e\x00") {
		t.Errorf("a subject of one line, without control characters, was expected, got %q", got.Subject)
	}
	for _, to := range []string{
		"", "nobody", "a@example.org, b@example.org", "Jana <a@example.org>", "a@example.org\r\nBcc: b@example.org", "<a@example.org>",
		"a@example.org\x00", "a b@example.org", "a@example.org>\r\nRCPT TO:<b@example.org",
	} {
		l := letter("confirm")
		l.To = to
		err := s.Send(soon(t), l)
		if e := mailError(t, err); !e.Final || e.Code != 553 || to != "" && strings.Contains(err.Error(), to) {
			t.Errorf("%q: no address, so 553, final and not quoted, expected; got %v", to, err)
		}
	}
	if n := len(box.Messages()); n != 1 {
		t.Errorf("no further mail expected, got %d", n-1)
	}
}
