package shards_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// texts is a shard whose column is searched in two pieces, each with one mention.
type texts struct {
	shards.Database
	name string
}

func (x texts) SearchMentions(_ context.Context, _ source.Mentions, from string) (source.MentionSlice, error) {
	if from == "" {
		return source.MentionSlice{Found: []source.Mention{{Key: x.name + "1"}}, Next: "8:16"}, nil
	}
	return source.MentionSlice{Found: []source.Mention{{Key: x.name + "2"}}}, nil
}

func textsIn(t *testing.T, names string) *shards.Source {
	t.Helper()
	var parts []shards.Part
	for _, n := range strings.Fields(names) {
		parts = append(parts, shards.Part{Name: n, ID: n, Server: n, Database: texts{name: n}})
	}
	s, err := shards.New("shop", parts, shards.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The list of shards changes while a search stands between its pieces: what is
// still in it is searched to its end, in whatever order, and the search ends.
func TestMentionsWhileShardsChange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pieces      int // that were searched before
		after, want string
	}{
		"nothing changes":                     {3, "a b c", "a1 a2 b1 b2 c1 c2"},
		"turned round":                        {3, "c b a", "a1 a2 b1 b2 c1 c2"},
		"one is added in front":               {3, "d a b c", "a1 a2 b1 b2 d1 d2 c1 c2"},
		"where it stood is gone":              {3, "a c", "a1 a2 b1 c1 c2"},
		"where it stood is gone, and the end": {5, "a b", "a1 a2 b1 b2 c1"},
		"one that was searched is gone":       {2, "b c", "a1 a2 b1 b2 c1 c2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := textsIn(t, "a b c")
			var found []string
			for n, from := 0, ""; ; n++ {
				if n == tc.pieces {
					s = textsIn(t, tc.after)
				}
				slice, err := s.SearchMentions(t.Context(), source.Mentions{}, from)
				if err != nil {
					t.Fatalf("expected the search to go on after %v, got %v", found, err)
				}
				for _, f := range slice.Found {
					found = append(found, f.Key)
				}
				if from = slice.Next; from == "" {
					break
				}
			}
			if got := strings.Join(found, " "); got != tc.want {
				t.Errorf("expected %s to be found, got %s", tc.want, got)
			}
		})
	}
}
