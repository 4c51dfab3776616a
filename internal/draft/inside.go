package draft

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Told of a document's keys are those that are a product's words: one made of
// words that these rules know (email), or one that at least this many documents,
// and a quarter of them, have. A key may be a value (points by user name), which
// stands in few.
const toldFrom = 3

var insideForm = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_ -]{0,39}$`)

// LookInside counts what the values below each key of a column's documents look
// like. Documents may be cut off: what stands before the cut is looked at.
func (c *Column) LookInside(documents []string, today time.Time) {
	top := &shape{}
	for i, text := range documents {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		_ = top.read(d, i+1) // the cut
	}
	top.tell(c, today, knownWords())
}

// A shape is what stands at one path of documents; arrays are read through.
type shape struct {
	last, documents int // the last document it stood in, and how many
	class           Class
	values          []string
	inner           map[string]*shape
}

func (s *shape) read(d *json.Decoder, document int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if s.last != document {
		s.last = document
		s.documents++
	}
	switch v := token.(type) {
	case string:
		s.class = Text
		s.values = append(s.values, v)
	case json.Number:
		if s.class == "" {
			s.class = Number
		}
		s.values = append(s.values, v.String())
	case bool:
		if s.class == "" {
			s.class = Bool
		}
	case json.Delim:
		for d.More() {
			below := s
			if v == '{' {
				name, err := d.Token()
				if err != nil {
					return err
				}
				below = s.at(name.(string))
			}
			if err := below.read(d, document); err != nil {
				return err
			}
		}
		_, err = d.Token() // its end
	}
	return err
}

// at is what stands below a key.
func (s *shape) at(name string) *shape {
	if s.inner == nil {
		s.inner = map[string]*shape{}
	}
	if s.inner[name] == nil {
		s.inner[name] = &shape{}
	}
	return s.inner[name]
}

// tell names the keys that may be named, and counts what the others hold.
func (s *shape) tell(c *Column, today time.Time, known map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(s.inner)) {
		below := s.inner[name]
		common := below.documents >= toldFrom && below.documents*4 >= s.documents
		in := &Column{Name: name, Type: "json", Class: below.class, Contents: Look(below.values, today)}
		switch {
		case len(below.inner) > 0:
			in.Class = JSON
		case in.Class == "":
			in.Class = Other // null wherever it stands
		}
		below.tell(in, today, known)
		// A name of known words only is a product's and nobody's own.
		ours := !slices.ContainsFunc(words(name), func(w string) bool { return !known[w] })
		if !insideForm.MatchString(name) || !common && !ours {
			c.Hidden += in.addresses()
			continue
		}
		c.Inside = append(c.Inside, in)
	}
}

// addresses counts the values inside a document in which an address stands.
func (c *Column) addresses() int {
	n := c.Hidden + c.Contents.Mail + c.Contents.HoldsMail
	for _, in := range c.Inside {
		n += in.addresses()
	}
	return n
}

// knownWords are all that these rules know.
func knownWords() map[string]bool {
	known := map[string]bool{}
	for _, list := range [][]string{personWords(), detailWords(), ownerWords()} {
		for _, w := range list {
			known[w] = true
		}
	}
	for _, m := range meanings() {
		for _, p := range m.phrases {
			for _, w := range strings.Fields(p) {
				known[w] = true
			}
		}
	}
	return known
}

// describes tells whether a name is one of persons or of what describes them:
// the name in customer, or in shipping_address, is somebody's.
func describes(name string) bool {
	w := words(name)
	if len(w) == 0 {
		return false
	}
	return slices.ContainsFunc(singulars(w[len(w)-1]), func(last string) bool {
		return slices.Contains(personWords(), last) || slices.Contains(detailWords(), last) || slices.Contains(ownerWords(), last)
	})
}

// inside are the fields of a document that look personal, an object with those
// that stand in it.
func inside(c *Column, about bool) []*Field {
	about = about || describes(c.Name) || slices.ContainsFunc(c.Inside, func(in *Column) bool {
		j, ok := judge(in, false)
		return ok && (under(j.category, "user.contact.email") || under(j.category, "user.contact.phone_number") || under(j.category, "user.name"))
	})
	var list []*Field
	for _, in := range c.Inside {
		f := &Field{Column: in, Inside: inside(in, about)}
		if len(f.Inside) == 0 {
			whole := *in
			if whole.Class == JSON { // {"name": {"given": …}}: by the name of the whole
				whole.Class = Text
			}
			j, ok := judge(&whole, about)
			if !ok {
				continue
			}
			f.Category, f.Why, f.sure = j.category, []string{j.why}, j.sure
			if about {
				f.provide()
			}
		}
		list = append(list, f)
	}
	return list
}

// leaves are the fields of a list that hold values.
func leaves(list []*Field) []*Field {
	var all []*Field
	for _, f := range list {
		if len(f.Inside) == 0 {
			all = append(all, f)
		}
		all = append(all, leaves(f.Inside)...)
	}
	return all
}

// judgeInside looks for personal keys in the documents of a column. Documents
// that hold addresses below other keys, too, stay personal as a whole.
func (d *drafting) judgeInside(t *Table, c *Column) {
	if slices.ContainsFunc(append(slices.Clone(t.Unique), t.Key), func(u []string) bool { return slices.Contains(u, c.Name) }) {
		return // a document that names rows is compared as a whole
	}
	list := inside(c, d.about[t])
	if len(list) == 0 {
		return
	}
	if c.Class == Text { // its keys cannot be named: the text is read and masked as a whole
		if _, ok := d.judged[c]; !ok {
			d.judged[c] = judgement{category: "user.content.private", why: "holds JSON in which " + leaves(list)[0].Column.Name + " stands"}
		}
		return
	}
	if j, ok := d.judged[c]; ok {
		explained := 0
		for _, f := range leaves(list) {
			explained += f.Column.addresses()
		}
		all := c.Hidden
		for _, in := range c.Inside {
			all += in.addresses()
		}
		if j.category != "user.content.private" || explained < all { // by its name; or by addresses elsewhere
			return
		}
		delete(d.judged, c)
	}
	d.inside[c] = list
}

// within writes what is known of a document into its field.
func (d *drafting) within(t *Table, f *Field) {
	if f.Column.holdsDocuments() && f.Category == "" {
		f.Category = "system.operations"
		f.Why = append(f.Why, "JSON; what lies inside was not decided: give it a category as a whole")
	}
	if f.Column.Class != JSON || f.Category != "" {
		return
	}
	f.Inside = d.inside[f.Column]
	f.Category = "system.operations"
	if len(f.Inside) == 0 {
		f.Why = append(f.Why, "what lies inside was not decided: give it a category as a whole, or fields: of its own")
		return
	}
	f.Why = append(f.Why, "keys that are not named are given as they are and stay where the row is masked")
	if d.root[t] {
		return
	}
	for _, one := range leaves(f.Inside) {
		if one.Category == "user.contact.email" {
			one.Why = append(one.Why, mayBeIdentity)
		}
	}
}
