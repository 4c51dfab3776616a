package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/url"
	"sync"
)

// index.html is opened from a disk, often with a browser that is signed in
// elsewhere, and holds texts that strangers wrote. It has no script and loads
// nothing; its policy forbids both even if a text should get past the template,
// and admits the one style sheet by its hash.

//go:embed index.html.tmpl
var indexTemplate string

//go:embed index.css
var indexStyle string

var indexPage = sync.OnceValues(func() (*template.Template, error) { return template.New("index.html").Parse(indexTemplate) })

// writeIndex writes index.html.
func writeIndex(w io.Writer, d document) error {
	t, err := indexPage()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(indexStyle))
	b := bufio.NewWriter(w)
	err = t.Execute(b, struct {
		document
		Style  template.CSS
		Policy string
		Day    string
	}{
		document: d,
		Style:    template.CSS(indexStyle), //nolint:gosec // our own file
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'none'; base-uri 'none'",
		Day: day(d.MadeAt),
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// Body are the rows shown, as HTML. It is written by hand because a template
// looks at each cell's context anew, which took longer than all else in an archive.
func (p *preview) Body() template.HTML {
	var b bytes.Buffer
	labels := make([]string, len(p.Fields))
	for i, f := range p.Fields {
		labels[i] = template.HTMLEscapeString(f.Name)
	}
	for _, row := range p.Shown {
		b.WriteString("<tr>")
		for i, c := range row {
			b.WriteString(`<td data-label="` + labels[i] + `"`)
			if c.Null {
				b.WriteString(` class="null">–`)
			} else {
				b.WriteByte('>')
				template.HTMLEscape(&b, []byte(c.Text))
			}
			if c.Cut {
				b.WriteString("<i> … (the rest is in the files)</i>")
			}
			for _, f := range c.Files {
				if f.Missing {
					b.WriteString("<br><i>The file was not found</i>")
					continue
				}
				// A path of ours that begins with a folder's name: no scheme can stand before it.
				b.WriteString(`<br><a href="` + template.HTMLEscapeString((&url.URL{Path: f.Path}).EscapedPath()) + `">Open the file</a>`)
			}
			b.WriteString("</td>")
		}
		b.WriteString("</tr>\n")
	}
	return template.HTML(b.String()) //nolint:gosec // each value is escaped above
}
