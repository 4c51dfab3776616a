package main

import (
	"context"
)

type forecastCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (forecastCmd) Help() string {
	return `What each rule would delete now and within 30 and 90 days, and which identifiers have no documented end.

Example:
  lethe forecast`
}

// Run forecasts.
func (c *forecastCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	lines, err := a.retention.Forecast(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		type line struct {
			Rule       string `json:"rule"`
			Collection string `json:"collection"`
			Name       string `json:"name,omitempty"`
			Now        int64  `json:"now"`
			In30       int64  `json:"within_30_days"`
			In90       int64  `json:"within_90_days"`
			Never      int64  `json:"never"`
			Why        string `json:"why,omitempty"`
		}
		list := []line{}
		for _, l := range lines {
			list = append(list, line(l))
		}
		return printJSON(w.out, map[string]any{"forecast": list})
	}
	t := newTable(w.out, "rule", "collection", "name", "now", "in 30 days", "in 90 days", "never", "why")
	t.none = "No retention rules."
	for _, l := range lines {
		t.row(l.Rule, l.Collection, l.Name, thousands(l.Now), thousands(l.In30), thousands(l.In90), thousands(l.Never), l.Why)
	}
	t.flush()
	return nil
}
