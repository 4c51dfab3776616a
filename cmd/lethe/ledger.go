package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

type ledgerCmd struct {
	Verify ledgerVerifyCmd `cmd:"" help:"Does every entry follow from the one before?"`
	Show   ledgerShowCmd   `cmd:"" help:"The entries, oldest first."`
}

type ledgerVerifyCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (ledgerVerifyCmd) Help() string {
	return `Recomputes the chain over every sealed entry. Entries younger than a second or two may not be sealed yet; they are counted.

Example:
  lethe ledger verify --json`
}

// Run verifies; a broken chain is exit status 1.
func (c *ledgerVerifyCmd) Run(ctx context.Context, w *world, cli *commands) error {
	var v ledger.Verification
	err := withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) (err error) {
		v, err = ledger.Verify(ctx, pool)
		return err
	})
	if err != nil {
		return err
	}
	good := v.BrokenAt == 0 && v.Missing == 0
	if c.JSON {
		err = printJSON(w.out, struct {
			Good     bool   `json:"good"`
			Sealed   int64  `json:"sealed"`
			Unsealed int64  `json:"unsealed"`
			BrokenAt int64  `json:"broken_at"`
			Missing  int64  `json:"missing"`
			Head     string `json:"head"`
		}{good, v.Sealed, v.Unsealed, v.BrokenAt, v.Missing, hex.EncodeToString(v.Head)})
		if err != nil {
			return err
		}
	} else if good {
		fmt.Fprintf(w.out, "The record is whole: %s sealed, %s not sealed yet.\n", plural(v.Sealed, "entry", "entries"), thousands(v.Unsealed))
		if v.Head != nil {
			fmt.Fprintf(w.out, "Head: %x\n", v.Head)
		}
	}
	switch {
	case v.BrokenAt != 0:
		return fmt.Errorf("the record was changed: entry %d does not follow from the one before", v.BrokenAt)
	case v.Missing != 0:
		return fmt.Errorf("the record was changed: %s missing", plural(v.Missing, "entry is", "entries are"))
	}
	return nil
}

type ledgerShowCmd struct {
	Request int64 `placeholder:"ID" help:"Of one request only."`
	Limit   int   `default:"200" help:"At most so many, the newest ones."`
	JSON    bool  `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (ledgerShowCmd) Help() string {
	return `Example:
  lethe ledger show --request 17`
}

// Run prints entries.
func (c *ledgerShowCmd) Run(ctx context.Context, w *world, cli *commands) error {
	if c.Limit < 1 {
		return wrongUse("--limit takes a number from 1")
	}
	var entries []ledger.Entry
	err := withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) (err error) {
		entries, err = ledger.List(ctx, pool, c.Request, c.Limit)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		type entry struct {
			Seq     int64          `json:"seq"`
			Type    string         `json:"type"`
			At      string         `json:"at"`
			Request int64          `json:"request,omitempty"`
			Actor   string         `json:"actor"`
			Data    map[string]any `json:"data"`
		}
		list := []entry{}
		for _, e := range entries {
			list = append(list, entry{e.Seq, e.Type, e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), e.RequestID, e.Actor, e.Data})
		}
		return printJSON(w.out, map[string]any{"entries": list})
	}
	t := newTable(w.out, "no", "at", "what", "request", "by", "details")
	t.none = "No entries."
	for _, e := range entries {
		data, _ := json.Marshal(e.Data)
		seq := "-"
		if e.Seq != 0 {
			seq = fmt.Sprint(e.Seq)
		}
		request := ""
		if e.RequestID != 0 {
			request = fmt.Sprint(e.RequestID)
		}
		t.row(seq, e.At, e.Type, request, e.Actor, string(data))
	}
	t.flush()
	return nil
}
