package archive

import (
	"fmt"
	"slices"
	"strings"
)

// Missing lists, in sentences, what a letter under Art. 15 should say and does
// not, because it is not configured: shown to the DPO before approval. An export
// (Art. 20) needs less: who answers, and where to complain.
func (l Letter) Missing() []string {
	var out []string
	say := func(missing bool, format string, args ...any) {
		if missing {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	say(l.Controller.Name == "", "The controller's name is not configured.")
	say(l.Controller.Address == "", "The controller's postal address is not configured.")
	say(l.DPO == "", "No data protection officer or other contact is configured (dpo).")
	say(l.Authority == "", "The supervisory authority is not configured (authority; Art. 15(1)(f)).")
	if l.Kind == "export" {
		return out
	}
	say(len(l.Purposes) == 0, "The data map names no purposes (data_uses; Art. 15(1)(a)).")
	for _, lacks := range []struct {
		what string
		it   func(Purpose) bool
	}{
		{"no purpose (data_uses; Art. 15(1)(a))", func(p Purpose) bool { return len(p.Uses) == 0 }},
		{"no legal basis (lethe: {basis: …}; Art. 6(1))", func(p Purpose) bool { return ground(p.Basis) == "" }},
		{"no categories (data_categories; Art. 15(1)(b))", func(p Purpose) bool { return len(p.Categories) == 0 }},
	} {
		if of := l.collections(lacks.it); len(of) > 0 {
			say(true, "%s: the data map names %s.", strings.Join(of, ", "), lacks.what)
		}
	}
	say(len(l.Recipients) == 0, "No recipients are configured (recipients; Art. 15(1)(c)). If nobody else has the data, not even a processor, the letter cannot say so by itself.")
	for _, r := range l.Recipients {
		say(r.Name == "", "A recipient has no name (C-154/21: recipients are named; Art. 15(1)(c)).")
		say(r.Region == "", "%s: the recipient's region is not configured (Art. 15(2)).", r.Name)
		say(r.Region != "" && !inEEA(r.Region) && r.Ground == "", "%s: the recipient is outside the EEA, and no ground of the transfer is configured (Art. 15(2), 46).", r.Name)
	}
	say(len(l.Retention) == 0, "No retention rule says how long the data are kept (Art. 15(1)(d)); where there is none, the data map can say how that is decided (lethe: {kept: …}).")
	if of := l.endless(); len(of) > 0 {
		say(len(l.Retention) > 0, "%s: neither a retention rule nor the data map (lethe: {kept: …}) says how long this is kept (Art. 15(1)(d)).", strings.Join(of, ", "))
	}
	say(len(l.Sources) == 0, "The data map does not say where the data come from (lethe: {origin: …}; Art. 15(1)(g)).")
	say(l.Automated == "", "Nothing says whether decisions are made by a computer alone (automated; Art. 15(1)(h), 22).")
	return out
}

// endless are the collections with personal data of which nothing says how long they are kept.
func (l Letter) endless() []string {
	return l.collections(func(p Purpose) bool {
		return !slices.ContainsFunc(l.Retention, func(r Period) bool { return r.Collection == p.Collection && !r.Part })
	})
}

// collections are those with a purpose of which something is so, each once.
func (l Letter) collections(so func(Purpose) bool) []string {
	var out []string
	for _, p := range l.Purposes {
		if so(p) && !slices.Contains(out, p.Collection) {
			out = append(out, p.Collection)
		}
	}
	return out
}
