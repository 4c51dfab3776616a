package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A stage is a walk in key tables, statement by statement: for plans that run
// in a circle, tables on which triggers run, and subjects with so many rows that
// statistics are worth their while. The key tables are temporary, made once per
// connection and emptied by Postgres at the end of each transaction; made per
// request they would fill pg_attribute with dead rows.
//
// Plans share the key tables that are alike: at each end of a transaction
// Postgres empties all that a connection has, whichever the walk used, and that
// would take the longer the more plans a connection has seen.
type stage struct {
	p    *program
	role string // "k" for the walk itself, "u" where nothing is asked of single keys, "h" for walks that hold rows
	ids  []string
	// certain is what need not be asked of any row; nil: everything is.
	certain []certainty
	v       variant // of which it is certain
	// slice is how many rows of a stop are read, 0 for all. Then only rows go
	// after which nothing else could be lost (slices.go).
	slice int64
	named string // see name
}

// analysedAbove is the number of rows from which a key table is analysed, so
// that plans made for a few rows are made anew.
const analysedAbove = 10_000

func (p *program) stage(role string) *stage {
	return &stage{p: p, role: role, ids: remember(p, tablesKey{}, p.keyTables)}
}

// keyTables name the stops' key tables, in their order, by all that these are
// made of. Two stops of one program never share one.
func (p *program) keyTables() []string {
	ids := make([]string, len(p.stops))
	for i, s := range p.stops {
		for twin := 0; ids[i] == "" || slices.Contains(ids[:i], ids[i]); twin++ {
			h := sha256.New()
			fmt.Fprintln(h, s.t.oid, s.t.ident(), s.carries(), keyNames(s), twin)
			for _, c := range s.carried {
				fmt.Fprintln(h, s.t.columns[c].typ, s.t.columns[c].length)
			}
			ids[i] = hex.EncodeToString(h.Sum(nil)[:8])
		}
	}
	return ids
}

// unasked tells whether no statement of the walk asks for a row by its key, so
// that the key tables need no index.
func (g *stage) unasked() bool {
	if g.p.plan.Cyclic || g.v.held || g.v.narrowed || g.slice > 0 {
		return false
	}
	for _, s := range g.p.stops {
		if c := g.certain[s.i]; !c.mine || g.p.plan.Kind == datamap.Erasure && (!c.take || s.visit.Delete && !c.del) {
			return false
		}
	}
	return true
}

func (g *stage) index(s *stop) string {
	if g.role == "u" {
		return ""
	}
	return " CREATE INDEX IF NOT EXISTS " + g.table(s) + "_key ON " + g.in(s) + " (" + strings.Join(keyNames(s), ", ") + ");"
}

// in is the key table of a stop.
func (g *stage) in(s *stop) string { return "pg_temp." + g.table(s) }

func (g *stage) table(s *stop) string { return "lethe_" + g.role + "_" + g.ids[s.i] }

// prepare makes the key tables on a connection that does not have them. It
// cannot be done inside the walk's transaction: that may be read only.
func (g *stage) prepare(ctx context.Context, s *Source, conn *pgxpool.Conn) error {
	made := conn.Conn().PgConn().CustomData()
	missing := slices.DeleteFunc(slices.Clone(g.p.stops), func(at *stop) bool { return made[g.in(at)] != nil })
	if len(missing) == 0 {
		return nil
	}
	if err := s.inTx(ctx, conn, "begin", func(tx pgx.Tx) error { return g.make(ctx, tx, missing) }); err != nil {
		return err
	}
	for _, at := range missing {
		made[g.in(at)] = true
	}
	return nil
}

func (g *stage) make(ctx context.Context, tx pgx.Tx, missing []*stop) error {
	for _, s := range missing {
		ddl := "CREATE TEMP TABLE IF NOT EXISTS " + g.table(s) + " ON COMMIT DELETE ROWS AS SELECT " + s.carries() +
			", 0 AS round, false AS " + strings.Join(marks, ", false AS ") + " FROM " + s.t.ident() + " t WITH NO DATA;" +
			" ALTER TABLE " + g.in(s) + " ALTER round SET DEFAULT 0, ALTER " + strings.Join(marks, " SET DEFAULT false, ALTER ") + " SET DEFAULT false;" +
			g.index(s)
		if _, err := tx.Exec(ctx, ddl); err != nil {
			return fmt.Errorf("make the key table of %s: %w", s.c.FullName(), err)
		}
	}
	return nil
}

