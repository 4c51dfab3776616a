package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
)

// answering is the flag of commands that say what became of a request.
type answering struct {
	JSON bool `name:"json" help:"The request as JSON, as request show has it."`
}

// change runs one decision and says what became of the request.
func (c answering) change(ctx context.Context, w *world, cli *commands, id int64, f func(*app) error) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if err := f(a); err != nil {
		return asMisuse(err)
	}
	if c.JSON {
		return a.printRequest(ctx, w, id, true)
	}
	q, err := a.requests.Get(ctx, operator, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.out, strings.TrimSpace(fmt.Sprintf("Request %d is %s. %s", id, words(q.Status), q.Waiting)))
	return nil
}

func words(s dsar.Status) string { return strings.ReplaceAll(string(s), "_", " ") }

type requestVerifyCmd struct {
	answering

	ID       int64  `arg:"" help:"The request's number."`
	Identity int64  `required:"" placeholder:"NUMBER" help:"The identity's number (request show)."`
	How      string `required:"" placeholder:"WORDS" help:"How you know: \"passport seen at the counter\"."`
}

// Help is the longer text of -h.
func (requestVerifyCmd) Help() string {
	return "Example:\n  lethe request verify 17 --identity 21 --how \"called back on the number in the contract\""
}

// Run verifies.
func (c *requestVerifyCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return c.change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Verify(ctx, operator, c.ID, c.Identity, c.How) })
}

type requestApproveCmd struct {
	answering

	ID            int64    `arg:"" help:"The request's number."`
	Rows          []string `sep:"none" placeholder:"COLLECTION:KEY" help:"Rows to tick where they disagree on the person, or all. May be repeated."`
	IncludeShared bool     `help:"Give rows that others use, too (access and export)."`
	DryRun        bool     `help:"Say what the erasure would do; approve and change nothing."`
}

// Help is the longer text of -h.
func (requestApproveCmd) Help() string {
	return "Examples:\n  lethe request approve 17\n  lethe request approve 17 --rows livechat.contacts:1\n  lethe request approve 17 --rows all\n  lethe request approve 17 --dry-run"
}

// Run approves.
func (c *requestApproveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	if c.DryRun {
		return c.dryRun(ctx, w, cli)
	}
	return c.change(ctx, w, cli, c.ID, func(a *app) error {
		return a.requests.Approve(ctx, operator, c.ID, dsar.Approval{Rows: c.Rows, IncludeShared: c.IncludeShared})
	})
}

func (c *requestApproveCmd) dryRun(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	d, err := a.requests.DryRun(ctx, operator, c.ID, c.Rows)
	if err != nil {
		return asMisuse(err)
	}
	if c.JSON {
		return printJSON(w.out, struct {
			Findings []findingJSON `json:"findings"`
			Refusals []refusalJSON `json:"refusals"`
			Then     []string      `json:"then"`
		}{findingsToJSON(d.Findings), refusalsToJSON(d.Refusals), append([]string{}, d.Then...)})
	}
	fmt.Fprintf(w.out, "A dry run of request %d: nothing was approved or changed.\n", c.ID)
	printFindings(w.out, d.Findings, true)
	printRefusals(w.out, d.Refusals)
	if len(d.Then) > 0 {
		fmt.Fprintf(w.out, "\nThen:\n- %s\n", strings.Join(d.Then, "\n- "))
	}
	return nil
}

type requestRefuseCmd struct {
	answering

	ID     int64  `arg:"" help:"The request's number."`
	Reason string `required:"" placeholder:"WORDS" help:"The reasons, as the person will read them."`
}

// Help is the longer text of -h.
func (requestRefuseCmd) Help() string {
	return "Example:\n  lethe request refuse 17 --reason \"We could not find out who you are, and you did not answer our question.\""
}

// Run refuses.
func (c *requestRefuseCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return c.change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Refuse(ctx, operator, c.ID, c.Reason) })
}

type requestExtendCmd struct {
	answering

	ID     int64  `arg:"" help:"The request's number."`
	Reason string `required:"" placeholder:"WORDS" help:"The reasons, as the person will read them."`
}

// Help is the longer text of -h.
func (requestExtendCmd) Help() string {
	return "Example:\n  lethe request extend 17 --reason \"Your request concerns nine years of conversations.\""
}

// Run extends.
func (c *requestExtendCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return c.change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Extend(ctx, operator, c.ID, c.Reason) })
}

type requestWithdrawCmd struct {
	answering

	ID int64 `arg:"" help:"The request's number."`
}

// Help is the longer text of -h.
func (requestWithdrawCmd) Help() string { return "Example:\n  lethe request withdraw 17" }

// Run withdraws.
func (c *requestWithdrawCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return c.change(ctx, w, cli, c.ID, func(a *app) error { return a.requests.Withdraw(ctx, operator, c.ID) })
}

type requestRetryCmd struct {
	answering

	ID      int64         `arg:"" help:"The request's number."`
	Wait    bool          `help:"Return when the request is done, or waits for a person (exit status 3)."`
	Timeout time.Duration `default:"5m" help:"How long --wait waits."`
}

// Help is the longer text of -h.
func (requestRetryCmd) Help() string {
	return `What has failed for good, and what waits to be tried again by itself because a source or the mail server was down, is tried now.

Example:
  lethe request retry 17 --wait`
}

// Run retries.
func (c *requestRetryCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return c.change(ctx, w, cli, c.ID, func(a *app) error {
		if err := a.requests.Retry(ctx, operator, c.ID); err != nil || !c.Wait {
			return err
		}
		return a.follow(ctx, w, c.ID, following{toTheEnd: true, limit: c.Timeout})
	})
}

type requestArchiveCmd struct {
	ID    int64  `arg:"" help:"The request's number."`
	Out   string `required:"" type:"path" placeholder:"FILE" help:"Where to write the ZIP; it must not be there yet."`
	Draft bool   `help:"The archive as it would be now, before approval; not handed over."`
}

// Help is the longer text of -h.
func (requestArchiveCmd) Help() string {
	return `Writes the archive to a file that only you can read, to be handed over in person or by post; that you took it stands in the record. With delivery "hand" this fulfils the request.

Example:
  lethe request archive 17 --out request-17.zip
  lethe request archive 17 --draft --out draft.zip`
}

// Run writes the archive.
func (c *requestArchiveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the file cannot be made: %w", err)
	}
	take := a.requests.HandOver
	if c.Draft {
		take = a.requests.Draft
	}
	err = take(ctx, operator, c.ID, io.Writer(f))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(c.Out)
		return err
	}
	fmt.Fprintf(w.out, "Wrote %s.\n", c.Out)
	return nil
}
