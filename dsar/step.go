package dsar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// The stages of a request's work (docs/decisions/001-seams.md).
const (
	stageLocate   = "locate"
	stageDiscover = "discover"
	stageArchive  = "archive"
	stageErase    = "erase"
	stageMentions = "mentions"
	stageKept     = "kept" // rows whose time has come, long after the rest
)

// noteLimit bounds what is still written of a step whose own context is over.
const noteLimit = 5 * time.Second

// errSuperseded: another run or a later attempt has taken the step over. It
// writes the results; this one leaves without a word.
var errSuperseded = errors.New("the step has been taken over")

// stepRow is a step as it was claimed. Attempts is a fencing token: each claim
// counts it up, and whatever is written afterwards names it, so a process that
// hung and comes back cannot write over the one that took its step.
type stepRow struct {
	ID         int64
	RequestID  int64
	Stage      string
	Source     string
	Run        int
	Attempts   int
	Carrier    *int64
	Carries    bool    // others
	NoteXID    *string `db:"note_xid"`
	NoteCipher []byte
}

// A finish is what ends a step that went well.
type finish struct {
	note any // what the step has to remember, sealed into its row; nil: nothing new
	// write writes what the stage found or did, in the transaction that ends the
	// step. The request's row is locked: of two steps that end at once, the second
	// sees the first one's end, and exactly one of them goes on to what follows.
	write func(ctx context.Context, tx pgx.Tx, r requestRow) error
}

// runStep carries out a step that was claimed.
func (s *Service) runStep(ctx context.Context, st stepRow) error {
	r, err := loadRequest(ctx, s.db, st.RequestID, false)
	if err != nil {
		return s.failStep(ctx, st, err)
	}
	if !wanted(st, r.Status) {
		return s.dropStep(ctx, st)
	}
	var end finish
	switch st.Stage {
	case stageLocate:
		end, err = s.locate(ctx, st, r)
	case stageDiscover:
		end, err = s.discover(ctx, st, r)
	case stageArchive:
		end, err = s.seal(ctx, st, r)
	case stageErase:
		end, err = s.erase(ctx, st, r)
	case stageMentions:
		end, err = s.mentions(ctx, st, r)
	case stageKept:
		end, err = s.finishKept(ctx, st, r)
	default:
		err = &Permanent{Code: "unknown_stage", Err: errors.New("this version does not know the stage " + st.Stage)}
	}
	if err == nil {
		err = s.endStep(ctx, st, end)
	}
	switch {
	case err == nil, errors.Is(err, errSuperseded):
		return nil
	case errors.Is(err, ErrMore):
		return s.pauseStep(ctx, st)
	default:
		return s.failStep(ctx, st, err)
	}
}

// wanted tells whether a request in this status still needs the step. An erasure
// that has left a note is always finished: its source may have committed.
func wanted(st stepRow, status Status) bool {
	switch st.Stage {
	case stageLocate:
		return status == Received || status == InReview
	case stageDiscover:
		return status == Received || status == InReview
	case stageErase:
		return status == Running || st.NoteXID != nil
	case stageKept:
		return true // it comes long after the request's end
	default:
		return status == Running
	}
}

// A step or letter that is looked up by its number has its status compared as
// coalesce(status, ''): Postgres would else take a partial index over what is
// open for the shorter way, and read all that waits for each that it looks up.

const stepColumns = "id, request_id, stage, source, run, attempts, carrier, note_xid, note_cipher"

