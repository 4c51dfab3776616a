package main

import (
	"context"
	"time"
)

type requestKeptCmd struct {
	ID   int64 `arg:"" help:"The request's number."`
	JSON bool  `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestKeptCmd) Help() string {
	return `What an erasure left because a law keeps it or because it stands under a hold: how many rows of
which collection, until when, and why. Lethe erases them by itself when their time is over, or
when the hold is lifted. No row is named.

Example:
  lethe request kept 17`
}

// keptJSON are rows of one collection with one end.
type keptJSON struct {
	Source     string     `json:"source"`
	Collection string     `json:"collection"`
	Rows       int64      `json:"rows"`
	Until      *time.Time `json:"until"` // null: nobody can tell, or until a hold is lifted
	Held       bool       `json:"held"`
	Done       bool       `json:"done"`
	Unnoted    bool       `json:"unnoted"` // too many: nothing will finish them
	Why        string     `json:"why"`
}

// Run lists.
func (c *requestKeptCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	list, err := a.requests.Kept(ctx, operator, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		out := []keptJSON{}
		for _, k := range list {
			j := keptJSON{Source: k.Source, Collection: k.Collection, Rows: k.Rows, Held: k.Held, Done: k.Done, Unnoted: k.Unnoted, Why: k.Why}
			if !k.Until.IsZero() {
				j.Until = &k.Until
			}
			out = append(out, j)
		}
		return printJSON(w.out, map[string]any{"kept": out})
	}
	t := newTable(w.out, "source", "collection", "rows", "erased on", "state", "why")
	t.none = "Nothing is kept."
	for _, k := range list {
		// The day before is the last on which they are kept, as the letter has it.
		on, state := "open", "kept"
		switch {
		case !k.Until.IsZero():
			on = k.Until.Format(time.DateOnly)
		case k.Held:
			on = "lifting of the hold"
		}
		if k.Held {
			state = "held"
		}
		if k.Done {
			state = "erased"
		}
		if k.Unnoted {
			on, state = "-", "not noted"
		}
		t.row(k.Source, k.Collection, thousands(k.Rows), on, state, k.Why)
	}
	t.flush()
	return nil
}
