package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/yamldoc"
)

// A Rule says of a class of rows from when they count, how long they live, and
// what happens then (DIN 66398: class, start, period). How it is carried out is
// the sources' business.
type Rule struct {
	Name, Description string
	// Collection is nil for a rule on withheld categories that names none.
	Collection      *datamap.Collection
	Where, WhereNot map[string][]*string
	// Lifetimes are the catalogue's rows that the rule is about, if any;
	// NameColumn and StorageColumn are where their names and storages stand.
	Lifetimes                 []Lifetime
	NameColumn, StorageColumn string
	StartsAt                  string
	Keep                      Period // zero: what is selected has expired at once
	Then                      source.Action
	Columns                   []source.ColumnChange
	Unless                    *source.Counterpart
	ValueColumn               string
	ValueIn                   []string // "dataset.collection.field"
	// Withheld is a category that some controllers do not want kept: all its
	// fields are emptied in their rows, as they come.
	Withheld  string
	Schedule  string // five fields; CRON_TZ= may stand before
	StopAbove Limit
}

// A Limit is where a sweep stops and asks: a share of the collection's rows, or
// a number of them; the zero Limit leaves it to the usual.
type Limit struct {
	Share float64 // 0.05 for 5%
	Rows  int64
}

// IsZero tells that no limit was set.
func (l Limit) IsZero() bool { return l.Share == 0 && l.Rows == 0 }

var ruleKeys = []string{"name", "description", "collection", "where", "where_not", "lifetime", "lifetimes", "name_column",
	"storage_column", "starts_at", "keep", "then", "columns", "unless", "value", "value_in", "withheld", "schedule", "stop_above"}

