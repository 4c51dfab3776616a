package dsar

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// narrowShop is the shop whose orders a request's field narrows, with a desk, and
// with what is done to its tables first.
func narrowShop(t *testing.T, extra string) (*workBundle, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema+extra)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newWorkOver(t, strings.Replace(shopMap, "{name: note, data_categories: [user.content]}",
		"{name: note, data_categories: [user.content], fides_meta: {custom_request_field: order_note}}", 1), map[string]Source{"shop": src})
	b.c.Notify["courier"] = Notify{Name: "Courier Ltd", Address: "privacy@courier.example"} // of whom nothing is written down
	b.c.Desks = map[string]Desk{"paper": {Owner: "HR desk", Mail: "hr@bota.example", Holds: "paper files", Days: 10, Limit: 10_000}}
	return b, pool
}

// narrowed is an approved request of Pavla's for what belongs to one order.
func (b *workBundle) narrowed(t *testing.T, kind datamap.Kind) int64 {
	t.Helper()
	sub := verified(ask(kind, "email", "pavla@example.org"))
	sub.Fields = map[string]string{"order_note": "ring twice"}
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	return id
}

const narrowedWords = "of orders (shop) only entries with order note “ring twice”"

// Whoever asked for a part is told that the answer is of a part; so are the owner
// of a desk, who would give or destroy everything, and those to whom data were passed on.
func TestAPartIsCalledAPart(t *testing.T) {
	t.Parallel()
	b, _ := narrowShop(t, "DELETE FROM orders WHERE id = 11") // for which the person would stay, and nobody be told of their address
	id := b.narrowed(t, datamap.Erasure)
	if l := b.mail.one(t, letterAsk); !l.Part || len(l.Narrowed) > 0 {
		t.Errorf("expected the desk's mail to speak of a part, and not to name it; part: %v, named: %v", l.Part, len(l.Narrowed) > 0)
	}
	ref := b.linkOf(t, "hr@bota.example")
	if v, err := b.LookAsk(t.Context(), ref.Token); err != nil || !v.Part || len(v.Narrowed) > 0 {
		t.Errorf("expected the desk's page to speak of a part before it is opened, got %+v, %v", v, err)
	}
	if v, err := b.OpenAsk(t.Context(), ref.Token); err != nil || len(v.Narrowed) != 1 || v.Narrowed[0] != narrowedWords {
		t.Errorf("expected the desk's page to say which part, got %q, %v", v.Narrowed, err)
	}
	b.answer(t, ref, AnsweredDone, "Eva", "shredded")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if l := b.mail.one(t, "erased"); len(l.Narrowed) != 1 || l.Narrowed[0] != narrowedWords {
		t.Errorf("expected the letter to say which part was asked for, got %q", l.Narrowed)
	}
	// Who was given no such contents learns that a part is meant, and not by what.
	named := map[string]string{}
	for _, l := range b.mail.letters("notice") {
		named[l.Recipient] = l.Notices[0].Named
	}
	if got := named["Courier Ltd"]; !strings.HasSuffix(got, "\n"+narrowedWords) {
		t.Errorf("expected whoever may have the notes to be told of the part, got %q", got)
	}
	if got := named["Newsletter Ltd"]; !strings.HasSuffix(got, "\nof orders (shop) only entries with a certain order note") {
		t.Errorf("expected whoever was given addresses to be told that a part is meant, got %q", got)
	}
	// What it was narrowed by stays on the record; the value does not.
	if q := b.get(t, id); !strings.Contains(q.Timeline[0].Text, "narrowed by order_note") {
		t.Errorf("expected the time line to name the field, got %q", q.Timeline[0].Text)
	}
	expectNowhere(t, b.dump(t), "ring twice")
}

// The order that was not asked for needs the person, who stays for it.
func TestAPartLeavesTheRest(t *testing.T) {
	t.Parallel()
	b, pool := narrowShop(t, "")
	b.narrowed(t, datamap.Erasure)
	b.answer(t, b.linkOf(t, "hr@bota.example"), AnsweredNothing)
	b.worked(t)
	l := b.mail.one(t, "erased")
	is := map[string]source.Finding{}
	for _, f := range l.Findings {
		is[f.Collection] = f
	}
	if p, o := is["shop.people"], is["shop.orders"]; p.Stays != 1 || p.Masked+p.Erased+p.Shared != 0 || o.Rows != 1 || o.Erased != 1 || is["shop.lines"].Erased != 2 {
		t.Errorf("expected one order to be gone and its person to stay, got %+v", l.Findings)
	}
	if got := left(t, pool); got != "people 1 2 3, orders 11 12 13, lines 102 103" {
		t.Errorf("expected the other order and its person to be left, got %q", got)
	}
	if len(b.mail.letters("notice")) != 1 {
		t.Error("expected those alone to be told who were given something that is gone")
	}
}

