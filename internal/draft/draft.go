package draft

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Options of a draft.
type Options struct {
	Source  string // of lethe.yaml, or a name of the draft's own
	Product string // what the first line says the draft was made from; no address, no password
}

// A Draft is a map in the making.
type Draft struct {
	Source      string
	Collections []*Collection // those that an identity reaches first, in the order of the walk
	// Unreached are tables that look personal and that nothing leads to, or whose
	// rows no key names.
	Unreached []string
	// Left are tables that no map can name, each with the reason.
	Left []string
}

// A Collection is one table as drafted.
type Collection struct {
	Table   *Table
	Reached bool
	Delete  bool
	Why     string // why it is deleted or masked, or why it is left out
	Owner   string
	AllOf   [][]string
	Fields  []*Field
}

// A Field is one column as drafted.
type Field struct {
	Column     *Column
	Category   string
	Why        []string
	Identity   string
	Key        bool
	References []Reference
	Masking    string // "", string_rewrite, random_string_rewrite or preserve
	Value      string // of string_rewrite
	Suffix     string // of random_string_rewrite
}

// A Reference as drafted.
type Reference struct {
	Parent    *Table
	Field     string
	Direction datamap.Direction
}

type drafting struct {
	db      *Database
	links   map[*Table][]*link
	called  map[*Table][]string
	judged  map[*Column]judgement
	root    map[*Table]bool // an identity is matched here, or one step away (satellite)
	about   map[*Table]bool // rows are persons or describe them
	reached map[*Table]bool
	order   []*Table
	kept    map[*Table]string // reached, and masked rather than deleted: why
}

// Make drafts a map.
func Make(db *Database, o Options) *Draft {
	out := &Draft{Source: o.Source}
	clean := &Database{}
	for _, t := range db.Tables {
		if why := unnameable(t); why != "" {
			out.Left = append(out.Left, t.FullName()+" "+why)
			continue
		}
		kept := *t
		kept.Columns = nil
		for _, c := range t.Columns {
			if strings.Contains(c.Name, ".") {
				out.Left = append(out.Left, t.FullName()+": a column has a point in its name, which no map can hold")
				continue
			}
			kept.Columns = append(kept.Columns, c)
		}
		clean.Tables = append(clean.Tables, &kept)
	}
	d := &drafting{db: clean, links: map[*Table][]*link{}, called: map[*Table][]string{}, judged: map[*Column]judgement{},
		root: map[*Table]bool{}, about: map[*Table]bool{}, reached: map[*Table]bool{}, kept: map[*Table]string{}}
	d.names()
	d.findLinks()
	d.judgeAll()
	d.findRoots()
	d.direct()
	d.walk()
	d.keep()
	for _, t := range d.order {
		out.Collections = append(out.Collections, d.collection(t))
	}
	for _, t := range d.db.Tables {
		if d.reached[t] {
			continue
		}
		out.Collections = append(out.Collections, d.collection(t))
		if d.looksPersonal(t) || d.keyless(t) {
			out.Unreached = append(out.Unreached, t.FullName())
		}
	}
	return out
}

// unnameable says why a data map cannot name a table: in references a point
// separates the collection from its field.
func unnameable(t *Table) string {
	switch {
	case strings.Contains(t.Name, "."):
		return "has a point in its name, which no reference can hold"
	case !slices.ContainsFunc(t.Columns, func(c *Column) bool { return !strings.Contains(c.Name, ".") }):
		return "has no columns that a map can name, or none that may be read"
	}
	return ""
}

// judgeAll judges each column.
func (d *drafting) judgeAll() {
	for _, t := range d.db.Tables {
		tied := map[string]bool{}
		for _, l := range d.links[t] {
			for _, c := range l.columns {
				tied[c] = true
			}
		}
		d.about[t] = !d.isHouse(t) && (d.isPerson(t) || d.isDetail(t))
		if !d.about[t] && !d.isHouse(t) {
			for _, c := range t.Columns { // what is called otherwise and has names and an address is a person's
				if j, ok := byName(c, false); ok && (under(j.category, "user.name.first") || under(j.category, "user.authorization.password")) && j.category != "user.name" {
					d.about[t] = true
				}
			}
		}
		for _, c := range t.Columns {
			if tied[c.Name] || slices.Equal(t.Key, []string{c.Name}) && c.Class != Text {
				continue
			}
			if j, ok := judge(c, d.about[t]); ok {
				d.judged[c] = j
			}
		}
	}
}

