package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/mailbox"
)

// doomed names, by SQL that shares nothing with the engine, each identifier that
// has outlived what the vendor documents on 2026-11-01, and the rule that takes
// it: Postgres' own months, row by row, and consents as they stand. The names
// carry the shop's own key, which is folded away.
const doomed = `
	WITH named AS (
		SELECT i.id, replace(i.name, a.chat_key, '<KEY>') AS name, i.storage, i.visitor_id, (i.issued_at AT TIME ZONE 'UTC')::date AS issued
		FROM identifiers i JOIN accounts a ON a.id = i.account_id
	), consented AS (
		SELECT n.*, (SELECT array_agg(c.category) FROM consents c WHERE c.visitor_id = n.visitor_id AND c.withdrawn_at IS NULL) AS live FROM named n
	), judged AS (
		SELECT id, name, CASE
			WHEN name = 'ssupp.vid' AND issued + interval '6 months' < date '2026-11-01' THEN 'ssupp-vid'
			WHEN name = 'ssupp.visits' AND issued + interval '6 months' < date '2026-11-01' THEN 'ssupp-visits'
			WHEN starts_with(name, 'SL_C_') AND issued + interval '2 years' < date '2026-11-01' THEN 'smartlook'
			WHEN starts_with(name, 'SL_C_') AND 'analytics' = ANY (live) IS NOT TRUE THEN 'analytics-without-consent'
			WHEN name IN ('ssupp.visits', 'ssupp_<KEY>visits') AND 'marketing' = ANY (live) IS NOT TRUE THEN 'marketing-without-consent'
		END AS rule
		FROM consented
	)
	SELECT id::text, name, rule FROM judged WHERE rule IS NOT NULL`

// addresses and visits that have to be emptied, by rule.
const (
	withheldIPs = `SELECT (SELECT count(*) FROM visits WHERE ip IS NOT NULL AND account_id <> 3) + (SELECT count(*) FROM conversations WHERE location_ip IS NOT NULL AND account_id <> 3)`
	keptIPs     = `SELECT (SELECT count(*) FROM visits WHERE ip IS NOT NULL AND account_id = 3) + (SELECT count(*) FROM conversations WHERE location_ip IS NOT NULL AND account_id = 3)`
	oldVisits   = `SELECT count(*) FROM visits WHERE visitor_id IS NOT NULL AND (visited_at AT TIME ZONE 'UTC')::date + interval '25 months' < date '2026-11-01'`
)

// localStorage has no documented end on the vendor's page.
var localStorage = []string{"_ss.enableSounds", "ssupp_<KEY>", "ssupp_<KEY>message", "ssupp_<KEY>opened", "ssupp_<KEY>vid", "ssupp_<KEY>visits"}

// TestSweepAsOf sweeps the shop as it stood on 2026-11-01, by the commands that
// an operator types, and compares with independent SQL, name by name.
func TestSweepAsOf(t *testing.T) {
	t.Parallel()
	for _, kind := range shopKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := setStageWith(t, mailbox.Options{}, kind.fill(t))
			byRule, byName, ids := condemned(t, s.shop)
			for _, rule := range []string{"ssupp-vid", "ssupp-visits", "smartlook", "marketing-without-consent"} {
				if byRule[rule] == 0 {
					t.Fatalf("the shop should have rows for the rule %s, or the test shows nothing: %v", rule, byRule)
				}
			}
			byRule["ip-withheld"], byRule["visits-unlinked"] = number(t, s.shop, withheldIPs), number(t, s.shop, oldVisits)
			keep := number(t, s.shop, keptIPs)
			before := names(t, s.shop)
			picture0 := picture(t, s.shop)

			// Nothing runs before somebody approves it.
			for _, r := range s.sweep(t) {
				if !r.DryRun || r.Deleted != 0 {
					t.Errorf("rule %s is approved by nobody and should run dry: %+v", r.Rule, r)
				}
			}
			compare(t, picture0, picture(t, s.shop), nil, nil)
			s.forecast(t, before, byName)

			if o := s.on(t, asOf, "rules", "approve", "--all"); o.status != done {
				t.Fatalf("the rules should be approved: %s%s", o.out, o.err)
			}
			for _, r := range s.sweep(t) {
				if r.DryRun || r.Status != "done" || r.Held != 0 || r.Expired != byRule[r.Rule] || r.Deleted != byRule[r.Rule] {
					t.Errorf("rule %s should change %d rows, as by independent SQL: %+v", r.Rule, byRule[r.Rule], r)
				}
			}

			left := names(t, s.shop)
			for name, n := range before {
				if got := n - left[name]; got != byName[name] {
					t.Errorf("%s: %d rows should be gone, %d are", name, byName[name], got)
				}
			}
			still := texts(t, s.shop, `SELECT id::text FROM identifiers WHERE id::text = ANY ($1)`, ids)
			if len(still) > 0 {
				t.Errorf("%d identifiers should be gone and are not, the first is %s", len(still), still[0])
			}
			for _, name := range localStorage {
				if name != "ssupp_<KEY>visits" && (left[name] != before[name] || left[name] == 0) {
					t.Errorf("%s has no documented end and should stay: %d rows before, %d after", name, before[name], left[name])
				}
			}
			if left["ssupp_<KEY>visits"] == 0 {
				t.Error("ssupp_<KEY>visits should stay where somebody consents to marketing")
			}
			for what, sql := range map[string]string{"IP addresses of controllers that withhold them": withheldIPs, "links of visits older than 25 months": oldVisits} {
				if n := number(t, s.shop, sql); n != 0 {
					t.Errorf("no %s should be left, %d are", what, n)
				}
			}
			if n := number(t, s.shop, keptIPs); n != keep || keep == 0 {
				t.Errorf("the controller that keeps IP addresses should have %d, it has %d", keep, n)
			}
			for _, table := range tables {
				if got, want := rowsIn(t, s.shop, table), count(picture0, table); table != "identifiers" && got != want {
					t.Errorf("no row of %s should be deleted by a rule: %d before, %d after", table, want, got)
				}
			}
			s.pseudonyms(t, picture0)

			// The second finds nothing.
			after := picture(t, s.shop)
			for _, r := range s.sweep(t) {
				if r.Status != "done" || r.Expired != 0 || r.Deleted != 0 {
					t.Errorf("a second sweep should find nothing: %+v", r)
				}
			}
			compare(t, after, picture(t, s.shop), nil, nil)
			s.forecast(t, left, nil)
		})
	}
}

