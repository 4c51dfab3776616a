package draft

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Options of a draft.
type Options struct {
	Source string // of lethe.yaml, or a name of the draft's own
	// Map is what is written already, for an update: a draft of what it has not.
	Map *datamap.Map
	New string // the day that marks what an update adds
}

// A Draft is a map in the making.
type Draft struct {
	Source      string
	Collections []*Collection // those that an identity reaches first, in the order of the walk
	// Unreached are tables that look personal and that nothing leads to.
	Unreached []string
	// Left are tables that no map can name, each with the reason.
	Left []string
	// Loose are composite foreign keys that an update cannot add to a collection
	// that is written already, in a sentence each.
	Loose []string

	added string            // the day of an update
	keys  map[*Table]string // fides_key of the dataset of each table, in an update
}

// A Collection is one table as drafted.
type Collection struct {
	Table   *Table
	Reached bool
	Delete  bool
	Why     string // why it is deleted or masked, or why it is left out
	Owner   string
	Shared  []string // tables whose rows name these, and are their own persons'
	AllOf   [][]string
	Fields  []*Field
	Written *datamap.Collection // of an update: the map has it already, and Fields are those that it has not
	Loose   []string            // see Draft.Loose
}

// A Field is one column as drafted.
type Field struct {
	Column     *Column
	Category   string
	Why        []string
	Identity   string
	Key        bool
	References []Reference
	Masking    string   // "", string_rewrite, random_string_rewrite or preserve
	Value      string   // of string_rewrite
	Suffix     string   // of random_string_rewrite
	Inside     []*Field // of JSON: the keys that look personal
	Provided   bool     // by the person: Art. 20 covers it

	sure bool // of what lies inside: see judgement
}

// A Reference as drafted.
type Reference struct {
	Parent    *Table
	Field     string
	Direction datamap.Direction
}

type drafting struct {
	db     *Database
	known  *known
	links  map[*Table][]*link
	called map[*Table][]string
	// declares are the foreign keys of one column, by its name.
	declares map[string][]declaration
	judged   map[*Column]judgement
	inside   map[*Column][]*Field
	root     map[*Table]bool // an identity is matched here, or one step away (satellite)
	about    map[*Table]bool // rows are persons or describe them
	reached  map[*Table]bool
	order    []*Table
	kept     map[*Table]string // reached, and masked rather than deleted: why
}

// Make drafts a map.
func Make(db *Database, o Options) *Draft {
	known := knownOf(db, o.Map, o.Source)
	out := &Draft{Source: o.Source, added: o.New, keys: map[*Table]string{}}
	clean := &Database{}
	for _, t := range db.Tables {
		if why := unnameable(t); why != "" {
			out.Left = append(out.Left, t.FullName()+" "+why)
			continue
		}
		if known.leaves(t, "") {
			continue
		}
		kept := *t
		kept.Columns = nil
		for _, c := range t.Columns {
			if known.leaves(t, c.Name) {
				continue
			}
			if strings.Contains(c.Name, ".") {
				out.Left = append(out.Left, t.FullName()+": a column has a point in its name, which no map can hold")
				continue
			}
			kept.Columns = append(kept.Columns, c)
		}
		if len(kept.Columns) == 0 {
			continue // each of them is left out on purpose
		}
		if !kept.hasAll(kept.Key) {
			kept.Key = nil
		}
		kept.Unique = slices.DeleteFunc(slices.Clone(kept.Unique), func(u []string) bool { return !kept.hasAll(u) })
		clean.Tables = append(clean.Tables, &kept)
	}
	d := newDrafting(clean, known)
	d.names()
	d.findLinks()
	d.judgeAll()
	d.findRoots()
	d.direct()
	d.heed()
	d.uncross()
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
		if d.known.collection(t) == nil && d.looksPersonal(t) {
			out.Unreached = append(out.Unreached, t.FullName())
		}
	}
	for _, c := range out.Collections {
		out.Loose = append(out.Loose, c.Loose...)
	}
	return out
}

