package dsar

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// A Desk is a source that is a person: paper files, a system that Lethe cannot
// reach. Its owner is asked by mail once a request is approved, and answers on a
// page of their own; the request is not fulfilled without it. Nobody but the
// owner works on such a step: it is 'asked', has no job, and burns no attempts.
type Desk struct {
	Owner       string // as pages and letters call it
	Mail        string
	Holds       string // what lies there, in words that the subject may read
	Days        int    // by when it answers
	Limit       int64  // bytes of all files of one answer
	Controllers []string
}

// serves tells whether a controller's data lie there.
func (d Desk) serves(controller string) bool {
	return len(d.Controllers) == 0 || slices.Contains(d.Controllers, controller)
}

// What a step of a person is.
const (
	stageAsk    = "ask"
	statusAsked = "asked"
	owner       = "owner" // the actor behind the owner's link
)

// The letters to an owner: the first, and those that follow while no answer comes.
const (
	letterAsk      = "ask"
	letterAskAgain = "ask_again"
)

// What an owner answers.
const (
	AnsweredFiles   = "files"   // access, export: what is there
	AnsweredNothing = "nothing" // nothing is held
	AnsweredDone    = "done"    // erasure: it is gone
	AnsweredCannot  = "cannot"  // the DPO decides
	answeredSkipped = "skipped" // by the DPO, with a reason
)

// askRow is what an owner is asked, with the status of its step.
type askRow struct {
	ID, RequestID, StepID int64
	Source, Owner         string
	AskedAt               time.Time
	DueOn                 time.Time // a day, at UTC midnight
	Letters, Reminders    int
	OpenedAt              *time.Time
	Answer                string
	AnsweredAt            *time.Time
	AnsweredBy            string
	Cipher                []byte // at place(askOf, id)
	Status                string
}

// askOf and uploadOf are places of ciphertexts.
const (
	askOf    = "asks"
	uploadOf = "uploads"
)

// askContent is sealed in asks.cipher.
type askContent struct {
	Who   string `json:"who,omitempty"`
	Words string `json:"words,omitempty"`
}

// desksOf are the desks that hold a controller's data, by name.
func (s *Service) desksOf(controller string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.c.Desks)), func(name string) bool { return !s.c.Desks[name].serves(controller) })
}

// asksOf lists what the owners of a request were asked, by source.
func asksOf(ctx context.Context, db pg.DB, requestID int64) ([]askRow, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, a.id, a.request_id, a.step_id, a.source, a.owner, a.asked_at, a.due_on, a.letters, a.reminders, a.opened_at,
		       coalesce(a.answer, '') AS answer, a.answered_at, coalesce(a.answered_by, '') AS answered_by, a.cipher, st.status
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN asks a ON a.request_id = e.number JOIN steps st ON st.id = a.step_id
		ORDER BY a.source`, requestID)
	if err != nil {
		return nil, fmt.Errorf("asks of request %d: %w", requestID, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[askRow])
	if err != nil {
		return nil, fmt.Errorf("asks of request %d: %w", requestID, err)
	}
	return list, nil
}

// ask asks the owner of a desk, or asks them again from the start: the DPO
// pressed retry after they said that they cannot. What had been handed over stays.
func (s *Service) ask(ctx context.Context, tx pgx.Tx, r requestRow, src, actor string) error {
	desk, ok := s.c.Desks[src]
	if !ok {
		return &NotNow{fmt.Sprintf("The source %s is no longer in lethe.yaml: put it back, or skip it with a reason.", src)}
	}
	c, now := s.c.Controllers[r.Controller], s.now()
	due, err := deskDue(now, desk.Days, r.DueOn, c)
	if err != nil {
		return err
	}
	remind, err := firstReminder(now, due, c)
	if err != nil {
		return err
	}
	a := askRow{RequestID: r.ID, Source: src, Owner: desk.Owner, AskedAt: now, DueOn: due}
	err = tx.QueryRow(ctx, `
		INSERT INTO steps (request_id, stage, source, status, message, created_at, started_at)
		VALUES (@request, 'ask', @source, 'asked', @message, @now, @now)
		ON CONFLICT (request_id, stage, source) DO UPDATE
		SET run = steps.run + 1, status = 'asked', attempts = 0, error = NULL, message = excluded.message,
		    started_at = excluded.started_at, finished_at = NULL
		RETURNING id`,
		pgx.StrictNamedArgs{"request": r.ID, "source": src, "now": now, "message": a.words(c)}).Scan(&a.StepID)
	if err != nil {
		return fmt.Errorf("ask %s for request %d: %w", src, r.ID, err)
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO asks (request_id, step_id, source, owner, asked_at, due_on, remind_at)
		VALUES (@request, @step, @source, @owner, @now, @due, @remind)
		ON CONFLICT (step_id) DO UPDATE
		SET owner = excluded.owner, asked_at = excluded.asked_at, due_on = excluded.due_on, remind_at = excluded.remind_at,
		    reminders = 0, answer = NULL, answered_at = NULL, answered_by = NULL, cipher = NULL
		RETURNING id, letters`,
		pgx.StrictNamedArgs{"request": r.ID, "step": a.StepID, "source": src, "owner": desk.Owner, "now": now, "due": due, "remind": remind}).
		Scan(&a.ID, &a.Letters)
	if err != nil {
		return fmt.Errorf("ask %s for request %d: %w", src, r.ID, err)
	}
	err = s.note(ctx, tx, "ask.made", r.ID, actor, map[string]any{"source": src, "due_on": due.Format(time.DateOnly)})
	if err != nil {
		return err
	}
	return s.writeToOwner(ctx, tx, r, a, letterAsk)
}

