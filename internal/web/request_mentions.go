package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
)

// mentionView is one row of other people's text, with the text itself where the
// DPO has just asked to read it.
type mentionView struct {
	dsar.Mention
	Parts []mentionPart // of the text; none: not read
	Gone  bool
	Mine  bool // the form that was not taken is this one's
}

// A mentionPart is a piece of a text; Of tells whether the person stands in it.
type mentionPart struct {
	Text string
	Of   bool
}

// mentionDone does what a button beside a mention says. Reading it is a POST:
// that the text was read goes on the record, and no address brings it back.
func (s *server) mentionDone(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	number, err := strconv.ParseInt(r.PathValue("mention"), 10, 64)
	if err != nil {
		return errNowhere
	}
	what := r.PathValue("what")
	if what == "read" {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		if a.ReadOnly {
			return dsar.ErrForbidden
		}
		return s.requestPage(w, r, a, http.StatusOK, id, newForm(requestActions, url.Values{"mention_read": {strconv.FormatInt(number, 10)}}))
	}
	return s.act(w, r, a, func(name string) string { return "mention_" + name }, func(id int64, f *form) (string, error) {
		f.values.Set("mention", strconv.FormatInt(number, 10))
		switch what {
		case dsar.RedactMention, dsar.DeleteMention:
			return "It is being carried out.", s.Requests.DecideMention(r.Context(), a, id, []int64{number}, what, "")
		case dsar.LeaveMention:
			reason := f.need("mention_reason", "Say why it is left: the person is told (Art. 12(4)).", 2000)
			if f.Bad() {
				return "", nil
			}
			return "Left, with your reason.", s.Requests.DecideMention(r.Context(), a, id, []int64{number}, what, reason)
		}
		return "", errNowhere
	})
}

// mentionsOf shows the mentions of a request, and reads the one that was asked for.
func (s *server) mentionsOf(r *http.Request, a dsar.Actor, req dsar.Request, f *form) ([]mentionView, error) {
	var list []mentionView
	for _, m := range req.Mentions {
		v := mentionView{Mention: m, Mine: f.Value("mention") == strconv.FormatInt(m.ID, 10)}
		if f.Value("mention_read") == strconv.FormatInt(m.ID, 10) && m.Open() {
			text, found, err := s.Requests.ShowMention(r.Context(), a, req.ID, m.ID)
			if err != nil {
				return nil, err
			}
			v.Gone = !found
			from := 0
			for _, span := range text.Spans {
				v.Parts = append(v.Parts, mentionPart{Text: text.Text[from:span[0]]}, mentionPart{Text: text.Text[span[0]:span[1]], Of: true})
				from = span[1]
			}
			v.Parts = append(v.Parts, mentionPart{Text: text.Text[from:]})
		}
		list = append(list, v)
	}
	return list, nil
}
