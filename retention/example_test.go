package retention

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// expected are the rows that must go, by SQL that shares nothing with the
// engine: Postgres' own arithmetic of months, row by row.
const expected = `
WITH kinds AS (
  SELECT i.id, regexp_replace(i.name, '^ssupp_k[0-9a-f]{39}', 'ssupp_<KEY>') AS name,
         (i.issued_at AT TIME ZONE 'UTC')::date AS issued,
         EXISTS (SELECT FROM consents c WHERE c.visitor_id = i.visitor_id AND c.category = 'analytics' AND c.withdrawn_at IS NULL) AS analytics,
         EXISTS (SELECT FROM consents c WHERE c.visitor_id = i.visitor_id AND c.category = 'marketing' AND c.withdrawn_at IS NULL) AS marketing
  FROM identifiers i)
SELECT id, name FROM kinds WHERE
     name IN ('ssupp.vid', 'ssupp.visits') AND issued + interval '6 months' < date '2026-11-01'
  OR name LIKE 'SL\_C\_%' AND (issued + interval '2 years' < date '2026-11-01' OR NOT analytics)
  OR name IN ('ssupp.visits', 'ssupp_<KEY>visits') AND NOT marketing`

func TestTheExampleOnRealRows(t *testing.T) {
	t.Parallel()
	w := livechat(t)
	ctx := t.Context()
	gone := map[int64]string{}
	rows, err := w.data.Query(ctx, expected)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		gone[id] = name
	}
	if rows.Err() != nil || len(gone) == 0 {
		t.Fatalf("the real rows should hold some that have expired: %v", rows.Err())
	}
	w.exec(`CREATE TABLE before_identifiers AS SELECT * FROM identifiers`)
	w.exec(`CREATE TABLE before_visits AS SELECT * FROM visits`)
	w.exec(`CREATE TABLE before_conversations AS SELECT * FROM conversations`)
	w.exec(`CREATE TABLE before_consents AS SELECT * FROM consents`)

	t.Run("the forecast says so before", func(t *testing.T) {
		lines, err := w.Forecast(ctx)
		if err != nil {
			t.Fatal(err)
		}
		never := map[string]int64{}
		for _, l := range lines {
			if l.Never > 0 {
				never[l.Name] = l.Never
				if !strings.Contains(l.Why, "no documented end") {
					t.Errorf("%s never expires because no end is documented; the forecast says %q", l.Name, l.Why)
				}
			}
		}
		want := slices.Sorted(slices.Values([]string{"_ss.enableSounds", "ssupp_<CHAT_KEY>", "ssupp_<CHAT_KEY>message", "ssupp_<CHAT_KEY>opened", "ssupp_<CHAT_KEY>vid", "ssupp_<CHAT_KEY>visits"}))
		if got := slices.Sorted(maps.Keys(never)); !slices.Equal(got, want) {
			t.Errorf("local storage has no documented end: want %v, got %v", want, got)
		}
		if never["ssupp_<CHAT_KEY>vid"] != 1860 || never["_ss.enableSounds"] != 551 {
			t.Errorf("every row of a name without an end is counted; got %v", never)
		}
	})

	t.Run("check names the columns", func(t *testing.T) {
		without := w.config
		without.Rules = slices.Clone(w.config.Rules)
		for i := range without.Rules {
			without.Rules[i].ValueIn = nil
		}
		s, err := New(without)
		if err != nil {
			t.Fatal(err)
		}
		doubts, err := s.Check(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprint(doubts)
		for _, column := range []string{"livechat.visitors.id", "livechat.visits.visitor_id", "livechat.conversations.visitor_id", "livechat.consents.visitor_id", "livechat.identifiers.visitor_id", "livechat.identifiers.value"} {
			if !strings.Contains(all, column) {
				t.Errorf("check should name %s, which holds the value of an expired ssupp.vid; it says %s", column, all)
			}
		}
	})

	for _, r := range w.config.Rules {
		if got := w.sweep(r.Name); !got.DryRun || got.Deleted != 0 || got.Status != "done" {
			t.Fatalf("rule %s is not approved and must run dry, got %+v", r.Name, got)
		}
		w.approve(r.Name)
	}
	results, err := w.Sweep(ctx, "operator", "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != "done" || r.DryRun || r.Deleted != r.Expired || r.Held != 0 {
			t.Errorf("rule %s should change all that has expired: %+v", r.Rule, r)
		}
	}

	t.Run("what went is what had to, name by name", func(t *testing.T) {
		type count struct{ want, got int }
		names := map[string]*count{}
		for _, name := range gone {
			if names[name] == nil {
				names[name] = &count{}
			}
			names[name].want++
		}
		left := map[int64]bool{}
		ids, err := w.data.Query(ctx, `SELECT b.id, regexp_replace(b.name, '^ssupp_k[0-9a-f]{39}', 'ssupp_<KEY>'), i.id IS NULL FROM before_identifiers b LEFT JOIN identifiers i USING (id)`)
		if err != nil {
			t.Fatal(err)
		}
		for ids.Next() {
			var id int64
			var name string
			var away bool
			if err := ids.Scan(&id, &name, &away); err != nil {
				t.Fatal(err)
			}
			left[id] = !away
			if !away {
				continue
			}
			if names[name] == nil {
				names[name] = &count{}
			}
			names[name].got++
		}
		for id := range gone {
			if left[id] {
				t.Errorf("identifier %d (%s) has expired and is still there", id, gone[id])
			}
		}
		for name, c := range names {
			if c.want != c.got {
				t.Errorf("%s: %d rows have expired, %d are gone", name, c.want, c.got)
			}
		}
		for _, name := range []string{"ssupp_<KEY>", "ssupp_<KEY>message", "ssupp_<KEY>opened", "ssupp_<KEY>vid", "_ss.enableSounds"} {
			if names[name] != nil {
				t.Errorf("%s has no documented end and must stay, %d rows are gone", name, names[name].got)
			}
		}
	})

	t.Run("the value is nowhere else", func(t *testing.T) {
		const dead = `(SELECT value FROM before_identifiers b WHERE name = 'ssupp.vid' AND NOT EXISTS (SELECT FROM identifiers i WHERE i.id = b.id))`
		for column, table := range map[string]string{"id": "visitors", "visits.visitor_id": "visits", "conversations.visitor_id": "conversations", "consents.visitor_id": "consents", "identifiers.visitor_id": "identifiers"} {
			if n := one[int](w, "SELECT count(*) FROM "+table+" WHERE "+column+" IN "+dead); n != 0 {
				t.Errorf("an expired ssupp.vid must not stand in %s.%s, %d rows hold one", table, column, n)
			}
		}
		if n := one[int](w, `SELECT count(*) FROM visitors`); n != 1860 {
			t.Errorf("visitors stay, under a pseudonym: 1860 wanted, %d there", n)
		}
		// Who belonged together still does: as many pairs before and after.
		const pairs = `SELECT count(*) FROM (SELECT DISTINCT v.id, b.visitor_id FROM %s v JOIN %s b USING (id) WHERE v.visitor_id IS NOT NULL) x`
		for _, table := range []string{"conversations", "consents"} {
			was := one[int](w, "SELECT count(*) FROM before_"+table+" WHERE visitor_id IS NOT NULL")
			if n := one[int](w, fmt.Sprintf(pairs, table, "before_"+table)); n != was {
				t.Errorf("%s keep their visitor: %d before, %d after", table, was, n)
			}
			if n := one[int](w, fmt.Sprintf(`SELECT count(*) FROM (SELECT b.visitor_id FROM %[1]s n JOIN before_%[1]s b USING (id) GROUP BY 1 HAVING count(DISTINCT n.visitor_id) > 1) x`, table)); n != 0 {
				t.Errorf("%s: one visitor has become several, %d times", table, n)
			}
		}
	})

	t.Run("addresses and old visits", func(t *testing.T) {
		if n := one[int](w, `SELECT (SELECT count(*) FROM visits WHERE ip IS NOT NULL) + (SELECT count(*) FROM conversations WHERE location_ip IS NOT NULL)`); n != 0 {
			t.Errorf("the controllers withhold IP addresses, %d are left", n)
		}
		if n := one[int](w, `SELECT count(*) FROM visits n JOIN before_visits b USING (id)
			WHERE (n.visitor_id IS NULL) <> (b.visitor_id IS NULL OR (b.visited_at AT TIME ZONE 'UTC')::date + interval '25 months' < date '2026-11-01')`); n != 0 {
			t.Errorf("visits lose their visitor after 25 months and not before: wrong in %d rows", n)
		}
		if n := one[int](w, `SELECT count(*) FROM visits`); n != 9998 {
			t.Errorf("visits stay as such: 9998 wanted, %d there", n)
		}
	})

	again, err := w.Sweep(ctx, "operator", "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range again {
		if r.Expired != 0 || r.Deleted != 0 || r.Status != "done" {
			t.Errorf("a second sweep should find nothing, rule %s found %+v", r.Rule, r)
		}
	}
	if n := oneOf[int](t, w.control, `SELECT count(*) FROM ledger WHERE type = 'sweep.done'`); n != 3*len(w.config.Rules) {
		t.Errorf("each run has its ledger entry: %d wanted, %d there", 3*len(w.config.Rules), n)
	}
}
