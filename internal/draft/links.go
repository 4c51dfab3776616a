package draft

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A link is a foreign key, or what looks like one by its name, with the way in
// which it is followed.
type link struct {
	child, parent *Table
	columns       []string // of the child
	references    []string // of the parent
	guessed       bool     // no foreign key: by its name
	from, to      bool     // parent to child; child to parent
	why           string
	owner         bool // the parent is a person whom the row is about
	old           bool // of columns that the map has at both ends: it stays as the map has it
}

// inPlace tells whether a column of a link names itself: (tenant, parent) of a
// table names its own (tenant, id).
func (l *link) inPlace() bool {
	return l.child == l.parent && slices.ContainsFunc(l.columns, func(c string) bool { return c == l.references[slices.Index(l.columns, c)] })
}

// pointer is the column in which a person would look for a link's comment: not the
// tenant that several links share.
func (d *drafting) pointer(l *link) string {
	for _, c := range l.columns {
		if !slices.ContainsFunc(d.links[l.child], func(k *link) bool { return k != l && slices.Contains(k.columns, c) }) && !slices.Contains(keyOf(l.child), c) {
			return c
		}
	}
	return l.columns[0]
}

// links gathers every table's, foreign keys first, and those that names tell of:
// products whose migrations declare no foreign keys are common.
func (d *drafting) findLinks() {
	byName := map[string]*Table{}
	for _, t := range d.db.Tables {
		byName[t.FullName()] = t
	}
	for _, t := range d.db.Tables {
		for _, k := range t.Links {
			if p := byName[k.Schema+"."+k.Table]; len(k.Columns) == 1 && p != t {
				d.declares[k.Columns[0]] = append(d.declares[k.Columns[0]], declaration{t, p, p != nil && slices.Equal(p.Key, k.References)})
			}
		}
	}
	for _, t := range d.db.Tables {
		taken, prefixed := map[string]bool{}, d.prefixed(t)
		for _, k := range t.Links {
			p := byName[k.Schema+"."+k.Table]
			if p == nil || len(k.Columns) != len(k.References) || !t.hasAll(k.Columns) || !p.hasAll(k.References) {
				continue
			}
			if p == t && slices.Equal(k.Columns, k.References) {
				continue // a row that names itself says nothing
			}
			for _, c := range k.Columns {
				taken[c] = true
			}
			d.links[t] = append(d.links[t], &link{child: t, parent: p, columns: k.Columns, references: k.References})
		}
		for _, c := range t.Columns {
			if taken[c.Name] || c.Name == "id" {
				continue
			}
			if l := d.guess(t, c, prefixed); l != nil {
				d.links[t] = append(d.links[t], l)
			}
		}
	}
}

// guess ties a column to the table that its name names: contact_id to contacts,
// userid to users, author_id to the table of persons where there is one only.
//
// A column named for its own table (payments.payment_id) is what others point to,
// its key or a number from elsewhere, and points nowhere. A column that is the
// whole key of its table points only to another table of just that name, as
// profiles.user_id does to users: what an agent_id that names the rows of
// sales_agents has to do with the one table of persons, nobody can tell.
func (d *drafting) guess(t *Table, c *Column, prefixed bool) *link {
	if c.Astray != "" || d.kindOf(t, c) != nil {
		return nil
	}
	p := d.meant(t, c, prefixed)
	if p == nil {
		return d.byKey(t, c)
	}
	// A text called service_user_id is a number elsewhere, and no users.uuid.
	plain := c.Class == UUID || slices.Contains(d.called[p], strings.TrimSuffix(squeezed(c.Name), "id"))
	return tie(t, c, p, func(key string, primary bool) bool { return primary || plain || key == "id" })
}

// tie is a link by the first key of one column that is meant and can hold the
// column's values: the primary one, or a surrogate beside it.
func tie(t *Table, c *Column, p *Table, means func(key string, primary bool) bool) *link {
	for _, key := range p.keys() {
		if primary := slices.Equal(key, p.Key); len(key) == 1 && (primary || slices.Contains(surrogates(), squeezed(key[0]))) &&
			means(key[0], primary) && alike(p.Column(key[0]), c) {
			return &link{child: t, parent: p, columns: []string{c.Name}, references: key, guessed: true}
		}
	}
	return nil
}

// surrogates are names of numbers by which other tables name a row, beside its key.
func surrogates() []string { return []string{"id", "uid", "uuid", "guid"} }

