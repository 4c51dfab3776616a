package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// What the owner of a desk answers.
const (
	AnsweredFiles   = "files"   // what was added is all there is
	AnsweredNothing = "nothing" // nothing is held
	AnsweredDone    = "done"    // it is erased
	AnsweredCannot  = "cannot"  // somebody else has to decide
)

// Desk is a source that is a person. A walk cannot be asked of it, so it has
// none of the methods of Rows: it is asked once for a request, gives files by
// hand, and erases by its owner's word. That is what the suite holds it to.
type Desk interface {
	// Ask approves a request about the suite's subject: the owner is asked, and
	// nothing of it but their answer is awaited. Once for each Desk.
	Ask(ctx context.Context, kind datamap.Kind) error
	// Add hands over a file, Answer says what there is; both as the owner.
	Add(ctx context.Context, name string, from io.Reader) error
	Answer(ctx context.Context, what string) error
	// Waits tells whether the request waits for somebody's word on the desk.
	Waits(ctx context.Context) (bool, error)
	// Given are the contents of the desk's files that the subject is given, by
	// name. Asked for once the request does not wait any more.
	Given(ctx context.Context) (map[string]string, error)
}

// deskPromises are what a source that is a person promises, by name.
func deskPromises() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"a request waits for its owner, and goes on": deskWaits,
		"what is handed over is given as it is":      deskGives,
		"nothing is an answer":                       deskHoldsNothing,
		"an erasure is its owner's word":             deskErases,
		"the first answer counts":                    deskFirst,
		"one who cannot has not done it":             deskCannot,
		"a file sent twice is given once":            deskTwice,
		"a file that broke off is not given":         deskBrokenOff,
		"a name leads nowhere":                       deskNames,
		"a storage that is down loses nothing":       deskDown,
		"a cancelled context ends it":                deskCancelled,
	}
}

// waits checks whether the request waits.
func waits(t *testing.T, s Subject, want bool) {
	t.Helper()
	got, err := s.Desk.Waits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("expected the request to wait for the desk: %t, got %t", want, got)
	}
}

// does fails the test where one of the steps does.
func does(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s Subject) add(t *testing.T, name, content string) error {
	t.Helper()
	return s.Desk.Add(t.Context(), name, strings.NewReader(content))
}

// given checks what the subject is given, by content: names may be made safe.
func given(t *testing.T, s Subject, want ...string) {
	t.Helper()
	files, err := s.Desk.Given(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Values(files))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("expected %d files to be given as they are, got %d: %v", len(want), len(got), slices.Sorted(maps.Keys(files)))
	}
}

func deskWaits(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	waits(t, s, true)
	does(t, s.add(t, "scan.txt", "the first"))
	waits(t, s, true) // what was added is not yet handed over
	does(t, s.Desk.Answer(t.Context(), AnsweredFiles))
	waits(t, s, false)
	given(t, s, "the first")
}

func deskGives(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Export))
	want := []string{"the first", strings.Repeat("\x00\xff0123456789", 500)}
	does(t, s.add(t, "ž 1.txt", want[0]), s.add(t, "photo-of me.bin", want[1]), s.Desk.Answer(t.Context(), AnsweredFiles))
	given(t, s, want...)
}

func deskHoldsNothing(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	err := s.Desk.Answer(t.Context(), AnsweredFiles)
	if err == nil {
		t.Error("expected files to be handed over only where there are some")
	}
	clean(t, err)
	does(t, s.Desk.Answer(t.Context(), AnsweredNothing))
	waits(t, s, false)
	given(t, s)
}

func deskErases(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Erasure))
	waits(t, s, true)
	for doing, err := range map[string]error{
		"files for an erasure": s.add(t, "scan.txt", "the first"), "that answer": s.Desk.Answer(t.Context(), AnsweredFiles),
	} {
		if err == nil {
			t.Errorf("%s: expected it to be refused", doing)
		}
		clean(t, err)
	}
	waits(t, s, true)
	does(t, s.Desk.Answer(t.Context(), AnsweredDone))
	waits(t, s, false)
}

func deskFirst(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wait.Go(func() { errs[i] = s.Desk.Answer(t.Context(), AnsweredNothing) })
	}
	wait.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		}
		clean(t, err)
	}
	if taken != 1 {
		t.Errorf("expected one of four answers at once to count, %d did", taken)
	}
	if err := s.add(t, "late.txt", "too late"); err == nil {
		t.Error("expected nothing to be taken after the answer")
	}
	waits(t, s, false)
	given(t, s)
}

func deskCannot(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Erasure), s.Desk.Answer(t.Context(), AnsweredCannot))
	waits(t, s, true)
}

func deskTwice(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	var wait sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wait.Go(func() { errs[i] = s.add(t, "scan.txt", "the first") })
	}
	wait.Wait()
	does(t, append(errs, s.Desk.Answer(t.Context(), AnsweredFiles))...)
	given(t, s, "the first")
}

func deskBrokenOff(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access), s.add(t, "whole.txt", "the first"))
	half := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("half "), 1000)), iotest.ErrReader(errors.New("photo-of: connection reset")))
	err := s.Desk.Add(t.Context(), "photo-of half.txt", half)
	if err == nil {
		t.Error("expected a file that broke off to say so")
	}
	clean(t, err)
	does(t, s.Desk.Answer(t.Context(), AnsweredFiles))
	given(t, s, "the first")
}

func deskNames(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	var want []string
	for i, name := range []string{"../../top.txt", "/etc/passwd", `..\..\top.txt`, "", ".", "..", "a\x00b.txt", "CON", strings.Repeat("long", 200) + ".txt"} {
		want = append(want, strings.Repeat("x", i+1))
		does(t, s.add(t, name, want[i]))
	}
	does(t, s.Desk.Answer(t.Context(), AnsweredFiles))
	given(t, s, want...)
	files, err := s.Desk.Given(t.Context())
	does(t, err)
	for name := range files {
		if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\\\x00") {
			t.Errorf("expected a name that leads nowhere, got %.40q", name)
		}
	}
}

func deskDown(t *testing.T, s Subject) {
	without(t, s.Break == nil || s.Mend == nil, "break the way to the store")
	does(t, s.Desk.Ask(t.Context(), datamap.Access), s.add(t, "whole.txt", "the first"))
	s.Break(t)
	err := s.add(t, "photo-of more.txt", "the second")
	if err == nil || lasting(err) {
		t.Errorf("expected an error that may pass by itself, got %v", err)
	}
	clean(t, err)
	s.Mend(t)
	does(t, s.add(t, "photo-of more.txt", "the second"), s.Desk.Answer(t.Context(), AnsweredFiles))
	given(t, s, "the first", "the second")
}

func deskCancelled(t *testing.T, s Subject) {
	does(t, s.Desk.Ask(t.Context(), datamap.Access))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for doing, err := range map[string]error{
		"add": s.Desk.Add(ctx, "photo-of me.txt", strings.NewReader("x")), "answer": s.Desk.Answer(ctx, AnsweredNothing),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: expected the context's end to be the error, got %v", doing, err)
		}
		clean(t, err)
	}
	waits(t, s, true)
}
