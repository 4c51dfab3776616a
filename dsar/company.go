package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Where many requests wait for the same, one job carries them out together: the
// step (or letter) whose job begins takes others along that wait at its stage
// and source, as their carrier. Each is carried out by the same code as alone,
// with its own findings, record and letter; what they ask of the databases goes
// there together (pg.Together). One that fails gets a job of its own, and stops
// none of the rest. A kill leaves the carrier's job to be run again: it finds
// those that it carried by its number and run. A later job of the carrier (it
// failed, and was retried) leaves them alone: the earlier one may be at them.

const (
	// Besides the carrier. With more, one statement in a source does more of the work
	// (of 400 hardly so), and a slow source keeps more waiting for each other.
	companyMost = 199
	lettersMost = 99 // the same of letters: a slow mail server must not take a job's whole time
	// packedMost are packed at once: a small subject's rows, up to 1 MiB, wait in
	// memory for their archive.
	packedMost = 15
	// lettersAtOnce are sent at once by one job: a server counts connections, and
	// a kill leaves so many letters of which nobody knows whether they were taken,
	// beside those of the moment before (pg.Soon).
	lettersAtOnce = 2
	// ownJobAfter gives what could not be done in company a moment's rest.
	ownJobAfter = 2 * time.Second
)

// RunStep carries out one step, and where many wait others like it. It is safe to run again after a kill at any point.
// A *Permanent error is not retried; what else comes back is, ErrMore at once and without counting, *Locked later and without. A stale run number, a step that is done
// and a request that has ended in the meantime are no errors: there is nothing to do.
func (s *Service) RunStep(ctx context.Context, id int64, run int) error {
	own := Work{Kind: "step", ID: id, Run: run}
	st, found, err := s.claimStep(ctx, own)
	if err != nil {
		return err
	}
	if !found { // its own work is done, perhaps not that of others
		if st.Carries, err = s.carries(ctx, own); err != nil || !st.Carries {
			return err
		}
	}
	defer s.gates.enter(ctx, st.Stage+" "+st.Source)()
	var others []stepRow
	if st.Carries || st.Stage != stageKept {
		if others, err = company[stepRow](ctx, s, own, st.Stage, st.Source); err != nil {
			return err
		}
	}
	return workInCompany(ctx, s, own, found, append([]stepRow{st}, others...), s.runStep)
}

// SendLetter sends one letter, and where many wait others. Its errors are those
// of the letter whose number is given.
func (s *Service) SendLetter(ctx context.Context, id int64, run int, m Mailer) error {
	own := Work{Kind: "letter", ID: id, Run: run}
	l, found, err := s.claimLetter(ctx, own)
	if err != nil {
		return err
	}
	if !found {
		if l.Carries, err = s.carries(ctx, own); err != nil || !l.Carries {
			return err
		}
	}
	defer s.gates.enter(ctx, "letters "+l.Kind)()
	others, err := company[letterRow](ctx, s, own, l.Kind, l.Recipient)
	if err != nil {
		return err
	}
	m = inTurn{m, make(chan struct{}, lettersAtOnce)}
	return workInCompany(ctx, s, own, found, append([]letterRow{l}, others...), func(ctx context.Context, l letterRow) error {
		err := s.sendLetter(ctx, l, m)
		if err != nil && l.Kind == "notice" && !errors.As(err, new(*Permanent)) {
			return sameMail{err}
		}
		return err
	})
}

// workInCompany carries out a job's own work, which comes first and may not have
// been found, with that of others.
func workInCompany[row interface{ number() int64 }](ctx context.Context, s *Service, own Work, found bool, all []row, do func(context.Context, row) error) error {
	errs := pg.Together(ctx, s.c.Pool, len(all), func(ctx context.Context, i int) error {
		if i == 0 && !found {
			return nil
		}
		return do(ctx, all[i])
	})
	others := make([]int64, 0, len(all))
	for _, o := range all[1:] {
		others = append(others, o.number())
	}
	return s.parted(ctx, own, others, errs)
}

func (st stepRow) number() int64 { return st.ID }

func (l letterRow) number() int64 { return l.ID }

// A group is work that one job may carry out together: steps of a stage and
// source, letters of a kind (their stage).
type group struct{ kind, stage, source string }

// most is how many a job takes along.
func (g group) most() int {
	switch {
	case g.kind == "letter":
		return lettersMost
	case g.stage == stageArchive:
		return packedMost
	}
	return companyMost
}

