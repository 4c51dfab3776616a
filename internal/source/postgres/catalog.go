package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// A catalogue is what pg_catalog says of some tables: those of a data map or of
// one plan, and those that reference them.
type catalogue struct {
	named  map[string]*table // by "schema.name" as the data map has it
	tables map[uint32]*table // by oid
	// parts are the partitions and heirs of the map's tables, each with those
	// among whose rows its own stand.
	parts map[uint32][]uint32
}

type table struct {
	oid          uint32
	schema, name string
	kind         string // pg_class.relkind: r, p (partitioned), v, m, f
	heirs        bool   // other tables inherit from it, or did
	unfilled     bool   // a materialised view that cannot be read until it is made
	estimate     float64
	columns      map[string]*column
	key          []string   // primary key, in its order
	unique       [][]string // columns of unique indexes without expression and predicate
	indexes      []index
	triggers     []string // enabled user triggers that fire on UPDATE or DELETE
	lent         bool     // one of them acts by the rights of the role: its function is not SECURITY DEFINER
	children     []fkey   // foreign keys that reference it, of whatever table
	beneath      []fkey   // of a view: those that change rows when what it reads is deleted
	layers       []layer  // of a view: what it reads
	secured      bool     // row-level security applies to the role
	policies     []rowPolicy
	can          map[string]bool
	writes       int // what can be done to its rows, a bit a command: 4 is UPDATE, 16 DELETE (pg_relation_is_updatable)
	published    int // which of these a publication forbids for want of a replica identity
	filtered     int // which one forbids by its row filter or list of columns
}

type column struct {
	name      string
	typ       string // as format_type has it, without a modifier; of a domain, what it rests on
	class     class
	notNull   bool // also by its domain
	generated bool
	identity  string  // GENERATED … AS IDENTITY: "a" (always), "d" (by default); "" for others
	length    int     // varchar(n), char(n), name; 0: none
	exact     string  // typ with its modifier, as in numeric(6,2)
	domain    string  // its domain, quoted; "" for none
	collation string  // quoted, where it is not the database's own; "" for that one and for types without any
	loose     bool    // by its collation texts that differ may be equal, and no pattern can be matched
	element   *column // of an array: its elements
	place     *place  // a place inside a column rather than a column, see places.go
}

type index struct {
	def     string
	gin     bool     // finds rows by what they contain, see places.go; else btree or hash
	columns []string // "" for an expression
	exprs   []string // expressions in their order
	where   string   // which rows it holds; "": all
	filled  []string // where only asks that these columns are not NULL
}

// An fkey is one foreign key: child columns reference parent columns.
type fkey struct {
	name          string
	child, parent uint32
	columns       []string // of the child
	references    []string // of the parent
	action        string   // ON DELETE: a (no action), r (restrict), c (cascade), n (set null), d (set default)
	deferred      bool     // checked at commit unless told otherwise
	full          bool     // MATCH FULL
	follows       bool     // ON UPDATE CASCADE
}

// takes tells whether deleting the parent changes the child by itself.
func (f fkey) takes() bool { return f.action == "c" || f.action == "n" || f.action == "d" }

// bound tells whether a foreign key of one column ties another table's column to
// one of this table.
func (t *table) bound(child uint32, from, to string) bool {
	return slices.ContainsFunc(t.children, func(k fkey) bool {
		return k.child == child && len(k.columns) == 1 && k.columns[0] == from && k.references[0] == to
	})
}

// ident is the table's quoted name.
func (t *table) ident() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// indexed tells whether rows are found by column without reading the table:
// an index that begins with it, or with the scope's column and then it.
func (t *table) indexed(column, scope string) bool {
	return slices.ContainsFunc(t.indexes, func(x index) bool {
		if x.gin || len(x.columns) == 0 {
			return false
		}
		return x.columns[0] == column && x.holds(column) ||
			scope != "" && len(x.columns) > 1 && x.columns[0] == scope && x.columns[1] == column && x.holds(scope, column)
	})
}

// indexedBy tells whether an index begins with the expression.
func (t *table) indexedBy(expression string) bool {
	return slices.ContainsFunc(t.indexes, func(x index) bool {
		return !x.gin && x.begins(expression) && x.holds(slices.DeleteFunc(slices.Clone(x.filled), func(c string) bool {
			return !strings.Contains(plain(expression), plain(c))
		})...)
	})
}

