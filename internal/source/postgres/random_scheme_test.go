package postgres_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A scheme is a random database with the data map of it: what the property test
// (random_test.go) draws, what the reference (random_reference_test.go) reads,
// and what becomes SQL and YAML here.
type scheme struct {
	name   string // of the Postgres schema
	tables []*sTable
	ties   []*tie
	keys   []*foreign
	calm   bool // few circles
}

// An sTable is a table and, where mapped, its collection.
type sTable struct {
	i       int
	name    string
	columns []*sColumn
	pk      []int // places of the primary key's columns
	// What the map says of it.
	mapped, marked    bool // marked: its key has primary_key
	del, sharedErase  bool
	skip              bool
	owner, controller int // places, or -1
	categories        []string
	people            bool // rows stand for persons
	place             bool // in calm schemes: what others point to
	indexed           []int
	parted            bool // the table has two partitions
	keeps             []sKeep
}

type sColumn struct {
	name, typ  string
	notNull    bool
	def        string // DEFAULT
	categories []string
	identity   string
	readOnly   bool
	provided   bool
	length     int
	mask       *sMask // masking_strategy_override
	plain      bool   // holds contents, not keys or references
	dated      bool   // holds the start of what a law keeps
	request    string // custom_request_field
}

type sMask struct {
	strategy, value, suffix string
	length                  int
}

// A spot is a column of a table.
type spot struct{ t, c int }

// A tie is a reference of the map: it stands on one spot and names another.
type tie struct {
	on, names spot
	direction string // from, to or none
	and       *tie   // the other half of a composite link (all_of)
	half      bool   // it is such a half
}

// A foreign is a foreign key, to the primary key of its parent.
type foreign struct {
	name          string
	child, parent int
	columns       []int
	action        string // as SQL has it
	deferrable    string
}

func (f *foreign) takes() bool { return f.action == "CASCADE" || strings.HasPrefix(f.action, "SET") }

func quoted(name ...string) string { return pgx.Identifier(name).Sanitize() }

func (s *scheme) names(t *sTable, places []int) string {
	list := make([]string, len(places))
	for i, p := range places {
		list[i] = quoted(t.columns[p].name)
	}
	return strings.Join(list, ", ")
}

// ddl makes the tables; indexes stand on most of the columns that are looked up.
func (s *scheme) ddl() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE SCHEMA %s;\n", quoted(s.name))
	for _, t := range s.tables {
		fmt.Fprintf(&b, "CREATE TABLE %s (", quoted(s.name, t.name))
		for _, c := range t.columns {
			fmt.Fprintf(&b, "%s %s", quoted(c.name), c.typ)
			if c.notNull {
				b.WriteString(" NOT NULL")
			}
			if c.def != "" {
				b.WriteString(" DEFAULT " + c.def)
			}
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "PRIMARY KEY (%s))", s.names(t, t.pk))
		if t.parted {
			fmt.Fprintf(&b, " PARTITION BY HASH (%s)", s.names(t, t.pk[:1]))
			for n := range 2 {
				fmt.Fprintf(&b, ";\nCREATE TABLE %s PARTITION OF %s FOR VALUES WITH (MODULUS 2, REMAINDER %d)", quoted(s.name, fmt.Sprintf("%s part %d", t.name, n)), quoted(s.name, t.name), n)
			}
		}
		b.WriteString(";\n")
		for _, c := range t.indexed {
			fmt.Fprintf(&b, "CREATE INDEX ON %s (%s);\n", quoted(s.name, t.name), s.names(t, []int{c}))
		}
	}
	for _, k := range s.keys {
		child, parent := s.tables[k.child], s.tables[k.parent]
		fmt.Fprintf(&b, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s ON DELETE %s %s;\n", quoted(s.name, child.name), k.name,
			s.names(child, k.columns), quoted(s.name, parent.name), k.action, k.deferrable)
	}
	return b.String()
}

// yaml is the data map, in the flow style that the maps of people have.
func (s *scheme) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dataset:\n  - fides_key: d\n    lethe: {source: src, basis: a}\n    fides_meta: {namespace: {schema: %q}}\n    collections:\n", s.name)
	for _, t := range s.tables {
		if !t.mapped {
			continue
		}
		fmt.Fprintf(&b, "      - name: %q\n", t.name)
		var own []string
		if t.controller >= 0 {
			own = append(own, fmt.Sprintf("controller: %q", t.columns[t.controller].name))
		}
		if t.owner >= 0 {
			own = append(own, fmt.Sprintf("owner: %q", t.columns[t.owner].name))
		}
		if t.sharedErase {
			own = append(own, "shared: erase")
		}
		var composites []string
		for _, r := range s.ties {
			if r.and != nil && r.on.t == t.i {
				composites = append(composites, fmt.Sprintf("[%q, %q]", t.columns[r.on.c].name, t.columns[r.and.on.c].name))
			}
		}
		if len(t.keeps) > 0 {
			list := make([]string, len(t.keeps))
			for i, k := range t.keeps {
				list[i] = t.keepYAML(k)
			}
			own = append(own, "keep: ["+strings.Join(list, ", ")+"]")
		}
		if len(composites) > 0 {
			own = append(own, "all_of: ["+strings.Join(composites, ", ")+"]")
		}
		if len(own) > 0 {
			fmt.Fprintf(&b, "        lethe: {%s}\n", strings.Join(own, ", "))
		}
		if len(t.categories) > 0 {
			fmt.Fprintf(&b, "        data_categories: [%s]\n", strings.Join(t.categories, ", "))
		}
		var meta []string
		if t.del {
			meta = append(meta, "masking_strategy_override: {strategy: delete}")
		}
		if t.skip {
			meta = append(meta, "skip_processing: true")
		}
		if len(meta) > 0 {
			fmt.Fprintf(&b, "        fides_meta: {%s}\n", strings.Join(meta, ", "))
		}
		b.WriteString("        fields:\n")
		for i, c := range t.columns {
			fmt.Fprintf(&b, "          - {%s}\n", s.field(t, i, c))
		}
	}
	return b.String()
}

