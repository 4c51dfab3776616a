package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Most erasures are of few rows, all of which go: nobody else's, kept and held by
// nothing. For these the rows need not be counted before they are deleted. They
// are deleted where they are found, and counted as they go; should there have
// been more than quickRows of them, all of it is rolled back and done again in the
// usual way. What that costs is bounded: no stop gives more than quickRows rows.
const quickRows = 200

// quick tells whether it is certain beforehand that all rows reached are deleted
// and that nothing else follows from it.
func (p *program) quick(v variant) bool {
	return remember(p, quickKey{v}, func() bool {
		if v.held || v.again || len(p.files()) > 0 {
			return false
		}
		all := p.certain(v, false)
		for _, s := range p.stops {
			if !all[s.i].mine || !all[s.i].del || !s.visit.Delete || !s.place || p.keeping(s) || !p.once(s) {
				return false
			}
		}
		f := p.foreseen(toErase, v)
		return len(p.stops) > 0 && len(f.beyond) == 0 && len(f.brakes) == 0
	})
}

// once tells whether it is certain that each row of a stop is reached once: then
// as many go as were found, and none is overlooked among doubles. Where several
// ways lead to it (reach) they are sorted out. Of texts Postgres may hold two for
// equal that differ, and the elements of an array may name one row twice.
func (p *program) once(s *stop) bool {
	if len(s.visit.Seeds)+len(s.links) != 1 || len(s.links) == 0 {
		return true
	}
	return !slices.ContainsFunc(p.strands(s.links[0]), func(t strand) bool {
		exact := t.from.class == classInt || t.from.class == classUUID
		return !exact || t.from.class != t.to.class || t.from.place != nil || t.to.place != nil
	})
}

// quickly tries that way. tried is false where it was not the way, or not enough:
// then nothing was changed.
//
// A foreign key that is violated at the statement's end is no error yet: either
// there were more rows than the statement takes, or one came meanwhile. Both are
// seen, and told, in the usual way.
func (c *carriage) quickly(ctx context.Context, conn *pgxpool.Conn, how string, finish func(pg.DB, *result) error) (tried bool, err error) {
	if len(c.holdings) > 0 || !c.p.quick(c.v) {
		return false, nil
	}
	above := c.r.above
	c.r.above = min(above, quickRows)
	defer func() { c.r.above = above }()
	var res *result
	finished := false
	err = c.atOnce(ctx, conn, how, c.p.quickChain(c.v), func(row pgx.Row) (err error) {
		res, err = c.p.quickResult(row)
		return err
	}, func() error {
		if res.total() > c.r.above {
			return errBig
		}
		finished = true
		return finish(conn, res)
	})
	if !finished && (errors.Is(err, errBig) || pg.Code(err) == "23503") {
		return false, nil
	}
	return true, err
}

// quickChain writes the statement: the walk, a DELETE for each stop, and in the end
// the transaction's number, how many rows went of the stops whose rows nobody names,
// and the keys of those that went of each other stop.
func (p *program) quickChain(v variant) *statement {
	return p.statement("quick"+v.name(), func() *statement {
		w := &writer{p: p, certain: p.certain(v, false), v: v}
		limit := " LIMIT " + w.bind("above", func(r *run) any { return r.above }) + "::int8 + 1"
		var with, counts, keys []string
		places := make([]string, len(p.stops)) // of the rows reached
		for _, s := range p.stops {
			if w.placesOnly = !p.leads(s) && len(s.visit.Seeds)+len(s.links) == 1; w.placesOnly {
				places[s.i] = "SELECT k.place FROM (" + w.reach(s, w.arms(s, v, reachedIn)) + ") k" + limit
				continue
			}
			with = append(with, reachedIn(s)+" AS MATERIALIZED (SELECT l.* FROM ("+w.reach(s, w.arms(s, v, reachedIn))+") l"+limit+")")
			places[s.i] = "SELECT k.place FROM " + reachedIn(s) + " k"
		}
		w.placesOnly = false
		for _, s := range p.stops {
			e, back := fmt.Sprintf("e%d", s.i), "1"
			if s.named(p) {
				back = keyText(cols("t", s.key)) + " AS key"
				keys = append(keys, "(SELECT array_agg(key) FROM "+e+")")
			} else {
				counts = append(counts, "(SELECT count(*) FROM "+e+")")
			}
			with = append(with, e+" AS (DELETE FROM "+s.t.ident()+" t WHERE t.ctid = ANY(ARRAY("+places[s.i]+")) RETURNING "+back+")")
		}
		list := append([]string{"pg_current_xact_id()::text", "ARRAY[" + strings.Join(counts, ", ") + "]::int8[]"}, keys...)
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT " + strings.Join(list, ", "))
	})
}

// A quickEnd is how the rows of a stop come back.
type quickEnd struct {
	collection string
	named      bool
}

func (p *program) quickEnds() []quickEnd {
	return remember(p, endsKey{}, func() []quickEnd {
		all := make([]quickEnd, len(p.stops))
		for _, s := range p.stops {
			all[s.i] = quickEnd{s.c.FullName(), s.named(p)}
		}
		return all
	})
}

// quickResult reads what that comes back with.
func (p *program) quickResult(row pgx.Row) (*result, error) {
	res := &result{p: p, counts: make([]int64, len(p.stops)*tallied)}
	var counts []int64
	keys := make([][]string, len(p.stops))
	into := []any{&res.xid, &counts}
	ends := p.quickEnds()
	for _, s := range p.stops {
		if ends[s.i].named {
			into = append(into, &keys[s.i])
		}
	}
	if err := row.Scan(into...); err != nil {
		return nil, fmt.Errorf("walk: %w", err)
	}
	for _, s := range p.stops {
		var n int64
		if ends[s.i].named {
			n = int64(len(keys[s.i]))
		} else {
			n, counts = counts[0], counts[1:]
		}
		res.counts[s.i*tallied+mine], res.counts[s.i*tallied+deleted] = n, n
		for _, k := range keys[s.i] {
			res.keys = append(res.keys, source.RowKey{Collection: ends[s.i].collection, Key: k})
		}
	}
	return res, nil
}
