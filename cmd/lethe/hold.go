package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/retention"
)

type holdCmd struct {
	Add     holdAddCmd     `cmd:"" help:"Place a hold."`
	List    holdListCmd    `cmd:"" help:"Holds that stand."`
	Release holdReleaseCmd `cmd:"" help:"End a hold."`
}

type holdAddCmd struct {
	Controller string `help:"Whose data; may be left out where there is one controller."`
	Identity   string `placeholder:"TYPE=VALUE" help:"All rows of a person: email=a@b.example."`
	Row        string `placeholder:"COLLECTION:KEY" help:"One row: livechat.conversations:co17."`
	Collection string `placeholder:"COLLECTION" help:"All rows of a collection."`
	Reason     string `required:"" placeholder:"WORDS" help:"Why; it stands in the record, so name no person in it."`
	Until      string `placeholder:"DATE" help:"The last day; without it, until released."`
	JSON       bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (holdAddCmd) Help() string {
	return `What stands under a hold is neither erased nor expired.

Example:
  lethe hold add --controller bota --identity email=a@b.example --reason "court case 12 C 3/2026" --until 2027-06-30`
}

// Run places the hold.
func (c *holdAddCmd) Run(ctx context.Context, w *world, cli *commands) error {
	h := retention.Hold{Controller: c.Controller, Collection: c.Collection, Reason: c.Reason}
	given := 0
	for _, s := range []string{c.Identity, c.Row, c.Collection} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return wrongUse("say one of --identity, --row and --collection")
	}
	var ok bool
	if c.Identity != "" {
		if h.Type, h.Value, ok = cut(c.Identity, "="); !ok {
			return wrongUse("--identity takes TYPE=VALUE, such as email=a@b.example")
		}
	}
	if c.Row != "" {
		if h.Collection, h.Value, ok = cut(c.Row, ":"); !ok {
			return wrongUse("--row takes COLLECTION:KEY, such as livechat.contacts:1")
		}
	}
	if c.Until != "" {
		var err error
		if h.Until, err = time.ParseInLocation(time.DateOnly, c.Until, time.UTC); err != nil {
			return wrongUse("--until takes a day such as 2027-06-30")
		}
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if h.Controller == "" && len(a.cfg.Controllers) == 1 {
		h.Controller = a.cfg.Controllers[0].Key
	}
	if h.Controller == "" {
		return wrongUse("say whose data: --controller")
	}
	id, err := a.retention.AddHold(ctx, "operator", h)
	if err != nil {
		return asMisuse(err)
	}
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	nothing := dsar.HoldsNothing(within, a.requests, operator, h.Controller, h.Type, h.Collection, h.Value)
	if c.JSON {
		return printJSON(w.out, map[string]any{"id": id, "covers_nothing": nothing})
	}
	fmt.Fprintf(w.out, "Hold %d stands.\n", id)
	if nothing {
		fmt.Fprintf(w.out, "As the data are now it covers nothing: look again at what it names. lethe hold release %d takes it back.\n", id)
	}
	return nil
}

type holdListCmd struct {
	All  bool `help:"Released ones, too."`
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (holdListCmd) Help() string { return "Example:\n  lethe hold list --all" }

// Run lists.
func (c *holdListCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	holds, err := a.retention.ListHolds(ctx, nil, c.All)
	if err != nil {
		return err
	}
	if c.JSON {
		type hold struct {
			ID         int64      `json:"id"`
			Controller string     `json:"controller"`
			Type       string     `json:"type,omitempty"`
			Collection string     `json:"collection,omitempty"`
			Reason     string     `json:"reason"`
			PlacedBy   string     `json:"placed_by"`
			PlacedAt   time.Time  `json:"placed_at"`
			Until      *time.Time `json:"until"`
			ReleasedAt *time.Time `json:"released_at"`
		}
		list := []hold{}
		for _, h := range holds {
			list = append(list, hold{h.ID, h.Controller, h.Type, h.Collection, h.Reason, h.PlacedBy, h.PlacedAt.UTC(), optional(h.Until), optional(h.ReleasedAt)})
		}
		return printJSON(w.out, map[string]any{"holds": list})
	}
	t := newTable(w.out, "id", "controller", "what", "reason", "by", "since", "until", "released")
	t.none = "No legal holds."
	for _, h := range holds {
		what := h.Collection
		switch {
		case h.Type != "":
			what = "a person, by " + h.Type
		case h.Value != "":
			what = "a row of " + h.Collection
		}
		t.row(h.ID, h.Controller, what, h.Reason, h.PlacedBy, h.PlacedAt, day(h.Until), h.ReleasedAt)
	}
	t.flush()
	return nil
}

type holdReleaseCmd struct {
	ID   int64 `arg:"" help:"The hold's number (lethe hold list)."`
	JSON bool  `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (holdReleaseCmd) Help() string { return "Example:\n  lethe hold release 3" }

// Run releases.
func (c *holdReleaseCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.retention.ReleaseHold(ctx, "operator", c.ID); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(w.out, map[string]any{"id": c.ID})
	}
	fmt.Fprintf(w.out, "Hold %d is released.\n", c.ID)
	return nil
}
