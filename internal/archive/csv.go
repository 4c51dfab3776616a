package archive

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The CSV follows RFC 4180: a header, CRLF at the end of each record, UTF-8, and
// quotes where needed. Two things beyond it:
//
//   - NULL is an empty cell, the empty string is "" in quotes (as in Postgres).
//   - A text that a spreadsheet would run as a formula gets an apostrophe in
//     front: texts that begin, also after blanks, with = + - @, a tab or a line
//     break, or with one of the full-width forms of these signs. That alters
//     telephone numbers (+420 …) in this file, deliberately: whoever wrote the
//     text is not known, and the exact value stands in the JSON beside it. So it
//     is within a text behind a semicolon, a tab or a line break: a spreadsheet
//     that parts cells by semicolons, as in much of Europe, takes no quote within
//     a line for one, and begins a cell there.
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

// defuse puts an apostrophe before what a spreadsheet would run, at the beginning
// of a text and wherever it may take it to begin a cell.
func defuse(s string) string {
	s = defuseBeginning(s)
	if !strings.ContainsAny(s, parting) {
		return s
	}
	var b strings.Builder
	for first := true; ; first = false {
		end := strings.IndexAny(s, parting) + 1
		cell := s
		if end > 0 {
			cell = s[:end]
		}
		if !first && runs(cell) {
			b.WriteByte('\'')
		}
		b.WriteString(cell)
		if end == 0 {
			return b.String()
		}
		s = s[end:]
	}
}

// parting is what may part cells beside the comma.
const parting = ";\t\r\n"

// runs tells whether a spreadsheet would run what it takes for a cell. A sign alone
// does no harm (";-)", a list's dash): what calls something has a bracket, a bar or a mark.
func runs(cell string) bool {
	cell = strings.TrimLeftFunc(cell, func(r rune) bool { return r == '"' || blank(r) })
	r, _ := utf8.DecodeRuneInString(cell)
	switch r {
	case '=', '@', '＝', '＠':
		return true
	case '+', '-', '＋', '－':
		return strings.ContainsAny(cell, "(|!")
	}
	return false
}

// blank are what may stand before a formula: blanks, control and invisible characters.
func blank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func defuseBeginning(s string) string {
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
		if !blank(r) {
			return s
		}
	}
	return s
}