// marks are the columns of a key table in which a walk marks its rows.
var marks = []string{"seed", "shared", "mine", "own", "held", "del", "outside", "spared"}

func keyNames(s *stop) []string {
	names := make([]string, len(s.key))
	for i, k := range s.key {
		names[i] = s.f(k)
	}
	return names
}

// exec runs one statement of the stage, written on first use.
func (g *stage) exec(ctx context.Context, tx pgx.Tx, r *run, name string, write func(*writer) string) (int64, error) {
	r.slice = g.slice
	st := g.p.statement("stage "+g.role+" "+name+g.name(), func() *statement {
		w := g.writer()
		return w.statement(write(w))
	})
	tag, err := tx.Exec(ctx, st.sql, st.args(r)...)
	if err != nil {
		return 0, fmt.Errorf("stage %s: %w", name, err)
	}
	return tag.RowsAffected(), nil
}

// writer writes the stage's statements.
func (g *stage) writer() *writer {
	return &writer{p: g.p, staged: true, certain: g.certain, v: g.v, slicing: g.slice > 0}
}

// fill walks until nothing new is found. Rows of one round lead to the next.
//
// Most people have rows in few of the collections: a stop that nothing leads to
// is not asked, here and in all that follows.
func (g *stage) fill(ctx context.Context, tx pgx.Tx, r *run, v variant) error {
	r.round, r.rows = 0, make([]int64, len(g.p.stops))
	for _, s := range g.p.stops {
		if !r.leadsTo(g.p, s, v) {
			continue
		}
		n, err := g.exec(ctx, tx, r, fmt.Sprintf("fill %d%s", s.i, v.name()), func(w *writer) string {
			return g.into(s) + " FROM (" + w.reach(s, g.cut(w, w.arms(s, v, g.in))) + ") n"
		})
		if err != nil {
			return err
		}
		r.rows[s.i] = n
		if err := g.analyse(ctx, tx, s, n); err != nil {
			return err
		}
	}
	fresh := slices.Clone(r.rows) // what the round before found: a thread may be thousands of rounds deep
	for again := g.p.plan.Cyclic; again; {
		again = false
		r.round++
		found := make([]int64, len(fresh))
		for _, s := range g.p.stops {
			if !slices.ContainsFunc(s.links, func(l datamap.Link) bool { return g.leadsOn(l, r, fresh) }) {
				continue
			}
			n, err := g.exec(ctx, tx, r, fmt.Sprintf("follow %d%s", s.i, v.name()), func(w *writer) string {
				round := w.bind("round", func(r *run) any { return r.round })
				var arms []string
				for _, l := range s.links {
					arms = append(arms, w.linkArm(s, v, l, w.linkValues(l, variant{}, g.in, "round = "+round+"::int4 - 1")))
				}
				return g.into(s, "round") + ", " + round + "::int4 FROM (" + w.reach(s, g.cut(w, arms)) + ") n WHERE NOT " + w.isIn(s, s.fs("n", s.key), g.in(s), "")
			})
			if err != nil {
				return err
			}
			r.rows[s.i] += n
			found[s.i] = n
			again = again || n > 0 && g.slice == 0 // a slice need not be all of it
			if err := g.analyse(ctx, tx, s, n); err != nil {
				return err
			}
		}
		fresh = found
	}
	return nil
}

// into begins to put rows n that were reached into a stop's key table; more names
// columns whose values follow.
func (g *stage) into(s *stop, more ...string) string {
	c, outside := g.sure(s), "false"
	if g.v.narrowed {
		outside = "n.outside"
	}
	return "INSERT INTO " + g.in(s) + " (" + strings.Join(append(carriedAs(s), "seed", "mine", "del", "outside"), ", ") + strings.Join(append([]string{""}, more...), ", ") +
		") SELECT " + s.carriedAs("n") + fmt.Sprintf(", n.seed, %t, %t, ", c.mine, c.del) + outside
}

