package main

import (
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
)

type deadlineCmd struct {
	Received string `required:"" placeholder:"DATE" help:"The day the request reached the controller, as 2026-11-24."`
	Country  string `required:"" placeholder:"CZ" help:"Where the controller sits: two letters."`
	Region   string `placeholder:"DE-BY" help:"Its region, where holidays differ."`
	Extended bool   `help:"With the extension by two further months (Art. 12(3))."`
	JSON     bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (deadlineCmd) Help() string {
	return `Counts one month from the day of receipt, by Art. 12(3) GDPR and Regulation 1182/71: that day is not counted, and a Saturday, Sunday or public holiday moves the end to the next working day.

Example:
  lethe deadline --received 2026-11-24 --country CZ
  lethe deadline --received 2026-12-06 --country DE --region DE-BY --extended --json`
}

// Run prints the day.
func (c *deadlineCmd) Run(w *world) error {
	received, err := time.ParseInLocation(time.DateOnly, c.Received, time.UTC)
	if err != nil {
		return wrongUse("--received takes a day such as 2026-11-24")
	}
	due, derivation, err := dsar.Deadline(received, dsar.Controller{Country: c.Country, Region: c.Region, Location: time.UTC}, c.Extended)
	if err != nil {
		return &exitError{misuse, err}
	}
	if c.JSON {
		return printJSON(w.out, struct {
			DueOn      string `json:"due_on"`
			Derivation string `json:"derivation"`
		}{day(due), derivation})
	}
	fmt.Fprintf(w.out, "Due on %s, %s.\n%s\n", due.Weekday(), day(due), derivation)
	return nil
}
