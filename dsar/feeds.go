package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// Where the data map has references from one source to another, a walk in one of
// them needs to know what the others reach: they tell each other linking values
// before each step (internal/source/fleet). For an erasure the values are kept,
// sealed, with the request: once the rows of one source are gone, nothing else
// leads to what is left in another.

// elsewhereLimit bounds how long an erasure in one source waits for word from
// the others when it knows what they said before.
const elsewhereLimit = 20 * time.Second

// keptFeeds is sealed in feeds.cipher of an erasure.
type keptFeeds struct {
	Feeds []source.Feed `json:"feeds"`
	// Ticked: gathered after the approval, from the ticked rows alone.
	Ticked bool `json:"ticked"`
}

// members are the sources linked with one in a plan, as far as values can be
// asked of them; nil when it stands alone.
func (s *Service) members(plan *datamap.Plan, src string) []fleet.Member {
	var members []fleet.Member
	for _, name := range fleet.Linked(plan, src) {
		if node, ok := s.c.Sources[name].(fleet.Node); ok {
			members = append(members, fleet.Member{Name: name, Node: node})
		}
	}
	if len(members) < 2 {
		return nil
	}
	return members
}

// fed puts into a walk in one source what the sources linked with it have to tell.
func (s *Service) fed(ctx context.Context, w source.Walk, h Holds, src string) (source.Walk, error) {
	members := s.members(w.Plan, src)
	if members == nil {
		return w, nil
	}
	var err error
	pg.Away(ctx, func() { w.Feeds, err = fleet.Gather(ctx, members, w, h) })
	if err != nil {
		return w, elsewhere(err)
	}
	return w, nil
}

func (s *Service) fedHolds(ctx context.Context, h Holds, src string) (Holds, error) {
	h.Walks = slices.Clone(h.Walks)
	for i, hw := range h.Walks {
		members := s.members(hw.Plan, src)
		if members == nil {
			continue
		}
		var feeds []source.Feed
		var err error
		pg.Away(ctx, func() { feeds, err = fleet.Gather(ctx, members, hw, Holds{}) })
		if err != nil {
			return h, elsewhere(err)
		}
		h.Walks[i].Feeds = feeds
	}
	return h, nil
}

// elsewhere names the source in which an exchange failed.
func elsewhere(err error) error {
	var m *fleet.MemberError
	if errors.As(err, &m) {
		return &sourceError{m.Member, m.Err}
	}
	return err
}

// fedErasure is fed for an erasure, of which parts may be done already, or
// cannot be reached: what was told before is not forgotten then.
func (s *Service) fedErasure(ctx context.Context, st stepRow, r requestRow, w source.Walk, h Holds) (source.Walk, Holds, error) {
	members := s.members(w.Plan, st.Source)
	h, err := s.fedHolds(ctx, h, st.Source)
	if err != nil || members == nil {
		return w, h, err
	}
	kept, err := s.keptFeeds(ctx, r)
	if err != nil {
		return w, h, err
	}
	begun, err := s.begun(ctx, r.ID)
	for err == nil {
		if w.Feeds = nil; begun {
			w.Feeds = kept.Feeds
		}
		var feeds []source.Feed
		pg.Away(ctx, func() { feeds, err = gatherSoon(ctx, members, w, h, kept.Ticked) })
		var m *fleet.MemberError
		if errors.As(err, &m) && m.Member != st.Source && kept.Ticked && ctx.Err() == nil {
			// That source waits; this one goes on with what it said before.
			w.Feeds = kept.Feeds
			return w, h, nil
		}
		if err != nil {
			return w, h, elsewhere(err)
		}
		// A note stands before its commit: what was read of rows that have
		// gone meanwhile was read after the note, and is read again.
		before := begun
		if begun, err = s.begun(ctx, r.ID); err == nil && begun == before {
			w.Feeds = feeds
			return w, h, s.keepFeeds(ctx, s.db, r.ID, keptFeeds{feeds, true})
		}
	}
	return w, h, err
}

func gatherSoon(ctx context.Context, members []fleet.Member, w source.Walk, h Holds, soon bool) ([]source.Feed, error) {
	if soon {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, elsewhereLimit)
		defer cancel()
	}
	return fleet.Gather(ctx, members, w, h)
}

// begun tells whether any source of an erasure may have lost rows already.
func (s *Service) begun(ctx context.Context, requestID int64) (begun bool, err error) {
	err = s.db.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM steps WHERE request_id = $1 AND stage = 'erase' AND (note_xid IS NOT NULL OR status = 'done'))`,
		requestID).Scan(&begun)
	if err != nil {
		return false, fmt.Errorf("steps of request %d: %w", requestID, pg.Clean(err))
	}
	return begun, nil
}

// keptFeeds are what the sources told for an erasure. What the discovery
// gathered serves after the approval, too, if no row was left unticked: else it
// may lead on from somebody else's.
func (s *Service) keptFeeds(ctx context.Context, r requestRow) (kept keptFeeds, err error) {
	var cipher []byte
	var left bool
	err = s.db.QueryRow(ctx, `
		SELECT cipher, EXISTS (SELECT FROM roots WHERE request_id = $1 AND proved AND ticked IS NOT TRUE)
		FROM feeds WHERE request_id = $1`, r.ID).Scan(&cipher, &left)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return kept, nil
	case err != nil:
		return kept, fmt.Errorf("feeds of request %d: %w", r.ID, pg.Clean(err))
	}
	if err := s.openJSON(place(feedsOf, r.ID), cipher, &kept); err != nil {
		return kept, err
	}
	if !kept.Ticked && left {
		return keptFeeds{}, nil
	}
	kept.Ticked = true
	return kept, nil
}

// keepFeeds seals what the sources told. It replaces what was kept: a gathering
// that may have missed rows that are gone has begun from that.
func (s *Service) keepFeeds(ctx context.Context, db pg.DB, requestID int64, kept keptFeeds) error {
	cipher, err := s.sealJSON(place(feedsOf, requestID), kept)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `
		INSERT INTO feeds (request_id, cipher) VALUES ($1, $2)
		ON CONFLICT (request_id) DO UPDATE SET cipher = excluded.cipher`, requestID, cipher)
	if err != nil {
		return fmt.Errorf("keep the feeds of request %d: %w", requestID, pg.Clean(err))
	}
	return nil
}

// concerns tells whether a walk may reach anything in one source: a ticked row
// there, or a value that leads there.
func concerns(w source.Walk, src string) bool {
	in := map[string]bool{}
	for _, v := range w.Plan.Visits {
		if v.Collection.Dataset.Source == src {
			in[v.Collection.FullName()] = true
		}
	}
	return slices.ContainsFunc(w.Roots, func(k source.RowKey) bool { return in[k.Collection] }) || fleet.Leads(w.Plan, w.Feeds, src)
}
