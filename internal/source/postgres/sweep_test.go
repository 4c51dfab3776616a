package postgres_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const logMap = `dataset:
  - fides_key: app
    name: App
    description: an app
    collections:
      - name: logs
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: at, data_categories: [system.operations]}
          - {name: what, data_categories: [user.behavior]}
`

// cutoff of the tests: older rows have expired.
var cutoff = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func logSelection(t *testing.T, then source.Action) source.Selection {
	t.Helper()
	c := mapOf(t, logMap).Datasets[0].Collections[0]
	s := source.Selection{Collection: c, StartsAt: "at", Before: cutoff, Then: then}
	if then != source.Delete {
		s.Columns = []source.ColumnChange{{Column: "what"}}
	}
	return s
}

// sweepAll runs slices to the end, and returns how many rows changed and every position.
func sweepAll(t *testing.T, s *postgres.Source, sel source.Selection, limit int) (changed int64, places []string) {
	t.Helper()
	from := ""
	for range 500 {
		done, err := s.Sweep(t.Context(), sel, from, limit)
		if err != nil {
			t.Fatalf("sweep from %q: %v", from, err)
		}
		changed += done.Changed
		if done.Changed > int64(limit) {
			t.Errorf("a slice changes at most %d rows, this one %d", limit, done.Changed)
		}
		if done.Next == "" {
			return changed, places
		}
		from = done.Next
		places = append(places, from)
	}
	t.Fatalf("a sweep should end, the last positions were %v", places[len(places)-3:])
	return 0, nil
}

func count(t *testing.T, pool *pgxpool.Pool, sql string) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// Rows of 7 kB, one a block: nine thousand of them are more than one window.
const wide = `CREATE TABLE logs (id bigint PRIMARY KEY, at timestamptz, what text);
ALTER TABLE logs ALTER what SET STORAGE PLAIN;
INSERT INTO logs SELECT i, CASE WHEN i % 10 = 0 THEN '2026-01-01'::timestamptz + i * interval '1 second' ELSE '2026-10-01' END, repeat('x', 7000) FROM generate_series(1, 9000) i;`

func TestSweepByHeapAndByIndexAgree(t *testing.T) {
	t.Parallel()
	for name, index := range map[string]string{"heap": "", "index": "CREATE INDEX ON logs (at); ANALYZE logs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, wide+index)
			s := sourceOf(t, pool, "app", postgres.Options{})
			x, err := s.Expired(t.Context(), logSelection(t, source.Delete), "")
			if err != nil || x.Expired != 900 || x.Held != 0 || x.Total != 9000 {
				t.Fatalf("900 of 9000 rows have expired, got %+v, %v", x, err)
			}
			changed, places := sweepAll(t, s, logSelection(t, source.Delete), 100)
			if changed != 900 || count(t, pool, `SELECT count(*) FROM logs`) != 8100 || count(t, pool, `SELECT count(*) FROM logs WHERE at < '2026-06-01'`) != 0 {
				t.Errorf("the 900 rows that have expired are gone and no others, %d changed", changed)
			}
			if byIndex := strings.HasPrefix(places[0], "i:"); byIndex != (index != "") {
				t.Errorf("a large table is read by the index if there is one, positions were %v", places)
			}
			if index == "" && !strings.HasPrefix(places[len(places)-1], "1:") {
				t.Errorf("nothing was left for a second pass, positions were %v", places)
			}
		})
	}
}

