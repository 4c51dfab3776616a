package keys_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/keys"
)

func fresh(t *testing.T) *keys.Set {
	t.Helper()
	s, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// again is what another process reads from the file that s would write.
func again(t *testing.T, s *keys.Set) *keys.Set {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatalf("expected the set to be written, got %v", err)
	}
	read, err := keys.Read(&b)
	if err != nil {
		t.Fatalf("expected to read what was written, got %v", err)
	}
	return read
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	c, err := s.Seal([]byte("png1@example.org"), "identities/17")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(c, []byte("png1")) {
		t.Error("expected the ciphertext not to hold the value")
	}
	p, err := again(t, s).Open(c, "identities/17")
	if err != nil || string(p) != "png1@example.org" {
		t.Errorf("expected another process with the same file to open it, got %v", err)
	}
	altered := bytes.Clone(c)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"in another row":      func() ([]byte, error) { return s.Open(c, "identities/18") },
		"altered":             func() ([]byte, error) { return s.Open(altered, "identities/17") },
		"cut":                 func() ([]byte, error) { return s.Open(c[:4], "identities/17") },
		"empty":               func() ([]byte, error) { return s.Open(nil, "identities/17") },
		"with another's keys": func() ([]byte, error) { return fresh(t).Open(c, "identities/17") },
	} {
		if p, err := open(); !errors.Is(err, keys.ErrSealed) || p != nil {
			t.Errorf("%s: expected ErrSealed and no plaintext, got %v", name, err)
		}
	}
}

func TestMACTellsPartsApart(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	m := s.MAC("bota", "email", "a@example.org")
	if len(m.Sum) != 32 || m.KeyID == "" {
		t.Fatalf("expected 32 bytes and a key's number, got %d and %q", len(m.Sum), m.KeyID)
	}
	if diff := cmp.Diff(m, again(t, s).MAC("bota", "email", "a@example.org")); diff != "" {
		t.Errorf("expected the same HMAC from the same file: %s", diff)
	}
	for _, other := range [][]string{
		{"bota", "emaila@example.org"}, {"bota", "email", "", "a@example.org"}, {"botae", "mail", "a@example.org"},
		{"bota", "email", "a@example.or", "g"}, {},
	} {
		if bytes.Equal(m.Sum, s.MAC(other...).Sum) {
			t.Errorf("expected other parts to have another HMAC: %q", other)
		}
	}
	if bytes.Equal(m.Sum, fresh(t).MAC("bota", "email", "a@example.org").Sum) {
		t.Error("expected another installation's HMAC to differ")
	}
}

func TestRotateKeepsWhatWasSealed(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	old, err := s.Seal([]byte("v"), "p")
	if err != nil {
		t.Fatal(err)
	}
	oldMAC, oldStream := s.MAC("c", "t", "v"), sealed(t, s, []byte("archive"), "archives/1")
	before := again(t, s)

	for range 2 {
		if err := s.Rotate(); err != nil {
			t.Fatalf("expected new primaries, got %v", err)
		}
	}
	s = again(t, s)
	if p, err := s.Open(old, "p"); err != nil || string(p) != "v" {
		t.Errorf("expected an old ciphertext to open after a rotation, got %v", err)
	}
	if p, err := opened(s, oldStream, "archives/1"); err != nil || string(p) != "archive" {
		t.Errorf("expected an old archive to open after a rotation, got %v", err)
	}
	macs := s.MACs("c", "t", "v")
	if len(macs) != 3 {
		t.Fatalf("expected an HMAC under each of three keys, got %d", len(macs))
	}
	if diff := cmp.Diff(macs[0], s.MAC("c", "t", "v")); diff != "" {
		t.Errorf("expected the primary's HMAC first: %s", diff)
	}
	found := false
	for _, m := range macs[1:] {
		found = found || cmp.Equal(m, oldMAC)
	}
	if !found {
		t.Error("expected look-ups to use the HMAC under the old key, too")
	}
	if cmp.Equal(macs[0].Sum, oldMAC.Sum) {
		t.Error("expected the new primary to be another key")
	}
	renewed, err := s.Seal([]byte("v"), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Open(renewed, "p"); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("expected the old file not to open what the new key sealed, got %v", err)
	}
}

