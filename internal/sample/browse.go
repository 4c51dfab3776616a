package sample

import (
	"strconv"
	"strings"
	"time"
)

// A visitor is a browser, as the chat box tells them apart.
type visitor struct {
	id               string
	account          *account
	contact          int64 // 0: not recognised
	created, updated time.Time
	visits           int
	browser          browser
	place            place
	ip               string // empty: this shop does not store it
	phone            string // of the contact, for what is typed
}

// browse makes visitors, and what they leave: visits, identifiers, consents.
func (g *generator) browse() {
	g.recognised()
	for len(g.visitors) < g.o.Visits*19/100 {
		g.visitor(one(g.random, indices(len(g.accounts))), nil)
	}
	g.countVisits()
	for _, v := range g.visitors {
		g.write(v)
	}
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// recognised gives contacts their browsers: most have one, some two, some none.
func (g *generator) recognised() {
	for i := range g.contacts {
		c := &g.contacts[i]
		browsers := 1
		switch {
		case i < len(g.people):
			p := g.people[i]
			if p.Part == "shared mailbox" && p.Phone != "" {
				browsers = 0 // the second one only ever telephoned
			}
			if p.Part == "shared browser" && g.contacts[i-1].email != "" && g.people[i-1].Part == p.Part {
				c.visitors = g.contacts[i-1].visitors // the other's browser, recognised as the other
				browsers = 0
			}
		case g.chance(10):
			browsers = 0
		case g.chance(12):
			browsers = 2
		}
		for range browsers {
			if len(g.visitors) == g.o.Visits {
				return // a visitor has one visit at least
			}
			g.visitor(int(c.account.id-1), c)
		}
	}
}

func (g *generator) visitor(account int, c *contact) {
	v := &visitor{
		id: "vi" + g.token(10), account: &g.accounts[account], browser: one(g.random, browsers()), place: one(g.random, places()), created: g.age(), visits: 1,
	}
	if c != nil {
		v.contact, v.phone = c.id, c.phone
		v.created = c.created.Add(-time.Duration(g.IntN(40*24*3600)) * time.Second)
		c.visitors = append(c.visitors, v)
	}
	// The vendor's switch for IP addresses is off unless a shop turns it on, but
	// rows exist all the same.
	if v.account.id == 3 || g.chance(30) {
		v.ip = g.ip()
	}
	g.visitors = append(g.visitors, v)
}

// countVisits hands the visits out: a few visitors have very many.
func (g *generator) countVisits() {
	left := g.o.Visits - len(g.visitors)
	for _, v := range g.visitors {
		if v.contact > 0 && v.contact <= int64(len(g.people)) && left >= 11 {
			v.visits += 11
			left -= 11
		}
	}
	for ; left > 0; left-- {
		f := g.Float64()
		g.visitors[int(f*f*f*float64(len(g.visitors)))].visits++
	}
}

// write adds a visitor's row and those that hang on it.
func (g *generator) write(v *visitor) {
	stay := time.Duration(1+g.IntN(45*24*60)) * time.Minute
	if v.visits == 1 {
		stay = time.Minute
	}
	v.updated = v.created.Add(stay)
	if v.updated.After(g.asOf) {
		v.updated = g.asOf
	}
	var recognised any
	if v.contact != 0 {
		recognised = v.contact
	}
	g.add("visitors", v.id, v.account.id, recognised, v.created, v.updated, v.visits, v.browser.agent, v.browser.name, v.browser.version, v.browser.os,
		orNull(v.place.country), orNull(v.place.code), orNull(v.place.city))
	screen := one(g.random, screens())
	for i := range v.visits {
		at := v.created
		if i > 0 {
			at = g.between(v.created, v.updated)
		}
		g.add("visits", g.next("visits"), v.account.id, v.id, at, "https://"+v.account.domain+one(g.random, paths()), orNull(one(g.random, referrers())),
			orNull(v.ip), v.browser.agent, screen, orNull(v.place.code), orNull(v.place.city))
	}
	g.identifiers(v)
}

// identifiers adds what the chat box and Smartlook set in a browser (the names
// of the vendor's page), and the consents that some of them rest on.
func (g *generator) identifiers(v *visitor) {
	prefix := "ssupp_" + v.account.chatKey
	set := func(name, storage, value string) {
		seen := v.updated
		g.add("identifiers", g.next("identifiers"), v.account.id, v.id, name, storage, value, v.created, seen)
	}
	set("ssupp.vid", "cookie", v.id)
	set(prefix+"vid", "local_storage", v.id)
	if g.chance(30) {
		set("_ss.enableSounds", "local_storage", one(g.random, []string{"true", "false"}))
		set(prefix+"opened", "local_storage", one(g.random, []string{"true", "false"}))
	}
	if g.chance(24) {
		set(prefix, "local_storage", `{"visited":`+strconv.Itoa(v.visits)+`,"sent":`+strconv.FormatBool(g.chance(40))+`}`)
	}
	if g.chance(6) {
		draft := one(g.random, drafts())
		if v.phone == "" && strings.Contains(draft, "%n") {
			draft = "hello"
		}
		set(prefix+"message", "local_storage", strings.ReplaceAll(draft, "%n", v.phone))
	}
	if g.consents(v, "analytics", 40) {
		set("SL_C_23361dd035530_KEY", "cookie", g.hex(40))
		set("SL_C_23361dd035530_SID", "cookie", g.token(11))
		set("SL_C_23361dd035530_VID", "cookie", g.token(11))
	}
	if g.consents(v, "marketing", 60) {
		set("ssupp.visits", "cookie", strconv.Itoa(v.visits))
		set(prefix+"visits", "local_storage", strconv.Itoa(v.visits))
	}
}

// consents tells whether a category's identifiers were set: with consent, that
// one in seven withdrew later; and, now and then, without any.
func (g *generator) consents(v *visitor, category string, share int) bool {
	if !g.chance(share) {
		return g.chance(2)
	}
	var withdrawn any
	if g.chance(15) {
		withdrawn = g.between(v.created.Add(time.Minute), g.asOf)
	}
	g.add("consents", g.next("consents"), v.id, category, v.created, withdrawn)
	return true
}
