package dsar

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// moves is the whole life of a request: from each status, where it may go.
// What is not listed is refused with a sentence. Nothing leads out of an end:
// whoever was refused or lapsed asks anew, and the new request has its own month.
var moves = map[Status][]Status{
	Received: {InReview, Refused, Withdrawn, Lapsed},
	InReview: {Running, Refused, Withdrawn},
	// Withdrawn only while nothing but people's answers is awaited (withdraw).
	Running: {Fulfilled, Withdrawn},
}

// words for a status, as they stand in sentences.
var statusWords = map[Status]string{
	Received:  "received and not confirmed yet",
	InReview:  "in review",
	Running:   "being carried out",
	Fulfilled: "fulfilled",
	Refused:   "refused",
	Withdrawn: "withdrawn",
	Lapsed:    "lapsed",
}

// notNow says in a sentence why a request cannot go where it was sent.
func notNow(id int64, from, to Status) error {
	if !from.isOpen() {
		return &NotNow{fmt.Sprintf("Request %d is %s, which is an end: nothing more can be done with it.", id, statusWords[from])}
	}
	if from == Received && to == Running {
		return &NotNow{fmt.Sprintf("Request %d is %s: verify the identities yourself, or wait for the person's confirmation.", id, statusWords[from])}
	}
	if from == to {
		return &NotNow{fmt.Sprintf("Request %d is %s already.", id, statusWords[from])}
	}
	return &NotNow{fmt.Sprintf("Request %d is %s: it cannot become %s from there.", id, statusWords[from], statusWords[to])}
}

// defaultScrubAfter is how long identities stay in clear to Lethe after the
// end, for letters that bounce, where the controller does not say.
const defaultScrubAfter = 7 * 24 * time.Hour

// move is the one place where a status changes. It locks the row, looks the
// move up in the table, and writes the ledger entry "request.<status>" with it.
// At an end it sets the time of scrubbing, drops what still waited, and lets
// erasures go that waited for this request.
func (s *Service) move(ctx context.Context, tx pgx.Tx, id int64, to Status, actor string, data map[string]any) error {
	r, err := loadRequest(ctx, tx, id, true)
	if err != nil {
		return err
	}
	return s.moveLocked(ctx, tx, r, to, actor, data)
}

// moveLocked is the rest of move, for who has just loaded and locked the row.
func (s *Service) moveLocked(ctx context.Context, tx pgx.Tx, r requestRow, to Status, actor string, data map[string]any) (err error) {
	id := r.ID
	if !slices.Contains(moves[r.Status], to) {
		return notNow(id, r.Status, to)
	}
	var finished, scrub *time.Time
	if !to.isOpen() {
		if finished, scrub, err = s.ending(ctx, tx, r, to); err != nil {
			return err
		}
	}
	_, err = pg.EachExec(ctx, tx, `
		UPDATE requests r SET status = e.status, finished_at = e.finished, scrub_at = e.scrub,
			brought_cipher = CASE WHEN e.finished IS NULL THEN r.brought_cipher END
		FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS e (id, status, finished, scrub) WHERE r.id = e.id`,
		id, string(to), finished, scrub)
	if err != nil {
		return fmt.Errorf("move request %d to %s: %w", id, to, err)
	}
	if err := s.note(ctx, tx, "request."+string(to), id, actor, data); err != nil {
		return err
	}
	if to.isOpen() {
		return nil
	}
	return s.end(ctx, tx, r, *finished)
}

// ending says when a request that may end now ends, and when it is scrubbed.
func (s *Service) ending(ctx context.Context, tx pgx.Tx, r requestRow, to Status) (finished, scrub *time.Time, err error) {
	if to == Fulfilled {
		// A request is never fulfilled while a step of its work is not.
		var open int
		err := pg.EachRow(ctx, tx, `
			SELECT e.n, (SELECT count(*) FROM steps s
				WHERE s.request_id = e.number AND s.stage IN ('ask', 'archive', 'erase', 'mentions') AND s.status <> 'done')
			FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n)`, r.ID).Scan(&open)
		if err != nil {
			return nil, nil, fmt.Errorf("end request %d: %w", r.ID, err)
		}
		if open > 0 {
			return nil, nil, &NotNow{fmt.Sprintf("Request %d is not fulfilled yet: %d of its steps are still open.", r.ID, open)}
		}
	}
	after := defaultScrubAfter
	if c := s.c.Controllers[r.Controller]; c.ScrubAfter > 0 {
		after = c.ScrubAfter
	}
	now := s.now()
	then := now.Add(after)
	return &now, &then, nil
}

