package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/lethe-dsr/lethe/retention"
)

// quietApp is the app of a command that a person runs: it logs what is wrong, nothing else.
func quietApp(ctx context.Context, w *world, cli *commands) (*app, error) {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return nil, err
	}
	return openApp(ctx, w, cfg, slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelError})))
}

type sweepCmd struct {
	Rule   string `placeholder:"R" help:"One rule only."`
	DryRun bool   `help:"Count, change nothing."`
	JSON   bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (sweepCmd) Help() string {
	return `Runs retention rules now, to their end. A rule that nobody has approved as it reads now is counted only (lethe rules approve). Exit status 3: a rule stopped at its brake, or failed.

Example:
  lethe sweep --dry-run
  lethe sweep --rule ssupp-vid --json`
}

type sweepJSON struct {
	Rule    string  `json:"rule"`
	Cutoff  *string `json:"cutoff"`
	Expired int64   `json:"expired"`
	Held    int64   `json:"held"`
	Deleted int64   `json:"deleted"`
	DryRun  bool    `json:"dry_run"`
	Status  string  `json:"status"`
	Message string  `json:"message,omitempty"`
	Seconds float64 `json:"seconds"`
}

func sweepToJSON(r retention.Result) sweepJSON {
	j := sweepJSON{Rule: r.Rule, Expired: r.Expired, Held: r.Held, Deleted: r.Deleted, DryRun: r.DryRun, Status: r.Status, Message: r.Message, Seconds: r.Seconds}
	if !r.Cutoff.IsZero() {
		d := day(r.Cutoff)
		j.Cutoff = &d
	}
	return j
}

// Run sweeps.
func (c *sweepCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.retention.Sync(ctx); err != nil {
		return err
	}
	progress, finish := sweepProgress(w)
	results, err := a.retention.Sweep(ctx, "operator", c.Rule, c.DryRun, progress)
	finish()
	if err != nil {
		return asMisuse(err)
	}
	if c.JSON {
		list := []sweepJSON{}
		for _, r := range results {
			list = append(list, sweepToJSON(r))
		}
		if err := printJSON(w.out, map[string]any{"sweeps": list}); err != nil {
			return err
		}
	} else {
		printSweeps(w.out, results, c.DryRun)
	}
	bad := 0
	for _, r := range results {
		if r.Status != "done" {
			bad++
		}
	}
	if bad > 0 {
		return doneInPart("%d of %d rules did not run to their end; the messages above say why", bad, len(results))
	}
	return nil
}

// printSweeps says of a rule that was counted only, though nobody asked for a
// dry run, what it waits for.
func printSweeps(out io.Writer, results []retention.Result, asked bool) {
	t := newTable(out, "rule", "expired before", "expired", "held", "changed", "seconds", "")
	for _, r := range results {
		note := r.Message
		if note == "" && r.DryRun {
			note = "dry run"
			if !asked {
				note = "counted only: lethe rules approve " + r.Rule
			}
		}
		t.row(r.Rule, day(r.Cutoff), thousands(r.Expired), thousands(r.Held), thousands(r.Deleted), fmt.Sprintf("%.2f", r.Seconds), note)
	}
	t.flush()
}

// sweepProgress shows how far the rule at work is, on a terminal only.
func sweepProgress(w *world) (func(retention.Result), func()) {
	if !w.terminal {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	var rule string
	finish := func() {
		if bar != nil {
			_ = bar.Finish()
			_ = bar.Clear()
		}
	}
	return func(r retention.Result) {
		if r.Rule != rule {
			finish()
			rule = r.Rule
			bar = progressbar.NewOptions64(r.Expired, progressbar.OptionSetWriter(w.err), progressbar.OptionSetDescription(rule),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set64(r.Deleted)
	}, finish
}
