package sample

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// talk makes conversations, their messages and attachments.
func (g *generator) talk() {
	for i := range g.contacts {
		c := &g.contacts[i]
		n := 1
		switch {
		case i < len(g.people):
			n = 2
			if len(c.visitors) == 0 {
				n = 0
			}
		case g.chance(40):
			n = 2
		case g.chance(12):
			n = 0
		}
		for range n {
			var v *visitor
			if len(c.visitors) > 0 {
				v = one(g.random, c.visitors)
			}
			g.conversation(c, v)
		}
	}
	// Those who never said who they are.
	for range len(g.contacts) * 45 / 100 {
		if v := one(g.random, g.visitors); v.contact == 0 {
			g.conversation(nil, v)
		}
	}
}

func (g *generator) conversation(c *contact, v *visitor) {
	var (
		a              *account
		who, browser   any
		place, city    any
		ip             any
		from           time.Time
		tone           = one(g.random, []string{"friendly", "plain", "angry"})
		known          = ""
		isFirstOfAPart bool
	)
	if v != nil {
		a, browser, from = v.account, v.id, v.created
		place, city, ip = orNull(v.place.code), orNull(v.place.city), orNull(v.ip)
	}
	if c != nil {
		a, who, from, tone, known = c.account, c.id, c.created, c.tone, c.name
		isFirstOfAPart = c.id <= int64(len(g.people))
	}
	id := "co" + g.token(11)
	begun := g.between(from, minTime(from.AddDate(0, 2, 0), g.asOf))
	texts := g.lines(tone, a, c)
	ended := begun
	at := make([]time.Time, len(texts))
	for i := range texts {
		at[i] = ended
		ended = minTime(ended.Add(time.Duration(20+g.IntN(1800))*time.Second), g.asOf)
	}
	var rating any
	if g.chance(30) {
		rating = map[string]int{"friendly": 5, "plain": 3 + g.IntN(2), "angry": 1 + g.IntN(2)}[tone]
	}
	agent := one(g.random, a.agents)
	g.add("conversations", id, a.id, who, browser, one(g.random, []string{"open", "pending", "closed", "closed", "closed"}), begun, ended, agent, rating, a.domain, place, city, ip)
	for i, t := range texts {
		by, subType := any(nil), "contact"
		if t.agent {
			by, subType = agent, "agent"
		}
		message := g.next("messages")
		g.add("messages", message, id, "message", subType, by, t.text, at[i], "https://"+a.domain+one(g.random, paths()))
		if !t.agent && (g.chance(3) || i == 0 && isFirstOfAPart) {
			g.attachment(message, id, known)
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (g *generator) attachment(message int64, conversation, name string) {
	file := one(g.random, [][2]string{{"receipt-%d.pdf", "application/pdf"}, {"photo-%d.jpg", "image/jpeg"}, {"invoice " + name + " %d.pdf", "application/pdf"}})
	id := g.next("attachments")
	_, extension, _ := strings.Cut(file[0], ".")
	g.add("attachments", id, message, strings.ReplaceAll(file[0], "%d", strconv.FormatInt(id, 10)), file[1], 8000+g.IntN(400_000),
		fmt.Sprintf("attachments/%s/%d.%s", conversation, id, extension))
}

type line struct {
	text  string
	agent bool
}

// lines are a conversation's texts: an opening, answers, what follows. Now and
// then a third person is named: somebody else's data inside the subject's text.
func (g *generator) lines(tone string, a *account, c *contact) []line {
	product, order := one(g.random, products()), strconv.Itoa(100_000+g.IntN(900_000))
	fill := strings.NewReplacer("%p", product, "%o", order)
	out := []line{{text: one(g.random, openings()[tone])}}
	for range g.IntN(3) {
		out = append(out, line{text: one(g.random, answers()), agent: true}, line{text: one(g.random, followUps()[tone])})
	}
	if c != nil && g.chance(10) && c.email != "" {
		out = append(out, line{text: "My address is " + c.email + ", if you need it."})
	}
	if c != nil && (g.chance(2) || c.id == 1 && len(g.contacts) > 3) {
		if other := g.contacts[g.IntN(len(g.contacts))]; other.account == a && other.id != c.id && other.email != "" {
			out = append(out, line{text: "My neighbour " + other.name + " (" + other.email + ") has the same problem, please write to her, too."})
		}
	}
	for i := range out {
		out[i].text = fill.Replace(out[i].text)
	}
	return out
}
