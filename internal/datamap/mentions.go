package datamap

import (
	"fmt"
	"slices"
)

// A MentionField is a column of free text that is to be searched for the
// identities of people whose rows it is not (lethe: {mentions: true}), with how
// its rows are told to be one controller's.
type MentionField struct {
	Field *Field
	// Path leads from the rows to those that name the controller, each row to
	// one (many-to-one). Empty: the collection names it itself, or none does.
	Path []Link
	// Controller is the column at the end of Path; empty: the source is of one controller alone.
	Controller string
	// Why says why the column is not searched; empty: it is.
	Why string
}

// MentionFields are the columns to be searched, in the map's order; also those
// of collections that no walk visits (skip_processing): a walk is for a person's
// own rows, and this is for everybody else's. Whose row it
// is must be plain: a source in which some collection names its controller is
// shared by several, and a collection that leads to none such is nobody's to search.
func MentionFields(m *Map) []MentionField {
	var fields []*Field
	for _, c := range m.collections() {
		for _, f := range c.Fields {
			if f.Mentions {
				fields = append(fields, f)
			}
		}
	}
	if len(fields) == 0 {
		return nil
	}
	keys := newGraph(m).owned()
	shared := m.sharedSources()
	var list []MentionField
	for _, f := range fields {
		mf := MentionField{Field: f}
		if path, end := toController(f.Collection, keys); end != nil {
			mf.Path, mf.Controller = path, end.Controller
		} else if shared[f.Collection.Dataset.Source] {
			mf.Why = fmt.Sprintf("%s is not searched for mentions: neither does %s name its controller, nor does it lead by references to a row that does. Give it lethe: {controller: …}, or the reference",
				f.FullName(), f.Collection.FullName())
		}
		list = append(list, mf)
	}
	return list
}

// sharedSources are the sources in which some collection names its controller: their
// rows are of several.
func (m *Map) sharedSources() map[string]bool {
	shared := map[string]bool{}
	for _, c := range m.collections() {
		shared[c.Dataset.Source] = shared[c.Dataset.Source] || c.Controller != ""
	}
	return shared
}

// owned are, by collection, the links from its rows to the one row that each
// names: the far end is a whole primary key, in the same source.
func (g *graph) owned() map[*Collection][]Link {
	by := map[*Collection][]Link{}
	for _, links := range g.referrer {
		for _, l := range links {
			var to []*Field
			plain := true
			for _, p := range l.Pairs() {
				to = append(to, p.To)
				plain = plain && p.From.Parent == nil && p.To.Parent == nil && !p.From.Array && !p.To.Array
			}
			from := l.From.Collection
			if plain && isKey(to) && from != l.To.Collection && from.Dataset.Source == l.To.Collection.Dataset.Source {
				by[from] = append(by[from], l)
			}
		}
	}
	return by
}

// toController is the shortest way to a collection that names its controller;
// of several as short, the one through the owner column, then the map's first.
func toController(c *Collection, links map[*Collection][]Link) ([]Link, *Collection) {
	type place struct {
		c    *Collection
		path []Link
	}
	seen := map[*Collection]bool{c: true}
	for queue := []place{{c: c}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at.c.Controller != "" {
			return at.path, at.c
		}
		list := slices.Clone(links[at.c])
		slices.SortStableFunc(list, func(a, b Link) int { return ownerFirst(b) - ownerFirst(a) })
		for _, l := range list {
			if to := l.To.Collection; !seen[to] {
				seen[to] = true
				queue = append(queue, place{to, append(slices.Clone(at.path), l)})
			}
		}
	}
	return nil, nil
}

func ownerFirst(l Link) int {
	if o := l.From.Collection.Owner; o != "" && o == l.From.Name {
		return 1
	}
	return 0
}
