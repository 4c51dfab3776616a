package datamap

import (
	"fmt"
	"slices"
	"strings"
)

// personal is the root of the categories of personal data: what the built-in
// erasure targets. What stands beside it (system.…) describes machines.
const personal = "user"

// anyPersonal tells whether one of the categories is personal.
func anyPersonal(categories []string) bool {
	return PolicyRule{Categories: []string{personal}}.targets(categories)
}

// Builtin is the policy of a kind when the request names no other. Access gives
// every field with a category (Art. 15(3): a copy of the data), export those of
// them that the subject provided on the ground of consent or contract
// (Art. 20(1)), erasure takes all personal data (Art. 17(1)).
func Builtin(k Kind) Policy {
	p := Policy{Name: string(k), Kind: k, Rules: []PolicyRule{{}}}
	if k == Erasure {
		p.Rules[0].Categories = []string{personal}
	}
	return p
}

// Kinds are the categories to which a policy keeps; none where it targets all that is
// personal.
func (p Policy) Kinds() (kinds []string) {
	for _, rule := range p.Rules {
		if len(rule.Categories) == 0 || slices.Contains(rule.Categories, personal) {
			return nil
		}
		kinds = append(kinds, rule.Categories...)
	}
	return kinds
}

// CheckPolicy says what is wrong with a policy for this map.
func CheckPolicy(m *Map, p Policy) error {
	if !slices.Contains([]Kind{Access, Export, Erasure}, p.Kind) {
		return fmt.Errorf("policy %q: unknown kind %q; known are access, export and erasure", p.Name, p.Kind)
	}
	if len(p.Rules) == 0 {
		return fmt.Errorf("policy %q has no rules", p.Name)
	}
	switch {
	case p.Links == LinksOmit && p.Kind == Erasure:
		return fmt.Errorf("policy %q: links: omit is for access and export; an erasure may say links: mask", p.Name)
	case p.Links == LinksMask && p.Kind != Erasure:
		return fmt.Errorf("policy %q: only an erasure masks; access and export may say links: omit", p.Name)
	case p.Links != LinksDefault && p.Links != LinksOmit && p.Links != LinksMask:
		return fmt.Errorf("policy %q: unknown links %q; known are omit and mask", p.Name, p.Links)
	}
	var unknown []string
	for _, rule := range p.Rules {
		for _, c := range rule.Categories {
			if known, near := KnownCategory(m, c); !known {
				if near != "" {
					near = fmt.Sprintf("; did you mean %q?", near)
				}
				unknown = append(unknown, fmt.Sprintf("category %q is not in the taxonomy%s", c, near))
			}
		}
		if p.Kind != Erasure && rule.Strategy != nil {
			return fmt.Errorf("policy %q: only an erasure masks; take the strategy away", p.Name)
		}
		if err := maskingProblem(rule.Strategy); err != nil {
			return fmt.Errorf("policy %q: %w", p.Name, err)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("policy %q: %s", p.Name, strings.Join(unknown, ", "))
	}
	return nil
}

// Idle are the rules of an erasure, counted from 1, that never apply, because those
// before them target all that they do: what such a rule says would not be done.
func (p Policy) Idle() (list []int) {
	if p.Kind != Erasure {
		return nil // the rules of the others say no more than what is given
	}
	for i, rule := range p.Rules {
		covered := func(c string) bool {
			return slices.ContainsFunc(p.Rules[:i], func(before PolicyRule) bool { return before.targets([]string{c}) })
		}
		if whole := slices.ContainsFunc(p.Rules[:i], func(before PolicyRule) bool { return len(before.Categories) == 0 }); whole ||
			len(rule.Categories) > 0 && !slices.ContainsFunc(rule.Categories, func(c string) bool { return !covered(c) }) {
			list = append(list, i+1)
		}
	}
	return list
}

// rule returns the first rule that targets a field, or nil.
func (p Policy) rule(f *Field) *PolicyRule {
	for i := range p.Rules {
		if p.Rules[i].targets(f.whole) {
			return &p.Rules[i]
		}
	}
	return nil
}

func (r PolicyRule) targets(categories []string) bool {
	if len(r.Categories) == 0 {
		return len(categories) > 0
	}
	for _, target := range r.Categories {
		for _, c := range categories {
			if CategoryMatches(target, c) {
				return true
			}
		}
	}
	return false
}

// targets tells whether the policy asks for a field at all.
func (p Policy) targets(f *Field) bool {
	return p.rule(f) != nil && (p.Kind != Export || portable(f))
}

// portable: Art. 20(1) covers what the subject provided, where the processing
// rests on consent (6(1)(a)) or a contract (6(1)(b)).
func portable(f *Field) bool {
	return f.ProvidedBy == "subject" && (f.Legal.Basis == "a" || f.Legal.Basis == "b")
}

// deletes tells whether reached rows of a collection are deleted. A row is more
// than the fields that a narrow policy names: it goes only where the policy
// targets everything personal in it. Else its targeted fields are masked.
func (p Policy) deletes(c *Collection) bool {
	if p.Kind != Erasure || !c.Delete {
		return false
	}
	found := false
	for _, f := range c.AllFields() {
		if !anyPersonal(f.whole) {
			continue
		}
		if p.rule(f) == nil {
			return false
		}
		found = true
	}
	if found {
		return true
	}
	// Rows without a category, such as those that tie two tables together.
	for _, rule := range p.Rules {
		if len(rule.Categories) == 0 || slices.Contains(rule.Categories, personal) {
			return true
		}
	}
	return false
}

// asks tells whether the policy wants anything of a collection. A rule for every
// category wants what lies beside personal data, but not what has none: settings
// and code lists are nobody's.
func (p Policy) asks(c *Collection) bool {
	return !c.Skip && (p.deletes(c) || slices.ContainsFunc(c.AllFields(), func(f *Field) bool {
		rule := p.rule(f) // there is one where the policy targets the field
		return p.targets(f) && (len(rule.Categories) > 0 || anyPersonal(f.Categories))
	}))
}
