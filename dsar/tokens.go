package dsar

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// manyUses is for links that may be opened as often as one likes, until they expire.
const manyUses = 1 << 30

// statusKept is how long the status page stays after the day the answer is due.
const statusKept = 90 * 24 * time.Hour

// newToken makes the secret part of a link: 256 random bits, of which only the
// SHA-256 is kept (rule 5 of "What always holds"). identities are those that a
// confirmation proves.
func (s *Service) newToken(ctx context.Context, tx pgx.Tx, purpose string, requestID int64, identities []int64, uses int, ttl time.Duration) (string, error) {
	var raw [32]byte
	if _, err := io.ReadFull(s.c.Rand, raw[:]); err != nil {
		return "", fmt.Errorf("token for request %d: %w", requestID, err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	of := make([]string, len(identities))
	for i, id := range identities {
		of[i] = strconv.FormatInt(id, 10)
	}
	now := s.now()
	err := pg.Put(ctx, tx, `
		INSERT INTO tokens (hash, purpose, request_id, identities, uses_left, created_at, expires_at)
		SELECT hash, purpose, request_id, string_to_array(identities, ' ')::bigint[], uses_left, created_at, expires_at
		FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::timestamptz[], $7::timestamptz[])
			AS e (hash, purpose, request_id, identities, uses_left, created_at, expires_at)`,
		tokenHash(token), purpose, requestID, strings.Join(of, " "), uses, now, now.Add(ttl))
	if err != nil {
		return "", fmt.Errorf("token for request %d: %w", requestID, err)
	}
	return token, nil
}

// tokenHash is what is kept of a token, and what it is looked up by.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// statusToken makes a token for the status page of a request. identities are
// those beside whose address the link is mailed; none for the one that whoever
// fills in a form is shown.
func (s *Service) statusToken(ctx context.Context, tx pgx.Tx, r requestRow, identities []int64) (string, error) {
	ttl := max(r.DueOn.Add(statusKept).Sub(s.now()), statusKept)
	return s.newToken(ctx, tx, "status", r.ID, identities, manyUses, ttl)
}

// statusLink makes a link to the status page of a request, for a letter to the
// address of these identities; nil: to the address on record, so of all proved ones.
func (s *Service) statusLink(ctx context.Context, tx pgx.Tx, r requestRow, identities []int64) (string, error) {
	if identities == nil {
		ids, err := s.identitiesOf(ctx, tx, r.ID)
		if err != nil {
			return "", err
		}
		identities = provedIDs(ids)
	}
	token, err := s.statusToken(ctx, tx, r, identities)
	if err != nil {
		return "", err
	}
	return s.publicURL(r.Controller) + "/status/" + token, nil
}

// provedIDs are the numbers of the proved identities.
func provedIDs(ids []ProvedIdentity) (proved []int64) {
	for _, id := range ids {
		if !id.ProvedAt.IsZero() {
			proved = append(proved, id.ID)
		}
	}
	return proved
}

// TokenInfo is what a page may show before the button is pressed: no personal data.
type TokenInfo struct {
	RequestID  int64
	Kind       datamap.Kind
	Controller Controller
	Status     Status
	ReceivedAt time.Time
	DueOn      time.Time
	ExpiresAt  time.Time
	UsesLeft   int
	Size       int64 // download: bytes
	// Joined: an earlier request of the same person took this one in.
	Joined bool
	// CanWithdraw: the subject may still take the request back.
	CanWithdraw bool
}

// Token looks at a link without using it. Wrong, used, expired and foreign
// tokens all give ErrNoToken.
func (s *Service) Token(ctx context.Context, token, purpose string) (TokenInfo, error) {
	row, err := s.loadToken(ctx, s.db, token, purpose, false)
	if err != nil {
		return TokenInfo{}, fault("look at a link", err)
	}
	return s.tokenInfo(row), nil
}

// tokenRow is a token that is valid now, with what pages show of its request.
type tokenRow struct {
	Identities []int64
	UsesLeft   int
	ExpiresAt  time.Time
	RequestID  int64
	Kind       datamap.Kind
	Controller string
	Status     Status
	ReceivedAt time.Time
	DueOn      time.Time
	Joined     bool
	Size       int64
	Own        bool // it may take the request back
}

// loadToken finds a token that may be used now, or ErrNoToken. A confirmation
// needs a request that can still be confirmed; a download needs an archive that
// is still there.
func (s *Service) loadToken(ctx context.Context, db pg.DB, token, purpose string, forUpdate bool) (tokenRow, error) {
	sql := `
		SELECT t.identities, t.uses_left, t.expires_at, r.id AS request_id, r.kind, r.controller, r.status,
		       r.received_at, r.due_on, r.joined_into IS NOT NULL AS joined, coalesce(a.size, 0) AS size,
		       r.channel <> 'form' OR r.status = 'received' OR EXISTS (
		           SELECT FROM identities i WHERE i.id = ANY(t.identities) AND i.proved_at IS NOT NULL) AS own
		FROM tokens t
		JOIN requests r ON r.id = t.request_id
		LEFT JOIN archives a ON a.request_id = r.id AND a.deleted_at IS NULL AND a.expires_at > $3
		WHERE t.hash = $1 AND t.purpose = $2 AND t.expires_at > $3 AND t.uses_left > 0
		  AND (t.purpose <> 'confirm' OR r.status IN ('received', 'in_review'))
		  AND (t.purpose <> 'download' OR a.id IS NOT NULL)`
	if forUpdate {
		sql += ` FOR UPDATE OF t`
	}
	rows, err := db.Query(ctx, sql, tokenHash(token), purpose, s.now())
	if err != nil {
		return tokenRow{}, err
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[tokenRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenRow{}, ErrNoToken
	}
	return row, err
}

func (s *Service) tokenInfo(t tokenRow) TokenInfo {
	return TokenInfo{
		RequestID: t.RequestID, Kind: t.Kind, Controller: s.c.Controllers[t.Controller], Status: t.Status,
		ReceivedAt: t.ReceivedAt, DueOn: t.DueOn, ExpiresAt: t.ExpiresAt, UsesLeft: t.UsesLeft, Size: t.Size, Joined: t.Joined,
		CanWithdraw: t.Own && (t.Status == Received || t.Status == InReview),
	}
}

// Confirm uses a confirmation link: it proves the identities that the link was
// made for, and no others.
func (s *Service) Confirm(ctx context.Context, token string) (TokenInfo, error) {
	row, err := s.loadToken(ctx, s.db, token, "confirm", false)
	if err != nil {
		return TokenInfo{}, fault("confirm", err)
	}
	p := proof{identities: row.Identities, how: byLink, actor: subject}
	err = s.withProof(ctx, row.RequestID, p, func(tx pgx.Tx, r requestRow) error {
		// Only now is the token locked: the request's row comes first everywhere.
		var err error
		if row, err = s.loadToken(ctx, tx, token, "confirm", true); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE tokens SET uses_left = uses_left - 1, used_at = $2 WHERE hash = $1`,
			tokenHash(token), s.now())
		if err != nil {
			return err
		}
		if err = s.prove(ctx, tx, r, p); err != nil {
			return err
		}
		after, err := loadRequest(ctx, tx, r.ID, false)
		row.Status, row.DueOn, row.Joined = after.Status, after.DueOn, after.JoinedInto != nil
		row.UsesLeft--
		return err
	})
	if err != nil {
		return TokenInfo{}, fault("confirm", err)
	}
	return s.tokenInfo(row), nil
}

// WithdrawByToken lets the subject take the request back with the status link.
// A letter says so, but only where the request was confirmed: nobody can make
// Lethe write to a stranger by filing a request and withdrawing it.
//
// Once a request from the public form is confirmed, only a link that was mailed
// to an address so proved takes it back. Else somebody could file in another
// person's name, wait until that person's own request is joined into it, and
// end both.
func (s *Service) WithdrawByToken(ctx context.Context, token string) error {
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		row, err := s.loadToken(ctx, tx, token, "status", false)
		if err != nil {
			return err
		}
		if _, err := loadRequest(ctx, tx, row.RequestID, true); err != nil {
			return err
		}
		// Again, now that nobody can confirm in between.
		if row, err = s.loadToken(ctx, tx, token, "status", false); err != nil {
			return err
		}
		if !row.Own && row.Status != Received {
			return &NotNow{"This request has been confirmed: take it back by the link to its status in the mail that asked for the confirmation."}
		}
		return s.withdraw(ctx, tx, row.RequestID, subject)
	})
	return fault("withdraw by link", err)
}
