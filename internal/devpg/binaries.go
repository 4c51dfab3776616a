//go:build unix

package devpg

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BinEnv names the folder with initdb and postgres, where they stand at an
// unusual place or a certain version is wanted.
const BinEnv = "LETHE_PG_BIN"

// patterns are the places where packages put Postgres.
var patterns = []string{
	"/usr/lib/postgresql/*/bin",                       // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                // postgresql.org's RPMs
	"/usr/libexec/postgresql*",                        // Alpine
	"/usr/lib64/pgsql/bin", "/usr/lib/postgresql/bin", // SUSE, Arch
	"/usr/local/pgsql/bin",                                       // built by hand
	"/opt/homebrew/opt/postgresql*/bin",                          // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                             // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",             // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin",         // Postgres.app
	"/opt/local/lib/postgresql*/bin",                             // MacPorts
	"/run/current-system/sw/bin", "/nix/var/nix/profiles/*/bin/", // NixOS
}

// find is the folder of the newest Postgres that has initdb and postgres. The
// environment's wish, if there is one, is the only candidate.
func find() (string, error) {
	if wish := os.Getenv(BinEnv); wish != "" {
		dir, _, ok := inspect(wish)
		if !ok {
			return "", fmt.Errorf("%w in the folder that %s names", ErrNoBinaries, BinEnv)
		}
		return dir, nil
	}
	return newest(candidates(os.Getenv("PATH"), patterns))
}

func candidates(path string, patterns []string) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // only a bad pattern is an error
		dirs = append(dirs, found...)
	}
	return dirs
}

func newest(dirs []string) (string, error) {
	type candidate struct {
		dir   string
		major int
	}
	var all []candidate
	seen := map[string]bool{}
	for _, d := range dirs {
		dir, major, ok := inspect(d)
		if ok && !seen[dir] {
			seen[dir] = true
			all = append(all, candidate{dir, major})
		}
	}
	if len(all) == 0 {
		return "", ErrNoBinaries
	}
	return slices.MaxFunc(all, func(a, b candidate) int { return cmp.Compare(a.major, b.major) }).dir, nil
}

// inspect resolves dir to where initdb really stands (Debian's wrappers and
// Homebrew's are links), and asks for its version.
func inspect(dir string) (real string, major int, ok bool) {
	initdb, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb"))
	if err != nil {
		return "", 0, false
	}
	real = filepath.Dir(initdb)
	if info, err := os.Stat(filepath.Join(real, "postgres")); err != nil || info.Mode()&0o111 == 0 {
		return "", 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(real, "postgres"), "--version").Output()
	if err != nil {
		return "", 0, false
	}
	return real, majorVersion(string(out)), true
}

var firstNumber = regexp.MustCompile(`[0-9]+`)

// majorVersion reads "postgres (PostgreSQL) 15.8 (Debian …)" and "17beta1"; 0 when there is no number.
func majorVersion(out string) int {
	_, rest, _ := strings.Cut(out, ")")
	n, _ := strconv.Atoi(firstNumber.FindString(rest))
	return n
}
