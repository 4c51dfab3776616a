package dsar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
)

// A request is carried out as it was searched and approved. The search of each
// source notes the sum of what it went by; the approval holds that against today's
// and has it searched again where they differ, and each step holds today's against
// what was approved. Sums and not dates: a map may be written anew and mean the same.

// plans are sums, by source, of how a request's rows are found and what becomes of
// them: what the plan says of the source and of those linked with it, how many
// shards they have (each may have another address for another process), and the controller's scope. "": an earlier build searched there.
type plans map[string]string

// nothing is the sum of a source in which nothing is searched.
const nothing = "-"

// codeChanged marks a step that waits because the data map is not what was approved.
const codeChanged = "map_changed"

// planPart is what stays the same for all requests of a plan.
type planPart struct {
	plan   *datamap.Plan
	source string
}

// planIn sums up what a request's plan does in a source.
func (s *Service) planIn(r requestRow, plan *datamap.Plan, src string) string {
	part := s.part(planPart{plan, src})
	if part == "" {
		return nothing
	}
	sum := sha256.Sum256([]byte(part + "\x00" + s.c.Controllers[r.Controller].Scope))
	return hex.EncodeToString(sum[:])
}

func (s *Service) part(of planPart) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if part, known := s.parts[of]; known {
		return part
	}
	var words []string
	within := append(fleet.Linked(of.plan, of.source), of.source)
	if digest := of.plan.DigestIn(within...); digest != "" && s.c.Sources[of.source] != nil {
		words = append(words, digest)
		for _, name := range within {
			if many, ok := s.c.Sources[name].(interface{ Shards() int }); ok {
				words = append(words, fmt.Sprint(name, " ", many.Shards()))
			}
		}
	}
	s.parts[of] = strings.Join(words, "\x00")
	return s.parts[of]
}

// plansOf are today's.
func (s *Service) plansOf(r requestRow, plan *datamap.Plan) plans {
	now := plans{}
	for _, name := range s.sources {
		now[name] = s.planIn(r, plan, name)
	}
	return now
}