// companions claims those whom a job takes along: what it carries already, and
// what is alike and waits for its first attempt, with all that this would carry:
// else its job, which comes later, had a small company of its own.
var companions = map[string]string{
	"step": companionsOf("steps", "t.stage = @stage AND t.source = @source AND t.finished_at IS NULL", "'waiting', 'running'", "o.status = 'running'",
		"status = 'running', started_at = @now, finished_at = NULL, attempts = attempts + 1", stepColumns),
	// At a later attempt none is added: the mail that an earlier one may have sent has to be made again (sameMail).
	"letter": companionsOf("letters", "t.kind = @stage AND t.recipient = @source", "'waiting'", "o.status = 'waiting' AND o.attempts = 1",
		"attempts = attempts + 1", letterColumns),
}

// companionsOf writes the statement: what is alike, in which states it is still
// to be done, when the job's own may take others along, and what claims it.
func companionsOf(table, alike, open, own, claim, columns string) string {
	return strings.NewReplacer("TABLE", table, "ALIKE", alike, "OPEN", open, "OWN", own, "CLAIM", claim, "COLUMNS", columns).Replace(`
		WITH carried AS (
			SELECT id FROM TABLE WHERE carrier = @id AND carrier_run = @run AND coalesce(status, '') IN (OPEN) ORDER BY id LIMIT @most FOR UPDATE SKIP LOCKED),
		free AS (
			SELECT t.id, t.run FROM TABLE t
			WHERE ALIKE AND t.status = 'waiting' AND t.carrier IS NULL AND t.attempts = 0 AND t.id <> @id
			  AND EXISTS (SELECT FROM TABLE o WHERE o.id = @id AND o.run = @run AND o.carrier IS NULL AND OWN)
			ORDER BY t.id LIMIT @most - (SELECT count(*) FROM carried) FOR UPDATE OF t SKIP LOCKED),
		led AS (
			SELECT f.id, ARRAY(SELECT o.id FROM TABLE o WHERE o.carrier = f.id AND o.carrier_run = f.run AND coalesce(o.status, '') = 'waiting') AS others FROM free f),
		chosen AS (
			SELECT id || others AS ids, sum(1 + cardinality(others)) OVER (ORDER BY id) + (SELECT count(*) FROM carried) AS many FROM led),
		claimed AS (
			UPDATE TABLE SET carrier = @id, carrier_run = @run, CLAIM
			WHERE id = ANY(ARRAY(SELECT id FROM carried UNION ALL SELECT unnest(ids) FROM chosen WHERE many <= @most))
			RETURNING COLUMNS)
		SELECT *, false AS carries FROM claimed ORDER BY id`)
}

// inTurn sends so many letters at once as its turns hold.
type inTurn struct {
	Mailer
	turns chan struct{}
}

// Send sends a letter when its turn has come.
func (t inTurn) Send(ctx context.Context, l Letter) error {
	select {
	case t.turns <- struct{}{}:
	case <-ctx.Done():
		return &MailError{Doing: "connecting"}
	}
	defer func() { <-t.turns }()
	return t.Mailer.Send(ctx, l)
}

// carries tells whether others are left that this job carries.
func (s *Service) carries(ctx context.Context, w Work) (yes bool, err error) {
	sql := `SELECT EXISTS (SELECT FROM steps WHERE carrier = $1 AND carrier_run = $2 AND coalesce(status, '') IN ('waiting', 'running'))`
	if w.Kind == "letter" {
		sql = `SELECT EXISTS (SELECT FROM letters WHERE carrier = $1 AND carrier_run = $2 AND coalesce(status, '') = 'waiting')`
	}
	if err := s.c.Pool.QueryRow(ctx, sql, w.ID, w.Run).Scan(&yes); err != nil {
		return false, fmt.Errorf("company of %s %d: %w", w.Kind, w.ID, pg.Clean(err))
	}
	return yes, nil
}

// company claims others that a job takes along.
func company[row any](ctx context.Context, s *Service, w Work, stage, source string) ([]row, error) {
	args := pgx.StrictNamedArgs{"id": w.ID, "run": w.Run, "stage": stage, "source": source, "most": group{w.Kind, stage, source}.most()}
	if w.Kind == "step" {
		args["now"] = s.now()
	}
	rows, err := s.c.Pool.Query(ctx, companions[w.Kind], args)
	var others []row
	if err == nil {
		others, err = pgx.CollectRows(rows, pgx.RowToStructByName[row])
	}
	if err != nil {
		return nil, fmt.Errorf("company of %s %d: %w", w.Kind, w.ID, pg.Clean(err))
	}
	return others, nil
}

