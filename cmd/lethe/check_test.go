package main

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Who answers for which rows: by a column of the map and the controller's scope.
func TestVerdictsOfControllers(t *testing.T) {
	t.Parallel()
	people := &datamap.Collection{Name: "people", Fields: []*datamap.Field{{Name: "mail", Identity: "email"}}}
	d := &datamap.Dataset{Key: "shop", Collections: []*datamap.Collection{people}}
	people.Dataset = d
	verdicts := func(column string, scopes ...string) string {
		people.Controller = column
		cfg, k := &config.Config{}, &checker{}
		for i, scope := range scopes {
			cfg.Controllers = append(cfg.Controllers, config.Controller{Key: string(rune('a' + i)), Scope: scope})
		}
		k.controllers(cfg, &datamap.Map{Datasets: []*datamap.Dataset{d}})
		var said []string
		for _, v := range k.list {
			said = append(said, v.Part+": "+v.Sentence)
		}
		return strings.Join(said, "\n")
	}
	for _, of := range [][]string{{"", ""}, {"tenant", "1"}, {"tenant", "1", "2"}} {
		if got := verdicts(of[0], of[1:]...); got != "" {
			t.Errorf("%q: expected nothing to be said, got %q", of, got)
		}
	}
	if got := verdicts("", "1", "2"); !strings.Contains(got, "found in shop.people, which no column parts by controller: a request to any of the 2 controllers reaches all") {
		t.Errorf("expected rows that nobody parts to be named, got %q", got)
	}
	if got := verdicts("", "1"); !strings.HasPrefix(got, "controller a: it has a scope, and no collection of the map says in which column: its requests reach everybody's rows in shop.people") {
		t.Errorf("expected a scope that does nothing to be named, got %q", got)
	}
	if got := verdicts("tenant", "1", ""); !strings.HasPrefix(got, "controller b: it has no scope, so none of its rows are found in shop.people") || strings.Contains(got, "controller a") {
		t.Errorf("expected the controller without a scope to be named, got %q", got)
	}
}

// Rights that lack are one line for each source, and statements to paste below:
// a role that was given none lacks some on every table.
func TestVerdictsOfRights(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printVerdicts(&out, []verdict{
		{right, "source app", "answers", ""},
		{wrong, "source app", "the role lacks a right: the walk reads it", `GRANT SELECT ON "users" TO "lethe"`},
		{wrong, "source app", "the role lacks a right: an erasure deletes rows", `GRANT DELETE ON "users" TO "lethe"`},
		{wrong, "source crm", "the role lacks a right: the walk reads it", `GRANT SELECT ON "deals" TO "lethe"`},
		{doubtful, "source app: app.users.mail", "no index serves the look-up", `CREATE INDEX CONCURRENTLY ON "users" (lower("mail"))`},
		{doubtful, "source app: app.visits.who", "no index serves the look-up", `CREATE INDEX ON "visits" ("who")`},
		{doubtful, "source crm: crm.users.mail", "no index serves the look-up", `CREATE INDEX CONCURRENTLY ON "users" (lower("mail"))`},
	})
	const want = `STATE     PART                        FINDING
right     source app                  answers
wrong     source app                  the role lacks 2 rights; see below
wrong     source crm                  the role lacks 1 right; see below
doubtful  source app: app.users.mail  no index serves the look-up
doubtful  source app: app.visits.who  no index serves the look-up
doubtful  source crm: crm.users.mail  no index serves the look-up

Rights that are missing, for the owner of the tables to paste (lethe grants prints all, with the reason for each):
  -- source app
  GRANT SELECT ON "users" TO "lethe";
  GRANT DELETE ON "users" TO "lethe";
  -- source crm
  GRANT SELECT ON "deals" TO "lethe";

Indexes that are missing, to paste; building them blocks nobody:
  -- source app
  CREATE INDEX CONCURRENTLY ON "users" (lower("mail"));
  -- source crm
  CREATE INDEX CONCURRENTLY ON "users" (lower("mail"));

Indexes that are missing on partitioned tables, which take none CONCURRENTLY: who writes waits while they are built, unless each partition has been given its own before, CONCURRENTLY:
  CREATE INDEX ON "visits" ("who");
`
	if got := out.String(); got != want {
		t.Errorf("expected\n%s\ngot\n%s", want, got)
	}
	lacks := []postgres.Doubt{{Do: `GRANT SELECT ON "users" TO "lethe"`}}
	for do, want := range map[string]bool{`GRANT SELECT ON "users" TO "lethe"`: true, `GRANT SELECT ON "users_old" TO "lethe"`: false, "correct the data map": false} {
		if got := asksFor(lacks, postgres.Doubt{Do: do}); got != want {
			t.Errorf("%s: expected asked for already %t, got %t", do, want, got)
		}
	}
}
