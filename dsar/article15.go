package dsar

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// letter assembles what the letter of an archive says (Art. 15(1)(a)-(h) and
// (2)) from the data map, the configuration and the retention rules, for the
// collections in which something was found; with no findings yet, for all that
// the request may reach, so that the DPO sees in time what is not configured.
func (s *Service) letter(ctx context.Context, db pg.DB, r requestRow, fs []source.Finding) (archive.Letter, error) {
	c := s.c.Controllers[r.Controller]
	out := archive.Letter{
		Kind: string(r.Kind), RequestID: r.ID, ReceivedAt: r.ReceivedAt.In(c.Location), MadeAt: s.now().In(c.Location),
		Controller: archive.Party{Name: c.Name, Address: c.Address, Registration: c.Registration, Email: c.DPO},
		DPO:        c.DPO, Authority: c.Authority, Automated: c.Automated,
	}
	ids, err := s.identitiesOf(ctx, db, r.ID)
	if err != nil {
		return out, err
	}
	plan, err := s.plan(r.Kind, r.Policy, s.letterTypes(ids))
	if err != nil {
		return out, err
	}
	visits := slices.DeleteFunc(slices.Clone(plan.Visits), func(v *datamap.Visit) bool { return !foundIn(v, fs) })
	out.Purposes, out.Sources = purposes(visits)
	out.Recipients = s.recipientsOf(out.Purposes)
	for _, p := range s.c.Periods {
		if slices.ContainsFunc(visits, func(v *datamap.Visit) bool { return v.Collection.FullName() == p.Collection }) {
			out.Retention = append(out.Retention, p)
		}
	}
	out.Retention = slices.Concat(out.Retention, statutory(visits), criteria(visits, out.Retention))
	if out.Narrowed, err = s.narrowing(r); err != nil {
		return out, err
	}
	out.NotIncluded, err = s.notIncluded(ctx, db, r, ids)
	out.NotIncluded = slices.Concat(withheld(visits), out.NotIncluded)
	return out, err
}

// withheld are the sentences about fields that the map keeps out of what is given,
// each collection by itself: a secret would open the account to whoever gets hold
// of the archive, other people's data are protected by Art. 15(4).
func withheld(visits []*datamap.Visit) []string {
	var out []string
	for _, v := range visits {
		var secrets, others []string
		for _, f := range v.Withheld {
			name := "“" + strings.ReplaceAll(f.LocalName(), "_", " ") + "”"
			if slices.ContainsFunc(f.Categories, func(c string) bool { return datamap.CategoryMatches("user.authorization", c) }) {
				secrets = append(secrets, name)
			} else {
				others = append(others, name)
			}
		}
		where := plainName(v.Collection.FullName()) + ": "
		if len(secrets) > 0 {
			out = append(out, where+strings.Join(secrets, ", ")+", left out because it is a secret, which would open your account to whoever gets hold of this archive.")
		}
		if len(others) > 0 {
			out = append(out, where+strings.Join(others, ", ")+", left out to protect the rights of others (Article 15(4)). If you think that this is yours, write to us.")
		}
	}
	return out
}

// criteria are what the data map says of how long data are kept in collections
// that no retention rule speaks of (Art. 15(1)(d): the period or, if that is not
// possible, the criteria used to determine it).
func criteria(visits []*datamap.Visit, said []archive.Period) []archive.Period {
	var out []archive.Period
	for _, v := range visits {
		name := v.Collection.FullName()
		if v.Collection.Legal.Kept != "" && !slices.ContainsFunc(said, func(p archive.Period) bool { return p.Collection == name && !p.Part }) {
			out = append(out, archive.Period{Collection: name, Keep: v.Collection.Legal.Kept})
		}
	}
	return out
}

// letterTypes are the types of the proved identities, or of all where none is proved yet.
func (s *Service) letterTypes(ids []ProvedIdentity) []string {
	var proved, all []string
	for _, id := range ids {
		typ := s.seed(Identity{Type: id.Type, Value: id.Value}).Type
		all = append(all, typ)
		if !id.ProvedAt.IsZero() {
			proved = append(proved, typ)
		}
	}
	if len(proved) > 0 {
		return proved
	}
	return all
}

// foundIn tells whether a collection belongs into the letter.
func foundIn(v *datamap.Visit, fs []source.Finding) bool {
	if rows, shared := total(fs); rows+shared == 0 {
		return true
	}
	return slices.ContainsFunc(fs, func(f source.Finding) bool {
		return f.Collection == v.Collection.FullName() && f.Rows+f.Shared > 0
	})
}

// purposes groups the fields of each collection by what they are used for and
// on which ground (Art. 15(1)(a), (b)); and lists where they come from (g).
func purposes(visits []*datamap.Visit) ([]archive.Purpose, []string) {
	var out []archive.Purpose
	origins := map[string]bool{}
	for _, v := range visits {
		at := map[string]int{}
		for _, f := range v.Collection.AllFields() {
			if len(f.Categories) == 0 || !targeted(v, f) {
				continue
			}
			if f.Legal.Origin != "" {
				origins[f.Legal.Origin] = true
			}
			uses := firstOf(f.Uses, v.Collection.Uses, v.Collection.Dataset.Uses)
			key := strings.Join(append([]string{f.Legal.Basis, f.Legal.Consent}, uses...), "\x00")
			i, seen := at[key]
			if !seen {
				i = len(out)
				at[key] = i
				out = append(out, archive.Purpose{
					Collection: v.Collection.FullName(), Uses: uses, Basis: f.Legal.Basis, Consent: f.Legal.Consent})
			}
			for _, category := range f.Categories {
				if !slices.Contains(out[i].Categories, category) {
					out[i].Categories = append(out[i].Categories, category)
				}
			}
		}
	}
	for i := range out {
		slices.Sort(out[i].Categories)
	}
	return out, slices.Sorted(maps.Keys(origins))
}

func targeted(v *datamap.Visit, f *datamap.Field) bool {
	return v.Delete || slices.ContainsFunc(v.Targets, func(t datamap.Target) bool { return t.Field == f })
}

func firstOf(lists ...[]string) []string {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}

// recipientsOf are those who were given data of the letter's categories, by
// name (Art. 15(1)(c); C-154/21).
func (s *Service) recipientsOf(ps []archive.Purpose) []archive.Recipient {
	var categories []string
	for _, p := range ps {
		categories = append(categories, p.Categories...)
	}
	var out []archive.Recipient
	for _, rec := range s.c.Recipients {
		if len(rec.Gets) == 0 || overlap(rec.Gets, categories) {
			out = append(out, rec)
		}
	}
	return out
}

// notIncluded says, in sentences, what was left out and why: a copy that is
// not whole must say so, and the person can then ask for the rest. Rows that
// other people use, too, are told by the archive, which knows those it was given.
func (s *Service) notIncluded(ctx context.Context, db pg.DB, r requestRow, ids []ProvedIdentity) ([]string, error) {
	roots, _, err := s.rootsOf(ctx, db, r.ID)
	if err != nil {
		return nil, err
	}
	out := unattributed(dossier{ids, roots})
	_, skipped, err := s.byHand(ctx, db, r.ID)
	if err != nil {
		return nil, err
	}
	out = append(out, skipped...)
	if r.Kind == datamap.Export {
		out = append(out, "This export holds what you provided and what we process by automated means with your consent or under a contract (Art. 20(1)). A request for access (Art. 15) covers everything else, too.")
	}
	return out, nil
}
