package browser

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	colour "image/color" //nolint:misspell // Go writes it so
	"image/png"
	"slices"

	"github.com/chromedp/chromedp"
)

// tallest is where a picture ends, in pixels: a long page is seen to be long.
const tallest = 2400

// Resize gives the window a width; below 600 pixels it is a telephone's.
func (t *Tab) Resize(width, height int64) error {
	if width < 600 {
		return t.do("resize", chromedp.EmulateViewport(width, height, chromedp.EmulateMobile, chromedp.EmulatePortrait))
	}
	return t.do("resize", chromedp.EmulateViewport(width, height))
}

// Picture is the whole page at a width, as a PNG of at most 256 colours.
func (t *Tab) Picture(width int64) ([]byte, error) {
	if err := t.Resize(width, 300); err != nil {
		return nil, err
	}
	height, err := evaluate[float64](t, "window.scrollTo(0, 0); document.documentElement.scrollHeight")
	if err != nil {
		return nil, err
	}
	if err := t.Resize(width, max(300, min(tallest, int64(height)))); err != nil {
		return nil, err
	}
	raw, err := run(t, "take a picture", chromedp.CaptureScreenshot())
	if err != nil {
		return nil, err
	}
	return compress(raw)
}

// compress writes a PNG again with a palette of the colours that it uses most:
// a third of the size, and no difference that the eye sees on a page of text.
func compress(raw []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	size := from.Bounds()
	count := map[colour.RGBA]int{}
	at := func(x, y int) colour.RGBA { return colour.RGBAModel.Convert(from.At(x, y)).(colour.RGBA) }
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	used := make([]colour.RGBA, 0, len(count))
	for c := range count {
		used = append(used, c)
	}
	slices.SortFunc(used, func(a, b colour.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	palette := make(colour.Palette, 0, 256)
	for _, c := range used[:min(len(used), 256)] {
		palette = append(palette, c)
	}
	index := make(map[colour.RGBA]uint8, len(used))
	for _, c := range used {
		index[c] = uint8(palette.Index(c)) //nolint:gosec // at most 256 of them
	}
	to := image.NewPaletted(size, palette)
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			to.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to)
	return b.Bytes(), err
}
