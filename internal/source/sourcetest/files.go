package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
)

// Contents are the files that the factory puts into a store, by key.
func Contents() map[string]string {
	return map[string]string{
		"pavla@example.org/photo-of me.jpg": "the first file", "attachments/2.pdf": "the second", "top.txt": "",
		"ключ/ž.pdf": "the fourth", "attachments/deep/er/5.bin": strings.Repeat("\x00\xff0123456789", 50_000),
	}
}

// filePromises are what a store of files promises, by name.
func filePromises() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"files are given as they are":  filesGiven,
		"a missing file is told apart": fileMissing,
		"files go, and go again":       filesGo,
		"very many files go":           manyGo,
		"two delete at once":           twoDelete,
		"a store that is down says so": filesDown,
		"a cancelled context ends it":  filesCancelled,
		"a closed store says so":       filesClosed,
	}
}

// content reads a file.
func content(ctx context.Context, s Subject, key string) (string, error) {
	r, err := s.Files.Open(ctx, key)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

func filesGiven(t *testing.T, s Subject) {
	for key, want := range Contents() {
		got, err := content(t.Context(), s, key)
		if err != nil {
			t.Errorf("expected each file to be given: %v", err)
		}
		if got != want {
			t.Errorf("expected %d bytes as they are, got %d others", len(want), len(got))
		}
	}
}

func fileMissing(t *testing.T, s Subject) {
	for _, key := range []string{"nobody.pdf", "", " ", "attachments", "attachments/", "../top.txt", "a\x00b", "\xff", strings.Repeat("long/", 900), "top.txt/below"} {
		if _, err := content(t.Context(), s, key); !errors.Is(err, source.ErrNoFile) {
			t.Errorf("expected %.20q to be told as no file, got %v", key, err)
		}
		done, err := s.Files.Delete(t.Context(), []string{key})
		if err != nil || done.Gone != 0 || done.Missing != 1 {
			t.Errorf("expected the deletion of %.20q to be a success that found nothing, got %+v, %v", key, done, err)
		}
	}
	for key := range Contents() {
		if !s.Has(t, key) {
			t.Errorf("expected %s to be left alone", key)
		}
	}
}

func filesGo(t *testing.T, s Subject) {
	keys := []string{"pavla@example.org/photo-of me.jpg", "ключ/ž.pdf", "nobody.pdf"}
	done, err := s.Files.Delete(t.Context(), keys)
	if err != nil || done.Gone != 2 || done.Missing != 1 {
		t.Errorf("expected two files gone and one missing, got %+v, %v", done, err)
	}
	if done, err = s.Files.Delete(t.Context(), keys); err != nil || done.Gone != 0 || done.Missing != 3 {
		t.Errorf("expected a second run to be a success that finds nothing, got %+v, %v", done, err)
	}
	for key := range Contents() {
		if s.Has(t, key) != (key != keys[0] && key != keys[1]) {
			t.Errorf("expected exactly the files named to be gone; %s is not as it should be", key)
		}
	}
	if done, err = s.Files.Delete(t.Context(), nil); err != nil || done != (source.Deleted{}) {
		t.Errorf("expected nothing of no keys, got %+v, %v", done, err)
	}
}

func manyGo(t *testing.T, s Subject) {
	const many = 1200 // more than one listing or one bulk deletion of S3 takes
	var keys []string
	for i := range many {
		keys = append(keys, fmt.Sprintf("many/%d", i))
		s.Add(t, keys[i], "x")
	}
	done, err := s.Files.Delete(t.Context(), keys)
	if err != nil || done.Gone != many {
		t.Errorf("expected %d files to go, got %+v, %v", many, done, err)
	}
	for _, i := range []int{0, 1000, many - 1} {
		if s.Has(t, keys[i]) {
			t.Errorf("expected file %d to be gone", i)
		}
	}
}

func twoDelete(t *testing.T, s Subject) {
	var keys []string
	for key := range Contents() {
		keys = append(keys, key)
	}
	var wait sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wait.Go(func() { _, errs[i] = s.Files.Delete(t.Context(), keys) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("expected both to succeed, got %v", err)
	}
	for _, key := range keys {
		if s.Has(t, key) {
			t.Errorf("expected %s to be gone", key)
		}
	}
}

// eachFile calls every method that reaches the store.
func eachFile(ctx context.Context, s Subject) map[string]error {
	errs := map[string]error{}
	_, errs["open"] = content(ctx, s, "pavla@example.org/photo-of me.jpg")
	_, errs["open a missing one"] = content(ctx, s, "pavla@example.org/none")
	_, errs["delete"] = s.Files.Delete(ctx, []string{"pavla@example.org/photo-of me.jpg", "attachments/2.pdf"})
	_, errs["delete a missing one"] = s.Files.Delete(ctx, []string{"pavla@example.org/none"})
	return errs
}

// A store that is not there must never be taken for one without files: what was
// not erased would be called erased.
func filesDown(t *testing.T, s Subject) {
	without(t, s.Break == nil || s.Mend == nil, "break the way to the store")
	s.Break(t)
	for doing, err := range eachFile(t.Context(), s) {
		if err == nil || errors.Is(err, source.ErrNoFile) {
			t.Errorf("%s: expected the store to be said to be down, got %v", doing, err)
		}
		clean(t, err)
	}
	s.Mend(t)
	done, err := s.Files.Delete(t.Context(), []string{"attachments/2.pdf"})
	if err != nil || done.Gone != 1 {
		t.Errorf("expected it to go on where it stopped, got %+v, %v", done, err)
	}
}

func filesCancelled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for doing, err := range eachFile(ctx, s) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: expected the context's end to be the error, got %v", doing, err)
		}
		clean(t, err)
	}
	for key := range Contents() {
		if !s.Has(t, key) {
			t.Errorf("expected nothing to be deleted, %s is", key)
		}
	}
}

func filesClosed(t *testing.T, s Subject) {
	without(t, s.Close == nil, "be closed")
	s.Close()
	for doing, err := range eachFile(t.Context(), s) {
		if err == nil || errors.Is(err, source.ErrNoFile) {
			t.Errorf("%s: expected a closed store to say so, got %v", doing, err)
		}
		clean(t, err)
	}
}
