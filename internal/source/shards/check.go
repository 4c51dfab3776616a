package shards

import (
	"context"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Check holds the data map against each shard, and keys of each against the
// others. A shard that cannot be asked is a doubt of its own: the others are
// told all the same.
func (s *Source) Check(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Doubt, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]postgres.Doubt, error) { return d.Check(ctx, m, policies...) })
	if err != nil {
		return nil, err
	}
	var all []postgres.Doubt
	for i, list := range lists {
		for _, d := range list {
			d.Subject = s.parts[i].Name + ": " + d.Subject
			all = append(all, d)
		}
	}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			if c.Skip || d.Source != "" && d.Source != s.name {
				continue
			}
			doubt, err := s.keysOf(ctx, c)
			if err != nil {
				return nil, err
			}
			all = append(all, doubt...)
		}
	}
	return all, nil
}

// Misfits are the fields that an erasure could not mask in one of the shards.
func (s *Source) Misfits(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Misfit, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]postgres.Misfit, error) {
		return d.Misfits(ctx, m, policies...)
	})
	if err != nil {
		return nil, err
	}
	var all []postgres.Misfit
	for _, list := range lists {
		for _, one := range list {
			if !slices.Contains(all, one) { // as a rule all shards have the same schema
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// Lacks are the rights that the roles of the shards do not have.
func (s *Source) Lacks(ctx context.Context, plans []*datamap.Plan, sweeps []source.Selection, texts ...datamap.MentionField) ([]postgres.Doubt, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]postgres.Doubt, error) {
		return d.Lacks(ctx, plans, sweeps, texts...)
	})
	if err != nil {
		return nil, err
	}
	var all []postgres.Doubt
	for i, list := range lists {
		for _, d := range list {
			d.Subject = s.parts[i].Name
			all = append(all, d)
		}
	}
	return all, nil
}

// sampled is how many keys of each shard are looked for in the others. Where
// shards count for themselves, all of them are there.
const sampled = 20

// keyed is what tells of keys; *postgres.Source does.
type keyed interface {
	// Keys returns the first keys of a collection, at most limit, or, where
	// among is not nil, those of them that are there.
	Keys(ctx context.Context, c *datamap.Collection, among []string, limit int) ([]string, error)
}

func (s *Source) keysOf(ctx context.Context, c *datamap.Collection) ([]postgres.Doubt, error) {
	for i, p := range s.parts {
		here, ok := p.Database.(keyed)
		if !ok {
			continue
		}
		keys, err := here.Keys(ctx, c, nil, sampled)
		if err != nil {
			return nil, &Error{p.Name, err}
		}
		for _, q := range s.parts[i+1:] {
			there, ok := q.Database.(keyed)
			if !ok || len(keys) == 0 {
				continue
			}
			twice, err := there.Keys(ctx, c, keys, sampled)
			if err != nil {
				return nil, &Error{q.Name, err}
			}
			if len(twice) > 0 {
				return []postgres.Doubt{{Level: postgres.Doubtful, Subject: p.Name + ": " + c.FullName(),
					Sentence: "rows with the same key stand in " + q.Name + ", too: where they are not copies of one row, Lethe would take what belongs to one for the other's",
					Do:       "make keys unique over all shards, or name each shard as a source of its own, with a dataset of its own"}}, nil
			}
		}
	}
	return nil, nil
}

// Scopes lists the controllers that any shard knows and that are none of known.
func (s *Source) Scopes(ctx context.Context, c *datamap.Collection, known []string) ([]string, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]string, error) { return d.Scopes(ctx, c, known) })
	if err != nil {
		return nil, err
	}
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(lists...))))
	return all[:min(len(all), postgres.MaxScopes)], nil
}
