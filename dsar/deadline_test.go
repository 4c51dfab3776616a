package dsar

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		v, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// The cases of DOMAIN.md, "Deadlines", and the borders around them.
func TestDeadline(t *testing.T) {
	t.Parallel()
	prague := zone(t, "Europe/Prague")
	cz := Controller{Country: "CZ", Location: prague}
	de := func(region string) Controller { return Controller{Country: "DE", Region: region} }
	for _, tc := range []struct {
		name       string
		received   string
		controller Controller
		extended   bool
		due        string
		derivation string
	}{
		{"two holidays after a weekend", "2026-06-05", cz, false, "2026-07-07",
			"5 June + 1 month = 5 July, a Sunday; 6 July is a public holiday (Den upálení mistra Jana Husa), so Tuesday 7 July"},
		{"extended is three months from receipt", "2026-06-05", cz, true, "2026-09-07",
			"5 June + 3 months = 5 September, a Saturday, so Monday 7 September"},
		{"no such day: the month's last", "2026-08-31", cz, false, "2026-09-30", "31 August + 1 month = 30 September"},
		{"clamped, then a Sunday", "2027-01-31", cz, false, "2027-03-01",
			"31 January + 1 month = 28 February, a Sunday, so Monday 1 March"},
		{"extended in one step, not from the day moved to", "2027-01-31", cz, true, "2027-04-30", "31 January + 3 months = 30 April"},
		{"Christmas", "2026-11-24", cz, false, "2026-12-28",
			"24 November + 1 month = 24 December, a public holiday (Štědrý den); 25 December is a public holiday (1. svátek vánoční), so Monday 28 December"},
		{"Easter", "2026-03-05", cz, false, "2026-04-07",
			"5 March + 1 month = 5 April, a Sunday; 6 April is a public holiday (Velikonoční pondělí), so Tuesday 7 April"},
		{"Epiphany in Bavaria", "2026-12-06", de("DE-BY"), false, "2027-01-07",
			"6 December 2026 + 1 month = 6 January 2027, a public holiday (Heilige Drei Könige), so Thursday 7 January 2027"},
		{"not in Hesse", "2026-12-06", de("DE-HE"), false, "2027-01-06", "6 December 2026 + 1 month = 6 January 2027"},
		{"no region: national ones only", "2026-12-06", de(""), false, "2027-01-06", "6 December 2026 + 1 month = 6 January 2027"},
		{"leap year", "2028-01-31", cz, false, "2028-02-29", "31 January + 1 month = 29 February"},
		{"still the day before in Prague", "2026-08-30T21:59:59Z", cz, false, "2026-09-30", "30 August + 1 month = 30 September"},
		{"already the next day in Prague", "2026-08-03T22:00:00Z", cz, false, "2026-09-04", "4 August + 1 month = 4 September"},
		{"New Year is passed over", "2026-12-01", cz, false, "2027-01-04",
			"1 December 2026 + 1 month = 1 January 2027, a public holiday (Nový rok), so Monday 4 January 2027"},
		{"a holiday by custom only does not count", "2026-05-19", Controller{Country: "SE"}, false, "2026-06-19", "19 May + 1 month = 19 June"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			due, derivation, err := Deadline(instant(t, tc.received), tc.controller, tc.extended)
			if err != nil {
				t.Fatal(err)
			}
			if got := due.Format(time.DateOnly); got != tc.due {
				t.Errorf("received %s: due %s, expected %s", tc.received, got, tc.due)
			}
			if derivation != tc.derivation {
				t.Errorf("derivation is\n%s\nexpected\n%s", derivation, tc.derivation)
			}
		})
	}
}

func TestDeadlineUnknownPlace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ country, region, says string }{
		{"ZZ", "", `country "ZZ"`},
		{"", "", `country ""`},
		{"DE", "DE-XX", `region "DE-XX"`},
		{"CZ", "DE-BY", "is not a region of"},
		{"CZ", "CZ-10", "leave the region out"},
	} {
		_, _, err := Deadline(instant(t, "2026-01-01"), Controller{Country: tc.country, Region: tc.region}, false)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("country %q, region %q: expected an error that says %q, got %v", tc.country, tc.region, tc.says, err)
		}
	}
}

