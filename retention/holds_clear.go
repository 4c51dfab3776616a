package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// An UnclearHold is a hold of which the data map no longer tells what it keeps: its
// collection or type of identity is not there any more, or rows are named by
// another key, so that it would keep another row. Nothing is erased and nothing
// expires meanwhile: what a hold keeps cannot be had back.
type UnclearHold struct {
	ID       int64
	Sentence string
}

func (e *UnclearHold) Error() string {
	return fmt.Sprintf("hold %d %s: %s", e.ID, e.Sentence, e.do())
}

func (e *UnclearHold) do() string {
	return "put that back into the data map, or release the hold and place it anew"
}

// Permanent tells callers not to try again.
func (e *UnclearHold) Permanent() bool { return true }

// keyedBy are the fields by which the map names a collection's rows; "" where it
// leaves that to the table's own key.
func (s *Service) keyedBy(collection string) string {
	c := findMapped(s.c.Map, collection)
	if c == nil {
		return ""
	}
	var names []string
	for _, f := range c.PrimaryKey() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// holdText is what is sealed of a hold: its value, a row's key with what that is made of.
func (s *Service) holdText(h Hold) string {
	if h.Type != "" {
		return h.Value
	}
	return source.KeyText(s.keyedBy(h.Collection), h.Value)
}

// clear is an *UnclearHold where the data map has lost what a hold keeps.
func (s *Service) clear(h Hold) error {
	switch now := s.keyedBy(h.Collection); {
	case h.Type != "":
		if !slices.Contains(identityTypes(s.c.Map), h.Type) {
			return &UnclearHold{h.ID, "is of an identity " + h.Type + ", which the data map no longer has"}
		}
	case findMapped(s.c.Map, h.Collection) == nil:
		return &UnclearHold{h.ID, "keeps rows of " + h.Collection + ", which the data map no longer has"}
	case h.keyedBy != "" && h.keyedBy != now:
		if now == "" {
			now = "the table's own key"
		}
		return &UnclearHold{h.ID, fmt.Sprintf("keeps a row of %s that was named by its %s, and rows are named by %s now", h.Collection, h.keyedBy, now)}
	}
	return nil
}

// CheckHolds tells of holds of which the data map no longer says what they keep.
func (s *Service) CheckHolds(ctx context.Context) ([]Doubt, error) {
	list, err := s.loadHolds(ctx, s.c.Pool, nil, false)
	if err != nil {
		return nil, fmt.Errorf("check the holds: %w", pg.Clean(err))
	}
	var doubts []Doubt
	for _, h := range list {
		var unclear *UnclearHold
		if errors.As(s.clear(h), &unclear) {
			doubts = append(doubts, Doubt{fmt.Sprintf("hold %d", h.ID), "it " + unclear.Sentence + ": nothing of its controller is erased, and nothing expires, until that is mended", unclear.do()})
		}
	}
	return doubts, nil
}
