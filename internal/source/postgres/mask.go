package postgres

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A mask is what happens to one field of a masked row. NULL stays NULL. A field
// inside a document is masked where it stands, an array element by element.
type mask struct {
	field   *datamap.Field
	column  *column // the one to be changed
	how     string  // null_rewrite, string_rewrite, random_string_rewrite, hash, hmac, aes_encrypt
	value   string  // string_rewrite: the whole value
	letters int     // of the others: how many stand before the suffix
	suffix  string
	bits    int // hash, hmac: 256 or 512
	// document: the value is an object or list ({}, []), and stands as one in a document.
	document bool
	// apart: elements of the column lead to its row, and only these are masked.
	apart bool
}

// masks are the masks of a stop, none for columns to be preserved.
func (s *stop) masks() []mask {
	var masks []mask
	for _, t := range s.visit.Targets {
		// Postgres makes the values of generated columns itself, of those of the row.
		if m, ok := s.mask(t); ok && !m.column.fixed() {
			masks = append(masks, m)
		}
	}
	return masks
}

// fixed tells that a column takes no value that it is given.
func (c *column) fixed() bool { return c.generated || c.identity == "a" }

func (s *stop) mask(t datamap.Target) (mask, bool) {
	c := s.t.columns[t.Field.Column().Name]
	m := mask{field: t.Field, column: c, how: "null_rewrite"}
	if t.Masking != nil {
		m.how = t.Masking.Strategy
	}
	length := c.length
	switch {
	case c.class == classArray && c.element != nil:
		length = c.element.length
	case c.class == classArray || c.class == classJSON:
		length = 0
	}
	switch m.how {
	case "preserve":
		return m, false
	case "string_rewrite":
		m.value = cut(t.Masking.Value+t.Masking.Suffix, t.Field.Length, length)
		m.document = c.class == classJSON && t.Field.DataType != "string" && strings.IndexAny(m.value, "{[") == 0 && json.Valid([]byte(m.value))
	case "random_string_rewrite":
		m.letters = t.Masking.Length
		if m.letters <= 0 {
			m.letters = 30
		}
		m.letters, m.suffix = room(m.letters, t.Masking.Suffix, t.Field.Length, length)
	case "hash", "hmac":
		m.bits = 256
		if t.Masking.Algorithm == "SHA-512" {
			m.bits = 512
		}
		m.letters, m.suffix = room(m.bits/4, t.Masking.Suffix, t.Field.Length, length)
	case strategyAES:
		m.letters, m.suffix = room(math.MaxInt32, t.Masking.Suffix, t.Field.Length, length)
	}
	return m, true
}

// inColumn are the masks of one column, the columns in the order of the masks.
func inColumns(masks []mask) [][]mask {
	var all [][]mask
	for _, m := range masks {
		i := slices.IndexFunc(all, func(of []mask) bool { return of[0].column == m.column })
		if i < 0 {
			i, all = len(all), append(all, nil)
		}
		all[i] = append(all[i], m)
	}
	return all
}

// masked are the assignments that mask a row t. rel is where the reached rows
// stand: of an array that led to the row, only the elements that did are masked.
func (w *writer) masked(s *stop, v variant, rel relation) string {
	var sets []string
	for _, of := range inColumns(s.masks()) {
		sets = append(sets, strings.TrimPrefix(col("t", of[0].column.name), "t.")+" = "+w.maskedColumn(s, v, rel, of, false))
	}
	return strings.Join(sets, ", ")
}

// unmasked is the condition that row t has something left to mask: a second
// erasure then changes nothing, and the second look (looking) finds nothing.
//
// A hash cannot be told from a value that looks like one (cookies do), nor a few
// random letters from a name. An erasure masks whatever stands there, the second
// look takes what looks masked for it (see told).
func (w *writer) unmasked(s *stop, v variant, rel relation, looking bool) string {
	var left []string
	for _, of := range inColumns(s.masks()) {
		left = append(left, w.leftIn(s, v, rel, of, looking))
	}
	return "(" + strings.Join(left, " OR ") + ")"
}

