package archive

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// words turns keys of the Fideslang taxonomy into something to read:
// "user.device.ip_address" -> "device ip address".
func words(keys []string) []string {
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		w := strings.NewReplacer(".", " ", "_", " ").Replace(strings.TrimPrefix(k, "user."))
		if k == "user" {
			w = "personal data in general"
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// join is "a, b and c".
func join(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

var isoPeriod = regexp.MustCompile(`^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// period puts an ISO 8601 period in words; what is none is taken as words already.
func period(s string) string {
	m := isoPeriod.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	var parts []string
	for i, unit := range []string{"year", "month", "week", "day", "hour", "minute", "second"} {
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil || n == 0 {
			continue
		}
		parts = append(parts, counted(n, unit, unit+"s"))
	}
	if len(parts) == 0 {
		return s
	}
	return join(parts)
}

// inEEA tells whether a region of the configuration lies in the European
// Economic Area, where Chapter V of the GDPR asks for nothing. A region may have
// a part of its own ("DE-BY").
func inEEA(region string) bool {
	country, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(region)), "-")
	switch country {
	case "EU", "EEA",
		"AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "EL", "HU", "IE", "IT", "LV",
		"LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO":
		return true
	}
	return false
}
