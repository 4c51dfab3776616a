package retention

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The parser's time grows with the square of the nesting (80 kB of brackets take
// half a minute) and of the keys in a mapping, so size, depth and keys are
// bounded before it sees the file.
const (
	maxBytes  = 1 << 20
	maxLevels = 64
	maxKeys   = 20_000
)

// document collects every problem of one file while it is read.
type document struct {
	file     string
	problems []datamap.Problem
}

func (d *document) at(n ast.Node) datamap.Pos {
	p := datamap.Pos{File: d.file, Line: 1, Column: 1}
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

// say notes a problem. The sentence names keys and names of the file, never its values at large.
func (d *document) say(n ast.Node, format string, args ...any) {
	d.problems = append(d.problems, datamap.Problem{Pos: d.at(n), Message: fmt.Sprintf(format, args...)})
}

// open parses the bytes; nil when that is not possible.
func (d *document) open(data []byte) (root ast.Node) {
	if len(data) > maxBytes {
		d.say(nil, "the file is larger than 1 MiB")
		return nil
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		d.say(nil, "the file is not UTF-8 text")
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.Count(data, []byte{':'}) > maxKeys {
		d.say(nil, "the file has more than %d keys", maxKeys)
		return nil
	}
	if line, deep := tooDeep(data); deep {
		d.problems = append(d.problems, datamap.Problem{Pos: datamap.Pos{File: d.file, Line: line, Column: 1},
			Message: fmt.Sprintf("nested more than %d levels deep", maxLevels)})
		return nil
	}
	defer func() {
		// A parser that panics on hostile input must not take the process with it.
		if recover() != nil {
			d.say(nil, "this is not YAML that can be read")
			root = nil
		}
	}()
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.problems = append(d.problems, d.syntax(err))
		return nil
	}
	switch {
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		d.say(nil, "the file is empty; it needs a list under rules:")
		return nil
	case len(f.Docs) > 1:
		d.say(f.Docs[1].Body, "one document a file: a second one begins here")
		return nil
	}
	return f.Docs[0].Body
}

// syntax keeps position and kind of a parser's error, never the line's text.
func (d *document) syntax(err error) datamap.Problem {
	p := datamap.Problem{Pos: datamap.Pos{File: d.file, Line: 1, Column: 1}, Message: "this is not YAML that can be read"}
	var y yaml.Error
	if e, ok := err.(yaml.Error); ok {
		y = e
	}
	if y == nil {
		return p
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		p.Pos.Line, p.Pos.Column = t.Position.Line, t.Position.Column
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

// entry is one key of a mapping with its value.
type entry struct {
	key   ast.Node
	name  string
	value ast.Node
}

// entries reads a mapping; anything else is a problem, what names it in words.
func (d *document) entries(n ast.Node, what string) []entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.wrong(n, what, "keys with values")
		return nil
	}
	list := make([]entry, 0, len(values))
	for _, v := range values {
		if v.Key.IsMergeKey() {
			d.say(v.Key, "%s: merge keys are not read here; write the keys out", what)
			continue
		}
		e := entry{key: v.Key, value: v.Value}
		if s, ok := v.Key.(*ast.StringNode); ok {
			e.name = s.Value
		} else {
			e.name = v.Key.String()
		}
		if slices.ContainsFunc(list, func(o entry) bool { return o.name == e.name }) {
			d.say(v.Key, "%s: %s stands twice", what, e.name)
			continue
		}
		list = append(list, e)
	}
	return list
}

func (d *document) items(n ast.Node, what string) []ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok {
		return s.Values
	}
	d.wrong(n, what, "a list")
	return nil
}

// wrong says what was expected; aliases and tags get a sentence of their own.
func (d *document) wrong(n ast.Node, what, expected string) {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode:
		d.say(n, "%s: anchors and aliases are not read here; write the value out", what)
	case *ast.TagNode:
		d.say(n, "%s: tags are not read here", what)
	case nil:
		d.say(n, "%s is empty; %s expected", what, expected)
	default:
		d.say(n, "%s: %s expected", what, expected)
	}
}

// text reads a string; numbers and booleans count as they are written.
func (d *document) text(n ast.Node, what string) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	d.wrong(n, what, "a text")
	return "", false
}

// texts reads one text or a list of them.
func (d *document) texts(n ast.Node, what string) []string {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	var list []string
	for _, v := range nodes {
		if s, ok := d.text(v, what); ok {
			list = append(list, s)
		}
	}
	return list
}

// admitted reads what a column may hold: one value or a list; null stands for NULL.
func (d *document) admitted(n ast.Node, what string) []*string {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
		if len(nodes) == 0 {
			d.say(n, "%s: an empty list admits nothing", what)
		}
	}
	var list []*string
	for _, v := range nodes {
		if _, null := v.(*ast.NullNode); null {
			list = append(list, nil)
			continue
		}
		if s, ok := d.text(v, what); ok {
			list = append(list, &s)
		}
	}
	return list
}

// nearest returns the known name that was probably meant, in brackets, or "".
func nearest(name string, known []string) string {
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
