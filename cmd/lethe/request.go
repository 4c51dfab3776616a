package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/retention"
)

// operator is whoever may run commands beside the key file.
var operator = dsar.Actor{Name: "operator", All: true}

type requestCmd struct {
	Submit   requestSubmitCmd   `cmd:"" help:"Take a request in."`
	List     requestListCmd     `cmd:"" help:"Requests by the day they are due."`
	Show     requestShowCmd     `cmd:"" help:"One request in full."`
	Verify   requestVerifyCmd   `cmd:"" help:"Prove an identity by your own word."`
	Approve  requestApproveCmd  `cmd:"" help:"Let the work begin."`
	Refuse   requestRefuseCmd   `cmd:"" help:"Refuse, with reasons (Art. 12(4))."`
	Extend   requestExtendCmd   `cmd:"" help:"Extend by two months, with reasons (Art. 12(3))."`
	Withdraw requestWithdrawCmd `cmd:"" help:"End a request on the person's word."`
	Retry    requestRetryCmd    `cmd:"" help:"Put failed steps and letters back to work."`
	Archive  requestArchiveCmd  `cmd:"" help:"Take the archive to hand it over, on the record."`
}

// identityFlags are how a person is named on the command line.
type identityFlags struct {
	Email    []string `placeholder:"ADDRESS" sep:"none" help:"Mail address."`
	Phone    []string `placeholder:"NUMBER" sep:"none" help:"Telephone number; without +, one of the controller's country."`
	Visitor  []string `placeholder:"ID" sep:"none" help:"Visitor's identifier."`
	Identity []string `placeholder:"TYPE=VALUE" sep:"none" help:"Any identity type of the data map."`
}

func (f identityFlags) list() ([]dsar.Identity, error) {
	var ids []dsar.Identity
	for _, group := range []struct {
		kind   string
		values []string
	}{{"email", f.Email}, {"phone", f.Phone}, {"visitor", f.Visitor}} {
		for _, v := range group.values {
			ids = append(ids, dsar.Identity{Type: group.kind, Value: v})
		}
	}
	for _, pair := range f.Identity {
		kind, value, ok := cut(pair, "=")
		if !ok {
			return nil, wrongUse("--identity takes TYPE=VALUE, such as email=a@b.example")
		}
		ids = append(ids, dsar.Identity{Type: kind, Value: value})
	}
	if len(ids) == 0 {
		return nil, wrongUse("say who it is about: --email, --phone, --visitor or --identity TYPE=VALUE")
	}
	return ids, nil
}

// cut splits a pair; neither half may be empty.
func cut(s, sep string) (string, string, bool) {
	a, b, ok := strings.Cut(s, sep)
	return a, b, ok && a != "" && b != ""
}