// condemned reads doomed: counts by rule and by name, and the rows' numbers.
func condemned(t *testing.T, shop *pgxpool.Pool) (byRule, byName map[string]int64, ids []string) {
	t.Helper()
	byRule, byName = map[string]int64{}, map[string]int64{}
	rows, err := shop.Query(t.Context(), doomed)
	if err != nil {
		t.Fatal(err)
	}
	var id, name, rule string
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &rule}, func() error {
		byRule[rule]++
		byName[name]++
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return byRule, byName, ids
}

// names counts identifiers by name, the shop's own key folded away.
func names(t *testing.T, shop *pgxpool.Pool) map[string]int64 {
	t.Helper()
	rows, err := shop.Query(t.Context(), `SELECT replace(i.name, a.chat_key, '<KEY>'), count(*) FROM identifiers i JOIN accounts a ON a.id = i.account_id GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	var name string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error { all[name] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// sweep runs every rule, as of the day.
func (s *stage) sweep(t *testing.T) []sweepJSON {
	t.Helper()
	o := s.on(t, asOf, "sweep", "--json")
	if o.status != done {
		t.Fatalf("the sweep should end with status 0, it ends with %d:\n%s%s", o.status, o.out, o.err)
	}
	list := read[struct {
		Sweeps []sweepJSON `json:"sweeps"`
	}](t, o).Sweeps
	if len(list) != 7 {
		t.Fatalf("the example's seven rules should run, %d did", len(list))
	}
	return list
}

// forecast checks what `forecast --json` says of each name: how many rows would
// go now, and, of those that never will, why.
func (s *stage) forecast(t *testing.T, there, gone map[string]int64) {
	t.Helper()
	o := s.on(t, asOf, "forecast", "--json")
	if o.status != done {
		t.Fatalf("the forecast should end with status 0: %s", o.err)
	}
	lines := read[struct {
		Forecast []struct {
			Rule  string `json:"rule"`
			Name  string `json:"name"`
			Now   int64  `json:"now"`
			Never int64  `json:"never"`
			Why   string `json:"why"`
		} `json:"forecast"`
	}](t, o).Forecast
	never := map[string]int64{}
	for _, l := range lines {
		if l.Never == 0 {
			continue
		}
		name := strings.ReplaceAll(l.Name, "<CHAT_KEY>", "<KEY>")
		never[name] += l.Never
		if !strings.Contains(l.Why, "no documented end") {
			t.Errorf("the forecast should say why %s never goes, it says %q", l.Name, l.Why)
		}
		if (name == "ssupp_<KEY>visits") != strings.Contains(l.Why, "marketing-without-consent removes it once its consent has ended") {
			t.Errorf("the forecast should say of ssupp_<KEY>visits, and of nothing else, that its consent decides; of %s it says %q", name, l.Why)
		}
	}
	want := map[string]int64{}
	for _, name := range localStorage {
		want[name] = there[name] - gone[name]
	}
	if !maps.Equal(never, want) {
		t.Errorf("the forecast should list as never: %v; it lists %v", want, never)
	}
	for _, l := range lines {
		if l.Rule == "ssupp-vid" && l.Now != gone["ssupp.vid"] {
			t.Errorf("the forecast should say that %d rows of ssupp.vid go now, it says %d", gone["ssupp.vid"], l.Now)
		}
	}
}

// pseudonyms: the values of expired ssupp.vid stand in no column any more, but
// for visitors whose rows were never of that value.
func (s *stage) pseudonyms(t *testing.T, before map[string]string) {
	t.Helper()
	for table, column := range map[string]string{"visitors": "id", "visits": "visitor_id", "conversations": "visitor_id", "consents": "visitor_id", "identifiers": "visitor_id"} {
		// A visitor whose ssupp.vid is gone bears another identifier now.
		n := number(t, s.shop, `SELECT count(*) FROM `+table+` x WHERE x.`+column+` = ANY ($1) AND NOT EXISTS (
			SELECT FROM identifiers i WHERE i.name = 'ssupp.vid' AND i.visitor_id = x.`+column+`)`, visitorsOf(before))
		if n != 0 {
			t.Errorf("%s.%s should not hold the value of an expired ssupp.vid, %d rows do", table, column, n)
		}
	}
}

func visitorsOf(p map[string]string) (ids []string) {
	for _, row := range slices.Sorted(maps.Keys(p)) {
		if id, ok := strings.CutPrefix(row, "visitors:"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func rowsIn(t *testing.T, shop *pgxpool.Pool, table string) int64 {
	t.Helper()
	return number(t, shop, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize())
}

func count(p map[string]string, table string) (n int64) {
	for row := range p {
		if strings.HasPrefix(row, table+":") {
			n++
		}
	}
	return n
}
