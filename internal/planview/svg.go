package planview

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
)

// svg is the picture as it is written. Whatever is not written here by hand goes
// through escaped.
type svg struct{ b bytes.Buffer }

func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

// open begins a group with its own origin.
func (s *svg) open(x, y float64) { s.printf("\n<g transform=\"translate(%s %s)\">", num(x), num(y)) }

func (s *svg) close() { s.printf("</g>") }

type font struct {
	size         float64
	bold, middle bool
	fill         string
}

// text writes one line, its baseline at y. It is as long as was reckoned with,
// whatever font the reader has: a wider one would run over what stands beside it.
func (s *svg) text(x, y float64, text string, f font) {
	more := ""
	if f.bold {
		more += ` font-weight="bold"`
	}
	if f.middle {
		more += ` text-anchor="middle"`
	}
	long := textWidth(text, f.size, f.bold) / generous
	s.printf(`<text x="%s" y="%s" font-size="%s" fill="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"%s>%s</text>`, num(x), num(y), num(f.size), f.fill, num(long), more, escaped(text))
}

// num is a length, to a hundredth.
func num(f float64) string {
	return strconv.FormatFloat(float64(int64(f*100+sign(f)*0.5))/100, 'f', -1, 64)
}

func sign(f float64) float64 {
	if f < 0 {
		return -1
	}
	return 1
}

// escaped is a text as XML may hold it: characters that it may not hold at all
// (a NUL, say) become U+FFFD.
func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // into a bytes.Buffer: cannot fail
	return b.String()
}