func sealed(t *testing.T, s *keys.Set, plaintext []byte, place string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := s.SealStream(&b, place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opened(s *keys.Set, ciphertext []byte, place string) ([]byte, error) {
	r, err := s.OpenStream(bytes.NewReader(ciphertext), place)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestStreamsOfAnyLength(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const segment = 1 << 20
	for _, n := range []int{0, 1, 100, segment - 1, segment, segment + 1, 3*segment + 7} {
		plain := bytes.Repeat([]byte("x"), n)
		c := sealed(t, s, plain, "archives/7")
		got, err := opened(s, c, "archives/7")
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: expected them back, got %d and %v", n, len(got), err)
		}
		if _, err := opened(s, c, "archives/8"); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%d bytes at another place: expected ErrSealed, got %v", n, err)
		}
	}
}

func TestTruncatedAndAlteredStreamsEndInAnError(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const segment = 1 << 20
	c := sealed(t, s, bytes.Repeat([]byte("x"), 2*segment+100), "a")
	for _, n := range []int{0, 1, 40, segment - 1, segment, segment + 1, 2 * segment, len(c) - 1} {
		if _, err := opened(s, c[:n], "a"); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("cut to %d of %d bytes: expected ErrSealed, got %v", n, len(c), err)
		}
	}
	if _, err := opened(s, append(bytes.Clone(c), 'x'), "a"); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("with a byte more: expected ErrSealed, got %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		altered := bytes.Clone(c)
		altered[rapid.IntRange(0, len(c)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := opened(s, altered, "a"); !errors.Is(err, keys.ErrSealed) {
			t.Fatalf("expected ErrSealed, got %v", err)
		}
	})
}

func TestAStorageThatBreaksIsNotAnAlteredStream(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	c := sealed(t, s, bytes.Repeat([]byte("x"), 1<<21), "a")
	broken := errors.New("storage is away")
	for _, after := range []int{0, 10, 1 << 20, len(c) - 5} {
		r, err := s.OpenStream(io.MultiReader(bytes.NewReader(c[:after]), failing{broken}), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); !errors.Is(err, broken) || errors.Is(err, keys.ErrSealed) {
			t.Errorf("after %d bytes: expected the storage's own error, got %v", after, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	var good, other bytes.Buffer
	if err := fresh(t).Write(&good); err != nil {
		t.Fatal(err)
	}
	if err := fresh(t).Write(&other); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"nothing":         {"", keys.ErrEmpty},
		"blanks":          {" \n\t", keys.ErrEmpty},
		"no JSON":         {"hunter2", keys.ErrFormat},
		"another JSON":    {`{"hunter2": 1}`, keys.ErrFormat},
		"an empty object": {`{}`, keys.ErrFormat},
		"empty keysets":   {`{"aead": {}, "prf": {}, "stream": {}}`, keys.ErrFormat},
		"two documents":   {good.String() + other.String(), keys.ErrFormat},
		"half a file":     {good.String()[:good.Len()/2], keys.ErrFormat},
		"keys swapped":    {strings.NewReplacer(`"aead"`, `"prf"`, `"prf"`, `"aead"`).Replace(good.String()), keys.ErrFormat},
		"too long":        {strings.Repeat(" ", 1<<20) + good.String(), keys.ErrFormat},
		"one more key":    {strings.Replace(good.String(), "{", `{"hunter2": {},`, 1), keys.ErrFormat},
	} {
		_, err := keys.Read(strings.NewReader(c.file))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: expected %q, got %v", name, c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: expected the error not to quote the file: %v", name, err)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lethe.key")
	if _, err := keys.ReadFile(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "lethe keys new --out") {
		t.Errorf("no file: expected what to do, got %v", err)
	}
	s, err := keys.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("expected the key file to be 0600, got %v, %v", info.Mode(), err)
	}
	if _, err := keys.Create(path); !errors.Is(err, keys.ErrExists) {
		t.Errorf("expected a file that is there to stay, got %v", err)
	}
	if err := s.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(path); err != nil {
		t.Fatal(err)
	}
	read, err := keys.ReadFile(path)
	if err != nil {
		t.Fatalf("expected to read the key file, got %v", err)
	}
	if diff := cmp.Diff(s.MACs("x"), read.MACs("x")); diff != "" || len(read.MACs("x")) != 2 {
		t.Errorf("expected the rotated keys in the file: %s", diff)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ReadFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: expected a refusal that says what to do, got %v", mode, err)
		}
	}
	if _, err := keys.ReadFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: expected to be told that it is none, got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".lethe-key-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("expected no temporary file to be left, got %v, %v", left, err)
	}
}
