package shards

import (
	"encoding/json"
	"testing"
)

// Each list stands in Postgres' own order: ascending, NaN after all numbers, NULL last.
func TestRanks(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]any{
		"int8":    {int64(-9), int64(0), int64(7), nil},
		"float8":  {"-Infinity", -1.5, 0.25, 1e300, "Infinity", "NaN", nil},
		"numeric": {json.Number("-10"), json.Number("9.5"), json.Number("10"), json.Number("100000000000000000001"), "NaN", nil},
		"text":    {"", "A", "Z", "a", "Ä", nil},
		"bool":    {false, true, nil},
	} {
		for i := range list {
			for j := range list {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got := compareRanks([]any{list[i]}, []any{list[j]}); got != want {
					t.Errorf("%s: expected %v against %v to be %d, got %d", name, list[i], list[j], want, got)
				}
			}
		}
	}
}
