package dsar

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A Mention is one row of other people's text in which the person stands. The
// text itself is read live, by ShowMention.
type Mention struct {
	ID                        int64
	Source, Collection, Field string
	Key                       string // empty once scrubbed
	Passages                  int
	Decision                  string // redact, delete, leave; empty: none yet
	DecidedBy                 string
	Reason                    string // why it is left; empty once scrubbed
	Trouble                   string // why a decision could not be carried out: it waits for another
	Outcome                   string // redacted, deleted, left, gone; empty: not yet
	sum, after                []byte
}

// Open tells whether the mention waits for a decision.
func (m Mention) Open() bool { return m.Decision == "" && m.Outcome == "" }

func undecidedOf(list []Mention) (n int64) {
	for _, m := range list {
		if m.Open() {
			n++
		}
	}
	return n
}

// mentionedWords is what a request with undecided mentions waits for.
func mentionedWords(n int64) string {
	if n == 1 {
		return "1 mention of the person stands in other people's text: decide about it."
	}
	return fmt.Sprintf("%d mentions of the person stand in other people's text: decide each.", n)
}

// mentionsOf lists the mentions of a request by place and age.
func (s *Service) mentionsOf(ctx context.Context, db pg.DB, requestID int64) ([]Mention, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, source, collection, field, cipher, passages, coalesce(decision, '') AS decision, coalesce(decided_by, '') AS decided_by,
		       reason_cipher, coalesce(trouble, '') AS trouble, coalesce(outcome, '') AS outcome
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN mentions m ON m.request_id = e.number
		ORDER BY source, collection, field, id`, requestID)
	if err != nil {
		return nil, fmt.Errorf("mentions of request %d: %w", requestID, err)
	}
	type row struct {
		ID                        int64
		Source, Collection, Field string
		Cipher                    []byte
		Passages                  int
		Decision, DecidedBy       string
		ReasonCipher              []byte
		Trouble, Outcome          string
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("mentions of request %d: %w", requestID, err)
	}
	var list []Mention
	for _, x := range found {
		m := Mention{
			ID: x.ID, Source: x.Source, Collection: x.Collection, Field: x.Field, Passages: x.Passages, Decision: x.Decision,
			DecidedBy: x.DecidedBy, Trouble: x.Trouble, Outcome: x.Outcome,
		}
		if x.Cipher != nil {
			var c mentionContent
			if err := s.openJSON(place(mentionOf, x.ID), x.Cipher, &c); err != nil {
				return nil, err
			}
			m.Key, m.sum, m.after = c.Key, unhex(c.Sum), unhex(c.After)
		}
		if x.ReasonCipher != nil {
			if err := s.openJSON(place(mentionReasonOf, x.ID), x.ReasonCipher, &m.Reason); err != nil {
				return nil, err
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// undecidedMentions counts, by request, those that wait for the DPO.
func undecidedMentions(ctx context.Context, db pg.DB, requestIDs []int64) (map[int64]int64, error) {
	rows, err := db.Query(ctx, `
		SELECT request_id, count(*) FROM mentions WHERE request_id = ANY($1) AND decision IS NULL AND outcome IS NULL GROUP BY request_id`, requestIDs)
	if err != nil {
		return nil, fmt.Errorf("count mentions: %w", err)
	}
	counts := map[int64]int64{}
	var id, n int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { counts[id] = n; return nil }); err != nil {
		return nil, fmt.Errorf("count mentions: %w", err)
	}
	return counts, nil
}

// undecidedIn counts those of one source.
func (s *Service) undecidedIn(ctx context.Context, db pg.DB, requestID int64, src string) (n int64, err error) {
	err = pg.EachRow(ctx, db, `
		SELECT e.n, (SELECT count(*) FROM mentions m WHERE m.request_id = e.number AND m.source = e.source AND decision IS NULL AND outcome IS NULL)
		FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS e (number, source, n)`, requestID, src).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("mentions of request %d: %w", requestID, err)
	}
	return n, nil
}

// ShowMention reads the text around a mention as it stands now, for the eyes of
// whoever has to decide; that it was read stands in the record. found is false
// where row or controller's claim to it is gone.
func (s *Service) ShowMention(ctx context.Context, a Actor, id, mention int64) (text source.MentionText, found bool, err error) {
	r, err := s.loadFor(ctx, s.db, a, id, true, false)
	if err != nil {
		return text, false, fault(fmt.Sprintf("show a mention of request %d", id), err)
	}
	list, err := s.mentionsOf(ctx, s.db, id)
	if err != nil {
		return text, false, fault(fmt.Sprintf("show a mention of request %d", id), err)
	}
	i := slices.IndexFunc(list, func(m Mention) bool { return m.ID == mention })
	if i < 0 || list[i].Key == "" {
		return text, false, &NotNow{fmt.Sprintf("Request %d has no mention %d, or its records have been emptied.", id, mention)}
	}
	if r.Status != Running {
		return text, false, &NotNow{fmt.Sprintf("Request %d is %s: other people's text is shown only while there is something to decide.", id, statusWords[r.Status])}
	}
	m := list[i]
	src, ok := s.c.Sources[m.Source].(MentionSource)
	field, known := s.textOf(m)
	if !ok || !known {
		return text, false, &NotNow{fmt.Sprintf("The data map no longer says that %s.%s is searched for mentions: put that back.", m.Collection, m.Field)}
	}
	p, err := s.dossierOf(ctx, s.db, r.ID)
	if err != nil {
		return text, false, fault(fmt.Sprintf("show a mention of request %d", id), err)
	}
	needles, _ := s.needles(r, p)
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		return s.note(ctx, tx, "mention.shown", id, a.Name, map[string]any{"mention": mention, "source": m.Source})
	})
	if err != nil {
		return text, false, fault(fmt.Sprintf("show a mention of request %d", id), err)
	}
	text, found, err = src.ReadMention(ctx, source.Mentions{Field: field, Scope: s.c.Controllers[r.Controller].Scope, Needles: needles}, m.Key)
	if err != nil {
		return source.MentionText{}, false, fault(fmt.Sprintf("show mention %d", mention), &sourceError{m.Source, err})
	}
	return text, found, nil
}

// SkippedMentions are sentences about what was not searched, and why.
func (s *Service) SkippedMentions(ctx context.Context, a Actor, id int64) ([]string, error) {
	if _, err := s.loadFor(ctx, s.db, a, id, false, false); err != nil {
		return nil, fault(fmt.Sprintf("read request %d", id), err)
	}
	notes, err := s.mentionNotes(ctx, s.db, id)
	if err != nil {
		return nil, fault(fmt.Sprintf("read request %d", id), err)
	}
	var all []string
	for _, n := range notes {
		all = append(all, n.note.Skipped...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
