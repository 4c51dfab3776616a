package datamap

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// An Element is a dataset, collection or field, with all that a map says of it
// as text: two maps say the same of what has the same text in both.
type Element struct {
	Pos    Pos
	Text   string
	Fields int // of a collection or an object, at any depth
}

// Elements are a map's, by full name; a dataset's name ends with a point.
func (m *Map) Elements() map[string]Element {
	all := make(map[string]Element)
	for _, d := range m.Datasets {
		bare := *d
		bare.Pos, bare.Collections, bare.Among, bare.Items = Pos{}, nil, List{}, List{}
		all[d.Key+"."] = Element{Pos: d.Pos, Text: fmt.Sprintf("%+v", bare)}
		for _, c := range d.Collections {
			fields := c.AllFields()
			all[c.FullName()] = Element{Pos: c.Pos, Text: c.text(), Fields: len(fields)}
			for _, f := range fields {
				all[f.FullName()] = Element{Pos: f.Pos, Text: f.text(), Fields: f.below()}
			}
		}
	}
	return all
}

func (c *Collection) text() string {
	bare := *c
	bare.Pos, bare.Dataset, bare.Fields, bare.AllOf, bare.allOf, bare.Keeps, bare.Items = Pos{}, nil, nil, nil, nil, nil, List{}
	var b strings.Builder
	fmt.Fprintf(&b, "%+v", bare)
	for _, tied := range c.allOf {
		b.WriteString(" all of " + strings.Join(localNames(tied), ","))
	}
	for _, k := range c.Keeps {
		where, _ := json.Marshal(k.Where) // texts only: cannot fail
		fmt.Fprintf(&b, " keep %s %s %s %s %s", where, k.For, k.From, k.Because, strings.Join(localNames(k.Mask), ","))
		for _, l := range k.With {
			from, to := l.Ends()
			b.WriteString(" with " + from + " " + to)
		}
	}
	return b.String()
}

// below counts an object's fields, at any depth.
func (f *Field) below() int {
	n := len(f.Fields)
	for _, inner := range f.Fields {
		n += inner.below()
	}
	return n
}

func (f *Field) text() string {
	bare := *f
	bare.Pos, bare.Collection, bare.Parent, bare.Fields, bare.References, bare.Masking = Pos{}, nil, nil, nil, nil, nil
	var b strings.Builder
	fmt.Fprintf(&b, "%+v", bare)
	if f.Masking != nil {
		fmt.Fprintf(&b, " %+v", *f.Masking)
	}
	for _, r := range f.References {
		b.WriteString(" " + cmp.Or(string(r.Direction), "-") + " " + r.Target.FullName())
	}
	return b.String()
}
