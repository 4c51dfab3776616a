package main

import (
	"archive/zip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/browser"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// TestBrowser goes through the demo, a process of its own, in a real browser: the
// subject from the public form to the archive, with JavaScript turned off; the DPO
// from the sign-in link to an erasure by hand; the queue's page. The browser's
// console holds nothing against any page, and each passes the audit, wide and narrow.
func TestBrowser(t *testing.T) {
	t.Parallel()
	path, err := browser.Find()
	if err != nil {
		t.Skip(err)
	}
	b, err := browser.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	someDay := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // the people are the same on every day
	v := &visit{demo: startDemo(t)}
	v.subject, v.dpo = newWindow(t, b), newWindow(t, b)
	shop := sample.Generate(1, someDay, sample.Options{Contacts: 1, Visits: 1})

	v.signIn(t)
	v.accessByForm(t, shop)
	v.erasureByHand(t, shop)
	v.queuePage(t)
	for who, w := range map[string]*window{"subject": v.subject, "DPO": v.dpo} {
		for _, c := range w.Complaints() {
			t.Errorf("the console of the %s's browser should be empty, it holds: %s", who, c)
		}
	}
}

// visit is the demo and the two who visit it.
type visit struct {
	demo         *browser.Demo
	subject, dpo *window
}

func startDemo(t *testing.T) *browser.Demo {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), commandEnv()...)
	cmd.Stderr = log
	d, err := browser.StartDemo(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("the demo should end well on Ctrl-C: %v\n%s", err, log.String())
		}
		if text := log.String(); strings.Contains(text, "@example.") || strings.Contains(text, "level=ERROR") {
			t.Errorf("the demo's log should hold no error and no address:\n%s", text)
		}
	})
	return d
}

