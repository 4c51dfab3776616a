package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Most erasures are of few rows, all of which go: nobody else's, kept and held by
// nothing. For these the rows need not be counted before they are deleted. They
// are deleted where they are found, and counted as they go; should there have
// been more than quickRows of them, all of it is rolled back and done again in the
// usual way. What that costs is bounded: no stop gives more than quickRows rows.
const quickRows = 1_000

// quick tells whether it is certain beforehand that all rows reached are deleted
// and that nothing else follows from it.
func (p *program) quick(v variant) bool {
	return remember(p, quickKey{v}, func() bool {
		if v.held || v.again || len(p.files()) > 0 {
			return false
		}
		all := p.certain(v, false)
		for _, s := range p.stops {
			if !all[s.i].mine || !all[s.i].del || !s.visit.Delete || !s.place || p.keeping(s) {
				return false
			}
		}
		f := p.foreseen(toErase, v)
		return len(p.stops) > 0 && len(f.beyond) == 0 && len(f.brakes) == 0
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
	v, above := c.v, c.r.above
	v.quick, c.r.above = true, min(above, quickRows)
	defer func() { c.r.above = above }()
	var res *result
	finished := false
	err = c.atOnce(ctx, conn, how, c.p.chain(toErase, v), func(row pgx.Row) (err error) {
		res, err = scan(row, c.r)
		return err
	}, func() error {
		if res.big {
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
