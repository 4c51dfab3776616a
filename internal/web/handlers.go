package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
)

// A handler writes a page, or returns the error that becomes one.
type handler func(w http.ResponseWriter, r *http.Request) error

// A staffHandler is a handler for somebody signed in.
type staffHandler func(w http.ResponseWriter, r *http.Request, a dsar.Actor) error

type contextKey int

const memberKey contextKey = iota

// memberOf is who is signed in, or nil.
func memberOf(ctx context.Context) *StaffMember {
	m, _ := ctx.Value(memberKey).(*StaffMember)
	return m
}

// public serves a page without a session.
func (s *server) public(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// session serves a page with a session, signed in or not.
func (s *server) session(h handler) http.Handler {
	return s.sessions.LoadAndSave(s.public(h))
}

// staff serves a page to somebody signed in and sends all others to the
// sign-in page. Who they are is read anew each time: who was removed is out.
func (s *server) staff(h staffHandler) http.Handler {
	return s.session(func(w http.ResponseWriter, r *http.Request) error {
		m, err := s.signedIn(r)
		if errors.Is(err, ErrStaffUnknown) {
			to := "/signin"
			if r.Method == http.MethodGet && r.URL.Path != "/" {
				to += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			return seeOther(w, r, to)
		}
		if err != nil {
			return err
		}
		r = r.WithContext(context.WithValue(r.Context(), memberKey, &m))
		if err := h(w, r, actorOf(m)); err != nil {
			s.fail(w, r, err)
		}
		return nil
	})
}

// signedIn returns whom the session belongs to, or ErrStaffUnknown.
func (s *server) signedIn(r *http.Request) (StaffMember, error) {
	ctx := r.Context()
	id := s.sessions.GetInt64(ctx, keyStaff)
	if id == 0 {
		return StaffMember{}, ErrStaffUnknown
	}
	since := time.Unix(s.sessions.GetInt64(ctx, keySince), 0)
	m, err := s.Staff.byID(ctx, id)
	if err == nil && s.Now().Sub(since) < sessionLifetime {
		return m, nil
	}
	if err != nil && !errors.Is(err, ErrStaffUnknown) {
		return StaffMember{}, err
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return StaffMember{}, err
	}
	return StaffMember{}, ErrStaffUnknown
}

// pathID reads {id}. What is no number is no request.
func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, dsar.ErrNotFound
	}
	return id, nil
}

// pathToken reads {token}. What cannot be one is told so at once, in the same words.
func pathToken(r *http.Request) (string, error) {
	token := r.PathValue("token")
	if len(token) > 128 || strings.ContainsFunc(token, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return "", dsar.ErrNoToken
	}
	return token, nil
}

func (s *server) nowhere(http.ResponseWriter, *http.Request) error { return errNowhere }

// health says that the process answers. It tells nothing else, as it asks for no sign-in.
func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// queue hands over to the queue's own page, for the processor's staff.
func (s *server) queue(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	if !a.All {
		return errNowhere
	}
	w.Header().Set("Content-Security-Policy", queuePolicy)
	s.Queue.ServeHTTP(w, r)
	return nil
}
