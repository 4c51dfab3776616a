package mailbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"go.uber.org/goleak"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe", "github.com/jackc/pgx", "github.com/riverqueue", "github.com/wneessen")
}

const letter = "From: \"Bota Shop\" <privacy@bota.example>\r\nTo: jana@example.org\r\nSubject: =?utf-8?q?Dobr=C3=BD_den?= <b>\r\n" +
	"Message-ID: <17@bota.example>\r\nDate: Sun, 01 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=outer\r\n\r\n" +
	"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n" +
	"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Open https://privacy.bota.example/confirm/abc=\r\ndef, then <script>alert(1)</script>=C4=9B\r\n" +
	"--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello</p><script>alert(1)</script>\r\n--inner--\r\n" +
	"--outer\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"archive.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsF\r\nBg==\r\n--outer--\r\n"

func start(t *testing.T, o Options) *Mailbox {
	t.Helper()
	m, err := StartWith("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func send(m *Mailbox, text string) error {
	return smtp.SendMail(m.SMTPAddr(), nil, "privacy@bota.example", []string{"jana@example.org"}, []byte(text))
}

func TestMailIsKeptAndTakenApart(t *testing.T) {
	t.Parallel()
	m := start(t, Options{})
	if err := send(m, letter); err != nil {
		t.Fatal(err)
	}
	got := m.Messages()[0]
	if got.Subject != "Dobrý den <b>" || got.MessageID != "<17@bota.example>" || got.From != "privacy@bota.example" || got.To[0] != "jana@example.org" {
		t.Errorf("subject, identifier and envelope should be those sent, got %q %q %q %q", got.Subject, got.MessageID, got.From, got.To)
	}
	if want := "Open https://privacy.bota.example/confirm/abcdef, then <script>alert(1)</script>ě"; strings.TrimSpace(got.Text) != want {
		t.Errorf("the text part %q expected, got %q", want, got.Text)
	}
	if !strings.Contains(got.HTML, "<p>Hello</p>") {
		t.Errorf("the HTML part expected, got %q", got.HTML)
	}
	if len(got.Attachments) != 1 || got.Attachments[0].Name != "archive.zip" || string(got.Attachments[0].Data) != "PK\x05\x06" {
		t.Errorf("the attachment expected, got %+v", got.Attachments)
	}
	if err := send(m, "no header at all"); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Messages()); n != 2 {
		t.Errorf("a mail that cannot be understood should be kept, too; got %d", n)
	}
}

