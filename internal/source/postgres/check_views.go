package postgres

import (
	"context"
	"fmt"
	"maps"
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
// of a foreign table that is read only, of a table with a rule or a publication in
// the way. Postgres itself would only say 55000 or 0A000.
func (s *stop) unchangeable() []string {
	var reasons []string
	if t := s.t.stuck(deletable); s.visit.Delete && t != nil {
		reasons = append(reasons, s.fixed(t, "deleted", deletable))
	} else if t := s.t.stuck(updatable); s.masksSome() && t != nil {
		reasons = append(reasons, s.fixed(t, "masked", updatable))
	}
	return reasons
}

// stuck is the table or view, itself or beneath it, that does not admit a change; nil if all do.
func (t *table) stuck(change int) *table {
	for _, at := range t.through(change) {
		if at.writes&^(at.published|at.filtered)&change == 0 {
			return at
		}
	}
	return nil
}

// masksSome tells whether any column that is there is masked.
func (s *stop) masksSome() bool {
	return slices.ContainsFunc(s.visit.Targets, func(x datamap.Target) bool {
		return (x.Masking == nil || x.Masking.Strategy != "preserve") && s.t.columns[x.Field.Column().Name] != nil
	})
}

func (s *stop) fixed(t *table, how string, change int) string {
	name := s.c.FullName()
	if t != s.t {
		name += " is a view, and beneath it " + t.schema + "." + t.name
	}
	if t.published&change != 0 {
		return name + " is published (CREATE PUBLICATION) and has no replica identity, so that its rows cannot be " + how + ": " + identified
	}
	if t.filtered&change != 0 {
		return name + " is published (CREATE PUBLICATION) by columns that do not go with its replica identity, so that its rows cannot be " + how + ": " + covered
	}
	if t.real() {
		return name + " has a rule (CREATE RULE) by which its rows cannot be " + how + ": " + unruled
	}
	what := map[string]string{"v": "a view", "m": "a materialised view", "f": "a foreign table"}[t.kind]
	if s.visit.Delete && how == "masked" {
		how += ", should one have to stay"
	}
	return fmt.Sprintf("%s is %s whose rows cannot be %s: %s", name, what, how, instead)
}

const instead = "map the tables beneath it, and give it skip_processing: true, or read_only: true on each field and no strategy: delete, so that its rows are given and what lies beneath is erased"

const (
	unruled    = "make a trigger of the rule, or drop it"
	identified = "give it a primary key, or ALTER TABLE … REPLICA IDENTITY FULL"
	covered    = "let the publication's row filter ask for columns of the replica identity alone, and its list of columns have all of them (with REPLICA IDENTITY FULL, have no list)"
)

// A materialised view that was made WITH NO DATA cannot even be read.
const unfilled = "is a materialised view that has never been filled"

func (t *table) fill() string { return "REFRESH MATERIALIZED VIEW " + t.ident() }

// changeable tells the same when a map is checked, with the tables beneath a view.
func (k *checking) changeable(ctx context.Context, conn *pgxpool.Conn, v *datamap.Visit, t *table) error {
	at := &stop{visit: v, c: v.Collection, t: t}
	k.unseen(at)
	reasons := at.unchangeable()
	if len(reasons) == 0 {
		return k.aroundKeeps(ctx, conn, at)
	}
	for _, do := range []string{unruled, identified, covered} {
		if sentence, ok := strings.CutSuffix(reasons[0], ": "+do); ok {
			k.say(Wrong, v.Collection.FullName(), "an erasure fails here: "+sentence, do)
			return nil
		}
	}
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT n.nspname::text, c.relname::text
		FROM (`+reads+`) r
		JOIN pg_class c ON c.oid = r.what
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE r.by = $1 ORDER BY 1, 2`, t.oid)
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

// aroundKeeps tells of a view through which an erasure could change rows that a
// law keeps: the keep of the table beneath says nothing of the view's rows.
func (k *checking) aroundKeeps(ctx context.Context, conn *pgxpool.Conn, s *stop) error {
	if s.t.kind != "v" || len(s.c.Keeps) > 0 || !s.visit.Delete && !s.masksSome() {
		return nil
	}
	for _, c := range k.collections {
		kept := k.cat.table(c)
		if kept == nil || len(c.Keeps) == 0 {
			continue
		}
		var beneath bool
		if err := conn.QueryRow(ctx, `
			WITH RECURSIVE reads AS (`+reads+`),
			beneath AS (
				SELECT what FROM reads WHERE by = $1
				UNION
				SELECT r.what FROM beneath b JOIN reads r ON r.by = b.what)
			SELECT EXISTS (SELECT FROM beneath WHERE what = $2)`, s.t.oid, kept.oid).Scan(&beneath); err != nil {
			return fmt.Errorf("ask what %s reads: %w", s.c.FullName(), err)
		}
		if beneath {
			k.say(Doubtful, s.c.FullName(), "it is a view that reads "+c.FullName()+": an erasure changes its rows, also those that a law keeps there",
				"give it the same keep; or "+strings.Replace(instead, "map the tables beneath it, and ", "", 1))
		}
	}
	return nil
}

// copies names the materialised views that copy what stands in mapped tables,
// also through other views: what is erased stays in them until they are made anew.
func (k *checking) copies(ctx context.Context, conn *pgxpool.Conn) error {
	mapped := slices.Collect(maps.Keys(k.cat.parts)) // of mapped tables
	for _, c := range k.collections {
		if t := k.cat.table(c); t != nil && !c.Skip && !slices.Contains(mapped, t.oid) {
			mapped = append(mapped, t.oid)
		}
	}
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE reads AS (`+reads+`),
		beneath AS ( -- what mapped views read is theirs
			SELECT w.oid FROM unnest($1::oid[]) AS w(oid)
			UNION
			SELECT r.what FROM beneath b JOIN reads r ON r.by = b.oid JOIN pg_class v ON v.oid = b.oid AND v.relkind = 'v'),
		over AS (
			SELECT by, what FROM reads WHERE what IN (SELECT oid FROM beneath)
			UNION
			SELECT r.by, o.what FROM over o JOIN reads r ON r.what = o.by)
		SELECT n.nspname::text, c.relname::text, array_agg(b.relname::text ORDER BY b.relname),
		       EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL)
		FROM over o JOIN pg_class c ON c.oid = o.by JOIN pg_class b ON b.oid = o.what JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'm' GROUP BY c.oid, n.nspname, c.relname ORDER BY 1, 2`, mapped)
	if err != nil {
		return fmt.Errorf("ask for materialised views: %w", err)
	}
	var schema, name string
	var of []string
	var unique bool // then readers need not wait
	_, err = pgx.ForEachRow(rows, []any{&schema, &name, &of, &unique}, func() error {
		how := "REFRESH MATERIALIZED VIEW "
		if unique {
			how += "CONCURRENTLY "
		}
		k.say(Doubtful, k.s.name, "the materialised view "+schema+"."+name+" copies rows of "+strings.Join(of, ", ")+": what is erased there stays in it until it is made anew",
			how+pgx.Identifier{schema, name}.Sanitize()+" on a schedule")
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for materialised views: %w", err)
	}
	return nil
}
