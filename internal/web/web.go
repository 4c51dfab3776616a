package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// Config is what the pages are made of. Every field is needed unless it says otherwise.
type Config struct {
	Requests    Requests
	Retention   Retention
	Staff       *Staff
	Controllers []dsar.Controller // in the order of the configuration
	// Identities are the identity types that the data map knows (email, phone,
	// visitor, …): one field each on the forms. Empty: email and phone.
	Identities []string
	// Browser are those of Identities that stand in a visitor's browser. Who was a
	// visitor only is asked for them apart.
	Browser []string
	// Fields are those of a request by which the data map narrows collections, for
	// the DPO's form. Empty: nothing narrows.
	Fields []datamap.RequestField
	// Collections are the full names of the data map's collections, for the
	// form of holds. Empty: the name is typed.
	Collections []string
	// Policies are those of the configuration, beside the usual one of each kind.
	Policies []Policy
	// Pickable are the full names of collections of which the DPO may pick rows
	// by their key. Empty: rows cannot be picked.
	Pickable []string
	// Keeps are, by a collection's full name, the laws that keep rows of it from erasure.
	Keeps map[string][]Keep
	// Words are the subject and the text of a letter.
	Words     func(dsar.Letter) (subject, text string, err error)
	PublicURL string
	// Queue is the queue's own page, mounted at /queue/ for the processor's
	// staff. It has no sign-in of its own. nil: none.
	Queue http.Handler
	// Proxies are the peers whose X-Forwarded-For is believed, besides loopback.
	Proxies []netip.Prefix
	Now     func() time.Time
	Rand    io.Reader // crypto/rand.Reader
	Log     *slog.Logger
	Demo    bool // says on every page that the data are invented
}

// A Policy is one that the DPO may choose instead of the usual one of its kind.
type Policy struct {
	Name string
	Kind datamap.Kind
}

// A Keep is why and for how long a law keeps rows of a collection (Art. 17(3)).
type Keep struct {
	For     string // ISO 8601; empty: without end
	From    string // the column of the start
	Because string
}

// server holds what the handlers share. It is not changed after New.
type server struct {
	Config
	controllers map[string]dsar.Controller
	origin      string // of PublicURL
	https       bool   // PublicURL is
	pages       pages
	sessions    *scs.SessionManager
	passwords   *passwords
	limits      limits
}

// New checks the configuration and returns the handler of every page.
func New(c Config) (http.Handler, error) {
	switch {
	case c.Requests == nil, c.Retention == nil, c.Staff == nil, c.Now == nil, c.Rand == nil, c.Log == nil:
		return nil, errors.New("web: Requests, Retention, Staff, Now, Rand and Log are needed")
	case len(c.Controllers) == 0:
		return nil, errors.New("web: there is no controller")
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return nil, errors.New("web: public_url must be an http or https address")
	}
	if len(c.Identities) == 0 {
		c.Identities = []string{"email", "phone"}
	}
	c.Identities = identityOrder(c.Identities)

	s := &server{
		Config:      c,
		controllers: make(map[string]dsar.Controller, len(c.Controllers)),
		origin:      public.Scheme + "://" + public.Host,
		https:       public.Scheme == "https",
		limits:      newLimits(),
	}
	for _, one := range c.Controllers {
		s.controllers[one.Key] = one
	}
	if s.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("web: templates: %w", err)
	}
	if s.passwords, err = newPasswords(); err != nil {
		return nil, fmt.Errorf("web: passwords: %w", err)
	}
	s.sessions = newSessions(c.Staff, c.Now, s.https, s.fail)
	return s.handler()
}

// identityOrder puts the types that people know first.
func identityOrder(types []string) []string {
	out := slices.Clone(types)
	rank := func(t string) int {
		switch t {
		case "email":
			return 0
		case "phone":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b string) int { return rank(a) - rank(b) })
	return slices.Compact(out)
}

// controllersOf are those that a member of staff belongs to, in the configuration's order.
func (s *server) controllersOf(a dsar.Actor) []dsar.Controller {
	var own []dsar.Controller
	for _, c := range s.Controllers {
		if a.All || slices.Contains(a.Controllers, c.Key) {
			own = append(own, c)
		}
	}
	return own
}
