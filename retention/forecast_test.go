package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: vid, collection: shop.tracks, lifetime: ssupp.vid, starts_at: made_at, then: delete, schedule: "0 3 * * *"}
  - {name: typed, collection: shop.tracks, lifetime: ssupp_<CHAT_KEY>message, starts_at: made_at, keep: P30D, then: delete, schedule: "0 3 * * *"}
  - {name: plain, collection: shop.tracks, where: {storage: cookie}, starts_at: made_at, keep: P1Y, then: null, columns: [words], schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO tracks (name, storage, made_at, words) VALUES
		('ssupp.vid', 'cookie', '2026-01-01', NULL), ('ssupp.vid', 'cookie', '2026-05-15', NULL), ('ssupp.vid', 'cookie', '2026-07-01', NULL), ('ssupp.vid', 'cookie', '2026-10-01', NULL),
		('ssupp_k1message', 'local_storage', '2026-09-01', NULL), ('ssupp_k2message', 'local_storage', '2026-10-15', NULL),
		('ssupp_k1', 'local_storage', '2020-01-01', NULL), ('ssupp.visits', 'cookie', '2020-01-01', NULL), ('odd', 'cookie', '2020-01-01', 'w')`)
	lines, err := w.Forecast(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, l := range lines {
		got += fmt.Sprintln(l.Rule, l.Collection, l.Name, l.Now, l.In30, l.In90, l.Never)
	}
	want := "vid shop.tracks ssupp.vid 1 1 2 0\ntyped shop.tracks ssupp_<CHAT_KEY>message 1 1 1 0\nplain shop.tracks  1 0 0 0\n" +
		" shop.tracks odd 0 0 0 1\n shop.tracks ssupp.visits 0 0 0 1\n shop.tracks ssupp_<CHAT_KEY> 0 0 0 1\n"
	if got != want {
		t.Errorf("the forecast should read\n%sgot\n%s", want, got)
	}
	for i, why := range []string{"does not know this name", "documented for P6M, but no rule applies it", "no documented end"} {
		if !strings.Contains(lines[3+i].Why, why) {
			t.Errorf("%s never expires because %q, got %q", lines[3+i].Name, why, lines[3+i].Why)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	w := small(t, strings.Replace(pseudonyms, "[shop.people.id, shop.tracks.person_id, shop.yes.person_id]", "[shop.people.id, shop.tracks.person_id]", 1)+
		`  - {name: nothing, withheld: user.content, then: null, schedule: "0 3 * * *"}
`, nil)
	w.persons(1, "anna")
	said := func() string {
		t.Helper()
		doubts, err := w.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintln(doubts)
	}
	all := said()
	for _, want := range []string{"{rule vid is not approved", "values of shop.tracks.value that this rule deletes still stand in shop.yes.person_id", "no controller withholds user.content", "{other 1 rows of shop.tracks never expire"} {
		if !strings.Contains(all, want) {
			t.Errorf("check should say %q, it says %s", want, all)
		}
	}
	if strings.Contains(all, "anna") {
		t.Errorf("check names columns, never values: %s", all)
	}
	w.approve("vid")
	if strings.Contains(said(), "rule vid is not approved") {
		t.Error("an approved rule is no doubt")
	}
	w.config.Rules = w.parse(pseudonyms)
	w.again()
	if strings.Contains(said(), "still stand in") {
		t.Error("columns listed under value_in are dealt with")
	}
	value := slices.IndexFunc(findMapped(w.m, "shop.tracks").Fields, func(f *datamap.Field) bool { return f.Name == "value" })
	findMapped(w.m, "shop.tracks").Fields[value].Object = "attic"
	if want := "the files that shop.tracks.value names are not deleted with it"; !strings.Contains(said(), want) {
		t.Errorf("check should say %q, it says %s", want, said())
	}
	w.config.Rules = nil
	w.again()
	if !strings.Contains(said(), "nothing ever expires") {
		t.Error("check says when there are no rules at all")
	}
}

// TestCheckOfChangesThatTheTableRefuses: a sweep would fail of them, once rows expire.
func TestCheckOfChangesThatTheTableRefuses(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: words, collection: shop.tracks, starts_at: made_at, keep: P1M, then: null, columns: [words], schedule: "0 3 * * *"}
  - {name: value, collection: shop.tracks, starts_at: made_at, keep: P1M, then: mask, columns: {value: {strategy: string_rewrite, value: gone}}, schedule: "0 3 * * *"}
  - {name: old, collection: shop.tracks, where_not: {made_at: tomorrow-ish}, unless: {collection: shop.yes, link: {person_id: person_id}, where: {taken_back: "2026-01-01T00:00:00Z"}}, starts_at: made_at, keep: P1M, then: delete, schedule: "0 3 * * *"}
`, nil)
	said := func() string {
		doubts, err := w.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintln(doubts)
	}
	if strings.Contains(said(), "cannot be changed so") {
		t.Errorf("nothing forbids these changes yet: %s", said())
	}
	for _, want := range []string{`{rule old no row of shop.tracks is left out by made_at "tomorrow-ish": it is no value of type timestamp`, `{rule old no row of shop.yes keeps another by taken_back "2026-01-01T00:00:00Z": of type timestamp`} {
		if !strings.Contains(said(), want) {
			t.Errorf("check should say %q, it says %s", want, said())
		}
	}
	w.exec(`ALTER TABLE tracks ADD CONSTRAINT wordy CHECK (words IS NOT NULL), ADD UNIQUE (value)`)
	for _, want := range []string{"{rule words shop.tracks.words cannot be changed so: the constraint wordy refuses the masked value", "{rule value shop.tracks.value cannot be changed so: each row must have a value of its own"} {
		if !strings.Contains(said(), want) {
			t.Errorf("check should say %q, it says %s", want, said())
		}
	}
}
