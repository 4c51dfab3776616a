// Package archive makes the ZIP that a person is given, as a stream, and keeps
// it encrypted in storage until it expires.
//
// An archive holds, in this order:
//
//	data/<dataset>/<collection>.json   an array of objects keyed by field
//	data/<dataset>/<collection>.csv    the same for a spreadsheet (csv.go)
//	files/<store>/<n>-<name>           files that rows name (named.go)
//	files/<dataset>/<collection>/<field>/<row>.<ending>
//	                                   values too long for a line (long.go)
//	files/<kind>/<source>/<name>       files handed over as they are (attached.go)
//	index.html                         to read: the letter and the first rows
//	letter.txt                         the letter in plain text
//	manifest.json                      every file with its size and SHA-256
//
// Open write.go for how the stream is made, statements.go for what the letter
// says, storage.go for where archives lie.
package archive

import (
	"context"
	"io"
	"time"
)

// A Letter is what letter.txt and index.html say beside the data (Art. 15(1), (2)).
// Empty parts are said to be missing, not left out in silence.
type Letter struct {
	Kind        string // access, export
	RequestID   int64
	ReceivedAt  time.Time // in the controller's time zone: the letter writes days
	MadeAt      time.Time // the same; files and manifest have it in UTC
	Controller  Party
	DPO         string // name or address
	Purposes    []Purpose
	Recipients  []Recipient
	Retention   []Period
	Sources     []string // origins, Art. 15(1)(g)
	Authority   string   // where to complain
	Automated   string   // Art. 15(1)(h)
	Narrowed    []string // the part that was asked for, where it was not everything
	NotIncluded []string // sentences: what was left out and why
}

// A Party is a named organisation with its address.
type Party struct{ Name, Address, Registration, Email string }

// A Purpose names what a group of data is used for and on which ground.
type Purpose struct {
	Collection string
	Categories []string
	Uses       []string
	Basis      string // letter of Art. 6(1)
	Consent    string
}

// A Recipient is whoever else has the data (C-154/21: named).
type Recipient struct {
	Name, Role, Region, Ground string
	Gets                       []string
}

// A Period is how long a group of data is kept, from the rules.
type Period struct {
	Collection, What, Keep string
	Part                   bool // of some columns only: how long the rows stay, it does not say
}

// A Table is one collection as it goes into the archive. Rows may be called
// more than once, and calls yield for each row with values parallel to Fields, which
// Write may change: nil, bool, an integer, a float, json.Number, string, time.Time, json.RawMessage or Long.
type Table struct {
	Dataset, Collection string
	Title, Description  string
	Fields              []Column
	Found, Shared       int64 // rows that were found, and how many of them may be left out because other people use them, too
	Rows                func(ctx context.Context, yield func(values []any) error) error
	// Open opens a file that a column with a Store names; one that is not there
	// is ErrNoFile. Nil: no column names files.
	Open func(ctx context.Context, store, key string) (io.ReadCloser, error)
}

// name is how errors and letters call the table.
func (t Table) name() string { return t.Dataset + "." + t.Collection }

// title is what a reader sees.
func (t Table) title() string {
	if t.Title != "" {
		return t.Title
	}
	return t.Collection
}

// A Column of a Table.
type Column struct {
	Name, Description string
	Categories        []string
	Store             string // the object store in which it names files; empty: it names none
}

// A Manifest is manifest.json. It lists every file but itself.
type Manifest struct {
	Request    int64     `json:"request"`
	Kind       string    `json:"kind"`
	Controller string    `json:"controller"`
	MadeAt     time.Time `json:"made_at"`
	MapDigest  string    `json:"map_digest"`
	Files      []File    `json:"files"`
	// Missing counts files that rows name and that were not in their store.
	Missing int64 `json:"missing_files,omitempty"`
}

// A File of the archive, as the manifest lists it.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Rows   int64  `json:"rows,omitempty"`
	SHA256 string `json:"sha256"` // hex
	// Of a file that a row names, or that holds a long value of it: the field ("dataset.collection.field") and the
	// row's number in the collection's files, from 1.
	Of  string `json:"of,omitempty"`
	Row int64  `json:"row,omitempty"`
}