func newDrafting(db *Database, k *known) *drafting {
	return &drafting{db: db, known: k, links: map[*Table][]*link{}, called: map[*Table][]string{}, declares: map[string][]declaration{}, judged: map[*Column]judgement{},
		inside: map[*Column][]*Field{}, root: map[*Table]bool{}, about: map[*Table]bool{}, reached: map[*Table]bool{}, kept: map[*Table]string{}}
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
		d.about[t] = !d.isHouse(t) && (d.isPerson(t) || d.isDetail(t) || reachable(t))
		if !d.about[t] && !d.isHouse(t) {
			for _, c := range t.Columns { // what is called otherwise and has names, a password or a bank account is a person's
				if j, ok := byName(c, false); ok && j.category != "user.name" && (under(j.category, "user.name.first") ||
					under(j.category, "user.authorization.password") || under(j.category, "user.financial.bank_account")) {
					d.about[t] = true
				}
			}
		}
		for _, c := range t.Columns {
			if tied[c.Name] || slices.Equal(t.Key, []string{c.Name}) && c.Class != Text {
				continue
			}
			if j, ok := judge(c, d.about[t] || addressed(t, c)); ok {
				d.judged[c] = j
			} else if c.Type == "tsvector" {
				d.judged[c] = judgement{category: "user.content.private", why: "words of texts, to search by"}
			} else if j, ok := opens(t, c); ok {
				d.judged[c] = j
			}
			d.judgeInside(t, c)
		}
	}
}

// reachable tells whether a table, whatever it is called, has an address and a
// telephone, a street or a birthday beside it: its rows are whom these are of (res_partner).
func reachable(t *Table) bool {
	mail, more := false, false
	for _, c := range t.Columns {
		j, _ := byName(c, false)
		mail = mail || j.category == "user.contact.email" && !hasAny(words(c.Name), offices()...)
		more = more || slices.Contains([]string{"user.contact.phone_number", "user.contact.address.street", "user.demographic.date_of_birth"}, j.category)
	}
	return mail && more
}

// offices are words before an address by which it may be a desk's or another's,
// and is no identity.
func offices() []string {
	return append(deskWords(), "reply to", "sender", "from", "cc", "bcc", "forward to", "invited by", "inviter", "emergency", "next of kin", "spouse", "friend")
}

// deskWords are words before an address that make it a desk's, not a person's.
func deskWords() []string {
	return []string{"support", "noreply", "no reply", "notification", "notifications", "admin", "webmaster", "service", "info", "imap", "smtp", "domain"}
}

// identity is the type of identity that a column holds, or "".
func (d *drafting) identity(t *Table, c *Column) string {
	j := d.judged[c]
	if t.Kind != "table" || d.isHouse(t) && !d.holdsPersons(t, c) || hasAny(words(c.Name), offices()...) || hashed(words(c.Name)) || c.Class != Text && c.Class != Other {
		return ""
	}
	switch j.category {
	case "user.contact.email":
		return datamap.Email
	case "user.contact": // by both, of which a field has room for one
		if c.Contents.reaches() {
			return datamap.Email
		}
	case "user.contact.phone_number":
		if d.isDetail(t) && !d.isPerson(t) {
			return "" // a number beside an address is often an office's or a neighbour's
		}
		return datamap.Phone
	}
	return ""
}

// holdsPersons tells whether a column of a table that is called like a thing's holds
// the addresses of the one person whom each row names, and who has none otherwise.
func (d *drafting) holdsPersons(t *Table, c *Column) bool {
	var persons []*Table
	for _, l := range d.links[t] {
		if d.isPerson(l.parent) && !d.actor(l, true) {
			persons = append(persons, l.parent)
		}
	}
	return len(persons) == 1 && c.Contents.most(c.Contents.Mail, 0.6) && !d.isHouse(persons[0]) && !d.identityOf(persons[0])
}

// hashed tells whether a column holds what was made of a value, by which nobody is found.
func hashed(name []string) bool { return hasAny(name, "hash", "digest", "md 5", "sha") }

func (d *drafting) identityOf(t *Table) bool {
	return slices.ContainsFunc(t.Columns, func(c *Column) bool { return d.identity(t, c) == datamap.Email })
}

