package web

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// deskSite has one owner's link, "desk-token", and request 17 that waits for them.
func deskSite(t *testing.T, kind datamap.Kind, change func(*dsar.AskView)) *site {
	t.Helper()
	s := newSite(t, nil)
	v := dsar.AskView{
		Ask: dsar.Ask{Source: "paper", Owner: "HR desk", Holds: "paper files of applicants", Status: "asked", AskedAt: s.clock.now(),
			DueOn: date(2026, 12, 3), Limit: 4000, MayAnswer: true},
		RequestID: 17, Kind: kind, Controller: dsar.Controller{Key: "bota", Name: "Bota Shop", DPO: "dpo@bota.example", Location: prague(t)}, ReceivedAt: s.clock.now(),
		Identities: []dsar.Identity{{Type: "email", Value: "jana@example.org"}}, Names: []string{"Jana <b>Nováková</b>"},
	}
	if change != nil {
		change(&v)
	}
	s.requests.asks = map[string]dsar.AskView{"desk-token": v}
	s.requests.requests[17] = dsar.Request{ID: 17, Controller: "bota", Kind: kind, Status: dsar.Running, DueOn: date(2026, 12, 23), Asks: []dsar.Ask{v.Ask},
		Steps: []dsar.Step{{ID: 1, Stage: "ask", Source: "paper", Status: "asked", Message: "HR desk, asked"}}}
	return s
}

