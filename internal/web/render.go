package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
)

//go:embed templates
var templateFiles embed.FS

// pages are the parsed templates, one set a page: the layout, the parts that
// pages share, and the page itself.
type pages map[string]*template.Template

// page is what the layout shows around a page's own Data.
type page struct {
	Title      string
	Section    string           // of the navigation: requests, rules, holds
	Member     *StaffMember     // signed in; nil on public pages
	Controller *dsar.Controller // whose public page it is
	Form       *form
	Flash      flash
	Queue      bool // there is a queue page that this member may open
	Owner      bool // the page is for the owner of a source, not for the person
	Demo       bool
	Data       any
}

// flash is one message, shown once.
type flash struct{ Text, Tone string } // Tone: ok, warn

func parsePages() (pages, error) {
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	base, err := template.New("").Funcs(words()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	set := make(pages)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		one, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if set[name], err = one.ParseFS(templateFiles, path.Join("templates", f.Name())); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// render writes a whole page or none of it.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Demo = s.Demo
	if p.Member == nil {
		p.Member = memberOf(r.Context())
	}
	if p.Member != nil {
		p.Queue = s.Queue != nil && p.Member.Role == RoleProcessor
	}
	var b bytes.Buffer
	t, ok := s.pages[name]
	err := fmt.Errorf("no template %s", name)
	if ok {
		err = t.ExecuteTemplate(&b, "layout", p)
	}
	if err != nil {
		// A template's error may quote what it was given: it is not logged.
		s.Log.LogAttrs(r.Context(), slog.LevelError, "page not rendered",
			slog.String("page", name), slog.String("type", fmt.Sprintf("%T", err)))
		http.Error(w, fault.Title, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		s.Log.LogAttrs(r.Context(), slog.LevelDebug, "page not sent", slog.Any("error", pg.Clean(err)))
	}
}

// seeOther sends the browser on after a form was taken (POST, redirect, GET).
func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// tell keeps a message for the next page of this session.
func (s *server) tell(r *http.Request, text string) { s.put(r, text, "ok") }

// warn is tell, for what went otherwise than asked for.
func (s *server) warn(r *http.Request, text string) { s.put(r, text, "warn") }

func (s *server) put(r *http.Request, text, tone string) {
	s.sessions.Put(r.Context(), keyFlash, text)
	s.sessions.Put(r.Context(), keyTone, tone)
}

func (s *server) flash(r *http.Request) flash {
	return flash{Text: s.sessions.PopString(r.Context(), keyFlash), Tone: s.sessions.PopString(r.Context(), keyTone)}
}
