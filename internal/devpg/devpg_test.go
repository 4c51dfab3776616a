//go:build unix

package devpg

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// deadline is generous: a loaded machine is slow, a leak stays for ever.
const deadline = 60 * time.Second

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("expected a private Postgres, got %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("expected Postgres to stop, got %v", err)
		}
	})
	return s
}

func query[T any](t *testing.T, url, sql string) (v T) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("expected the cluster to take connections, got %v", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	if err := c.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func run(t *testing.T, url, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("expected the cluster to take connections, got %v", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := place(t)
	var servers [2]*Server
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			var err error
			if servers[i], err = Start(t.Context(), Options{Dir: dir, MaxConns: 20 + i, Settings: map[string]string{"work_mem": "5MB"}}); err != nil {
				t.Errorf("expected cluster %d to start beside the other, got %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, s := range servers {
		if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("expected the cluster's folder to be 0700, got %v, %v", info.Mode(), err)
		}
		for name, want := range map[string]string{
			"listen_addresses": "", "work_mem": "5MB", "fsync": "off", "TimeZone": "UTC", "server_encoding": "UTF8", "lc_collate": "C",
			"max_connections": []string{"20", "21"}[i],
		} {
			if got := query[string](t, s.URL("postgres"), "SELECT current_setting('"+name+"')"); got != want {
				t.Errorf("expected %s to be %q, got %q", name, want, got)
			}
		}
	}
	pid := postmaster(servers[0].dir)
	if err := servers[0].Stop(); err != nil {
		t.Fatal(err)
	}
	if exists(servers[0].dir) || alive(pid) {
		t.Error("expected neither folder nor process to be left by Stop")
	}
	if got := query[int](t, servers[1].URL("postgres"), "SELECT 1"); got != 1 {
		t.Error("expected the other cluster to go on")
	}
	for range 2 {
		wg.Go(func() {
			if err := servers[1].Stop(); err != nil {
				t.Errorf("expected Stop to be callable by several, got %v", err)
			}
		})
	}
	wg.Wait()
	if err := servers[1].Stop(); err != nil {
		t.Errorf("expected a second Stop to do nothing, got %v", err)
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: place(t), Durable: true})
	if got := query[string](t, s.URL("postgres"), `SHOW fsync`); got != "on" {
		t.Errorf("expected a durable cluster to sync, got fsync %s", got)
	}
	const odd = `a "b"/c?d é` // quoted in SQL, escaped in the URL
	if err := s.CreateDatabase(t.Context(), odd, ""); err != nil {
		t.Fatal(err)
	}
	run(t, s.URL(odd), `CREATE TABLE one AS SELECT 42 AS n`)
	if err := s.CreateDatabase(t.Context(), "copy", odd); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, s.URL("copy"), `SELECT n FROM one`); got != 42 {
		t.Errorf("expected the copy to hold the template's rows, got %d", got)
	}
	if err := s.CreateDatabase(t.Context(), "copy", ""); err == nil || !strings.Contains(err.Error(), "42P04") {
		t.Errorf("expected a name in use to be refused with its SQLSTATE, got %v", err)
	}
	c, err := pgx.Connect(t.Context(), s.URL("copy"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	if err := s.DropDatabase(t.Context(), "copy"); err != nil {
		t.Errorf("expected a database in use to be dropped, got %v", err)
	}
}

func TestNothingIsLeftWhenTheOwnerIsKilled(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(owner *os.Process) error{
		"kill -9":          func(p *os.Process) error { return p.Kill() },
		"kill":             func(p *os.Process) error { return p.Signal(syscall.SIGTERM) },
		"Ctrl-C, to group": func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			owner := exec.Command(exe)
			owner.Env = append(os.Environ(), ownerBase+"="+place(t))
			owner.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			owner.Stderr = os.Stderr
			says, err := owner.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = owner.Process.Kill()
				_ = owner.Wait()
			}()
			var r running
			if err := json.NewDecoder(says).Decode(&r); err != nil {
				t.Fatalf("expected the owner to start a cluster, got %v", err)
			}
			if !alive(r.Supervisor) || !alive(r.Postgres) || !exists(r.Dir) {
				t.Fatal("expected a supervisor, a Postgres and a folder before the kill")
			}
			if err := kill(owner.Process); err != nil {
				t.Fatal(err)
			}
			within(t, deadline, "Postgres to be gone", func() bool { return !alive(r.Postgres) })
			within(t, deadline, "the folder to be gone", func() bool { return !exists(r.Dir) })
			within(t, deadline, "the supervisor to be gone", func() bool { return !alive(r.Supervisor) })
		})
	}
}

func TestSignalsDoNotReachTheSupervisor(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: place(t)})
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := s.process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if got := query[int](t, s.URL("postgres"), `SELECT 1`); got != 1 {
		t.Error("expected Postgres to go on")
	}
	group, err := syscall.Getpgid(s.process.Pid)
	if err != nil || group == syscall.Getpgrp() {
		t.Errorf("expected the supervisor outside the terminal's group, got %v", err)
	}
}

func TestAKilledSupervisorLeavesTheRestToStop(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: place(t)})
	pid := postmaster(s.dir)
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" { // elsewhere Stop ends it
		within(t, deadline, "the kernel to end Postgres", func() bool { return !alive(pid) })
	}
	if err := s.Stop(); err != nil {
		t.Errorf("expected Stop to clear up, got %v", err)
	}
	if alive(pid) || exists(s.dir) {
		t.Error("expected neither Postgres nor its folder to be left")
	}
}

func TestAFailedStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: place(t), Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("expected what Postgres says of the setting, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Dir: place(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("expected a start to end with its context, got %v", err)
	}
	if _, err := Start(t.Context(), Options{Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 100))}); err == nil {
		t.Error("expected a folder that is not there to be refused")
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	long := filepath.Join(place(t), strings.Repeat("x", 90))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(long) }()
	if _, err := baseFolder(long); err == nil || !strings.Contains(err.Error(), "too long for a unix socket") {
		t.Errorf("expected a long folder to be refused with the reason, got %v", err)
	}
	if got, err := baseFolder(""); err != nil || !filepath.IsAbs(got) {
		t.Errorf("expected a folder without asking, got %q, %v", got, err)
	}
	if os.Getuid() == 0 {
		if _, err := baseFolder(closed(t)); err == nil || !strings.Contains(err.Error(), "does not run as root") {
			t.Errorf("expected a folder closed to others to be refused to root, got %v", err)
		}
	}
}

// closed is a folder that only its owner may enter.
func closed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
