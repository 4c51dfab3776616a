package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// mark is an environment variable by which a demo's processes are found again.
const mark = "LETHE_TEST_MARK"

// demoProcess is `lethe demo` as a person starts it, with a temporary folder of its own.
func demoProcess(ctx context.Context, t *testing.T, args ...string) (cmd *exec.Cmd, tmp, id string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Short: a socket's path may have 107 bytes.
	if tmp, err = os.MkdirTemp("", "ld"); err != nil {
		t.Fatal(err)
	}
	// Postgres' processes belong to somebody else when we are root.
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	id = fmt.Sprintf("%s=%d-%s", mark, os.Getpid(), filepath.Base(tmp))
	cmd = exec.CommandContext(ctx, self, append([]string{"demo"}, args...)...)
	cmd.Env = append(append(os.Environ(), commandEnv()...), "TMPDIR="+tmp, id)
	return cmd, tmp, id
}

// nothingLeft fails when a process or file of a demo is still there.
func nothingLeft(t *testing.T, tmp, id string) {
	t.Helper()
	var left string
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left = leftovers(t, tmp, id)
		if left == "" {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("the demo should leave nothing behind; still there: %s", left)
		}
	}
}

func leftovers(t *testing.T, tmp, id string) string {
	t.Helper()
	files, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		return "the file " + f.Name()
	}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, e := range environs {
		data, err := os.ReadFile(e)
		if err == nil && bytes.Contains(data, []byte(id)) {
			return "the process " + filepath.Base(filepath.Dir(e))
		}
	}
	return ""
}

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"generated": nil, "real rows": {"--data", filepath.Join("..", "..", "..", "shared", "data", "livechat")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(args) > 0 {
				realRows(t)
			}
			cmd, tmp, id := demoProcess(t.Context(), t, append([]string{"--once", "--json"}, args...)...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("the demo should exit with 0: %v\n%s", err, errs.String())
			}
			nothingLeft(t, tmp, id)
			var got struct {
				Requests []story
				Sweeps   []sweepJSON
			}
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("the summary should be one JSON document: %v", err)
			}
			if len(got.Requests) != 3 {
				t.Fatalf("one request of each kind should be in the summary, there are %d", len(got.Requests))
			}
			for _, r := range got.Requests {
				if r.Status != "fulfilled" || r.Rows == 0 || r.Mails != 2 {
					t.Errorf("%s should be fulfilled with rows found and two mails: %+v", r.Kind, r)
				}
				switch {
				case r.Kind == "erasure" && r.Erased != r.Rows:
					t.Errorf("all %d rows should be erased, %d are", r.Rows, r.Erased)
				case r.Kind != "erasure" && (r.Exported != r.Rows || r.Files < 4):
					t.Errorf("%s: the archive should hold the %d rows found: %+v", r.Kind, r.Rows, r)
				}
			}
			for _, s := range got.Sweeps {
				if s.DryRun || s.Status != "done" || s.Deleted != s.Expired {
					t.Errorf("rule %s should have run to its end: %+v", s.Rule, s)
				}
			}
			if len(got.Sweeps) < 5 {
				t.Errorf("every rule of the example should have run, %d did", len(got.Sweeps))
			}
		})
	}
}

// TestDemoServes starts the demo as a person does, looks at its pages, and ends it with Ctrl-C.
func TestDemoServes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd, tmp, id := demoProcess(ctx, t, "--addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &safeBuffer{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`http://\S+/signin/\S+`)
	found := ""
	lines := bufio.NewScanner(stdout)
	for found == "" && lines.Scan() {
		found = link.FindString(lines.Text())
	}
	if found == "" {
		t.Fatalf("the demo should print a sign-in link:\n%s", errs.String())
	}
	origin, _, _ := strings.Cut(found, "/signin/")
	for _, page := range []string{"/healthz", "/c/bota", "/mailbox/", strings.TrimPrefix(found, origin)} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+page, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s should answer: %v", page, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s should answer with 200, it does with %d", page, res.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it says until its end
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C should end the demo with exit status 0: %v\n%s", err, errs.String())
	}
	nothingLeft(t, tmp, id)
}

// TestDemoKilled: kill -9 leaves nothing behind, either.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd, tmp, id := demoProcess(ctx, t, "--addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "/signin/") {
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	nothingLeft(t, tmp, id)
}
