package datamap

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// reader reads YAML nodes of one file and notes what is wrong with them. It
// walks the syntax tree, because decoding into structs stops at the first error.
type reader struct {
	file string
	out  *problems
}

// A pair of a mapping, with where its key stands.
type pair struct {
	key   string
	pos   Pos
	value ast.Node
}

func (r *reader) pos(n ast.Node) Pos { return at(r.file, n.GetToken()) }

// bare takes anchors and tags off a node, and gives what an alias names; nil stays nil.
func bare(n ast.Node) ast.Node {
	for {
		switch t := n.(type) {
		case *ast.AnchorNode:
			n = t.Value
		case *ast.TagNode:
			n = t.Value
		case *ast.AliasNode:
			n = t.Value // see follow
		default:
			return n
		}
	}
}

func isNull(n ast.Node) bool {
	n = bare(n)
	if n == nil {
		return true
	}
	_, null := n.(*ast.NullNode)
	return null
}

// isEmpty tells that a value says nothing: null, {} or [].
func isEmpty(n ast.Node) bool {
	switch t := bare(n).(type) {
	case *ast.MappingNode:
		return len(t.Values) == 0
	case *ast.SequenceNode:
		return len(t.Values) == 0
	}
	return isNull(n)
}

// mapping returns the pairs of a mapping in the file's order. Nothing counts as
// an empty one. A key that stands twice is an error; the first one is kept.
func (r *reader) mapping(n ast.Node, owner Pos, what string) ([]pair, bool) {
	if isNull(n) {
		return nil, true
	}
	var values []*ast.MappingValueNode
	switch t := bare(n).(type) {
	case *ast.MappingNode:
		values = t.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{t}
	default:
		r.out.misshapen(owner, "%s must be a mapping of keys to values", what)
		return nil, false
	}
	pairs := make([]pair, 0, len(values))
	seen := make(map[string]int, len(values))
	for _, v := range values {
		key, tk := keyOf(v)
		p := pair{key: key, pos: at(r.file, tk), value: v.Value}
		if line, twice := seen[key]; twice {
			r.out.fail(p.pos, "key %q stands twice; the first is in line %d", key, line)
			continue
		}
		seen[key] = p.pos.Line
		pairs = append(pairs, p)
	}
	return pairs, true
}

// keyOf is the text of a pair's key, also of one behind a question mark.
func keyOf(v *ast.MappingValueNode) (string, *token.Token) {
	tk := v.Key.GetToken()
	if k, ok := v.Key.(*ast.MappingKeyNode); ok && k.Value != nil {
		tk = k.Value.GetToken()
	}
	if tk == nil {
		return "", nil
	}
	return tk.Value, tk
}

// shaped tells whether an item of a list can be read at all. One that is no
// mapping is told once, and not for all that it lacks.
func (r *reader) shaped(item pair, k levelKeys) bool {
	switch bare(item.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.NullNode, nil:
		return true
	}
	r.out.misshapen(item.pos, "%s must be a mapping of keys to values", k.what)
	return false
}

// list returns the items of a list; nothing counts as an empty one.
func (r *reader) list(p pair) ([]ast.Node, bool) {
	if isNull(p.value) {
		return nil, true
	}
	s, ok := bare(p.value).(*ast.SequenceNode)
	if !ok {
		r.out.misshapen(p.pos, "%s must be a list", p.key)
		return nil, false
	}
	return s.Values, true
}

// scalar returns the text of a plain, quoted or block value.
func scalar(n ast.Node) (string, bool) {
	switch t := bare(n).(type) {
	case *ast.StringNode:
		return t.Value, true
	case *ast.LiteralNode:
		return t.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return t.GetToken().Value, true
	}
	return "", false
}

// text reads a value of text; nothing gives "".
func (r *reader) text(p pair) string {
	if isNull(p.value) {
		return ""
	}
	s, ok := scalar(p.value)
	if !ok {
		r.out.misshapen(p.pos, "%s must be text", p.key)
		return ""
	}
	return strings.TrimSpace(s)
}

// A word is a name with where it stands.
type word struct {
	text string
	pos  Pos
}

// words reads a list of names; a single name stands for a list of one.
func (r *reader) words(p pair) []word {
	if s, ok := scalar(p.value); ok {
		return []word{{strings.TrimSpace(s), r.pos(p.value)}}
	}
	items, ok := r.list(p)
	if !ok {
		return nil
	}
	list := make([]word, 0, len(items))
	for _, item := range items {
		s, ok := scalar(item)
		if s = strings.TrimSpace(s); !ok || s == "" {
			pos := p.pos
			if item != nil {
				pos = r.pos(item)
			}
			r.out.misshapen(pos, "each item of %s must be text", p.key)
			continue
		}
		list = append(list, word{s, r.pos(item)})
	}
	return list
}

func texts(list []word) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = w.text
	}
	return out
}

// flag reads true or false, also as YAML 1.1 spells them, in quotes and as 1 or 0: Fides'
// reader takes yes, on, y and "true" for true, and its files load here unchanged.
func (r *reader) flag(p pair) bool {
	if isNull(p.value) {
		return false
	}
	s, _ := scalar(p.value)
	switch strings.ToLower(s) {
	case "true", "yes", "on", "t", "y", "1":
		return true
	case "false", "no", "off", "f", "n", "0":
		return false
	}
	r.out.misshapen(p.pos, "%s must be true or false", p.key)
	return false
}

// number reads a whole number between low and high.
func (r *reader) number(p pair, low, high int) int {
	if isNull(p.value) {
		return 0
	}
	s, _ := scalar(p.value)
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		r.out.misshapen(p.pos, "%s must be a whole number from %d to %d", p.key, low, high)
		return 0
	}
	return n
}
