package postgres

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/text/encoding/charmap"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// inUTF8 are the bytes of a text in UTF-8. Of one in SQL_ASCII nobody knows how it
// is written: its own bytes.
func inUTF8(text string) string {
	return "convert_to(" + text + ", CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
}

// readable is a text as it can be written down. Bytes that are not UTF-8 come from a
// database in SQL_ASCII alone: they are read as Windows' Western letters, which
// Latin 1 is a part of.
func readable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	read, err := charmap.Windows1252.NewDecoder().String(text)
	if err != nil {
		return strings.ToValidUTF8(text, "\ufffd")
	}
	return read
}

// spelt are the seeds that the database's encoding has letters for. No row holds
// another, which came from elsewhere; and a statement that it is bound to would be
// refused, whatever else it asks. It must not be called inside a transaction.
func spelt(ctx context.Context, conn *pgxpool.Conn, seeds []source.Seed) ([]source.Seed, error) {
	encoding := conn.Conn().PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "SQL_ASCII" {
		return seeds, nil
	}
	kept := make([]source.Seed, 0, len(seeds))
	for _, s := range seeds {
		if strings.ContainsFunc(s.Value, func(r rune) bool { return r > unicode.MaxASCII }) {
			_, err := conn.Exec(ctx, "SELECT convert($1::bytea, 'UTF8', $2::name)", []byte(s.Value), encoding)
			if code := pg.Code(err); code == "22P05" || code == "22021" {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("ask whether the encoding has an identity's letters: %w", err)
			}
		}
		kept = append(kept, s)
	}
	return kept, nil
}
