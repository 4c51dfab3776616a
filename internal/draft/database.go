// Package draft makes a first data map from what a database says of itself: its
// tables, keys, names of columns, and what a bounded sample of their contents
// looks like. It holds rules only and talks to no database; what it is given
// (Database) holds no contents, and so no draft can.
//
// A draft is a proposal that people correct: each category, reference and way to
// erase stands with its reason as a comment. Open words.go for what names mean,
// contents.go for what contents tell, links.go for which way references are
// followed, and render.go for the file.
package draft

import "strings"

// A Database is what is known of one database.
type Database struct {
	Tables []*Table // by schema and name
	// Only are the schemas that were looked at; empty: all.
	Only []string
	// Path are the schemas in which a table without a schema is looked for, in order.
	Path []string
	// Others are relations, as schema and name, that are there and are not described:
	// partitions, what belongs to an extension, what the role may not read.
	Others [][2]string
}

// A Table is a table or view.
type Table struct {
	Schema, Name string
	Kind         string  // table, view, materialised view, foreign table
	Rows         float64 // the planner's estimate; negative: never analysed
	Columns      []*Column
	Key          []string   // primary key, in its order
	Unique       [][]string // columns of unique indexes
	Links        []ForeignKey
	Unread       []string // columns that the role may not read
}

// keys are the columns by which a row of the table is known: its primary key, and
// those of its unique indexes.
func (t *Table) keys() [][]string { return append([][]string{t.Key}, t.Unique...) }

// A Column of a table.
type Column struct {
	Name      string
	Type      string // as Postgres writes it, without a length
	Class     Class
	Length    int // of varchar(n); 0: none
	NotNull   bool
	Generated bool
	Differs   bool   // no two rows may be alike in it, or in it together with others
	Astray    string // the table whose key it is called like, where none of its sampled values stands (Guesses)
	Contents  Contents
	// Of JSON: the keys that may be named, and how many values below the others
	// are or hold an address.
	Inside []*Column
	Hidden int
}

// holdsDocuments tells that a column of text holds JSON, as some libraries store it.
func (c *Column) holdsDocuments() bool { return c.Class == Text && c.Contents.documents() }

// A ForeignKey leads from columns of a table to those of another.
type ForeignKey struct {
	Columns       []string
	Schema, Table string
	References    []string
}

// Class is what kind of value a column holds.
type Class string

// The classes.
const (
	Text   Class = "text"
	Number Class = "number"
	Date   Class = "date"
	Moment Class = "moment"
	Bool   Class = "bool"
	UUID   Class = "uuid"
	Inet   Class = "inet"
	JSON   Class = "json"
	Array  Class = "array"
	Other  Class = "other"
)

// ClassOf tells the class of a type as Postgres' format_type writes it.
func ClassOf(typ string) Class {
	typ, _, _ = strings.Cut(typ, "(")
	typ = strings.TrimSpace(typ)
	switch {
	case strings.HasSuffix(typ, "[]"):
		return Array
	case strings.HasPrefix(typ, "timestamp"):
		return Moment
	}
	switch typ {
	case "text", "character varying", "character", "citext", "name":
		return Text
	case "smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "oid":
		return Number
	case "date":
		return Date
	case "boolean":
		return Bool
	case "uuid":
		return UUID
	case "inet", "cidr":
		return Inet
	case "json", "jsonb", "hstore", "xml":
		return JSON
	}
	return Other
}

// FullName is "schema.table".
func (t *Table) FullName() string { return t.Schema + "." + t.Name }

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// hasAll tells whether a table has all of the columns.
func (t *Table) hasAll(names []string) bool {
	for _, n := range names {
		if t.Column(n) == nil {
			return false
		}
	}
	return true
}
