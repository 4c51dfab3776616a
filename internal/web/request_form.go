package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// identityField is the name of the field of an identity type.
const identityField = "identity."

// narrowField begins the name of the field of a custom_request_field.
const narrowField = "field."

// The choices of the forms for requests.
var (
	kindOptions = []option{
		{Value: string(datamap.Access), Label: "Access", Hint: "A copy of the data, and what is done with them (Art. 15)"},
		{Value: string(datamap.Export), Label: "Export", Hint: "The data that the person provided, for use elsewhere (Art. 20)"},
		{Value: string(datamap.Erasure), Label: "Erasure", Hint: "The data are deleted, but for what a law keeps (Art. 17)"},
	}
	requesterOptions = []option{
		{Value: "self", Label: "The person themselves"},
		{Value: "parent", Label: "A parent"},
		{Value: "guardian", Label: "A guardian"},
		{Value: "lawyer", Label: "A lawyer"},
		{Value: "agent", Label: "Somebody else, with a mandate"},
	}
	deliveryOptions = []option{
		{Value: "", Label: "As the controller usually does"},
		{Value: "link", Label: "By a link that expires"},
		{Value: "attachment", Label: "Attached to the mail"},
		{Value: "hand", Label: "Handed over in person or by post"},
	}
)

// requestFields are the fields of the DPO's form, in the page's order.
func (s *server) requestFields() []string {
	names := []string{"controller", "kind", "policy"}
	for _, t := range s.Identities {
		names = append(names, identityField+t)
	}
	names = append(names, "rows")
	for _, n := range s.Fields {
		names = append(names, narrowField+n.Name)
	}
	return append(names, "requester", "requester_name", "requester_address", "mandate", "received", "delivery", "verified")
}

// askFields are those of a subject's form.
func (s *server) askFields() []string {
	names := []string{"kind"}
	for _, t := range s.Identities {
		names = append(names, identityField+t)
	}
	return append(names, "requester", "requester_name", "requester_address")
}

// submission reads what both forms have in common. What it leaves unchecked
// (is this an address?) the service checks: the rules are its own.
func (s *server) submission(f *form, controller, channel string) dsar.Submission {
	sub := dsar.Submission{Controller: controller, Kind: datamap.Kind(f.text("kind")), Channel: channel}
	switch sub.Kind {
	case datamap.Access, datamap.Export, datamap.Erasure:
	default:
		f.wrong("kind", "Choose what is asked for.")
	}
	for _, t := range s.Identities {
		if v := f.text(identityField + t); v != "" {
			f.atMost(identityField+t, 300)
			sub.Identities = append(sub.Identities, dsar.Identity{Type: t, Value: v})
		}
	}
	if channel == "console" {
		sub.Policy = s.chosenPolicy(f, sub.Kind)
		sub.Identities = append(sub.Identities, s.pickedRows(f)...)
	}
	if len(sub.Identities) == 0 && len(s.Identities) > 0 && f.Problem("rows") == "" {
		f.wrong(identityField+s.Identities[0], "Fill in at least one of these: without any, nobody can be found.")
	}
	sub.Requester.As = f.text("requester")
	if sub.Requester.As == "" {
		sub.Requester.As = "self"
	}
	if sub.Requester.As != "self" {
		sub.Requester.Name = f.need("requester_name", "Say who asks: their name is needed where it is not the person themselves.", 200)
		sub.Requester.Address = f.need("requester_address", "Say where they can be reached: their e-mail address is needed.", 254)
	}
	return sub
}

