package datamap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Gaps lists what a map does not say and a letter under Art. 15(1) or an export
// under Art. 20 needs: purposes (a), the source of the data (g), the legal
// basis, what an export gives; and where it may say something else than is meant (mentions, copies, several, secrets, namedByOthers, namedBySkipped, leadsToOthers, takenByHouse, bothEnds). They are no
// errors of the map, which a walk can follow; `lethe check` and `lethe datamap check` show them.
func Gaps(m *Map) []Problem {
	var list []Problem
	for _, d := range m.Datasets {
		list = append(list, unsaid(d)...)
	}
	for _, f := range MentionFields(m) {
		if f.Why != "" {
			list = append(list, Problem{Pos: f.Field.Pos, Warning: true, Message: f.Why})
		}
	}
	g := newGraph(m)
	return slices.Concat(list, nothingToExport(m), untargeted(m), unmasked(m), copies(g), several(g), secrets(m), namedByOthers(g), namedBySkipped(g), leadsToOthers(g), takenByHouse(g), bothEnds(g))
}

// unsaid lists what the collections of a dataset do not say and letters need;
// what many of them lack is said once, of the dataset, which may say it for all.
func unsaid(d *Dataset) (list []Problem) {
	const many, named = 3, 20
	var order []string
	by := make(map[string][]*Collection) // what lacks -> where
	for _, c := range d.Collections {
		var fields []*Field
		for _, f := range c.AllFields() {
			if anyPersonal(f.whole) {
				fields = append(fields, f)
			}
		}
		if c.Skip || len(fields) == 0 {
			continue
		}
		missing := func(has func(*Field) bool) bool { return !slices.ContainsFunc(fields, has) }
		var lacks []string
		if missing(func(f *Field) bool { return f.Legal.Basis != "" }) {
			lacks = append(lacks, "its legal basis (lethe: {basis: …})")
		}
		if missing(func(f *Field) bool { return len(f.Uses) > 0 }) {
			lacks = append(lacks, "what it is used for (data_uses)")
		}
		if missing(func(f *Field) bool { return f.Legal.Origin != "" || f.ProvidedBy == "subject" }) {
			lacks = append(lacks, "where it comes from (lethe: {origin: …})")
		}
		if len(lacks) > 0 {
			what := strings.Join(lacks, ", ")
			if by[what] == nil {
				order = append(order, what)
			}
			by[what] = append(by[what], c)
		}
	}
	for _, what := range order {
		if of := by[what]; len(of) > many {
			var names []string
			for _, c := range of {
				names = append(names, c.Name)
			}
			if len(names) > named {
				names = append(names[:named], fmt.Sprintf("and %d more", len(of)-named))
			}
			list = append(list, Problem{Pos: d.Pos, Warning: true, Message: fmt.Sprintf("%d collections of %s do not say %s: letters will lack it; what the dataset says goes for all of them: %s",
				len(of), d.Key, what, strings.Join(names, ", "))})
			continue
		}
		for _, c := range by[what] {
			list = append(list, Problem{Pos: c.Pos, Warning: true, Message: c.FullName() + " does not say " + what + ": letters will lack it"})
		}
	}
	return list
}

// nothingToExport says, once for the whole map, that the built-in export comes out
// empty: Art. 20(1) gives what is both provided by the subject and processed by
// consent or contract, and no field is both. It stands at the first personal data.
func nothingToExport(m *Map) []Problem {
	var first *Field
	export := Builtin(Export)
	for _, c := range m.collections() {
		if c.Skip {
			continue
		}
		for _, f := range c.AllFields() {
			if export.targets(f) {
				return nil
			}
			if first == nil && anyPersonal(f.whole) {
				first = f
			}
		}
	}
	if first == nil {
		return nil
	}
	return []Problem{{Pos: first.Pos, Warning: true, Message: "an export (Art. 20) gives nothing of any collection: " +
		"no field is both provided by the person (lethe: {provided_by: subject}) and processed by consent or contract (basis: a or b)"}}
}

// untargeted lists the identities that an erasure leaves where they stand,
// because no category says that they are personal.
func untargeted(m *Map) (list []Problem) {
	for _, c := range m.collections() {
		for _, f := range c.AllFields() {
			if f.Identity == "" || c.Delete || c.Skip || f.ReadOnly || anyPersonal(f.Categories) {
				continue
			}
			list = append(list, Problem{Pos: f.Pos, Warning: true, Message: f.FullName() + " is an identity (" + f.Identity + ") without a personal category: people are found by it, and an erasure leaves it as it is; give it data_categories, such as user.contact.email"})
		}
	}
	return list
}

