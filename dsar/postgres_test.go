package dsar

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

const shopSchema = `
CREATE TABLE people (id bigint PRIMARY KEY, firm bigint, name text, mail text);
CREATE TABLE orders (id bigint PRIMARY KEY, firm bigint, person bigint REFERENCES people, note text);
CREATE TABLE lines  (id bigint PRIMARY KEY, ordered bigint REFERENCES orders, what text);
CREATE INDEX ON people (lower(mail)); CREATE INDEX ON orders (person); CREATE INDEX ON lines (ordered);
INSERT INTO people VALUES (1, 1, 'Pavla Ng', 'Pavla@Example.org'), (2, 1, 'Karel Novák', 'karel@example.org'), (3, 2, 'Pavla Ng', 'pavla@example.org');
INSERT INTO orders VALUES (10, 1, 1, 'ring twice'), (11, 1, 1, NULL), (12, 1, 2, 'mine'), (13, 2, 3, 'other firm');
INSERT INTO lines  VALUES (100, 10, 'boots'), (101, 10, '=cmd()'), (102, 12, 'laces'), (103, 13, 'gloves');`

const shopMap = `
dataset:
  - fides_key: shop
    name: Shop
    lethe: {source: shop, basis: b, origin: the person}
    collections:
      - name: people
        lethe: {controller: firm}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: firm, data_categories: [system.operations]}
          - {name: name, data_categories: [user.name]}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: orders
        lethe: {controller: firm}
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: firm, data_categories: [system.operations]}
          - {name: person, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: note, data_categories: [user.content]}
      - name: lines
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: ordered, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: orders.id, direction: from}]}}
          - {name: what, data_categories: [user.content]}
`

// mortal is a real source whose process dies right after its commit.
type mortal struct {
	Source
	dies bool
}

func (m *mortal) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	n, err := m.Source.Erase(ctx, w, h, note)
	if m.dies && err == nil {
		m.dies = false
		panic(killed)
	}
	return n, err
}

// overPostgres is a service over one database, "shop", with these tables and rows.
func overPostgres(t *testing.T, yaml, sql string) *workBundle {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, sql)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newWorkOver(t, yaml, map[string]Source{"shop": src})
}

func newShop(t *testing.T) (*workBundle, *pgxpool.Pool, *mortal) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema)
	real, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{Source: real}
	return newWorkOver(t, shopMap, map[string]Source{"shop": m}), pool, m
}

// left says what stands in the shop: "people 2 3, orders 12 13, …".
func left(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var out string
	err := pool.QueryRow(t.Context(), `
		SELECT concat_ws(', ', (SELECT 'people ' || string_agg(id::text, ' ' ORDER BY id) FROM people),
			(SELECT 'orders ' || string_agg(id::text, ' ' ORDER BY id) FROM orders),
			(SELECT 'lines ' || string_agg(id::text, ' ' ORDER BY id) FROM lines))`).Scan(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAccessOverPostgres(t *testing.T) {
	t.Parallel()
	b, pool, _ := newShop(t)
	before := left(t, pool)
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	l := b.mail.one(t, "archive")
	if l.To != "Pavla@Example.org" {
		t.Errorf("expected the letter to go to the bytes as they stand in the source, it went to %s", l.To)
	}
	data, err := b.download(t, l)
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	for file, words := range map[string][]string{
		"data/shop/people.json": {"Pavla@Example.org"}, "data/shop/orders.json": {"ring twice"}, "data/shop/lines.json": {"boots", "=cmd()"},
	} {
		for _, w := range words {
			if !strings.Contains(files[file], w) {
				t.Errorf("expected %q in %s, got %s", w, file, files[file])
			}
		}
		for _, foreign := range []string{"karel", "mine", "other firm", "laces", "gloves"} {
			if strings.Contains(files[file], foreign) {
				t.Errorf("expected nothing of others in %s, found %q", file, foreign)
			}
		}
	}
	if after := left(t, pool); after != before {
		t.Errorf("expected an access request to change nothing, got %s", after)
	}
}

// The process dies between the source's commit and ours: the second run asks
// Postgres what became of the transaction, and uses the counts noted.
func TestErasureOverPostgresKilled(t *testing.T) {
	t.Parallel()
	b, pool, m := newShop(t)
	m.dies = true
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	errs := b.work(t)
	if len(errs) != 1 || !errors.Is(errs[0], errKilled) {
		t.Fatalf("expected one killed job, got %v", errs)
	}
	b.expectStatus(t, id, Running)
	if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	for collection, want := range map[string]int64{"shop.people": 1, "shop.orders": 2, "shop.lines": 2} {
		if f := findingIn(t, q.Findings, collection); f.Erased != want {
			t.Errorf("expected %d erased rows of %s on the record, got %d", want, collection, f.Erased)
		}
	}
	if got, want := left(t, pool), "people 2 3, orders 12 13, lines 102 103"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
	expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "ring twice")
}

// A source without rights, without a table, without a column: sentences, and
// the request goes on once that is put right.
func TestPostgresInTrouble(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, breaks, mends string
		passes              bool
	}{
		{"read-only", `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`,
			`BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$; COMMIT`, true},
		{"a table is gone", `ALTER TABLE lines RENAME TO lines_old`, `ALTER TABLE lines_old RENAME TO lines`, false},
		{"a column is gone", `ALTER TABLE lines RENAME COLUMN what TO what_old`, `ALTER TABLE lines RENAME COLUMN what_old TO what`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, pool, _ := newShop(t)
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			pgtest.Exec(t, pool, tc.breaks)
			pool.Reset()
			errs := b.work(t)
			var perm *Permanent
			if len(errs) != 1 || errors.As(errs[0], &perm) == tc.passes {
				t.Fatalf("expected one error, passing: %t, got %v", tc.passes, errs)
			}
			st := b.step(t, id, "erase", "shop")
			if (st.Status == "failed") == tc.passes || !strings.Contains(st.Message, "shop") {
				t.Errorf("expected the step to say what is wrong with the source, it is %s: %q", st.Status, st.Message)
			}
			expectNowhere(t, errs[0].Error()+st.Message, "pavla")
			pgtest.Exec(t, pool, tc.mends)
			pool.Reset() // the session that mended it is read only itself
			var err error
			if tc.passes { // the queue's next try
				err = b.run(t, b.job(t, id, "erase", "shop"))
			} else {
				err = b.Retry(t.Context(), dpo, id)
			}
			if err != nil {
				t.Fatal(err)
			}
			b.worked(t)
			b.expectStatus(t, id, Fulfilled)
		})
	}
}

