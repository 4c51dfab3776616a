// Package yamldoc reads YAML files strictly and with positions: every problem at
// once, never quoting a line (which may hold a password). It bounds size and
// nesting before the parser sees a file, and refuses anchors, aliases, merge keys
// and tags: configuration that a person reviews says what it says where it stands.
package yamldoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The parser's time grows with the square of the nesting (80 kB of brackets take
// half a minute), so size and depth are bounded before it sees the file.
const (
	maxBytes  = 1 << 20
	maxLevels = 64
)

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
	p := d.At(n)
	p.Message = fmt.Sprintf(format, args...)
	d.Problems = append(d.Problems, p)
}

// Open parses the bytes; nil when that is not possible.
func (d *Document) Open(data []byte) (root ast.Node) {
	if len(data) > maxBytes {
		d.Say(nil, "the file is larger than 1 MiB")
		return nil
	}
	if line, deep := tooDeep(data); deep {
		d.Problems = append(d.Problems, Problem{File: d.File, Line: line, Column: 1,
			Message: fmt.Sprintf("nested more than %d levels deep", maxLevels)})
		return nil
	}
	defer func() {
		// A parser that panics on hostile input must not take the process with it.
		if recover() != nil {
			d.Say(nil, "this is not YAML that can be read")
			root = nil
		}
	}()
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.Problems = append(d.Problems, d.syntax(err))
		return nil
	}
	switch {
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		d.Say(nil, "the file is empty")
		return nil
	case len(f.Docs) > 1:
		d.Say(f.Docs[1].Body, "one document a file: a second one begins here")
		return nil
	}
	return f.Docs[0].Body
}

// syntax keeps position and kind of a parser's error, never the line's text.
func (d *Document) syntax(err error) Problem {
	p := Problem{File: d.File, Line: 1, Column: 1, Message: "this is not YAML that can be read"}
	var y yaml.Error
	if !errors.As(err, &y) {
		return p
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	switch {
	case strings.Contains(y.GetMessage(), "already defined"):
		p.Message = "this key stands twice in one mapping"
	case strings.Contains(y.GetMessage(), "tab"):
		p.Message = "YAML is indented by spaces, not by tabs"
	}
	return p
}

// tooDeep counts brackets and indents without parsing.
func tooDeep(data []byte) (line int, deep bool) {
	depth := 0
	var indents []int
	for i, l := range strings.Split(string(data), "\n") {
		dashes := 0
		text := strings.TrimLeft(l, " ")
		indent := len(l) - len(text)
		if text == "" || text[0] == '#' {
			continue
		}
		for strings.HasPrefix(text, "- ") {
			dashes++
			text = strings.TrimLeft(text[2:], " ")
		}
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			indents = indents[:len(indents)-1]
		}
		indents = append(indents, indent)
		depth += strings.Count(l, "[") + strings.Count(l, "{")
		if len(indents)+dashes > maxLevels || depth > maxLevels {
			return i + 1, true
		}
		depth = max(0, depth-strings.Count(l, "]")-strings.Count(l, "}"))
	}
	return 0, false
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
		if slices.ContainsFunc(list, func(o Entry) bool { return o.Name == e.Name }) {
			d.Say(v.Key, "%s: %s stands twice", what, e.Name)
			continue
		}
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

// Nearest returns the known name that was probably meant, in brackets, or "".
func Nearest(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if n := distance(strings.ToLower(name), strings.ToLower(k)); n < least {
			best, least = k, n
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance is Levenshtein's; names longer than 200 bytes are as far as can be.
func distance(a, b string) int {
	if len(a) > 200 || len(b) > 200 {
		return 200
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := left
			if a[i] != b[j] {
				cost = 1 + min(left, row[j], row[j+1])
			}
			left, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
