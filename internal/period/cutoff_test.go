package period

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func day(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02", text)
	}
	if err != nil {
		panic(err)
	}
	return t
}

func mustPeriod(t testing.TB, text string) Period {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatalf("%s should be a period: %v", text, err)
	}
	return p
}

func TestCutoffAtMonthEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ now, keep, want string }{
		{"2026-11-01T00:00:00Z", "P6M", "2026-05-01"},
		{"2026-11-01T23:59:59Z", "P6M", "2026-05-01"},
		{"2026-03-01T10:00:00Z", "P1M", "2026-02-01"}, // 29, 30 and 31 January all ended on 28 February: gone, like 28 January; and 1 February ends today
		{"2026-02-28T10:00:00Z", "P1M", "2026-01-28"}, // 28 to 31 January end today
		{"2024-03-01T00:00:00Z", "P1Y", "2023-03-01"},
		{"2025-03-01T00:00:00Z", "P1Y", "2024-03-01"}, // 29 February 2024 ended on 28 February 2025
		{"2026-11-01T00:00:00Z", "P2Y", "2024-11-01"},
		{"2026-11-01T00:00:00Z", "P25M", "2024-10-01"},
		{"2026-12-31T00:00:00Z", "P6M", "2026-07-01"}, // 30 June ended on 30 December
		{"2026-12-30T00:00:00Z", "P6M", "2026-06-30"},
		{"2026-11-01T12:00:00Z", "P30D", "2026-10-02"},
		{"2026-11-01T12:00:00Z", "P2W", "2026-10-18"},
		{"2026-11-01T12:00:00Z", "PT72H", "2026-10-29T12:00:00Z"},
	} {
		if got := Cutoff(day(c.now), mustPeriod(t, c.keep)); !got.Equal(day(c.want)) {
			t.Errorf("at %s, what is kept for %s has expired if it began before %s, got %s", c.now, c.keep, c.want, got.Format(time.RFC3339))
		}
	}
}

// The obvious way, one row at a time: step month by month on a calendar page.
func obviouslyExpired(start, now time.Time, p Period) bool {
	if p.hours > 0 {
		return start.Add(time.Duration(p.hours) * time.Hour).Before(now)
	}
	y, m, d := start.UTC().Date()
	for range 12*p.years + p.months {
		if m++; m > 12 {
			y, m = y+1, 1
		}
	}
	long := map[time.Month]int{1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}[m]
	if m == 2 && (y%4 == 0 && y%100 != 0 || y%400 == 0) {
		long = 29
	}
	end := time.Date(y, m, min(d, long), 0, 0, 0, 0, time.UTC)
	for range p.days {
		end = end.Add(24 * time.Hour)
	}
	ny, nm, nd := now.UTC().Date()
	return end.Before(time.Date(ny, nm, nd, 0, 0, 0, 0, time.UTC))
}

func TestCutoffAgreesWithEachRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"P%dD", "P%dM", "P%dY", "P%dW", "P1M%dD", "P1Y%dM", "PT%dH"}).Draw(t, "form")
		p, err := Parse(fmt.Sprintf(text, rapid.IntRange(1, 40).Draw(t, "n")))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1_500_000_000, 1_900_000_000).Draw(t, "now"), 0)
		cutoff := Cutoff(now, p)
		for range 20 {
			// Near the cutoff, where it matters.
			start := cutoff.Add(time.Duration(rapid.Int64Range(-5*86400, 5*86400).Draw(t, "start")) * time.Second)
			if got, want := start.Before(cutoff), obviouslyExpired(start, now, p); got != want {
				t.Fatalf("%s kept for %s at %s: expired should be %v, by the cutoff %s it is %v", start, p, now.UTC(), want, cutoff, got)
			}
		}
	})
}

func TestPeriodsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "P", "PT", "6M", "-P6M", "P0D", "PT0H", "P1.5M", "P1DT1H", "PT30M", "PT1H30M", "PT5S", "P٦M", "P999999999D", "P2000Y", "six months"} {
		if p, err := Parse(text); err == nil {
			t.Errorf("%q should be refused as a period, was read as %+v", text, p)
		}
	}
	for text, want := range map[string]string{"P6M": "6 months", "P2Y": "2 years", "P1D": "1 day", "P2W": "14 days", "PT72H": "72 hours", "P1Y6M": "1 year and 6 months"} {
		if p := mustPeriod(t, text); p.Words() != want {
			t.Errorf("%s in words is %q, got %q", text, want, p.Words())
		}
	}
	for text, want := range map[string]time.Duration{"P1M": 28 * 24 * time.Hour, "P1Y": 365 * 24 * time.Hour, "PT12H": 12 * time.Hour, "P1D": 24 * time.Hour} {
		if p := mustPeriod(t, text); p.Least() != want {
			t.Errorf("%s is at the least %s, got %s", text, want, p.Least())
		}
	}
}
