package retention

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

const pseudonyms = `rules:
  - name: vid
    collection: shop.tracks
    lifetime: ssupp.vid
    starts_at: made_at
    then: delete
    value: value
    value_in: [shop.people.id, shop.tracks.person_id, shop.yes.person_id]
    schedule: "0 3 * * *"
`

// persons adds people of a controller, each with an expired ssupp.vid that is
// the person's own key, another track, and a consent.
func (w *world) persons(scope int, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.exec(`INSERT INTO people VALUES ($1, $2, $1 || '@shop.example')`, id, scope)
		w.exec(`INSERT INTO tracks (owner_no, person_id, name, value, made_at) VALUES ($2, $1, 'ssupp.vid', $1, '2026-01-31'), ($2, $1, 'other', 'x', '2026-01-31')`, id, scope)
		w.exec(`INSERT INTO yes (person_id, kind) VALUES ($1, 'a')`, id)
	}
}

func (w *world) left() string {
	return one[string](w, `SELECT coalesce(string_agg(value, ' ' ORDER BY value), '') FROM tracks WHERE name = 'ssupp.vid'`)
}

// A hold of which the data map no longer tells what it keeps stops sweeps and
// erasures, with a sentence, rather than keep nothing or another row.
func TestHoldsThatAreNotClear(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, x := range map[string]struct {
		hold   Hold
		change func(m *datamap.Map)
		says   string
	}{
		"a collection that is gone": {Hold{Collection: "shop.people", Value: "anna"}, func(m *datamap.Map) {
			d := m.Datasets[0]
			d.Collections = slices.DeleteFunc(slices.Clone(d.Collections), func(c *datamap.Collection) bool { return c.Name == "people" })
		}, "keeps rows of shop.people, which the data map no longer has"},
		"another key": {Hold{Collection: "shop.tracks", Value: "1"}, func(m *datamap.Map) {
			for _, f := range findMapped(m, "shop.tracks").Fields {
				f.PrimaryKey = f.Name == "owner_no"
			}
		}, "keeps a row of shop.tracks that was named by its id, and rows are named by owner_no now"},
		"an identity that is gone": {Hold{Type: "email", Value: "anna@shop.example"}, func(m *datamap.Map) {
			for _, d := range m.Datasets {
				for _, c := range d.Collections {
					for _, f := range c.AllFields() {
						f.Identity = ""
					}
				}
			}
		}, "is of an identity email, which the data map no longer has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := small(t, pseudonyms, nil)
			x.hold.Controller, x.hold.Reason = "one", "a claim"
			if _, err := w.AddHold(ctx, "staff:1", x.hold); err != nil {
				t.Fatal(err)
			}
			if _, rows, err := w.ActiveHolds(ctx, "one"); err != nil || x.hold.Type == "" && (len(rows) != 1 || rows[0].Key != x.hold.Value) {
				t.Fatalf("expected the hold to keep its row at first, got %+v, %v", rows, err)
			}
			x.change(w.m)
			var unclear *UnclearHold
			if _, _, err := w.ActiveHolds(ctx, "one"); !errors.As(err, &unclear) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("expected erasures to be stopped with %q, got %v", x.says, err)
			}
			if _, err := w.protect(ctx, w.control, nil); !errors.As(err, &unclear) {
				t.Errorf("expected sweeps to be stopped, got %v", err)
			}
			if doubts, err := w.CheckHolds(ctx); err != nil || len(doubts) != 1 || !strings.Contains(doubts[0].Sentence, x.says) || strings.Contains(doubts[0].Sentence, doubts[0].Subject) {
				t.Errorf("expected the check to tell of it, got %+v, %v", doubts, err)
			}
			if list, err := w.ListHolds(ctx, nil, false); err != nil || len(list) != 1 || list[0].Value != x.hold.Value {
				t.Errorf("expected the hold to be listed by its value, got %+v, %v", list, err)
			}
		})
	}
}

