package dsar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// tellRecipients writes to everybody who was given data of the categories
// erased and who can be told (Art. 19): each learns the identities by which
// they can find the person and, of a request for a part, which part that is, as far
// as they were given what tells it; and nothing else. told: there was somebody.
func (s *Service) tellRecipients(ctx context.Context, tx pgx.Tx, r requestRow, p dossier, findings []source.Finding) (told bool, err error) {
	if changed(findings) == 0 || len(s.c.Notify) == 0 {
		return false, nil
	}
	w, err := s.walk(r, s.seeds(p.ids, true))
	if err != nil {
		return false, err
	}
	named := s.namedTo(p)
	for _, key := range s.toTell(w.Plan, findings) {
		to := s.c.Notify[key]
		part, err := s.partFor(r, func(of []string) bool { return s.gets(to.Name, of) || !overlap(of, []string{"user"}) })
		if err != nil {
			return false, err
		}
		about := slices.Concat(named, part)
		// Every erasure names the same few recipients: a row written each time
		// would make all erasures take turns, each until its commit.
		err = pg.Put(ctx, tx, `
			INSERT INTO recipients (key, name, seen_at)
			SELECT DISTINCT ON (e.key) e.key, e.name, e.now FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS e (key, name, now)
			WHERE NOT EXISTS (SELECT 1 FROM recipients r WHERE r.key = e.key AND r.name = e.name AND r.seen_at > e.now - interval '1 day')
			ORDER BY e.key
			ON CONFLICT (key) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at`, key, to.Name, s.now())
		if err != nil {
			return false, fmt.Errorf("notice of request %d to %s: %w", r.ID, key, err)
		}
		err = s.addLetter(ctx, tx, r, "notice", key, 0, letterContent{To: to.Address, Name: to.Name, Reason: strings.Join(about, "\n")})
		if err != nil {
			return false, err
		}
		told = true
	}
	return told, nil
}

// gets tells whether a recipient was given any of the categories. One of whom
// nothing is written down may have been given all.
func (s *Service) gets(name string, categories []string) bool {
	for _, rec := range s.c.Recipients {
		if rec.Name != name {
			continue
		}
		return len(rec.Gets) == 0 || overlap(rec.Gets, categories)
	}
	return true
}

// toTell are the keys of those who were given data of the categories changed, and
// can be told of it. The findings are of an erasure that changed something.
func (s *Service) toTell(plan *datamap.Plan, findings []source.Finding) []string {
	touched := touchedCategories(plan, findings)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.c.Notify)), func(key string) bool {
		to := s.c.Notify[key]
		return to.Address == "" || !s.gets(to.Name, touched)
	})
}

// namedTo are the identities by which a recipient can find the person. The key
// of a picked row says nothing to them: the identities stored in the row do.
func (s *Service) namedTo(p dossier) []string {
	var about []string
	picked := false
	for _, seed := range s.seeds(p.ids, true) {
		if strings.HasPrefix(seed.Type, datamap.Row) && !slices.Contains(s.types, seed.Type) {
			picked = true
			continue
		}
		about = append(about, seed.Type+": "+seed.Value)
	}
	if !picked {
		return about
	}
	for _, root := range p.roots {
		if !root.Proved || root.Ticked != nil && !*root.Ticked {
			continue
		}
		for _, typ := range slices.Sorted(maps.Keys(root.Stored)) {
			if line := typ + ": " + root.Stored[typ]; !slices.Contains(about, line) {
				about = append(about, line)
			}
		}
	}
	return about
}

// overlap tells whether a category of one list stands at, above or under one of the other.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool {
			return datamap.CategoryMatches(x, y) || datamap.CategoryMatches(y, x)
		})
	})
}

// touchedCategories are those of the fields that an erasure changed.
func touchedCategories(plan *datamap.Plan, findings []source.Finding) (categories []string) {
	for _, field := range taken(plan, findings) {
		categories = append(categories, field.Categories...)
	}
	slices.Sort(categories)
	return slices.Compact(categories)
}

// taken are the fields whose values an erasure took or masked.
func taken(plan *datamap.Plan, findings []source.Finding) (fields []*datamap.Field) {
	did := map[string]bool{}
	for _, f := range findings {
		did[f.Collection] = f.Erased+f.Masked > 0
	}
	for _, v := range plan.Visits {
		if !did[v.Collection.FullName()] {
			continue
		}
		for _, field := range v.Collection.AllFields() {
			if v.Delete || slices.ContainsFunc(v.Targets, func(t datamap.Target) bool { return t.Field == field }) {
				fields = append(fields, field)
			}
		}
	}
	return fields
}

// noticed is how a notice fared.
type noticed struct {
	messageID string
	err       error
}

// sameMail is why a notice is not on the record as sent: for want of the server's
// yes, or of ours. The server may have the mail, so it goes again as it was, with
// the carrier's job; notices that parted would be others, with numbers of their own.
type sameMail struct{ error }

func (e sameMail) Unwrap() error { return e.error }

// sendNotice sends a notice in one mail with those that its company has for the
// same reader from the same controller: who is given everybody's data would be
// written to for each of a thousand erasures. Each stays a letter of its own
// on the record.
func (s *Service) sendNotice(ctx context.Context, l Letter, m Mailer) (messageID string, err error) {
	type reader struct{ to, name, controller, language string }
	n, together := pg.Gather(ctx, reader{l.To, l.Recipient, l.Controller.Key, l.Language}, l, func(ctx context.Context, all []Letter) []noticed {
		one := inOne(all)
		err := m.Send(ctx, one)
		return slices.Repeat([]noticed{{one.MessageID, err}}, len(all))
	})
	if !together {
		return l.MessageID, m.Send(ctx, l)
	}
	return n.messageID, n.err
}

// inOne is the letter that holds several notices to one reader. Its Message-ID
// stands for just these: made again with the same it is the same letter, and with
// others one that no mail program may take for a copy. Theirs are keyed already,
// and stay what they are when the keys are changed.
func inOne(all []Letter) Letter {
	if len(all) == 1 {
		return all[0]
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b Letter) int { return cmp.Compare(a.RequestID, b.RequestID) })
	one, sum := all[0], sha256.New()
	one.Notices = nil
	for _, l := range all {
		one.Notices = append(one.Notices, l.Notices...)
		sum.Write([]byte(l.MessageID))
	}
	_, host, _ := strings.Cut(one.MessageID, "@")
	one.MessageID = fmt.Sprintf("<notices.%d.%s@%s", len(all), hex.EncodeToString(sum.Sum(nil)[:16]), host)
	return one
}
