package mailbox

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed pages.html.tmpl
var pagesTemplate string

//go:embed pages.css
var style string

// Handler shows the mails. It is mounted under a prefix that ends in a slash,
// with http.StripPrefix; all its links are relative.
func (m *Mailbox) Handler() http.Handler {
	pages := template.Must(template.New("").Funcs(template.FuncMap{"linked": linked}).Parse(pagesTemplate))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		list := m.Messages()
		slices.Reverse(list)
		render(w, pages, "list", struct {
			Style    template.CSS
			Messages []Message
		}{template.CSS(style), list}) //nolint:gosec // our own file
	})
	mux.HandleFunc("GET /message/{id}", func(w http.ResponseWriter, r *http.Request) {
		msg, ok := m.requested(r)
		if !ok {
			http.Error(w, "This mail is not here: the mailbox keeps the latest ones, and forgets all when it stops.", http.StatusNotFound)
			return
		}
		render(w, pages, "message", struct {
			Style template.CSS
			Message
			Framed string
		}{template.CSS(style), msg, framed(msg.HTML)}) //nolint:gosec // our own file
	})
	mux.HandleFunc("GET /message/{id}/raw", func(w http.ResponseWriter, r *http.Request) {
		if msg, ok := m.requested(r); ok {
			serve(w, "text/plain; charset=utf-8", "inline", msg.Raw)
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /message/{id}/attachment/{n}", func(w http.ResponseWriter, r *http.Request) {
		msg, ok := m.requested(r)
		n, err := strconv.Atoi(r.PathValue("n"))
		if !ok || err != nil || n < 0 || n >= len(msg.Attachments) {
			http.NotFound(w, r)
			return
		}
		a := msg.Attachments[n]
		serve(w, "application/octet-stream", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}), a.Data)
	})
	// Behind StripPrefix("/mailbox/") the path comes without its first slash.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/") {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = "/"+r.URL.Path, ""
		}
		mux.ServeHTTP(w, r)
	})
}

func (m *Mailbox) requested(r *http.Request) (Message, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return Message{}, false
	}
	return m.message(id)
}

func headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	// Letters bring their style in attributes; nothing else may load or run.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; form-action 'none'; base-uri 'self'; frame-ancestors 'none'")
}

func render(w http.ResponseWriter, t *template.Template, name string, data any) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	headers(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func serve(w http.ResponseWriter, kind, disposition string, data []byte) {
	headers(w)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", disposition)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// framed is the HTML part as it stands in the sandboxed frame: links open in a
// tab of their own, since the frame may not leave itself.
func framed(part string) string {
	if part == "" {
		return ""
	}
	return `<!doctype html><base target="_blank">` + part
}

var link = regexp.MustCompile(`https?://[^\s<>"']+`)

// linked is a mail's text with its links made clickable.
func linked(text string) template.HTML {
	var b strings.Builder
	at := 0
	for _, span := range link.FindAllStringIndex(text, -1) {
		address := strings.TrimRight(text[span[0]:span[1]], ".,;:!?)")
		b.WriteString(html.EscapeString(text[at:span[0]]))
		fmt.Fprintf(&b, `<a href="%[1]s">%[1]s</a>`, html.EscapeString(address))
		at = span[0] + len(address)
	}
	b.WriteString(html.EscapeString(text[at:]))
	return template.HTML(b.String()) //nolint:gosec // escaped above, piece by piece
}