// TestSweepWithVeryManyHeldRows: each row is looked up among those that are held,
// not compared with one after another, also when the statement is an old acquaintance.
func TestSweepWithVeryManyHeldRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE logs (id bigint PRIMARY KEY, at timestamptz, what text);
		INSERT INTO logs SELECT i, '2026-01-01', 'x' FROM generate_series(1, 80000) i`)
	s := sourceOf(t, pool, "app", postgres.Options{StatementTimeout: 5 * time.Second})
	sel := logSelection(t, source.Delete)
	for id := 1001; id <= 80000; id++ {
		sel.HeldRows = append(sel.HeldRows, strconv.Itoa(id))
	}
	if x, err := s.Expired(t.Context(), sel, ""); err != nil || x.Expired != 1000 || x.Held != 79000 {
		t.Fatalf("1,000 rows have expired and 79,000 are held, got %+v, %v", x, err)
	}
	if changed, _ := sweepAll(t, s, sel, 100); changed != 1000 {
		t.Errorf("the 1,000 rows that nothing holds should be gone, %d changed", changed)
	}
}

func TestSweepOfPartitions(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE logs (id bigint, at timestamptz, what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2026-05-01');
		CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM ('2026-05-01') TO (MAXVALUE);
		INSERT INTO logs SELECT i, '2026-04-01'::timestamptz + i * interval '1 hour', 'w' FROM generate_series(1, 3000) i`)
	s := sourceOf(t, pool, "app", postgres.Options{})
	old := count(t, pool, `SELECT count(*) FROM logs WHERE at < '2026-06-01'`)
	if changed, _ := sweepAll(t, s, logSelection(t, source.Null), 70); changed != old || count(t, pool, `SELECT count(*) FROM logs WHERE what IS NULL`) != old {
		t.Errorf("%d rows of both partitions should be emptied, %d were", old, changed)
	}
	if changed, _ := sweepAll(t, s, logSelection(t, source.Null), 70); changed != 0 {
		t.Errorf("a second sweep finds nothing, it changed %d", changed)
	}
	if changed, _ := sweepAll(t, s, logSelection(t, source.Delete), 70); changed != old || count(t, pool, `SELECT count(*) FROM logs`) != 3000-old {
		t.Errorf("%d rows of both partitions should be deleted, %d were", old, changed)
	}
}

// TestSweepOfHeirs: one place is a row of the table and of each that inherits from it;
// only the one that has expired goes, wherever it stands.
func TestSweepOfHeirs(t *testing.T) {
	t.Parallel()
	for _, then := range []source.Action{source.Delete, source.Null} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, `CREATE TABLE logs (id bigint PRIMARY KEY, at timestamptz, what text); CREATE TABLE heirs (more text) INHERITS (logs); CREATE TABLE grandchildren () INHERITS (heirs);
			INSERT INTO logs SELECT i, CASE WHEN i < 6 THEN '2026-01-01' ELSE '2026-10-01' END::timestamptz, 'old' FROM generate_series(1, 10) i;
			INSERT INTO heirs SELECT i, '2026-10-01', 'young' FROM generate_series(11, 20) i;
			INSERT INTO grandchildren SELECT i, CASE WHEN i > 900 THEN '2026-01-01' ELSE '2026-10-01' END::timestamptz, repeat('x', 500) FROM generate_series(21, 1000) i`)
		s := sourceOf(t, pool, "app", postgres.Options{})
		changed, _ := sweepAll(t, s, logSelection(t, then), 30)
		if left := count(t, pool, `SELECT count(*) FROM logs WHERE at < '2026-06-01' AND what IS NOT NULL`); changed != 105 || left != 0 {
			t.Errorf("%s: 105 rows have expired, %d were changed and %d are left", then, changed, left)
		}
		if young := count(t, pool, `SELECT count(*) FROM logs WHERE at > '2026-06-01' AND what IS NOT NULL`); young != 895 {
			t.Errorf("%s: 895 rows have not expired, %d are as they were", then, young)
		}
	}
}

