package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// DryRun tells what Erase would do now, in one read-only snapshot: the counts
// that it would note, or the error by which it would refuse. What only a change
// itself brings up (a trigger that raises, a constraint that a mask breaks) it
// cannot know; `datamap check` looks for that.
func (s *Source) DryRun(ctx context.Context, w source.Walk, h source.Holds) (would []source.Finding, err error) {
	defer func() { err = s.failed("erase (dry run)", err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, w, h)
		if err != nil || len(c.p.stops) == 0 {
			return err
		}
		return c.do(ctx, conn, reading, toTry, func(_ pg.DB, res *result) error {
			would = res.findings(s.name)
			return nil
		})
	})
	return would, err
}
