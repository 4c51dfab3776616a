package web

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

// A password's length in characters. The upper bound keeps hashing cheap.
const (
	minPassword = 12
	maxPassword = 256
)

// hashing is argon2id with 19 MiB, two passes and one lane: OWASP's
// recommendation for servers.
var hashing = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashPassword checks and hashes a new password. The empty one is no password:
// such an account signs in by links only.
func hashPassword(password string) (string, error) {
	n := utf8.RuneCountInString(password)
	switch {
	case password == "":
		return "", nil
	case !utf8.ValidString(password):
		return "", fmt.Errorf("the password is not UTF-8")
	case n < minPassword:
		return "", fmt.Errorf("the password is too short: %d characters at least", minPassword)
	case n > maxPassword:
		return "", fmt.Errorf("the password is too long: %d characters at most", maxPassword)
	case strings.Count(password, password[:1]) == len(password):
		return "", fmt.Errorf("the password is one character repeated")
	}
	params := hashing
	return argon2id.CreateHash(password, &params)
}

// passwords compares passwords in the same time whether or not an account
// exists, and not too many at once: each takes 19 MiB.
type passwords struct {
	nobody string // the hash of a password that nobody knows
	turns  chan struct{}
}

func newPasswords() (*passwords, error) {
	params := hashing
	nobody, err := argon2id.CreateHash("no account has this one", &params)
	if err != nil {
		return nil, err
	}
	return &passwords{nobody: nobody, turns: make(chan struct{}, 4)}, nil
}

// match compares; hash may be empty (no such account, or one without a password).
func (p *passwords) match(ctx context.Context, password, hash string) (bool, error) {
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	against, real := hash, hash != ""
	if !real {
		against = p.nobody
	}
	if len(password) > 4*maxPassword {
		password, real = "", false
	}
	ok, err := argon2id.ComparePasswordAndHash(password, against)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return ok && real, nil
}
