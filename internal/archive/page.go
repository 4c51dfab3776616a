package archive

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
)

// index.html is opened from a disk, often with a browser that is signed in
// elsewhere, and holds texts that strangers wrote. It has no script and loads
// nothing; its policy forbids both even if a text should get past the template,
// and admits the one style sheet by its hash.

//go:embed index.html.tmpl
var indexTemplate string

//go:embed index.css
var indexStyle string

// writeIndex writes index.html.
func writeIndex(w io.Writer, d document) error {
	t, err := template.New("index.html").Parse(indexTemplate)
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
