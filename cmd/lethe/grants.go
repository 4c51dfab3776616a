package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

type grantsCmd struct {
	Source string `placeholder:"NAME" help:"This source alone."`
	Role   string `placeholder:"ROLE" help:"The role that gets the rights; that of the source's URL unless set."`
	JSON   bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (grantsCmd) Help() string {
	return `Prints the least rights that each source's role needs for this map, its policies and the
retention rules, as GRANT statements for the database's owner to paste. Changes nothing.

Example:
  lethe grants --source shop --role lethe`
}

// Run prints.
func (c *grantsCmd) Run(ctx context.Context, w *world, cli *commands) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	m, _, err := loadMap(cfg)
	if err != nil {
		return err
	}
	plans, sweeps, err := uses(cfg, m)
	if err != nil {
		return err
	}
	type line struct {
		Source string `json:"source"`
		Shard  int    `json:"shard"` // counted from 1, as in the configuration
		SQL    string `json:"sql"`
		Why    string `json:"why"`
	}
	out := struct {
		Grants []line `json:"grants"`
	}{[]line{}}
	known := false
	for _, s := range cfg.Sources {
		if len(s.Postgres) == 0 || c.Source != "" && c.Source != s.Name {
			continue
		}
		known = true
		for shard, url := range s.Postgres {
			role := c.Role
			if role == "" {
				if parsed, err := pgxpool.ParseConfig(url); err == nil {
					role = parsed.ConnConfig.User
				}
			}
			grants, err := grantsOf(ctx, s.Name, url, role, plans, sweeps, datamap.MentionFields(m))
			if err != nil {
				return err
			}
			if !c.JSON {
				fmt.Fprintf(w.out, "-- source %s", s.Name)
				if len(s.Postgres) > 1 {
					fmt.Fprintf(w.out, ", shard %d", shard+1)
				}
				fmt.Fprintln(w.out)
			}
			for _, g := range grants {
				out.Grants = append(out.Grants, line{s.Name, shard + 1, g.SQL, g.Why})
				if !c.JSON {
					fmt.Fprintf(w.out, "%s; -- %s\n", g.SQL, g.Why)
				}
			}
		}
	}
	if !known {
		return wrongUse("there is no such Postgres source in the configuration")
	}
	if c.JSON {
		return printJSON(w.out, out)
	}
	return nil
}

// uses are what is done with the sources: the plans of every policy, and the
// retention rules. What grants gives for them, check asks for.
func uses(cfg *config.Config, m *datamap.Map) (plans []*datamap.Plan, sweeps []source.Selection, err error) {
	rules, err := loadRules(cfg, m)
	if err != nil {
		return nil, nil, err
	}
	policies := append([]datamap.Policy{datamap.Builtin(datamap.Access), datamap.Builtin(datamap.Export), datamap.Builtin(datamap.Erasure)}, policiesOf(cfg)...)
	for _, p := range policies {
		plan, err := datamap.Compile(m, p, datamap.IdentityTypes(m))
		if err != nil {
			return nil, nil, err
		}
		plans = append(plans, plan)
	}
	for _, r := range rules {
		if r.Collection != nil {
			sweeps = append(sweeps, source.Selection{Collection: r.Collection, StartsAt: r.StartsAt, Then: r.Then, Columns: r.Columns,
				Unless: r.Unless, ValueColumn: r.ValueColumn, ValueIn: r.ValueIn})
		}
	}
	return plans, sweeps, nil
}

func grantsOf(ctx context.Context, name, url, role string, plans []*datamap.Plan, sweeps []source.Selection, texts []datamap.MentionField) ([]postgres.Grant, error) {
	s, err := postgres.Open(ctx, name, url, postgres.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Grants(ctx, role, plans, sweeps, texts...)
}
