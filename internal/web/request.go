package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// requestView is one request as its page shows it.
type requestView struct {
	dsar.Request
	Name      string // of the controller
	Due       due
	Can       can
	Rows      []rootView
	Events    []eventView
	ByName    string // who approved
	FirstName string // who approved first, where two have to
	Second    bool   // it waits for a second person
	Unproved  int
	ToTick    bool // the approval needs ticks
	Texts     []mentionView
	Keeps     []keptView
	Trial     *dsar.DryRun    // what the erasure would do, where that was asked
	Left      []dsar.KeptRows // what the erasure left, by collection and end
	OpenTexts bool            // some mention is to be decided
	OpenAsks  bool            // some person is asked
}

// rootView is one root row, or several alike, beside their box.
type rootView struct {
	dsar.RootGroup
	More   int64 // how many others
	Value  string
	Ticked bool
	Number int
}

// eventView is one line of the time line, with a name for its actor.
type eventView struct {
	dsar.Event
	Who string
}

// can is which of the actions a page offers. dsar decides once more when one is
// taken; here it is only about not offering what would be refused.
type can struct {
	Verify, Approve, Refuse, Extend, Withdraw, Retry, Draft, HandOver bool
	Mention                                                           bool // beside each
}

// Any tells whether there is anything to be offered.
func (c can) Any() bool {
	return c.Approve || c.Refuse || c.Extend || c.Withdraw || c.Retry || c.Draft || c.HandOver
}

func actionsOf(r dsar.Request, a dsar.Actor) can {
	if a.ReadOnly {
		return can{}
	}
	early := r.Status == dsar.Received || r.Status == dsar.InReview
	open := early || r.Status == dsar.Running
	failed := slices.ContainsFunc(r.Steps, func(s dsar.Step) bool { return s.Status == "failed" || s.Status == "waiting" && s.Error != "" }) ||
		slices.ContainsFunc(r.Letters, func(l dsar.LetterState) bool {
			return l.Status == "failed" || l.Status == "waiting" && l.Message != ""
		})
	return can{
		Verify:   early,
		Approve:  r.Status == dsar.InReview && r.ApprovedAt.IsZero(),
		Refuse:   early,
		Extend:   open && !r.Extended,
		Withdraw: early || r.Status == dsar.Running && onlyAsked(r),
		Retry:    failed,
		Mention:  r.Status == dsar.Running,
		Draft:    (r.Status == dsar.InReview || r.Status == dsar.Running && onlyAsked(r)) && r.Kind != datamap.Erasure,
		HandOver: r.Archive != nil && !r.Archive.Deleted,
	}
}

// onlyAsked tells whether a request does nothing yet but wait for people.
func onlyAsked(r dsar.Request) bool {
	return !slices.ContainsFunc(r.Steps, func(s dsar.Step) bool { return s.Stage == "archive" || s.Stage == "erase" })
}

var requestActions = []string{"how", "rows", "include_shared", "refuse_reason", "extend_reason", "ask_files", "ask_answer", "ask_who", "ask_words", "ask_reason", "mention_reason"}

func (s *server) request(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	return s.requestPage(w, r, a, http.StatusOK, id, newForm(requestActions, nil))
}

// requestPage shows a request, with the form of an action that was not taken.
func (s *server) requestPage(w http.ResponseWriter, r *http.Request, a dsar.Actor, status int, id int64, f *form) error {
	return s.requestTried(w, r, a, status, id, f, nil)
}

// requestTried shows with it what an erasure would do, where that was asked.
func (s *server) requestTried(w http.ResponseWriter, r *http.Request, a dsar.Actor, status int, id int64, f *form, trial *dsar.DryRun) error {
	req, err := s.Requests.Get(r.Context(), a, id)
	if err != nil {
		return err
	}
	v := requestView{
		Request: req, Trial: trial, Name: s.nameOf(req.Controller), Due: s.dueOf(req), Can: actionsOf(req, a),
	}
	for _, one := range req.Identities {
		if one.ProvedAt.IsZero() {
			v.Unproved++
		}
	}
	if trial != nil && len(trial.Refusals) == 0 {
		v.Findings = trial.Findings
	}
	v.Keeps = s.keptOf(v.Findings)
	if changed(req.Findings) {
		if v.Left, err = s.Requests.Kept(r.Context(), a, id); err != nil {
			return err
		}
	}
	v.ToTick = v.Can.Approve && req.Disagree
	for i, root := range dsar.GroupRoots(req.Roots) {
		value := rootValue(root.RowKey)
		v.Rows = append(v.Rows, rootView{RootGroup: root, More: int64(len(root.Others)), Value: value, Ticked: f.Has("rows", value) || root.Ticked != nil && *root.Ticked, Number: i})
	}
	who, err := s.whoIs(r, req)
	if err != nil {
		return err
	}
	v.ByName, v.FirstName = who(req.ApprovedBy), who(req.FirstApproval.By)
	v.Second = v.Can.Approve && req.FirstApproval.By != ""
	for i := range v.Asks {
		v.Asks[i].AnsweredBy = who(v.Asks[i].AnsweredBy)
	}
	for _, e := range req.Timeline {
		v.Events = append(v.Events, eventView{Event: e, Who: who(e.Actor)})
	}
	for i := range v.Identities {
		v.Identities[i].By = who(v.Identities[i].By)
	}
	v.MandateBy = who(v.MandateBy)
	if v.Texts, err = s.mentionsOf(r, a, req, f); err != nil {
		return err
	}
	v.OpenTexts = slices.ContainsFunc(req.Mentions, func(m dsar.Mention) bool { return m.Open() })
	v.OpenAsks = slices.ContainsFunc(req.Asks, func(k dsar.Ask) bool { return k.Answer == "" })
	for i := range v.Texts {
		v.Texts[i].DecidedBy = who(v.Texts[i].DecidedBy)
	}
	title := "Request " + strconv.FormatInt(id, 10)
	if f.Bad() {
		title = "Problem: " + title
	}
	s.render(w, r, status, "request", page{Title: title, Section: "requests", Form: f, Flash: s.flash(r), Data: v})
	return nil
}

// whoIs gives names to the actors of a request: the record knows staff by number.
func (s *server) whoIs(r *http.Request, req dsar.Request) (func(string) string, error) {
	number := func(actor string) int64 {
		n, _ := strconv.ParseInt(strings.TrimPrefix(actor, "staff:"), 10, 64)
		return n
	}
	var ids []int64
	note := func(actor string) {
		if n := number(actor); n > 0 && strings.HasPrefix(actor, "staff:") && !slices.Contains(ids, n) {
			ids = append(ids, n)
		}
	}
	for _, e := range req.Timeline {
		note(e.Actor)
	}
	for _, i := range req.Identities {
		note(i.By)
	}
	for _, one := range req.Asks {
		note(one.AnsweredBy)
	}
	note(req.ApprovedBy)
	note(req.FirstApproval.By)
	note(req.MandateBy)
	names, err := s.Staff.names(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	return func(actor string) string {
		switch {
		case actor == "system":
			return "Lethe"
		case actor == "subject":
			return "the person"
		case actor == "owner":
			return "the owner of the source"
		case actor == "operator":
			return "the operator"
		case strings.HasPrefix(actor, "staff:"):
			if n, ok := names[number(actor)]; ok {
				return n
			}
		}
		return actor
	}, nil
}
