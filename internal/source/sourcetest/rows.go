package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// rowPromises are what a source of rows promises, by name.
func rowPromises() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"find counts, and changes nothing":                findCounts,
		"what leads nowhere finds nothing":                nothingFound,
		"only ticked rows are walked from":                restricted,
		"a snapshot gives what is found, again and again": snapshotGives,
		"a snapshot stays as it was":                      snapshotStays,
		"an erasure takes what is the subject's":          eraseTakes,
		"a refused note changes nothing":                  noteRefused,
		"a second erasure changes nothing":                eraseTwice,
		"what is held stays":                              heldStays,
		"two erasures at once":                            twoErase,
		"a store that is down passes":                     rowsDown,
		"a store that does not fit does not pass":         misfit,
		"a cancelled context ends it":                     rowsCancelled,
		"a closed source says so":                         rowsClosed,
	}
}

// at is a finding of a collection of the suite.
func at(t *testing.T, findings []source.Finding, collection string) source.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Collection == "shop."+collection {
			return f
		}
	}
	t.Errorf("expected a finding of %s, zero counts included", collection)
	return source.Finding{}
}

// left lists every key of the store.
func left(t *testing.T, s Subject) string {
	t.Helper()
	var parts []string
	for _, table := range Tables() {
		keys := s.Keys(t, table.Name)
		slices.Sort(keys)
		parts = append(parts, table.Name+" "+strings.Join(keys, " "))
	}
	return strings.Join(parts, ", ")
}

const (
	untouched = "people 1 2 3 4 5, browsers 70 71, orders 10 11 12 13, lines 100 101 102 103, logs 200 201"
	erased    = "people 2 3 4 5, browsers 71, orders 12 13, lines 102 103, logs 200 201"
)

func findCounts(t *testing.T, s Subject) {
	for range 2 {
		found, err := s.Rows.Find(t.Context(), walk(t, datamap.Erasure))
		if err != nil {
			t.Fatal(err)
		}
		for collection, want := range map[string][2]int64{"people": {1, 0}, "orders": {2, 0}, "lines": {2, 0}, "browsers": {1, 1}, "logs": {1, 0}} {
			if f := at(t, found.Findings, collection); f.Rows != want[0] || f.Shared != want[1] {
				t.Errorf("%s: expected %d rows and %d shared, got %+v", collection, want[0], want[1], f)
			}
		}
		if len(found.Roots) != 1 || found.Roots[0].Collection != "shop.people" || found.Roots[0].Key != "1" || found.Roots[0].Stored["email"] != "Pavla@Example.org" {
			t.Errorf("expected the root row 1 with the address as it is stored, got %d roots", len(found.Roots))
		}
	}
	if got := left(t, s); got != untouched {
		t.Errorf("expected find to change nothing, got %s", got)
	}
}

func nothingFound(t *testing.T, s Subject) {
	noScope := walk(t, datamap.Access)
	noScope.Scope = ""
	for name, w := range map[string]source.Walk{
		"a stranger":      walk(t, datamap.Access, source.Seed{Type: "email", Value: "stranger@example.org"}),
		"a placeholder":   walk(t, datamap.Access, source.Seed{Type: "email", Value: "n/a"}),
		"an empty value":  walk(t, datamap.Access, source.Seed{Type: "email", Value: ""}),
		"a quoting value": walk(t, datamap.Access, source.Seed{Type: "email", Value: `x' OR '1'='1`}),
		"a NUL":           walk(t, datamap.Access, source.Seed{Type: "email", Value: "pavla@example.org\x00"}),
		"nobody's scope":  noScope,
		"an unknown type": walk(t, datamap.Access, source.Seed{Type: "phone", Value: "pavla@example.org"}),
	} {
		found, err := s.Rows.Find(t.Context(), w)
		if err != nil {
			t.Errorf("%s: expected nothing to be found without an error, got %v", name, err)
			continue
		}
		for _, f := range found.Findings {
			if f.Rows+f.Shared != 0 {
				t.Errorf("%s: expected nothing in %s, got %d rows", name, f.Collection, f.Rows+f.Shared)
			}
		}
		if len(found.Roots) > 0 {
			t.Errorf("%s: expected no root rows, got %d", name, len(found.Roots))
		}
	}
}