// staffSubmission reads the DPO's form.
func (s *server) staffSubmission(f *form, own []dsar.Controller) dsar.Submission {
	sub := s.submission(f, f.text("controller"), "console")
	var c *dsar.Controller
	for i := range own {
		if own[i].Key == sub.Controller {
			c = &own[i]
		}
	}
	if c == nil {
		f.wrong("controller", "Choose whose data they are.")
	}
	sub.Requester.Mandate = f.text("mandate")
	f.atMost("mandate", 300)
	sub.Delivery = f.text("delivery")
	sub.Verified = f.text("verified")
	f.atMost("verified", 300)
	sub.Fields = s.narrowed(f)
	if day := f.text("received"); day != "" {
		sub.ReceivedAt = s.receivedOn(f, day, c)
	}
	return sub
}

// receivedOn turns the day on which a request reached the controller into an
// instant: noon where the controller sits, so that it is that day there. Today is now.
func (s *server) receivedOn(f *form, typed string, c *dsar.Controller) time.Time {
	where := time.UTC
	if c != nil && c.Location != nil {
		where = c.Location
	}
	d, err := time.Parse(time.DateOnly, typed)
	if err != nil {
		f.wrong("received", "Write the day as year-month-day, like 2026-11-24.")
		return time.Time{}
	}
	now := s.Now().In(where)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch {
	case d.After(today):
		f.wrong("received", "This day has not come yet: a request counts from the day it reached the controller.")
	case d.Before(today.AddDate(-3, 0, 0)):
		f.wrong("received", "This day is more than three years ago.")
	case d.Equal(today):
		return now.UTC()
	}
	return time.Date(d.Year(), d.Month(), d.Day(), 12, 0, 0, 0, where).UTC()
}

// renames gives the forms' names for the names that the service uses for the
// same things: "identities.0" is the field of the first identity given,
// "identities.email" or "email" that of its type.
func (s *server) renames(sub dsar.Submission) func(string) string {
	return func(name string) string {
		if rest, ok := strings.CutPrefix(name, "fields."); ok {
			return narrowField + rest
		}
		name = strings.NewReplacer("[", ".", "]", "", "-", "_").Replace(strings.ToLower(name))
		for _, prefix := range []string{"identities.", "identity."} {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			if i, err := strconv.Atoi(rest); err == nil && i >= 0 && i < len(sub.Identities) {
				if sub.Identities[i].Type == datamap.Row {
					return "rows"
				}
				return identityField + sub.Identities[i].Type
			}
			return identityField + rest
		}
		switch name {
		case datamap.Row:
			return "rows"
		case "identities", "identity":
			if len(sub.Identities) > 0 && sub.Identities[0].Type != datamap.Row {
				return identityField + sub.Identities[0].Type
			}
			return identityField + s.Identities[0]
		case "received_at":
			return "received"
		case "requester.as", "requester_as", "as":
			return "requester"
		case "requester.name", "name":
			return "requester_name"
		case "requester.address", "address":
			return "requester_address"
		case "requester.mandate", "requester_mandate":
			return "mandate"
		}
		for _, t := range s.Identities {
			if name == t {
				return identityField + t
			}
		}
		return name
	}
}

// controllerOptions are the controllers to choose from.
func controllerOptions(list []dsar.Controller) []option {
	out := make([]option, 0, len(list))
	for _, c := range list {
		label := c.Name
		if label == "" {
			label = c.Key
		}
		out = append(out, option{Value: c.Key, Label: label})
	}
	return out
}

// identityInputs are the fields of the identity types, with how each is typed.
func (s *server) identityInputs(f *form) []field {
	var list []field
	for _, t := range s.Identities {
		in := field{Form: f, Name: identityField + t, Label: identityWord(t), Type: "text", Required: true}
		switch {
		case t == "email":
			in.Type, in.Autocomplete = "text", "email" // text: what was typed wrongly comes back with a sentence, not a browser's bubble
		case t == "phone":
			in.Type, in.Autocomplete = "tel", "tel"
			in.Hint = "Best with the country's code, like +420 601 123 456."
		case slices.Contains(s.Browser, t):
			in.Hint = fmt.Sprintf("The %s as it stands in the browser.", strings.ToLower(identityWord(t)))
		}
		list = append(list, in)
	}
	return list
}