// offices are words before an address that make it a desk's, not a person's.
func offices() []string {
	return []string{
		"support", "noreply", "no reply", "reply to", "sender", "from", "cc", "bcc", "notification", "notifications", "admin", "webmaster", "service",
		"info", "forward to", "imap", "smtp", "domain", "invited by", "inviter",
	}
}

// identity is the type of identity that a column holds, or "".
func (d *drafting) identity(t *Table, c *Column) string {
	j := d.judged[c]
	if t.Kind != "table" || d.isHouse(t) || hasAny(words(c.Name), offices()...) || c.Class != Text && c.Class != Other {
		return ""
	}
	switch j.category {
	case "user.contact.email":
		return datamap.Email
	case "user.contact.phone_number":
		if d.isDetail(t) && !d.isPerson(t) {
			return "" // a number beside an address is often an office's or a neighbour's
		}
		return datamap.Phone
	}
	return ""
}

func (d *drafting) identityOf(t *Table) bool {
	return slices.ContainsFunc(t.Columns, func(c *Column) bool { return d.identity(t, c) == datamap.Email })
}

func (d *drafting) findRoots() {
	for _, t := range d.db.Tables {
		if slices.ContainsFunc(t.Columns, func(c *Column) bool { return d.identity(t, c) != "" }) {
			d.root[t] = true
		}
	}
	for _, t := range d.db.Tables {
		for _, l := range d.links[t] {
			if d.satellite(l) {
				d.root[l.parent] = true
			}
		}
	}
}

// walk reaches what the identities reach, in the order of a map that people read:
// persons first, then what is theirs.
func (d *drafting) walk() {
	var queue []*Table
	add := func(t *Table) {
		if !d.reached[t] && t.Kind == "table" && len(keyOf(t)) > 0 {
			d.reached[t] = true
			queue = append(queue, t)
		}
	}
	for _, person := range []bool{true, false} {
		for _, t := range d.db.Tables {
			if d.root[t] && d.isPerson(t) == person {
				add(t)
			}
		}
	}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		d.order = append(d.order, t)
		for _, l := range d.links[t] {
			if l.to {
				add(l.parent)
			}
		}
		for _, c := range d.db.Tables {
			for _, l := range d.links[c] {
				if l.parent == t && l.from {
					add(c)
				}
			}
		}
	}
}

