package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/sample"
	"github.com/lethe-dsr/lethe/internal/web"
)

// secret is a password that must show nowhere.
const secret = "Kx7-opensesame-Qz"

// TestNothingInClear plays one request of each kind through whatever can fail
// (a source that refuses the password, breaks connections, lacks a table, quotes
// a row in an error; a worker killed in a step; a mail server that says not now
// and never), and looks after each failure and at the end: no job, log line, error
// or record of Lethe's own holds an identity of the three people in clear, nor,
// after the erasure, does any row of the shop.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	for _, kind := range shopKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			c := newCleanStage(t, kind)
			c.nonsense(t)
			c.submit(t)
			c.wrongPassword(t)
			c.brokenAndKilled(t)
			c.confirmed(t)
			c.noTable(t)
			c.erasedDespiteRefusals(t)
			c.delivered(t)
			c.forgotten(t)
		})
	}
}

// cleanStage is a stage with three people and their requests.
type cleanStage struct {
	*stage
	app                    *app // serves the pages, its log at debug level
	log                    *safeBuffer
	db                     *pgxpool.Pool // the control database
	origin                 string
	subject, dpo           *visitor
	people                 []person // who ask for access, export, erasure
	ids                    []int64
	greylist, noSuchPerson atomic.Bool // how the mail server behaves towards the last of them
	stop                   func()
}

func newCleanStage(t *testing.T, kind shopKind) *cleanStage {
	t.Helper()
	c := &cleanStage{log: &safeBuffer{}}
	c.greylist.Store(true)
	c.stage = setStageWith(t, mailbox.Options{Respond: c.respond}, kind.fill(t))
	c.configure(t, "work: {job_limit: 10s, rescue_after: 10s}")
	c.people = c.cast(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.origin = "http://" + listener.Addr().String()
	c.set("PUBLIC_URL", c.origin)
	c.db = c.control(t)
	c.app = c.open(t, slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.app.serve(ctx, serving{listener: listener}) }()
	c.stop = func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the pages should end without an error: %v", err)
		}
		c.stop = func() {}
	}
	t.Cleanup(func() { c.stop() })
	if c.subject, err = newVisitor(c.origin); err != nil {
		t.Fatal(err)
	}
	if c.dpo, err = newVisitor(c.origin); err != nil {
		t.Fatal(err)
	}
	c.signIn(t)
	return c
}

// cast picks people with everything that identities can be: those with a
// telephone number first.
func (c *cleanStage) cast(t *testing.T) []person {
	t.Helper()
	picked, err := sample.Pick(t.Context(), c.shop, 600)
	if err != nil {
		t.Fatal(err)
	}
	var with, without []person
	for _, p := range picked {
		q := who(t, c.shop, p.Contact)
		if q.Phone != "" && number(t, c.shop, `SELECT count(*) FROM contacts WHERE phone = $1`, q.Phone) == 1 {
			with = append(with, q)
		} else {
			without = append(without, q)
		}
	}
	people := slices.Concat(with, without)
	if len(people) < 3 || people[2].Phone == "" {
		t.Fatalf("the shop should have three people with an address and a telephone number of their own, it has %d", len(with))
	}
	return people[:3]
}

func (c *cleanStage) respond(stage, _, to string) int {
	switch {
	case stage == "rcpt" && len(c.people) == 3 && strings.EqualFold(to, c.people[0].Email) && c.greylist.CompareAndSwap(true, false):
		return 451
	case stage == "rcpt" && len(c.people) == 3 && strings.EqualFold(to, c.people[2].Email) && c.noSuchPerson.Load():
		return 550
	}
	return 0
}

func (c *cleanStage) signIn(t *testing.T) {
	t.Helper()
	id, err := web.AddStaff(t.Context(), c.db, web.StaffMember{Email: "dpo@demo.example", Name: "Petra Demo", Role: web.RoleProcessor}, "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := web.SignInLink(t.Context(), c.db, id, time.Hour, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.dpo.post(t.Context(), "/signin/"+token, nil); err != nil {
		t.Fatalf("the DPO should be signed in: %v", err)
	}
}

