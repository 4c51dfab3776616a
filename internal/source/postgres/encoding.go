package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// spelt is a walk without what the database's encoding has no letters for. No row
// holds such an identity or value, which came from elsewhere; and a statement that it
// is bound to would be refused, whatever else it asks. It must not be called inside a
// transaction.
func spelt(ctx context.Context, conn *pgxpool.Conn, w source.Walk) (source.Walk, error) {
	encoding := conn.Conn().PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "SQL_ASCII" { // as nearly always
		return w, nil
	}
	texts := make([]string, 0, len(w.Seeds)+len(w.Fields))
	for _, s := range w.Seeds {
		texts = append(texts, s.Value)
	}
	for _, v := range w.Fields {
		texts = append(texts, v)
	}
	for i := range w.Feeds {
		for _, values := range w.Feeds[i].Lists() {
			texts = append(texts, *values...)
		}
	}
	strange, err := unwritable(ctx, conn, encoding, texts)
	if len(strange) == 0 || err != nil {
		return w, err
	}
	w.Seeds = slices.DeleteFunc(slices.Clone(w.Seeds), func(s source.Seed) bool { return strange[s.Value] })
	w.Fields = maps.Clone(w.Fields)
	for name, v := range w.Fields {
		if strange[v] {
			w.Fields[name] = nowhere // it was given, and leaves every row out
		}
	}
	w.Feeds = slices.Clone(w.Feeds)
	for i := range w.Feeds {
		for _, values := range w.Feeds[i].Lists() {
			*values = slices.DeleteFunc(slices.Clone(*values), func(v string) bool { return strange[v] })
		}
	}
	return w, nil
}

// nowhere is a text that no row holds: the sign for what could not be written.
const nowhere = "\x1a"

// unwritable are those of some texts that an encoding lacks letters for.
func unwritable(ctx context.Context, conn *pgxpool.Conn, encoding string, texts []string) (map[string]bool, error) {
	lacks := func(text string) (bool, error) {
		_, err := conn.Exec(ctx, "SELECT convert($1::bytea, 'UTF8', $2::name)", []byte(text), encoding)
		if code := pg.Code(err); code == "22P05" || code == "22021" {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("ask whether the encoding has a value's letters: %w", err)
		}
		return false, nil
	}
	texts = slices.DeleteFunc(texts, func(text string) bool {
		return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
	})
	strange := map[string]bool{}
	// Mostly all can be written, and one question tells; else each part is asked.
	var ask func([]string) error
	ask = func(texts []string) error {
		if len(texts) == 0 {
			return nil
		}
		some, err := lacks(strings.Join(texts, "\n"))
		if err != nil || !some {
			return err
		}
		if len(texts) == 1 {
			strange[texts[0]] = true
			return nil
		}
		if err := ask(texts[:len(texts)/2]); err != nil {
			return err
		}
		return ask(texts[len(texts)/2:])
	}
	return strange, ask(texts)
}
