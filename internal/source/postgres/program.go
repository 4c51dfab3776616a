package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A program is a plan bound to the tables that the catalogue knows, with the
// statements written for it so far.
type program struct {
	source string
	plan   *datamap.Plan
	cat    *catalogue
	stops  []*stop
	of     map[string]*stop   // by collection's full name
	at     map[uint32][]*stop // by table
	read   time.Time          // when the catalogue was read
	asked  time.Time          // when it was last asked whether it is still the same
	mark   string             // by which that is told
	// always says why this plan is never run as one statement; "" when it may be.
	always string
	// order are the stops that lose rows, children before parents; stops in
	// one group reference each other in a circle and go in one statement.
	order [][]*stop

	mu         sync.Mutex
	statements map[string]*statement

	known sync.Map // see remember

	overShared int64 // see brake.go; 0: no brake
	shard      bool  // rows may be named that lie in another database of the source

	ties []*tie // references whose other end may lie elsewhere, see feeds.go
}

// A stop is one visit of the plan bound to its table.
type stop struct {
	i         int
	visit     *datamap.Visit
	c         *datamap.Collection
	t         *table
	links     []datamap.Link // ways here from other stops of this source
	referrers []datamap.Link
	key       []string // columns that identify a row, in the map's order
	carried   []string // columns that a reached row carries along: keys, links, owner
	counts    bool     // its rows are findings
	nameless  bool     // nothing names its rows but where they stand, see findKey
	place     bool     // it carries its place (ctid), too, by which it is changed
	twice     bool     // an erasure changes its rows through another stop, too, see beside
}

// f is the name under which a reached row carries a column.
func (s *stop) f(column string) string {
	i := slices.Index(s.carried, column)
	if i < 0 {
		panic("postgres: column " + column + " of " + s.c.FullName() + " is not carried") // a bug of this package
	}
	return fmt.Sprintf("f%d", i)
}

// fs are the names of several columns under an alias.
func (s *stop) fs(alias string, columns []string) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = alias + "." + s.f(c)
	}
	return names
}

// col is a column of the table itself under an alias.
func col(alias, column string) string { return alias + "." + pgx.Identifier{column}.Sanitize() }

func cols(alias string, columns []string) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = col(alias, c)
	}
	return names
}

// keyText is a row's key as source.RowKey has it.
func keyText(columns []string) string {
	if len(columns) == 1 {
		return columns[0] + "::text"
	}
	return "ROW(" + strings.Join(columns, ", ") + ")::text"
}

