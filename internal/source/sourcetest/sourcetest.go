// Package sourcetest is the one suite that every kind of source passes: what
// finding, giving and erasing promise to those who ask for them, whatever
// stands behind.
//
// To add a kind of source (another database, a service behind HTTP):
//
//  1. Write a package internal/source/KIND. A source of rows has the methods of
//     Rows here (they are dsar.Source); a store of files that rows name those of
//     Files (dsar.FileStore), and one that a person answers for those of Desk.
//     Errors are wrapped with names and codes, never
//     with values; what trying again cannot mend has Permanent() bool.
//  2. In its test, call Run with a factory. For rows it loads Tables, under the
//     names and keys that they have here, into a store of its own, and makes a
//     source named Name of it; for files it puts Contents under their keys; for a
//     desk it makes a request that can be asked about.
//     What the kind cannot do is left nil in the factory's answer, and the suite
//     says which promises it did not try.
//  3. Add the kind to openStore in cmd/lethe and to sources in internal/config:
//     nothing else chooses an implementation.
//
// Open rows.go for what is promised of rows, files.go of files, desk.go of people.
package sourcetest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Name is the source's name in the suite's data map.
const Name = "tested"

// A Factory makes a fresh subject, which ends with the test.
type Factory func(t *testing.T) Subject

// A Subject is one source with what the suite needs to try it. Rows, Files or
// Desk, or several, are set; of the functions those that are nil leave promises untried.
type Subject struct {
	Rows  Rows
	Files Files
	Desk  Desk

	// Keys lists the primary keys that are in a collection, as text, in any order.
	// Needed with Rows.
	Keys func(t *testing.T, collection string) []string
	// Value is what stands in a field of a row; NULL is "". Needed with Rows.
	Value func(t *testing.T, collection, key, field string) string
	// Misfit makes the store lack a field of the data map.
	Misfit func(t *testing.T)

	// Add adds a file to those of Contents. Needed with Files.
	Add func(t *testing.T, key, content string)
	// Has tells whether a file is there. Needed with Files.
	Has func(t *testing.T, key string) bool

	// Break makes the store unreachable, Mend reachable again.
	Break, Mend func(t *testing.T)
	// Close closes the source as the program does at its end.
	Close func()

	// Atomic: an erasure is one transaction, which a refused note rolls back and
	// whose outcome can be asked for.
	Atomic bool
	// Consistent: a snapshot goes on to show what was there when it was opened.
	Consistent bool
}

// Rows is a source of rows, as dsar asks it.
type Rows interface {
	Find(ctx context.Context, w source.Walk) (source.Found, error)
	Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error)
	Erase(ctx context.Context, w source.Walk, h source.Holds, note func(context.Context, source.Note) error) (source.Note, error)
	DryRun(ctx context.Context, w source.Walk, h source.Holds) ([]source.Finding, error)
	Outcome(ctx context.Context, xid string) (source.Outcome, error)
	Look(ctx context.Context, w source.Walk, h source.Holds, erased []source.RowKey) (source.Remainder, error)
}

// Files is a store of files that rows name, as dsar asks it.
type Files interface {
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	Delete(ctx context.Context, keys []string) (source.Deleted, error)
}

// Run tries a kind of source. Every promise gets a subject of its own.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	probe := factory(t)
	if probe.Rows == nil && probe.Files == nil && probe.Desk == nil {
		t.Fatal("expected the factory to make a source of rows, of files, or a desk")
	}
	if probe.Rows != nil {
		promised(t, "rows", rowPromises(), factory)
	}
	if probe.Files != nil {
		promised(t, "files", filePromises(), factory)
	}
	if probe.Desk != nil {
		promised(t, "desk", deskPromises(), factory)
	}
}

func promised(t *testing.T, half string, promises map[string]func(*testing.T, Subject), factory Factory) {
	t.Helper()
	for name, try := range promises {
		t.Run(half+"/"+name, func(t *testing.T) {
			t.Parallel()
			try(t, factory(t))
		})
	}
}

// without skips a promise that a kind of source does not make.
func without(t *testing.T, missing bool, what string) {
	t.Helper()
	if missing {
		t.Skipf("this kind of source does not say how to %s", what)
	}
}

// clean fails when an error quotes what stands in rows or keys.
func clean(t *testing.T, err error) {
	t.Helper()
	for _, word := range personal {
		if err != nil && strings.Contains(strings.ToLower(err.Error()), word) {
			t.Errorf("expected nothing personal in an error, found %q in %q", word, err)
		}
	}
}

// personal are words of the suite's rows and files that no error may quote.
var personal = []string{"pavla", "karel", "example.org", "ring twice", "hunter2", "photo-of"}

// lasting tells whether an error says that trying again cannot mend it.
func lasting(err error) bool {
	for err != nil {
		if p, ok := err.(interface{ Permanent() bool }); ok && p.Permanent() {
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// walk is the subject's: an erasure or an access by mail address.
func walk(t *testing.T, kind datamap.Kind, seeds ...source.Seed) source.Walk {
	t.Helper()
	p, err := datamap.Compile(dataMap(t), datamap.Builtin(kind), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if len(seeds) == 0 {
		seeds = []source.Seed{{Type: "email", Value: "pavla@example.org"}}
	}
	return source.Walk{Plan: p, Scope: "1", Seeds: seeds}
}
