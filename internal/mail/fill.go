package mail

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// width of the text part: quoted once or twice, it still fits a terminal.
const width = 72

// fill wraps a letter's text. A line keeps its indent, a list's lines hang under
// their first word, an address of the web is never broken, and more than one
// empty line becomes one.
func fill(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	var words []string
	empty := true // nothing written yet, or an empty line last
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		body := strings.TrimLeft(line, " ")
		words = slices.AppendSeq(words[:0], strings.FieldsSeq(body))
		if len(words) == 0 {
			if !empty {
				b.WriteByte('\n')
			}
			empty = true
			continue
		}
		empty = false
		indent := line[:len(line)-len(body)]
		hang := indent
		if words[0] == "-" {
			hang += "  "
		}
		b.WriteString(indent)
		at := len(indent)
		for i, w := range words {
			n := utf8.RuneCountInString(w)
			switch {
			case i == 0:
			case at+1+n > width:
				b.WriteByte('\n')
				b.WriteString(hang)
				at = len(hang)
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(w)
			at += n
		}
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
