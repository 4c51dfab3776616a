// Package datamap turns Fideslang dataset YAML into a graph and the graph into
// plans. It is pure: no database, no clock, no I/O.
//
// Open types.go for the words. A map is read in three passes: guard.go turns a
// hostile file away, parse.go and its neighbours dataset.go, field.go and
// masking.go read what is written, resolve.go ties names to what they name.
// graph.go then knows what leads where, walk.go in which order, plan.go what a
// policy makes of it, and render.go shows the plan to a person. identity.go
// brings what a person types to the form in which it is looked up.
//
// Two rules run through all of it. Every problem is reported at once, with
// file, line and column. And what this version does not carry out is refused by
// name: a key that is read and then ignored would be a promise broken in silence.
package datamap

import "fmt"

func position(p Pos) string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }
