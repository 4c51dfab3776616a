// Package archive makes the ZIP that a person is given, as a stream, and keeps
// it encrypted in storage until it expires.
package archive

import (
	"context"
	"io"
	"time"

	"github.com/lethe-dsr/lethe/internal/keys"
)

// A Storage keeps encrypted archives: file:///dir or s3://bucket?prefix=….
type Storage struct {
	URL  string
	Keys *keys.Set
}

// OpenStorage opens the bucket behind a URL; a folder is made when missing.
func OpenStorage(ctx context.Context, url string, set *keys.Set) (*Storage, error) {
	panic("to be built")
}

// Create starts an encrypted object. Close commits; Abort leaves nothing.
func (s *Storage) Create(ctx context.Context, object string) (*Writer, error) { panic("to be built") }

// A Writer encrypts into storage.
type Writer struct{}

func (w *Writer) Write(p []byte) (int, error) { panic("to be built") }

// Close finishes the stream and commits the object.
func (w *Writer) Close() error { panic("to be built") }

// Abort gives the object up; safe after Close.
func (w *Writer) Abort() { panic("to be built") }

// Open decrypts an object as a stream.
func (s *Storage) Open(ctx context.Context, object string) (io.ReadCloser, error) {
	panic("to be built")
}

// Delete removes an object; a missing one is a success.
func (s *Storage) Delete(ctx context.Context, object string) error { panic("to be built") }

// Check writes, reads and deletes a small object.
func (s *Storage) Check(ctx context.Context) error { panic("to be built") }

// Close releases the bucket.
func (s *Storage) Close() error { panic("to be built") }

// A Letter is what letter.txt and index.html say beside the data (Art. 15(1), (2)).
// Empty parts are said to be missing, not left out in silence.
type Letter struct {
	Kind        string // access, export
	RequestID   int64
	Language    string
	ReceivedAt  time.Time
	MadeAt      time.Time
	Controller  Party
	DPO         string // name or address
	Purposes    []Purpose
	Recipients  []Recipient
	Retention   []Period
	Sources     []string // origins, Art. 15(1)(g)
	Authority   string   // where to complain
	Automated   string   // Art. 15(1)(h)
	Shared      int64    // rows not included because others use them, too
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
type Period struct{ Collection, What, Keep string }

// Missing lists, in sentences, what a letter under Art. 15 should say and does
// not, because it is not configured: shown to the DPO before approval.
func (l Letter) Missing() []string { panic("to be built") }

// A Table is one collection as it goes into the archive. Rows may be called
// more than once, and calls yield for each row with values parallel to Fields.
type Table struct {
	Dataset, Collection string
	Title, Description  string
	Fields              []Column
	Rows                func(ctx context.Context, yield func(values []any) error) error
}

// A Column of a Table.
type Column struct {
	Name, Description string
	Categories        []string
}

// A Manifest is manifest.json.
type Manifest struct {
	Request    int64     `json:"request"`
	Kind       string    `json:"kind"`
	Controller string    `json:"controller"`
	MadeAt     time.Time `json:"made_at"`
	MapDigest  string    `json:"map_digest"`
	Files      []File    `json:"files"`
}

// A File of the archive, as the manifest lists it.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Rows   int64  `json:"rows,omitempty"`
	SHA256 string `json:"sha256"` // hex
}

// Write streams the ZIP: data files first, then index.html, letter.txt,
// manifest.json. Memory is bounded whatever the number of rows.
func Write(ctx context.Context, w io.Writer, l Letter, mapDigest string, tables []Table) (Manifest, error) {
	panic("to be built")
}
