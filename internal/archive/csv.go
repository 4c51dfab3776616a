package archive

import (
	"fmt"
	"strings"
	"unicode"
)

// The CSV follows RFC 4180: a header, CRLF at the end of each record, UTF-8, and
// quotes where needed. Two things beyond it:
//
//   - NULL is an empty cell, the empty string is "" in quotes (as in Postgres).
//   - A text that a spreadsheet would run as a formula gets an apostrophe in
//     front: texts that begin, also after blanks, with = + - @, a tab or a line
//     break, or with one of the full-width forms of these signs. That alters
//     telephone numbers (+420 …) in this file, deliberately: whoever wrote the
//     text is not known, and the exact value stands in the JSON beside it.
//     Numbers, times and booleans are left alone: by their type they cannot be a formula.
//
// encoding/csv is not used: with CRLF it rewrites line breaks inside texts.

// csvHeader is the first record.
func csvHeader(fields []Column) []byte {
	var b []byte
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCell(b, defuse(f.Name))
	}
	return append(b, '\r', '\n')
}

// appendCSVRow appends one record.
func appendCSVRow(b []byte, fields []Column, values []any) ([]byte, error) {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		s, numeric, null, err := text(v)
		if err != nil {
			return b, fmt.Errorf("field %s: %w", fields[i].Name, err)
		}
		switch {
		case null:
			if len(values) == 1 { // an empty line is no record
				b = append(b, '"', '"')
			}
		case numeric:
			b = append(b, s...)
		default:
			b = appendCell(b, defuse(s))
		}
	}
	return append(b, '\r', '\n'), nil
}

// appendCell quotes where RFC 4180 asks for it, and around empty texts and
// leading or trailing blanks, which some readers trim.
func appendCell(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, "\",\r\n\t;") && s[0] != ' ' && s[len(s)-1] != ' ' {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

// defuse puts an apostrophe before what a spreadsheet would run.
func defuse(s string) string {
	if s == "" {
		return s
	}
	if s[0] == '\t' || s[0] == '\r' || s[0] == '\n' {
		return "'" + s
	}
	for _, r := range s {
		switch r {
		case '=', '+', '-', '@', '＝', '＋', '－', '＠':
			return "'" + s
		}
		// Blanks, control and invisible characters may stand before a formula.
		if !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			return s
		}
	}
	return s
}
