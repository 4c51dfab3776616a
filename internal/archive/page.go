package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/url"
	"strings"
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

// Body is the table shown, as HTML. What repeats for each column and cell is
// written by hand: a template looks at each value's context anew, which took
// longer than all else in an archive.
func (p *preview) Body() template.HTML {
	var b bytes.Buffer
	b.WriteString("<thead><tr>")
	labels := make([]string, len(p.Fields))
	for i, f := range p.Fields {
		labels[i] = template.HTMLEscapeString(f.Name)
		b.WriteString(`<th scope="col">` + labels[i] + "</th>")
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range p.Shown {
		b.WriteString("<tr>")
		for i, c := range row {
			b.WriteString(`<td data-label="` + labels[i] + `"`)
			c.html(&b)
			b.WriteString("</td>")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>")
	return template.HTML(b.String()) //nolint:gosec // each value is escaped above
}

// html writes the rest of a cell's tag and what stands in it.
func (c cell) html(b *bytes.Buffer) {
	if c.Null {
		b.WriteString(` class="null">–`)
	} else {
		b.WriteByte('>')
		template.HTMLEscape(b, []byte(c.Text))
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
}

// Meanings say what each column is, as HTML.
func (p *preview) Meanings() template.HTML {
	var b strings.Builder
	for _, f := range p.Fields {
		b.WriteString("\n<dt>" + template.HTMLEscapeString(f.Name) + "</dt><dd>")
		b.WriteString(template.HTMLEscapeString(cmp.Or(f.Description, "No description on record")))
		if len(f.Categories) > 0 {
			b.WriteString(" (" + template.HTMLEscapeString(strings.Join(f.Categories, ", ")) + ")")
		}
		b.WriteString("</dd>")
	}
	return template.HTML(b.String()) //nolint:gosec // each value is escaped above
}
