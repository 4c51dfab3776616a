package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/source"
)

// reached are the keys, by collection, that the walks of a selection's holds
// reach: rows under a hold and rows of open requests, shared ones too. Only the
// collections that the sweep may change are looked for.
//
// Each walk is a transaction of its own, before the sweep's: key tables cannot
// be made inside a transaction that reads only.
func (s *Source) reached(ctx context.Context, conn *pgxpool.Conn, sel source.Selection) (map[string][]string, error) {
	keys := map[string][]string{}
	if len(sel.Holds) == 0 {
		return keys, nil
	}
	wanted := map[string]bool{sel.Collection.FullName(): true}
	for _, full := range sel.ValueIn {
		if dot := strings.LastIndex(full, "."); dot > 0 {
			wanted[full[:dot]] = true
		}
	}
	for _, w := range sel.Holds {
		p, err := s.program(ctx, conn, w.Plan)
		if err != nil {
			return nil, fmt.Errorf("a walk that holds rows: %w", err)
		}
		if len(p.stops) == 0 {
			continue
		}
		if w, err = spelt(ctx, conn, w); err != nil {
			return nil, err
		}
		r := newRun(w, s.o.StagedAbove)
		r.p = p
		if r.above < 0 {
			r.above = math.MaxInt64
		}
		found, err := s.walkKeys(ctx, conn, p, r, wanted)
		if err != nil {
			return nil, fmt.Errorf("a walk that holds rows: %w", err)
		}
		for _, k := range found {
			if wanted[k.Collection] {
				keys[k.Collection] = append(keys[k.Collection], k.Key)
			}
		}
	}
	return keys, nil
}

// walkKeys carries out a walk for its keys: as one statement where that may be, else staged.
func (s *Source) walkKeys(ctx context.Context, conn *pgxpool.Conn, p *program, r *run, wanted map[string]bool) (found []source.RowKey, err error) {
	v := variant{restricted: r.walk.Restricted}
	if p.always == "" {
		var res *result
		err := s.inTx(ctx, conn, reading, func(tx pgx.Tx) (err error) {
			res, err = read(ctx, tx, p.chain(toHold, v), r)
			return err
		})
		if err != nil || !res.big {
			if err != nil {
				return nil, err
			}
			return res.keys, nil
		}
	}
	g := p.stage("h")
	if err := g.prepare(ctx, s, conn); err != nil {
		return nil, err
	}
	err = s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		if err := g.fill(ctx, tx, r, v); err != nil {
			return err
		}
		for _, at := range p.stops {
			full := at.c.FullName()
			if !wanted[full] || r.rows[at.i] == 0 {
				continue
			}
			rows, err := tx.Query(ctx, "SELECT "+keyText(at.fs("k", at.ids()))+" FROM "+g.in(at)+" k")
			if err != nil {
				return err
			}
			var key string
			if _, err := pgx.ForEachRow(rows, []any{&key}, func() error {
				found = append(found, source.RowKey{Collection: full, Key: key})
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}