func TestHoldsKeepRowsFromSweeps(t *testing.T) {
	t.Parallel()
	w := small(t, pseudonyms, nil)
	w.persons(1, "anna", "bert", "carl", "dora")
	w.persons(2, "emil", "fina")
	w.approve("vid")
	ctx := t.Context()
	hold := func(h Hold) int64 {
		t.Helper()
		h.Reason = "a claim"
		id, err := w.AddHold(ctx, "staff:1", h)
		if err != nil {
			t.Fatalf("place a hold: %v", err)
		}
		return id
	}
	carl := one[string](w, `SELECT id::text FROM tracks WHERE value = 'carl'`)
	person := hold(Hold{Controller: "one", Type: "email", Value: " Anna@Shop.Example "})
	hold(Hold{Controller: "one", Collection: "shop.people", Value: "bert"}) // the value stands there
	hold(Hold{Controller: "one", Collection: "shop.tracks", Value: carl})
	everything := hold(Hold{Controller: "two", Collection: "shop.tracks"})
	ended := hold(Hold{Controller: "one", Type: "person", Value: "dora", Until: day("2026-11-01")})

	if r := w.sweep("vid"); r.Held != 6 || r.Expired != 0 || w.left() != "anna bert carl dora emil fina" {
		t.Fatalf("all six are held, by identity, row and collection: %+v, left %q", r, w.left())
	}
	w.clock.move(24 * time.Hour) // dora's hold ended with yesterday
	if r := w.sweep("vid"); r.Held != 5 || r.Deleted != 1 || w.left() != "anna bert carl emil fina" {
		t.Errorf("a hold ends by itself after its last day: %+v, left %q", r, w.left())
	}
	for _, id := range []int64{person, everything} {
		if err := w.ReleaseHold(ctx, "staff:1", id); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.sweep("vid"); r.Held != 2 || r.Deleted != 3 || w.left() != "bert carl" {
		t.Errorf("what is released expires: %+v, left %q", r, w.left())
	}
	if n := one[int](w, `SELECT count(*) FROM people WHERE id IN ('anna', 'dora', 'emil', 'fina')`); n != 0 {
		t.Errorf("the expired values are replaced in people, %d are left", n)
	}
	if n := one[int](w, `SELECT count(*) FROM people p JOIN yes y ON y.person_id = p.id JOIN tracks t ON t.person_id = p.id AND t.name = 'other'`); n != 6 {
		t.Errorf("six people still have their consent and their other track, got %d", n)
	}
	if err := w.ReleaseHold(ctx, "staff:1", person); !errors.Is(err, ErrNoHold) {
		t.Errorf("a hold is released once, got %v", err)
	}
	open, err := w.ListHolds(ctx, []string{"one"}, false)
	if err != nil || len(open) != 2 || open[0].Value != "bert" {
		t.Errorf("two holds are open, got %+v, %v", open, err)
	}
	all, err := w.ListHolds(ctx, nil, true)
	if err != nil || len(all) != 5 || all[0].Value != "anna@shop.example" || all[0].ReleasedAt.IsZero() || all[4].ID != ended {
		t.Errorf("five holds were placed, the first by a normalised address, got %+v, %v", all, err)
	}
	walks, rows, err := w.ActiveHolds(ctx, "one")
	if err != nil || len(walks) != 0 || !slices.Equal(rows, []source.RowKey{{Collection: "shop.people", Key: "bert"}, {Collection: "shop.tracks", Key: carl}}) {
		t.Errorf("two rows are held for erasures, got %v %v, %v", walks, rows, err)
	}
	if clear := oneOf[bool](t, w.control, `SELECT bool_or(holds::text ILIKE '%anna%' OR cipher::text LIKE '%616e6e61%') FROM holds`); clear {
		t.Error("no identity of a hold stands in clear in the control database")
	}
	if n := oneOf[int](t, w.control, `SELECT count(*) FROM ledger WHERE type LIKE 'hold.%'`); n != 7 {
		t.Errorf("five holds placed and two released have their ledger entries, got %d", n)
	}
}

func TestHoldsThatAreNone(t *testing.T) {
	t.Parallel()
	w := small(t, "rules:\n", nil)
	for want, h := range map[string]Hold{
		"no controller":                {Controller: "three", Type: "email", Value: "a@b.example", Reason: "x"},
		"needs a reason":               {Controller: "one", Type: "email", Value: "a@b.example", Reason: " "},
		"ended already":                {Controller: "one", Type: "email", Value: "a@b.example", Reason: "x", Until: day("2026-10-31")},
		"names one of":                 {Controller: "one", Reason: "x"},
		"names one of: an identity":    {Controller: "one", Type: "email", Value: "a@b.example", Collection: "shop.people", Reason: "x"},
		"(did you mean email?)":        {Controller: "one", Type: "emial", Value: "a@b.example", Reason: "x"},
		"leave the person's address":   {Controller: "one", Type: "email", Value: "Anna@b.example", Reason: "claim of anna@b.example"},
		"leave mail addresses out":     {Controller: "one", Collection: "shop.tracks", Reason: "claim of anna@b.example"},
		"has no collection shop.tacks": {Controller: "one", Collection: "shop.tacks", Reason: "x"},
	} {
		_, err := w.AddHold(t.Context(), "staff:1", h)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a@b") {
			t.Errorf("the hold should be refused with %q and no address, got %v", want, err)
		}
	}
	if _, err := w.AddHold(t.Context(), "staff:1", Hold{Controller: "one", Type: "email", Value: "no address\r\n", Reason: "x"}); err == nil || strings.Contains(err.Error(), "no address") {
		t.Errorf("an address that is none is refused without being quoted, got %v", err)
	}
}

