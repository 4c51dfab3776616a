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
	Unreached  []string  `json:"unreached,omitempty"`   // erased: collections that Kept tells of
	ByHand     []string  `json:"by_hand,omitempty"`     // erased: sentences
	Mentions   []string  `json:"mentions,omitempty"`    // erased: sentences
	Told       bool      `json:"told,omitempty"`        // erased: recipients are written to
	Attach     bool      `json:"attach,omitempty"`      // archive: the file goes along
	Narrowed   []string  `json:"narrowed,omitempty"`    // archive, erased, nothing: the part that was asked for
}

// A newLetter is a letter to be written.
type newLetter struct {
	Work
	requestID       int64
	kind, recipient string
	ordinal         int
	messageID       string
	status          string
	cipher          []byte
}

type addingLetters struct{}

// addLetter puts a letter into the outbox and queues its job. Where a letter of
// the same request, kind, recipient and ordinal stands already, one that was
// sent stays sent (it is not queued again), and any other is replaced. A notice
// is written into the list of those told. The caller holds the request's row, and does not
// look for the letter in this transaction.
//
// A letter without an address (c.To empty) is put down as dropped, with an
// entry in the ledger: the DPO has to tell the person by hand.
func (s *Service) addLetter(ctx context.Context, tx pgx.Tx, r requestRow, kind, recipient string, ordinal int, c letterContent) error {
	l := newLetter{
		Work: Work{Kind: "letter"}, requestID: r.ID, kind: kind, recipient: recipient, ordinal: ordinal,
		messageID: s.messageID(r, kind, recipient, ordinal), status: "waiting",
	}
	// Its contents are sealed with its number, so that comes first.
	var sent bool
	err := pg.EachRow(ctx, tx, `
		SELECT e.n, coalesce(l.id, nextval('letters_id_seq')), coalesce(l.run, 0) + 1, coalesce(l.status = 'sent', false)
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[]) WITH ORDINALITY AS e (request, kind, recipient, ordinal, n)
		LEFT JOIN letters l ON l.request_id = e.request AND l.kind = e.kind AND l.recipient = e.recipient AND l.ordinal = e.ordinal`,
		r.ID, kind, recipient, ordinal).Scan(&l.ID, &l.Run, &sent)
	if err != nil {
		return fmt.Errorf("letter %s of request %d: %w", kind, r.ID, err)
	}
	if sent {
		return nil
	}
	if answers(kind) {
		if c.Narrowed, err = s.narrowing(r); err != nil {
			return err
		}
	}
	if l.cipher, err = s.sealJSON(place(letterOf, l.ID), c); err != nil {
		return err
	}
	if c.To == "" {
		l.status = "dropped"
		if err := s.note(ctx, tx, "letter.skipped", r.ID, system, map[string]any{"kind": kind}); err != nil {
			return err
		}
	}
	return pg.Later(ctx, tx, addingLetters{}, l, s.insertLetters)
}

func (s *Service) insertLetters(ctx context.Context, tx pgx.Tx, all []newLetter) error {
	var work []Work
	var groups []group
	for _, l := range all {
		if l.status == "waiting" {
			work = append(work, l.Work)
			groups = append(groups, group{"letter", l.kind, l.recipient})
		}
	}
	jobs, by := inCompany(work, groups)
	for _, l := range all {
		by := by[l.ID]
		err := pg.Put(ctx, tx, `
			INSERT INTO letters (id, request_id, kind, ordinal, recipient, message_id, status, cipher, run, carrier, carrier_run, created_at) OVERRIDING SYSTEM VALUE
			SELECT id, request_id, kind, ordinal, recipient, message_id, status, cipher, run, nullif(carrier, 0), nullif(carrier_run, 0), now
			FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::int[], $10::bigint[], $11::int[],
				$12::timestamptz[]) AS e (id, request_id, kind, ordinal, recipient, message_id, status, cipher, run, carrier, carrier_run, now)
			ON CONFLICT (id) DO UPDATE
			SET run = excluded.run, status = excluded.status, cipher = excluded.cipher, attempts = 0, carrier = excluded.carrier,
				carrier_run = excluded.carrier_run, smtp_code = NULL, trouble = NULL, created_at = excluded.created_at`,
			l.ID, l.requestID, l.kind, l.ordinal, l.recipient, l.messageID, l.status, l.cipher, l.Run, by.ID, by.Run, s.now())
		if err != nil {
			return fmt.Errorf("add %d letters: %w", len(all), err)
		}
	}
	for _, l := range all {
		if l.kind != "notice" {
			continue
		}
		err := pg.Put(ctx, tx, `
			INSERT INTO notices (request_id, recipient, letter_id) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
			ON CONFLICT (request_id, recipient) DO UPDATE SET letter_id = excluded.letter_id`, l.requestID, l.recipient, l.ID)
		if err != nil {
			return fmt.Errorf("notice of request %d to %s: %w", l.requestID, l.recipient, err)
		}
	}
	return s.insertJobs(ctx, tx, jobs)
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
