package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Outcome tells what became of a transaction noted earlier. Postgres remembers
// until it freezes old transaction ids; what it has forgotten, or a number that
// this server has never given, is Unknown.
func (s *Source) Outcome(ctx context.Context, xid string) (source.Outcome, error) {
	var status *string
	err := s.pool.QueryRow(ctx, `SELECT pg_xact_status($1::text::xid8)`, xid).Scan(&status)
	switch {
	case pg.Code(err) == "22023": // "transaction ID … is in the future": another server, or one restored
		return source.Unknown, nil
	case err != nil:
		return "", s.failed("ask for a transaction's outcome", err)
	case status == nil:
		return source.Unknown, nil
	}
	switch *status {
	case "committed":
		return source.Committed, nil
	case "aborted":
		return source.Aborted, nil
	case "in progress":
		return source.InProgress, nil
	}
	return "", fmt.Errorf("source %s: Postgres gave an outcome that is not known", s.name)
}

// Look looks again after an erasure, in a new transaction: by the seeds and by
// the keys of the rows erased. It walks as the erasure did, with the erased
// rows leading on as if they were there, and counts what the policy would still
// delete or mask: not what is shared, held, or must stay for a row that stays.
func (s *Source) Look(ctx context.Context, w source.Walk, h source.Holds, erased []source.RowKey) (left source.Remainder, err error) {
	defer func() { err = s.failed("look again", err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, w, h)
		if err != nil || len(c.p.stops) == 0 {
			return err
		}
		c.v.again = true
		c.r.erased = byCollection(erased)
		return c.do(ctx, conn, looking, toLook, func(tx pg.DB, res *result) error {
			left = source.Remainder{}
			for _, at := range c.p.stops {
				n := res.counts[at.i*tallied:]
				left.Findings = append(left.Findings, source.Finding{Source: s.name, Collection: at.c.FullName(), Rows: n[deleted] + n[masked]})
			}
			if !w.Restricted {
				return nil // every row that a seed matches is ticked
			}
			left.Roots, err = c.newRoots(ctx, tx)
			return err
		})
	})
	return left, err
}

// newRoots are the rows that seeds match though the walk does not list them.
func (c *carriage) newRoots(ctx context.Context, tx pg.DB) ([]source.Root, error) {
	all, err := c.roots(ctx, tx, variant{})
	if err != nil {
		return nil, err
	}
	listed := listing(c.r.walk)
	var left []source.Root
	for _, r := range all {
		if !listed[r.RowKey] {
			left = append(left, r)
		}
	}
	return left, nil
}

// listing is the set of root rows that a walk may take.
func listing(w source.Walk) map[source.RowKey]bool {
	listed := make(map[source.RowKey]bool, len(w.Roots))
	for _, k := range w.Roots {
		listed[k] = true
	}
	return listed
}