type requestSubmitCmd struct {
	identityFlags
	Kind       string        `required:"" enum:"access,export,erasure" help:"access, export or erasure."`
	Controller string        `help:"Whose data; may be left out where there is one controller."`
	Policy     string        `help:"A policy of the configuration; the built-in one of the kind unless set."`
	Received   string        `placeholder:"DATE" help:"The day it reached the controller; today unless set."`
	Verified   string        `placeholder:"HOW" help:"How you verified that the identities are the person's; without it, a link is mailed to the address on record."`
	Delivery   string        `enum:",link,attachment,hand" default:"" help:"link, attachment or hand; the controller's way unless set."`
	As         string        `enum:"self,parent,guardian,lawyer,agent" default:"self" help:"Who asks: self, parent, guardian, lawyer or agent."`
	Name       string        `help:"Name of a requester other than the person."`
	Address    string        `help:"Mail address of that requester."`
	Mandate    string        `help:"The mandate you saw: \"power of attorney of 3 May 2026\"."`
	Approve    bool          `help:"Approve at once, when nothing has to be decided."`
	Rows       []string      `sep:"none" placeholder:"COLLECTION:KEY" help:"With --approve: rows to tick, or all."`
	Wait       bool          `help:"Return when the request is done, or waits for a person (exit status 3)."`
	Timeout    time.Duration `default:"5m" help:"How long --wait waits."`
	JSON       bool          `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestSubmitCmd) Help() string {
	return `Examples:
  lethe request submit --kind access --controller bota --email a@b.example
  lethe request submit --kind erasure --controller bota --email a@b.example --verified "passport seen" --approve --wait --json`
}

// Run submits.
func (c *requestSubmitCmd) Run(ctx context.Context, w *world, cli *commands) error {
	ids, err := c.list()
	if err != nil {
		return err
	}
	sub := dsar.Submission{
		Controller: c.Controller, Kind: datamap.Kind(c.Kind), Policy: c.Policy, Identities: ids, Delivery: c.Delivery, Channel: "cli", Verified: c.Verified,
		Requester: dsar.Requester{As: c.As, Name: c.Name, Address: c.Address, Mandate: c.Mandate},
	}
	if c.Received != "" {
		if _, err = time.Parse(time.DateOnly, c.Received); err != nil {
			return wrongUse("--received takes a day such as 2026-11-24")
		}
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if sub.Controller == "" {
		if len(a.cfg.Controllers) != 1 {
			return wrongUse("say whose data it is: --controller %s", controllerKeys(a))
		}
		sub.Controller = a.cfg.Controllers[0].Key
	}
	if c.Received != "" {
		sub.ReceivedAt = a.receivedOn(c.Received, sub.Controller)
	}
	got, err := a.requests.Submit(ctx, operator, sub)
	if err != nil {
		return asMisuse(err)
	}
	id := got.ID
	if got.Joined && got.Into != 0 {
		id = got.Into
		fmt.Fprintf(w.err, "lethe: this person has asked for the same already: request %d took the new one in, and the earlier deadline counts\n", id)
	}
	var waits error
	if c.Approve || c.Wait {
		waits = a.follow(ctx, w, id, following{approve: c.Approve, rows: c.Rows, toTheEnd: c.Wait, limit: c.Timeout})
		if waits != nil && !isPart(waits) {
			return waits
		}
	}
	if err := a.printRequest(ctx, w, id, c.JSON); err != nil {
		return err
	}
	return waits
}

// receivedOn is noon of a day where the controller sits, so that it is that day
// there, whatever the zone; today is now. The day is one that was parsed.
func (a *app) receivedOn(day, controller string) time.Time {
	where := time.UTC
	for _, c := range a.controllersInOrder() {
		if c.Key == controller && c.Location != nil {
			where = c.Location
		}
	}
	now := a.now().In(where)
	if now.Format(time.DateOnly) == day {
		return now.UTC()
	}
	d, _ := time.ParseInLocation(time.DateOnly, day, where)
	return d.Add(12 * time.Hour).UTC()
}

func controllerKeys(a *app) string {
	var keys []string
	for _, c := range a.cfg.Controllers {
		keys = append(keys, c.Key)
	}
	return strings.Join(keys, "|")
}

// asMisuse: a form that was filled in wrongly is wrong use.
func asMisuse(err error) error {
	var invalid *dsar.Invalid
	var hold *retention.HoldProblem
	if errors.As(err, &invalid) || errors.As(err, &hold) || errors.Is(err, retention.ErrHoldForm) || errors.Is(err, retention.ErrNoRule) {
		return &exitError{misuse, err}
	}
	return err
}

func isPart(err error) bool {
	var e *exitError
	return errors.As(err, &e) && e.status == inPart
}

// following says how far a request is followed.
type following struct {
	approve, toTheEnd bool
	rows              []string
	limit             time.Duration
}

// follow approves a request when its findings are there, and waits for its end
// or until it waits for a person.
func (a *app) follow(ctx context.Context, w *world, id int64, f following) error {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	hinted, began := false, a.now()
	for {
		q, err := a.requests.Get(ctx, operator, id)
		if err != nil && ctx.Err() == nil {
			return err
		}
		switch {
		case err != nil:
		case q.Status == dsar.Fulfilled || q.Status == dsar.Refused || q.Status == dsar.Withdrawn || q.Status == dsar.Lapsed:
			return nil
		case f.approve && q.Status == dsar.InReview && q.ApprovedAt.IsZero() && discovered(q):
			switch err := a.requests.Approve(ctx, operator, id, dsar.Approval{Rows: f.rows}); {
			case errors.Is(err, dsar.ErrRows):
				return doneInPart("request %d waits for you: %w", id, err)
			case err != nil:
				return err
			}
			if !f.toTheEnd {
				return nil
			}
			continue
		case q.Waiting != "":
			return doneInPart("request %d: %s", id, q.Waiting)
		case !f.toTheEnd && !f.approve:
			return nil
		}
		if !hinted && a.now().Sub(began) > 10*time.Second && untouched(q) {
			hinted = true
			fmt.Fprintln(w.err, "lethe: nobody has begun to work on it yet; does lethe serve or lethe work run?")
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return doneInPart("request %d is not done after %s; it goes on, see lethe request show %d", id, f.limit, id)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func discovered(q dsar.Request) bool {
	some := false
	for _, s := range q.Steps {
		if s.Stage == "discover" {
			some = true
			if s.Status != "done" {
				return false
			}
		}
	}
	return some
}

func untouched(q dsar.Request) bool {
	for _, s := range q.Steps {
		if !s.StartedAt.IsZero() {
			return false
		}
	}
	return true
}

type requestListCmd struct {
	Controller string `help:"Of one controller only."`
	Status     string `help:"Of one status only, or all; the open ones unless set."`
	Kind       string `help:"Of one kind only."`
	Limit      int    `default:"100" help:"At most so many."`
	JSON       bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestListCmd) Help() string {
	return "Example:\n  lethe request list --status all --json"
}

// Run lists.
func (c *requestListCmd) Run(ctx context.Context, w *world, cli *commands) error {
	statuses := []string{string(dsar.Received), string(dsar.InReview), string(dsar.Running),
		string(dsar.Fulfilled), string(dsar.Refused), string(dsar.Withdrawn), string(dsar.Lapsed), "all"}
	kinds := []string{string(datamap.Access), string(datamap.Export), string(datamap.Erasure)}
	switch {
	case c.Status != "" && !slices.Contains(statuses, c.Status):
		return wrongUse("--status takes one of %s", strings.Join(statuses, ", "))
	case c.Kind != "" && !slices.Contains(kinds, c.Kind):
		return wrongUse("--kind takes one of %s", strings.Join(kinds, ", "))
	case c.Limit < 1:
		return wrongUse("--limit takes a number from 1")
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if c.Controller != "" && !strings.Contains("|"+controllerKeys(a)+"|", "|"+c.Controller+"|") {
		return wrongUse("there is no controller %s in the configuration: --controller %s", c.Controller, controllerKeys(a))
	}
	f := dsar.Filter{Controller: c.Controller, Kind: datamap.Kind(c.Kind), Limit: c.Limit, All: c.Status == "all"}
	if c.Status != "" && c.Status != "all" {
		f.Statuses = []dsar.Status{dsar.Status(c.Status)}
	}
	list, total, err := a.requests.List(ctx, operator, f)
	if err != nil {
		return err
	}
	if c.JSON {
		out := []requestJSON{}
		for _, q := range list {
			out = append(out, requestToJSON(q))
		}
		return printJSON(w.out, map[string]any{"requests": out, "total": total})
	}
	t := newTable(w.out, "id", "due on", "kind", "controller", "status", "received", "waits for")
	for _, q := range list {
		t.row(q.ID, day(q.DueOn), q.Kind, q.Controller, q.Status, day(q.ReceivedAt), q.Waiting)
	}
	t.flush()
	if total > len(list) {
		fmt.Fprintf(w.err, "%d of %d; --limit shows more.\n", len(list), total)
	}
	return nil
}

type requestShowCmd struct {
	ID   int64 `arg:"" help:"The request's number."`
	JSON bool  `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestShowCmd) Help() string { return "Example:\n  lethe request show 17 --json" }

