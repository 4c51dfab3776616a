package datamap

import (
	"fmt"
	"strings"
)

// DOT is the plan in Graphviz' language, for a picture: identities lead to the
// collections where they seed, links from collection to collection, each
// collection with what is done there.
func (p *Plan) DOT() string {
	var b strings.Builder
	b.WriteString("digraph plan {\n  rankdir=LR;\n  bgcolor=\"transparent\";\n" +
		"  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eef3f8\", color=\"#1b4965\", fontname=\"Helvetica\", fontsize=11];\n" +
		"  edge [color=\"#5f6b7a\", fontname=\"Helvetica\", fontsize=9];\n")
	seen := map[string]bool{}
	for _, v := range p.Visits {
		name := v.Collection.FullName()
		fill := ""
		switch {
		case v.Delete:
			fill = ", fillcolor=\"#fbe3e0\""
		case len(v.Targets) == 0:
			fill = ", fillcolor=\"#ffffff\", style=\"rounded,dashed\""
		}
		fmt.Fprintf(&b, "  %s [label=%s%s];\n", quoted(name), quoted(name+"\n"+v.deed(p.Kind)), fill)
		for _, s := range v.Seeds {
			if node := "identity " + s.Identity; !seen[node] {
				seen[node] = true
				fmt.Fprintf(&b, "  %s [label=%s, shape=ellipse, fillcolor=\"#fdf0d2\", color=\"#7a4b00\"];\n", quoted(node), quoted(s.Identity))
			}
			fmt.Fprintf(&b, "  %s -> %s [label=%s];\n", quoted("identity "+s.Identity), quoted(name), quoted(s.Field.LocalName()))
		}
		for _, l := range v.Links {
			fmt.Fprintf(&b, "  %s -> %s [label=%s];\n", quoted(l.From.Collection.FullName()), quoted(name), quoted(l.label()))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// label names the columns of a link.
func (l Link) label() string {
	var pairs []string
	for _, p := range l.Pairs() {
		pairs = append(pairs, p.From.LocalName()+" → "+p.To.LocalName())
	}
	return strings.Join(pairs, "\n")
}

// deed says in few words what is done with the rows.
func (v *Visit) deed(k Kind) string {
	switch n := len(v.Targets); {
	case v.Delete:
		return "delete"
	case n == 0:
		return "only followed"
	case k == Erasure:
		return fmt.Sprintf("mask %d fields", n)
	default:
		return fmt.Sprintf("%d fields", n)
	}
}

// quoted is a DOT string: any text, quotes and backslashes escaped.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
