package postgres

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A place is where the values of a field stand inside a column: the elements of
// a Postgres array, or what a path leads to in a JSON document. A row holds any
// number of values there, so a reached row carries them as an array of texts,
// and a link leads on with each.
//
// Real documents hold arrays where nobody expects them. A path is therefore read
// through them (jsonpath's lax mode), unless every step of it is declared with
// a data_type that is no array: then it is one value, for which an ordinary index on
// the expression serves.
type place struct {
	in   *column // the array or JSON column
	path []string
	one  bool // one value, see above
}

// The columns that every table has, or that are made up for tables whose rows
// nothing else names. No column of a table can bear the name of rowName.
const (
	placeInFile = "ctid"
	tableOf     = "tableoid"
	rowName     = "\x00row"
)

// placeName is the name under which a place stands among a table's columns: one
// that no column of Postgres can have.
func placeName(f *datamap.Field) string {
	return f.Column().Name + "\x00" + strings.Join(f.Path(), "\x00")
}

// at is the column of a field, or its place inside one; nil where there is none.
// A plain column of an array or JSON type is a place when it links or seeds.
func (t *table) at(f *datamap.Field) *column {
	c := t.columns[f.Column().Name]
	if c == nil || f.Parent == nil && c.class != classArray && c.class != classJSON {
		return c
	}
	if f.Parent != nil && c.class != classJSON {
		return nil
	}
	return &column{name: placeName(f), typ: "text", class: classText, collation: c.collation, loose: c.loose, place: &place{in: c, path: f.Path(), one: declaredSingle(f)}}
}

func declaredSingle(f *datamap.Field) bool {
	if f.Parent == nil {
		return false
	}
	for ; f != nil; f = f.Parent {
		if f.DataType == "" || f.Inferred || f.Array {
			return false
		}
	}
	return true
}

// known takes a field's place in among the table's columns, so that it can be
// carried by its name.
func (t *table) known(f *datamap.Field) *column {
	c := t.at(f)
	if c != nil && c.place != nil && t.columns[c.name] == nil {
		t.columns[c.name] = c
	}
	return c
}

// value is what a reached row carries of a column, under an alias of its table.
func (t *table) value(alias, name string) string {
	c := t.columns[name]
	switch {
	case name == rowName:
		return rowText(alias)
	case name == keptUntil:
		return "NULL::timestamptz"
	case c == nil || c.place == nil:
		return col(alias, name)
	}
	return c.place.values(alias)
}

// inRow is value for a column at hand, known or not.
func (t *table) inRow(alias string, c *column) string {
	if c.place != nil {
		return c.place.values(alias)
	}
	return col(alias, c.name)
}

// rowText names a row that no key names, by all that it holds.
func rowText(alias string) string {
	return "encode(sha256(" + inUTF8("("+alias+".*)::text") + "), 'hex')"
}

// values are the texts that stand at the place in a row.
func (p *place) values(alias string) string {
	if p.in.class == classArray {
		return col(alias, p.in.name) + "::text[]"
	}
	return scalars(p.found(p.document(alias)))
}

// found are the values at the path, one by one.
func (p *place) found(document string) string {
	if p.one {
		return "(SELECT " + document + " #> " + pathArray(p.path) + ") AS e(v)"
	}
	return "jsonb_path_query(" + document + ", " + literal(jsonPath(p.path)) + ") AS e(v)"
}

func scalars(from string) string {
	return "ARRAY(SELECT e.v #>> '{}' FROM " + from + " WHERE jsonb_typeof(e.v) IN ('string', 'number', 'boolean'))"
}

// document is the column as jsonb. A text of type json may hold what jsonb does
// not take: \u0000, and halves of a character (surrogates without the other half,
// as a program leaves them that cuts a text in the middle of an emoji). They are
// read as U+FFFD, which stands for what is no character. An index on the cast is
// the proof that none is there.
func (p *place) document(alias string) string { return p.in.document(col(alias, p.in.name), false) }

func (c *column) document(expr string, sure bool) string {
	if c.typ == "jsonb" {
		return expr
	}
	if sure {
		return expr + "::jsonb"
	}
	return `(CASE WHEN strpos(` + expr + `::text, '\u') = 0 THEN ` + expr + `::jsonb ELSE regexp_replace(replace(` + expr + `::text, '\\', '\u005c'), '` + noCharacter + `', '\\ufffd', 'g')::jsonb END)`
}

// noCharacter finds them in the text of a document in which a backslash that
// stands for itself is written by its number.
const (
	firstHalf   = `\\u[dD][89abAB][0-9a-fA-F]{2}`
	secondHalf  = `\\u[dD][c-fC-F][0-9a-fA-F]{2}`
	noCharacter = `\\u0000|` + firstHalf + `(?!` + secondHalf + `)|(?<!` + firstHalf + `)` + secondHalf
)

func pathArray(path []string) string {
	quoted := make([]string, len(path))
	for i, k := range path {
		quoted[i] = literal(k)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]::text[]"
}

