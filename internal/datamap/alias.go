package datamap

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// The most that the aliases of one file may come to once all is written out, and
// how deep: an alias costs two letters and can stand for all that was said before.
const (
	maxWrittenOut = 500_000
	maxDeep       = 64
)

// aliases follows the aliases (*name) and merge keys (<<) of one document. Maps
// made for Fides may say a thing once and name it again, and its own tools write
// such files; what is named counts as if it stood there.
type aliases struct {
	file    string
	out     *problems
	anchors map[string]anchor // those that stand before
	written int               // nodes that aliases have stood for
	failed  bool
}

// An anchor is what a name stands for; deep are the levels below it.
type anchor struct {
	node       ast.Node
	size, deep int
}

// follow resolves the aliases below n. An alias keeps its node, which holds from
// then on what it names (see bare).
func (a *aliases) follow(n ast.Node) (size, deep int) {
	size = 1
	add := func(below ast.Node) {
		s, d := a.follow(below)
		size, deep = size+s, max(deep, d+1)
	}
	switch t := n.(type) {
	case *ast.AnchorNode:
		size, deep = a.follow(t.Value)
		a.anchors[t.Name.GetToken().Value] = anchor{t.Value, size, deep}
	case *ast.TagNode:
		size, deep = a.follow(t.Value)
	case *ast.AliasNode:
		name := t.Value.GetToken()
		named, known := a.anchors[name.Value]
		if !known {
			// Also within what it names: a document has no circles.
			a.out.fail(at(a.file, name), "nothing before this is called &%s", name.Value)
			t.Value = ast.Null(name)
			return 1, 0
		}
		t.Value, size, deep = named.node, named.size, named.deep
		if a.written += size; a.written > maxWrittenOut {
			a.stop(name, fmt.Sprintf("the aliases of this file come to more than %d values when they are written out", maxWrittenOut))
		}
	case *ast.MappingNode:
		for _, v := range t.Values {
			add(v.Value)
		}
		t.Values = a.merged(t.Values)
	case *ast.MappingValueNode:
		add(t.Value)
	case *ast.SequenceNode:
		for _, v := range t.Values {
			add(v)
		}
	}
	if deep > maxDeep {
		a.stop(n.GetToken(), fmt.Sprintf("nested more than %d levels deep when its aliases are written out", maxDeep))
	}
	return size, deep
}

// stop ends the reading of a file, and says why once.
func (a *aliases) stop(tk *token.Token, why string) {
	if !a.failed {
		a.out.fail(at(a.file, tk), "%s", why)
	}
	a.failed = true
}

// merged puts the pairs that a merge key names behind those that stand there
// themselves. A key that stands there wins; of several mappings the first does.
func (a *aliases) merged(pairs []*ast.MappingValueNode) []*ast.MappingValueNode {
	var own, merges []*ast.MappingValueNode
	for _, p := range pairs {
		if p.Key.IsMergeKey() {
			merges = append(merges, p)
		} else {
			own = append(own, p)
		}
	}
	if len(merges) == 0 || a.failed {
		return pairs
	}
	known := map[string]bool{}
	for _, p := range own {
		key, _ := keyOf(p)
		known[key] = true
	}
	for _, m := range merges {
		sources := []ast.Node{m.Value}
		if list, ok := bare(m.Value).(*ast.SequenceNode); ok {
			sources = list.Values
		}
		for _, source := range sources {
			mapping, ok := bare(source).(*ast.MappingNode)
			if !ok {
				if !isNull(source) {
					a.out.fail(at(a.file, m.Key.GetToken()), "a merge key (<<) needs a mapping, or a list of them")
				}
				continue
			}
			for _, p := range mapping.Values {
				if key, _ := keyOf(p); !known[key] {
					known[key] = true
					own = append(own, p)
				}
			}
		}
	}
	return slices.Clip(own)
}
