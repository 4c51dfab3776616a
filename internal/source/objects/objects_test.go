package objects

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
)

func folder(t *testing.T, files ...string) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New("files", "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // a test's folder
	return s, dir
}

// What a row holds as a key is anything; none of it leads out of the folder,
// removes a folder, or stops an erasure.
func TestOddKeysAreMissingFiles(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "a/real.pdf", "empty/x")
	if err := os.Remove(filepath.Join(dir, "empty/x")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(dir), "outside-"+filepath.Base(dir))
	if err := os.WriteFile(outside, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(outside) //nolint:errcheck // a test's file
	odd := []string{
		"", " ", ".", "..", "../" + filepath.Base(outside), "a/../../" + filepath.Base(outside), "a", "a/", "empty", "empty/", "a/..", "/",
		"a/real.pdf/further", "a/real.pdf.attrs", strings.Repeat("x", 5000), "nul\x00", "bad\xffutf8", "nobody.pdf", "//", "a//nobody.pdf",
	}
	for _, key := range odd {
		if r, err := s.Open(t.Context(), key); !errors.Is(err, source.ErrNoFile) {
			t.Errorf("key %q: expected no file, got %v, %v", key, r, err)
		}
	}
	done, err := s.Delete(t.Context(), odd)
	if err != nil || done.Gone != 0 || done.Missing != int64(len(odd)) {
		t.Errorf("expected %d missing files and no error, got %+v, %v", len(odd), done, err)
	}
	for _, path := range []string{outside, filepath.Join(dir, "a/real.pdf"), filepath.Join(dir, "empty")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("expected %s to be left alone: %v", path, err)
		}
	}
}

func TestDeleteTakesTheFoldersThatItEmpties(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "pavla@example.org/1/photo.jpg", "shared/1.pdf", "shared/2.pdf", "top.txt")
	done, err := s.Delete(t.Context(), []string{"pavla@example.org/1/photo.jpg", "shared/1.pdf", "top.txt"})
	if err != nil || done.Gone != 3 {
		t.Fatalf("expected three files to go, got %+v, %v", done, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "shared" {
		t.Errorf("expected only the folder that still holds a file to be left, got %v, %v", entries, err)
	}
	if done, err = s.Delete(t.Context(), []string{"shared/2.pdf"}); err != nil || done.Gone != 1 {
		t.Fatalf("expected the last file to go, got %+v, %v", done, err)
	}
	if done, err = s.Delete(t.Context(), []string{"shared/2.pdf"}); err != nil || done.Missing != 1 {
		t.Errorf("expected a second deletion to be a success, and the store's own folder to stay; got %+v, %v", done, err)
	}
}

// A folder that is not there is no folder without files: to take it for one
// would call every file erased.
func TestAnAbsentFolderIsAnError(t *testing.T) {
	t.Parallel()
	s, err := New("files", "file://"+t.TempDir()+"/not/mounted")
	if err != nil {
		t.Fatal(err)
	}
	_, oerr := s.Open(t.Context(), "secret/key.pdf")
	_, derr := s.Delete(t.Context(), []string{"secret/key.pdf"})
	for doing, err := range map[string]error{"open": oerr, "delete": derr, "ping": s.Ping(t.Context())} {
		var own *Error
		if !errors.As(err, &own) || !own.Absent() || errors.Is(err, source.ErrNoFile) {
			t.Errorf("%s: expected the store to be said to be absent, got %v", doing, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "mounted")) {
			t.Errorf("%s: expected neither key nor address in %q", doing, err)
		}
	}
}

func TestOpenStreams(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, "a/real.pdf")
	r, err := s.Open(t.Context(), "a/real.pdf")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(data) != "content of a/real.pdf" {
		t.Errorf("expected the file's bytes, got %q, %v", data, err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"file:///var/lib/files": true, "s3://bucket": true, "s3://bucket?prefix=a/&region=eu-central-1": true,
		"s3://bucket?endpoint=http://127.0.0.1:9000&use_path_style=true&region=us-east-1": true,
		"file://var/lib":         false,
		"file:///":               false,
		"file:///x?y=1":          false,
		"s3://bucket/folder":     false,
		"s3://":                  false,
		"s3://key:secret@bucket": false,
		"https://x":              false,
		"mem://":                 false,
	} {
		_, err := parse(url)
		if (err == nil) != good {
			t.Errorf("%s: expected it to be admitted: %t, got %v", url, good, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("expected no password in %q", err)
		}
	}
}

// Every key that is said to be alike brings the same file, and no other does.
func TestKeysAlike(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "a/b/real.pdf", "top.txt")
	if err := os.Symlink("a/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	bucket, err := New("files", "s3://bucket")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]string{
		"a/b/real.pdf":   {"/a/b/real.pdf", "./a/b/real.pdf", "//a/b/real.pdf", "a//b/real.pdf", "/a/b//real.pdf", "a/b/real.pdf/"},
		"/a//b/real.pdf": {"a/b/real.pdf", "a/b//real.pdf"},
		"a///b/real.pdf": {"a/b/real.pdf"},
		"link/real.pdf":  {"/link//real.pdf", "a/b/real.pdf", "/a/b//real.pdf"},
		"/top.txt":       {"top.txt", "//top.txt", "./top.txt"},
	} {
		got := s.Alike(key)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("expected %q to be told for %q, got %q", w, key, got)
			}
		}
		for _, k := range append(got, key) {
			r, err := s.Open(t.Context(), k)
			if err != nil {
				t.Errorf("expected the file under %q, got %v", k, err)
				continue
			}
			r.Close() //nolint:errcheck // a test's file
		}
		if slices.Contains(got, key) {
			t.Errorf("expected no key to be told as another of itself; got %q of %q", got, key)
		}
		// A bucket on a disk may take a path for the tidy one, and takes no tidy one for another.
		if tidy := bucket.Alike(key); slices.Contains(tidy, key) || len(tidy) > 1 || len(tidy) == 1 && len(bucket.Alike(tidy[0])) != 0 {
			t.Errorf("expected the tidy spelling of %q at most, got %q", key, tidy)
		}
	}
}

