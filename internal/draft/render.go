package draft

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// YAML writes a draft as a file that people go on with.
func (d *Draft) YAML() []byte {
	var b strings.Builder
	b.WriteString(`# A first data map, drafted from the database itself. Each category stands with
# its reason; read it, correct what is wrong, and try it:
#   lethe datamap check      what each identity reaches
#   lethe find --email …     what is found of a person you know
# system.operations is given to a person who asks and stays when they are erased.
# How rows are erased, and what a law keeps, is a guess: decide it. So is what
# people provided themselves; an export (Art. 20) gives it once the dataset,
# collection or field says basis: a (consent) or basis: b (contract) under lethe.
dataset:
`)
	for _, schema := range d.schemas() {
		d.dataset(&b, schema)
	}
	if len(d.Unreached) > 0 {
		b.WriteString("\n# Looks personal, and is not walked (skip_processing above says why):\n")
		for _, name := range d.Unreached {
			b.WriteString("#   " + oneLine(name) + "\n")
		}
	}
	if column, parent, n, of := d.tenant(); column != "" {
		fmt.Fprintf(&b, "\n# %[1]s names a row of %[2]s in %[3]d of the %[4]d tables that are walked. Where each of these is\n# an organisation with people of its own, a request must not reach those of the\n# others: write lethe: {controller: %[1]s} on the tables, and scope: on the controllers.\n",
			oneLine(column), oneLine(parent), n, of)
	}
	if len(d.Left) > 0 {
		b.WriteString("\n# Not in this map:\n")
		for _, name := range d.Left {
			b.WriteString("#   " + oneLine(name) + "\n")
		}
	}
	return []byte(b.String())
}

// tenant is a column by which more than half of the walked tables, three at least,
// name a row of one table that is not walked itself: whose customer the row is of, it may be.
func (d *Draft) tenant() (column, parent string, n, of int) {
	reached := map[string]bool{}
	for _, c := range d.Collections {
		if c.Reached {
			of++
			reached[c.Table.FullName()] = true
		}
	}
	count := map[[2]string]int{}
	for _, c := range d.Collections {
		for _, l := range c.Table.Links {
			to := l.Schema + "." + l.Table
			if !c.Reached || len(l.Columns) != 1 || reached[to] || c.Table.Column(l.Columns[0]) == nil || !c.Table.Column(l.Columns[0]).NotNull {
				continue
			}
			at := [2]string{l.Columns[0], to}
			if count[at]++; count[at] > n {
				column, parent, n = at[0], at[1], count[at]
			}
		}
	}
	if n < 3 || n*2 <= of {
		return "", "", 0, of
	}
	return column, parent, n, of
}

// Map writes a draft and reads it again, so that nobody is given a file that
// Lethe then refuses. A refusal is a fault of the draft's rules: the error names
// the line, and how to go on without the table that it is about.
func (d *Draft) Map(o datamap.ParseOptions) ([]byte, error) {
	data := d.YAML()
	m, problems := datamap.Parse([]datamap.File{{Name: "draft", Data: data}}, o)
	if m != nil {
		return data, nil
	}
	lines := strings.Split(string(data), "\n")
	for _, p := range problems {
		if !p.Warning {
			return nil, fmt.Errorf("the drafted map would be refused (%s), at %q; nothing was written. This is a fault of the draft and not of the database, please report it with that line; "+
				"until then leave the table out: draft --schema by --schema, or as a role that may not read it",
				p, strings.TrimSpace(lines[max(0, min(p.Pos.Line, len(lines))-1)]))
		}
	}
	return nil, errors.New("the drafted map would be refused; nothing was written")
}

// schemas in the order in which the walk comes to them.
func (d *Draft) schemas() []string {
	var list []string
	for _, c := range d.Collections {
		if !slices.Contains(list, c.Table.Schema) {
			list = append(list, c.Table.Schema)
		}
	}
	return list
}

// key is the fides_key of a schema's dataset: the source's name for the schema
// public or the only one, else with the schema's.
func (d *Draft) key(schema string) string {
	key := d.Source
	if schema != "public" && len(d.schemas()) > 1 {
		key += "_" + schema
	}
	return keyForm.ReplaceAllString(key, "_")
}