// TestSweepOfAPartitionElsewhere: one of another server has no size here, and is read to its end.
func TestSweepOfAPartitionElsewhere(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	c := pool.Config().ConnConfig
	pgtest.Exec(t, pool, `CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '`+c.Host+`', port '`+strconv.Itoa(int(c.Port))+`', dbname '`+c.Database+`');
		CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '`+c.User+`'); CREATE TABLE archive (id bigint, at timestamptz, what text);
		CREATE TABLE logs (id bigint, at timestamptz, what text) PARTITION BY RANGE (id); CREATE TABLE here PARTITION OF logs FOR VALUES FROM (1001) TO (2000);
		CREATE FOREIGN TABLE there PARTITION OF logs FOR VALUES FROM (1) TO (1001) SERVER far OPTIONS (table_name 'archive')`)
	pgtest.Exec(t, pool, `INSERT INTO logs SELECT i, CASE WHEN i % 2 = 0 THEN '2026-01-01' ELSE '2026-10-01' END::timestamptz, repeat('x', 500) FROM generate_series(1, 1010) i`)
	changed, _ := sweepAll(t, sourceOf(t, pool, "app", postgres.Options{}), logSelection(t, source.Delete), 200)
	if left := count(t, pool, `SELECT count(*) FROM logs`); changed != 505 || left != 505 {
		t.Errorf("505 of 1,010 rows have expired, %d were deleted and %d are left", changed, left)
	}
}

// TestSweepUnlessOfOtherTypes: a counterpart is told as a reference is.
func TestSweepUnlessOfOtherTypes(t *testing.T) {
	t.Parallel()
	for name, types := range map[string][4]string{
		"a UUID in capitals": {"uuid", "0b5fb6e8-4f6c-4f0e-9a70-5a3e1c6f0a01", "text", "0B5FB6E8-4F6C-4F0E-9A70-5A3E1C6F0A01"},
		"numbers":            {"int", "7", "numeric(6,2)", "7.00"},
		"days":               {"date", "2026-01-02", "timestamp", "2026-01-02 00:00"},
		"other collations":   {`text COLLATE "C"`, "x", `text COLLATE "POSIX"`, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `CREATE TABLE logs (id `+types[0]+`, at date, what text); CREATE TABLE cases (log `+types[2]+`);
				INSERT INTO logs VALUES ('`+types[1]+`', '2026-01-01', 'wanted'), (NULL, '2026-01-01', 'old'); INSERT INTO cases VALUES ('`+types[3]+`')`)
			d := mapOf(t, logMap+"      - name: cases\n        fields: [{name: log, data_categories: [system.operations]}]\n").Datasets[0]
			d.Collections[0].Fields[0].PrimaryKey = false
			sel := source.Selection{Collection: d.Collections[0], StartsAt: "at", Before: cutoff, Then: source.Delete,
				Unless: &source.Counterpart{Collection: d.Collections[1], Link: map[string]string{"id": "log"}}}
			changed, _ := sweepAll(t, sourceOf(t, pool, "app", postgres.Options{}), sel, 10)
			if left := text(t, pool, `SELECT string_agg(what, ' ') FROM logs`); changed != 1 || left != "wanted" {
				t.Errorf("the row with a counterpart should stay, left is %q", left)
			}
		})
	}
}

// TestSweepByIndexFromTheBeginningOfTime: more rows than a slice takes may hold -infinity.
func TestSweepByIndexFromTheBeginningOfTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, wide+`UPDATE logs SET at = '-infinity' WHERE at < '2026-06-01' AND id > 100; CREATE INDEX ON logs (at); ANALYZE logs`)
	changed, places := sweepAll(t, sourceOf(t, pool, "app", postgres.Options{}), logSelection(t, source.Delete), 100)
	if changed != 900 || !strings.HasPrefix(places[0], "i:") {
		t.Errorf("the 900 rows that have expired should be gone by the index, %d changed, positions were %v", changed, places)
	}
}