func (s *scheme) field(t *sTable, i int, c *sColumn) string {
	parts := []string{fmt.Sprintf("name: %q", c.name)}
	if len(c.categories) > 0 {
		parts = append(parts, "data_categories: ["+strings.Join(c.categories, ", ")+"]")
	}
	var meta []string
	if t.marked && slices.Contains(t.pk, i) {
		meta = append(meta, "primary_key: true")
	}
	if c.identity != "" {
		meta = append(meta, "identity: "+c.identity)
	}
	if c.request != "" {
		meta = append(meta, fmt.Sprintf("custom_request_field: %q", c.request))
	}
	if c.readOnly {
		meta = append(meta, "read_only: true")
	}
	if c.length > 0 {
		meta = append(meta, fmt.Sprintf("length: %d", c.length))
	}
	if m := c.mask; m != nil {
		meta = append(meta, "masking_strategy_override: "+m.yaml())
	}
	var refs []string
	for _, r := range s.ties {
		if r.on != (spot{t.i, i}) {
			continue
		}
		to := s.tables[r.names.t]
		ref := fmt.Sprintf("{dataset: d, field: %q", to.name+"."+to.columns[r.names.c].name)
		if r.direction != "" {
			ref += ", direction: " + r.direction
		}
		refs = append(refs, ref+"}")
	}
	if len(refs) > 0 {
		meta = append(meta, "references: ["+strings.Join(refs, ", ")+"]")
	}
	if len(meta) > 0 {
		parts = append(parts, "fides_meta: {"+strings.Join(meta, ", ")+"}")
	}
	if c.provided {
		parts = append(parts, "lethe: {provided_by: subject}")
	}
	return strings.Join(parts, ", ")
}

func (m *sMask) yaml() string {
	var configuration []string
	if m.strategy == "string_rewrite" {
		configuration = append(configuration, fmt.Sprintf("rewrite_value: %q", m.value))
	}
	if m.length > 0 {
		configuration = append(configuration, fmt.Sprintf("length: %d", m.length))
	}
	if m.suffix != "" {
		configuration = append(configuration, fmt.Sprintf("format_preservation: {suffix: %q}", m.suffix))
	}
	if len(configuration) == 0 {
		return "{strategy: " + m.strategy + "}"
	}
	return "{strategy: " + m.strategy + ", configuration: {" + strings.Join(configuration, ", ") + "}}"
}

// none stands for NULL in a record.
const none = "\x00"

type record []string

// contents are the rows of each table of a scheme.
type contents [][]record

func (c contents) clone() contents {
	n := make(contents, len(c))
	for i, rows := range c {
		for _, r := range rows {
			n[i] = append(n[i], slices.Clone(r))
		}
	}
	return n
}

// load empties the tables and fills them. Foreign keys and triggers sleep
// meanwhile, so that circles can be loaded; whole says whether they would hold.
func (s *scheme) load(c contents) string {
	var b strings.Builder
	b.WriteString("BEGIN; SET LOCAL session_replication_role = replica;\n")
	for i, t := range s.tables {
		fmt.Fprintf(&b, "DELETE FROM %s;\n", quoted(s.name, t.name))
		for j, r := range c[i] {
			if j == 0 {
				fmt.Fprintf(&b, "INSERT INTO %s VALUES\n", quoted(s.name, t.name))
			} else {
				b.WriteString(",\n")
			}
			b.WriteString("(" + literals(r) + ")")
		}
		if len(c[i]) > 0 {
			b.WriteString(";\n")
		}
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}

func literals(r record) string {
	list := make([]string, len(r))
	for i, v := range r {
		list[i] = "NULL"
		if v != none {
			list[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
	}
	return strings.Join(list, ", ")
}

// whole tells which foreign key the contents break, or "".
func (s *scheme) whole(c contents) string {
	for _, k := range s.keys {
		named := map[string]bool{}
		for _, r := range c[k.parent] {
			named[strings.Join(r.at(s.tables[k.parent].pk), "\x01")] = true
		}
		for _, r := range c[k.child] {
			v := r.at(k.columns)
			if !slices.Contains(v, none) && !named[strings.Join(v, "\x01")] {
				return k.name
			}
		}
	}
	return ""
}

func (r record) at(places []int) []string {
	values := make([]string, len(places))
	for i, p := range places {
		values[i] = r[p]
	}
	return values
}

// key is the row's key as source.RowKey has it: in the order of the map's
// primary_key fields, or, where it marks none, of the table's own.
func (t *sTable) key(r record) string {
	places := slices.Clone(t.pk)
	if t.marked {
		slices.Sort(places)
	}
	values := r.at(places)
	if len(values) == 1 {
		return values[0]
	}
	for i, v := range values {
		if v == "" || strings.ContainsAny(v, `(),"\ `) {
			values[i] = `"` + strings.NewReplacer(`"`, `""`, `\`, `\\`).Replace(v) + `"`
		}
	}
	return "(" + strings.Join(values, ",") + ")"
}