// Run shows.
func (c *requestShowCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	return a.printRequest(ctx, w, c.ID, c.JSON)
}

// change runs one decision and says what became of the request.
func change(ctx context.Context, w *world, cli *commands, id int64, f func(*app) error) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := f(a); err != nil {
		return asMisuse(err)
	}
	q, err := a.requests.Get(ctx, operator, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.out, strings.TrimSpace(fmt.Sprintf("Request %d is %s. %s", id, words(q.Status), q.Waiting)))
	return nil
}

func words(s dsar.Status) string { return strings.ReplaceAll(string(s), "_", " ") }

type requestVerifyCmd struct {
	ID       int64  `arg:"" help:"The request's number."`
	Identity int64  `required:"" help:"The identity's number (request show)."`
	How      string `required:"" help:"How you know: \"passport seen at the counter\"."`
}

// Help is the longer text of -h.
func (requestVerifyCmd) Help() string {
	return "Example:\n  lethe request verify 17 --identity 21 --how \"called back on the number in the contract\""
}

// Run verifies.
func (c *requestVerifyCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Verify(ctx, operator, c.ID, c.Identity, c.How) })
}

type requestApproveCmd struct {
	ID            int64    `arg:"" help:"The request's number."`
	Rows          []string `sep:"none" placeholder:"COLLECTION:KEY" help:"Rows to tick where they disagree on the person, or all. May be repeated."`
	IncludeShared bool     `help:"Give rows that others use, too (access and export)."`
}

