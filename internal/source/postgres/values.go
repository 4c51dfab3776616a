package postgres

import (
	"encoding/json"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// text is a column's value as people write it. inet::text would add "/32".
func (c *column) text(expr string) string {
	if c.class == classInet && c.typ == "inet" {
		return "abbrev(" + expr + ")"
	}
	return expr + "::text"
}

// given casts a column to one of the few types that value turns into Go: what
// has no type of its own in an archive travels as text or as JSON.
func (c *column) given(expr string) string {
	switch c.class {
	case classBool:
		return expr + "::bool"
	case classInt:
		return expr + "::int8"
	case classFloat:
		return expr + "::text::float8" // of a real, the number that stands there: 0.1, not 0.10000000149011612
	case classStamp:
		return expr + "::timestamptz"
	case classLocal:
		return expr + "::timestamp"
	case classArray:
		return "to_json(" + expr + ")::text"
	}
	return c.text(expr)
}

// value turns what pgx read into what source.Row promises. Numbers that JSON
// cannot write (NaN, infinity) become text.
func (c class) value(v any) any {
	switch x := v.(type) {
	case nil:
		return nil
	case time.Time:
		return x.UTC()
	case pgtype.InfinityModifier:
		return x.String()
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return special(x)
		}
		return x
	case string:
		x = readable(x)
		switch c {
		case classNumeric:
			if x != "NaN" && numericForm.MatchString(x) {
				return json.Number(x)
			}
		case classJSON, classArray:
			return json.RawMessage(x)
		}
		return x
	}
	return v
}

func special(x float64) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case x > 0:
		return "Infinity"
	}
	return "-Infinity"
}
