package retention

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A Doubt is a line for `lethe check`: a lifetime without an end, a column that
// still holds an expired identifier's value, a rule without an index for its start.
type Doubt struct{ Subject, Sentence, Do string }

// A Looker is a source that can say where else values stand, what an index
// serves and which changes it refuses. Check asks those that can.
type Looker interface {
	// Elsewhere returns those of the fields in which a value of valueColumn of
	// an expired row stands; for fields of the selection's own collection, in
	// rows that have not expired.
	Elsewhere(ctx context.Context, s source.Selection, valueColumn string, fields []*datamap.Field) ([]*datamap.Field, error)
	// Indexed tells whether an index begins with the column, and how many rows there are.
	Indexed(ctx context.Context, c *datamap.Collection, column string) (indexed bool, rows int64, err error)
	// Refused says of columns that the selection changes why they cannot be changed
	// so, and which values of its conditions no row can have.
	Refused(ctx context.Context, s source.Selection) (reasons []string, err error)
}

// smallTable: below so many rows nobody needs an index for a sweep.
const smallTable = 100_000

// Check looks at rules against the live sources.
func (s *Service) Check(ctx context.Context) ([]Doubt, error) {
	doubts := []Doubt{}
	if len(s.plans) == 0 {
		return append(doubts, Doubt{"retention", "there are no rules: nothing ever expires (Art. 5(1)(e))", "write a rule file, and name it in lethe.yaml"}), nil
	}
	for i := range s.plans {
		p := &s.plans[i]
		of, err := s.checkRule(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("check rule %s: %w", p.rule.Name, pg.Clean(err))
		}
		doubts = append(doubts, of...)
	}
	lines, err := s.Forecast(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range lines {
		if f.Never > 0 {
			doubts = append(doubts, Doubt{f.Name, fmt.Sprintf("%d rows of %s never expire: %s", f.Never, f.Collection, f.Why),
				"write a rule with lifetime: and a keep of your own, or decide that it may stay"})
		}
	}
	return doubts, nil
}

func (s *Service) checkRule(ctx context.Context, p *plan) ([]Doubt, error) {
	var doubts []Doubt
	subject := "rule " + p.rule.Name
	if len(p.parts) == 0 {
		doubts = append(doubts, Doubt{subject, "no controller withholds " + p.rule.Withheld + ": the rule does nothing", "name the category under a controller's withhold, or drop the rule"})
	}
	a, err := loadApproval(ctx, s.c.Pool, p.rule.Name)
	if err != nil {
		return nil, err
	}
	if !a.of(p) {
		doubts = append(doubts, Doubt{subject, "is not approved as it reads now: it runs dry, and nothing expires by it", "look at what it would do (sweep --dry-run), then approve it (rules approve)"})
	}
	for i, part := range p.parts {
		sel := p.at(i, s.c.Now())
		if names := orphaned(sel); len(names) > 0 {
			doubts = append(doubts, Doubt{subject, fmt.Sprintf("the files that %s names are not deleted with it, and nothing finds them afterwards", strings.Join(names, ", ")),
				"let the store's own lifecycle delete them, or leave these rows to a job that takes their files along"})
		}
		looker, ok := s.c.Sources[part.source].(Looker)
		if !ok {
			continue
		}
		if sel.StartsAt != "" {
			indexed, rows, err := looker.Indexed(ctx, sel.Collection, sel.StartsAt)
			if err != nil {
				return nil, err
			}
			if !indexed && rows > smallTable {
				doubts = append(doubts, Doubt{subject, fmt.Sprintf("%s has about %d rows and no index that begins with %s: each sweep reads the whole table", sel.Collection.FullName(), rows, sel.StartsAt),
					"create one, CONCURRENTLY"})
			}
		}
		reasons, err := looker.Refused(ctx, sel)
		if err != nil {
			return nil, err
		}
		for _, why := range reasons {
			doubts = append(doubts, Doubt{subject, why, "change the rule, or the table"})
		}
		if sel.Then != source.Delete || len(p.rule.Lifetimes) == 0 && p.rule.ValueColumn == "" {
			continue
		}
		of, err := s.checkValues(ctx, p, sel, looker)
		if err != nil {
			return nil, err
		}
		doubts = append(doubts, of...)
	}
	return doubts, nil
}

// orphaned are the columns with which an expired row loses the name of a file.
func orphaned(sel source.Selection) (names []string) {
	for _, f := range sel.Collection.Fields {
		lost := sel.Then == source.Delete || slices.ContainsFunc(sel.Columns, func(c source.ColumnChange) bool { return c.Column == f.Name })
		if f.Object != "" && lost {
			names = append(names, f.FullName())
		}
	}
	return names
}

// checkValues names the columns in which an identifier goes on standing after
// its own row has expired.
func (s *Service) checkValues(ctx context.Context, p *plan, sel source.Selection, looker Looker) ([]Doubt, error) {
	var doubts []Doubt
	for _, value := range valueColumns(p.rule) {
		var fields []*datamap.Field
		for _, f := range holders(s.c.Map, sel.Collection) {
			if !slices.Contains(p.rule.ValueIn, f.FullName()) {
				fields = append(fields, f)
			}
		}
		found, err := looker.Elsewhere(ctx, sel, value, fields)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		names := make([]string, 0, len(found))
		for _, f := range found {
			names = append(names, f.FullName())
		}
		doubts = append(doubts, Doubt{"rule " + p.rule.Name,
			fmt.Sprintf("values of %s.%s that this rule deletes still stand in %s", sel.Collection.FullName(), value, strings.Join(names, ", ")),
			"list these columns under value_in (they get a random pseudonym instead), or cover them by rules of their own"})
	}
	return doubts, nil
}

// identifying are the categories of values that single out a person or a browser.
var identifying = []string{"user.unique_id", "user.device.cookie_id", "user.device.device_id"}

func identifies(f *datamap.Field) bool {
	return f.Identity != "" || slices.ContainsFunc(f.Categories, func(c string) bool {
		return slices.ContainsFunc(identifying, func(above string) bool { return datamap.CategoryMatches(above, c) })
	})
}

// valueColumns are the columns of a rule's collection whose value is the
// identifier: the rule's own word, else what the map's categories say.
func valueColumns(r Rule) []string {
	if r.ValueColumn != "" {
		return []string{r.ValueColumn}
	}
	var names []string
	for _, f := range r.Collection.Fields {
		if identifies(f) && !f.PrimaryKey && len(f.References) == 0 && f.Name != r.NameColumn {
			names = append(names, f.Name)
		}
	}
	return names
}

// holders are the fields of the same source in which an identifier may stand:
// identifying ones, and whatever is linked to one by a reference.
func holders(m *datamap.Map, beside *datamap.Collection) []*datamap.Field {
	var all []*datamap.Field
	in := map[*datamap.Field]bool{}
	for _, d := range m.Datasets {
		if d.Source != beside.Dataset.Source {
			continue
		}
		for _, c := range d.Collections {
			for _, f := range c.Fields {
				all = append(all, f)
				in[f] = identifies(f)
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for _, f := range all {
			for _, r := range f.References {
				if in[f] != in[r.Target] && r.Target.Collection.Dataset.Source == beside.Dataset.Source {
					in[f], in[r.Target] = true, true
					grown = true
				}
			}
		}
	}
	return slices.DeleteFunc(all, func(f *datamap.Field) bool { return !in[f] })
}
