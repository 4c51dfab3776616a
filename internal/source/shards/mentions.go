package shards

import (
	"context"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// SearchMentions goes through one shard after another. Its position is
// "searched,searched,shard/position there", shards by their stable names: one that
// is added, taken away or moved in the list meanwhile neither stops the search nor
// makes it pass another one over.
func (s *Source) SearchMentions(ctx context.Context, m source.Mentions, from string) (slice source.MentionSlice, err error) {
	names, place, _ := strings.Cut(from, "/")
	searched := strings.Split(names, ",")
	i := s.at(searched[len(searched)-1])
	searched = searched[:len(searched)-1]
	if i < 0 { // the first piece, or the shard is no longer in lethe.yaml
		if i, place = s.unsearched(searched), ""; i < 0 {
			return slice, nil
		}
	}
	if m.Own, err = fleet.Feed(ctx, s.members(), m.Own); err != nil {
		return slice, own(err)
	}
	err = s.turn(ctx, i, func() (err error) {
		slice, err = s.parts[i].Database.SearchMentions(ctx, m, place)
		return err
	})
	if err != nil || slice.Skipped != "" { // what one cannot search, the others cannot either
		return slice, err
	}
	searched = append(searched, s.parts[i].ID)
	if slice.Next == "" {
		if i = s.unsearched(searched); i < 0 {
			return slice, nil
		}
		searched = append(searched, s.parts[i].ID)
	}
	slice.Next = strings.Join(searched, ",") + "/" + slice.Next
	return slice, nil
}

// unsearched is the first shard that is not among those named; -1: none.
func (s *Source) unsearched(names []string) int {
	return slices.IndexFunc(s.parts, func(p Part) bool { return !slices.Contains(names, p.ID) })
}

// ReadMention reads the row from the shard that has it.
func (s *Source) ReadMention(ctx context.Context, m source.Mentions, key string) (read source.MentionText, found bool, err error) {
	for i := range s.parts {
		err = s.turn(ctx, i, func() (err error) {
			read, found, err = s.parts[i].Database.ReadMention(ctx, m, key)
			return err
		})
		if err != nil || found {
			break
		}
	}
	return read, found, err
}

// ChangeMention changes the row in the shard that has it: of rows without a key,
// which are known by their text, each that has one.
func (s *Source) ChangeMention(ctx context.Context, c source.MentionChange) (out source.MentionOutcome, err error) {
	if c.Holds.Walks, err = fleet.Feed(ctx, s.members(), c.Holds.Walks); err != nil {
		return out, own(err)
	}
	for i := range s.parts {
		err = s.turn(ctx, i, func() error {
			_, there, err := s.parts[i].Database.ReadMention(ctx, c.Mentions, c.Key)
			if err != nil || !there {
				return err
			}
			out, err = s.parts[i].Database.ChangeMention(ctx, c)
			return err
		})
		if err != nil || out.What == source.MentionRefused || out.What == source.MentionChanged {
			return out, err
		}
	}
	if out.What != "" {
		return out, nil
	}
	err = s.turn(ctx, 0, func() (err error) { // what that means, each can tell
		out, err = s.parts[0].Database.ChangeMention(ctx, c)
		return err
	})
	return out, err
}
