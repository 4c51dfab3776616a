//go:build unix

package devpg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// mark in the environment makes a process a supervisor.
	mark = "LETHE_DEVPG_SUPERVISOR"
	// startLimit bounds initdb and the first start, together.
	startLimit = 2 * time.Minute
	// quitLimit is how long Postgres has for an immediate shutdown.
	quitLimit = 5 * time.Second
	pollEvery = 5 * time.Millisecond
)

// Supervise returns at once in an ordinary process. In one that Start made to
// be a supervisor it does that work and ends the process.
func Supervise() {
	if os.Getenv(mark) == "" {
		return
	}
	// Postgres and initdb are Go programs' children here, not supervisors.
	_ = os.Unsetenv(mark)
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	os.Exit(supervise(os.NewFile(3, "lifeline"), os.NewFile(4, "answer")))
}

func supervise(lifeline, says io.ReadWriteCloser) int {
	// Only the end of the owner ends this process, however it ends.
	// Caught, not ignored: an ignored signal would stay ignored in Postgres until it
	// installs its own handlers.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	in := bufio.NewReader(lifeline)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return 2
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	ownerGone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // ends when the owner's end of the pipe closes
		close(ownerGone)
		cancel()
	}()
	c, err := create(ctx, o)
	if err != nil {
		answerWith(says, answer{Error: err.Error()})
		return 1
	}
	defer c.remove()
	answerWith(says, answer{Dir: c.dir})
	select {
	case <-ownerGone:
	case <-c.ended: // killed by somebody: the owner's connections say so
		<-ownerGone
	}
	return 0
}

func answerWith(w io.WriteCloser, a answer) {
	_ = json.NewEncoder(w).Encode(a)
	_ = w.Close()
}

// cluster is a Postgres of which this process is the parent.
type cluster struct {
	dir      string
	postgres *os.Process
	ended    chan struct{}
}

// create makes the folder, the cluster in it, and starts it. Whatever it made
// is gone again when it fails.
func create(ctx context.Context, o order) (_ *cluster, err error) {
	who, err := owner()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Base, prefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	c := &cluster{dir: dir, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			c.remove()
		}
	}()
	if err := who.own(dir); err != nil {
		return nil, fmt.Errorf("hand the folder to user %s: %w", who.name, err)
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(o.Binaries, "initdb"),
		"-D", data, "-U", superuser, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync", "--no-instructions")
	who.run(initdb, dir)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, tail(out))
	}
	if err := c.start(who, o, data); err != nil {
		return nil, err
	}
	return c, c.ready(ctx, data)
}

// start runs postgres, its output going to a file in the folder.
func (c *cluster) start(who *person, o order, data string) error {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := []string{"-D", data}
	s := settings(o, c.dir)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		args = append(args, "-c", name+"="+s[name])
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(o.Binaries, "postgres"), args...)
	who.run(cmd, c.dir)
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error, 1)
	go func() {
		// On Linux the kernel ends Postgres when the thread that started it
		// ends: this one lives as long as the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	c.postgres = cmd.Process
	return nil
}

// ready waits until the server takes connections. It reads what pg_ctl reads:
// the eighth line of postmaster.pid.
func (c *cluster) ready(ctx context.Context, data string) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		pid, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		lines := bytes.Split(pid, []byte("\n"))
		if err == nil && len(lines) > 7 && string(bytes.TrimSpace(lines[7])) == "ready" {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.ended:
			out, _ := os.ReadFile(c.logFile())
			return fmt.Errorf("postgres ended while starting: %s", tail(out))
		case <-ctx.Done():
			return errors.New("postgres was not ready in time")
		}
	}
}

// remove stops Postgres (an immediate shutdown: there is nothing to keep) and
// removes the folder.
func (c *cluster) remove() {
	if c.postgres != nil {
		_ = c.postgres.Signal(syscall.SIGQUIT)
		timer := time.NewTimer(quitLimit)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			_ = c.postgres.Kill() // its children end themselves when they see it gone
			<-c.ended
		}
	}
	// A last child of Postgres may still write a file while the folder goes.
	poll(time.Second, func() bool { return os.RemoveAll(c.dir) == nil })
}

func (c *cluster) logFile() string { return filepath.Join(c.dir, "log") }

// settings are those of the order over ours.
func settings(o order, dir string) map[string]string {
	s := map[string]string{
		"listen_addresses":        "", // a unix socket in a folder of 0700, and nothing else
		"unix_socket_directories": dir,
		"unix_socket_permissions": "0700",
		"port":                    port,
		"max_connections":         strconv.Itoa(o.MaxConns),
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
		"log_min_messages":        "warning",
		"log_min_error_statement": "panic", // statements hold values
		"wal_level":               "minimal",
		"max_wal_senders":         "0",
		"jit":                     "off",
		// Dynamic shared memory as files in the folder: /dev/shm is small in
		// containers, and a kill -9 of everything would leave segments there.
		"dynamic_shared_memory_type": "mmap",
	}
	if !o.Durable {
		s["fsync"], s["synchronous_commit"], s["full_page_writes"] = "off", "off", "off"
	}
	maps.Copy(s, o.Settings)
	return s
}

// tail is the end of a program's output, on one line, for an error.
func tail(out []byte) string {
	const limit = 600
	s := strings.Join(strings.Fields(string(out)), " ")
	if len(s) > limit {
		s = "…" + strings.ToValidUTF8(s[len(s)-limit:], "")
	}
	return s
}

// killLeft ends a Postgres whose supervisor was killed. Its number stands in
// the first line of postmaster.pid.
func killLeft(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return
	}
	first, _, _ := bytes.Cut(b, []byte("\n"))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(first)))
	if err != nil || pid <= 1 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGQUIT)
	if !poll(quitLimit, func() bool { return syscall.Kill(pid, 0) != nil }) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// poll asks done until it says yes, and tells whether it did within limit.
func poll(limit time.Duration, done func() bool) bool {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			return done()
		}
	}
	return true
}
