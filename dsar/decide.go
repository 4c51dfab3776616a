package dsar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// Approve lets the work begin. The discovery must be through in every source,
// and where root rows disagree on the person, the DPO says which are theirs:
// the ticks are fixed here, and every walk that follows is restricted to them.
// Where the data map has changed since, the search begins anew instead.
// An erasure whose subject also asked for a copy stays in review, approved,
// until that request has ended.
func (s *Service) Approve(ctx context.Context, a Actor, id int64, ap Approval) error {
	var refused error // though what the transaction wrote stands
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		refused = nil
		// The awaited request is locked before this one, as where it ends: no deadlock.
		waitsFor, err := s.lockAwaited(ctx, tx, id)
		if err != nil {
			return err
		}
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		if r.Status != InReview {
			return notNow(id, r.Status, Running)
		}
		if r.ApprovedAt != nil {
			return &NotNow{fmt.Sprintf("Request %d has been approved already; it waits for request %d of the same person to end.", id, orZero(r.WaitsFor))}
		}
		if ap.IncludeShared && r.Kind == datamap.Erasure {
			return &Invalid{map[string]string{"include_shared": "An erasure never takes rows that others use, too: leave this unticked."}}
		}
		searches, err := s.discovered(ctx, tx, id)
		if err != nil {
			return err
		}
		plan, again, err := s.asSearched(ctx, tx, r, searches)
		if err != nil || again != nil {
			refused = again
			return err
		}
		if err := s.partFound(ctx, tx, r); err != nil {
			return err
		}
		ticked, left, changed, err := s.fixRoots(ctx, tx, id, ap.Rows)
		if err != nil {
			return err
		}
		if first, err := s.firstOf(ctx, tx, a, r, ticked, changed); err != nil || first {
			return err
		}
		now := s.now()
		noted, err := plan.text()
		if err != nil {
			return err
		}
		_, err = pg.EachExec(ctx, tx, `
			UPDATE requests r SET approved_at = e.now, approved_by = e.by, include_shared = e.shared, waits_for = e.waits_for, plan = nullif(e.plan, '')::jsonb
			FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bool[], $5::bigint[], $6::text[]) AS e (id, now, by, shared, waits_for, plan) WHERE r.id = e.id`,
			id, now, a.Name, ap.IncludeShared, waitsFor, noted)
		if err != nil {
			return err
		}
		r.ApprovedAt, r.ApprovedBy, r.IncludeShared, r.WaitsFor, r.Plan = &now, &a.Name, ap.IncludeShared, waitsFor, plan
		err = s.note(ctx, tx, "request.approved", id, a.Name, map[string]any{
			"rows": ticked, "left": left, "include_shared": ap.IncludeShared,
		})
		if err != nil {
			return err
		}
		return s.start(ctx, tx, r, a.Name)
	})
	if err == nil {
		err = refused
	}
	return fault(fmt.Sprintf("approve request %d", id), err)
}

// lockAwaited locks the open request of the same subject that an erasure has
// to wait for; nil: none, or not an erasure.
func (s *Service) lockAwaited(ctx context.Context, tx pgx.Tx, id int64) (*int64, error) {
	r, err := loadRequest(ctx, tx, id, false)
	if err != nil || r.Kind != datamap.Erasure {
		return nil, err
	}
	ids, err := s.identitiesOf(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	_, other, err := s.related(ctx, tx, r, nil, s.provedMACs(r, ids))
	if err != nil || other == nil {
		return nil, err
	}
	o, err := loadRequest(ctx, tx, *other, true)
	if err != nil || !o.Status.isOpen() {
		return nil, err
	}
	return other, nil
}

// A search is how the discovery in one source ended.
type search struct {
	source string
	at     time.Time
	discoverNote
}

// discovered checks that the discovery is through in every source.
func (s *Service) discovered(ctx context.Context, tx pgx.Tx, id int64) (searches []search, err error) {
	rows, err := pg.Each(ctx, tx, `
		SELECT e.n, id, source, status, note_cipher, finished_at FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN steps s ON s.request_id = e.number
		WHERE stage = 'discover' ORDER BY source`, id)
	if err != nil {
		return nil, err
	}
	type row struct {
		ID             int64
		Source, Status string
		NoteCipher     []byte
		FinishedAt     *time.Time
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, err
	}
	var failed, busy []string
	for _, x := range list {
		switch x.Status {
		case "done":
			one := search{source: x.Source, at: orNever(x.FinishedAt)}
			if x.NoteCipher != nil {
				if err := s.openJSON(place(stepOf, x.ID), x.NoteCipher, &one.discoverNote); err != nil {
					return nil, err
				}
			}
			searches = append(searches, one)
		case "failed":
			failed = append(failed, x.Source)
		default:
			busy = append(busy, x.Source)
		}
	}
	if len(failed) > 0 {
		return nil, &NotNow{"The search failed in " + strings.Join(failed, ", ") + ": put that right and retry, then approve."}
	}
	if len(busy) > 0 {
		return nil, &NotNow{"The search is still under way in " + strings.Join(busy, ", ") + ": approve once it is through."}
	}
	return searches, nil
}

// fixRoots writes the ticks down. changed: they differ from those that stood there.
func (s *Service) fixRoots(ctx context.Context, tx pgx.Tx, requestID int64, rows []string) (ticked, left int, changed bool, err error) {
	roots, ids, err := s.rootsOf(ctx, tx, requestID)
	if err != nil {
		return 0, 0, false, err
	}
	decided, err := tick(roots, rows)
	if err != nil {
		return 0, 0, false, err
	}
	var sets [][]any
	for i, r := range roots {
		switch {
		case !r.Proved:
			continue
		case decided[i]:
			ticked++
		default:
			left++
		}
		sets = append(sets, []any{ids[i], decided[i]})
		changed = changed || r.Ticked == nil || *r.Ticked != decided[i]
	}
	if len(sets) > 0 {
		err = pg.EachOfExec(ctx, tx, `
			UPDATE roots r SET ticked = e.ticked FROM unnest($1::bigint[], $2::bool[]) AS e (id, ticked) WHERE r.id = e.id`, sets)
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("tick rows of request %d: %w", requestID, err)
	}
	return ticked, left, changed, nil
}

// Refuse ends a request (Art. 12(4)) with reasons; the letter names the
// remedies: the authority and the courts. It is for requests whose work has not begun.
func (s *Service) Refuse(ctx context.Context, a Actor, id int64, reason string) error {
	reason, err := reasonText(reason)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		if err := s.keepReason(ctx, tx, id, reason); err != nil {
			return err
		}
		// Late or not is on the record: a refusal has one month, extended or not.
		late := s.today(r).After(s.firstDue(r))
		if err := s.move(ctx, tx, id, Refused, a.Name, map[string]any{"late": late}); err != nil {
			return err
		}
		return s.tell(ctx, tx, r, "refused", reason)
	})
	return fault(fmt.Sprintf("refuse request %d", id), err)
}

