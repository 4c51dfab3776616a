package postgres

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A class is a family of column types that can be compared with each other by
// an index. Values arrive as text; each class knows which texts it can hold,
// because a value that cannot be cast must match nothing, and a cast that fails
// would fail the whole statement.
type class string

const (
	classText    class = "text"
	classPadded  class = "bpchar" // char(n): compared without trailing blanks
	classInt     class = "int8"
	classNumeric class = "numeric"
	classUUID    class = "uuid"
	classInet    class = "inet"
	classBool    class = "bool"
	classFloat   class = "float8"
	classJSON    class = "json"
	classArray   class = "array"
	classStamp   class = "timestamptz"
	classLocal   class = "timestamp"
	classOther   class = "other"
)

// classOf tells the class from the base type: its oid where Postgres fixes
// that, else its name.
func classOf(oid uint32, typ, category string) class {
	switch oid {
	case 25, 1043, 19:
		return classText
	case 1042:
		return classPadded
	case 20, 21, 23:
		return classInt
	case 1700:
		return classNumeric
	case 2950:
		return classUUID
	case 869:
		return classInet
	case 16:
		return classBool
	case 700, 701:
		return classFloat
	case 114, 3802:
		return classJSON
	case 1184:
		return classStamp
	case 1114:
		return classLocal
	}
	if category == "A" {
		return classArray
	}
	if citext(typ) {
		return classText
	}
	return classOther
}

func citext(typ string) bool { return typ == "citext" || strings.HasSuffix(typ, ".citext") }

// textual tells whether the column holds text, in which placeholders may stand.
func (c class) textual() bool { return c == classText || c == classPadded }

var (
	uuidForm    = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	numericForm = regexp.MustCompile(`^([+-]?[0-9]{1,100}(\.[0-9]{1,100})?|NaN)$`)
)

// holds tells whether a text can be cast to the class.
func (c class) holds(v string) bool {
	if strings.ContainsRune(v, 0) {
		return false // no text of Postgres holds NUL
	}
	switch c {
	case classInt:
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case classNumeric:
		return numericForm.MatchString(v)
	case classUUID:
		return uuidForm.MatchString(v)
	case classInet:
		if _, err := netip.ParseAddr(v); err == nil {
			return !strings.Contains(v, "%")
		}
		_, err := netip.ParsePrefix(v)
		return err == nil
	case classFloat:
		_, err := strconv.ParseFloat(v, 64)
		return err == nil && !strings.ContainsAny(v, "xXpP_")
	}
	return true
}

