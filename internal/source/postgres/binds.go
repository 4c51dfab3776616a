package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A run is what one walk brings to a statement: values only.
type run struct {
	p      *program
	walk   source.Walk
	seeds  map[string][]string       // by identity type
	roots  map[string][]string       // keys by collection
	erased map[string][]string       // keys by collection, for the second look
	held   map[string][]string       // keys by collection
	given  map[string][]string       // keys by collection, of a snapshot's rows
	long   map[string][]string       // by collection, the key of the row of which one value is read
	feeds  map[[2]string]source.Feed // by both ends of the reference
	// ciphers are the values that aes_encrypt masks, with what becomes of them.
	ciphers map[string]string
	above   int64   // more rows than these are staged
	slice   int64   // rows of a stop that a slice reads
	batch   []*run  // of a batch: each walk's own values
	round   int32   // of a staged walk in a circle
	rows    []int64 // of a staged walk: how many each key table holds, by stop
}

// newRun sorts a walk's values. A seed that is a placeholder matches nobody.
func newRun(w source.Walk, above int64) *run {
	r := &run{walk: w, seeds: make(map[string][]string, len(w.Seeds)), roots: byCollection(w.Roots), above: above}
	if len(w.Feeds) > 0 {
		r.feeds = make(map[[2]string]source.Feed, len(w.Feeds))
	}
	for _, f := range w.Feeds {
		r.feeds[[2]string{f.From, f.To}] = f
	}
	for _, s := range w.Seeds {
		if !isPlaceholder(s.Value) || strings.HasPrefix(s.Type, datamap.Row+":") { // a picked row's key is what it is
			r.seeds[s.Type] = append(r.seeds[s.Type], s.Value)
		}
	}
	return r
}

func byCollection(keys []source.RowKey) map[string][]string {
	if len(keys) == 0 {
		return nil
	}
	by := map[string][]string{}
	for _, k := range keys {
		by[k.Collection] = append(by[k.Collection], k.Key)
	}
	return by
}

// A writer puts a statement together and remembers what each parameter stands for.
type writer struct {
	p      *program
	staged bool
	// certain, in a chain, is what need not be asked of any row.
	certain []certainty
	slicing bool     // see slices.go
	v       variant  // of that chain
	sums    []string // counts that the statement's end reads
	giving  bool     // rows carry what the subject is given of them
	// placesOnly: rows carry nothing but where they stand, see quick.go.
	placesOnly bool
	part       []*stop // which a statement counts; none: all
	within     []*stop // whose own elements are being told apart, see own.go
	binds      []func(*run) any
	names      []string
}

// counted are the stops that the statement counts.
func (w *writer) counted() []*stop {
	if len(w.part) > 0 {
		return w.part
	}
	return w.p.stops
}

// countsLast tells whether the last stop is among them.
func (w *writer) countsLast() bool {
	return len(w.part) == 0 || w.part[len(w.part)-1].i == len(w.p.stops)-1
}

// bind gives the placeholder of a value, "$1"; one name, one parameter.
func (w *writer) bind(name string, value func(*run) any) string {
	i := slices.Index(w.names, name)
	if i < 0 {
		i = len(w.names)
		w.names = append(w.names, name)
		w.binds = append(w.binds, value)
	}
	return fmt.Sprintf("$%d", i+1)
}

// A statement is written once for a program, and run with the values of each walk.
type statement struct {
	sql   string
	binds []func(*run) any
}

func (w *writer) statement(sql string) *statement { return &statement{sql: sql, binds: w.binds} }

func (s *statement) args(r *run) []any {
	args := make([]any, len(s.binds))
	for i, b := range s.binds {
		args[i] = b(r)
	}
	return args
}

// statement returns the program's statement of that name, written on first use.
func (p *program) statement(name string, write func() *statement) *statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.statements[name] == nil {
		p.statements[name] = write()
	}
	return p.statements[name]
}

// match is the condition that a seed's field holds one of the walk's values.
// It is written so that an index on the column, on lower(column) or on the
// digits of the column serves it (see Check).
func (w *writer) match(s *stop, seed datamap.PlanSeed) string {
	if seed.Row {
		return w.keyIs(s, s.tableIDs(), "seed "+seed.Identity, func(r *run) []string { return r.seeds[seed.Identity] })
	}
	c := s.t.at(seed.Field)
	expr := col("t", c.name)
	values := func(change func(string) []string) func(*run) any {
		return func(r *run) any {
			all := []string{}
			for _, v := range r.seeds[seed.Identity] {
				all = append(all, change(v)...)
			}
			return c.class.only(declared(seed.Field, all))
		}
	}
	how := seed.Field.Match
	if !c.class.textual() {
		how = datamap.Exact
	}
	if c.place != nil {
		return w.matchInside(s, seed, c, how)
	}
	name := "seed " + seed.Identity + " " + string(how) + " " + seed.Field.DataType
	switch how {
	case datamap.Fold:
		return "lower(" + expr + ") = ANY(" + w.bind(name, values(foldings)) + "::text[])"
	case datamap.E164:
		return digitsOf(c.legible(expr)) + " = ANY(" + w.bind(name, values(dialled)) + "::text[])"
	}
	same := func(v string) []string { return []string{v} }
	return c.compared(expr) + " = ANY(" + c.array(w.bind(name+" "+string(c.class), values(same))) + ")"
}

