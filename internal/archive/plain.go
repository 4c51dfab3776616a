package archive

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// columns is the width of letter.txt: what a terminal and a printed page hold.
const columns = 72

// writeLetter writes letter.txt.
func writeLetter(w io.Writer, d document) error {
	var b bytes.Buffer
	heading(&b, d.Title(), '=')
	for _, p := range d.Opening() {
		paragraph(&b, p)
	}
	for _, s := range d.Sections() {
		title := s.Title
		if s.Article != "" {
			title += " (" + s.Article + ")"
		}
		heading(&b, title, '-')
		for _, p := range s.Paragraphs {
			paragraph(&b, p)
		}
		for _, it := range s.Items {
			line := it.Text
			if it.Term != "" {
				line = it.Term
				if it.Text != "" {
					line += ": " + it.Text
				}
			}
			wrap(&b, oneLine(line), "  - ", "    ")
		}
		if len(s.Items) > 0 {
			b.WriteByte('\n')
		}
	}
	_, err := w.Write(bytes.TrimRight(b.Bytes(), "\n"))
	if err == nil {
		_, err = io.WriteString(w, "\n")
	}
	return err
}

func heading(b *bytes.Buffer, title string, under byte) {
	start := b.Len()
	wrap(b, oneLine(title), "", "")
	longest := 0
	for _, line := range strings.Split(strings.TrimRight(b.String()[start:], "\n"), "\n") {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	b.WriteString(strings.Repeat(string(under), longest))
	b.WriteString("\n\n")
}

func paragraph(b *bytes.Buffer, text string) {
	wrap(b, oneLine(text), "", "")
	b.WriteByte('\n')
}

// oneLine turns line breaks and other control characters into blanks: a value
// from the configuration must not make lines of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// wrap writes s in lines of at most columns characters; a longer word (an
// address of the web) has a line of its own and is not broken.
func wrap(b *bytes.Buffer, s, first, rest string) {
	b.WriteString(first)
	width := utf8.RuneCountInString(first)
	begun := false
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		if begun && width+1+n > columns {
			b.WriteString("\n" + rest)
			width, begun = utf8.RuneCountInString(rest), false
		}
		if begun {
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
		begun = true
	}
	b.WriteByte('\n')
}
