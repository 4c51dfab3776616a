package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Ticks reads cron lines: five fields, with CRON_TZ=Area/City before them or not
// (then UTC). It is retention.Ticks.
//
// Days on which clocks change: a tick whose wall-clock time is skipped comes
// right after the gap, and a wall-clock time that occurs twice ticks the first
// time only. (The library alone would leave out the March night, and run twice
// in October.)
type Ticks struct{}

// Next is the first tick after t, in UTC.
func (Ticks) Next(line string, t time.Time) (time.Time, error) {
	spec, loc, err := parse(line)
	if err != nil {
		return time.Time{}, err
	}
	// The library counts in wall-clock time that knows no changes: UTC with the
	// digits of the place.
	w := t.In(loc)
	wall := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), time.UTC)
	for {
		wall = spec.Next(wall)
		if wall.IsZero() {
			return time.Time{}, errors.New("the cron line names a day that never comes")
		}
		if at := instant(wall, loc); at.After(t) {
			return at.UTC(), nil
		}
	}
}

func parse(line string) (spec cron.Schedule, loc *time.Location, err error) {
	loc = time.UTC
	rest := strings.TrimSpace(line)
	if after, ok := strings.CutPrefix(rest, "CRON_TZ="); ok {
		name, fields, found := strings.Cut(after, " ")
		if !found || name == "" {
			return nil, nil, errors.New("CRON_TZ= needs a time zone and, after a blank, five fields: CRON_TZ=Europe/Prague 17 3 * * *")
		}
		if loc, err = time.LoadLocation(name); err != nil {
			return nil, nil, fmt.Errorf("the time zone %q is not known: use a name such as Europe/Prague", name)
		}
		rest = fields
	}
	if n := len(strings.Fields(rest)); n != 5 {
		return nil, nil, fmt.Errorf("a cron line has five fields (minute, hour, day, month, weekday), this one has %d", n)
	}
	defer func() {
		// The library panics on some malformed lines.
		if recover() != nil {
			spec, loc, err = nil, nil, errors.New("the cron line cannot be read")
		}
	}()
	spec, err = cron.ParseStandard(rest)
	if err != nil {
		return nil, nil, fmt.Errorf("the cron line cannot be read: %w", err)
	}
	return spec, loc, nil
}

// instant is when a clock in loc shows these digits: the first time, when it
// does twice; the end of the gap, when it never does.
func instant(wall time.Time, loc *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), loc)
	start, end := at.ZoneBounds()
	if digits(at) != digits(wall) {
		// Go resolves a gap with the offset before it or after it: the change
		// is the bound that lies nearer.
		if !end.IsZero() && (start.IsZero() || end.Sub(at) < at.Sub(start)) {
			return end
		}
		return start
	}
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		_, now := at.Zone()
		if first := at.Add(time.Duration(now-before) * time.Second); first.Before(start) && digits(first) == digits(wall) {
			return first
		}
	}
	return at
}

func digits(t time.Time) string { return t.Format("2006-01-02T15:04:05") }
