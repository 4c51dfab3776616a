package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// A Doubt is one thing about a source that an operator should know before a
// request meets it.
type Doubt struct {
	Level    string // "wrong": a request would fail; "doubtful": it would be slow, or leave something
	Subject  string // "dataset.collection", "dataset.collection.field", or the source
	Sentence string
	Do       string // what to do: a statement to run, or words; may be empty
}

// The levels of a Doubt.
const (
	Wrong    = "wrong"
	Doubtful = "doubtful"
)

// Check holds the data map, and what policies mask, against the live database.
// The error is for a database that cannot be asked at all.
func (s *Source) Check(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) (doubts []Doubt, err error) {
	defer func() { err = s.failed("check", err) }()
	err = s.checking(ctx, m, func(conn *pgxpool.Conn, k *checking) error {
		if err := k.server(ctx, conn); err != nil {
			return err
		}
		for _, c := range k.collections {
			if c.Skip {
				continue
			}
			k.collection(c)
			if err := k.keeps(ctx, conn, c); err != nil {
				return err
			}
			if err := k.heirs(ctx, conn, c); err != nil {
				return err
			}
			if err := k.kinds(ctx, conn, c); err != nil {
				return err
			}
		}
		misfits, err := k.masks(ctx, conn, policies)
		if err != nil {
			return err
		}
		for _, one := range misfits {
			k.say(one.Level, one.Subject, one.Sentence, one.Do)
		}
		k.hidden()
		if err := k.copies(ctx, conn); err != nil {
			return err
		}
		if err := k.mentions(ctx, conn); err != nil {
			return err
		}
		doubts = k.doubts
		return nil
	})
	slices.SortStableFunc(doubts, func(a, b Doubt) int { return cmp.Compare(b.Level, a.Level) })
	return doubts, err
}

// checking reads the catalogue of the map's tables and looks at it.
func (s *Source) checking(ctx context.Context, m *datamap.Map, look func(*pgxpool.Conn, *checking) error) error {
	k := &checking{s: s, m: m, told: map[Doubt]bool{}, reached: map[string]bool{}}
	for _, names := range datamap.Reach(m) {
		for _, name := range names {
			k.reached[name] = true
		}
	}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			if s.holds(c) {
				k.collections = append(k.collections, c)
			}
		}
	}
	return s.on(ctx, func(conn *pgxpool.Conn) error {
		if err := s.inTx(ctx, conn, reading, func(tx pgx.Tx) (err error) {
			k.cat, err = readCatalogue(ctx, tx, k.collections)
			return err
		}); err != nil {
			return err
		}
		return look(conn, k)
	})
}

type checking struct {
	s           *Source
	cat         *catalogue
	m           *datamap.Map
	collections []*datamap.Collection
	doubts      []Doubt
	told        map[Doubt]bool
	reached     map[string]bool   // collections, by any identity
	role        string            // of the connection, quoted
	asked       map[string]string // statements, by their table and its columns in the order of names
}

func (k *checking) say(level, subject, sentence, do string) {
	d := Doubt{Level: level, Subject: subject, Sentence: sentence, Do: do}
	if !k.told[d] {
		k.told[d] = true
		k.doubts = append(k.doubts, d)
	}
}

