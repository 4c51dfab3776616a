package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
	"github.com/lethe-dsr/lethe/retention"
)

// story is what became of one request of the demo.
type story struct {
	Kind       string        `json:"kind"`
	Controller string        `json:"controller"`
	Status     string        `json:"status"`
	Rows       int64         `json:"rows_found"`
	Shared     int64         `json:"rows_shared"`
	Exported   int64         `json:"rows_exported"`
	Erased     int64         `json:"rows_erased"`
	Kept       int64         `json:"rows_kept"`
	Files      int           `json:"files"`
	Mails      int           `json:"mails"`
	Took       milliseconds  `json:"milliseconds"`
	Findings   []findingJSON `json:"findings"`
}

type milliseconds int64

// limitOfStory is far above what a request takes; the demo must not hang.
const limitOfStory = time.Minute

// once plays one request of each kind and a sweep, and prints what happened.
func (d *demo) once(ctx context.Context, w *world, asJSON bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.app.serve(ctx, d.serving(func() { close(ready) })) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	stories, sweeps, err := d.play(ctx)
	cancel()
	if serr := <-ended; err == nil {
		err = serr
	}
	if err != nil {
		return err
	}
	if asJSON {
		list := []sweepJSON{}
		for _, s := range sweeps {
			list = append(list, sweepToJSON(s))
		}
		return printJSON(w.out, map[string]any{"requests": stories, "sweeps": list})
	}
	d.tell(w.out, stories, sweeps)
	return nil
}

func (d *demo) play(ctx context.Context) ([]story, []retention.Result, error) {
	people, err := sample.Pick(ctx, d.shop, 3)
	if err != nil {
		return nil, nil, err
	}
	kinds := []datamap.Kind{datamap.Access, datamap.Export, datamap.Erasure}
	if len(people) < len(kinds) {
		return nil, nil, errors.New("the shop has too few people with a mail address and a conversation")
	}
	subject, err := newVisitor(d.origin)
	if err != nil {
		return nil, nil, err
	}
	dpo, err := newVisitor(d.origin)
	if err != nil {
		return nil, nil, err
	}
	if _, err := dpo.post(ctx, strings.TrimPrefix(d.link, d.origin), nil); err != nil {
		return nil, nil, fmt.Errorf("sign in: %w", err)
	}
	var stories []story
	for i, kind := range kinds {
		s, err := d.request(ctx, kind, people[i], subject, dpo)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", kind, err)
		}
		stories = append(stories, s)
	}
	states, err := d.app.retention.States(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, rule := range states {
		if _, err := dpo.post(ctx, "/rules/"+url.PathEscape(rule.Name)+"/approve", nil); err != nil {
			return nil, nil, fmt.Errorf("approve rule %s: %w", rule.Name, err)
		}
	}
	sweeps, err := d.app.retention.Sweep(ctx, "staff:1", "", false, nil)
	return stories, sweeps, err
}

// request plays one request from the form to its end.
func (d *demo) request(ctx context.Context, kind datamap.Kind, p sample.Person, subject, dpo *visitor) (story, error) {
	ctx, cancel := context.WithTimeout(ctx, limitOfStory)
	defer cancel()
	began, before := time.Now(), len(d.box.Messages())
	key := d.controller(p)
	s := story{Kind: string(kind), Controller: key}
	if _, err := subject.post(ctx, "/c/"+key, url.Values{"kind": {string(kind)}, "identity.email": {p.Email}, "requester": {"self"}}); err != nil {
		return s, fmt.Errorf("the form: %w", err)
	}
	confirm, err := d.linkIn(ctx, before, p.Email, "/confirm/")
	if err != nil {
		return s, err
	}
	if err := subject.get(ctx, confirm); err != nil {
		return s, fmt.Errorf("the confirmation's page: %w", err)
	}
	if _, err := subject.post(ctx, confirm, nil); err != nil {
		return s, fmt.Errorf("the confirmation: %w", err)
	}
	list, _, err := d.app.requests.List(ctx, operator, dsar.Filter{Controller: key, Kind: kind, Limit: 1000})
	if err != nil || len(list) == 0 {
		return s, errors.Join(errors.New("the request is not in the list"), err)
	}
	id := list[0].ID
	if _, err := d.until(ctx, id, discovered); err != nil {
		return s, err
	}
	if _, err := dpo.post(ctx, fmt.Sprintf("/requests/%d/approve", id), url.Values{"rows": {}}); err != nil {
		return s, fmt.Errorf("the approval: %w", err)
	}
	if kind != datamap.Erasure {
		if s.Exported, s.Files, err = d.take(ctx, subject, before+1, p.Email); err != nil {
			return s, err
		}
	}
	q, err := d.until(ctx, id, func(q dsar.Request) bool { return q.Status == dsar.Fulfilled })
	if err != nil {
		return s, err
	}
	s.Status, s.Took = string(q.Status), milliseconds(time.Since(began).Milliseconds())
	s.Findings = findingsToJSON(q.Findings)
	for _, f := range q.Findings {
		s.Rows += f.Rows
		s.Shared += f.Shared
		s.Erased += f.Erased
		s.Kept += f.Masked + f.Held + f.Stays
	}
	if kind == datamap.Erasure {
		s.Kept += s.Shared
	}
	for _, m := range d.box.Messages()[before:] {
		if strings.EqualFold(m.To[0], p.Email) {
			s.Mails++
		}
	}
	return s, nil
}