// alike tells whether a column can hold the values of a key.
func alike(key, c *Column) bool {
	return key != nil && key.Class == c.Class && (c.Class != Other || key.Type == c.Type)
}

// byKey ties a column that is called for a table and its key, where that is no id:
// account_record_id, user_uuid. Where the row names the table by another key
// already (account_id), that has said it.
func (d *drafting) byKey(t *Table, c *Column) *link {
	name := words(c.Name)
	for i := 1; i < len(name); i++ {
		p, key := d.tableCalled(t, strings.Join(name[:i], "")), strings.Join(name[i:], "")
		if p == nil || p == t || key == "id" || !strings.HasSuffix(key, "id") ||
			slices.ContainsFunc(d.links[t], func(l *link) bool { return l.parent == p && l.guessed && words(l.columns[0])[0] == name[0] }) {
			continue
		}
		if l := tie(t, c, p, func(k string, _ bool) bool { return squeezed(k) == key }); l != nil {
			return l
		}
	}
	return nil
}

// meant is the table that a column's name names, or nil. prefixed: see there.
func (d *drafting) meant(t *Table, c *Column, prefixed bool) *Table {
	name := words(c.Name)
	if prefixed {
		name = name[1:]
	}
	var stem string
	switch {
	case len(name) == 1 && name[0] == "uid" && (c.Class == Number || c.Class == UUID) && !slices.Equal(keyOf(t), []string{c.Name}):
		stem = "user" // whose number it is; a text is mostly the row's own
	case len(name) == 1 && party(name[0]) != "": // useridfrom, touserid
		stem = party(name[0])
	case len(name) > 1 && name[len(name)-1] == "id":
		stem = strings.Join(name[:len(name)-1], "")
	case len(name) == 1 && strings.HasSuffix(name[0], "id") && len(name[0]) > 4:
		stem = strings.TrimSuffix(name[0], "id")
	case len(name) == 1 && (c.Class == Number || c.Class == UUID):
		// The bare name: of persons, or where all columns have a prefix. Elsewhere
		// an order is a place in a list, and a status a number.
		if p := d.tableCalled(t, name[0]); p != t && p != nil && (prefixed || d.isPerson(p)) {
			return p
		}
		if slices.Contains(authorWords(), name[0]) {
			return d.onlyPerson()
		}
		return nil
	case len(name) > 1 && name[len(name)-1] == "by" && (c.Class == Number || c.Class == UUID):
		if slices.Contains(authorWords(), strings.Join(name, "")) || hasAny(name, actorWords()...) {
			return d.onlyPerson()
		}
		return nil
	default:
		return nil
	}
	if stem == "resourceowner" { // OAuth's word (RFC 6749) for the user whose token it is
		stem = "user"
	}
	own := slices.Equal(keyOf(t), []string{c.Name})
	p := d.declared(t, c)
	for w, i := words(t.Name), len(words(t.Name))-1; p == nil && i >= 0; i-- { // forum_posts for post_id of forum_reads
		if near := d.tableCalled(t, strings.Join(w[:i], "")+stem); near != t || i == 0 {
			if plain := d.tableCalled(t, stem); near == nil || plain == nil || plain == t || near == plain || !d.joins(near, plain) { // issue_user names users, as a watch does
				p = near
			}
		}
	}
	if p == t || p == nil && own {
		return nil
	}
	if p == nil && len(name) > 2 { // ship_address_id: the last words name the table
		for i := 1; i < len(name)-1 && p == nil; i++ {
			p = d.tableCalled(t, strings.Join(name[i:len(name)-1], ""))
		}
		if p == t && len(words(t.Name)) > 1 { // line_item_id of shop_items: an item, of which table nobody can tell
			return nil
		}
	}
	if p == nil && (slices.Contains(ownerWords(), stem) || hasAny(name, actorWords()...) && !hasAny(name, markWords()...)) {
		p = d.onlyPerson()
	}
	if p == nil && (stem == "parent" || stem == "root") {
		p = t
	}
	return p
}

// party is the word for persons in a folded name of who sent something or to whom,
// useridfrom and touserid; "" in any other.
func party(name string) string {
	for _, end := range []string{"from", "to"} {
		for _, w := range personWords() {
			if name == w+"id"+end || name == end+w+"id" {
				return w
			}
		}
	}
	return ""
}

