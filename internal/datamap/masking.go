package datamap

import (
	"fmt"
	"slices"
	"strings"
)

// Masking strategies of Fideslang.
const (
	strategyNull     = "null_rewrite"
	strategyPreserve = "preserve"
	strategyString   = "string_rewrite"
	strategyRandom   = "random_string_rewrite"
	strategyDelete   = "delete"
)

// randomLength is what Fides writes where no length is given.
const randomLength = 30

// strategies returns those that are carried out, and those that are not yet.
func strategies() (now, later []string) {
	return []string{strategyNull, strategyPreserve, strategyString, strategyRandom, strategyDelete},
		[]string{"hash", "hmac", "aes_encrypt"}
}

// masking reads masking_strategy_override; nil when there is none or it is wrong.
func (p *mapReader) masking(r *reader, override pair) *Masking {
	if isNull(override.value) {
		return nil
	}
	m := &Masking{}
	pos := override.pos
	var configuration pair
	for _, q := range r.pairs(override, maskingKeys()) {
		switch q.key {
		case "strategy":
			pos, m.Strategy = q.pos, r.text(q)
		case "configuration":
			configuration = q
		}
	}
	now, later := strategies()
	switch {
	case m.Strategy == "":
		r.out.fail(pos, "masking_strategy_override needs a strategy")
		return nil
	case slices.Contains(later, m.Strategy):
		// Hashed or encrypted is not erased (DOMAIN.md): refused rather than weakened.
		r.out.later(pos, "masking strategy %s", m.Strategy)
		return nil
	case !slices.Contains(now, m.Strategy):
		r.out.fail(pos, "unknown masking strategy %q%s", m.Strategy, r.out.didYouMean(m.Strategy, slices.Values(slices.Concat(now, later))))
		return nil
	}
	p.configuration(r, configuration, pos, m)
	return m
}

func (p *mapReader) configuration(r *reader, configuration pair, pos Pos, m *Masking) {
	rewrite := false
	for _, q := range r.pairs(configuration, configurationKeys()) {
		used := false
		switch q.key {
		case "rewrite_value":
			used, rewrite = m.Strategy == strategyString, true
			m.Value = r.text(q)
		case "length":
			used = m.Strategy == strategyRandom
			m.Length = r.number(q, 1, 10_000)
		case "format_preservation":
			used = m.Strategy == strategyString || m.Strategy == strategyRandom
			for _, k := range r.pairs(q, preservationKeys()) {
				m.Suffix = r.text(k)
			}
		}
		if !used && !isNull(q.value) {
			r.out.warn(q.pos, "%s has no effect on %s", q.key, m.Strategy)
		}
	}
	if m.Strategy == strategyString && !rewrite {
		r.out.fail(pos, "string_rewrite needs configuration: {rewrite_value: …}")
	}
	if m.Strategy == strategyRandom && m.Length == 0 {
		m.Length = randomLength
	}
}

// checkMasking holds a field's override against what the field is.
func (p *mapReader) checkMasking(r *reader, q pair, f *Field, array bool) {
	text := f.Masking.Strategy == strategyString || f.Masking.Strategy == strategyRandom
	keeps := f.Masking.Strategy == strategyPreserve
	switch {
	case f.Masking.Strategy == strategyDelete:
		r.out.fail(q.pos, "strategy delete is for collections; a field is emptied by null_rewrite")
	case f.PrimaryKey && !keeps:
		r.out.fail(q.pos, "a primary key is never masked; delete the rows, or take the override away")
	case f.ReadOnly && !keeps:
		r.out.fail(q.pos, "read_only and a masking strategy contradict each other")
	case text && array:
		r.out.later(q.pos, "text in the elements of an array")
	case text && f.DataType != "" && f.DataType != "string" && f.DataType != "object_id":
		r.out.fail(q.pos, "%s writes text, and data_type is %s", f.Masking.Strategy, f.DataType)
	case text && f.Length > 0 && len([]rune(f.Masking.Suffix)) >= f.Length:
		r.out.fail(q.pos, "the suffix alone fills the length of %d", f.Length)
	}
}

// maskingProblem says what is wrong with the strategy of a policy's rule.
func maskingProblem(m *Masking) error {
	if m == nil {
		return nil
	}
	now, later := strategies()
	switch {
	case slices.Contains(later, m.Strategy):
		return fmt.Errorf("masking strategy %s is not carried out by this version", m.Strategy)
	case m.Strategy == strategyDelete:
		return fmt.Errorf("strategy delete belongs on a collection of the data map, not in a policy")
	case !slices.Contains(now, m.Strategy):
		return fmt.Errorf("unknown masking strategy %q; known are %s", m.Strategy, strings.Join(now, ", "))
	case m.Strategy == strategyString && m.Value == "" && m.Suffix == "":
		return fmt.Errorf("string_rewrite needs a value")
	}
	return nil
}