// only keeps the values that the class can hold.
func (c class) only(values []string) []string {
	kept := make([]string, 0, len(values))
	for _, v := range values {
		if c.holds(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// array casts a bound text array to what the column is compared with.
func (c *column) array(param string) string {
	switch c.class {
	case classText:
		if c.typ == "text" || strings.HasPrefix(c.typ, "character varying") || c.typ == "name" {
			return param + "::text[]"
		}
		return param + "::text[]::" + c.typ + "[]" // citext compares in its own way
	case classPadded, classInt, classNumeric, classUUID, classInet:
		return param + "::text[]::" + string(c.class) + "[]"
	}
	return param + "::text[]"
}

// compared is the column as it is compared with a bound array of its class;
// other classes are compared as text, without an index.
func (c *column) compared(expr string) string {
	switch c.class {
	case classText, classPadded, classInt, classNumeric, classUUID, classInet:
		return expr
	}
	return expr + "::text"
}

// convert makes a value of column from comparable with column to. A text that
// the other type cannot hold becomes NULL, which equals nothing.
func convert(from, to *column, expr string) string { return collated(from, to, cast(from, to, expr)) }

// collated gives a text the collation of the column that it is compared with:
// of two that differ Postgres takes neither, and an index serves its own alone.
func collated(from, to *column, expr string) string {
	if from.collation == to.collation || !to.class.textual() {
		return expr
	}
	return "(" + expr + " COLLATE " + cmp.Or(to.collation, `"default"`) + ")"
}

// bytewise is a text by its bytes, whatever the collation: by some no pattern can be matched.
func bytewise(expr string) string { return "(" + expr + `::text COLLATE "C")` }

// legible is a text of the column as patterns can be matched with it.
func (c *column) legible(expr string) string {
	if !c.loose {
		return expr
	}
	return "(" + expr + ` COLLATE "default")`
}

func cast(from, to *column, expr string) string {
	switch {
	case from.class == to.class && from.typ == to.typ:
		return expr
	case floats(from, to):
		return from.number(expr)
	case from.class == classInt && to.class == classInt:
		return expr
	case to.class == classText && (to.typ == "text" || strings.HasPrefix(to.typ, "character varying")):
		return from.text(expr)
	case to.class == classText: // citext compares in its own way
		return from.text(expr) + "::" + to.typ
	case to.class == classPadded:
		return from.text(expr) + "::bpchar"
	case from.class.textual() && to.class == classInt:
		return integer(expr)
	case from.class.textual() && to.class == classNumeric:
		return "CASE WHEN " + bytewise(expr) + ` ~ '^[+-]?[0-9]{1,100}(\.[0-9]{1,100})?$' THEN ` + expr + "::text::numeric END"
	case from.class.textual() && to.class == classUUID:
		return "CASE WHEN " + bytewise(expr) + " ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN " + expr + "::text::uuid END"
	case from.class == classInt && to.class == classNumeric, from.class == classNumeric && to.class == classInt:
		return expr + "::numeric"
	case from.day() && to.day():
		return expr + "::timestamp"
	}
	return from.text(expr)
}

// integer is a text as an int8, with zeros behind the point as numeric(10,2) tells
// its whole numbers; NULL for what is none. Numbers of 19 digits are common (ids
// that begin with the time), and not all of them fit.
func integer(expr string) string {
	return "CASE WHEN " + bytewise(expr) + ` ~ '^[+-]?[0-9]{1,19}(\.0{1,100})?$' THEN CASE WHEN ` +
		expr + "::text::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN " + expr + "::text::numeric::int8 END END"
}

// floats tells whether a floating-point column is compared with what may be
// another kind of number: as text 1.5 and 1.50 would not be the same.
func floats(from, to *column) bool {
	number := func(c class) bool { return c == classFloat || c == classInt || c == classNumeric }
	return to.class == classFloat && (number(from.class) || from.class.textual()) || from.class == classFloat && number(to.class)
}

// number is the column as a numeric, by the digits in which a float is written;
// NULL for what is no number, or none that equals itself.
func (c *column) number(expr string) string {
	switch c.class {
	case classInt:
		return expr + "::numeric"
	case classNumeric:
		return expr
	}
	return "CASE WHEN " + bytewise(expr) + ` ~ '^[+-]?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?$' THEN ` + expr + "::text::numeric END"
}

// day tells whether the column holds days, with a time or without one.
func (c *column) day() bool { return c.typ == "date" || c.typ == "timestamp without time zone" }

// spells tells whether a value is a UUID that may be written in capitals at the far
// end, as iOS and .NET do.
func spells(from, to *column) bool {
	return from.class == classUUID && to.class.textual() && !citext(to.typ)
}

// equal is the condition that a column of the table holds a converted value of
// from, served by an index of the column where there is one. Of a UUID both usual
// spellings are looked up; where there is no index, any.
func (t *table) equal(from, to *column, expr, value string) string {
	if spells(from, to) && slices.ContainsFunc(t.indexes, func(x index) bool { return !x.gin && slices.Contains(x.columns, to.name) }) {
		return expr + " = ANY(ARRAY[" + value + ", " + otherwise(from, to, value) + "])"
	}
	return linked(from, to, expr) + " = " + value
}

// otherwise is a converted value in the other spelling.
func otherwise(from, to *column, value string) string {
	switch {
	case pointed(from, to):
		return "(" + value + " || '.0')"
	case to.class == classPadded:
		return "upper(" + value + ")::bpchar"
	}
	return "upper(" + value + ")"
}

// pointed tells whether a value is a whole number that may stand in a document with
// a zero behind the point, as programs write it that know floats only.
func pointed(from, to *column) bool {
	return from.class == classInt && to.place != nil && to.place.in.class == classJSON
}

// linked is the column as it is compared with a list of converted values of from.
func linked(from, to *column, expr string) string {
	switch {
	case spells(from, to):
		return "lower(" + expr + ")"
	case pointed(from, to):
		return "regexp_replace(" + expr + `, '^(-?[0-9]+)[.]0+$', '\1')`
	case from.class == to.class && from.typ == to.typ, to.class.textual():
		return expr
	case floats(from, to):
		return to.number(expr)
	case to.class == classInt && (from.class == classInt || from.class.textual() || from.class == classNumeric):
		return expr
	case to.class == classNumeric && (from.class == classInt || from.class.textual()):
		return expr
	case to.class == classUUID && from.class.textual():
		return expr
	case from.day() && to.day():
		return expr + "::timestamp"
	}
	return to.text(expr)
}

// foldings are the texts that lower(column) may give for a folded value. A
// database with the C locale lowers ASCII only, so the value with its other
// letters in capitals is looked up, too.
func foldings(v string) []string {
	low := strings.ToLower(v)
	high := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return unicode.ToUpper(r)
		}
		return r
	}, low)
	if high == low {
		return []string{low}
	}
	return []string{low, high}
}

// dialled are the digits under which a number in E.164 is written down.
func dialled(v string) []string {
	if n, ok := strings.CutPrefix(v, "+"); ok {
		return []string{v, "00" + n}
	}
	return []string{v}
}