func jsonPath(path []string) string {
	var b strings.Builder
	b.WriteString("lax $")
	for _, k := range path {
		quoted, _ := json.Marshal(k) // a string always has a JSON form
		b.WriteString("." + string(quoted))
	}
	return b.String() + "[*]"
}

// literal is a text constant. Only names of the data map become one: what
// stands in rows, and what a request brings, is bound.
func literal(s string) string {
	if strings.Contains(s, `\`) {
		return " E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// served tells whether an index finds rows by what stands at a place, and by
// which expression (without alias): "" is a GIN index of the whole column.
func (t *table) served(c *column) (expression string, there bool) {
	name := pgx.Identifier{c.place.in.name}.Sanitize()
	if c.place.one {
		for _, expression := range c.place.expressions(name) {
			if t.indexedBy(expression) {
				return expression, true
			}
		}
	}
	return "", slices.ContainsFunc(t.indexes, func(x index) bool {
		if !x.gin || !x.holds(c.place.in.name) {
			return false
		}
		return c.place.in.typ != "json" && slices.Contains(x.columns, c.place.in.name) ||
			c.place.in.typ == "json" && slices.ContainsFunc(x.exprs, func(e string) bool { return plain(e) == plain(name+"::jsonb") })
	})
}

// expressions are the ways in which people write the index of one value.
func (p *place) expressions(column string) []string {
	chain := column
	for i, k := range p.path {
		arrow := " -> "
		if i == len(p.path)-1 {
			arrow = " ->> "
		}
		if i > 0 {
			chain = "(" + chain + ")"
		}
		chain += arrow + literal(k)
	}
	return []string{chain, column + " #>> " + literal("{"+strings.Join(p.path, ",")+"}") + "::text[]"}
}

// holding is the condition, served by the index of u, that a row holds a text.
//
// Of what a document or array contains Postgres knows nothing, and takes one row
// in a hundred for a match: it would sooner read a table than ask its index. So
// the same is asked in two ways, which it multiplies, and apart from what is
// around it (see fenced).
func (p *place) holding(alias, value, expression string) string {
	if expression != "" {
		return p.aliased(alias, expression) + " = " + value
	}
	expr := col(alias, p.in.name)
	if p.in.class == classArray {
		if cast := p.in.element.castOf(value); cast != "" {
			list := "ARRAY[" + cast + "]::" + p.in.element.typ + "[]"
			return expr + " @> " + list + " AND " + expr + " && " + list
		}
		return value + " = ANY(" + expr + "::text[])"
	}
	test := "to_jsonb(" + value + ")::text || CASE WHEN " + value + ` ~ '^-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?$' OR ` + value + " IN ('true', 'false') THEN ' || @ == ' || " + value + " ELSE '' END || ')'"
	condition := p.in.document(expr, true) + " @? (" + literal(jsonPath(p.path)+" ? (@ == ") + " || " + test + ")::jsonpath AND " +
		p.in.document(expr, true) + " @@ (" + literal("lax exists("+strings.TrimPrefix(jsonPath(p.path), "lax ")+" ? (@ == ") + " || " + test + " || ')')::jsonpath"
	if p.one {
		condition += " AND " + p.in.document(expr, true) + " #>> " + pathArray(p.path) + " = " + value
	}
	return condition
}

// fenced is a query that is planned for all of its rows, whatever is made of
// them: for the first one alone Postgres would try its luck by reading the table.
func fenced(query string) string {
	return "WITH once AS MATERIALIZED (" + query + ") SELECT * FROM once"
}

// fencedFor is that, where a link ends inside a document or an array.
func fencedFor(ties []strand, query string) string {
	for _, t := range ties {
		if t.to.place != nil {
			return fenced(query)
		}
	}
	return query
}

// plainArray is an array whose elements may be of a domain, with those of the
// type beneath it: of other arrays Postgres compares only such with it.
func (c *column) plainArray(expr string) string {
	if c.element == nil || c.element.domain == "" {
		return expr
	}
	return expr + "::" + c.element.typ + "[]"
}

// castOf makes an element of an array of a text; NULL, which no array contains,
// of one that cannot be one. "" for types that are compared as text.
func (c *column) castOf(value string) string {
	if c.domain != "" {
		return "" // a value that the domain refuses would be an error
	}
	switch c.class {
	case classText, classPadded:
		return value + "::" + c.typ
	case classInt:
		low, high := map[string]string{"smallint": "-32768", "integer": "-2147483648"}[c.typ], map[string]string{"smallint": "32767", "integer": "2147483647"}[c.typ]
		if low == "" {
			return convert(&column{class: classText}, c, value)
		}
		as := "CASE WHEN " + value + " ~ '^[+-]?[0-9]{1,18}$' THEN CASE WHEN " + value + "::int8 BETWEEN " + low + " AND " + high + " THEN " + value + "::" + c.typ + " END END"
		return as
	case classNumeric, classUUID:
		return convert(&column{class: classText}, c, value)
	}
	return ""
}
