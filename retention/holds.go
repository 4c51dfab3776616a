package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/yamldoc"
)

// Errors of holds that callers decide on.
var (
	ErrNoHold   = errors.New("there is no such hold, or it has been released")
	ErrHoldForm = errors.New("a hold names one of: an identity (type and value), a row (collection and key), or a whole collection")
)

// A HoldProblem is what is wrong with the form of a hold.
type HoldProblem struct {
	Field    string // controller, type, value, collection, reason, until
	Sentence string
}

func (e *HoldProblem) Error() string { return e.Sentence }

// AddHold places a hold. Exactly one of identity (Type, Value), row (Collection,
// Value) or Collection. Its reason is kept, its value encrypted: a hold for legal
// claims (Art. 17(3)(e), 18(2)) has to outlast the data it protects.
func (s *Service) AddHold(ctx context.Context, actor string, h Hold) (int64, error) {
	h.Reason = strings.TrimSpace(h.Reason)
	if err := s.checkHold(&h); err != nil {
		return 0, err
	}
	var id int64
	err := pg.InTx(ctx, s.c.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		now := s.c.Now()
		var mac, keyID any
		if h.Type != "" {
			m := s.c.Keys.MAC(h.Controller, h.Type, h.Value)
			mac, keyID = m.Sum, m.KeyID
		}
		if err := tx.QueryRow(ctx, `
			INSERT INTO holds (controller, type, hmac, key_id, collection, reason, placed_by, placed_at, until)
			VALUES (@controller, nullif(@type, ''), @hmac, @key_id, nullif(@collection, ''), @reason, @actor, @now, @until)
			RETURNING id`, pgx.StrictNamedArgs{
			"controller": h.Controller, "type": h.Type, "hmac": mac, "key_id": keyID, "collection": h.Collection,
			"reason": h.Reason, "actor": actor, "now": now, "until": nullDate(h.Until)}).Scan(&id); err != nil {
			return err
		}
		if h.Value != "" {
			// The row's number is part of the seal, so it has to exist first.
			sealed, err := s.c.Keys.Seal([]byte(s.holdText(h)), holdPlace(id))
			if err != nil {
				return fmt.Errorf("seal hold %d: %w", id, err)
			}
			if _, err := tx.Exec(ctx, `UPDATE holds SET cipher = @cipher WHERE id = @id`,
				pgx.StrictNamedArgs{"cipher": sealed, "id": id}); err != nil {
				return err
			}
		}
		return ledger.Write(ctx, tx, ledger.Entry{Type: "hold.placed", At: now, Actor: actor,
			Data: map[string]any{"hold": id, "controller": h.Controller, "type": h.Type, "collection": h.Collection}})
	})
	if err != nil {
		return 0, fmt.Errorf("place a hold: %w", pg.Clean(err))
	}
	return id, nil
}

func holdPlace(id int64) string { return "holds/" + strconv.FormatInt(id, 10) }

// checkHold checks a hold's form and normalises its identity.
func (s *Service) checkHold(h *Hold) error {
	i := slices.IndexFunc(s.c.Controllers, func(c Controller) bool { return c.Key == h.Controller })
	problem := func(field, format string, args ...any) error {
		return &HoldProblem{field, fmt.Sprintf(format, args...)}
	}
	switch {
	case i < 0:
		return problem("controller", "there is no controller %q", h.Controller)
	case h.Reason == "":
		return problem("reason", "a hold needs a reason")
	case !h.Until.IsZero() && h.Until.Before(s.today()):
		return problem("until", "the hold would have ended already")
	case h.Type != "" && (h.Value == "" || h.Collection != ""), h.Type == "" && h.Collection == "":
		return ErrHoldForm
	case h.Type != "":
		if types := identityTypes(s.c.Map); !slices.Contains(types, h.Type) {
			return problem("type", "the data map has no identity %s%s", h.Type, yamldoc.Nearest(h.Type, types))
		}
		typed := h.Value
		v, err := datamap.Normalise(h.Type, h.Value, s.c.Controllers[i].Country)
		if err != nil {
			return problem("value", "%s", err)
		}
		h.Value = v
		if names(h.Reason, typed) || names(h.Reason, v) {
			return problem("reason", "the reason stays on the record in clear: leave the person's address, number or identifier out of it")
		}
	case findMapped(s.c.Map, h.Collection) == nil:
		return problem("collection", "the data map has no collection %s%s", h.Collection, datamap.MeantCollection(s.c.Map, h.Collection))
	}
	if strings.Contains(h.Reason, "@") {
		return problem("reason", "the reason stays on the record in clear: leave mail addresses out of it")
	}
	return nil
}

// names tells whether a text holds a value. Short ones ("7") stand in any file number.
func names(text, value string) bool {
	return len(value) > 3 && strings.Contains(strings.ToLower(text), strings.ToLower(value))
}

// today is the present day, in UTC, at its midnight.
func (s *Service) today() time.Time {
	n := s.c.Now().UTC()
	return time.Date(n.Year(), n.Month(), n.Day(), 0, 0, 0, 0, time.UTC)
}

