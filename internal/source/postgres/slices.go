package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// An erasure of very many rows is carried out in several transactions, so that
// no row is locked for long. Each is an erasure of a part of the walk (the first
// so many rows of each collection), and in all but the last only such rows go
// as nothing that is still there is found by or depends on: leaves first, then
// what had led to them, and never a row that an identity matches. So whatever
// happens in between, what is left is found from the identities as before.
// Of a part, a row that seems to be shared because its other half was not read
// stays for a later one. The last is an ordinary erasure of all that is left.

// A part is what one transaction of an erasure does.
type part struct {
	number     int
	sliceAbove int64 // more rows than these are not erased at once; 0: as many as there are
	slice      int64 // rows of each collection; 0: all of them, and it is the last part
}

var errNoSlice = errors.New("nothing more can go by itself")

// tooMany says that there are too many rows for one transaction, and how many.
type tooMany struct{ rows int64 }

func (*tooMany) Error() string { return "there are too many rows for one transaction" }

// inVain: parts that changed so many times the rows that there were change the
// same ones again and again, because a trigger writes something else than the
// mask. The last part then does what is left, and the look after it tells.
const inVain = 2

func (s *Source) eraseInSlices(ctx context.Context, w source.Walk, h source.Holds, how string, rows int64, note func(context.Context, source.Note) error) (all source.Note, err error) {
	one := func(of part) (source.Note, error) {
		for attempt := 0; ; attempt++ {
			var refused error
			done, err := s.eraseOnce(ctx, w, h, how, of, func(ctx context.Context, n source.Note) error {
				refused = note(ctx, n)
				return refused
			})
			switch {
			case err == nil || refused != nil:
				return done, errors.Join(refused)
			case errors.Is(err, errNoSlice):
				return source.Note{}, err
			case errors.Is(err, errShares):
				how = sharing
				continue
			case attempt == restarts || !restarting(err) || locked(err) || pause(ctx, attempt) != nil:
				return source.Note{}, s.failed("erase", err)
			}
		}
	}
	for of := (part{slice: s.o.SliceRows}); ; of.number++ {
		if changes(all.Findings) > inVain*rows {
			of.slice = 0
		}
		done, err := one(of)
		if errors.Is(err, errNoSlice) {
			of.slice = 0
			done, err = one(of)
		}
		if err != nil {
			return source.Note{}, err
		}
		all = together(all, done)
		if !done.More {
			return all, nil
		}
	}
}

// together adds a part to those before it.
func together(before, n source.Note) source.Note {
	sum := source.Note{XID: n.XID, Findings: slices.Clone(n.Findings), Part: n.Part, More: n.More, Kept: n.Kept}
	for _, f := range before.Findings {
		i := slices.IndexFunc(sum.Findings, func(g source.Finding) bool { return g.Collection == f.Collection })
		if i < 0 {
			sum.Findings = append(sum.Findings, f)
			continue
		}
		sum.Findings[i].Rows += f.Erased
		sum.Findings[i].Erased += f.Erased
		sum.Findings[i].Masked += f.Masked
	}
	sum.Keys = slices.Concat(before.Keys, n.Keys)
	sum.Keys = sum.Keys[max(0, len(sum.Keys)-maxKeys):] // the last ones led to the most
	sum.Objects = slices.Concat(before.Objects, n.Objects)
	return sum
}

// onlyDone are the findings of a part: what it read besides is not all there is.
func onlyDone(findings []source.Finding) []source.Finding {
	done := make([]source.Finding, len(findings))
	for i, f := range findings {
		done[i] = source.Finding{Source: f.Source, Collection: f.Collection, Rows: f.Erased + f.Masked, Erased: f.Erased, Masked: f.Masked}
	}
	return done
}

func changes(findings []source.Finding) (n int64) {
	for _, f := range findings {
		n += f.Erased + f.Masked
	}
	return n
}

// total is how many rows of the subject alone a walk reached.
func (res *result) total() (n int64) {
	for i := mine; i < len(res.counts); i += tallied {
		n += res.counts[i]
	}
	return n
}

