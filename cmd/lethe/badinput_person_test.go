package main

import (
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/web"
)

// answerTo sends a request as a browser does, and returns status and page
// whatever they are.
func (v *visitor) answerTo(t testing.TB, method, path string, form url.Values) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.origin)
	}
	res, err := v.client.Do(req)
	if err != nil {
		t.Fatalf("an answer was expected to %s %s: %v", method, path, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestASubjectNobodyKnows: the form is answered as any other, the confirmation
// goes to the address typed, and then the honest letter, over real SMTP. On the
// way, every link that does not work gets one and the same answer.
func TestASubjectNobodyKnows(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{})
	log := &safeBuffer{}
	s.start(t, log, "serve")
	subject, err := newVisitor(pagesAt(t, log))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(email string) string {
		t.Helper()
		code, page := subject.answerTo(t, http.MethodPost, "/c/bota", url.Values{"kind": {"access"}, "identity.email": {email}, "requester": {"self"}})
		if code != http.StatusOK {
			t.Fatalf("the form should be taken from %q, the answer is %d:\n%s", email, code, page)
		}
		return page
	}
	known := someone(t, s, 1)[0]
	// Whoever fills in the form must not learn from the answer who is known.
	if a, b := ask("nobody@unknown.example"), ask(known.Email); noLinks(a) != noLinks(b) {
		t.Error("the page after the form should be the same for a known and an unknown address")
	}
	for _, bad := range []struct{ email, says string }{
		{"nobody", "An e-mail address has exactly one @, as in name@example.org."},
		{strings.Repeat("a", 301), "This is too long: 300 characters at most."},
		{strings.Repeat("a", 300), "The e-mail address is longer than 254 characters."},
		{"a@example.org\r\nBcc: b@example.org", "This text holds a control character (a line break, a tab, …): type it in one line."},
		{"a\x00@example.org", "This holds characters that are no text. Type it anew."},
		{`"a"@example.org`, "What stands before the @ is no mailbox; give the address alone, as in name@example.org."},
		{"a@exa%mple.org", "What stands after the @ is no domain, as in name@example.org."},
		{"a@🙂 .example", "What stands after the @ is no domain, as in name@example.org."},
	} {
		code, page := subject.answerTo(t, http.MethodPost, "/c/bota", url.Values{"kind": {"access"}, "identity.email": {bad.email}, "requester": {"self"}})
		doc := parsePage(t, page)
		if code != http.StatusUnprocessableEntity || !strings.Contains(doc.Find("main").Text(), bad.says) {
			t.Errorf("%.40q should be refused with %q, the answer is %d:\n%s", bad.email, bad.says, code, doc.Find(".error, [role=alert]").Text())
		}
	}
	ask("100%o'neil@háčky.example") // odd, and right

	confirm := s.linkIn(t, "nobody@unknown.example", "/confirm/", 0)
	press(t, subject, confirm)
	var id string
	eventually(t, "the search should come to its end with nothing found", func() bool {
		ids := texts(t, s.control(t), `SELECT r.id::text FROM requests r JOIN steps st ON st.request_id = r.id
			WHERE st.stage = 'discover' AND st.status = 'done'`)
		if len(ids) == 1 {
			id = ids[0]
		}
		return id != ""
	})
	s.must(t, done, "request", "approve", id)
	m, err := s.box.Wait(t.Context(), func(m mailbox.Message) bool {
		return m.To[0] == "nobody@unknown.example" && strings.Contains(m.Text, "We hold nothing about you")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"We have looked in all places where Bota Shop keeps personal data", "We hold nothing about you", "Perhaps you wrote to us from another address", "you may complain to a supervisory authority"} {
		if !strings.Contains(m.Text, says) || !strings.Contains(parsePage(t, m.HTML).Text(), says) {
			t.Errorf("both parts of the letter should say %q, it is:\n%s", says, m.Text)
		}
	}
	if len(m.Attachments) != 0 || strings.Contains(m.Text, "/download/") {
		t.Error("nothing should be handed over where nothing is held")
	}
	eventually(t, "the request should be fulfilled", func() bool {
		return len(texts(t, s.control(t), `SELECT 'x' FROM requests WHERE id::text = $1 AND status = 'fulfilled'`, id)) == 1
	})

	// Links: a wrong, a used, an expired and a foreign one.
	theirs := s.linkIn(t, known.Email, "/confirm/", 0)
	foreign := strings.Replace(theirs, "/confirm/", "/download/", 1)
	pgtest.Exec(t, s.control(t), `UPDATE tokens SET expires_at = '2001-01-01'`)
	wrong := "/confirm/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	_, first := subject.answerTo(t, http.MethodGet, wrong, nil)
	if says := "This link is not valid"; !strings.Contains(parsePage(t, first).Find("h1").Text(), says) {
		t.Errorf("a wrong link should be answered with %q, it is:\n%s", says, parsePage(t, first).Find("main").Text())
	}
	for what, path := range map[string]string{"wrong": wrong, "used": confirm, "expired": theirs, "foreign": foreign, "a status link": strings.Replace(theirs, "/confirm/", "/status/", 1), "a sign-in link": strings.Replace(theirs, "/confirm/", "/signin/", 1)} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if what == "a status link" && method == http.MethodPost {
				path += "/withdraw"
			}
			if code, page := subject.answerTo(t, method, path, nil); code != http.StatusNotFound || page != first {
				t.Errorf("%s (%s): the one answer to links that do not work was expected, it is %d:\n%s", what, method, code, parsePage(t, page).Find("main").Text())
			}
		}
	}
}