// begins tells whether an index begins with the expression.
func (x index) begins(expression string) bool {
	return len(x.columns) > 0 && x.columns[0] == "" && len(x.exprs) > 0 && plain(x.exprs[0]) == plain(expression)
}

// holds tells whether an index has all rows that a look-up by these columns may
// find: what equals something is not NULL.
func (x index) holds(columns ...string) bool {
	return x.where == "" || len(x.filled) > 0 && !slices.ContainsFunc(x.filled, func(c string) bool { return !slices.Contains(columns, c) })
}

// partly says of a look-up that no index serves which one would, if it held all
// rows, as those of products that only mark rows as deleted do not; "" if none.
func (t *table) partly(column, expression string) string {
	for _, x := range t.indexes {
		if x.where != "" && !x.gin && len(x.columns) > 0 && (x.columns[0] == column || expression != "" && x.begins(expression)) {
			return "; an index of it holds only rows where " + strings.TrimSuffix(strings.TrimPrefix(x.where, "("), ")")
		}
	}
	return ""
}

// asksFilled are the columns of a predicate that says of some that they are not
// NULL and nothing more, as Postgres prints it; else none.
func asksFilled(predicate string) []string {
	var columns []string
	for _, part := range strings.Split(predicate, " AND ") {
		name, ok := strings.CutSuffix(strings.Trim(part, "()"), " IS NOT NULL")
		if !ok || strings.ContainsAny(name, "() ") {
			return nil
		}
		columns = append(columns, strings.Trim(name, `"`))
	}
	return columns
}

// plain makes two spellings of an index expression comparable: Postgres prints
// lower((email)::text) for what was written lower(email).
func plain(expression string) string {
	return strings.ToLower(strings.NewReplacer("(", "", ")", "", "::text", "", "::bpchar", "", " ", "", `"`, "").Replace(expression))
}

// isKey tells whether the columns identify one row.
func (t *table) isKey(columns []string) bool {
	covers := func(u []string) bool {
		return len(u) > 0 && !slices.ContainsFunc(u, func(c string) bool { return !slices.Contains(columns, c) })
	}
	return covers(t.key) || slices.ContainsFunc(t.unique, covers)
}

// mayBeNull tells whether a column admits NULL: equal to nothing, it names no row.
func (t *table) mayBeNull(column string) bool {
	return t.columns[column] == nil || !t.columns[column].notNull
}

// mapName is the name under which a collection's table is looked up.
func mapName(c *datamap.Collection) string {
	if c.Dataset != nil && c.Dataset.Schema != "" {
		return pgx.Identifier{c.Dataset.Schema, c.Name}.Sanitize()
	}
	return pgx.Identifier{c.Name}.Sanitize()
}

// table is the table of a collection, or nil.
func (c *catalogue) table(of *datamap.Collection) *table { return c.named[mapName(of)] }

