package web

import (
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/retention"
)

// What a hold may be about.
const (
	holdIdentity   = "identity"
	holdRow        = "row"
	holdCollection = "collection"
)

var holdOptions = []option{
	{Value: holdIdentity, Label: "Everything of one person", Hint: "All rows that an identity of theirs leads to"},
	{Value: holdRow, Label: "One row", Hint: "A single row, by its key"},
	{Value: holdCollection, Label: "A whole collection", Hint: "All of the controller's rows of it"},
}

var holdFields = []string{"controller", "about", "type", "value", "collection", "key", "reason", "until"}

// holdOf reads the form for a hold.
func (s *server) holdOf(f *form, own []dsar.Controller) retention.Hold {
	h := retention.Hold{Controller: f.text("controller")}
	if !slices.ContainsFunc(own, func(c dsar.Controller) bool { return c.Key == h.Controller }) {
		f.wrong("controller", "Choose whose data they are.")
	}
	switch f.text("about") {
	case holdIdentity:
		h.Type = f.text("type")
		if !slices.Contains(s.Identities, h.Type) {
			f.wrong("type", "Choose what kind of identity it is.")
		}
		h.Value = f.need("value", "Fill in the address, number or identifier.", 300)
		if !f.Bad() { // the service normalises it; here its sentence is wanted beside the field
			if _, err := datamap.Normalise(h.Type, h.Value, s.controllers[h.Controller].Country); err != nil {
				f.wrong("value", capital(err.Error())+".")
			}
		}
	case holdRow:
		h.Collection = s.collectionOf(f)
		h.Value = f.need("key", "Fill in the row's key.", 300)
	case holdCollection:
		h.Collection = s.collectionOf(f)
	default:
		f.wrong("about", "Choose what shall be held.")
	}
	h.Reason = f.need("reason", "Say why: a hold without a reason cannot be judged later.", 500)
	if strings.Contains(h.Reason, "@") || len(h.Value) > 3 && strings.Contains(strings.ToLower(h.Reason), strings.ToLower(h.Value)) {
		f.wrong("reason", "Leave the person's address or number out: the reason stays on the record.")
	}
	if until := f.text("until"); until != "" {
		d, err := time.Parse(time.DateOnly, until)
		switch {
		case err != nil:
			f.wrong("until", "Write the day as year-month-day, like 2027-05-31.")
		case d.Before(s.today(h.Controller)):
			f.wrong("until", "This day has passed.")
		}
		h.Until = d
	}
	return h
}

func (s *server) collectionOf(f *form) string {
	c := f.need("collection", "Say which collection, as dataset.collection.", 200)
	if c != "" && len(s.Collections) > 0 && !slices.Contains(s.Collections, c) {
		f.wrong("collection", "The data map has no such collection.")
	}
	return c
}
