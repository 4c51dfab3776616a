package postgres

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/source"
)

// change is what happens to one column: its new value, and the condition under
// which the row has not been changed yet.
type change struct {
	column *column
	action source.Action // Null, Mask with a text, or TruncateIP
	text   string        // Mask: the new value
}

// readChanges resolves the columns of an action.
func (e *expiring) readChanges() error {
	if e.sel.Then == source.Delete {
		return nil
	}
	if len(e.sel.Columns) == 0 {
		return notSwept("%s names no column", e.sel.Then)
	}
	for _, x := range e.sel.Columns {
		c, err := e.column(e.t, x.Column)
		if err != nil {
			return err
		}
		if c.generated {
			return notSwept("%s.%s is made by Postgres of other columns: change those", e.sel.Collection.FullName(), x.Column)
		}
		ch := change{column: c, action: e.sel.Then}
		switch e.sel.Then {
		case source.Null:
		case source.Unlink:
			ch.action = source.Null
		case source.TruncateIP:
			if c.class != classInet && c.typ != "cidr" && !c.class.textual() {
				return notSwept("%s.%s is of type %s, which holds no IP address", e.sel.Collection.FullName(), x.Column, c.typ)
			}
		case source.Mask:
			switch {
			case x.Masking == nil || x.Masking.Strategy == "null_rewrite":
				ch.action = source.Null
			case x.Masking.Strategy != "string_rewrite":
				return notSwept("a sweep cannot mask by %s", x.Masking.Strategy)
			case !c.class.textual():
				return notSwept("%s.%s is of type %s, which holds no text to mask it with", e.sel.Collection.FullName(), x.Column, c.typ)
			default:
				ch.text = x.Masking.Value + x.Masking.Suffix
				if f := e.sel.Collection.Field(x.Column); f != nil && f.Length > 0 {
					ch.text = firstRunes(ch.text, f.Length)
				}
				if c.length > 0 {
					ch.text = firstRunes(ch.text, c.length)
				}
			}
		default:
			return notSwept("%s is not carried out here", e.sel.Then)
		}
		if ch.action == source.Null && c.notNull {
			return notSwept("%s.%s is NOT NULL: it cannot be emptied, only masked or its row deleted", e.sel.Collection.FullName(), x.Column)
		}
		e.need = append(e.need, ch)
	}
	return nil
}

// unchanged: at least one column is not yet as the action leaves it.
func (e *expiring) unchanged(alias string) string {
	var ways []string
	for _, c := range e.need {
		expr := col(alias, c.column.name)
		switch c.action {
		case source.Null:
			ways = append(ways, expr+" IS NOT NULL")
		default:
			ways = append(ways, "("+expr+" IS NOT NULL AND "+expr+" IS DISTINCT FROM "+e.changed(c, alias)+")")
		}
	}
	return anyOf(ways)
}

// changed is the column's new value. NULL stays NULL.
func (e *expiring) changed(c change, alias string) string {
	expr := col(alias, c.column.name)
	switch c.action {
	case source.Null:
		return "NULL"
	case source.TruncateIP:
		return truncated(c.column, expr)
	}
	return "CASE WHEN " + expr + " IS NOT NULL THEN " + e.bind(c.text, "text") + "::" + c.column.typ + " END"
}

// setting is the SET clause.
func (e *expiring) setting(alias string) string {
	set := make([]string, 0, len(e.need))
	for _, c := range e.need {
		set = append(set, bare(c.column.name)+" = "+e.changed(c, alias))
	}
	return strings.Join(set, ", ")
}

// truncated keeps the network of an address: 24 bits of IPv4, 48 of IPv6, the
// host's bits nought. A text that is no address (a list, one with a port) is
// emptied: what it holds cannot be known, and the promise was that no address stays.
func truncated(c *column, expr string) string {
	net := func(of string) string {
		return "network(set_masklen(" + of + ", CASE family(" + of + ") WHEN 4 THEN 24 ELSE 48 END))"
	}
	switch {
	case c.typ == "cidr":
		return net(expr + "::inet")
	case c.class == classInet:
		return "host(" + net(expr) + ")::inet"
	}
	empty := "NULL"
	if c.notNull {
		empty = "''"
	}
	return "CASE WHEN " + bytewise(expr) + " ~ '" + ipv4Form + "' OR " + bytewise(expr) + " ~ '" + ipv6Form + "' THEN host(" + net(expr+"::text::inet") + ") ELSE " + empty + " END"
}

const (
	octet    = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	dotted   = octet + `(\.` + octet + `){3}`
	hextet   = `[0-9a-fA-F]{1,4}`
	ipv4Form = `^` + dotted + `$`
	ipv6Form = `^((` + hextet + `:){7}` + hextet +
		`|(` + hextet + `:){1,7}:` +
		`|(` + hextet + `:){1,6}:` + hextet +
		`|(` + hextet + `:){1,5}(:` + hextet + `){1,2}` +
		`|(` + hextet + `:){1,4}(:` + hextet + `){1,3}` +
		`|(` + hextet + `:){1,3}(:` + hextet + `){1,4}` +
		`|(` + hextet + `:){1,2}(:` + hextet + `){1,5}` +
		`|` + hextet + `:(:` + hextet + `){1,6}` +
		`|:((:` + hextet + `){1,7}|:)` +
		`|::([fF]{4}:)?` + dotted + `)$`
)

func firstRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

func itoa(n int) string { return strconv.Itoa(n) }

func bare(column string) string { return pgx.Identifier{column}.Sanitize() }
