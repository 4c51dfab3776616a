package dsar

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/objects"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// stumbling is a real source that fails, or whose process dies, at the note:
// the transaction is not committed.
type stumbling struct {
	*postgres.Source
	fail error
	dies bool // after the note, before the commit
}

func (s *stumbling) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	if s.fail != nil {
		return source.Note{}, s.fail
	}
	dying := s.dies
	s.dies = false
	done, err := s.Source.Erase(ctx, w, h, func(ctx context.Context, n source.Note) error {
		if err := note(ctx, n); err != nil || !dying {
			return err
		}
		return errKilled
	})
	if dying {
		panic(killed)
	}
	return done, err
}

// keptDueBench is a fulfilled erasure that left two bills, on the day after the
// first one's end.
func keptDueBench(t *testing.T) (*workBundle, *killable, *stumbling, int64) {
	t.Helper()
	b, k := keptBench(t)
	s := &stumbling{Source: k.Source}
	b.c.Sources["shop"] = s
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	b.minuteAt(t, "2035-02-02T09:00:00Z")
	return b, k, s, id
}

// expectKept fails unless so many keys are still owed and so many entries say
// that kept rows were finished.
func (b *workBundle) expectKept(t *testing.T, owed, told int) {
	t.Helper()
	var keys, entries int
	if err := b.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM kept WHERE cipher IS NOT NULL),
		(SELECT count(*) FROM ledger WHERE type = 'kept.finished')`).Scan(&keys, &entries); err != nil {
		t.Fatal(err)
	}
	if keys != owed || entries != told {
		t.Errorf("expected %d kept rows to be owed and %d entries in the ledger, got %d and %d", owed, told, keys, entries)
	}
}

// Two workers have the same kept step at once: the row goes, and is told once.
func TestTwoWorkersFinishKeptRows(t *testing.T) {
	t.Parallel()
	b, src, _, id := keptDueBench(t)
	w := b.job(t, id, stageKept, "shop")
	if err := b.Minute(t.Context(), nil); err != nil { // another process's minute makes no second step
		t.Fatal(err)
	}
	var steps int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM test_queue WHERE kind = 'step'`).Scan(&steps); err != nil || steps != 1 {
		t.Errorf("expected one job for the kept rows, got %d, %v", steps, err)
	}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i := range errs {
		both.Go(func() { errs[i] = b.RunStep(context.WithoutCancel(t.Context()), w.ID, w.Run) })
	}
	both.Wait()
	b.work(t) // one whose commit the other waited for is tried again
	for _, err := range errs {
		if perm := (*Permanent)(nil); errors.As(err, &perm) {
			t.Errorf("expected neither worker to fail for good, got %v", err)
		}
	}
	if st := b.step(t, id, stageKept, "shop"); st.Status != "done" {
		if err := b.run(t, b.job(t, id, stageKept, "shop")); err != nil {
			t.Fatal(err)
		}
	}
	if ids := src.bills(t); len(ids) != 2 || ids[0] != 1 || ids[1] != 4 {
		t.Errorf("expected bill 2 alone to be gone, left are %v", ids)
	}
	b.expectKept(t, 1, 1)
}

// A kept step that fails says why, is not made anew each minute, and a person's
// retry finishes it, though the request itself was fulfilled long ago.
func TestAFailedKeptStepIsRetried(t *testing.T) {
	t.Parallel()
	b, src, real, id := keptDueBench(t)
	real.fail = &pgconn.PgError{Code: "42501", Message: "permission denied", Detail: "pavla@example.org"}
	var perm *Permanent
	if errs := b.work(t); len(errs) != 1 || !errors.As(errs[0], &perm) || strings.Contains(errs[0].Error(), "pavla") {
		t.Fatalf("expected one permanent error without contents, got %v", errs)
	}
	b.minuteAt(t, "2035-02-04T09:00:00Z")
	b.worked(t)
	st := b.step(t, id, stageKept, "shop")
	if st.Status != "failed" || !strings.Contains(st.Message, "Grant them") {
		t.Errorf("expected the step to stay failed and to say what to do, it is %s: %q", st.Status, st.Message)
	}
	b.expectKept(t, 2, 0)
	real.fail = nil
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if ids := src.bills(t); len(ids) != 2 || ids[0] != 1 {
		t.Errorf("expected bill 2 to be gone after the retry, left are %v", ids)
	}
	b.expectKept(t, 1, 1)
}