// leadsOn tells whether a link may lead to rows that the rounds so far have not
// found: from rows of the round before, or from any where a row reached long ago may
// turn out to hold more of the subject's elements (linkValues).
func (g *stage) leadsOn(l datamap.Link, r *run, fresh []int64) bool {
	from := g.p.of[l.From.Collection.FullName()].i
	return fresh[from] > 0 || r.rows[from] > 0 && slices.ContainsFunc(g.p.strands(l), func(t strand) bool { return t.from.place != nil && !t.from.place.one })
}

// leadsTo tells whether a walk has anything that may lead to rows of a stop: an
// identity's value, a row reached before, a value told from elsewhere. In the
// second look the rows that were erased may, too.
func (r *run) leadsTo(p *program, s *stop, v variant) bool {
	return v.again ||
		slices.ContainsFunc(s.visit.Seeds, func(seed datamap.PlanSeed) bool { return len(r.seeds[seed.Identity]) > 0 }) ||
		slices.ContainsFunc(s.links, func(l datamap.Link) bool { return r.leadsBy(p, l, v) }) ||
		slices.ContainsFunc(p.fedLinks(s), func(l datamap.Link) bool { return !untold(l, toldValues)(r) })
}

// leadsBy tells whether there is any row, reached or, in the second look, erased,
// to lead on over a link.
func (r *run) leadsBy(p *program, l datamap.Link, v variant) bool {
	return v.again || r.rows[p.of[l.From.Collection.FullName()].i] > 0
}

func carriedAs(s *stop) []string {
	names := make([]string, len(s.carried))
	for i, c := range s.carried {
		names[i] = s.f(c)
	}
	if s.place {
		names = append(names, "place")
	}
	return names
}

func (s *stop) carriedAs(alias string) string {
	names := s.fs(alias, s.carried)
	if s.place {
		names = append(names, alias+".place")
	}
	return strings.Join(names, ", ")
}

// analyse makes statistics of the columns carried, and none of the marks: these
// are all alike when the table is filled, and settled only afterwards.
func (g *stage) analyse(ctx context.Context, tx pgx.Tx, s *stop, rows int64) error {
	if rows < analysedAbove {
		return nil
	}
	if _, err := tx.Exec(ctx, "ANALYSE "+g.in(s)+" ("+strings.Join(carriedAs(s), ", ")+")"); err != nil {
		return fmt.Errorf("analyse the key table of %s: %w", s.c.FullName(), err)
	}
	return nil
}

// mark settles what is shared, what is the subject's alone, and what is held.
func (g *stage) mark(ctx context.Context, tx pgx.Tx, r *run, v variant) error {
	each := func(s *stop, name string, conditions func(*writer) []condition, set, unless string) (int64, error) {
		var changed int64
		if r.rows[s.i] == 0 {
			return 0, nil
		}
		for i, c := range conditions(&writer{p: g.p, staged: true}) {
			if c.vain != nil && c.vain(r) {
				continue
			}
			n, err := g.exec(ctx, tx, r, fmt.Sprintf("%s %d.%d%s", name, s.i, i, v.name()), func(w *writer) string {
				return "UPDATE " + g.in(s) + " k SET " + set + " WHERE " + unless + " AND " + conditions(w)[i].write()
			})
			if err != nil {
				return 0, err
			}
			changed += n
		}
		return changed, nil
	}
	for _, s := range g.p.stops {
		if g.sure(s).mine {
			continue
		}
		if _, err := each(s, "shared", func(w *writer) []condition { return w.sharedBy(s, v, g.in) }, "shared = true", "NOT k.shared"); err != nil {
			return err
		}
	}
	for again := true; again; {
		again = false
		for _, s := range g.p.stops {
			if g.sure(s).mine {
				continue
			}
			n, err := each(s, "mine", func(w *writer) []condition { return w.ownedBy(s, v, g.in) }, "mine = true", "NOT k.mine AND NOT k.shared")
			if err != nil {
				return err
			}
			again = again || n > 0 && g.p.plan.Cyclic
		}
	}
	for _, s := range g.p.stops {
		if !g.sure(s).mine {
			if _, err := each(s, "own", func(w *writer) []condition { return w.pointedTo(s, v, g.in) }, "own = true", "NOT k.own AND NOT k.mine"); err != nil {
				return err
			}
		}
		if !v.held {
			continue
		}
		if _, err := each(s, "held", func(w *writer) []condition {
			return []condition{{func() string { return w.isHeld(s, s.fs("k", s.ids())) }, func(r *run) bool { return len(r.held[s.c.FullName()]) == 0 }}}
		}, "held = true", "NOT k.held"); err != nil {
			return err
		}
	}
	return nil
}

