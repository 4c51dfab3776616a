// Package keys holds the three keysets of one installation, read from one key
// file: AEAD for what stands in the control database, a PRF for the HMACs by
// which identities are looked up, and streaming AEAD for archives. (Tink.)
package keys

import "io"

// A Set is the content of a key file.
type Set struct{ set }

type set struct{}

// New makes a fresh set.
func New() (*Set, error) { panic("to be built") }

// Read parses a key file. Errors never quote it.
func Read(r io.Reader) (*Set, error) { panic("to be built") }

// Write writes the set as a key file (JSON keysets in clear; the file must be 0600).
func (s *Set) Write(w io.Writer) error { panic("to be built") }

// Rotate adds a new primary to each keyset; old keys stay for reading.
func (s *Set) Rotate() error { panic("to be built") }

// Seal encrypts plaintext bound to a place ("identities/17").
func (s *Set) Seal(plaintext []byte, place string) ([]byte, error) { panic("to be built") }

// Open decrypts what Seal made for the same place.
func (s *Set) Open(ciphertext []byte, place string) ([]byte, error) { panic("to be built") }

// MAC is the HMAC of an identity under one key.
type MAC struct {
	Sum   []byte // 32 bytes
	KeyID string
}

// MAC computes the HMAC under the primary key over length-prefixed parts
// (controller, type, value).
func (s *Set) MAC(parts ...string) MAC { panic("to be built") }

// MACs computes it under every key, primary first: look-ups use all.
func (s *Set) MACs(parts ...string) []MAC { panic("to be built") }

// SealStream returns a writer that encrypts to w; Close finishes the stream.
func (s *Set) SealStream(w io.Writer, place string) (io.WriteCloser, error) { panic("to be built") }

// OpenStream decrypts; a truncated or altered stream ends in an error, which
// may come after data was released: abort the response then.
func (s *Set) OpenStream(r io.Reader, place string) (io.Reader, error) { panic("to be built") }
