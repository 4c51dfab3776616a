package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/devpg"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/sample"
	"github.com/lethe-dsr/lethe/jobs"
	"github.com/lethe-dsr/lethe/migrations"
)

// The product's benchmarks. `make bench` runs them and prints a table; what they
// measured and what holds it stands in docs/benchmarks.md.
//
// Each takes turns between the ways that it compares, several rounds in one run,
// and reports medians: a machine that is busy with something else for a while
// slows both ways down. Postgres keeps fsync on, as a real server has it.

// BenchmarkIdle plays access requests one after the other on the idle demo, as
// `lethe demo --once` does: form, confirmation by the link in the mail, approval,
// download, all over HTTP. Ten is what the public form's rate limits let
// one visitor do in a minute.
func BenchmarkIdle(b *testing.B) {
	w := &world{out: io.Discard, err: io.Discard, now: time.Now, env: os.LookupEnv}
	d, err := (&demoCmd{Once: true, Addr: "127.0.0.1:0"}).set(b.Context(), w)
	if d != nil {
		defer d.close()
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.app.serve(ctx, d.serving(func() { close(ready) })) }()
	defer func() { cancel(); <-ended }()
	<-ready
	people, err := sample.Pick(ctx, d.shop, 10)
	if err != nil {
		b.Fatal(err)
	}
	subject, err := newVisitor(d.origin)
	if err != nil {
		b.Fatal(err)
	}
	dpo, err := newVisitor(d.origin)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := dpo.post(ctx, strings.TrimPrefix(d.link, d.origin), nil); err != nil {
		b.Fatal(err)
	}
	var took []float64
	for _, p := range people {
		s, err := d.request(ctx, datamap.Access, p, subject, dpo)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, float64(s.Took))
	}
	slices.Sort(took)
	report(b, "access", map[string]float64{"p50-ms": median(took), "max-ms": took[len(took)-1]})
}

