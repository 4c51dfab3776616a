package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The page of a source's owner, behind the link of their mail. GET shows what is
// asked and a button, and nobody: mail programs and scanners follow links. Whom
// it is about is shown in answer to a POST; so is the page after every action,
// where other pages send the browser on to a GET. Sending the same form twice
// does no harm.

var deskFields = []string{"files", "answer", "words", "who"}

// deskView is what the page shows.
type deskView struct {
	dsar.AskView
	Name    string // of the controller
	Shown   bool   // whom it is about
	Done    string // what was just done
	Action  string // where forms go
	Erasure bool
	Choices []option
}

// FileCount is for words.
func (d deskView) FileCount() int64 { return int64(len(d.Files)) }

func (s *server) deskView(token string, v dsar.AskView) deskView {
	d := deskView{AskView: v, Name: s.nameOf(v.Controller.Key), Action: "/desk/" + url.PathEscape(token), Erasure: v.Kind == datamap.Erasure}
	d.ReceivedAt, d.AnsweredAt = inPlace(d.ReceivedAt, v.Controller), inPlace(d.AnsweredAt, v.Controller)
	if d.Erasure {
		d.Choices = []option{
			{Value: dsar.AnsweredDone, Label: "It is erased", Hint: "Say below what was done, and who did it"},
			{Value: dsar.AnsweredNothing, Label: "We hold nothing about this person"},
		}
	} else {
		d.Choices = []option{
			{Value: dsar.AnsweredFiles, Label: "The files above are all that we hold"},
			{Value: dsar.AnsweredNothing, Label: "We hold nothing about this person"},
		}
	}
	d.Choices = append(d.Choices, option{Value: dsar.AnsweredCannot, Label: "We cannot do this", Hint: "Say below why: the data protection officer decides then"})
	return d
}

// desk shows what is asked, and a button.
func (s *server) desk(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	v, err := s.Requests.LookAsk(r.Context(), token)
	if err != nil {
		return err
	}
	return s.deskPage(w, r, http.StatusOK, s.deskView(token, v), newForm(deskFields, nil))
}

func (s *server) deskPage(w http.ResponseWriter, r *http.Request, status int, d deskView, f *form) error {
	title := "Request " + strconv.FormatInt(d.RequestID, 10)
	if f.Bad() {
		title = "Problem: " + title
	}
	s.render(w, r, status, "desk", page{Title: title, Controller: &d.Controller, Owner: true, Form: f, Data: d})
	return nil
}

// deskDone does what a button of the page says, and shows the page as it is then.
func (s *server) deskDone(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	f, err := readForm(r, deskFields...)
	if err != nil {
		return err
	}
	ref := dsar.AskRef{Token: token}
	done := ""
	switch f.text("do") {
	case "answer":
		answer := dsar.AskAnswer{What: f.text("answer"), Who: f.text("who"), Words: f.text("words")}
		done, err = "Thank you. Your answer is with the data protection officer.", s.Requests.AnswerAsk(r.Context(), ref, answer)
		var last error
		if err == nil { // the last answer may end the link with the request
			if _, last = s.Requests.LookAsk(r.Context(), token); errors.Is(last, dsar.ErrNoToken) {
				return s.deskThanks(w, r)
			}
		}
	case "change":
		done, err = "Your answer is taken back: you can change it now.", s.Requests.ReopenAsk(r.Context(), ref)
	case "remove":
		id, perr := strconv.ParseInt(f.text("file"), 10, 64)
		if perr != nil {
			return errForm
		}
		done, err = "The file is removed.", s.Requests.RemoveFile(r.Context(), ref, id)
	}
	return s.deskAfter(w, r, token, f, done, err)
}

// deskAfter shows the page after an action, with what is wrong or what was done.
func (s *server) deskAfter(w http.ResponseWriter, r *http.Request, token string, f *form, done string, failed error) error {
	status := http.StatusOK
	if failed != nil {
		var err error
		if status, err = s.explainTo(r, f, failed, func(name string) string { return name }); err != nil {
			return err
		}
	}
	if f.Bad() && status == http.StatusOK {
		status = http.StatusUnprocessableEntity
	}
	v, err := s.Requests.OpenAsk(r.Context(), token)
	if err != nil {
		return err
	}
	d := s.deskView(token, v)
	d.Shown = true
	if failed == nil {
		d.Done = done
	}
	return s.deskPage(w, r, status, d, f)
}

// deskThanks is what is left to say once the request has ended.
func (s *server) deskThanks(w http.ResponseWriter, r *http.Request) error {
	s.render(w, r, http.StatusOK, "desk_thanks", page{Title: "Thank you"})
	return nil
}

// deskFiles takes files, and shows the page with what is there now.
func (s *server) deskFiles(w http.ResponseWriter, r *http.Request) error {
	token, err := pathToken(r)
	if err != nil {
		return err
	}
	v, err := s.Requests.LookAsk(r.Context(), token) // before a byte of the body is read
	if err != nil {
		return err
	}
	f := newForm(deskFields, nil)
	taken, err := s.receive(w, r, dsar.AskRef{Token: token}, v.Limit, f, "files")
	if err != nil {
		return err
	}
	done := ""
	if taken > 0 {
		done = plural(int64(taken), "file is", "files are") + " added. They are handed over once you send the answer below."
	}
	return s.deskAfter(w, r, token, f, done, nil)
}