// digitsOf is a telephone number without what people put between its digits.
func digitsOf(expr string) string { return "regexp_replace(" + expr + ", '[^0-9+]', '', 'g')" }

// scope is the condition that a row belongs to the request's controller and
// holds what the request's fields ask for, as " AND …"; "" where the collection
// names neither. A scope that the column cannot hold, and an empty one, yield no
// rows. A walk in stages marks the rows that the fields leave out instead.
func (w *writer) scope(s *stop) string {
	sql, narrowed := w.controlled(s.t, s.c, "t"), w.narrowed(s)
	switch {
	case !w.v.narrowed:
		sql += narrowed
	case narrowed != "" && len(s.visit.Seeds) > 0:
		sql += " AND ((" + w.matched(s) + ") IS NOT TRUE OR (true" + narrowed + "))"
	}
	return sql
}

func (w *writer) controlled(t *table, of *datamap.Collection, alias string) string {
	if of.Controller == "" {
		return ""
	}
	c := t.columns[of.Controller]
	param := w.bind("scope "+string(c.class), func(r *run) any {
		if r.walk.Scope == "" || !c.class.holds(r.walk.Scope) {
			return nil
		}
		return []string{r.walk.Scope}
	})
	return " AND " + c.compared(col(alias, c.name)) + " = ANY(" + c.array(param) + ")"
}

// keyIs is the condition that a row of the stop is one of some keys bound by
// name; columns are its key columns as they stand in the query.
func (w *writer) keyIs(s *stop, columns []string, name string, keys func(*run) []string) string {
	if ids := s.ids(); len(ids) == 1 {
		c := s.t.columns[ids[0]]
		param := w.bind(name+" "+s.c.FullName(), func(r *run) any { return c.class.only(keys(r)) })
		return c.compared(columns[0]) + " = ANY(" + c.array(param) + ")"
	}
	param := w.bind(name+" "+s.c.FullName(), func(r *run) any { return append([]string{}, keys(r)...) })
	return keyText(columns) + " = ANY(" + param + "::text[])"
}

func (w *writer) isRoot(s *stop, columns []string) string {
	return w.keyIs(s, columns, "roots", func(r *run) []string { return r.roots[s.c.FullName()] })
}

// isHeld is the condition that a row stands under a hold of its own, or of its
// whole collection, which comes as an empty key (retention.ActiveHolds). Holds
// are those of the walk's controller, and so are the rows reached.
func (w *writer) isHeld(s *stop, columns []string) string {
	name := s.c.FullName()
	whole := w.bind("held whole "+name, func(r *run) any { return slices.Contains(r.held[name], "") })
	return "(" + whole + "::bool OR " + w.keyIs(s, columns, "held", func(r *run) []string { return r.held[name] }) + ")"
}

// keyRows gives key columns (their places in the key) of some rows known by their
// keys, under an alias and names, as what FROM reads. Arrays of most types run in
// step; of an array or a composite type there are none whose elements are its values, so
// that each is cast where it stands.
func (w *writer) keyRows(s *stop, places []int, alias string, names []string, name string, keys func(*run) map[string][]string) string {
	arrays, list, typed := make([]string, len(places)), make([]string, len(places)), true
	for i, n := range places {
		c := s.t.columns[s.key[n]]
		param := w.bind(fmt.Sprintf("%s %s %d", name, s.c.FullName(), n), func(r *run) any {
			return s.parts(keys(r)[s.c.FullName()], n)
		})
		list[i] = alias + "." + names[i]
		switch c.class {
		case classText, classPadded, classInt, classNumeric, classUUID, classInet:
			arrays[i] = c.array(param)
		default:
			arrays[i], typed = param+"::text[]", false
			list[i] += "::" + c.typ + " AS " + names[i]
		}
	}
	rows := "unnest(" + strings.Join(arrays, ", ") + ") AS " + alias + "(" + strings.Join(names, ", ") + ")"
	if typed {
		return rows
	}
	return "(SELECT " + strings.Join(list, ", ") + " FROM " + rows + ") AS " + alias
}

// gone are keyRows of the rows erased: the second look starts from them.
func (w *writer) gone(s *stop, places []int, names []string) string {
	return w.keyRows(s, places, "e", names, "erased", func(r *run) map[string][]string { return r.erased })
}

// parts are the n-th columns of keys; keys that cannot be the collection's are left out.
func (s *stop) parts(keys []string, n int) []string {
	values := []string{}
next:
	for _, k := range keys {
		fields := []string{k}
		if len(s.key) > 1 {
			fields = record(k)
		}
		if len(fields) != len(s.key) {
			continue
		}
		for i, f := range fields {
			if !s.t.columns[s.key[i]].class.holds(f) {
				continue next
			}
		}
		values = append(values, fields[n])
	}
	return values
}

// record reads Postgres' text of ROW(a, b, …): fields between commas, in
// quotes where needed, with quotes and backslashes doubled inside them.
func record(text string) []string {
	body, ok := strings.CutPrefix(text, "(")
	if !ok || !strings.HasSuffix(body, ")") {
		return nil
	}
	body = body[:len(body)-1]
	fields := []string{}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && (c == '"' || c == '\\') && i+1 < len(body) && (body[i+1] == c || c == '\\'):
			i++
			b.WriteByte(body[i])
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			fields = append(fields, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(fields, b.String())
}
