package planview

import "strings"

// advance holds the widths of Helvetica's printable ASCII characters in
// thousandths of the size (Adobe's font metrics); Arial and Liberation Sans are
// as wide.
var advance = [...]float64{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

// textWidth says how wide a text will be, a little generously: the reader's font
// is not known.
func textWidth(text string, size float64, bold bool) float64 {
	total := 0.0
	for _, r := range text {
		switch {
		case r >= ' ' && int(r-' ') < len(advance):
			total += advance[r-' ']
		case r < 0x1100:
			total += 640
		default: // Han, kana and hangul are as wide as high; → nearly so
			total += 1000
		}
	}
	if bold {
		total *= 1.07
	}
	return total / 1000 * size * generous
}

const generous = 1.03

// shortened cuts a very long name in its middle: both ends tell names apart.
func shortened(name string) string {
	const most = 48
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return string(r[:most/2]) + "…" + string(r[len(r)-most/2+1:])
}

// wrapped breaks a text at spaces into lines of a width.
func wrapped(text string, size, width float64) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		if next := strings.TrimSpace(current + " " + word); current == "" || textWidth(next, size, false) <= width {
			current = next
			continue
		}
		lines = append(lines, current)
		current = word
	}
	return append(lines, current)
}
