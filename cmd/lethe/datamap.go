package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/planview"
)

type datamapCmd struct {
	Check datamapCheckCmd `cmd:"" help:"Every error of the map, with its place; what each identity type reaches."`
	Plan  datamapPlanCmd  `cmd:"" help:"What is visited, in which order, and what is done there."`
	Diff  datamapDiffCmd  `cmd:"" help:"What another map would no longer find, give or erase."`
	Draft datamapDraftCmd `cmd:"" help:"A first map from a live database."`
}

type datamapPlanCmd struct {
	Kind     string   `enum:"access,export,erasure" default:"access" help:"access, export or erasure."`
	Policy   string   `help:"A policy of the configuration."`
	Identity []string `placeholder:"TYPE" help:"Identity types that the request brings; all of the map's unless set."`
	JSON     bool     `name:"json" help:"As JSON."`
	SVG      bool     `name:"svg" help:"As a picture."`
}

// Help is the longer text of -h.
func (datamapPlanCmd) Help() string {
	return "Example:\n  lethe datamap plan --kind erasure --identity email\n  lethe datamap plan --svg > plan.svg"
}

// Run prints the plan.
func (c *datamapPlanCmd) Run(ctx context.Context, w *world, cli *commands) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	m, _, err := loadMap(cfg)
	if err != nil {
		return err
	}
	policy := datamap.Builtin(datamap.Kind(c.Kind))
	if c.Policy != "" {
		own := policiesOf(cfg)
		i := slices.IndexFunc(own, func(p datamap.Policy) bool { return p.Name == c.Policy })
		if i < 0 {
			return wrongUse("there is no policy %s in the configuration", c.Policy)
		}
		policy = own[i]
	}
	if len(c.Identity) == 0 {
		c.Identity = datamap.IdentityTypes(m)
	}
	plan, err := datamap.Compile(m, policy, c.Identity)
	if err != nil {
		return &exitError{misuse, err}
	}
	if c.JSON && c.SVG {
		return wrongUse("choose one of --json and --svg")
	}
	if c.SVG {
		return planview.Draw(ctx, w.out, plan)
	}
	if c.JSON {
		doc, err := plan.JSON()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.out, "%s\n", doc)
		return err
	}
	fmt.Fprint(w.out, plan.Text())
	return nil
}
