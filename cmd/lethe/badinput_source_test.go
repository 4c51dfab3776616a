package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// drive plays the workers, one job after the other, until nothing is left to do
// or a job ends with an error, which it returns.
func drive(t testing.TB, a *app, control *pgxpool.Pool) error {
	t.Helper()
	for {
		var id int64
		var run int
		const next = `WHERE status = 'waiting' ORDER BY id LIMIT 1`
		err := control.QueryRow(t.Context(), `SELECT id, run FROM steps `+next).Scan(&id, &run)
		if err == nil {
			if err := a.requests.RunStep(t.Context(), id, run); err != nil {
				return err
			}
			continue
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		switch err := control.QueryRow(t.Context(), `SELECT id, run FROM letters `+next).Scan(&id, &run); {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			t.Fatal(err)
		}
		if err := a.requests.SendLetter(t.Context(), id, run, a.sender); err != nil {
			return err
		}
	}
}

// with puts another connection in the source's place.
func (a *app) with(t testing.TB, shop string, o postgres.Options) {
	t.Helper()
	src, err := postgres.Open(t.Context(), "livechat", shop, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.Close)
	a.sources["livechat"] = src
	if err := a.join(); err != nil {
		t.Fatal(err)
	}
}

// parameter adds one to a connection string.
func parameter(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// TestSourcesInTrouble: whatever is wrong with a source, the step says it in the
// DPO's words, nothing is changed, and the request goes on once it is mended.
func TestSourcesInTrouble(t *testing.T) {
	t.Parallel()
	const (
		byItself = " Nothing is lost, and Lethe tries again by itself."
		others   = ". The other sources go on meanwhile."
	)
	for _, c := range []struct {
		name    string
		stage   string // the step that meets it
		options postgres.Options
		// trouble makes it, from the shop's URL, and returns the URL to use and what mends it.
		trouble func(t testing.TB, s *stage, shop string) (string, func())
		code    string
		passing bool
		says    string
	}{
		{
			name: "down", stage: "discover", code: "source_down", passing: true,
			trouble: func(t testing.TB, _ *stage, _ string) (string, func()) {
				return "postgres://lethe:hunter2@" + freePort(t) + "/livechat?sslmode=disable", nil
			},
			says: "The source livechat cannot be reached." + byItself + " If this stays, run `lethe check`.",
		},
		{
			name: "slow", stage: "discover", code: "source_slow", passing: true, options: postgres.Options{StatementTimeout: 300 * time.Millisecond, LockTimeout: time.Minute},
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) { return shop, locked(t, s, "contacts") },
			says:    "The source livechat took longer than allowed to answer." + byItself + " If this stays, run `lethe check`: an index may be missing.",
		},
		{
			name: "locked", stage: "erase", code: "source_locked", passing: true, options: postgres.Options{LockTimeout: 100 * time.Millisecond},
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) { return shop, locked(t, s, "messages") },
			says:    "The source livechat has rows or a table that another session keeps locked." + byItself + " If this stays, tell those who run it: a transaction may have been left open.",
		},
		{
			name: "read-only", stage: "erase", code: "source_read_only", passing: true,
			trouble: func(t testing.TB, _ *stage, shop string) (string, func()) {
				return parameter(t, shop, "default_transaction_read_only", "on"), nil
			},
			says: "The source livechat is read-only: nothing was changed there." + byItself + " If this stays, point lethe.yaml to its primary server, or tell those who run it.",
		},
		{
			name: "without rights", stage: "erase", code: "source_rights",
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) {
				role := fmt.Sprintf("reader_%d", number(t, s.shop, `SELECT oid::bigint FROM pg_database WHERE datname = current_database()`))
				pgtest.Exec(t, s.shop, "CREATE ROLE "+role+"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+role)
				t.Cleanup(func() { pgtest.Exec(t, s.shop, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
				return parameter(t, shop, "role", role), nil
			},
			says: "The source livechat does not give Lethe the rights it needs on the table ", // which one comes first is the walk's business
		},
		{
			name: "wrong password", stage: "discover", code: "source_signin",
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) {
				return withPassword(t, s, shop, "hunter2"), nil
			},
			says: "The source livechat does not let Lethe in. Check its user and password in lethe.yaml" + others,
		},
		{
			name: "may not connect", stage: "discover", code: "source_signin",
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) {
				u, err := url.Parse(shop)
				if err != nil {
					t.Fatal(err)
				}
				database := pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()
				role := fmt.Sprintf("stranger_%d", number(t, s.shop, `SELECT oid::bigint FROM pg_database WHERE datname = current_database()`))
				pgtest.Exec(t, s.shop, "CREATE ROLE "+role+" LOGIN; REVOKE CONNECT ON DATABASE "+database+" FROM public")
				t.Cleanup(func() {
					pgtest.Exec(t, s.shop, "GRANT CONNECT ON DATABASE "+database+" TO public; DROP ROLE "+role)
				})
				u.User = url.User(role)
				return u.String(), nil
			},
			says: "The source livechat does not let Lethe in: its user may not connect to the database. Grant it that (GRANT CONNECT ON DATABASE)" + others,
		},
		{
			name: "no such database", stage: "discover", code: "source_database",
			trouble: func(t testing.TB, _ *stage, shop string) (string, func()) {
				u, err := url.Parse(shop)
				if err != nil {
					t.Fatal(err)
				}
				u.Path = "/nowhere"
				return u.String(), nil
			},
			says: "The source livechat has no database of the name in lethe.yaml. Correct it" + others,
		},
		{
			name: "without a mapped table", stage: "discover", code: "source_unfit",
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) {
				pgtest.Exec(t, s.shop, `ALTER TABLE attachments RENAME TO gone`)
				return shop, func() { pgtest.Exec(t, s.shop, `ALTER TABLE gone RENAME TO attachments`) }
			},
			says: "Source livechat does not fit the data map: there is no table or view livechat.attachments, or it may not be seen.",
		},
		{
			name: "without a mapped column", stage: "discover", code: "source_unfit",
			trouble: func(t testing.TB, s *stage, shop string) (string, func()) {
				pgtest.Exec(t, s.shop, `ALTER TABLE contacts RENAME COLUMN note TO gone`)
				return shop, func() { pgtest.Exec(t, s.shop, `ALTER TABLE contacts RENAME COLUMN gone TO note`) }
			},
			says: "Source livechat does not fit the data map: there is no column livechat.contacts.note.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := generated(t, mailbox.Options{})
			p := someone(t, s, 1)[0]
			log := &safeBuffer{}
			a := s.open(t, slog.New(slog.NewTextHandler(log, nil)), time.Now)
			control := s.control(t)
			good, _ := s.lookup("SHOP_DATABASE")
			before := picture(t, s.shop)
			gone, emptied := fate(t, s.shop, p)

			out, err := a.requests.Submit(t.Context(), operator, dsar.Submission{
				Controller: p.Controller, Kind: datamap.Erasure, Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
				Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the test",
			})
			if err != nil {
				t.Fatal(err)
			}
			approve := func() {
				if err := drive(t, a, control); err != nil {
					t.Fatalf("the search should work: %v", err)
				}
				if err := a.requests.Approve(t.Context(), operator, out.ID, dsar.Approval{}); err != nil {
					t.Fatal(err)
				}
			}
			if c.stage == "erase" {
				approve()
			}
			bad, mend := c.trouble(t, s, good)
			a.with(t, bad, c.options)
			err = drive(t, a, control)
			var permanent *dsar.Permanent
			if err == nil || errors.As(err, &permanent) == c.passing {
				t.Errorf("an error was expected, to be tried again by itself: %t; got %v", c.passing, err)
			}
			q, gerr := a.requests.Get(t.Context(), operator, out.ID)
			if gerr != nil {
				t.Fatal(gerr)
			}
			st := q.Steps[len(q.Steps)-1]
			want := map[bool]string{true: "waiting", false: "failed"}[c.passing]
			if st.Stage != c.stage || st.Status != want || st.Error != c.code || !strings.Contains(st.Message, c.says) {
				t.Errorf("the step %s should be %s (%s) and say\n%q\nit is %s, %s (%s), and says\n%q", c.stage, want, c.code, c.says, st.Stage, st.Status, st.Error, st.Message)
			}
			if strings.HasSuffix(c.says, ".") && st.Message != c.says {
				t.Errorf("the sentence should be\n%q\nit is\n%q", c.says, st.Message)
			}
			if !c.passing && !strings.Contains(q.Waiting, st.Message) {
				t.Errorf("the request should wait for the DPO with that sentence, it says %q", q.Waiting)
			}
			if strings.Contains(fmt.Sprint(err, q.Steps, log.String()), "hunter2") {
				t.Error("the password should not be told")
			}
			for _, secret := range []string{p.Email, p.Phone} {
				if secret != "" && strings.Contains(fmt.Sprint(err, q.Steps, log.String()), secret) {
					t.Error("neither error nor log should hold the person's data")
				}
			}
			if mend != nil {
				mend()
			}
			compare(t, before, picture(t, s.shop), nil, nil)

			a.with(t, good, postgres.Options{})
			if !c.passing {
				if err := a.requests.Retry(t.Context(), operator, out.ID); err != nil {
					t.Fatalf("retry should be possible once it is mended: %v", err)
				}
			}
			if c.stage != "erase" {
				approve()
			}
			if err := drive(t, a, control); err != nil {
				t.Fatalf("the request should go on: %v", err)
			}
			if q, err = a.requests.Get(t.Context(), operator, out.ID); err != nil || q.Status != dsar.Fulfilled {
				t.Errorf("the request should be fulfilled in the end, it is %s: %q (%v)", q.Status, q.Waiting, err)
			}
			compare(t, before, picture(t, s.shop), gone, emptied)
		})
	}
}