// server looks at what every walk needs of the server.
func (k *checking) server(ctx context.Context, conn *pgxpool.Conn) error {
	var temp, standby, readOnly, dotless bool
	var database, user string
	if err := conn.QueryRow(ctx, `SELECT has_database_privilege(current_database(), 'TEMP'), pg_is_in_recovery(),
		current_setting('default_transaction_read_only')::bool, current_database()::text, current_user::text, lower('I') <> 'i'`).
		Scan(&temp, &standby, &readOnly, &database, &user, &dotless); err != nil {
		return fmt.Errorf("ask for the rights held: %w", err)
	}
	k.role = pgx.Identifier{user}.Sanitize()
	if conn.Conn().PgConn().ParameterStatus("server_encoding") == "SQL_ASCII" {
		k.say(Doubtful, k.s.name, "the database does not say how its texts are encoded (SQL_ASCII): those that are not UTF-8 are given as if they were of Windows-1252, and identities are looked up as UTF-8",
			"move it to a database in UTF8, if it holds other letters than ASCII's")
	}
	if dotless {
		k.say(Doubtful, k.s.name, "by the locale of the database a capital I is a small ı, as in Turkish: an address that is stored with one is not found by the address in small letters",
			"store the addresses in small letters: UPDATE … SET email = lower(email COLLATE \"C\")")
	}
	if !temp {
		k.say(Wrong, k.s.name, "the role may not make temporary tables: exports and large erasures keep their keys in them",
			"GRANT TEMPORARY ON DATABASE "+pgx.Identifier{database}.Sanitize()+" TO "+k.role)
	}
	switch {
	case standby:
		k.say(Wrong, k.s.name, "the server takes no changes: it is a standby", "connect to the primary")
	case readOnly:
		k.say(Wrong, k.s.name, "transactions change nothing unless they say so (default_transaction_read_only)",
			"unless the database is frozen for a time: ALTER ROLE "+k.role+" IN DATABASE "+pgx.Identifier{database}.Sanitize()+" SET default_transaction_read_only = off")
	}
	if temp && !standby && !readOnly {
		return k.keyTables(ctx, conn)
	}
	return nil
}

// keyTables makes a temporary table as a staged walk does, and takes it back: an
// event trigger may forbid what the role has the right to.
func (k *checking) keyTables(ctx context.Context, conn *pgxpool.Conn) error {
	var refused *pgconn.PgError
	takenBack := errors.New("taken back")
	err := k.s.inTx(ctx, conn, "begin", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TEMP TABLE lethe_tried ON COMMIT DELETE ROWS AS SELECT 1 AS n WITH NO DATA; ALTER TABLE pg_temp.lethe_tried ALTER n SET DEFAULT 0; CREATE INDEX ON pg_temp.lethe_tried (n)"); err != nil {
			return err
		}
		return takenBack
	})
	switch {
	case errors.Is(err, takenBack):
		return nil
	case !errors.As(err, &refused):
		return fmt.Errorf("try a temporary table: %w", err)
	}
	var triggers string
	if err := conn.QueryRow(ctx, `SELECT coalesce(string_agg(evtname, ', ' ORDER BY evtname), '') FROM pg_event_trigger
		WHERE evtenabled <> 'D' AND evtevent LIKE 'ddl_command_%'`).Scan(&triggers); err != nil {
		return fmt.Errorf("read the event triggers: %w", err)
	}
	do := ""
	if triggers != "" {
		do = "one of the event triggers may forbid it (" + triggers + "): let CREATE TABLE AS, ALTER TABLE and CREATE INDEX on temporary tables pass, or all that " + k.role + " does"
	}
	k.say(Wrong, k.s.name, "no temporary table can be made, in which exports and large erasures keep their keys: "+pg.Clean(refused).Error(), do)
	return nil
}

