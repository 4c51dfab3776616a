package browser

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// A Demo is `lethe demo` as a process, and what it printed to click on.
type Demo struct {
	Origin string // http://127.0.0.1:…
	SignIn string // the one-time link
	cmd    *exec.Cmd
}

var signIn = regexp.MustCompile(`(http://[0-9.:]+)/signin/[A-Za-z0-9_-]+`)

// StartDemo starts it on a free port and waits until it serves. The command is
// lethe without arguments; its log goes to the command's Stderr.
func StartDemo(cmd *exec.Cmd) (*Demo, error) {
	cmd.Args = append(cmd.Args, "demo", "--addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the demo: %w", err)
	}
	d := &Demo{cmd: cmd}
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := signIn.FindStringSubmatch(lines.Text()); m != nil {
				d.SignIn, d.Origin = m[0], m[1]
				break
			}
		}
		ready <- d.SignIn != ""
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case ok := <-ready:
		if ok {
			return d, nil
		}
		return nil, errors.Join(errors.New("the demo ended before it served"), cmd.Wait())
	case <-time.After(2 * time.Minute):
		_ = d.Stop()
		return nil, errors.New("the demo does not come up")
	}
}

// Mailbox is where the demo's mails are read.
func (d *Demo) Mailbox() string { return d.Origin + "/mailbox/" }

// Stop ends it as Ctrl-C does.
func (d *Demo) Stop() error {
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return d.cmd.Wait()
}