// A declaration is a foreign key of one column, to another table.
type declaration struct {
	on, names *Table // the latter nil where it is not among those drafted
	whole     bool   // it names that one's key
}

// declared is the one table that foreign keys of the other tables point to from a
// column of the same name: user_id is declared in eight tables and left out in logs.
func (d *drafting) declared(t *Table, c *Column) *Table {
	var found *Table
	for _, k := range d.declares[c.Name] {
		if k.on == t {
			continue
		}
		if !k.whole || found != nil && found != k.names {
			return nil
		}
		found = k.names
	}
	return found
}

// prefixed tells whether all columns of a table begin with one word that names no
// other table, as MediaWiki's do (wl_id, wl_user, wl_title of watchlist).
func (d *drafting) prefixed(t *Table) bool {
	var prefix string
	for _, c := range t.Columns {
		w := words(c.Name)
		if len(w) < 2 || prefix != "" && w[0] != prefix {
			return false
		}
		prefix = w[0]
	}
	p := d.tableCalled(t, prefix)
	return len(t.Columns) > 2 && (p == nil || p == t)
}

// tableCalled finds the table whose name, without the prefix that all tables
// share, is the word or its plural; one of the same schema first.
func (d *drafting) tableCalled(near *Table, stem string) *Table {
	var found *Table
	for _, t := range d.db.Tables {
		if t.Kind != "table" || !slices.Contains(d.called[t], stem) {
			continue
		}
		if found == nil || found.Schema != near.Schema && t.Schema == near.Schema {
			found = t
		}
	}
	return found
}

// names are the singular forms of a table's name, squeezed, with and without the
// prefix of its product (spree_orders is order).
func (d *drafting) names() {
	first := map[string]int{}
	for _, t := range d.db.Tables {
		if w := words(t.Name); len(w) > 1 {
			first[w[0]]++
		}
	}
	for _, t := range d.db.Tables {
		w := words(t.Name)
		for _, s := range singulars(w[len(w)-1]) {
			all := append(slices.Clone(w[:len(w)-1]), s)
			d.called[t] = append(d.called[t], strings.Join(all, ""))
			if len(all) > 1 && (first[w[0]]*2 > len(d.db.Tables) || all[0] == s || slices.Contains(singulars(all[0]), s)) {
				d.called[t] = append(d.called[t], strings.Join(all[1:], ""))
			}
		}
	}
	// account_user, order_order: the first word is the part of the product, where
	// no other table is called by the rest.
	for _, t := range d.db.Tables {
		w := words(t.Name)
		if len(w) != 2 || first[w[0]] < 2 {
			continue
		}
		for _, s := range singulars(w[1]) {
			if !slices.ContainsFunc(d.db.Tables, func(o *Table) bool { return o != t && slices.Contains(d.called[o], s) }) {
				d.called[t] = append(d.called[t], s)
			}
		}
	}
}

// joins tells whether a table has a column that names rows of another.
func (d *drafting) joins(t, other *Table) bool {
	return slices.ContainsFunc(t.Columns, func(c *Column) bool {
		name := squeezed(c.Name)
		return !slices.Contains(t.Key, c.Name) && (name == "uid" && slices.Contains(d.called[other], "user") ||
			slices.ContainsFunc(d.called[other], func(n string) bool { return name == n+"id" }))
	})
}

// joined tells whether rows of a table of persons only put persons of another
// somewhere, as members of a project: they have no name and no address of their own.
func (d *drafting) joined(t *Table) bool {
	return slices.ContainsFunc(d.db.Tables, func(o *Table) bool { return o != t && d.isPerson(o) && d.joins(t, o) }) &&
		!slices.ContainsFunc(t.Columns, func(c *Column) bool {
			j, ok := byName(c, true)
			return ok && (under(j.category, "user.name") || under(j.category, "user.contact") || under(j.category, "user.account"))
		})
}

