package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/migrations"
)

type migrateCmd struct{}

// Help is the longer text of -h.
func (migrateCmd) Help() string {
	return `Creates or updates the schema "lethe" in the control database, and the queue's tables in it. May be run twice, and by two processes at once. Refuses a schema that a newer lethe has made.

Example:
  lethe migrate`
}

// Run migrates.
func (c *migrateCmd) Run(ctx context.Context, w *world, cli *commands) error {
	return withControl(ctx, w, cli, func(_ *config.Config, pool *pgxpool.Pool) error {
		if err := migrations.Up(ctx, pool); err != nil {
			return err
		}
		fmt.Fprintln(w.out, "The control schema is up to date.")
		return nil
	})
}