// held is a row of holds.
type held struct {
	ID         int64
	Controller string
	Type       string
	Collection string
	Cipher     []byte
	Reason     string
	PlacedBy   string
	PlacedAt   time.Time
	Until      *time.Time
	ReleasedAt *time.Time
}

func (s *Service) loadHolds(ctx context.Context, db pg.DB, controllers []string, all bool) ([]Hold, error) {
	rows, err := db.Query(ctx, `
		SELECT id, controller, coalesce(type, '') AS type, coalesce(collection, '') AS collection, cipher,
		       reason, placed_by, placed_at, until, released_at
		FROM holds
		WHERE (@everybody OR controller = ANY (@controllers))
		  AND (@all OR released_at IS NULL AND (until IS NULL OR until >= @today::date))
		ORDER BY id`,
		pgx.StrictNamedArgs{"everybody": controllers == nil, "controllers": controllers, "all": all, "today": s.today()})
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[held])
	if err != nil {
		return nil, err
	}
	list := make([]Hold, 0, len(found))
	for _, f := range found {
		h := Hold{ID: f.ID, Controller: f.Controller, Type: f.Type, Collection: f.Collection, Reason: f.Reason,
			PlacedBy: f.PlacedBy, PlacedAt: f.PlacedAt}
		if f.Until != nil {
			h.Until = *f.Until
		}
		if f.ReleasedAt != nil {
			h.ReleasedAt = *f.ReleasedAt
		}
		if f.Cipher != nil {
			b, err := s.c.Keys.Open(f.Cipher, holdPlace(f.ID))
			if err != nil {
				return nil, fmt.Errorf("open hold %d: %w", f.ID, err)
			}
			h.keyedBy, h.Value = source.ReadKeyText(string(b))
		}
		list = append(list, h)
	}
	return list, nil
}

// ListHolds lists holds of these controllers (nil: of all); ended and released
// ones too when all. Values come in clear: for staff eyes only.
func (s *Service) ListHolds(ctx context.Context, controllers []string, all bool) ([]Hold, error) {
	list, err := s.loadHolds(ctx, s.c.Pool, controllers, all)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", pg.Clean(err))
	}
	return list, nil
}

// ReleaseHold ends a hold.
func (s *Service) ReleaseHold(ctx context.Context, actor string, id int64) error {
	err := pg.InTx(ctx, s.c.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		now := s.c.Now()
		tag, err := tx.Exec(ctx, `UPDATE holds SET released_at = @now, released_by = @actor WHERE id = @id AND released_at IS NULL`,
			pgx.StrictNamedArgs{"now": now, "actor": actor, "id": id})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNoHold
		}
		return ledger.Write(ctx, tx, ledger.Entry{Type: "hold.released", At: now, Actor: actor, Data: map[string]any{"hold": id}})
	})
	if errors.Is(err, ErrNoHold) {
		return ErrNoHold
	}
	if err != nil {
		return fmt.Errorf("release hold %d: %w", id, pg.Clean(err))
	}
	return nil
}

// ActiveHolds are the holds of a controller as walks and rows, for erasures. A
// hold on a whole collection comes as a row with an empty key.
func (s *Service) ActiveHolds(ctx context.Context, controller string) ([]source.Walk, []source.RowKey, error) {
	list, err := s.loadHolds(ctx, s.c.Pool, []string{controller}, false)
	if err != nil {
		return nil, nil, fmt.Errorf("active holds of %s: %w", controller, pg.Clean(err))
	}
	var walks []source.Walk
	var rows []source.RowKey
	for _, h := range list {
		if err := s.clear(h); err != nil {
			return nil, nil, err
		}
		if h.Type == "" {
			rows = append(rows, source.RowKey{Collection: h.Collection, Key: h.Value})
			continue
		}
		w, err := s.holdWalk(h)
		if err != nil {
			return nil, nil, err
		}
		walks = append(walks, w)
	}
	return walks, rows, nil
}

// holdWalk is the walk of everything that a held identity leads to, shared rows too.
func (s *Service) holdWalk(h Hold) (source.Walk, error) {
	p, err := datamap.Compile(s.c.Map, holdPolicy, []string{h.Type})
	if err != nil {
		return source.Walk{}, fmt.Errorf("plan of hold %d: %w", h.ID, err)
	}
	w := source.Walk{Plan: p, Seeds: []source.Seed{{Type: h.Type, Value: h.Value}}, IncludeShared: true}
	for _, c := range s.c.Controllers {
		if c.Key == h.Controller {
			w.Scope = c.Scope
		}
	}
	return w, nil
}

// holdPolicy targets every field that has a category: whatever a person can be given can be held.
var holdPolicy = datamap.Policy{Name: "hold", Kind: datamap.Access, Rules: []datamap.PolicyRule{{}}}

func identityTypes(m *datamap.Map) []string {
	var types []string
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			for _, f := range c.AllFields() {
				if f.Identity != "" && !slices.Contains(types, f.Identity) {
					types = append(types, f.Identity)
				}
			}
		}
	}
	slices.Sort(types)
	return types
}

func findMapped(m *datamap.Map, full string) *datamap.Collection {
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			if c.FullName() == full {
				return c
			}
		}
	}
	return nil
}
