package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	Head string `placeholder:"HEX" help:"A head kept from before: is it still in the record?"`
	JSON bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (ledgerVerifyCmd) Help() string {
	return `Recomputes the chain over every sealed entry. Entries younger than a second or two may not be sealed yet; they are counted.

A chain does not tell by itself that its newest entries were cut off, or that all of it was written anew by somebody who owns the tables. Keep the head that this
prints in another place, and give it back with --head: it stays in the record for good.

Examples:
  lethe ledger verify --json
  lethe ledger verify --head "$(cat last-month.head)"`
}

// Run verifies; a broken chain is exit status 1.
func (c *ledgerVerifyCmd) Run(ctx context.Context, w *world, cli *commands) error {
	kept, err := hex.DecodeString(c.Head)
	if err != nil || c.Head != "" && len(kept) != sha256.Size {
		return wrongUse("--head takes the 64 digits that this command printed before")
	}
	var v ledger.Verification
	var at int64 // of the head kept
	err = withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) (err error) {
		if v, err = ledger.Verify(ctx, pool); err == nil && c.Head != "" {
			at, err = ledger.Find(ctx, pool, kept)
		}
		return err
	})
	if err != nil {
		return err
	}
	lost := c.Head != "" && at == 0
	good := v.BrokenAt == 0 && v.Missing == 0 && !lost
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
		if at != 0 {
			fmt.Fprintf(w.out, "The head kept from before is that of entry %d.\n", at)
		}
	}
	switch {
	case v.BrokenAt != 0:
		return fmt.Errorf("the record was changed: entry %d does not follow from the one before", v.BrokenAt)
	case v.Missing != 0:
		return fmt.Errorf("the record was changed: %s missing", plural(v.Missing, "entry is", "entries are"))
	case lost:
		return errors.New("the record was changed: the head kept from before is not in it. What was sealed up to then was cut off or written anew, or it is the head of another database")
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
