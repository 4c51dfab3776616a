package dsar

import (
	"fmt"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
)

// Deadline is the day by which a request must be answered (Art. 12(3) GDPR,
// reckoned by Art. 3 of Reg. (EEC) 1182/71), as a day at UTC midnight, and how
// it comes about, in words: "31 January + 1 month = 28 February, a Sunday, so
// Monday 1 March".
//
// The day of receipt, in the controller's time zone, is not counted (Art.
// 3(1)). One month ends with the day of the same number, or, where there is
// none, with the month's last day (Art. 3(2)(c)). Where that is a Saturday, a
// Sunday or a public holiday at the controller's seat, the period ends with the
// next working day (Art. 3(4)). An extended period is three months reckoned
// from receipt in one step, not two months on top of a date already moved.
//
// A country or region whose holidays are not known is an error: a guess could
// only err in silence.
func Deadline(received time.Time, c Controller, extended bool) (due time.Time, derivation string, err error) {
	list, err := holidaysFor(c.Country, c.Region)
	if err != nil {
		return time.Time{}, "", err
	}
	day := dayIn(received, c.Location)
	months := 1
	if extended {
		months = 3
	}
	end := addMonths(day, months)
	due = end
	for !isWorkday(due, list) {
		due = due.AddDate(0, 0, 1)
	}
	return due, derive(day, end, due, months, list), nil
}

// dayIn is the day that an instant falls on in a time zone (nil: UTC), at UTC midnight.
func dayIn(t time.Time, loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	y, m, d := t.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// addMonths adds months to a day; where the month reached has no such day, its last.
func addMonths(day time.Time, months int) time.Time {
	y, m, d := day.Date()
	last := time.Date(y, m+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
	if d > last.Day() {
		return last
	}
	return time.Date(y, m+time.Month(months), d, 0, 0, 0, 0, time.UTC)
}

func isWorkday(day time.Time, list []*cal.Holiday) bool {
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday && holidayOn(list, day) == ""
}

// derive puts the reckoning into words. Years are said only where they differ.
func derive(day, end, due time.Time, months int, list []*cal.Holiday) string {
	layout := "2 January"
	if day.Year() != due.Year() {
		layout = "2 January 2006"
	}
	period := "1 month"
	if months != 1 {
		period = fmt.Sprintf("%d months", months)
	}
	words := fmt.Sprintf("%s + %s = %s", day.Format(layout), period, end.Format(layout))
	if due.Equal(end) {
		return words
	}
	// What stands in the way on the day itself, then the holidays passed over:
	// that weekends are skipped needs no saying.
	words += ", " + dayOff(end, list)
	var passed []string
	for d := end.AddDate(0, 0, 1); d.Before(due); d = d.AddDate(0, 0, 1) {
		if h := holidayOn(list, d); h != "" && d.Weekday() != time.Saturday && d.Weekday() != time.Sunday {
			passed = append(passed, fmt.Sprintf("%s is a public holiday (%s)", d.Format(layout), h))
		}
	}
	if len(passed) > 0 {
		words += "; " + strings.Join(passed, ", ")
	}
	return words + ", so " + due.Format("Monday "+layout)
}

func dayOff(day time.Time, list []*cal.Holiday) string {
	if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		return "a " + day.Weekday().String()
	}
	return "a public holiday (" + holidayOn(list, day) + ")"
}
