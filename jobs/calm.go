package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// calmFor is how long the same complaint is not repeated.
const calmFor = time.Minute

// calm is a log in which the queue says the same complaint once a minute, with
// how often it came. While the control database is away, River's producers ask
// for work twenty times a second each, and say every time that they cannot.
type calm struct {
	slog.Handler
	said *complaints
}

// complaints are what was said, by text and error.
type complaints struct {
	mu   sync.Mutex
	last map[string]*complaint
}

type complaint struct {
	at   time.Time
	more int // since then
}

func newCalm(log *slog.Logger) *slog.Logger {
	return slog.New(calm{log.Handler(), &complaints{last: map[string]*complaint{}}})
}

// Handle passes a record on, or counts it.
func (c calm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		what := r.Message
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "err" || a.Key == "error" {
				what += "\n" + a.Value.String()
			}
			return true
		})
		more, again := c.said.repeated(what, r.Time)
		if again {
			return nil
		}
		if more > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("more", more))
		}
	}
	return c.Handler.Handle(ctx, r)
}

func (c *complaints) repeated(what string, now time.Time) (more int, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.last[what]; l != nil && now.Sub(l.at) < calmFor {
		l.more++
		return 0, true
	}
	if l := c.last[what]; l != nil {
		more = l.more
	}
	for text, l := range c.last { // what is over is forgotten
		if now.Sub(l.at) >= 2*calmFor {
			delete(c.last, text)
		}
	}
	c.last[what] = &complaint{at: now}
	return more, false
}

// WithAttrs is slog.Handler's.
func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	return calm{c.Handler.WithAttrs(attrs), c.said}
}

// WithGroup is slog.Handler's.
func (c calm) WithGroup(name string) slog.Handler { return calm{c.Handler.WithGroup(name), c.said} }
