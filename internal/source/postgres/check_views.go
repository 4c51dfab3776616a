package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The bits of table.writes.
const (
	updatable = 1 << 2
	deletable = 1 << 4
)

// unchangeable says, before anything is tried, that an erasure is to change rows
// that Postgres cannot change: of a view that joins, groups or takes distinct
// rows and has neither an INSTEAD OF trigger nor a rule, of a materialised view,
// of a foreign table that is read only, of a table with a rule in the way.
// Postgres itself would only say 55000 or 0A000.
func (s *stop) unchangeable() []string {
	var reasons []string
	if s.visit.Delete && s.t.writes&deletable == 0 {
		reasons = append(reasons, s.fixed("deleted"))
	} else if slices.ContainsFunc(s.visit.Targets, func(x datamap.Target) bool {
		return (x.Masking == nil || x.Masking.Strategy != "preserve") && s.t.columns[x.Field.Column().Name] != nil
	}) && s.t.writes&updatable == 0 {
		reasons = append(reasons, s.fixed("masked"))
	}
	return reasons
}

func (s *stop) fixed(how string) string {
	if s.t.real() {
		return s.c.FullName() + " has a rule (CREATE RULE) by which its rows cannot be " + how + ": " + unruled
	}
	what := map[string]string{"v": "a view", "m": "a materialised view", "f": "a foreign table"}[s.t.kind]
	if s.visit.Delete && how == "masked" {
		how += ", should one have to stay"
	}
	return fmt.Sprintf("%s is %s whose rows cannot be %s: %s", s.c.FullName(), what, how, instead)
}

const instead = "map the tables beneath it, and give it skip_processing: true, or read_only: true on each field and no strategy: delete, so that its rows are given and what lies beneath is erased"

const unruled = "make a trigger of the rule, or drop it"

// changeable tells the same when a map is checked, with the tables beneath a view.
func (k *checking) changeable(ctx context.Context, conn *pgxpool.Conn, v *datamap.Visit, t *table) error {
	at := &stop{visit: v, c: v.Collection, t: t}
	k.deletesUnseen(at)
	reasons := at.unchangeable()
	if len(reasons) == 0 {
		return nil
	}
	if t.real() {
		sentence, _ := strings.CutSuffix(reasons[0], ": "+unruled)
		k.say(Wrong, v.Collection.FullName(), "an erasure fails here: "+sentence, unruled)
		return nil
	}
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT n.nspname::text, c.relname::text
		FROM pg_rewrite r
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
		JOIN pg_class c ON c.oid = d.refobjid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE r.ev_class = $1 ORDER BY 1, 2`, t.oid)
	if err != nil {
		return fmt.Errorf("ask what %s reads: %w", v.Collection.FullName(), err)
	}
	var beneath []string
	var schema, name string
	if _, err := pgx.ForEachRow(rows, []any{&schema, &name}, func() error {
		beneath = append(beneath, schema+"."+name)
		return nil
	}); err != nil {
		return fmt.Errorf("ask what %s reads: %w", v.Collection.FullName(), err)
	}
	do := instead
	if len(beneath) > 0 {
		do = strings.Replace(do, "the tables beneath it", "what it reads ("+strings.Join(beneath, ", ")+")", 1)
	}
	sentence, _, _ := strings.Cut(reasons[0], ": "+instead)
	k.say(Wrong, v.Collection.FullName(), "an erasure fails here: "+sentence, do)
	return nil
}