// parted gives those of a company that still wait jobs of their own, and
// returns what the carrier's job has to be told. A step that panicked in company
// is tried alone, too, before it is given up: it may have been another's fault.
// Notices that are to go in the same mail again stay with the carrier's job.
func (s *Service) parted(ctx context.Context, by Work, others []int64, errs []error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return errors.As(err, new(sameMail)) }); i >= 0 {
		return errs[i] // the job runs again, for all that wait
	}
	shared := by.Kind == "step" && len(others) > 0 && errors.Is(errs[0], pg.ErrPanic)
	if len(others) > 0 && (shared || slices.ContainsFunc(errs[1:], func(err error) bool { return err != nil })) {
		// The job's own time may be over: that is often why something failed.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
		defer cancel()
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			sql := `SELECT id, run FROM steps WHERE carrier = $1 AND carrier_run = $2 AND coalesce(status, '') IN ('waiting', 'running')
				AND id = ANY($3) ORDER BY id FOR UPDATE`
			if by.Kind == "letter" {
				sql = `SELECT id, run FROM letters WHERE carrier = $1 AND carrier_run = $2 AND coalesce(status, '') = 'waiting'
				AND id = ANY($3) ORDER BY id FOR UPDATE`
			}
			rows, err := tx.Query(ctx, sql, by.ID, by.Run, others)
			if err != nil {
				return err
			}
			left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Work, error) {
				w := Work{Kind: by.Kind}
				return w, row.Scan(&w.ID, &w.Run)
			})
			if err != nil {
				return err
			}
			if shared {
				left = append(left, by)
			}
			for _, w := range left {
				if err := s.ownJob(ctx, tx, w); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && errs[0] == nil {
			errs[0] = fmt.Errorf("part the company of %s %d: %w", by.Kind, by.ID, pg.Clean(err)) // the job runs again, and finds them
		}
	}
	if errors.Is(errs[0], pg.ErrPanic) && !shared {
		panic(errs[0])
	}
	return errs[0] // of a step that has a job of its own now, for the log
}

// ownJob gives a step or letter that was carried, and waits, a job of its own.
func (s *Service) ownJob(ctx context.Context, tx pgx.Tx, w Work) error {
	sql := `UPDATE steps SET run = run + 1, carrier = NULL, carrier_run = NULL, status = 'waiting' WHERE id = $1 AND run = $2 RETURNING run`
	if w.Kind == "letter" {
		sql = `UPDATE letters SET run = run + 1, carrier = NULL, carrier_run = NULL WHERE id = $1 AND run = $2 RETURNING run`
	}
	if err := tx.QueryRow(ctx, sql, w.ID, w.Run).Scan(&w.Run); err != nil {
		return fmt.Errorf("job of %s %d: %w", w.Kind, w.ID, err)
	}
	w.At = s.now().Add(ownJobAfter)
	return s.enqueue(ctx, tx, w)
}

// inCompany gives new work its jobs. Where much of it is alike (of is in step with
// work), one job carries several from the start: by says who carries whom.
func inCompany(work []Work, of []group) (jobs []Work, by map[int64]Work) {
	groups := map[group][]Work{}
	var order []group
	for i, w := range work {
		if groups[of[i]] == nil {
			order = append(order, of[i])
		}
		groups[of[i]] = append(groups[of[i]], w)
	}
	by = map[int64]Work{}
	for _, g := range order {
		for part := range slices.Chunk(groups[g], g.most()+1) {
			jobs = append(jobs, part[0])
			for _, w := range part[1:] {
				by[w.ID] = part[0]
			}
		}
	}
	return jobs, by
}

// gates let few jobs of a kind work at once: what comes meanwhile waits, and the
// next one takes it along.
type gates struct {
	mu   sync.Mutex
	open map[string]chan struct{}
}

// gateWidth is how many: while one waits for a commit, another works.
const gateWidth = 2

// gateWait bounds what a job waits for its turn: others may be at something large.
const gateWait = 250 * time.Millisecond

// enter waits for a turn at a kind of work; leave ends it.
func (g *gates) enter(ctx context.Context, kind string) (leave func()) {
	g.mu.Lock()
	if g.open == nil {
		g.open = map[string]chan struct{}{}
	}
	gate := g.open[kind]
	if gate == nil {
		gate = make(chan struct{}, gateWidth)
		g.open[kind] = gate
	}
	g.mu.Unlock()
	limit := time.NewTimer(gateWait)
	defer limit.Stop()
	select {
	case gate <- struct{}{}:
		return func() { <-gate }
	case <-limit.C:
	case <-ctx.Done():
	}
	return func() {}
}
