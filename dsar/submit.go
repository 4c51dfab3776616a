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

// admit takes a request in. What it adds is written at the end of the
// transaction, each row once.
func (s *Service) admit(ctx context.Context, tx pgx.Tx, a Actor, in intake) (Submitted, error) {
	var sums [][]byte // of proved identities
	if in.Verified != "" {
		sums = s.sumsOf(in.Controller, in.Identities, in.Fields)
	}
	id, numbers, steps, err := draw(ctx, tx, sums, len(in.Identities), len(s.sources))
	if err != nil {
		return Submitted{}, err
	}
	r, err := s.newRequest(id, a, in)
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
	var alike []requestRow
	insert := pg.Put
	if in.Verified != "" {
		var macs [][]byte
		if r.Kind == datamap.Erasure {
			macs = s.provedMACs(r, ids)
		}
		found, awaited, err := s.related(ctx, tx, r, sums, macs)
		if err == nil && found { // mostly there is none
			alike, err = s.alike(ctx, tx, r, sums)
		}
		if err != nil {
			return Submitted{}, err
		}
		if len(alike) > 0 {
			insert = pg.EachPut // it ends as soon as it stands
		} else {
			r.Status, r.JoinedProof, r.WaitsFor = InReview, sums[0], awaited
		}
	}
	if err := s.insertRequest(ctx, tx, r, insert); err != nil {
		return Submitted{}, err
	}
	if err := s.addIdentities(ctx, tx, r, ids); err != nil {
		return Submitted{}, err
	}
	said := map[string]any{
		"kind": string(in.Kind), "policy": in.Policy, "channel": in.Channel, "identities": len(in.Identities),
		"requester": in.Requester.As, "due_on": in.due.Format(time.DateOnly),
	}
	if len(in.Fields) > 0 { // by what it is narrowed, without the values: what stays once these are gone
		said["fields"] = strings.Join(slices.Sorted(maps.Keys(in.Fields)), ", ")
	}
	if err := s.note(ctx, tx, "request.submitted", id, a.Name, said); err != nil {
		return Submitted{}, err
	}
	token, err := s.statusToken(ctx, tx, r, nil)
	if err != nil {
		return Submitted{}, err
	}
	out := Submitted{ID: id, StatusToken: token}
	if in.Verified == "" {
		return out, s.addSteps(ctx, tx, id, stageLocate, steps...)
	}
	if err := s.note(ctx, tx, "request.verified", id, a.Name, map[string]any{"identities": len(ids)}); err != nil {
		return Submitted{}, err
	}
	if len(alike) > 0 { // ours has the higher number: it was drawn under the lock
		out.Joined, out.Into = true, alike[0].ID
		return out, s.joinInto(ctx, tx, r, alike[0])
	}
	if err := s.note(ctx, tx, "request.in_review", id, a.Name, nil); err != nil {
		return Submitted{}, err
	}
	if r.Kind != datamap.Erasure {
		if err := s.awaitedBy(ctx, tx, r, ids); err != nil {
			return Submitted{}, err
		}
	}
	return out, s.addSteps(ctx, tx, id, stageDiscover, steps...)
}

// draw draws the numbers of a request, of its identities and of its first steps:
// what is sealed is bound to them. Where identities are proved, it first takes the lock over their
// set (sums): whoever files the same at this moment takes turns with us.
func draw(ctx context.Context, tx pgx.Tx, sums [][]byte, identities, sources int) (id int64, numbers, steps []int64, err error) {
	var key *int64
	if len(sums) > 0 {
		k, err := claimProof(tx, sums)
		if err != nil {
			return 0, nil, nil, err
		}
		key = &k
	}
	err = pg.EachRow(ctx, tx, `
		SELECT e.n, e.id, ARRAY(SELECT nextval('identities_id_seq') FROM generate_series(1, e.many)), ARRAY(SELECT nextval('steps_id_seq') FROM generate_series(1, e.sources))
		FROM (
			SELECT u.n, u.many, u.sources, pg_advisory_xact_lock(u.key), nextval('requests_id_seq') AS id
			FROM (SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[]) WITH ORDINALITY AS u (key, many, sources, n) ORDER BY key) u OFFSET 0) e`,
		key, identities, sources).Scan(&id, &numbers, &steps)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("number a request: %w", err)
	}
	return id, numbers, steps, nil
}

// newRequest is the row of a submission as it comes in.
func (s *Service) newRequest(id int64, a Actor, in intake) (r requestRow, err error) {
	r = requestRow{
		ID: id, Controller: in.Controller, Kind: in.Kind, Policy: in.Policy, Status: Received, Channel: in.Channel, Delivery: in.Delivery,
		Language: in.Language, ReceivedAt: in.ReceivedAt.Truncate(time.Microsecond), DueOn: in.due, Derivation: in.derivation, Requester: in.Requester.As,
	}
	if in.Requester.Mandate != "" {
		now := s.now()
		r.MandateKind, r.MandateBy, r.MandateAt = &in.Requester.Mandate, &a.Name, &now
	}
	if r.BroughtCipher, err = s.sealBrought(id, in); err != nil {
		return requestRow{}, err
	}
	if in.Requester.As != self {
		r.RequesterCipher, err = s.sealJSON(place(requesterOf, id), requesterContent{Name: in.Requester.Name, Address: in.Requester.Address})
		if err != nil {
			return requestRow{}, err
		}
	}
	return r, nil
}

func (s *Service) insertRequest(ctx context.Context, tx pgx.Tx, r requestRow, put func(context.Context, pgx.Tx, string, ...any) error) error {
	err := put(ctx, tx, `
		INSERT INTO requests (id, controller, kind, policy, status, channel, delivery, language, received_at, due_on, derivation, requester, requester_cipher,
			mandate_kind, mandate_by, mandate_at, brought_cipher, joined_proof, waits_for)
		OVERRIDING SYSTEM VALUE
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::date[],
			$11::text[], $12::text[], $13::bytea[], $14::text[], $15::text[], $16::timestamptz[], $17::bytea[], $18::bytea[], $19::bigint[])`,
		r.ID, r.Controller, string(r.Kind), r.Policy, string(r.Status), r.Channel, r.Delivery, r.Language, r.ReceivedAt, r.DueOn, r.Derivation,
		r.Requester, r.RequesterCipher, r.MandateKind, r.MandateBy, r.MandateAt, r.BroughtCipher, r.JoinedProof, r.WaitsFor)
	if err != nil {
		return fmt.Errorf("insert request: %w", err)
	}
	return nil
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
