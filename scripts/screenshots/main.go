// Command screenshots takes the pictures in docs/pictures again: it starts the
// demo (bin/lethe), walks through its pages as the people concerned do, in a real
// Chromium, and saves each page 1280 and 390 pixels wide. Every page is audited on
// the way (internal/browser/audit.js); a fault ends it with exit status 1, after the last picture.
//
// Run it with `make screenshots`; `go run ./scripts/screenshots company` takes only
// those that need more than the demo has. Open walk.go and walk_company.go for
// what is walked through.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/lethe-dsr/lethe/internal/browser"
	"github.com/lethe-dsr/lethe/internal/devpg"
	"github.com/lethe-dsr/lethe/internal/sample"
)

func main() {
	devpg.Supervise()
	if err := walkThrough(); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func walkThrough() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := browser.Find()
	if err != nil {
		return err
	}
	b, err := browser.Start(ctx, path)
	if err != nil {
		return err
	}
	defer b.Close()
	cmd := exec.CommandContext(ctx, filepath.Join("bin", "lethe"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	demo, err := browser.StartDemo(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, demo.Stop()) }()
	a := &album{dir: filepath.Join("docs", "pictures")}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	w, err := newWalk(b, demo, a)
	if err != nil {
		return err
	}
	defer w.close()
	var walked error
	if len(os.Args) < 2 || os.Args[1] != "company" {
		walked = w.all()
	}
	tabs := []*browser.Tab{w.subject, w.dpo}
	if walked == nil {
		var more []*browser.Tab
		more, walked = walkCompany(ctx, b, a, w.people)
		tabs = append(tabs, more...)
	}
	for _, t := range tabs {
		for _, c := range t.Complaints() {
			a.faults = append(a.faults, "the browser's console: "+c)
		}
	}
	fmt.Printf("%d pictures in %s\n", a.pictures, a.dir)
	if len(a.faults) > 0 {
		for _, f := range a.faults {
			fmt.Println("  " + f)
		}
		return errors.Join(walked, fmt.Errorf("%d faults of the pages", len(a.faults)))
	}
	return walked
}

// walkCompany takes the pictures that need more than the demo has.
func walkCompany(ctx context.Context, b *browser.Browser, a *album, people *sample.Shop) ([]*browser.Tab, error) {
	c, err := openCompany(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	t, err := newTour(ctx, b, c, a, people)
	if err != nil {
		return nil, err
	}
	return []*browser.Tab{t.dpo, t.second, t.owner}, t.all()
}

// album is where the pictures go, and what was wrong with the pages.
type album struct {
	dir      string
	pictures int
	faults   []string
}

// take takes the page that a window shows, wide and narrow; what is audited, is
// audited in both widths, light and dark.
func (a *album) take(t *browser.Tab, name string, audited bool) error {
	for _, size := range []struct {
		word  string
		width int64
	}{{"390", 390}, {"wide", 1280}} {
		picture, err := t.Picture(size.width)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, name+"-"+size.word+".png"), picture, 0o644); err != nil { //nolint:gosec // a picture for all to see
			return err
		}
		a.pictures++
		if !audited {
			continue
		}
		for _, dark := range []bool{true, false} {
			if err := t.Dark(dark); err != nil {
				return err
			}
			faults, err := t.Audit()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, f := range faults {
				where := name + ", " + size.word
				if dark {
					where += ", dark"
				}
				a.faults = append(a.faults, where+": "+f)
			}
		}
	}
	return t.Resize(1280, 900)
}
