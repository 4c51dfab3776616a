package planview

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// TestDrawExample: the live chat's map is drawn with everything that the plan does.
func TestDrawExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "examples", "livechat", "datamap.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, string(data), datamap.Erasure, "email", "phone", "visitor")
	text := texts(t, draw(t, p))
	for _, v := range p.Visits {
		if !slices.Contains(text, v.Collection.FullName()) {
			t.Errorf("the picture should show %s", v.Collection.FullName())
		}
	}
	for _, want := range []string{
		"Erasure by email, phone, visitor", "email", "phone", "visitor", "in phone", "id → contact_id",
		"where contact_id is empty", "only to rows that have no owner", "delete", "rows found are deleted",
		"source livechat · 8 of 12 fields targeted", "Not visited: livechat.agents",
	} {
		if !slices.Contains(text, want) {
			t.Errorf("the picture should say %q, it says %q", want, text)
		}
	}
	for _, not := range []string{"mask", "in a cycle: followed again until nothing new is found"} {
		if slices.Contains(text, not) {
			t.Errorf("the picture explains %q, which it does not use", not)
		}
	}
}

const shop = `dataset:
- fides_key: shop
  lethe: {basis: b}
  collections:
  - name: users
    description: <script>alert("a & b")</script>
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - name: invited_by
      fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}
    - name: team
      fides_meta: {references: [{dataset: shop, field: teams.id, direction: to}]}
  - name: teams
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - name: lead
      fides_meta: {references: [{dataset: shop, field: users.id, direction: to}]}
  - name: orders
    fields:
    - {name: address, data_categories: [user.contact.address]}
    - name: buyer
      fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}
    - name: payer
      fides_meta: {references: [{dataset: shop, field: users.id, direction: from}]}
`

func TestDrawCycles(t *testing.T) {
	t.Parallel()
	p := compile(t, shop, datamap.Erasure, "email")
	p.Visits[0].Collection.Keeps = []datamap.Keep{{Because: "the law on accounts"}}
	out := draw(t, p)
	text := texts(t, out)
	for _, want := range []string{
		"mask", "only followed", again, "in a cycle: followed again until nothing new is found",
		"id → invited_by", "team → id", "lead → id", "id → buyer", "id → payer", "rows that a law keeps stay",
	} {
		if !slices.Contains(text, want) {
			t.Errorf("the picture should say %q, it says %q", want, text)
		}
	}
	if n := strings.Count(out, `stroke="`+round+`" fill="none"`); n != 3 {
		t.Errorf("3 arrows of cycles were expected (two teams, one to itself), %d are drawn", n)
	}
	if !strings.Contains(out, "kept: the law on accounts") {
		t.Error("the tip of a box should say why rows are kept")
	}
}

// TestDrawHarmless: whatever names a map has, the picture is one document of
// shapes and texts, and what was written is what is read.
func TestDrawHarmless(t *testing.T) {
	t.Parallel()
	p := compile(t, shop, datamap.Access, "email")
	hostile := "a\"'><script>x</script>&\x00\x1b]]>" + strings.Repeat("ž漢", 200)
	for _, v := range p.Visits {
		v.Collection.Name += hostile
		v.Collection.Dataset.Source = hostile
		v.Collection.Description = hostile
		for _, f := range v.Collection.Fields {
			f.Name += hostile
		}
	}
	p.Policy, p.Notes, p.Left = hostile, []string{hostile}, []string{hostile}
	out := draw(t, p)
	if want := `a&#34;&#39;&gt;&lt;script`; !strings.Contains(out, want) {
		t.Errorf("the names should stand there escaped (%s)", want)
	}
}