func (w *writer) leftIn(s *stop, v variant, rel relation, of []mask, looking bool) string {
	name, m := col("t", of[0].column.name), of[0]
	switch {
	case m.column.class == classJSON && (m.field.Parent != nil || m.how != "null_rewrite" || len(w.elements(s, v, rel, m)) > 0):
		return "(" + name + " IS NOT NULL AND " + w.maskedColumn(s, v, rel, of, looking) + "::jsonb IS DISTINCT FROM " + m.column.document(name, false) + ")"
	case m.column.class == classArray && (m.how != "null_rewrite" || len(w.elements(s, v, rel, m)) > 0):
		return "(" + name + " IS NOT NULL AND " + w.maskedColumn(s, v, rel, of, looking) + " IS DISTINCT FROM " + name + ")"
	}
	return "(" + name + " IS NOT NULL" + and(w.left(m, name+"::text", looking)) + ")"
}

func and(condition string) string {
	if condition == "" {
		return ""
	}
	return " AND " + condition
}

// elements tells the subject's elements of an array or document from others'.
func (w *writer) elements(s *stop, v variant, rel relation, m mask) []end {
	if m.column.class != classJSON && m.column.class != classArray {
		return nil
	}
	return w.ends(s, m.column.name, func(l datamap.Link, _ []strand) string { return w.linkValues(l, v, rel, "mine") })
}

// apart tells whether elements of a column lead to its row.
func (s *stop) apart(c *datamap.Field) bool {
	leads := func(f *datamap.Field) bool { return f.Column() == c && !undivided(f) }
	return slices.ContainsFunc(s.visit.Seeds, func(x datamap.PlanSeed) bool { return leads(x.Field) }) ||
		slices.ContainsFunc(s.visit.Links, func(l datamap.Link) bool {
			return slices.ContainsFunc(pairs(l), func(p datamap.Pair) bool { return leads(p.To) })
		})
}

// maskedColumn is the new value of a column of row t.
func (w *writer) maskedColumn(s *stop, v variant, rel relation, of []mask, looking bool) string {
	return w.become(of, w.elements(s, v, rel, of[0]), looking)
}

// become is the same where the ends are known by which elements are told apart.
func (w *writer) become(of []mask, ends []end, looking bool) string {
	m := of[0]
	name := col("t", m.column.name)
	switch m.column.class {
	case classJSON:
		if m.field.Parent == nil && m.how == "null_rewrite" && len(ends) == 0 {
			return "NULL"
		}
		root := &piece{}
		for _, m := range of {
			at := root.below(m.field.Path())
			at.whole = m.how == "null_rewrite" || m.document
			at.leaf = func(e string) string {
				switch {
				case m.how == "null_rewrite":
					return "'null'::jsonb"
				case m.document:
					return w.constant(m, "value", m.value) + "::text::jsonb"
				}
				text := "(" + e + " #>> '{}')"
				changed := "to_jsonb(" + w.rewrite(m, text) + ")"
				if left := w.left(m, text, looking); left != "" {
					changed = "CASE WHEN " + left + " THEN " + changed + " ELSE " + e + " END"
				}
				return changed
			}
		}
		for _, e := range ends {
			root.told(e)
		}
		return "CASE WHEN " + name + " IS NOT NULL THEN " + root.rewritten(m.column.document(name, false), 0) + "::" + m.column.typ + " END"
	case classArray:
		if m.how == "null_rewrite" && len(ends) == 0 || m.column.element == nil {
			return "NULL"
		}
		return "(" + elementwise(m.column.plainArray(name), ends, func(e string) string {
			if m.how == "null_rewrite" {
				return "NULL"
			}
			become := w.rewrite(m, e+"::text") + "::" + m.column.element.typ
			if left := w.left(m, e+"::text", looking); left != "" {
				become = "CASE WHEN " + left + " THEN " + become + " ELSE " + e + " END"
			}
			return "CASE WHEN " + e + " IS NOT NULL THEN " + become + " END"
		}, false) + ")::" + m.column.typ
	}
	if m.how == "null_rewrite" {
		return "NULL"
	}
	return "CASE WHEN " + name + " IS NOT NULL THEN " + w.rewrite(m, name+"::text") + "::" + m.column.typ + " END"
}

