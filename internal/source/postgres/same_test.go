package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestTablesThatChangeMeanwhile: what is known of the tables is asked for again before
// a walk rests on it, so that no row goes with which nobody reckoned.
func TestTablesThatChangeMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change, key string
		fails       bool
		others      int64
	}{
		"an heir with rows at the same places": {`CREATE TABLE drafts () INHERITS (notes); INSERT INTO drafts VALUES (1, 2, 'a stranger''s'), (2, 2, 'another')`, "", false, 3},
		"partitions with rows at the same places": {`ALTER TABLE notes RENAME TO gone; CREATE TABLE notes (id int, person int, body text, PRIMARY KEY (id, person)) PARTITION BY LIST (person);
			CREATE TABLE notes_1 PARTITION OF notes FOR VALUES IN (1); CREATE TABLE notes_2 PARTITION OF notes FOR VALUES IN (2); INSERT INTO notes SELECT * FROM gone; DROP TABLE gone`, "", false, 1},
		"a table of that name in a schema before": {`CREATE SCHEMA first; CREATE TABLE first.notes (id int PRIMARY KEY, person int, body text); INSERT INTO first.notes VALUES (1, 2, 'a stranger''s'), (2, 1, 'b')`, "", false, 1},
		"a foreign key that cascades":             {`CREATE TABLE likes (id int PRIMARY KEY, note int); INSERT INTO likes VALUES (1, 1); ALTER TABLE likes ADD FOREIGN KEY (note) REFERENCES notes ON DELETE CASCADE`, "", true, 0},
		"a key that is none any more":             {`ALTER TABLE notes DROP CONSTRAINT notes_pkey; INSERT INTO notes VALUES (1, 2, 'a stranger''s')`, ", fides_meta: {primary_key: true}", true, 0},
		"a rule that keeps rows":                  {`CREATE RULE keep AS ON DELETE TO notes DO INSTEAD NOTHING`, "", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := pgtest.Empty(t).Config()
			config.ConnConfig.RuntimeParams["search_path"] = "first, public"
			pool := poolOf(t, config)
			pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example'), (2, 'b@x.example'); CREATE TABLE notes (id int PRIMARY KEY, person int, body text);
				 INSERT INTO notes VALUES (1, 1, 'a'), (2, 2, 'b')`)
			m := mapOf(t, peopleOf("w")+`
      - name: notes
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields: [{name: id`+c.key+`}, {name: person, fides_meta: {references: [{dataset: w, field: people.id, direction: from}]}}, {name: body, data_categories: [user.content]}]
`)
			now := time.Unix(0, 0)
			s := sourceOf(t, pool, "w", postgres.Options{Now: func() time.Time { return now }})
			w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "nobody@x.example")}
			if _, err := s.Erase(t.Context(), w, source.Holds{}, noNote); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, pool, c.change)
			now = now.Add(time.Second)
			w.Seeds = seeds("email", "a@x.example")
			done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
			var unfit *postgres.Unfit
			var beyond *postgres.Beyond
			switch {
			case c.fails && !errors.As(err, &unfit) && !errors.As(err, &beyond):
				t.Fatalf("expected the erasure to be refused, got %v", err)
			case c.fails:
				return
			case err != nil || by(done.Findings)["notes"].Erased != 1:
				t.Fatalf("expected one note to be erased, got %+v, %v", done.Findings, err)
			}
			if own, others := number(t, pool, "SELECT count(*) FROM notes WHERE person = 1"), number(t, pool, "SELECT count(*) FROM notes WHERE person = 2"); own != 0 || others != c.others {
				t.Errorf("expected the person's note to be gone and %d of others to stay, there are %d and %d", c.others, own, others)
			}
		})
	}
}

// TestATableThatGoesMeanwhile: one that the map knows nothing of, and that names rows of
// the walk, may go between two of them, whatever is asked and however it is walked.
func TestATableThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	for _, staged := range []int64{0, -1} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example')`)
		m := mapOf(t, peopleOf("w"))
		w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}
		var s *postgres.Source
		for name, do := range map[string]func() error{
			"find": func() error { _, err := s.Find(t.Context(), w); return err },
			"try":  func() error { _, err := s.DryRun(t.Context(), w, source.Holds{}); return err },
			"look": func() error { _, err := s.Look(t.Context(), w, source.Holds{}, nil); return err },
			"erase": func() error {
				_, err := s.Erase(t.Context(), w, source.Holds{}, func(context.Context, source.Note) error { return errors.ErrUnsupported })
				return err
			},
		} {
			pgtest.Exec(t, pool, `CREATE TABLE likes (person int REFERENCES people ON DELETE CASCADE)`)
			s = sourceOf(t, pool, "w", postgres.Options{StagedAbove: staged, Now: func() time.Time { return time.Unix(0, 0) }})
			for range 2 {
				if err := do(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("expected to %s before and after the table went (staged above %d), got %v", name, staged, err)
				}
				pgtest.Exec(t, pool, `DROP TABLE IF EXISTS likes`)
			}
		}
	}
}