func TestOpenRequestsKeepTheirRows(t *testing.T) {
	t.Parallel()
	w := small(t, pseudonyms, nil)
	w.persons(1, "anna", "bert")
	w.approve("vid")
	p, err := datamap.Compile(w.m, datamap.Builtin(datamap.Access), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	w.config.Requests = openWalks{{Plan: p, Scope: "1", Seeds: []source.Seed{{Type: "email", Value: "anna@shop.example"}}}}
	w.again()
	if r := w.sweep("vid"); r.Held != 1 || r.Deleted != 1 || w.left() != "anna" {
		t.Errorf("the rows of an open request stay: %+v, left %q", r, w.left())
	}
	if n := one[int](w, `SELECT count(*) FROM people WHERE id = 'anna'`); n != 1 {
		t.Error("what the open request will look for must still be found")
	}
	w.config.Requests = nil
	w.again()
	if r := w.sweep("vid"); r.Held != 0 || r.Deleted != 1 {
		t.Errorf("once it is done, they expire: %+v", r)
	}
}

func TestAHoldPlacedDuringASweepCounts(t *testing.T) {
	t.Parallel()
	w := small(t, oldTracks, nil)
	w.tracks(600, 40)
	w.approve("old")
	work := w.due()
	once := false
	before := w.pause
	w.pause = func(ctx context.Context, d time.Duration) error {
		if !once {
			once = true
			if _, err := w.AddHold(t.Context(), "staff:1", Hold{Controller: "one", Collection: "shop.tracks", Reason: "a claim"}); err != nil {
				t.Error(err)
			}
		}
		return before(ctx, d)
	}
	if r := w.finish(work); r.Deleted != firstBatch || r.Status != "done" {
		t.Errorf("the first batch is gone, all others are held from then on, got %+v", r)
	}
	if n := one[int](w, `SELECT count(*) FROM tracks`); n != 600-firstBatch {
		t.Errorf("%d rows should be left, got %d", 600-firstBatch, n)
	}
}

// A person can be held by an identity that stands inside a document.
func TestAHoldByAnIdentityInsideADocument(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: vid, collection: shop.tracks, keep: P1D, starts_at: made_at, then: delete, schedule: "0 3 * * *"}`, func(c *Config) {
		c.Map = parseMap(t, strings.Replace(smallMap, "{name: words, data_categories: [user.content.private]}",
			"{name: words, fields: [{name: handle, data_categories: [user.unique_id], fides_meta: {identity: handle}}]}", 1), "shop")
	})
	if _, err := w.AddHold(t.Context(), "staff:1", Hold{Controller: "one", Type: "handle", Value: "dora", Reason: "a claim"}); err != nil {
		t.Errorf("expected the hold to be placed, got %v", err)
	}
}
