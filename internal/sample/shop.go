package sample

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Generate makes up a shop as it would stand at asOf, from a seed.
func Generate(seed int64, asOf time.Time, o Options) *Shop {
	if o.Contacts <= 0 {
		o.Contacts = 640
	}
	if o.Visits <= 0 {
		o.Visits = 10_000
	}
	g := &generator{
		random: newRandom(seed), o: o, asOf: asOf.UTC().Truncate(time.Second),
		accounts: shops(), tables: definition(), people: cast(),
	}
	g.staff()
	g.customers()
	g.browse()
	g.talk()
	return &Shop{tables: g.tables, people: g.people}
}

// generator holds what later rows refer to.
type generator struct {
	random
	o        Options
	asOf     time.Time
	accounts []account
	people   []Person
	contacts []contact
	visitors []*visitor
	tables   []table
}

type contact struct {
	id                int64
	account           *account
	name, email, tone string
	phone             string
	created           time.Time
	visitors          []*visitor
}

// add appends a row; values stand in the order of definition().
func (g *generator) add(name string, values ...any) {
	for i := range g.tables {
		if t := &g.tables[i]; t.name == name {
			if len(values) != len(t.columns) {
				panic(fmt.Sprintf("sample: %d values for the %d columns of %s", len(values), len(t.columns), name))
			}
			t.rows = append(t.rows, values)
			return
		}
	}
	panic("sample: no table " + name)
}

// next is the number of the next row of a table.
func (g *generator) next(name string) int64 {
	for _, t := range g.tables {
		if t.name == name {
			return int64(len(t.rows)) + 1
		}
	}
	return 0
}

func (g *generator) staff() {
	names := [][2]string{{"Alžběta Dlouhá", "alzbeta"}, {"Marek Zeman", "marek"}, {"Jonas Wirth", "jonas"}, {"Petra Lang", "petra"}, {"Cillian Roche", "cillian"}, {"Orla Hayes", "orla"}}
	for i := range g.accounts {
		a := &g.accounts[i]
		a.chatKey = "k" + g.hex(40)
		g.add("accounts", a.id, a.name, a.domain, a.chatKey, a.country)
		for _, n := range names[2*i : 2*i+2] {
			id := g.next("agents")
			a.agents = append(a.agents, id)
			g.add("agents", id, a.id, n[0], n[1]+"@"+a.domain)
		}
	}
}

// age is a moment in the past: many are recent, some nearly three years old, so
// that every lifetime has rows on both sides of its end.
func (g *generator) age() time.Time {
	f := g.Float64()
	days := f * f * 1050
	return g.asOf.Add(-time.Duration(days*24*3600) * time.Second)
}

func (g *generator) customers() {
	loyalty := []string{"none", "none", "silver", "gold"}
	notes := []string{"", "", "", "", "", "", "prefers the telephone", "asked for a discount", "VIP!", "pays late"}
	for i := range max(g.o.Contacts, len(g.people)) {
		id := int64(i) + 1
		a := &g.accounts[i%len(g.accounts)]
		c := contact{id: id, created: g.age(), tone: one(g.random, []string{"friendly", "friendly", "plain", "plain", "angry"})}
		name, surname := one(g.random, givenNames()[a.country]), one(g.random, familyNames()[a.country])
		c.email = fmt.Sprintf("%s.%s%d@%s", ascii(name), ascii(surname), id, one(g.random, mailHosts()))
		switch {
		case g.chance(8): // wrote down a telephone only
			c.email, c.phone = "", g.phone(id)
		case g.chance(30):
			c.phone = g.phone(id)
		}
		social := ""
		if g.chance(12) {
			social = "https://social.example/" + ascii(name) + strconv.FormatInt(id, 10)
		}
		if g.chance(6) {
			surname = "" // gave one name only
		}
		note := one(g.random, notes)
		if i < len(g.people) {
			p := g.people[i]
			name, surname, c.email, c.phone = p.Name, p.Surname, p.Email, p.Phone
			a = &g.accounts[p.account()]
			c.created = g.asOf.AddDate(0, -4, -i)
		}
		c.account = a
		c.name = strings.TrimSpace(name + " " + surname)
		updated := g.between(c.created, g.asOf)
		g.add("contacts", id, a.id, c.created, updated, name, orNull(surname), orNull(c.email), orNull(c.phone), orNull(social), orNull(note),
			g.chance(60), fmt.Sprintf(`{"loyalty": %q}`, one(g.random, loyalty)))
		g.contacts = append(g.contacts, c)
	}
}

// account is the index of the person's shop.
func (p Person) account() int {
	for i, a := range shops() {
		if a.key == p.Controller {
			return i
		}
	}
	return 0
}

// phone is a number of a range kept for fiction (Ofcom, Bundesnetzagentur), each
// contact's its own, spelt as people spell them.
func (g *generator) phone(id int64) string {
	if id%2 == 0 {
		return fmt.Sprintf("+44 7700 900%03d", id%1000)
	}
	return fmt.Sprintf("+49-30-23125%03d", id%1000)
}