// clean looks through everything that Lethe keeps or says.
func (c *cleanStage) clean(t *testing.T) {
	t.Helper()
	text := c.log.String()
	c.nothingOf(t, text, c.people...)
	if strings.Contains(text, secret) {
		t.Error("the log should hold no password")
	}
	for table, rows := range dump(t, c.db) {
		if strings.Contains(rows, secret) {
			t.Errorf("the control database's %s should hold no password", table)
		}
	}
	if t.Failed() {
		t.FailNow() // once is enough
	}
}

// nonsense sends what no form of ours would, with identities in wrong places.
func (c *cleanStage) nonsense(t *testing.T) {
	t.Helper()
	p := c.people[0]
	for _, path := range []string{
		"/c/" + p.Controller + "?email=" + url.QueryEscape(p.Email), "/c/" + url.PathEscape(p.Email), "/confirm/" + url.PathEscape(p.Email),
		"/" + url.PathEscape(p.Email) + "?q=" + url.QueryEscape(p.Phone), "/status/" + url.PathEscape(p.Phone),
	} {
		_, _ = c.subject.post(t.Context(), path, url.Values{p.Email: {p.Phone}, "kind": {p.Email}, "identity.email": {p.Email + "\r\nBcc: " + p.Email}})
		if err := c.subject.get(t.Context(), path); errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.origin+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "session="+url.QueryEscape(p.Email))
	req.Header.Set("User-Agent", p.Name+" "+p.Surname)
	_, _ = c.subject.do(req)
}

// submit fills in the public form for each of them, with all they have.
func (c *cleanStage) submit(t *testing.T) {
	t.Helper()
	for i, kind := range []string{"access", "export", "erasure"} {
		p := c.people[i]
		form := url.Values{"kind": {kind}, "identity.email": {p.Email}, "requester": {"self"}}
		if p.Phone != "" {
			form.Set("identity.phone", p.Phone)
		}
		if len(p.Visitors) > 0 {
			form.Set("identity.visitor", p.Visitors[0])
		}
		if _, err := c.subject.post(t.Context(), "/c/"+p.Controller, form); err != nil {
			t.Fatalf("the form for %s should be taken: %v", kind, err)
		}
		c.ids = append(c.ids, number(t, c.db, `SELECT max(id) FROM requests WHERE kind = $1`, kind))
	}
}

// steps waits until so many steps of a stage are as a condition says.
func (c *cleanStage) steps(t *testing.T, n int64, stage, condition string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the steps: %q", texts(t, c.db, `SELECT concat_ws(' ', request_id, stage, status, attempts, error, message) FROM steps ORDER BY id`))
		}
	}()
	eventually(t, fmt.Sprintf("%d steps %q should be: %s", n, stage, condition), func() bool {
		return number(t, c.db, `SELECT count(*) FROM steps WHERE stage = $1 AND `+condition, stage) >= n
	})
}

func (c *cleanStage) retry(t *testing.T, ids ...int64) {
	t.Helper()
	for _, id := range ids {
		c.must(t, done, "request", "retry", fmt.Sprint(id))
	}
}

// wrongPassword: a worker whose source does not let it in.
func (c *cleanStage) wrongPassword(t *testing.T) {
	t.Helper()
	right, _ := c.lookup("SHOP_DATABASE")
	wrong, err := url.Parse(pgtest.URL(c.shop))
	if err != nil {
		t.Fatal(err)
	}
	wrong.User = url.UserPassword("nobody_of_lethe", secret)
	q := wrong.Query()
	q.Del("user")
	wrong.RawQuery = q.Encode()
	c.set("SHOP_DATABASE", wrong.String())
	w := c.start(t, c.log, "work")
	c.steps(t, 3, "locate", "status = 'failed' AND error = 'source_signin'")
	w.end(syscall.SIGTERM)
	found := c.lethe(t, "find", "--controller", c.people[0].Controller, "--email", c.people[0].Email)
	if found.status != failed || !strings.Contains(found.err, "does not let Lethe in") {
		t.Errorf("find should fail and say that the source does not let Lethe in, it says %q", found.err)
	}
	checked := c.lethe(t, "check")
	for _, o := range []outcome{found, checked} {
		hayIn(t, "the command's output", o.out+o.err, c.people...)
		if strings.Contains(o.out+o.err, secret) {
			t.Error("no command should print a password")
		}
	}
	c.set("SHOP_DATABASE", right)
	for _, id := range c.ids {
		if q := c.show(t, id); !strings.Contains(q.Waiting, "user and password") {
			t.Errorf("request %d should say what is wrong with the source, it says %q", id, q.Waiting)
		}
	}
	c.clean(t)
	c.retry(t, c.ids...)
}

