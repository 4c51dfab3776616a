package retention

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Forecast says what will expire when, rule by rule and, for rules by lifetime,
// name by name; then what never will, and why: values that the vendor documents
// without an end, and names that the catalogue does not know.
func (s *Service) Forecast(ctx context.Context) ([]Forecast, error) {
	now := s.c.Now()
	lines := []Forecast{}
	for i := range s.plans {
		of, err := s.forecastRule(ctx, &s.plans[i], now)
		if err != nil {
			return nil, fmt.Errorf("forecast of rule %s: %w", s.plans[i].rule.Name, pg.Clean(err))
		}
		lines = append(lines, of...)
	}
	never, err := s.endless(ctx, lines)
	if err != nil {
		return nil, fmt.Errorf("forecast: %w", pg.Clean(err))
	}
	return append(lines, never...), nil
}

// forecastRule counts one rule's rows at three moments. What has no period
// goes at once or not at all: nothing is known of later.
func (s *Service) forecastRule(ctx context.Context, p *plan, now time.Time) ([]Forecast, error) {
	lines := map[string]*Forecast{}
	line := func(c *datamap.Collection, name string) *Forecast {
		key := c.FullName() + "\x00" + name
		if lines[key] == nil {
			lines[key] = &Forecast{Rule: p.rule.Name, Collection: c.FullName(), Name: name}
		}
		return lines[key]
	}
	kept, err := s.protect(ctx, s.c.Pool, nil)
	if err != nil {
		return nil, err
	}
	for i, part := range p.parts {
		c := part.sel.Collection
		count := func(at time.Time, add func(*Forecast, int64)) error {
			by := ""
			if len(p.rule.Lifetimes) > 0 {
				by = p.rule.NameColumn
			}
			e, err := s.c.Sources[part.source].Expired(ctx, kept.shield(p.at(i, at)), by)
			if err != nil {
				return err
			}
			if by == "" {
				add(line(c, ""), e.Expired)
				return nil
			}
			for name, n := range e.By {
				add(line(c, catalogueName(name)), n)
			}
			return nil
		}
		if len(p.rule.Lifetimes) == 0 {
			line(c, "")
		}
		for _, l := range p.rule.Lifetimes {
			if w := part.sel.Where[p.rule.StorageColumn]; len(w) == 1 && *w[0] == string(l.Storage) {
				line(c, l.Name)
			}
		}
		if err := count(now, func(f *Forecast, n int64) { f.Now += n }); err != nil {
			return nil, err
		}
		if p.rule.Keep.IsZero() {
			continue
		}
		if err := count(now.AddDate(0, 0, 30), func(f *Forecast, n int64) { f.In30 += n }); err != nil {
			return nil, err
		}
		if err := count(now.AddDate(0, 0, 90), func(f *Forecast, n int64) { f.In90 += n }); err != nil {
			return nil, err
		}
	}
	list := make([]Forecast, 0, len(lines))
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		f := *lines[key]
		f.In30, f.In90 = max(0, f.In30-f.Now), max(0, f.In90-f.Now) // further ones
		list = append(list, f)
	}
	return list, nil
}

// catalogueName folds a name as it stands in the data to the documented one.
func catalogueName(name string) string {
	if l := Match(name); len(l) > 0 {
		return l[0].Name
	}
	return name
}

// named are the columns in which rules by lifetime look for names.
type namedColumns struct {
	collection   *datamap.Collection
	source, name string
}

// endless finds, wherever rules by lifetime are at work, the names that no
// period covers.
func (s *Service) endless(ctx context.Context, known []Forecast) ([]Forecast, error) {
	var places []namedColumns
	for _, p := range s.plans {
		if len(p.rule.Lifetimes) == 0 {
			continue
		}
		n := namedColumns{p.rule.Collection, p.rule.Collection.Dataset.Source, p.rule.NameColumn}
		if !slices.Contains(places, n) {
			places = append(places, n)
		}
	}
	var lines []Forecast
	for _, at := range places {
		e, err := s.c.Sources[at.source].Expired(ctx, source.Selection{Collection: at.collection, Then: source.Delete}, at.name)
		if err != nil {
			return nil, err
		}
		left := map[string]int64{}
		for name, n := range e.By {
			left[catalogueName(name)] += n
		}
		for _, name := range slices.Sorted(maps.Keys(left)) {
			if f, ok := s.never(at, name, left[name], known); ok {
				lines = append(lines, f)
			}
		}
	}
	return lines, nil
}

// never is the line of a name that no rule gives a period.
func (s *Service) never(at namedColumns, name string, rows int64, known []Forecast) (Forecast, bool) {
	f := Forecast{Collection: at.collection.FullName(), Name: name, Never: rows}
	other := ""
	for _, p := range s.plans {
		if p.rule.Collection != at.collection || !slices.ContainsFunc(p.rule.Lifetimes, func(l Lifetime) bool { return l.Name == name }) {
			continue
		}
		if !p.rule.Keep.IsZero() {
			return f, false
		}
		other = p.rule.Name
	}
	for _, k := range known {
		if k.Collection == f.Collection && k.Name == name {
			f.Never -= k.Now
		}
	}
	rowsOf := Match(name)
	if len(rowsOf) == 0 {
		rowsOf = named(name) // a name in the catalogue's own spelling
	}
	switch {
	case f.Never <= 0:
		return f, false
	case len(rowsOf) == 0:
		f.Why = "the catalogue does not know this name, and no rule covers it"
	case !rowsOf[0].Documented():
		f.Why = "no documented end: local storage stays until the browser's user deletes it (" + rowsOf[0].Source + "); a rule of your own may close the gap"
		if other != "" {
			f.Why += "; rule " + other + " removes it once its consent has ended"
		}
	default:
		f.Why = "documented for " + rowsOf[0].Period + ", but no rule applies it"
	}
	return f, true
}
