package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// operator is whoever may run commands beside the key file. All who can are one
// person to the brake on large erasures: their names on this machine prove
// nothing, so the second approval comes from the console.
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
	Desk     requestDeskCmd     `cmd:"" help:"Answer for the owner of a source, send the link again, or skip it."`
	Mentions requestMentionsCmd `cmd:"" help:"Where the person stands in other people's text."`
	Mention  requestMentionCmd  `cmd:"" help:"Decide about mentions: redact, delete or leave."`
	Kept     requestKeptCmd     `cmd:"" help:"What an erasure left, until when and why."`
	Letter   requestLetterCmd   `cmd:"" help:"The words of a letter that could not be mailed."`
	Archive  requestArchiveCmd  `cmd:"" help:"Take the archive to hand it over, on the record."`
}

// fieldsOf reads --field.
func fieldsOf(pairs []string) (map[string]string, error) {
	fields := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		name, value, ok := cut(pair, "=")
		if !ok {
			return nil, wrongUse("--field takes NAME=VALUE, such as tenant=bota")
		}
		fields[name] = value
	}
	return fields, nil
}

// identityFlags are how a person is named on the command line.
type identityFlags struct {
	Email    []string `placeholder:"ADDRESS" sep:"none" help:"Mail address."`
	Phone    []string `placeholder:"NUMBER" sep:"none" help:"Telephone number; without +, one of the controller's country."`
	Visitor  []string `placeholder:"ID" sep:"none" help:"Visitor's identifier."`
	Identity []string `placeholder:"TYPE=VALUE" sep:"none" help:"Any identity type of the data map."`
	Row      []string `placeholder:"COLLECTION:KEY" sep:"none" help:"A row that you picked yourself, such as livechat.contacts:1."`
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
	for _, row := range f.Row {
		ids = append(ids, dsar.Identity{Type: datamap.Row, Value: row})
	}
	if len(ids) == 0 {
		return nil, wrongUse("say who it is about: --email, --phone, --visitor, --identity TYPE=VALUE or --row COLLECTION:KEY")
	}
	return ids, nil
}

// cut splits a pair; neither half may be empty.
func cut(s, sep string) (string, string, bool) {
	a, b, ok := strings.Cut(s, sep)
	return a, b, ok && a != "" && b != ""
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
	if c.Controller != "" && !slices.Contains(controllerKeys(a), c.Controller) {
		return wrongUse("there is no controller %s in the configuration: --controller %s", c.Controller, strings.Join(controllerKeys(a), "|"))
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
			out = append(out, listedJSON(q))
		}
		return printJSON(w.out, map[string]any{"requests": out, "total": total})
	}
	t := newTable(w.out, "id", "due on", "kind", "controller", "status", "received", "waits for")
	t.none = "No such request."
	if c.Status == "" {
		t.none = "No open request; --status all lists those that have ended, too."
	}
	for _, q := range list {
		t.row(q.ID, day(q.DueOn), q.Kind, q.Controller, words(q.Status), day(q.ReceivedAt), strings.TrimSpace(q.Waiting+" "+q.Delayed))
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
