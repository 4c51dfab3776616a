package dsar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// requestRow is one row of requests, columns by name.
type requestRow struct {
	ID              int64
	Controller      string
	Kind            datamap.Kind
	Policy          string
	Status          Status
	Channel         string
	Delivery        string
	Language        string
	ReceivedAt      time.Time
	DueOn           time.Time // a day, at UTC midnight
	Derivation      string
	ExtendedAt      *time.Time
	ApprovedAt      *time.Time
	ApprovedBy      *string
	IncludeShared   bool
	FirstApprovedAt *time.Time
	FirstApprovedBy *string
	Brake           *string
	Requester       string
	RequesterCipher []byte // at place(requesterOf, id)
	MandateKind     *string
	MandateBy       *string
	MandateAt       *time.Time
	BroughtCipher   []byte // at place(broughtOf, id)
	ReasonCipher    []byte // at place(reasonOf, id)
	JoinedProof     []byte
	WaitsFor        *int64
	JoinedInto      *int64
	RemindedAt      *time.Time
	FinishedAt      *time.Time
	ScrubAt         *time.Time
	ScrubbedAt      *time.Time
	Plan            plans // as approved; nil: nobody noted it
}

const requestColumns = `id, controller, kind, policy, status, channel, delivery, language, received_at, due_on,
	derivation, extended_at, approved_at, approved_by, include_shared, first_approved_at, first_approved_by, brake, requester, requester_cipher, mandate_kind,
	mandate_by, mandate_at, brought_cipher, reason_cipher, joined_proof, waits_for, joined_into, reminded_at, finished_at, scrub_at,
	scrubbed_at, plan`

const requestByID = `SELECT e.n, ` + requestColumns + ` FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN requests r ON r.id = e.number`

// loadRequest reads a request; forUpdate locks its row until the transaction
// ends. There is none: ErrNotFound.
func loadRequest(ctx context.Context, db pg.DB, id int64, forUpdate bool) (requestRow, error) {
	sql := requestByID
	if forUpdate {
		sql += ` ORDER BY r.id FOR UPDATE OF r` // in one order, whoever locks many at once
		if err := pg.Claim(db, requestKey(id)); err != nil {
			return requestRow{}, err
		}
	}
	rows, err := pg.Each(ctx, db, sql, id)
	if err != nil {
		return requestRow{}, fmt.Errorf("load request %d: %w", id, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[requestRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return requestRow{}, ErrNotFound
	}
	if err != nil {
		return requestRow{}, fmt.Errorf("load request %d: %w", id, err)
	}
	return r, nil
}

// requestKey stands for a request's row where its lock is claimed (pg.Claim).
type requestKey int64

// isOpen tells whether a request in this status still asks for something.
func (st Status) isOpen() bool { return st == Received || st == InReview || st == Running }

// Places to which ciphertexts are bound, so that one row's cannot be put into another's.
const (
	identityOf  = "identities"
	rootOf      = "roots"
	stepOf      = "steps"
	letterOf    = "letters"
	feedsOf     = "feeds"
	requesterOf = "requests.requester"
	reasonOf    = "requests.reason"
	broughtOf   = "requests.brought"
)

// place is the associated data of a ciphertext: "identities/17".
func place(of string, id int64) string { return fmt.Sprintf("%s/%d", of, id) }

// requesterContent is sealed in requests.requester_cipher.
type requesterContent struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// rootContent is sealed in roots.cipher, at place(rootOf, id). It is what
// source.Root says of the row, but its source and collection, which stand in clear.
type rootContent struct {
	Key    string            `json:"key"`
	Types  []string          `json:"types"`
	Stored map[string]string `json:"stored"`
	Person map[string]string `json:"person"`
}

// discoverNote is sealed in steps.note_cipher of a discover step, at
// place(stepOf, id): the addresses that the walk reached though no seed matched
// them; and by which plan it went, for which types of identities ("": an earlier
// build searched).
type discoverNote struct {
	Reached []string `json:"reached"`
	Plan    string   `json:"plan,omitempty"`
	Types   []string `json:"types,omitempty"`
}

// rootMAC finds a root row again without its key in clear.
func (s *Service) rootMAC(controller, source string, k source.RowKey) []byte {
	return s.c.Keys.MAC("root", controller, source, k.Collection, k.Key).Sum
}

// rootsOf lists the root rows of a request by source, collection and age; ids
// are parallel. Of a scrubbed row only source, collection and ticks are left.
func (s *Service) rootsOf(ctx context.Context, db pg.DB, requestID int64) (roots []RootRow, ids []int64, err error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, source, collection, cipher, proved, ticked
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN roots r ON r.request_id = e.number
		ORDER BY source, collection, id`, requestID)
	if err != nil {
		return nil, nil, fmt.Errorf("root rows of request %d: %w", requestID, err)
	}
	type row struct {
		ID                 int64
		Source, Collection string
		Cipher             []byte
		Proved             bool
		Ticked             *bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, nil, fmt.Errorf("root rows of request %d: %w", requestID, err)
	}
	for _, x := range list {
		root := RootRow{Source: x.Source, Proved: x.Proved, Ticked: x.Ticked}
		root.Collection = x.Collection
		if x.Cipher != nil {
			var c rootContent
			if err := s.openJSON(place(rootOf, x.ID), x.Cipher, &c); err != nil {
				return nil, nil, err
			}
			root.Key, root.Types, root.Stored, root.Person = c.Key, c.Types, c.Stored, c.Person
		}
		roots, ids = append(roots, root), append(ids, x.ID)
	}
	return roots, ids, nil
}