// onlyPerson is the table of persons, where there is one only that looks so.
func (d *drafting) onlyPerson() *Table {
	var found *Table
	for _, t := range d.db.Tables {
		if t.Kind == "table" && d.isPerson(t) && !d.joined(t) {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}

// isPerson tells whether rows of a table are persons, by the table's name.
func (d *drafting) isPerson(t *Table) bool {
	return slices.ContainsFunc(d.called[t], func(n string) bool { return slices.Contains(personWords(), n) })
}

// isDetail tells whether rows of a table describe somebody, by the table's name.
func (d *drafting) isDetail(t *Table) bool {
	return slices.ContainsFunc(d.called[t], func(n string) bool {
		return slices.Contains(detailWords(), n) || strings.HasSuffix(n, "address") && n != "ipaddress" && n != "macaddress"
	})
}

// isHouse tells whether a table is about organisations, goods or settings: not what
// was sent or done there, an invitation to a team.
func (d *drafting) isHouse(t *Table) bool {
	w := words(t.Name)
	last := singulars(w[len(w)-1])
	return slices.ContainsFunc(houseWords(), func(h string) bool {
		return slices.Contains(last, h) || slices.Contains(d.called[t], h) || w[0] == h && len(w) > 1 && !d.isPerson(t) && !isLog(t)
	})
}

// direct says which way each link is followed.
//
// From the person to what is theirs is from the parent's key to the child's
// foreign key. It is not followed where the column names somebody whom the row
// is not about (who approved it); and it is turned round where the parent
// describes a person and is pointed to, as an order points to an address, so
// that an address leads to nobody else's orders.
func (d *drafting) direct() {
	for _, t := range d.db.Tables {
		for _, l := range d.links[t] {
			l.owner = d.root[l.parent] && (d.isPerson(l.parent) || !d.isHouse(l.parent)) || d.account(l.parent) != nil
		}
	}
	for _, t := range d.db.Tables {
		d.byStandIns(t)
		subject := 0
		for _, l := range d.links[t] {
			if l.owner && !d.actor(l, false) {
				subject++
			}
		}
		for _, l := range d.links[t] {
			switch {
			case l.parent == t:
				l.owner, l.why = false, "a row's parent: what hangs on one's own row may be somebody else's"
				switch {
				case d.root[t]:
					l.why = "names another row that is a person by itself (who recommended them, whom they report to)"
					if w := words(l.columns[0]); hasAny(w, "merged", "duplicate", "replaced") {
						l.why = "names the row that this one was merged into, of the same person: direction: from finds those that were merged into theirs, too"
					} else if !d.isPerson(t) {
						l.why = "names another row, which may be somebody else's: an address stands in each"
					}
				case l.inPlace():
					l.why = "a row's parent, tied by a column that the two share, which no reference can say"
				case !d.hasOwner(t) && subject == 0:
					l.from, l.why = true, ""
				}
			case l.owner && d.actor(l, subject > 0):
				l.owner, l.why = false, "names who dealt with the row, not whom it is about"
			case l.owner && d.byStaff(l):
				l.owner, l.why = false, "names who of the staff wrote the row, not whom it is about"
			case l.owner && l.guessed && d.besideCreator(l):
				l.owner, l.why = false, "names whose row it is, or who deals with it: where it is the former, give it direction: from"
			case d.root[t] && d.isPerson(t) && d.root[l.parent] && d.isPerson(l.parent) && !d.sameOne(l):
				l.owner, l.why = false, "names somebody else than the person whom the row is (who treats or teaches them)"
			case l.owner && d.root[t] && len(l.columns) == 1 && words(l.columns[0])[0] == "parent":
				l.owner, l.why = false, "names somebody above the person whom the row is about (who pays for them)"
			case l.owner && d.root[t] && d.isPerson(t) && !d.isPerson(l.parent) && !d.sameOne(l):
				l.owner, l.why = false, "names something that has an address or a number of its own (an office, a directory), not whose row it is"
			case tellsHowFar(l):
				l.why = "tells how far somebody has come among rows of others, not whose row it is"
			case d.root[t] && d.account(l.parent) == t:
				l.owner, l.why = false, "names somebody else's "+l.parent.Name+": one's own names this row"
			case subject > 0 && !l.owner && !d.root[l.parent] && isOrganisation(l.parent):
				l.why = "names in whose house the row is, and it names whom it is about itself"
			case !d.root[l.parent] && d.isDetail(l.parent) && !l.owner:
				l.to, l.why = true, "points to what describes the person"
			case len(l.columns) == 1 && d.root[t] && !d.root[l.parent] && d.hangsOn(l.parent, t):
				l.why = "names something that is a person's (an invitation), and leads from them to others"
			case subject > 1 && !l.owner && !d.root[l.parent]:
				l.why = "names a thing of somebody's, and the row names several persons itself"
			case subject > 0 && !l.owner && l.parent != t && len(l.columns) == 1 && d.standsFor(l.parent):
				l.why = "names somebody by what stands for them, and the row says itself whom it is about"
			case subject == 0 && !l.owner && !d.root[l.parent] && d.isHouse(l.parent) && d.besideSomebodys(l):
				l.why = "names somebody's thing or desk, and the row hangs on something of a person's itself"
			case d.satellite(l):
				l.from, l.to, l.why = true, true, "holds the person's address: leads to the person, and from there to all of theirs"
			default:
				l.from = true
			}
		}
	}
}

// account is the table of those whose accounts a table of persons without addresses
// holds, which it names: res_users names res_partner, where the addresses stand.
func (d *drafting) account(t *Table) *Table {
	if d.root[t] || !d.isPerson(t) {
		return nil
	}
	for _, l := range d.links[t] {
		if d.root[l.parent] && !d.isHouse(l.parent) && !l.guessed && len(l.columns) == 1 && !d.actor(l, true) {
			return l.parent
		}
	}
	return nil
}

// isOrganisation tells whether rows of a table are companies and the like, in which
// there are many: their own person's request is none for everybody in them.
func isOrganisation(t *Table) bool {
	w := words(t.Name)
	return slices.ContainsFunc(singulars(w[len(w)-1]), func(s string) bool {
		return slices.Contains([]string{"company", "organization", "organisation", "tenant", "firma", "unternehmen", "entreprise", "societe"}, s)
	})
}

// hangsOn tells whether rows of a table are those of persons of another, as
// invitations are the inviter's.
func (d *drafting) hangsOn(t, persons *Table) bool {
	return slices.ContainsFunc(d.links[t], func(l *link) bool { return l.parent == persons && !d.actor(l, false) })
}

// tellsHowFar tells whether a link only marks a place among rows of others: the last
// message that a member of a channel has seen, the first one of the channel.
func tellsHowFar(l *link) bool {
	return len(l.columns) == 1 && !l.owner && hasAny(words(l.columns[0]), "first", "last", "latest", "seen", "fetched")
}

// byStandIns marks as an owner what stands for a person where a table names no
// person themselves: the profile or principal of which each has one. A share in
// somebody's folder is its own owner's, and goes with that one alone.
func (d *drafting) byStandIns(t *Table) {
	if d.root[t] || slices.ContainsFunc(d.links[t], func(l *link) bool { return l.owner }) {
		return
	}
	for _, l := range d.links[t] {
		l.owner = l.parent != t && len(l.columns) == 1 && !d.isHouse(l.parent) && (d.isPerson(l.parent) || !d.isDetail(l.parent)) && d.standsFor(l.parent)
	}
}

// standsFor tells whether a table has one row for each person: its only link to
// persons is unique, or it holds their accounts.
func (d *drafting) standsFor(t *Table) bool {
	if d.root[t] {
		return false
	}
	persons, one := 0, false
	for _, l := range d.links[t] {
		if !d.root[l.parent] || d.isHouse(l.parent) || d.actor(l, false) {
			continue
		}
		persons++
		one = len(l.columns) == 1 && (slices.Contains(d.called[t], "account") ||
			slices.ContainsFunc(t.keys(), func(u []string) bool { return slices.Equal(u, l.columns) }))
	}
	return persons == 1 && one
}

// uncross leaves one of two links of a pair of tables that share a column and lead
// in a circle (a customer's last order, an order's customer, both with the tenant):
// a map cannot say which columns agree in which direction. What leads from a
// person to what is theirs stays.
func (d *drafting) uncross() {
	for _, t := range d.db.Tables {
		for _, l := range d.links[t] {
			for _, k := range d.links[l.parent] {
				if l.old || !l.crosses(k) || !k.old && d.root[l.parent] && !d.root[l.child] {
					continue
				}
				l.from, l.to, l.owner = false, false, false
				l.why = "shares a column with the reference of " + k.child.Name + " to " + k.parent.Name + ", and no map can say both"
			}
		}
	}
}

// crosses tells whether two links that are followed, a composite one among them,
// lead between two tables, the one this way and the other that way, by some
// column of both.
func (l *link) crosses(k *link) bool {
	both := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(c string) bool { return slices.Contains(b, c) })
	}
	return l != k && k.parent == l.child && len(l.columns)+len(k.columns) > 2 && (l.from || l.to) && (k.from || k.to) &&
		(both(l.columns, k.references) || both(l.references, k.columns))
}

