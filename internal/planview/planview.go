// Package planview draws a plan of internal/datamap as SVG, for whoever reviews a
// data map: identities lead to the collections where they are matched, links from
// collection to collection, in walk order: downward, or to the right where many
// stand side by side.
//
// A picture is one file that needs nothing else and does nothing: no scripts, no
// styles, nothing loaded; texts of the map are escaped. Open Draw, then
// figure.go (what is drawn of a plan), curve.go (how a link runs), key.go (legend
// and remarks), svg.go and text.go (writing and measuring).
package planview

import (
	"context"
	"fmt"
	"io"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/layout"
)

// Colours, in a light picture: each text has a contrast of 4.5:1 at least.
const (
	paper  = "#fbfcfd"
	white  = "#ffffff"
	ink    = "#17212b"
	faint  = "#52606d"
	line   = "#6b7885"
	frame  = "#c3cdd6"
	brand  = "#143c56"
	erase  = "#a02a20"
	masked = "#8a5200"
	given  = "#1c6b48"
	round  = "#6b3fa8" // in a cycle
	seed   = "#fdeecb"
	rim    = "#b07d1a"
)

const (
	margin = 32.0
	// The least width in which the legend can be read.
	narrowest = 640.0
)

// Draw writes the picture of a plan. It ends with ctx, in the middle of a layout too.
func Draw(ctx context.Context, w io.Writer, p *datamap.Plan) error {
	f := newFigure(p)
	l, err := layout.Lay(ctx, f.graph())
	if err != nil {
		return fmt.Errorf("draw the plan: %w", err)
	}
	drawn := f.at(layout.Point{X: l.Width, Y: l.Height})
	width := max(drawn.X, narrowest, textWidth(heading(p), 20, true), textWidth(subheading(p), 12.5, false))
	rows := keyRows(f.entries(), width)
	remarks := f.remarks(width)

	const header = 68.0
	foot := margin + header + drawn.Y + 40
	height := foot + float64(len(rows))*rowHeight + 8 + float64(len(remarks))*lineHeight + margin

	s := &svg{}
	s.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img" aria-labelledby="plan-title plan-desc" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif">`,
		num(width+2*margin), num(height), num(width+2*margin), num(height))
	s.printf(`<title id="plan-title">%s</title><desc id="plan-desc">%s</desc>`, escaped(heading(p)), escaped(p.Text()))
	s.printf(`<rect width="100%%" height="100%%" fill="%s"/>`, paper)
	s.text(margin, margin+18, heading(p), font{size: 20, bold: true, fill: brand})
	s.text(margin, margin+40, subheading(p), font{size: 12.5, fill: faint})

	s.open(margin+(width-drawn.X)/2, margin+header)
	f.draw(s, l)
	s.close()

	s.printf(`<path d="M%s %sh%s" stroke="%s"/>`, num(margin), num(foot-12), num(width), frame)
	drawKey(s, rows, margin, foot)
	at := foot + float64(len(rows))*rowHeight + 18
	for _, r := range remarks {
		s.text(margin, at, r, font{size: 12, fill: faint})
		at += lineHeight
	}
	s.printf("</svg>\n")
	_, err = w.Write(s.b.Bytes())
	return err
}
