package shards

import (
	"context"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Naming asks all shards which of the keys their rows hold: a file that a row
// of any shard names stays.
func (s *Source) Naming(ctx context.Context, fields []*datamap.Field, keys []string) ([]string, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]string, error) { return d.Naming(ctx, fields, keys) })
	if err != nil {
		return nil, err
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all), nil
}
