package datamap

import (
	"encoding/json"
	"fmt"
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
		list = append(list, fmt.Sprintf("%s in %s", s.Identity, s.Field.Name))
	}
	for _, l := range v.Links {
		from := l.From.Collection.Name
		if l.From.Collection.Dataset != v.Collection.Dataset {
			from = l.From.Collection.FullName()
		}
		way := fmt.Sprintf("%s.%s → %s", from, l.From.Name, l.To.Name)
		if owner := v.Collection.Owner; owner != "" && owner != l.To.Name {
			way += fmt.Sprintf(" (where %s is empty)", owner)
		}
		list = append(list, way)
	}
	return list
}

// done says what happens to reached rows; long lists of fields are broken.
func (v *Visit) done(k Kind) []string {
	var list []string
	switch {
	case v.Delete:
		return []string{"delete"}
	case len(v.Targets) == 0:
		return []string{"only followed"}
	case k != Erasure:
		var fields []string
		for _, t := range v.Targets {
			fields = append(fields, t.Field.Name)
		}
		const most = 5
		for len(fields) > most {
			list = append(list, strings.Join(fields[:most], ", ")+",")
			fields = fields[most:]
		}
		return append(list, strings.Join(fields, ", "))
	}
	for _, t := range v.Targets {
		list = append(list, t.Field.Name+": "+t.Masking.Strategy)
	}
	return list
}

// JSON is the plan for programs: snake_case, one document, stable keys.
func (p *Plan) JSON() ([]byte, error) {
	type seed struct {
		Identity string `json:"identity"`
		Field    string `json:"field"`
		Match    Match  `json:"match"`
	}
	type link struct {
		From string `json:"from"`
		To   string `json:"to"`
		Own  bool   `json:"own"`
	}
	type target struct {
		Field   string `json:"field"`
		Masking string `json:"masking,omitempty"`
	}
	type visit struct {
		Collection string   `json:"collection"`
		Source     string   `json:"source"`
		Component  int      `json:"component"`
		Seeds      []seed   `json:"seeds"`
		Links      []link   `json:"links"`
		Delete     bool     `json:"delete"`
		Targets    []target `json:"targets"`
		LinkFields []string `json:"link_fields"`
		Referrers  []string `json:"referrers"`
	}
	doc := struct {
		Kind       Kind     `json:"kind"`
		Policy     string   `json:"policy"`
		Identities []string `json:"identities"`
		Cyclic     bool     `json:"cyclic"`
		Visits     []visit  `json:"visits"`
		Left       []string `json:"left"`
		Notes      []string `json:"notes"`
		Digest     string   `json:"digest"`
	}{
		Kind: p.Kind, Policy: p.Policy, Identities: p.Identities, Cyclic: p.Cyclic, Visits: []visit{},
		Left: append([]string{}, p.Left...), Notes: append([]string{}, p.Notes...), Digest: p.Digest,
	}
	for _, v := range p.Visits {
		one := visit{
			Collection: v.Collection.FullName(), Source: v.Collection.Dataset.Source, Component: v.Component,
			Seeds: []seed{}, Links: []link{}, Delete: v.Delete, Targets: []target{}, LinkFields: []string{}, Referrers: []string{},
		}
		for _, s := range v.Seeds {
			one.Seeds = append(one.Seeds, seed{s.Identity, s.Field.FullName(), s.Field.Match})
		}
		for _, l := range v.Links {
			one.Links = append(one.Links, link{l.From.FullName(), l.To.FullName(), l.Own})
		}
		for _, t := range v.Targets {
			strategy := ""
			if t.Masking != nil {
				strategy = t.Masking.Strategy
			}
			one.Targets = append(one.Targets, target{t.Field.Name, strategy})
		}
		for _, f := range v.LinkFields {
			one.LinkFields = append(one.LinkFields, f.Name)
		}
		for _, l := range v.Referrers {
			one.Referrers = append(one.Referrers, l.From.FullName())
		}
		doc.Visits = append(doc.Visits, one)
	}
	return json.MarshalIndent(doc, "", "  ")
}
