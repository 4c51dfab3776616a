package retention

import (
	"strings"
	"testing"
)

func TestAddressesAreTruncated(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: ip, collection: shop.tracks, starts_at: made_at, keep: P30D, then: truncate_ip, columns: [addr, raw_addr], schedule: "0 3 * * *"}
`, nil)
	want := map[string]string{
		"198.18.22.201":                        "198.18.22.0",
		"198.18.22.0":                          "198.18.22.0",
		"255.255.255.255":                      "255.255.255.0",
		"2001:db8:1234:5678:9abc:def0:1:2":     "2001:db8:1234::",
		"2001:DB8:1234::1":                     "2001:db8:1234::",
		"::1":                                  "::",
		"fe80::1":                              "fe80::",
		"::ffff:198.18.22.201":                 "::",
		"2001:db8::":                           "2001:db8::",
		"1:2:3:4:5:6:7::":                      "1:2:3::",
		"::2:3:4:5:6:7:8":                      "0:2:3::",
		"0000:0000:0000:0000:0000:0000:0:0001": "::",
	}
	for ip := range want {
		w.exec(`INSERT INTO tracks (name, addr, raw_addr, made_at) VALUES ($1, $1::text::inet, $1::text, '2026-01-01')`, ip)
	}
	for _, none := range []string{"198.18.22.201:443", "198.18.22.1, 198.18.23.2", "999.1.1.1", "unknown", "1.2.3", "1:2:3:4:5:6:7:8:9", "", "010.1.1.1", "198.18.22.201\n"} {
		w.exec(`INSERT INTO tracks (name, raw_addr, made_at) VALUES ('none', $1, '2026-01-01')`, none)
	}
	w.exec(`INSERT INTO tracks (name, made_at) VALUES ('null', '2026-01-01')`)
	w.exec(`INSERT INTO tracks (name, addr, raw_addr, made_at) VALUES ('young', '198.18.1.1', '198.18.1.1', '2026-10-30'), ('endless', '198.18.1.1', '198.18.1.1', NULL)`)
	w.approve("ip")
	if r := w.sweep("ip"); r.Status != "done" || r.Deleted != r.Expired || r.Deleted < int64(len(want)) {
		t.Fatalf("each old address is truncated, got %+v", r)
	}
	for ip, net := range want {
		got := one[string](w, `SELECT host(addr) || '|' || masklen(addr) || '|' || raw_addr FROM tracks WHERE name = $1`, ip)
		full := "32"
		if strings.Contains(ip, ":") {
			full = "128"
		}
		raw := net
		if ip == net {
			raw = ip
		}
		if got != net+"|"+full+"|"+raw {
			t.Errorf("%s should be cut to %s, as inet and as text, got %s", ip, net, got)
		}
	}
	if n := one[int](w, `SELECT count(*) FROM tracks WHERE name = 'none' AND raw_addr IS NOT NULL`); n != 0 {
		t.Errorf("a text that is no address is emptied, %d are left", n)
	}
	if n := one[int](w, `SELECT count(*) FROM tracks WHERE name IN ('young', 'endless') AND host(addr) = '198.18.1.1' AND raw_addr = '198.18.1.1'`); n != 2 {
		t.Error("what is young, or has no start, stays as it is")
	}
	if r := w.sweep("ip"); r.Expired != 0 || r.Deleted != 0 {
		t.Errorf("a second sweep finds nothing, got %+v", r)
	}
}

func TestMaskNullUnlink(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: mask, collection: shop.tracks, where: {name: m}, starts_at: made_at, keep: P30D, then: mask, columns: {words: {strategy: string_rewrite, value: "it's gone"}, value: {strategy: null_rewrite}}, schedule: "0 3 * * *"}
  - {name: empty, collection: shop.tracks, where: {name: n}, starts_at: made_at, keep: PT48H, then: null, columns: [words, addr], schedule: "0 3 * * *"}
  - {name: unlink, collection: shop.tracks, where: {name: u}, starts_at: made_at, keep: P1Y, then: unlink, columns: [person_id], schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO people VALUES ('p', 1)`)
	w.exec(`INSERT INTO tracks (name, person_id, words, value, made_at) VALUES
		('m', 'p', 'secret', 'v', '2026-01-01'), ('m', 'p', NULL, NULL, '2026-01-01'), ('m', 'p', 'young', 'v', '2026-10-31'),
		('n', 'p', 'secret', 'v', '2026-10-30 11:59:59Z'), ('n', 'p', 'exactly', 'v', '2026-10-30 12:00:00Z'),
		('u', 'p', 'w', 'v', '2025-10-31 23:59:59Z'), ('u', 'p', 'ends today', 'v', '2025-11-01')`)
	for _, r := range []string{"mask", "empty", "unlink"} {
		w.approve(r)
		if got := w.sweep(r); got.Deleted != 1 || got.Expired != 1 || got.Status != "done" {
			t.Errorf("one row of %s has expired, got %+v", r, got)
		}
		if got := w.sweep(r); got.Expired != 0 {
			t.Errorf("a second sweep by %s finds nothing, got %+v", r, got)
		}
	}
	got := one[string](w, `SELECT string_agg(concat_ws(',', name, person_id, words, value), ' ' ORDER BY id) FROM tracks`)
	if want := "m,p,it's gone m,p m,p,young,v n,p,v n,p,exactly,v u,w,v u,p,ends today,v"; got != want {
		t.Errorf("afterwards the rows read\n%s, wanted\n%s", got, want)
	}
}

