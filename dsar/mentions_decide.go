package dsar

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// What the DPO decides about a mention.
const (
	RedactMention = "redact" // the passages are replaced, every other byte stays
	DeleteMention = "delete" // the row is deleted, and nothing more
	LeaveMention  = "leave"  // for a reason, which the person is told
)

// DecideMention takes the DPO's word about some mentions of a request, or, with
// none named, about all that are undecided. The first word counts; what could
// not be carried out is to be decided again.
func (s *Service) DecideMention(ctx context.Context, a Actor, id int64, which []int64, decision, reason string) error {
	if !slices.Contains([]string{RedactMention, DeleteMention, LeaveMention}, decision) {
		return &Invalid{map[string]string{"decision": "Choose what is done: redact, delete or leave."}}
	}
	if decision == LeaveMention {
		var err error
		if reason, err = reasonText(reason); err != nil {
			return err
		}
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		if r.Status != Running {
			return &NotNow{fmt.Sprintf("Request %d is %s: there is nothing to decide about mentions.", id, statusWords[r.Status])}
		}
		list, err := s.mentionsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		chosen, err := choose(list, which)
		if err != nil {
			return err
		}
		for _, m := range chosen {
			if err := s.decide(ctx, tx, a, m, decision, reason); err != nil {
				return err
			}
		}
		if err := s.note(ctx, tx, "mention.decided", id, a.Name, map[string]any{"mentions": len(chosen), "decision": decision}); err != nil {
			return err
		}
		if decision == LeaveMention {
			return s.afterMentions(ctx, tx, r)
		}
		return s.wakeMentions(ctx, tx, r.ID, chosen)
	})
	return fault(fmt.Sprintf("decide about mentions of request %d", id), err)
}

// choose picks those that can be decided about.
func choose(list []Mention, which []int64) ([]Mention, error) {
	var chosen []Mention
	for _, m := range list {
		if len(which) == 0 && m.Open() {
			chosen = append(chosen, m)
		}
	}
	for _, id := range which {
		i := slices.IndexFunc(list, func(m Mention) bool { return m.ID == id })
		if i < 0 {
			return nil, &NotNow{fmt.Sprintf("This request has no mention %d.", id)}
		}
		if !list[i].Open() {
			return nil, &NotNow{fmt.Sprintf("About mention %d it has been decided already (%s), and the first word counts.", id, list[i].Decision)}
		}
		chosen = append(chosen, list[i])
	}
	if len(chosen) == 0 {
		return nil, &NotNow{"No mention waits for a decision."}
	}
	return chosen, nil
}

