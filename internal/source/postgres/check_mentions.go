package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// mentions asks for the indexes that other people's text is searched by: one of
// the text, and, where people are known by telephone numbers, one of its digits.
// It says, too, which columns are not searched at all. Without such indexes erasures read the column from end to end, in bounded pieces.
func (k *checking) mentions(ctx context.Context, conn *pgxpool.Conn) error {
	phones := slices.Contains(datamap.IdentityTypes(k.m), datamap.Phone)
	return k.s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		for _, f := range datamap.MentionFields(k.m) {
			t := k.cat.table(f.Field.Collection)
			if f.Why != "" || t == nil || t.columns[f.Field.Name] == nil {
				continue
			}
			if why := k.s.unsearchable(f, t); why != "" {
				k.say(Doubtful, f.Field.FullName(), "it is not searched for mentions: "+why, "take mentions: true away, or do as it says")
				continue
			}
			by, err := (&mentioning{t: t, c: t.columns[f.Field.Name]}).trigrams(ctx, tx)
			if err != nil {
				return err
			}
			column := pgx.Identifier{f.Field.Name}.Sanitize()
			advise := func(what, expression string) {
				k.say(Doubtful, f.Field.FullName(), "no trigram index serves the search for "+what+" in it: each erasure of a person who has one reads the whole column, in pieces",
					"CREATE EXTENSION IF NOT EXISTS pg_trgm; "+t.newIndex()+" USING gin ("+expression+" gin_trgm_ops)")
			}
			if by.words == trigramNone {
				advise("mentions", column)
			}
			if phones && !by.digits {
				advise("telephone numbers", digitsOf(column))
			}
		}
		return nil
	})
}
