package postgres

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// matchInside is match for a field inside a column: an element of an array, or
// a part of a JSON document. An index on the expression serves it where the
// place is one value, a GIN index where the values are compared as they stand.
func (w *writer) matchInside(s *stop, seed datamap.PlanSeed, c *column, how datamap.Match) string {
	name := "seed " + seed.Identity + " " + string(how) + " " + seed.Field.DataType
	as := seedTexts(seed, asItStands)
	in := c.place.in
	_, there := s.t.served(c)
	if there && how == datamap.Exact && in.class == classArray && in.element.castOf("x") != "" {
		elements := w.bind(name+" elements "+in.element.typ, func(r *run) any {
			fit := []string{}
			for _, v := range as(r) {
				if in.element.fits(v) {
					fit = append(fit, v)
				}
			}
			return fit
		})
		return col("t", in.name) + " && " + elements + "::text[]::" + in.element.typ + "[] AND EXISTS (SELECT 1 FROM unnest(" + col("t", in.name) + ") AS e(v) WHERE e.v = ANY(" +
			elements + "::text[]::" + in.element.typ + "[]))"
	}
	list, test := w.seedValues(seed, c) // bound only where it is used: Postgres refuses others
	if c.place.one {
		for _, expression := range c.place.expressions(pgx.Identifier{in.name}.Sanitize()) {
			if s.t.indexedBy(test(expression)) {
				return test(c.place.aliased("t", expression)) + " = ANY(" + list + ")"
			}
		}
	}
	found := "EXISTS (SELECT 1 FROM unnest(" + c.place.values("t") + ") AS e(v) WHERE " + test("e.v") + " = ANY(" + list + "))"
	if !there || how != datamap.Exact || in.class != classJSON {
		return found
	}
	path := w.bind(name+" path "+strings.Join(c.place.path, "\x00"), func(r *run) any { return pathTo(c.place.path, as(r)) })
	again := w.bind(name+" exists "+strings.Join(c.place.path, "\x00"), func(r *run) any {
		return "lax exists(" + strings.TrimPrefix(pathTo(c.place.path, as(r)), "lax ") + ")"
	})
	doc := in.document(col("t", in.name), true)
	return "(" + doc + " @? " + path + "::text::jsonpath AND " + doc + " @@ " + again + "::text::jsonpath AND " + found + ")" // twice: see holding
}

func asItStands(v string) []string { return []string{v} }

// seedValues binds a seed's values as texts, and says how a text of a place is compared with them.
func (w *writer) seedValues(seed datamap.PlanSeed, c *column) (list string, test func(string) string) {
	as, test := seedTexts(seed, asItStands), func(expr string) string { return expr }
	name := "seed " + seed.Identity + " " + string(seed.Field.Match) + " " + seed.Field.DataType + " inside"
	switch seed.Field.Match {
	case datamap.Fold:
		as, test = seedTexts(seed, foldings), func(expr string) string { return "lower(" + expr + ")" }
	case datamap.E164:
		as, test = seedTexts(seed, dialled), digitsOf
	default:
		if e := c.place.in.element; e != nil && e.class == classUUID { // which Postgres writes in small letters
			as, name = seedTexts(seed, func(v string) []string { return []string{strings.ToLower(v)} }), name+" uuid"
		}
	}
	return w.bind(name, func(r *run) any { return as(r) }) + "::text[]", test
}

func seedTexts(seed datamap.PlanSeed, change func(string) []string) func(*run) []string {
	return func(r *run) []string {
		all := []string{}
		for _, v := range r.seeds[seed.Identity] {
			all = append(all, change(v)...)
		}
		return classText.only(declared(seed.Field, all))
	}
}

// aliased is an expression over the column, under an alias of its table.
func (p *place) aliased(alias, expression string) string {
	return strings.Replace(expression, pgx.Identifier{p.in.name}.Sanitize(), col(alias, p.in.name), 1)
}

// pathTo finds documents that hold one of the values at the path, as a text or
// as the number or truth value that it is the text of.
func pathTo(path, values []string) string {
	ways := []string{`@ == ""`} // matches what found then leaves out; a filter must not be empty
	for _, v := range values {
		quoted, err := json.Marshal(v)
		if err != nil {
			continue
		}
		ways = append(ways, "@ == "+string(quoted))
		if jsonNumber.MatchString(v) || v == "true" || v == "false" {
			ways = append(ways, "@ == "+v)
		}
	}
	if len(ways) > 1 {
		ways = ways[1:]
	}
	return jsonPath(path) + " ? (" + strings.Join(ways, " || ") + ")"
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?$`)

// fits tells whether a text can be cast to the column's very type.
func (c *column) fits(v string) bool {
	if !c.class.holds(v) {
		return false
	}
	if bits := map[string]int{"smallint": 16, "integer": 32}[c.typ]; bits > 0 {
		_, err := strconv.ParseInt(v, 10, bits)
		return err == nil
	}
	return true
}

// declared leaves out values that cannot be of the type that the map declares
// for a field: such a value matches nothing (FIDESLANG.md).
func declared(f *datamap.Field, values []string) []string {
	form := declaredForm(f)
	if form == "" {
		return values
	}
	kept := []string{}
	for _, v := range values {
		if ok, err := regexp.MatchString(form, v); err == nil && ok {
			kept = append(kept, v)
		}
	}
	return kept
}

// declaredForm is the form of a text that can be cast to the declared type, the same for Go and
// Postgres; "" for types that hold any.
func declaredForm(f *datamap.Field) string {
	switch strings.TrimSuffix(f.DataType, "[]") {
	case "integer":
		return `^[+-]?[0-9]{1,19}([.]0{1,100})?$` // documents hold 3 as 3.0, too
	case "float":
		return `^[+-]?[0-9]{1,100}([.][0-9]{1,100})?([eE][+-]?[0-9]{1,3})?$`
	case "boolean":
		return `^([tT]|[fF]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|0|1)$`
	}
	return ""
}