// hold marks the rows of a run that another one reached. Its tables are emptied
// for the next walk that uses them.
func (g *stage) hold(ctx context.Context, tx pgx.Tx, r *run, by *stage, other *run) error {
	for _, h := range by.p.stops {
		if other.rows[h.i] == 0 {
			continue
		}
		for _, s := range g.p.on(h.t.oid) {
			if r.rows[s.i] == 0 {
				continue
			}
			equal := make([]string, len(s.key))
			for i, k := range s.key {
				equal[i] = "h." + h.f(k) + " = k." + s.f(k)
			}
			if _, err := tx.Exec(ctx, "UPDATE "+g.in(s)+" k SET held = true WHERE NOT k.held AND EXISTS (SELECT 1 FROM "+by.in(h)+" h WHERE "+
				strings.Join(equal, " AND ")+")"); err != nil {
				return fmt.Errorf("mark what is held of %s: %w", s.c.FullName(), err)
			}
		}
	}
	for _, h := range by.p.stops {
		if other.rows[h.i] == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, "DELETE FROM "+by.in(h)); err != nil {
			return fmt.Errorf("empty a key table: %w", err)
		}
	}
	return nil
}

// settle marks what is deleted, children first, until nothing more must stay.
func (g *stage) settle(ctx context.Context, tx pgx.Tx, r *run) error {
	for _, s := range g.p.stops {
		if !s.visit.Delete || g.sure(s).del || r.rows[s.i] == 0 {
			continue
		}
		if _, err := g.exec(ctx, tx, r, fmt.Sprintf("settle %d", s.i), func(w *writer) string {
			if g.slice > 0 && !s.slices() {
				return "UPDATE " + g.in(s) + " k SET del = false WHERE false"
			}
			alone := ""
			if g.slice > 0 { // what seems to be shared may not be so: the last part tells, and counts it
				alone = " AND k.mine"
			}
			return "UPDATE " + g.in(s) + " k SET del = true WHERE " + s.take("k") + alone
		}); err != nil {
			return err
		}
	}
	for again := true; again; {
		again = false
		for _, group := range g.p.order {
			for _, s := range group {
				more, err := g.leave(ctx, tx, r, s)
				if err != nil {
					return err
				}
				again = again || more
			}
		}
	}
	return nil
}

// leave takes the mark off those rows of a stop that must stay by what is settled
// so far, and tells whether there were any.
func (g *stage) leave(ctx context.Context, tx pgx.Tx, r *run, s *stop) (more bool, err error) {
	if g.sure(s).del || r.rows[s.i] == 0 {
		return false, nil
	}
	keeps := func(w *writer) []condition {
		if g.slice > 0 {
			return append(w.keptBy(s, g.in, g.in), w.leadsOn(s, g.in)...)
		}
		return w.keptBy(s, g.in, g.in)
	}
	for i, c := range keeps(g.writer()) {
		if c.vain != nil && c.vain(r) {
			continue
		}
		n, err := g.exec(ctx, tx, r, fmt.Sprintf("keep %d.%d", s.i, i), func(w *writer) string {
			return "UPDATE " + g.in(s) + " k SET del = false WHERE k.del AND " + keeps(w)[i].write()
		})
		if err != nil {
			return false, err
		}
		more = more || n > 0
	}
	return more, nil
}

