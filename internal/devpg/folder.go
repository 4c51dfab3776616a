//go:build unix

package devpg

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	prefix = "lethe-pg-"
	port   = "5432" // names the socket; nothing listens on a network
	// socketLimit is the shortest limit on a socket's path among our systems:
	// 103 bytes on macOS, 107 on Linux.
	socketLimit = 103
)

// baseFolder is the folder in which the cluster's folder is made.
func baseFolder(wish string) (string, error) {
	candidates := []string{wish}
	if wish == "" {
		candidates = []string{os.TempDir(), "/tmp", "/var/tmp"}
	}
	var why error
	for _, dir := range candidates {
		dir, err := filepath.Abs(dir)
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err == nil {
			err = fits(dir)
		}
		if err == nil {
			return dir, nil
		}
		if why == nil {
			why = err
		}
	}
	return "", fmt.Errorf("private Postgres: no folder for it: %w; name another one by TMPDIR", why)
}

// fits tells whether a cluster may stand in dir: short enough for a socket,
// and, when Postgres runs as another user than we, open to that user.
func fits(dir string) error {
	const random = "1234567890" // the most that MkdirTemp appends
	if n := len(filepath.Join(dir, prefix+random, ".s.PGSQL."+port)); n > socketLimit {
		return fmt.Errorf("%s is too long for a unix socket (%d bytes, at most %d)", dir, n, socketLimit)
	}
	if os.Getuid() != 0 {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("%s may not be entered by other users, and Postgres does not run as root", d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// person is the user as whom Postgres runs.
type person struct {
	name string
	cred *syscall.Credential // nil: as ourselves
}

// owner is ourselves, but for root, whom Postgres refuses: then the user that
// its packages make, or nobody.
func owner() (*person, error) {
	if os.Getuid() != 0 {
		return &person{name: "ourselves"}, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil || uid == 0 {
			continue
		}
		return &person{name: name, cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, fmt.Errorf("postgres does not run as root, and there is no user postgres or nobody to run it as")
}

func (p *person) own(dir string) error {
	if p.cred == nil {
		return nil
	}
	return os.Chown(dir, int(p.cred.Uid), int(p.cred.Gid))
}

// run makes cmd run as the person, in dir, untouched by the terminal, with an
// environment in which no PG* variable of the caller's is left.
func (p *person) run(cmd *exec.Cmd, dir string) {
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v := os.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: p.cred}
	dieWithParent(cmd.SysProcAttr)
}
