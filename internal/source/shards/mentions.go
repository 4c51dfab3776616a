package shards

import (
	"context"
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// SearchMentions goes through one shard after another: its position is
// "shard/position there", shards by their stable names.
func (s *Source) SearchMentions(ctx context.Context, m source.Mentions, from string) (slice source.MentionSlice, err error) {
	i, place := 0, ""
	if from != "" {
		id, rest, ok := strings.Cut(from, "/")
		if i = s.at(id); !ok || i < 0 {
			return slice, fmt.Errorf("source %s: the shard where a search stood is no longer in lethe.yaml", s.name)
		}
		place = rest
	}
	if m.Own, err = fleet.Feed(ctx, s.members(), m.Own); err != nil {
		return slice, own(err)
	}
	err = s.turn(ctx, i, func() (err error) {
		slice, err = s.parts[i].Database.SearchMentions(ctx, m, place)
		return err
	})
	switch {
	case err != nil || slice.Skipped != "": // what one cannot search, the others cannot either
	case slice.Next != "":
		slice.Next = s.parts[i].ID + "/" + slice.Next
	case i+1 < len(s.parts):
		slice.Next = s.parts[i+1].ID + "/"
	}
	return slice, err
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

// ChangeMention changes the row in the shard that has it. Where none has, it is gone.
func (s *Source) ChangeMention(ctx context.Context, c source.MentionChange) (out source.MentionOutcome, err error) {
	if c.Holds.Walks, err = fleet.Feed(ctx, s.members(), c.Holds.Walks); err != nil {
		return out, own(err)
	}
	for i := range s.parts {
		var there bool
		err = s.turn(ctx, i, func() (err error) {
			_, there, err = s.parts[i].Database.ReadMention(ctx, c.Mentions, c.Key)
			if err != nil || !there {
				return err
			}
			out, err = s.parts[i].Database.ChangeMention(ctx, c)
			return err
		})
		if err != nil || there {
			return out, err
		}
	}
	if c.Delete {
		return source.MentionOutcome{What: source.MentionDeleted}, nil
	}
	return source.MentionOutcome{What: source.MentionGone}, nil
}