// slices tells whether rows of the stop may go before the last part: not those
// of identities, nor those whose followers cannot be looked for.
func (s *stop) slices() bool { return s.visit.Delete && len(s.visit.Seeds) == 0 }

// masksInSlices tells whether rows of the stop are masked by parts: nothing is
// found through them, and what is masked can be told from what is not, so that a
// part need not read it again. A hash cannot, and would be hashed once more. And
// they are found as before: no column is masked by which they are.
func (p *program) masksInSlices(s *stop) bool {
	told := !slices.ContainsFunc(s.masks(), func(m mask) bool {
		found := slices.Contains(s.carried, m.column.name) || m.column.name == s.c.Controller || m.field.Request != ""
		return found || !m.told() || m.column.class == classJSON || m.column.class == classArray
	})
	return !s.visit.Delete && len(s.visit.Seeds) == 0 && len(s.masks()) > 0 && !p.leads(s) && told && !p.keeping(s)
}

// leads tells whether other rows are found through the stop's.
func (p *program) leads(s *stop) bool {
	return slices.ContainsFunc(p.stops, func(other *stop) bool {
		return slices.ContainsFunc(other.links, func(l datamap.Link) bool { return l.From.Collection == s.c })
	})
}

// leadsOn are the conditions under which a row must stay for a later part: a row
// is still there that it leads to, or that a foreign key ties to it.
func (w *writer) leadsOn(s *stop, deleted relation) []condition {
	var conditions []condition
	for _, at := range w.p.stops {
		for _, l := range at.links {
			if l.From.Collection != s.c {
				continue
			}
			if len(l.And) > 0 || w.p.columnOf(l.From).place != nil || w.p.columnOf(l.To).place != nil || !at.t.indexed(l.To.Name, "") {
				conditions = append(conditions, condition{write: func() string { return "true" }})
				continue
			}
			conditions = append(conditions, condition{write: func() string {
				from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
				gone := ""
				if at.visit.Delete {
					gone = " AND NOT " + w.isIn(at, cols("d", at.key), deleted(at), "del")
				}
				return from.leads("k."+s.f(from.name)) + " AND EXISTS (SELECT 1 FROM " + at.t.ident() + " d WHERE " + at.t.equal(from, to, col("d", to.name), convert(from, to, "k."+s.f(from.name))) +
					gone + " OFFSET 0)"
			}})
		}
	}
	for _, k := range s.t.children {
		conditions = append(conditions, condition{write: func() string {
			return w.references(s, k, "k", deleted, deleted) + k.apart(w.p.cat.tables[k.child]) + ")"
		}})
	}
	return conditions
}

// cut bounds what each way to a stop reads in a slice.
func (g *stage) cut(w *writer, arms []string) []string {
	if g.slice == 0 {
		return arms
	}
	limit := w.bind("slice", func(r *run) any { return r.slice })
	short := make([]string, len(arms))
	for i, arm := range arms {
		short[i] = "SELECT cut.* FROM (" + strings.TrimSpace(arm) + ") cut LIMIT " + limit + "::int8"
		if len(arms) > 1 {
			short[i] = "(" + short[i] + ")"
		}
	}
	return short
}

// sure is what is certain of a stop in this stage.
func (g *stage) sure(s *stop) certainty {
	if g.certain == nil {
		return certainty{}
	}
	return g.certain[s.i]
}

// name tells the stage's statements apart by what they rest on.
func (g *stage) name() string {
	if g.named != "" {
		return g.named
	}
	name := []byte(g.v.name() + " ")
	if g.slice > 0 {
		name = append(name, "sliced "...)
	}
	for _, c := range g.certain { // there may be thousands
		digit := byte('0')
		for i, sure := range []bool{c.mine, c.take, c.del} {
			if sure {
				digit |= 1 << i
			}
		}
		name = append(name, digit)
	}
	g.named = string(name)
	return g.named
}
