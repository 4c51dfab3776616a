package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A row with the UUID of zeros (a guest's account) leads nowhere, so its rows
// are not reached. The foreign key would take them all the same: the erasure
// stops before it does, alone and in a batch.
func TestACascadeFromAKeyThatIsNobodys(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o postgres.Options) {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id uuid PRIMARY KEY, email text);
			CREATE TABLE notes (id int PRIMARY KEY, person_id uuid REFERENCES people ON DELETE CASCADE, body text); CREATE INDEX ON notes (person_id);
			INSERT INTO people VALUES ('00000000-0000-0000-0000-000000000000', 'guest@x.example'), ('aaaaaaaa-0000-4000-8000-000000000001', 'a@x.example');
			INSERT INTO notes VALUES (1, '00000000-0000-0000-0000-000000000000', 'everybody'), (2, 'aaaaaaaa-0000-4000-8000-000000000001', 'mine')`)
		s := sourceOf(t, pool, "src", o)
		plan := planOf(t, mapOf(t, `dataset:
  - fides_key: d
    lethe: {source: src, basis: a}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: d, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content]}
`), datamap.Erasure, "email")
		guest := source.Walk{Plan: plan, Seeds: seeds("email", "guest@x.example")}
		one := source.Walk{Plan: plan, Seeds: seeds("email", "a@x.example")}
		var beyond *postgres.Beyond
		if _, err := s.Erase(t.Context(), guest, source.Holds{}, noNote); !errors.As(err, &beyond) {
			t.Errorf("expected the erasure to stop for the notes of everybody, got %v", err)
		}
		done := s.EraseBatch(t.Context(), []source.Walk{guest, one}, source.Holds{}, func(context.Context, []int, []source.Note) error { return nil })
		if !errors.As(done[0].Err, &beyond) || done[1].Err != nil {
			t.Errorf("expected the first of the batch to stop and the second not to, got %v and %v", done[0].Err, done[1].Err)
		}
		if number(t, pool, "SELECT count(*) FROM notes WHERE id = 1") != 1 || number(t, pool, "SELECT count(*) FROM people") != 1 {
			t.Error("expected the guest and the note to stay, and nothing else")
		}
	})
}
