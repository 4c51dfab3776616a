package postgres

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A mask is what happens to one column of a masked row. NULL stays NULL.
type mask struct {
	field   *datamap.Field
	column  *column
	how     string // null_rewrite, string_rewrite, random_string_rewrite
	value   string // string_rewrite: the whole value
	letters int    // random_string_rewrite
	suffix  string
}

// masks are the masks of a stop, none for columns to be preserved.
func (s *stop) masks() []mask {
	var masks []mask
	for _, t := range s.visit.Targets {
		c := s.t.columns[t.Field.Name]
		m := mask{field: t.Field, column: c, how: "null_rewrite"}
		if t.Masking != nil {
			m.how = t.Masking.Strategy
		}
		switch m.how {
		case "preserve":
			continue
		case "string_rewrite":
			m.value = cut(t.Masking.Value+t.Masking.Suffix, t.Field.Length, c.length)
		case "random_string_rewrite":
			m.letters = t.Masking.Length
			if m.letters <= 0 {
				m.letters = 30
			}
			m.letters, m.suffix = room(m.letters, t.Masking.Suffix, t.Field.Length, c.length)
		}
		masks = append(masks, m)
	}
	return masks
}

// masked are the assignments that mask a row t.
func (w *writer) masked(s *stop) string {
	var sets []string
	for _, m := range s.masks() {
		name, to := col("t", m.column.name), "NULL"
		switch m.how {
		case "string_rewrite":
			to = "CASE WHEN " + name + " IS NOT NULL THEN " + w.constant(m, "value", m.value) + "::text::" + m.column.typ + " END"
		case "random_string_rewrite":
			to = "CASE WHEN " + name + " IS NOT NULL THEN (" + randomLetters(m.letters) + " || " + w.constant(m, "suffix", m.suffix) + "::text)::" + m.column.typ + " END"
		}
		sets = append(sets, strings.TrimPrefix(name, "t.")+" = "+to)
	}
	return strings.Join(sets, ", ")
}

// unmasked is the condition that row t has something left to mask: a second
// erasure then changes nothing, and the second look finds nothing.
func (w *writer) unmasked(s *stop) string {
	var left []string
	for _, m := range s.masks() {
		name, more := col("t", m.column.name), ""
		switch m.how {
		case "string_rewrite":
			more = " AND " + name + "::text IS DISTINCT FROM " + w.constant(m, "value", m.value) + "::text"
		case "random_string_rewrite":
			form := fmt.Sprintf("^[a-p]{%d}%s$", m.letters, regexp.QuoteMeta(m.suffix))
			more = " AND " + name + "::text !~ " + w.constant(m, "form", form) + "::text"
		}
		left = append(left, "("+name+" IS NOT NULL"+more+")")
	}
	return "(" + strings.Join(left, " OR ") + ")"
}

// constant binds a text of the data map.
func (w *writer) constant(m mask, what, value string) string {
	return w.bind("mask "+m.field.FullName()+" "+what, func(*run) any { return value })
}

// cut shortens a masked value to what the map and the column admit, in letters.
func cut(v string, limits ...int) string {
	letters := []rune(v)
	for _, n := range limits {
		if n > 0 && len(letters) > n {
			letters = letters[:n]
		}
	}
	return string(letters)
}

// room shares what the column can hold between random letters and a suffix.
func room(letters int, suffix string, limits ...int) (int, string) {
	suffix = cut(suffix, limits...)
	for _, n := range limits {
		if n > 0 {
			letters = min(letters, n-len([]rune(suffix)))
		}
	}
	return max(letters, 0), suffix
}

// randomLetters are n letters from a to p, new ones for each row: hexadecimal
// digits of version-4 UUIDs, moved to letters.
func randomLetters(n int) string {
	parts := make([]string, n/32+1)
	for i := range parts {
		parts[i] = "gen_random_uuid()::text"
	}
	return fmt.Sprintf("left(translate(%s, '0123456789abcdef-', 'abcdefghijklmnop'), %d)", strings.Join(parts, " || "), n)
}
