package postgres

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/source"
)

// class is the condition of the rows that a rule is about, whatever their age.
func (e *expiring) class(alias string) string {
	s := e.sel
	where := e.matches(e.t, alias, s.Where)
	if len(s.WhereNot) > 0 {
		where = append(where, "("+all(e.matches(e.t, alias, s.WhereNot))+") IS NOT TRUE")
	}
	if s.Scopes != nil {
		where = append(where, e.scoped(alias, s.Scopes))
	}
	return all(where)
}

// scoped: the row belongs to one of these controllers. A row that names none
// belongs to nobody that could be asked, and is left alone.
func (e *expiring) scoped(alias string, scopes []string) string {
	c := e.t.columns[e.sel.Collection.Controller]
	if c == nil {
		return "false"
	}
	return c.compared(col(alias, c.name)) + " = ANY (" + e.array(c, scopes) + ")"
}

// array binds values for a comparison with a column; those that its type cannot hold match nothing.
func (e *expiring) array(c *column, values []string) string {
	e.args = append(e.args, c.class.only(values))
	return c.array("$" + itoa(len(e.args)))
}

// due is the condition of rows that have expired, held or not: of the class, old
// enough, without what would keep them, and not yet as the action leaves them
// (so that a second sweep finds nothing).
func (e *expiring) due(alias string) string {
	s := e.sel
	where := []string{e.class(alias)}
	if s.StartsAt != "" {
		before := e.bind(s.Before, "timestamptz")
		if e.t.columns[s.StartsAt].class != classStamp {
			before = "(" + before + " AT TIME ZONE 'UTC')" // without a zone: UTC
		}
		where = append(where, col(alias, s.StartsAt)+" < "+before)
	}
	if s.Unless != nil {
		where = append(where, e.alone(alias))
	}
	if s.Then != source.Delete {
		where = append(where, e.unchanged(alias))
	}
	return all(where)
}

// alone: the row has no counterpart in the other collection.
func (e *expiring) alone(alias string) string {
	u := e.sel.Unless
	other := e.cat.table(u.Collection)
	var where []string
	for _, here := range slices.Sorted(maps.Keys(u.Link)) {
		a, b := e.t.columns[here], other.columns[u.Link[here]] // as a reference would tie them
		where = append(where, other.equal(a, b, col("o", b.name), convert(a, b, col(alias, a.name))))
	}
	where = append(where, e.matches(other, "o", u.Where)...)
	return "NOT EXISTS (SELECT 1 FROM " + other.ident() + " AS o WHERE " + all(where) + ")"
}

// held is the condition of rows that must stay although they have expired: under
// a hold, of an open request, referenced by rows whose foreign key would not let
// them go, or with a value that stands in a held row elsewhere.
func (e *expiring) held(alias string) string {
	s := e.sel
	var held []string
	if keys := e.keys[s.Collection.FullName()]; len(keys) > 0 {
		held = append(held, e.keyOf(alias, s.Collection.FullName())+" = ANY ("+e.bind(keys, "text[]")+")")
	}
	if len(s.HeldScopes) > 0 {
		if s.Collection.Controller == "" {
			return "true" // rows that do not say whose they are, are all held
		}
		held = append(held, e.scoped(alias, s.HeldScopes))
	}
	if s.Then == source.Delete {
		held = append(held, e.referenced(alias)...)
		held = append(held, e.heldElsewhere(alias)...)
	}
	return anyOf(held)
}

// keyOf is the text of a row's key (source.RowKey).
func (e *expiring) keyOf(alias, full string) string {
	return keyText(cols(alias, e.keyColumns(full)))
}

// referenced: rows of other tables name this one by a foreign key that forbids
// its deletion. Such a row waits until those are gone. (Keys that cascade or set
// NULL are the database's own decision, and stand in its schema.)
func (e *expiring) referenced(alias string) []string {
	var exist []string
	for _, k := range e.t.children {
		if k.takes() {
			continue
		}
		var where []string
		for i, c := range k.columns {
			name := k.references[i]
			where = append(where, col("ch", c)+" = "+collated(e.t.columns[name], e.cat.tables[k.child].columns[c], col(alias, name)))
		}
		if k.child == e.t.oid { // a row may name itself
			where = append(where, "(ch.ctid, ch.tableoid) IS DISTINCT FROM ("+alias+".ctid, "+alias+".tableoid)")
		}
		exist = append(exist, "EXISTS (SELECT 1 FROM "+e.children[k.child]+" AS ch WHERE "+all(where)+")")
	}
	return exist
}

// matches writes a selection's condition, one SQL condition for each column.
func (e *expiring) matches(t *table, alias string, where map[string][]*string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(where)) {
		c := t.columns[name]
		expr := col(alias, name)
		exact, like, words, null := waysToMatch(where[name])
		var ways []string
		if null {
			ways = append(ways, expr+" IS NULL")
		}
		if len(exact) > 0 {
			ways = append(ways, c.compared(expr)+" = ANY ("+e.array(c, exact)+")")
		}
		if len(like) > 0 {
			ways = append(ways, bytewise(expr)+" LIKE ANY ("+e.bind(like, "text[]")+")")
		}
		if len(words) > 0 {
			ways = append(ways, bytewise(expr)+" ~ ANY ("+e.bind(words, "text[]")+")")
		}
		list = append(list, anyOf(ways))
	}
	return list
}

// waysToMatch parts the values of a where: texts as they stand, patterns of LIKE,
// regular expressions, and whether NULL is among them.
func waysToMatch(values []*string) (exact, like, words []string, null bool) {
	for _, v := range values {
		switch {
		case v == nil:
			null = true
		case placeholderWord.MatchString(*v):
			words = append(words, expressionOf(*v))
		case strings.Contains(*v, "*"):
			like = append(like, likeOf(*v))
		default:
			exact = append(exact, *v)
		}
	}
	return exact, like, words, null
}

// placeholderWord is a word in angle brackets, which stands for letters and digits.
var placeholderWord = regexp.MustCompile(`<[A-Z_]+>`)

// likeOf makes a LIKE pattern of a value in which * stands for any characters.
func likeOf(v string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(v)
}

// expressionOf makes a regular expression of Postgres' of a value that holds a
// word in angle brackets, and perhaps *.
func expressionOf(v string) string {
	var b strings.Builder
	b.WriteString("^")
	for v != "" {
		if at := placeholderWord.FindStringIndex(v); at != nil && at[0] == 0 {
			b.WriteString("[0-9A-Za-z]+")
			v = v[at[1]:]
			continue
		}
		r := []rune(v)[0]
		switch {
		case r == '*':
			b.WriteString(".*")
		case strings.ContainsRune(`\.^$|?*+()[]{}`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
		v = v[len(string(r)):]
	}
	return b.String() + "$"
}
