package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// explain carries the search out on connections of its own and tells of each
// statement. Neither values nor keys stand in what it prints.
func (c *findCmd) explain(ctx context.Context, w *world, a *app, asked dsar.Submission) error {
	type statement struct {
		SQL     string   `json:"sql"`
		Seconds float64  `json:"seconds"`
		Rows    int64    `json:"rows"`
		Scans   []string `json:"sequential_scans"`
		Plan    string   `json:"plan"`
	}
	type searched struct {
		Source     string      `json:"source"`
		Shard      int         `json:"shard"`
		Rows       int64       `json:"rows"`
		Shared     int64       `json:"shared"`
		Seconds    float64     `json:"seconds"`
		Statements []statement `json:"statements"`
	}
	out := struct {
		Sources []searched `json:"sources"`
	}{[]searched{}}
	for _, s := range a.cfg.Sources {
		if len(s.Postgres) == 0 {
			continue
		}
		walk, err := a.requests.PreviewWalk(ctx, operator, asked, s.Name)
		if err != nil {
			return asMisuse(err)
		}
		for i, url := range s.Postgres {
			found, list, err := postgres.Explain(ctx, s.Name, url, postgres.Options{Now: w.now}, walk)
			if err != nil {
				return err
			}
			one := searched{Source: s.Name, Shard: i + 1, Statements: []statement{}}
			for _, f := range found.Findings {
				one.Rows += f.Rows
				one.Shared += f.Shared
			}
			for _, e := range list {
				one.Seconds += e.Took.Seconds()
				one.Statements = append(one.Statements, statement{e.SQL, e.Took.Seconds(), e.Rows, append([]string{}, e.Scans...), e.Plan})
			}
			out.Sources = append(out.Sources, one)
		}
	}
	if c.JSON {
		return printJSON(w.out, out)
	}
	for _, one := range out.Sources {
		fmt.Fprintf(w.out, "source %s, database %d: %s and %d shared, %s, %.1f ms\n", one.Source, one.Shard,
			plural(one.Rows, "row", "rows"), one.Shared, plural(int64(len(one.Statements)), "statement", "statements"), one.Seconds*1000)
		for i, e := range one.Statements {
			fmt.Fprintf(w.out, "\n-- statement %d: %.1f ms, %s\n%s;\n", i+1, e.Seconds*1000, plural(e.Rows, "row", "rows"), e.SQL)
			for line := range strings.Lines(e.Plan) {
				fmt.Fprint(w.out, "--   ", line)
			}
			if len(e.Scans) > 0 {
				fmt.Fprintf(w.out, "-- reads from end to end: %s\n", strings.Join(e.Scans, ", "))
			}
		}
		fmt.Fprintln(w.out)
	}
	return nil
}
