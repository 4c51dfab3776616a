package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheTerminalIsGone: a worker whose terminal closes stops in order, as with
// SIGTERM: what it was at need not wait to be rescued. Under nohup it goes on.
func TestTheTerminalIsGone(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, shell := range map[string]string{"by itself": `exec "$0" work`, "under nohup": `trap "" HUP; exec "$0" work`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log safeBuffer
			p := &process{cmd: exec.Command("/bin/sh", "-c", shell, self)}
			p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), s.env...), &log, &log
			if err := p.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.end(syscall.SIGKILL) })
			eventually(t, "the worker should work", func() bool { return strings.Contains(log.String(), "River client started") })
			if name == "by itself" {
				p.end(syscall.SIGHUP)
			} else {
				_ = p.cmd.Process.Signal(syscall.SIGHUP)
				time.Sleep(time.Second) // it would have stopped by now
				if strings.Contains(log.String(), "River client stopped") {
					t.Error("the worker should go on")
				}
				p.end(syscall.SIGTERM)
			}
			if code := p.cmd.ProcessState.ExitCode(); code != done || !strings.Contains(log.String(), "River client stopped") {
				t.Errorf("the worker should stop in order, got exit status %d:\n%s", code, log.String())
			}
		})
	}
}

// TestServedTwice: a process that cannot serve its pages begins no work, either.
func TestServedTwice(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s.set("LISTEN", l.Addr().String())
	var log safeBuffer
	p := s.start(t, &log, "serve")
	if err := p.cmd.Wait(); err == nil || !strings.Contains(log.String(), "cannot be listened on") || strings.Contains(log.String(), "River client started") {
		t.Errorf("the second process should say what is wrong, and do nothing; it ends with %v:\n%s", err, log.String())
	}
	p.killed = true
}
