package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
)

// askView is a controller's public form.
type askView struct {
	Kinds, Requesters []option
	First, Others     []field // identities: what people know of themselves, and the rest
	OthersOpen        bool
}

// ofController finds the controller of a public page.
func (s *server) ofController(r *http.Request) (dsar.Controller, error) {
	c, ok := s.controllers[r.PathValue("controller")]
	if !ok {
		return dsar.Controller{}, errNowhere
	}
	return c, nil
}

func (s *server) ask(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ofController(r)
	if err != nil {
		return err
	}
	s.askForm(w, r, http.StatusOK, c, newForm(s.askFields(), url.Values{"requester": {"self"}}))
	return nil
}

func (s *server) askForm(w http.ResponseWriter, r *http.Request, status int, c dsar.Controller, f *form) {
	v := askView{Kinds: askKinds, Requesters: askRequesters}
	for _, in := range s.identityInputs(f) {
		if !slices.Contains(s.Browser, strings.TrimPrefix(in.Name, identityField)) {
			v.First = append(v.First, in)
			continue
		}
		v.Others = append(v.Others, in)
		v.OthersOpen = v.OthersOpen || in.Value() != "" || in.Problem() != ""
	}
	if len(v.First) == 0 {
		v.First, v.Others = v.Others, nil
	}
	title := "Your data at " + s.nameOf(c.Key)
	if f.Bad() {
		title = "Problem: " + title
	}
	s.render(w, r, status, "ask", page{Title: title, Controller: &c, Form: f, Data: v})
}

// The same choices as the DPO's, in words for those whom they concern.
var (
	askKinds = []option{
		{Value: "access", Label: "A copy of my data", Hint: "And what is done with them, who else has them, and for how long (Art. 15 GDPR)"},
		{Value: "export", Label: "My data to take elsewhere", Hint: "What you gave us yourself, as files that other services can read (Art. 20 GDPR)"},
		{Value: "erasure", Label: "Erase my data", Hint: "All but what a law tells us to keep; we tell you what that is (Art. 17 GDPR)"},
	}
	askRequesters = []option{
		{Value: "self", Label: "For myself"},
		{Value: "parent", Label: "For my child"},
		{Value: "guardian", Label: "For somebody whose guardian I am"},
		{Value: "lawyer", Label: "For a client, as their lawyer"},
		{Value: "agent", Label: "For somebody who gave me a mandate"},
	}
)

// asked takes a subject's request in. What is answered does not depend on
// whether anybody is known: every request that can be read gets its status page.
func (s *server) asked(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ofController(r)
	if err != nil {
		return err
	}
	f, err := readForm(r, s.askFields()...)
	if err != nil {
		return err
	}
	sub := s.submission(f, c.Key, "form")
	if f.Bad() {
		s.askForm(w, r, http.StatusUnprocessableEntity, c, f)
		return nil
	}
	if s.personLimited(w, r, c, sub, f); f.Bad() {
		s.askForm(w, r, http.StatusTooManyRequests, c, f)
		return nil
	}
	done, err := s.Requests.Submit(r.Context(), subjectOf(c.Key), sub)
	if err != nil {
		status, err := s.explainTo(r, f, err, s.renames(sub))
		if err != nil {
			return err
		}
		s.askForm(w, r, status, c, f)
		return nil
	}
	if done.StatusToken == "" {
		return seeOther(w, r, "/c/"+url.PathEscape(c.Key)+"/received")
	}
	return seeOther(w, r, "/status/"+url.PathEscape(done.StatusToken)+"?new=yes")
}

// askReceived is shown where a request has no status page of its own.
func (s *server) askReceived(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ofController(r)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "ask_received", page{Title: "Your request has arrived", Controller: &c})
	return nil
}