func (d *drafting) findRoots() {
	for _, t := range d.db.Tables {
		d.root[t] = slices.ContainsFunc(t.Columns, func(c *Column) bool { return !d.known.has(t, c.Name) && d.identity(t, c) != "" })
		if d.known.collection(t) != nil {
			d.root[t] = !d.known.skipped(t) && (d.root[t] || d.known.seeded(t))
		}
	}
	for _, t := range d.db.Tables {
		for _, l := range d.links[t] {
			if d.satellite(l) || d.letIn(l) {
				d.root[l.parent] = true
			}
		}
	}
}

// letIn tells whether the map leads from persons to a table in which they have their
// names, as from Mastodon's users to their accounts: what hangs there is theirs.
func (d *drafting) letIn(l *link) bool {
	if d.known.collection(l.parent) == nil || d.known.skipped(l.parent) || !d.root[l.child] || !d.isPerson(l.child) || d.isDetail(l.parent) || d.isHouse(l.parent) ||
		!d.known.hasAll(l.child, l.columns) || !d.known.hasAll(l.parent, l.references) {
		return false
	}
	_, to := d.known.follows(l)
	return to && d.looksPersonal(l.parent)
}

// walk reaches what the identities reach, in the order of a map that people read:
// persons first, then what is theirs.
func (d *drafting) walk() {
	var queue []*Table
	add := func(t *Table) {
		known := d.known.collection(t)
		if !d.reached[t] && (known != nil && !known.Skip || known == nil && t.Kind == "table") {
			d.reached[t] = true
			queue = append(queue, t)
		}
	}
	for _, t := range d.db.Tables {
		if c := d.known.collection(t); c != nil && d.known.reached[c] {
			add(t)
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
	deleted := func(t *Table) bool { c := d.known.collection(t); return c != nil && c.Delete }
	var shared, books []*Table
	for _, t := range d.order {
		if c := d.known.collection(t); c != nil {
			if !c.Delete {
				d.kept[t] = "as the map has it"
			}
			continue
		}
		n := 0
		for _, l := range d.links[t] {
			if l.owner && l.from && !d.restated(l) {
				n++
			}
		}
		switch {
		case hasAny(words(t.Name), "order", "orders", "invoice", "invoices", "payment", "payments", "refund", "refunds", "bestellung", "bestellungen",
			"rechnung", "rechnungen", "zahlung", "objednavka", "objednavky", "faktura", "faktury", "platba", "commande", "commandes", "facture", "factures", "transaction", "transactions"):
			d.kept[t] = "laws on books and taxes may want such rows kept, see lethe: {keep: …}"
			books = append(books, t)
		case n > 1:
			d.kept[t] = "several persons may have a share in one row"
			shared = append(shared, t)
		}
	}
	d.keepBeneath(shared, "in which several persons may have a share", func(c *Table) bool {
		return !slices.ContainsFunc(d.links[c], func(l *link) bool { return l.owner && l.from })
	})
	d.keepBeneath(books, "which laws on books and taxes may want kept", isLine)
	for _, c := range d.db.Tables {
		for _, l := range d.links[c] {
			mark := l.guessed && tellsHowFar(l) // holds no row: there is no foreign key
			if p := l.parent; p != c && d.reached[p] && !deleted(p) && d.kept[p] == "" && !l.to && (!d.reached[c] || !l.from) && !mark {
				if !d.reached[c] && strings.HasSuffix(c.Kind, "view") { // what it shows lies in tables, which count themselves
					continue
				}
				d.kept[p] = "rows of " + c.Name + " point here and are not the person's"
				if !d.reached[c] {
					d.kept[p] = "rows of " + c.Name + " point here and are not walked"
				}
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
				if p := l.parent; p != c && d.reached[p] && !deleted(p) && d.kept[p] == "" {
					d.kept[p], changed = "rows of "+c.Name+" are kept and point here", true
				}
			}
		}
	}
}

// keepBeneath masks what hangs on rows that are masked and is as much a part of
// them: the files of a ticket in which several persons have a share, but not what
// names its own person, and the lines of an invoice.
func (d *drafting) keepBeneath(tables []*Table, why string, part func(*Table) bool) {
	for len(tables) > 0 {
		p := tables[0]
		tables = tables[1:]
		for _, c := range d.order {
			hangs := slices.ContainsFunc(d.links[c], func(l *link) bool { return l.parent == p && l.from })
			if hangs && part(c) && d.kept[c] == "" && d.known.collection(c) == nil {
				d.kept[c] = "they hang on rows of " + p.Name + ", " + why
				tables = append(tables, c)
			}
		}
	}
}

// isLine tells whether rows of a table are those of which an order or invoice is
// made, by the end of its name: line_items, invoiceline.
func isLine(t *Table) bool {
	w := words(t.Name)
	return slices.ContainsFunc(singulars(w[len(w)-1]), func(s string) bool {
		return slices.ContainsFunc([]string{"line", "item", "position", "fee", "tax", "discount", "adjustment", "payment", "refund", "polozka", "zeile", "ligne"},
			func(end string) bool { return strings.HasSuffix(s, end) })
	})
}

// looksPersonal tells whether some column of a table says so by itself.
func (d *drafting) looksPersonal(t *Table) bool {
	sure := 0
	for _, c := range t.Columns {
		if d.judged[c].sure || slices.ContainsFunc(leaves(d.inside[c]), func(f *Field) bool { return f.sure }) {
			sure++
		}
	}
	return t.Kind == "table" && sure > 0 && (!d.isHouse(t) || sure > 2)
}

// namedBy is a column of a walked table that names the rows of one that is not.
func (d *drafting) namedBy(t *Table) string {
	for _, c := range d.order {
		for _, l := range d.links[c] {
			if l.parent == t && len(l.columns) == 1 {
				return c.Name + "." + l.columns[0]
			}
		}
	}
	return ""
}

// collection is a table as drafted; of one that the map has, what it has not.
func (d *drafting) collection(t *Table) *Collection {
	known := d.known.collection(t)
	c := &Collection{Table: t, Reached: d.reached[t], Written: known}
	switch {
	case known != nil:
		c.Reached = !known.Skip
	case t.Kind != "table":
		c.Why = "a " + t.Kind + ": what it shows lies in tables"
	case !c.Reached && d.looksPersonal(t):
		c.Why = "looks personal, and nothing leads here: give it an identity or a reference, and " + takeSkip
		if column, person := d.creator(t); column != "" {
			c.Why = "looks personal, and nothing leads here, but " + column + " names " + person + ": where these are whose rows they are, give that column a reference to them with direction: from, and " + takeSkip
		} else if names := d.namedBy(t); names != "" {
			c.Why = "looks personal, and nothing leads here, but " + names + " names its rows: where they describe the person, give that column a reference with direction: to, and " + takeSkip
		}
	case !c.Reached:
		c.Why = "no identity leads here"
		if column, person := d.creator(t); column != "" {
			c.Why += ", but " + column + " names " + person + ": where these are whose rows they are, give that column a reference to them with direction: from, and " + takeSkip
		}
	case d.kept[t] != "":
		c.Why = d.kept[t]
	default:
		c.Delete = true
	}
	// A table that is to be walked once a person has tied it is ready for that: its
	// rows are given whole, and can be masked.
	ready := c.Reached || strings.HasSuffix(c.Why, takeSkip)
	key := keyOf(t)
	if known != nil && slices.ContainsFunc(known.PrimaryKey(), func(f *datamap.Field) bool { return !slices.Contains(key, f.Name) }) {
		key = nil // a person chose other columns
	}
	byColumn := map[string]*Field{}
	for _, col := range t.Columns {
		f := &Field{Column: col, Key: slices.Contains(key, col.Name), Identity: d.identity(t, col)}
		if j, ok := d.judged[col]; ok && t.Kind == "table" && (ready || d.looksPersonal(t)) {
			f.Category, f.Why = j.category, append(f.Why, j.why)
		}
		if t.Kind == "table" && (ready || d.looksPersonal(t)) {
			d.within(t, f)
			d.hint(t, f)
		}
		if col.Astray != "" {
			f.Why = append(f.Why, "called like a reference to "+col.Astray+", where none of its sampled values stands")
		}
		byColumn[col.Name] = f
		if !d.known.has(t, col.Name) {
			c.Fields = append(c.Fields, f)
		}
	}
	if c.Reached {
		c.Shared = d.sharedWith(t)
		d.tie(t, c, byColumn)
	}
	if ready {
		for _, f := range c.Fields {
			d.finish(t, f)
		}
	}
	return c
}

// takeSkip ends the advice on a table that nothing leads to.
const takeSkip = "take skip_processing away"

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
