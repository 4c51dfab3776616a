package dsar

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// byLink is identities.proved_how of what a confirmation link proved.
const byLink = "link"

// errProofMoved: another identity was proved between the look and the lock.
var errProofMoved = errors.New("the proved identities changed meanwhile")

// A proof is an act that proves identities of a request, each by itself.
type proof struct {
	identities []int64
	how        string // byLink, or the DPO's words
	actor      string
}

// withProof opens a transaction in which p's identities may be proved: it holds
// a lock over the set of proved identities that comes out, then the request's
// row. Two requests that become the same one at the same moment therefore take
// turns, and the second finds the first.
func (s *Service) withProof(ctx context.Context, requestID int64, p proof, f func(pgx.Tx, requestRow) error) error {
	var err error
	for range 5 {
		err = pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
			r, err := loadRequest(ctx, tx, requestID, false)
			if err != nil {
				return err
			}
			before, err := s.proofSums(ctx, tx, r, p.identities)
			if err != nil {
				return err
			}
			if err := lockProof(ctx, tx, before); err != nil {
				return err
			}
			if r, err = loadRequest(ctx, tx, requestID, true); err != nil {
				return err
			}
			after, err := s.proofSums(ctx, tx, r, p.identities)
			if err != nil {
				return err
			}
			if !bytes.Equal(before[0], after[0]) {
				return errProofMoved
			}
			return f(tx, r)
		})
		if !errors.Is(err, errProofMoved) {
			return err
		}
	}
	return err
}

// claimProof makes sure that of those who share a transaction one alone is about
// a set of proved identities; the key is that of the lock to take.
func claimProof(tx pgx.Tx, sums [][]byte) (key int64, err error) {
	key = int64(binary.BigEndian.Uint64(sums[0])) //nolint:gosec // any 64 bits do
	return key, pg.Claim(tx, proofKey(key))
}

// lockProof takes the transaction's lock over one set of proved identities.
func lockProof(ctx context.Context, tx pgx.Tx, sums [][]byte) error {
	key, err := claimProof(tx, sums)
	if err != nil {
		return err
	}
	_, err = pg.EachExec(ctx, tx, `
		SELECT e.n, pg_advisory_xact_lock(e.key) FROM (SELECT * FROM unnest($1::bigint[]) WITH ORDINALITY AS u (key, n) ORDER BY key) e`, key)
	if err != nil {
		return fmt.Errorf("lock a set of proved identities: %w", err)
	}
	return nil
}

// proofKey stands for a set of proved identities where its lock is claimed.
type proofKey int64

// proofSums are the HMACs, under every key and the primary's first, of the
// sorted identities of a request that are proved, or would be with these, and of
// the fields by which it is narrowed.
func (s *Service) proofSums(ctx context.Context, db pg.DB, r requestRow, also []int64) ([][]byte, error) {
	ids, err := s.identitiesOf(ctx, db, r.ID)
	if err != nil {
		return nil, err
	}
	fields, err := s.fieldsOf(r)
	if err != nil {
		return nil, err
	}
	return s.sumsOf(r.Controller, provedOf(ids, also), fields), nil
}

// provedOf are the identities that are proved, or would be with these.
func provedOf(ids []ProvedIdentity, also []int64) (set []Identity) {
	for _, id := range ids {
		if !id.ProvedAt.IsZero() || slices.Contains(also, id.ID) {
			set = append(set, Identity{id.Type, id.Value})
		}
	}
	return set
}

// sumsOf tells apart what is asked for: a request that brings a field wants less
// than one without, or something else, and neither answers the other.
func (s *Service) sumsOf(controller string, set []Identity, fields map[string]string) [][]byte {
	set = slices.Clone(set)
	slices.SortFunc(set, func(a, b Identity) int {
		if n := strings.Compare(a.Type, b.Type); n != 0 {
			return n
		}
		return strings.Compare(a.Value, b.Value)
	})
	parts := []string{"proof", controller}
	for _, id := range set {
		parts = append(parts, id.Type, id.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, "field", name, fields[name])
	}
	var sums [][]byte
	for _, m := range s.c.Keys.MACs(parts...) {
		sums = append(sums, m.Sum)
	}
	return sums
}

