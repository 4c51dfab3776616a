package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Rows name files in object stores (lethe: {object: STORE}). An erasure says
// which files its rows named, before it commits: once the rows are gone nobody
// knows. Whether a file may go is asked after the commit (Naming), because a row
// that stays, or one that came meanwhile, may name it, too.

// names are the columns of a stop that name files. Parts of a JSON column are refused by bind.
func (s *stop) names() []*datamap.Field {
	var fields []*datamap.Field
	for _, f := range s.c.Fields {
		if f.Object != "" && s.t != nil && s.t.columns[f.Name] != nil {
			fields = append(fields, f)
		}
	}
	return fields
}

// unnameable says which columns cannot name files here.
func (s *stop) unnameable() (reasons []string) {
	var inside func(f *datamap.Field)
	inside = func(f *datamap.Field) {
		if f.Object != "" && f.Parent != nil {
			reasons = append(reasons, fmt.Sprintf("%s names files from inside a JSON column, which is not carried out: keep the key in a column of its own", f.FullName()))
		}
		for _, g := range f.Fields {
			inside(g)
		}
	}
	for _, f := range s.c.Fields {
		inside(f)
		if f.Object == "" || s.t == nil {
			continue
		}
		if c := s.t.columns[f.Name]; c != nil && !c.plainKeys() {
			reasons = append(reasons, jsonKeys(f))
		}
	}
	return reasons
}

// plainKeys tells whether a column holds keys as they are. In JSON they stand in
// quotes, under which no file lies: one would be called missing, and stay.
func (c *column) plainKeys() bool {
	return c.class != classJSON && c.typ != "json[]" && c.typ != "jsonb[]"
}

func jsonKeys(f *datamap.Field) string {
	return fmt.Sprintf("%s names files, and is a JSON column, which is not carried out: keep the key in a column of text or an array of texts", f.FullName())
}

// loses tells under which condition, on a settled row k, the key in a column is
// lost: the row is deleted, or the column masked by anything at all.
func (s *stop) loses(f *datamap.Field) string {
	var ways []string
	if s.visit.Delete {
		ways = append(ways, "k.del")
	}
	if slices.ContainsFunc(s.masks(), func(m mask) bool { return m.field == f }) {
		ways = append(ways, "("+s.toMask("k")+")")
	}
	if kept := s.keptRows("k"); kept != "" && slices.ContainsFunc(s.keepMasks(), func(m mask) bool { return m.field == f }) {
		ways = append(ways, kept)
	}
	return strings.Join(ways, " OR ")
}

// A named is one column whose files an erasure may have to take along.
type named struct {
	stop  *stop
	field *datamap.Field
}

// files are all such columns of an erasure, in a fixed order. In the rows that a
// statement returns, their keys stand under the numbers after those of the stops.
func (p *program) files() []named { return remember(p, filesKey{}, p.losing) }

func (p *program) losing() []named {
	var all []named
	for _, s := range p.stops {
		for _, f := range s.names() {
			if s.loses(f) != "" {
				all = append(all, named{s, f})
			}
		}
	}
	return all
}

// fileKeys are the queries, with columns stop and key, of the files that the
// settled rows named.
func (w *writer) fileKeys(rel relation) []string {
	var all []string
	for i, n := range w.p.files() {
		c := n.stop.t.columns[n.field.Name]
		value := "k." + n.stop.f(c.name)
		from := rel(n.stop) + " k"
		if c.class == classArray {
			from += " CROSS JOIN LATERAL unnest(" + value + ") AS o(v)"
			value = "o.v"
		}
		all = append(all, fmt.Sprintf("SELECT DISTINCT %d AS stop, %s::text AS key FROM %s WHERE (%s) AND btrim(%s::text) <> ''",
			len(w.p.stops)+i, value, from, n.stop.loses(n.field), value))
	}
	return all
}

// distinct leaves each file once, also where several columns name it.
func distinct(files []source.Object) []source.Object {
	slices.SortFunc(files, func(a, b source.Object) int {
		return cmp.Or(strings.Compare(a.Store, b.Store), strings.Compare(a.Key, b.Key))
	})
	return slices.Compact(files)
}

