package dsar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// An AskAnswer is what the owner of a desk, or staff for them, say.
type AskAnswer struct {
	What  string // AnsweredFiles, …
	Who   string // who did it: needed for an erasure
	Words string // what was done, or why it cannot be
}

// AnswerAsk takes an owner's answer. The first one counts: of two that are sent
// at once, the second learns that it came too late. It returns the ask as it is then.
func (s *Service) AnswerAsk(ctx context.Context, ref AskRef, answer AskAnswer) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, a, err := s.loadAsk(ctx, tx, ref, true)
		if err != nil {
			return err
		}
		if err := awaits(r, a, ref); err != nil {
			return err
		}
		files, err := s.uploadsOf(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		if answer, err = checkAnswer(answer, r.Kind, len(files), ref); err != nil {
			return err
		}
		data := map[string]any{"source": a.Source, "answer": answer.What}
		if answer.What == AnsweredFiles {
			var size int64
			for _, f := range files {
				size += f.Size
			}
			data["files"], data["size"] = len(files), size
		}
		if err := s.note(ctx, tx, "ask.answered", r.ID, ref.by(), data); err != nil {
			return err
		}
		return s.closeAsk(ctx, tx, r, a, answer, ref.by())
	})
	return fault("answer an ask", err)
}

// SkipAsk lets a request go on without a desk, for a reason: it is kept with
// the request, and the person is told it (Art. 12(4): why no action is taken).
func (s *Service) SkipAsk(ctx context.Context, a Actor, id int64, src, reason string) error {
	reason, err := reasonText(reason)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		ref := AskRef{Actor: a, RequestID: id, Source: src}
		r, row, err := s.loadAsk(ctx, tx, ref, true)
		if err != nil {
			return err
		}
		if err := awaits(r, row, ref); err != nil {
			return err
		}
		if err := s.note(ctx, tx, "ask.skipped", id, a.Name, map[string]any{"source": src}); err != nil {
			return err
		}
		return s.closeAsk(ctx, tx, r, row, AskAnswer{What: answeredSkipped, Words: reason}, a.Name)
	})
	return fault(fmt.Sprintf("skip %s of request %d", src, id), err)
}

// awaits tells whether an answer can be taken: the owner's while it is asked
// for, staff's also after the owner said that they cannot.
func awaits(r requestRow, a askRow, ref AskRef) error {
	switch {
	case r.Status != Running:
		return &NotNow{fmt.Sprintf("Request %d is %s: nothing is asked of anybody.", r.ID, statusWords[r.Status])}
	case a.Status == statusAsked, a.Status == "failed" && ref.Token == "":
		return nil
	}
	return &NotNow{"This has been answered already, and the first answer counts."}
}

// closeAsk writes an answer down and goes on. That an owner cannot do it fails
// the step, and waits for the DPO: who asks again (retry), answers for them, or skips it.
func (s *Service) closeAsk(ctx context.Context, tx pgx.Tx, r requestRow, a askRow, answer AskAnswer, by string) error {
	cipher, err := s.sealJSON(place(askOf, a.ID), askContent{Who: answer.Who, Words: answer.Words})
	if err != nil {
		return err
	}
	status, code, message := "done", "", ""
	if answer.What == AnsweredCannot {
		status, code = "failed", "owner_cannot"
		message = a.Owner + " cannot do what was asked; the reason stands with the request."
	}
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE asks SET answer = $2, answered_at = $3, answered_by = $4, cipher = $5, remind_at = NULL WHERE id = $1`,
		a.ID, answer.What, s.now(), by, cipher)
	batch.Queue(`UPDATE steps SET status = $2, error = nullif($3, ''), message = nullif($4, ''), finished_at = $5 WHERE id = $1`,
		a.StepID, status, code, message, s.now())
	batch.Queue(`UPDATE letters SET status = 'dropped'
		WHERE request_id = $1 AND recipient = $2 AND kind IN ('ask', 'ask_again') AND status IN ('waiting', 'failed')`, r.ID, a.Source)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("close ask %d: %w", a.ID, err)
	}
	return s.afterAsk(ctx, tx, r)
}

// ReopenAsk takes an answer back, as long as another owner's is awaited: the
// files handed over stay, and can be taken away or added to.
func (s *Service) ReopenAsk(ctx context.Context, ref AskRef) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, a, err := s.loadAsk(ctx, tx, ref, true)
		if err != nil {
			return err
		}
		may, err := changeable(ctx, tx, r, a)
		switch {
		case err != nil:
			return err
		case a.Status == statusAsked:
			return nil // taken back already, by a second press
		case !may, a.Answer == answeredSkipped && ref.Token != "":
			return &NotNow{"The answer can no longer be changed here: the request has gone on. Write to the data protection officer."}
		}
		c := s.c.Controllers[r.Controller]
		next, err := nextReminder(s.today(r), a.DueOn, c)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE asks SET answer = NULL, answered_at = NULL, answered_by = NULL, cipher = NULL, remind_at = $2 WHERE id = $1`, a.ID, next)
		batch.Queue(`UPDATE steps SET status = 'asked', error = NULL, message = $2, finished_at = NULL WHERE id = $1`, a.StepID, a.words(c))
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("reopen ask %d: %w", a.ID, err)
		}
		return s.note(ctx, tx, "ask.reopened", r.ID, ref.by(), map[string]any{"source": a.Source})
	})
	return fault("take an answer back", err)
}