// Extend moves the deadline by two months, once, within the first month, with
// reasons that the person is told in that month (Art. 12(3)).
func (s *Service) Extend(ctx context.Context, a Actor, id int64, reason string) error {
	reason, err := reasonText(reason)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		r, err := s.loadFor(ctx, tx, a, id, true, true)
		if err != nil {
			return err
		}
		switch {
		case !r.Status.isOpen():
			return &NotNow{fmt.Sprintf("Request %d is %s: there is nothing to extend.", id, statusWords[r.Status])}
		case r.ExtendedAt != nil:
			return &NotNow{fmt.Sprintf("Request %d has been extended already: that is possible once (Art. 12(3)).", id)}
		case s.today(r).After(r.DueOn):
			return &NotNow{fmt.Sprintf("Request %d can no longer be extended: the person had to be told within the first month, by %s (Art. 12(3)).",
				id, r.DueOn.Format("2 January 2006"))}
		}
		due, derivation, err := Deadline(r.ReceivedAt, s.c.Controllers[r.Controller], true)
		if err != nil {
			return err
		}
		if err := s.keepReason(ctx, tx, id, reason); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE requests SET extended_at = $2, due_on = $3, derivation = $4 WHERE id = $1`,
			id, s.now(), due, derivation)
		if err != nil {
			return err
		}
		err = s.note(ctx, tx, "request.extended", id, a.Name, map[string]any{"due_on": due.Format(time.DateOnly)})
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, r, "extended", reason)
	})
	return fault(fmt.Sprintf("extend request %d", id), err)
}

// Withdraw ends a request on the subject's word to the DPO.
func (s *Service) Withdraw(ctx context.Context, a Actor, id int64) error {
	err := pg.InTx(ctx, s.db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := s.loadFor(ctx, tx, a, id, true, true); err != nil {
			return err
		}
		return s.withdraw(ctx, tx, id, a.Name)
	})
	return fault(fmt.Sprintf("withdraw request %d", id), err)
}

func (s *Service) withdraw(ctx context.Context, tx pgx.Tx, id int64, actor string) error {
	r, err := loadRequest(ctx, tx, id, true)
	if err != nil {
		return err
	}
	if r.Status == Running {
		// While people are asked for a copy, nothing has been done yet that would count.
		var begun bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM steps WHERE request_id = $1 AND stage IN ('archive', 'erase'))`, id).Scan(&begun)
		if err != nil {
			return err
		}
		if begun {
			return &NotNow{fmt.Sprintf("Request %d is being carried out: it can no longer be withdrawn.", id)}
		}
	}
	if err := s.move(ctx, tx, id, Withdrawn, actor, nil); err != nil {
		return err
	}
	if r.Status == Received {
		return nil
	}
	return s.tell(ctx, tx, r, "withdrawn", "")
}

// tell writes the letter of a decision to the address on record.
func (s *Service) tell(ctx context.Context, tx pgx.Tx, r requestRow, kind, reason string) error {
	to, err := s.address(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	c := letterContent{To: to, Reason: reason}
	if to != "" {
		if c.StatusLink, err = s.statusLink(ctx, tx, r, nil); err != nil {
			return err
		}
	}
	return s.addLetter(ctx, tx, r, kind, "", 0, c)
}

// keepReason seals the DPO's words.
func (s *Service) keepReason(ctx context.Context, tx pgx.Tx, id int64, reason string) error {
	cipher, err := s.sealJSON(place(reasonOf, id), reason)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE requests SET reason_cipher = $2 WHERE id = $1`, id, cipher); err != nil {
		return fmt.Errorf("keep the reason of request %d: %w", id, err)
	}
	return nil
}

// today is the day it is where the request's controller sits.
func (s *Service) today(r requestRow) time.Time {
	return dayIn(s.now(), s.c.Controllers[r.Controller].Location)
}

// firstDue is the day that was due before any extension.
func (s *Service) firstDue(r requestRow) time.Time {
	if r.ExtendedAt == nil {
		return r.DueOn
	}
	due, _, err := Deadline(r.ReceivedAt, s.c.Controllers[r.Controller], false)
	if err != nil {
		return r.DueOn
	}
	return due
}

func orZero(id *int64) int64 {
	if id == nil {
		return 0
	}
	return *id
}
