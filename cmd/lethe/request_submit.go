package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/retention"
)

type requestSubmitCmd struct {
	identityFlags
	Kind       string        `enum:",access,export,erasure" default:"" help:"access, export or erasure."`
	Controller string        `help:"Whose data; may be left out where there is one controller."`
	Policy     string        `help:"A policy of the configuration; the built-in one of the kind unless set."`
	Received   string        `placeholder:"DATE" help:"The day it reached the controller; today unless set."`
	Verified   string        `placeholder:"HOW" help:"How you verified that the identities are the person's; without it, a link is mailed to the address on record."`
	Delivery   string        `enum:",link,attachment,hand" default:"" help:"link, attachment or hand; the controller's way unless set."`
	As         string        `enum:"self,parent,guardian,lawyer,agent" default:"self" help:"Who asks: self, parent, guardian, lawyer or agent."`
	Name       string        `help:"Name of a requester other than the person."`
	Address    string        `help:"Mail address of that requester."`
	Mandate    string        `help:"The mandate you saw: \"power of attorney of 3 May 2026\"."`
	Field      []string      `placeholder:"NAME=VALUE" sep:"none" help:"A custom_request_field of the data map: only rows that hold the value."`
	From       string        `placeholder:"FILE" help:"Many at once: a CSV file with a line each, or - for standard input."`
	After      int           `placeholder:"LINE" help:"With --from: go on after this line of the file."`
	Approve    bool          `help:"Approve at once, when nothing has to be decided."`
	Rows       []string      `sep:"none" placeholder:"COLLECTION:KEY" help:"With --approve: rows to tick, or all."`
	Wait       bool          `help:"Return when the request is done, or waits for a person (exit status 3)."`
	Timeout    time.Duration `default:"5m" help:"How long --approve and --wait wait; with --from, for all that do not get on together."`
	JSON       bool          `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestSubmitCmd) Help() string {
	return `Examples:
  lethe request submit --kind access --controller bota --email a@b.example
  lethe request submit --kind erasure --controller bota --email a@b.example --verified "passport seen" --approve --wait --json
  lethe request submit --kind erasure --policy names-only --row shop.people:17 --verified "contract seen"
  lethe request submit --from inbox.csv --kind erasure --controller bota --verified "signed letters, seen by J. Novak" --approve

The first line of a --from file names its columns: kind, controller, policy, received, verified, delivery, as, name, address and
mandate, as the flags of the same names, identity types of the data map (email, phone, visitor, …), and field:NAME for each custom_request_field of
the map that narrows a line. Cells are parted by commas, or all by semicolons. A flag fills the cells that are empty, --field NAME=VALUE those of
field:NAME, and of every line where there is no such column. Every line is checked before the first is taken in: if one is wrong, nothing is done.`
}

// Run submits.
func (c *requestSubmitCmd) Run(ctx context.Context, w *world, cli *commands) error {
	fields, err := fieldsOf(c.Field)
	if err != nil {
		return err
	}
	if c.From != "" {
		return c.many(ctx, w, cli, fields)
	}
	ids, err := c.list()
	if err != nil {
		return err
	}
	if c.Kind == "" {
		return wrongUse("say what is asked for: --kind access, export or erasure")
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
	sub := dsar.Submission{
		Controller: c.Controller, Kind: datamap.Kind(c.Kind), Policy: c.Policy, Identities: ids, Delivery: c.Delivery, Channel: "cli", Verified: c.Verified,
		Requester: dsar.Requester{As: c.As, Name: c.Name, Address: c.Address, Mandate: c.Mandate}, Fields: fields,
	}
	if sub.Controller, err = a.controllerOr(sub.Controller); err != nil {
		return err
	}
	if c.Received != "" {
		sub.ReceivedAt = a.receivedOn(c.Received, sub.Controller)
	}
	got, err := a.requests.Submit(ctx, operator, sub)
	if err != nil {
		return asMisuse(err)
	}
	id := got.ID
	var waits error
	if got.Joined && got.Into != 0 {
		id = got.Into
		fmt.Fprintf(w.err, "lethe: this person has asked for the same already: request %d took the new one in, and the earlier deadline counts\n", id)
		waits = a.elsewise(ctx, w, id, sub, c.Approve)
	}
	if (c.Approve || c.Wait) && waits == nil {
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

// elsewise says where a request that took this one in goes another way than was
// asked for here: then nobody approves it by the way.
func (a *app) elsewise(ctx context.Context, w *world, id int64, sub dsar.Submission, approve bool) error {
	q, err := a.requests.Get(ctx, operator, id)
	if err != nil || sub.Delivery == "" || q.Delivery == sub.Delivery {
		return err
	}
	if !approve {
		fmt.Fprintf(w.err, "lethe: request %d is answered by %s, not by %s as asked for here\n", id, q.Delivery, sub.Delivery)
		return nil
	}
	return doneInPart("request %d is answered by %s, not by %s as asked for here, and was not approved: lethe request approve %d does so, or lethe request refuse %d, and submit anew", id, q.Delivery, sub.Delivery, id, id)
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

// controllerOr is the controller that was given, or the only one.
func (a *app) controllerOr(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if len(a.cfg.Controllers) != 1 {
		return "", wrongUse("say whose data it is: --controller %s", strings.Join(controllerKeys(a), "|"))
	}
	return a.cfg.Controllers[0].Key, nil
}

func controllerKeys(a *app) []string {
	var keys []string
	for _, c := range a.cfg.Controllers {
		keys = append(keys, c.Key)
	}
	return keys
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
