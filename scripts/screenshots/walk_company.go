package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/browser"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

func pgxpoolOf(ctx context.Context, url string) (*pgxpool.Pool, error) { return pgxpool.New(ctx, url) }

// tour is the way through the company: what needs more than the demo has.
type tour struct {
	*company
	ctx                context.Context
	album              *album
	dpo, second, owner *browser.Tab
	people             *sample.Shop
}

func newTour(ctx context.Context, b *browser.Browser, c *company, a *album, people *sample.Shop) (*tour, error) {
	t := &tour{company: c, ctx: ctx, album: a, people: people}
	for _, tab := range []**browser.Tab{&t.dpo, &t.second, &t.owner} {
		var err error
		if *tab, err = b.Person(); err != nil {
			return nil, err
		}
	}
	for email, tab := range map[string]*browser.Tab{"petra@chat.example": t.dpo, "milan@chat.example": t.second} {
		name := map[string]string{"petra@chat.example": "Petra Nováková", "milan@chat.example": "Milan Dvořák"}[email]
		link, err := c.signInLink(ctx, email, name)
		if err != nil {
			return nil, err
		}
		if err := steps(func() error { return tab.Open(link) }, press(tab, submit, 200)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tour) picture(tab *browser.Tab, name string) func() error {
	return func() error { return t.album.take(tab, name, true) }
}

func (t *tour) all() error {
	return steps(t.picks, t.asksOwners, t.needsTwo, t.keepsAndMentions, t.waitsForASource)
}

// take types a request in and sends it.
func (t *tour) take(controller, kind, email string) error {
	tab := t.dpo
	return steps(
		func() error { return tab.Open(t.origin + "/requests/new") },
		fill(tab, "#f-controller", controller), click(tab, "#f-kind-"+kind), write(tab, "#f-identity-email", email),
		write(tab, "#f-verified", "passport seen at the counter"), press(tab, `button[value="submit"]`, 200), t.settled("#approve"),
	)
}

// settled waits until the request in the DPO's window has what is waited for.
func (t *tour) settled(selector string) func() error {
	return func() error {
		at, err := t.dpo.Address()
		if err != nil {
			return err
		}
		if err := t.dpo.UntilHas(at, selector); err != nil {
			text, _ := t.dpo.Text("main")
			return fmt.Errorf("%w: %s", err, text)
		}
		return nil
	}
}

// picks: a policy to choose, rows to pick, and what they would lead to.
func (t *tour) picks() error {
	p, _ := t.people.Person("export")
	tab := t.dpo
	row := fmt.Sprintf("livechat.contacts:%d", p.Contact)
	return steps(
		func() error { return tab.Open(t.origin + "/requests/new") },
		fill(tab, "#f-controller", p.Controller), click(tab, "#f-kind-2"), fill(tab, "#f-policy", "contact-details"), write(tab, "#f-rows", "livechat.contact:1"),
		press(tab, `button[value="submit"]`, 422), t.picture(tab, "new-request-rows-problems"),
		fill(tab, "#f-policy", "names-only"), fill(tab, "#f-rows", row),
		press(tab, `button[value="preview"]`, 200), t.picture(tab, "new-request-rows"),
	)
}

// asksOwners: a copy that waits for a person, and what that person sees.
func (t *tour) asksOwners() error {
	p, _ := t.people.Person("access")
	o := t.owner
	return steps(
		func() error { return t.take(p.Controller, "0", p.Email) },
		press(t.dpo, "#approve button", 200), t.settled("#asks + *, #ask-paper"), t.picture(t.dpo, "request-desk"),
		func() error { return t.letter("letter-desk", "hr@bota.example", "") },
		func() error {
			m, err := t.mail("hr@bota.example", "")
			if err != nil {
				return err
			}
			return o.Open(regexp.MustCompile(`http\S+/desk/[A-Za-z0-9_-]+`).FindString(m.Text))
		},
		t.picture(o, "desk"), press(o, submit, 200), t.picture(o, "desk-shown"),
		click(o, "#f-answer-1"), press(o, "section[aria-labelledby=answer] button", 200), t.picture(o, "desk-answered"),
	)
}

// needsTwo: more root rows than the brake lets one person approve.
func (t *tour) needsTwo() error {
	p, _ := t.people.Person("shared mailbox")
	return steps(
		func() error { return t.take(p.Controller, "2", p.Email) },
		click(t.dpo, "#row-0"), click(t.dpo, "#row-1"), press(t.dpo, "#approve button", 200),
		t.opens, t.picture(t.second, "request-second"),
	)
}

// opens: the second person looks at what the first one has approved.
func (t *tour) opens() error {
	at, err := t.dpo.Address()
	if err != nil {
		return err
	}
	return t.second.Open(at)
}

// seconds: and approves it, too.
func (t *tour) seconds() error {
	return steps(t.opens, press(t.second, "#approve button", 200))
}

// keepsAndMentions: an erasure with invoices that a law keeps, and with a
// sentence of somebody else that names the person.
func (t *tour) keepsAndMentions() error {
	p, _ := t.people.Person("erasure")
	return steps(
		func() error { return t.take(p.Controller, "2", p.Email) },
		press(t.dpo, "#approve button[formaction]", 200), t.picture(t.dpo, "request-dry-run"),
		press(t.dpo, "#approve button", 200), t.seconds, t.settled("#mentions ~ article form[action$='/read']"),
		press(t.dpo, "article form[action$='/read'] button", 200), t.picture(t.dpo, "request-mentions"),
		press(t.dpo, "article form[action$='/redact'] button", 200), t.settled(".s-fulfilled"), t.picture(t.dpo, "request-kept"),
		func() error { return t.letter("letter-kept", p.Email, "erasure") },
	)
}

// waitsForASource: the orders' database goes down after the approval.
func (t *tour) waitsForASource() error {
	p, _ := t.people.Person("shared browser")
	return steps(
		func() error { return t.take(p.Controller, "2", p.Email) },
		press(t.dpo, "#approve button", 200), func() error { t.relay.down(); return nil },
		t.seconds, t.settled(".waits.slow"), t.picture(t.dpo, "request-waits"),
		func() error { return t.dpo.Open(t.origin + "/") }, t.picture(t.dpo, "list-waits"),
	)
}

// mail waits for one to an address.
func (t *tour) mail(to, words string) (mailbox.Message, error) {
	return t.box.Wait(t.ctx, func(m mailbox.Message) bool {
		return strings.EqualFold(m.To[0], to) && strings.Contains(m.Subject+m.Text, words)
	})
}

// letter shows a mail's HTML by itself, as a mail program does.
func (t *tour) letter(name, to, words string) error {
	m, err := t.mail(to, words)
	if err != nil {
		return err
	}
	file := filepath.Join(t.dir, name+".html")
	if err := os.WriteFile(file, []byte(m.HTML), 0o600); err != nil {
		return err
	}
	if keep := os.Getenv("LETTERS"); keep != "" {
		if err := os.WriteFile(filepath.Join(keep, name+".txt"), []byte(m.Subject+"\n\n"+m.Text), 0o600); err != nil {
			return err
		}
	}
	return steps(func() error { return t.owner.Open("file://" + file) }, t.picture(t.owner, name))
}
