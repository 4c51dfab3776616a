package shards

import (
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A shard sees only its own rows: of strangers who share a value, it sees its
// share. So each one counts to its part of what is allowed, and what any of
// them finds crowded leads nowhere in all (source.Feed). Where strangers' rows
// stand in few shards, that stops earlier than one database would.

// share is a shard's part of the rows of others that may hold a value.
func share(allowed int64, shards int) int64 {
	if allowed < 0 || shards == 0 {
		return allowed
	}
	if allowed == 0 {
		allowed = postgres.DefaultOverShared
	}
	return max(allowed/int64(shards), 1)
}

// braked are the links of this source over which a walk does not go on with some
// values, by what its shards told each other.
func (s *Source) braked(w source.Walk) (braked []source.Brake, links []string) {
	for _, v := range w.Plan.Visits {
		for _, l := range v.Links {
			if n := crowded(w.Feeds, l); n > 0 && l.From.Collection.Dataset.Source == s.name {
				b := source.Brake{Source: s.name, From: l.From.FullName(), To: l.To.FullName(), Values: n}
				braked, links = append(braked, b), append(links, b.From+" → "+b.To)
			}
		}
	}
	return braked, links
}

func crowded(feeds []source.Feed, l datamap.Link) int64 {
	from, to := l.Ends()
	i := slices.IndexFunc(feeds, func(f source.Feed) bool { return f.From == from && f.To == to })
	if i < 0 {
		return 0
	}
	return int64(len(feeds[i].Crowded))
}