// besideCreator tells whether a link is an owner's, and a creator stands beside it:
// the owner of a ticket is whoever deals with it, that of a file is its creator's heir.
func (d *drafting) besideCreator(l *link) bool {
	return has(words(l.columns[0]), "owner") && slices.ContainsFunc(d.links[l.child], func(k *link) bool {
		return k != l && k.parent == l.parent && hasAny(words(k.columns[0]), "creator", "created", "createdby", "reporter", "requester", "submitter")
	})
}

// besideSomebodys tells whether a row that names a product or a desk hangs on
// something of a person's that is neither: the line of an order on the order.
func (d *drafting) besideSomebodys(l *link) bool {
	return slices.ContainsFunc(d.links[l.child], func(k *link) bool {
		return k != l && k.parent != l.child && k.parent != l.parent && !d.root[k.parent] && !d.isHouse(k.parent) && !d.isDetail(k.parent) && d.hasOwner(k.parent)
	})
}

// creator is a column of a table that nothing leads to in which whoever made its
// rows is named: they may be theirs, or staff's.
func (d *drafting) creator(t *Table) (column, person string) {
	for _, l := range d.links[t] {
		if d.reached[l.parent] && d.root[l.parent] && !d.isHouse(l.parent) && l.why != "" && l.parent != t && len(l.columns) == 1 && !d.actor(l, false) {
			return l.columns[0], l.parent.Name
		}
	}
	// grantor_customer_id: called for a role of staff, and for the persons themselves.
	for _, l := range d.links[t] {
		if len(l.columns) == 1 && l.parent != t && d.reached[l.parent] && d.root[l.parent] && d.isPerson(l.parent) && !d.isStaff(l.parent) {
			if w := words(l.columns[0]); len(w) > 2 && !hasAny(w, "by") && slices.Contains(d.called[l.parent], w[len(w)-2]) {
				return l.columns[0], l.parent.Name
			}
		}
	}
	return "", ""
}

