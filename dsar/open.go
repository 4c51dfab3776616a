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
// made. They start from every identity, proved or not, and go where an access
// request goes, which is the widest plan. Open requests of one controller walk
// together: what they reach is the union, and a sweep asks for nothing else.
func (s *Service) OpenWalks(ctx context.Context) ([]source.Walk, error) {
	rows, err := s.db.Query(ctx, `
		SELECT i.id, i.type, i.cipher, r.controller
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
		seed := source.Seed{Type: x.Type, Value: string(value)}
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
