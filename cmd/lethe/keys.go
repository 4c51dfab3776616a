package main

import (
	"errors"
	"fmt"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/keys"
)

type keysCmd struct {
	New    keysNewCmd    `cmd:"" help:"Make a key file."`
	Rotate keysRotateCmd `cmd:"" help:"Add new primary keys; old ones stay for reading."`
}

type keysNewCmd struct {
	Out string `required:"" type:"path" placeholder:"FILE" help:"Where to write it; it must not be there yet."`

	IfMissing bool `help:"Leave a file that is there as it is."`
	JSON      bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (keysNewCmd) Help() string {
	return `The key file encrypts identities and archives. Keep a copy in a safe place: without it they cannot be read, and the record of erasures cannot be replayed.

Example:
  lethe keys new --out /etc/lethe/lethe.key`
}

// Run makes the file, readable by its owner only.
func (c *keysNewCmd) Run(w *world) error {
	_, err := keys.Create(c.Out)
	there := c.IfMissing && errors.Is(err, keys.ErrExists)
	if c.JSON && (there || err == nil) {
		return printJSON(w.out, map[string]any{"file": c.Out, "made": !there})
	}
	if there {
		fmt.Fprintf(w.out, "%s is there already.\n", c.Out)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "Wrote %s. Keep a copy of it in a safe place, apart from the database.\n", c.Out)
	return nil
}

type keysRotateCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (keysRotateCmd) Help() string {
	return `New values are encrypted under new keys from the next start of each process; what is there stays readable. The key file is replaced in one step.

Example:
  lethe keys rotate`
}

// Run replaces the key file by one with new primaries.
func (c *keysRotateCmd) Run(w *world, cli *commands) error {
	cfg, list := config.Load(cli.Config, w.env)
	if len(list) > 0 {
		return problems("the configuration cannot be used; nothing was done", list)
	}
	set, err := keys.ReadFile(cfg.KeyFile)
	if err != nil {
		return err
	}
	if err := set.Rotate(); err != nil {
		return err
	}
	if err := set.Replace(cfg.KeyFile); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(w.out, map[string]any{"file": cfg.KeyFile})
	}
	fmt.Fprintf(w.out, "Rotated %s. Restart serve and work, and keep a copy of the new file.\n", cfg.KeyFile)
	return nil
}
