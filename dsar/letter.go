package dsar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// letterRow is a letter as it was claimed.
type letterRow struct {
	ID        int64
	RequestID int64
	Run       int
	Carrier   *int64
	Carries   bool // others
	Kind      string
	Recipient string
	Cipher    []byte
	MessageID string
}

// sentContent is what is sealed of a letter, with what sending adds to it.
type sentContent struct {
	letterContent
	// Again: the DPO has had it sent once more after a final refusal.
	Again bool `json:"again,omitempty"`
}

// sendLetter sends a letter that was claimed. A final refusal of the mail
// server (5xx) is a *Permanent error: the letter stays failed, in the DPO's
// sight, until retry. What else comes back is worth another try, later.
//
// The letter is sent outside any transaction, and noted as sent afterwards. The
// only way to a second copy is that the process or the connection dies between
// the server's acceptance and our note; the copy then has the same Message-ID,
// so that mail programs show it once.
func (s *Service) sendLetter(ctx context.Context, l letterRow, m Mailer) error {
	id := l.ID
	letter, c, wanted, err := s.compose(ctx, l)
	if err != nil {
		return fmt.Errorf("compose letter %d: %w", id, pg.Clean(err))
	}
	if !wanted {
		_, err := s.db.Exec(ctx, `UPDATE letters SET status = 'dropped' WHERE id = $1 AND run = $2 AND status = 'waiting'`, l.ID, l.Run)
		return fault(fmt.Sprintf("drop letter %d", id), err)
	}
	started := s.now()
	messageID, err := s.send(ctx, letter, m)
	if err != nil {
		return s.notSent(ctx, l, c, err)
	}
	// Accepted: this must be noted, even when the job's own time is over.
	err = pg.AtLast(ctx, s.db, noteLimit, func(ctx context.Context, tx pgx.Tx) error {
		// Only one that may end the request needs its row: several others may belong
		// to one request, and neither wait for each other nor for the answer.
		r := requestRow{ID: l.RequestID}
		if answers(l.Kind) {
			var err error
			if r, err = loadRequest(ctx, tx, l.RequestID, true); err != nil {
				return err
			}
		}
		n, err := pg.EachExec(ctx, tx, `
			UPDATE letters l SET status = 'sent', sent_at = e.now, message_id = e.message, smtp_code = NULL, trouble = NULL
			FROM unnest($1::bigint[], $2::int[], $3::text[], $4::timestamptz[]) WITH ORDINALITY AS e (letter, run, message, now, n)
			WHERE l.id = e.letter AND l.run = e.run AND coalesce(l.status, '') = 'waiting' RETURNING e.n`, l.ID, l.Run, messageID, s.now())
		if err != nil || n == 0 {
			return err
		}
		if err := s.note(ctx, tx, "letter.sent", r.ID, system, map[string]any{"letter": l.ID, "kind": l.Kind}); err != nil {
			return err
		}
		if c.Attach {
			if err := s.attached(ctx, tx, r, started); err != nil {
				return err
			}
		}
		return s.afterLetter(ctx, tx, r, l)
	})
	return fault(fmt.Sprintf("note letter %d", id), err)
}

// send sends a letter by itself, or a notice with others (notices.go), and
// returns the Message-ID under which the server accepted it.
func (s *Service) send(ctx context.Context, l Letter, m Mailer) (messageID string, err error) {
	if l.Kind == "notice" {
		return s.sendNotice(ctx, l, m)
	}
	pg.Soon(ctx, func() { err = m.Send(ctx, l) })
	return l.MessageID, err
}

const letterColumns = "id, request_id, run, carrier, kind, recipient, cipher, message_id"

// claimLetter counts an attempt at a letter with a job of its own, if it still waits.
func (s *Service) claimLetter(ctx context.Context, w Work) (letterRow, bool, error) {
	rows, err := s.c.Pool.Query(ctx, `
		UPDATE letters l SET attempts = attempts + 1
		WHERE id = @id AND run = @run AND coalesce(status, '') = 'waiting' AND carrier IS NULL
		RETURNING `+letterColumns+`,
			EXISTS (SELECT FROM letters c WHERE c.carrier = l.id AND c.carrier_run = l.run AND coalesce(c.status, '') = 'waiting') AS carries`,
		pgx.StrictNamedArgs{"id": w.ID, "run": w.Run})
	var l letterRow
	if err == nil {
		l, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[letterRow])
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return letterRow{}, false, nil
	}
	if err != nil {
		return letterRow{}, false, fmt.Errorf("claim letter %d: %w", w.ID, pg.Clean(err))
	}
	return l, true, nil
}