func TestAnArchiveOfAPartSaysSo(t *testing.T) {
	t.Parallel()
	b, _ := narrowShop(t, "")
	b.narrowed(t, datamap.Access)
	b.answer(t, b.linkOf(t, "hr@bota.example"), AnsweredNothing)
	b.worked(t)
	l := b.mail.one(t, "archive")
	data, err := b.download(t, l)
	if err != nil {
		t.Fatal(err)
	}
	letter := strings.Join(strings.Fields(unzip(t, data)["letter.txt"]), " ")
	if len(l.Narrowed) != 1 || !strings.Contains(letter, "You asked for a part of it: "+narrowedWords+".") {
		t.Errorf("expected mail and letter to say which part was asked for, got %q and:\n%s", l.Narrowed, letter)
	}
}

// A policy that takes some kinds of data alone makes a part of what a desk holds, and
// of what recipients were given: else they would destroy everything.
func TestAPolicyMakesAPart(t *testing.T) {
	t.Parallel()
	b, _ := narrowShop(t, "")
	b.c.Policies = []datamap.Policy{{Name: "contact", Kind: datamap.Erasure, Rules: []datamap.PolicyRule{{Categories: []string{"user.name"}}, {Categories: []string{"user.contact"}}}}}
	sub := verified(ask(datamap.Erasure, "email", "pavla@example.org"))
	sub.Policy = "contact"
	id := b.submit(t, dpo, sub).ID
	b.worked(t)
	if err := b.Approve(t.Context(), dpo, id, Approval{}); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	if l := b.mail.one(t, letterAsk); !l.Part {
		t.Error("expected the desk's mail to speak of a part")
	}
	ref := b.linkOf(t, "hr@bota.example")
	const want = "only name and contact details"
	if v, err := b.OpenAsk(t.Context(), ref.Token); err != nil || !v.Part || len(v.Narrowed) != 1 || v.Narrowed[0] != want {
		t.Errorf("expected the desk's page to say which kinds of data are meant, got %q, %v", v.Narrowed, err)
	}
	b.answer(t, ref, AnsweredNothing)
	b.worked(t)
	for _, l := range b.mail.letters("notice") {
		if got := l.Notices[0].Named; !strings.HasSuffix(got, "\n"+want) {
			t.Errorf("expected %s to be told which kinds of data are meant, got %q", l.Recipient, got)
		}
	}
	if l := b.mail.one(t, "erased"); len(l.Narrowed) > 0 {
		t.Errorf("expected nothing of a part in the letter to whoever asked for everything, got %q", l.Narrowed)
	}
}

// A map that has lost the field since, or calls it otherwise, makes no request for
// a part one for everything: a desk would give or destroy all.
func TestAPartStaysAPart(t *testing.T) {
	t.Parallel()
	b, _ := narrowShop(t, "")
	b.narrowed(t, datamap.Access)
	b.restarted(t, shopMap, nil)
	ref := b.linkOf(t, "hr@bota.example")
	if v, err := b.OpenAsk(t.Context(), ref.Token); err != nil || !v.Part || len(v.Narrowed) != 1 || v.Narrowed[0] != "only entries with order note “ring twice”" {
		t.Errorf("expected the desk's page to speak of the part still, got %q, %v", v.Narrowed, err)
	}
}

// Of a part of which nothing, or nothing that is the person's alone, was found, an
// erasure would leave what was asked for, or take what was not: it is not approved.
func TestAPartThatIsNotFoundIsNotErased(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ extra, says string }{
		"another firm's order shares the person": {"INSERT INTO orders VALUES (14, 2, 1, 'theirs')", "all that was found of it is shared"},
		"a mistyped value":                       {"UPDATE orders SET note = NULL WHERE id = 10", "nothing was found of it"},
		"no order at all":                        {"DELETE FROM lines; DELETE FROM orders", "nothing was found of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := narrowShop(t, c.extra)
			sub := verified(ask(datamap.Erasure, "email", "pavla@example.org"))
			sub.Fields = map[string]string{"order_note": "ring twice"}
			id := b.submit(t, dpo, sub).ID
			b.worked(t)
			err := b.Approve(t.Context(), dpo, id, Approval{})
			expectNotNow(t, err, c.says)
			b.expectStatus(t, id, InReview)
		})
	}
}