var keyForm = regexp.MustCompile(`[^A-Za-z0-9_.<>-]`)

func (d *Draft) dataset(b *strings.Builder, schema string) {
	fmt.Fprintf(b, "  - fides_key: %s\n    name: %s\n    fides_meta: {namespace: {schema: %s}}\n    lethe: {source: %s}\n    collections:\n",
		scalar(d.key(schema)), scalar(d.Source), scalar(schema), scalar(d.Source))
	for _, c := range d.Collections {
		if c.Table.Schema == schema {
			b.WriteString("\n" + d.collection(c, "      "))
		}
	}
}

// collection is one collection with its comment, each line after indent.
func (d *Draft) collection(c *Collection, indent string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, indent+format+"\n", args...) }
	for _, s := range d.said(c) {
		line("# %s.", s)
	}
	line("- name: %s", scalar(c.Table.Name))
	for _, key := range c.keys() {
		line("  %s", key)
	}
	line("  fields:")
	for _, f := range c.Fields {
		b.WriteString(d.field(f, indent+"    ", ""))
	}
	return b.String()
}

// said is what a comment says of a collection.
func (d *Draft) said(c *Collection) []string {
	var said []string
	if d.added != "" {
		said = append(said, "New "+d.added)
	}
	if c.Table.Rows >= 0 || c.Table.Kind != "view" { // nothing counts a view's rows
		said = append(said, rows(c.Table.Rows))
	}
	switch {
	case c.Delete && c.Owner != "" && slices.ContainsFunc(c.Fields, func(f *Field) bool { return f.Identity != "" }):
		said = append(said, "An erasure deletes the rows: the person's, and those that hold their address, whoever "+c.Owner+" names (an address book's: take identity away where they are their owner's alone)")
	case c.Delete:
		said = append(said, "An erasure deletes the rows: only the person's")
	case c.Reached:
		said = append(said, "An erasure masks the rows: "+c.Why)
	default:
		said = append(said, upper(c.Why))
	}
	if len(c.Shared) > 0 && c.Written == nil {
		named := c.Shared
		if len(named) > 3 {
			named = append(slices.Clone(named[:3]), "…")
		}
		said = append(said, "Those that rows of others in "+strings.Join(named, ", ")+" name are shared and stay: lethe: {shared: erase} takes them, too, and without strategy: delete masks them")
	}
	if c.Reached && c.Written == nil && len(keyOf(c.Table)) == 0 {
		said = append(said, "No key names its rows: equal ones count as one, and one that is to be held is known by all that it holds; give the table a key, or mark columns that name a row as primary_key")
	}
	for i := range said {
		said[i] = oneLine(said[i])
	}
	return said
}

// keys are a collection's keys between its name and its fields.
func (c *Collection) keys() []string {
	var keys []string
	if c.Delete {
		keys = append(keys, "fides_meta: {masking_strategy_override: {strategy: delete}}")
	}
	if !c.Reached {
		keys = append(keys, "skip_processing: true")
	}
	var own []string
	if c.Owner != "" {
		own = append(own, "owner: "+scalar(c.Owner))
	}
	if len(c.AllOf) > 0 {
		own = append(own, "all_of: "+allOf(c.AllOf))
	}
	if len(own) > 0 {
		keys = append(keys, "lethe: {"+strings.Join(own, ", ")+"}")
	}
	return keys
}

// Names writes names as the items of a list in brackets.
func Names(list []string) string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = scalar(n)
	}
	return strings.Join(names, ", ")
}