func (k *checking) collection(c *datamap.Collection) {
	full := c.FullName()
	t := k.cat.table(c)
	if t == nil {
		k.say(Wrong, full, "there is no such table or view, or it may not be seen", "correct the data map, its schema or the search path; or GRANT USAGE on the schema")
		return
	}
	missing := func(name string) {
		if name != "" && t.columns[name] == nil {
			k.say(Wrong, full+"."+name, "there is no such column", "correct the data map")
		}
	}
	for _, f := range c.Fields {
		missing(f.Name)
	}
	for _, f := range c.AllFields() {
		if f.Parent != nil && t.columns[f.Column().Name] != nil && t.at(f) == nil {
			k.say(Wrong, f.FullName(), "the column "+f.Column().Name+" is of type "+t.columns[f.Column().Name].typ+", not JSON, and the data map has fields inside it", "correct the data map")
		}
	}
	missing(c.Controller)
	missing(c.Owner)
	at := &stop{c: c, t: t}
	if why := at.findKey(); why != "" {
		k.say(Wrong, full, why, "")
	}
	if t.unfilled {
		k.say(Wrong, full, "it "+unfilled, t.fill())
	}
	if at.nameless {
		k.say(Doubtful, full, "its rows have no key: one that a person is to tick or hold is known by all that it holds, and is not known any more once it changes",
			"ALTER TABLE "+t.ident()+" ADD PRIMARY KEY (…)")
	}
	for _, why := range at.keepMisfits(k.cat) {
		k.say(Wrong, full, why, "correct the data map")
	}
	k.rights(c, t)
	tied := map[*datamap.Field]bool{}
	for _, f := range c.AllOf {
		tied[f] = true
	}
	for _, f := range c.AllFields() {
		if t.at(f) == nil {
			continue
		}
		k.identity(f, t)
		k.array(f, t)
		for _, r := range f.References {
			k.document(r.Field)
			k.document(r.Target)
			if !k.vain(r) && !tied[f] && (k.reached[full] || k.reached[r.Target.Collection.FullName()]) {
				k.reference(r)
			}
		}
	}
	if len(t.triggers) > 0 {
		do := "map the tables that the triggers write to, and let one that notes down old values pass over what the role of this source changes (WHEN (current_user <> …)), or each erasure waits for somebody to delete them"
		if t.lent {
			do += "; they act by the rights of the role of this source: grant it what they write, or make their functions SECURITY DEFINER"
		}
		k.say(Doubtful, full, "triggers run when its rows are changed ("+strings.Join(t.triggers, ", ")+"): erasures are staged, and what a trigger copies elsewhere is not erased", do)
	}
	if c.Delete {
		k.children(c, t)
	}
}

// heirs tells of columns that only tables have which inherit from a collection's:
// its rows are theirs, too, and such columns are seen by no walk.
func (k *checking) heirs(ctx context.Context, conn *pgxpool.Conn, c *datamap.Collection) error {
	t := k.cat.table(c)
	if t == nil || !t.heirs {
		return nil
	}
	var unmapped []uint32
	for _, oid := range k.whole(t) {
		if !slices.ContainsFunc(k.names(), func(name string) bool { return k.cat.named[name].oid == oid }) {
			unmapped = append(unmapped, oid)
		}
	}
	rows, err := conn.Query(ctx, `
		SELECT n.nspname || '.' || r.relname, string_agg(a.attname, ', ' ORDER BY a.attnum)
		FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
		JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
		WHERE r.oid = ANY($1) GROUP BY 1 ORDER BY 1`, unmapped)
	if err != nil {
		return fmt.Errorf("read the columns of heirs: %w", err)
	}
	var name, columns string
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		k.say(Doubtful, c.FullName(), "the table "+name+" inherits from it and has columns of its own ("+columns+"): they are neither given nor masked",
			"if they hold personal data, map "+name+" as a collection, too, with its key, what leads to it and these columns")
		return nil
	}); err != nil {
		return fmt.Errorf("read the columns of heirs: %w", err)
	}
	return nil
}

// rights: without reading, nothing else of the collection can be checked. What
// is to be written is known by plans and rules, see Lacks, and so is what else is
// read of a collection that no identity reaches.
func (k *checking) rights(c *datamap.Collection, t *table) {
	if k.reached[c.FullName()] && !t.can["SELECT"] {
		k.say(Wrong, c.FullName(), "the role lacks SELECT", "GRANT SELECT ON "+t.ident()+" TO "+k.role)
	}
}

// identity asks for the index that a seed is looked up by.
func (k *checking) identity(f *datamap.Field, t *table) {
	if f.Identity == "" || !t.real() {
		return
	}
	if t.at(f).place != nil {
		k.identityInside(f, t)
		return
	}
	name := pgx.Identifier{f.Name}.Sanitize()
	expression, there := name, t.indexed(f.Name, f.Collection.Controller)
	if c := t.columns[f.Name]; c.compared(name) != name {
		k.say(Doubtful, f.FullName(), "the look-up by "+f.Identity+" compares values of type "+c.typ+" as texts, which no index serves: each request reads the whole table",
			"keep what is looked up in a column of text, whole numbers or UUIDs")
		return
	}
	if t.columns[f.Name].class.textual() {
		switch f.Match {
		case datamap.Fold:
			expression, there = "lower("+name+")", t.indexedBy("lower("+name+")")
		case datamap.E164:
			expression = digitsOf(t.columns[f.Name].legible(name))
			there = t.indexedBy(expression)
		}
	}
	if !there {
		k.say(Doubtful, f.FullName(), "no index serves the look-up by "+f.Identity+": each request reads the whole table"+t.partly(f.Name, expression), create(t, expression))
	}
}

