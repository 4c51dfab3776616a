package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A hotel: one booking holds several guests, each with a card and a locker.
const hotelSchema = `
CREATE TABLE people   (id int PRIMARY KEY, email text, name text);
CREATE TABLE bookings (id int PRIMARY KEY, party jsonb, keys int[]);
CREATE TABLE cards    (no text PRIMARY KEY, holder text);
CREATE TABLE lockers  (id int PRIMARY KEY, booked int, inside text);
CREATE TABLE stays    (id int PRIMARY KEY, cards jsonb, note text);
CREATE TABLE meals    (id int PRIMARY KEY, stay text, dish text);
INSERT INTO people VALUES (1, 'ann@x.example', 'Ann'), (2, 'ben@x.example', 'Ben');
INSERT INTO bookings VALUES
 (10, '[{"person": 1, "card": "c-ann", "mail": "ann@x.example"}, {"person": 2, "card": "c-ben", "mail": "ben@x.example"}]', '{1,2}'),
 (11, '{"person": "1", "card": ["c-ann2", "c-ann3"]}', '{1}'),
 (12, '[{"person": 2, "card": "c-ben2"}]', '{2}');
INSERT INTO cards VALUES ('c-ann', 'a'), ('c-ann2', 'a'), ('c-ann3', 'a'), ('c-ben', 'b'), ('c-ben2', 'b');
INSERT INTO lockers VALUES (1, 1, 'hat'), (2, 2, 'coat');
INSERT INTO stays VALUES (20, '[{"no": "c-ann", "meals": ["m1"]}, {"no": "c-ben", "meals": ["m2"]}]', 'n');
INSERT INTO meals VALUES (30, 'm1', 'soup'), (31, 'm2', 'fish');`

const hotelIndexes = `
CREATE INDEX ON bookings USING gin (party jsonb_path_ops); CREATE INDEX ON bookings USING gin (keys);
CREATE INDEX ON lockers (booked); CREATE INDEX ON stays USING gin (cards); CREATE INDEX ON meals (stay);`

const hotelMap = `
dataset:
  - fides_key: hotel
    lethe: {source: hotel, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: name, data_categories: [user.name]}
      - name: bookings
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: party
            fields:
              - {name: person, fides_meta: {references: [{dataset: hotel, field: people.id, direction: from}]}}
              - {name: card, data_categories: [user.financial], fides_meta: {masking_strategy_override: {strategy: null_rewrite}}}
              - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: other}}
          - name: keys
            fides_meta: {data_type: "integer[]", references: [{dataset: hotel, field: people.id, direction: from}]}
      - name: cards
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: no, fides_meta: {primary_key: true, references: [{dataset: hotel, field: bookings.party.card, direction: from}]}}
          - {name: holder, data_categories: [user.name]}
      - name: lockers
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: booked, fides_meta: {references: [{dataset: hotel, field: bookings.keys, direction: from}]}}
          - {name: inside, data_categories: [user.content]}
      - name: stays
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: cards
            fields:
              - {name: no, fides_meta: {references: [{dataset: hotel, field: cards.no, direction: from}]}}
              - {name: meals}
          - {name: note}
      - name: meals
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: stay, fides_meta: {references: [{dataset: hotel, field: stays.cards.meals, direction: from}]}}
          - {name: dish, data_categories: [user.behavior]}
`

// TestOthersElementsLeadNowhere: of an array by which a row was reached, only the
// subject's own elements lead on. The others are other people's, and so is what
// they name.
func TestOthersElementsLeadNowhere(t *testing.T) {
	t.Parallel()
	ways(t, hotelSchema, hotelIndexes, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		m := mapOf(t, hotelMap)
		s := sourceOf(t, pool, "hotel", o)
		ann := seeds("email", "ann@x.example")
		access := source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: ann}
		found, err := s.Find(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		is := by(found.Findings)
		expect(t, is["bookings"], 2, 0, 0, 0)
		expect(t, is["cards"], 3, 0, 0, 0)
		expect(t, is["lockers"], 1, 0, 0, 0)
		expect(t, is["meals"], 1, 0, 0, 0)
		rows := given(t, s, access)
		same(t, rows, "cards", "no", `"c-ann"`, `"c-ann2"`, `"c-ann3"`)
		same(t, rows, "lockers", "inside", `"hat"`)
		same(t, rows, "meals", "dish", `"soup"`)

		walk := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: ann, Secret: secret()}
		erasedWhole(t, s, walk)
		for _, c := range []struct{ sql, want string }{
			{"SELECT string_agg(no, ',' ORDER BY no) FROM cards", "c-ben,c-ben2"},
			{"SELECT string_agg(inside, ',') FROM lockers", "coat"},
			{"SELECT string_agg(dish, ',') FROM meals", "fish"},
			{"SELECT party #>> '{1,card}' FROM bookings WHERE id = 10", "c-ben"},
			{"SELECT party #>> '{0,card}' FROM bookings WHERE id = 10", "NULL"},
		} {
			if got := text(t, pool, c.sql); got != c.want {
				t.Errorf("%s: expected %s, got %s", c.sql, c.want, got)
			}
		}
	})
}

