package postgres_test

import (
	"fmt"
	"testing"

	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
)

// One search for many people: who is said to stand nowhere is found nowhere, and
// the indexes serve it whatever their number.
func TestUnmentioned(t *testing.T) {
	t.Parallel()
	pool, s, fields := forum(t, 2000)
	pgtest.Exec(t, pool, `CREATE EXTENSION IF NOT EXISTS pg_trgm;
		UPDATE posts SET body = 'Řehoř Ěnčev and 100%_sure wrote' WHERE id IN (10, 11);
		UPDATE posts SET body = 'to person' || id || '@many.example' WHERE id BETWEEN 1000 AND 1300`)
	var people []source.Mentions
	for _, n := range [][]source.Seed{
		seeds("email", "anna@b.example"), seeds("email", "nobody@b.example"), seeds("phone", "+420777123456"), seeds("phone", "+420999888777"),
		seeds("email", "nobody@b.example", "phone", "+420777123456"), seeds("name", "Řehoř"), seeds("name", "řehoř"), seeds("name", "100%_sure"), seeds("name", "100xxsure"),
		seeds("email", "nna@b.example"), seeds("email", "xanna@b.example"), nil,
	} {
		people = append(people, source.Mentions{Field: fields[0], Scope: "1", Needles: n})
	}
	people = append(people, source.Mentions{Field: fields[0], Scope: "2", Needles: seeds("email", "anna@b.example")},
		source.Mentions{Field: fields[0], Needles: seeds("email", "anna@b.example")}, source.Mentions{Field: fields[1], Scope: "1", Needles: seeds("email", "anna@b.example")})
	pgtest.Exec(t, pool, `UPDATE posts SET body = 'to office@elsewhere.example' WHERE id BETWEEN 1400 AND 1900`)
	people = append(people, source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", "office@many.example")})
	for i := range 400 {
		people = append(people, source.Mentions{Field: fields[0], Scope: "1", Needles: seeds("email", fmt.Sprintf("person%d@many.example", 900+i))})
	}
	check := func(index string, least int) {
		t.Helper()
		said := 0
		for i, nowhere := range s.Unmentioned(t.Context(), people) {
			if !nowhere {
				continue
			}
			said++
			if keys, _ := search(t, s, people[i]); len(keys) > 0 || people[i].Field.Why != "" {
				t.Errorf("%s: person %d was said to stand nowhere, and stands in %v", index, i, keys)
			}
		}
		if said < least {
			t.Errorf("%s: expected at least %d people to be said to stand nowhere, got %d", index, least, said)
		}
	}
	check("no index", 0)
	for _, index := range []string{"body gin_trgm_ops", "lower(body) gin_trgm_ops"} {
		pgtest.Exec(t, pool, `DROP INDEX IF EXISTS posts_words; CREATE INDEX posts_words ON posts USING gin (`+index+`)`)
		check(index, 200)
	}
	pgtest.Exec(t, pool, `CREATE INDEX ON posts USING gin (regexp_replace(body, '[^0-9+]', '', 'g') gin_trgm_ops)`)
	before := scans(t, pool)
	s.Unmentioned(t.Context(), people)
	if after := scans(t, pool); after != before {
		t.Errorf("expected no sequential scan of the posts, there were %d", after-before)
	}
	check("both indexes", 203)
}
