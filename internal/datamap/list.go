package datamap

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A List is where a list of a file stands, so that `datamap draft --update` can
// add an item at its end and leave every other byte as it is.
type List struct {
	Pos       // of the first dash, or of the opening bracket
	Flow bool // written in brackets
	End  Pos  // of the closing bracket
	// Comma and Comment tell whether these stand right before the closing bracket.
	Comma, Comment bool
}

// listOf notes where a list stands; of what is no list, nothing, nor of one that
// stands elsewhere and is named by an alias: others are made of it, too.
func (r *reader) listOf(n ast.Node) List {
	if _, elsewhere := n.(*ast.AliasNode); elsewhere {
		return List{}
	}
	s, ok := bare(n).(*ast.SequenceNode)
	if !ok || s.Start == nil {
		return List{}
	}
	l := List{Pos: at(r.file, s.Start), Flow: s.IsFlowStyle}
	if !s.IsFlowStyle || s.End == nil {
		return l
	}
	l.End = at(r.file, s.End)
	before := s.End.Prev
	for ; before != nil && before.Type == token.CommentType; before = before.Prev {
		l.Comment = true
	}
	l.Comma = before != nil && before.Type == token.CollectEntryType
	return l
}

// draft reads lethe: {draft: {…}} of a dataset. What it names need not be there:
// it was taken out of the map, and may be gone from the database since.
func (p *mapReader) draft(r *reader, q pair, d *Dataset) {
	for _, k := range r.pairs(q, draftKeys()) {
		for _, w := range r.words(k) {
			table, column, ofColumn := strings.Cut(w.text, ".")
			if nameProblem(table) != "" || ofColumn && nameProblem(column) != "" {
				r.out.fail(w.pos, "ignore names a table, as in visits, or a column, as in visits.agent; of the schema of its dataset")
				continue
			}
			if !slices.Contains(d.Ignored, w.text) {
				d.Ignored = append(d.Ignored, w.text)
			}
		}
	}
}