// words say whom the request waits for; they stand with the step.
func (a askRow) words(c Controller) string {
	const layout = "2 January 2006"
	words := fmt.Sprintf("%s, asked on %s, due on %s", a.Owner, dayIn(a.AskedAt, c.Location).Format(layout), a.DueOn.Format(layout))
	switch a.Reminders {
	case 0:
		return words
	case 1:
		return words + ", reminded once"
	}
	return fmt.Sprintf("%s, reminded %d times", words, a.Reminders)
}

// writeToOwner writes a letter with a link of its own. Links written before go
// on working: the mail that is at hand is the one that gets opened.
func (s *Service) writeToOwner(ctx context.Context, tx pgx.Tx, r requestRow, a askRow, kind string) error {
	// The link ends with the request; this is for one that stays open for ever.
	ttl := max(r.DueOn.Add(statusKept).Sub(s.now()), statusKept)
	token, err := s.newToken(ctx, tx, "ask", r.ID, nil, manyUses, ttl)
	if err != nil {
		return err
	}
	err = pg.Put(ctx, tx, `
		UPDATE tokens t SET ask_id = e.ask FROM unnest($1::bytea[], $2::bigint[]) AS e (hash, ask) WHERE t.hash = e.hash`, tokenHash(token), a.ID)
	if err != nil {
		return fmt.Errorf("link of ask %d: %w", a.ID, err)
	}
	desk := s.c.Desks[a.Source]
	err = s.addLetter(ctx, tx, r, kind, a.Source, a.Letters, letterContent{
		To: desk.Mail, Name: a.Owner, Link: s.publicURL(r.Controller) + "/desk/" + token})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE asks SET letters = letters + 1 WHERE id = $1`, a.ID); err != nil {
		return fmt.Errorf("letter of ask %d: %w", a.ID, err)
	}
	return nil
}

// composeAsk fills in what a letter to an owner says, and tells whether it is
// still wanted: once they have answered, it is not.
func (s *Service) composeAsk(ctx context.Context, r requestRow, src string, out *Letter) (wanted bool, err error) {
	list, err := asksOf(ctx, s.db, r.ID)
	if err != nil {
		return false, err
	}
	for _, a := range list {
		if a.Source != src {
			continue
		}
		out.DueOn, out.Holds, out.Late = a.DueOn, s.c.Desks[src].Holds, s.today(r).After(a.DueOn)
		out.Language = s.c.Controllers[r.Controller].Language // the owner's, as far as is known
		// Which part stands on the owner's page.
		if out.Part, err = s.isPart(r); err != nil {
			return false, err
		}
		return a.Status == statusAsked && r.Status == Running, nil
	}
	return false, nil
}

// afterAsk goes on once an owner has answered: with the archive when all have,
// or with the answer to an erasure that is through everywhere.
func (s *Service) afterAsk(ctx context.Context, tx pgx.Tx, r requestRow) error {
	over, err := stageOver(ctx, tx, r.ID, stageAsk)
	if err != nil || !over {
		return err
	}
	if r.Kind == datamap.Erasure {
		if over, err = stageOver(ctx, tx, r.ID, stageErase); err != nil || !over {
			return err
		}
		return s.afterErasure(ctx, tx, r, nil)
	}
	return s.addStep(ctx, tx, r.ID, stageArchive, "")
}

// title of a desk in letters to the subject: what it holds, and where.
func (s *Service) deskTitle(a askRow) string {
	if holds := s.c.Desks[a.Source].Holds; holds != "" {
		return fmt.Sprintf("%s (%s)", capitalised(holds), a.Owner)
	}
	return a.Owner
}

// byHand says what the desks did for an erasure, and what they did not, and why.
func (s *Service) byHand(ctx context.Context, db pg.DB, requestID int64) (done, not []string, err error) {
	list, err := asksOf(ctx, db, requestID)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range list {
		switch a.Answer {
		case AnsweredDone:
			done = append(done, s.deskTitle(a))
		case answeredSkipped:
			c, err := s.askWords(a)
			if err != nil {
				return nil, nil, err
			}
			not = append(not, fmt.Sprintf("%s: left out. The reason: %s", s.deskTitle(a), ended(c.Words)))
		}
	}
	return done, not, nil
}

func (s *Service) askWords(a askRow) (askContent, error) {
	var c askContent
	if a.Cipher == nil {
		return c, nil
	}
	err := s.openJSON(place(askOf, a.ID), a.Cipher, &c)
	return c, err
}

func capitalised(text string) string {
	for i, r := range text {
		return strings.ToUpper(string(r)) + text[i+len(string(r)):]
	}
	return text
}

// ended gives a text the full stop of a sentence.
func ended(text string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
