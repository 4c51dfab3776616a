package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/retention"
)

// counting is how long the page of rules counts what would go: a count that
// takes longer is left to a dry run.
const counting = 5 * time.Second

// rulesView is the page of rules.
type rulesView struct {
	Rules   []ruleView
	Never   []retention.Forecast // what no rule ends
	Counted bool                 // the numbers are there
	Hidden  bool                 // they are not for this member
	TooLong bool
	CanTry  bool
}

// ruleView is one rule with what would go now, and later.
type ruleView struct {
	retention.RuleState
	Now, In30, In90 int64
	Counted         bool
	Lines           []retention.Forecast // by name, where a rule has several
	Of              []string             // the collections it concerns, as far as that is known
}

func (s *server) rules(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	states, err := s.Retention.States(r.Context())
	if err != nil {
		return err
	}
	v := rulesView{Hidden: !s.everywhere(a), CanTry: s.mayRules(a) == nil}
	by := map[string][]retention.Forecast{}
	if !v.Hidden {
		ctx, cancel := context.WithTimeout(r.Context(), counting)
		lines, err := s.Retention.Forecast(ctx)
		cancel()
		switch {
		case err == nil:
			v.Counted = true
		case r.Context().Err() != nil:
			return err
		default: // the page is worth showing without its numbers: a source may be away
			v.TooLong = errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)
			s.Log.LogAttrs(r.Context(), slog.LevelWarn, "forecast failed", slog.Any("error", pg.Clean(err)))
		}
		for _, line := range lines {
			if line.Rule == "" || line.Never > 0 {
				v.Never = append(v.Never, line)
			}
			by[line.Rule] = append(by[line.Rule], line)
		}
	}
	for _, st := range states {
		one := ruleView{RuleState: st}
		if st.Collection != "" {
			one.Of = []string{st.Collection}
		}
		for _, line := range by[st.Name] {
			one.Now += line.Now
			one.In30 += line.In30
			one.In90 += line.In90
			one.Counted = true
			if !slices.Contains(one.Of, line.Collection) {
				one.Of = append(one.Of, line.Collection)
			}
		}
		if len(by[st.Name]) > 1 {
			one.Lines = by[st.Name]
		}
		v.Rules = append(v.Rules, one)
	}
	s.render(w, r, http.StatusOK, "rules", page{Title: "Retention rules", Section: "rules", Flash: s.flash(r), Data: v})
	return nil
}

// ruleTry runs a rule dry: it counts, writes a line of record, and deletes nothing.
func (s *server) ruleTry(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	if err := s.mayRules(a); err != nil {
		return err
	}
	name, err := s.ruleName(r)
	if err != nil {
		return err
	}
	results, err := s.Retention.Sweep(r.Context(), a.Name, name, true, nil)
	if err != nil {
		return err
	}
	for _, one := range results {
		if one.Rule != name {
			continue
		}
		switch one.Status {
		case "failed", "stopped":
			s.warn(r, fmt.Sprintf("%s was tried and did not come to its end. %s Nothing was deleted.", name, one.Message))
		default:
			s.tell(r, fmt.Sprintf("%s was tried, nothing was deleted: %s would go now, %s under a hold would stay.",
				name, plural(one.Expired, "row", "rows"), plural(one.Held, "row", "rows")))
		}
	}
	return seeOther(w, r, "/rules")
}

func (s *server) ruleApprove(w http.ResponseWriter, r *http.Request, a dsar.Actor) error {
	if err := s.mayRules(a); err != nil {
		return err
	}
	name, err := s.ruleName(r)
	if err != nil {
		return err
	}
	result, err := s.Retention.ApproveRule(r.Context(), a.Name, name)
	if err != nil {
		return err
	}
	s.tell(r, fmt.Sprintf("%s is approved: its next run takes %s as things stand. Later runs stop and ask when they match far more.",
		name, plural(result.Expired, "row", "rows")))
	return seeOther(w, r, "/rules")
}

// ruleName reads {name}: of a rule that there is.
func (s *server) ruleName(r *http.Request) (string, error) {
	states, err := s.Retention.States(r.Context())
	if err != nil {
		return "", err
	}
	for _, st := range states {
		if st.Name == r.PathValue("name") {
			return st.Name, nil
		}
	}
	return "", errNowhere
}
