// Package period holds the arithmetic of how long something is kept: ISO 8601
// periods, and the instant before which a start has expired. Retention rules and
// the statutory keeps of a data map count by it, so that one law means one day.
package period

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sosodev/duration"
)

// A Period is how long something is kept: whole days, weeks, months and years,
// or hours; never both, since the one counts days and the other instants.
type Period struct {
	text                string
	years, months, days int
	hours               int
}

// IsZero tells that there is no period.
func (p Period) IsZero() bool { return p.years == 0 && p.months == 0 && p.days == 0 && p.hours == 0 }

// String is the period as it was written.
func (p Period) String() string { return p.text }

// maxUnits bounds each unit: four digits of years would leave Postgres' calendar.
const maxUnits = 100_000

// Parse reads an ISO 8601 duration: PnY, PnM, PnW, PnD or PTnH.
func Parse(text string) (Period, error) {
	// The library takes P and PT for zero, and digits of any script.
	if strings.IndexFunc(text, func(r rune) bool { return r > 'Z' }) >= 0 {
		return Period{}, errPeriod
	}
	d, err := duration.Parse(text)
	if err != nil {
		return Period{}, errPeriod
	}
	if d.Negative {
		return Period{}, errors.New("a period cannot be negative")
	}
	parts := []float64{d.Years, d.Months, d.Weeks, d.Days, d.Hours}
	var n [5]int
	for i, v := range parts {
		if v != math.Trunc(v) || v > maxUnits {
			return Period{}, errors.New("a period counts whole years, months, weeks, days or hours, at most " + strconv.Itoa(maxUnits) + " of each")
		}
		n[i] = int(v)
	}
	if d.Minutes != 0 || d.Seconds != 0 {
		return Period{}, errors.New("a period counts hours at the least: PT1H is the shortest")
	}
	p := Period{text: text, years: n[0], months: n[1], days: 7*n[2] + n[3], hours: n[4]}
	switch {
	case p.IsZero():
		return Period{}, errors.New("a period of nothing would delete what has just been written")
	case p.hours > 0 && (p.years > 0 || p.months > 0 || p.days > 0):
		return Period{}, errors.New("a period counts days (P6M) or hours (PT72H), not both: days end at midnight UTC, hours at the instant")
	case p.years > 1000 || p.months > 12_000:
		return Period{}, errors.New("a period of more than a thousand years is no period")
	}
	return p, nil
}

var errPeriod = errors.New("a period is written in ISO 8601: P6M, P2Y, P30D, P2W or PT72H")

// Least is the shortest time that the period can come to: months of 28 days,
// years of 365. The floor is compared with it.
func (p Period) Least() time.Duration {
	months := 12*p.years + p.months
	days := p.days + months/12*365 + months%12*28
	return time.Duration(min(days, 100_000))*24*time.Hour + time.Duration(p.hours)*time.Hour
}

// Words is the period as letters say it: "6 months".
func (p Period) Words() string {
	var parts []string
	add := func(n int, one string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, strconv.Itoa(n)+" "+one+"s")
		}
	}
	add(p.years, "year")
	add(p.months, "month")
	add(p.days, "day")
	add(p.hours, "hour")
	return strings.Join(parts, " and ")
}