// keep finds the tables whose rows are masked rather than deleted.
func (d *drafting) keep() {
	for _, t := range d.order {
		subjects := map[*Table]bool{}
		n := 0
		for _, l := range d.links[t] {
			if l.owner && l.from {
				n++
				subjects[l.parent] = true
			}
		}
		switch {
		case hasAny(words(t.Name), "order", "orders", "invoice", "invoices", "payment", "payments", "refund", "refunds", "bestellung", "bestellungen",
			"rechnung", "rechnungen", "zahlung", "objednavka", "objednavky", "faktura", "faktury", "platba", "commande", "commandes", "facture", "factures", "transaction", "transactions"):
			d.kept[t] = "laws on books and taxes may want such rows kept, see lethe: {keep: …}"
		case n > 1:
			d.kept[t] = "several persons may have a share in one row"
		}
	}
	for _, c := range d.db.Tables {
		for _, l := range d.links[c] {
			if p := l.parent; p != c && d.reached[p] && d.kept[p] == "" && !l.to && (!d.reached[c] || !l.from) {
				d.kept[p] = "rows of " + c.Name + " point here and are not the person's"
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, c := range d.order {
			if d.kept[c] == "" {
				continue
			}
			for _, l := range d.links[c] {
				if p := l.parent; p != c && d.reached[p] && d.kept[p] == "" {
					d.kept[p], changed = "rows of "+c.Name+" are kept and point here", true
				}
			}
		}
	}
}

// looksPersonal tells whether some column of a table says so by itself.
func (d *drafting) looksPersonal(t *Table) bool {
	sure := 0
	for _, c := range t.Columns {
		if d.judged[c].sure {
			sure++
		}
	}
	return t.Kind == "table" && sure > 0 && (!d.isHouse(t) || sure > 2)
}

func (d *drafting) collection(t *Table) *Collection {
	c := &Collection{Table: t, Reached: d.reached[t]}
	switch {
	case t.Kind != "table":
		c.Why = "a " + t.Kind + ": what it shows lies in tables"
	case d.keyless(t):
		c.Why = "a person's, and no key names its rows: give the table one, or mark columns that name a row as primary_key, and take skip_processing away"
	case !c.Reached && d.looksPersonal(t):
		c.Why = "looks personal, and nothing leads here: give it an identity or a reference, and take skip_processing away"
	case !c.Reached:
		c.Why = "no identity leads here"
	case d.kept[t] != "":
		c.Why = d.kept[t]
	default:
		c.Delete = true
	}
	key := keyOf(t)
	byColumn := map[string]*Field{}
	for _, col := range t.Columns {
		f := &Field{Column: col, Key: slices.Contains(key, col.Name), Identity: d.identity(t, col)}
		if j, ok := d.judged[col]; ok && t.Kind == "table" && (c.Reached || d.looksPersonal(t)) {
			f.Category, f.Why = j.category, append(f.Why, j.why)
		}
		byColumn[col.Name] = f
		c.Fields = append(c.Fields, f)
	}
	if c.Reached {
		d.tie(t, c, byColumn)
		for _, f := range c.Fields {
			d.finish(t, f)
		}
	}
	return c
}

// keyOf are the columns that name a row: the primary key, else the shortest
// unique index whose columns are never NULL.
func keyOf(t *Table) []string {
	key := t.Key
	for _, u := range t.Unique {
		never := !slices.ContainsFunc(u, func(name string) bool { c := t.Column(name); return c == nil || !c.NotNull })
		if len(t.Key) == 0 && never && (key == nil || len(u) < len(key)) {
			key = u
		}
	}
	return key
}

// keyless tells that a table would be reached, had it a key.
func (d *drafting) keyless(t *Table) bool {
	return t.Kind == "table" && len(keyOf(t)) == 0 && (d.root[t] || slices.ContainsFunc(d.links[t], func(l *link) bool { return l.from && d.reached[l.parent] }))
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
		if l.why != "" && !l.from && !l.to || !d.reached[l.parent] {
			if l.why != "" && d.reached[l.parent] {
				f := byColumn[l.columns[0]]
				f.Why = append(f.Why, l.parent.Name+"."+strings.Join(l.references, ", ")+" is not followed: "+l.why)
			}
			continue
		}
		for i, column := range l.columns {
			f := byColumn[column]
			f.add(l, i)
			if i > 0 {
				continue
			}
			if l.guessed {
				f.Why = append(f.Why, "no foreign key, "+l.parent.Name+" by its name")
			}
			if l.why != "" {
				f.Why = append(f.Why, l.why)
			}
		}
		if len(l.columns) > 1 && !slices.ContainsFunc(c.AllOf, func(a []string) bool { return slices.Equal(a, l.columns) }) {
			c.AllOf = append(c.AllOf, l.columns)
		}
	}
	for _, f := range c.Fields {
		if f.Identity != "" {
			ways++
		}
	}
	for _, o := range d.db.Tables {
		for _, l := range d.links[o] {
			if l.to && l.parent == t && d.reached[o] {
				ways++
			}
		}
	}
	if len(owners) == 1 && ways > 1 && !slices.ContainsFunc(owners[0].columns, func(col string) bool { return d.satellite(owners[0]) }) {
		c.Owner = owners[0].columns[0]
	}
}

func (f *Field) add(l *link, i int) {
	directions := []datamap.Direction{}
	if l.from {
		directions = append(directions, datamap.From)
	}
	if l.to {
		directions = append(directions, datamap.To)
	}
	for _, way := range directions {
		r := Reference{l.parent, l.references[i], way}
		if !slices.Contains(f.References, r) {
			f.References = append(f.References, r)
		}
	}
}

// finish gives what is left of a reached row's columns a category, so that a
// person is given the whole row, and each masked column a value that it can hold.
func (d *drafting) finish(t *Table, f *Field) {
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
	single := slices.ContainsFunc(t.Unique, func(u []string) bool { return slices.Equal(u, []string{f.Column.Name}) })
	switch col := f.Column; {
	case col.Generated:
		f.Masking = "preserve"
		f.Why = append(f.Why, "generated, follows the columns that it is made from")
	case !col.NotNull:
	case col.Class == Text && f.Category == "user.contact.email":
		f.Masking, f.Suffix = "random_string_rewrite", "@erased.invalid"
	case col.Class == Text && single:
		f.Masking = "random_string_rewrite"
	case col.Class == Text:
		f.Masking, f.Value = "string_rewrite", "erased"
	case col.Class == JSON && strings.HasPrefix(col.Type, "json"):
		f.Masking, f.Value = "string_rewrite", "{}"
	case col.Class == Inet:
		f.Masking, f.Value = "string_rewrite", "0.0.0.0"
	default:
		f.Masking = "preserve"
		f.Why = append(f.Why, "NOT NULL: say what an erasure puts here")
	}
}
