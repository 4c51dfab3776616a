package datamap

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/lethe-dsr/lethe/internal/yamldoc"
)

// maxMiB bounds one file of a data map: a draft of 900 tables of 27 columns has
// 2.4 MiB, and is read in a second.
const maxMiB = 32

// open turns a file into a syntax tree, or says why it is not read at all. Tags,
// anchors and aliases are let through, because maps made for Fides may hold them.
func open(f File, out *problems) (*ast.File, bool) {
	tokens, list := yamldoc.TokensWithin(f.Name, f.Data, maxMiB)
	for _, p := range list {
		out.fail(Pos{p.File, p.Line, p.Column}, "%s", p.Message)
	}
	if len(list) > 0 {
		return nil, false
	}
	tree, p := yamldoc.Parse(f.Name, tokens)
	if p != nil {
		out.fail(Pos{p.File, p.Line, p.Column}, "%s", p.Message)
		return nil, false
	}
	a := &aliases{file: f.Name, out: out}
	for _, doc := range tree.Docs {
		a.anchors = map[string]anchor{} // those of one document are not known in the next
		a.follow(doc.Body)
	}
	return tree, !a.failed
}

func at(file string, tk *token.Token) Pos {
	if tk == nil || tk.Position == nil {
		return Pos{File: file, Line: 1, Column: 1}
	}
	return Pos{File: file, Line: tk.Position.Line, Column: max(1, tk.Position.Column)}
}