func restricted(t *testing.T, s Subject) {
	w := walk(t, datamap.Erasure)
	w.Restricted = true // and no row is ticked
	done, err := s.Rows.Erase(t.Context(), w, source.Holds{}, takes)
	if err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != untouched || changed(done.Findings) != 0 {
		t.Errorf("expected nothing to be erased where no row is ticked, got %s", got)
	}
	rest, err := s.Rows.Look(t.Context(), w, source.Holds{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rest.Roots) != 1 {
		t.Errorf("expected the second look to tell of the row that was not ticked, got %d", len(rest.Roots))
	}
	w.Roots = []source.RowKey{{Collection: "shop.people", Key: "1"}}
	if _, err := s.Rows.Erase(t.Context(), w, source.Holds{}, takes); err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != erased {
		t.Errorf("expected the ticked row's to be erased (%s), got %s", erased, got)
	}
}

// read reads a collection of a snapshot as text.
func read(ctx context.Context, snap source.Snapshot, collection string) (string, error) {
	var b strings.Builder
	var fields []string
	err := snap.Rows(ctx, "shop."+collection, func(r source.Row) error {
		if fields == nil {
			fields = slices.Clone(r.Fields)
		}
		if !slices.Equal(fields, r.Fields) || len(r.Values) != len(r.Fields) {
			return errors.New("the columns changed from one row to the next")
		}
		for i, f := range r.Fields {
			fmt.Fprintf(&b, "%s=%v ", f, r.Values[i])
		}
		b.WriteString("| ")
		return nil
	})
	return b.String(), err
}

func snapshotGives(t *testing.T, s Subject) {
	snap, err := s.Rows.Snapshot(t.Context(), walk(t, datamap.Access))
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context()) //nolint:errcheck // closed below
	if f := at(t, snap.Findings(), "orders"); f.Rows != 2 {
		t.Errorf("expected two orders among the findings, got %+v", f)
	}
	for range 2 {
		for collection, want := range map[string][]string{
			"people": {"Pavla@Example.org"}, "orders": {"ring twice", "id=11"}, "lines": {"boots", "=cmd()"}, "browsers": {"alone", "of two"}, "logs": {"hello"},
		} {
			got, err := read(t.Context(), snap, collection)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range want {
				if !strings.Contains(got, word) {
					t.Errorf("%s: expected %q among the rows, got %s", collection, word, got)
				}
			}
			for _, foreign := range []string{"mine", "other firm", "laces", "gloves", "Karel", "nothing"} {
				if strings.Contains(got, foreign) {
					t.Errorf("%s: expected nothing of others, found %q", collection, foreign)
				}
			}
		}
	}
	own := errors.New("the archive is full")
	n := 0
	if err := snap.Rows(t.Context(), "shop.orders", func(source.Row) error { n++; return own }); !errors.Is(err, own) || n != 1 {
		t.Errorf("expected the reader's own error back after one row, got %v after %d", err, n)
	}
	for range 2 {
		if err := snap.Close(t.Context()); err != nil {
			t.Errorf("expected a snapshot to be closed, twice if need be: %v", err)
		}
	}
	if _, err := read(t.Context(), snap, "orders"); err == nil {
		t.Error("expected a closed snapshot to say so")
	}
}

func snapshotStays(t *testing.T, s Subject) {
	without(t, !s.Consistent, "keep a snapshot as it was")
	snap, err := s.Rows.Snapshot(t.Context(), walk(t, datamap.Access))
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context()) //nolint:errcheck // nothing was written
	if _, err := s.Rows.Erase(t.Context(), walk(t, datamap.Erasure), source.Holds{}, takes); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t.Context(), snap, "orders"); err != nil || !strings.Contains(got, "ring twice") {
		t.Errorf("expected the snapshot to show what was there when it was opened, got %s, %v", got, err)
	}
}

// takes is a control database that takes every note.
func takes(context.Context, source.Note) error { return nil }

func changed(findings []source.Finding) (n int64) {
	for _, f := range findings {
		n += f.Erased + f.Masked
	}
	return n
}

// dryRun is what an erasure would do; it leaves everything as it is.
func dryRun(t *testing.T, s Subject, w source.Walk, h source.Holds) []source.Finding {
	t.Helper()
	would, err := s.Rows.DryRun(t.Context(), w, h)
	if err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != untouched || s.Value(t, "logs", "200", "words") == "" {
		t.Errorf("expected a dry run to change nothing, got %s", got)
	}
	return would
}