// BenchmarkQueueFull takes in as many requests at once as the queue is to hold,
// approves each when its findings are there, and waits until all are fulfilled;
// beside it a bare skeleton of jobs and mails (bench_skeleton_test.go), and the
// queue alone, with the same client, workers and database, whose jobs do nothing.
// "of-skeleton" is the ratio of the medians. An erasure of the example sends two
// mails, since a recipient is told of it; the skeleton sends one, and so does
// "erasure-one-mail".
func BenchmarkQueueFull(b *testing.B) {
	n := fromEnv("LETHE_BENCH_REQUESTS", 2000)
	t := newTrack(b)
	t.shop(b, n, 5)
	takeTurns(b, []way{
		{"noop", "jobs/s", func(b *testing.B) float64 { return t.noop(b, 5*n) }},
		{"skeleton", "requests/s", func(b *testing.B) float64 { return t.skeleton(b, n) }},
		{string(datamap.Access), "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Access, n, t.oneByOne) }},
		{string(datamap.Erasure), "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Erasure, n, t.oneByOne) }},
		{"erasure-one-mail", "requests/s", func(b *testing.B) float64 { return t.toldNobody(b, n, t.oneByOne) }},
	})
}

// BenchmarkBatch takes very many erasures in at once, as `request submit --from`
// does, and has each be approved, carried out and answered by a letter of its
// own; beside it the same skeleton.
func BenchmarkBatch(b *testing.B) {
	n := fromEnv("LETHE_BENCH_BATCH", 10_000)
	t := newTrack(b)
	t.shop(b, n, 2)
	takeTurns(b, []way{
		{"skeleton", "requests/s", func(b *testing.B) float64 { return t.skeleton(b, n) }},
		{string(datamap.Erasure), "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Erasure, n, t.allAtOnce) }},
		{"erasure-one-mail", "requests/s", func(b *testing.B) float64 { return t.toldNobody(b, n, t.allAtOnce) }},
	})
}

// BenchmarkSlowCommit does the same where each write of the log to the disk takes
// two milliseconds, as on a disk over a network or with a replica that answers
// first: what a request costs then are its commits, and they are shared.
// The disks of build machines often have none of this (0.1 ms).
func BenchmarkSlowCommit(b *testing.B) {
	n, batch := fromEnv("LETHE_BENCH_REQUESTS", 2000), fromEnv("LETHE_BENCH_BATCH", 10_000)
	t := newTrack(b, "commit_delay=2000", "commit_siblings=0")
	t.shop(b, max(n, batch), 2)
	takeTurns(b, []way{
		{"skeleton", "requests/s", func(b *testing.B) float64 { return t.skeleton(b, n) }},
		{string(datamap.Access), "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Access, n, t.oneByOne) }},
		{string(datamap.Erasure), "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Erasure, n, t.oneByOne) }},
		{"batch", "requests/s", func(b *testing.B) float64 { return t.requests(b, datamap.Erasure, batch, t.allAtOnce) }},
		{"batch-one-mail", "requests/s", func(b *testing.B) float64 { return t.toldNobody(b, batch, t.allAtOnce) }},
	})
}

// A way is one of those that a benchmark compares; run returns its rate.
type way struct {
	name, unit string
	run        func(*testing.B) float64
}

// takeTurns lets the ways take turns and reports their medians. LETHE_BENCH_ONLY
// names one of them, for looking closer.
func takeTurns(b *testing.B, ways []way) {
	b.Helper()
	if only := os.Getenv("LETHE_BENCH_ONLY"); only != "" {
		ways = slices.DeleteFunc(ways, func(w way) bool { return w.name != only })
	}
	perSecond := map[string][]float64{}
	for round := range fromEnv("LETHE_BENCH_ROUNDS", 3) {
		for i := range ways { // another one begins each round
			way := ways[(round+i)%len(ways)]
			rate := way.run(b)
			perSecond[way.name] = append(perSecond[way.name], rate)
			b.Logf("round %d: %s %.1f %s", round+1, way.name, rate, way.unit)
		}
	}
	for _, way := range ways {
		rate := median(perSecond[way.name])
		metrics := map[string]float64{way.unit: rate}
		if skeleton := perSecond["skeleton"]; len(skeleton) > 0 && way.unit == "requests/s" {
			metrics["of-skeleton"] = rate / median(skeleton)
		}
		report(b, way.name, metrics)
	}
}

// BenchmarkSweep expires 200,000 of a million rows by a rule of the example, and
// deletes the same rows by one plain DELETE, in copies of one database.
func BenchmarkSweep(b *testing.B) {
	t := newTrack(b)
	expired := t.rows(b, fromEnv("LETHE_BENCH_ROWS", 1_000_000))
	rate := func(run func(*testing.B, int64) time.Duration) func(*testing.B) float64 {
		return func(b *testing.B) float64 { return float64(expired) / run(b, expired).Seconds() }
	}
	takeTurns(b, []way{{"sweep", "rows/s", rate(t.sweep)}, {"DELETE", "rows/s", rate(t.plainDelete)}})
}

// report prints one line of results, without the time of a single operation,
// which is none.
func report(b *testing.B, name string, metrics map[string]float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		for unit, value := range metrics {
			b.ReportMetric(value, unit)
		}
	})
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// fromEnv reads how much to do from the environment, for short runs.
func fromEnv(name string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return standard
}

// A track is a durable Postgres with a shop to copy, and a mailbox.
type track struct {
	server *devpg.Server
	config string
	people []sample.Person
	made   int
}

const shopTemplate = "shop_template"

func newTrack(b *testing.B, lines ...string) *track {
	b.Helper()
	collectLess() // as main does, for all that is compared
	settings := map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}
	// More lines for looking closer: LETHE_BENCH_POSTGRES=name=value,name=value
	for _, line := range append(lines, strings.Split(os.Getenv("LETHE_BENCH_POSTGRES"), ",")...) {
		if name, value, ok := strings.Cut(line, "="); ok {
			settings[name] = value
		}
	}
	server, err := devpg.Start(b.Context(), devpg.Options{Durable: true, MaxConns: 200, Settings: settings})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop() })
	return &track{server: server, config: livechat.Config}
}

// fill makes the database that shops are copies of.
func (t *track) fill(b *testing.B, f func(ctx context.Context, pool *pgxpool.Pool) error) {
	b.Helper()
	if err := t.server.CreateDatabase(b.Context(), shopTemplate, ""); err != nil {
		b.Fatal(err)
	}
	pool := t.pool(b, shopTemplate, 4)
	defer pool.Close()
	if _, err := pool.Exec(b.Context(), livechat.Schema); err != nil {
		b.Fatal(err)
	}
	if err := f(b.Context(), pool); err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), "VACUUM (ANALYSE)"); err != nil {
		b.Fatal(err)
	}
}

