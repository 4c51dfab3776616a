package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
)

// askDone does what a button beside one of the people asked says.
func (s *server) askDone(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	beside := func(name string) string { return "ask_" + name }
	return s.act(w, r, a, beside, func(id int64, f *form) (string, error) {
		src := r.PathValue("source")
		f.values.Set("ask", src) // whose form it was, if it has to be shown again
		ref := dsar.AskRef{Actor: a, RequestID: id, Source: src}
		switch r.PathValue("what") {
		case "resend":
			return "A new link is on its way to the owner; the earlier ones have ended.", s.Requests.ResendAsk(r.Context(), a, id, src)
		case "skip":
			reason := f.need("ask_reason", "Say why: the person is told what was left out, and why (Art. 12(4)).", 2000)
			if f.Bad() {
				return "", nil
			}
			return "Skipped. The person is told what was left out, and why.", s.Requests.SkipAsk(r.Context(), a, id, src, reason)
		case "answer":
			answer := dsar.AskAnswer{What: f.text("ask_answer"), Who: f.text("ask_who"), Words: f.text("ask_words")}
			return "The answer is taken down, as given by you.", s.Requests.AnswerAsk(r.Context(), ref, answer)
		case "change":
			return "The answer is taken back.", s.Requests.ReopenAsk(r.Context(), ref)
		case "remove":
			file, err := strconv.ParseInt(f.text("file"), 10, 64)
			if err != nil {
				return "", errForm
			}
			return "The file is removed.", s.Requests.RemoveFile(r.Context(), ref, file)
		}
		return "", errNowhere
	})
}

// askFiles takes files on an owner's behalf.
func (s *server) askFiles(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	req, err := s.Requests.Get(r.Context(), a, id) // before a byte of the body is read
	if err != nil {
		return err
	}
	src := r.PathValue("source")
	for _, one := range req.Asks {
		if one.Source != src {
			continue
		}
		if a.ReadOnly {
			return dsar.ErrForbidden
		}
		f := newForm(requestActions, url.Values{"ask": {src}})
		taken, err := s.receive(w, r, dsar.AskRef{Actor: a, RequestID: id, Source: src}, one.Limit, f, "ask_files")
		if err != nil {
			return err
		}
		if f.Bad() {
			return s.requestPage(w, r, a, http.StatusUnprocessableEntity, id, f)
		}
		s.tell(r, plural(int64(taken), "file is", "files are")+" added; they count once you give the answer.")
		return seeOther(w, r, fmt.Sprintf("/requests/%d", id))
	}
	return dsar.ErrNotFound
}