// readCatalogue reads what is known of the collections' tables, in one round trip each.
func readCatalogue(ctx context.Context, db pg.DB, collections []*datamap.Collection) (*catalogue, error) {
	c := &catalogue{named: map[string]*table{}, tables: map[uint32]*table{}, parts: map[uint32][]uint32{}}
	var names, schemas, bare []string
	for _, col := range collections {
		if n := mapName(col); !slices.Contains(names, n) {
			names, schemas, bare = append(names, n), append(schemas, ""), append(bare, col.Name)
			if col.Dataset != nil {
				schemas[len(schemas)-1] = col.Dataset.Schema
			}
		}
	}
	// A name without a schema is looked up along the search path once, here: the
	// statements name the schema. One with a schema is looked up in the catalogue's
	// own tables, because to_regclass refuses a schema that the role has no right to
	// use, and it is here that it learns which rights it lacks.
	rows, err := db.Query(ctx, `
		SELECT w.name, c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relhassubclass, NOT c.relispopulated, c.reltuples::float8,
		       has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'),
		       `+writable+`
		FROM unnest($1::text[], $2::text[], $3::text[]) AS w(name, schema, bare)
		JOIN pg_class c ON c.relname = w.bare AND (w.schema <> '' OR c.oid = to_regclass(w.name))
		JOIN pg_namespace n ON n.oid = c.relnamespace AND (w.schema = '' OR n.nspname = w.schema)
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`, names, schemas, bare)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue's tables: %w", err)
	}
	var oids []uint32
	var name string
	var t table
	var sel, upd, del bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &t.oid, &t.schema, &t.name, &t.kind, &t.heirs, &t.unfilled, &t.estimate, &sel, &upd, &del, &t.writes}, func() error {
		known := c.tables[t.oid]
		if known == nil {
			n := t
			n.columns = map[string]*column{}
			n.can = map[string]bool{"SELECT": sel, "UPDATE": upd, "DELETE": del}
			known = &n
			c.tables[n.oid] = known
			oids = append(oids, n.oid)
		}
		c.named[name] = known
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the catalogue's tables: %w", err)
	}
	if err := c.readParts(ctx, db, oids); err != nil {
		return nil, err
	}
	if err := c.readKeys(ctx, db, slices.Concat(oids, slices.Collect(maps.Keys(c.parts)))); err != nil {
		return nil, err
	}
	if err := c.readBeneath(ctx, db, oids); err != nil {
		return nil, err
	}
	if err := c.readLayers(ctx, db, oids); err != nil {
		return nil, err
	}
	if bases := c.bases(slices.Concat(oids, slices.Collect(maps.Keys(c.parts)))); len(bases) > 0 {
		if err := c.readKeys(ctx, db, bases); err != nil {
			return nil, err
		}
	}
	for oid := range c.tables { // the tables that reference them have joined, and what stands beneath views
		if !slices.Contains(oids, oid) {
			oids = append(oids, oid)
		}
	}
	for _, read := range []func(context.Context, pg.DB, []uint32) error{c.readColumns, c.readIndexes, c.readTriggers, c.readPublished, c.readSecurity} {
		if err := read(ctx, db, oids); err != nil {
			return nil, err
		}
	}
	for _, oid := range oids { // a key of columns that only an heir has cannot be looked up from here
		t := c.tables[oid]
		t.children = slices.DeleteFunc(t.children, func(k fkey) bool {
			return slices.ContainsFunc(k.references, func(name string) bool { return t.columns[name] == nil })
		})
	}
	c.settle()
	return c, nil
}