// take downloads the archive by the link in the mail, and counts what is in it.
func (d *demo) take(ctx context.Context, subject *visitor, from int, email string) (rows int64, files int, err error) {
	link, err := d.linkIn(ctx, from, email, "/download/")
	if err != nil {
		return 0, 0, err
	}
	if err := subject.get(ctx, link); err != nil {
		return 0, 0, fmt.Errorf("the download's page: %w", err)
	}
	data, err := subject.post(ctx, link, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("the download: %w", err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return 0, 0, fmt.Errorf("the archive: %w", err)
	}
	for _, f := range z.File {
		files++
		if path.Ext(f.Name) != ".json" || !strings.HasPrefix(f.Name, "data/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return 0, 0, fmt.Errorf("the archive: %w", err)
		}
		var list []map[string]any
		err = json.NewDecoder(r).Decode(&list)
		_ = r.Close()
		if err != nil {
			return 0, 0, fmt.Errorf("the archive: %s: %w", f.Name, err)
		}
		rows += int64(len(list))
	}
	return rows, files, nil
}

// linkIn waits for a mail to an address after the first ones, and returns the
// path of the link in it.
func (d *demo) linkIn(ctx context.Context, after int, email, prefix string) (string, error) {
	pattern := regexp.MustCompile(regexp.QuoteMeta(d.origin) + `(` + regexp.QuoteMeta(prefix) + `[A-Za-z0-9_-]+)`)
	seen := 0
	m, err := d.box.Wait(ctx, func(m mailbox.Message) bool {
		seen++
		return seen > after && strings.EqualFold(m.To[0], email) && pattern.MatchString(m.Text)
	})
	if err != nil {
		return "", fmt.Errorf("no mail with a link to %s… came", prefix)
	}
	return pattern.FindStringSubmatch(m.Text)[1], nil
}

// until waits for a request to get somewhere.
func (d *demo) until(ctx context.Context, id int64, there func(dsar.Request) bool) (dsar.Request, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		q, err := d.app.requests.Get(ctx, operator, id)
		if err == nil && there(q) {
			return q, nil
		}
		select {
		case <-ctx.Done():
			return q, fmt.Errorf("request %d did not get on: it is %s. %s", id, words(q.Status), q.Waiting)
		case <-tick.C:
		}
	}
}

// visitor is a person's browser, without a screen.
type visitor struct {
	client *http.Client
	origin string
}

func newVisitor(origin string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &visitor{client: &http.Client{Jar: jar, Timeout: limitOfStory}, origin: origin}, nil
}

func (v *visitor) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.origin+path, nil)
	if err != nil {
		return err
	}
	_, err = v.do(req)
	return err
}

func (v *visitor) post(ctx context.Context, path string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.origin)
	return v.do(req)
}

func (v *visitor) do(req *http.Request) ([]byte, error) {
	res, err := v.client.Do(req)
	if err != nil {
		return nil, errors.New("no answer")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", res.StatusCode)
	}
	return body, nil
}

// tell prints the summary.
func (d *demo) tell(out io.Writer, stories []story, sweeps []retention.Result) {
	fmt.Fprintf(out, "A shop's live chat: %s, %s, %s, %s.\n\n", plural(d.loaded["contacts"], "contact", "contacts"),
		plural(d.loaded["visits"], "visit", "visits"), plural(d.loaded["conversations"], "conversation", "conversations"),
		plural(d.loaded["identifiers"], "identifier", "identifiers"))
	fmt.Fprintln(out, "Three people filled in the form, confirmed by the link in the mail, and the DPO approved:")
	t := newTable(out, "request", "controller", "found", "exported", "erased", "kept", "mails", "took", "")
	for _, s := range stories {
		note := fmt.Sprintf("a ZIP of %d files, downloaded by the link in the mail", s.Files)
		if s.Kind == string(datamap.Erasure) {
			note = "nothing of the person was found afterwards"
			if s.Kept > 0 {
				note = "what is kept is shared with others, or held"
			}
		}
		t.row(s.Kind, s.Controller, s.Rows, s.Exported, s.Erased, s.Kept, s.Mails, fmt.Sprintf("%d ms", s.Took), note)
	}
	t.flush()
	fmt.Fprintln(out, "\nThen the DPO approved the retention rules, and they ran:")
	printSweeps(out, sweeps, false)
	var changed int64
	for _, s := range sweeps {
		changed += s.Deleted
	}
	fmt.Fprintf(out, "\n%s changed: past their lifetime, without a consent, or not to be kept at all.\nlethe demo serves all this, to click through.\n", plural(changed, "row", "rows"))
}
