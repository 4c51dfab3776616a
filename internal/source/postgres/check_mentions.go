package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// mentions asks for the index that other people's text is searched by. Without
// one every erasure reads the column from end to end, in bounded pieces.
func (k *checking) mentions(ctx context.Context, conn *pgxpool.Conn) error {
	return k.s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		for _, f := range datamap.MentionFields(k.m) {
			t := k.cat.table(f.Field.Collection)
			if f.Why != "" || t == nil || !t.real() || t.columns[f.Field.Name] == nil {
				continue
			}
			by, err := (&mentioning{t: t, c: t.columns[f.Field.Name]}).trigrams(ctx, tx)
			if err != nil {
				return err
			}
			if by == trigramNone {
				k.say(Doubtful, f.Field.FullName(), "no trigram index serves the search for mentions: each erasure reads the whole column, in pieces",
					"CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX CONCURRENTLY ON "+t.ident()+" USING gin ("+pgx.Identifier{f.Field.Name}.Sanitize()+" gin_trgm_ops)")
			}
		}
		return nil
	})
}
