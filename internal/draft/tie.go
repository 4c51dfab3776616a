package draft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A place is where a link is written.
type place int

const (
	nowhere  place = iota // the map has both ends: it says already whether they are tied
	atChild               // on the foreign key
	atParent              // on the key, because the foreign key's field is written already
	loose                 // several columns of collections that are both written: by hand
)

// place is where a link is written: Fideslang lets a reference stand at either
// end, so that an update need not touch what is written.
func (d *drafting) place(l *link) place {
	child, parent := d.known.collection(l.child), d.known.collection(l.parent)
	switch {
	case l.old:
		return nowhere
	case child == nil:
		return atChild
	case parent == nil:
		return atParent
	case len(l.columns) > 1:
		return loose
	case !d.known.has(l.child, l.columns[0]):
		return atChild
	}
	return atParent
}

// tie puts references on fields.
func (d *drafting) tie(t *Table, c *Collection, byColumn map[string]*Field) {
	owners, ways := []*link{}, 0
	for _, l := range d.links[t] {
		if l.owner && l.from && len(l.columns) == 1 {
			owners = append(owners, l)
		}
		if l.from && d.reached[l.parent] {
			ways++
		}
		if l.old {
			continue
		}
		if l.why != "" && !l.from && !l.to || !d.reached[l.parent] {
			if l.why != "" && d.reached[l.parent] {
				f := byColumn[d.pointer(l)]
				f.Why = append(f.Why, l.parent.Name+"."+strings.Join(l.references, ", ")+" is not followed: "+l.why)
			}
			continue
		}
		switch d.place(l) {
		case atChild:
			d.tieChild(l, c, byColumn)
		case loose:
			c.Loose = append(c.Loose, fmt.Sprintf("%s (%s) has a new foreign key to %s (%s), whose columns must match together; write its references and lethe: {all_of: %s} by hand",
				t.FullName(), strings.Join(l.columns, ", "), l.parent.FullName(), strings.Join(l.references, ", "), allOf([][]string{l.columns})))
		}
	}
	for _, f := range c.Fields {
		if f.Identity != "" {
			ways++
		}
	}
	for _, o := range d.db.Tables {
		for _, l := range d.links[o] {
			if l.parent != t || !d.reached[o] {
				continue
			}
			if l.to {
				ways++
			}
			if (l.from || l.to) && d.place(l) == atParent {
				d.tieParent(l, c, byColumn)
			}
		}
	}
	if len(owners) == 1 && ways > 1 && !d.satellite(owners[0]) {
		c.Owner = owners[0].columns[0]
	}
}

// sharedWith are the tables whose rows name those of a table and belong to a person
// whom another column names: a favourite is whoever liked the post's.
func (d *drafting) sharedWith(t *Table) []string {
	var list []string
	for _, o := range d.db.Tables {
		var owners []*link
		for _, l := range d.links[o] {
			if l.owner && l.from && len(l.columns) == 1 {
				owners = append(owners, l)
			}
		}
		if o != t && d.reached[o] && len(owners) == 1 && slices.ContainsFunc(d.links[o], func(l *link) bool { return l.parent == t && l.from && !l.owner && l != owners[0] }) {
			list = append(list, o.Name)
		}
	}
	return list
}

// tieChild writes a link on the foreign key.
func (d *drafting) tieChild(l *link, c *Collection, byColumn map[string]*Field) {
	for i, column := range l.columns {
		f := byColumn[column]
		f.add(l, i)
		if i > 0 {
			continue
		}
		switch {
		case l.guessed && d.declared(l.child, f.Column) == l.parent:
			f.Why = append(f.Why, "no foreign key, "+l.parent.Name+" as other tables declare it")
		case l.guessed:
			f.Why = append(f.Why, "no foreign key, "+l.parent.Name+" by its name")
		}
		if l.why != "" {
			f.Why = append(f.Why, l.why)
		}
	}
	c.together(l.columns)
}

