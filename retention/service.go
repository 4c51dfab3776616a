package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/yamldoc"
)

// Config is what a Service is made of.
type Config struct {
	Pool        *pgxpool.Pool
	Map         *datamap.Map
	Rules       []Rule // parsed and checked
	Sources     map[string]Source
	Controllers []Controller
	Keys        *keys.Set
	Queue       Queue // needed by ClaimDue only
	Ticks       Ticks
	Requests    OpenRequests  // nil: none
	MinimumKeep time.Duration // 0: a day
	Now         func() time.Time
}

// Controller is what rules need of a controller.
type Controller struct {
	Key, Scope string
	Country    string   // ISO 3166: how telephone numbers without a prefix are read; may be empty
	Withhold   []string // categories that it does not want kept
}

// Service runs rules.
type Service struct {
	c     Config
	plans []plan
	// pause waits between two batches; tests put their own in its place.
	pause func(context.Context, time.Duration) error
}

// DefaultMinimumKeep is the floor when none is set: nothing younger than a day
// is deleted by age, whatever a rule says.
const DefaultMinimumKeep = 24 * time.Hour

// New checks the configuration: a rule below the floor, a cron line that cannot
// be read and a source that is not there are refused here, all in one error.
func New(c Config) (*Service, error) {
	if c.Pool == nil || c.Map == nil || c.Now == nil || c.Ticks == nil {
		return nil, errors.New("retention: a pool, a map, a clock and cron lines are needed")
	}
	if c.MinimumKeep == 0 {
		c.MinimumKeep = DefaultMinimumKeep
	}
	s := &Service{c: c, pause: pause}
	var wrong []error
	for _, r := range c.Rules {
		if err := s.refuse(r); err != nil {
			wrong = append(wrong, err)
			continue
		}
		p := makePlan(r, c.Map, c.Controllers)
		for _, part := range p.parts {
			if c.Sources[part.source] == nil {
				wrong = append(wrong, fmt.Errorf("rule %s: there is no source %s for %s", r.Name, part.source, part.sel.Collection.FullName()))
			}
		}
		s.plans = append(s.plans, p)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return s, nil
}

// refuse says why a rule must not run at all.
func (s *Service) refuse(r Rule) error {
	if !r.Keep.IsZero() && r.Keep.Least() < s.c.MinimumKeep {
		return fmt.Errorf("rule %s keeps rows for %s, which is below minimum_keep (%s): nothing that young is deleted by a rule; raise keep, or lower minimum_keep if you mean it",
			r.Name, r.Keep, hours(s.c.MinimumKeep))
	}
	next, err := s.c.Ticks.Next(r.Schedule, s.c.Now())
	if err != nil {
		return fmt.Errorf("rule %s: schedule: %w", r.Name, err)
	}
	if next.IsZero() {
		return fmt.Errorf("rule %s: its schedule never comes due", r.Name)
	}
	return nil
}

func hours(d time.Duration) string {
	if d == 24*time.Hour {
		return "a day"
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%.1f hours", d.Hours())
}

// plan returns the rule of that name as the file has it now, or nil.
func (s *Service) plan(name string) *plan {
	i := slices.IndexFunc(s.plans, func(p plan) bool { return p.rule.Name == name })
	if i < 0 {
		return nil
	}
	return &s.plans[i]
}

// ErrNoRule is returned for a rule that the file does not have.
var ErrNoRule = errors.New("there is no such rule in the rule file")

// noRule is ErrNoRule with the name that was probably meant.
func (s *Service) noRule(name string) error {
	var known []string
	for i := range s.plans {
		known = append(known, s.plans[i].rule.Name)
	}
	if near := yamldoc.Nearest(name, known); near != "" {
		return fmt.Errorf("%w: %q%s", ErrNoRule, name, near)
	}
	return fmt.Errorf("%w: %q (lethe rules list shows them)", ErrNoRule, name)
}

// Periods is what the rules promise, for letters (Art. 15(1)(d)).
func (s *Service) Periods() []archive.Period {
	var list []archive.Period
	for _, p := range s.plans {
		keep := p.rule.Keep.Words()
		switch {
		case p.rule.Withheld != "":
			keep = "not kept: removed as it comes"
		case p.rule.Keep.IsZero():
			keep = "as long as what it rests on (a consent, for instance) lasts"
		case p.rule.Unless != nil:
			keep += ", unless something it rests on (a consent, for instance) lasts longer"
		}
		seen := map[string]bool{}
		for _, part := range p.parts {
			c := part.sel.Collection
			if seen[c.FullName()] {
				continue
			}
			seen[c.FullName()] = true
			list = append(list, archive.Period{Collection: c.FullName(), What: what(p.rule), Keep: keep, Part: p.rule.Then == source.Null || p.rule.Then == source.TruncateIP})
		}
	}
	return list
}

// what names, in words, the data that a rule is about; nothing where it is about
// whole rows: the letter says of which collection.
func what(r Rule) string {
	if r.Description != "" {
		return r.Description
	}
	if len(r.Lifetimes) > 0 {
		var names []string
		for _, l := range r.Lifetimes {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
		return strings.Join(names, ", ")
	}
	if r.Withheld != "" {
		return r.Withheld
	}
	if len(r.Columns) > 0 {
		var names []string
		for _, col := range r.Columns {
			names = append(names, col.Column)
		}
		return strings.Join(names, ", ")
	}
	return ""
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