// notesOf are what the steps of one stage of a request have noted, in the order of their sources.
func notesOf[T any](ctx context.Context, s *Service, db pg.DB, requestID int64, stage string) ([]T, error) {
	type row struct {
		ID         int64
		NoteCipher []byte
	}
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, note_cipher FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS e (number, stage, n) JOIN steps s ON s.request_id = e.number
		WHERE s.stage = e.stage AND note_cipher IS NOT NULL ORDER BY source`, requestID, stage)
	var list []row
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[row])
	}
	if err != nil {
		return nil, fmt.Errorf("notes of request %d (%s): %w", requestID, stage, err)
	}
	notes := make([]T, len(list))
	for i, x := range list {
		if err := s.openJSON(place(stepOf, x.ID), x.NoteCipher, &notes[i]); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// claimStep marks a step with a job of its own as running. A step that is running
// already is claimed too: the queue runs a job twice only when it has given the
// first one up.
func (s *Service) claimStep(ctx context.Context, w Work) (stepRow, bool, error) {
	rows, err := s.c.Pool.Query(ctx, `
		UPDATE steps t SET status = 'running', started_at = @now, finished_at = NULL, attempts = attempts + 1
		WHERE id = @id AND run = @run AND coalesce(status, '') IN ('waiting', 'running') AND carrier IS NULL
		RETURNING `+stepColumns+`,
			EXISTS (SELECT FROM steps c WHERE c.carrier = t.id AND c.carrier_run = t.run AND coalesce(c.status, '') IN ('waiting', 'running')) AS carries`,
		pgx.StrictNamedArgs{"id": w.ID, "run": w.Run, "now": s.now()})
	var st stepRow
	if err == nil {
		st, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[stepRow])
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return stepRow{}, false, nil
	}
	if err != nil {
		return stepRow{}, false, fmt.Errorf("claim step %d: %w", w.ID, pg.Clean(err))
	}
	return st, true, nil
}

// stillOurs locks the step's row, or says that it was taken over.
func stillOurs(ctx context.Context, tx pgx.Tx, st stepRow) error {
	var one int
	err := pg.EachRow(ctx, tx, `
		SELECT e.n, 1 FROM unnest($1::bigint[], $2::int[], $3::int[]) WITH ORDINALITY AS e (step, run, attempts, n)
		JOIN steps t ON t.id = e.step AND t.run = e.run AND t.attempts = e.attempts AND coalesce(t.status, '') = 'running'
		ORDER BY t.id FOR UPDATE OF t`,
		st.ID, st.Run, st.Attempts).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return errSuperseded
	}
	return err
}

// endStep writes results, ledger entry and follow-up work in one transaction.
func (s *Service) endStep(ctx context.Context, st stepRow, end finish) error {
	done := stepState{status: "done"}
	if end.note != nil {
		var err error
		if done.note, err = s.sealJSON(place(stepOf, st.ID), end.note); err != nil {
			return err
		}
	}
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		r, err := loadRequest(ctx, tx, st.RequestID, true)
		if err != nil {
			return err
		}
		if !wanted(st, r.Status) {
			return s.setStep(ctx, tx, st, stepState{status: "dropped"})
		}
		if err := s.setStep(ctx, tx, st, done); err != nil {
			return err
		}
		return end.write(ctx, tx, r)
	})
}

// dropStep leaves a step undone whose request has ended.
func (s *Service) dropStep(ctx context.Context, st stepRow) error {
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return s.setStep(ctx, tx, st, stepState{status: "dropped"})
	})
	if err != nil && !errors.Is(err, errSuperseded) {
		return fmt.Errorf("drop step %d: %w", st.ID, pg.Clean(err))
	}
	return nil
}

// pauseStep puts a step back that has more to do than one job may.
func (s *Service) pauseStep(ctx context.Context, st stepRow) error {
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return s.setStep(ctx, tx, st, stepState{status: "waiting"})
	})
	switch {
	case errors.Is(err, errSuperseded):
		return nil
	case err != nil:
		return fmt.Errorf("pause step %d: %w", st.ID, pg.Clean(err))
	}
	return ErrMore
}

// failStep keeps what went wrong in words and tells the queue whether to try
// again. It works when the job's own time is over.
func (s *Service) failStep(ctx context.Context, st stepRow, cause error) error {
	f := explain(cause)
	err := pg.AtLast(ctx, s.db, noteLimit, func(ctx context.Context, tx pgx.Tx) error {
		if f.passing {
			return s.setStep(ctx, tx, st, stepState{status: "waiting", code: f.code, sentence: f.sentence})
		}
		if err := s.setStep(ctx, tx, st, stepState{status: "failed", code: f.code, sentence: f.sentence}); err != nil {
			return err
		}
		return s.note(ctx, tx, "step.failed", st.RequestID, system, map[string]any{
			"step": st.ID, "stage": st.Stage, "source": st.Source, "code": f.code})
	})
	if errors.Is(err, errSuperseded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note the failure %s of step %d: %w", f.code, st.ID, pg.Clean(err))
	}
	err = f.err(fmt.Sprintf("%s step %d", st.Stage, st.ID), cause)
	if f.code == "source_locked" {
		return &Locked{Times: st.Attempts, Err: err}
	}
	return err
}

// A stepState is how a step stands after it was worked on, with the code and
// sentence that explain it.
type stepState struct {
	status, code, sentence string
	note                   []byte // nil: as it was
}

// setStep writes the state of a step that is still ours; else it says that the
// step was taken over.
func (s *Service) setStep(ctx context.Context, tx pgx.Tx, st stepRow, to stepState) error {
	n, err := pg.EachExec(ctx, tx, `
		UPDATE steps t SET status = e.status, error = nullif(e.code, ''), message = nullif(e.sentence, ''),
			finished_at = CASE WHEN e.status = 'waiting' THEN NULL ELSE e.now END,
			-- The keys of what an erasure took have done their service.
			note_cipher = CASE WHEN e.status = 'done' AND t.stage = 'erase' THEN NULL ELSE coalesce(e.note, t.note_cipher) END
		FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[]) WITH ORDINALITY
			AS e (step, run, attempts, status, code, sentence, note, now, n)
		WHERE t.id = e.step AND t.run = e.run AND t.attempts = e.attempts AND coalesce(t.status, '') = 'running' RETURNING e.n`,
		st.ID, st.Run, st.Attempts, to.status, to.code, to.sentence, to.note, s.now())
	if err == nil && n == 0 {
		return errSuperseded
	}
	if err == nil && to.status == "waiting" && st.Carrier != nil {
		return s.ownJob(ctx, tx, Work{Kind: "step", ID: st.ID, Run: st.Run})
	}
	return err
}

// stageOver tells whether every step of a stage is done. The caller holds the
// request's row, so that no other step of it ends at the same time.
func stageOver(ctx context.Context, tx pgx.Tx, requestID int64, stage string) (bool, error) {
	var open int
	err := pg.EachRow(ctx, tx, `
		SELECT e.n, (SELECT count(*) FROM steps s WHERE s.request_id = e.request AND s.stage = e.stage AND s.status <> 'done')
		FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS e (request, stage, n)`, requestID, stage).Scan(&open)
	return open == 0, err
}

// GiveUp marks a step or letter failed whose job the queue has discarded. What
// the last attempt wrote about the reason stays.
func (s *Service) GiveUp(ctx context.Context, w Work) error {
	give := s.giveUpStep
	if w.Kind == "letter" {
		give = s.giveUpLetter
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error { return give(ctx, tx, w) })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // done, or another run's
	}
	return fault(fmt.Sprintf("give up %s %d", w.Kind, w.ID), err)
}

func (s *Service) giveUpStep(ctx context.Context, tx pgx.Tx, w Work) error {
	var requestID int64
	var stage, src, code string
	err := tx.QueryRow(ctx, `
		UPDATE steps SET status = 'failed', finished_at = @now, error = coalesce(error, 'gave_up'),
			message = coalesce(replace(message, @itself, @given_up), 'Something failed inside Lethe itself. Its log says where; retry this once it is mended.')
		WHERE id = @id AND run = @run AND status IN ('waiting', 'running')
		RETURNING request_id, stage, source, error`,
		pgx.StrictNamedArgs{"id": w.ID, "run": w.Run, "now": s.now(), "itself": byItself, "given_up": givenUp}).
		Scan(&requestID, &stage, &src, &code)
	if err != nil {
		return err
	}
	return s.note(ctx, tx, "step.failed", requestID, system, map[string]any{
		"step": w.ID, "stage": stage, "source": src, "code": code})
}

func (s *Service) giveUpLetter(ctx context.Context, tx pgx.Tx, w Work) error {
	var requestID int64
	var kind string
	var code int
	err := tx.QueryRow(ctx, `
		UPDATE letters SET status = 'failed' WHERE id = @id AND run = @run AND status = 'waiting'
		RETURNING request_id, kind, coalesce(smtp_code, 0)`, pgx.StrictNamedArgs{"id": w.ID, "run": w.Run}).
		Scan(&requestID, &kind, &code)
	if err != nil {
		return err
	}
	return s.note(ctx, tx, "letter.failed", requestID, system, map[string]any{"letter": w.ID, "kind": kind, "code": code})
}
