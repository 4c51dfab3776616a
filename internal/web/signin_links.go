package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// tokenBytes: links hold 256 random bits, stored only as their SHA-256.
const tokenBytes = 32

// SignInLink makes a token that signs one member of staff in, once, at
// {public_url}/signin/{token}.
func SignInLink(ctx context.Context, pool *pgxpool.Pool, staffID int64, ttl time.Duration, now time.Time, rand io.Reader) (string, error) {
	var raw [tokenBytes]byte
	if _, err := io.ReadFull(rand, raw[:]); err != nil {
		return "", fmt.Errorf("sign-in link for staff %d: %w", staffID, err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	_, err := pool.Exec(ctx, `
		INSERT INTO tokens (hash, purpose, staff_id, uses_left, created_at, expires_at)
		VALUES (@hash, 'signin', @staff, 1, @now, @expires)`,
		pgx.StrictNamedArgs{"hash": hashOf(token), "staff": staffID, "now": now, "expires": now.Add(ttl)})
	if err != nil {
		return "", fmt.Errorf("sign-in link for staff %d: %w", staffID, pg.Clean(err))
	}
	return token, nil
}

// hashOf is what is stored of a token: the SHA-256 of its text.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// peekLink says whether a sign-in link would work, without using it. What does
// not is dsar.ErrNoToken, whatever the reason.
func (s *Staff) peekLink(ctx context.Context, token string, now time.Time) error {
	var one int
	err := s.pool.QueryRow(ctx, `
		SELECT 1 FROM tokens t JOIN staff m ON m.id = t.staff_id AND m.removed_at IS NULL
		WHERE t.hash = @hash AND t.purpose = 'signin' AND t.uses_left > 0 AND t.expires_at > @now`,
		pgx.StrictNamedArgs{"hash": hashOf(token), "now": now}).Scan(&one)
	return linkError(err)
}

// useLink uses a sign-in link up and returns whom it signs in.
func (s *Staff) useLink(ctx context.Context, token string, now time.Time) (staffID int64, err error) {
	err = s.pool.QueryRow(ctx, `
		UPDATE tokens t SET uses_left = t.uses_left - 1, used_at = @now
		FROM staff m
		WHERE t.hash = @hash AND t.purpose = 'signin' AND t.uses_left > 0 AND t.expires_at > @now
		  AND m.id = t.staff_id AND m.removed_at IS NULL
		RETURNING m.id`,
		pgx.StrictNamedArgs{"hash": hashOf(token), "now": now}).Scan(&staffID)
	return staffID, linkError(err)
}

func linkError(err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return dsar.ErrNoToken
	case err != nil:
		return fmt.Errorf("sign-in link: %w", pg.Clean(err))
	}
	return nil
}
