package web

import (
	"net/http"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
)

// letterView is a letter that reached nobody, in words.
type letterView struct {
	Request       int64
	Subject, Text string
}

// requestLetter shows a letter that could not be mailed, to be printed and handed
// over in another way.
func (s *server) requestLetter(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(r.PathValue("letter"), 10, 64)
	if err != nil {
		return errNowhere
	}
	l, err := s.Requests.UnsentLetter(r.Context(), a, id, number)
	if err != nil {
		return err
	}
	v := letterView{Request: id}
	if v.Subject, v.Text, err = s.Words(l); err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "letter", page{Title: "Letter of request " + strconv.FormatInt(id, 10), Section: "requests", Data: v})
	return nil
}
