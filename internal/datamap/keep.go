package datamap

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lethe-dsr/lethe/internal/period"
)

// keeps reads lethe: {keep: …}: one keep, or a list of them.
func (p *mapReader) keeps(r *reader, q pair, c *Collection) {
	items := []ast.Node{q.value}
	if list, ok := bare(q.value).(*ast.SequenceNode); ok {
		items = list.Values
	}
	if isNull(q.value) {
		return
	}
	for _, item := range items {
		pos := q.pos
		if item != nil {
			pos = r.pos(first(item))
		}
		if k, ok := p.keep(r, pair{key: q.key, pos: pos, value: item}, c); ok {
			c.Keeps = append(c.Keeps, k)
		}
	}
}

// keep reads one of them. What is kept against a person's wish must say by which
// law (Art. 17(3), Art. 12(4)), and for how long is left only where it is for ever.
func (p *mapReader) keep(r *reader, item pair, c *Collection) (Keep, bool) {
	k := Keep{Pos: item.pos}
	keys := r.pairs(item, keepKeys())
	if keys == nil {
		if isNull(item.value) {
			r.out.fail(item.pos, "an empty keep keeps nothing; take it away")
		}
		return k, false
	}
	said := make(map[string]Pos)
	for _, q := range keys {
		if isNull(q.value) {
			continue
		}
		said[q.key] = q.pos
		switch q.key {
		case "where":
			k.Where = p.where(r, q, c)
		case "for":
			k.For = r.text(q)
			if _, err := period.Parse(k.For); err != nil {
				r.out.fail(q.pos, "for: %s", err)
			}
		case "from":
			k.From = r.text(q)
			p.atEnd(func() { p.keepColumn(c, k.From, q.pos) })
		case "because":
			k.Because = r.text(q)
		case "mask":
			p.atEnd(func() { p.keepMask(r, q, c, item.pos) })
		case "with":
			p.withs = append(p.withs, saidWith{c: c, at: item.pos, field: r.text(q), pos: q.pos})
		}
	}
	if _, ok := said["with"]; ok {
		for _, key := range []string{"because", "for", "from", "where"} {
			if pos, ok := said[key]; ok {
				r.out.fail(pos, "%s stands beside with, which takes it from the row that it names; leave it out", key)
			}
		}
		return k, true
	}
	if _, ok := said["because"]; !ok {
		r.out.fail(item.pos, "a keep needs because: the law that keeps these rows, as the letter says it")
	}
	_, long := said["for"]
	_, start := said["from"]
	switch {
	case long && !start:
		r.out.fail(said["for"], "for needs from: the column from which the period counts")
	case start && !long:
		r.out.fail(said["from"], "from needs for: the period, as in for: P10Y")
	}
	return k, true
}

// where reads column: value, column: [values], as retention rules have it: a
// value may be null, may hold * and <WORD>, values are ORed, columns ANDed.
func (p *mapReader) where(r *reader, q pair, c *Collection) map[string][]*string {
	columns, ok := r.mapping(q.value, q.pos, "where")
	if !ok {
		return nil
	}
	if len(columns) == 0 {
		r.out.fail(q.pos, "where names no column; leave it out to keep every row")
	}
	where := make(map[string][]*string, len(columns))
	for _, column := range columns {
		p.atEnd(func() { p.keepColumn(c, column.key, column.pos) })
		nodes := []ast.Node{column.value}
		if list, ok := bare(column.value).(*ast.SequenceNode); ok {
			if nodes = list.Values; len(nodes) == 0 {
				r.out.fail(column.pos, "%s: an empty list admits nothing", column.key)
			}
		}
		admitted := []*string{}
		for _, n := range nodes {
			text, ok := scalar(n)
			switch {
			case isNull(n):
				admitted = append(admitted, nil)
			case ok:
				admitted = append(admitted, &text)
			default:
				r.out.fail(column.pos, "%s must be text, null or a list of them", column.key)
			}
		}
		where[column.key] = admitted
	}
	return where
}

// keepColumn wants a column that the map knows, so that a misspelt one is found
// before a row is erased that should have been kept.
func (p *mapReader) keepColumn(c *Collection, name string, pos Pos) {
	if name != c.Controller || name == "" {
		p.needField(c, name, pos)
	}
}

// keepMask reads the fields that are masked though their row is kept.
func (p *mapReader) keepMask(r *reader, q pair, c *Collection, at Pos) {
	i := slices.IndexFunc(c.Keeps, func(k Keep) bool { return k.Pos == at })
	for _, w := range r.words(q) {
		f := p.needPath(c, strings.Split(w.text, "."), w.pos)
		switch {
		case f == nil || i < 0:
		case f.PrimaryKey:
			r.out.fail(w.pos, "%s is a primary key, which is never masked", w.text)
		case f.ReadOnly:
			r.out.fail(w.pos, "%s is read_only and cannot be masked", w.text)
		case slices.Contains(c.Keeps[i].Mask, f):
			r.out.fail(w.pos, "%s stands twice in mask", w.text)
		default:
			c.Keeps[i].Mask = append(c.Keeps[i].Mask, f)
			p.kept = append(p.kept, keptMask{c: c, field: f, pos: w.pos})
		}
	}
}

// A keptMask is a field that a keep masks, to be looked at once all is read.
type keptMask struct {
	c     *Collection
	field *Field
	pos   Pos
}

// keptMasks refuses to mask what tells that a law keeps a row: masked once, the
// row would no longer be kept, nor would those that are kept with it.
func (p *mapReader) keptMasks() {
	if len(p.kept) == 0 {
		return
	}
	telling := map[*Field]bool{}
	for _, d := range p.m.Datasets {
		for _, c := range d.Collections {
			for _, k := range c.Keeps {
				if len(k.With) == 0 {
					telling[c.Field(k.From)] = true
					for column := range k.Where {
						telling[c.Field(column)] = true
					}
					continue
				}
				for _, pair := range k.With[0].Pairs() {
					telling[pair.From], telling[pair.To] = true, true
				}
			}
		}
	}
	for _, m := range p.kept {
		if telling[m.field.Column()] {
			p.out.fail(m.pos, "%s tells which rows are kept, so it cannot be masked in them: masked once, they would be kept no more", m.field.LocalName())
		}
	}
}
