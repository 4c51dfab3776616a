// Package keys holds the three keysets of one installation, read from one key
// file: AEAD for what stands in the control database, a PRF for the HMACs by
// which identities are looked up, and streaming AEAD for archives. It is the
// one place that knows Tink.
//
// file.go reads and writes the file, stream.go is about archives. Erasing what
// is sealed or looked up can be done by destroying keys (DOMAIN.md, "Erased
// means"), so old keys are dropped on purpose only, never by Rotate.
package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/streamingaead"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrSealed is a ciphertext that none of our keys opens at this place: it was
// altered, stands in another row than it was made for, or its key is gone.
var ErrSealed = errors.New("cannot be decrypted: altered, moved, or sealed with a key that is not in the key file")

// macSize is what a MAC's Sum has, in bytes.
const macSize = 32

// A Set is the content of a key file. It may be used by several goroutines.
type Set struct {
	mu sync.RWMutex // Rotate writes
	set
}

// set is one state of a Set: the handles as they are written, and what they do.
type set struct {
	aead, prf, stream *keyset.Handle

	sealer   tink.AEAD
	macs     *prf.Set
	macIDs   []uint32 // primary first, then ascending
	streamer tink.StreamingAEAD
}

// New makes a fresh set.
func New() (*Set, error) {
	var h [3]*keyset.Handle
	for i, t := range templates() {
		var err error
		if h[i], err = keyset.NewHandle(t); err != nil {
			return nil, fmt.Errorf("make keys: %w", err)
		}
	}
	st, err := assemble(h)
	if err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	return &Set{set: st}, nil
}

// templates are the kinds of keys in the order of the file: AES-256-GCM,
// HMAC-SHA256, and AES-256-GCM in segments of 4 KiB, of which a stream holds one
// or two in memory: most archives are small. A file with keys for segments of
// 1 MiB, as they were made before, goes on working.
func templates() [3]*tinkpb.KeyTemplate {
	return [3]*tinkpb.KeyTemplate{
		aead.AES256GCMKeyTemplate(),
		prf.HMACSHA256PRFKeyTemplate(),
		streamingaead.AES256GCMHKDF4KBKeyTemplate(),
	}
}

// assemble makes the primitives and tries each once, so that a key file with
// keys of another kind is refused when it is read and not on the first request.
func assemble(h [3]*keyset.Handle) (set, error) {
	s := set{aead: h[0], prf: h[1], stream: h[2]}
	var err error
	if s.sealer, err = aead.New(s.aead); err != nil {
		return set{}, errors.New("the aead keys do not encrypt")
	}
	if s.macs, err = prf.NewPRFSet(s.prf); err != nil {
		return set{}, errors.New("the prf keys make no HMAC")
	}
	if s.streamer, err = streamingaead.New(s.stream); err != nil {
		return set{}, errors.New("the stream keys encrypt no stream")
	}
	for id, p := range s.macs.PRFs {
		if sum, err := p.ComputePRF(nil, macSize); err != nil || len(sum) != macSize {
			return set{}, errors.New("the prf keys make no HMAC of 32 bytes")
		}
		if id != s.macs.PrimaryID {
			s.macIDs = append(s.macIDs, id)
		}
	}
	slices.Sort(s.macIDs)
	s.macIDs = slices.Insert(s.macIDs, 0, s.macs.PrimaryID)
	return s, nil
}

// state is the present one; its parts never change, Rotate replaces it.
func (s *Set) state() set {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.set
}

// Rotate adds a new primary to each keyset; old keys stay for reading. Other
// processes must read the file again before they meet what the new keys sealed.
func (s *Set) Rotate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := [3]*keyset.Handle{s.aead, s.prf, s.stream}
	for i, t := range templates() {
		m := keyset.NewManagerFromHandle(h[i])
		id, err := m.Add(t)
		if err != nil {
			return fmt.Errorf("rotate keys: %w", err)
		}
		if err := m.SetPrimary(id); err != nil {
			return fmt.Errorf("rotate keys: %w", err)
		}
		if h[i], err = m.Handle(); err != nil {
			return fmt.Errorf("rotate keys: %w", err)
		}
	}
	st, err := assemble(h)
	if err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	s.set = st
	return nil
}

// Seal encrypts plaintext bound to a place ("identities/17").
func (s *Set) Seal(plaintext []byte, place string) ([]byte, error) {
	c, err := s.state().sealer.Encrypt(plaintext, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", place, err)
	}
	return c, nil
}

// Open decrypts what Seal made for the same place.
func (s *Set) Open(ciphertext []byte, place string) ([]byte, error) {
	p, err := s.state().sealer.Decrypt(ciphertext, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, ErrSealed)
	}
	return p, nil
}

// MAC is the HMAC of an identity under one key.
type MAC struct {
	Sum   []byte // 32 bytes
	KeyID string // Tink's number of the key, in decimal
}

// MAC computes the HMAC under the primary key over length-prefixed parts
// (controller, type, value).
func (s *Set) MAC(parts ...string) MAC {
	st := s.state()
	return st.mac(st.macs.PrimaryID, message(parts))
}

// MACs computes it under every key, primary first: look-ups use all.
func (s *Set) MACs(parts ...string) []MAC {
	st := s.state()
	msg := message(parts)
	out := make([]MAC, len(st.macIDs))
	for i, id := range st.macIDs {
		out[i] = st.mac(id, msg)
	}
	return out
}

// Has tells whether the set has the key of a MAC's KeyID.
func (s *Set) Has(keyID string) bool {
	return slices.ContainsFunc(s.state().macIDs, func(id uint32) bool { return number(id) == keyID })
}

func number(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func (s set) mac(id uint32, message []byte) MAC {
	sum, err := s.macs.PRFs[id].ComputePRF(message, macSize)
	if err != nil { // tried in assemble with this very size: only a broken build comes here
		panic(fmt.Sprintf("keys: HMAC under key %d: %v", id, err))
	}
	return MAC{Sum: sum, KeyID: number(id)}
}

// message puts each part's length before it, so that ("ab", "c") and ("a",
// "bc") differ.
func message(parts []string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