// change masks and deletes: masks first, so that a table that the map names
// twice keeps no row that is to go; then children before parents; then the masks
// that may move keys.
func (g *stage) change(ctx context.Context, tx pgx.Tx, r *run, res *result) error {
	if err := g.maskAll(ctx, tx, r, res, false); err != nil {
		return err
	}
	for _, group := range g.p.order {
		if !slices.ContainsFunc(group, func(s *stop) bool { return r.rows[s.i] > 0 }) {
			continue
		}
		if err := g.collect(ctx, tx, r, res, group, deleted, fmt.Sprintf("delete %d", group[0].i), func(w *writer) []string {
			var all []string
			for _, s := range group {
				all = append(all, "DELETE FROM "+s.t.ident()+" t WHERE "+w.these(s, g.in(s), "k.del")+g.returning(s))
			}
			return all
		}); err != nil {
			return err
		}
	}
	return g.maskAll(ctx, tx, r, res, true)
}

// maskAll masks the rows of all stops, those before or those after the deletions.
func (g *stage) maskAll(ctx context.Context, tx pgx.Tx, r *run, res *result, late bool) error {
	// What leads to a row may be masked, too: later stops go first.
	for _, s := range slices.Backward(g.p.stops) {
		if r.rows[s.i] == 0 || g.late(s) != late {
			continue
		}
		if err := g.mask(ctx, tx, r, res, s); err != nil {
			return err
		}
	}
	return nil
}

// late tells whether a stop is masked after the deletions, because its mask may
// move keys by which the rows that go were found: by a trigger, or by ON UPDATE
// CASCADE. Not where it lets go of a row that goes or asks such rows whose elements
// are whose, nor where the map names its table twice.
func (g *stage) late(s *stop) bool {
	masks := s.masks()
	masked := func(column string) bool {
		return slices.ContainsFunc(masks, func(m mask) bool { return m.column.name == column })
	}
	moves := len(s.t.triggers) > 0 || slices.ContainsFunc(s.t.children, func(k fkey) bool { return k.follows && slices.ContainsFunc(k.references, masked) })
	return moves && !slices.ContainsFunc(masks, func(m mask) bool { return m.column.class == classJSON || m.column.class == classArray }) &&
		!slices.ContainsFunc(g.p.stops, func(o *stop) bool {
			return o != s && o.t == s.t || slices.ContainsFunc(o.t.children, func(k fkey) bool { return k.child == s.t.oid && slices.ContainsFunc(k.columns, masked) })
		})
}

// mask masks the rows of one stop: those that stay, and what may be masked of
// those that a law keeps.
func (g *stage) mask(ctx context.Context, tx pgx.Tx, r *run, res *result, s *stop) error {
	one := func(name string, write func(*writer) string) error {
		return g.collect(ctx, tx, r, res, []*stop{s}, masked, name, func(w *writer) []string {
			return []string{write(w) + g.returning(s)}
		})
	}
	if len(s.masks()) > 0 && !g.sure(s).del && (g.slice == 0 || g.p.masksInSlices(s)) {
		if err := one(fmt.Sprintf("mask %d", s.i), func(w *writer) string {
			return "UPDATE " + s.t.ident() + " t SET " + w.masked(s, variant{}, g.in) + " WHERE " + w.these(s, g.in(s), s.toMask("k")) + " AND " + w.unmasked(s, variant{}, g.in, false)
		}); err != nil {
			return err
		}
	}
	if g.slice > 0 || !(&writer{p: g.p}).masksKept(s) {
		return nil
	}
	return one(fmt.Sprintf("mask kept %d", s.i), func(w *writer) string {
		sets, left := w.maskKept(s, variant{}, g.in), w.leftOfKept(s, variant{}, g.in, false)
		return "UPDATE " + s.t.ident() + " t SET " + sets + " WHERE " + w.these(s, g.in(s), s.keptRows("k")) + " AND " + left
	})
}