// Help is the longer text of -h.
func (requestApproveCmd) Help() string {
	return "Examples:\n  lethe request approve 17\n  lethe request approve 17 --rows livechat.contacts:1\n  lethe request approve 17 --rows all"
}

// Run approves.
func (c *requestApproveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error {
		return a.requests.Approve(ctx, operator, c.ID, dsar.Approval{Rows: c.Rows, IncludeShared: c.IncludeShared})
	})
}

type requestRefuseCmd struct {
	ID     int64  `arg:"" help:"The request's number."`
	Reason string `required:"" help:"The reasons, as the person will read them."`
}

// Help is the longer text of -h.
func (requestRefuseCmd) Help() string {
	return "Example:\n  lethe request refuse 17 --reason \"We could not find out who you are, and you did not answer our question.\""
}

// Run refuses.
func (c *requestRefuseCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Refuse(ctx, operator, c.ID, c.Reason) })
}

type requestExtendCmd struct {
	ID     int64  `arg:"" help:"The request's number."`
	Reason string `required:"" help:"The reasons, as the person will read them."`
}

// Help is the longer text of -h.
func (requestExtendCmd) Help() string {
	return "Example:\n  lethe request extend 17 --reason \"Your request concerns nine years of conversations.\""
}

// Run extends.
func (c *requestExtendCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Extend(ctx, operator, c.ID, c.Reason) })
}

type requestWithdrawCmd struct {
	ID int64 `arg:"" help:"The request's number."`
}

// Help is the longer text of -h.
func (requestWithdrawCmd) Help() string { return "Example:\n  lethe request withdraw 17" }

// Run withdraws.
func (c *requestWithdrawCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Withdraw(ctx, operator, c.ID) })
}

type requestRetryCmd struct {
	ID      int64         `arg:"" help:"The request's number."`
	Wait    bool          `help:"Return when the request is done, or waits for a person (exit status 3)."`
	Timeout time.Duration `default:"5m" help:"How long --wait waits."`
}

// Help is the longer text of -h.
func (requestRetryCmd) Help() string { return "Example:\n  lethe request retry 17 --wait" }

// Run retries.
func (c *requestRetryCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return change(ctx, w, cli, c.ID, func(a *app) error {
		if err := a.requests.Retry(ctx, operator, c.ID); err != nil || !c.Wait {
			return err
		}
		return a.follow(ctx, w, c.ID, following{toTheEnd: true, limit: c.Timeout})
	})
}

type requestArchiveCmd struct {
	ID    int64  `arg:"" help:"The request's number."`
	Out   string `required:"" type:"path" placeholder:"FILE" help:"Where to write the ZIP; it must not be there yet."`
	Draft bool   `help:"The archive as it would be now, before approval; not handed over."`
}

// Help is the longer text of -h.
func (requestArchiveCmd) Help() string {
	return `Writes the archive to a file that only you can read, to be handed over in person or by post; that you took it stands in the record. With delivery "hand" this fulfils the request.

Example:
  lethe request archive 17 --out request-17.zip
  lethe request archive 17 --draft --out draft.zip`
}

// Run writes the archive.
func (c *requestArchiveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the file cannot be made: %w", err)
	}
	take := a.requests.HandOver
	if c.Draft {
		take = a.requests.Draft
	}
	err = take(ctx, operator, c.ID, io.Writer(f))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(c.Out)
		return err
	}
	fmt.Fprintf(w.out, "Wrote %s.\n", c.Out)
	return nil
}
