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
	strategyHash     = "hash"
	strategyHMAC     = "hmac"
	strategyAES      = "aes_encrypt"
	strategyDelete   = "delete" // collections only
)

// randomLength is what Fides writes where no length is given.
const randomLength = 30

// strategies are all of them.
func strategies() []string {
	return []string{
		strategyNull, strategyPreserve, strategyString, strategyRandom, strategyHash, strategyHMAC, strategyAES, strategyDelete,
	}
}

// algorithms of hash and hmac.
func algorithms() []string { return []string{"SHA-256", "SHA-512"} }

// writesText tells that a strategy puts text into a column.
func (m *Masking) writesText() bool {
	return slices.Contains([]string{strategyString, strategyRandom, strategyHash, strategyHMAC, strategyAES}, m.Strategy)
}

// Reversible tells that what is masked can be told again by who holds the key, or
// by who tries every address or number there is: pseudonymised (Art. 4(5)), not erased.
func (m *Masking) Reversible() bool {
	return slices.Contains([]string{strategyHash, strategyHMAC, strategyAES}, m.Strategy)
}

// complete fills in what Fides takes where nothing is said.
func (m Masking) complete() *Masking {
	switch m.Strategy {
	case strategyRandom:
		if m.Length == 0 {
			m.Length = randomLength
		}
	case strategyHash, strategyHMAC:
		if m.Algorithm == "" {
			m.Algorithm = algorithms()[0]
		}
	case strategyAES:
		if m.Mode == "" {
			m.Mode = "GCM"
		}
	}
	return &m
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
	switch {
	case m.Strategy == "":
		r.out.fail(pos, "masking_strategy_override needs a strategy")
		return nil
	case !slices.Contains(strategies(), m.Strategy):
		r.out.fail(pos, "unknown masking strategy %q%s", m.Strategy, r.out.meantOr(m.Strategy, slices.Values(strategies()), "known are "+strings.Join(strategies(), ", ")))
		return nil
	}
	p.configuration(r, configuration, pos, m)
	return m.complete()
}

func (p *mapReader) configuration(r *reader, configuration pair, pos Pos, m *Masking) {
	rewrite := false
	for _, q := range r.pairs(configuration, configurationKeys()) {
		if isNull(q.value) {
			continue
		}
		used := m.heeds(q.key)
		switch q.key {
		case "rewrite_value":
			rewrite = true
			m.Value = r.text(q)
		case "length":
			m.Length = r.number(q, 1, 10_000)
		case "algorithm":
			m.Algorithm = strings.ToUpper(r.text(q))
			if used && !slices.Contains(algorithms(), m.Algorithm) {
				r.out.fail(q.pos, "algorithm must be SHA-256 or SHA-512%s", r.out.didYouMean(m.Algorithm, slices.Values(algorithms())))
			}
		case "mode":
			m.Mode = strings.ToUpper(r.text(q))
			if used && m.Mode != "GCM" {
				r.out.fail(q.pos, "mode can only be GCM")
			}
		case "format_preservation":
			for _, k := range r.pairs(q, preservationKeys()) {
				m.Suffix = r.text(k)
			}
		}
		if !used {
			r.out.warn(q.pos, "%s has no effect on %s", q.key, m.Strategy)
		}
	}
	if m.Strategy == strategyString && !rewrite {
		r.out.fail(pos, "string_rewrite needs configuration: {rewrite_value: …}")
	}
}

// checkMasking holds a field's override against what the field is. Of an array
// each element is masked, as Fides does, so what counts is the elements' type.
func (p *mapReader) checkMasking(r *reader, q pair, f *Field) {
	text, keeps := f.Masking.writesText(), f.Masking.Strategy == strategyPreserve
	switch {
	case f.Masking.Strategy == strategyDelete:
		r.out.fail(q.pos, "strategy delete is for collections; a field is emptied by null_rewrite")
	case f.PrimaryKey && !keeps:
		r.out.fail(q.pos, "a primary key is never masked; delete the rows, or take the override away")
	case f.ReadOnly && !keeps:
		r.out.fail(q.pos, "read_only and a masking strategy contradict each other")
	case f.Masking.mistypes(f):
		r.out.fail(q.pos, "%s writes text, and data_type is %s", f.Masking.Strategy, f.DataType)
	case text && f.Length > 0 && len([]rune(f.Masking.Suffix)) >= f.Length:
		r.out.fail(q.pos, "the suffix alone fills the length of %d", f.Length)
	}
}

// mistypes tells that the strategy writes text where a field is declared to hold none.
func (m *Masking) mistypes(f *Field) bool {
	return m.writesText() && !slices.Contains([]string{"", "string", "object_id"}, f.DataType)
}

// heeds tells whether the strategy goes by a key of its configuration.
func (m *Masking) heeds(key string) bool {
	switch key {
	case "rewrite_value":
		return m.Strategy == strategyString
	case "length":
		return m.Strategy == strategyRandom
	case "algorithm":
		return m.Strategy == strategyHash || m.Strategy == strategyHMAC
	case "mode":
		return m.Strategy == strategyAES
	case "format_preservation":
		return m.writesText()
	}
	return false
}

// Idle are the settings that the strategy does not heed, by their keys.
func (m *Masking) Idle() (keys []string) {
	for _, x := range []struct {
		key  string
		said bool
	}{
		{"rewrite_value", m.Value != ""}, {"length", m.Length > 0}, {"algorithm", m.Algorithm != ""}, {"mode", m.Mode != ""}, {"format_preservation", m.Suffix != ""},
	} {
		if x.said && !m.heeds(x.key) {
			keys = append(keys, x.key)
		}
	}
	return keys
}

// maskingProblem says what is wrong with the strategy of a policy's rule.
func maskingProblem(m *Masking) error {
	if m == nil {
		return nil
	}
	switch {
	case m.Strategy == strategyDelete:
		return fmt.Errorf("strategy delete belongs on a collection of the data map, not in a policy")
	case !slices.Contains(strategies(), m.Strategy):
		return fmt.Errorf("unknown masking strategy %q; known are %s", m.Strategy, strings.Join(strategies()[:len(strategies())-1], ", "))
	case m.Algorithm != "" && !slices.Contains(algorithms(), m.Algorithm):
		return fmt.Errorf("unknown algorithm %q; known are %s", m.Algorithm, strings.Join(algorithms(), ", "))
	case m.Mode != "" && m.Mode != "GCM":
		return fmt.Errorf("unknown mode %q; only GCM is known", m.Mode)
	}
	return nil
}