// upload posts files as a browser does.
func (b *browser) upload(path string, files ...string) *answerPage {
	b.s.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for i := 0; i+1 < len(files); i += 2 {
		part, err := m.CreateFormFile("files", files[i])
		if err != nil {
			b.s.t.Fatal(err)
		}
		if _, err := part.Write([]byte(files[i+1])); err != nil {
			b.s.t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		b.s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.s.url+path, &body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	for k, v := range b.header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", m.FormDataContentType())
	resp, err := b.client.Do(req)
	if err != nil {
		return &answerPage{t: b.s.t, err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	p := &answerPage{t: b.s.t, code: resp.StatusCode, header: resp.Header}
	if p.doc, err = goquery.NewDocumentFromReader(resp.Body); err != nil {
		b.s.t.Fatal(err)
	}
	return p
}

// A link that a scanner follows shows nobody; the button does.
func TestDeskShowsNobodyOnGET(t *testing.T) {
	t.Parallel()
	s := deskSite(t, datamap.Access, nil)
	b := s.browser()
	p := b.get("/desk/desk-token").status(http.StatusOK)
	p.has("h1", "Please hand over what you hold").has("main", "paper files of applicants").has("main", "Thu 3 Dec 2026").count("form", 1)
	if strings.Contains(p.body, "jana") || strings.Contains(p.body, "Nov") && strings.Contains(p.body, "Nováková") {
		t.Error("expected nothing of the person before the button is pressed")
	}
	if p.header.Get("Set-Cookie") != "" {
		t.Error("expected no cookie on an owner's page")
	}
	p = b.post("/desk/desk-token", nil).status(http.StatusOK)
	p.has("main", "jana@example.org").has("main", "Jana <b>Nováková</b>").count("input[type=file][multiple]", 1).count("main input[name=answer]", 3)
	for _, gone := range []string{"/desk/other", "/desk/" + strings.Repeat("x", 200)} {
		b.get(gone).status(http.StatusNotFound).has("h1", "This link is not valid")
		b.post(gone, nil).status(http.StatusNotFound)
		b.upload(gone+"/files", "a.txt", "a").status(http.StatusNotFound)
	}
	if strings.Contains(s.log.String(), "desk-token") {
		t.Error("expected the token in no log")
	}
	b.header.Set("Origin", "https://evil.example")
	b.header.Set("Sec-Fetch-Site", "cross-site")
	b.post("/desk/desk-token", url.Values{"do": {"answer"}, "answer": {"nothing"}}).status(http.StatusForbidden)
	b.upload("/desk/desk-token/files", "a.txt", "a").status(http.StatusForbidden)
	if n := len(s.requests.named("AnswerAsk")) + len(s.requests.named("AddFile")); n != 0 {
		t.Error("expected forms of other sites to be refused")
	}
}

func TestDeskFilesAndAnswers(t *testing.T) {
	t.Parallel()
	s := deskSite(t, datamap.Access, func(v *dsar.AskView) {
		v.Files = []dsar.Upload{{ID: 5, Name: "<i>scan</i>.pdf", Size: 1200}}
	})
	b := s.browser()
	b.upload("/desk/desk-token/files", "../cv.pdf", "one", "", "", "second.pdf", "two").status(http.StatusOK).has(".flash", "2 files are added").has("main", "<i>scan</i>.pdf")
	if got := s.requests.named("AddFile"); len(got) != 2 || got[0].arg != "cv.pdf=one" || got[1].arg != "second.pdf=two" {
		t.Errorf("expected both files to be handed on, got %+v", got)
	}
	b.upload("/desk/desk-token/files").status(http.StatusUnprocessableEntity).has("#f-files-problem", "Choose a file first")
	b.upload("/desk/desk-token/files", "huge.bin", strings.Repeat("x", 2*4000+2<<20)).status(http.StatusUnprocessableEntity).has("#f-files-problem", "All files together may have 4 kB")
	b.post("/desk/desk-token", url.Values{"do": {"remove"}, "file": {"5"}}).status(http.StatusOK).has(".flash", "removed")
	b.post("/desk/desk-token", url.Values{"do": {"remove"}, "file": {"x"}}).status(http.StatusBadRequest)

	s.requests.fail = &dsar.Invalid{Fields: map[string]string{"answer": "There is no file yet."}}
	b.post("/desk/desk-token", url.Values{"do": {"answer"}, "answer": {"files"}, "words": {"kept <words>"}}).
		status(http.StatusUnprocessableEntity).has(".problems", "There is no file yet").has("textarea", "kept <words>")
	b.upload("/desk/desk-token/files", "a.exe", "x").status(http.StatusUnprocessableEntity)
	s.requests.fail = &dsar.NotNow{Sentence: "This has been answered already."}
	b.post("/desk/desk-token", url.Values{"do": {"answer"}, "answer": {"nothing"}}).status(http.StatusConflict).has(".problems", "answered already")
	s.requests.fail = nil
	b.post("/desk/desk-token", url.Values{"do": {"answer"}, "answer": {"cannot"}, "who": {"Eva"}, "words": {"sealed"}}).status(http.StatusOK).has(".flash", "Thank you")
	calls := s.requests.named("AnswerAsk")
	if got := calls[len(calls)-1].arg; got != (dsar.AskAnswer{What: "cannot", Who: "Eva", Words: "sealed"}) {
		t.Errorf("expected the answer as it was given, got %+v", got)
	}
}

// Who has a link may send anything: a form that is none is no fault of ours, and
// one of a million tiny files does not work the database for hours.
func TestDeskFormsThatAreNone(t *testing.T) {
	t.Parallel()
	s := deskSite(t, datamap.Access, func(v *dsar.AskView) { v.Limit = 1 << 20 })
	b := s.browser()
	var many []string
	for range 2 * mostFiles {
		many = append(many, "a.pdf", "x")
	}
	b.upload("/desk/desk-token/files", many...).status(http.StatusUnprocessableEntity).has("#f-files-problem", "At most 100 files")
	if n := len(s.requests.named("AddFile")); n != mostFiles {
		t.Errorf("expected %d files of one form to be taken, got %d", mostFiles, n)
	}
	for _, form := range []string{
		"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\x00.pdf\"\r\n\r\nx\r\n--b--",
		"--b\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\nx\r\n--b--",
	} {
		b.send("/desk/desk-token/files", form, "multipart/form-data; boundary=b").status(http.StatusBadRequest).has("h1", "The form cannot be read")
	}
	if strings.Contains(s.log.String(), "page failed") {
		t.Error("expected no fault in the log")
	}
}

func TestDeskAnswered(t *testing.T) {
	t.Parallel()
	s := deskSite(t, datamap.Erasure, func(v *dsar.AskView) {
		v.Status, v.Answer, v.AnsweredBy, v.MayChange = "done", dsar.AnsweredDone, "owner", true
		v.AnsweredAt = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	})
	b := s.browser()
	b.post("/desk/desk-token", nil).has("main", "Erased by hand").has("main", "23 November 2026, 10:00 (Europe/Prague)").count("button", 1).has("button", "Change the answer")
	b.post("/desk/desk-token", url.Values{"do": {"change"}}).status(http.StatusOK)
	if len(s.requests.named("ReopenAsk")) != 1 {
		t.Error("expected the answer to be taken back")
	}
}

// The DPO sees who is asked, and may send the link again, answer for them, or go on without them.
func TestConsoleAsks(t *testing.T) {
	t.Parallel()
	s := deskSite(t, datamap.Access, nil)
	s.addStaff("dana@bota.example", RoleDPO, "bota")
	s.addStaff("reader@bota.example", RoleReader, "bota")
	b := s.signedIn("dana@bota.example")
	b.get("/requests/17").has("#ask-paper", "HR desk").has("#ask-paper", "answer due Thu 3 Dec 2026").count("#ask-paper form", 4)
	b.post("/requests/17/asks/paper/resend", nil).to("/requests/17")
	b.post("/requests/17/asks/paper/skip", url.Values{"ask_reason": {""}}).status(http.StatusUnprocessableEntity).has("#ask-paper .problem", "Say why").count("#ask-paper details[open]", 1)
	b.post("/requests/17/asks/paper/skip", url.Values{"ask_reason": {"flooded"}}).to("/requests/17")
	b.upload("/requests/17/asks/paper/files", "scan.pdf", "x").to("/requests/17")
	b.upload("/requests/17/asks/nobody/files", "scan.pdf", "x").status(http.StatusNotFound)
	b.post("/requests/17/asks/paper/answer", url.Values{"ask_answer": {"files"}, "ask_who": {"Eva"}}).to("/requests/17")
	b.post("/requests/17/asks/paper/explode", nil).status(http.StatusNotFound)
	for name, want := range map[string]any{"ResendAsk": "paper", "SkipAsk": "paper: flooded", "AddFile": "scan.pdf=x", "AnswerAsk": dsar.AskAnswer{What: "files", Who: "Eva"}} {
		if got := s.requests.named(name); len(got) != 1 || got[0].arg != want || !strings.HasPrefix(got[0].actor.Name, "staff:") {
			t.Errorf("expected one %s with %v by staff, got %+v", name, want, got)
		}
	}
	r := s.signedIn("reader@bota.example")
	r.get("/requests/17").has("#ask-paper", "HR desk").count("#ask-paper form", 0)
	r.upload("/requests/17/asks/paper/files", "scan.pdf", "x").status(http.StatusForbidden)
}

func TestConsoleSecondPerson(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	first := s.addStaff("dana@bota.example", RoleDPO, "bota")
	s.requests.requests[18] = dsar.Request{ID: 18, Controller: "bota", Kind: datamap.Erasure, Status: dsar.InReview, DueOn: date(2026, 12, 23),
		FirstApproval: dsar.FirstApproval{At: s.clock.now(), By: "staff:" + size(first)[:1], Why: "Its identities match 40 rows."}}
	s.signedIn("dana@bota.example").get("/requests/18").has("#approve .warn", "Dana Prokop has approved it first. Its identities match 40 rows.").has("#approve button", "second person")
}
