package dsar

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// openSeeds bounds one walk of OpenWalks.
const openSeeds = 200

// OpenWalks are the walks of open requests: no sweep may touch their rows,
// because a copy that is asked for today must not be thinned out before it is
// made. They start from every identity, proved or not, and from picked rows, and
// go where an access request goes, which is the widest plan. Open requests of one
// controller walk together: what they reach is the union, and a sweep asks for
// nothing else.
func (s *Service) OpenWalks(ctx context.Context) ([]source.Walk, error) {
	rows, err := s.db.Query(ctx, `
		SELECT i.id, i.type, i.cipher, r.id AS request_id, r.controller
		FROM requests r JOIN identities i ON i.request_id = r.id
		WHERE r.status IN ('received', 'in_review', 'running') AND i.cipher IS NOT NULL
		ORDER BY r.controller, i.id`)
	if err != nil {
		return nil, fault("walks of open requests", err)
	}
	type row struct {
		ID         int64
		Type       string
		Cipher     []byte
		RequestID  int64
		Controller string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fault("walks of open requests", err)
	}
	seeds := map[string][]source.Seed{}
	var controllers []string
	for _, x := range list {
		value, err := s.c.Keys.Open(x.Cipher, place(identityOf, x.ID))
		if err != nil {
			return nil, fmt.Errorf("open identity %d: %w", x.ID, err)
		}
		if seeds[x.Controller] == nil {
			controllers = append(controllers, x.Controller)
		}
		seed := s.seed(Identity{Type: x.Type, Value: string(value)})
		if _, err := s.plan(datamap.Access, "", []string{seed.Type}); err != nil {
			return nil, fmt.Errorf("nothing may expire while rows of request %d are not known, and the data map no longer knows what it starts from; "+
				"end the request, or put that back into the map: %w", x.RequestID, err)
		}
		if !slices.Contains(seeds[x.Controller], seed) {
			seeds[x.Controller] = append(seeds[x.Controller], seed)
		}
	}
	var walks []source.Walk
	for _, c := range controllers {
		for part := range slices.Chunk(seeds[c], openSeeds) {
			w, err := s.walk(requestRow{Controller: c, Kind: datamap.Access}, part)
			if err != nil {
				return nil, fmt.Errorf("walk of the open requests of %s: %w", c, err)
			}
			walks = append(walks, w)
		}
	}
	return walks, nil
}
