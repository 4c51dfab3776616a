package main

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

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
	})
	const want = `STATE     PART                        FINDING
right     source app                  answers
wrong     source app                  the role lacks 2 rights; see below
wrong     source crm                  the role lacks 1 right; see below
doubtful  source app: app.users.mail  no index serves the look-up

Rights that are missing, for the owner of the tables to paste (lethe grants prints all, with the reason for each):
  GRANT SELECT ON "users" TO "lethe";
  GRANT DELETE ON "users" TO "lethe";
  GRANT SELECT ON "deals" TO "lethe";

Indexes that are missing, to paste; building them blocks nobody:
  CREATE INDEX CONCURRENTLY ON "users" (lower("mail"));
`
	if got := out.String(); got != want {
		t.Errorf("expected\n%s\ngot\n%s", want, got)
	}
	lacks := []postgres.Doubt{{Do: `GRANT SELECT ON "users" TO "lethe"`}}
	for do, want := range map[string]bool{`GRANT SELECT ON "users" TO the role of this source`: true, `GRANT SELECT ON "users_old" TO the role of this source`: false, "correct the data map": false} {
		if got := asksFor(lacks, postgres.Doubt{Do: do}); got != want {
			t.Errorf("%s: expected asked for already %t, got %t", do, want, got)
		}
	}
}