// brokenAndKilled: a source that breaks connections in the middle of a
// statement, then a worker killed while it waits for an answer.
func (c *cleanStage) brokenAndKilled(t *testing.T) {
	t.Helper()
	lock, err := c.shop.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := lock.Exec(t.Context(), `LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	const blocked = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	w := c.start(t, c.log, "work")
	eventually(t, "a connection should have been broken under each step", func() bool {
		number(t, c.shop, `SELECT count(pg_terminate_backend(pid)) `+blocked)
		return number(t, c.db, `SELECT count(*) FROM steps WHERE stage = 'locate' AND error = 'source_down'`) == 3
	})
	eventually(t, "the steps should be tried again", func() bool { return number(t, c.shop, `SELECT count(*) `+blocked) > 0 })
	w.end(syscall.SIGKILL)
	c.clean(t)
}

// confirmed: the killed worker's steps are taken over, the mail server asks for
// patience once, and the links that came are pressed. From here on a worker of
// this process, which logs everything, and one of its own share the work.
func (c *cleanStage) confirmed(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.app.serve(ctx, serving{work: true}) }()
	other := c.start(t, c.log, "work")
	pages := c.stop
	c.stop = func() {
		other.end(syscall.SIGTERM)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the worker should end without an error: %v", err)
		}
		pages()
		c.stop = func() {}
	}
	var links []string
	for _, p := range c.people {
		links = append(links, c.linkIn(t, p.Email, "/confirm/", 0))
	}
	if c.greylist.Load() {
		t.Error("the mail server should have been asked for the first of them")
	}
	if _, err := c.shop.Exec(t.Context(), `ALTER TABLE messages RENAME TO messages_elsewhere`); err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		press(t, c.subject, link)
	}
}

// noTable: a mapped table that is not there.
func (c *cleanStage) noTable(t *testing.T) {
	t.Helper()
	c.steps(t, 3, "discover", "status = 'failed' AND error = 'source_unfit'")
	c.clean(t)
	if _, err := c.shop.Exec(t.Context(), `ALTER TABLE messages_elsewhere RENAME TO messages`); err != nil {
		t.Fatal(err)
	}
	c.retry(t, c.ids...)
	c.steps(t, 3, "discover", "status = 'done'")
	for _, id := range c.ids {
		if err := c.dpo.get(t.Context(), fmt.Sprintf("/requests/%d", id)); err != nil {
			t.Errorf("the DPO should see request %d: %v", id, err)
		}
	}
}

// erasedDespiteRefusals: the source refuses the erasure with an error that
// quotes the row, then the mail server refuses the letter for good.
func (c *cleanStage) erasedDespiteRefusals(t *testing.T) {
	t.Helper()
	p, id := c.people[2], c.ids[2]
	pgtest.Exec(t, c.shop, `
		CREATE FUNCTION tell_tale() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			RAISE EXCEPTION 'cannot delete %', OLD USING DETAIL = OLD.email, HINT = OLD.phone, ERRCODE = 'P0001';
		END $$;
		CREATE TRIGGER tell_tale BEFORE DELETE OR UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION tell_tale()`)
	before := picture(t, c.shop)
	gone, emptied := fate(t, c.shop, p)
	if _, err := c.dpo.post(t.Context(), fmt.Sprintf("/requests/%d/approve", id), nil); err != nil {
		t.Fatalf("the DPO should approve the erasure: %v", err)
	}
	c.steps(t, 1, "erase", "status = 'failed' AND error = 'P0001'")
	compare(t, before, picture(t, c.shop), nil, nil)
	c.clean(t)
	pgtest.Exec(t, c.shop, `DROP TRIGGER tell_tale ON contacts; DROP FUNCTION tell_tale`)
	c.noSuchPerson.Store(true)
	c.retry(t, id)
	eventually(t, "the letter should be refused for good", func() bool {
		return number(t, c.db, `SELECT count(*) FROM letters WHERE request_id = $1 AND kind = 'erased' AND status = 'failed' AND smtp_code = 550`, id) == 1
	})
	if q := c.show(t, id); q.Status != "running" || !strings.Contains(q.Waiting, "550") {
		t.Errorf("request %d should wait for the DPO with the server's code, it is %s: %q", id, q.Status, q.Waiting)
	}
	c.clean(t)
	c.noSuchPerson.Store(false)
	c.retry(t, id)
	q := c.finished(t, id)
	compare(t, before, picture(t, c.shop), gone, emptied)
	counted(t, q, gone, emptied)
	for _, table := range tables {
		// Names are other people's, too; everything else is nobody else's.
		nameless := p
		nameless.Name, nameless.Surname = "", ""
		hayIn(t, "the shop's "+table, strings.Join(texts(t, c.shop, `SELECT x::text FROM `+table+` x`), "\n"), nameless)
	}
}

// delivered: the copies are made and fetched by the links that came.
func (c *cleanStage) delivered(t *testing.T) {
	t.Helper()
	for i, id := range c.ids[:2] {
		c.must(t, done, "request", "approve", fmt.Sprint(id))
		files := unzip(t, press(t, c.subject, c.linkIn(t, c.people[i].Email, "/download/", 0)))
		if len(rowsOf(t, files, "contacts")) != 1 {
			t.Errorf("the archive of request %d should hold its contact", id)
		}
		c.finished(t, id)
	}
	c.stop()
	c.clean(t)
	c.everythingFailed(t)
}

// everythingFailed makes sure that this test saw what it is about.
func (c *cleanStage) everythingFailed(t *testing.T) {
	t.Helper()
	log := c.log.String()
	for _, want := range []string{"57P01", "451", "550", "http request", `"level":"DEBUG"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log should tell of %s, or the test has provoked nothing", want)
		}
	}
	for _, want := range []string{"final: source_signin", "final: source_unfit", "final: P0001"} {
		if number(t, c.db, `SELECT count(*) FROM river_job WHERE errors::text LIKE '%' || $1 || '%'`, want) == 0 {
			t.Errorf("the queue should hold the error %q, or the test has provoked nothing", want)
		}
	}
	// How many jobs these were depends on which of them went together.
	for code, least := range map[string]int64{"source_signin": 3, "source_unfit": 3, "P0001": 1} {
		if n := number(t, c.db, `SELECT count(*) FROM ledger WHERE type = 'step.failed' AND data->>'code' = $1`, code); n < least {
			t.Errorf("%d steps at least should have failed for good with %s, %d have", least, code, n)
		}
	}
	if number(t, c.db, `SELECT count(*) FROM ledger WHERE type = 'letter.failed' AND data->>'code' = '550'`) == 0 {
		t.Error("a letter should have been refused for good")
	}
}

// forgotten: eight days later the encrypted copies are gone as well.
func (c *cleanStage) forgotten(t *testing.T) {
	t.Helper()
	later := func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	a := c.open(t, slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})), later)
	if err := a.requests.Minute(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := number(t, c.db, `SELECT count(*) FROM requests WHERE scrubbed_at IS NULL`); n != 0 {
		t.Errorf("every request should be scrubbed a week after its end, %d are not", n)
	}
	for _, column := range texts(t, c.db, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'lethe' AND column_name LIKE '%cipher' AND table_name <> 'holds'`) {
		table, name, _ := strings.Cut(column, ".")
		if n := number(t, c.db, `SELECT count(*) FROM `+table+` WHERE `+name+` IS NOT NULL`); n != 0 {
			t.Errorf("%s should be empty after the scrubbing, %d rows have something", column, n)
		}
	}
	c.clean(t)
}
