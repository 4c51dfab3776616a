package dsar

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/period"
	"github.com/lethe-dsr/lethe/internal/source"
)

// obliged are the letter's sentences about rows that a law keeps (Art. 17(3)):
// how many, for how long, which law, and until which day where that is known. Whoever asked for an erasure has to be
// told the reasons for what was not erased (Art. 12(4)).
func (s *Service) obliged(findings []source.Finding, ends map[string][]keptEnd, left leftovers) []string {
	var out []string
	for _, f := range findings {
		if f.Kept == 0 {
			continue
		}
		sentence := plainName(f.Collection) + ": " + plural(f.Kept, "entry", "entries") + ", because the law obliges us (Article 17(3) GDPR)"
		lost := left.kept[f.Collection]
		masked := len(lost) > 0 && f.Masked > 0
		coded := slices.ContainsFunc(lost, func(t datamap.Target) bool { return t.Masking != nil && t.Masking.Reversible() })
		if laws := s.lawsOf(f.Collection); len(laws) > 0 {
			sentence += ": " + strings.Join(laws, "; or ")
		}
		sentence += "."
		switch {
		case masked && coded:
			sentence += " What the law does not ask for was removed from them or replaced by a code (pseudonymised, Article 4(5) GDPR)."
		case masked:
			sentence += " What the law does not ask for was removed from them."
		}
		sentence += endWords(f.Kept, ends[f.Collection])
		they := " They are"
		if f.Kept == 1 {
			they = " It is"
		}
		out = append(out, sentence+they+" used for nothing else.")
	}
	return out
}

// lawWords is "accounting law, for 10 years, counted from “issued on”".
func lawWords(k datamap.Keep) string {
	long := keepWords(k)
	if long != noEnd {
		long = "for " + long
	}
	if k.Because == "" {
		return long
	}
	return k.Because + ", " + long
}

const noEnd = "without a fixed end"

// keepWords is "10 years, counted from “issued on”".
func keepWords(k datamap.Keep) string {
	p, err := period.Parse(k.For)
	if k.For == "" || err != nil {
		return noEnd
	}
	return p.Words() + ", counted from “" + strings.ReplaceAll(k.From, "_", " ") + "”"
}

// statutory are the periods for which a law keeps rows of these collections
// (Art. 15(1)(d)); the law is named with each.
func statutory(visits []*datamap.Visit) []archive.Period {
	var out []archive.Period
	for _, v := range visits {
		for _, k := range v.Collection.Keeps {
			p := archive.Period{Collection: v.Collection.FullName(), Keep: keepWords(k) + ", because a law obliges us"}
			if len(k.Where) > 0 {
				p.What = "some entries"
			}
			if k.Because != "" {
				p.Keep += " (" + k.Because + ")"
			}
			out = append(out, p)
		}
	}
	return out
}

// withoutKept are the findings as the letter counts them: a kept row of which
// something was masked is one that was kept, not one whose data were removed.
func (l leftovers) withoutKept(findings []source.Finding) []source.Finding {
	out := slices.Clone(findings)
	for i, f := range out {
		out[i].Masked = maskedBeside(f, len(l.kept[f.Collection]) > 0)
	}
	return out
}

func (s *Service) keepsOf(collection string) []datamap.Keep {
	for _, d := range s.c.Map.Datasets {
		for _, c := range d.Collections {
			if c.FullName() == collection {
				return c.Keeps
			}
		}
	}
	return nil
}

// lawsOf are the laws that keep rows of a collection: of one row nobody noted which
// of several it was.
func (s *Service) lawsOf(collection string) (laws []string) {
	for _, k := range s.keepsOf(collection) {
		laws = append(laws, lawWords(k))
	}
	return laws
}

// plainName is "order items (shop)" for "shop.order_items", as letters have it.
func plainName(collection string) string {
	dataset, name, ok := strings.Cut(strings.ReplaceAll(collection, "_", " "), ".")
	if !ok {
		return dataset
	}
	return name + " (" + dataset + ")"
}