// copies lists the identities, and what repeats them at the other end of a
// reference, that an erasure leaves in masked rows because keys and columns that
// link collections are not masked by a category alone: the very address by which
// a person was found. A key of random digits says nothing, see telling.
func copies(g *graph) (list []Problem) {
	erasure := Builtin(Erasure)
	repeats := map[*Field]bool{}
	for _, c := range g.all {
		for _, f := range c.AllFields() {
			for _, ref := range f.References {
				repeats[f] = repeats[f] || ref.Target.Identity != ""
				repeats[ref.Target] = repeats[ref.Target] || f.Identity != ""
			}
		}
	}
	for _, c := range g.all {
		for _, f := range c.AllFields() {
			if f.Identity == "" && !repeats[f] || c.Delete || c.Skip || f.ReadOnly || f.Masking != nil || !g.spared(erasure, f) || !slices.ContainsFunc(f.Categories, telling) {
				continue
			}
			why := "it links collections; give it a masking_strategy_override"
			if f.PrimaryKey {
				why = "it is a primary key; give the collection strategy: delete"
			}
			what := "is an identity (" + f.Identity + ")"
			if f.Identity == "" {
				what = "repeats an identity"
			}
			list = append(list, Problem{Pos: f.Pos, Warning: true, Message: f.FullName() + " " + what + ", and an erasure leaves it as it is, because " + why})
		}
	}
	return list
}

// unmasked lists maskings that are never carried out: what has no category, no
// policy targets.
func unmasked(m *Map) (list []Problem) {
	for _, c := range m.collections() {
		for _, f := range c.AllFields() {
			if f.Masking == nil || f.Masking.Strategy == strategyPreserve || c.Skip || f.ReadOnly || len(f.whole) > 0 {
				continue
			}
			list = append(list, Problem{Pos: f.Pos, Warning: true, Message: f.FullName() + " has a masking and no category, which policies go by: it is not carried out; give it data_categories, such as user.unique_id"})
		}
	}
	return list
}

// secrets lists what opens an account (user.authorization) and an access request
// would be given: it tells the person nothing, and whoever gets hold of the
// archive everything.
func secrets(m *Map) (list []Problem) {
	for _, c := range m.collections() {
		for _, f := range c.AllFields() {
			for _, r := range f.References { // what names such a row holds its secret, and links are given
				for held, by := range map[*Field]*Field{r.Target: f, f: r.Target} {
					if held.opens() && !held.asItsRow() && !by.opens() && !by.Redact && !by.Collection.Skip {
						list = append(list, Problem{Pos: by.Pos, Warning: true, Message: by.FullName() + " holds " + held.FullName() + ", a password, token or the like (user.authorization), and a copy (Art. 15) gives it; lethe: {redact: true} leaves it out"})
					}
				}
			}
			if !c.Skip && !f.Redact && f.opens() {
				list = append(list, Problem{Pos: f.Pos, Warning: true, Message: f.FullName() + " is a password, token or the like (user.authorization), and a copy (Art. 15) gives it; lethe: {redact: true} leaves it out, and an erasure takes it all the same"})
			}
		}
	}
	return list
}

// opens tells whether a field is what opens an account. A key that only has the
// category of its whole collection is a row's number.
func (f *Field) opens() bool {
	return slices.ContainsFunc(f.whole, func(of string) bool { return CategoryMatches("user.authorization", of) }) && (!f.PrimaryKey || !f.asItsRow())
}

// asItsRow tells whether a field has the categories of its collection, its own or
// for want of any.
func (f *Field) asItsRow() bool { return slices.Equal(f.whole, f.Collection.Categories) }

// several lists the arrays by which rows are reached that may be several
// people's, where such rows are deleted whole.
func several(g *graph) (list []Problem) {
	led := map[*Field]bool{} // ways end there
	for _, ways := range g.ways {
		for _, w := range ways {
			led[w.to] = true
			for _, p := range w.and {
				led[p.To] = true
			}
		}
	}
	for _, c := range g.all {
		for _, f := range c.AllFields() {
			if c.Delete && !c.Skip && (f.Identity != "" || led[f]) && f.oneOfMany() {
				list = append(list, Problem{Pos: f.Pos, Warning: true, Message: f.FullName() + " may name several people, and strategy: delete takes the row that they share: without it each person's own elements are masked; return_all_elements: true says that the row is one person's"})
			}
		}
	}
	return list
}