// signIn: the link does nothing by itself; its button signs in, once.
func (v *visit) signIn(t *testing.T) {
	v.dpo.open(t, v.demo.SignIn)
	v.dpo.audit(t, "the sign-in link's page")
	v.dpo.press(t, "main form button", 200)
	v.dpo.audit(t, "the empty list")
	v.subject.open(t, v.demo.SignIn)
	if has, err := v.subject.Has("main form"); err != nil || has {
		t.Errorf("a sign-in link that was used should show no button (%v)", err)
	}
	// From the keyboard, the way into the page comes first, then the pages in their order.
	v.dpo.open(t, v.demo.Origin+"/requests/new")
	var stops []string
	for range 8 {
		stop, err := v.dpo.Tab.Tab()
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	want := "a To the content, a Lethe, a Requests, a New request, a Rules, a Holds, a Queue, button Sign out"
	if got := strings.Join(stops, ", "); got != want {
		t.Errorf("the focus should go through\n%s,\nit goes through\n%s", want, got)
	}
}

// accessByForm: form with mistakes, form, mail, confirmation, approval, mail, download.
func (v *visit) accessByForm(t *testing.T, shop *sample.Shop) {
	p, _ := shop.Person("access")
	s := v.subject
	if err := s.WithoutScripts(); err != nil {
		t.Fatal(err)
	}
	s.open(t, v.demo.Origin+"/c/"+p.Controller)
	s.do(t, s.Type("#f-identity-email", p.Email))
	s.press(t, "main form button", 422)
	if at, err := s.Text(".problems"); err != nil || !strings.Contains(at, "Choose what is asked for.") {
		t.Errorf("the summary should say what is missing, it says %q (%v)", at, err)
	}
	if kept, err := s.Attribute("#f-identity-email", "value"); err != nil || kept != p.Email {
		t.Errorf("what was typed should be kept, the field holds %q (%v)", kept, err)
	}
	s.audit(t, "the form with a problem")
	s.do(t, s.Click("#f-kind-0"))
	s.press(t, "main form button", 200)
	s.audit(t, "the status page")

	s.mail(t, v.demo, "/confirm/", p.Email, "please confirm")
	s.audit(t, "the confirmation's page")
	s.press(t, "main form button", 200)
	s.audit(t, "the page after the confirmation")

	v.inReview(t, p.Email)
	v.dpo.audit(t, "the request's page")
	v.dpo.press(t, "#approve button", 200)

	s.mail(t, v.demo, "/download/", p.Email, "ready")
	s.audit(t, "the download's page")
	file, err := s.Download("main form button", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatalf("the download should be an archive: %v", err)
	}
	defer z.Close()
	if z.File[0].Name == "" || !hasFile(z, "index.html") {
		t.Error("the archive should hold index.html")
	}
}

func hasFile(z *zip.ReadCloser, name string) bool {
	for _, f := range z.File {
		if f.Name == name {
			return true
		}
	}
	return false
}

// erasureByHand: the DPO types in what came on paper, looks at it first, submits,
// is told about rows that disagree, ticks one, approves; the other row stays.
func (v *visit) erasureByHand(t *testing.T, shop *sample.Shop) {
	p, _ := shop.Person("shared mailbox")
	d := v.dpo
	d.open(t, v.demo.Origin+"/requests/new")
	d.do(t, d.Fill("#f-controller", p.Controller))
	d.do(t, d.Click("#f-kind-2"))
	d.do(t, d.Type("#f-identity-email", p.Email))
	d.do(t, d.Type("#f-verified", "passport seen at the counter"))
	d.press(t, `button[value="preview"]`, 200)
	if rows, err := d.Text("#found"); err != nil || !strings.Contains(rows, "Martina") || !strings.Contains(rows, "Petr") {
		t.Errorf("the preview should show both people behind the mailbox (%v)", err)
	}
	d.audit(t, "the preview")
	d.press(t, `button[value="submit"]`, 200)
	at, err := d.Address()
	d.do(t, err)
	d.do(t, d.UntilHas(at, "#approve"))
	d.press(t, "#approve button", 422)
	d.audit(t, "the approval without a tick")
	d.do(t, d.Click("#row-0"))
	d.press(t, "#approve button", 200)
	d.do(t, d.UntilHas(at, ".s-fulfilled"))
	d.audit(t, "the fulfilled request")
	if rows, err := d.Text("#f-rows"); err != nil || !regexp.MustCompile(`(?s)theirs.*left alone`).MatchString(rows) {
		t.Errorf("the page should say which row was theirs and which was left alone (%v)", err)
	}
	v.subject.mail(t, v.demo, "", p.Email, "done")
	for _, page := range []string{"/", "/rules", "/holds"} {
		d.open(t, v.demo.Origin+page)
		d.audit(t, page)
	}
}

// queuePage: the queue's own page is a program; it loads under our policy.
func (v *visit) queuePage(t *testing.T) {
	v.dpo.open(t, v.demo.Origin+"/queue/")
	v.dpo.do(t, v.dpo.Wait("nav"))
	if text, err := v.dpo.Text("body"); err != nil || !strings.Contains(text, "Jobs") {
		t.Errorf("the queue's page should show its jobs (%v)", err)
	}
	v.subject.open(t, v.demo.Origin+"/queue/")
	if at, err := v.subject.Address(); err != nil || !strings.Contains(at, "/signin") {
		t.Errorf("who is not signed in should be asked to, at the queue's page (%v)", err)
	}
}

// inReview opens the request of an address, once it is in review.
func (v *visit) inReview(t *testing.T, email string) {
	t.Helper()
	v.dpo.do(t, v.dpo.UntilHas(v.demo.Origin+"/?state=in_review", ".requests th a"))
	to, err := v.dpo.Link(".requests th a")
	v.dpo.do(t, err)
	v.dpo.do(t, v.dpo.UntilHas(to, "#approve"))
	if text, err := v.dpo.Text("main"); err != nil || !strings.Contains(text, email) {
		t.Fatalf("the only request in review should be the one confirmed (%v)", err)
	}
}

// window is a tab whose failures end the test.
type window struct{ *browser.Tab }

func newWindow(t *testing.T, b *browser.Browser) *window {
	t.Helper()
	w, err := b.Person()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &window{w}
}

func (w *window) do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *window) open(t *testing.T, address string) {
	t.Helper()
	w.do(t, w.Open(address))
}

func (w *window) press(t *testing.T, selector string, status int) {
	t.Helper()
	got, err := w.Press(selector)
	if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Fatalf("%s should lead to a page with the status %d, it is %d", selector, status, got)
	}
}

// mail waits for a mail, and opens the link in it that holds part.
func (w *window) mail(t *testing.T, d *browser.Demo, part string, words ...string) {
	t.Helper()
	_, err := w.Mail(d.Mailbox(), words...)
	w.do(t, err)
	if part == "" {
		return
	}
	to, err := w.Link(`main pre a[href*="` + part + `"]`)
	w.do(t, err)
	w.open(t, to)
}

// audit asks what every page must have, in both widths, light and dark.
func (w *window) audit(t *testing.T, page string) {
	t.Helper()
	for _, width := range []int64{390, 1280} {
		w.do(t, w.Resize(width, 900))
		for _, dark := range []bool{true, false} {
			w.do(t, w.Dark(dark))
			faults, err := w.Audit()
			w.do(t, err)
			for _, f := range faults {
				t.Errorf("%s, %d pixels wide, dark %v: %s", page, width, dark, f)
			}
		}
	}
}
