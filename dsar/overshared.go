package dsar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/source"
)

// A value that many rows of others hold, too ("web" for a visitor, a call
// centre's number), leads a walk nowhere (source.Brake). An erasure stops at it
// in the search, before anybody can approve it: by the time a source refuses,
// others might have erased their part.

// overShared is that stop. Retry searches again once the rows are mended.
func overShared(src string, braked []source.Brake) error {
	return &Permanent{Code: "over_shared", Err: errors.New("in the source " + src + ", " + linksWords(braked) +
		", which too many rows of others hold: it cannot tell one person from another, and nothing is erased. " +
		"Mend these rows, or change the reference in the data map; then retry.")}
}

// sayNotFollowed notes with the search of a copy what is not in its findings.
func (s *Service) sayNotFollowed(ctx context.Context, tx pgx.Tx, step int64, braked []source.Brake) error {
	words := "Not followed: " + linksWords(braked) + ", which too many rows of others hold. What lies behind is not in the answer."
	if _, err := tx.Exec(ctx, `UPDATE steps SET message = $2 WHERE id = $1`, step, words); err != nil {
		return fmt.Errorf("say what step %d did not follow: %w", step, err)
	}
	return nil
}

// linksWords name links and how many values are meant: the map's words only.
func linksWords(braked []source.Brake) string {
	words := make([]string, len(braked))
	for i, b := range braked {
		words[i] = fmt.Sprintf("%s → %s with %d values", b.From, b.To, b.Values)
		if b.Values == 1 {
			words[i] = fmt.Sprintf("%s → %s with 1 value", b.From, b.To)
		}
	}
	return strings.Join(words, "; ")
}
