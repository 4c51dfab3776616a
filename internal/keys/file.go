package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// What may be wrong with a key file; no text quotes it.
var (
	ErrEmpty  = errors.New("the key file is empty; make one with: lethe keys new --out FILE")
	ErrFormat = errors.New("this is not a key file of lethe, or it is damaged; restore it from its backup (a new one does not open what the old one sealed)")
	ErrExists = errors.New("there is a file already; a key file is never overwritten, for what it sealed would be lost")
)

// fileLimit is far above what a hundred rotations make.
const fileLimit = 1 << 20

// document is the key file: three Tink keysets in JSON, in clear.
type document struct {
	AEAD   json.RawMessage `json:"aead"`
	PRF    json.RawMessage `json:"prf"`
	Stream json.RawMessage `json:"stream"`
}

// Read parses a key file. Errors never quote it.
func Read(r io.Reader) (*Set, error) {
	data, err := io.ReadAll(io.LimitReader(r, fileLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, ErrEmpty
	}
	if len(data) > fileLimit {
		return nil, ErrFormat
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var doc document
	if err := dec.Decode(&doc); err != nil { // its text quotes what it met
		return nil, ErrFormat
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrFormat
	}
	var h [3]*keyset.Handle
	for i, part := range []struct {
		name string
		json json.RawMessage
	}{{"aead", doc.AEAD}, {"prf", doc.PRF}, {"stream", doc.Stream}} {
		if len(part.json) == 0 {
			return nil, fmt.Errorf("%w (%s is missing)", ErrFormat, part.name)
		}
		h[i], err = insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(part.json)))
		if err != nil { // its text may quote what it met
			return nil, fmt.Errorf("%w (%s cannot be read)", ErrFormat, part.name)
		}
	}
	st, err := assemble(h)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrFormat, err)
	}
	return &Set{set: st}, nil
}

// Write writes the set as a key file (JSON keysets in clear; the file must be
// 0600, which Create and Replace see to).
func (s *Set) Write(w io.Writer) error {
	st := s.state()
	var parts [3]bytes.Buffer
	for i, h := range []*keyset.Handle{st.aead, st.prf, st.stream} {
		if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&parts[i])); err != nil {
			return fmt.Errorf("write keys: %w", err)
		}
	}
	data, err := json.MarshalIndent(document{
		AEAD: parts[0].Bytes(), PRF: parts[1].Bytes(), Stream: parts[2].Bytes(),
	}, "", "  ")
	if err != nil {
		return errors.New("write keys: a keyset is not JSON") // the error's text may quote a key
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// ReadFile reads a key file that only its owner may read.
func ReadFile(path string) (*Set, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key file %s; make one with: lethe keys new --out %s: %w", path, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat() // of what was opened, not of what stands there by now
	if err != nil {
		return nil, fmt.Errorf("look at the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the key file %s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s is open to others than its owner (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	s, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return s, nil
}

// Create makes a fresh set and its file, 0600. A file that is there stays.
func Create(path string) (*Set, error) {
	s, err := New()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("key file %s: %w", path, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("make the key file: %w", err)
	}
	if err := s.finish(f); err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("make the key file %s: %w", path, err)
	}
	return s, nil
}

// Replace writes the set over its file, after Rotate. A crash leaves either
// the old file or the new one, never half of one.
func (s *Set) Replace(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("replace the key file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".lethe-key-*") // 0600
	if err != nil {
		return fmt.Errorf("replace the key file: %w", err)
	}
	if err := s.finish(f); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("replace the key file %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("replace the key file: %w", err)
	}
	return nil
}

// finish writes the set to f, down to the disk, and closes it.
func (s *Set) finish(f *os.File) error {
	return errors.Join(s.Write(f), f.Sync(), f.Close())
}