// The process dies after the note and before the commit: nothing was erased,
// nothing is forgotten, and the next run does it.
func TestAKillBeforeTheCommitOfKeptRows(t *testing.T) {
	t.Parallel()
	b, src, real, id := keptDueBench(t)
	real.dies = true
	if errs := b.work(t); len(errs) != 1 || !errors.Is(errs[0], errKilled) {
		t.Fatalf("expected one killed job, got %v", errs)
	}
	if ids := src.bills(t); len(ids) != 3 {
		t.Fatalf("expected no bill to be gone without a commit, left are %v", ids)
	}
	b.expectKept(t, 2, 0)
	if err := b.run(t, b.job(t, id, stageKept, "shop")); err != nil {
		t.Fatal(err)
	}
	if ids := src.bills(t); len(ids) != 2 || ids[0] != 1 {
		t.Errorf("expected bill 2 to be gone, left are %v", ids)
	}
	b.expectKept(t, 1, 1)
}

// A kept row's file stays with the row and goes with it, though the process
// dies between the two; a file that another person's row names stays.
func TestFilesOfKeptRowsGoAtTheirEnd(t *testing.T) {
	t.Parallel()
	pool, dir := pgtest.Empty(t), t.TempDir()
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE tax_bills (id bigint PRIMARY KEY, person bigint, name text, phone text, issued_on date, scan text);
		CREATE INDEX ON people (lower(mail)); CREATE INDEX ON tax_bills (person); CREATE INDEX ON tax_bills (scan);
		INSERT INTO people VALUES (1, 'Pavla@example.org'), (2, 'else@example.org');
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2025-01-31', 'own.pdf'), (2, 1, 'Pavla Ng', '+420601', '2025-01-31', 'both.pdf'),
			(3, 2, 'Else', '+420602', '2025-01-31', 'both.pdf'), (4, 1, 'Pavla Ng', NULL, '1999-01-31', 'old.pdf')`)
	for _, name := range []string{"own.pdf", "both.pdf", "old.pdf"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("scan"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	real, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := objects.New("attic", "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	dying := &mortal{Source: real}
	b := newWorkWith(t, keepsMap+"          - {name: scan, data_categories: [user.content], lethe: {object: attic}}\n",
		map[string]Source{"shop": namer{dying, real}}, map[string]FileStore{"attic": folder})
	files := func() string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i] = filepath.Base(list[i])
		}
		return strings.Join(list, " ")
	}
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	if got := files(); got != "both.pdf own.pdf" {
		t.Fatalf("expected the files of kept bills to stay and that of the old one to go, left are %q", got)
	}
	dying.dies = true
	b.minuteAt(t, "2035-02-02T09:00:00Z")
	b.killedOnce(t, id, stageKept)
	if got := files(); got != "both.pdf" {
		t.Errorf("expected the file that no row names to go with its bill, left are %q", got)
	}
	b.expectKept(t, 0, 1)
	expectNowhere(t, b.dump(t), "own.pdf", "both.pdf")
}

// Kept rows lie in several shards, of which one is away when their end comes:
// the step waits and names it, and nothing is lost.
func TestKeptRowsOverShards(t *testing.T) {
	t.Parallel()
	const tables = `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE tax_bills (id bigint PRIMARY KEY, person bigint, name text, phone text, issued_on date);
		CREATE INDEX ON people (lower(mail)); CREATE INDEX ON tax_bills (person);`
	var parts []shards.Part
	var pools []*pgxpool.Pool
	var last *away
	for i, rows := range []string{
		`INSERT INTO people VALUES (1, 'pavla@example.org'); INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '2025-01-31')`,
		`INSERT INTO tax_bills VALUES (2, 1, 'Pavla Ng', '+420601', '2025-01-31'), (3, 2, 'Else', '+420602', '2025-01-31')`,
	} {
		pool := pgtest.Empty(t)
		pgtest.Exec(t, pool, tables+rows)
		real, err := postgres.New("shop", pool, postgres.Options{Shard: true})
		if err != nil {
			t.Fatal(err)
		}
		last = &away{Source: real}
		name := string(rune('1' + i))
		parts = append(parts, shards.Part{Name: "shop, shard " + name, ID: "s" + name, Server: name, Database: last})
		pools = append(pools, pool)
	}
	src, err := shards.New("shop", parts, shards.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newWorkOver(t, keepsMap, map[string]Source{"shop": src})
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	b.expectKept(t, 2, 0)
	last.erasing = true
	b.minuteAt(t, "2035-02-02T09:00:00Z")
	b.work(t)
	if st := b.step(t, id, stageKept, "shop"); st.Status != "waiting" || !strings.Contains(st.Message, "shop, shard 2 cannot be reached") {
		t.Errorf("expected the step to wait and to name the shard, it is %s: %q", st.Status, st.Message)
	}
	last.erasing = false
	if err := b.run(t, b.job(t, id, stageKept, "shop")); err != nil {
		t.Fatal(err)
	}
	b.expectKept(t, 0, 1)
	for i, want := range []string{"{}", "{3}"} {
		var got string
		if err := pools[i].QueryRow(t.Context(), `SELECT coalesce(array_agg(id ORDER BY id), '{}')::text FROM tax_bills`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("expected the bills %s to be left in shard %d, got %s", want, i+1, got)
		}
	}
}
