package web

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/httprate"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// limits bound how often a client may try what could be guessed or what sends
// mail. They count in this process; the counters hold hashes of addresses, in
// memory only.
type limits struct {
	signin  *httprate.RateLimiter // by the client's address
	account *httprate.RateLimiter // by the account tried
	links   *httprate.RateLimiter // by the client's address
	ask     *httprate.RateLimiter // by the client's address
	person  *httprate.RateLimiter // by the identity that a public form names
}

func newLimits() limits {
	quiet := httprate.WithResponseHeaders(httprate.ResponseHeaders{RetryAfter: "Retry-After"})
	return limits{
		signin:  httprate.NewRateLimiter(20, 5*time.Minute, quiet),
		account: httprate.NewRateLimiter(8, 5*time.Minute, quiet),
		links:   httprate.NewRateLimiter(60, time.Minute, quiet),
		ask:     httprate.NewRateLimiter(20, 10*time.Minute, quiet),
		person:  httprate.NewRateLimiter(10, 24*time.Hour, quiet),
	}
}

// limited answers 429 to a client that comes too often. IPv6 clients count by /64.
func (s *server) limited(l *httprate.RateLimiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.OnLimit(w, r, httprate.CanonicalizeIP(s.peer(r))) {
			s.fail(w, r, errTooOften)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// personLimited says beside the field whose identity was named too often today. Each
// such request sends a mail to an address that whoever asks has not proved to be
// theirs, from however many machines they come. Known or not makes no difference.
func (s *server) personLimited(w http.ResponseWriter, r *http.Request, c dsar.Controller, sub dsar.Submission, f *form) {
	for _, id := range sub.Identities {
		value, err := datamap.Normalise(id.Type, id.Value, c.Country)
		if err != nil {
			continue // the service refuses it
		}
		if s.limits.person.OnLimit(w, r, c.Key+"\x00"+id.Type+"\x00"+value) {
			f.wrong(identityField+id.Type, "This was asked about many times today. Use the link in one of the mails, ask again tomorrow, or write to the data protection officer.")
		}
	}
}

// lastForwarded is the address that the nearest proxy saw: the last one; those
// before it are what the client claims.
func lastForwarded(headers []string) (netip.Addr, bool) {
	if len(headers) == 0 {
		return netip.Addr{}, false
	}
	last := headers[len(headers)-1]
	if i := strings.LastIndexByte(last, ','); i >= 0 {
		last = last[i+1:]
	}
	a, err := netip.ParseAddr(strings.TrimSpace(last))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}