// isStaff tells whether rows of a table are persons who work here, by its name.
func (d *drafting) isStaff(t *Table) bool {
	return slices.ContainsFunc(d.called[t], func(n string) bool { return slices.Contains(staffWords(), n) })
}

// byStaff tells whether a link names the author of a row among the staff, where the
// row hangs on something else and other tables hold those whom the house is there for.
func (d *drafting) byStaff(l *link) bool {
	return len(l.columns) == 1 && d.isStaff(l.parent) && hasAny(unfold(words(l.columns[0])), "author", "writer", "poster", "creator", "autor", "auteur") &&
		slices.ContainsFunc(d.links[l.child], func(k *link) bool {
			return k != l && k.parent != l.parent && k.parent != l.child && !d.isHouse(k.parent)
		}) &&
		slices.ContainsFunc(d.db.Tables, func(o *Table) bool { return d.root[o] && d.isPerson(o) && !d.isStaff(o) })
}

// actor tells whether a link names whom the row is not about. Where somebody has to
// be the subject, whoever created or logged it may be staff.
func (d *drafting) actor(l *link, beside bool) bool {
	if len(l.columns) != 1 {
		return false
	}
	w := unfold(words(l.columns[0]))
	if hasAny(w, actorWords()...) && !slices.Contains(d.called[l.parent], strings.Join(w[:max(1, len(w)-1)], "")) {
		return true
	}
	return beside && !d.sends(l) && (hasAny(w, "creator", "created", "canceler", "logged") || hasAny(w[:1], "create", "insert", "entered", "added"))
}

// sends tells whether a link names who made a message that names its recipient, too:
// who made it has sent it.
func (d *drafting) sends(l *link) bool {
	return hasAny(words(l.child.Name), "message", "messages", "mail", "mails", "letter", "letters") && slices.ContainsFunc(d.links[l.child], func(k *link) bool {
		return k != l && k.parent == l.parent && len(k.columns) == 1 && hasAny(words(k.columns[0]), "recipient", "receiver", "addressee", "to")
	})
}

