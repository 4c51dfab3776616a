package postgres

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The strategy aes_encrypt. Postgres cannot do it by itself, so each value to be
// masked travels once: it is read in the erasure's own transaction, encrypted
// here, and bound to the statement that masks (never written into it).
//
// AES-256 in Galois/Counter Mode, base64 of nonce and ciphertext. The key is
// drawn from the request's secret and lives as long as that does. The nonce is
// an HMAC of the value under another key, so that equal values of one request
// stay equal, as with hash, and no nonce serves two values.

const strategyAES = "aes_encrypt"

// shortestCipher is what an empty text becomes, in letters of base64: nonce (12 bytes) and tag (16).
const shortestCipher = 40

// encrypts lists the masks of a stop that encrypt.
func (s *stop) encrypts() []mask {
	return slices.DeleteFunc(slices.Concat(s.masks(), s.keepMasks()), func(m mask) bool { return m.how != strategyAES })
}

// encrypted tells whether any mask of the plan encrypts.
func (p *program) encrypted() bool {
	return slices.ContainsFunc(p.stops, func(s *stop) bool { return len(s.encrypts()) > 0 })
}

// encrypt reads the values that are to be encrypted, of the rows reached.
func (g *stage) encrypt(ctx context.Context, tx pgx.Tx, r *run) error {
	r.ciphers = nil
	for _, s := range g.p.stops {
		if r.rows[s.i] == 0 {
			continue
		}
		for i, m := range s.encrypts() {
			st := g.p.statement(fmt.Sprintf("stage %s encrypt %d %d%s", g.role, s.i, i, g.name()), func() *statement {
				w := g.writer()
				value, more := m.texts("t")
				return w.statement("SELECT DISTINCT " + value + " FROM " + s.t.ident() + " t" + more + " WHERE " + w.these(s, g.in(s), "true") + " AND " + value + " IS NOT NULL")
			})
			rows, err := tx.Query(ctx, st.sql, st.args(r)...)
			if err != nil {
				return fmt.Errorf("read what is to be encrypted: %w", err)
			}
			values, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return fmt.Errorf("read what is to be encrypted: %w", err)
			}
			if err := r.encrypt(values); err != nil {
				return err
			}
		}
	}
	return nil
}

// texts is each text that the mask is for, in a row under an alias, and what joins the FROM list for it.
func (m mask) texts(alias string) (value, more string) {
	name := col(alias, m.column.name)
	switch m.column.class {
	case classArray:
		return "e.v", " CROSS JOIN LATERAL unnest(" + name + "::text[]) AS e(v)"
	case classJSON:
		p := &place{in: m.column, path: m.field.Path()}
		return "(e.v #>> '{}')", " CROSS JOIN LATERAL " + p.found(p.document(alias))
	}
	return name + "::text", ""
}

// encrypt adds what becomes of some values.
func (r *run) encrypt(values []string) error {
	block, err := aes.NewCipher(derive(r.walk.Secret, "aes key", 32))
	if err != nil {
		return fmt.Errorf("make the cipher: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return fmt.Errorf("make the cipher: %w", err)
	}
	if r.ciphers == nil {
		r.ciphers = map[string]string{}
	}
	for _, v := range values {
		h := hmac.New(sha256.New, derive(r.walk.Secret, "aes nonce", 32))
		h.Write([]byte(v))
		nonce := h.Sum(nil)[:gcm.NonceSize()]
		r.ciphers[v] = base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte(v), nil))
	}
	return nil
}

// encryptedText is what becomes of a text: looked up among what was encrypted,
// in an object of JSON, which finds a key without reading all of them.
func (w *writer) encryptedText(m mask, text string) string {
	list := w.bind("encrypted", func(r *run) any {
		if r.ciphers == nil {
			return "{}"
		}
		doc, _ := json.Marshal(r.ciphers) // texts always have a JSON form
		return string(doc)
	})
	return fmt.Sprintf("(left(%s::jsonb ->> %s, %d) || %s::text)", list, text, m.letters, w.constant(m, "suffix", m.suffix))
}

// encryptedForm is that of a text which looks encrypted.
func (m mask) encryptedForm() string {
	return fmt.Sprintf("^[A-Za-z0-9+/]{%d,}={0,2}%s$", min(shortestCipher, m.letters)-2, quoteMeta(m.suffix))
}

// sampleCipher is the shortest that an encrypted value can be.
func (m mask) sampleCipher() string { return strings.Repeat("A", shortestCipher) + m.suffix }
