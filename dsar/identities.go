package dsar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// addIdentities stores identities (normalised): encrypted, beside the HMAC over
// controller, type and value by which they are looked up. The controller is
// part of it so that no two controllers' records can be matched with each other.
func (s *Service) addIdentities(ctx context.Context, tx pgx.Tx, r requestRow, ids []ProvedIdentity) error {
	for _, id := range ids {
		cipher, err := s.c.Keys.Seal([]byte(id.Value), place(identityOf, id.ID))
		if err != nil {
			return fmt.Errorf("seal identity of request %d: %w", r.ID, err)
		}
		mac := s.identityMAC(r.Controller, id.Type, id.Value)
		var provedAt *time.Time
		if !id.ProvedAt.IsZero() {
			provedAt = &id.ProvedAt
		}
		err = pg.Put(ctx, tx, `
			INSERT INTO identities (id, request_id, type, cipher, hmac, key_id, proved_at, proved_how, proved_by)
			OVERRIDING SYSTEM VALUE
			SELECT id, request_id, type, cipher, hmac, key_id, proved_at, nullif(how, ''), nullif(by, '')
			FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::timestamptz[], $8::text[], $9::text[])
				AS e (id, request_id, type, cipher, hmac, key_id, proved_at, how, by)`,
			id.ID, r.ID, id.Type, cipher, mac.Sum, mac.KeyID, provedAt, id.How, id.By)
		if err != nil {
			return fmt.Errorf("add identities of request %d: %w", r.ID, err)
		}
	}
	return nil
}

// identityMAC is the HMAC of one identity, under the primary key.
func (s *Service) identityMAC(controller, typ, value string) keys.MAC {
	return s.c.Keys.MAC(controller, typ, value)
}

