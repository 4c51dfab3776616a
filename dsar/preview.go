package dsar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Previewed is what a request would find.
type Previewed struct {
	source.Found
	// Tried: the findings are those of an erasure's dry run.
	Tried    bool
	Refusals []Refusal // or why there are none such
}

// Preview finds, and changes nothing: the DPO's form and `lethe find`. What it
// returns is for staff: a person sees nothing of it before proof.
//
// Of an erasure the findings are those of a dry run, where no source refuses.
//
// Of what is asked controller, kind, policy, identities and fields count.
func (s *Service) Preview(ctx context.Context, a Actor, asked Submission) (all Previewed, err error) {
	w, err := s.previewWalk(a, asked)
	if err != nil {
		return all, fault("preview", err)
	}
	for _, name := range s.sources {
		w, err := s.fed(ctx, w, Holds{}, name)
		if err != nil {
			return all, cannotLook(name, err)
		}
		found, err := s.c.Sources[name].Find(ctx, w)
		if err != nil {
			return all, cannotLook(name, err)
		}
		for _, f := range found.Findings {
			f.Source = name
			all.Findings = append(all.Findings, f)
		}
		for _, r := range found.Roots {
			r.Source = name
			all.Roots = append(all.Roots, r)
		}
		all.Reached = append(all.Reached, found.Reached...)
		for _, b := range found.Braked {
			b.Source = name
			all.Braked = append(all.Braked, b)
		}
	}
	slices.Sort(all.Reached)
	all.Reached = slices.Compact(all.Reached)
	if asked.Kind != datamap.Erasure {
		return all, nil
	}
	h, err := s.holds(ctx, requestRow{Controller: asked.Controller})
	if err != nil {
		return all, fault("preview", err)
	}
	var d DryRun
	for _, name := range s.sources {
		if err := s.try(ctx, &d, w, h, name); err != nil {
			return all, err
		}
	}
	if all.Refusals, all.Tried = d.Refusals, len(d.Refusals) == 0; all.Tried {
		all.Findings = d.Findings
	}
	return all, nil
}

// cannotLook says why a source cannot be searched to somebody who waits for it:
// nothing is tried again by itself here, as a request's steps are.
func cannotLook(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fault("preview: search in source "+name, err)
	}
	at := &sourceError{name, err}
	if other := (*sourceError)(nil); errors.As(err, &other) { // one that is linked with it
		at = other
	}
	sentence := strings.NewReplacer(" Nothing is lost, and "+byItself+".", "", ". The other sources go on meanwhile.", ".").
		Replace(explain(at).sentence)
	return &NotNow{sentence}
}

func (s *Service) previewWalk(a Actor, asked Submission) (w source.Walk, err error) {
	c, ok := s.c.Controllers[asked.Controller]
	if !ok || a.may(asked.Controller, false) != nil {
		return source.Walk{}, &Invalid{map[string]string{"controller": "There is no such organisation here: choose one of the list."}}
	}
	problems := map[string]string{}
	in := intake{Submission: asked}
	s.checkKind(&in, problems)
	s.checkIdentities(&in, c, problems)
	s.checkFields(&in, problems)
	if len(problems) > 0 {
		return source.Walk{}, &Invalid{problems}
	}
	var seeds []source.Seed
	for _, id := range in.Identities {
		seeds = append(seeds, s.seed(id))
	}
	w, err = s.walk(requestRow{Controller: in.Controller, Kind: in.Kind, Policy: in.Policy}, seeds)
	var lost *Permanent
	if errors.As(err, &lost) { // there is no request yet of which to speak
		return w, &NotNow{"The data map does not serve this: " + lost.Err.Error() + "."}
	}
	if err == nil {
		err = narrows(w.Plan, in.Fields)
	}
	w.Fields = in.Fields
	return w, err
}

// disagreeing tells whether root rows disagree on the person: several in one
// collection that a proved identity matched, whose values differ in a field
// that more than one of them has: other names, other telephones, other
// spellings. One person, or two on one mailbox? A person must decide. Only an
// address in capitals is the same address, as it is wherever one is looked for.
func disagreeing(roots []RootRow) bool {
	seen := map[string]string{} // source, collection, field -> value
	for _, r := range roots {
		if !r.Proved {
			continue
		}
		for field, value := range r.Person {
			if value == "" {
				continue
			}
			at := strings.Join([]string{r.Source, r.Collection, field}, "\x00")
			if before, ok := seen[at]; ok && before != value && !sameAddress(before, value) {
				return true
			}
			seen[at] = value
		}
	}
	return false
}

func sameAddress(a, b string) bool { return strings.Contains(a, "@") && strings.EqualFold(a, b) }

// A RootGroup are root rows of one collection between which nothing that is known
// of the person makes a difference, as those of a log of visits: what is decided
// on one goes for all.
type RootGroup struct {
	RootRow          // the first
	Others  []string // keys of the others
}

// GroupRoots puts such rows together, in the order of their first.
func GroupRoots(roots []RootRow) []RootGroup {
	var groups []RootGroup
	at := map[string]int{}
	for _, r := range roots {
		alike := fmt.Sprintf("%q", []any{r.Source, r.Collection, r.Types, r.Person, r.Stored, r.Proved, r.Ticked != nil, r.Ticked != nil && *r.Ticked})
		if i, ok := at[alike]; ok {
			groups[i].Others = append(groups[i].Others, r.Key)
			continue
		}
		at[alike] = len(groups)
		groups = append(groups, RootGroup{RootRow: r})
	}
	return groups
}

// undecided tells whether a root row of a proved identity still waits for a tick.
func undecided(roots []RootRow) bool {
	return slices.ContainsFunc(roots, func(r RootRow) bool { return r.Proved && r.Ticked == nil })
}

// tick decides on each proved root row: those named as "dataset.collection:key",
// or all of them ("all"). Where nothing is named, what was decided before stays,
// and the rest are taken, unless they disagree: then ErrRows.
func tick(roots []RootRow, rows []string) (ticked []bool, err error) {
	if len(rows) == 0 && disagreeing(roots) && undecided(roots) {
		return nil, ErrRows
	}
	all := len(rows) == 1 && rows[0] == "all"
	ticked = make([]bool, len(roots))
	named, found := map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		named[row] = true
	}
	for i, r := range roots {
		name := r.Collection + ":" + r.Key
		switch {
		case !r.Proved:
		case len(rows) == 0:
			ticked[i] = r.Ticked == nil || *r.Ticked
		default:
			ticked[i] = all || named[name]
			found[name] = true
		}
	}
	for n, row := range rows {
		// The row itself is not repeated: its key may say who it is.
		if !all && !found[row] {
			return nil, &Invalid{map[string]string{"rows": fmt.Sprintf(
				"Row %d of those given is not among the rows found: write each as COLLECTION:KEY, as the request shows it.", n+1)}}
		}
	}
	return ticked, nil
}

// HoldsNothing tells whether the row (of a collection) or the person (by a type of
// identity) that a hold names is not there, as a preview finds it: whoever mistypes a
// key believes that evidence is safe which is not.
func HoldsNothing(ctx context.Context, in interface {
	Preview(ctx context.Context, a Actor, asked Submission) (Previewed, error)
}, a Actor, controller, typ, collection, value string) bool {
	id := Identity{Type: typ, Value: value}
	switch {
	case value == "":
		return false // a whole collection
	case typ == "":
		id = Identity{Type: datamap.Row, Value: collection + ":" + value}
	}
	found, err := in.Preview(ctx, a, Submission{Controller: controller, Kind: datamap.Access, Identities: []Identity{id}})
	return err == nil && len(found.Roots) == 0
}