// text is how plans stand in requests.plan; "": nobody noted any.
func (p plans) text() (string, error) {
	if p == nil {
		return "", nil
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// differ names the sources in which other plans do something else, sorted.
func (p plans) differ(now plans) (changed []string) {
	all := map[string]bool{}
	for _, list := range []plans{p, now} {
		for name := range list {
			all[name] = true
		}
	}
	for name := range all {
		was, noted := p[name]
		if noted && was == "" {
			continue
		}
		if cmp.Or(was, nothing) != cmp.Or(now[name], nothing) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// asSearched are the plans that an approval goes by. Where they are not those of
// the search, it begins anew in the sources that this concerns: what the DPO saw is
// not what would be done. again then says so, and the approval is refused.
func (s *Service) asSearched(ctx context.Context, tx pgx.Tx, r requestRow, searches []search) (now plans, again, err error) {
	was, types, at := plans{}, []string(nil), time.Time{}
	for _, x := range searches {
		was[x.source] = x.Plan
		if x.Types != nil {
			types = x.Types
		}
		if x.at.After(at) {
			at = x.at
		}
	}
	if types == nil {
		return nil, nil, nil // an earlier build searched everywhere
	}
	plan, err := s.plan(r.Kind, r.Policy, types)
	var unfit *Permanent
	if errors.As(err, &unfit) {
		return nil, nil, &NotNow{titled(unfit.Err)}
	}
	if err != nil {
		return nil, nil, err
	}
	now = s.plansOf(r, plan)
	changed := was.differ(now)
	if len(changed) == 0 {
		return now, nil, nil
	}
	words, err := s.searchAgain(ctx, tx, r, plan, was, changed)
	if err != nil {
		return nil, nil, err
	}
	return nil, &NotNow{fmt.Sprintf("The data map or the configuration has changed since the search of %s%s. The request is being searched again: look at what is found, then approve. (If this comes again, restart lethe serve, which still has the earlier map.)",
		s.dayWords(r, at), afterColon(words))}, nil
}

// searchAgain has the sources searched anew in which something has changed, and
// takes back an approval. What is found in them will be seen afresh; ticks of rows
// that still match stay (saveRoots), and nothing is left of a source that is gone.
func (s *Service) searchAgain(ctx context.Context, tx pgx.Tx, r requestRow, plan *datamap.Plan, was plans, changed []string) (words string, err error) {
	findings, err := findingsOf(ctx, tx, r.ID)
	if err != nil {
		return "", err
	}
	words = changes(plan, was, changed, findings)
	var gone []string
	for _, name := range changed {
		if s.c.Sources[name] == nil {
			gone = append(gone, name)
		} else if err := s.addStep(ctx, tx, r.ID, stageDiscover, name); err != nil {
			return "", err
		}
	}
	for _, forget := range []struct {
		sql     string
		sources []string
	}{
		{`DELETE FROM findings WHERE request_id = $1 AND source = ANY($2::text[])`, changed},
		{`DELETE FROM roots WHERE request_id = $1 AND source = ANY($2::text[])`, gone},
		{`DELETE FROM steps WHERE request_id = $1 AND source = ANY($2::text[]) AND stage = 'discover'`, gone},
	} {
		if _, err := tx.Exec(ctx, forget.sql, r.ID, forget.sources); err != nil {
			return "", fmt.Errorf("search again for request %d: %w", r.ID, err)
		}
	}
	_, err = tx.Exec(ctx, `
		UPDATE requests SET approved_at = NULL, approved_by = NULL, first_approved_at = NULL, first_approved_by = NULL, brake = NULL, plan = NULL
		WHERE id = $1`, r.ID)
	if err != nil {
		return "", fmt.Errorf("search again for request %d: %w", r.ID, err)
	}
	return words, s.note(ctx, tx, "request.searched_again", r.ID, system, map[string]any{"sources": strings.Join(changed, ", "), "changes": words})
}

// approvalOver tells whether an approved erasure that has waited for another request
// is to be searched, and approved, again.
func (s *Service) approvalOver(ctx context.Context, tx pgx.Tx, r requestRow, ids []ProvedIdentity) (bool, error) {
	plan, _, changed := s.sinceApproval(r, ids)
	if len(changed) == 0 {
		return false, nil
	}
	_, err := s.searchAgain(ctx, tx, r, plan, r.Plan, changed)
	return true, err
}

// sinceApproval are today's plans, and the sources in which they are not what was
// approved. Where there is no plan any more, the steps say why.
func (s *Service) sinceApproval(r requestRow, ids []ProvedIdentity) (plan *datamap.Plan, now plans, changed []string) {
	if r.Plan == nil {
		return nil, nil, nil
	}
	w, err := s.walk(r, s.seeds(ids, true))
	if err != nil {
		return nil, nil, nil
	}
	now = s.plansOf(r, w.Plan)
	return w.Plan, now, r.Plan.differ(now)
}

// concerning are those of the changed sources that concern a step over any of some
// ("": over all). A source that nobody knew at the approval concerns every step:
// none is its own.
func (p plans) concerning(changed []string, steps ...string) []string {
	return slices.DeleteFunc(changed, func(name string) bool {
		_, known := p[name]
		return known && !slices.Contains(steps, name) && !slices.Contains(steps, "")
	})
}

// asApproved stops a step, over one source or all (""), whose plan is not the one approved.
func (s *Service) asApproved(ctx context.Context, r requestRow, plan *datamap.Plan, src string) error {
	if r.Plan == nil {
		return nil
	}
	changed := r.Plan.concerning(r.Plan.differ(s.plansOf(r, plan)), src)
	if len(changed) == 0 {
		return nil
	}
	findings, err := findingsOf(ctx, s.db, r.ID)
	if err != nil {
		return err
	}
	return &Permanent{Code: codeChanged, Err: fmt.Errorf(
		"the data map or the configuration has changed since the approval of %s%s. So this was stopped. To have done what was approved, put it back and restart lethe serve; a retry without that goes on by the map as it is now, and leaves what it no longer reaches",
		s.dayWords(r, orNever(r.ApprovedAt)), afterColon(changes(plan, r.Plan, changed, findings)))}
}

// goOn takes the retry of steps that a changed plan has stopped for the DPO's word to
// go on by today's. Of other sources they have been told nothing yet.
func (s *Service) goOn(ctx context.Context, tx pgx.Tx, r requestRow, a Actor, stopped []string) error {
	if len(stopped) == 0 {
		return nil
	}
	ids, err := s.identitiesOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	plan, now, changed := s.sinceApproval(r, ids)
	if changed = r.Plan.concerning(changed, stopped...); len(changed) == 0 {
		return nil // it was put back
	}
	findings, err := findingsOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	words := changes(plan, r.Plan, changed, findings)
	for _, name := range changed {
		r.Plan[name] = cmp.Or(now[name], nothing)
	}
	text, err := r.Plan.text()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE requests SET plan = $2::jsonb WHERE id = $1`, r.ID, text); err != nil {
		return fmt.Errorf("plan of request %d: %w", r.ID, err)
	}
	return s.note(ctx, tx, "request.gone_on", r.ID, a.Name, map[string]any{"sources": strings.Join(changed, ", "), "changes": words})
}

// changes says what a changed plan no longer searches, though something was found
// there, and what it searches newly; "" where the same collections are searched in
// another way, or something else is done with them. Names and counts only.
func changes(plan *datamap.Plan, was plans, changed []string, findings []source.Finding) string {
	type place struct{ source, collection string }
	visited, known, found := map[place]bool{}, map[place]bool{}, map[string]bool{}
	for _, v := range plan.Visits {
		visited[place{v.Collection.Dataset.Source, v.Collection.FullName()}] = true
	}
	var words []string
	for _, f := range findings {
		at := place{f.Source, f.Collection}
		known[at], found[f.Source] = true, true
		if slices.Contains(changed, f.Source) && !visited[at] && f.Rows+f.Shared > 0 {
			words = append(words, fmt.Sprintf("%s (%s found) is no longer searched", f.Collection, plural(f.Rows+f.Shared, "row", "rows")))
		}
	}
	for _, v := range plan.Visits {
		at := place{v.Collection.Dataset.Source, v.Collection.FullName()}
		if slices.Contains(changed, at.source) && found[at.source] && !known[at] {
			words = append(words, at.collection+" is searched newly")
		}
	}
	for _, name := range changed {
		if cmp.Or(was[name], nothing) == nothing {
			words = append(words, "the source "+name+" is new")
		}
	}
	const most = 10
	if len(words) > most {
		words = append(words[:most], fmt.Sprintf("and %d more", len(words)-most))
	}
	return strings.Join(words, "; ")
}

// afterColon adds words to a sentence.
func afterColon(words string) string {
	if words == "" {
		return ""
	}
	return ": " + words
}

// dayWords is the day that it was where the request's controller sits.
func (s *Service) dayWords(r requestRow, at time.Time) string {
	return dayIn(at, s.c.Controllers[r.Controller].Location).Format("2 January 2006")
}

// unreached are the rows of which the search knew, and to which no plan leads any
// more: the map has changed after the approval. They count as rows that stay.
func unreached(plan *datamap.Plan, findings []source.Finding) (list []source.Finding) {
	for _, f := range findings {
		there := slices.ContainsFunc(plan.Visits, func(v *datamap.Visit) bool { return v.Collection.FullName() == f.Collection })
		if f.Stays = stays(f, false); !there && f.Stays > 0 {
			list = append(list, f)
		}
	}
	return list
}

// unreachedWords say it to whom it concerns.
func (s *Service) unreachedWords(r requestRow, p dossier, findings []source.Finding) (sentences, collections []string) {
	w, err := s.walk(r, s.seeds(p.ids, true))
	if err != nil {
		return nil, nil
	}
	for _, f := range unreached(w.Plan, findings) {
		collections = append(collections, f.Collection)
		sentences = append(sentences, fmt.Sprintf("%s of %s, found when we looked into your request and no longer within reach of its erasure: left as they were.",
			counted(f.Stays, "record"), plainName(f.Collection)))
	}
	return sentences, collections
}
