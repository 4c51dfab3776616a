package archive

import (
	"fmt"
	"slices"
)

// Missing lists, in sentences, what a letter under Art. 15 should say and does
// not, because it is not configured: shown to the DPO before approval. An export
// (Art. 20) needs less: who answers, and where to complain.
func (l Letter) Missing() []string {
	var out []string
	say := func(missing bool, format string, args ...any) {
		// A collection has a purpose for each legal basis: what all of them
		// lack is said once.
		if s := fmt.Sprintf(format, args...); missing && !slices.Contains(out, s) {
			out = append(out, s)
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
	for _, p := range l.Purposes {
		say(len(p.Uses) == 0, "%s: the data map names no purpose (data_uses; Art. 15(1)(a)).", p.Collection)
		say(ground(p.Basis) == "", "%s: the data map names no legal basis (lethe: {basis: …}; Art. 6(1)).", p.Collection)
		say(len(p.Categories) == 0, "%s: the data map names no categories (data_categories; Art. 15(1)(b)).", p.Collection)
	}
	say(len(l.Recipients) == 0, "No recipients are configured (recipients; Art. 15(1)(c)). If nobody else has the data, not even a processor, the letter cannot say so by itself.")
	for _, r := range l.Recipients {
		say(r.Name == "", "A recipient has no name (C-154/21: recipients are named; Art. 15(1)(c)).")
		say(r.Region == "", "%s: the recipient's region is not configured (Art. 15(2)).", r.Name)
		say(r.Region != "" && !inEEA(r.Region) && r.Ground == "", "%s: the recipient is outside the EEA, and no ground of the transfer is configured (Art. 15(2), 46).", r.Name)
	}
	say(len(l.Retention) == 0, "No retention rule says how long the data are kept (Art. 15(1)(d)); where there is none, the data map can say how that is decided (lethe: {kept: …}).")
	for _, collection := range l.endless() {
		say(len(l.Retention) > 0, "%s: neither a retention rule nor the data map (lethe: {kept: …}) says how long it is kept (Art. 15(1)(d)).", collection)
	}
	say(len(l.Sources) == 0, "The data map does not say where the data come from (lethe: {origin: …}; Art. 15(1)(g)).")
	say(l.Automated == "", "Nothing says whether decisions are made by a computer alone (automated; Art. 15(1)(h), 22).")
	return out
}

// endless are the collections with personal data of which nothing says how long they are kept.
func (l Letter) endless() []string {
	var out []string
	for _, p := range l.Purposes {
		said := slices.ContainsFunc(l.Retention, func(r Period) bool { return r.Collection == p.Collection })
		if !said && !slices.Contains(out, p.Collection) {
			out = append(out, p.Collection)
		}
	}
	return out
}
