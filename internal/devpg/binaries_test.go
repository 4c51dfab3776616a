//go:build unix

package devpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake makes a folder of programs that say they are of a version.
func fake(t *testing.T, dir, version string, programs ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		script := "#!/bin/sh\necho '" + p + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, p), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheNewestIsTaken(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fake(t, filepath.Join(root, "9/bin"), "9.6.24", "initdb", "postgres")
	want := fake(t, filepath.Join(root, "17/bin"), "17beta1 (Debian 17~beta1)", "initdb", "postgres")
	fake(t, filepath.Join(root, "18/bin"), "18.0", "postgres")         // a client's package, without initdb
	fake(t, filepath.Join(root, "19/bin"), "19.0", "initdb", "pg_ctl") // without the server
	// A folder of links, as Homebrew and Debian have them.
	links := filepath.Join(root, "links")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(want, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	got, err := newest(candidates("relative:"+links+":"+filepath.Join(root, "missing"), []string{filepath.Join(root, "*", "bin")}))
	if err != nil || got != want {
		t.Errorf("expected the newest complete one, %s, got %s, %v", want, got, err)
	}
	got, err = newest(candidates(links, nil))
	if err != nil || got != want {
		t.Errorf("expected links to be followed to %s, got %s, %v", want, got, err)
	}
}

func TestNoneSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := newest(candidates(t.TempDir(), []string{"/nowhere/*/bin"}))
	if !errors.Is(err, ErrNoBinaries) {
		t.Fatalf("expected ErrNoBinaries, got %v", err)
	}
	for _, tool := range []string{"apt-get", "dnf", "apk", "brew", BinEnv} {
		if !strings.Contains(err.Error(), tool) {
			t.Errorf("expected the error to name %s, got %q", tool, err)
		}
	}
}

func TestMajorVersion(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]int{
		"postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)": 15,
		"postgres (PostgreSQL) 9.6.24":                       9,
		"postgres (PostgreSQL) 17beta1":                      17,
		"postgres (PostgreSQL) devel":                        0,
		"":                                                   0,
	} {
		if got := majorVersion(out); got != want {
			t.Errorf("expected %d of %q, got %d", want, out, got)
		}
	}
}

// Not parallel: the environment is the process's.
func TestTheWishIsTheOnlyCandidate(t *testing.T) {
	t.Setenv(BinEnv, t.TempDir())
	if _, err := Start(t.Context(), Options{}); !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), BinEnv) {
		t.Errorf("expected the folder named to be the only one looked at, got %v", err)
	}
	t.Setenv(BinEnv, fake(t, t.TempDir(), "15.1", "initdb", "postgres"))
	if _, err := find(); err != nil {
		t.Errorf("expected the folder named to be taken, got %v", err)
	}
}

// Not parallel: the environment is the process's.
func TestAForgottenSuperviseStartsNoChain(t *testing.T) {
	t.Setenv(mark, "1")
	if _, err := Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "Supervise was not called") {
		t.Errorf("expected a supervisor that was not one to start nothing, got %v", err)
	}
}
