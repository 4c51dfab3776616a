package draft_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/draft"
)

var today = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// A key that is made of the rules' own words is told from its first document on,
// another where many documents have it; what may be a value is told never.
func TestLookInside(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		documents []string
		told      []string
		hidden    int
	}{
		"known words":         {[]string{`{"billing_address": {"zip": "1"}, "mara": 1, "mara_email": "m@x.example"}`}, []string{"billing_address", "billing_address.zip"}, 1},
		"common":              {[]string{`{"fld": 1}`, `{"fld": 2}`, `{"fld": null}`, `{"odo": 1}`}, []string{"fld"}, 0},
		"twice only":          {[]string{`{"fld": 1}`, `{"fld": 2}`}, nil, 0},
		"of few":              {slices.Concat(repeat(`{"odo": "o@x.example"}`, 3), repeat(`{}`, 10)), nil, 3},
		"an address as a key": {repeat(`{"o@x.example": 1, "Lemon Row 4, Bergen": 2, "192.0.2.1": 3}`, 5), nil, 0},
		"arrays, cut off":     {repeat(`[{"email": "o@x.example"}, {"phone": "1", "emai`, 3), []string{"email", "phone"}, 0},
		"no documents":        {[]string{`"text"`, `1`, `null`, ``, `{`, `}`, `[]`, "{\"q\": \"\xff\"}"}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &draft.Column{Name: "data", Type: "jsonb", Class: draft.JSON}
			c.LookInside(one.documents, today)
			var told []string
			var walk func(prefix string, list []*draft.Column)
			walk = func(prefix string, list []*draft.Column) {
				for _, in := range list {
					told = append(told, prefix+in.Name)
					walk(prefix+in.Name+".", in.Inside)
				}
			}
			walk("", c.Inside)
			if fmt.Sprint(told) != fmt.Sprint(one.told) || c.Hidden != one.hidden {
				t.Errorf("expected the keys %v and %d hidden addresses, got %v and %d", one.told, one.hidden, told, c.Hidden)
			}
		})
	}
}

func repeat(document string, n int) []string {
	return slices.Repeat([]string{document}, n)
}
