package postgres

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"regexp"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// The strategies hash and hmac, computed where the rows are: sha256() and
// sha512() are Postgres' own, and an HMAC is two of them (RFC 2104) over a key
// whose two padded forms are bound. Salt and key are drawn from the request's
// secret (Walk.Secret): equal values of one request stay equal, in every table
// and source, and nothing else can be joined with them once it is forgotten.
//
// As Fides has them: the digest of the value followed by the salt.

// derive gives n bytes for one purpose.
func derive(secret []byte, purpose string, n int) []byte {
	var out []byte
	for i := byte(0); len(out) < n; i++ {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(purpose))
		m.Write([]byte{0, i})
		out = m.Sum(out)
	}
	return out[:n]
}

const saltLength = 16

// digest is the digest of a text, as bytea.
func (w *writer) digest(m mask, text string) string {
	salt := w.bind("salt", func(r *run) any { return derive(r.walk.Secret, "salt", saltLength) }) + "::bytea"
	value := inUTF8(text) + " || " + salt
	f := fmt.Sprintf("sha%d", m.bits)
	if m.how == "hash" {
		return f + "(" + value + ")"
	}
	pad := func(name string, with byte) string {
		return w.bind(fmt.Sprintf("hmac %d %s", m.bits, name), func(r *run) any { return padded(r.walk.Secret, m.bits, with) }) + "::bytea"
	}
	return f + "(" + pad("outer", 0x5c) + " || " + f + "(" + pad("inner", 0x36) + " || " + value + "))"
}

// padded is the HMAC's key in one of its two forms: a block, xored with a byte.
func padded(secret []byte, bits int, with byte) []byte {
	h := sha256.New()
	if bits == 512 {
		h = sha512.New()
	}
	block := derive(secret, "key", h.BlockSize())
	for i := range block {
		block[i] ^= with
	}
	return block
}

// secret refuses a walk whose plan masks with the request's secret and that
// brings none: anybody could then tell the values by trying.
func (p *program) secret(w source.Walk) error {
	if len(w.Secret) >= 16 || p.plan.Kind != datamap.Erasure {
		return nil
	}
	if how := remember(p, secretKey{}, p.secretly); how != "" {
		return &Unfit{Source: p.source, Reasons: []string{"it masks with a secret of the request (" + how + "), and the request brings none"}}
	}
	return nil
}

// secretly is the first masking that needs a secret; "" for none.
func (p *program) secretly() string {
	for _, s := range p.stops {
		for _, m := range slices.Concat(s.masks(), s.keepMasks()) {
			if m.bits > 0 || m.how == strategyAES {
				return m.how
			}
		}
	}
	return ""
}

// quoteMeta makes a part of a regular expression of Postgres' that stands for itself.
func quoteMeta(s string) string { return regexp.QuoteMeta(s) }
