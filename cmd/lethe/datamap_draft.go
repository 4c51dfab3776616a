package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

type datamapDraftCmd struct {
	Source   string   `placeholder:"NAME" help:"A source of the configuration; its first database where it has shards."`
	Database string   `placeholder:"URL" env:"LETHE_DRAFT_DATABASE" help:"A database that is in no configuration yet. A password is better left to the environment variable or ~/.pgpass."`
	Name     string   `placeholder:"NAME" help:"How the source is called in the map; with --database only (shop, unless set)."`
	Schema   []string `placeholder:"SCHEMA" help:"Only these schemas; all unless set."`
	Out      string   `placeholder:"FILE" help:"A new file for the map; standard output unless set."`
	Sample   int      `default:"200" help:"How many rows of each table are looked at."`
	NoSample bool     `name:"no-sample" help:"Look at no contents: names, types and keys only."`
	Update   bool     `help:"Add what is new in the database to the map that is there already; what people wrote stays."`
	Map      []string `placeholder:"FILE" help:"With --update: the map's files; those of the configuration unless set."`
	DryRun   bool     `name:"dry-run" help:"With --update: show what would be added, and write nothing."`
	JSON     bool     `name:"json" help:"With --update: the summary as JSON."`
}

// Help is the longer text of -h.
func (datamapDraftCmd) Help() string {
	return `Drafts a first data map from a live database: tables and keys become collections and
references, columns get categories by their names, types and a bounded sample of their contents,
each with its reason as a comment. Reads only; no value that was looked at leaves the process.

Example:
  lethe datamap draft --source shop --out datamap.yaml
  lethe datamap draft --database postgres://reader@db/shop --schema public --no-sample

With --update the map that is there is added to: tables and columns that it lacks, each marked
as new. Nothing that stands in it changes, and what is gone from the database is told, not taken
out. What is not to come back is named under lethe: {draft: {ignore: [table, table.column]}} of
its dataset.

  lethe datamap draft --source shop --update --dry-run`
}

// Run drafts.
func (c *datamapDraftCmd) Run(ctx context.Context, w *world, cli *commands) error {
	switch {
	case c.Source != "" && c.Database != "":
		return wrongUse("--source takes the database's address from the configuration, --database gives it: choose one; --database URL --name %s drafts under the source's name", c.Source)
	case c.Source == "" && c.Database == "":
		return wrongUse("say which database: --source NAME of the configuration, or --database URL")
	case c.Name != "" && c.Source != "":
		return wrongUse("--name goes with --database; a source of the configuration has its name")
	case c.Sample < 1 || c.Sample > 10_000:
		return wrongUse("--sample takes 1 to 10000 rows; --no-sample looks at none")
	case c.Update && c.Out != "":
		return wrongUse("--out writes a new map, and --update adds to the one that is there; choose one")
	case !c.Update && (c.DryRun || c.JSON || len(c.Map) > 0):
		return wrongUse("--map, --dry-run and --json go with --update")
	case c.Update && c.Database != "" && (c.Name == "" || len(c.Map) == 0):
		return wrongUse("an update of a database that is in no configuration needs --name, the source's name in the map, and --map, its files")
	}
	name, url := c.Source, c.Database
	if url != "" && name == "" {
		if name = c.Name; name == "" {
			name = "shop"
		}
	}
	paths, options := c.Map, datamap.ParseOptions{}
	if c.Source != "" {
		cfg, err := loadConfig(w, cli.Config)
		if err != nil {
			return err
		}
		options = mapOptions(cfg)
		if len(paths) == 0 {
			paths = cfg.Datamap
		}
		for _, s := range cfg.Sources {
			if s.Name == c.Source && len(s.Postgres) > 0 {
				url = s.Postgres[0]
			}
		}
		if url == "" {
			return wrongUse("there is no Postgres source %s in the configuration", c.Source)
		}
	}
	if c.Update {
		return c.update(ctx, w, draftUpdate{name: name, url: url, paths: paths, options: options})
	}
	db, err := c.describe(ctx, w, name, url)
	if err != nil {
		return err
	}
	d := draft.Make(db, draft.Options{Source: name})
	yaml, err := d.Map(options)
	if err != nil {
		return err
	}
	if err := c.write(w, yaml); err != nil {
		return err
	}
	c.tell(w, d)
	return nil
}

// describe reads the catalogue and the samples.
func (c *datamapDraftCmd) describe(ctx context.Context, w *world, name, url string) (*draft.Database, error) {
	s, err := postgres.Open(ctx, name, url, postgres.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	o := postgres.Describing{Schemas: c.Schema, Sample: c.Sample, Today: w.now().UTC()}
	if c.NoSample {
		o.Sample = 0
	}
	db, unsampled, err := s.Describe(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(db.Tables) == 0 {
		return nil, errors.New("no table is there that this role may read; nothing was written. Grant it USAGE on the schemas and SELECT on their tables, or draft with an owner's address: --database URL in place of --source")
	}
	for _, t := range unsampled {
		fmt.Fprintf(w.err, "%s could not be sampled in time; it was judged by its names alone.\n", t)
	}
	return db, nil
}

// write puts the map into a new file: a map that people worked on is never written over.
func (c *datamapDraftCmd) write(w *world, yaml []byte) error {
	if c.Out == "" {
		_, err := w.out.Write(yaml)
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a map holds names of columns, and is for others to read
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a file %s already, and it is not written over; add to it with --update, or choose another name and compare the two with lethe datamap diff", c.Out)
	}
	if err != nil {
		return fmt.Errorf("the map cannot be written: %w", err)
	}
	_, err = f.Write(yaml)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(c.Out) // half a map would stand in the way of the next try
		return fmt.Errorf("the map cannot be written: %w", err)
	}
	return nil
}

// tell says on standard error what a person must look at.
func (c *datamapDraftCmd) tell(w *world, d *draft.Draft) {
	reached := 0
	for _, one := range d.Collections {
		if one.Reached {
			reached++
		}
	}
	fmt.Fprintf(w.err, "%s, %d reached by an identity.\n", plural(int64(len(d.Collections)), "table", "tables"), reached)
	if reached == 0 {
		fmt.Fprintln(w.err, "No column was taken for a mail address or telephone number: give one an identity.")
	}
	for _, name := range d.Unreached {
		fmt.Fprintf(w.err, "%s looks personal and is not walked; the map says why.\n", name)
	}
	for _, name := range d.Left {
		fmt.Fprintf(w.err, "%s: not in the map.\n", name)
	}
}