func TestPatternsAreLiteralButForTheStar(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: star, collection: shop.tracks, where: {name: ["a_b%*", "c.<KEY>+d", null]}, where_not: {name: "a_b%not", value: keep}, starts_at: made_at, keep: P30D, then: delete, schedule: "0 3 * * *"}
  - {name: key, collection: shop.tracks, lifetime: ssupp_<CHAT_KEY>, keep: P30D, starts_at: made_at, then: delete, schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO tracks (name, value, made_at) VALUES ('a_b%', '', '2026-01-01'), ('a_b%x', '', '2026-01-01'), ('aXb%x', '', '2026-01-01'), ('a_bx', '', '2026-01-01'),
		('c.k1+d', '', '2026-01-01'), ('cxk1+d', '', '2026-01-01'), ('c.k-1+d', '', '2026-01-01'), ('c.+d', '', '2026-01-01'), (NULL, '', '2026-01-01'),
		('a_b%not', 'keep', '2026-01-01'), ('a_b%not', 'go', '2026-01-01'), ('a_b%not', NULL, '2026-01-01')`)
	w.exec(`INSERT INTO tracks (name, storage, made_at) SELECT n, 'local_storage', '2026-01-01' FROM unnest(ARRAY['ssupp_k1', 'ssupp_k1message', 'ssupp_k1vid', 'ssupp_k1visits', 'ssupp_k-1', 'ssupp_']) n`)
	w.exec(`INSERT INTO tracks (name, storage, made_at) VALUES ('ssupp_k2', 'cookie', '2026-01-01')`)
	w.approve("star", "key")
	w.sweep("star")
	w.sweep("key")
	got := one[string](w, `SELECT string_agg(coalesce(name, '-'), ' ' ORDER BY id) FROM tracks`)
	if want := "aXb%x a_bx cxk1+d c.k-1+d c.+d a_b%not ssupp_k1message ssupp_k1vid ssupp_k1visits ssupp_k-1 ssupp_ ssupp_k2"; got != want {
		t.Errorf("these rows should be left:\n%s\ngot\n%s", want, got)
	}
}

func TestWithheldOnlyForThoseWhoWithhold(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: ip, withheld: user.device.ip_address, then: null, schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO tracks (owner_no, addr, raw_addr) VALUES (1, '198.18.0.1', 'x'), (1, NULL, 'x'), (1, NULL, NULL), (2, '198.18.0.1', 'x'), (3, '198.18.0.1', 'x')`)
	w.approve("ip")
	if r := w.sweep("ip"); r.Expired != 2 || r.Deleted != 2 || !r.Cutoff.IsZero() {
		t.Errorf("two rows of controller one hold an address, got %+v", r)
	}
	if got := one[string](w, `SELECT string_agg(owner_no::text, ' ' ORDER BY id) FROM tracks WHERE raw_addr IS NOT NULL`); got != "2 3" {
		t.Errorf("controllers two and three did not withhold addresses; theirs are left: %q", got)
	}
}

