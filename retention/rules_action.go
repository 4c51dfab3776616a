package retention

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// action reads what happens to an expired row.
func (x *ruleReader) action() {
	var then source.Action
	if _, null := x.keys["then"].(*ast.NullNode); null {
		then = source.Null // written bare, YAML reads the word as its own null
	} else {
		then = source.Action(x.one("then"))
	}
	known := []string{string(source.Delete), string(source.Null), string(source.Mask), string(source.TruncateIP), string(source.Unlink)}
	switch {
	case !x.has("then"):
		x.say(x.node, "then is missing: delete, null, mask, truncate_ip or unlink")
		return
	case !slices.Contains(known, string(then)):
		x.say(x.keys["then"], "then: %s is not known%s; it is delete, null, mask, truncate_ip or unlink", then, nearest(string(then), known))
		return
	}
	x.r.Then = then
	n, given := x.keys["columns"]
	switch {
	case x.has("withheld"):
		if given {
			x.say(n, "a rule on a withheld category finds its columns itself, in the data map")
		}
		if then != source.Null && then != source.TruncateIP {
			x.say(x.keys["then"], "withheld categories are emptied: then is null or truncate_ip")
		}
	case then == source.Delete:
		if given {
			x.say(n, "delete takes the whole row; leave columns out, or say null")
		}
	case !given:
		x.say(x.node, "columns are missing: %s needs to know which", then)
	default:
		x.columns(n, then)
	}
}

func (x *ruleReader) columns(n ast.Node, then source.Action) {
	if then != source.Mask {
		for _, name := range x.texts(n, "columns") {
			x.change(n, name, nil)
		}
		return
	}
	for _, e := range x.entries(n, "columns (for mask, each with its strategy)") {
		masking := &datamap.Masking{}
		for _, s := range x.entries(e.value, "columns."+e.name) {
			v, _ := x.text(s.value, s.name)
			switch s.name {
			case "strategy":
				masking.Strategy = v
			case "value", "rewrite_value":
				masking.Value = v
			default:
				x.say(s.key, "%s is not known here%s", s.name, nearest(s.name, []string{"strategy", "value"}))
			}
		}
		switch masking.Strategy {
		case "null_rewrite", "string_rewrite":
		case "random_string_rewrite", "hash", "hmac":
			// Its result cannot be told from a value that was never masked, so each
			// sweep would mask the same rows again.
			x.say(e.value, "%s is not carried out by sweeps yet: use string_rewrite or null_rewrite", masking.Strategy)
		default:
			x.say(e.value, "the strategy of a sweep is string_rewrite or null_rewrite")
		}
		x.change(e.key, e.name, masking)
	}
	if len(x.r.Columns) == 0 {
		x.say(n, "columns names none")
	}
}

func (x *ruleReader) change(n ast.Node, name string, masking *datamap.Masking) {
	if !x.column(n, x.r.Collection, name) {
		return
	}
	if c := x.r.Collection; c != nil {
		if f := c.Field(name); f != nil && f.PrimaryKey || name == c.Controller {
			x.say(n, "%s is the row's key or its controller: it cannot be changed, only the row deleted", name)
			return
		}
	}
	x.r.Columns = append(x.r.Columns, source.ColumnChange{Column: name, Masking: masking})
}

// unless reads the counterpart whose presence keeps a row.
func (x *ruleReader) unless() {
	n, ok := x.keys["unless"]
	if !ok {
		return
	}
	u := &source.Counterpart{Link: map[string]string{}}
	var link, where ast.Node
	for _, e := range x.entries(n, "unless") {
		switch e.name {
		case "collection":
			if name, ok := x.text(e.value, "unless.collection"); ok {
				u.Collection = x.findCollection(e.value, name)
			}
		case "link":
			link = e.value
		case "where":
			where = e.value
		default:
			x.say(e.key, "unless.%s is not known%s", e.name, nearest(e.name, []string{"collection", "link", "where"}))
		}
	}
	if link == nil {
		x.say(n, "unless needs link: {column here: column there}")
	} else {
		for _, e := range x.entries(link, "unless.link") {
			there, ok := x.text(e.value, "unless.link")
			if x.column(e.key, x.r.Collection, e.name) && ok && x.column(e.value, u.Collection, there) {
				u.Link[e.name] = there
			}
		}
		if len(u.Link) == 0 {
			x.say(link, "unless.link names no columns")
		}
	}
	if where != nil {
		u.Where = x.condition("unless.where", where, u.Collection)
	}
	if a, b := x.r.Collection, u.Collection; a != nil && b != nil && a.Dataset.Source != b.Dataset.Source {
		x.say(n, "unless looks into another source (%s): a sweep runs inside one", b.Dataset.Source)
	}
	x.r.Unless = u
}

// values reads where else an expired value stands.
func (x *ruleReader) values() {
	if x.r.ValueColumn = x.one("value"); x.r.ValueColumn != "" {
		x.column(x.keys["value"], x.r.Collection, x.r.ValueColumn)
	}
	n, ok := x.keys["value_in"]
	if !ok {
		return
	}
	if x.r.ValueColumn == "" {
		x.say(n, "value_in needs value: the column of the value that expires")
	}
	if x.r.Then != source.Delete && x.r.Then != "" {
		x.say(n, "value_in goes with then: delete")
	}
	for _, full := range x.texts(n, "value_in") {
		dot := strings.LastIndex(full, ".")
		if dot < 0 {
			x.say(n, "value_in: %s is not dataset.collection.field", full)
			continue
		}
		c := x.findCollection(n, full[:dot])
		if c == nil || !x.column(n, c, full[dot+1:]) {
			continue
		}
		if x.r.Collection != nil && c.Dataset != x.r.Collection.Dataset {
			x.say(n, "value_in: %s lies in another dataset: values are replaced inside one", full)
		}
		if slices.Contains(x.r.ValueIn, full) {
			x.say(n, "value_in: %s stands twice", full)
			continue
		}
		x.r.ValueIn = append(x.r.ValueIn, full)
	}
}
