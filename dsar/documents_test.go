package dsar

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A club that keeps its people in documents.
const clubSchema = `
CREATE TABLE members (id bigint PRIMARY KEY, card jsonb);
CREATE TABLE teams   (id bigint PRIMARY KEY, roster jsonb, mails text[]);
INSERT INTO members VALUES
 (1, '{"name": {"first": "Pavla"}, "mail": "Pavla@Example.org", "iban": "CZ01", "shelf": "A"}'),
 (2, '{"name": {"first": "Karel"}, "mail": "karel@example.org"}');
INSERT INTO teams VALUES
 (10, '[{"member": 2, "shirt": "S", "mail": "karel@example.org"}, {"member": 1, "shirt": "XXL", "mail": "pavla@example.org"}]', '{karel@example.org,Pavla@example.org}');`

const clubMap = `
dataset:
  - fides_key: club
    lethe: {source: club, basis: b, origin: the person}
    data_uses: [essential.service]
    collections:
      - name: members
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - name: card
            fields:
              - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
              - name: name
                fields: [{name: first, data_categories: [user.name.first]}]
              - {name: iban, data_categories: [user.financial], lethe: {basis: c}}
      - name: teams
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - name: roster
            fields:
              - {name: member, fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
              - {name: shirt, data_categories: [user.demographic]}
          - {name: mails, data_categories: [user.contact.email], fides_meta: {data_type: "string[]", identity: email}}
`

func newClub(t *testing.T) (*workBundle, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, clubSchema)
	s, err := postgres.New("club", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newWorkOver(t, clubMap, map[string]Source{"club": s}), pool
}

// TestDocumentsAreGiven: what stands inside documents is in the archive, and its
// categories are in the letters.
func TestDocumentsAreGiven(t *testing.T) {
	t.Parallel()
	b, _ := newClub(t)
	id := b.approved(t, datamap.Access, "pavla@example.org", "all")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	l := b.mail.one(t, "archive")
	if l.To != "Pavla@Example.org" && l.To != "Pavla@example.org" {
		t.Errorf("expected the letter to go to an address as it stands in a document or an array, it went to %q", l.To)
	}
	data, err := b.download(t, l)
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	for file, words := range map[string][]string{
		"data/club/members.json": {`"first"`, "Pavla", "CZ01"}, "data/club/teams.json": {"XXL", "Pavla@example.org"},
		"letter.txt": {"first name", "financial", "e-mail address and demographic"},
	} {
		for _, w := range words {
			if !strings.Contains(files[file], w) {
				t.Errorf("expected %q in %s, got %s", w, file, files[file])
			}
		}
		for _, foreign := range []string{"arel", `"S"`, "shelf"} {
			if strings.Contains(files[file], foreign) {
				t.Errorf("expected nothing of others in %s, found %q", file, foreign)
			}
		}
	}
}

// TestDocumentsAreTold: recipients are told of what an erasure took out of documents.
func TestDocumentsAreTold(t *testing.T) {
	t.Parallel()
	b, _ := newClub(t)
	id := b.approved(t, datamap.Erasure, "pavla@example.org", "all")
	b.worked(t)
	plan, err := b.plan(datamap.Erasure, "", []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if got := touchedCategories(plan, b.get(t, id).Findings); !slices.Contains(got, "user.financial") {
		t.Errorf("expected user.financial among the categories that were erased, got %v", got)
	}
}
