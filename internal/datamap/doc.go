// Package datamap turns Fideslang dataset YAML into a graph and the graph into
// plans. It is pure: no database, no clock, no I/O.
//
// Open types.go for the words. A map is read in three passes: guard.go turns a
// hostile file away and alias.go follows aliases, parse.go and its neighbours
// dataset.go, field.go, field_meta.go, masking.go and keep.go read what is written,
// resolve.go, reference.go and composite.go tie names to what they name. graph.go then knows
// what leads where, walk.go in which order, plan.go and parts.go what a policy
// makes of it, and render.go shows the plan to a person; diff.go compares two
// maps. identity.go brings what a person types to the form in which it is looked
// up. keys.go lists every key, and the tests hold a case for each.
//
// Two rules run through all of it. Every problem is reported at once, with
// file, line and column. And a key that asks for something and has no effect says
// so with the reason: read and ignored it would be a promise broken in silence.
package datamap

import "fmt"

func position(p Pos) string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }
