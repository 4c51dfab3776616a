package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/retention"
)

// requestNewView is the DPO's form, with what the preview found.
type requestNewView struct {
	Controllers, Kinds, Requesters, Deliveries []option
	Policies                                   []option // none: there is nothing to choose
	Identities                                 []field
	Rows                                       *field // none: rows cannot be picked
	Pickable                                   []string
	Narrow                                     []field           // none: the data map has no field of a request
	Narrowed                                   map[string]string // what was found is, by these
	Found                                      *dsar.Previewed
	Keeps                                      []keptView
}

func (s *server) requestNew(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	f := newForm(s.requestFields(), nil)
	f.values.Set("requester", "self")
	own := s.controllersOf(a)
	if len(own) > 0 {
		f.values.Set("controller", own[0].Key)
	}
	s.requestForm(w, r, a, http.StatusOK, f, nil)
	return nil
}

func (s *server) requestForm(w http.ResponseWriter, r *http.Request, a dsar.Actor, status int, f *form, found *dsar.Previewed) {
	title := "New request"
	if f.Bad() {
		title = "Problem: " + title
	}
	var keeps []keptView
	var narrowed map[string]string
	if found != nil {
		keeps, narrowed = s.keptOf(found.Findings), s.narrowed(f)
	}
	s.render(w, r, status, "request_new", page{Title: title, Section: "new", Form: f, Flash: s.flash(r), Data: requestNewView{
		Controllers: controllerOptions(s.controllersOf(a)), Kinds: kindOptions, Requesters: requesterOptions, Deliveries: deliveryOptions,
		Policies: s.policyOptions(), Identities: s.identityInputs(f), Rows: s.rowsInput(f), Pickable: s.Pickable,
		Narrow: s.narrowInputs(f), Narrowed: narrowed, Found: found, Keeps: keeps,
	}})
}

// requestSubmit serves both buttons of the form: the preview changes nothing
// and shows the form again; the other one takes the request in.
func (s *server) requestSubmit(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	f, err := readForm(r, s.requestFields()...)
	if err != nil {
		return err
	}
	if a.ReadOnly {
		return dsar.ErrForbidden
	}
	sub := s.staffSubmission(f, s.controllersOf(a))
	if f.Bad() {
		s.requestForm(w, r, a, http.StatusUnprocessableEntity, f, nil)
		return nil
	}
	if f.Value("do") == "preview" {
		found, err := s.Requests.Preview(r.Context(), a, sub)
		if err != nil {
			return s.requestProblem(w, r, a, f, sub, err)
		}
		s.requestForm(w, r, a, http.StatusOK, f, &found)
		return nil
	}
	done, err := s.Requests.Submit(r.Context(), a, sub)
	if err != nil {
		return s.requestProblem(w, r, a, f, sub, err)
	}
	id := done.ID
	if done.Joined && done.Into != 0 {
		id = done.Into
		s.warn(r, fmt.Sprintf("This person has asked for the same already: request %d took the new one in, and the earlier deadline counts.", id))
	} else {
		s.tell(r, fmt.Sprintf("Request %d is taken in.", id))
	}
	return seeOther(w, r, fmt.Sprintf("/requests/%d", id))
}

// requestProblem shows the form again with what there is against it.
func (s *server) requestProblem(w http.ResponseWriter, r *http.Request, a dsar.Actor, f *form, sub dsar.Submission, err error) error {
	status, err := s.explainTo(r, f, err, s.renames(sub))
	if err != nil {
		return err
	}
	s.requestForm(w, r, a, status, f, nil)
	return nil
}

// explain puts an error that is about the form into the form, and says whether it was one.
func explain(f *form, err error, rename func(string) string) bool {
	var invalid *dsar.Invalid
	var notNow *dsar.NotNow
	var hold *retention.HoldProblem
	switch {
	case errors.As(err, &invalid):
		f.take(invalid.Fields, rename)
		if !f.Bad() {
			f.wrong("", "The request cannot be taken in as it is.")
		}
	case errors.As(err, &notNow):
		f.wrong("", notNow.Sentence)
	case errors.As(err, &hold):
		f.take(map[string]string{hold.Field: capital(hold.Sentence) + "."}, rename)
	default:
		return false
	}
	return true
}

// today is the present day where a controller sits, at UTC midnight, as due days are.
func (s *server) today(controller string) time.Time {
	now := s.Now().UTC()
	if c, ok := s.controllers[controller]; ok && c.Location != nil {
		now = now.In(c.Location)
	}
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
}
