package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

type datamapDiffCmd struct {
	Old      string `arg:"" placeholder:"OLD" help:"The map in use: a file, or a folder of .yaml files."`
	New      string `arg:"" placeholder:"NEW" help:"The map that is to take its place."`
	Policies bool   `help:"By the policies of the configuration, too, beside the built-in ones."`
	JSON     bool   `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (datamapDiffCmd) Help() string {
	return `Compares two maps for every identity type and policy: what would no longer be found,
what is new, which rows would be masked that are deleted today. Ends with status 3
when something would no longer be found, given or erased: run it before a changed map is merged.

Example:
  lethe datamap diff datamap.yaml datamap-new.yaml`
}

// Run compares.
func (c *datamapDiffCmd) Run(w *world, cli *commands) error {
	old, err := readMap(c.Old)
	if err != nil {
		return err
	}
	now, err := readMap(c.New)
	if err != nil {
		return err
	}
	var policies []datamap.Policy
	if c.Policies {
		cfg, err := loadConfig(w, cli.Config)
		if err != nil {
			return err
		}
		policies = policiesOf(cfg)
	}
	changes := datamap.Compare(old, now, policies...)
	lost := 0
	for _, one := range changes {
		if one.Lost {
			lost++
		}
	}
	if c.JSON {
		err = printJSON(w.out, diffJSON(changes, lost))
	} else {
		printDiff(w, changes, lost)
	}
	if err == nil && lost > 0 {
		return doneInPart("%s would be lost with the new map", plural(int64(lost), "thing", "things"))
	}
	return err
}

func printDiff(w *world, changes []datamap.Change, lost int) {
	if len(changes) == 0 {
		fmt.Fprintln(w.out, "Both maps find, give and erase the same.")
		return
	}
	if lost > 0 {
		fmt.Fprintln(w.out, "Would be lost:")
	}
	for i, one := range changes {
		if i == lost {
			if lost > 0 {
				fmt.Fprintln(w.out)
			}
			fmt.Fprintln(w.out, "Would change:")
		}
		fmt.Fprintf(w.out, "  %s\n", one)
	}
}

func diffJSON(changes []datamap.Change, lost int) any {
	type change struct {
		Lost       bool     `json:"lost"`
		Collection string   `json:"collection"`
		Field      string   `json:"field,omitempty"`
		Policy     string   `json:"policy,omitempty"`
		Identities []string `json:"identities,omitempty"`
		Message    string   `json:"message"`
	}
	out := struct {
		Lost    int      `json:"lost"`
		Changes []change `json:"changes"`
	}{lost, []change{}}
	for _, one := range changes {
		out.Changes = append(out.Changes, change{one.Lost, one.Collection, one.Field, one.Policy, one.Identities, one.Message})
	}
	return out
}

// readMap reads a map from one file, or from all .yaml files of a folder. The
// sources' names are not held against a configuration: a map that is still being
// written may name others.
func readMap(path string) (*datamap.Map, error) {
	paths := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		paths = nil
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, fmt.Errorf("the folder %s cannot be listed: %w", path, err)
			}
			paths = append(paths, found...)
		}
		slices.Sort(paths)
		if len(paths) == 0 {
			return nil, errors.New("the folder " + path + " holds no .yaml file")
		}
	}
	files, err := readMapFiles(paths)
	if err != nil {
		return nil, err
	}
	m, list := datamap.Parse(files, datamap.ParseOptions{})
	if m == nil {
		return nil, problems("the data map "+path+" cannot be used; nothing was compared", list)
	}
	return m, nil
}