// readColumns reads the columns. A domain is followed down to what it rests on:
// its length and its NOT NULL are the column's. Where the bare names of a type
// mean one letter or one bit (character, bit), those that mean any length stand.
func (c *catalogue) readColumns(ctx context.Context, db pg.DB, oids []uint32) error {
	rows, err := db.Query(ctx, `
		SELECT a.attrelid, a.attname::text, a.attnotnull OR d.notnull, a.attgenerated <> '', a.attidentity::text,
		       CASE b.oid WHEN 1042 THEN 'bpchar' WHEN 1560 THEN 'pg_catalog."bit"' ELSE format_type(b.oid, NULL) END, b.oid, b.typcategory::text, format_type(b.oid, d.typmod),
		       CASE WHEN b.typname IN ('varchar', 'bpchar') AND d.typmod > 4 THEN d.typmod - 4 WHEN b.oid = 'name'::regtype THEN 63 ELSE 0 END,
		       CASE WHEN b.oid <> a.atttypid THEN format_type(a.atttypid, NULL) ELSE '' END,
		       coalesce(CASE e.oid WHEN 1042 THEN 'bpchar' WHEN 1560 THEN 'pg_catalog."bit"' ELSE format_type(e.oid, NULL) END, ''), coalesce(e.oid, 0), coalesce(e.typcategory::text, ''),
		       coalesce(format_type(e.oid, CASE WHEN f.typbasetype <> 0 THEN f.typtypmod ELSE d.typmod END), ''),
		       CASE WHEN f.typbasetype <> 0 THEN format_type(f.oid, NULL) ELSE '' END,
		       CASE WHEN e.typname IN ('varchar', 'bpchar') THEN greatest(CASE WHEN f.typbasetype <> 0 THEN f.typtypmod ELSE d.typmod END - 4, 0) ELSE 0 END,
		       coalesce(l.collnamespace::regnamespace::text || '.' || quote_ident(l.collname), ''), NOT coalesce(l.collisdeterministic, true)
		FROM pg_attribute a
		CROSS JOIN LATERAL (
			WITH RECURSIVE d AS (
				SELECT t.oid, t.typbasetype, t.typnotnull AS notnull, CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END AS typmod
				FROM pg_type t WHERE t.oid = a.atttypid
				UNION ALL
				SELECT t.oid, t.typbasetype, d.notnull OR t.typnotnull, CASE WHEN d.typmod = -1 AND t.typbasetype <> 0 THEN t.typtypmod ELSE d.typmod END
				FROM d JOIN pg_type t ON t.oid = d.typbasetype WHERE d.typbasetype <> 0)
			SELECT d.oid, d.notnull, d.typmod FROM d WHERE d.typbasetype = 0) d
		JOIN pg_type b ON b.oid = d.oid
		LEFT JOIN pg_type f ON f.oid = b.typelem AND b.typcategory = 'A'
		LEFT JOIN pg_type e ON e.oid = coalesce(nullif(f.typbasetype, 0), f.oid)
		LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.oid <> 'pg_catalog."default"'::regcollation
		WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, oids)
	if err != nil {
		return fmt.Errorf("read the catalogue's columns: %w", err)
	}
	var rel, base, elementOID uint32
	var col, element column
	var category, elementCategory string
	_, err = pgx.ForEachRow(rows, []any{&rel, &col.name, &col.notNull, &col.generated, &col.identity, &col.typ, &base, &category, &col.exact, &col.length, &col.domain,
		&element.typ, &elementOID, &elementCategory, &element.exact, &element.domain, &element.length, &col.collation, &col.loose}, func() error {
		n := col
		n.class = classOf(base, n.typ, category)
		if n.class == classArray && elementOID != 0 {
			e := element
			e.name, e.class = n.name, classOf(elementOID, e.typ, elementCategory)
			e.collation, e.loose = n.collation, n.loose
			n.element = &e
		}
		c.tables[rel].columns[n.name] = &n
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the catalogue's columns: %w", err)
	}
	return nil
}

// readParts reads what is partition or heir, at any depth, of a table with such.
func (c *catalogue) readParts(ctx context.Context, db pg.DB, oids []uint32) error {
	with := slices.DeleteFunc(slices.Clone(oids), func(oid uint32) bool { return !c.tables[oid].heirs })
	if len(with) == 0 {
		return nil
	}
	rows, err := db.Query(ctx, `
		WITH RECURSIVE below(top, oid) AS (
			SELECT w.oid, i.inhrelid FROM unnest($1::oid[]) AS w(oid) JOIN pg_inherits i ON i.inhparent = w.oid
			UNION
			SELECT b.top, i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid)
		SELECT top, oid FROM below ORDER BY oid, top`, with)
	if err != nil {
		return fmt.Errorf("read the catalogue's partitions: %w", err)
	}
	var top, oid uint32
	if _, err := pgx.ForEachRow(rows, []any{&top, &oid}, func() error {
		c.parts[oid] = append(c.parts[oid], top)
		return nil
	}); err != nil {
		return fmt.Errorf("read the catalogue's partitions: %w", err)
	}
	return nil
}

// with are the map's tables among whose rows those of a table stand.
func (c *catalogue) with(oid uint32) []*table {
	var all []*table
	for _, o := range append([]uint32{oid}, c.parts[oid]...) {
		if t := c.tables[o]; t != nil {
			all = append(all, t)
		}
	}
	return all
}

// readKeys reads the foreign keys that reference the tables, or parts of them, and takes in the
// tables that hold them, mapped or not. Those that Postgres makes for the partitions of a table (conparentid) say the same again.
func (c *catalogue) readKeys(ctx context.Context, db pg.DB, oids []uint32) error {
	rows, err := db.Query(ctx, `
		SELECT k.conname::text, k.conrelid, k.confrelid, k.confdeltype::text, k.condeferred, k.confmatchtype = 'f', k.confupdtype = 'c',
		       n.nspname::text, r.relname::text, r.relkind::text,
		       (SELECT array_agg(a.attname::text ORDER BY p.i) FROM unnest(k.conkey) WITH ORDINALITY AS p(num, i)
		          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.num),
		       (SELECT array_agg(a.attname::text ORDER BY p.i) FROM unnest(k.confkey) WITH ORDINALITY AS p(num, i)
		          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.num)
		FROM pg_constraint k
		JOIN pg_class r ON r.oid = k.conrelid
		JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1)
		ORDER BY k.oid`, oids)
	if err != nil {
		return fmt.Errorf("read the catalogue's foreign keys: %w", err)
	}
	var k fkey
	var schema, name, kind string
	held := map[uint32]*table{} // tables that hold them
	_, err = pgx.ForEachRow(rows, []any{&k.name, &k.child, &k.parent, &k.action, &k.deferred, &k.full, &k.follows, &schema, &name, &kind, &k.columns, &k.references}, func() error {
		n := k
		n.columns, n.references = slices.Clone(k.columns), slices.Clone(k.references)
		for _, p := range c.with(n.parent) {
			p.children = append(p.children, n)
		}
		if held[n.child] == nil {
			held[n.child] = &table{oid: n.child, schema: schema, name: name, kind: kind, columns: map[string]*column{}}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the catalogue's foreign keys: %w", err)
	}
	for oid, t := range held {
		if c.tables[oid] == nil {
			c.tables[oid] = t
		}
	}
	return nil
}

func (c *catalogue) readIndexes(ctx context.Context, db pg.DB, oids []uint32) error {
	rows, err := db.Query(ctx, `
		SELECT x.indrelid, x.indisprimary, -- by an index that tells more values apart than the column, two rows may have one key
		       x.indisunique AND bool_and(coalesce(l.collisdeterministic, true) OR l.oid = (x.indcollation::oid[])[p.i - 1]),
		       coalesce(pg_get_expr(x.indpred, x.indrelid), ''), m.amname = 'gin', pg_get_indexdef(x.indexrelid),
		       array_agg(coalesce(a.attname::text, '') ORDER BY p.i),
		       array_agg(CASE WHEN p.num = 0 THEN pg_get_indexdef(x.indexrelid, p.i::int, true) END ORDER BY p.i)
		FROM pg_index x
		JOIN pg_class i ON i.oid = x.indexrelid
		JOIN pg_am m ON m.oid = i.relam
		CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS p(num, i)
		LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = p.num AND p.num > 0
		LEFT JOIN pg_collation l ON l.oid = a.attcollation
		WHERE x.indrelid = ANY($1) AND x.indisvalid AND x.indislive AND m.amname IN ('btree', 'hash', 'gin') AND p.i <= x.indnkeyatts
		GROUP BY x.indexrelid, x.indrelid, x.indisprimary, x.indisunique, x.indpred, m.amname
		ORDER BY x.indexrelid`, oids)
	if err != nil {
		return fmt.Errorf("read the catalogue's indexes: %w", err)
	}
	var rel uint32
	var primary, unique bool
	var x index
	var exprs []*string
	_, err = pgx.ForEachRow(rows, []any{&rel, &primary, &unique, &x.where, &x.gin, &x.def, &x.columns, &exprs}, func() error {
		n := x
		n.exprs, n.filled = nil, asksFilled(n.where)
		for _, e := range exprs {
			if e != nil {
				n.exprs = append(n.exprs, *e)
			}
		}
		t := c.tables[rel]
		if primary {
			t.key = n.columns
		}
		if unique && n.where == "" && len(n.exprs) == 0 {
			t.unique = append(t.unique, n.columns)
		}
		t.indexes = append(t.indexes, n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the catalogue's indexes: %w", err)
	}
	return nil
}

// readTriggers reads user triggers that run when rows are changed or deleted
// (tgtype: 8 is DELETE, 16 is UPDATE), those of parts of a table, too. Nothing is
// known of what they do.
func (c *catalogue) readTriggers(ctx context.Context, db pg.DB, oids []uint32) error {
	rows, err := db.Query(ctx, `
		SELECT tgrelid, tgname::text, NOT p.prosecdef FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
		WHERE tgrelid = ANY($1) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 24 <> 0
		ORDER BY g.oid`, slices.Concat(oids, slices.Collect(maps.Keys(c.parts))))
	if err != nil {
		return fmt.Errorf("read the catalogue's triggers: %w", err)
	}
	var rel uint32
	var name string
	var lent bool
	if _, err := pgx.ForEachRow(rows, []any{&rel, &name, &lent}, func() error {
		for _, t := range c.with(rel) {
			t.lent = t.lent || lent
			if !slices.Contains(t.triggers, name) {
				t.triggers = append(t.triggers, name)
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the catalogue's triggers: %w", err)
	}
	return nil
}

// readPublished reads what a publication forbids: a change that subscribers are to
// follow is refused where nothing, no replica identity, tells them which row it
// is of. Those of parts of a table count, too.
func (c *catalogue) readPublished(ctx context.Context, db pg.DB, oids []uint32) error {
	// Most databases publish nothing, and to plan what follows takes milliseconds.
	var some bool
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_publication WHERE pubupdate OR pubdelete)`).Scan(&some); err != nil {
		return fmt.Errorf("read the catalogue's publications: %w", err)
	}
	if !some {
		return nil
	}
	err := c.forbidden(ctx, db, oids, func(t *table, changes int) { t.published |= changes }, `
		WITH nameless AS MATERIALIZED (
			SELECT c.oid FROM pg_class c
			WHERE c.oid = ANY($1) AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'f' AND NOT EXISTS (
				SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid AND x.indimmediate
				AND CASE c.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident ELSE false END)),
		published AS MATERIALIZED (
			SELECT r.oid, bit_or(CASE WHEN p.pubupdate THEN 4 ELSE 0 END | CASE WHEN p.pubdelete THEN 16 ELSE 0 END) AS changes
			FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname
			JOIN pg_namespace s ON s.nspname = t.schemaname JOIN pg_class r ON r.relnamespace = s.oid AND r.relname = t.tablename
			WHERE EXISTS (SELECT FROM nameless) GROUP BY r.oid)
		SELECT n.oid, bit_or(p.changes) FROM nameless n
		CROSS JOIN LATERAL (SELECT n.oid UNION SELECT relid FROM pg_partition_ancestors(n.oid)) a
		JOIN published p ON p.oid = a.oid
		GROUP BY n.oid`)
	if err != nil {
		return err
	}
	return c.readFiltered(ctx, db, oids)
}