// locked holds a table until what is returned is called.
func locked(t testing.TB, s *stage, table string) func() {
	t.Helper()
	tx, err := s.shop.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE `+pgx.Identifier{table}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	release := func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(release)
	return release
}

// withPassword makes a role of its own that has to give a password, over the
// shop's rows, and returns a URL in which it gives this one.
func withPassword(t testing.TB, s *stage, shop, given string) string {
	t.Helper()
	role := fmt.Sprintf("password_%d", number(t, s.shop, `SELECT oid::bigint FROM pg_database WHERE datname = current_database()`))
	pgtest.Exec(t, s.shop, "CREATE ROLE "+role+" LOGIN SUPERUSER PASSWORD 'right one'")
	// Others may do the same in this cluster at the same moment: one after the other.
	pgtest.Exec(t, s.shop, `DO $$
		DECLARE was text;
		BEGIN
			PERFORM pg_advisory_xact_lock(7);
			was := pg_read_file(current_setting('hba_file'));
			CREATE TEMP TABLE hba ON COMMIT DROP AS
				SELECT line FROM unnest(ARRAY['local all `+role+` scram-sha-256', 'host all `+role+` 127.0.0.1/32 scram-sha-256'] || string_to_array(was, E'\n')) AS line;
			EXECUTE format('COPY hba TO %L', current_setting('hba_file'));
			PERFORM pg_reload_conf();
		END $$`)
	u, err := url.Parse(shop)
	if err != nil {
		t.Fatal(err)
	}
	as := func(password string) string {
		u.User = url.UserPassword(role, password)
		return u.String()
	}
	eventually(t, "the server should ask the role for its password", func() bool { return pg.Code(pinged(t, as("neither"))) == "28P01" })
	if err := pinged(t, as("right one")); err != nil {
		t.Fatalf("the right password should do: %v", err)
	}
	return as(given)
}

func pinged(t testing.TB, dsn string) error {
	t.Helper()
	pool, err := pg.Open(t.Context(), dsn, pg.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	return pg.Clean(pool.Ping(t.Context()))
}

// TestPasswordsAreNeverPrinted: a wrong one in each place, and every command
// that meets it: the sentence says what is wrong, and the password stands nowhere.
func TestPasswordsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place, variable string
		url             func(t testing.TB, s *stage) string
		says            map[string]string // by command
	}{
		{"the control database", "LETHE_DATABASE", func(t testing.TB, s *stage) string {
			dsn, _ := s.lookup("LETHE_DATABASE")
			return withPassword(t, s, dsn, "hunter2")
		}, map[string]string{
			"check": "cannot connect: SQLSTATE 28P01 (invalid password)", "work": "cannot connect: SQLSTATE 28P01 (invalid password)", "serve": "cannot connect: SQLSTATE 28P01 (invalid password)", "request list": "cannot connect: SQLSTATE 28P01 (invalid password)", "migrate": "cannot connect: SQLSTATE 28P01 (invalid password)", "ledger verify": "cannot connect: SQLSTATE 28P01 (invalid password)",
		}},
		{"a URL that is none", "LETHE_DATABASE", func(testing.TB, *stage) string { return "postgres://lethe:hunter2@db:port/x" }, map[string]string{
			"check": "lethe.yaml:4:11: database: a URL beginning with postgres:// or postgresql:// expected", "work": "nothing was done",
		}},
		{"the source", "SHOP_DATABASE", func(t testing.TB, s *stage) string {
			dsn, _ := s.lookup("SHOP_DATABASE")
			return withPassword(t, s, dsn, "hunter2")
		}, map[string]string{"check": "cannot connect: SQLSTATE 28P01 (invalid password)", "find --controller bota --email a@b.example": "The source livechat does not let Lethe in. Check its user and password in lethe.yaml."}},
		{"mail without TLS", "MAIL_URL", func(testing.TB, *stage) string { return "smtp://lethe:hunter2@mail.example:25" }, map[string]string{
			"check": "smtp+starttls", "work": "smtp+starttls",
		}},
		{"mail that refuses", "MAIL_URL", func(_ testing.TB, s *stage) string { return "smtp://lethe:hunter2@" + s.box.SMTPAddr() }, map[string]string{
			"check": "mail: no good answer of the mail server while signing in",
		}},
	} {
		t.Run(c.place, func(t *testing.T) {
			t.Parallel()
			s := generated(t, mailbox.Options{})
			s.set(c.variable, c.url(t, s))
			for command, says := range c.says {
				got := s.lethe(t, strings.Fields(command)...)
				if got.status != failed || !strings.Contains(got.out+got.err, says) {
					t.Errorf("lethe %s should fail and say %q, it ends with %d:\n%s%s", command, says, got.status, got.out, got.err)
				}
				if strings.Contains(got.out+got.err, "hunter2") {
					t.Errorf("lethe %s should not print the password", command)
				}
			}
		})
	}
}
