package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/draft"
)

// draftUpdate is what an update works on.
type draftUpdate struct {
	name, url string
	paths     []string
	options   datamap.ParseOptions
}

// update adds to the map what is new in the database. The map is read, and found
// good, before the database is asked.
func (c *datamapDraftCmd) update(ctx context.Context, w *world, o draftUpdate) error {
	files, err := readMapFiles(o.paths)
	if err != nil {
		return err
	}
	m, list := datamap.Parse(files, o.options)
	if m == nil {
		return problems("the data map cannot be read; nothing was added to it", slices.DeleteFunc(list, func(p datamap.Problem) bool { return p.Warning }))
	}
	db, err := c.describe(ctx, w, o.name, o.url)
	if err != nil {
		return err
	}
	u, err := draft.Renew(db, m, files, draft.Options{Source: o.name, New: w.now().UTC().Format(time.DateOnly)}, o.options)
	if err != nil {
		return err
	}
	for _, f := range u.Files {
		before := files[slices.IndexFunc(files, func(o datamap.File) bool { return o.Name == f.Name })]
		switch {
		case !c.DryRun:
			err = replaceFile(f.Name, before.Data, f.Data)
		case !c.JSON:
			_, err = w.out.Write(diff.Diff(f.Name, before.Data, f.Name, f.Data))
		}
		if err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(w.out, updateJSON(u, o.name, c.DryRun))
	}
	c.summary(w, u)
	return nil
}

// summary says what was added, what is gone, and what a person must look at. A
// dry run's diff stands on standard output, to be kept; its summary does not.
func (c *datamapDraftCmd) summary(w *world, u *draft.Update) {
	out, verb := w.out, "Added"
	if c.DryRun {
		out, verb = w.err, "Would add"
	}
	if len(u.Added) == 0 {
		fmt.Fprintln(out, "The map has every table and column that the database has; no file was changed.")
	}
	byDataset := map[string][]string{}
	var datasets []string
	for _, a := range u.Added {
		what := a.Collection
		if a.Field != "" {
			what += "." + a.Field
		}
		if a.Identity != "" {
			what += " (an identity: " + a.Identity + ")"
		}
		if a.Why != "" {
			what += ": " + a.Why
		}
		fmt.Fprintf(out, "%s:%d: %s %s\n", a.Pos.File, a.Pos.Line, verb, what)
		key := a.DatasetKey()
		if byDataset[key] == nil {
			datasets = append(datasets, key)
		}
		byDataset[key] = append(byDataset[key], a.Ignore())
	}
	for _, g := range u.Gone {
		if g.Field == "" {
			fmt.Fprintf(out, "%s:%d: %s is not in the database, or this role may not read it; it stays in the map.\n", g.Pos.File, g.Pos.Line, g.Collection)
			continue
		}
		fmt.Fprintf(out, "%s:%d: %s has no column %s; it stays in the map.\n", g.Pos.File, g.Pos.Line, g.Collection, g.Field)
	}
	for _, note := range u.Notes {
		fmt.Fprintln(out, note+".")
	}
	for _, key := range datasets {
		fmt.Fprintf(out, "What you take out of dataset %s again comes back, unless the dataset says lethe: {draft: {ignore: [%s]}} or some of these.\n",
			key, draft.Names(byDataset[key]))
	}
}

func updateJSON(u *draft.Update, source string, dry bool) any {
	type entry struct {
		File       string `json:"file"`
		Line       int    `json:"line"`
		Collection string `json:"collection"`
		Field      string `json:"field,omitempty"`
		Walked     *bool  `json:"walked,omitempty"`
		Identity   string `json:"identity,omitempty"`
		Why        string `json:"why,omitempty"`
		Ignore     string `json:"ignore,omitempty"`
	}
	out := struct {
		Source  string   `json:"source"`
		DryRun  bool     `json:"dry_run"`
		Changed []string `json:"changed"`
		Added   []entry  `json:"added"`
		Gone    []entry  `json:"gone"`
		Notes   []string `json:"notes"`
	}{source, dry, []string{}, []entry{}, []entry{}, append([]string{}, u.Notes...)}
	for _, f := range u.Files {
		out.Changed = append(out.Changed, f.Name)
	}
	for _, a := range u.Added {
		out.Added = append(out.Added, entry{a.Pos.File, a.Pos.Line, a.Collection, a.Field, &a.Walked, a.Identity, a.Why, a.Ignore()})
	}
	for _, g := range u.Gone {
		out.Gone = append(out.Gone, entry{File: g.Pos.File, Line: g.Pos.Line, Collection: g.Collection, Field: g.Field})
	}
	return out
}

// replaceFile puts new contents in the place of a file's, whole or not at all,
// with the file's own mode. Who edited it meanwhile keeps what they wrote.
func replaceFile(path string, before, after []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s was not changed: %w", path, err)
		}
	}()
	if path, err = filepath.EvalSymlinks(path); err != nil { // the link stays one
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(after); err != nil {
		return err
	}
	if err = f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	now, err := os.ReadFile(path) //nolint:gosec // the map that the person named
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return errors.New("somebody changed it meanwhile; run the update again")
	}
	return os.Rename(f.Name(), path)
}
