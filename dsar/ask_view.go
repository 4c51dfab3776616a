package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
)

// An Ask is what the owner of a desk was asked, and answered.
type Ask struct {
	Source, Owner, Holds string
	Status               string // of its step: asked, done, failed (they cannot), dropped
	AskedAt              time.Time
	DueOn                time.Time // a day, at UTC midnight
	Reminders            int
	OpenedAt             time.Time // when the owner first saw whom it is about; zero: not yet
	Answer               string    // files, nothing, done, cannot, skipped; empty: none yet
	AnsweredAt           time.Time
	AnsweredBy           string // owner, or a member of staff
	Who, Words           string // who did it and what they said; empty once scrubbed
	Files                []Upload
	Limit                int64 // bytes of all files together
	MayAnswer            bool  // for staff: on the owner's behalf, or by skipping
	MayChange            bool  // the answer can still be taken back
}

// An Upload is a file that an owner handed over.
type Upload struct {
	ID   int64
	Name string // safe, as it will stand in the archive; empty once scrubbed
	Size int64
	At   time.Time
}

// An AskRef says which ask is meant, and by whom: the owner with the token of
// their link, or, with no token, staff on a request's page.
type AskRef struct {
	Token     string
	Actor     Actor
	RequestID int64
	Source    string
}

// AskView is an ask as its owner's page shows it.
type AskView struct {
	Ask
	RequestID  int64
	Kind       datamap.Kind
	Controller Controller
	ReceivedAt time.Time
	Part       bool // not everything is asked for
	// Identities, proved ones only, and Names as the records have them, are of
	// the person; Narrowed is the part that is asked for, in sentences. LookAsk leaves them out.
	Identities []Identity
	Names      []string
	Narrowed   []string
}

// Open tells whether an answer is awaited.
func (v AskView) Open() bool { return v.Status == statusAsked }

// LookAsk looks at an owner's link without using it: nothing personal.
func (s *Service) LookAsk(ctx context.Context, token string) (AskView, error) {
	r, a, err := s.loadAsk(ctx, s.db, AskRef{Token: token}, false)
	if err != nil {
		return AskView{}, fault("look at a link", err)
	}
	v, err := s.askView(r, a)
	return v, fault("look at a link", err)
}

// OpenAsk shows the owner whom it is about. That it was opened first is on the record.
func (s *Service) OpenAsk(ctx context.Context, token string) (AskView, error) {
	var v AskView
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, a, err := s.loadAsk(ctx, tx, AskRef{Token: token}, true)
		if err != nil {
			return err
		}
		if a.OpenedAt == nil {
			now := s.now()
			a.OpenedAt = &now
			if _, err := tx.Exec(ctx, `UPDATE asks SET opened_at = $2 WHERE id = $1`, a.ID, now); err != nil {
				return err
			}
			if err := s.note(ctx, tx, "ask.opened", r.ID, owner, map[string]any{"source": a.Source}); err != nil {
				return err
			}
		}
		if v, err = s.openAsk(ctx, tx, r, a); err != nil {
			return err
		}
		if v.Identities, v.Names, err = s.personFor(ctx, tx, r); err != nil {
			return err
		}
		v.Narrowed, err = s.partFor(r, everything)
		return err
	})
	return v, fault("open an ask", err)
}

// askView is what can be said without opening anything.
func (s *Service) askView(r requestRow, a askRow) (AskView, error) {
	desk := s.c.Desks[a.Source]
	part, err := s.isPart(r)
	return AskView{
		Ask: Ask{
			Source: a.Source, Owner: a.Owner, Holds: desk.Holds, Status: a.Status, AskedAt: a.AskedAt.UTC(), DueOn: a.DueOn, Reminders: a.Reminders,
			Limit: desk.Limit, OpenedAt: orNever(a.OpenedAt), Answer: a.Answer, AnsweredAt: orNever(a.AnsweredAt), AnsweredBy: a.AnsweredBy,
		},
		RequestID: r.ID, Kind: r.Kind, Controller: s.c.Controllers[r.Controller], ReceivedAt: r.ReceivedAt.UTC(),
		Part: part,
	}, err
}

// openAsk adds the words and the files.
func (s *Service) openAsk(ctx context.Context, db pg.DB, r requestRow, a askRow) (AskView, error) {
	v, err := s.askView(r, a)
	if err != nil {
		return v, err
	}
	c, err := s.askWords(a)
	if err != nil {
		return v, err
	}
	v.Who, v.Words = c.Who, c.Words
	files, err := s.uploadsOf(ctx, db, a.ID)
	if err != nil {
		return v, err
	}
	for _, f := range files {
		v.Files = append(v.Files, Upload{ID: f.ID, Name: f.content.Name, Size: f.Size, At: f.BegunAt.UTC()})
	}
	v.MayChange, err = changeable(ctx, db, r, a)
	return v, err
}