// ResendAsk writes to the owner again, at the address that is configured now.
// Links sent before end: the DPO may have learnt that one went astray.
func (s *Service) ResendAsk(ctx context.Context, a Actor, id int64, src string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, row, err := s.loadAsk(ctx, tx, AskRef{Actor: a, RequestID: id, Source: src}, true)
		if err != nil {
			return err
		}
		desk, ok := s.c.Desks[src]
		switch {
		case row.Status != statusAsked || r.Status != Running:
			return &NotNow{"No answer is awaited any more: there is nothing to send again."}
		case !ok:
			return &NotNow{fmt.Sprintf("The source %s is no longer in lethe.yaml: put it back, or skip it with a reason.", src)}
		}
		row.Owner = desk.Owner
		batch := &pgx.Batch{}
		batch.Queue(`DELETE FROM tokens WHERE ask_id = $1`, row.ID)
		batch.Queue(`UPDATE asks SET owner = $2 WHERE id = $1`, row.ID, desk.Owner)
		batch.Queue(`UPDATE steps SET message = $2 WHERE id = $1`, row.StepID, row.words(s.c.Controllers[r.Controller]))
		batch.Queue(`UPDATE letters SET status = 'dropped'
			WHERE request_id = $1 AND recipient = $2 AND kind IN ('ask', 'ask_again') AND status IN ('waiting', 'failed')`, id, src)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("end the links of ask %d: %w", row.ID, err)
		}
		if err := s.note(ctx, tx, "ask.resent", id, a.Name, map[string]any{"source": src}); err != nil {
			return err
		}
		return s.writeToOwner(ctx, tx, r, row, letterAsk)
	})
	return fault(fmt.Sprintf("ask %s again for request %d", src, id), err)
}

// checkAnswer says, field by field, what an answer lacks.
func checkAnswer(a AskAnswer, kind datamap.Kind, files int, ref AskRef) (AskAnswer, error) {
	a.Who = strings.TrimSpace(a.Who)
	a.Words = strings.TrimSpace(strings.ReplaceAll(a.Words, "\r\n", "\n"))
	known := []string{AnsweredFiles, AnsweredNothing}
	if kind == datamap.Erasure {
		known = []string{AnsweredDone, AnsweredNothing}
	}
	if ref.Token != "" {
		known = append(known, AnsweredCannot)
	}
	problems := map[string]string{}
	switch {
	case !slices.Contains(known, a.What):
		problems["answer"] = "Choose one of the answers."
	case a.What == AnsweredFiles && files == 0:
		problems["answer"] = "There is no file yet: add what you have first, or choose another answer."
	case a.What == AnsweredNothing && files > 0:
		problems["answer"] = "You have added files: hand them over, or remove them first."
	}
	if a.What == AnsweredDone && a.Who == "" {
		problems["who"] = "Give the name of whoever did it."
	} else if problem := plainText(a.Who, maxName); problem != "" {
		problems["who"] = problem
	}
	switch {
	case a.What == AnsweredDone && a.Words == "":
		problems["words"] = "Say what was done: “the file was shredded on 3 June”."
	case a.What == AnsweredCannot && a.Words == "":
		problems["words"] = "Say why it cannot be done: the data protection officer has to decide."
	case !utf8.ValidString(a.Words):
		problems["words"] = "This text is not valid UTF-8."
	case utf8.RuneCountInString(a.Words) > maxReason:
		problems["words"] = fmt.Sprintf("This text is too long: at most %d characters.", maxReason)
	case strings.ContainsFunc(a.Words, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		problems["words"] = "This text holds a control character."
	}
	if len(problems) > 0 {
		return a, &Invalid{problems}
	}
	return a, nil
}
