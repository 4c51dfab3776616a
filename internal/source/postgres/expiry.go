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
	"github.com/lethe-dsr/lethe/internal/source"
)

// exactBelow is the planner's estimate up to which a table is really counted.
const exactBelow = 200_000

// sweeping is the transaction of a slice. A sweep never has to see one state of
// the whole table: each row stands for itself, and short locks matter more.
const sweeping = "begin isolation level read committed"

// planned has the statements of a sweep planned for their values each time: how much
// has expired decides on the way, and only an array that the planner sees is hashed.
// Otherwise each row would be compared with one held key after another.
func planned(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "set local plan_cache_mode = force_custom_plan")
	return err
}

// Expired counts what a selection matches now; by, when not empty, is a column
// of the collection by whose value Expiry.By counts the rows that are not held.
// It changes nothing.
func (s *Source) Expired(ctx context.Context, sel source.Selection, by string) (source.Expiry, error) {
	fault := func(err error) (source.Expiry, error) {
		return source.Expiry{}, fmt.Errorf("source %s: count what has expired in %s: %w", s.name, sel.Collection.FullName(), pg.Clean(err))
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fault(err)
	}
	defer conn.Release()
	reached, err := s.reached(ctx, conn, sel)
	if err != nil {
		return fault(err)
	}
	var x source.Expiry
	err = s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		if err := planned(ctx, tx); err != nil {
			return err
		}
		e, err := s.expiring(ctx, tx, sel, reached)
		if err != nil {
			return err
		}
		group := "''"
		if by != "" {
			if _, err := e.column(e.t, by); err != nil {
				return err
			}
			group = "coalesce(" + col("t", by) + "::text, '')"
		}
		due, held := e.due("t"), e.held("t")
		rows, err := tx.Query(ctx, `SELECT w.by, count(*) FILTER (WHERE NOT w.held), count(*) FILTER (WHERE w.held)
			FROM (SELECT `+group+` AS by, (`+held+`) IS TRUE AS held FROM `+e.t.ident()+` AS t WHERE `+due+`) w GROUP BY w.by`, e.args...)
		if err != nil {
			return err
		}
		if by != "" {
			x.By = map[string]int64{}
		}
		var value string
		var free, kept int64
		if _, err := pgx.ForEachRow(rows, []any{&value, &free, &kept}, func() error {
			x.Expired += free
			x.Held += kept
			if by != "" && free > 0 {
				x.By[value] = free
			}
			return nil
		}); err != nil {
			return err
		}
		if x.Total = int64(e.t.estimate); e.t.estimate < 0 || e.t.estimate < exactBelow {
			return tx.QueryRow(ctx, `SELECT count(*) FROM `+e.t.ident()).Scan(&x.Total)
		}
		return nil
	})
	if err != nil {
		return fault(err)
	}
	return x, nil
}

// expiring is a selection made ready to be written as SQL: the catalogue of its
// tables, the keys of what is held, and the arguments bound so far.
type expiring struct {
	sel  source.Selection
	cat  *catalogue
	t    *table
	need []change            // for actions that change columns
	in   []*replaced         // for ValueIn, by collection
	keys map[string][]string // collection -> keys of rows that are held
	// children are the quoted names of tables whose foreign keys name rows here.
	children map[uint32]string
	args     []any
}

// replaced is a collection in which expired values are replaced.
type replaced struct {
	collection *datamap.Collection
	t          *table
	columns    []string
}