// did holds what an erasure did to what its dry run said.
func did(t *testing.T, would, done []source.Finding) {
	t.Helper()
	if !slices.Equal(would, done) {
		t.Errorf("expected the dry run to say what the erasure did, %+v, got %+v", done, would)
	}
}

func eraseTakes(t *testing.T, s Subject) {
	w := walk(t, datamap.Erasure)
	would := dryRun(t, s, w, source.Holds{})
	var noted source.Note
	done, err := s.Rows.Erase(t.Context(), w, source.Holds{}, func(_ context.Context, n source.Note) error {
		noted = n
		if s.Atomic && left(t, s) != untouched {
			t.Error("expected nobody to see the erasure before its note was taken")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for collection, want := range map[string][2]int64{"people": {1, 0}, "orders": {2, 0}, "lines": {2, 0}, "browsers": {1, 0}, "logs": {0, 1}} {
		for what, findings := range map[string][]source.Finding{"result": done.Findings, "note": noted.Findings} {
			if what == "note" && !s.Atomic {
				continue // of several transactions, each has its own
			}
			if f := at(t, findings, collection); f.Erased != want[0] || f.Masked != want[1] {
				t.Errorf("%s of %s: expected %d erased and %d masked, got %+v", what, collection, want[0], want[1], f)
			}
		}
	}
	did(t, would, done.Findings)
	if got := left(t, s); got != erased {
		t.Errorf("expected %s to be left, got %s", erased, got)
	}
	if got := s.Value(t, "logs", "200", "words"); got != "" {
		t.Error("expected the masked field to be empty")
	}
	if got := s.Value(t, "logs", "201", "words"); got != "said nothing" {
		t.Error("expected other people's fields to stay")
	}
	if s.Atomic {
		if o, err := s.Rows.Outcome(t.Context(), noted.XID); err != nil || o != source.Committed {
			t.Errorf("expected the transaction noted to have committed, got %q, %v", o, err)
		}
	}
	rest, err := s.Rows.Look(t.Context(), w, source.Holds{}, done.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rest.Findings {
		if f.Rows != 0 {
			t.Errorf("expected the second look to find nothing, found %d in %s", f.Rows, f.Collection)
		}
	}
}

func noteRefused(t *testing.T, s Subject) {
	without(t, !s.Atomic, "roll back")
	refusal := errors.New("the control database is down")
	var noted source.Note
	_, err := s.Rows.Erase(t.Context(), walk(t, datamap.Erasure), source.Holds{}, func(_ context.Context, n source.Note) error {
		noted = n
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("expected the note's own error back, got %v", err)
	}
	if got := left(t, s); got != untouched || s.Value(t, "logs", "200", "words") == "" {
		t.Errorf("expected nothing to be changed, got %s", got)
	}
	if o, err := s.Rows.Outcome(t.Context(), noted.XID); err != nil || o == source.Committed {
		t.Errorf("expected the transaction noted not to have committed, got %q, %v", o, err)
	}
	if _, err := s.Rows.Erase(t.Context(), walk(t, datamap.Erasure), source.Holds{}, takes); err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != erased {
		t.Errorf("expected the next run to erase (%s), got %s", erased, got)
	}
}

func eraseTwice(t *testing.T, s Subject) {
	for i := range 2 {
		done, err := s.Rows.Erase(t.Context(), walk(t, datamap.Erasure), source.Holds{}, takes)
		if err != nil {
			t.Fatal(err)
		}
		if n := changed(done.Findings); (n == 0) != (i == 1) {
			t.Errorf("run %d: expected the first to change rows and the second none, %d were", i+1, n)
		}
	}
	if got := left(t, s); got != erased {
		t.Errorf("expected %s to be left, got %s", erased, got)
	}
}

func heldStays(t *testing.T, s Subject) {
	h := source.Holds{Rows: []source.RowKey{{Collection: "shop.lines", Key: "100"}, {Collection: "shop.logs", Key: "200"}}}
	w := walk(t, datamap.Erasure)
	would := dryRun(t, s, w, h)
	done, err := s.Rows.Erase(t.Context(), w, h, takes)
	if err != nil {
		t.Fatal(err)
	}
	did(t, would, done.Findings)
	if f := at(t, done.Findings, "lines"); f.Held != 1 || f.Erased != 1 {
		t.Errorf("expected one line held and one erased, got %+v", f)
	}
	// What a held row names stays, masked; what that one names, too.
	if got := s.Keys(t, "lines"); !slices.Contains(got, "100") || slices.Contains(got, "101") {
		t.Errorf("expected line 100 to stay and 101 to go, got %v", got)
	}
	if got := s.Keys(t, "orders"); !slices.Contains(got, "10") || slices.Contains(got, "11") {
		t.Errorf("expected order 10, which the held line names, to stay, and 11 to go; got %v", got)
	}
	if s.Value(t, "logs", "200", "words") == "" {
		t.Error("expected the held row to be left as it was")
	}
	rest, err := s.Rows.Look(t.Context(), w, h, done.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rest.Findings {
		if f.Rows != 0 {
			t.Errorf("expected the second look to pass over what is held, found %d in %s", f.Rows, f.Collection)
		}
	}
}

func twoErase(t *testing.T, s Subject) {
	var wait sync.WaitGroup
	notes, errs := make([]source.Note, 2), make([]error, 2)
	w := walk(t, datamap.Erasure)
	for i := range notes {
		wait.Go(func() { notes[i], errs[i] = s.Rows.Erase(t.Context(), w, source.Holds{}, takes) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := changed(notes[0].Findings) + changed(notes[1].Findings); n != 7 {
		t.Errorf("expected each of seven rows to be erased or masked by one of the two, they counted %d", n)
	}
	if got := left(t, s); got != erased {
		t.Errorf("expected %s to be left, got %s", erased, got)
	}
}

// each calls every method that reaches the store.
func each(ctx context.Context, t *testing.T, s Subject) map[string]error {
	t.Helper()
	errs := map[string]error{}
	_, errs["find"] = s.Rows.Find(ctx, walk(t, datamap.Access))
	snap, err := s.Rows.Snapshot(ctx, walk(t, datamap.Access))
	if err == nil {
		snap.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it should not be there
	}
	errs["snapshot"] = err
	_, errs["erase"] = s.Rows.Erase(ctx, walk(t, datamap.Erasure), source.Holds{}, takes)
	_, errs["dry run"] = s.Rows.DryRun(ctx, walk(t, datamap.Erasure), source.Holds{})
	_, errs["look"] = s.Rows.Look(ctx, walk(t, datamap.Erasure), source.Holds{}, nil)
	return errs
}

func rowsDown(t *testing.T, s Subject) {
	without(t, s.Break == nil || s.Mend == nil, "break the way to the store")
	s.Break(t)
	for doing, err := range each(t.Context(), t, s) {
		if err == nil || lasting(err) {
			t.Errorf("%s: expected an error that may pass by itself, got %v", doing, err)
		}
		clean(t, err)
	}
	s.Mend(t)
	if got := left(t, s); got != untouched {
		t.Errorf("expected nothing to be lost meanwhile, got %s", got)
	}
	if _, err := s.Rows.Erase(t.Context(), walk(t, datamap.Erasure), source.Holds{}, takes); err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); got != erased {
		t.Errorf("expected it to go on where it stopped (%s), got %s", erased, got)
	}
}

func misfit(t *testing.T, s Subject) {
	without(t, s.Misfit == nil, "make the store lack a field")
	s.Misfit(t)
	for doing, err := range each(t.Context(), t, s) {
		if !lasting(err) {
			t.Errorf("%s: expected an error with Permanent() true, got %v", doing, err)
		}
		clean(t, err)
	}
	if got := left(t, s); got != untouched {
		t.Errorf("expected nothing to be changed, got %s", got)
	}
}

func rowsCancelled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for doing, err := range each(ctx, t, s) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: expected the context's end to be the error, got %v", doing, err)
		}
		clean(t, err)
	}
	if got := left(t, s); got != untouched {
		t.Errorf("expected nothing to be changed, got %s", got)
	}
}

func rowsClosed(t *testing.T, s Subject) {
	without(t, s.Close == nil, "be closed")
	s.Close()
	for doing, err := range each(t.Context(), t, s) {
		if err == nil {
			t.Errorf("%s: expected a closed source to say so", doing)
		}
		clean(t, err)
	}
}