// rewrite is what becomes of a text, which is not NULL.
func (w *writer) rewrite(m mask, text string) string {
	switch m.how {
	case "string_rewrite":
		return "(" + w.constant(m, "value", m.value) + "::text)"
	case "random_string_rewrite":
		return "(" + randomLetters(m.letters) + " || " + w.constant(m, "suffix", m.suffix) + "::text)"
	case "hash", "hmac":
		return fmt.Sprintf("(left(encode(%s, 'hex'), %d) || %s::text)", w.digest(m, text), m.letters, w.constant(m, "suffix", m.suffix))
	case strategyAES:
		return w.encryptedText(m, text)
	}
	return "NULL::text"
}

// left is the condition that a text is not masked yet; "" where every one is to be masked.
func (w *writer) left(m mask, text string, looking bool) string {
	var form string
	text = bytewise(text)
	switch m.how {
	case "string_rewrite":
		return text + " IS DISTINCT FROM " + w.written(m)
	case "random_string_rewrite":
		if !looking && !m.told() {
			return ""
		}
		form = fmt.Sprintf("^[a-p]{%d}%s$", m.letters, quoteMeta(m.suffix))
		if m.letters > 255 { // what a regular expression of Postgres can count to
			form = "^[a-p]+" + quoteMeta(m.suffix) + "$"
		}
	case "hash", "hmac":
		if !looking {
			return ""
		}
		form = fmt.Sprintf("^[0-9a-f]{%d}%s$", m.letters, quoteMeta(m.suffix))
	case strategyAES:
		if !looking {
			return ""
		}
		form = m.encryptedForm()
	default:
		return ""
	}
	return text + " !~ " + w.constant(m, "form", form) + "::text"
}

// tellable is how many random letters nobody writes by chance: with 20 from a to p
// (80 bits) what looks masked is. "gina" has four of them.
const tellable = 20

// told tells whether what the mask wrote can be told from what somebody wrote.
func (m mask) told() bool {
	switch m.how {
	case "hash", "hmac", strategyAES:
		return false
	case "random_string_rewrite":
		return m.letters == 0 || m.letters >= tellable
	}
	return true
}

// written is the text of the value that a string_rewrite leaves behind: 9.00 of a
// 9, where the column's type has it so.
func (w *writer) written(m mask) string {
	value, of := w.constant(m, "value", m.value)+"::text", m.column
	if of.class == classArray && of.element != nil {
		of = of.element
	}
	if m.field.Parent != nil || of.class == classJSON || of.class.textual() {
		return value
	}
	return "(" + value + "::" + of.exact + ")::text"
}

// constant binds a text of the data map.
func (w *writer) constant(m mask, what, value string) string {
	return w.bind("mask "+m.field.FullName()+" "+m.how+" "+what, func(*run) any { return value })
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

// room shares what the column can hold between letters and a suffix.
func room(letters int, suffix string, limits ...int) (int, string) {
	suffix = cut(suffix, limits...)
	for _, n := range limits {
		if n > 0 {
			letters = min(letters, n-len([]rune(suffix)))
		}
	}
	return max(letters, 0), suffix
}

// randomLetters are n letters from a to p, new ones for each value: hexadecimal
// digits of version-4 UUIDs, moved to letters.
func randomLetters(n int) string {
	parts := make([]string, n/32+1)
	for i := range parts {
		parts[i] = "gen_random_uuid()::text"
	}
	return fmt.Sprintf("left(translate(%s, '0123456789abcdef-', 'abcdefghijklmnop'), %d)", strings.Join(parts, " || "), n)
}
