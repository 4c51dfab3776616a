package retention

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// protection is what no sweep may touch at a moment: rows under a hold, and the
// rows of open requests. (Somebody who asked what is kept about them must not
// have it deleted under their request.)
type protection struct {
	at     time.Time
	state  string // of the holds table, to see that it changed
	walks  []source.Walk
	rows   []source.RowKey
	scopes map[string][]string // collection -> controllers' values, all of whose rows are held
}

// protect reads what is held; before is kept while it is fresh and no hold was
// placed or released since.
func (s *Service) protect(ctx context.Context, db pg.DB, before *protection) (*protection, error) {
	var state string
	if err := db.QueryRow(ctx, `SELECT count(*) || '/' || count(released_at) FROM holds`).Scan(&state); err != nil {
		return nil, err
	}
	now := s.c.Now()
	if before != nil && before.state == state && now.Sub(before.at) < heldFor {
		return before, nil
	}
	p := &protection{at: now, state: state, scopes: map[string][]string{}}
	list, err := s.loadHolds(ctx, db, nil, false)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if err := s.clear(h); err != nil {
			return nil, err
		}
		switch {
		case h.Type != "":
			w, err := s.holdWalk(h)
			if err != nil {
				return nil, err
			}
			p.walks = append(p.walks, w)
		case h.Value != "":
			p.rows = append(p.rows, source.RowKey{Collection: h.Collection, Key: h.Value})
		default:
			i := slices.IndexFunc(s.c.Controllers, func(c Controller) bool { return c.Key == h.Controller })
			if i < 0 {
				// Its controller left the configuration; what it held stays held, for all.
				return nil, fmt.Errorf("hold %d is of controller %q, which the configuration does not have: release the hold or bring the controller back", h.ID, h.Controller)
			}
			p.scopes[h.Collection] = append(p.scopes[h.Collection], s.c.Controllers[i].Scope)
		}
	}
	if s.c.Requests != nil {
		open, err := s.c.Requests.OpenWalks(ctx)
		if err != nil {
			return nil, fmt.Errorf("rows of open requests: %w", err)
		}
		p.walks = append(p.walks, open...)
	}
	return p, nil
}

// shield adds to a selection what of the protection concerns it.
func (p *protection) shield(sel source.Selection) source.Selection {
	touched := map[string]bool{sel.Collection.FullName(): true}
	for _, full := range sel.ValueIn {
		touched[full[:strings.LastIndex(full, ".")]] = true
	}
	for _, w := range p.walks {
		if w.Plan != nil && slices.ContainsFunc(w.Plan.Visits, func(v *datamap.Visit) bool { return touched[v.Collection.FullName()] }) {
			sel.Holds = append(sel.Holds, w)
		}
	}
	for _, r := range p.rows {
		switch {
		case r.Collection == sel.Collection.FullName():
			sel.HeldRows = append(sel.HeldRows, r.Key)
			if touchesItself(sel) {
				sel.HeldOthers = append(sel.HeldOthers, r)
			}
		case touched[r.Collection]:
			sel.HeldOthers = append(sel.HeldOthers, r)
		}
	}
	for c, scopes := range p.scopes {
		if touched[c] {
			sel.HeldScopes = append(sel.HeldScopes, scopes...)
		}
	}
	return sel
}

// touchesItself: values are replaced in other rows of the same collection, too.
func touchesItself(sel source.Selection) bool {
	return slices.ContainsFunc(sel.ValueIn, func(full string) bool {
		return full[:strings.LastIndex(full, ".")] == sel.Collection.FullName()
	})
}