func TestValuesAreReplacedOnlyWhenNothingLivesOnThem(t *testing.T) {
	t.Parallel()
	w := small(t, pseudonyms, nil)
	w.persons(1, "gone", "young", "unknown")
	w.exec(`INSERT INTO tracks (person_id, name, value, made_at) VALUES ('young', 'ssupp.vid', 'young', '2026-10-30')`)
	w.exec(`INSERT INTO tracks (person_id, name, value, made_at) VALUES (NULL, 'ssupp.vid', NULL, '2026-01-01'), (NULL, 'ssupp.vid', '', '2026-01-01')`)
	w.exec(`INSERT INTO tracks (owner_no, person_id, name, value, made_at) VALUES (1, 'gone', 'ssupp.vid', 'gone', '2026-01-01')`) // twice
	w.approve("vid")
	if r := w.sweep("vid"); r.Status != "done" || r.Deleted != 6 {
		t.Fatalf("six rows have expired, got %+v", r)
	}
	if got := one[string](w, `SELECT string_agg(id, ' ' ORDER BY id) FROM people WHERE length(id) < 20`); got != "unknown young" {
		t.Errorf("a value that lives on in a younger row, and one that stands for no value, stay; got %q", got)
	}
	if n := one[int](w, `SELECT count(*) FROM people p JOIN tracks t ON t.person_id = p.id JOIN yes y ON y.person_id = p.id WHERE p.id ~ '^[0-9a-f]{32}$' AND t.name = 'other'`); n != 1 {
		t.Errorf("the pseudonym is the same everywhere, in one row of each, got %d", n)
	}
}

func TestAColumnThatValueInForgets(t *testing.T) {
	t.Parallel()
	w := small(t, strings.Replace(pseudonyms, ", shop.yes.person_id", "", 1), nil)
	w.persons(1, "anna")
	w.approve("vid")
	if r := w.sweep("vid"); r.Status != "failed" || !strings.Contains(r.Message, "yes_person_id_fkey") || !strings.Contains(r.Message, "value_in must list") || w.left() != "anna" {
		t.Errorf("the sentence names the foreign key, and nothing is half done: %+v", r)
	}
}

func TestRowsThatOthersReferenceWait(t *testing.T) {
	t.Parallel()
	w := small(t, `rules:
  - {name: people, collection: shop.people, unless: {collection: shop.yes, link: {id: person_id}, where: {kind: a, taken_back: null}}, then: delete, schedule: "0 3 * * *"}
`, nil)
	w.exec(`INSERT INTO people VALUES ('consents', 1), ('tracked', 1), ('took-back', 1), ('free', 1)`)
	w.exec(`INSERT INTO yes (person_id, kind, taken_back) VALUES ('consents', 'a', NULL), ('took-back', 'a', now())`)
	w.exec(`INSERT INTO tracks (person_id) VALUES ('tracked')`)
	w.approve("people")
	if r := w.sweep("people"); r.Status != "done" || r.Deleted != 1 || r.Held != 2 {
		t.Errorf("one is free to go, two are still referenced, one consents: %+v", r)
	}
	if got := one[string](w, `SELECT string_agg(id, ' ' ORDER BY id) FROM people`); got != "consents took-back tracked" {
		t.Errorf("left should be those with a consent or a reference, got %q", got)
	}
}

func TestATriggerThatUndoesItIsFound(t *testing.T) {
	t.Parallel()
	for action, rule := range map[string]string{
		"UPDATE": `{name: t, collection: shop.tracks, starts_at: made_at, keep: P1M, then: null, columns: [words], schedule: "0 3 * * *"}`,
		"DELETE": `{name: t, collection: shop.tracks, starts_at: made_at, keep: P1M, then: delete, schedule: "0 3 * * *"}`,
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			w := small(t, "rules:\n  - "+rule+"\n", nil)
			w.exec(`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN RETURN OLD; END IF; RETURN NULL; END $$`)
			w.exec(`CREATE TRIGGER undo BEFORE ` + action + ` ON tracks FOR EACH ROW EXECUTE FUNCTION undo()`)
			w.exec(`INSERT INTO tracks (words, made_at) VALUES ('w', '2026-01-01')`)
			w.approve("t")
			if r := w.sweep("t"); r.Status != "failed" || !strings.Contains(r.Message, "a trigger of public.tracks undoes the change") {
				t.Errorf("rows that come back for ever are told, got %+v", r)
			}
		})
	}
}