// TestDeadlineReference: over ten years, every day, in every country and region
// known, against a reference that is slow and obvious: it counts months off on
// a calendar, one day at a time, and looks every holiday of the year up.
func TestDeadlineReference(t *testing.T) {
	t.Parallel()
	var places []Controller
	for _, country := range strings.Split(knownCountries, ", ") {
		places = append(places, Controller{Country: country})
	}
	for _, land := range strings.Fields("BW BY BE BB HB HH HE MV NI NW RP SL SN ST SH TH") {
		places = append(places, Controller{Country: "DE", Region: "DE-" + land})
	}
	zones := []*time.Location{nil, zone(t, "Europe/Prague"), zone(t, "Atlantic/Azores"), zone(t, "Asia/Nicosia")}
	start := instant(t, "2024-01-01")
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(places).Draw(t, "place")
		c.Location = rapid.SampledFrom(zones).Draw(t, "zone")
		received := start.Add(time.Duration(rapid.Int64Range(0, 10*365*24*60).Draw(t, "minute")) * time.Minute)
		extended := rapid.Bool().Draw(t, "extended")
		due, derivation, err := Deadline(received, c, extended)
		if err != nil {
			t.Fatal(err)
		}
		if want := slowDeadline(t, received, c, extended); !due.Equal(want) {
			t.Fatalf("received %s in %s%s (extended: %t): due %s, the reference says %s", received, c.Country, c.Region, extended, due, want)
		}
		if !strings.Contains(derivation, due.Format("2 January")) {
			t.Fatalf("the derivation %q does not name the day %s", derivation, due.Format("2 January"))
		}
	})
}

// Every day of ten years where the cases of DOMAIN.md come from.
func TestDeadlineEveryDay(t *testing.T) {
	t.Parallel()
	for _, c := range []Controller{{Country: "CZ"}, {Country: "DE", Region: "DE-BY"}, {Country: "IE"}} {
		for day := instant(t, "2024-01-01"); day.Year() < 2034; day = day.AddDate(0, 0, 1) {
			for _, extended := range []bool{false, true} {
				due, _, err := Deadline(day, c, extended)
				if want := slowDeadline(t, day, c, extended); err != nil || !due.Equal(want) {
					t.Fatalf("received %s in %s%s (extended: %t): expected %s, got %s, %v", day, c.Country, c.Region, extended, want, due, err)
				}
			}
		}
	}
}

func slowDeadline(t interface{ Fatal(args ...any) }, received time.Time, c Controller, extended bool) time.Time {
	loc := c.Location
	if loc == nil {
		loc = time.UTC
	}
	list, err := holidaysFor(c.Country, c.Region)
	if err != nil {
		t.Fatal(err)
	}
	off := map[string]bool{}
	for year := received.Year() - 1; year <= received.Year()+2; year++ {
		for _, h := range list {
			actual, observed := h.Calc(year)
			off[actual.Format(time.DateOnly)], off[observed.Format(time.DateOnly)] = true, true
		}
	}
	// Walk forward day by day until the month after next (or the third) is
	// over, and remember the last day whose number is not above the first's.
	first := received.In(loc).Format(time.DateOnly)
	day, _ := time.Parse(time.DateOnly, first)
	number, left := day.Day(), 1
	if extended {
		left = 3
	}
	end := day
	for d := day; ; d = d.AddDate(0, 0, 1) {
		if d.Day() == 1 && d != day {
			left--
		}
		if left < 0 {
			break
		}
		if left == 0 && d.Day() <= number {
			end = d
		}
	}
	for slices.Contains([]time.Weekday{time.Saturday, time.Sunday}, end.Weekday()) || off[end.Format(time.DateOnly)] {
		end = end.AddDate(0, 0, 1)
	}
	return end
}
