package postgres_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestPublications: Postgres refuses to change a published row that nothing
// identifies. It is told before anything is tried, of each table that it is true of.
func TestPublications(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, wrong string }{
		"no key": {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); CREATE PUBLICATION p FOR TABLE notes`,
			"shop.notes is published (CREATE PUBLICATION) and has no replica identity, so that its rows cannot be deleted"},
		"updates only": {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'update')`,
			"so that its rows cannot be masked"},
		"a partition": {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text) PARTITION BY RANGE (id); CREATE TABLE notes1 PARTITION OF notes FOR VALUES FROM (0) TO (9);
			CREATE PUBLICATION p FOR TABLE notes WITH (publish_via_partition_root)`, "so that its rows cannot be deleted"},
		"inserts only":  {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); CREATE PUBLICATION p FOR TABLE notes WITH (publish = 'insert, truncate')`, ""},
		"a primary key": {`CREATE TABLE notes (id int PRIMARY KEY, person int, note text); CREATE PUBLICATION p FOR ALL TABLES`, ""},
		"all columns":   {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); ALTER TABLE notes REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE notes`, ""},
		"an index":      {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); ALTER TABLE notes REPLICA IDENTITY USING INDEX notes_id_key; CREATE PUBLICATION p FOR TABLE notes`, ""},
		"a filter": {`CREATE TABLE notes (id int , person int, note text, PRIMARY KEY (id) INCLUDE (note)); CREATE PUBLICATION p FOR TABLE notes WHERE (note <> 'x')`,
			"shop.notes is published (CREATE PUBLICATION) by columns that do not go with its replica identity, so that its rows cannot be deleted"},
		"a list": {`CREATE TABLE notes (note text, id int PRIMARY KEY, person int); ALTER TABLE notes DROP note, ADD note text; CREATE PUBLICATION p FOR TABLE notes (person) WITH (publish = 'update')`,
			"so that its rows cannot be masked"},
		"a list beside all columns": {`CREATE TABLE notes (id int PRIMARY KEY, person int, note text); ALTER TABLE notes REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE notes (id)`, "so that its rows cannot be deleted"},
		"a filter of a root": {`CREATE TABLE notes (id int NOT NULL, person int, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
			CREATE TABLE notes1 (note text, person int, id int NOT NULL); ALTER TABLE notes ATTACH PARTITION notes1 FOR VALUES FROM (0) TO (9);
			CREATE PUBLICATION p FOR TABLE notes WHERE (person > 0) WITH (publish_via_partition_root)`, "so that its rows cannot be deleted"},
		"a filter of a root by its key": {`CREATE TABLE notes (id int NOT NULL, person int, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
			CREATE TABLE notes1 (note text, person int, id int NOT NULL); ALTER TABLE notes ATTACH PARTITION notes1 FOR VALUES FROM (0) TO (9);
			CREATE PUBLICATION p FOR TABLE notes WHERE (id > 0) WITH (publish_via_partition_root)`, ""},
		"a filter by the key":         {`CREATE TABLE notes (id int PRIMARY KEY, person int, note text); CREATE PUBLICATION p FOR TABLE notes (id, note) WHERE (id > 0)`, ""},
		"a filter beside all columns": {`CREATE TABLE notes (id int PRIMARY KEY, person int, note text); ALTER TABLE notes REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE notes WHERE (note <> 'x')`, ""},
		"a filter of inserts":         {`CREATE TABLE notes (id int PRIMARY KEY, person int, note text); CREATE PUBLICATION p FOR TABLE notes (note) WHERE (note <> 'x') WITH (publish = 'insert')`, ""},
		"another's tables":            {`CREATE TABLE notes (id int NOT NULL UNIQUE, person int, note text); CREATE PUBLICATION p FOR TABLE people`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a@x.example');`+c.schema+`; INSERT INTO notes VALUES (1, 1, 'n')`)
			m := mapOf(t, strings.ReplaceAll(tenantMap, "orders", "notes"))
			s := sourceOf(t, pool, "shop", postgres.Options{})
			doubts, err := s.Check(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			wrong := ""
			for _, d := range doubts {
				if d.Level == postgres.Wrong {
					wrong += d.Sentence
				}
			}
			_, err = s.Erase(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", "a@x.example")}, source.Holds{}, noNote)
			var unfit *postgres.Unfit
			switch {
			case c.wrong == "" && (err != nil || wrong != ""):
				t.Errorf("expected the rows to be erased, got %v and %q", err, wrong)
			case c.wrong != "" && (!errors.As(err, &unfit) || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(wrong, c.wrong)):
				t.Errorf("expected check and the erasure to say %q, got %q and %v", c.wrong, wrong, err)
			}
			if n := number(t, pool, "SELECT count(*) FROM people"); (n == 0) != (c.wrong == "") {
				t.Errorf("expected all or nothing to be erased, %d people are left", n)
			}
		})
	}
}

// TestPublicationsAreReadOnce: what a publication holds is listed once for all
// tables that nothing identifies, of which there may be as many as partitions.
func TestPublicationsAreReadOnce(t *testing.T) {
	t.Parallel()
	full := pgtest.Empty(t)
	pgtest.Exec(t, full, `CREATE TABLE people (id int NOT NULL, email text) PARTITION BY RANGE (id); CREATE PUBLICATION p FOR ALL TABLES;
		DO $$ BEGIN FOR i IN 1..20 LOOP EXECUTE format('CREATE TABLE people%s PARTITION OF people FOR VALUES FROM (%s) TO (%s)', i, i, i + 1); END LOOP; END $$`)
	pool, heard := planned(t, full)
	m := mapOf(t, `dataset: [{fides_key: w, lethe: {source: w, basis: f}, collections: [{name: people, fields: [{name: id}, {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}]`)
	if _, err := sourceOf(t, pool, "w", postgres.Options{}).Find(t.Context(), source.Walk{Plan: planOf(t, m, datamap.Access, "email"), Seeds: seeds("email", "a@x.example")}); err != nil {
		t.Fatal(err)
	}
	lists := regexp.MustCompile(`Function Scan on pg_get_publication_tables .*loops=(\d+)`).FindAllStringSubmatch(strings.Join(heard.take(), "\n"), -1)
	if len(lists) != 1 || lists[0][1] != "1" {
		t.Errorf("expected the publication to be listed once, got %v", lists)
	}
}
