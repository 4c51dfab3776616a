package datamap

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Text shows a plan to a person: in which order, by what reached, what is done.
func (p *Plan) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %s (policy %s)\n\n", p.Kind, strings.Join(p.Identities, ", "), p.Policy)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "#\tCOLLECTION\tREACHED BY\tDONE")
	size := make(map[int]int)
	for _, v := range p.Visits {
		size[v.Component]++
	}
	for i, v := range p.Visits {
		ways := v.ways()
		if size[v.Component] > 1 {
			ways = append(ways, "again and again until nothing new is found")
		}
		done := v.done(p.Kind)
		for line := range max(len(ways), len(done)) {
			number, name := "", ""
			if line == 0 {
				number, name = fmt.Sprint(i+1), v.Collection.FullName()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", number, name, item(ways, line), item(done, line))
		}
	}
	_ = w.Flush() // into a strings.Builder: cannot fail
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if len(p.Left) > 0 {
		fmt.Fprintf(&b, "\nNot visited: %s\n", strings.Join(p.Left, ", "))
	}
	for i, n := range p.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Note: %s\n", n)
	}
	return b.String()
}

func item(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// ways says by what a collection is reached, one way a line.
func (v *Visit) ways() []string {
	var list []string
	for _, s := range v.Seeds {
		list = append(list, fmt.Sprintf("%s in %s", s.Identity, s.Field.LocalName()))
	}
	for _, l := range v.Links {
		list = append(list, v.way(l))
	}
	for _, f := range v.Collection.AllFields() {
		if f.Request != "" {
			list = append(list, fmt.Sprintf("only where %s is the request's %s, if it brings one", f.LocalName(), f.Request))
		}
	}
	return list
}

// way is a link in words; several columns that must agree stand in brackets, and
// a link from another source names it.
func (v *Visit) way(l Link) string {
	own, other := v.Collection, l.From.Collection
	name := other.Name
	if other.Dataset != own.Dataset {
		name = other.FullName()
	}
	var from, to []string
	for _, p := range l.Pairs() {
		from, to = append(from, p.From.LocalName()), append(to, p.To.LocalName())
	}
	way := name + "." + from[0] + " → " + to[0]
	if len(from) > 1 {
		way = fmt.Sprintf("%s.(%s) → (%s)", name, strings.Join(from, ", "), strings.Join(to, ", "))
	}
	if other.Dataset.Source != own.Dataset.Source {
		way += " (from source " + other.Dataset.Source + ")"
	}
	if owner := own.Owner; owner != "" && owner != l.To.LocalName() {
		way += fmt.Sprintf(" (where %s is empty)", owner)
	}
	return way
}

// done says what happens to reached rows; long lists of fields are broken.
func (v *Visit) done(k Kind) []string {
	var list []string
	switch {
	case v.Delete:
		list = append(list, "delete")
	case len(v.Targets) == 0:
		list = append(list, "only followed")
	case k != Erasure:
		var fields []string
		for _, t := range v.Targets {
			fields = append(fields, t.Field.LocalName())
		}
		const most = 5
		for len(fields) > most {
			list = append(list, strings.Join(fields[:most], ", ")+",")
			fields = fields[most:]
		}
		list = append(list, strings.Join(fields, ", "))
	default:
		for _, t := range v.Targets {
			list = append(list, t.Field.LocalName()+": "+t.Masking.Strategy)
		}
	}
	if k == Erasure {
		for _, kept := range v.Collection.Keeps {
			var masked []*Field
			for _, t := range v.KeptTargets(kept) {
				masked = append(masked, t.Field)
			}
			list = append(list, kept.words(masked))
		}
		if l := v.beyond(); l != nil {
			list = append(list, fmt.Sprintf("also those of kept rows of %s (keep: {with: %s} keeps them)", l.From.Collection.FullName(), l.To.LocalName()))
		}
	}
	return list
}

// beyond is a way on which rows are deleted though what they belong to may be
// kept by a law: an invoice's lines.
func (v *Visit) beyond() *Link {
	if !v.Delete || len(v.Collection.Keeps) > 0 {
		return nil
	}
	for _, l := range v.Links {
		if !l.Own && len(l.From.Collection.Keeps) > 0 && l.From.Collection != v.Collection {
			return &l
		}
	}
	return nil
}

// words say which rows stay, for how long, and why, and what is masked in them.
func (k Keep) words(masked []*Field) string {
	what := "but keep all"
	if len(k.With) > 0 {
		what = "but keep with the rows of " + k.keeper().FullName()
	}
	if len(k.Where) > 0 {
		what = strings.Replace(what, " all", " those", 1) + " whose " + strings.Join(k.wheres(), " and ")
	}
	if k.For != "" {
		what += fmt.Sprintf(", %s from %s", k.For, k.From)
	}
	what += ": " + k.Because
	if len(masked) > 0 {
		what += " (masked all the same: " + strings.Join(localNames(masked), ", ") + ")"
	}
	return what
}

// wheres are the conditions of a keep: "status is paid or refunded".
func (k Keep) wheres() []string {
	var list []string
	for _, column := range slices.Sorted(maps.Keys(k.Where)) {
		var values []string
		for _, v := range k.Where[column] {
			if v == nil {
				values = append(values, "empty")
				continue
			}
			values = append(values, *v)
		}
		list = append(list, column+" is "+strings.Join(values, " or "))
	}
	return list
}

// JSON is the plan for programs: snake_case, one document, stable keys.
func (p *Plan) JSON() ([]byte, error) {
	doc := struct {
		Kind       Kind        `json:"kind"`
		Policy     string      `json:"policy"`
		Identities []string    `json:"identities"`
		Cyclic     bool        `json:"cyclic"`
		Visits     []visitJSON `json:"visits"`
		Left       []string    `json:"left"`
		Notes      []string    `json:"notes"`
		Digest     string      `json:"digest"`
	}{
		Kind: p.Kind, Policy: p.Policy, Identities: p.Identities, Cyclic: p.Cyclic, Visits: []visitJSON{},
		Left: append([]string{}, p.Left...), Notes: append([]string{}, p.Notes...), Digest: p.Digest,
	}
	for _, v := range p.Visits {
		doc.Visits = append(doc.Visits, p.visitJSON(v))
	}
	return json.MarshalIndent(doc, "", "  ")
}

// What stands in a plan's JSON.
type (
	visitJSON struct {
		Collection string        `json:"collection"`
		Source     string        `json:"source"`
		Component  int           `json:"component"`
		Seeds      []seedJSON    `json:"seeds"`
		Links      []linkJSON    `json:"links"`
		Delete     bool          `json:"delete"`
		Targets    []targetJSON  `json:"targets"`
		LinkFields []string      `json:"link_fields"`
		Referrers  []string      `json:"referrers"`
		Withheld   []string      `json:"withheld,omitempty"`
		Narrowed   []requestJSON `json:"narrowed_by,omitempty"`
		Keeps      []keepJSON    `json:"keeps,omitempty"`
	}
	seedJSON struct {
		Identity string `json:"identity"`
		Field    string `json:"field"`
		Match    Match  `json:"match"`
	}
	linkJSON struct {
		From string     `json:"from"`
		To   string     `json:"to"`
		Own  bool       `json:"own"`
		And  []pairJSON `json:"and,omitempty"`
	}
	pairJSON struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	targetJSON struct {
		Field   string `json:"field"`
		Masking string `json:"masking,omitempty"`
	}
	requestJSON struct {
		Field   string `json:"field"`
		Request string `json:"request_field"`
	}
	keepJSON struct {
		Where   map[string][]*string `json:"where,omitempty"`
		For     string               `json:"for,omitempty"`
		From    string               `json:"from,omitempty"`
		Because string               `json:"because"`
		Mask    []string             `json:"mask,omitempty"`
		With    string               `json:"with,omitempty"`
	}
)

func (p *Plan) visitJSON(v *Visit) visitJSON {
	one := visitJSON{
		Collection: v.Collection.FullName(), Source: v.Collection.Dataset.Source, Component: v.Component,
		Seeds: []seedJSON{}, Links: []linkJSON{}, Delete: v.Delete, Targets: []targetJSON{},
		LinkFields: append([]string{}, localNames(v.LinkFields)...), Referrers: []string{}, Withheld: localNames(v.Withheld),
	}
	for _, s := range v.Seeds {
		one.Seeds = append(one.Seeds, seedJSON{s.Identity, s.Field.FullName(), s.Field.Match})
	}
	for _, l := range v.Links {
		to := linkJSON{From: l.From.FullName(), To: l.To.FullName(), Own: l.Own}
		for _, p := range l.And {
			to.And = append(to.And, pairJSON{p.From.FullName(), p.To.FullName()})
		}
		one.Links = append(one.Links, to)
	}
	for _, t := range v.Targets {
		strategy := ""
		if t.Masking != nil {
			strategy = t.Masking.Strategy
		}
		one.Targets = append(one.Targets, targetJSON{t.Field.LocalName(), strategy})
	}
	for _, l := range v.Referrers {
		one.Referrers = append(one.Referrers, l.From.FullName())
	}
	for _, f := range v.Collection.AllFields() {
		if f.Request != "" {
			one.Narrowed = append(one.Narrowed, requestJSON{f.LocalName(), f.Request})
		}
	}
	if p.Kind != Erasure {
		return one
	}
	for _, k := range v.Collection.Keeps {
		kept := keepJSON{Where: k.Where, For: k.For, From: k.From, Because: k.Because}
		for _, t := range v.KeptTargets(k) {
			kept.Mask = append(kept.Mask, t.Field.LocalName())
		}
		if len(k.With) > 0 {
			kept.With = k.keeper().FullName()
		}
		one.Keeps = append(one.Keeps, kept)
	}
	return one
}

func localNames(fields []*Field) []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.LocalName())
	}
	return names
}