// readFiltered reads which changes a publication forbids because its row filter asks
// for a column that is not of the replica identity, or its list of columns lacks one
// that is. Before 15 Postgres has neither: what is not there is read as NULL. A
// filter is told as the nodes of an expression.
func (c *catalogue) readFiltered(ctx context.Context, db pg.DB, oids []uint32) error {
	return c.forbidden(ctx, db, oids, func(t *table, changes int) { t.filtered |= changes }, `
		WITH listed AS MATERIALIZED (
			SELECT r.prrelid AS rel, p.pubviaroot, CASE WHEN p.pubupdate THEN 4 ELSE 0 END | CASE WHEN p.pubdelete THEN 16 ELSE 0 END AS changes,
			       ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.prrelid
			             AND a.attnum IN (SELECT m[1]::int FROM regexp_matches(to_jsonb(r)->>'prqual', ':varattno (\d+)', 'g') m)) AS asked,
			       CASE WHEN to_jsonb(r)->>'prattrs' IS NOT NULL THEN ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.prrelid
			             AND a.attnum IN (SELECT l::int FROM jsonb_array_elements_text(to_jsonb(r)->'prattrs') l)) END AS list
			FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
			WHERE coalesce(to_jsonb(r)->>'prqual', to_jsonb(r)->>'prattrs') IS NOT NULL)
		SELECT c.oid, bit_or(l.changes) FROM pg_class c
		CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_partition_ancestors(c.oid)) a
		JOIN listed l ON l.rel = a.oid AND (l.rel = c.oid OR l.pubviaroot)
		CROSS JOIN LATERAL (SELECT ARRAY(SELECT a.attname FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1])
			WHERE x.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident ELSE false END) AS columns) k
		WHERE c.oid = ANY($1) AND c.relkind = 'r' AND (l.list IS NOT NULL AND (c.relreplident = 'f' OR NOT k.columns <@ l.list)
			OR c.relreplident <> 'f' AND NOT l.asked <@ k.columns)
		GROUP BY c.oid`)
}

// forbidden notes, of tables and their parts, which changes a query says that publications forbid.
func (c *catalogue) forbidden(ctx context.Context, db pg.DB, oids []uint32, note func(*table, int), sql string) error {
	var rel uint32
	var changes int
	rows, err := db.Query(ctx, sql, slices.Concat(oids, slices.Collect(maps.Keys(c.parts))))
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&rel, &changes}, func() error {
			for _, t := range c.with(rel) {
				note(t, changes)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read the catalogue's publications: %w", err)
	}
	return nil
}