// changeable tells whether an answer can still be taken back: while another
// owner of the same request has not answered. With the last answer the archive
// is made, or the person told.
func changeable(ctx context.Context, db pg.DB, r requestRow, a askRow) (bool, error) {
	if r.Status != Running || a.Status == statusAsked || a.Status == "dropped" {
		return false, nil
	}
	list, err := asksOf(ctx, db, r.ID)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(other askRow) bool { return other.Status != "done" }), nil
}

// personFor is by what an owner finds the person: the proved identities, and
// the names (user.name) that stand in the rows ticked as theirs. Paper is
// filed by names, and a telephone number in those rows that nobody proved is
// not for an owner to see.
func (s *Service) personFor(ctx context.Context, db pg.DB, r requestRow) (ids []Identity, names []string, err error) {
	all, err := s.identitiesOf(ctx, db, r.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range all {
		if !id.ProvedAt.IsZero() && id.Value != "" {
			ids = append(ids, Identity{Type: id.Type, Value: id.Value})
		}
	}
	roots, _, err := s.rootsOf(ctx, db, r.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, root := range roots {
		if root.Ticked == nil || !*root.Ticked {
			continue
		}
		var parts []string
		for _, f := range s.nameFields(root.Collection) {
			if v := strings.TrimSpace(root.Person[f]); v != "" {
				parts = append(parts, v)
			}
		}
		if name := strings.Join(parts, " "); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return ids, names, nil
}

// nameFields are the fields of a collection that hold names of persons and are no identity.
func (s *Service) nameFields(collection string) []string {
	var out []string
	for _, d := range s.c.Map.Datasets {
		for _, c := range d.Collections {
			if c.FullName() != collection {
				continue
			}
			for _, f := range c.AllFields() {
				if f.Identity == "" && slices.ContainsFunc(f.Categories, func(cat string) bool { return datamap.CategoryMatches("user.name", cat) }) {
					out = append(out, f.LocalName())
				}
			}
		}
	}
	return out
}

// loadAsk finds what a reference means, or says that there is no such thing.
// With lock the request's row is held, as everywhere before anything of it changes.
func (s *Service) loadAsk(ctx context.Context, db pg.DB, ref AskRef, lock bool) (requestRow, askRow, error) {
	if ref.Token == "" {
		r, err := s.loadFor(ctx, db, ref.Actor, ref.RequestID, true, lock)
		if err != nil {
			return requestRow{}, askRow{}, err
		}
		list, err := asksOf(ctx, db, r.ID)
		if err != nil {
			return requestRow{}, askRow{}, err
		}
		for _, a := range list {
			if a.Source == ref.Source {
				return r, a, nil
			}
		}
		return requestRow{}, askRow{}, &NotNow{fmt.Sprintf("Request %d asks nobody of that name: see which people it waits for.", r.ID)}
	}
	id, ask, err := s.askToken(ctx, db, ref.Token)
	if err != nil {
		return requestRow{}, askRow{}, err
	}
	r, err := loadRequest(ctx, db, id, lock)
	if err != nil {
		return requestRow{}, askRow{}, err
	}
	if lock { // the link may have ended while the row was waited for
		if _, _, err := s.askToken(ctx, db, ref.Token); err != nil {
			return requestRow{}, askRow{}, err
		}
	}
	if r.Status != Running {
		return requestRow{}, askRow{}, ErrNoToken
	}
	list, err := asksOf(ctx, db, r.ID)
	if err != nil {
		return requestRow{}, askRow{}, err
	}
	i := slices.IndexFunc(list, func(a askRow) bool { return a.ID == ask })
	if i < 0 {
		return requestRow{}, askRow{}, ErrNoToken
	}
	return r, list[i], nil
}

func (s *Service) askToken(ctx context.Context, db pg.DB, token string) (request, ask int64, err error) {
	err = db.QueryRow(ctx, `
		SELECT request_id, ask_id FROM tokens
		WHERE hash = @hash AND purpose = 'ask' AND ask_id IS NOT NULL AND expires_at > @now AND uses_left > 0`,
		pgx.StrictNamedArgs{"hash": tokenHash(token), "now": s.now()}).Scan(&request, &ask)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, ErrNoToken
	}
	return request, ask, err
}

// by is the name on the record of whoever a reference stands for.
func (ref AskRef) by() string {
	if ref.Token != "" {
		return owner
	}
	return ref.Actor.Name
}

// asks lists what the people of a request were asked, opened, for staff.
func (s *Service) asks(ctx context.Context, db pg.DB, r requestRow) ([]Ask, error) {
	list, err := asksOf(ctx, db, r.ID)
	if err != nil {
		return nil, err
	}
	var out []Ask
	for _, a := range list {
		v, err := s.openAsk(ctx, db, r, a)
		if err != nil {
			return nil, err
		}
		v.MayAnswer = r.Status == Running && (a.Status == statusAsked || a.Status == "failed")
		out = append(out, v.Ask)
	}
	return out, nil
}
