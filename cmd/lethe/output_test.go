package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOutputThatIsLost: a file on a full disk is no record; the exit status says so.
func TestOutputThatIsLost(t *testing.T) {
	t.Parallel()
	s := smallShop(t)
	file, _ := s.lookup("LETHE_CONFIG")
	for _, args := range [][]string{
		{"ledger", "show"}, {"grants"}, {"find", "--controller", "bota", "--email", "nobody@example.org"}, {"request", "list", "--json"}, {"check"},
	} {
		nobodyReads, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = nobodyReads.Close()
		var errs bytes.Buffer
		status := run(t.Context(), append([]string{"-c", file}, args...), &world{in: strings.NewReader(""), out: out, err: &errs, env: s.lookup, now: time.Now})
		_ = out.Close()
		if status != failed || !strings.Contains(errs.String(), syscall.EPIPE.Error()) {
			t.Errorf("lethe %s should fail because its output was lost, got status %d and %q", strings.Join(args, " "), status, errs.String())
		}
	}
}
