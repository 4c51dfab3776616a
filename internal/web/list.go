package web

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// perPage is how many requests a page lists.
const perPage = 50

// listView is the list by deadline.
type listView struct {
	Rows                  []listRow
	Total, From, To       int
	Tabs                  []tab
	Controllers, Kinds    []option
	Filtered              bool
	Earlier, Later, Clear string // addresses; empty: none
	State                 string
}

type listRow struct {
	dsar.Request
	Name string // of the controller
	Due  due
}

// due is how far away a deadline is.
type due struct {
	Day  time.Time
	Open bool // it still counts
	Days int  // until then; negative: overdue
}

// Words says it.
func (d due) Words() string {
	switch {
	case !d.Open:
		return ""
	case d.Days < -1:
		return plural(int64(-d.Days), "day", "days") + " overdue"
	case d.Days == -1:
		return "1 day overdue"
	case d.Days == 0:
		return "today"
	case d.Days == 1:
		return "tomorrow"
	}
	return "in " + plural(int64(d.Days), "day", "days")
}

// Tone is the class of its badge.
func (d due) Tone() string {
	switch {
	case !d.Open:
		return ""
	case d.Days < 0:
		return "bad"
	case d.Days <= 7:
		return "soon"
	}
	return "fine"
}

func (s *server) dueOf(r dsar.Request) due {
	open := r.Status == dsar.Received || r.Status == dsar.InReview || r.Status == dsar.Running
	return due{Day: r.DueOn, Open: open, Days: int(math.Round(r.DueOn.Sub(s.today(r.Controller)).Hours() / 24))}
}

// A tab is one of the views of the list, with how many requests it holds.
type tab struct {
	Label, To string
	Count     int
	Current   bool
	Tone      string
}

// views are the tabs: a name in the address, a label, and the filter.
var views = []struct{ name, label string }{
	{"open", "Open"}, {"overdue", "Overdue"}, {"received", "Waiting for the person"}, {"in_review", "Waiting for you"},
	{"running", "Running"}, {"done", "Done"}, {"all", "All"},
}

// filterOf is the filter of a view. Done ones first ended are listed like all others, by due day.
func (s *server) filterOf(view string) (dsar.Filter, bool) {
	switch view {
	case "", "open":
		return dsar.Filter{}, true
	case "overdue":
		return dsar.Filter{DueBefore: s.today("")}, true
	case "received", "in_review", "running":
		return dsar.Filter{Statuses: []dsar.Status{dsar.Status(view)}}, true
	case "done":
		return dsar.Filter{Statuses: []dsar.Status{dsar.Fulfilled, dsar.Refused, dsar.Withdrawn, dsar.Lapsed}}, true
	case "all":
		return dsar.Filter{All: true}, true
	}
	return dsar.Filter{}, false
}

func (s *server) list(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	q := r.URL.Query()
	view := q.Get("state")
	filter, ok := s.filterOf(view)
	if !ok {
		view = "open"
		filter, _ = s.filterOf(view)
	}
	if view == "" {
		view = "open"
	}
	own := s.controllersOf(a)
	v := listView{State: view, Controllers: controllerOptions(own), Kinds: kindOptions}
	for _, c := range own {
		if c.Key == q.Get("controller") {
			filter.Controller, v.Filtered = c.Key, true
		}
	}
	for _, k := range kindOptions {
		if k.Value == q.Get("kind") {
			filter.Kind, v.Filtered = datamap.Kind(k.Value), true
		}
	}
	address := func(state string, page int) string {
		out := url.Values{"state": {state}}
		if filter.Controller != "" {
			out.Set("controller", filter.Controller)
		}
		if filter.Kind != "" {
			out.Set("kind", string(filter.Kind))
		}
		if page > 1 {
			out.Set("page", strconv.Itoa(page))
		}
		return "/?" + out.Encode()
	}

	number, err := strconv.Atoi(q.Get("page"))
	if err != nil || number < 1 || number > 100_000 {
		number = 1
	}
	filter.Limit, filter.Offset = perPage, (number-1)*perPage
	list, all, err := s.Requests.List(r.Context(), a, filter)
	if err != nil {
		return err
	}
	for _, one := range list {
		one.ReceivedAt = inPlace(one.ReceivedAt, s.controllers[one.Controller])
		v.Rows = append(v.Rows, listRow{Request: one, Name: s.nameOf(one.Controller), Due: s.dueOf(one)})
	}
	v.Total, v.From, v.To = all, filter.Offset+1, filter.Offset+len(list)
	if number > 1 {
		v.Earlier = address(view, number-1)
	}
	if v.To < all && len(list) > 0 {
		v.Later = address(view, number+1)
	}
	v.Clear = "/?state=" + view

	for _, t := range views {
		n := all
		if t.name != view {
			other, _ := s.filterOf(t.name)
			other.Controller, other.Kind, other.Limit = filter.Controller, filter.Kind, 1
			if _, n, err = s.Requests.List(r.Context(), a, other); err != nil {
				return err
			}
		}
		one := tab{Label: t.label, To: address(t.name, 1), Count: n, Current: t.name == view}
		if t.name == "overdue" && n > 0 {
			one.Tone = "bad"
		}
		v.Tabs = append(v.Tabs, one)
	}
	f := newForm([]string{"controller", "kind"}, url.Values{"controller": {filter.Controller}, "kind": {string(filter.Kind)}})
	s.render(w, r, http.StatusOK, "list", page{Title: "Requests", Section: "requests", Form: f, Flash: s.flash(r), Data: v})
	return nil
}

// nameOf is what a controller is called on pages.
func (s *server) nameOf(key string) string {
	if c, ok := s.controllers[key]; ok && c.Name != "" {
		return c.Name
	}
	return key
}

// inPlace gives an instant the controller's wall clock: its day is the day there.
func inPlace(t time.Time, c dsar.Controller) time.Time {
	if c.Location == nil || t.IsZero() {
		return t
	}
	return t.In(c.Location)
}
