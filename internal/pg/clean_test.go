package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

const secret = "eva.horn@example.org"

func TestServersErrorsWithoutContents(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `
		CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL CONSTRAINT people_email_key UNIQUE, born date, age int CONSTRAINT people_age_check CHECK (age > 0));
		CREATE TABLE letters (person int NOT NULL CONSTRAINT letters_person_fkey REFERENCES people);
		CREATE TYPE mood AS ENUM ('good');
		CREATE FUNCTION complain() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no % here', 'eva.horn@example.org'; END $$;
		INSERT INTO people VALUES (1, 'eva.horn@example.org'); INSERT INTO letters VALUES (1);
		CREATE ROLE poor; CREATE TABLE guests (email text); ALTER TABLE guests ENABLE ROW LEVEL SECURITY; GRANT INSERT ON guests TO poor;
		CREATE POLICY wide ON guests WITH CHECK (true); CREATE POLICY narrow ON guests AS RESTRICTIVE WITH CHECK (length(email) < 5);
		CREATE VIEW adults AS SELECT * FROM people WHERE age > 17 WITH CHECK OPTION`)
	t.Cleanup(func() { pgtest.Exec(t, pool, `DROP OWNED BY poor; DROP ROLE poor`) })
	for name, c := range map[string]struct {
		sql  string
		args []any
		want string
	}{
		"unique":        {`INSERT INTO people VALUES (2, $1)`, []any{secret}, "SQLSTATE 23505 (a value stands there already), constraint people_email_key on table public.people"},
		"not null":      {`INSERT INTO people VALUES (2, NULL)`, nil, "SQLSTATE 23502 (a value is missing), column email on table public.people"},
		"check":         {`INSERT INTO people VALUES (2, $1, NULL, -1)`, []any{secret}, "SQLSTATE 23514 (a check refused the value), constraint people_age_check on table public.people"},
		"foreign key":   {`DELETE FROM people`, nil, "SQLSTATE 23503 (another row refers to it), constraint letters_person_fkey on table public.letters"},
		"a cast":        {`SELECT $1::text::int`, []any{secret}, "SQLSTATE 22P02 (value does not fit its type)"},
		"a date":        {`SELECT $1::text::date`, []any{secret}, "SQLSTATE 22007 (not a date or time)"},
		"an enum":       {`SELECT $1::text::mood`, []any{secret}, "SQLSTATE 22P02 (value does not fit its type)"},
		"a zero byte":   {`SELECT $1::text`, []any{secret + "\x00"}, "SQLSTATE 22021 (character not in the encoding)"},
		"a function":    {`SELECT complain()`, nil, "SQLSTATE P0001 (a function of the database refused it)"},
		"division":      {`SELECT 1/0`, nil, "SQLSTATE 22012 (a value does not fit)"},
		"missing table": {`SELECT * FROM nowhere`, nil, "SQLSTATE 42P01 (the table does not exist) on table nowhere"},
		"no column":     {`SELECT nothing FROM people`, nil, "SQLSTATE 42703 (the column does not exist), column nothing"},
		"no column t.":  {`SELECT t.nothing FROM people t`, nil, "SQLSTATE 42703 (the column does not exist), column nothing"},
		"no column of":  {`UPDATE people SET nothing = 1`, nil, "SQLSTATE 42703 (the column does not exist), column nothing on table people"},
		"a policy":      {`SET LOCAL ROLE poor; INSERT INTO guests VALUES ('eva.horn@example.org')`, nil, "SQLSTATE 42501 (insufficient privilege) on table guests"},
		"an option":     {`INSERT INTO adults VALUES (3, $1, NULL, 7)`, []any{"new." + secret}, "SQLSTATE 44000 (a check option refused the row) on table adults"},
		"no right":      {`SET LOCAL ROLE poor; SELECT * FROM people`, nil, "SQLSTATE 42501 (insufficient privilege) on table people"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pool.Exec(t.Context(), c.sql, c.args...)
			if err == nil {
				t.Fatal("expected the statement to fail")
			}
			got := pg.Clean(fmt.Errorf("erase step 7: %w", fmt.Errorf("people: %w", err)))
			if want := "erase step 7: people: " + c.want; got.Error() != want {
				t.Errorf("expected %q, got %q", want, got)
			}
			var raw *pgconn.PgError
			if errors.As(got, &raw) {
				t.Error("expected the driver's error not to be reached through the cleaned one")
			}
			if strings.Contains(fmt.Sprintf("%v %+v", got, got), secret) {
				t.Errorf("expected no contents in the error, got %+v", got)
			}
			if again := pg.Clean(fmt.Errorf("job 3: %w", got)); again.Error() != "job 3: "+got.Error() || pg.Code(again) != pg.Code(err) {
				t.Errorf("expected a cleaned error to stay as it is, got %q", again)
			}
			if pg.Constraint(got) != pg.Constraint(err) {
				t.Errorf("expected the constraint to be kept, got %q", pg.Constraint(got))
			}
		})
	}
}

