package main

import (
	"context"
	"fmt"
	"time"
)

type rulesCmd struct {
	List    rulesListCmd    `cmd:"" help:"Rules, their approval, last and next runs."`
	Approve rulesApproveCmd `cmd:"" help:"Let a rule change data; what it finds now is its first limit."`
}

type rulesListCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (rulesListCmd) Help() string { return "Example:\n  lethe rules list --json" }

// Run lists.
func (c *rulesListCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.retention.Sync(ctx); err != nil {
		return err
	}
	states, err := a.retention.States(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		type rule struct {
			Name       string     `json:"name"`
			Collection string     `json:"collection"`
			Then       string     `json:"then"`
			Keep       string     `json:"keep"`
			Schedule   string     `json:"schedule"`
			Approved   bool       `json:"approved"`
			ApprovedBy string     `json:"approved_by,omitempty"`
			ApprovedAt *time.Time `json:"approved_at"`
			NextDue    *time.Time `json:"next_due"`
			Last       *sweepJSON `json:"last"`
			LastAt     *time.Time `json:"last_at"`
		}
		list := []rule{}
		for _, s := range states {
			r := rule{s.Name, s.Collection, s.Then, s.Keep, s.Schedule, s.Approved, s.ApprovedBy, optional(s.ApprovedAt), optional(s.NextDue), nil, optional(s.LastAt)}
			if s.Last != nil {
				j := sweepToJSON(*s.Last)
				r.Last = &j
			}
			list = append(list, r)
		}
		return printJSON(w.out, map[string]any{"rules": list})
	}
	t := newTable(w.out, "rule", "collection", "keeps", "then", "approved", "last run", "changed", "next run")
	t.none = "No retention rules."
	for _, s := range states {
		changed := ""
		if s.Last != nil {
			changed = thousands(s.Last.Deleted)
			if s.Last.DryRun {
				changed = thousands(s.Last.Expired) + " (dry run)"
			}
		}
		t.row(s.Name, s.Collection, s.Keep, s.Then, yes(s.Approved), s.LastAt, changed, s.NextDue)
	}
	t.flush()
	return nil
}

type rulesApproveCmd struct {
	Name []string `arg:"" optional:"" placeholder:"RULE" help:"Rules by name."`
	All  bool     `help:"Every rule that is not approved as it reads now."`
	JSON bool     `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (rulesApproveCmd) Help() string {
	return `A new or changed rule only counts until somebody has looked at what it finds. Approving it sets its first limit: a run that finds far more stops and asks.

Example:
  lethe sweep --dry-run
  lethe rules approve ssupp-vid smartlook`
}

// Run approves.
func (c *rulesApproveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	if c.All == (len(c.Name) > 0) {
		return wrongUse("name the rules to approve, or say --all")
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.retention.Sync(ctx); err != nil {
		return err
	}
	if c.All {
		states, err := a.retention.States(ctx)
		if err != nil {
			return err
		}
		for _, s := range states {
			if !s.Approved {
				c.Name = append(c.Name, s.Name)
			}
		}
	}
	type approved struct {
		Rule    string `json:"rule"`
		Expired int64  `json:"expired"`
	}
	list := []approved{}
	for _, name := range c.Name {
		r, err := a.retention.ApproveRule(ctx, "operator", name)
		if err != nil {
			return asMisuse(err)
		}
		if list = append(list, approved{name, r.Expired}); c.JSON {
			continue
		}
		fmt.Fprintf(w.out, "Approved %s: it would change %s now.\n", name, plural(r.Expired, "row", "rows"))
	}
	if c.JSON {
		return printJSON(w.out, map[string]any{"approved": list})
	}
	return nil
}