// TestOthersAddressesAreNotTheSubjects: an address in somebody else's element of
// a row is not one where the subject's letters go.
func TestOthersAddressesAreNotTheSubjects(t *testing.T) {
	t.Parallel()
	ways(t, `
CREATE TABLE people   (id int PRIMARY KEY, phone text);
CREATE TABLE bookings (id int PRIMARY KEY, party jsonb);
INSERT INTO people VALUES (1, '+420601111222'), (2, '+420601111333');
INSERT INTO bookings VALUES (10, '[{"person": 1}, {"person": 2, "mail": "ben@x.example"}]');`,
		"CREATE INDEX ON bookings USING gin (party);", func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
			m := mapOf(t, `
dataset:
  - fides_key: hotel
    lethe: {source: hotel, basis: f}
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
      - name: bookings
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: party
            fields:
              - {name: person, fides_meta: {references: [{dataset: hotel, field: people.id, direction: from}]}}
              - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
`)
			s := sourceOf(t, pool, "hotel", o)
			find := func(phone string) []string {
				found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "phone"), Seeds: seeds("phone", phone)})
				if err != nil {
					t.Fatal(err)
				}
				return found.Reached
			}
			if got := find("+420601111222"); len(got) > 0 {
				t.Errorf("expected no address of the first guest, got %d", len(got))
			}
			if got := find("+420601111333"); len(got) != 1 || got[0] != "ben@x.example" {
				t.Errorf("expected the second guest's own address, got %d", len(got))
			}
		})
}

// TestElementsFoundInALaterRound: a row that was reached before may turn out to
// hold more of the subject's elements; these lead on, too.
func TestElementsFoundInALaterRound(t *testing.T) {
	t.Parallel()
	ways(t, hotelSchema+`
ALTER TABLE people ADD twin int;
INSERT INTO people VALUES (3, NULL, 'Ann again', 1), (4, NULL, 'and again', 3);
UPDATE bookings SET party = party || '[{"person": 3, "card": "c-twin"}, {"person": 4, "card": "c-twin4"}]' WHERE id = 10;
INSERT INTO cards VALUES ('c-twin', 'a'), ('c-twin4', 'a');`, hotelIndexes+"CREATE INDEX ON people (twin);", func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		m := mapOf(t, strings.Replace(hotelMap, "- {name: name, data_categories: [user.name]}",
			"- {name: twin, fides_meta: {references: [{dataset: hotel, field: people.id, direction: from}]}}", 1))
		s := sourceOf(t, pool, "hotel", o)
		rows := given(t, s, source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "ann@x.example")})
		same(t, rows, "cards", "no", `"c-ann"`, `"c-ann2"`, `"c-ann3"`, `"c-twin"`, `"c-twin4"`)
		same(t, rows, "lockers", "inside", `"hat"`)
	})
}

// TestRootsInDocuments: what a row is known by, and where letters go, is what
// stands in the element that matched, not what stands in others' beside it.
func TestRootsInDocuments(t *testing.T) {
	t.Parallel()
	ways(t, hotelSchema+`
ALTER TABLE bookings ADD mails text[];
ALTER TABLE bookings ADD own text[];
UPDATE bookings SET mails = '{BEN@x.example,Ann@x.example}', own = '{old@x.example,Ben@x.example}' WHERE id = 10;`, hotelIndexes, func(t *testing.T, pool *pgxpool.Pool, o postgres.Options) {
		m := mapOf(t, `
dataset:
  - fides_key: hotel
    lethe: {source: hotel, basis: f}
    collections:
      - name: bookings
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - name: party
            fields:
              - {name: card, data_categories: [user.name]}
              - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: mails, data_categories: [user.contact.email], fides_meta: {data_type: "string[]", identity: other}, lethe: {match: fold}}
          - {name: own, data_categories: [user.contact.email], fides_meta: {data_type: "string[]", identity: third, return_all_elements: true}, lethe: {match: fold}}
`)
		s := sourceOf(t, pool, "hotel", o)
		for _, c := range []struct{ seed, name, email, other, third string }{
			{"email", "c-ben", "ben@x.example", "", ""},
			{"other", "c-ann, c-ben", "", "BEN@x.example", ""}, // by that way the party is not told apart,
			{"third", "c-ann, c-ben", "", "", "Ben@x.example"},
		} {
			found, err := s.Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, c.seed), Seeds: seeds(c.seed, "ben@x.example")})
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Roots) != 1 {
				t.Fatalf("expected one row, got %+v", found.Roots)
			}
			r := found.Roots[0]
			if r.Person["party.card"] != c.name || r.Stored["email"] != c.email || r.Stored["other"] != c.other || r.Stored["third"] != c.third {
				t.Errorf("by %s: expected %+v, got %+v", c.seed, c, r)
			}
		}
	})
}