// expiring reads the catalogue and the held keys, and checks the selection
// against what is there: a sentence now is better than a broken statement later.
func (s *Source) expiring(ctx context.Context, tx pgx.Tx, sel source.Selection, reached map[string][]string) (*expiring, error) {
	e := &expiring{sel: sel, keys: map[string][]string{}}
	collections := []*datamap.Collection{sel.Collection}
	if sel.Unless != nil {
		collections = append(collections, sel.Unless.Collection)
	}
	if err := e.readValueIn(); err != nil {
		return nil, err
	}
	for _, r := range e.in {
		collections = append(collections, r.collection)
	}
	var err error
	if e.cat, err = readCatalogue(ctx, tx, collections); err != nil {
		return nil, err
	}
	for _, c := range collections {
		t := e.cat.table(c)
		switch {
		case t == nil:
			return nil, notSwept("there is no table %s", c.FullName())
		case t.kind != "r" && t.kind != "p":
			return nil, notSwept("%s is not a table: rows expire in tables", c.FullName())
		}
	}
	e.t = e.cat.table(sel.Collection)
	how, change := "deleted", deletable
	if sel.Then != source.Delete {
		how, change = "changed", updatable
	}
	if t := e.t.stuck(change); t != nil {
		return nil, notSwept("%s", (&stop{c: sel.Collection, t: e.t}).fixed(t, how, change))
	}
	for _, r := range e.in {
		r.t = e.cat.table(r.collection)
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if err := e.readChanges(); err != nil {
		return nil, err
	}
	if err := e.readChildren(ctx, tx); err != nil {
		return nil, err
	}
	return e, e.readHeld(reached)
}

// readChildren names the tables whose foreign keys forbid a deletion.
func (e *expiring) readChildren(ctx context.Context, tx pgx.Tx) error {
	e.children = map[uint32]string{}
	if e.sel.Then != source.Delete {
		return nil
	}
	var oids []uint32
	for _, k := range e.t.children {
		if !k.takes() {
			oids = append(oids, k.child)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1)`, oids)
	if err != nil {
		return fmt.Errorf("read the catalogue's children: %w", err)
	}
	var oid uint32
	var schema, name string
	_, err = pgx.ForEachRow(rows, []any{&oid, &schema, &name}, func() error {
		e.children[oid] = pgx.Identifier{schema, name}.Sanitize()
		return nil
	})
	return err
}

// check looks up every column that the selection names.
func (e *expiring) check() error {
	s := e.sel
	names := slices.Concat(slices.Collect(maps.Keys(s.Where)), slices.Collect(maps.Keys(s.WhereNot)))
	if s.StartsAt != "" {
		names = append(names, s.StartsAt)
	}
	if s.ValueColumn != "" {
		names = append(names, s.ValueColumn)
	}
	if c := s.Collection.Controller; c != "" {
		names = append(names, c)
	}
	if s.Unless != nil {
		names = append(names, slices.Collect(maps.Keys(s.Unless.Link))...)
		other := e.cat.table(s.Unless.Collection)
		for _, n := range slices.Concat(slices.Collect(maps.Values(s.Unless.Link)), slices.Collect(maps.Keys(s.Unless.Where))) {
			if _, err := e.column(other, n); err != nil {
				return err
			}
		}
	}
	for _, n := range names {
		if _, err := e.column(e.t, n); err != nil {
			return err
		}
	}
	if s.StartsAt != "" {
		switch c := e.t.columns[s.StartsAt]; {
		case c.class == classStamp, c.class == classLocal, c.typ == "date":
		default:
			return notSwept("%s.%s is of type %s: a period counts from a timestamp or a date", s.Collection.FullName(), s.StartsAt, c.typ)
		}
	}
	return e.checkValueIn()
}

func (e *expiring) column(t *table, name string) (*column, error) {
	if c := t.columns[name]; c != nil {
		return c, nil
	}
	return nil, notSwept("table %s.%s has no column %s", t.schema, t.name, name)
}

// NotSwept is a rule that does not fit the database: trying again cannot mend it.
type NotSwept struct{ Sentence string }

func (e *NotSwept) Error() string { return e.Sentence }

// Permanent tells callers not to try again.
func (e *NotSwept) Permanent() bool { return true }

func notSwept(format string, args ...any) error {
	return &NotSwept{Sentence: fmt.Sprintf(format, args...)}
}

// readHeld takes the keys of held rows: those that walks reached, and single ones.
func (e *expiring) readHeld(reached map[string][]string) error {
	own := e.sel.Collection.FullName()
	e.keys[own] = append(e.keys[own], e.sel.HeldRows...)
	for _, r := range e.sel.HeldOthers {
		e.keys[r.Collection] = append(e.keys[r.Collection], r.Key)
	}
	for c, keys := range reached {
		e.keys[c] = append(e.keys[c], keys...)
	}
	for c, keys := range e.keys {
		slices.Sort(keys)
		e.keys[c] = slices.Compact(keys)
		if len(keys) > 0 && e.collection(c) != nil && len(e.keyColumns(c)) == 0 {
			return notSwept("%s has neither a primary_key in the data map nor one in the database: its held rows cannot be told from others", c)
		}
	}
	return nil
}

// keyColumns are the columns of a row's key: the map's, else the table's own.
func (e *expiring) keyColumns(full string) []string {
	c := e.collection(full)
	if c == nil {
		return nil
	}
	var names []string
	for _, f := range c.PrimaryKey() {
		names = append(names, f.Name)
	}
	t := e.cat.table(c)
	if len(names) == 0 {
		names = slices.Clone(t.key)
	}
	if len(names) > 0 && t.kind == "r" && t.heirs {
		names = append(names, tableOf) // as findKey has it
	}
	return names
}

func (e *expiring) collection(full string) *datamap.Collection {
	if e.sel.Collection.FullName() == full {
		return e.sel.Collection
	}
	for _, r := range e.in {
		if r.collection.FullName() == full {
			return r.collection
		}
	}
	return nil
}

// bind adds an argument and returns its number with a cast.
func (e *expiring) bind(v any, cast string) string {
	e.args = append(e.args, v)
	return fmt.Sprintf("$%d::%s", len(e.args), cast)
}

// all joins conditions; none is true.
func all(conditions []string) string {
	if len(conditions) == 0 {
		return "true"
	}
	return strings.Join(conditions, "\n AND ")
}

// anyOf joins conditions; none is false.
func anyOf(conditions []string) string {
	if len(conditions) == 0 {
		return "false"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}
