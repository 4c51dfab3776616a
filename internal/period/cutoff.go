package period

import "time"

// Cutoff returns the instant before which a start has expired:
//
//	start < Cutoff(now, p)  ⇔  date(start) + p < today, in UTC, months clamped
//
// It counts by days and not by instants because clamped month arithmetic is not
// monotone within a day's order (31 January 09:00 + P1M comes before 29 January
// 10:00 + P1M), so that no exact cutoff would exist; by days it is monotone, the
// cutoff is a UTC midnight, and an index on the start serves it. The last day
// belongs to the one whose data it is: what ends today is deleted tomorrow.
//
// A period of hours counts in instants: start + p < now.
func Cutoff(now time.Time, p Period) time.Time {
	now = now.UTC()
	if p.hours > 0 {
		return now.Add(-time.Duration(p.hours) * time.Hour)
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	// The sought day is the first whose end is not before today. Going back from
	// today lands within a few days of it, whatever months were clamped on the way.
	day := time.Date(today.Year()-p.years, today.Month()-time.Month(p.months), 1, 0, 0, 0, 0, time.UTC).
		AddDate(0, 0, today.Day()-1-p.days)
	for !ends(day, p).Before(today) {
		day = day.AddDate(0, 0, -1)
	}
	for ends(day, p).Before(today) {
		day = day.AddDate(0, 0, 1)
	}
	return day
}

// ends is the last day of a period that starts on day: years and months first,
// clamped to the last day of the month that they lead to, then days.
func ends(day time.Time, p Period) time.Time {
	first := time.Date(day.Year()+p.years, day.Month()+time.Month(p.months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(day.Day(), last)-1+p.days)
}