func (s *Service) decide(ctx context.Context, tx pgx.Tx, a Actor, m Mention, decision, reason string) error {
	var cipher []byte
	var err error
	if decision == LeaveMention {
		if cipher, err = s.sealJSON(place(mentionReasonOf, m.ID), reason); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		UPDATE mentions SET decision = @decision, decided_by = @by, decided_at = @now, reason_cipher = @reason, trouble = NULL,
			outcome = CASE WHEN @decision = 'leave' THEN 'left' END, done_at = CASE WHEN @decision = 'leave' THEN @now::timestamptz END
		WHERE id = @id AND outcome IS NULL`,
		pgx.StrictNamedArgs{"id": m.ID, "decision": decision, "by": a.Name, "now": s.now(), "reason": cipher})
	if err != nil {
		return fmt.Errorf("decide about mention %d: %w", m.ID, err)
	}
	return nil
}

// wakeMentions sees to it that what was decided is carried out: a step that has
// come to its end runs again, one that is at work looks before it ends.
func (s *Service) wakeMentions(ctx context.Context, tx pgx.Tx, requestID int64, chosen []Mention) error {
	var sources []string
	for _, m := range chosen {
		if !slices.Contains(sources, m.Source) {
			sources = append(sources, m.Source)
		}
	}
	for _, src := range sources {
		var status string
		if err := tx.QueryRow(ctx, `SELECT status FROM steps WHERE request_id = $1 AND stage = 'mentions' AND source = $2 FOR UPDATE`, requestID, src).Scan(&status); err != nil {
			return fmt.Errorf("step of the mentions in %s: %w", src, err)
		}
		if status == "waiting" || status == "running" {
			continue
		}
		if err := s.addStep(ctx, tx, requestID, stageMentions, src); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does in the source what was decided. A kill between the source's
// commit and ours runs a change again, and the source tells that it has happened.
func (s *Service) carryOut(ctx context.Context, st stepRow, r requestRow, src MentionSource, needles []source.Seed) error {
	list, err := s.mentionsOf(ctx, s.db, r.ID)
	if err != nil {
		return err
	}
	holds, err := s.holds(ctx, r)
	if err != nil {
		return err
	}
	began := s.now()
	var failed error
	for _, m := range list {
		if m.Source != st.Source || m.Decision == "" || m.Outcome != "" || m.Key == "" {
			continue
		}
		if s.now().Sub(began) > mentionSlice {
			return cmp.Or(failed, ErrMore)
		}
		if ctx.Err() != nil {
			break
		}
		out := source.MentionOutcome{What: source.MentionRefused, Why: "The data map no longer says that this column is searched for mentions."}
		if field, ok := s.textOf(m); ok {
			change := source.MentionChange{
				Mentions: source.Mentions{Field: field, Scope: s.c.Controllers[r.Controller].Scope, Needles: needles},
				Key:      m.Key, Delete: m.Decision == DeleteMention, Sum: m.sum, After: m.after, Holds: holds,
			}
			pg.Soon(ctx, func() { out, err = s.changeMention(ctx, src, change) })
			if err != nil { // the others do not wait for it
				failed = cmp.Or[error](failed, &sourceError{st.Source, err})
				continue
			}
		}
		if err := s.carriedOut(ctx, st, r, m, out); err != nil {
			return err
		}
	}
	return cmp.Or(failed, ctx.Err())
}

// changeMention carries out one decision. What takes too long is given up and
// left to the DPO again, so that it stops no other.
func (s *Service) changeMention(ctx context.Context, src MentionSource, c source.MentionChange) (source.MentionOutcome, error) {
	within, cancel := context.WithTimeout(ctx, s.mentionLimit)
	defer cancel()
	out, err := src.ChangeMention(within, c)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return source.MentionOutcome{What: source.MentionRefused, Why: fmt.Sprintf(
			"The change took longer than %s and was given up: the row may be locked, or its text be very long. Decide again later.", s.mentionLimit)}, nil
	}
	return out, err
}

// textOf finds the column in which a mention stands.
func (s *Service) textOf(m Mention) (datamap.MentionField, bool) {
	i := slices.IndexFunc(s.texts, func(f datamap.MentionField) bool {
		return f.Field.Collection.FullName() == m.Collection && f.Field.Name == m.Field && f.Field.Collection.Dataset.Source == m.Source
	})
	if i < 0 {
		return datamap.MentionField{}, false
	}
	return s.texts[i], true
}

// carriedOut writes down what became of a decision.
func (s *Service) carriedOut(ctx context.Context, st stepRow, r requestRow, m Mention, out source.MentionOutcome) error {
	return pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := stillOurs(ctx, tx, st); err != nil {
			return err
		}
		data := map[string]any{"mention": m.ID, "source": m.Source, "collection": m.Collection, "outcome": out.What}
		trouble := out.Why
		switch out.What {
		case source.MentionChanged:
			trouble = "The text has been changed since it was found: look at it again."
			if err := s.sealMention(ctx, tx, m.ID, out.Now); err != nil {
				return err
			}
		case source.MentionRefused:
		default:
			if _, err := tx.Exec(ctx, `UPDATE mentions SET outcome = $2, done_at = $3, trouble = NULL WHERE id = $1 AND outcome IS NULL`, m.ID, out.What, s.now()); err != nil {
				return fmt.Errorf("mention %d: %w", m.ID, err)
			}
			return s.note(ctx, tx, "mention.done", r.ID, m.DecidedBy, data)
		}
		_, err := tx.Exec(ctx, `
			UPDATE mentions SET decision = NULL, decided_by = NULL, decided_at = NULL, trouble = $2 WHERE id = $1 AND outcome IS NULL`, m.ID, trouble)
		if err != nil {
			return fmt.Errorf("mention %d: %w", m.ID, err)
		}
		return s.note(ctx, tx, "mention.undone", r.ID, system, data)
	})
}

// closeMentions counts what became of the mentions of a request, for the record
// and for the letter.
func (s *Service) closeMentions(ctx context.Context, tx pgx.Tx, r requestRow) (removed, left []string, err error) {
	list, err := s.mentionsOf(ctx, tx, r.ID)
	if err != nil || len(list) == 0 {
		return nil, nil, err
	}
	counts := map[string]int64{}
	reasons := map[string]int64{}
	var order []string
	for _, m := range list {
		counts[m.Outcome]++
		if m.Outcome == "left" {
			if reasons[m.Reason] == 0 {
				order = append(order, m.Reason)
			}
			reasons[m.Reason]++
		}
	}
	err = s.note(ctx, tx, "mentions.closed", r.ID, system, map[string]any{
		"redacted": counts["redacted"], "deleted": counts["deleted"], "left": counts["left"], "gone": counts["gone"]})
	if err != nil {
		return nil, nil, err
	}
	if n := counts["redacted"]; n > 0 {
		removed = append(removed, "The passages that name you were removed from "+counted(n, "text")+" of other people.")
	}
	if n := counts["deleted"]; n > 0 {
		removed = append(removed, counted(n, "text")+" of other people that named you: deleted.")
	}
	for _, reason := range order {
		left = append(left, counted(reasons[reason], "text")+" of other people that name you. The reason: "+ended(reason))
	}
	return removed, left, nil
}

func unhex(text string) []byte {
	b, _ := hex.DecodeString(text) //nolint:errcheck // what we have written ourselves; a sum that does not read fits no text
	return b
}
