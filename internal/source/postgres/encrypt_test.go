package postgres_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// opened decrypts what aes_encrypt wrote, as whoever holds the request's secret can.
func opened(t *testing.T, secret []byte, text string) string {
	t.Helper()
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("aes key\x00\x00"))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) < gcm.NonceSize() {
		t.Fatalf("expected base64 of nonce and ciphertext, got %q", text)
	}
	plain, err := gcm.Open(nil, data[:gcm.NonceSize()], data[gcm.NonceSize():], nil)
	if err != nil {
		t.Fatalf("expected the request's secret to open it: %v", err)
	}
	return string(plain)
}

// TestEncrypted: a policy that asks for aes_encrypt has it, in columns, arrays
// and documents: reversible with the request's secret, equal values stay equal,
// nobody else's are touched, and NULL stays NULL.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text, name text, nick text, tags text[], more jsonb, short varchar(20));
			INSERT INTO people VALUES (1, 'a@x.example', 'Ada "B" <x>', NULL, ARRAY['one', NULL, 'Ada "B" <x>'], '{"of": [{"word": "w"}, {"word": 7}], "else": "e"}', 's'),
				(2, 'A@x.example', 'Ada "B" <x>', 'n', '{}', NULL, NULL), (3, 'c@x.example', 'Cyd', 'n', '{one}', '{"of": {"word": "w"}}', 's');`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
          - {name: nick, data_categories: [user.name]}
          - {name: tags, data_categories: [user.name], fides_meta: {data_type: "string[]"}}
          - name: more
            fields: [{name: of, fides_meta: {data_type: "object[]"}, fields: [{name: word, data_categories: [user.name]}]}]
          - {name: short, data_categories: [user.name.first]}
`)
		lock := datamap.Policy{Name: "lock", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{
			{Categories: []string{"user.name.first"}, Strategy: &datamap.Masking{Strategy: "null_rewrite"}},
			{Categories: []string{"user.name"}, Strategy: &datamap.Masking{Strategy: "aes_encrypt", Mode: "GCM"}}}}
		plan, err := datamap.Compile(m, lock, []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		s := sourceOf(t, pool, "w", o)
		walk := source.Walk{Plan: plan, Seeds: seeds("email", "a@x.example")}
		if _, err := s.Erase(t.Context(), walk, source.Holds{}, noNote); err == nil || !strings.Contains(err.Error(), "secret of the request (aes_encrypt)") {
			t.Fatalf("expected a request without a secret to be refused, got %v", err)
		}
		walk.Secret = []byte(strings.Repeat("k", 32))
		done, err := s.Erase(t.Context(), walk, source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		if f := by(done.Findings)["people"]; f.Masked != 2 {
			t.Errorf("expected two rows to be masked, got %+v", f)
		}
		one := func(sql string) string { return text(t, pool, "SELECT coalesce(("+sql+")::text, 'NULL')") }
		const name = `Ada "B" <x>`
		if a, b := one("SELECT name FROM people WHERE id = 1"), one("SELECT name FROM people WHERE id = 2"); a != b || opened(t, walk.Secret, a) != name {
			t.Errorf("expected equal values to stay equal, and to open, got %q and %q", a, b)
		}
		if got := opened(t, walk.Secret, one("SELECT tags[3] FROM people WHERE id = 1")); got != name {
			t.Errorf("expected the elements of an array to be encrypted, got %q", got)
		}
		if got := opened(t, walk.Secret, one("SELECT more #>> '{of,1,word}' FROM people WHERE id = 1")); got != "7" {
			t.Errorf("expected what stands in a document to be encrypted, got %q", got)
		}
		for sql, want := range map[string]string{
			"SELECT nick FROM people WHERE id = 1": "NULL", "SELECT tags[2] FROM people WHERE id = 1": "NULL", "SELECT more ->> 'else' FROM people WHERE id = 1": "e",
			"SELECT short FROM people WHERE id = 1": "NULL", "SELECT tags FROM people WHERE id = 2": "{}",
			"SELECT concat_ws(',', name, nick, tags, more, short) FROM people WHERE id = 3": `Cyd,n,{one},{"of": {"word": "w"}},s`,
		} {
			if got := one(sql); got != want {
				t.Errorf("%s: expected %s, got %s", sql, want, got)
			}
		}
		rest, err := s.Look(t.Context(), walk, source.Holds{}, done.Keys)
		if err != nil {
			t.Fatal(err)
		}
		if f := by(rest.Findings)["people"]; f.Rows != 0 {
			t.Errorf("expected the second look to find nothing, got %+v", f)
		}

		lock.Rules = lock.Rules[1:]
		misfits, err := s.Misfits(t.Context(), m, lock)
		if err != nil {
			t.Fatal(err)
		}
		if said := fmt.Sprint(misfits); !strings.Contains(said, "w.people.short an erasure by the policy lock cannot mask it: what is encrypted has at least 40 letters") {
			t.Errorf("expected a column that is too short to be told, got %s", said)
		}
	})
}
