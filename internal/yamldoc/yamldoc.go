// Package yamldoc reads YAML files strictly and with positions: every problem at
// once, never quoting a line (which may hold a password). It bounds size, nesting
// and keys before the parser sees a file (guard.go), and refuses anchors, aliases,
// merge keys and tags: configuration that a person reviews says what it says where
// it stands. It is pure, so that the data map, which is, may share its guard.
package yamldoc

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// maxProblems bounds what one file reports: nobody reads on beyond it, and a
// hostile file could ask for a million of them.
const maxProblems = 500

// A Problem is one thing wrong with a file. Lines and columns count from 1.
type Problem struct {
	File         string
	Line, Column int
	Message      string
}

// String is "file:line:column: message".
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// A Document collects every problem of one file while it is read.
type Document struct {
	File     string
	Problems []Problem
}

// At is the place of a node, as a problem without a message.
func (d *Document) At(n ast.Node) Problem {
	p := Problem{File: d.File, Line: 1, Column: 1}
	if n == nil || n.GetToken() == nil {
		return p
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key // a block mapping's own token is its first colon
	}
	if at := n.GetToken().Position; at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	return p
}

// Say notes a problem. The sentence names keys and names of the file, never its values at large.
func (d *Document) Say(n ast.Node, format string, args ...any) {
	switch p := d.At(n); {
	case len(d.Problems) > maxProblems:
	case len(d.Problems) == maxProblems:
		p.Message = "and more problems, which are not listed"
		d.Problems = append(d.Problems, p)
	default:
		p.Message = fmt.Sprintf(format, args...)
		d.Problems = append(d.Problems, p)
	}
}

// Open parses the bytes; nil when that is not possible.
func (d *Document) Open(data []byte) (root ast.Node) {
	tokens, list := Tokens(d.File, data)
	if len(list) > 0 {
		d.Problems = append(d.Problems, list...)
		return nil
	}
	f, problem := Parse(d.File, tokens)
	switch {
	case problem != nil:
		d.Problems = append(d.Problems, *problem)
		return nil
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		d.Say(nil, "the file is empty")
		return nil
	case len(f.Docs) > 1:
		d.Say(f.Docs[1].Body, "one document a file: a second one begins here")
		return nil
	}
	return f.Docs[0].Body
}

// An Entry is one key of a mapping with its value.
type Entry struct {
	Key   ast.Node
	Name  string
	Value ast.Node
}

// Entries reads a mapping; anything else is a problem, what names it in words.
func (d *Document) Entries(n ast.Node, what string) []Entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.Wrong(n, what, "keys with values")
		return nil
	}
	list := make([]Entry, 0, len(values))
	first := make(map[string]int, len(values))
	for _, v := range values {
		if v.Key.IsMergeKey() {
			d.Say(v.Key, "%s: merge keys are not read here; write the keys out", what)
			continue
		}
		e := Entry{Key: v.Key, Value: v.Value}
		if s, ok := v.Key.(*ast.StringNode); ok {
			e.Name = s.Value
		} else {
			e.Name = v.Key.String()
		}
		if line, twice := first[e.Name]; twice {
			d.Say(v.Key, "%s: %s stands twice; the first is in line %d", what, e.Name, line)
			continue
		}
		first[e.Name] = d.At(v.Key).Line
		list = append(list, e)
	}
	return list
}

// Items reads a list.
func (d *Document) Items(n ast.Node, what string) []ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok {
		return s.Values
	}
	d.Wrong(n, what, "a list")
	return nil
}

// Wrong says what was expected; aliases and tags get a sentence of their own.
func (d *Document) Wrong(n ast.Node, what, expected string) {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode:
		d.Say(n, "%s: anchors and aliases are not read here; write the value out", what)
	case *ast.TagNode:
		d.Say(n, "%s: tags are not read here", what)
	case nil:
		d.Say(n, "%s is empty; %s expected", what, expected)
	default:
		d.Say(n, "%s: %s expected", what, expected)
	}
}

// Text reads a string; numbers and booleans count as they are written.
func (d *Document) Text(n ast.Node, what string) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	d.Wrong(n, what, "a text")
	return "", false
}

// Texts reads one text or a list of them.
func (d *Document) Texts(n ast.Node, what string) []string {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	var list []string
	for _, v := range nodes {
		if s, ok := d.Text(v, what); ok {
			list = append(list, s)
		}
	}
	return list
}

// Admitted reads what a column may hold: one value or a list; null stands for NULL.
func (d *Document) Admitted(n ast.Node, what string) []*string {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
		if len(nodes) == 0 {
			d.Say(n, "%s: an empty list admits nothing", what)
		}
	}
	var list []*string
	for _, v := range nodes {
		if _, null := v.(*ast.NullNode); null {
			list = append(list, nil)
			continue
		}
		if s, ok := d.Text(v, what); ok {
			list = append(list, &s)
		}
	}
	return list
}