// files reads, after a staged erasure, which files the rows of its key tables
// named. These still hold the columns as they were.
func (g *stage) files(ctx context.Context, tx pgx.Tx, r *run, res *result) error {
	if len(g.p.files()) == 0 {
		return nil
	}
	st := g.p.statement("stage files", func() *statement {
		w := &writer{p: g.p, staged: true}
		return w.statement(strings.Join(w.fileKeys(g.in), " UNION ALL "))
	})
	rows, err := tx.Query(ctx, st.sql, st.args(r)...)
	if err != nil {
		return fmt.Errorf("read which files the rows named: %w", err)
	}
	var at int32
	var key string
	_, err = pgx.ForEachRow(rows, []any{&at, &key}, func() error {
		res.add([]int32{at}, []string{key})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read which files the rows named: %w", err)
	}
	return nil
}

// Naming returns those of the keys that rows of this source hold in one of the
// fields: their files stay. Each field is one query, by its index where it has one.
// Rows of every controller count: a file that somebody else's row names is theirs, too.
func (s *Source) Naming(ctx context.Context, fields []*datamap.Field, keys []string) (still []string, err error) {
	defer func() { err = s.failed("look which files are still named", err) }()
	var collections []*datamap.Collection
	for _, f := range fields {
		if s.holds(f.Collection) {
			collections = append(collections, f.Collection)
		}
	}
	if len(collections) == 0 || len(keys) == 0 {
		return nil, nil
	}
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		still = nil
		return s.inTx(ctx, conn, looking, func(tx pgx.Tx) error {
			cat, err := s.catalogueOf(ctx, tx, collections)
			if err != nil {
				return err
			}
			for _, f := range fields {
				if !s.holds(f.Collection) {
					continue
				}
				t := cat.table(f.Collection)
				if t == nil || t.columns[f.Name] == nil {
					return &Unfit{Source: s.name, Reasons: []string{fmt.Sprintf("there is no column %s, which the data map says to name files", f.FullName())}}
				}
				if !t.columns[f.Name].plainKeys() {
					return &Unfit{Source: s.name, Reasons: []string{jsonKeys(f)}}
				}
				found, err := naming(ctx, tx, t, t.columns[f.Name], keys)
				if err != nil {
					return err
				}
				still = append(still, found...)
			}
			return nil
		})
	})
	slices.Sort(still)
	return slices.Compact(still), err
}

// catalogueOf reads what the catalogue says of some collections, or takes what was
// read while it is fresh.
func (s *Source) catalogueOf(ctx context.Context, tx pgx.Tx, collections []*datamap.Collection) (*catalogue, error) {
	var names []string
	for _, c := range collections {
		names = append(names, c.FullName())
	}
	key := strings.Join(names, "\x00")
	s.mu.Lock()
	known := s.catalogues[key]
	s.mu.Unlock()
	if known.cat != nil && s.o.Now().Sub(known.at) < catalogueLife {
		return known.cat, nil
	}
	cat, err := readCatalogue(ctx, tx, collections)
	if err == nil && s.o.Now != nil {
		s.mu.Lock()
		s.catalogues[key] = catalogueRead{cat, s.o.Now()}
		s.mu.Unlock()
	}
	return cat, err
}

// A catalogueRead is what was read of the catalogue, and when.
type catalogueRead struct {
	cat *catalogue
	at  time.Time
}

// naming looks for keys in one column. The look-up runs from the keys to the
// rows, so that an index serves it whatever Postgres believes of their number.
func naming(ctx context.Context, tx pgx.Tx, t *table, c *column, keys []string) ([]string, error) {
	var sql string
	switch {
	case c.class == classArray:
		sql = "SELECT DISTINCT o.v::text FROM " + t.ident() + " t CROSS JOIN LATERAL unnest(" + col("t", c.name) + ") AS o(v) WHERE o.v::text = ANY($1::text[])"
	case t.indexed(c.name, ""):
		sql = "SELECT v.v::text FROM unnest(" + c.array("$1") + ") AS v(v) WHERE EXISTS (SELECT 1 FROM " + t.ident() + " t WHERE " +
			c.compared(col("t", c.name)) + " = v.v OFFSET 0)"
	default:
		sql = "SELECT DISTINCT " + col("t", c.name) + "::text FROM " + t.ident() + " t WHERE " + c.compared(col("t", c.name)) + " = ANY(" + c.array("$1") + ")"
	}
	rows, err := tx.Query(ctx, sql, c.class.only(keys))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
