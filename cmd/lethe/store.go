package main

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
	"github.com/lethe-dsr/lethe/retention"
)

// A store is a source of database rows: one Postgres database, or several shards.
type store interface {
	dsar.Source
	dsar.Namer
	retention.Source
	retention.Looker
	fleet.Node
	Ping(ctx context.Context) error
	Check(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Doubt, error)
	Misfits(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Misfit, error)
	Lacks(ctx context.Context, plans []*datamap.Plan, sweeps []source.Selection, texts ...datamap.MentionField) ([]postgres.Doubt, error)
	Scopes(ctx context.Context, c *datamap.Collection, known []string) ([]string, error)
	Close()
}

var (
	_ store = (*postgres.Source)(nil)
	_ store = (*shards.Source)(nil)
)

// openStore opens a source of the configuration, without connecting.
func openStore(ctx context.Context, s config.Source, now func() time.Time) (store, error) {
	if len(s.Postgres) == 1 {
		return asStore(postgres.Open(ctx, s.Name, s.Postgres[0], postgres.Options{Now: now}))
	}
	return asStore(shards.Open(ctx, s.Name, s.Postgres, shards.Options{Postgres: postgres.Options{Now: now}}))
}

// asStore keeps a nil pointer from becoming a store that is not nil.
func asStore[S store](s S, err error) (store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// linkedSweeps tells the walks that keep rows from a sweep what other sources
// have to say of them: a hold on a person of one source holds what belongs to
// them in another.
type linkedSweeps struct {
	store
	all map[string]store
}

// Expired is retention.Source's.
func (l linkedSweeps) Expired(ctx context.Context, sel source.Selection, by string) (source.Expiry, error) {
	sel, err := l.fed(ctx, sel)
	if err != nil {
		return source.Expiry{}, err
	}
	return l.store.Expired(ctx, sel, by)
}

// Sweep is retention.Source's.
func (l linkedSweeps) Sweep(ctx context.Context, sel source.Selection, from string, limit int) (source.Slice, error) {
	sel, err := l.fed(ctx, sel)
	if err != nil {
		return source.Slice{}, err
	}
	return l.store.Sweep(ctx, sel, from, limit)
}

func (l linkedSweeps) fed(ctx context.Context, sel source.Selection) (source.Selection, error) {
	sel.Holds = slices.Clone(sel.Holds)
	for i, w := range sel.Holds {
		var members []fleet.Member
		for _, name := range fleet.Linked(w.Plan, sel.Collection.Dataset.Source) {
			if s, ok := l.all[name]; ok {
				members = append(members, fleet.Member{Name: name, Node: s})
			}
		}
		if len(members) < 2 {
			continue
		}
		feeds, err := fleet.Gather(ctx, members, w, source.Holds{})
		if err != nil {
			return sel, err
		}
		sel.Holds[i].Feeds = feeds
	}
	return sel, nil
}
