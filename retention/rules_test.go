package retention

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEveryProblemOfARuleFileAtOnce(t *testing.T) {
	t.Parallel()
	m := parseMap(t, smallMap, "shop")
	const file = `rules:
  - name: Bad Name
    colection: shop.tracks
    collection: shop.track
    starts_at: made_at
    keep: -P1M
    then: remove
    schedule: "17 3 * *"
  - name: twice
    collection: shop.tracks
    where: {nam: a, storage: []}
    starts_at: made_at
    keep: P1DT1H
    then: delete
    columns: [addr]
    schedule: "17 3 * * *"
  - name: twice
    collection: shop.tracks
    lifetime: ssup.vid
    starts_at: made_at
    then: mask
    columns: {words: {strategy: hash}, id: {strategy: null_rewrite}}
    stop_above: 120%
  - name: endless
    collection: shop.tracks
    lifetime: ssupp_<CHAT_KEY>message
    starts_at: made_at
    then: delete
    schedule: "17 3 * * *"
    value_in: [shop.people.idd, nothing]
  - name: everything
    collection: shop.tracks
    then: delete
    schedule: "17 3 * * *"
  - name: longer
    collection: shop.tracks
    lifetime: ssupp.vid
    starts_at: made_at
    keep: P2Y
    then: delete
    schedule: "17 3 * * *"
  - name: no-link
    collection: shop.tracks
    lifetimes: {category: advertising}
    unless: {collection: shop.yes, where: {kind: *x}}
    then: delete
    schedule: "17 3 * * *"
  - name: held-back
    withheld: user.nothing
    then: delete
    keep: P1D
    schedule: "17 3 * * *"
rule: []
`
	_, problems := ParseRules("retention.yaml", []byte(file), m)
	var all strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&all, p)
		if p.Pos.Line == 0 || p.Pos.Column == 0 || p.Pos.File != "retention.yaml" {
			t.Errorf("every problem says where: %+v", p)
		}
	}
	for _, want := range []string{
		"retention.yaml:2:11: a rule's name", "3:5: colection is not a key of a rule (did you mean collection?)",
		"no collection shop.track (did you mean shop.tracks?)", "6:11: keep: a period cannot be negative", "then: remove is not known", "five fields", "no field nam in the data map (did you mean name?)",
		"an empty list admits nothing", "counts days (P6M) or hours (PT72H), not both", "delete takes the whole row", "two rules are called twice",
		"no lifetime ssup.vid (did you mean ssupp.vid?)", "hash is not carried out by sweeps yet", "id is the row's key", "schedule is missing", "stop_above: a share",
		"has no documented end: set keep yourself", "value_in needs value", "no field idd", "nothing is not dataset.collection.field",
		"everything would go at once", "keep is longer than the 6 months", "functional, analytics and marketing", "unless needs link", "anchors and aliases are not read",
		"withheld categories are emptied", "leave keep out", "no field of the data map has the category user.nothing", "rule is not known here (did you mean rules?)",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("a problem should say %q; they are:\n%s", want, all.String())
		}
	}
}

func TestHostileRuleFilesEndSoon(t *testing.T) {
	t.Parallel()
	m := parseMap(t, smallMap, "shop")
	for name, c := range map[string]struct{ file, want string }{
		"brackets": {strings.Repeat("[", 80_000), "retention.yaml:1:65: nested more than 64 levels deep"},
		"levels":   {"rules: " + strings.Repeat("[", 65) + strings.Repeat("]", 65), "nested more than 64 levels deep"},
		"indents": {func() string {
			s := ""
			for i := range 70 {
				s += strings.Repeat(" ", i) + "a:\n"
			}
			return s
		}(), "retention.yaml:65:66: nested more than 64 levels deep"},
		"large":           {strings.Repeat("#", 1<<20+1), "the file is larger than 1 MiB"},
		"keys":            {"rules: {" + strings.Repeat("a: 1, ", 30_000) + "}", "more than 4000 keys in one mapping"},
		"keys in lines":   {strings.Repeat("rules: 1\n", 100_000), "retention.yaml:4001:6: more than 4000 keys in one mapping"},
		"aliases":         {"a: &a [x, x]\nb: &b [*a, *a]\nrules: *b\n", "retention.yaml:3:8: rules: anchors and aliases are not read here; write the value out"},
		"twice":           {"rules: []\nrules: []\n", "retention.yaml:2:1: the file: rules stands twice; the first is in line 1"},
		"twice in a rule": {"rules:\n  - {name: a, keep: P1M, keep: P2M}\n", "retention.yaml:2:26: a rule: keep stands twice; the first is in line 2"},
		"not UTF-8":       {"rules: \xff", "the file is not UTF-8 text"},
		"NUL":             {"rules: \x00", "the file is not UTF-8 text"},
		"empty":           {"", "the file is empty"},
		"two documents":   {"rules: []\n---\nrules: []\n", "one document a file: a second one begins here"},
		"tabs":            {"rules:\n\t- name: x\n", "retention.yaml:2:1: a tab cannot indent in YAML; use spaces"},
		"a scalar":        {"hello", "the file: keys with values expected"},
		"rules a scalar":  {"rules: 7", "rules: a list expected"},
		"a rule a word":   {"rules: [7]", "a rule: keys with values expected"},
	} {
		rules, problems := ParseRules("retention.yaml", []byte(c.file), m)
		if rules != nil || !strings.Contains(fmt.Sprint(problems), c.want) {
			t.Errorf("%s: no rules and the problem %q were expected, got %.300v", name, c.want, problems)
		}
	}
	if rules, problems := ParseRules("retention.yaml", []byte("rules:\n"), m); len(problems) > 0 || len(rules) > 0 {
		t.Errorf("a file without rules promises nothing and is right: %v", problems)
	}
}