func TestLockedRowsAreSkippedAndComeNextTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE logs (id bigint PRIMARY KEY, at timestamptz, what text); INSERT INTO logs SELECT i, '2026-01-01', 'w' FROM generate_series(1, 20) i`)
	s := sourceOf(t, pool, "app", postgres.Options{LockTimeout: 100 * time.Millisecond})
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `UPDATE logs SET what = 'busy' WHERE id IN (3, 7)`); err != nil {
		t.Fatal(err)
	}
	if changed, _ := sweepAll(t, s, logSelection(t, source.Delete), 5); changed != 18 {
		t.Errorf("the shop goes on working on two rows: 18 are deleted without waiting, got %d", changed)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if changed, _ := sweepAll(t, s, logSelection(t, source.Delete), 5); changed != 2 {
		t.Errorf("the next sweep takes the two, got %d", changed)
	}
}

func TestStartsOfEveryType(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"timestamptz": "-infinity 2026-05-31 23:59:59.999999+00",
		"timestamp":   "-infinity 2026-05-31 23:59:59.999999",
		"date":        "-infinity 2026-05-31",
	} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `SET timezone = 'UTC'; CREATE TABLE logs (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at `+typ+`, what text);
				INSERT INTO logs (at, what) SELECT v::`+typ+`, v::`+typ+`::text FROM unnest(ARRAY['-infinity', '2026-05-31 23:59:59.999999+00', '2026-06-01 00:00:00+00', '2026-12-01 00:00:00+00', 'infinity', NULL]) v`)
			x, err := sourceOf(t, pool, "app", postgres.Options{}).Expired(t.Context(), logSelection(t, source.Delete), "what")
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []string{"-infinity"} {
				if x.By[v] != 1 {
					t.Errorf("%s: %s lies before the cutoff, got %v", typ, v, x.By)
				}
			}
			if x.Expired != 2 {
				t.Errorf("%s: two rows have expired (%s), got %v", typ, want, x.By)
			}
		})
	}
}

func TestSelectionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE logs (id bigint PRIMARY KEY, at text, what int NOT NULL)`)
	s := sourceOf(t, pool, "app", postgres.Options{})
	null := logSelection(t, source.Null)
	null.StartsAt = ""
	ip := null
	ip.Then = source.TruncateIP
	missing := null
	missing.Columns = []source.ColumnChange{{Column: "nothing"}}
	elsewhere := logSelection(t, source.Delete)
	elsewhere.StartsAt, elsewhere.ValueColumn, elsewhere.ValueIn = "", "at", []string{"app.logs.what"}
	for want, sel := range map[string]source.Selection{
		"app.logs.at is of type text: a period counts from a timestamp or a date": logSelection(t, source.Delete),
		"app.logs.what is NOT NULL":                  null,
		"of type integer, which holds no IP address": ip,
		"has no column nothing":                      missing,
		"of type integer, which holds no random":     elsewhere,
	} {
		if _, err := s.Sweep(t.Context(), sel, "", 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the selection should be refused with %q, got %v", want, err)
		}
	}
	pgtest.Exec(t, pool, `ALTER TABLE logs ADD loud text GENERATED ALWAYS AS (upper(at)) STORED; CREATE RULE kept AS ON DELETE TO logs DO INSTEAD NOTHING`)
	made, ruled := null, logSelection(t, source.Delete)
	made.Columns, ruled.StartsAt = []source.ColumnChange{{Column: "loud"}}, ""
	for want, sel := range map[string]source.Selection{
		"app.logs.loud is made by Postgres of other columns":                    made,
		"app.logs has a rule (CREATE RULE) by which its rows cannot be deleted": ruled,
	} {
		if _, err := s.Expired(t.Context(), sel, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the selection should be refused with %q, got %v", want, err)
		}
	}
	for _, from := range []string{"x", "1:2", "3:0:0", "i:", "i:1:2", "1:0:x"} {
		if _, err := s.Sweep(t.Context(), null, from, 10); err == nil {
			t.Errorf("the position %q should be refused", from)
		}
	}
	if _, err := s.Sweep(t.Context(), null, "", 0); err == nil {
		t.Error("a slice of no rows should be refused: it would never end")
	}
}
