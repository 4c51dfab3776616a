package dsar

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// maxEvents bounds a time line.
const maxEvents = 1000

// Get returns a request in full. Identities are decrypted: for staff eyes only.
func (s *Service) Get(ctx context.Context, a Actor, id int64) (Request, error) {
	var q Request
	readOnly := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pg.InTx(ctx, s.db, readOnly, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, false, false)
		if err != nil {
			return err
		}
		q = r.request()
		return s.fill(ctx, tx, r, &q)
	})
	if err != nil {
		return Request{}, fault(fmt.Sprintf("read request %d", id), err)
	}
	entries, err := ledger.List(ctx, s.c.Pool, id, maxEvents)
	if err != nil {
		return Request{}, fault(fmt.Sprintf("read the time line of request %d", id), err)
	}
	q.Timeline = timeline(entries)
	return q, nil
}

// request is what the row itself says.
func (r requestRow) request() Request {
	return Request{
		ID: r.ID, Controller: r.Controller, Kind: r.Kind, Policy: r.Policy, Status: r.Status, Channel: r.Channel,
		Delivery: r.Delivery, ReceivedAt: r.ReceivedAt.UTC(), DueOn: r.DueOn, Derivation: r.Derivation, Extended: r.ExtendedAt != nil,
		ApprovedAt: orNever(r.ApprovedAt), ApprovedBy: orEmpty(r.ApprovedBy), IncludeShared: r.IncludeShared,
		FinishedAt: orNever(r.FinishedAt), ScrubAt: orNever(r.ScrubAt), Scrubbed: r.ScrubbedAt != nil,
		Requester: Requester{As: r.Requester, Mandate: orEmpty(r.MandateKind)}, MandateBy: orEmpty(r.MandateBy),
		JoinedInto: orZero(r.JoinedInto), FirstApproval: r.firstApproval(),
	}
}

// fill reads what stands beside the row.
func (s *Service) fill(ctx context.Context, tx pgx.Tx, r requestRow, q *Request) (err error) {
	if q.Identities, err = s.identitiesOf(ctx, tx, r.ID); err != nil {
		return err
	}
	if q.Fields, err = s.fieldsOf(r); err != nil {
		return err
	}
	if q.Roots, _, err = s.rootsOf(ctx, tx, r.ID); err != nil {
		return err
	}
	q.Disagree = disagreeing(q.Roots) && undecided(q.Roots)
	if q.Findings, err = findingsOf(ctx, tx, r.ID); err != nil {
		return err
	}
	steps, err := stepsOf(ctx, tx, []int64{r.ID})
	if err != nil {
		return err
	}
	q.Steps = steps[r.ID]
	if q.Asks, err = s.asks(ctx, tx, r); err != nil {
		return err
	}
	letters, err := s.lettersOf(ctx, tx, []int64{r.ID}, true)
	if err != nil {
		return err
	}
	q.Letters = letters[r.ID]
	archives, err := archivesOf(ctx, tx, []int64{r.ID})
	if err != nil {
		return err
	}
	q.Archive = archives[r.ID]
	if r.RequesterCipher != nil {
		var c requesterContent
		if err := s.openJSON(place(requesterOf, r.ID), r.RequesterCipher, &c); err != nil {
			return err
		}
		q.Requester.Name, q.Requester.Address = c.Name, c.Address
	}
	if r.ReasonCipher != nil {
		if err := s.openJSON(place(reasonOf, r.ID), r.ReasonCipher, &q.Reason); err != nil {
			return err
		}
	}
	if q.Mentions, err = s.mentionsOf(ctx, tx, r.ID); err != nil {
		return err
	}
	q.Waiting = waiting(r, q.Steps, q.Letters, q.Disagree, q.Archive, undecidedOf(q.Mentions))
	q.Delayed = delayed(r, q.Steps, q.Letters)
	q.Missing, err = s.missing(ctx, tx, r, q.Findings)
	return err
}

