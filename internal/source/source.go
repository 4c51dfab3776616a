// Package source holds the words that the sources and their users share: what a
// walk starts from, what it finds, what an erasure did. It holds no behaviour:
// each kind of source is a package below this one (postgres, …), and the small
// interfaces that they satisfy stand with their consumers, dsar and retention.
package source

import (
	"context"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A Seed is one identity that a walk starts from.
type Seed struct {
	Type  string // identity type as in the data map: email, phone, visitor, …; of a picked row, row:dataset.collection
	Value string // normalised (email case-folded, phone E.164); never logged
}

// A RowKey names one row of a collection: the text of its primary key column,
// or, for a composite key, Postgres' text of ROW(a, b, …) in the order of the
// map's primary_key fields. It is personal data: it is never logged.
type RowKey struct {
	Collection string // "dataset.collection"
	Key        string
}

// A Walk is one discovery to be carried out in a source.
type Walk struct {
	Plan *datamap.Plan
	// Scope is the controller's own value, compared with the controller column
	// of every collection that names one. A source without such columns
	// ignores it; a collection with one and an empty Scope yields no rows.
	Scope string
	Seeds []Seed
	// Roots, when Restricted, are the only rows that a seed may match: those
	// that the DPO ticked. Rows matched by a seed and not listed are left alone.
	Restricted bool
	Roots      []RowKey
	// KeyedBy, by collection, is what the keys of Roots and of picked rows were made
	// of (KeptRow.By), where that is known: a source that makes them of something else walks nowhere.
	KeyedBy map[string]string
	// IncludeShared lets an access or export request read shared rows other
	// than those that the subject's own rows point to. Never used by erasure.
	IncludeShared bool
	// Fields are values that came with the request by custom_request_field: a
	// collection with such a field gives only rows that hold the value; a field
	// that the request does not bring narrows nothing.
	Fields map[string]string
	// Secret is what hash, hmac and aes_encrypt masking draw their salt and key
	// from: 32 random bytes of one request, the same in every source, forgotten
	// with it. Empty where the plan masks by none of them.
	Secret []byte
	// Today is the UTC midnight by which statutory keeps are reckoned.
	Today time.Time
	// Feeds are what rows in other stores tell of references that end here, see
	// internal/source/fleet. Feeds of references that end elsewhere are ignored.
	Feeds []Feed
}

// Holds are what stands under a legal hold when an erasure runs: the rows that
// these walks reach, and single rows.
type Holds struct {
	Walks []Walk
	Rows  []RowKey
}

// A Finding counts what a walk reached in one collection. Never contents.
type Finding struct {
	Source     string
	Collection string // "dataset.collection"
	Rows       int64  // reached rows that belong to the subject alone
	Shared     int64  // reached rows that rows of others use too, counted apart
	Held       int64  // reached rows under a hold (erasure only)
	Kept       int64  // reached rows that a law keeps (erasure only; some of them masked)
	Erased     int64  // rows deleted (erasure only)
	Masked     int64  // rows masked (erasure only)
	// Stays counts rows that were to be changed and stay as they are, because one that
	// stays names them. Sources count it in narrowed erasures alone; else package dsar
	// reckons it from the others, of rows that were to be deleted.
	Stays int64
	// Missing counts files (of a store) that were not there when they were to be
	// erased. Package dsar counts them.
	Missing int64
}

// Empty tells that nothing was found.
func (f Finding) Empty() bool { return f.Rows == 0 && f.Shared == 0 && !f.Told() }

// Told tells that it says what an erasure did or would do, and not only what was found.
func (f Finding) Told() bool { return f.Held+f.Kept+f.Erased+f.Masked+f.Stays+f.Missing > 0 }

// Rest is how many of the subject's own rows it says nothing further of.
func (f Finding) Rest() int64 {
	return max(0, f.Rows-f.Erased-f.Masked-f.Held-f.Kept-f.Stays-f.Missing)
}

// A Root is a row that a seed itself matched.
type Root struct {
	Source string
	RowKey
	Types []string // identity types that matched it, sorted
	// Stored are the bytes of the identity fields by type ("email" ->
	// "PNG1@EXAMPLE.ORG"): letters go to these, never to what was typed.
	Stored map[string]string
	// Person are the row's values of names, telephones, identities and of the fields
	// that name whose it is, by field: by these the DPO tells people apart. Empty
	// values are left out.
	Person map[string]string
}

// Found is what Find returns.
type Found struct {
	Findings []Finding // in walk order, one per collection, zero counts included
	Roots    []Root    // ordered by collection, then key; at most MaxRoots
	// Reached are the addresses (identity "email") that stand in rows reached
	// by the walk though no seed matched them, distinct, at most ten.
	Reached []string
	// Braked are the links that did not lead on; an erasure is then refused.
	Braked []Brake
}

// MaxRoots bounds Found.Roots: each is stored with the request, and decided on. A
// log that names people by their address has thousands of one person.
const MaxRoots = 10_000

// A Snapshot is one consistent view (REPEATABLE READ, read only) of the rows of
// a walk. It must be closed.
type Snapshot interface {
	Findings() []Finding
	// Rows calls yield for each row of the collection ("dataset.collection")
	// that the request may be given, in the map's order, one at a time, with
	// the columns in a fixed order. It may be called again for the same collection.
	Rows(ctx context.Context, collection string, yield func(Row) error) error
	Close(ctx context.Context) error
}

// A Row is one row as it goes into an archive: parallel slices.
type Row struct {
	Fields []string // as in the data map, in its order
	Values []any    // nil, bool, int64, float64, json.Number, string, time.Time (UTC), json.RawMessage, Long
	// Rank is by what the rows of several shards are merged, where the source
	// was asked for it: the collection's order, then its key, in the same types.
	Rank []any
}

// A Long is a value too long to travel with its row. It can be read, as often as
// asked, while the snapshot is open and none of its rows are being read.
type Long struct {
	Ending string // of a file with it: "txt", "json", or "bin" for bytes, which are given as they are
	Read   func(ctx context.Context, yield func(piece []byte) error) error
}

// A Note is what an erasure leaves in the control database just before the
// source commits, so that a process killed between the two commits knows.
type Note struct {
	XID      string    // the source's pg_current_xact_id()
	Findings []Finding // with Erased, Masked, Held
	Keys     []RowKey  // erased rows that others could still name, at most 10,000; to be stored encrypted
	// Kept are rows that a law keeps or that stand under a hold, at most 10,000;
	// to be stored encrypted, so that a later sweep can finish them.
	Kept []KeptRow
	// Objects are the files that the rows named which were erased, or whose key
	// was masked: to be stored encrypted, and deleted once the source has committed.
	Objects []Object
	// Feeds are those by which the rows were found; to be stored encrypted. Once
	// the rows of one store are gone, nothing else leads to the other's: a second
	// pass, a retry and the second look are given them again (Walk.Feeds).
	Feeds []Feed
	// Before is what transactions of the same Erase did that are known to have
	// committed before this one: a source of several shards commits one by one.
	Before *Note
	// Part counts the transactions of one large erasure, from 0. The note of a
	// part says that those before it have committed: their counts stand.
	Part int
	// More: further parts follow. Until the last has committed the identities'
	// own rows are there, so that the rest can be found.
	More bool
}

// Erased is what a batch did of one walk. With Err nothing is known of it that
// the notes do not say.
type Erased struct {
	Note Note
	Err  error
}

// Unnoted is what the note of a batch gives back when some of its walks could
// not be noted: why, by the walk's number. It names one walk of the transaction at least.
type Unnoted struct{ Why map[int]error }

func (*Unnoted) Error() string { return "not everything in the transaction could be noted" }

// A KeptRow is one that an erasure left for a time.
type KeptRow struct {
	RowKey
	Until time.Time // when the law lets it go; zero: nobody can tell, or until a hold is released
	Held  bool      // it stands under a hold
	// By is what its key is made of: the names of columns. Another key names
	// another row by the same text, and this one may be needed in ten years.
	By string
}

// KeyText is a row's key as it is sealed for years, behind what it is made of, each
// between bytes that no text of a database holds; where by is empty, the key alone.
func KeyText(by, key string) string {
	if by == "" {
		return key
	}
	return "\x00" + by + "\x00" + key
}

// ReadKeyText reads it; an earlier build sealed keys alone.
func ReadKeyText(text string) (by, key string) {
	rest, ours := strings.CutPrefix(text, "\x00")
	if by, key, ok := strings.Cut(rest, "\x00"); ours && ok {
		return by, key
	}
	return "", text
}

// A Brake is a link of the plan over which a walk did not go on with some
// values, because too many rows of others hold them.
type Brake struct {
	Source   string
	From, To string // "dataset.collection.field"; of a composite link, its first pair
	Values   int64  // how many values
}

// Outcome of a transaction noted earlier (pg_xact_status).
type Outcome string

// The outcomes. Unknown: the source no longer remembers (too old).
const (
	Committed  Outcome = "committed"
	Aborted    Outcome = "aborted"
	InProgress Outcome = "in progress"
	Unknown    Outcome = "unknown"
)

// A Remainder is what the second look after an erasure found still there.
type Remainder struct {
	Findings []Finding // Rows: still there though the policy targets them
	Roots    []Root    // matched by a seed, neither ticked nor left by the DPO
}

// A Selection is what one retention rule asks of a source, for one collection.
type Selection struct {
	Collection *datamap.Collection
	// Where: column -> admitted values, ORed; columns are ANDed. A nil pointer
	// stands for NULL. A value may hold * for any run of characters, and a word
	// in angle brackets (<CHAT_KEY>) for a run of ASCII letters and digits.
	Where map[string][]*string
	// WhereNot excludes rows by the same form (longest literal first: names
	// that belong to a more specific lifetime).
	WhereNot map[string][]*string
	// StartsAt is the column of the start; empty: every row selected has expired.
	StartsAt string
	// Before: rows whose start lies before this instant have expired. For
	// periods of days and longer it is a UTC midnight (see retention.Cutoff).
	Before time.Time
	// Unless excludes rows that have a counterpart in another collection.
	Unless *Counterpart
	// Scopes: only rows whose controller column holds one of these; nil: all.
	Scopes []string
	// Then says what is done with a row.
	Then    Action
	Columns []ColumnChange // for Null, Mask, TruncateIP, Unlink
	// ValueColumn and ValueIn: when a row is deleted, its value in ValueColumn
	// is replaced in these columns ("dataset.collection.field") by one new
	// random value each, the same one everywhere, unless a row that is not
	// expired still holds the value under the same name.
	ValueColumn string
	ValueIn     []string
	// Holds are walks whose rows of Collection must stay as they are.
	Holds []Walk
	// HeldRows are single rows of Collection that must stay as they are.
	HeldRows []string
	// HeldScopes: controllers all of whose rows of Collection must stay.
	HeldScopes []string
	// HeldOthers are single rows of the collections of ValueIn that must stay as
	// they are: a row whose value stands there stays, too.
	HeldOthers []RowKey
}

// Counterpart: rows of Collection linked by column pairs (selected -> other).
type Counterpart struct {
	Collection *datamap.Collection
	Link       map[string]string
	Where      map[string][]*string
}

// Action of a retention rule.
type Action string

// The actions.
const (
	Delete     Action = "delete"
	Null       Action = "null"
	Mask       Action = "mask"
	TruncateIP Action = "truncate_ip"
	Unlink     Action = "unlink"
)

// A ColumnChange says what happens to one column of an expired row.
type ColumnChange struct {
	Column  string
	Masking *datamap.Masking // for Mask
}

// Expiry counts what a selection matches.
type Expiry struct {
	Expired int64 // rows that have expired and are not held
	Held    int64 // rows that have expired and are held
	Total   int64 // rows of the collection (planner's estimate when large)
	// By counts expired rows by the value of one column, when asked for.
	By map[string]int64
}

// A Slice is one short transaction of a sweep.
type Slice struct {
	Changed int64
	// Locked is how long the transaction took: no row was locked for longer. 0: not measured.
	Locked time.Duration
	// Next is where to go on; empty when the sweep is done. Opaque, and of
	// the source's own making; stored encrypted by nobody: it must hold no
	// personal data (a heap block number, a numeric key).
	Next string
}
