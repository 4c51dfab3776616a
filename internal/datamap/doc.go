// Package datamap turns Fideslang dataset YAML into a graph and the graph into
// plans. It is pure: no database, no clock, no I/O. Open types.go first.
package datamap

import "fmt"

func position(p Pos) string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }
