// Package browser drives a real Chromium over Lethe's pages, as a person does:
// it opens, types, ticks and presses. The browser test (cmd/lethe) and the tool
// that takes the pictures (scripts/screenshots) use it; nothing that is shipped does.
//
// Open tab.go for what a person can do, audit.go for what is asked of every page,
// demo.go for the demo as a process.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
)

// limit is far above what any step takes; a page that hangs must not hang the test.
const limit = 30 * time.Second

// ErrNone says that there is no browser on this machine.
var ErrNone = errors.New("no chromium was found (Debian: apt-get install chromium); LETHE_CHROMIUM names one elsewhere")

// Find is the path of a Chromium: what LETHE_CHROMIUM names, or the first of the
// usual names on the PATH.
func Find() (string, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if own := os.Getenv("LETHE_CHROMIUM"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNone
}

// A Browser is a Chromium of its own, with an empty profile.
type Browser struct {
	ctx     context.Context
	cancels []context.CancelFunc
	profile string
}

// Start starts the Chromium at path, without a window. It asks nothing of the
// network: the pages it is shown are on this machine.
func Start(ctx context.Context, path string) (*Browser, error) {
	profile, err := os.MkdirTemp("", "lethe-browser-")
	if err != nil {
		return nil, err
	}
	b := &Browser{profile: profile}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		// Letters on a picture look alike on every machine.
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("lang", "en-GB"))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	b.cancels = append(b.cancels, cancel)
	b.ctx, cancel = chromedp.NewContext(ctx)
	b.cancels = append(b.cancels, cancel)
	if err := chromedp.Do(b.ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// Close ends the browser and removes its profile.
func (b *Browser) Close() {
	for i := len(b.cancels) - 1; i >= 0; i-- {
		b.cancels[i]()
	}
	_ = os.RemoveAll(b.profile)
}