func create(t *table, expression string) string { return t.newIndex() + " (" + expression + ")" }

// newIndex is how the statement of a new index begins. On a partitioned table
// Postgres makes none CONCURRENTLY; it takes over those that its partitions have.
func (t *table) newIndex() string {
	if t.kind == "p" {
		return "CREATE INDEX ON " + t.ident()
	}
	return "CREATE INDEX CONCURRENTLY ON " + t.ident()
}

// createOver asks for an index over columns that are looked up together, in whichever
// order: one serves a foreign key and a reference that name them otherwise.
func (k *checking) createOver(t *table, columns []string) string {
	of := t.ident() + " " + strings.Join(slices.Sorted(slices.Values(columns)), ", ")
	if k.asked[of] == "" {
		if k.asked == nil {
			k.asked = map[string]string{}
		}
		k.asked[of] = create(t, strings.Join(columns, ", "))
	}
	return k.asked[of]
}

// array tells of a column by which rows of several people may be reached and deleted
// whole, where the map does not say that it is an array: else datamap does.
func (k *checking) array(f *datamap.Field, t *table) {
	c := t.columns[f.Column().Name]
	if !f.Collection.Delete || f.Array || f.Parent != nil || c.class != classArray || f.Identity == "" && !k.linked(f) {
		return
	}
	k.say(Doubtful, f.FullName(), "it is an array ("+c.typ+"), may name several people, and strategy: delete takes the row that they share",
		"give it its data_type, as in data_type: string[]; and return_all_elements: true if the row is one person's, or take the strategy off: then each person's own elements are masked")
}

// linked tells whether a reference of the map ends at the field.
func (k *checking) linked(f *datamap.Field) bool {
	return len(f.References) > 0 || slices.ContainsFunc(k.collections, func(c *datamap.Collection) bool {
		return slices.ContainsFunc(c.AllFields(), func(o *datamap.Field) bool {
			return slices.ContainsFunc(o.References, func(r *datamap.Reference) bool { return r.Target == f })
		})
	})
}

// children looks at foreign keys of tables that the map does not know.
func (k *checking) children(c *datamap.Collection, t *table) {
	mapped := map[uint32]bool{}
	for _, known := range k.cat.named {
		mapped[known.oid] = true
	}
	for part := range k.cat.parts {
		mapped[part] = true
	}
	for _, f := range t.children {
		child := k.cat.tables[f.child]
		name := child.schema + "." + child.name
		if child.real() && !child.servedByAll(f.columns, "") {
			k.say(Doubtful, c.FullName(), "no index serves the foreign key "+f.name+": Postgres reads all of "+name+" for each row deleted"+child.partly(f.columns[0], ""),
				k.createOver(child, quoted(t.inKeyOrder(f))))
		}
		switch {
		case mapped[f.child]: // see unled
		case f.takes():
			k.say(Doubtful, c.FullName(), "the foreign key "+f.name+" changes rows of "+name+", which is not in the data map, when its parent is deleted: an erasure that would reach them is refused",
				"add "+name+" to the data map")
		default:
			k.say(Doubtful, c.FullName(), "rows of "+name+", which is not in the data map, reference it ("+f.name+"): a row that they name is masked, not deleted",
				"add "+name+" to the data map")
		}
	}
}

// inKeyOrder are the columns of a foreign key in the order in which the key that
// they reference has them, so that both indexes begin alike: people who look up a
// tenant's rows, or a row by all of its key, are served by either.
func (t *table) inKeyOrder(f fkey) []string {
	for _, key := range append([][]string{t.key}, t.unique...) {
		if len(key) != len(f.references) {
			continue
		}
		var ordered []string
		for _, name := range key {
			if i := slices.Index(f.references, name); i >= 0 {
				ordered = append(ordered, f.columns[i])
			}
		}
		if len(ordered) == len(f.columns) {
			return ordered
		}
	}
	return f.columns
}

func (k *checking) names() []string {
	var names []string
	for name := range k.cat.named {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