// noLinks takes out of a page what differs from one request to the next.
func noLinks(page string) string {
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		return err.Error()
	}
	doc.Find("a[href*='/status/'], input, code").Remove()
	return doc.Find("main").Text()
}

func parsePage(t testing.TB, page string) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// signedIn is the browser of a DPO of all controllers.
func signedIn(t testing.TB, s *stage, origin string) *visitor {
	t.Helper()
	id, err := web.AddStaff(t.Context(), s.control(t), web.StaffMember{Email: "dpo@demo.example", Name: "Petra Demo", Role: web.RoleProcessor}, "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := web.SignInLink(t.Context(), s.control(t), id, time.Hour, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v, err := newVisitor(origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.post(t.Context(), "/signin/"+token, nil); err != nil {
		t.Fatalf("the DPO should be signed in: %v", err)
	}
	return v
}

// TestHostileTextInEveryStoredField: whatever stands in a person's rows stays
// text in the DPO's pages, the mails, the archive's page and its tables.
func TestHostileTextInEveryStoredField(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{})
	log := &safeBuffer{}
	s.start(t, log, "serve")
	subject, err := newVisitor(pagesAt(t, log))
	if err != nil {
		t.Fatal(err)
	}
	dpo := signedIn(t, s, subject.origin)
	p := someone(t, s, 1)[0]
	const evil = `=cmd|'/c calc'!A1<script>alert(1)</script>{{.}}${HOME}<img src=x onerror=alert(1)>"'&` + "\t"
	pgtest.Exec(t, s.shop, fmt.Sprintf(`
		UPDATE contacts SET name = e.t, surname = e.t, note = e.t, social_account = e.t, properties = jsonb_build_object(e.t, e.t) FROM (SELECT %[1]s AS t) e WHERE id = %[2]d;
		UPDATE visitors SET user_agent = e.t, browser = e.t, browser_version = e.t, os = e.t, location_country = e.t, location_city = e.t FROM (SELECT %[1]s AS t) e WHERE contact_id = %[2]d;
		UPDATE visits SET page_url = e.t, referrer = e.t, user_agent = e.t, screen = e.t, location_city = e.t FROM (SELECT %[1]s AS t) e WHERE visitor_id IN (SELECT id FROM visitors WHERE contact_id = %[2]d);
		UPDATE conversations SET domain = e.t, location_city = e.t FROM (SELECT %[1]s AS t) e WHERE contact_id = %[2]d;
		UPDATE messages SET type = e.t, content_text = e.t, page_url = e.t FROM (SELECT %[1]s AS t) e WHERE conversation_id IN (SELECT id FROM conversations WHERE contact_id = %[2]d);
		UPDATE identifiers SET value = e.t FROM (SELECT %[1]s AS t) e WHERE visitor_id IN (SELECT id FROM visitors WHERE contact_id = %[2]d);`,
		"E'"+strings.NewReplacer(`'`, `\'`, "\t", `\t`).Replace(evil)+"'", p.Contact))

	id := s.submit(t, done, "access", p, "--approve")
	files := unzip(t, press(t, subject, s.linkIn(t, p.Email, "/download/", 0)))
	s.finished(t, id)
	if n := len(rowsOf(t, files, "messages")); n == 0 {
		t.Fatal("the person should have messages in the archive")
	}
	for _, row := range rowsOf(t, files, "contacts") {
		if row["name"] != evil {
			t.Errorf("JSON should hold the text as it is, it holds %q", row["name"])
		}
	}
	index := parsePage(t, files["index.html"])
	if n := index.Find("script, img, iframe, link, object, form, [onerror], [style]").Length(); n != 0 {
		t.Errorf("index.html should hold text only, %d elements came in", n)
	}
	if !strings.Contains(index.Text(), "<script>alert(1)</script>{{.}}${HOME}") {
		t.Error("index.html should show the text as it stands in the rows")
	}
	cells := 0
	for name, text := range files {
		if !strings.HasSuffix(name, ".csv") {
			continue
		}
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatalf("%s should be CSV: %v", name, err)
		}
		for _, record := range records[1:] {
			for _, cell := range record {
				if strings.HasPrefix(cell, "=") {
					t.Errorf("%s: a cell that a spreadsheet would run was expected to be defused: %.40q", name, cell)
				}
				if cell == "'"+evil {
					cells++
				}
			}
		}
	}
	if cells < 10 {
		t.Errorf("the text should stand defused in ten cells and more, it stands in %d", cells)
	}
	for _, path := range []string{"/", fmt.Sprintf("/requests/%d", id)} {
		code, page := dpo.answerTo(t, http.MethodGet, path, nil)
		if n := parsePage(t, page).Find("script, img[onerror], [onerror], [style]").Length(); code != http.StatusOK || n != 0 {
			t.Errorf("the page %s should hold text only, %d elements came in (status %d)", path, n, code)
		}
	}
	_, page := dpo.answerTo(t, http.MethodPost, "/requests/new", url.Values{"controller": {p.Controller}, "kind": {"access"}, "identity.email": {p.Email}, "do": {"preview"}})
	if doc := parsePage(t, page); !strings.Contains(doc.Find("main").Text(), "<script>alert(1)</script>{{.}}${HOME}") || doc.Find("main script, main img").Length() != 0 {
		t.Errorf("the preview should show the person's name as text:\n%s", doc.Find("main").Text())
	}
	for _, m := range s.box.Messages() {
		if n := parsePage(t, m.HTML).Find("script, img, [onerror]").Length(); n != 0 || strings.Contains(m.Subject, "script") {
			t.Errorf("the mail %q should hold nothing that was stored", m.Subject)
		}
	}
}

// TestAJoinedRequestThatGoesAnotherWay: what an earlier request of the same person
// took in is answered as that one is. Whoever said --approve is told that nothing
// was approved; who did not has nothing to do.
func TestAJoinedRequestThatGoesAnotherWay(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{})
	p := someone(t, s, 1)[0]
	first := s.submit(t, done, "access", p, "--delivery", "hand")
	again := func(status int, more ...string) {
		t.Helper()
		got := s.must(t, status, append([]string{"request", "submit", "--kind", "access", "--controller", p.Controller, "--email", p.Email,
			"--verified", "seen at the counter", "--delivery", "link"}, more...)...)
		if !strings.Contains(got.err, fmt.Sprintf("request %d is answered by hand, not by link", first)) || strings.Contains(got.err, "was not approved") != (status == inPart) {
			t.Errorf("with %v expected to be told how it is answered, got %s", more, got.err)
		}
	}
	again(done)
	again(inPart, "--approve")
}
