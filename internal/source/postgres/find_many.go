package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/source"
)

// FindMany finds for many walks what Find finds for each, those that are alike by
// one statement. It leaves alone (nil) what is not simple: a walk that reaches
// shared rows, more root rows than are listed, or a plan whose ways are not plain.
func (s *Source) FindMany(ctx context.Context, walks []source.Walk) []*source.Found {
	found := make([]*source.Found, len(walks))
	groups, _ := s.alike(walks)
	for _, group := range groups {
		s.findOf(ctx, walks, group, found)
	}
	return found
}

// findOf finds for some walks, and where they reach too much for each half.
func (s *Source) findOf(ctx context.Context, walks []source.Walk, of []int, found []*source.Found) {
	if len(of) < 2 || ctx.Err() != nil {
		return
	}
	big := false
	_ = s.on(ctx, func(conn *pgxpool.Conn) error { // of another error Find tells
		c, err := s.ready(ctx, conn, walks[of[0]], source.Holds{})
		if err != nil || !c.p.plain() || c.staged() {
			return err
		}
		c.r.above = s.carried(len(of))
		for _, i := range of {
			c.r.batch = append(c.r.batch, newRun(walks[i], 0))
		}
		var t many
		return c.atOnce(ctx, conn, reading, c.p.findChain(c.v), t.scan, func() error {
			if big = t.big; big {
				return errBig
			}
			roots, err := c.rootsOfMany(ctx, conn, c.v)
			if err != nil {
				return err
			}
			for n, f := range t.found(c.p, s.name, len(of)) {
				if f != nil && len(roots[n]) < source.MaxRoots {
					f.Roots = roots[n]
					found[of[n]] = f
				}
			}
			return nil
		})
	})
	if big {
		s.findOf(ctx, walks, of[:len(of)/2], found)
		s.findOf(ctx, walks, of[len(of)/2:], found)
	}
}

// many is the one row that many walks come back with.
type many struct {
	big       bool
	special   []int32
	of, stop  []int32 // of each count: which walk, which stop
	reached   []int64
	addressOf []int32
	addresses []string
}

func (t *many) scan(row pgx.Row) error {
	if err := row.Scan(&t.big, &t.special, &t.of, &t.stop, &t.reached, &t.addressOf, &t.addresses); err != nil {
		return fmt.Errorf("walk for many: %w", err)
	}
	return nil
}

// found sorts the counts under the walks; nil are those that are not simple.
func (t *many) found(p *program, name string, n int) []*source.Found {
	all := make([]*source.Found, n)
	results := make([]*result, n)
	for i := range results {
		results[i] = &result{p: p, counts: make([]int64, len(p.stops)*tallied)}
		all[i] = &source.Found{}
	}
	for i, of := range t.of {
		results[of].counts[int(t.stop[i])*tallied+mine] = t.reached[i]
	}
	for i, of := range t.addressOf {
		if f := all[of]; len(f.Reached) < maxAddresses {
			f.Reached = append(f.Reached, t.addresses[i])
		}
	}
	for i, f := range all {
		f.Findings = results[i].findings(name)
	}
	for _, i := range t.special {
		all[i] = nil
	}
	return all
}

// findChain is the walks of a batch with what Find counts of them.
func (p *program) findChain(v variant) *statement {
	return p.statement("chain of many"+v.name(), func() *statement {
		w := &writer{p: p}
		with := w.walkedByMany(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		cte("special", "SELECT DISTINCT r FROM ("+strings.Join(w.sharedByMany(v, false), " UNION ALL ")+") n WHERE NOT (SELECT yes FROM big)")
		counts, stray := []string{"SELECT 0 AS r, 0 AS stop, 0::int8 AS reached WHERE false"}, []string{"SELECT 0 AS r, '' AS a WHERE false"}
		for _, s := range p.stops {
			counts = append(counts, fmt.Sprintf("SELECT k.r, %d AS stop, count(*) AS reached FROM %s k GROUP BY k.r", s.i, reachedIn(s)))
			for _, f := range s.addresses() {
				c := p.columnOf(f)
				values, more := spread([]*column{c}, func(c *column) string { return "k." + s.f(c.name) })
				stray = append(stray, "SELECT k.r, "+values[0]+"::text AS a FROM "+reachedIn(s)+" k"+more+" WHERE NOT k.seed AND "+c.leads(values[0]))
			}
		}
		cte("counted", "SELECT * FROM ("+strings.Join(counts, " UNION ALL ")+") n WHERE NOT (SELECT yes FROM big)")
		cte("stray", "SELECT DISTINCT q.r, q.a FROM ("+strings.Join(stray, " UNION ALL ")+") q WHERE NOT (SELECT yes FROM big) ORDER BY q.r, q.a")
		all := func(what, from string) string { return "ARRAY(SELECT " + what + " FROM " + from + ")" }
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT (SELECT yes FROM big), " + all("r", "special") + ", " +
			all("r", "counted") + ", " + all("stop", "counted") + ", " + all("reached", "counted") + ", " + all("r", "stray") + ", " + all("a", "stray"))
	})
}

// rootsOfMany lists the rows that the seeds of each walk of a batch matched, as
// roots does.
func (c *carriage) rootsOfMany(ctx context.Context, conn *pgxpool.Conn, v variant) ([][]source.Root, error) {
	all := make([][]source.Root, len(c.r.batch))
	for _, at := range c.p.stops {
		if len(at.visit.Seeds) == 0 {
			continue
		}
		if err := c.rootsOfManyAt(ctx, conn, at, v, all); err != nil {
			return nil, fmt.Errorf("list the root rows of %s: %w", at.c.FullName(), err)
		}
	}
	for _, roots := range all {
		slices.SortStableFunc(roots, func(a, b source.Root) int {
			return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Key, b.Key))
		})
	}
	return all, nil
}

func (c *carriage) rootsOfManyAt(ctx context.Context, conn *pgxpool.Conn, at *stop, v variant, all [][]source.Root) error {
	shown := c.p.shownOf(at)
	st := c.p.statement(fmt.Sprintf("roots of many %d%s", at.i, v.name()), func() *statement {
		w := &writer{p: c.p}
		values := make([]string, len(shown))
		for i, f := range shown {
			values[i] = w.shown(at, f) // no seed of a batch ends inside a document or array (see plain)
		}
		arms := make([]string, len(at.visit.Seeds))
		for i, seed := range at.visit.Seeds {
			arms[i] = w.matchedByMany(at, v, seed, fmt.Sprintf("%d AS seed, %s AS key, ARRAY[%s]::text[] AS shown", i, keyText(at.tableIDs()), strings.Join(values, ", ")))
		}
		return w.statement("SELECT * FROM (" + strings.Join(arms, " UNION ALL ") + ") q ORDER BY r, key")
	})
	rows, err := conn.Query(ctx, st.sql, st.args(c.r)...)
	if err != nil {
		return err
	}
	type matched struct {
		of    int32
		key   string
		by    []bool
		shown []*string
	}
	var list []matched // of one row, as many as seeds matched it, one after the other
	var of, seed int32
	var key string
	var values []*string
	_, err = pgx.ForEachRow(rows, []any{&of, &seed, &key, &values}, func() error {
		if n := len(list); n == 0 || list[n-1].of != of || list[n-1].key != key {
			list = append(list, matched{of, key, make([]bool, len(at.visit.Seeds)), slices.Clone(values)})
		}
		list[len(list)-1].by[seed] = true
		return nil
	})
	for _, m := range list {
		all[m.of] = append(all[m.of], c.root(at, m.key, m.by, shown, m.shown))
	}
	return err
}
