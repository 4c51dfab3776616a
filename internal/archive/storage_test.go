package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/lethe-dsr/lethe/internal/keys"
)

func openTest(t *testing.T) (*Storage, string) {
	t.Helper()
	set, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "archives")
	s, err := OpenStorage(t.Context(), "file://"+dir, set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing a storage: %v", err)
		}
	})
	return s, dir
}

func put(t *testing.T, s *Storage, object, text string) {
	t.Helper()
	w, err := s.Create(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // safe after Close
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestStorageRoundTrip(t *testing.T) {
	t.Parallel()
	s, dir := openTest(t)
	text := strings.Repeat("jana@example.org ", 100_000)
	put(t, s, "ab/one", text)
	r, err := s.Open(t.Context(), "ab/one")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != text {
		t.Fatalf("what was written should be read back (%v)", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range filesIn(t, dir) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("jana@")) {
			t.Error("the stored object should be encrypted")
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode 0600 expected of an object, got %v (%v)", info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode 0700 expected of the folder (%v)", err)
	}
	for range 2 { // a missing object is a success
		if err := s.Delete(t.Context(), "ab/one"); err != nil {
			t.Errorf("deleting: %v", err)
		}
	}
	if left := filesIn(t, dir); len(left) != 0 {
		t.Errorf("nothing should be left in the folder, found %d files", len(left))
	}
	var gone *Error
	if _, err := s.Open(t.Context(), "ab/one"); !errors.As(err, &gone) || gone.Code != gcerrors.NotFound {
		t.Errorf("a missing object should be an error that says so, got %v", err)
	}
}

func TestStorageRefusesAlteredObjects(t *testing.T) {
	t.Parallel()
	s, dir := openTest(t)
	put(t, s, "one", strings.Repeat("text ", 50_000))
	raw, err := os.ReadFile(filepath.Join(dir, "one"))
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(raw)
	altered[len(altered)/2] ^= 1
	for name, content := range map[string][]byte{"cut": raw[:len(raw)-10], "altered": altered, "two": raw, "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), name)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close()
		}
		if err == nil {
			t.Errorf("%s: reading an object that is not what was written under this name should fail", name)
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	s, dir := openTest(t)
	w, err := s.Create(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if err := w.Close(); err == nil {
		t.Error("Close after Abort should be an error: nothing was committed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	if w, err = s.Create(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled writer should say so, got %v", err)
	}
	if left := filesIn(t, dir); len(left) != 0 {
		t.Errorf("nothing should be left in the folder, found %d files", len(left))
	}
}

// What the operating system says is told: it is what an operator has to mend.
func TestAFolderThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	s, dir := openTest(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), syscall.ENOTDIR.Error()) || strings.Contains(err.Error(), dir) {
		t.Errorf("expected to be told that the folder is none, and not where it is, got %v", err)
	}
}

func TestTidyAndCheck(t *testing.T) {
	t.Parallel()
	s, dir := openTest(t)
	put(t, s, "kept", "x")
	if err := os.WriteFile(filepath.Join(dir, "dead.18aa.tmp"), []byte("part"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a folder that works should pass the check: %v", err)
	}
	if n, err := s.Tidy(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("what was begun within the hour should stay, %d removed (%v)", n, err)
	}
	if n, err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("one left-over expected to be removed, not %d (%v)", n, err)
	}
	if left := filesIn(t, dir); len(left) != 1 {
		t.Errorf("only the object should be left, found %d files", len(left))
	}
}

func TestStorageErrorsHoldNoAddress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"file://" + file, "s3://secret-bucket/prefix", "secret://x", "file://secret/x", "file:secret", "%zz-secret", "file:///tmp/x?secret=1",
		"s3://secret-bucket?secret=1",
	} {
		_, err := OpenStorage(t.Context(), url, nil)
		if err == nil {
			t.Errorf("%s: an error was expected", url)
			continue
		}
		if text := err.Error(); strings.Contains(text, file) || strings.Contains(text, "secret-") || strings.Contains(text, "secret=") {
			t.Errorf("the error should not hold the address: %s", text)
		}
	}
	s, dir := openTest(t)
	if err := os.Mkdir(filepath.Join(dir, "object-of-somebody"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := s.Open(t.Context(), "object-of-somebody")
	if err == nil || strings.Contains(err.Error(), "somebody") {
		t.Errorf("an error without the object's key was expected, got %v", err)
	}
}
