package main

import (
	"context"
	"fmt"
)

type requestLetterCmd struct {
	ID   int64 `arg:"" help:"The request's number."`
	JSON bool  `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (requestLetterCmd) Help() string {
	return `Prints the letters of a request that reached nobody, because no address is on record or the
mail server refused them, to be handed over in another way. Letters with a link by which
somebody proves who they are, or opens an archive, are not among them; an archive is
fetched with "request archive".

Example:
  lethe request letter 17`
}

// Run prints.
func (c *requestLetterCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	q, err := a.requests.Get(ctx, operator, c.ID)
	if err != nil {
		return err
	}
	type wordsJSON struct {
		Kind    string `json:"kind"`
		Subject string `json:"subject"`
		Text    string `json:"text"`
	}
	list := []wordsJSON{}
	for _, state := range q.Letters {
		if !state.Unsent() {
			continue
		}
		l, err := a.requests.UnsentLetter(ctx, operator, c.ID, state.ID)
		if err != nil {
			return err
		}
		one := wordsJSON{Kind: state.Kind}
		if one.Subject, one.Text, err = a.sender.Words(l); err != nil {
			return err
		}
		list = append(list, one)
	}
	if c.JSON {
		return printJSON(w.out, map[string]any{"letters": list})
	}
	if len(list) == 0 {
		fmt.Fprintf(w.out, "No letter of request %d waits to be handed over.\n", c.ID)
		return nil
	}
	for i, l := range list {
		if i > 0 {
			fmt.Fprintln(w.out)
		}
		fmt.Fprintf(w.out, "%s\n\n%s\n", l.Subject, l.Text)
	}
	return nil
}
