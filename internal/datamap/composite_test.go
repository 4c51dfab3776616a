package datamap

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// linksOf renders links with all their pairs.
func linksOf(list []Link) []string {
	var out []string
	for _, l := range list {
		var pairs []string
		for _, p := range l.Pairs() {
			pairs = append(pairs, p.From.Collection.Name+"."+p.From.LocalName()+">"+p.To.LocalName())
		}
		s := strings.Join(pairs, " & ")
		if l.Own {
			s += " own"
		}
		out = append(out, s)
	}
	return out
}

// lines are a map whose collections may say all_of: "c [a b]: fields".
func composedMap(t *testing.T, allOf map[string]string, lines ...string) *Map {
	t.Helper()
	text := shopYAML(lines...)
	for c, list := range allOf {
		text = strings.Replace(text, "  - name: "+c+"\n", "  - name: "+c+"\n    lethe: {all_of: "+list+"}\n", 1)
	}
	return mustParse(t, text)
}

// TestCompositeLinksStandInTheMapsOrder: all_of does not bring a collection
// forward, so which end of another, undirected reference is reached first is the
// same with and without it.
func TestCompositeLinksStandInTheMapsOrder(t *testing.T) {
	t.Parallel()
	lines := []string{"users: shop!>lines.shop no! mail@email", "orders: id! shop<users.shop buyer<users.no", "lines: id! shop order~orders.id"}
	for _, allOf := range []map[string]string{nil, {"orders": "[shop, buyer]"}} {
		p, err := Compile(composedMap(t, allOf, lines...), Builtin(Access), []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		if got := linksOf(visitOf(t, p, "orders").Links); !slices.Contains(got, "lines.order>id") {
			t.Errorf("expected lines, reached first, to lead to orders with all_of %v, got %v", allOf, got)
		}
		if got := linksOf(visitOf(t, p, "lines").Links); len(got) != 1 {
			t.Errorf("expected no way back from orders to lines with all_of %v, got %v", allOf, got)
		}
	}
}

func TestCompositeLinks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines     []string
		allOf     map[string]string
		at        string
		want      []string
		referrers map[string][]string
	}{
		"two columns are one link": {
			lines: []string{"users: tenant! no! mail@email", "orders: id! tenant<users.tenant buyer<users.no"},
			allOf: map[string]string{"orders": "[tenant, buyer]"}, at: "orders",
			want:      []string{"users.tenant>tenant & users.no>buyer"},
			referrers: map[string][]string{"users": {"orders.tenant>tenant & orders.buyer>no"}},
		},
		"said by the other side, declared by both": {
			lines: []string{"users: tenant!>orders.tenant no! mail@email", "orders: id! tenant<users.tenant buyer<users.no"},
			allOf: map[string]string{"users": "[tenant, no]", "orders": "[tenant, buyer]"}, at: "orders",
			want:      []string{"users.tenant>tenant & users.no>buyer"},
			referrers: map[string][]string{"users": {"orders.tenant>tenant & orders.buyer>no"}},
		},
		"a tenant's number in several keys": {
			lines: []string{"users: tenant! no! mail@email", "teams: tenant! no!", "posts: id! tenant<users.tenant author<users.no editor<users.no"},
			allOf: map[string]string{"posts": "[[tenant, author], [tenant, editor]]"}, at: "posts",
			want:      []string{"users.tenant>tenant & users.no>author", "users.tenant>tenant & users.no>editor"},
			referrers: map[string][]string{"users": {"posts.tenant>tenant & posts.author>no", "posts.tenant>tenant & posts.editor>no"}},
		},
		"one all_of towards several collections": {
			lines: []string{"users: tenant! no! mail@email", "places: tenant! no!", "posts: id! tenant<users.tenant>places.tenant author<users.no place>places.no"},
			allOf: map[string]string{"posts": "[tenant, author, place]"}, at: "places",
			want:      []string{"posts.tenant>tenant & posts.place>no own"},
			referrers: map[string][]string{"places": {"posts.tenant>tenant & posts.place>no"}},
		},
		"to itself": {
			lines: []string{"users: id! mail@email", "notes: tenant! no! user<users.id mother<notes.no home<notes.tenant"},
			allOf: map[string]string{"notes": "[mother, home]"}, at: "notes",
			want:      []string{"users.id>user", "notes.no>mother & notes.tenant>home"},
			referrers: map[string][]string{"notes": {"notes.mother>no & notes.home>tenant"}},
		},
		"without a direction, one way only": {
			lines: []string{"users: tenant! no! mail@email", "orders: id! tenant~users.tenant buyer~users.no"},
			allOf: map[string]string{"orders": "[tenant, buyer]"}, at: "orders",
			want:      []string{"users.tenant>tenant & users.no>buyer"},
			referrers: map[string][]string{"users": {"orders.tenant>tenant & orders.buyer>no"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(composedMap(t, c.allOf, c.lines...), Builtin(Access), []string{"email"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, linksOf(visitOf(t, p, c.at).Links)); diff != "" {
				t.Errorf("expected these links to %s (-want +got):\n%s", c.at, diff)
			}
			for of, want := range c.referrers {
				if diff := cmp.Diff(want, linksOf(visitOf(t, p, of).Referrers)); diff != "" {
					t.Errorf("expected these to hold the key of %s (-want +got):\n%s", of, diff)
				}
			}
			if of := visitOf(t, p, "users"); len(of.Links) > 0 {
				t.Errorf("expected no way back to users, got %v", linksOf(of.Links))
			}
			if text := p.Text(); len(c.want) == 1 && !strings.Contains(c.want[0], "own") && !strings.Contains(text, "users.(tenant, no) → (tenant, buyer)") {
				t.Errorf("expected the pairs in the plan's text, got:\n%s", text)
			}
			doc, err := p.JSON()
			if err != nil || !strings.Contains(string(doc), `"and": [`) {
				t.Errorf("expected the pairs in the plan's JSON, got %v:\n%s", err, doc)
			}
		})
	}
}

// The pair that goes through the owner stands first: Link.To tells whose row it is.
func TestCompositeOwner(t *testing.T) {
	t.Parallel()
	text := shopYAML("users: tenant! no! mail@email", "orders: id! tenant<users.tenant buyer<users.no")
	text = strings.Replace(text, "  - name: orders\n", "  - name: orders\n    lethe: {all_of: [tenant, buyer], owner: buyer}\n", 1)
	p, err := Compile(mustParse(t, text), Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if got := linksOf(visitOf(t, p, "orders").Links); !cmp.Equal(got, []string{"users.no>buyer & users.tenant>tenant"}) {
		t.Errorf("expected the owner's pair first, got %q", got)
	}
}

// A reference may lead from one source to another, and back.
func TestLinksBetweenSources(t *testing.T) {
	t.Parallel()
	m, problems := Parse([]File{{Name: "m", Data: []byte(`dataset:
- fides_key: shop
  collections:
  - {name: users, fields: [{name: id, fides_meta: {primary_key: true}}, {name: mail, fides_meta: {identity: email}}]}
  - {name: points, fields: [{name: id, fides_meta: {primary_key: true, references: [{dataset: crm, field: people.id, direction: from}]}}]}
- fides_key: crm
  collections:
  - {name: people, fields: [{name: id, fides_meta: {primary_key: true}}, {name: shop_user, fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}}]}
`)}}, ParseOptions{Sources: []string{"shop", "crm"}})
	if len(problems) > 0 {
		t.Fatalf("expected a map without a warning, got %v", problems)
	}
	p, err := Compile(m, Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"users @email", "people users.id>shop_user", "points people.id>id"}, walked(p)); diff != "" {
		t.Errorf("expected the walk to go to the other source and back (-want +got):\n%s", diff)
	}
	// Who holds a row's key in another source makes it shared just the same.
	if got := linksOf(visitOf(t, p, "people").Referrers); !cmp.Equal(got, []string{"points.id>id"}) {
		t.Errorf("expected the points to hold a person's key, got %q", got)
	}
	if !strings.Contains(p.Text(), "shop.users.id → shop_user (from source shop)") {
		t.Errorf("expected the text to name the source, got\n%s", p.Text())
	}
}

// A composite link may lead from one source to another, and is named by all of
// its fields where the sources tell each other of it.
func TestCompositeLinkBetweenSources(t *testing.T) {
	t.Parallel()
	m, problems := Parse([]File{{Name: "m", Data: []byte(`dataset:
- fides_key: shop
  collections:
  - {name: users, fields: [{name: tenant, fides_meta: {primary_key: true}}, {name: no, fides_meta: {primary_key: true}}, {name: mail, fides_meta: {identity: email}}]}
- fides_key: crm
  collections:
  - name: calls
    lethe: {all_of: [firm, user]}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: firm, fides_meta: {references: [{dataset: shop, field: users.tenant, direction: from}]}}
    - {name: user, fides_meta: {references: [{dataset: shop, field: users.no, direction: from}]}}
`)}}, ParseOptions{Sources: []string{"shop", "crm"}})
	if len(problems) > 0 {
		t.Fatalf("expected a map without a warning, got %v", problems)
	}
	p, err := Compile(m, Builtin(Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	links := visitOf(t, p, "calls").Links
	if got := linksOf(links); !cmp.Equal(got, []string{"users.tenant>firm & users.no>user"}) {
		t.Fatalf("expected one link of two pairs, got %q", got)
	}
	if from, to := links[0].Ends(); from != "shop.users.tenant+shop.users.no" || to != "crm.calls.firm+crm.calls.user" {
		t.Errorf("expected the link to be named by all its fields, got %s → %s", from, to)
	}
}