func TestDigestFollowsTheMeaning(t *testing.T) {
	t.Parallel()
	m := parseMap(t, smallMap, "shop")
	of := func(rule string, c ...Controller) string {
		rules, problems := ParseRules("r.yaml", []byte("rules:\n  - "+strings.ReplaceAll(rule, "\n", "\n    ")), m)
		if len(problems) > 0 {
			t.Fatalf("%v", problems)
		}
		return makePlan(rules[0], m, c).digest
	}
	const rule = "name: a\ncollection: shop.tracks\nstarts_at: made_at\nkeep: P1M\nthen: delete\nschedule: 1 1 * * *"
	if of(rule) != of(rule+"\ndescription: other words\nstop_above: 5%") || of(rule) != of(strings.Replace(rule, "1 1 *", "2 2 *", 1)) {
		t.Error("description, schedule and brake do not change what a rule does, nor its digest")
	}
	if of(rule) == of(strings.Replace(rule, "P1M", "P2M", 1)) || of(rule) == of(rule+"\nwhere: {name: x}") {
		t.Error("another period or class is another rule: its digest must differ")
	}
	const withheld = "name: w\nwithheld: user.device.ip_address\nthen: null\nschedule: 1 1 * * *"
	a := Controller{Key: "a", Scope: "1", Withhold: []string{"user.device.ip_address"}}
	b := Controller{Key: "b", Scope: "2", Withhold: []string{"user.device"}}
	if of(withheld, a) == of(withheld, a, b) {
		t.Error("one more controller that withholds widens the rule: its digest must differ")
	}
}

func TestTheFloor(t *testing.T) {
	t.Parallel()
	const rules = `rules:
  - {name: hasty, collection: shop.tracks, starts_at: made_at, keep: PT23H, then: delete, schedule: "1 1 * * *"}
  - {name: monthly, collection: shop.tracks, starts_at: made_at, keep: P1M, then: delete, schedule: "1 1 * * *"}
  - {name: never, collection: shop.tracks, starts_at: made_at, keep: P1M, then: delete, schedule: "1 1 x * *"}
`
	w := small(t, "rules:\n", nil)
	c := w.config
	c.Rules = w.parse(rules)
	_, err := New(c)
	if err == nil || !strings.Contains(err.Error(), "rule hasty keeps rows for PT23H, which is below minimum_keep (a day)") || !strings.Contains(err.Error(), "rule never: schedule") {
		t.Errorf("a rule below the floor and one without a schedule should both be refused in words, got %v", err)
	}
	c.Rules, c.MinimumKeep = c.Rules[1:2], 30*24*time.Hour
	if _, err := New(c); err == nil {
		t.Error("a month can have 28 days: a floor of 30 should refuse P1M")
	}
	c.MinimumKeep = 28 * 24 * time.Hour
	if _, err := New(c); err != nil {
		t.Errorf("a floor of 28 days should let P1M pass, got %v", err)
	}
}

func TestPeriodsForLetters(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: a, collection: shop.tracks, lifetime: ssupp.vid, starts_at: made_at, then: delete, schedule: "1 1 * * *"}
  - {name: b, withheld: user.device.ip_address, then: truncate_ip, schedule: "1 1 * * *"}
  - {name: c, collection: shop.tracks, keep: P2Y, starts_at: made_at, then: delete, schedule: "1 1 * * *"}
`, nil)
	got := fmt.Sprint(w.Periods())
	// The last is of whole rows: what they are called stands before it.
	if want := "[{shop.tracks ssupp.vid 6 months false} {shop.tracks user.device.ip_address not kept: removed as it comes true} {shop.tracks  2 years false}]"; got != want {
		t.Errorf("the periods that letters name are %s, got %s", want, got)
	}
}
