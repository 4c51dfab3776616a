package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/browser"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// walk is the way through the demo: a subject and a DPO, each in a window of
// their own.
type walk struct {
	demo         *browser.Demo
	album        *album
	subject, dpo *browser.Tab
	people       *sample.Shop
	dir          string // for what is downloaded
}

func newWalk(b *browser.Browser, d *browser.Demo, a *album) (*walk, error) {
	// The demo's people do not depend on the day; only their rows do.
	w := &walk{demo: d, album: a, people: sample.Generate(1, time.Unix(0, 0), sample.Options{Contacts: 1, Visits: 1})}
	var err error
	if w.subject, err = b.Person(); err != nil {
		return nil, err
	}
	if w.dpo, err = b.Person(); err != nil {
		return nil, err
	}
	w.dir, err = os.MkdirTemp("", "lethe-screenshots-")
	return w, err
}

func (w *walk) close() {
	w.subject.Close()
	w.dpo.Close()
	_ = os.RemoveAll(w.dir)
}

// steps does one thing after the other, until one fails.
func steps(list ...func() error) error {
	for _, step := range list {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) all() error {
	return steps(w.asks, w.signsIn, w.enters, w.confirms, w.decides, w.downloads, w.erases, w.refuses, w.keeps, w.strays)
}

// Each of these is a step for steps.

func (w *walk) open(t *browser.Tab, path string) func() error {
	return func() error { return t.Open(w.demo.Origin + path) }
}

func (w *walk) picture(t *browser.Tab, name string) func() error {
	return func() error { return w.album.take(t, name, true) }
}

// alien is a picture of a page that is not ours, and is not audited.
func (w *walk) alien(t *browser.Tab, name string) func() error {
	return func() error { return w.album.take(t, name, false) }
}

func click(t *browser.Tab, selector string) func() error {
	return func() error { return t.Click(selector) }
}

func write(t *browser.Tab, selector, text string) func() error {
	return func() error { return t.Type(selector, text) }
}

func fill(t *browser.Tab, selector, value string) func() error {
	return func() error { return t.Fill(selector, value) }
}

func press(t *browser.Tab, selector string, status int) func() error {
	return func() error {
		got, err := t.Press(selector)
		if err == nil && got != status {
			err = fmt.Errorf("press %s: the answer should be %d, it is %d", selector, status, got)
		}
		return err
	}
}

const submit = `main form button[type="submit"]`

// asks: the public form, with mistakes and without, and where it leads.
func (w *walk) asks() error {
	p, _ := w.people.Person("access")
	t := w.subject
	return steps(
		w.open(t, "/c/"+p.Controller), w.picture(t, "ask"),
		write(t, "#f-identity-email", "jana.horakova(at)example.org"), fill(t, "#f-requester", "lawyer"),
		press(t, submit, 422), w.picture(t, "ask-problems"),
		w.open(t, "/c/"+p.Controller), click(t, "#f-kind-0"), write(t, "#f-identity-email", p.Email),
		press(t, submit, 200), w.picture(t, "received"),
	)
}

// signsIn: the page for passwords, the page behind the one-time link.
func (w *walk) signsIn() error {
	t := w.dpo
	return steps(
		w.open(t, "/signin"), w.picture(t, "sign-in"),
		func() error { return t.Open(w.demo.SignIn) }, w.picture(t, "sign-in-link"), press(t, submit, 200),
	)
}

// enters: requests that came by letter and at the counter, typed in by the DPO;
// one is of a mailbox that two people share, one is late.
func (w *walk) enters() error {
	t := w.dpo
	shared, _ := w.people.Person("shared mailbox")
	browserOf, _ := w.people.Person("shared browser")
	long := time.Now().AddDate(0, 0, -45).Format(time.DateOnly) //nolint:forbidigo // a tool on its own
	form := func(controller, kind, email string, rest ...func() error) func() error {
		return func() error {
			return steps(append([]func() error{
				w.open(t, "/requests/new"), fill(t, "#f-controller", controller), click(t, "#f-kind-"+kind), write(t, "#f-identity-email", email),
			}, rest...)...)
		}
	}
	send := press(t, `button[value="submit"]`, 200)
	seen := write(t, "#f-verified", "passport seen at the counter")
	return steps(
		form("bota", "0", "nobody at all", write(t, "#f-verified", "telephone call"), fill(t, "#f-requester", "parent")),
		press(t, `button[value="submit"]`, 422), w.picture(t, "new-request-problems"),
		form(shared.Controller, "0", shared.Email, seen), press(t, `button[value="preview"]`, 200), w.picture(t, "new-request"),
		send, w.settled(t, "#f-rows input"), w.picture(t, "request-review"),
		form(browserOf.Controller, "1", browserOf.Email, fill(t, "#f-received", long), seen), send, w.settled(t, "#approve"),
		form("tea", "2", "nobody.here@example.net"), send,
		form("tea", "1", "not.known@example.net", seen), send, w.settled(t, "#approve"),
	)
}

// settled waits until the request in the window has what is waited for.
func (w *walk) settled(t *browser.Tab, selector string) func() error {
	return func() error {
		at, err := t.Address()
		if err != nil {
			return err
		}
		return t.UntilHas(at, selector)
	}
}

// follow opens the link in the mail that a window shows.
func follow(t *browser.Tab, part string) func() error { return followIn(t, "main pre", part) }

// followIn opens a link of the page in a window.
func followIn(t *browser.Tab, where, part string) func() error {
	return func() error {
		to, err := t.Link(where + ` a[href*="` + part + `"]`)
		if err != nil {
			return err
		}
		return t.Open(to)
	}
}

func (w *walk) mail(t *browser.Tab, words ...string) func() error {
	return func() error {
		_, err := t.Mail(w.demo.Mailbox(), words...)
		return err
	}
}

// letter shows a mail's HTML by itself, as a mail program does.
func (w *walk) letter(name string, words ...string) func() error {
	return func() error {
		t := w.subject
		if err := w.mail(t, words...)(); err != nil {
			return err
		}
		part, err := t.Attribute("main iframe", "srcdoc")
		if err != nil {
			return err
		}
		file := filepath.Join(w.dir, name+".html")
		if err := os.WriteFile(file, []byte(part), 0o600); err != nil {
			return err
		}
		return steps(func() error { return t.Open("file://" + file) }, w.picture(t, name))
	}
}

// confirms: the mail, the button, the status.
func (w *walk) confirms() error {
	p, _ := w.people.Person("access")
	t := w.subject
	return steps(
		w.letter("letter-confirm", p.Email), w.mail(t, p.Email), w.picture(t, "mail"),
		follow(t, "/confirm/"), w.picture(t, "confirm"), press(t, submit, 200), w.picture(t, "confirmed"),
		w.mail(t, p.Email), follow(t, "/status/"), w.picture(t, "status"),
	)
}

// decides: the DPO looks at Jana's request and approves it.
func (w *walk) decides() error {
	p, _ := w.people.Person("access")
	t := w.dpo
	return steps(
		w.find(p.Email), w.settled(t, "#approve"), w.picture(t, "request-decide"),
		press(t, "#approve button", 200), w.settled(t, ".s-fulfilled"), w.picture(t, "request-fulfilled"),
	)
}

// find opens the request of an address, of those in review.
func (w *walk) find(email string) func() error {
	return func() error {
		if err := w.dpo.Open(w.demo.Origin + "/?state=in_review"); err != nil {
			return err
		}
		list, err := w.dpo.Links(".requests th a")
		if err != nil {
			return err
		}
		for _, to := range list {
			if err := w.dpo.Open(to); err != nil {
				return err
			}
			if at, err := w.dpo.Text("main"); err == nil && strings.Contains(at, email) {
				return nil
			}
		}
		return errors.New("the request is not in review")
	}
}

// downloads: the mail with the link, the page, the archive itself.
func (w *walk) downloads() error {
	p, _ := w.people.Person("access")
	t := w.subject
	return steps(
		w.letter("letter-archive", p.Email, "ready"), w.mail(t, p.Email, "ready"), follow(t, "/download/"), w.picture(t, "download"),
		func() error {
			file, err := t.Download(submit, w.dir)
			if err != nil {
				return err
			}
			if err := unpack(file, filepath.Join(w.dir, "archive")); err != nil {
				return err
			}
			return t.Open("file://" + filepath.Join(w.dir, "archive", "index.html"))
		}, w.picture(t, "archive"),
		w.mail(t, p.Email, "ready"), follow(t, "/status/"), w.picture(t, "status-done"),
	)
}

// erases: an erasure from the public form to its letter.
func (w *walk) erases() error {
	p, _ := w.people.Person("erasure")
	t := w.subject
	return steps(
		w.open(t, "/c/"+p.Controller), click(t, "#f-kind-2"), write(t, "#f-identity-email", p.Email), press(t, submit, 200),
		w.mail(t, p.Email), follow(t, "/confirm/"), press(t, submit, 200),
		w.find(p.Email), w.settled(w.dpo, "#approve"), press(w.dpo, "#approve button", 200), w.settled(w.dpo, ".s-fulfilled"),
		w.picture(w.dpo, "request-erased"), w.letter("letter-erased", p.Email, "done"),
	)
}

// refuses: a request that is refused, with its letter, and one of somebody who
// cannot be written to; then the list of them all.
func (w *walk) refuses() error {
	p, _ := w.people.Person("export")
	t := w.subject
	refuse := func(reason string) func() error {
		return func() error {
			return steps(click(w.dpo, "section[aria-labelledby=actions] details:nth-of-type(2) summary"),
				write(w.dpo, "#f-refuse-reason", reason), press(w.dpo, "form[action$='/refuse'] button", 200))
		}
	}
	return steps(
		w.open(t, "/c/"+p.Controller), click(t, "#f-kind-1"), write(t, "#f-identity-email", p.Email), press(t, submit, 200),
		w.mail(t, p.Email), follow(t, "/confirm/"), press(t, submit, 200), w.find(p.Email),
		refuse("The same data went to you on 12 November, and nothing has been added since (Art. 12(5) GDPR)."), w.letter("letter-refused", p.Email, "decision"),
		w.open(w.dpo, "/requests/new"), fill(w.dpo, "#f-controller", "tea"), click(w.dpo, "#f-kind-0"), write(w.dpo, "#f-identity-phone", "+353850001122"),
		write(w.dpo, "#f-verified", "called from that number"), press(w.dpo, `button[value="submit"]`, 200), w.settled(w.dpo, "#approve"), refuse("You did not say who you are, and we could not find out (Art. 12(2) GDPR)."),
		followIn(w.dpo, "main td", "/letters/"), w.picture(w.dpo, "letter-to-print"),
		w.open(w.subject, "/mailbox/"), w.picture(w.subject, "mailbox"),
		w.open(w.dpo, "/"), w.picture(w.dpo, "list"), w.open(w.dpo, "/queue/jobs?state=completed"), waitFor(w.dpo, "a[href*='/queue/jobs/']"), w.alien(w.dpo, "queue"),
	)
}

func waitFor(t *browser.Tab, selector string) func() error {
	return func() error { return t.Wait(selector) }
}

// keeps: rules, of which one is approved and one tried, and holds.
func (w *walk) keeps() error {
	t := w.dpo
	p, _ := w.people.Person("export")
	return steps(
		w.open(t, "/rules"), press(t, "article.rule:nth-of-type(1) form[action$='/try'] button", 200),
		press(t, "article.rule:nth-of-type(2) form[action$='/approve'] button", 200), w.picture(t, "rules"),
		w.open(t, "/holds"), fill(t, "#f-controller", p.Controller), click(t, "#f-about-0"), fill(t, "#f-type", "email"), write(t, "#f-value", p.Email),
		write(t, "#f-reason", "Claim for a wrong delivery, court of Munich; until it is decided."), press(t, "form[action='/holds'] button", 200),
		fill(t, "#f-controller", "bota"), press(t, "form[action='/holds'] button", 422), w.picture(t, "holds"),
	)
}

// strays: links that lead nowhere, known and unknown ones alike.
func (w *walk) strays() error {
	return steps(
		w.open(w.subject, "/confirm/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), w.picture(w.subject, "error-link"),
		w.open(w.dpo, "/requests/4711"), w.picture(w.dpo, "error-nowhere"),
	)
}

func unpack(file, dir string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("the archive names a file outside itself")
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
