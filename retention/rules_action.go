package retention

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/yamldoc"
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
		x.Say(x.node, "then is missing: delete, null, mask, truncate_ip or unlink")
		return
	case !slices.Contains(known, string(then)):
		x.Say(x.keys["then"], "then: %s is not known%s; it is delete, null, mask, truncate_ip or unlink", then, yamldoc.Nearest(string(then), known))
		return
	}
	x.r.Then = then
	n, given := x.keys["columns"]
	switch {
	case x.has("withheld"):
		if given {
			x.Say(n, "a rule on a withheld category finds its columns itself, in the data map")
		}
		if then != source.Null && then != source.TruncateIP {
			x.Say(x.keys["then"], "withheld categories are emptied: then is null or truncate_ip")
		}
	case then == source.Delete:
		if given {
			x.Say(n, "delete takes the whole row; leave columns out, or say null")
		}
	case !given:
		x.Say(x.node, "columns are missing: %s needs to know which", then)
	default:
		x.columns(n, then)
	}
}

func (x *ruleReader) columns(n ast.Node, then source.Action) {
	if then != source.Mask {
		for _, name := range x.Texts(n, "columns") {
			x.change(n, name, nil)
		}
		return
	}
	for _, e := range x.Entries(n, "columns (for mask, each with its strategy)") {
		masking := &datamap.Masking{}
		for _, s := range x.Entries(e.Value, "columns."+e.Name) {
			v, _ := x.Text(s.Value, s.Name)
			switch s.Name {
			case "strategy":
				masking.Strategy = v
			case "value", "rewrite_value":
				masking.Value = v
			default:
				x.Say(s.Key, "%s is not known here%s", s.Name, yamldoc.Nearest(s.Name, []string{"strategy", "value"}))
			}
		}
		switch masking.Strategy {
		case "null_rewrite", "string_rewrite":
		case "random_string_rewrite", "hash", "hmac":
			// Its result cannot be told from a value that was never masked, so each
			// sweep would mask the same rows again.
			x.Say(e.Value, "%s is not carried out by sweeps yet: use string_rewrite or null_rewrite", masking.Strategy)
		default:
			x.Say(e.Value, "the strategy of a sweep is string_rewrite or null_rewrite")
		}
		x.change(e.Key, e.Name, masking)
	}
	if len(x.r.Columns) == 0 {
		x.Say(n, "columns names none")
	}
}

func (x *ruleReader) change(n ast.Node, name string, masking *datamap.Masking) {
	if !x.column(n, x.r.Collection, name) {
		return
	}
	if c := x.r.Collection; c != nil {
		if f := c.Field(name); f != nil && f.PrimaryKey || name == c.Controller {
			x.Say(n, "%s is the row's key or its controller: it cannot be changed, only the row deleted", name)
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
	for _, e := range x.Entries(n, "unless") {
		switch e.Name {
		case "collection":
			if name, ok := x.Text(e.Value, "unless.collection"); ok {
				u.Collection = x.findCollection(e.Value, name)
			}
		case "link":
			link = e.Value
		case "where":
			where = e.Value
		default:
			x.Say(e.Key, "unless.%s is not known%s", e.Name, yamldoc.Nearest(e.Name, []string{"collection", "link", "where"}))
		}
	}
	if link == nil {
		x.Say(n, "unless needs link: {column here: column there}")
	} else {
		for _, e := range x.Entries(link, "unless.link") {
			there, ok := x.Text(e.Value, "unless.link")
			if x.column(e.Key, x.r.Collection, e.Name) && ok && x.column(e.Value, u.Collection, there) {
				u.Link[e.Name] = there
			}
		}
		if len(u.Link) == 0 {
			x.Say(link, "unless.link names no columns")
		}
	}
	if where != nil {
		u.Where = x.condition("unless.where", where, u.Collection)
	}
	if a, b := x.r.Collection, u.Collection; a != nil && b != nil && a.Dataset.Source != b.Dataset.Source {
		x.Say(n, "unless looks into another source (%s): a sweep runs inside one", b.Dataset.Source)
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
		x.Say(n, "value_in needs value: the column of the value that expires")
	}
	if x.r.Then != source.Delete && x.r.Then != "" {
		x.Say(n, "value_in goes with then: delete")
	}
	for _, full := range x.Texts(n, "value_in") {
		dot := strings.LastIndex(full, ".")
		if dot < 0 {
			x.Say(n, "value_in: %s is not dataset.collection.field", full)
			continue
		}
		c := x.findCollection(n, full[:dot])
		if c == nil || !x.column(n, c, full[dot+1:]) {
			continue
		}
		if x.r.Collection != nil && c.Dataset != x.r.Collection.Dataset {
			x.Say(n, "value_in: %s lies in another dataset: values are replaced inside one", full)
		}
		if slices.Contains(x.r.ValueIn, full) {
			x.Say(n, "value_in: %s stands twice", full)
			continue
		}
		x.r.ValueIn = append(x.r.ValueIn, full)
	}
}
