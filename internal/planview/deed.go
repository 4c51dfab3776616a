package planview

import "github.com/lethe-dsr/lethe/internal/datamap"

// A deed is what is done with a collection's rows, as a badge.
type deed struct {
	word  string
	fill  string
	solid bool // not solid: nothing is done, the rows only lead on
	means string
}

var (
	deletes = deed{"delete", erase, true, "rows found are deleted"}
	masks   = deed{"mask", masked, true, "rows stay, targeted fields are masked"}
	gives   = deed{"give", given, true, "targeted fields are given to the subject"}
	follows = deed{"only followed", faint, false, "nothing is done, links are followed"}
)

func deedOf(k datamap.Kind, v *datamap.Visit) deed {
	switch {
	case v.Delete:
		return deletes
	case len(v.Targets) == 0:
		return follows
	case k == datamap.Erasure:
		return masks
	}
	return gives
}

func (d deed) width() float64 { return textWidth(d.word, 11.5, true) + 16 }

func (d deed) draw(s *svg, x, y float64) {
	fill, text := d.fill, white
	if !d.solid {
		fill, text = white, d.fill
	}
	s.printf(`<rect x="%s" y="%s" width="%s" height="20" rx="10" fill="%s" stroke="%s"/>`, num(x), num(y), num(d.width()), fill, d.fill)
	s.text(x+d.width()/2, y+14, d.word, font{size: 11.5, bold: true, fill: text, middle: true})
}
