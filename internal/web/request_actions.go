package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/source"
)

// act carries out one action of a request's page: read the form, do it, say
// what happened, go back to the page. What cannot be done now is said at the
// top of the page, with what was typed kept.
func (s *server) act(w http.ResponseWriter, r *http.Request, a dsar.Actor, rename func(string) string, do func(id int64, f *form) (string, error)) error {
	return s.actThen(w, r, a, rename, do, func(id int64, _ *form, said string) error {
		s.tell(r, said)
		return seeOther(w, r, fmt.Sprintf("/requests/%d", id))
	})
}

// actThen does something else than going back to the page once it is done.
func (s *server) actThen(w http.ResponseWriter, r *http.Request, a dsar.Actor, rename func(string) string, do func(id int64, f *form) (string, error), then func(id int64, f *form, said string) error) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f, err := readForm(r, requestActions...)
	if err != nil {
		return err
	}
	said, err := do(id, f)
	if f.Bad() && err == nil {
		return s.requestPage(w, r, a, http.StatusUnprocessableEntity, id, f)
	}
	if err != nil {
		if errors.Is(err, dsar.ErrRows) {
			f.wrong("rows", "The rows found disagree on the person: tick those that are theirs.")
			return s.requestPage(w, r, a, answerTo(err).Status, id, f)
		}
		status, err := s.explainTo(r, f, err, rename)
		if err != nil {
			return err
		}
		return s.requestPage(w, r, a, status, id, f)
	}
	return then(id, f, said)
}

// always puts a service's problems beside one field.
func always(name string) func(string) string { return func(string) string { return name } }

func (s *server) requestVerify(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, always("how"), func(id int64, f *form) (string, error) {
		how := f.need("how", "Say how you verified it, for the record: “passport seen at the counter”.", 300)
		identity, err := strconv.ParseInt(f.Value("identity"), 10, 64)
		if err != nil {
			f.wrong("", "Choose which identity you verified.")
		}
		if f.Bad() {
			return "", nil
		}
		return "The identity counts as proved, by your word.", s.Requests.Verify(r.Context(), a, id, identity, how)
	})
}

// besideRows puts a problem with the ticks beside them.
func besideRows(name string) string {
	if name == "rows" {
		return name
	}
	return ""
}

// tickedRows are the rows whose boxes are ticked: a box of several rows that are
// alike stands for all of them.
func (s *server) tickedRows(r *http.Request, a dsar.Actor, id int64, f *form) ([]string, error) {
	ticked := f.values["rows"]
	if len(ticked) == 0 {
		return nil, nil
	}
	req, err := s.Requests.Get(r.Context(), a, id)
	if err != nil {
		return nil, err
	}
	rows := slices.Clone(ticked)
	for _, g := range dsar.GroupRoots(req.Roots) {
		if !slices.Contains(ticked, rootValue(g.RowKey)) {
			continue
		}
		for _, key := range g.Others {
			rows = append(rows, rootValue(source.RowKey{Collection: g.Collection, Key: key}))
		}
	}
	return rows, nil
}

// requestDryRun shows what the erasure would do with the rows that are ticked. A
// POST, since it reads the subject's rows, and a browser must not do that by itself.
func (s *server) requestDryRun(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	var trial dsar.DryRun
	return s.actThen(w, r, a, besideRows, func(id int64, f *form) (said string, err error) {
		rows, err := s.tickedRows(r, a, id, f)
		if err == nil {
			trial, err = s.Requests.DryRun(r.Context(), a, id, rows)
		}
		return "", err
	}, func(id int64, f *form, _ string) error {
		return s.requestTried(w, r, a, http.StatusOK, id, f, &trial)
	})
}

func (s *server) requestApprove(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, besideRows, func(id int64, f *form) (string, error) {
		rows, err := s.tickedRows(r, a, id, f)
		if err != nil {
			return "", err
		}
		ap := dsar.Approval{Rows: rows, IncludeShared: f.Value("include_shared") == "yes"}
		return "Approved. This page shows what comes next.", s.Requests.Approve(r.Context(), a, id, ap)
	})
}

func (s *server) requestRefuse(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, always("refuse_reason"), func(id int64, f *form) (string, error) {
		reason := f.need("refuse_reason", "Say why: the person is told, with where to complain (Art. 12(4)).", 2000)
		if f.Bad() {
			return "", nil
		}
		return "Refused. The letter with your reasons and the remedies goes out.", s.Requests.Refuse(r.Context(), a, id, reason)
	})
}

func (s *server) requestExtend(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, always("extend_reason"), func(id int64, f *form) (string, error) {
		reason := f.need("extend_reason", "Say why it takes longer: the person is told (Art. 12(3)).", 2000)
		if f.Bad() {
			return "", nil
		}
		return "The deadline is extended by two months, and the person is told why.", s.Requests.Extend(r.Context(), a, id, reason)
	})
}

func (s *server) requestWithdraw(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, always(""), func(id int64, _ *form) (string, error) {
		return "Withdrawn on the person's word.", s.Requests.Withdraw(r.Context(), a, id)
	})
}

func (s *server) requestRetry(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	return s.act(w, r, a, always(""), func(id int64, _ *form) (string, error) {
		return "What had failed is tried again now.", s.Requests.Retry(r.Context(), a, id)
	})
}