// TestDrawBroad: boxes are wide, so many of one level stand one upon the other.
func TestDrawBroad(t *testing.T) {
	t.Parallel()
	p := compile(t, large(25), datamap.Access, "email")
	f := newFigure(p)
	if f.breadth() <= broad || !f.sideways {
		t.Errorf("%d collections lie side by side: the picture should go from left to right", f.breadth())
	}
	if upright := newFigure(compile(t, large(5), datamap.Access, "email")); upright.sideways {
		t.Errorf("%d collections side by side should go from top to bottom", upright.breadth())
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(draw(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	if width, _ := strconv.ParseFloat(doc.Find("svg").AttrOr("width", ""), 64); width > 2500 {
		t.Errorf("25 collections should fit into 2500 across, they take %v", width)
	}
}

func TestDrawIsTheSameAgain(t *testing.T) {
	t.Parallel()
	p := compile(t, shop, datamap.Access, "email")
	if first, again := draw(t, p), draw(t, p); first != again {
		t.Error("the same plan should give the same picture")
	}
}

func TestDrawEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Draw(ctx, io.Discard, compile(t, shop, datamap.Access, "email")); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for the picture: %v should be context.Canceled", err)
	}
}

func TestShortened(t *testing.T) {
	t.Parallel()
	if got := shortened("shop.orders"); got != "shop.orders" {
		t.Errorf("a short name should stay, it became %s", got)
	}
	got := shortened(strings.Repeat("a", 60) + strings.Repeat("ž", 60))
	if n := len([]rune(got)); n != 48 || !strings.HasPrefix(got, "aaa") || !strings.HasSuffix(got, "žžž") {
		t.Errorf("a long name should keep both ends in 48 characters, it became %s (%d)", got, n)
	}
}

func TestApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ want, got []float64 }{
		{[]float64{50}, []float64{50}},
		{[]float64{-20, 50, 500}, []float64{0, 50, 100}},
		{[]float64{50, 50}, []float64{50, 68}},
		{[]float64{500, 600}, []float64{82, 100}},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}},
	} {
		if got := apart(c.want, 0, 100); !slices.Equal(got, c.got) {
			t.Errorf("%v between 0 and 100 should become %v, not %v", c.want, c.got, got)
		}
	}
}

func compile(t testing.TB, text string, kind datamap.Kind, identities ...string) *datamap.Plan {
	t.Helper()
	m, problems := datamap.Parse([]datamap.File{{Name: "map.yaml", Data: []byte(text)}}, datamap.ParseOptions{})
	if datamap.Failed(problems) {
		t.Fatal(problems)
	}
	p, err := datamap.Compile(m, datamap.Builtin(kind), identities)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// draw draws, and holds each picture to what all of them promise.
func draw(t testing.TB, p *datamap.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := Draw(t.Context(), &b, p); err != nil {
		t.Fatal(err)
	}
	allowed := []string{"svg", "title", "desc", "g", "rect", "path", "text"}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains(allowed, start.Name.Local) {
			t.Errorf("a picture holds %v, not %s", allowed, start.Name.Local)
		}
		for _, a := range start.Attr {
			if a.Name.Local == "style" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "NaN") {
				t.Errorf("%s has %s=%q", start.Name.Local, a.Name.Local, a.Value)
			}
			if slices.Contains([]string{"x", "y", "width", "height"}, a.Name.Local) && a.Value != "100%" {
				if _, err := strconv.ParseFloat(a.Value, 64); err != nil {
					t.Errorf("%s has %s=%q, a number was expected", start.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func texts(t testing.TB, svg string) []string {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(svg))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Find("svg text").Map(func(_ int, s *goquery.Selection) string { return s.Text() })
}

// large is a map of n collections, each found from one earlier, some from two.
func large(n int) string {
	var b strings.Builder
	b.WriteString("dataset:\n- fides_key: shop\n  lethe: {basis: b}\n  collections:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: table_%d\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: note, data_categories: [user.content]}\n", i)
		reference := func(name string, to int) {
			fmt.Fprintf(&b, "    - {name: %s, fides_meta: {references: [{dataset: shop, field: table_%d.id, direction: from}]}}\n", name, to)
		}
		switch i {
		case 0:
			b.WriteString("    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n")
		default:
			reference("parent_id", i/3)
		}
		if i > 5 && i%4 == 0 {
			reference("other_id", i/2)
		}
	}
	return b.String()
}

func BenchmarkDraw(b *testing.B) {
	for _, n := range []int{8, 60, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := compile(b, large(n), datamap.Access, "email")
			for b.Loop() {
				if err := Draw(b.Context(), io.Discard, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Texts are as long as was reckoned with, in whatever font: else names run over
// what stands beside them where the reader has none of those asked for.
func TestTextsKeepTheirLength(t *testing.T) {
	t.Parallel()
	svg := draw(t, compile(t, large(12), datamap.Erasure, "email"))
	if all, kept := strings.Count(svg, "<text "), strings.Count(svg, ` textLength="`); all == 0 || all != kept {
		t.Errorf("expected each of %d texts to say its length, %d do", all, kept)
	}
}