// returning gives the key of each row that is changed, where others may name it.
func (g *stage) returning(s *stop) string {
	if !s.named(g.p) {
		return " RETURNING 1"
	}
	return " RETURNING " + keyText(cols("t", s.key)) + " AS key"
}

// collect runs changes of several stops as one statement, and notes how many
// rows each changed and the keys that others could still name.
func (g *stage) collect(ctx context.Context, tx pgx.Tx, r *run, res *result, stops []*stop, what int, name string, write func(*writer) []string) error {
	st := g.p.statement("stage "+g.role+" "+name+g.name(), func() *statement {
		w := g.writer()
		var with, counts, keys []string
		for i, sql := range write(w) {
			with = append(with, fmt.Sprintf("c%d AS (%s)", i, sql))
			counts = append(counts, fmt.Sprintf("(SELECT count(*) FROM c%d)", i))
			if stops[i].named(g.p) {
				keys = append(keys, w.ownKeys(stops[i], fmt.Sprintf("c%d", i), g.in))
			}
		}
		named := "NULL::int4[], NULL::text[]"
		if len(keys) > 0 {
			with = append(with, fmt.Sprintf("named AS MATERIALIZED (SELECT * FROM (%s) n LIMIT %d)", strings.Join(keys, " UNION ALL "), maxKeys))
			named = "(SELECT array_agg(stop) FROM named), (SELECT array_agg(key) FROM named)"
		}
		return w.statement("WITH " + strings.Join(with, ", ") + " SELECT ARRAY[" + strings.Join(counts, ", ") + "]::int8[], " + named)
	})
	var counts []int64
	var at []int32
	var keys []string
	if err := tx.QueryRow(ctx, st.sql, st.args(r)...).Scan(&counts, &at, &keys); err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	for i, s := range stops {
		res.counts[s.i*tallied+what] += counts[i]
	}
	res.add(at, keys)
	return nil
}

// countedAtOnce is how many stops one statement counts: to plan it takes Postgres the
// square of that.
const countedAtOnce = 100

// count reads the tallies of a staged walk.
func (g *stage) count(ctx context.Context, tx pgx.Tx, r *run, t task) (*result, error) {
	res, err := g.countPart(ctx, tx, r, t, 0)
	if err != nil {
		return nil, err
	}
	for i := 1; i*countedAtOnce < len(g.p.stops); i++ {
		part, err := g.countPart(ctx, tx, r, t, i)
		if err != nil {
			return nil, err
		}
		res.join(part)
	}
	return res, nil
}

// countPart reads those of a part of the stops.
func (g *stage) countPart(ctx context.Context, tx pgx.Tx, r *run, t task, i int) (*result, error) {
	st := g.p.statement(fmt.Sprintf("stage %s count %s %d%s", g.role, t, i, g.name()), func() *statement {
		w := g.writer()
		w.part = g.p.stops[i*countedAtOnce : min((i+1)*countedAtOnce, len(g.p.stops))]
		xid, beyond, brakes := "''", []string{}, []string{}
		if t == toErase {
			xid = "pg_current_xact_id()::text"
		}
		if t != toFind {
			for _, b := range w.beyond(g.in) {
				beyond = append(beyond, "("+b.count+")")
			}
		}
		for _, b := range w.brakes(g.in) {
			brakes = append(brakes, "("+b.count+")")
		}
		stayed, columns := w.stayed(t, g.v, g.in)
		if stayed != "" {
			stayed = "WITH " + stayed + " "
		}
		tallies := strings.Join(w.tallies(t, g.in), ", ")
		return w.statement(stayed + "SELECT false, " + xid + ", ARRAY[" + tallies + "]::int8[], ARRAY[" +
			strings.Join(beyond, ", ") + "]::int8[], ARRAY[" + strings.Join(brakes, ", ") + "]::int8[], " + w.strayAddresses(t, g.in) + ", NULL::int4[], NULL::text[], " + columns + w.summed())
	})
	return read(ctx, tx, st, r)
}