// A file is found under the name that the application gave it, given and erased.
func TestFilesAsTheApplicationWroteThem(t *testing.T) {
	t.Parallel()
	for key, name := range map[string]string{
		"new\nline.txt": "new\nline.txt", "uploads//x.pdf": "uploads/x.pdf", "./uploads/x.pdf": "uploads/x.pdf", "uploads/x.pdf/": "uploads/x.pdf",
		"//deep///x.pdf": "deep/x.pdf", "a__0x2f__b": "a__0x2f__b", "x.attrs": "x.attrs",
	} {
		s, dir := folder(t, name, "other.txt")
		r, err := s.Open(t.Context(), key)
		if err != nil {
			t.Errorf("expected %q to be found under %q, got %v", name, key, err)
			continue
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(data) != "content of "+name {
			t.Errorf("key %q: expected the bytes of %q, got %q, %v", key, name, data, err)
		}
		if done, err := s.Delete(t.Context(), []string{key}); err != nil || done.Gone != 1 {
			t.Errorf("key %q: expected the file to go, got %+v, %v", key, done, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "other.txt" {
			t.Errorf("key %q: expected file and empty folders to be gone, and no other; left are %v, %v", key, entries, err)
		}
	}
}

// What the Go CDK noted beside a file goes with it; what another person's file
// is called does not make it that.
func TestAttributesGoWithTheirFile(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "photo", "photo.attrs", "letter", "letter.attrs")
	noted := `{"user.cache_control":"","user.content_type":"text/plain","user.metadata":{"by":"pavla"},"md5":"1B2M2Y8AsgTpgAmY7PhCfg=="}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "letter.attrs"), []byte(noted), 0o600); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Delete(t.Context(), []string{"photo", "letter"}); err != nil || done.Gone != 2 {
		t.Fatalf("expected two files to go, got %+v, %v", done, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "photo.attrs" {
		t.Errorf("expected only the other file that is called photo.attrs to be left, got %v, %v", entries, err)
	}
}

// Links within the folder are followed; what one leads to outside of it is
// neither given nor erased, and is not told as missing.
func TestLinks(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, "bulk/2024/a.pdf", "bulk/2024/b.pdf", "bulk/c.pdf")
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "theirs.pdf"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"2024": "bulk/2024", "abs": filepath.Join(dir, "bulk/2024"), "c.pdf": "bulk/c.pdf", "around": "../" + filepath.Base(dir) + "/bulk",
		"out": out, "out.pdf": filepath.Join(out, "theirs.pdf"), "gone.pdf": filepath.Join(out, "nobody.pdf"), "hop": "out", "loop": "loop", "dangling": "nobody.pdf",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"out/theirs.pdf", "out.pdf", "gone.pdf", "hop/theirs.pdf", "out/nobody.pdf"} {
		_, oerr := s.Open(t.Context(), key)
		_, derr := s.Delete(t.Context(), []string{key})
		for doing, err := range map[string]error{"open": oerr, "delete": derr} {
			var own *Error
			if !errors.As(err, &own) || !own.Outside() || !strings.Contains(err.Error(), "leads out of the folder") || strings.Contains(err.Error(), key) {
				t.Errorf("%s %s: expected it to be refused as outside, without its key, got %v", doing, key, err)
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(out, "theirs.pdf")); err != nil || string(data) != "not ours" {
		t.Errorf("expected the file outside to be left alone, got %q, %v", data, err)
	}
	for _, key := range []string{"loop", "loop/x", "dangling"} {
		if r, err := s.Open(t.Context(), key); !errors.Is(err, source.ErrNoFile) {
			t.Errorf("key %q: expected no file, got %v, %v", key, r, err)
		}
	}
	for _, key := range []string{"2024/a.pdf", "abs/b.pdf", "around/c.pdf", "c.pdf"} {
		r, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatalf("expected %s to be given, got %v", key, err)
		}
		r.Close() //nolint:errcheck // a test's file
	}
	if done, err := s.Delete(t.Context(), []string{"2024/a.pdf", "abs/b.pdf", "c.pdf"}); err != nil || done.Gone != 3 {
		t.Errorf("expected the linked files to go, got %+v, %v", done, err)
	}
	for _, name := range []string{"bulk/2024/a.pdf", "bulk/2024/b.pdf", "bulk/c.pdf", "c.pdf"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("expected %s to be gone", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "2024")); err != nil {
		t.Errorf("expected a linked folder to stay, so that others can put files there: %v", err)
	}
}
