package dsar

import (
	"testing"
	"time"
)

func TestDeskDue(t *testing.T) {
	t.Parallel()
	c := Controller{Country: "CZ", Location: zone(t, "Europe/Prague")}
	for _, tc := range []struct {
		asked string
		days  int
		due   string
		want  string
		why   string
	}{
		{"2026-06-05T09:00:00Z", 10, "2026-07-06", "2026-06-15", "ten days"},
		{"2026-06-05T09:00:00Z", 8, "2026-07-06", "2026-06-15", "a Saturday moves on to Monday"},
		{"2026-06-26T09:00:00Z", 9, "2026-08-06", "2026-07-07", "a Sunday, and the holiday after it (Jan Hus)"},
		{"2026-06-05T09:00:00Z", 60, "2026-07-07", "2026-07-03", "before the request's own day: over the holiday and the weekend"},
		{"2026-07-03T09:00:00Z", 10, "2026-07-03", "2026-07-03", "a request that is due today is asked for today"},
		{"2026-07-20T09:00:00Z", 10, "2026-07-03", "2026-07-20", "nor is anything due before it was asked for"},
		{"2026-06-05T22:30:00Z", 3, "2026-07-06", "2026-06-09", "the day of asking is the controller's"},
	} {
		due, _ := time.Parse(time.DateOnly, tc.due)
		got, err := deskDue(instant(t, tc.asked), tc.days, due, c)
		if err != nil || got.Format(time.DateOnly) != tc.want {
			t.Errorf("%s: expected %s, got %s, %v", tc.why, tc.want, got.Format(time.DateOnly), err)
		}
	}
}