// erasedWithLines is the letter of an erasure that masks the shop's lines by a
// strategy, rather than delete them.
func erasedWithLines(t *testing.T, strategy string) Letter {
	t.Helper()
	at := strings.Index(shopMap, "      - name: lines")
	b := overPostgres(t, shopMap[:at]+strings.NewReplacer(
		"        fides_meta: {masking_strategy_override: {strategy: delete}}\n", "",
		"{name: what, data_categories: [user.content]}", "{name: what, data_categories: [user.content], fides_meta: {masking_strategy_override: {strategy: "+strategy+"}}}",
	).Replace(shopMap[at:]), shopSchema)
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	return b.mail.one(t, "erased")
}

// TestTheLetterSaysWhatIsPreserved: what an erasure leaves in a masked row was not removed.
func TestTheLetterSaysWhatIsPreserved(t *testing.T) {
	t.Parallel()
	l := erasedWithLines(t, "preserve")
	if got := l.Remains["shop.lines"]; !slices.Equal(got, []string{"what"}) {
		t.Errorf("expected the letter to know that what stood in the lines stays, got %v", l.Remains)
	}
}

// TestTheLetterSaysWhatIsPseudonymised: what was hashed can be told again by who
// holds the key, and the letter must not call it removed.
func TestTheLetterSaysWhatIsPseudonymised(t *testing.T) {
	t.Parallel()
	l := erasedWithLines(t, "hmac")
	masked := map[string]int64{}
	for _, f := range l.Findings {
		masked[f.Collection] = f.Masked
	}
	if len(l.Coded) != 1 || !l.Coded["shop.lines"] || masked["shop.lines"] != 2 || masked["shop.people"] != 1 {
		t.Errorf("expected two hashed lines to be told apart from what is masked, got %v of %v", l.Coded, masked)
	}
}

// A picture in a column reaches the person as a file, in pieces: its row names it.
func TestAccessWithLongValue(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, `
dataset:
  - fides_key: shop
    name: Shop
    lethe: {source: shop, basis: b, origin: the person}
    collections:
      - name: people
        fields:
          - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: photo, data_categories: [user.content]}
`, `CREATE TABLE people (id bigint PRIMARY KEY, mail text, photo bytea); CREATE INDEX ON people (lower(mail));
		INSERT INTO people VALUES (1, 'pavla@example.org', decode(repeat('ff00', 1500000), 'hex'))`)
	id := b.approved(t, datamap.Access, "pavla@example.org")
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
	data, err := b.download(t, b.mail.one(t, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, data)
	const photo = "files/shop/people/photo/1.bin"
	if files[photo] != strings.Repeat("\xff\x00", 1_500_000) {
		t.Errorf("expected the picture's three million bytes in %s, got %d", photo, len(files[photo]))
	}
	for _, name := range []string{"data/shop/people.json", "data/shop/people.csv", "index.html", "manifest.json"} {
		if !strings.Contains(files[name], photo) || len(files[name]) > 100_000 {
			t.Errorf("expected %s to name the file and not to hold it; it has %d bytes", name, len(files[name]))
		}
	}
}

// overtime is a context whose deadline passes when end is called: on a busy machine
// a real one could pass before the step is where the test wants it.
type overtime struct {
	context.Context
	over chan struct{}
	end  func()
}

func newOvertime(ctx context.Context) *overtime {
	over := make(chan struct{})
	return &overtime{ctx, over, sync.OnceFunc(func() { close(over) })}
}