// identitiesOf returns the identities of a request in the order in which they
// were given, decrypted. Value is empty once scrubbed.
func (s *Service) identitiesOf(ctx context.Context, db pg.DB, requestID int64) ([]ProvedIdentity, error) {
	rows, err := pg.Each(ctx, db, `
		SELECT e.n, id, type, cipher, proved_at, coalesce(proved_how, '') AS how, coalesce(proved_by, '') AS by
		FROM unnest($1::bigint[]) WITH ORDINALITY AS e (number, n) JOIN identities i ON i.request_id = e.number ORDER BY id`, requestID)
	if err != nil {
		return nil, fmt.Errorf("identities of request %d: %w", requestID, err)
	}
	type row struct {
		ID       int64
		Type     string
		Cipher   []byte
		ProvedAt *time.Time
		How, By  string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("identities of request %d: %w", requestID, err)
	}
	var ids []ProvedIdentity
	for _, x := range list {
		id := ProvedIdentity{ID: x.ID, Type: x.Type, How: x.How, By: x.By}
		if x.ProvedAt != nil {
			id.ProvedAt = *x.ProvedAt
		}
		if x.Cipher != nil {
			value, err := s.c.Keys.Open(x.Cipher, place(identityOf, x.ID))
			if err != nil {
				return nil, fmt.Errorf("open identity %d: %w", x.ID, err)
			}
			id.Value = string(value)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// seeds are what walks start from. provedOnly leaves out what nobody proved:
// only the locate step may do without, as it opens nothing to anybody.
func (s *Service) seeds(ids []ProvedIdentity, provedOnly bool) []source.Seed {
	var seeds []source.Seed
	for _, id := range ids {
		if id.Value == "" || provedOnly && id.ProvedAt.IsZero() {
			continue
		}
		seeds = append(seeds, s.seed(Identity{Type: id.Type, Value: id.Value}))
	}
	return seeds
}

// seed is what an identity is to a walk. A picked row whose collection has left
// the map keeps its bare type, which no plan knows: the request then waits.
func (s *Service) seed(id Identity) source.Seed {
	if id.Type == datamap.Row {
		if typ, key, err := datamap.PickedRow(s.c.Map, id.Value); err == nil {
			return source.Seed{Type: typ, Value: key}
		}
	}
	return source.Seed(id)
}

// walk makes the walk of a request's kind and policy from these seeds. The
// caller restricts it to ticked root rows where the request has been approved.
func (s *Service) walk(r requestRow, seeds []source.Seed) (source.Walk, error) {
	var types []string
	for _, seed := range seeds {
		types = append(types, seed.Type)
	}
	plan, err := s.plan(r.Kind, r.Policy, types)
	if err != nil {
		return source.Walk{}, fmt.Errorf("plan of request %d: %w", r.ID, err)
	}
	w := source.Walk{
		Plan: plan, Scope: s.c.Controllers[r.Controller].Scope, Seeds: seeds,
		IncludeShared: r.IncludeShared && r.Kind != datamap.Erasure,
	}
	return w, s.bring(&w, r)
}

// plan compiles the map for a kind, a policy and a set of identity types, once.
func (s *Service) plan(kind datamap.Kind, policy string, types []string) (*datamap.Plan, error) {
	types = slices.Compact(slices.Sorted(slices.Values(types)))
	key := string(kind) + "\x00" + policy + "\x00" + strings.Join(types, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.plans[key]; p != nil {
		return p, nil
	}
	pol, ok := s.policy(kind, policy)
	if !ok {
		return nil, &Permanent{Code: "no_policy", Err: fmt.Errorf("there is no policy %q for %s any more: put it back into the configuration", policy, kind)}
	}
	p, err := datamap.Compile(s.c.Map, pol, types)
	if err != nil {
		return nil, &Permanent{Code: "no_plan", Err: err}
	}
	s.plans[key] = p
	return p, nil
}

// leftovers are what an erasure leaves of a person in the rows that it masks, by collection.
type leftovers struct {
	coded   map[string]bool             // something is pseudonymised only
	remains map[string][]string         // fields, in words, that stay as they are
	kept    map[string][]datamap.Target // what is masked in rows that a law keeps
}

// leaves is what a policy leaves. Of one that is gone, nothing is known.
func (s *Service) leaves(policy string) leftovers {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.left[policy]; ok {
		return known
	}
	if pol, ok := s.policy(datamap.Erasure, policy); ok {
		l := leftovers{datamap.Pseudonymised(s.c.Map, pol), map[string][]string{}, datamap.KeptMasked(s.c.Map, pol)}
		for collection, fields := range datamap.Remaining(s.c.Map, pol) {
			for _, f := range fields {
				l.remains[collection] = append(l.remains[collection], strings.NewReplacer("_", " ", ".", " ").Replace(f.LocalName()))
			}
		}
		s.left[policy] = l
	}
	return s.left[policy]
}

// policy finds a policy by kind and name; an empty name is the built-in one.
func (s *Service) policy(kind datamap.Kind, name string) (datamap.Policy, bool) {
	builtin := datamap.Builtin(kind)
	if name == "" || name == builtin.Name {
		return builtin, true
	}
	for _, p := range s.c.Policies {
		if p.Kind == kind && p.Name == name {
			return p, true
		}
	}
	return datamap.Policy{}, false
}

// A dossier is what is known of whom a request is about.
type dossier struct {
	ids   []ProvedIdentity
	roots []RootRow
}

func (s *Service) dossierOf(ctx context.Context, db pg.DB, requestID int64) (p dossier, err error) {
	if p.ids, err = s.identitiesOf(ctx, db, requestID); err != nil {
		return dossier{}, err
	}
	p.roots, _, err = s.rootsOf(ctx, db, requestID)
	return p, err
}

// address is where letters of a request go: the bytes that stand in a root row
// which a proved address matched (a ticked row first); else the one address that
// stands in every row found (where a confirmation went, too); else the only address
// that stands in some of them or was reached by the walk; else the typed one,
// where the DPO verified it, or where nothing at all was found, so that there
// is nothing to give away (rule 5 of "What always holds"). A request that
// nobody proved yet writes, like its confirmation, to the address on record
// only. "" when there is none: the DPO tells the person by hand.
//
// While the rows disagree on the person, and once the DPO has left one of them
// as not theirs, an address that the walk merely reached may be somebody else's:
// which row led to it is not known. It is not written to then.
func (s *Service) address(ctx context.Context, db pg.DB, requestID int64) (string, error) {
	p, err := s.dossierOf(ctx, db, requestID)
	if err != nil {
		return "", err
	}
	return s.addressOf(ctx, db, requestID, p)
}

func (s *Service) addressOf(ctx context.Context, db pg.DB, requestID int64, p dossier) (string, error) {
	ids, roots := p.ids, slices.Clone(p.roots)
	proved := slices.ContainsFunc(ids, func(id ProvedIdentity) bool { return !id.ProvedAt.IsZero() })
	open := disagreeing(roots) && undecided(roots)
	left := someLeft(roots)
	roots = slices.DeleteFunc(roots, func(r RootRow) bool { return r.Proved != proved || r.Ticked != nil && !*r.Ticked })
	if to := matchedAddress(roots, ids); to != "" || !proved {
		return to, nil
	}
	if to := addressInAll(roots); to != "" && !open {
		return to, nil
	}
	var others []string
	if !open && !left {
		var err error
		if others, err = s.reached(ctx, db, requestID); err != nil {
			return "", err
		}
	}
	for _, r := range roots {
		if to, ok := mailable(r.Stored["email"]); ok && !slices.Contains(others, to) {
			others = append(others, to)
		}
	}
	if len(others) == 1 && !open {
		return others[0], nil
	}
	for _, id := range ids {
		if id.Type == "email" && !id.ProvedAt.IsZero() && (id.How != byLink || len(roots) == 0) {
			return id.Value, nil
		}
	}
	return "", nil
}

// addressInAll is the address that stands in each of the root rows, if it is one: those
// that hang on them (an old address, one at work) are then of no matter. Where a row
// has none, whoever wrote the person's number into their own row would be answered.
func addressInAll(roots []RootRow) string {
	var all string
	for i, r := range roots {
		to, ok := mailable(r.Stored["email"])
		if !ok || i > 0 && to != all {
			return ""
		}
		all = to
	}
	return all
}

// matchedAddress picks the stored bytes of the address in the root rows that an
// address matched: of ticked rows before undecided ones; among several
// spellings the one that was typed, else the first.
func matchedAddress(roots []RootRow, ids []ProvedIdentity) string {
	var best string
	rank := 0
	for _, r := range roots {
		to, ok := mailable(r.Stored["email"])
		if !ok || !slices.Contains(r.Types, "email") {
			continue
		}
		n := 1
		if slices.ContainsFunc(ids, func(id ProvedIdentity) bool { return id.Type == "email" && id.Value == to }) {
			n = 2
		}
		if r.Ticked != nil {
			n += 2
		}
		if n > rank {
			best, rank = to, n
		}
	}
	return best
}

// reached are the distinct addresses that the discover steps of all sources
// reached though no identity matched them.
func (s *Service) reached(ctx context.Context, db pg.DB, requestID int64) ([]string, error) {
	notes, err := notesOf[discoverNote](ctx, s, db, requestID, stageDiscover)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, note := range notes {
		all = append(all, note.Reached...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
