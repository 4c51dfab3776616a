package dsar

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// addStep makes a step of a request, or runs it again (the next run number,
// its error forgotten), and queues its job. source is "" for a step over all sources.
func (s *Service) addStep(ctx context.Context, tx pgx.Tx, requestID int64, stage, source string) (int64, error) { //nolint:unparam // the id is for callers to come, as addLetter has it
	var id int64
	var run int
	err := pg.EachRow(ctx, tx, `
		WITH e AS (
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) WITH ORDINALITY AS u (request_id, stage, source, now, n)),
		added AS (
			INSERT INTO steps (request_id, stage, source, status, created_at) SELECT request_id, stage, source, 'waiting', now FROM e ORDER BY n
			ON CONFLICT (request_id, stage, source) DO UPDATE
			SET run = steps.run + 1, status = 'waiting', attempts = 0, error = NULL, message = NULL,
			    started_at = NULL, finished_at = NULL, carrier = NULL, carrier_run = NULL
			RETURNING id, run, request_id, stage, source)
		SELECT e.n, added.id, added.run FROM e JOIN added USING (request_id, stage, source)`, requestID, stage, source, s.now()).Scan(&id, &run)
	if err != nil {
		return 0, fmt.Errorf("add step %s of request %d: %w", stage, requestID, err)
	}
	return id, s.enqueue(ctx, tx, Work{Kind: "step", ID: id, Run: run}, stage+" "+source)
}

// letterContent is what of a letter is personal or secret. It is sealed in
// letters.cipher, at place(letterOf, id), and gone once the request is scrubbed.
type letterContent struct {
	To         string    `json:"to"`
	Name       string    `json:"name,omitempty"`        // whom it greets
	Link       string    `json:"link,omitempty"`        // confirm, remind, archive
	ExpiresAt  time.Time `json:"expires_at,omitzero"`   // of Link
	StatusLink string    `json:"status_link,omitempty"` // the status page
	Reason     string    `json:"reason,omitempty"`      // refused, extended
	Kept       []string  `json:"kept,omitempty"`        // erased: sentences
	ByHand     []string  `json:"by_hand,omitempty"`     // erased: sentences
	Mentions   []string  `json:"mentions,omitempty"`    // erased: sentences
	Attach     bool      `json:"attach,omitempty"`      // archive: the file goes along
}

// addLetter puts a letter into the outbox and queues its job. Where a letter of
// the same request, kind, recipient and ordinal stands already, one that was
// sent stays sent (it is not queued again), and any other is replaced.
//
// A letter without an address (c.To empty) is put down as dropped, with an
// entry in the ledger: the DPO has to tell the person by hand.
func (s *Service) addLetter(ctx context.Context, tx pgx.Tx, requestID int64, kind, recipient string, ordinal int, c letterContent) (int64, error) {
	r, err := loadRequest(ctx, tx, requestID, false)
	if err != nil {
		return 0, err
	}
	status := "waiting"
	if c.To == "" {
		status = "dropped"
	}
	var id int64
	var run int
	var sent bool
	// Its contents are sealed with its number, so that comes first. The request's
	// row is locked: nobody else writes this letter meanwhile.
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, coalesce(l.id, nextval(pg_get_serial_sequence('letters', 'id'))), coalesce(l.status = 'sent', false)
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[]) WITH ORDINALITY AS e (request, kind, recipient, ordinal, n)
		LEFT JOIN letters l ON l.request_id = e.request AND l.kind = e.kind AND l.recipient = e.recipient AND l.ordinal = e.ordinal`,
		requestID, kind, recipient, ordinal).Scan(&id, &sent)
	if err != nil {
		return 0, fmt.Errorf("letter %s of request %d: %w", kind, requestID, err)
	}
	if sent {
		return id, nil
	}
	cipher, err := s.sealJSON(place(letterOf, id), c)
	if err != nil {
		return 0, err
	}
	err = pg.EachRow(ctx, tx, `
		WITH e AS (
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[]) WITH ORDINALITY
				AS u (id, request_id, kind, ordinal, recipient, message_id, status, cipher, now, n)),
		added AS (
			INSERT INTO letters (id, request_id, kind, ordinal, recipient, message_id, status, cipher, created_at)
			OVERRIDING SYSTEM VALUE
			SELECT id, request_id, kind, ordinal, recipient, message_id, status, cipher, now FROM e
			ON CONFLICT (id) DO UPDATE
			SET run = letters.run + 1, status = excluded.status, cipher = excluded.cipher, attempts = 0, carrier = NULL, carrier_run = NULL,
				smtp_code = NULL, trouble = NULL, created_at = excluded.created_at
			RETURNING id, run)
		SELECT e.n, added.run FROM e JOIN added USING (id)`,
		id, requestID, kind, ordinal, recipient, s.messageID(r, kind, recipient, ordinal), status, cipher, s.now()).Scan(&run)
	if err != nil {
		return 0, fmt.Errorf("add letter %s of request %d: %w", kind, requestID, err)
	}
	if c.To == "" {
		if err := s.note(ctx, tx, "letter.skipped", requestID, system, map[string]any{"kind": kind}); err != nil {
			return 0, err
		}
		return id, nil
	}
	return id, s.enqueue(ctx, tx, Work{Kind: "letter", ID: id, Run: run}, kind)
}

// messageID is the same whenever the same letter is made again, so that a
// second copy, if there ever is one, shows as such to the person's mail program.
func (s *Service) messageID(r requestRow, kind, recipient string, ordinal int) string {
	id := strconv.FormatInt(r.ID, 10)
	sum := s.c.Keys.MAC("message-id", id, kind, strconv.Itoa(ordinal), recipient).Sum
	who := recipient
	if who == "" {
		who = "subject"
	}
	host := "lethe.invalid"
	if u, err := url.Parse(s.publicURL(r.Controller)); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	return fmt.Sprintf("<%s.%s.%d.%s.%s@%s>", id, kind, ordinal, who, hex.EncodeToString(sum[:8]), host)
}

// publicURL is where the public pages of a controller stand, without a slash at the end.
func (s *Service) publicURL(controller string) string {
	u := s.c.PublicURL
	if c := s.c.Controllers[controller]; c.PublicURL != "" {
		u = c.PublicURL
	}
	for len(u) > 0 && u[len(u)-1] == '/' {
		u = u[:len(u)-1]
	}
	return u
}
