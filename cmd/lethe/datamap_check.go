package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

type datamapCheckCmd struct {
	Offline bool `help:"Ask no source whether its columns can take their masked values."`
	JSON    bool `name:"json" help:"As JSON."`
}

// Help is the longer text of -h.
func (datamapCheckCmd) Help() string {
	return `Reads the data map: every mistake at once, each with its place, and what each identity type
reaches. Each source that answers within seconds is asked, too, whether its columns can take the values
that an erasure would put there; one that does not is named, and is no mistake. Changes
nothing (lethe check compares all of the map with the live schema).

Example:
  lethe datamap check -c examples/livechat/lethe.yaml
  lethe datamap check --offline --json`
}

// checked is what the command has to say.
type checked struct {
	m        *datamap.Map
	problems []datamap.Problem
	unasked  []unasked
}

// unasked is a source that could not be asked about its columns.
type unasked struct {
	Source string `json:"source"`
	Why    string `json:"why"`
}

// Run checks.
func (c *datamapCheckCmd) Run(ctx context.Context, w *world, cli *commands) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	var k checked
	k.m, k.problems, err = loadMap(cfg)
	if k.m != nil {
		own := policiesOf(cfg)
		k.problems = append(k.problems, policyProblems(cfg, k.m)...)
		k.problems = append(k.problems, datamap.Plannable(k.m, own...)...)
		k.problems = append(k.problems, datamap.Gaps(k.m)...)
		k.problems = append(k.problems, datamap.Weaknesses(k.m, append([]datamap.Policy{datamap.Builtin(datamap.Erasure)}, own...)...)...)
		if !c.Offline {
			k.ask(ctx, cfg, own)
		}
	}
	k.arrange(cfg.Datamap)
	if datamap.Failed(k.problems) {
		// With the warnings, which often say why: loadMap tells the errors alone.
		err = problems("the data map cannot be used; nothing was done", k.lines())
	}
	if c.JSON {
		return k.json(w, err)
	}
	for _, one := range k.unasked {
		fmt.Fprintf(w.err, "The source %s was not asked whether its columns can take their masked values: %s.\n", one.Source, one.Why)
	}
	if err != nil {
		return err
	}
	k.print(w)
	return nil
}

// arrange sorts what is wrong as a person reads the files.
func (k *checked) arrange(files []string) {
	slices.SortStableFunc(k.problems, func(a, b datamap.Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.Pos.File), slices.Index(files, b.Pos.File)),
			cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column),
		)
	})
}

// lines are the problems as they are printed: of two that stand together it must
// be plain which one keeps the map from being used.
func (k *checked) lines() []datamap.Problem {
	list := slices.Clone(k.problems)
	for i, p := range list {
		if p.Warning {
			list[i].Message = "warning: " + p.Message
		}
	}
	return list
}

func (k *checked) print(w *world) {
	for _, p := range k.lines() {
		fmt.Fprintln(w.err, p)
	}
	reach := datamap.Reach(k.m)
	t := newTable(w.out, "identity", "reaches")
	for _, kind := range datamap.IdentityTypes(k.m) {
		for i, name := range reach[kind] {
			if i > 0 {
				kind = ""
			}
			t.row(kind, name)
		}
	}
	t.flush()
}

func (k *checked) json(w *world, err error) error {
	type problem struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Warning bool   `json:"warning"`
		Message string `json:"message"`
	}
	out := struct {
		Problems []problem           `json:"problems"`
		Reach    map[string][]string `json:"reach"`
		Unasked  []unasked           `json:"not_asked"`
	}{[]problem{}, map[string][]string{}, append([]unasked{}, k.unasked...)}
	for _, p := range k.problems {
		out.Problems = append(out.Problems, problem{p.Pos.File, p.Pos.Line, p.Pos.Column, p.Warning, p.Message})
	}
	if k.m != nil {
		out.Reach = datamap.Reach(k.m)
	}
	if jerr := printJSON(w.out, out); jerr != nil {
		return jerr
	}
	if err != nil {
		return errors.New("the data map cannot be used")
	}
	return nil
}

// askLimit is how long a source may take to answer: the map itself is read
// without it, and whoever checks one is not to wait for a server that is away.
const askLimit = 5 * time.Second

// ask compares masked values with the columns of each source, all at once.
func (k *checked) ask(ctx context.Context, cfg *config.Config, policies []datamap.Policy) {
	misfits, errs := make([][]postgres.Misfit, len(cfg.Sources)), make([]error, len(cfg.Sources))
	var all sync.WaitGroup
	for i, s := range cfg.Sources {
		if len(s.Postgres) > 0 {
			all.Go(func() { misfits[i], errs[i] = misfitsOf(ctx, s, k.m, policies) })
		}
	}
	all.Wait()
	for i, s := range cfg.Sources {
		if errs[i] != nil {
			k.unasked = append(k.unasked, unasked{s.Name, sentence(errs[i])})
		}
		for _, one := range misfits[i] {
			k.problems = append(k.problems, datamap.Problem{Pos: one.Field.Pos, Warning: one.Level != postgres.Wrong,
				Message: one.Subject + ": " + one.Sentence + "; " + one.Do})
		}
	}
}

func misfitsOf(ctx context.Context, s config.Source, m *datamap.Map, policies []datamap.Policy) ([]postgres.Misfit, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	src, err := openStore(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return src.Misfits(ctx, m, policies...)
}
