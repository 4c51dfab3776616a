package web

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// How long a session lives: untouched, and in all.
const (
	sessionIdle     = 30 * time.Minute
	sessionLifetime = 12 * time.Hour
)

// What stands in a session: numbers, and messages to be shown once. Nothing of
// a subject's.
const (
	keyStaff = "staff"      // int64
	keySince = "since"      // int64, Unix seconds of the sign-in
	keyFlash = "flash"      // string
	keyTone  = "flash-tone" // string
)

func newSessions(staff *Staff, now func() time.Time, secure bool, fail func(http.ResponseWriter, *http.Request, error)) *scs.SessionManager {
	// Not scs.New: that starts a store in memory, whose goroutine nothing can
	// stop for sure. The zero value lacks only a name of its own among several managers.
	m := &scs.SessionManager{Codec: scs.GobCodec{}, Store: &sessionStore{pool: staff.pool, now: now}}
	m.HashTokenInStore = true
	m.IdleTimeout = sessionIdle
	m.Lifetime = sessionLifetime
	m.ErrorFunc = fail
	m.Cookie.Name = "lethe_session"
	if secure {
		m.Cookie.Name = "__Host-lethe_session" // a browser then insists on Secure and Path=/
	}
	m.Cookie.Path = "/"
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Secure = secure
	m.Cookie.Persist = false
	return m
}

// sessionStore keeps sessions in Postgres, under the hash of their token. scs
// reckons expiry by the machine's clock; this store reckons by its own, as
// everything here does: idle here, the lifetime in signedIn.
type sessionStore struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

var _ scs.CtxStore = (*sessionStore)(nil)

// FindCtx returns the data of a live session.
func (s *sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, false, nil //nolint:nilerr // no token of ours: no session
	}
	var data []byte
	err = s.pool.QueryRow(ctx, `SELECT data FROM sessions WHERE token_hash = @hash AND expires_at > @now`,
		pgx.StrictNamedArgs{"hash": hash, "now": s.now()}).Scan(&data)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("find session: %w", pg.Clean(err))
	}
	return data, true, nil
}

// CommitCtx stores a session's data, for the idle time from now. One that has
// ended stays so: a page that was loading when somebody signed out is stored after that.
func (s *sessionStore) CommitCtx(ctx context.Context, token string, data []byte, _ time.Time) error {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	_, err = s.pool.Exec(ctx, `
		INSERT INTO sessions (token_hash, data, expires_at) VALUES (@hash, @data, @expires)
		ON CONFLICT (token_hash) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at WHERE sessions.expires_at > @now`,
		pgx.StrictNamedArgs{"hash": hash, "data": data, "now": s.now(), "expires": s.now().Add(sessionIdle)})
	if err != nil {
		return fmt.Errorf("store session: %w", pg.Clean(err))
	}
	return nil
}

// DeleteCtx ends a session. Its hash stays until it is swept, for CommitCtx.
func (s *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil //nolint:nilerr // no token of ours: no session to end
	}
	if _, err = s.pool.Exec(ctx, `UPDATE sessions SET data = '', expires_at = @now WHERE token_hash = @hash`,
		pgx.StrictNamedArgs{"hash": hash, "now": s.now()}); err != nil {
		return fmt.Errorf("end session: %w", pg.Clean(err))
	}
	return nil
}

// sweep deletes sessions that have been dead for longer than any page loads, and
// used-up sign-in links; at each sign-in, which is often enough for as few as there are.
func (s *Staff) sweep(ctx context.Context, now time.Time) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE expires_at <= @now`, pgx.StrictNamedArgs{"now": now.Add(-sessionLifetime)})
	if err == nil {
		_, err = s.pool.Exec(ctx, `DELETE FROM tokens WHERE purpose = 'signin' AND (expires_at <= @now OR uses_left = 0)`,
			pgx.StrictNamedArgs{"now": now})
	}
	if err != nil {
		return fmt.Errorf("delete dead sessions: %w", pg.Clean(err))
	}
	return nil
}

// scs asks for these, and calls them for a store without a context only.

// Find is FindCtx.
func (s *sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx.
func (s *sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete is DeleteCtx.
func (s *sessionStore) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}