func TestWaitIsWokenByArrival(t *testing.T) {
	t.Parallel()
	m := start(t, Options{Now: func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }})
	got := make(chan Message)
	go func() {
		msg, err := m.Wait(t.Context(), func(msg Message) bool { return strings.Contains(msg.Subject, "second") })
		if err != nil {
			t.Error(err)
		}
		got <- msg
	}()
	for _, subject := range []string{"first", "second", "third"} {
		if err := send(m, "Subject: "+subject+"\r\n\r\nx\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	if msg := <-got; msg.ID != 2 || msg.Received.Year() != 2026 {
		t.Errorf("the second mail expected, with the clock's time; got no. %d of %v", msg.ID, msg.Received)
	}
	if msg, err := m.Wait(t.Context(), func(msg Message) bool { return msg.Subject == "first" }); err != nil || msg.ID != 1 {
		t.Errorf("a mail that came before should be found, too (%v)", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Wait(ctx, func(Message) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting should end with the context, got %v", err)
	}
}

func TestOrderedRefusals(t *testing.T) {
	t.Parallel()
	for stage, code := range map[string]int{"connect": 421, "mail": 450, "rcpt": 550, "data": 552} {
		m := start(t, Options{Respond: func(s, _, _ string) int {
			if s == stage {
				return code
			}
			return 0
		}})
		var answer *textproto.Error
		if err := send(m, letter); !errors.As(err, &answer) || answer.Code != code {
			t.Errorf("%s: the answer %d expected, got %v", stage, code, err)
		}
		if n := len(m.Messages()); n != 0 {
			t.Errorf("%s: a refused mail should not be kept", stage)
		}
	}
}

func TestOldMailsGo(t *testing.T) {
	t.Parallel()
	m := start(t, Options{})
	for range maxMessages + 5 {
		m.add(&kept{raw: []byte("x")})
	}
	got := m.Messages()
	if len(got) != maxMessages || got[0].ID != 6 || m.bytes != maxMessages {
		t.Errorf("the latest %d mails expected, got %d from no. %d, %d bytes", maxMessages, len(got), got[0].ID, m.bytes)
	}
	m.add(&kept{raw: make([]byte, maxBytes)})
	if n := len(m.Messages()); n != 1 {
		t.Errorf("a mail as large as the box should be alone in it, got %d", n)
	}
}

// TestClosedAtOnce: a mailbox that is closed before it began to serve ends, too.
func TestClosedAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		m, err := Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- m.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("expected it to end")
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:25", "nonsense"} {
		if m, err := Start(addr); err == nil {
			_ = m.Close()
			t.Errorf("%s: a mailbox that others can read should be refused", addr)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	m := start(t, Options{})
	for _, prefix := range []string{"/mailbox", "/mailbox/"} {
		mux := http.NewServeMux()
		mux.Handle("/mailbox/", http.StripPrefix(prefix, m.Handler()))
		server := httptest.NewServer(mux)
		get := func(ref string, base *url.URL) (*goquery.Document, *url.URL, string) {
			t.Helper()
			at, err := base.Parse(ref)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Get(at.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%s: a page expected, got status %d", at.Path, res.StatusCode)
			}
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := goquery.NewDocumentFromReader(strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return doc, res.Request.URL, string(text)
		}
		if len(m.Messages()) == 0 {
			root, _ := url.Parse(server.URL + "/mailbox/")
			if doc, _, _ := get("", root); !strings.Contains(doc.Find(".none").Text(), "No mail yet") {
				t.Error("an empty mailbox should say so")
			}
			if err := send(m, letter); err != nil {
				t.Fatal(err)
			}
		}
		root, _ := url.Parse(server.URL + "/mailbox/")
		list, at, _ := get("", root)
		if got := list.Find(".list b").First().Text(); got != "Dobrý den <b>" {
			t.Errorf("the subject expected in the list, got %q", got)
		}
		page, at, _ := get(list.Find(".list a").AttrOr("href", ""), at)
		if page.Find("script").Length() != 0 {
			t.Error("a mail's text should not become part of the page")
		}
		if got := page.Find("pre a").AttrOr("href", ""); got != "https://privacy.bota.example/confirm/abcdef" {
			t.Errorf("the link should be clickable, without the comma after it; got %q", got)
		}
		frame := page.Find("iframe")
		if sandbox := frame.AttrOr("sandbox", "none"); strings.Contains(sandbox, "allow-scripts") || strings.Contains(sandbox, "allow-same-origin") || !strings.Contains(frame.AttrOr("srcdoc", ""), "<p>Hello</p>") {
			t.Errorf("the HTML part should stand in a frame that may run nothing, sandbox is %q", sandbox)
		}
		if _, _, data := get(page.Find("dd a").AttrOr("href", ""), at); data != "PK\x05\x06" {
			t.Errorf("the attachment's bytes expected, got %q", data)
		}
		if _, _, data := get(page.Find("main p a").AttrOr("href", ""), at); data != string(m.Messages()[0].Raw) {
			t.Error("the raw mail expected")
		}
		if back, _, _ := get(page.Find("header a").AttrOr("href", ""), at); back.Find(".list").Length() != 1 {
			t.Error("the way back should lead to the list")
		}
		server.Close()
	}
	for _, path := range []string{"/message/99", "/message/x", "/message/1/attachment/7", "/message/1/attachment/-1", "/other"} {
		rec := httptest.NewRecorder()
		m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s: status 404 expected, got %d", path, rec.Code)
		}
	}
}
