package main

import (
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// TestVerdictsOfTheControlDatabase: what check advises fits what is wrong.
func TestVerdictsOfTheControlDatabase(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	for name, c := range map[string]struct {
		url       func(t *testing.T, dsn *url.URL)
		says, doo string
	}{
		"changes nothing": {func(_ *testing.T, dsn *url.URL) {
			q := dsn.Query()
			q.Set("default_transaction_read_only", "on")
			dsn.RawQuery = q.Encode()
		}, "takes no changes", "target_session_attrs=read-write"},
		"does not run": {func(_ *testing.T, dsn *url.URL) { dsn.Host, dsn.RawQuery = closed, "sslmode=disable" }, "the connection was refused", "whether its server runs"},
		"is full": {func(t *testing.T, dsn *url.URL) {
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, `DROP ROLE IF EXISTS crowded; CREATE ROLE crowded LOGIN CONNECTION LIMIT 0`)
			t.Cleanup(func() { pgtest.Exec(t, pool, `DROP ROLE crowded`) })
			dsn.User = url.User("crowded")
		}, "too many connections", "CONNECTION LIMIT"},
		"is empty": {func(t *testing.T, dsn *url.URL) {
			empty, err := url.Parse(pgtest.URL(pgtest.Empty(t)))
			if err != nil {
				t.Fatal(err)
			}
			*dsn = *empty
		}, "not up to date", "lethe migrate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smallShop(t)
			was, _ := s.lookup("LETHE_DATABASE")
			dsn, err := url.Parse(was)
			if err != nil {
				t.Fatal(err)
			}
			c.url(t, dsn)
			s.set("LETHE_DATABASE", dsn.String())
			for _, v := range read[struct{ Checks []verdict }](t, s.must(t, failed, "check", "--json")).Checks {
				if v.Part == "control database" && (v.Level != wrong || !strings.Contains(v.Sentence, c.says) || !strings.Contains(v.Do, c.doo)) {
					t.Errorf("it should be wrong, say %q and advise %q, it says %+v", c.says, c.doo, v)
				}
			}
		})
	}
}

func TestClocksApart(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	for apart, want := range map[time.Duration]bool{0: false, -10 * time.Minute: true, time.Hour: true} {
		told := false
		out := s.clocked(t, func() time.Time { return time.Now().Add(apart) }, "check", "--json")
		for _, v := range read[struct{ Checks []verdict }](t, out).Checks {
			told = told || v.Part == "control database" && v.Level == doubtful && strings.Contains(v.Sentence, "clock")
		}
		if told != want {
			t.Errorf("%s apart: expected it to be told: %t, got %t\n%s", apart, want, told, out.out)
		}
	}
}