// compose makes the letter from its row. It is not wanted any more when its
// contents are scrubbed, when there is nothing left to confirm, or when the
// archive that it announces is gone.
func (s *Service) compose(ctx context.Context, l letterRow) (_ Letter, c sentContent, wanted bool, err error) {
	r, err := loadRequest(ctx, s.db, l.RequestID, false)
	if err != nil || l.Cipher == nil {
		return Letter{}, c, false, err
	}
	if err := s.openJSON(place(letterOf, l.ID), l.Cipher, &c); err != nil {
		return Letter{}, c, false, err
	}
	out := Letter{
		ID: l.ID, Kind: l.Kind, MessageID: l.MessageID, To: c.To, Language: r.Language,
		Controller: s.c.Controllers[r.Controller], RequestID: r.ID, RequestKind: r.Kind,
		ReceivedAt: r.ReceivedAt, DueOn: r.DueOn, Link: c.Link, StatusLink: c.StatusLink, ExpiresAt: c.ExpiresAt,
		Reason: c.Reason, Kept: c.Kept, ByHand: c.ByHand, Mentions: c.Mentions, Told: c.Told, Recipient: c.Name, Narrowed: c.Narrowed,
	}
	switch l.Kind {
	case "confirm", "remind":
		return out, c, r.Status == Received || r.Status == InReview, nil
	case "notice":
		out.Reason, out.Notices = "", []Notice{{r.ID, c.Reason}}
	case letterAsk, letterAskAgain:
		wanted, err := s.composeAsk(ctx, r, l.Recipient, &out)
		return out, c, wanted, err
	case "erased":
		findings, err := findingsOf(ctx, s.db, r.ID)
		left := s.leaves(r.Policy)
		out.Findings, out.Coded, out.Remains, out.Changed = left.withoutKept(findings), left.coded, left.remains, changed(findings) > 0
		for i, f := range out.Findings {
			if slices.Contains(c.Unreached, f.Collection) {
				out.Findings[i].Rows, out.Findings[i].Stays = f.Rows-f.Stays, 0 // told in Kept, with its own reason
			}
		}
		return out, c, true, err
	case "archive":
		a, err := s.liveArchive(ctx, s.db, r.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return out, c, false, nil
		}
		if c.Attach {
			out.Attachment = func(ctx context.Context) (string, io.ReadCloser, error) {
				in, err := s.c.Storage.Open(ctx, a.Object)
				if err != nil {
					return "", nil, &storageError{err}
				}
				return a.name(), in, nil
			}
		}
		return out, c, true, err
	}
	return out, c, true, nil
}

// attached records that the archive went along with the letter.
func (s *Service) attached(ctx context.Context, tx pgx.Tx, r requestRow, started any) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO deliveries (archive_id, how, actor, started_at, finished_at)
		SELECT id, 'attachment', 'subject', @started, @now FROM archives WHERE request_id = @request`,
		pgx.StrictNamedArgs{"request": r.ID, "started": started, "now": s.now()})
	if err != nil {
		return fmt.Errorf("note the attachment of request %d: %w", r.ID, err)
	}
	return nil
}

// answers tells whether a letter of this kind is the answer to a request.
func answers(kind string) bool { return kind == "archive" || kind == "erased" || kind == "nothing" }

// afterLetter does what a letter's acceptance brings: the one that answers the
// request fulfils it; a recipient who was written to has been told.
func (s *Service) afterLetter(ctx context.Context, tx pgx.Tx, r requestRow, l letterRow) error {
	switch {
	case answers(l.Kind):
		if r.Status != Running {
			return nil
		}
		return s.moveLocked(ctx, tx, r, Fulfilled, system, map[string]any{"letter": l.ID})
	case l.Kind == "notice":
		err := pg.Put(ctx, tx, `
			UPDATE notices t SET told_at = e.now FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) AS e (request, recipient, now)
			WHERE t.request_id = e.request AND t.recipient = e.recipient`, r.ID, l.Recipient, s.now())
		if err != nil {
			return fmt.Errorf("note that %s was told of request %d: %w", l.Recipient, r.ID, err)
		}
	}
	return nil
}

// notSent keeps the code of a failure, never its text, which quotes addresses.
//
// A letter that ends an erasure, or says that nothing was found, and that the
// server refused for good even when the DPO had it sent again, ends the
// request: its work is done, and its records must not wait for ever to be
// scrubbed. The DPO has seen that the person is to be told by another way.
func (s *Service) notSent(ctx context.Context, l letterRow, c sentContent, cause error) error {
	var mail *MailError
	if !errors.As(cause, &mail) {
		mail = &MailError{Doing: "sending"}
		if store := (*storageError)(nil); errors.As(cause, &store) {
			mail.Doing = "reading the archive"
		}
	}
	if !mail.Final {
		err := pg.AtLast(ctx, s.db, noteLimit, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `UPDATE letters SET smtp_code = nullif($3, 0), trouble = $4 WHERE id = $1 AND run = $2 AND status = 'waiting'`,
				l.ID, l.Run, mail.Code, mail.Doing)
			if err != nil || tag.RowsAffected() == 0 || l.Carrier == nil || l.Kind == "notice" {
				return err
			}
			return s.ownJob(ctx, tx, Work{Kind: "letter", ID: l.ID, Run: l.Run})
		})
		if err != nil {
			return fmt.Errorf("note the failure of letter %d: %w", l.ID, pg.Clean(err))
		}
		return fmt.Errorf("letter %d: %w", l.ID, mail)
	}
	err := pg.AtLast(ctx, s.db, noteLimit, func(ctx context.Context, tx pgx.Tx) error {
		r, err := loadRequest(ctx, tx, l.RequestID, true)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE letters SET status = 'failed', smtp_code = nullif($3, 0), trouble = $4 WHERE id = $1 AND run = $2 AND status = 'waiting'`,
			l.ID, l.Run, mail.Code, mail.Doing)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := s.note(ctx, tx, "letter.failed", l.RequestID, system, map[string]any{
			"letter": l.ID, "kind": l.Kind, "code": mail.Code}); err != nil {
			return err
		}
		if c.Again && r.Status == Running && (l.Kind == "erased" || l.Kind == "nothing") {
			return s.move(ctx, tx, r.ID, Fulfilled, system, map[string]any{"letter": "undeliverable"})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note the failure of letter %d: %w", l.ID, pg.Clean(err))
	}
	return &Permanent{Code: fmt.Sprintf("mail_%d", mail.Code), Err: fmt.Errorf("letter %d: %w", l.ID, mail)}
}
