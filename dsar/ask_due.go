package dsar

import "time"

// remindAt is the hour, where the controller sits, at which owners are reminded.
const remindAt = 8

// deskDue is the day by which an owner is to answer: so many days after being
// asked, moved on to a working day as the law's own periods are (Art. 3(4) of
// Reg. (EEC) 1182/71), but no later than the last working day before the
// request's own answer is due, so that somebody can still act on it. A request
// that is late already is due from them today.
func deskDue(asked time.Time, days int, due time.Time, c Controller) (time.Time, error) {
	list, err := holidaysFor(c.Country, c.Region)
	if err != nil {
		return time.Time{}, err
	}
	today := dayIn(asked, c.Location)
	by := today.AddDate(0, 0, days)
	for !isWorkday(by, list) {
		by = by.AddDate(0, 0, 1)
	}
	last := due.AddDate(0, 0, -1)
	for !isWorkday(last, list) {
		last = last.AddDate(0, 0, -1)
	}
	if by.After(last) {
		by = last
	}
	if by.Before(today) {
		by = today
	}
	return by, nil
}

// firstReminder is the morning of the working day before the due one, or, where
// that is not to come any more, of the one after it.
func firstReminder(asked, due time.Time, c Controller) (time.Time, error) {
	list, err := holidaysFor(c.Country, c.Region)
	if err != nil {
		return time.Time{}, err
	}
	before := due.AddDate(0, 0, -1)
	for !isWorkday(before, list) {
		before = before.AddDate(0, 0, -1)
	}
	if before.After(dayIn(asked, c.Location)) {
		return morning(before, c), nil
	}
	return nextReminder(due, due, c)
}

// nextReminder is the morning of the first working day after the due one; once
// that has come, of a working day a week later each time.
func nextReminder(today, due time.Time, c Controller) (time.Time, error) {
	list, err := holidaysFor(c.Country, c.Region)
	if err != nil {
		return time.Time{}, err
	}
	day := due.AddDate(0, 0, 1)
	if today.After(due) {
		day = today.AddDate(0, 0, 7)
	}
	for !isWorkday(day, list) {
		day = day.AddDate(0, 0, 1)
	}
	return morning(day, c), nil
}

// morning is the hour of reminding on a day where the controller sits.
func morning(day time.Time, c Controller) time.Time {
	where := c.Location
	if where == nil {
		where = time.UTC
	}
	return time.Date(day.Year(), day.Month(), day.Day(), remindAt, 0, 0, 0, where).UTC()
}