// end does what every end brings with it.
func (s *Service) end(ctx context.Context, tx pgx.Tx, r requestRow, now time.Time) error {
	_, err := pg.EachExec(ctx, tx, `
		UPDATE steps s SET status = 'dropped', finished_at = e.now FROM unnest($1::bigint[], $2::timestamptz[]) AS e (request, now)
		WHERE s.request_id = e.request AND s.status IN ('waiting', 'running', 'asked', 'failed')`, r.ID, now)
	if err != nil {
		return fmt.Errorf("end request %d: %w", r.ID, err)
	}
	for _, sql := range []string{
		`UPDATE letters SET status = 'dropped' WHERE request_id = ANY($1) AND kind IN ('confirm', 'remind', 'ask', 'ask_again') AND status = 'waiting'`,
		`UPDATE asks SET remind_at = NULL WHERE request_id = ANY($1) AND remind_at IS NOT NULL`,
		`DELETE FROM tokens WHERE request_id = ANY($1) AND purpose IN ('confirm', 'ask')`,
	} {
		if err := pg.Put(ctx, tx, sql, r.ID); err != nil {
			return fmt.Errorf("end request %d: %w", r.ID, err)
		}
	}
	return s.release(ctx, tx, r.ID)
}

// release lets the erasures go that waited for this request: those approved
// already start at once.
func (s *Service) release(ctx context.Context, tx pgx.Tx, id int64) error {
	rows, err := pg.Each(ctx, tx, `
		SELECT e.n, `+requestColumns+` FROM unnest($1::bigint[]) WITH ORDINALITY AS e (awaited, n) JOIN requests r ON r.waits_for = e.awaited
		WHERE coalesce(status, '') IN ('received', 'in_review') ORDER BY id FOR UPDATE OF r`, id)
	if err != nil {
		return fmt.Errorf("release what waits for request %d: %w", id, err)
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowToStructByName[requestRow])
	if err != nil {
		return fmt.Errorf("release what waits for request %d: %w", id, err)
	}
	for _, w := range waiting {
		if err := pg.Claim(tx, requestKey(w.ID)); err != nil {
			return err
		}
		ids, err := s.identitiesOf(ctx, tx, w.ID)
		if err != nil {
			return err
		}
		if err := s.link(ctx, tx, w, ids); err != nil { // perhaps to another one
			return err
		}
		if w.ApprovedAt == nil {
			continue
		}
		if w, err = loadRequest(ctx, tx, w.ID, true); err != nil { // what it waits for may have changed
			return err
		}
		again := false
		if w.WaitsFor == nil {
			if again, err = s.approvalOver(ctx, tx, w, ids); err != nil {
				return err
			}
		}
		if again {
			continue
		}
		if err := s.start(ctx, tx, w, system); err != nil {
			return err
		}
	}
	return nil
}

// start begins the work of an approved request: people are asked, and then one
// archive step over all sources, or at once one erase step for each; and the status running. An erasure that
// still waits for the same subject's access is left waiting, and a request that
// runs already is left running: calling it once too often does no harm. The
// caller holds the request's row and gives it as it stands now.
func (s *Service) start(ctx context.Context, tx pgx.Tx, r requestRow, actor string) error {
	if r.ApprovedAt == nil {
		return &NotNow{fmt.Sprintf("Request %d has not been approved yet.", r.ID)}
	}
	if r.WaitsFor != nil || r.Status == Running {
		return nil
	}
	if err := s.moveLocked(ctx, tx, r, Running, actor, nil); err != nil {
		return err
	}
	desks := s.desksOf(r.Controller)
	for _, name := range desks {
		if err := s.ask(ctx, tx, r, name, actor); err != nil {
			return err
		}
	}
	if r.Kind != datamap.Erasure {
		if len(desks) > 0 {
			return nil // the archive is made once they have answered
		}
		return s.addStep(ctx, tx, r.ID, stageArchive, "")
	}
	return s.addSteps(ctx, tx, r.ID, stageErase)
}

func nonNil(data map[string]any) map[string]any {
	if data == nil {
		return map[string]any{}
	}
	return data
}