func TestDriversErrorsKeepTheirTypeOnly(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	ctx := t.Context()
	var n int
	for name, err := range map[string]error{
		"an argument":          second(pool.Exec(ctx, `SELECT $1::int`, secret)),
		"a result":             pool.QueryRow(ctx, `SELECT $1::text`, secret).Scan(&n),
		"an unknown error":     errors.New("no place for " + secret),
		"one made by Errorf":   fmt.Errorf("no place for %s", secret),
		"another library's":    &net.ParseError{Type: "address", Text: secret},
		"one that quotes ours": fmt.Errorf("unable to encode %q: %w", secret, &pg.Error{}),
	} {
		if err == nil {
			t.Fatalf("%s: expected an error", name)
		}
		got := pg.Clean(fmt.Errorf("step 7: %w", err))
		if strings.Contains(got.Error(), "eva.horn") || !strings.HasPrefix(got.Error(), "step 7: ") {
			t.Errorf("%s: expected our words and no contents, got %q", name, got)
		}
		if name != "another library's" && pg.Passing(got) { // net.ParseError counts as the network's
			t.Errorf("%s: expected trying again not to help, got Passing", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

var errSentinel = errors.New("sentinel")

type notNow struct{}

func (notNow) Error() string { return "not now" }

func TestWhatCallersDecideOnSurvives(t *testing.T) {
	t.Parallel()
	if pg.Clean(nil) != nil {
		t.Error("expected nil to stay nil")
	}
	for _, want := range []error{pgx.ErrNoRows, pgx.ErrTooManyRows, pgx.ErrTxClosed, context.Canceled, context.DeadlineExceeded, pg.ErrURL, errSentinel} {
		got := pg.Clean(fmt.Errorf("find request 7: %w", want))
		if !errors.Is(got, want) {
			t.Errorf("expected %v to be recognised, got %v", want, got)
		}
	}
	ours := fmt.Errorf("approve request 7: %w", notNow{})
	if got := pg.Clean(ours); got != ours { //nolint:errorlint // the very same error is expected
		t.Errorf("expected an error of this module's own type to stay as it is, got %v", got)
	}
	both := errors.Join(errSentinel, &pgconn.PgError{Code: "23505", Message: secret, Detail: secret})
	if got := pg.Clean(both); !errors.Is(got, errSentinel) || pg.Code(got) != "23505" || strings.Contains(got.Error(), "eva") {
		t.Errorf("expected joined errors to be reduced, too, got %v", got)
	}
}

func TestPassing(t *testing.T) {
	t.Parallel()
	of := func(code string) error { return &pgconn.PgError{Code: code} }
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"none":                   {nil, false},
		"serialisation":          {of("40001"), true},
		"deadlock":               {of("40P01"), true},
		"lock time-out":          {of("55P03"), true},
		"statement time-out":     {of("57014"), true},
		"shutting down":          {of("57P01"), true},
		"starting up":            {of("57P03"), true},
		"database dropped":       {of("57P04"), false},
		"too many connections":   {of("53300"), true},
		"disk full":              {of("53100"), true},
		"connection":             {of("08006"), true},
		"unique":                 {of("23505"), false},
		"no right":               {of("42501"), false},
		"wrong password":         {of("28P01"), false},
		"read-only":              {of("25006"), false},
		"end of file":            {io.ErrUnexpectedEOF, true},
		"reset":                  {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		"closed":                 {pgconn.ErrConnClosed, true},
		"too late":               {context.DeadlineExceeded, true},
		"stopped":                {context.Canceled, true},
		"no rows":                {pgx.ErrNoRows, false},
		"something else":         {errSentinel, false},
		"rolled back at the end": {pgx.ErrTxCommitRollback, true},
	} {
		if got := pg.Passing(c.err); got != c.want {
			t.Errorf("%s: expected Passing to be %t", name, c.want)
		}
		if c.err == nil {
			continue
		}
		if got := pg.Passing(pg.Clean(fmt.Errorf("step 7: %w", c.err))); got != c.want {
			t.Errorf("%s, cleaned: expected Passing to be %t", name, c.want)
		}
	}
}

// Its keepers let nobody in while they work on it, and will again.
func TestADatabaseThatIsClosedForATime(t *testing.T) {
	t.Parallel()
	pool, other := pgtest.Empty(t), pgtest.Empty(t)
	name := pool.Config().ConnConfig.Database
	pool.Reset()
	pgtest.Exec(t, other, "ALTER DATABASE "+pgx.Identifier{name}.Sanitize()+" ALLOW_CONNECTIONS false")
	defer pgtest.Exec(t, other, "ALTER DATABASE "+pgx.Identifier{name}.Sanitize()+" ALLOW_CONNECTIONS true")
	refused := pool.Ping(t.Context())
	_, stated := other.Exec(t.Context(), "CREATE SEQUENCE none; SELECT currval('none')")
	for what, err := range map[string]error{"a connection": refused, "a statement": stated} {
		if pg.Code(err) != "55000" {
			t.Fatalf("%s should be refused with 55000, got %v", what, err)
		}
		for _, e := range []error{err, pg.Clean(err)} {
			if want := what == "a connection"; pg.Passing(e) != want {
				t.Errorf("%s: expected Passing to be %t: %v", what, want, e)
			}
		}
	}
}

func TestABrokenConnectionIsPassing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pgtest.Exec(t, pool, fmt.Sprintf(`SELECT pg_terminate_backend(%d, 10000)`, conn.Conn().PgConn().PID()))
	_, err = conn.Exec(t.Context(), `SELECT 1`)
	if err = pg.Clean(err); !pg.Passing(err) || (pg.Code(err) != "57P01" && pg.Code(err) != "08006") {
		t.Errorf("expected a lost connection to be passing, got %v", err)
	}
	_, err = conn.Exec(t.Context(), `SELECT 1`)
	if err = pg.Clean(err); !pg.Passing(err) {
		t.Errorf("expected a closed connection to be passing, got %v", err)
	}
}

func TestAStatementTimeOutSaysSo(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), pgtest.URL(pgtest.Empty(t)), pg.Options{StatementTimeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(t.Context(), `SELECT pg_sleep(60)`)
	if err = pg.Clean(err); pg.Code(err) != "57014" || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("expected the time-out in words, got %v", err)
	}
}

// TestConnectionsThatTheURLRefuses: what the URL asks of a server that answers is
// told from a server that does not run.
func TestConnectionsThatTheURLRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // a server without TLS
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, 8))
			_, _ = c.Write([]byte("N"))
			_ = c.Close()
		}
	}()
	real := pgtest.URL(pgtest.Empty(t))
	for url, want := range map[string]string{
		"postgres://u@" + l.Addr().String() + "/d?sslmode=require": "the server has no TLS, which the URL asks for (sslmode)",
		real + "&target_session_attrs=standby":                     "no server is of the kind that the URL asks for (target_session_attrs)",
	} {
		pool, err := pg.Open(t.Context(), url, pg.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if err := pg.Clean(pool.Ping(t.Context())); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("expected %q, got %v", want, err)
		}
	}
}
