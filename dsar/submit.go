package dsar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Submit takes a request in. Errors are *Invalid with one problem per field, or a fault.
//
// Without proof it waits as received: every source is searched for the rows
// that each identity matches by itself, and a link goes to the address that
// stands there. Where a member of staff verified the identities, the request
// goes into review at once. Either way the month runs from receipt (Art. 12(3)).
//
// Submissions that come at the same time are written together.
func (s *Service) Submit(ctx context.Context, a Actor, sub Submission) (Submitted, error) {
	in, err := s.check(a, sub)
	if err != nil {
		return Submitted{}, fault("submit", err)
	}
	var out Submitted
	err = s.together(ctx, func(ctx context.Context) (err error) {
		out, err = s.takeIn(ctx, a, in)
		return err
	})
	if err != nil {
		return Submitted{}, err
	}
	return out, nil
}

// takeIn writes a submission that has been checked.
func (s *Service) takeIn(ctx context.Context, a Actor, in intake) (Submitted, error) {
	var out Submitted
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var err error
		out, err = s.admit(ctx, tx, a, in)
		return err
	})
	if err != nil {
		return Submitted{}, fault("submit", err)
	}
	return out, nil
}

// Check says what is wrong with a submission, as Submit would, and takes nothing in.
func (s *Service) Check(a Actor, sub Submission) error {
	_, err := s.check(a, sub)
	return fault("check a submission", err)
}

// intake is a submission that has been checked, with everything normalised and filled in.
type intake struct {
	Submission
	due        time.Time
	derivation string
}

func (s *Service) admit(ctx context.Context, tx pgx.Tx, a Actor, in intake) (Submitted, error) {
	if in.Verified != "" {
		// Before the rows exist: whoever files the same at this moment takes turns with us.
		if err := lockProof(ctx, tx, s.sumsOf(in.Controller, in.Identities)); err != nil {
			return Submitted{}, err
		}
	}
	id, numbers, err := draw(ctx, tx, len(in.Identities))
	if err != nil {
		return Submitted{}, err
	}
	r, err := s.insertRequest(ctx, tx, id, a, in)
	if err != nil {
		return Submitted{}, err
	}
	ids := make([]ProvedIdentity, len(numbers))
	for i, n := range numbers {
		ids[i] = ProvedIdentity{ID: n, Type: in.Identities[i].Type, Value: in.Identities[i].Value}
		if in.Verified != "" {
			ids[i].ProvedAt, ids[i].How, ids[i].By = s.now(), in.Verified, a.Name
		}
	}
	if err := s.addIdentities(ctx, tx, r, ids); err != nil {
		return Submitted{}, err
	}
	err = s.note(ctx, tx, "request.submitted", id, a.Name, map[string]any{
		"kind": string(in.Kind), "policy": in.Policy, "channel": in.Channel, "identities": len(in.Identities),
		"requester": in.Requester.As, "due_on": in.due.Format(time.DateOnly),
	})
	if err != nil {
		return Submitted{}, err
	}
	token, err := s.statusToken(ctx, tx, r, nil)
	if err != nil {
		return Submitted{}, err
	}
	out := Submitted{ID: id, StatusToken: token}
	if in.Verified == "" {
		for _, name := range s.sources {
			if err := s.addStep(ctx, tx, id, "locate", name); err != nil {
				return Submitted{}, err
			}
		}
		return out, nil
	}
	out.Into, err = s.proven(ctx, tx, r, ids, int64(len(ids)), proof{how: in.Verified, actor: a.Name})
	out.Joined = out.Into != 0
	return out, err
}

// draw draws the numbers of a request and of its identities: what is sealed is
// bound to them.
func draw(ctx context.Context, tx pgx.Tx, identities int) (id int64, numbers []int64, err error) {
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, nextval(pg_get_serial_sequence('requests', 'id')),
			ARRAY(SELECT nextval(pg_get_serial_sequence('identities', 'id')) FROM generate_series(1, e.many))
		FROM unnest($1::int[]) WITH ORDINALITY AS e (many, n)`, identities).Scan(&id, &numbers)
	if err != nil {
		return 0, nil, fmt.Errorf("number a request: %w", err)
	}
	return id, numbers, nil
}

func (s *Service) insertRequest(ctx context.Context, tx pgx.Tx, id int64, a Actor, in intake) (requestRow, error) {
	var mandateKind, mandateBy *string
	var mandateAt *time.Time
	if in.Requester.Mandate != "" {
		now := s.now()
		mandateKind, mandateBy, mandateAt = &in.Requester.Mandate, &a.Name, &now
	}
	brought, err := s.sealBrought(id, in)
	if err != nil {
		return requestRow{}, err
	}
	var requester []byte
	if in.Requester.As != self {
		requester, err = s.sealJSON(place(requesterOf, id), requesterContent{Name: in.Requester.Name, Address: in.Requester.Address})
		if err != nil {
			return requestRow{}, err
		}
	}
	rows, err := pg.Each(ctx, tx, `
		WITH e AS (
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::date[],
				$10::text[], $11::text[], $12::bytea[], $13::text[], $14::text[], $15::timestamptz[], $16::bytea[]) WITH ORDINALITY
				AS u (id, controller, kind, policy, channel, delivery, language, received_at, due_on, derivation, requester, requester_cipher,
					mandate_kind, mandate_by, mandate_at, brought_cipher, n)),
		added AS (
			INSERT INTO requests (id, controller, kind, policy, status, channel, delivery, language, received_at, due_on,
				derivation, requester, requester_cipher, mandate_kind, mandate_by, mandate_at, brought_cipher)
			OVERRIDING SYSTEM VALUE
			SELECT id, controller, kind, policy, 'received', channel, delivery, language, received_at, due_on,
				derivation, requester, requester_cipher, mandate_kind, mandate_by, mandate_at, brought_cipher FROM e
			RETURNING *)
		SELECT e.n, `+requestColumns+` FROM (SELECT id AS number, n FROM e) e JOIN added ON added.id = e.number`,
		id, in.Controller, string(in.Kind), in.Policy, in.Channel, in.Delivery, in.Language, in.ReceivedAt, in.due,
		in.derivation, in.Requester.As, requester, mandateKind, mandateBy, mandateAt, brought)
	if err != nil {
		return requestRow{}, fmt.Errorf("insert request: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[requestRow])
	if err != nil {
		return requestRow{}, fmt.Errorf("insert request: %w", err)
	}
	return r, nil
}

// titled makes a sentence of an error's text, which starts in lower case.
func titled(err error) string {
	text := strings.TrimSpace(err.Error())
	if text == "" {
		return "This value cannot be used."
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
