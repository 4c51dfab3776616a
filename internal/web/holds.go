package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/retention"
)

// holdsView is the page of holds.
type holdsView struct {
	Holds                     []holdView
	All                       bool // released ones too
	CanAdd                    bool
	Controllers, About, Types []option
	Collections               []option
}

type holdView struct {
	retention.Hold
	Name string // of the controller
	Who  string
}

func (s *server) holds(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	f := newForm(holdFields, url.Values{"about": {holdIdentity}})
	if own := s.controllersOf(a); len(own) > 0 {
		f.values.Set("controller", own[0].Key)
	}
	return s.holdsPage(w, r, a, http.StatusOK, f)
}

func (s *server) holdsPage(w http.ResponseWriter, r *http.Request, a dsar.Actor, status int, f *form) error {
	own := s.controllersOf(a)
	v := holdsView{All: r.URL.Query().Get("all") == "yes", CanAdd: !a.ReadOnly, Controllers: controllerOptions(own),
		About: holdOptions}
	for _, t := range s.Identities {
		v.Types = append(v.Types, option{Value: t, Label: identityWord(t)})
	}
	for _, c := range s.Collections {
		v.Collections = append(v.Collections, option{Value: c, Label: c})
	}
	list, err := s.ownHolds(r, a, v.All)
	if err != nil {
		return err
	}
	ids := make([]int64, 0, len(list))
	for _, h := range list {
		if n, err := strconv.ParseInt(strings.TrimPrefix(h.PlacedBy, "staff:"), 10, 64); err == nil {
			ids = append(ids, n)
		}
	}
	names, err := s.Staff.names(r.Context(), ids)
	if err != nil {
		return err
	}
	for _, h := range list {
		if a.ReadOnly {
			h.Value = ""
		}
		one := holdView{Hold: h, Name: s.nameOf(h.Controller), Who: h.PlacedBy}
		if n, err := strconv.ParseInt(strings.TrimPrefix(h.PlacedBy, "staff:"), 10, 64); err == nil && names[n] != "" {
			one.Who = names[n]
		}
		v.Holds = append(v.Holds, one)
	}
	title := "Holds"
	if f.Bad() {
		title = "Problem: " + title
	}
	s.render(w, r, status, "holds", page{Title: title, Section: "holds", Form: f, Flash: s.flash(r), Data: v})
	return nil
}

// ownHolds lists the holds of the controllers that somebody belongs to, and no others'.
func (s *server) ownHolds(r *http.Request, a dsar.Actor, all bool) ([]retention.Hold, error) {
	own := s.controllersOf(a)
	if len(own) == 0 {
		return nil, nil // an empty list may mean all to the service
	}
	keys := make([]string, 0, len(own))
	for _, c := range own {
		keys = append(keys, c.Key)
	}
	return s.Retention.ListHolds(r.Context(), keys, all)
}

func (s *server) holdAdd(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	f, err := readForm(r, holdFields...)
	if err != nil {
		return err
	}
	if a.ReadOnly {
		return dsar.ErrForbidden
	}
	h := s.holdOf(f, s.controllersOf(a))
	if f.Bad() {
		return s.holdsPage(w, r, a, http.StatusUnprocessableEntity, f)
	}
	if err := s.mayHold(a, h.Controller); err != nil {
		return err
	}
	id, err := s.Retention.AddHold(r.Context(), a.Name, h)
	if err != nil {
		status, err := s.explainTo(r, f, err, func(n string) string { return n })
		if err != nil {
			return err
		}
		return s.holdsPage(w, r, a, status, f)
	}
	said := fmt.Sprintf("Hold %d stands: neither erasure nor expiry touches its rows.", id)
	ctx, cancel := context.WithTimeout(r.Context(), counting)
	defer cancel()
	if dsar.HoldsNothing(ctx, s.Requests, a, h.Controller, h.Type, h.Collection, h.Value) {
		said = fmt.Sprintf("Hold %d stands, but as the data are now it covers nothing: look again at what it names, or release it.", id)
	}
	s.tell(r, said)
	return seeOther(w, r, "/holds")
}

func (s *server) holdRelease(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	id, err := pathID(r)
	if err != nil {
		return errNowhere
	}
	list, err := s.ownHolds(r, a, false)
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.ID != id {
			continue
		}
		if err := s.mayHold(a, h.Controller); err != nil {
			return err
		}
		if err := s.Retention.ReleaseHold(r.Context(), a.Name, id); err != nil {
			return err
		}
		s.tell(r, fmt.Sprintf("Hold %d is released: erasures and sweeps take its rows from now on.", id))
		return seeOther(w, r, "/holds")
	}
	return errNowhere
}