// namedByOthers lists the references by which somebody else's row names a
// person's own, where none leads back: that makes the person's row a shared one,
// which an erasure leaves as it is, name and address and all. A table of persons
// that references itself leads on to somebody else, whose row goes with the first
// one's: there shared: erase would take them all.
func namedByOthers(g *graph) (list []Problem) {
	for i, c := range g.all {
		if c.Skip {
			continue
		}
		persons := g.persons(i)
		for _, r := range g.referrer[i] {
			others := g.twoOf(c, r)
			if !persons && !others {
				continue
			}
			back := !others && slices.ContainsFunc(g.ways[i], func(w way) bool { return w.backOver(r) })
			var said string
			switch {
			case r.From.Collection == c:
				said = "the reference of " + r.From.FullName() + " leads from one row of " + c.FullName() +
					" to another, which is given and erased with it; where that is somebody else's (a manager, who recommended them), leave the reference out"
				if !back {
					said += ": it also makes whoever is named a shared row, which an erasure leaves as it is"
				}
			case back || c.SharedErase || r.From.Collection.Skip:
				continue
			default:
				said = "a person's own row of " + c.FullName() + " that somebody else's " + r.From.FullName() +
					" names is shared with them: an erasure leaves it as it is; where it is the person's all the same, say lethe: {shared: erase} on " + c.FullName()
				if others {
					said += ", or leave the reference out: it leads to rows without an owner only"
				}
			}
			list = append(list, Problem{Pos: r.From.Pos, Warning: true, Message: said})
		}
	}
	return list
}

// persons tells whether people are recognised in a collection, or in one that holds
// nothing but their addresses: it leads there, and is led to from there.
func (g *graph) persons(i int) bool {
	recognised := func(c *Collection) bool {
		return slices.ContainsFunc(c.AllFields(), func(f *Field) bool { return f.Identity != "" && anyPersonal(f.whole) })
	}
	return recognised(g.all[i]) || slices.ContainsFunc(g.referrer[i], func(r Link) bool {
		return !r.From.Collection.Skip && recognised(r.From.Collection) && slices.ContainsFunc(g.ways[i], func(w way) bool { return w.backOver(r) }) &&
			slices.ContainsFunc(g.ways[g.number[r.From.Collection]], func(w way) bool { return w.from == r.From && w.to == r.To })
	})
}

// twoOf tells whether a row names two of one collection, of whom its owner is the
// one and a link the other (who is rated, beside who rates): the link leads to rows
// without an owner only. A browser beside the contact who owns a conversation is
// no second contact; that it is shared is what owner is for.
func (g *graph) twoOf(c *Collection, l Link) bool {
	owner := l.From.Collection.Owner
	held := func(p Pair) bool { return p.From.Parent == nil && p.From.Name == owner }
	return owner != "" && !slices.ContainsFunc(l.Pairs(), held) &&
		slices.ContainsFunc(g.referrer[g.number[c]], func(k Link) bool {
			return k.From.Collection == l.From.Collection && slices.ContainsFunc(k.Pairs(), held)
		})
}

// namedBySkipped lists the references by which a collection that skip_processing
// takes out names rows of one that an erasure changes. No walk reaches what would
// tell whose the naming rows are, so that they share what they name, and it stays.
func namedBySkipped(g *graph) (list []Problem) {
	erasure := Builtin(Erasure)
	for i, c := range g.all {
		if c.SharedErase || !erasure.asks(c) {
			continue
		}
		for _, r := range g.referrer[i] {
			if by := r.From.Collection; by.Skip {
				list = append(list, Problem{Pos: r.From.Pos, Warning: true, Message: fmt.Sprintf("%s is not visited (skip_processing), and its %s makes each row of %s that it names a shared one, which an erasure leaves as it is; if they are the person's all the same, say lethe: {shared: erase} on %s, or leave the reference out",
					by.FullName(), r.From.LocalName(), c.FullName(), c.FullName())})
			}
		}
	}
	return list
}