func allOf(lists [][]string) string {
	var all []string
	for _, l := range lists {
		all = append(all, "["+Names(l)+"]")
	}
	if len(all) == 1 {
		return all[0]
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// field is one field, its reason behind it; mark stands before the reason.
func (d *Draft) field(f *Field, indent, mark string) string {
	keys := d.fieldKeys(f)
	var b strings.Builder
	b.WriteString(indent + "- " + keys[0])
	if why := reason(f, mark); why != "" {
		b.WriteString("  # " + why)
	}
	b.WriteString("\n")
	for _, key := range keys[1:] {
		b.WriteString(indent + "  " + key + "\n")
	}
	if len(f.Inside) > 0 {
		b.WriteString(indent + "  fields:\n")
		for _, in := range f.Inside {
			b.WriteString(d.field(in, indent+"    ", ""))
		}
	}
	return b.String()
}

// flowField is a field in braces.
func (d *Draft) flowField(f *Field) string {
	keys := d.fieldKeys(f)
	if len(f.Inside) > 0 {
		var in []string
		for _, one := range f.Inside {
			in = append(in, d.flowField(one))
		}
		keys = append(keys, "fields: ["+strings.Join(in, ", ")+"]")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// reason is why a field is as it is, on one line.
func reason(f *Field, mark string) string {
	why := f.Why
	if f.secret() {
		said := "a secret: it is erased, and not given"
		if f.Key || len(f.References) > 0 {
			said = "a secret: it is not given" // keys and links of a row that is masked stay
		}
		why = append(slices.Clone(why), said)
	}
	if mark != "" {
		why = append([]string{mark}, why...)
	}
	return oneLine(strings.Join(why, "; "))
}

// secret tells whether a field opens something: a password's hash, a token. In an
// archive it would tell the person nothing, and open their account to whoever
// gets hold of the file.
func (f *Field) secret() bool {
	return datamap.CategoryMatches("user.authorization", f.Category)
}

// fieldKeys are a field's keys, its name first.
func (d *Draft) fieldKeys(f *Field) []string {
	keys := []string{"name: " + scalar(f.Column.Name)}
	if f.Category != "" {
		keys = append(keys, "data_categories: ["+f.Category+"]")
	}
	var said []string
	if f.Provided {
		said = append(said, "provided_by: subject")
	}
	if f.secret() {
		said = append(said, "redact: true")
	}
	if len(said) > 0 {
		keys = append(keys, "lethe: {"+strings.Join(said, ", ")+"}")
	}
	var meta []string
	if f.Key {
		meta = append(meta, "primary_key: true")
	}
	if f.Identity != "" {
		meta = append(meta, "identity: "+f.Identity)
	}
	if len(f.References) > 0 {
		var refs []string
		for _, r := range f.References {
			refs = append(refs, fmt.Sprintf("{dataset: %s, field: %s, direction: %s}",
				scalar(d.datasetOf(r.Parent)), scalar(r.Parent.Name+"."+r.Field), r.Direction))
		}
		meta = append(meta, "references: ["+strings.Join(refs, ", ")+"]")
	}
	if f.Masking != "" {
		m := "strategy: " + f.Masking
		switch {
		case f.Value != "":
			m += ", configuration: {rewrite_value: " + scalar(f.Value) + "}"
		case f.Suffix != "":
			m += ", configuration: {length: 20, format_preservation: {suffix: " + scalar(f.Suffix) + "}}"
		case f.Masking == "random_string_rewrite":
			m += ", configuration: {length: 20}"
		}
		if n := f.Column.Length; n > 0 && f.Masking != "preserve" {
			meta = append(meta, "length: "+strconv.Itoa(n))
		}
		meta = append(meta, "masking_strategy_override: {"+m+"}")
	}
	if len(meta) > 0 {
		keys = append(keys, "fides_meta: {"+strings.Join(meta, ", ")+"}")
	}
	return keys
}

// datasetOf is the fides_key of a table's dataset.
func (d *Draft) datasetOf(t *Table) string {
	if key, ok := d.keys[t]; ok {
		return key
	}
	return d.key(t.Schema)
}

// rows is the planner's estimate in round numbers: a draft made again on a quiet
// day should not differ in every line.
func rows(n float64) string {
	switch {
	case n < 0:
		return "Never counted (ANALYZE has not run)"
	case n == 0:
		return "No rows, as far as is known"
	case n < 10:
		return "A few rows"
	}
	unit := math.Pow(10, math.Floor(math.Log10(n)))
	text := strconv.FormatFloat(math.Round(n/unit)*unit, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return "About " + text + " rows"
}

var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// scalar writes a name so that YAML reads it as text.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		return strconv.Quote(s)
	}
	if plainScalar.MatchString(s) {
		return s
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' }) {
		return strconv.Quote(s)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// oneLine keeps a name with a line break in it from ending a comment.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
