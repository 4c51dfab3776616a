//go:build unix

package devpg

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// ownerBase in the environment makes this binary an owner that starts a
// cluster below the folder named, says where, and waits to be killed.
const ownerBase = "DEVPG_TEST_OWNER_BASE"

func TestMain(m *testing.M) {
	Supervise()
	if dir := os.Getenv(ownerBase); dir != "" {
		beOwner(dir)
	}
	goleak.VerifyTestMain(m)
}

func beOwner(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(running{Dir: s.dir, Supervisor: s.process.Pid, Postgres: postmaster(s.dir)})
	select {}
}

// running is what an owner tells of its cluster.
type running struct {
	Dir                  string
	Supervisor, Postgres int
}

// postmaster is the process number of the Postgres in dir; 0 when there is none.
func postmaster(dir string) int {
	b, _ := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// alive tells whether a process runs. A dead one that nobody has waited for
// (its parent was killed, and a container's first process may be no init) does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !exists("/proc/self")
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// within polls until what is expected holds.
func within(t *testing.T, limit time.Duration, expected string, holds func() bool) {
	t.Helper()
	if !poll(limit, holds) {
		t.Errorf("expected %s within %s", expected, limit)
	}
}

// place is an own base folder, short and open to the user Postgres runs as;
// at its end nothing may be left in it.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "devpg")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 0 {
			t.Errorf("expected no folder of a cluster to be left, found %v, %v", left, err)
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe/dsar", "github.com/lethe-dsr/lethe/retention", "github.com/lethe-dsr/lethe/jobs",
		"github.com/lethe-dsr/lethe/cmd", "github.com/lethe-dsr/lethe/internal/web", "github.com/riverqueue", "testing")
}