// prove marks identities as proved and does what follows: the request is
// joined with an open one of the same proved identities, or goes into review,
// and the discovery runs (again). The caller holds the locks of withProof.
func (s *Service) prove(ctx context.Context, tx pgx.Tx, r requestRow, p proof) error {
	n, err := s.proved(ctx, tx, r.ID, p)
	if err != nil || n == 0 {
		return err
	}
	ids, err := s.identitiesOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	event := "request.verified"
	if p.how == byLink {
		event = "request.confirmed"
	}
	err = s.note(ctx, tx, event, r.ID, p.actor, map[string]any{"identities": n})
	if err != nil {
		return err
	}
	fields, err := s.fieldsOf(r)
	if err != nil {
		return err
	}
	sums := s.sumsOf(r.Controller, provedOf(ids, nil), fields)
	into, err := s.join(ctx, tx, r, sums)
	if err != nil || into != 0 {
		return err
	}
	// What was approved was approved on other findings: the DPO looks again.
	_, err = pg.EachExec(ctx, tx, `
		UPDATE requests r SET joined_proof = e.proof, approved_at = NULL, approved_by = NULL
		FROM unnest($1::bigint[], $2::bytea[]) AS e (id, proof) WHERE r.id = e.id`, r.ID, sums[0])
	if err != nil {
		return fmt.Errorf("prove identities of request %d: %w", r.ID, err)
	}
	if err := s.link(ctx, tx, r, ids); err != nil {
		return err
	}
	if r.Status == Received { // nothing has been searched yet
		if err := s.moveLocked(ctx, tx, r, InReview, p.actor, nil); err != nil {
			return err
		}
	} else if _, err := pg.EachExec(ctx, tx, `DELETE FROM findings WHERE request_id = ANY($1)`, r.ID); err != nil {
		return fmt.Errorf("forget findings of request %d: %w", r.ID, err)
	}
	return s.addSteps(ctx, tx, r.ID, stageDiscover)
}