// program returns the plan bound to the tables, from the cache while the
// catalogue that it rests on is fresh.
func (s *Source) program(ctx context.Context, conn *pgxpool.Conn, plan *datamap.Plan) (*program, error) {
	s.mu.Lock()
	p := s.programs[plan.Digest]
	s.mu.Unlock()
	if p != nil && plan.Digest != "" && s.o.Now != nil && s.o.Now().Sub(p.read) < catalogueLife {
		if same, err := s.still(ctx, conn, p); same || err != nil {
			return p, err
		}
	}
	var cat *catalogue
	var mark string
	err := s.inTx(ctx, conn, reading, func(tx pgx.Tx) (err error) { // under the same limits as a walk
		if cat, err = readCatalogue(ctx, tx, s.touched([]*datamap.Plan{plan}, nil, nil)); err != nil || s.o.Now == nil {
			return err
		}
		mark, err = cat.mark(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p, err = s.bind(plan, cat); err != nil {
		return nil, err
	}
	if s.o.Now != nil {
		p.read, p.mark = s.o.Now(), mark
		p.asked = p.read
		s.mu.Lock()
		s.programs[plan.Digest] = p
		s.mu.Unlock()
	}
	return p, nil
}

// forget has the catalogue read again for whatever comes next.
func (s *Source) forget() {
	s.mu.Lock()
	clear(s.programs)
	clear(s.catalogues)
	s.mu.Unlock()
}

// holds tells whether a collection lies in this source. A plan names the
// collections of all sources.
func (s *Source) holds(c *datamap.Collection) bool {
	return inSource(s.name, c)
}

// A binding is a program in the making, and what the source lacks for it.
type binding struct {
	*program
	reasons []string
}

// bind finds every collection's table and columns. All that is missing is told at once.
func (s *Source) bind(plan *datamap.Plan, cat *catalogue) (*program, error) {
	p := &program{source: s.name, plan: plan, cat: cat, of: map[string]*stop{}, at: map[uint32][]*stop{}, statements: map[string]*statement{}, overShared: s.o.OverShared, shard: s.o.Shard}
	b := &binding{program: p}
	for _, v := range plan.Visits {
		if s.holds(v.Collection) {
			b.visit(v)
		}
	}
	s.tieUp(p)
	for _, t := range p.ties {
		for _, f := range t.fields() {
			if s.holds(f.Collection) {
				b.needs(f)
			}
		}
	}
	for _, st := range p.stops {
		b.link(st)
	}
	if len(b.reasons) > 0 {
		slices.Sort(b.reasons)
		return nil, &Unfit{Source: s.name, Reasons: slices.Compact(b.reasons)}
	}
	for _, st := range p.stops {
		p.at[st.t.oid] = append(p.at[st.t.oid], st)
	}
	p.beside()
	for _, st := range p.stops {
		p.carry(st)
		st.place = p.plan.Kind == datamap.Erasure && p.byPlace(st)
	}
	p.arrange()
	return p, nil
}

// visit adds a visit's stop, and asks whether its table is fit for it.
func (b *binding) visit(v *datamap.Visit) {
	st := &stop{i: len(b.stops), visit: v, c: v.Collection, t: b.cat.table(v.Collection), counts: b.plan.Counts(v)}
	b.stops = append(b.stops, st)
	b.of[v.Collection.FullName()] = st
	b.columns(v.Collection, v.Collection.Controller, v.Collection.Owner)
	for _, f := range fieldsOf(v) {
		b.needs(f)
	}
	if st.t == nil {
		return
	}
	if why := st.findKey(); why != "" {
		b.reasons = append(b.reasons, why)
	}
	if st.t.unfilled {
		b.reasons = append(b.reasons, st.c.FullName()+" "+unfilled+": "+st.t.fill())
	}
	b.reasons = append(b.reasons, st.unnameable()...)
	if b.plan.Kind == datamap.Erasure {
		b.reasons = append(b.reasons, st.unchangeable()...)
		b.reasons = append(b.reasons, st.unseen(b.cat)...)
	}
	if b.keeping(st) {
		b.reasons = append(b.reasons, st.keepMisfits(b.cat)...)
	}
}

// link gives a stop its references, as far as both ends lie in this source.
func (b *binding) link(st *stop) {
	for _, l := range st.visit.Links {
		if b.of[l.From.Collection.FullName()] != nil {
			st.links = append(st.links, l)
		}
	}
	for _, l := range st.visit.Referrers {
		if b.here(l.From.Collection) {
			st.referrers = append(st.referrers, l)
		}
	}
	for _, l := range slices.Concat(st.links, st.referrers) {
		for _, pair := range pairs(l) {
			b.needs(pair.From)
			b.needs(pair.To)
		}
	}
}

// needs asks whether a field's column is there, and can hold it.
func (b *binding) needs(f *datamap.Field) {
	name := f.Column().Name
	b.columns(f.Collection, name)
	if t := b.cat.table(f.Collection); t != nil && t.columns[name] != nil && t.at(f) == nil {
		b.reasons = append(b.reasons, fmt.Sprintf("%s.%s is not a JSON column, and the data map has fields inside it", f.Collection.FullName(), name))
	}
}

// columns asks whether a collection's table is there, with these columns; "" is none.
func (b *binding) columns(c *datamap.Collection, columns ...string) {
	t := b.cat.table(c)
	if t == nil {
		b.reasons = append(b.reasons, notThere(c))
		return
	}
	for _, name := range columns {
		if name != "" && t.columns[name] == nil {
			b.reasons = append(b.reasons, fmt.Sprintf("there is no column %s.%s", c.FullName(), name))
		}
	}
}

// notThere says that a collection's table was not found.
func notThere(c *datamap.Collection) string {
	return fmt.Sprintf("there is no table or view %s, or it may not be seen", c.FullName())
}

// fieldsOf are the fields that a visit itself reads or writes.
func fieldsOf(v *datamap.Visit) []*datamap.Field {
	fields := slices.Clone(v.LinkFields)
	for _, s := range v.Seeds {
		fields = append(fields, s.Field)
	}
	for _, t := range v.Targets {
		fields = append(fields, t.Field)
	}
	for _, name := range v.Collection.Order {
		if f := v.Collection.Field(name); f != nil {
			fields = append(fields, f)
		}
	}
	return append(fields, v.Collection.PrimaryKey()...)
}

// findKey settles by which columns a row is known: the map's primary key, if
// the table holds to it, else the table's own. A map that names columns which
// several rows may share would erase other people's rows.
func (s *stop) findKey() (why string) {
	for _, f := range s.c.PrimaryKey() {
		if s.t.columns[f.Name] != nil {
			s.key = append(s.key, f.Name)
		}
	}
	switch {
	case len(s.key) > 0 && s.t.real() && !s.t.isKey(s.key):
		why = fmt.Sprintf("the primary_key fields of %s do not identify a row: no unique index covers them", s.c.FullName())
		if len(s.t.key) > 0 {
			why += "; the table's own key is " + strings.Join(s.t.key, ", ")
		}
		return why
	case len(s.key) > 0 && s.t.real() && slices.ContainsFunc(s.key, s.t.mayBeNull):
		return fmt.Sprintf("the primary_key fields of %s do not identify a row: they may be NULL, and an erasure would pass such rows over", s.c.FullName())
	case len(s.key) > 0:
	case len(s.t.key) > 0:
		s.key = s.t.key
	case !s.t.real():
		return fmt.Sprintf("%s has no primary key: mark its fields with primary_key", s.c.FullName())
	default:
		s.nameless = true
		for _, u := range s.t.unique { // as good as a primary key, if it admits no NULL
			if !slices.ContainsFunc(u, s.t.mayBeNull) {
				s.key, s.nameless = u, false
				break
			}
		}
	}
	if s.nameless {
		s.key = []string{placeInFile}
		s.t.columns[placeInFile] = &column{name: placeInFile, typ: "tid", class: classOther}
		s.t.columns[rowName] = &column{name: rowName, typ: "text", class: classText}
	}
	// A key says nothing of the rows of tables that inherit, nor does a place.
	if s.t.heirs && (s.t.kind == "r" || s.nameless) {
		s.key = append(slices.Clone(s.key), tableOf)
		s.t.columns[tableOf] = &column{name: tableOf, typ: "oid", class: classOther}
	}
	return ""
}

// ids are the columns whose text is the name of a row outside of a walk
// (source.RowKey): of a row without a key, all that it holds. Rows of which all
// is the same have one name: they are the same person's, too.
func (s *stop) ids() []string {
	if s.nameless {
		return []string{rowName}
	}
	return s.key
}

// keyedBy says what the name of a row is made of (source.KeptRow.By).
func (s *stop) keyedBy() string {
	if s.nameless {
		return "all that they hold"
	}
	return strings.Join(s.key, ", ")
}

// otherKeys says of which collections rows are named otherwise than they once were.
func (p *program) otherKeys(keyedBy map[string]string) (reasons []string) {
	for _, s := range p.stops {
		if was := keyedBy[s.c.FullName()]; was != "" && was != s.keyedBy() {
			reasons = append(reasons, fmt.Sprintf("rows of %s were kept by their %s, and are known by their %s now, so that others may be meant: mark with primary_key what they were kept by",
				s.c.FullName(), was, s.keyedBy()))
		}
	}
	return reasons
}

// tableIDs are they, of the table under its alias t.
func (s *stop) tableIDs() []string {
	var names []string
	for _, id := range s.ids() {
		names = append(names, s.t.value("t", id))
	}
	return names
}

// carry settles which columns a reached row carries along.
func (p *program) carry(s *stop) {
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(s.carried, n) {
				s.carried = append(s.carried, n)
			}
		}
	}
	add(s.key...)
	add(s.ids()...)
	add(s.c.Owner)
	if p.keeping(s) {
		s.t.columns[keptUntil] = &column{name: keptUntil, typ: "timestamptz", class: classStamp}
		add(keptUntil)
	}
	for _, l := range slices.Concat(s.links, s.referrers) {
		for _, pair := range pairs(l) {
			add(s.t.known(pair.To).name)
		}
	}
	for _, other := range p.stops {
		for _, l := range slices.Concat(other.links, other.referrers) {
			for _, pair := range pairs(l) {
				if pair.From.Collection == s.c {
					add(s.t.known(pair.From).name)
				}
			}
		}
	}
	for _, t := range p.ties {
		for _, f := range t.fields() {
			if f.Collection == s.c {
				add(s.t.known(f).name)
			}
		}
	}
	for _, k := range s.t.children {
		add(k.references...)
	}
	for _, f := range s.addresses() {
		add(s.t.known(f).name)
	}
	if p.plan.Kind == datamap.Erasure {
		for _, f := range s.names() {
			add(f.Name)
		}
	}
}

// addresses are the fields in which a mail address stands.
func (s *stop) addresses() []*datamap.Field {
	var fields []*datamap.Field
	for _, f := range s.c.AllFields() {
		if f.Identity == "email" && s.t.at(f) != nil {
			fields = append(fields, f)
		}
	}
	return fields
}

// flat are the fields and all that stand inside them.
func flat(fields []*datamap.Field) []*datamap.Field {
	var all []*datamap.Field
	for _, f := range fields {
		all = append(append(all, f), flat(f.Fields)...)
	}
	return all
}

// on are the stops among whose rows those of a table stand: more than one when
// the map names it twice, or a part of it beside the whole.
func (p *program) on(oid uint32) []*stop {
	at := slices.Clone(p.at[oid])
	for _, whole := range p.cat.parts[oid] {
		at = append(at, p.at[whole]...)
	}
	return at
}

// beside notes the stops through which an erasure changes rows that it changes
// through another, too: the map names a view beside what it reads.
func (p *program) beside() {
	if p.plan.Kind != datamap.Erasure || !slices.ContainsFunc(p.stops, func(s *stop) bool { return s.t.kind == "v" }) {
		return
	}
	many := map[uint32]int{}
	for _, s := range p.stops {
		for _, oid := range p.changes(s) {
			many[oid]++
		}
	}
	for _, s := range p.stops {
		s.twice = slices.ContainsFunc(p.changes(s), func(oid uint32) bool { return many[oid] > 1 })
	}
}

// changes are the tables in which an erasure changes the stop's rows, and those
// that they are parts of, each once.
func (p *program) changes(s *stop) (all []uint32) {
	change := 0
	if s.visit.Delete {
		change = deletable
	}
	if len(s.visit.Targets) > 0 {
		change |= updatable
	}
	if change == 0 {
		return nil
	}
	for _, t := range s.t.through(change) {
		all = append(append(all, t.oid), p.cat.parts[t.oid]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stopsAtOnce is how many tables one statement may walk. It has to be planned anew by
// each connection, which takes longer than a walk by stages from about there.
const stopsAtOnce = 600

// arrange settles the order of deletion, and whether one statement may do it.
func (p *program) arrange() {
	if len(p.stops) > stopsAtOnce {
		p.always = "the plan leads through very many tables"
	}
	if p.plan.Cyclic {
		p.always = "the plan follows a circle of references"
	}
	for _, s := range p.stops {
		if len(p.on(s.t.oid)) > 1 {
			p.always = "the map names one table twice"
		}
	}
	if p.plan.Kind != datamap.Erasure {
		return
	}
	if slices.ContainsFunc(p.stops, func(s *stop) bool { return s.twice }) {
		p.always = "the map names a view beside what it reads"
	}
	if p.encrypted() {
		p.always = "values to be encrypted are read first"
	}
	for _, s := range p.stops {
		if len(s.t.triggers) > 0 && (s.visit.Delete || len(s.visit.Targets) > 0) {
			p.always = "triggers run when rows are changed"
		}
	}
	order, circular := p.childrenFirst()
	p.order = order
	if circular {
		p.always = "foreign keys run in a circle"
	}
}

// childrenFirst sorts the stops that lose rows so that what references comes
// before what is referenced, and what the map wants later (erase_after) later.
// Stops of a circle stand in one group.
func (p *program) childrenFirst() (groups [][]*stop, circular bool) {
	needs := make([][]int, len(p.stops))
	for i, s := range p.stops {
		if !s.visit.Delete {
			continue
		}
		for _, k := range s.t.children {
			for _, child := range p.on(k.child) {
				if child.visit.Delete {
					needs[i] = append(needs[i], child.i)
					circular = circular || child == s
				}
			}
		}
		for _, name := range s.c.EraseAfter {
			if other := p.of[name]; other != nil && other.visit.Delete && other != s {
				needs[i] = append(needs[i], other.i)
			}
		}
	}
	for _, ring := range datamap.Components(needs) {
		if !p.stops[ring[0]].visit.Delete {
			continue
		}
		group := make([]*stop, len(ring))
		for i, n := range ring {
			group[i] = p.stops[n]
		}
		circular = circular || len(group) > 1
		groups = append(groups, group)
	}
	return groups, circular
}
