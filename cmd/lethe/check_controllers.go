package main

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// controllers looks at whether the map can tell the rows of one controller from
// those of another: where it cannot, everybody's requests reach everybody's rows,
// where a controller has no scope, its own are not found, and where the map has no
// column for it, a scope does nothing.
func (c *checker) controllers(cfg *config.Config, m *datamap.Map) {
	var split, whole []string
	for _, d := range m.Datasets {
		for _, of := range d.Collections {
			switch {
			case of.Skip:
			case of.Controller != "":
				split = append(split, of.FullName())
			case of.Seeded():
				whole = append(whole, of.FullName())
			}
		}
	}
	if n := len(cfg.Controllers); n > 1 && len(whole) > 0 {
		c.say(doubtful, "data map", fmt.Sprintf("people are found in %s, which no column parts by controller: a request to any of the %d controllers reaches all rows there", strings.Join(whole, ", "), n),
			"name the column (lethe: {controller: …}), unless the rows are all controllers' own")
	}
	for _, p := range cfg.Controllers {
		if p.Scope == "" && len(split) > 0 {
			c.say(doubtful, "controller "+p.Key, "it has no scope, so none of its rows are found in "+strings.Join(split, ", ")+": people would be told that nothing is held there",
				"set scope: to its own value in the controller's column")
		}
		if len(cfg.Controllers) == 1 && p.Scope != "" && len(split) == 0 && len(whole) > 0 {
			c.say(doubtful, "controller "+p.Key, "it has a scope, and no collection of the map says in which column: its requests reach everybody's rows in "+strings.Join(whole, ", "),
				"name the column (lethe: {controller: …}), or take the scope away")
		}
	}
}
