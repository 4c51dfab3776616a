package shards

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"strings"
)

// compareRanks orders rows as Postgres' ORDER BY does over the same columns:
// ascending, NULL last, NaN after every other number.
func compareRanks(a, b []any) int {
	for i := range min(len(a), len(b)) {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compare(a, b any) int {
	if a == nil || b == nil {
		return order(a == nil, b == nil)
	}
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok {
			return order(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	x, numeric := number(a)
	y, too := number(b)
	if numeric && too {
		return x.compare(y)
	}
	return strings.Compare(text(a), text(b))
}

// order of two truths: false comes first.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// A figure is a number of any size, or one of the three that have none.
type figure struct {
	place int // -1: minus infinity, 0: rat, 1: infinity, 2: NaN
	rat   *big.Rat
}

func (f figure) compare(g figure) int {
	if f.place != 0 || g.place != 0 {
		return cmp.Compare(f.place, g.place)
	}
	return f.rat.Cmp(g.rat)
}

// number reads a float8 or a numeric; the special ones come as text.
func number(v any) (figure, bool) {
	switch x := v.(type) {
	case float64:
		switch {
		case math.IsNaN(x):
			return figure{place: 2}, true
		case math.IsInf(x, 0):
			return figure{place: int(math.Copysign(1, x))}, true
		}
		return figure{rat: new(big.Rat).SetFloat64(x)}, true
	case json.Number:
		r, ok := new(big.Rat).SetString(string(x))
		return figure{rat: r}, ok
	case string:
		if place, special := map[string]int{"NaN": 2, "Infinity": 1, "-Infinity": -1}[x]; special {
			return figure{place: place}, true
		}
	}
	return figure{}, false
}