// tieParent writes a link on the key, turned round.
func (d *drafting) tieParent(l *link, c *Collection, byColumn map[string]*Field) {
	for i, column := range l.references {
		f := byColumn[column]
		if i == 0 {
			f.Why = append(f.Why, "rows of "+l.child.Name+" point here")
		}
		if l.from {
			f.refer(Reference{l.child, l.columns[i], datamap.To})
		}
		if l.to {
			f.refer(Reference{l.child, l.columns[i], datamap.From})
		}
	}
	c.together(l.references)
}

// together notes columns that must match together.
func (c *Collection) together(columns []string) {
	if len(columns) > 1 && !slices.ContainsFunc(c.AllOf, func(a []string) bool { return slices.Equal(a, columns) }) {
		c.AllOf = append(c.AllOf, columns)
	}
}

func (f *Field) add(l *link, i int) {
	if l.from {
		f.refer(Reference{l.parent, l.references[i], datamap.From})
	}
	if l.to {
		f.refer(Reference{l.parent, l.references[i], datamap.To})
	}
}

func (f *Field) refer(r Reference) {
	if !slices.Contains(f.References, r) {
		f.References = append(f.References, r)
	}
}

// finish gives what is left of a reached row's columns a category, so that a
// person is given the whole row, and each masked column a value that it can hold.
func (d *drafting) finish(t *Table, f *Field) {
	for _, r := range f.References {
		if j := d.judged[r.Parent.Column(r.Field)]; f.Category == "" && datamap.CategoryMatches("user.authorization", j.category) {
			f.Category = j.category
			f.Why = append(f.Why, "holds "+r.Parent.Name+"."+r.Field)
		}
	}
	if f.Category == "" {
		person := f.Key && (d.isPerson(t) || d.root[t]) ||
			slices.ContainsFunc(f.References, func(r Reference) bool { return d.root[r.Parent] })
		f.Category = "system.operations"
		if person {
			f.Category = "user.unique_id"
		}
	}
	if !strings.HasPrefix(f.Category, "user") || f.Key || len(f.References) > 0 {
		return
	}
	const erased, nobody = "erased", "@erased.invalid"
	short := func(than string) bool { return f.Column.Length > 0 && f.Column.Length < len(than) }
	switch col := f.Column; {
	case col.Generated:
		f.Masking = "preserve"
		f.Why = append(f.Why, "generated, follows the columns that it is made from")
	case !col.NotNull:
	case col.holdsDocuments() && !col.Differs && !short("{}"): // a word would be no JSON, and the program would fail over it
		f.Masking, f.Value = "string_rewrite", col.Contents.nothing()
	case col.Class == Text && f.Category == "user.contact.email" && !short(erased+nobody):
		f.Masking, f.Suffix = "random_string_rewrite", nobody
	case col.Class == Text && (col.Differs || f.Category == "user.contact.email") && !short(erased):
		f.Masking = "random_string_rewrite"
	case col.Class == Text && col.Differs:
		f.Masking = "preserve"
		f.Why = append(f.Why, "NOT NULL, unique and too short for random letters: say what an erasure puts here")
	case col.Class == Text && short(erased):
		f.Masking, f.Value = "string_rewrite", nothing(col.Length)
		f.Why = append(f.Why, "too short for a word that says it was erased")
	case col.Class == Text, col.Type == "tsvector":
		f.Masking, f.Value = "string_rewrite", erased
	case col.Class == JSON && strings.HasPrefix(col.Type, "json"):
		f.Masking, f.Value = "string_rewrite", "{}"
	case col.Class == Inet:
		f.Masking, f.Value = "string_rewrite", "0.0.0.0"
	default:
		f.Masking = "preserve"
		f.Why = append(f.Why, "NOT NULL: say what an erasure puts here")
	}
}

// nothing is a text of a few letters that is nobody's: what a word is cut to may
// be a country ("er" is Eritrea), while X's are left free by the codes of
// countries (ISO 3166) and stand for no currency (ISO 4217) and no language. A
// single X is a gender in passports.
func nothing(length int) string {
	if length == 1 {
		return "-"
	}
	return strings.Repeat("X", length)
}