// List returns requests by due day, without identities, roots, steps and
// letters; and how many there are in all. Others' controllers do not show.
func (s *Service) List(ctx context.Context, a Actor, f Filter) ([]Request, int, error) {
	statuses := f.Statuses
	if statuses == nil {
		statuses = []Status{Received, InReview, Running}
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args := pgx.StrictNamedArgs{
		"scope": a.scope(), "controller": f.Controller, "all": f.All, "statuses": statuses, "kind": f.Kind,
		"before": nullTime(f.DueBefore), "limit": limit, "offset": max(f.Offset, 0),
	}
	const where = `
		WHERE (@scope::text[] IS NULL OR controller = ANY(@scope))
		  AND (@controller = '' OR controller = @controller)
		  AND (@all OR status = ANY(@statuses::text[]))
		  AND (@kind = '' OR kind = @kind)
		  AND (@before::date IS NULL OR due_on < @before)`
	var list []Request
	var total int
	readOnly := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pg.InTx(ctx, s.db, readOnly, func(tx pgx.Tx) error {
		count := pgx.StrictNamedArgs{}
		for k, v := range args {
			if k != "limit" && k != "offset" {
				count[k] = v
			}
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM requests`+where, count).Scan(&total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+requestColumns+` FROM requests`+where+`
			ORDER BY due_on, id LIMIT @limit OFFSET @offset`, args)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[requestRow])
		if err != nil {
			return err
		}
		list, err = s.withWaiting(ctx, tx, found)
		return err
	})
	return list, total, fault("list requests", err)
}

// withWaiting adds what each request waits for, as far as that can be said
// without opening anything.
func (s *Service) withWaiting(ctx context.Context, tx pgx.Tx, rows []requestRow) ([]Request, error) {
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	steps, err := stepsOf(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	letters, err := s.lettersOf(ctx, tx, ids, false)
	if err != nil {
		return nil, err
	}
	mentioned, err := undecidedMentions(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	archives, err := archivesOf(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]Request, 0, len(rows))
	for _, r := range rows {
		q := r.request()
		q.Waiting = waiting(r, steps[r.ID], letters[r.ID], false, archives[r.ID], mentioned[r.ID])
		q.Delayed = delayed(r, steps[r.ID], letters[r.ID])
		list = append(list, q)
	}
	return list, nil
}

// stages in the order in which a request goes through them.
var stages = []string{"locate", "discover", "ask", "archive", "erase", "mentions"}

// stepsOf lists the steps of requests, by request, stage and source.
func stepsOf(ctx context.Context, db pg.DB, requestIDs []int64) (map[int64][]Step, error) {
	rows, err := db.Query(ctx, `
		SELECT request_id, id, stage, source, run, status, attempts, coalesce(error, '') AS error,
		       coalesce(message, '') AS message, started_at, finished_at
		FROM steps WHERE request_id = ANY($1)
		ORDER BY request_id, array_position($2::text[], stage), source`, requestIDs, stages)
	if err != nil {
		return nil, fmt.Errorf("list steps: %w", err)
	}
	type row struct {
		RequestID, ID         int64
		Stage, Source         string
		Run                   int
		Status                string
		Attempts              int
		Error, Message        string
		StartedAt, FinishedAt *time.Time
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("list steps: %w", err)
	}
	steps := map[int64][]Step{}
	for _, x := range list {
		steps[x.RequestID] = append(steps[x.RequestID], Step{
			ID: x.ID, Stage: x.Stage, Source: x.Source, Run: x.Run, Status: x.Status, Attempts: x.Attempts, Error: x.Error,
			Message: x.Message, StartedAt: orNever(x.StartedAt), FinishedAt: orNever(x.FinishedAt),
		})
	}
	return steps, nil
}

// lettersOf lists the letters of requests, oldest first; opened with their address.
func (s *Service) lettersOf(ctx context.Context, db pg.DB, requestIDs []int64, opened bool) (map[int64][]LetterState, error) {
	rows, err := db.Query(ctx, `
		SELECT request_id, id, kind, CASE WHEN $2 THEN cipher END AS cipher, status, attempts,
		       coalesce(smtp_code, 0) AS smtp_code, coalesce(trouble, '') AS trouble, sent_at
		FROM letters WHERE request_id = ANY($1) ORDER BY request_id, id`, requestIDs, opened)
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	type row struct {
		RequestID, ID int64
		Kind          string
		Cipher        []byte
		Status        string
		Attempts      int
		SmtpCode      int //nolint:revive // named as the column is
		Trouble       string
		SentAt        *time.Time
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	letters := map[int64][]LetterState{}
	for _, x := range list {
		l := LetterState{ID: x.ID, Kind: x.Kind, Status: x.Status, Attempts: x.Attempts, Code: x.SmtpCode, SentAt: orNever(x.SentAt)}
		if err := s.addressed(&l, x.Cipher); err != nil {
			return nil, err
		}
		l.Message = letterMessage(l, x.Trouble)
		letters[x.RequestID] = append(letters[x.RequestID], l)
	}
	return letters, nil
}

// addressed opens to whom a letter goes, unless it is scrubbed.
func (s *Service) addressed(l *LetterState, cipher []byte) error {
	if cipher == nil {
		return nil
	}
	var c letterContent
	if err := s.openJSON(place(letterOf, l.ID), cipher, &c); err != nil {
		return err
	}
	l.To, l.Nobody = c.To, c.To == ""
	return nil
}

// archivesOf are the archives of requests, by request.
func archivesOf(ctx context.Context, db pg.DB, requestIDs []int64) (map[int64]*ArchiveState, error) {
	rows, err := db.Query(ctx, `
		SELECT a.request_id, a.size, a.sha256, a.sealed_at, a.expires_at, a.deleted_at IS NOT NULL AS deleted,
		       (SELECT count(*) FROM deliveries d WHERE d.archive_id = a.id AND d.finished_at IS NOT NULL) AS deliveries
		FROM archives a WHERE a.request_id = ANY($1)`, requestIDs)
	if err != nil {
		return nil, fmt.Errorf("list archives: %w", err)
	}
	type row struct {
		RequestID, Size     int64
		SHA256              []byte
		SealedAt, ExpiresAt time.Time
		Deleted             bool
		Deliveries          int
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("list archives: %w", err)
	}
	all := make(map[int64]*ArchiveState, len(list))
	for _, x := range list {
		all[x.RequestID] = &ArchiveState{
			Size: x.Size, SHA256: hex.EncodeToString(x.SHA256), SealedAt: x.SealedAt.UTC(), ExpiresAt: x.ExpiresAt.UTC(),
			Deleted: x.Deleted, Deliveries: x.Deliveries,
		}
	}
	return all, nil
}

func orNever(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// missing lists what the letter of an open access or export request should say
// (Art. 15(1)) and does not, because it is not configured.
func (s *Service) missing(ctx context.Context, db pg.DB, r requestRow, findings []source.Finding) ([]string, error) {
	if r.Kind == datamap.Erasure || !r.Status.isOpen() {
		return nil, nil
	}
	l, err := s.letter(ctx, db, r, findings)
	var permanent *Permanent
	if errors.As(err, &permanent) {
		// A policy or map that has changed under an open request must not hide it.
		return []string{titled(permanent.Err)}, nil
	}
	if err != nil {
		return nil, err
	}
	return l.Missing(), nil
}
