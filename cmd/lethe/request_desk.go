package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lethe-dsr/lethe/dsar"
)

type requestDeskCmd struct {
	answering

	ID      int64    `arg:"" help:"The request's number."`
	Source  string   `arg:"" help:"The source that is a person."`
	File    []string `type:"existingfile" sep:"none" placeholder:"FILE" help:"Hand this over for them; may be repeated."`
	Nothing bool     `help:"They hold nothing."`
	Erased  string   `placeholder:"WORDS" help:"What was done, for an erasure; with --who."`
	Who     string   `placeholder:"NAME" help:"Who did it."`
	Skip    string   `placeholder:"REASON" help:"Go on without them; the person is told why."`
	Resend  bool     `help:"Send them a new link; earlier ones end."`
}

// Help is the longer text of -h.
func (requestDeskCmd) Help() string {
	return `A source may be a person, who is asked by mail. This answers for them, on the record.

Examples:
  lethe request desk 17 paper --resend
  lethe request desk 17 paper --file scan.pdf --file letters.zip
  lethe request desk 17 paper --nothing
  lethe request desk 18 paper --erased "shredded on 3 June" --who "Eva Malá"
  lethe request desk 17 paper --skip "The cellar is under water until August."`
}

// Run does what the one flag says.
func (c *requestDeskCmd) Run(ctx context.Context, w *world, cli *commands) error {
	ways := 0
	for _, chosen := range []bool{len(c.File) > 0, c.Nothing, c.Erased != "", c.Skip != "", c.Resend} {
		if chosen {
			ways++
		}
	}
	if ways != 1 {
		return wrongUse("say one of --file, --nothing, --erased, --skip, --resend")
	}
	ref := dsar.AskRef{Actor: operator, RequestID: c.ID, Source: c.Source}
	return c.change(ctx, w, cli, c.ID, func(a *app) error {
		switch {
		case c.Resend:
			return a.requests.ResendAsk(ctx, operator, c.ID, c.Source)
		case c.Skip != "":
			return a.requests.SkipAsk(ctx, operator, c.ID, c.Source, c.Skip)
		case c.Nothing:
			return a.requests.AnswerAsk(ctx, ref, dsar.AskAnswer{What: dsar.AnsweredNothing, Who: c.Who})
		case c.Erased != "":
			return a.requests.AnswerAsk(ctx, ref, dsar.AskAnswer{What: dsar.AnsweredDone, Who: c.Who, Words: c.Erased})
		}
		for i, path := range c.File {
			if err := addFile(ctx, a, ref, path); err != nil {
				return fmt.Errorf("file %d of %d: %w", i+1, len(c.File), err)
			}
		}
		return a.requests.AnswerAsk(ctx, ref, dsar.AskAnswer{What: dsar.AnsweredFiles, Who: c.Who})
	})
}

func addFile(ctx context.Context, a *app, ref dsar.AskRef, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return a.requests.AddFile(ctx, ref, filepath.Base(path), f)
}

// printAsks shows whom the request asked.
func printAsks(out io.Writer, asks []dsar.Ask) {
	if len(asks) == 0 {
		return
	}
	fmt.Fprintln(out)
	t := newTable(out, "asked", "source", "status", "since", "due on", "reminded", "answer", "by", "files")
	for _, k := range asks {
		t.row(k.Owner, k.Source, k.Status, day(k.AskedAt), day(k.DueOn), k.Reminders, k.Answer, k.AnsweredBy, len(k.Files))
	}
	t.flush()
	for _, k := range asks {
		if k.Words != "" {
			fmt.Fprintf(out, "%s says: %s\n", k.Owner, k.Words)
		}
	}
}