func (o *overtime) Done() <-chan struct{} { return o.over }

func (o *overtime) Err() error {
	select {
	case <-o.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// lingering is a real source whose rows come until the reader's time is over.
type lingering struct {
	Source
	reading func()
}

type lingeringSnapshot struct {
	source.Snapshot
	reading func()
}

func (l *lingering) Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error) {
	snap, err := l.Source.Snapshot(ctx, w)
	return lingeringSnapshot{snap, l.reading}, err
}

func (l lingeringSnapshot) Rows(ctx context.Context, _ string, _ func(source.Row) error) error {
	l.reading()
	<-ctx.Done()
	return ctx.Err()
}

// A copy that takes longer than a job may is not the source's fault.
func TestLongCopy(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema)
	real, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := newOvertime(t.Context())
	b := newWorkOver(t, shopMap, map[string]Source{"shop": &lingering{real, ctx.end}})
	id := b.approved(t, datamap.Access, "pavla@example.org")
	w := b.job(t, id, "archive", "")
	err = b.RunStep(ctx, w.ID, w.Run)
	st := b.step(t, id, "archive", "")
	if perm := (*Permanent)(nil); err == nil || errors.As(err, &perm) || st.Status != "waiting" || st.Error != "long_copy" || !strings.Contains(st.Message, "job_limit") {
		t.Errorf("expected the copy to be tried again and the limit to be named, the step is %s (%s): %q (%v)", st.Status, st.Error, st.Message, err)
	}
}

// Rows that the application keeps locked: the step says so, naming their table, and
// is tried again until they are free, however often.
func TestLockedRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema)
	real, err := postgres.New("shop", pool, postgres.Options{LockTimeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b := newWorkOver(t, shopMap, map[string]Source{"shop": real})
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM orders WHERE id = 11 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	w := b.job(t, id, "erase", "shop")
	for i := range 20 { // more often than the queue would try
		var locked *Locked
		if err := b.RunStep(t.Context(), w.ID, w.Run); !errors.As(err, &locked) || locked.Times != i+1 {
			t.Fatalf("expected the step to be put off for the lock, for the %dth time; got %v", i+1, err)
		}
	}
	st := b.step(t, id, "erase", "shop")
	if st.Status != "waiting" || st.Error != "source_locked" || !strings.Contains(st.Message, "rows in the table orders that another session keeps locked") {
		t.Errorf("expected the step to wait and to name the table, it is %s (%s): %q", st.Status, st.Error, st.Message)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.RunStep(t.Context(), w.ID, w.Run); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}

// Rows that a trigger keeps from going are told with their table: nothing else says
// where to look.
func TestRowsThatDoNotGoAreNamed(t *testing.T) {
	t.Parallel()
	b := overPostgres(t, keepsMap, keepsSchema+`
		INSERT INTO tax_bills VALUES (1, 1, 'Pavla Ng', '+420601', '1999-01-31');
		CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE TRIGGER stay BEFORE DELETE ON tax_bills FOR EACH ROW EXECUTE FUNCTION stay();`)
	b.approved(t, datamap.Erasure, "pavla@example.org")
	errs := b.work(t)
	var final *Permanent
	if len(errs) != 1 || !errors.As(errs[0], &final) || final.Code != "not_gone" || !strings.Contains(final.Err.Error(), "in the source shop (shop.tax_bills): something keeps writing them, or a trigger undoes what is done") {
		t.Errorf("expected the table whose rows do not go, got %v", errs)
	}
}

// A trigger that notes old values in a table of the map writes them anew while they are
// erased. They hang on a row that holds no identity any more, so that no later pass
// finds them: the step says that somebody has to delete them, and a retry then ends it.
func TestRowsThatATriggerNotesDown(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id bigint PRIMARY KEY, mail text);
		CREATE TABLE log (id bigserial PRIMARY KEY, person bigint, old text);
		CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (person, old) VALUES (OLD.id, OLD.mail); RETURN NEW; END $$;
		CREATE TRIGGER noted AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION noted();
		INSERT INTO people VALUES (1, 'pavla@example.org');`)
	src, err := postgres.New("shop", pool, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newWorkOver(t, `
dataset:
  - fides_key: shop
    collections:
      - name: people
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: mail, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: log
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true, data_type: integer}}
          - {name: person, fides_meta: {references: [{dataset: shop, field: people.id, direction: from}]}}
          - {name: old, data_categories: [user.content]}
`, map[string]Source{"shop": src})
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	b.work(t)
	if st := b.step(t, id, "erase", "shop"); st.Error != "not_gone" || !strings.Contains(st.Message, "shop.log") || !strings.Contains(st.Message, "deleted by hand") {
		t.Fatalf("expected the step to say that the rows of shop.log have to be deleted by hand, it is %s (%s): %s", st.Status, st.Error, st.Message)
	}
	pgtest.Exec(t, pool, "DROP TRIGGER noted ON people; DELETE FROM log WHERE person = 1")
	if err := b.Retry(t.Context(), dpo, id); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	b.expectStatus(t, id, Fulfilled)
}
