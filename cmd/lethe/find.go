package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

type findCmd struct {
	identityFlags
	Controller string   `help:"Whose data; may be left out where there is one controller."`
	Kind       string   `enum:"access,export,erasure" default:"access" help:"As which kind of request would see it."`
	Policy     string   `help:"A policy of the configuration."`
	Field      []string `placeholder:"NAME=VALUE" sep:"none" help:"A custom_request_field of the data map: only rows that hold the value."`
	Explain    bool     `help:"Tell each statement, how long it took, and how the planner goes about it."`
	JSON       bool     `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (findCmd) Help() string {
	return `Counts what a request with these identities would reach, in every source, taking all of them for proved. Of an erasure it is a dry run: how many rows would be erased and masked, and how many stay, and why. Changes nothing, and nothing is recorded.

Example:
  lethe find --controller bota --email a@b.example
  lethe find --controller bota --phone "+420 601 234 567" --kind erasure --json
  lethe find --controller bota --row shop.people:17
  lethe find --controller bota --email a@b.example --explain`
}

// Run finds.
func (c *findCmd) Run(ctx context.Context, w *world, cli *commands) error {
	ids, err := c.list()
	if err != nil {
		return err
	}
	fields, err := fieldsOf(c.Field)
	if err != nil {
		return err
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	if c.Controller, err = a.controllerOr(c.Controller); err != nil {
		return err
	}
	asked := dsar.Submission{Controller: c.Controller, Kind: datamap.Kind(c.Kind), Policy: c.Policy, Identities: ids, Fields: fields}
	if c.Explain {
		return c.explain(ctx, w, a, asked)
	}
	found, err := a.requests.Preview(ctx, operator, asked)
	if invalid := (*dsar.Invalid)(nil); errors.As(err, &invalid) {
		return wrongUse("this cannot be looked for:%s", fieldByField(invalid))
	}
	if err != nil {
		return asMisuse(err)
	}
	if c.JSON {
		type root struct {
			Source     string   `json:"source"`
			Collection string   `json:"collection"`
			Key        string   `json:"key"`
			Types      []string `json:"types"`
		}
		type brake struct {
			Source string `json:"source"`
			From   string `json:"from"`
			To     string `json:"to"`
			Values int64  `json:"values"`
		}
		out := struct {
			Findings []findingJSON `json:"findings"`
			DryRun   bool          `json:"dry_run"` // erased, masked, held, kept and stays are what an erasure would do
			Refusals []refusalJSON `json:"refusals"`
			Roots    []root        `json:"root_rows"`
			Braked   []brake       `json:"not_followed"`
		}{findingsToJSON(found.Findings), found.Tried, refusalsToJSON(found.Refusals), []root{}, []brake{}}
		for _, r := range found.Roots {
			out.Roots = append(out.Roots, root{r.Source, r.Collection, r.Key, r.Types})
		}
		for _, b := range found.Braked {
			out.Braked = append(out.Braked, brake{b.Source, b.From, b.To, b.Values})
		}
		return printJSON(w.out, out)
	}
	if len(found.Roots) == 0 {
		fmt.Fprintln(w.out, "Nothing is held under these identities.")
		return nil
	}
	t := newTable(w.out, "row", "matched by", "person")
	roots := make([]dsar.RootRow, 0, len(found.Roots))
	for _, r := range found.Roots {
		roots = append(roots, dsar.RootRow{Source: r.Source, RowKey: r.RowKey, Types: r.Types, Person: r.Person, Stored: r.Stored})
	}
	for _, g := range dsar.GroupRoots(roots) {
		t.row(rowWords(g), matchedBy(g.Types), personWords(g.Person))
	}
	t.flush()
	printFindings(w.out, found.Findings, found.Tried)
	printRefusals(w.out, found.Refusals)
	if len(found.Refusals) > 0 {
		return nil // the brakes are among what they say
	}
	for _, b := range found.Braked {
		fmt.Fprintf(w.out, "\n%s to %s in %s leads nowhere with %s, which too many rows of others hold: an erasure stops there.\n",
			b.From, b.To, b.Source, plural(b.Values, "value", "values"))
	}
	return nil
}