// unfold parts the one word of a name from the id and by at its end, as camelCase is
// left where Postgres folds it: creatorid, updatedby, approvedbyid.
func unfold(name []string) []string {
	if len(name) != 1 {
		return name
	}
	var ends []string
	stem := name[0]
	for _, end := range []string{"id", "by"} {
		if rest, ok := strings.CutSuffix(stem, end); ok && rest != "" {
			stem, ends = rest, append([]string{end}, ends...)
		}
	}
	return append([]string{stem}, ends...)
}

// sameOne tells whether two rows that hold addresses of their own may be one
// person's, as a customer's and their user account's are: tied one to one, or by a
// column that says so. A patient's physician has other patients.
func (d *drafting) sameOne(l *link) bool {
	if d.satellite(l) || slices.ContainsFunc(l.child.keys(), func(u []string) bool { return slices.Equal(u, l.columns) }) {
		return true
	}
	return slices.ContainsFunc(l.columns, func(c string) bool {
		return slices.ContainsFunc(ownerWords(), func(w string) bool { return has(words(c), w) || strings.HasPrefix(squeezed(c), w+"id") })
	})
}

// hasOwner tells whether a table has a reference to the person whom its rows are about.
func (d *drafting) hasOwner(t *Table) bool {
	return slices.ContainsFunc(d.links[t], func(l *link) bool {
		return l.parent != t && d.root[l.parent] && !d.isHouse(l.parent) && !d.actor(l, false)
	})
}

// restated tells whether another link says by fewer of the same columns whose row
// it is: beside user_id, (tenant_id, user_id) names nobody else.
func (d *drafting) restated(l *link) bool {
	return slices.ContainsFunc(d.links[l.child], func(k *link) bool {
		return k.parent == l.parent && k.from && len(k.columns) < len(l.columns) &&
			!slices.ContainsFunc(k.columns, func(c string) bool { return !slices.Contains(l.columns, c) })
	})
}

// satellite tells whether the child holds the addresses of persons whose own
// table has none: users and user_emails, by the name; or each address once (in a
// tenant); or, where nothing else tells who the persons are, any table of theirs
// with an address. A log of what was sent to an address is none: its address
// proves nothing.
func (d *drafting) satellite(l *link) bool {
	if len(l.columns) != 1 || !d.identityOf(l.child) || d.identityOf(l.parent) || d.isHouse(l.parent) || d.actor(l, true) || d.isProxy(l.parent) {
		return false
	}
	child := squeezed(l.child.Name)
	belongs := false // the child's name begins with the parent's
	for _, n := range d.called[l.parent] {
		rest, ok := strings.CutPrefix(child, n)
		belongs = belongs || ok
		if ok && d.isPerson(l.parent) && slices.Contains([]string{"email", "emails", "mail", "mails", "emailaddress", "emailaddresses", "contact", "contacts", "contactmechanism", "contactmechanisms", "contactpoint", "contactpoints", "contactmethod", "contactmethods", "login", "logins"}, rest) {
			return true
		}
	}
	switch {
	case isLog(l.child):
		return false
	case d.once(l):
		return belongs || d.isPerson(l.parent)
	default:
		return d.isPerson(l.parent) && d.onlyAddress(l)
	}
}

// isProxy tells whether each row of a table stands for one of another, and says by
// itself of which table: for a user, or for a channel.
func (d *drafting) isProxy(t *Table) bool {
	return slices.ContainsFunc(t.Columns, func(c *Column) bool {
		kind := d.kindOf(t, c)
		return kind != nil && kind.Name == "type"
	})
}

// once tells whether the child has each address once, or once in each of what its
// other columns name; once a parent would say nothing.
func (d *drafting) once(l *link) bool {
	return slices.ContainsFunc(l.child.Unique, func(u []string) bool {
		return !slices.Contains(u, l.columns[0]) && slices.ContainsFunc(u, func(name string) bool {
			c := l.child.Column(name)
			return c != nil && d.identity(l.child, c) == datamap.Email
		})
	})
}

// onlyAddress tells whether no other table that points to the parent has addresses,
// and the child points to no other persons.
func (d *drafting) onlyAddress(l *link) bool {
	for _, t := range d.db.Tables {
		for _, k := range d.links[t] {
			if k.parent == l.parent && t != l.child && !isLog(t) && d.identityOf(t) || t == l.child && k != l && d.isPerson(k.parent) {
				return false
			}
		}
	}
	return true
}

// isLog tells whether rows of a table tell of something that was done with an address.
func isLog(t *Table) bool { return hasAny(words(t.Name), logWords()...) }