// proved notes which identities are proved, and how many of them were not before.
func (s *Service) proved(ctx context.Context, tx pgx.Tx, requestID int64, p proof) (n int64, err error) {
	if len(p.identities) == 0 {
		return 0, nil
	}
	sets := make([][]any, 0, len(p.identities))
	for _, id := range p.identities {
		sets = append(sets, []any{requestID, id, s.now(), p.how, p.actor})
	}
	rows, err := pg.EachOf(ctx, tx, `
		UPDATE identities i SET proved_at = e.now, proved_how = e.how, proved_by = e.by
		FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[]) WITH ORDINALITY AS e (request, identity, now, how, by, n)
		WHERE i.request_id = e.request AND i.id = e.identity AND i.proved_at IS NULL RETURNING e.n, i.id`, sets)
	if err != nil {
		return 0, fmt.Errorf("prove identities of request %d: %w", requestID, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("prove identities of request %d: %w", requestID, err)
	}
	return int64(len(ids)), nil
}

// join looks for the other open request of the same controller, kind, policy
// and proved identities. The newer of the two ends as withdrawn, into the
// older one; nothing of the one is copied to the other but the earlier
// deadline. into is the older one's number when r was the newer.
func (s *Service) join(ctx context.Context, tx pgx.Tx, r requestRow, sums [][]byte) (into int64, err error) {
	others, err := s.alike(ctx, tx, r, sums)
	if err != nil {
		return 0, err
	}
	for _, other := range others {
		if other.ID < r.ID {
			return other.ID, s.joinInto(ctx, tx, r, other)
		}
		if err := s.joinInto(ctx, tx, other, r); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// alike are the other open requests that join looks for, oldest first, their rows locked.
func (s *Service) alike(ctx context.Context, tx pgx.Tx, r requestRow, sums [][]byte) ([]requestRow, error) {
	sets := make([][]any, 0, len(sums))
	for _, sum := range sums {
		sets = append(sets, []any{r.Controller, string(r.Kind), r.Policy, sum, r.ID})
	}
	rows, err := pg.EachOf(ctx, tx, `
		SELECT e.n, `+requestColumns+`
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bigint[]) WITH ORDINALITY AS e (of_controller, of_kind, of_policy, proof, own, n)
		CROSS JOIN LATERAL (
			SELECT * FROM requests q
			WHERE q.controller = e.of_controller AND q.kind = e.of_kind AND q.policy = e.of_policy AND q.joined_proof = e.proof
			  AND q.status IN ('received', 'in_review') AND q.id <> e.own
			FOR UPDATE) r
		ORDER BY id`, sets)
	if err != nil {
		return nil, fmt.Errorf("look for requests like %d: %w", r.ID, err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowToStructByName[requestRow])
	if err != nil {
		return nil, fmt.Errorf("look for requests like %d: %w", r.ID, err)
	}
	for _, other := range others {
		if err := pg.Claim(tx, requestKey(other.ID)); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// joinInto ends newer and lets older answer for both.
func (s *Service) joinInto(ctx context.Context, tx pgx.Tx, newer, older requestRow) error {
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE requests SET waits_for = $2 WHERE waits_for = $1`, newer.ID, older.ID)
	batch.Queue(`UPDATE requests SET joined_into = $2 WHERE id = $1`, newer.ID, older.ID)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("join request %d into %d: %w", newer.ID, older.ID, err)
	}
	if err := s.note(ctx, tx, "request.joined", newer.ID, system, map[string]any{"into": older.ID}); err != nil {
		return err
	}
	if err := s.note(ctx, tx, "request.joined", older.ID, system, map[string]any{"from": newer.ID}); err != nil {
		return err
	}
	if err := s.move(ctx, tx, newer.ID, Withdrawn, system, map[string]any{"joined": true}); err != nil {
		return err
	}
	if !newer.ReceivedAt.Before(older.ReceivedAt) {
		return nil
	}
	// Entered later, but received earlier (a letter on paper): its deadline counts.
	due, derivation, err := Deadline(newer.ReceivedAt, s.c.Controllers[older.Controller], older.ExtendedAt != nil)
	if err != nil {
		return fmt.Errorf("deadline of request %d: %w", older.ID, err)
	}
	_, err = tx.Exec(ctx, `UPDATE requests SET received_at = $2, due_on = $3, derivation = $4 WHERE id = $1`,
		older.ID, newer.ReceivedAt, due, derivation)
	if err != nil {
		return fmt.Errorf("join request %d into %d: %w", newer.ID, older.ID, err)
	}
	return nil
}

// link ties an erasure to an open access or export request of the same
// subject, that is, one that shares a proved identity: whoever asks for a copy
// and for erasure gets the copy first.
func (s *Service) link(ctx context.Context, tx pgx.Tx, r requestRow, ids []ProvedIdentity) error {
	if r.Kind != datamap.Erasure {
		return s.awaitedBy(ctx, tx, r, ids)
	}
	_, other, err := s.related(ctx, tx, r, nil, s.provedMACs(r, ids))
	if err != nil || orZero(other) == orZero(r.WaitsFor) {
		return err
	}
	_, err = pg.EachExec(ctx, tx, `
		UPDATE requests r SET waits_for = e.awaited FROM unnest($1::bigint[], $2::bigint[]) AS e (id, awaited) WHERE r.id = e.id`, r.ID, other)
	if err != nil {
		return fmt.Errorf("link request %d: %w", r.ID, err)
	}
	return nil
}

// awaitedBy makes the open erasures of the same subject wait for an access or
// export request, once all that is new has been written.
func (s *Service) awaitedBy(ctx context.Context, tx pgx.Tx, r requestRow, ids []ProvedIdentity) error {
	for _, sum := range s.provedMACs(r, ids) {
		err := pg.Put(ctx, tx, `
			UPDATE requests r SET waits_for = e.awaited
			FROM unnest($1::bigint[], $2::bytea[]) AS e (awaited, hmac) JOIN identities i USING (hmac)
			WHERE r.id = i.request_id AND i.proved_at IS NOT NULL AND r.kind = 'erasure' AND coalesce(r.status, '') = 'in_review' AND r.waits_for IS NULL`, r.ID, sum)
		if err != nil {
			return fmt.Errorf("link request %d: %w", r.ID, err)
		}
	}
	return nil
}

// related looks for the open requests that one has to do with: whether there are
// any of the same proved identities (sums; alike reads and locks them), and the
// first access or export request that shares one of the identities (macs), which
// an erasure waits for; nil: none.
func (s *Service) related(ctx context.Context, tx pgx.Tx, r requestRow, sums, macs [][]byte) (alike bool, awaited *int64, err error) {
	var sets [][]any
	for _, sum := range sums {
		sets = append(sets, []any{r.Controller, string(r.Kind), r.Policy, sum, r.ID, []byte(nil)})
	}
	for _, mac := range macs {
		sets = append(sets, []any{r.Controller, string(r.Kind), r.Policy, []byte(nil), r.ID, mac})
	}
	if len(sets) == 0 {
		return false, nil, nil
	}
	rows, err := pg.EachOf(ctx, tx, `
		SELECT e.n,
			-- Not EXISTS: for that Postgres may read all that is open into a table of its own.
			(SELECT true FROM requests q WHERE q.controller = e.controller AND q.kind = e.kind AND q.policy = e.policy AND q.joined_proof = e.proof
				AND q.status IN ('received', 'in_review') AND q.id <> e.own LIMIT 1),
			(SELECT min(a.id) FROM identities i JOIN requests a ON a.id = i.request_id
			 WHERE i.hmac = e.hmac AND i.proved_at IS NOT NULL AND a.kind IN ('access', 'export') AND coalesce(a.status, '') IN ('in_review', 'running'))
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[]) WITH ORDINALITY AS e (controller, kind, policy, proof, own, hmac, n)`, sets)
	if err != nil {
		return false, nil, fmt.Errorf("look for requests like %d: %w", r.ID, err)
	}
	var is *bool
	var id *int64
	_, err = pgx.ForEachRow(rows, []any{&is, &id}, func() error {
		alike = alike || is != nil
		if id != nil && (awaited == nil || *id < *awaited) {
			awaited = id
		}
		return nil
	})
	if err != nil {
		return false, nil, fmt.Errorf("look for requests like %d: %w", r.ID, err)
	}
	return alike, awaited, nil
}

// provedMACs are the HMACs of a request's proved identities under every key, by
// which other requests of the same subject are found. They hold the
// controller, so another controller's request never matches.
func (s *Service) provedMACs(r requestRow, ids []ProvedIdentity) [][]byte {
	sums := [][]byte{}
	for _, seed := range s.seeds(ids, true) {
		for _, m := range s.c.Keys.MACs(r.Controller, seed.Type, seed.Value) {
			sums = append(sums, m.Sum)
		}
	}
	return sums
}

// Verify proves one identity by the DPO's word; how is kept ("passport seen at
// the counter"), so it must not name the person.
func (s *Service) Verify(ctx context.Context, a Actor, id, identity int64, how string) error {
	p := proof{identities: []int64{identity}, how: strings.TrimSpace(how), actor: a.Name}
	err := s.withProof(ctx, id, p, func(tx pgx.Tx, r requestRow) error {
		if err := a.may(r.Controller, true); err != nil {
			return err
		}
		ids, err := s.identitiesOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if problem := wordsOnRecord(p.how, valuesOf(ids)); problem != "" {
			return &Invalid{Fields: map[string]string{"how": problem}}
		}
		i := slices.IndexFunc(ids, func(x ProvedIdentity) bool { return x.ID == identity })
		if i < 0 {
			return &Invalid{Fields: map[string]string{"identity": "This identity does not belong to the request."}}
		}
		if !ids[i].ProvedAt.IsZero() {
			return &NotNow{"This identity has been proved already."}
		}
		if r.Status != Received && r.Status != InReview {
			return notNow(id, r.Status, InReview)
		}
		return s.prove(ctx, tx, r, p)
	})
	return fault(fmt.Sprintf("verify an identity of request %d", id), err)
}

// wordsOnRecord says what is wrong with words that stay on the record in
// clear: they must say something, and nothing by which the person is found.
func wordsOnRecord(words string, identities []string) string {
	if words == "" {
		return "Say how the identity was verified, for example: passport seen at the counter."
	}
	return wordsWithout(words, identities)
}

func wordsWithout(words string, identities []string) string {
	if problem := plainText(words, 300); problem != "" {
		return problem
	}
	fold := strings.ToLower(words)
	for _, v := range identities {
		if v != "" && strings.Contains(fold, strings.ToLower(v)) {
			return "Leave addresses, numbers and other identities of the person out: these words stay on the record."
		}
	}
	if strings.Contains(words, "@") {
		return "Leave mail addresses out: these words stay on the record."
	}
	return ""
}

func valuesOf(ids []ProvedIdentity) []string {
	var values []string
	for _, id := range ids {
		values = append(values, id.Value)
	}
	return values
}

// note writes a ledger entry of a request.
func (s *Service) note(ctx context.Context, tx pgx.Tx, typ string, requestID int64, actor string, data map[string]any) error {
	err := ledger.Write(ctx, tx, ledger.Entry{Type: typ, At: s.now(), RequestID: requestID, Actor: actor, Data: nonNil(data)})
	if err != nil {
		return fmt.Errorf("note %s of request %d: %w", typ, requestID, err)
	}
	return nil
}
