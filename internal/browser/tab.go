package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// A Tab is one person's window: its cookies are nobody else's.
type Tab struct {
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	said   []string
}

// Person opens a window for one more person.
func (b *Browser) Person() (*Tab, error) {
	t := &Tab{}
	t.ctx, t.cancel = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	messages := chromedp.Console(t.ctx)
	if err := chromedp.Do(t.ctx, chromedp.EmulateViewport(1280, 900)); err != nil {
		t.cancel()
		return nil, fmt.Errorf("open a window: %w", err)
	}
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			// The browser notes every page that comes with a status of its own
			// (a form with problems is 422); that is no fault of the page.
			if m.Type != chromedp.ConsoleError && m.Type != chromedp.ConsoleWarning && m.Type != chromedp.ConsoleException || m.Source == "network" && strings.Contains(m.Text, "status of 4") {
				continue
			}
			t.mu.Lock()
			t.said = append(t.said, fmt.Sprintf("%s: %s (%s)", m.Type, m.Text, m.URL))
			t.mu.Unlock()
		}
	}()
	return t, nil
}

// Close closes the window.
func (t *Tab) Close() { t.cancel() }

// Complaints is what the browser's console held against the pages so far:
// errors of scripts, breaches of the Content-Security-Policy, what could not be loaded.
func (t *Tab) Complaints() []string {
	// One more turn through the page, so that what it said before has arrived.
	_, _ = evaluate[int](t, "1")
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.said...)
}

func (t *Tab) do(what string, steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func run[T any](t *Tab, what string, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		return v, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

func evaluate[T any](t *Tab, js string) (T, error) {
	return run(t, "ask the page", chromedp.Evaluate[T](js))
}

// Open opens an address.
func (t *Tab) Open(address string) error {
	return t.do("open a page", chromedp.Navigate(address))
}

// Press clicks what leads to another page, and waits for that. It returns the
// page's status.
func (t *Tab) Press(selector string) (int, error) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	if err != nil {
		return 0, fmt.Errorf("press %s: %w", selector, err)
	}
	return int(res.Status), nil
}

// Click clicks what stays on the page: a box to tick, something to unfold.
func (t *Tab) Click(selector string) error {
	return t.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type replaces what stands in a field, key by key.
func (t *Tab) Type(selector, text string) error {
	// Not chromedp.Clear: it fails on an empty textarea.
	empty := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).value = ""`, selector))(ctx, target)
		return err
	})
	return t.do("type into "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), empty, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Fill sets the value of a field that is not typed into: a list, a date.
func (t *Tab) Fill(selector, value string) error {
	return t.do("fill in "+selector, chromedp.SetValue(chromedp.CSS(selector), value, chromedp.NodeVisible))
}

// Tab presses the key of that name, and returns what has the focus then: the
// tag and the id, name or words of the element.
func (t *Tab) Tab() (string, error) {
	if err := t.do("press Tab", chromedp.KeyEvent("\t")); err != nil {
		return "", err
	}
	return evaluate[string](t, `(e => e === document.body ? "" : e.tagName.toLowerCase() + " " + (e.id || e.name || e.textContent.trim()))(document.activeElement)`)
}

// Text is the text of the first element that a selector finds, as it is seen.
func (t *Tab) Text(selector string) (string, error) {
	return run(t, "read "+selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeReady))
}

// Has says whether anything on the page fits a selector.
func (t *Tab) Has(selector string) (bool, error) {
	return evaluate[bool](t, fmt.Sprintf("document.querySelector(%q) !== null", selector))
}

// Link is where the first link that fits a selector and holds the words leads to.
func (t *Tab) Link(selector string, words ...string) (string, error) {
	list := "[]"
	if len(words) > 0 {
		list = `["` + strings.Join(words, `","`) + `"]`
	}
	href, err := evaluate[string](t, fmt.Sprintf(`(Array.from(document.querySelectorAll(%q)).find(a => %s.every(w => a.textContent.includes(w))) || {href: ""}).href`, selector, list))
	if err == nil && href == "" {
		err = fmt.Errorf("no link %s with %q", selector, words)
	}
	return href, err
}

// Links is where all links that fit a selector lead to.
func (t *Tab) Links(selector string) ([]string, error) {
	return evaluate[[]string](t, fmt.Sprintf("Array.from(document.querySelectorAll(%q)).map(a => a.href)", selector))
}

// Attribute is an attribute of the first element that a selector finds.
func (t *Tab) Attribute(selector, name string) (string, error) {
	return evaluate[string](t, fmt.Sprintf(`(document.querySelector(%q) || document.body).getAttribute(%q) || ""`, selector, name))
}

// Wait waits for what a page with a program of its own shows by and by.
func (t *Tab) Wait(selector string) error {
	return t.do("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Address is where the window is.
func (t *Tab) Address() (string, error) { return run(t, "read the address", chromedp.Location()) }

// Until loads an address again and again until there says so.
func (t *Tab) Until(address string, there func() (bool, error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := t.Open(address); err != nil {
			return err
		}
		if ok, err := there(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return errors.New("what the page was to show did not come in time")
		}
	}
}

// UntilHas waits until a page, loaded again and again, has a selector.
func (t *Tab) UntilHas(address, selector string) error {
	if err := t.Until(address, func() (bool, error) { return t.Has(selector) }); err != nil {
		return fmt.Errorf("wait for %s: %w", selector, err)
	}
	return nil
}

// Mail waits for a mail to an address whose subject or recipient line holds the
// words, opens it in the mailbox, and returns its address there.
func (t *Tab) Mail(mailbox string, words ...string) (string, error) {
	var found string
	err := t.Until(mailbox, func() (bool, error) {
		var err error
		found, err = t.Link(".list a", words...)
		return err == nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("wait for a mail: %w", err)
	}
	return found, t.Open(found)
}

// Download presses what hands out a file, and returns where it was saved, in dir.
func (t *Tab) Download(selector, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	c := chromedp.FromContext(t.ctx)
	if err := c.Browser.Call(ctx, "Browser.setDownloadBehavior", map[string]any{
		"behavior": "allow", "downloadPath": dir, "browserContextId": c.BrowserContextID, //nolint:misspell // the protocol's words
	}, nil); err != nil {
		return "", fmt.Errorf("allow downloads: %w", err)
	}
	if err := t.Click(selector); err != nil {
		return "", err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if list, _ := filepath.Glob(filepath.Join(dir, "*.zip")); len(list) == 1 {
			if half, _ := filepath.Glob(filepath.Join(dir, "*.crdownload")); len(half) == 0 {
				return list[0], nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			entries, _ := os.ReadDir(dir)
			return "", fmt.Errorf("the download did not end; %d files are there", len(entries))
		}
	}
}

// call sends one command of the browser's protocol.
func (t *Tab) call(method string, params map[string]any) error {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	if err := chromedp.FromContext(t.ctx).Target.Call(ctx, method, params, nil); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}