// warming is how many requests are carried out before the clock starts: a server
// that runs has its connections, and the plans of its statements.
const warming = 200

// shop fills it with made-up customers, so many times the n who can be picked.
func (t *track) shop(b *testing.B, n, times int) {
	n += warming
	t.fill(b, func(ctx context.Context, pool *pgxpool.Pool) error {
		err := sample.Generate(1, time.Now(), sample.Options{Contacts: times * n, Visits: 15 * times * n}).Load(ctx, pool)
		if err != nil {
			return err
		}
		if t.people, err = sample.Pick(ctx, pool, n); err == nil && len(t.people) < n {
			err = fmt.Errorf("expected %d people to pick, there are %d", n, len(t.people))
		}
		return err
	})
}

// rows fills it with n identifiers, a fifth of which have outlived their documented lifetime.
func (t *track) rows(b *testing.B, n int) (expired int64) {
	t.fill(b, func(ctx context.Context, pool *pgxpool.Pool) error {
		if _, err := pool.Exec(ctx, `
			INSERT INTO accounts SELECT i, 'shop ' || i, 'shop' || i || '.example', 'k' || i, 'CZ' FROM generate_series(1, 3) i`); err != nil {
			return err
		}
		if _, err := pool.Exec(ctx, `
			INSERT INTO visitors (id, account_id, created_at, updated_at)
			SELECT 'v' || i, i % 3 + 1, now(), now() FROM generate_series(0, $1::int) i`, n/10); err != nil {
			return err
		}
		if _, err := pool.Exec(ctx, `
			INSERT INTO identifiers (id, account_id, visitor_id, name, storage, value, issued_at, last_seen_at)
			SELECT i, (i / 10) % 3 + 1, 'v' || i / 10, 'ssupp.visits', 'cookie', 'n' || i,
			       now() - make_interval(days => CASE WHEN hashint4(i) % 5 = 0 THEN 200 ELSE 20 END, secs => abs(hashint4(i + 1)) % 864000), now()
			FROM generate_series(1, $1::int) i`, n); err != nil {
			return err
		}
		return pool.QueryRow(ctx, `SELECT count(*) FROM identifiers WHERE issued_at < now() - interval '190 days'`).Scan(&expired)
	})
	return expired
}

// A product is everything, on databases of one round.
type product struct {
	app  *app
	shop *pgxpool.Pool
}

