package jobs

import (
	"testing"
	"time"
)

func TestTicksNext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ line, after, want string }{
		"UTC without a zone":                      {"17 3 * * *", "2026-11-01T03:17:00Z", "2026-11-02T03:17:00Z"},
		"a zone in winter":                        {"CRON_TZ=Europe/Prague 17 3 * * *", "2026-11-01T12:00:00Z", "2026-11-02T02:17:00Z"},
		"a night that Prague skips, right after":  {"CRON_TZ=Europe/Prague 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		"the night after that one":                {"CRON_TZ=Europe/Prague 30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		"a time that comes twice, the first time": {"CRON_TZ=Europe/Prague 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		"and not the second":                      {"CRON_TZ=Europe/Prague 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		"asked between the two":                   {"CRON_TZ=Europe/Prague 30 2 * * *", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z"},
		"every ten minutes over the gap":          {"CRON_TZ=Europe/Prague */10 * * * *", "2026-03-29T00:50:00Z", "2026-03-29T01:00:00Z"},
		"west of Greenwich":                       {"CRON_TZ=America/New_York 30 2 * * *", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
		"29 February":                             {"0 0 29 2 *", "2026-11-01T00:00:00Z", "2028-02-29T00:00:00Z"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, _ := time.Parse(time.RFC3339, tc.after)
			got, err := Ticks{}.Next(tc.line, after)
			if err != nil {
				t.Fatalf("Next(%q): %v", tc.line, err)
			}
			if s := got.Format(time.RFC3339); s != tc.want {
				t.Errorf("the tick of %q after %s should be %s, it is %s", tc.line, tc.after, tc.want, s)
			}
		})
	}
}

func TestTicksAlwaysGoOn(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"CRON_TZ=Europe/Prague */7 * * * *", "CRON_TZ=Europe/Lisbon 30 1,2 * * *", "CRON_TZ=Australia/Lord_Howe */20 * * * *"} {
		at := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
		for range 50000 {
			next, err := Ticks{}.Next(line, at)
			if err != nil || !next.After(at) {
				t.Fatalf("the tick of %q after %s should lie after it, it is %s (%v)", line, at, next, err)
			}
			if next.Sub(at) > 49*time.Hour {
				t.Fatalf("%q leaves out more than a day between %s and %s", line, at, next)
			}
			at = next
		}
	}
}

func TestTicksRefuse(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "* * * *", "* * * * * *", "@daily", "CRON_TZ=", "CRON_TZ=Europe/Prague", "CRON_TZ= * * * * *",
		"CRON_TZ=Mars/Olympus 1 2 3 4 5", "61 * * * *", "0 0 30 2 *", "TZ=Europe/Prague 1 2 * * *", "a b c d e"} {
		if at, err := (Ticks{}).Next(line, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
			t.Errorf("%q should be refused, it ticks at %s", line, at)
		}
	}
}