// ParseRules reads a rule file against a map. Every problem at once.
func ParseRules(file string, data []byte, m *datamap.Map) ([]Rule, []datamap.Problem) {
	d := &yamldoc.Document{File: file}
	rules := readRules(d, d.Open(data), m)
	if len(d.Problems) == 0 {
		return rules, nil
	}
	problems := make([]datamap.Problem, len(d.Problems))
	for i, p := range d.Problems {
		problems[i] = datamap.Problem{Pos: position(p), Message: p.Message}
	}
	slices.SortStableFunc(problems, func(a, b datamap.Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return nil, problems
}

func position(p yamldoc.Problem) datamap.Pos {
	return datamap.Pos{File: p.File, Line: p.Line, Column: p.Column}
}

func readRules(d *yamldoc.Document, root ast.Node, m *datamap.Map) (rules []Rule) {
	if root == nil {
		return nil // which has been said
	}
	seen := map[string]bool{}
	for _, e := range d.Entries(root, "the file") {
		if e.Name != "rules" {
			d.Say(e.Key, "%s is not known here%s", e.Name, yamldoc.Nearest(e.Name, []string{"rules"}))
			continue
		}
		if _, null := e.Value.(*ast.NullNode); null {
			continue // rules: with nothing under it promises nothing
		}
		for _, n := range d.Items(e.Value, "rules") {
			r := (&ruleReader{Document: d, m: m}).read(n)
			if r.Name != "" && seen[r.Name] {
				d.Say(n, "two rules are called %s", r.Name)
			}
			seen[r.Name] = true
			rules = append(rules, r)
		}
	}
	return rules
}

// ruleReader reads one rule.
type ruleReader struct {
	*yamldoc.Document
	m    *datamap.Map
	node ast.Node
	keys map[string]ast.Node
	r    Rule
}

func (x *ruleReader) read(n ast.Node) Rule {
	x.node = n
	x.keys = map[string]ast.Node{}
	x.r = Rule{NameColumn: "name", StorageColumn: "storage"}
	for _, e := range x.Entries(n, "a rule") {
		if !slices.Contains(ruleKeys, e.Name) {
			x.Say(e.Key, "%s is not a key of a rule%s", e.Name, yamldoc.Nearest(e.Name, ruleKeys))
			continue
		}
		x.keys[e.Name] = e.Value
	}
	if len(x.keys) == 0 {
		return x.r
	}
	x.header()
	x.collection()
	x.class()
	x.period()
	x.action()
	x.unless()
	x.values()
	x.brake()
	x.whole()
	return x.r
}

func (x *ruleReader) has(key string) bool { _, ok := x.keys[key]; return ok }

// one reads the text under a key; "" when it is absent or wrong (which is said).
func (x *ruleReader) one(key string) string {
	if !x.has(key) {
		return ""
	}
	s, ok := x.Text(x.keys[key], key)
	if ok && s == "" {
		x.Say(x.keys[key], "%s is empty", key)
	}
	return s
}

func (x *ruleReader) header() {
	x.r.Name, x.r.Description = x.one("name"), ""
	if x.has("description") {
		x.r.Description, _ = x.Text(x.keys["description"], "description")
	}
	switch {
	case !x.has("name"):
		x.Say(x.node, "a rule needs a name")
	case len(x.r.Name) > 63 || strings.Trim(x.r.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		x.Say(x.keys["name"], "a rule's name is made of a-z, 0-9, dot, dash and underscore, at most 63")
	}
	x.r.Schedule = strings.TrimSpace(x.one("schedule"))
	if !x.has("schedule") {
		x.Say(x.node, "schedule is missing: five fields, e.g. \"17 3 * * *\" for every night at 3:17 UTC")
		return
	}
	line := x.r.Schedule
	if zone, rest, ok := strings.Cut(line, " "); ok && (strings.HasPrefix(zone, "CRON_TZ=") || strings.HasPrefix(zone, "TZ=")) {
		line = rest
	}
	if n := len(strings.Fields(line)); n != 5 {
		x.Say(x.keys["schedule"], "a schedule has five fields (minute, hour, day of month, month, day of week), not %d", n)
	}
}

func (x *ruleReader) collection() {
	name := x.one("collection")
	if name == "" {
		if !x.has("collection") && !x.has("withheld") {
			x.Say(x.node, "collection is missing")
		}
		return
	}
	x.r.Collection = x.findCollection(x.keys["collection"], name)
}

func (x *ruleReader) findCollection(n ast.Node, name string) *datamap.Collection {
	var known []string
	if x.m != nil {
		for _, d := range x.m.Datasets {
			for _, c := range d.Collections {
				if c.FullName() == name {
					return c
				}
				known = append(known, c.FullName())
			}
		}
	}
	x.Say(n, "the data map has no collection %s%s", name, yamldoc.Nearest(name, known))
	return nil
}

// column checks that the map knows a column of the collection; true also when
// the collection itself is already wrong.
func (x *ruleReader) column(n ast.Node, c *datamap.Collection, name string) bool {
	if c == nil || c.Field(name) != nil || c.Controller == name && name != "" {
		return true
	}
	var known []string
	for _, f := range c.Fields {
		known = append(known, f.Name)
	}
	x.Say(n, "%s has no field %s in the data map%s", c.FullName(), name, yamldoc.Nearest(name, known))
	return false
}

func (x *ruleReader) condition(key string, n ast.Node, c *datamap.Collection) map[string][]*string {
	where := map[string][]*string{}
	for _, e := range x.Entries(n, key) {
		x.column(e.Key, c, e.Name)
		where[e.Name] = x.Admitted(e.Value, key+"."+e.Name)
	}
	if len(where) == 0 {
		x.Say(n, "%s names no column", key)
	}
	return where
}

// class reads which rows the rule is about.
func (x *ruleReader) class() {
	if x.has("where") {
		x.r.Where = x.condition("where", x.keys["where"], x.r.Collection)
	}
	if x.has("where_not") {
		x.r.WhereNot = x.condition("where_not", x.keys["where_not"], x.r.Collection)
	}
	if s := x.one("name_column"); s != "" {
		x.r.NameColumn = s
	}
	if s := x.one("storage_column"); s != "" {
		x.r.StorageColumn = s
	}
	if x.has("lifetime") && x.has("lifetimes") {
		x.Say(x.keys["lifetimes"], "lifetime and lifetimes exclude each other")
	}
	if x.has("lifetime") {
		for _, name := range x.Texts(x.keys["lifetime"], "lifetime") {
			rows := named(name)
			if len(rows) == 0 {
				var known []string
				for _, l := range catalogue {
					known = append(known, l.Name)
				}
				x.Say(x.keys["lifetime"], "the catalogue has no lifetime %s%s", name, yamldoc.Nearest(name, known))
			}
			x.r.Lifetimes = append(x.r.Lifetimes, rows...)
		}
	}
	if x.has("lifetimes") {
		for _, e := range x.Entries(x.keys["lifetimes"], "lifetimes") {
			if e.Name != "category" {
				x.Say(e.Key, "lifetimes.%s is not known%s", e.Name, yamldoc.Nearest(e.Name, []string{"category"}))
				continue
			}
			category, _ := x.Text(e.Value, "lifetimes.category")
			rows := ofCategory(Category(category))
			if len(rows) == 0 {
				x.Say(e.Value, "the catalogue's categories are functional, analytics and marketing")
			}
			x.r.Lifetimes = append(x.r.Lifetimes, rows...)
		}
	}
	if len(x.r.Lifetimes) == 0 {
		return
	}
	if x.has("where_not") {
		x.Say(x.keys["where_not"], "where_not does not go with a lifetime, which leaves out more specific names itself")
	}
	for _, c := range []string{x.r.NameColumn, x.r.StorageColumn} {
		x.column(x.node, x.r.Collection, c)
		if x.r.Where[c] != nil {
			x.Say(x.node, "the catalogue's lifetime selects by %s already; leave it out of where", c)
		}
	}
}

// period reads from when and how long.
func (x *ruleReader) period() {
	if x.r.StartsAt = x.one("starts_at"); x.r.StartsAt != "" {
		x.column(x.keys["starts_at"], x.r.Collection, x.r.StartsAt)
	}
	if keep := x.one("keep"); keep != "" {
		p, err := ParsePeriod(keep)
		if err != nil {
			x.Say(x.keys["keep"], "keep: %v", err)
			return
		}
		x.r.Keep = p
	}
	documented := x.documented()
	switch {
	case x.has("keep") && !documented.IsZero() && x.r.Keep.Least() > documented.Least():
		x.Say(x.keys["keep"], "keep is longer than the %s that are documented; a rule of your own may be shorter only", documented.Words())
	case !x.has("keep"):
		x.r.Keep = documented
	}
}

// documented is the one period of the rule's lifetimes; zero when there is none.
func (x *ruleReader) documented() Period {
	var p Period
	if !x.has("lifetime") {
		return p
	}
	for i, l := range x.r.Lifetimes {
		if !l.Documented() {
			if !x.has("keep") && !x.has("unless") {
				x.Say(x.keys["lifetime"], "%s has no documented end: set keep yourself", l.Name)
			}
			return Period{}
		}
		q, err := ParsePeriod(l.Period)
		if err != nil || i > 0 && q != p {
			x.Say(x.keys["lifetime"], "these lifetimes have different periods; write a rule for each")
			return Period{}
		}
		p = q
	}
	return p
}

func (x *ruleReader) brake() {
	s := x.one("stop_above")
	if s == "" {
		return
	}
	l, err := parseLimit(s)
	if err != nil {
		x.Say(x.keys["stop_above"], "%v", err)
	}
	x.r.StopAbove = l
}

func parseLimit(s string) (Limit, error) {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(f > 0 && f <= 100) {
			return Limit{}, fmt.Errorf("stop_above: a share lies above 0%% and at 100%% at the most")
		}
		return Limit{Share: f / 100}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return Limit{}, fmt.Errorf("stop_above is a share of the rows (\"5%%\") or a number of rows above nought")
	}
	return Limit{Rows: n}, nil
}

// whole checks what only the parts together can be wrong in.
func (x *ruleReader) whole() {
	r := &x.r
	if x.has("withheld") {
		r.Withheld = x.one("withheld")
		for _, k := range []string{"where", "where_not", "lifetime", "lifetimes", "starts_at", "keep", "unless", "value", "value_in"} {
			if x.has(k) {
				x.Say(x.keys[k], "withheld data have no period and no class: leave %s out", k)
			}
		}
		if r.Withheld != "" && len(withheldFields(x.m, r.Collection, r.Withheld)) == 0 {
			x.Say(x.keys["withheld"], "no field of the data map has the category %s", r.Withheld)
		}
		return
	}
	switch {
	case !r.Keep.IsZero() && r.StartsAt == "":
		x.Say(x.node, "starts_at is missing: from when does keep count?")
	case r.Keep.IsZero() && r.StartsAt != "" && !x.has("keep") && !x.has("lifetime"):
		x.Say(x.keys["starts_at"], "keep is missing: for how long from %s?", r.StartsAt)
	case r.Keep.IsZero() && !x.has("keep") && !x.has("lifetime") && r.Unless == nil:
		x.Say(x.node, "a rule needs starts_at and keep, a lifetime, unless, or withheld: else everything would go at once")
	}
}

// withheldFields are the mapped fields of a category or below it, of one
// collection or of all, that can be emptied.
func withheldFields(m *datamap.Map, only *datamap.Collection, category string) []*datamap.Field {
	var fields []*datamap.Field
	if m == nil {
		return nil
	}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			if only != nil && c != only {
				continue
			}
			for _, f := range c.Fields {
				if !f.PrimaryKey && slices.ContainsFunc(f.Categories, func(s string) bool { return datamap.CategoryMatches(category, s) }) {
					fields = append(fields, f)
				}
			}
		}
	}
	return fields
}