// round opens the whole product on a copy of the shop, and closes it with b's part.
func (t *track) round(b *testing.B, f func(product)) {
	b.Helper()
	t.made++
	control, shop := fmt.Sprintf("control_%d", t.made), fmt.Sprintf("shop_%d", t.made)
	dir := b.TempDir()
	for name, template := range map[string]string{control: "", shop: shopTemplate} {
		if err := t.server.CreateDatabase(b.Context(), name, template); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = t.server.DropDatabase(context.WithoutCancel(b.Context()), name) }()
	}
	migrating := t.pool(b, control, 4)
	err := migrations.Up(b.Context(), migrating)
	migrating.Close()
	if err != nil {
		b.Fatal(err)
	}
	box, err := mailbox.Start("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	for name, text := range map[string]string{"lethe.yaml": t.config, "datamap.yaml": livechat.Datamap, "retention.yaml": livechat.Retention} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "attachments"), 0o700); err != nil {
		b.Fatal(err)
	}
	if _, err := keys.Create(filepath.Join(dir, "lethe.key")); err != nil {
		b.Fatal(err)
	}
	env := map[string]string{
		"LETHE_DATABASE": t.server.URL(control), "SHOP_DATABASE": t.server.URL(shop), "MAIL_URL": "smtp://" + box.SMTPAddr(),
		"STORAGE": "file://" + filepath.Join(dir, "archives"), "KEY_FILE": filepath.Join(dir, "lethe.key"),
		"SHOP_FILES": "file://" + filepath.Join(dir, "attachments"),
		"LISTEN":     "127.0.0.1:0", "PUBLIC_URL": "http://localhost:8080",
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cfg, wrong := config.Load(filepath.Join(dir, "lethe.yaml"), lookup)
	if len(wrong) > 0 {
		b.Fatal(wrong)
	}
	a, err := openApp(b.Context(), &world{env: lookup, now: time.Now, out: io.Discard, err: io.Discard}, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer a.close()
	pool := t.pool(b, shop, 4)
	defer pool.Close()
	// What making the databases left to be written must not be paid in the round.
	if _, err := pool.Exec(b.Context(), "CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
	f(product{app: a, shop: pool})
}

func (t *track) pool(b *testing.B, database string, conns int32) *pgxpool.Pool {
	b.Helper()
	pool, err := pg.Open(b.Context(), t.server.URL(database), pg.Options{Name: "bench", MaxConns: conns})
	if err != nil {
		b.Fatal(err)
	}
	return pool
}

// oneByOne submits requests as four people would who do nothing else.
func (t *track) oneByOne(b *testing.B, r product, all []dsar.Submission) {
	b.Helper()
	each(b, 4, len(all), func(i int) error {
		_, err := r.app.requests.Submit(b.Context(), operator, all[i])
		return err
	})
}

// allAtOnce submits them as the lines of a file.
func (t *track) allAtOnce(b *testing.B, r product, all []dsar.Submission) {
	b.Helper()
	_, errs := r.app.requests.SubmitMany(b.Context(), operator, all)
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

// requests takes n requests in, then lets the workers begin. It returns how many
// a second were done, from the first one's intake to the last one's end.
func (t *track) requests(b *testing.B, kind datamap.Kind, n int, submit func(*testing.B, product, []dsar.Submission)) (perSecond float64) {
	b.Helper()
	t.round(b, func(r product) {
		t.carryOut(b, r, kind, t.people[n:n+warming], submit)
		perSecond = float64(n) / t.carryOut(b, r, kind, t.people[:n], submit).Seconds()
		wholeTables(b, r.shop)
	})
	return perSecond
}

// toldNobody does erasures where no recipient is told.
func (t *track) toldNobody(b *testing.B, n int, submit func(*testing.B, product, []dsar.Submission)) float64 {
	b.Helper()
	const told = "    notify: dpo@smartlook.example\n"
	if !strings.Contains(t.config, told) {
		b.Fatal("expected the example to tell a recipient of each erasure")
	}
	defer func(config string) { t.config = config }(t.config)
	t.config = strings.Replace(t.config, told, "", 1)
	return t.requests(b, datamap.Erasure, n, submit)
}

func (t *track) carryOut(b *testing.B, r product, kind datamap.Kind, people []sample.Person, submit func(*testing.B, product, []dsar.Submission)) (took time.Duration) {
	b.Helper()
	all := make([]dsar.Submission, len(people))
	for i, p := range people {
		all[i] = dsar.Submission{
			Controller: controllerOf(r.app, p), Kind: kind, Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
			Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the benchmark",
		}
	}
	began := time.Now()
	submit(b, r, all)
	taken := time.Since(began)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.app.serve(ctx, serving{work: true}) }()
	approveAll(b, r.app, len(all))
	fulfilled(b, r.app)
	took = time.Since(began)
	b.Logf("%s: %d taken in at %.0f/s, done at %.0f/s", kind, len(all), float64(len(all))/taken.Seconds(), float64(len(all))/took.Seconds())
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took
}

// wholeTables fails when the work has read a table from end to end once per
// request, or nearly: cost has to follow the subject's rows, not the table's size.
func wholeTables(b *testing.B, shop *pgxpool.Pool) {
	b.Helper()
	rows, err := shop.Query(b.Context(), `
		SELECT s.relname::text, s.seq_tup_read FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
		WHERE c.reltuples >= 1000 AND s.seq_tup_read > 10 * c.reltuples ORDER BY 1`)
	if err != nil {
		b.Fatal(err)
	}
	var name string
	var read int64
	_, err = pgx.ForEachRow(rows, []any{&name, &read}, func() error {
		b.Errorf("expected the walks to find rows of %s by an index; %d rows were read from end to end", name, read)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func controllerOf(a *app, p sample.Person) string {
	for _, c := range a.cfg.Controllers {
		if c.Scope == p.Scope {
			return c.Key
		}
	}
	return ""
}

// approveAll is a diligent DPO: whatever has been discovered is approved. What the
// brake finds unusual takes a second one, who is as diligent.
func approveAll(b *testing.B, a *app, n int) {
	b.Helper()
	second := operator
	second.Name = "second"
	for done := 0; done < n; {
		ready := map[bool][]int64{}
		poll(b, func() (bool, error) {
			rows, err := a.pool.Query(b.Context(), `
				SELECT r.id, r.first_approved_at IS NOT NULL FROM requests r JOIN steps s ON s.request_id = r.id
				WHERE r.status = 'in_review' AND r.approved_at IS NULL AND s.stage = 'discover' AND s.status = 'done'`)
			if err != nil {
				return false, err
			}
			var id int64
			var again bool
			_, err = pgx.ForEachRow(rows, []any{&id, &again}, func() error {
				ready[again] = append(ready[again], id)
				return nil
			})
			return len(ready) > 0, err
		})
		errs := append(a.requests.ApproveMany(b.Context(), operator, ready[false]), a.requests.ApproveMany(b.Context(), second, ready[true])...)
		if err := errors.Join(errs...); err != nil {
			b.Fatal(err)
		}
		var left int
		err := a.pool.QueryRow(b.Context(), `SELECT count(*) FROM requests WHERE status = 'in_review' AND approved_at IS NULL AND id = ANY ($1)`,
			append(ready[false], ready[true]...)).Scan(&left)
		if err != nil {
			b.Fatal(err)
		}
		done += len(ready[false]) + len(ready[true]) - left
	}
}

// fulfilled waits until every request is. Whatever the search of other people's
// text finds by the way is left there, as a DPO may decide.
func fulfilled(b *testing.B, a *app) {
	b.Helper()
	looks := 0
	poll(b, func() (bool, error) {
		var open bool
		err := a.pool.QueryRow(b.Context(), `SELECT EXISTS (SELECT FROM requests WHERE status IN ('received', 'in_review', 'running'))`).Scan(&open)
		if err != nil || !open {
			return err == nil, err
		}
		if looks++; looks%20 == 0 { // it reads all steps
			var why *string
			if err := a.pool.QueryRow(b.Context(), `SELECT min(stage || ': ' || message) FROM steps WHERE status = 'failed'`).Scan(&why); err != nil {
				return false, err
			}
			if why != nil {
				b.Fatalf("a step has failed: %s", *why)
			}
		}
		rows, err := a.pool.Query(b.Context(), `
			SELECT DISTINCT m.request_id FROM mentions m
			WHERE m.outcome IS NULL AND m.decision IS NULL AND (SELECT r.status FROM requests r WHERE r.id = m.request_id) = 'running'`)
		if err != nil {
			return false, err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return false, err
		}
		for _, id := range found {
			if err := a.requests.DecideMention(b.Context(), operator, id, nil, dsar.LeaveMention, "The passage is part of another person's conversation."); err != nil {
				return false, err
			}
		}
		return false, nil
	})
	var other int
	if err := a.pool.QueryRow(b.Context(), `SELECT count(*) FROM requests WHERE status <> 'fulfilled'`).Scan(&other); err != nil || other > 0 {
		b.Fatalf("expected all requests to be fulfilled, %d are not: %v", other, err)
	}
}

// noop works off n jobs that do nothing and returns how many a second.
func (t *track) noop(b *testing.B, n int) (rate float64) {
	b.Helper()
	t.round(b, func(r product) {
		err := pg.InTx(b.Context(), r.app.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			work := make([]dsar.Work, n)
			for i := range work {
				work[i] = dsar.Work{Kind: "step", ID: int64(i) + 1, Run: 1}
			}
			return r.app.queue.Insert(b.Context(), tx, work...)
		})
		if err != nil {
			b.Fatal(err)
		}
		var done atomic.Int64
		client, err := jobs.New(jobs.Config{
			Pool: r.app.pool, Schema: migrations.Schema, Requests: idle{done: &done}, Sweeps: noSweeps{}, Mailer: r.app.sender, Log: r.app.log, Now: time.Now,
			Concurrency: r.app.cfg.Work.Concurrency, JobLimit: r.app.cfg.Work.JobLimit, RescueAfter: r.app.cfg.Work.RescueAfter,
		})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := client.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		poll(b, func() (bool, error) { return done.Load() == int64(n), nil })
		rate = float64(n) / time.Since(began).Seconds()
		if err := client.Stop(); err != nil {
			b.Fatal(err)
		}
	})
	return rate
}

// idle is what the queue's workers ask, with nothing to do.
type idle struct{ done *atomic.Int64 }

func (i idle) RunStep(context.Context, int64, int) error { i.done.Add(1); return nil }

func (idle) SendLetter(context.Context, int64, int, dsar.Mailer) error { return nil }

func (idle) Minute(context.Context, func(context.Context, []dsar.Work) (map[dsar.Work]bool, error)) error {
	return nil
}

func (idle) GiveUp(context.Context, dsar.Work) error { return nil }

// noSweeps has nothing to sweep.
type noSweeps struct{}

func (noSweeps) GiveUp(context.Context, int64) error { return nil }

func (noSweeps) ClaimDue(context.Context) (int, error) { return 0, nil }

func (noSweeps) RunSlice(context.Context, int64, int, time.Duration) (bool, error) { return false, nil }

// sweep runs one rule of the example, approved before, to its end.
func (t *track) sweep(b *testing.B, expired int64) (took time.Duration) {
	b.Helper()
	const rule = "ssupp-visits"
	t.round(b, func(r product) {
		ctx := b.Context()
		if err := r.app.retention.Sync(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := r.app.retention.ApproveRule(ctx, "operator", rule); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		results, err := r.app.retention.Sweep(ctx, "operator", rule, false, nil)
		took = time.Since(began)
		if err != nil || len(results) != 1 || results[0].Deleted != expired {
			b.Fatalf("expected the sweep to delete %d rows: %+v, %v", expired, results, err)
		}
	})
	return took
}

func (t *track) plainDelete(b *testing.B, expired int64) (took time.Duration) {
	b.Helper()
	t.round(b, func(r product) {
		began := time.Now()
		tag, err := r.shop.Exec(b.Context(), `
			DELETE FROM identifiers WHERE storage = 'cookie' AND name = 'ssupp.visits' AND issued_at < date_trunc('day', now()) - interval '6 months'`)
		took = time.Since(began)
		if err != nil || tag.RowsAffected() != expired {
			b.Fatalf("expected the DELETE to take %d rows, it took %d: %v", expired, tag.RowsAffected(), err)
		}
	})
	return took
}

// each calls f for 0 to n-1, so many at once.
func each(b *testing.B, atOnce, n int, f func(int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// poll waits until something has come about.
func poll(b *testing.B, there func() (bool, error)) {
	b.Helper()
	tick := time.NewTicker(100 * time.Millisecond) // a look at the database takes part of what is measured
	defer tick.Stop()
	deadline := time.After(10 * time.Minute)
	for {
		ok, err := there()
		if err != nil {
			b.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.Fatal("nothing moves any more")
		}
	}
}
