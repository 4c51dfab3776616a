package dsar

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/source"
)

func TestEndsAreToldWhereAllAreKnown(t *testing.T) {
	t.Parallel()
	end := func(day string, rows int64) keptEnd {
		until, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		return keptEnd{Rows: rows, Until: until}
	}
	for _, tc := range []struct {
		kept int64
		ends []keptEnd
		want string
	}{
		{1, []keptEnd{end("2031-03-04", 1)}, " It is kept until 3 March 2031, and then erased."},
		{5, []keptEnd{end("2031-03-04", 5)}, " They are kept until 3 March 2031, and then erased."},
		{2, []keptEnd{end("2031-03-04", 1)}, ""},
		{2, nil, ""},
		{4, []keptEnd{end("2031-01-02", 1), end("2032-01-02", 1), end("2033-01-02", 1), end("2034-01-02", 1)},
			" The first of them are kept until 1 January 2031 and the last until 1 January 2034; each is then erased."},
	} {
		if got := endWords(tc.kept, tc.ends); got != tc.want {
			t.Errorf("%d kept rows: expected %q, got %q", tc.kept, tc.want, got)
		}
	}
}

// Rows beyond what an erasure notes are told, never forgotten in silence.
func TestRowsThatWereNotNotedAreTold(t *testing.T) {
	t.Parallel()
	findings := []source.Finding{
		{Source: "shop", Collection: "shop.bills", Kept: 10_000}, {Source: "shop", Collection: "shop.notes", Kept: 30, Held: 5}, {Source: "crm", Collection: "crm.people", Erased: 2},
	}
	of := func(n map[string]int64) []KeptRows {
		return unnoted(findings, func(_, collection string) int64 { return n[collection] })
	}
	if got := of(map[string]int64{"shop.bills": 10_000}); len(got) != 1 || got[0].Collection != "shop.notes" || got[0].Rows != 35 || !got[0].Unnoted || got[0].Why == "" {
		t.Errorf("expected the 35 rows over the limit to be told, got %+v", got)
	}
	// A row may be kept and held at once: with room in the list nothing is missing.
	if got := of(map[string]int64{"shop.bills": 9_000, "shop.notes": 30}); len(got) != 1 || got[0].Rows != 1_000 {
		t.Errorf("expected only the thousand bills to be told, got %+v", got)
	}
}
