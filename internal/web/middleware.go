package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// maxBody is more than any of the forms can hold.
const maxBody = 64 << 10

// policy is the Content-Security-Policy of every page of ours: a stylesheet and
// a few pictures from here, forms to here, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// queuePolicy is that of the queue's own page, which is a program in the
// browser; its few scripts come from here. It sets styles of its own while it
// runs (menus, transitions), which needs 'unsafe-inline' for styles, never for scripts.
const queuePolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// wrap puts around the routes what happens to every request: outermost first,
// log, recover, headers, the body's limit, and the refusal of forms that
// another site sent (http.CrossOriginProtection).
func (s *server) wrap(routes http.Handler) (http.Handler, error) {
	cross := http.NewCrossOriginProtection()
	if err := cross.AddTrustedOrigin(s.origin); err != nil {
		return nil, fmt.Errorf("web: public_url: %w", err)
	}
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errCrossOrigin)
	}))
	return s.access(s.recover(s.headers(limitBody(cross.Handler(routes))))), nil
}

// access writes one line a request: the route's pattern, never the path (it may
// hold a token) nor the query (it may hold a name).
func (s *server) access(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		sw := &statusWriter{ResponseWriter: w}
		defer func() {
			route := r.Pattern // set by the mux on this very request
			if route == "" {
				route = "none"
			}
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "http request",
				slog.String("method", knownMethod(r.Method)),
				slog.String("route", route),
				slog.Int("status", sw.status),
				slog.Duration("duration", s.Now().Sub(start)))
		}()
		next.ServeHTTP(sw, r)
	})
}

// knownMethod keeps what a client may write freely out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// recover turns a panic into an error page. The value's type is logged alone:
// its text may quote what somebody typed.
func (s *server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			s.Log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
				slog.String("route", r.Pattern), slog.String("type", fmt.Sprintf("%T", v)))
			if sw, ok := w.(*statusWriter); ok && sw.status != 0 {
				panic(http.ErrAbortHandler) // half a page is out: break off, visibly
			}
			s.fail(w, r, errBroken)
		}()
		next.ServeHTTP(w, r)
	})
}

// headers sets what every answer carries. Pages may hold personal data, and
// their addresses a token: nothing is stored by caches, nothing is told to
// other sites.
func (s *server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", s.referrerPolicy(r))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
		if s.https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// referrerPolicy is no-referrer, but where it would break every form: with it a
// browser sends "Origin: null", and over plain HTTP to another machine it sends
// no Sec-Fetch-Site either, so that a form of ours looks like a stranger's. There the
// origin alone is sent, which holds no token.
func (s *server) referrerPolicy(r *http.Request) string {
	if s.https || loopbackHost(r.Host) || r.Header.Get("Sec-Fetch-Site") != "" {
		return "no-referrer"
	}
	return "strict-origin"
}

func loopbackHost(hostport string) bool {
	u := url.URL{Host: hostport}
	host := u.Hostname()
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUpload(r) { // its handler sets a limit of its own (upload.go)
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// peer is the address that a request came from: the connection's, or what a
// trusted proxy says in the last place of X-Forwarded-For.
func (s *server) peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap()
	if !s.trusts(addr) {
		return addr.String()
	}
	if seen, ok := lastForwarded(r.Header.Values("X-Forwarded-For")); ok {
		return seen.String()
	}
	return addr.String()
}

func (s *server) trusts(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, p := range s.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
