package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestOneAddressOfTwo: two people wrote down their team's address. What tells the
// two rows apart is the person whom each names, and not where their post goes.
func TestOneAddressOfTwo(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `
CREATE TABLE places (id int PRIMARY KEY, street text);
CREATE TABLE users (id int PRIMARY KEY, bio text);
CREATE TABLE user_emails (id int PRIMARY KEY, user_id int REFERENCES users, place_id int REFERENCES places, email text);
INSERT INTO places VALUES (7, 'Nová 9'), (8, 'Lipová 4');
INSERT INTO users VALUES (1, 'a'), (2, 'b');
INSERT INTO user_emails VALUES (1, 1, 7, 'ann@x.example'), (2, 1, 7, 'team@x.example'), (3, 2, 8, 'team@x.example'), (4, 2, 8, 'ben@x.example');`)
		m := mapOf(t, `
dataset:
  - fides_key: w
    lethe: {source: w, basis: f}
    collections:
      - name: users
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: bio, data_categories: [user.content]}
      - name: places
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: street, data_categories: [user.contact.address.street]}
      - name: user_emails
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: user_id
            fides_meta: {references: [{dataset: w, field: users.id, direction: to}, {dataset: w, field: users.id, direction: from}]}
          - {name: place_id, fides_meta: {references: [{dataset: w, field: places.id, direction: to}]}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
		s := sourceOf(t, pool, "w", o)
		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "team@x.example")}
		found, err := s.Find(t.Context(), walk)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"map[email:team@x.example user_id:1]", "map[email:team@x.example user_id:2]"}
		all := append(s.FindMany(t.Context(), []source.Walk{walk, walk}), &found)
		for _, f := range all {
			if f == nil {
				continue // not to be found together with others
			}
			var got []string
			for _, r := range f.Roots {
				got = append(got, fmt.Sprint(r.Person))
			}
			if !slices.Equal(got, want) {
				t.Errorf("expected the officer to see that two people have the address, %q, got %q", want, got)
			}
		}
	})
}
