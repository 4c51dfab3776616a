package postgres_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// What a policy targets and what a mask writes, by FIDESLANG.md, for the
// reference: it shares no line with internal/datamap.

// under tells whether a category is another or stands under it.
func under(target, category string) bool {
	return category == target || strings.HasPrefix(category, target+".")
}

func covers(targets, categories []string) bool {
	if len(targets) == 0 {
		return len(categories) > 0
	}
	return slices.ContainsFunc(targets, func(t string) bool {
		return slices.ContainsFunc(categories, func(c string) bool { return under(t, c) })
	})
}

func (t *sTable) categoriesOf(c *sColumn) []string {
	if len(c.categories) > 0 {
		return c.categories
	}
	return t.categories
}

// rule is the first rule that targets a column.
func (t *sTable) rule(p datamap.Policy, c *sColumn) *datamap.PolicyRule {
	for i := range p.Rules {
		if covers(p.Rules[i].Categories, t.categoriesOf(c)) && (p.Kind != datamap.Export || c.provided) {
			return &p.Rules[i]
		}
	}
	return nil
}

// loses tells whether the policy deletes reached rows: where the map says so
// and the policy targets everything personal in them (decision 003).
func (t *sTable) loses(p datamap.Policy) bool {
	if p.Kind != datamap.Erasure || !t.del {
		return false
	}
	personal := false
	for _, c := range t.columns {
		if covers([]string{"user"}, t.categoriesOf(c)) {
			personal = true
			if t.rule(p, c) == nil {
				return false
			}
		}
	}
	return personal || slices.ContainsFunc(p.Rules, func(r datamap.PolicyRule) bool {
		return len(r.Categories) == 0 || slices.Contains(r.Categories, "user")
	})
}

// given are the columns that an access or export asks for.
func (t *sTable) given(p datamap.Policy) (places []int) {
	for i, c := range t.columns {
		if t.rule(p, c) != nil {
			places = append(places, i)
		}
	}
	return places
}

// maskOf is the mask of a column, or nil. linking: the column links collections.
func (t *sTable) maskOf(p datamap.Policy, i int, linking bool) *sMask {
	c := t.columns[i]
	rule := t.rule(p, c)
	switch {
	case rule == nil, t.marked && slices.Contains(t.pk, i), c.readOnly, linking && c.mask == nil && p.Links != datamap.LinksMask:
		return nil
	case c.mask != nil:
		return c.mask
	case rule.Strategy != nil:
		return &sMask{strategy: rule.Strategy.Strategy, value: rule.Strategy.Value, suffix: rule.Strategy.Suffix, length: rule.Strategy.Length}
	}
	return &sMask{strategy: "null_rewrite"}
}

// holds is how many letters a masked value may have: by the map's length, and by
// what the column's own type takes.
func (c *sColumn) holds() int {
	limit := 1000
	if c.length > 0 {
		limit = c.length
	}
	if n, ok := strings.CutPrefix(c.typ, "varchar("); ok {
		most, _ := strconv.Atoi(strings.TrimSuffix(n, ")"))
		limit = min(limit, most)
	}
	return limit
}

// masked is what stands in a column afterwards, and whether that is a change.
// Random letters are written as what they must look like. place names the field
// of the row, as nothing else is named.
func masked(m *sMask, c *sColumn, v, place string) (string, bool) {
	limit := c.holds()
	cut := func(s string) string { return string([]rune(s)[:min(limit, len([]rune(s)))]) }
	switch {
	case v == none:
		return none, false
	case m.strategy == "preserve":
		return v, false
	case m.strategy == "null_rewrite":
		return none, true
	case m.strategy == "string_rewrite":
		to := cut(m.value + m.suffix)
		return to, to != v
	}
	if m.strategy == "hash" { // of the same value the same; whatever stands there is hashed
		return randomly + "hash " + strings.ReplaceAll(v, randomly, "\x03") + randomly + "^[0-9a-f]{" + itoa(min(limit, 64)) + "}$", true
	}
	n := m.length
	if n == 0 {
		n = 30
	}
	suffix := cut(m.suffix)
	if n = min(n, limit-len(suffix)); n == 0 {
		return suffix, suffix != v
	}
	form := "^[a-p]{" + itoa(n) + "}" + regexp.QuoteMeta(suffix) + "$"
	before, random := formOf(v)
	already := random && before == form || !random && regexp.MustCompile(form).MatchString(v)
	// A few letters may be somebody's name; 20 of them were written by an erasure before this one.
	return randomly + place + randomly + form, n < 20 || !already
}

// randomly begins what stands for random letters in the reference: where they
// stand, so that no two values are the same, and what they must look like.
const randomly = "\x02"

// formOf is what random letters of the reference look like.
func formOf(v string) (form string, random bool) {
	if !strings.HasPrefix(v, randomly) {
		return "", false
	}
	_, form, random = strings.Cut(v[1:], randomly)
	return form, random
}

// alike compares a row of the database with one of the reference.
func alike(got, want record) bool {
	return slices.EqualFunc(got, want, func(g, w string) bool {
		if form, random := formOf(w); random {
			return regexp.MustCompile(form).MatchString(g)
		}
		return g == w
	})
}
