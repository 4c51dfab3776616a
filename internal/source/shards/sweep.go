package shards

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// NotHere is a retention rule that shards cannot carry out: trying again cannot mend it.
type NotHere struct{ Source, Why string }

func (e *NotHere) Error() string {
	return fmt.Sprintf("a rule over the shards of the source %s cannot %s: the rows that it would have to look at may lie in another shard. Name each shard as a source of its own for it, or leave that out of the rule", e.Source, e.Why)
}

// Permanent tells callers not to try again.
func (e *NotHere) Permanent() bool { return true }

// ready refuses what would need rows of two shards in one statement, and tells
// the walks that hold rows what other shards have to say.
func (s *Source) ready(ctx context.Context, sel source.Selection) (source.Selection, error) {
	if len(s.parts) > 1 && sel.Unless != nil {
		return sel, &NotHere{s.name, "say `unless`"}
	}
	if len(s.parts) > 1 && len(sel.ValueIn) > 0 {
		return sel, &NotHere{s.name, "replace values where else they stand (`value_in`)"}
	}
	var err error
	sel.Holds, err = fleet.Feed(ctx, s.members(), sel.Holds)
	return sel, own(err)
}

// Expired counts over all shards.
func (s *Source) Expired(ctx context.Context, sel source.Selection, by string) (source.Expiry, error) {
	sel, err := s.ready(ctx, sel)
	if err != nil {
		return source.Expiry{}, err
	}
	counts, err := ofEach(ctx, s, func(ctx context.Context, d Database) (source.Expiry, error) { return d.Expired(ctx, sel, by) })
	if err != nil {
		return source.Expiry{}, err
	}
	var sum source.Expiry
	for _, c := range counts {
		sum.Expired, sum.Held, sum.Total = sum.Expired+c.Expired, sum.Held+c.Held, sum.Total+c.Total
		for value, n := range c.By {
			if sum.By == nil {
				sum.By = map[string]int64{}
			}
			sum.By[value] += n
		}
	}
	return sum, nil
}

// Sweep goes through one shard after another: its position is "shard/position
// there", shards by their stable names.
func (s *Source) Sweep(ctx context.Context, sel source.Selection, from string, limit int) (source.Slice, error) {
	i, place := 0, ""
	if from != "" {
		id, rest, ok := strings.Cut(from, "/")
		if i = s.at(id); !ok || i < 0 {
			return source.Slice{}, fmt.Errorf("source %s: the shard where a sweep stood is no longer in lethe.yaml: the next sweep begins anew", s.name)
		}
		place = rest
	}
	sel, err := s.ready(ctx, sel)
	if err != nil {
		return source.Slice{}, err
	}
	var done source.Slice
	err = s.turn(ctx, i, func() (err error) {
		done, err = s.parts[i].Database.Sweep(ctx, sel, place, limit)
		return err
	})
	switch {
	case err != nil:
		return source.Slice{}, err
	case done.Next != "":
		done.Next = s.parts[i].ID + "/" + done.Next
	case i+1 < len(s.parts):
		done.Next = s.parts[i+1].ID + "/"
	}
	return done, nil
}

func (s *Source) at(id string) int {
	for i, p := range s.parts {
		if p.ID == id {
			return i
		}
	}
	return -1
}

// Elsewhere returns those of the fields in which some shard holds a value too.
func (s *Source) Elsewhere(ctx context.Context, sel source.Selection, valueColumn string, fields []*datamap.Field) ([]*datamap.Field, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]*datamap.Field, error) {
		return d.Elsewhere(ctx, sel, valueColumn, fields)
	})
	if err != nil {
		return nil, err
	}
	in := map[*datamap.Field]bool{}
	for _, l := range lists {
		for _, f := range l {
			in[f] = true
		}
	}
	var found []*datamap.Field
	for _, f := range fields {
		if in[f] {
			found = append(found, f)
		}
	}
	return found, nil
}

// Refused says why columns cannot take what would stand there, in any shard.
func (s *Source) Refused(ctx context.Context, sel source.Selection) ([]string, error) {
	lists, err := ofEach(ctx, s, func(ctx context.Context, d Database) ([]string, error) {
		return d.Refused(ctx, sel)
	})
	reasons := slices.Concat(lists...)
	slices.Sort(reasons)
	return slices.Compact(reasons), err
}

// Indexed tells whether every shard has an index that begins with the column,
// and how many rows there are in all.
func (s *Source) Indexed(ctx context.Context, c *datamap.Collection, column string) (bool, int64, error) {
	indexed, rows := make([]bool, len(s.parts)), make([]int64, len(s.parts))
	err := s.each(ctx, func(ctx context.Context, i int) (err error) {
		indexed[i], rows[i], err = s.parts[i].Database.Indexed(ctx, c, column)
		return err
	})
	all, sum := true, int64(0)
	for i := range s.parts {
		all, sum = all && indexed[i], sum+rows[i]
	}
	return all, sum, err
}
