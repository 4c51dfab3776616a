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
func (s *Service) Submit(ctx context.Context, a Actor, sub Submission) (Submitted, error) {
	in, err := s.check(a, sub)
	if err != nil {
		return Submitted{}, fault("submit", err)
	}
	var out Submitted
	err = pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
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
	id, err := s.insertRequest(ctx, tx, a, in)
	if err != nil {
		return Submitted{}, err
	}
	if err := s.addIdentities(ctx, tx, id, in.Controller, in.Identities); err != nil {
		return Submitted{}, err
	}
	err = s.note(ctx, tx, "request.submitted", id, a.Name, map[string]any{
		"kind": string(in.Kind), "policy": in.Policy, "channel": in.Channel, "identities": len(in.Identities),
		"requester": in.Requester.As, "due_on": in.due.Format(time.DateOnly),
	})
	if err != nil {
		return Submitted{}, err
	}
	r, err := loadRequest(ctx, tx, id, false)
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
			if _, err := s.addStep(ctx, tx, id, "locate", name); err != nil {
				return Submitted{}, err
			}
		}
		return out, nil
	}
	ids, err := s.identitiesOf(ctx, tx, id)
	if err != nil {
		return Submitted{}, err
	}
	p := proof{how: in.Verified, actor: a.Name}
	for _, x := range ids {
		p.identities = append(p.identities, x.ID)
	}
	out.Into, err = s.prove(ctx, tx, r, p)
	out.Joined = out.Into != 0
	return out, err
}

func (s *Service) insertRequest(ctx context.Context, tx pgx.Tx, a Actor, in intake) (int64, error) {
	var mandateKind, mandateBy *string
	var mandateAt *time.Time
	if in.Requester.Mandate != "" {
		now := s.now()
		mandateKind, mandateBy, mandateAt = &in.Requester.Mandate, &a.Name, &now
	}
	var id int64
	err := pg.EachRow(ctx, tx, `
		WITH e AS (
			SELECT nextval(pg_get_serial_sequence('requests', 'id')) AS id, u.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
				$6::text[], $7::timestamptz[], $8::date[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[]) WITH ORDINALITY
				AS u (controller, kind, policy, channel, delivery, language, received_at, due_on, derivation, requester, mandate_kind, mandate_by, mandate_at, n)),
		added AS (
			INSERT INTO requests (id, controller, kind, policy, status, channel, delivery, language, received_at, due_on,
				derivation, requester, mandate_kind, mandate_by, mandate_at)
			OVERRIDING SYSTEM VALUE
			SELECT id, controller, kind, policy, 'received', channel, delivery, language, received_at, due_on,
				derivation, requester, mandate_kind, mandate_by, mandate_at FROM e)
		SELECT n, id FROM e`,
		in.Controller, in.Kind, in.Policy, in.Channel, in.Delivery, in.Language, in.ReceivedAt, in.due,
		in.derivation, in.Requester.As, mandateKind, mandateBy, mandateAt).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("insert request: %w", err)
	}
	if err := s.saveBrought(ctx, tx, id, in); err != nil {
		return 0, err
	}
	if in.Requester.As == self {
		return id, nil
	}
	cipher, err := s.sealJSON(place(requesterOf, id), requesterContent{Name: in.Requester.Name, Address: in.Requester.Address})
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `UPDATE requests SET requester_cipher = $2 WHERE id = $1`, id, cipher); err != nil {
		return 0, fmt.Errorf("insert request %d: %w", id, err)
	}
	return id, nil
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