// leadsToOthers lists the references by which a person's own row names what is
// another person's, where both are followed from the key to whoever names it: from
// somebody to their invitations, and on to everybody whom they invited.
func leadsToOthers(g *graph) (list []Problem) {
	for i, c := range g.all {
		if c.Skip || !g.persons(i) {
			continue
		}
		for _, there := range g.ways[i] { // from a person to what is theirs
			p := there.to.Collection
			if p == c || p.Skip || !g.holds(there.to, there.from) {
				continue
			}
			for _, back := range g.ways[there.node] {
				if back.to.Collection != c || back.from == there.to || !g.holds(back.to, back.from) || c.Owner != "" && c.Owner != back.to.Name {
					continue
				}
				list = append(list, Problem{Pos: back.to.Pos, Warning: true, Message: fmt.Sprintf("the reference of %s leads from a person, over %s, to whoever names a row of theirs there (whom they invited): these people's rows are given and erased, too; leave it out, unless they are the same person",
					back.to.FullName(), p.FullName())})
			}
		}
	}
	return list
}

// takenByHouse lists the collections whose rows name one person, and are reached by
// what is somebody's as well (the members of a project by the project of whoever made
// it), without an owner: the others' rows would be taken for that one's, and what they
// name for nobody else's.
func takenByHouse(g *graph) (list []Problem) {
	type into struct {
		names *Field   // the one person; nil where there are several
		by    []*Field // what else leads here
		many  bool
	}
	all := map[*Collection]*into{}
	for i, p := range g.all {
		persons := g.persons(i)
		for _, w := range g.ways[i] {
			c := w.to.Collection
			if p.Skip || c == p || c.Skip || c.Owner != "" || len(w.and) > 0 || !g.holds(w.to, w.from) {
				continue
			}
			if all[c] == nil {
				all[c] = &into{}
			}
			switch in := all[c]; {
			case !persons:
				in.by = append(in.by, w.to)
			case in.names != nil && in.names != w.to:
				in.many = true
			default:
				in.names = w.to
			}
		}
	}
	for _, c := range g.all {
		if in := all[c]; in != nil && in.names != nil && !in.many && len(in.by) > 0 && in.names.Parent == nil && !slices.Contains(in.by, in.names) {
			list = append(list, Problem{Pos: in.by[0].Pos, Warning: true, Message: fmt.Sprintf("the reference of %s leads to rows of %s that name somebody else in %s, too, which are then given and erased as the first one's; say lethe: {owner: %s}, unless they are",
				in.by[0].FullName(), c.FullName(), in.names.LocalName(), in.names.Name)})
		}
	}
	return list
}

// holds tells whether a field holds the key that another is.
func (g *graph) holds(f, key *Field) bool {
	return slices.ContainsFunc(g.referrer[g.number[key.Collection]], func(r Link) bool { return r.From == f && r.To == key })
}

// bothEnds lists the references without a direction between two collections in
// which people are recognised. A request that starts at both follows one from the
// end reached first and never back, as in Fides: what the identity finds at the
// other end leads nowhere over it, though by itself it would.
func bothEnds(g *graph) (list []Problem) {
	seeded := map[*Collection]bool{}
	for _, fields := range g.seeds {
		for _, f := range fields {
			seeded[f.Collection] = !f.Collection.Skip
		}
	}
	walked := g.walk(slices.Sorted(maps.Keys(g.seeds)), true)
	for _, c := range g.all {
		for _, f := range c.AllFields() {
			for _, ref := range f.References {
				other := ref.Target.Collection
				if ref.Direction != Undirected || !seeded[c] || !seeded[other] {
					continue
				}
				first, second := c, other
				if slices.ContainsFunc(walked.links[g.number[c]], func(l Link) bool { return slices.Contains(l.Pairs(), Pair{ref.Target, f}) }) {
					first, second = other, c
				}
				list = append(list, Problem{Pos: ref.Pos, Warning: true, Message: fmt.Sprintf("the reference of %s to %s has no direction, and identities start at both ends: a request that starts at both follows it from %s only, and what it finds in %s leads to nothing over it; give it a direction, or write it twice, once each way, if the value is one person's",
					f.FullName(), ref.Target.FullName(), first.FullName(), second.FullName())})
			}
		}
	}
	return list
}

// oneOfMany tells whether the field is an array, or stands in one, whose elements are told apart.
func (f *Field) oneOfMany() bool {
	many := false
	for at := f; at != nil; at = at.Parent {
		if at.AllElements {
			return false
		}
		many = many || at.Array
	}
	return many
}
