package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/devpg"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/sample"
	"github.com/lethe-dsr/lethe/internal/web"
	"github.com/lethe-dsr/lethe/migrations"
)

type demoCmd struct {
	Once bool   `help:"Run one request of each kind and a sweep through the real form, print what happened, and exit."`
	Data string `type:"existingdir" placeholder:"DIR" help:"Load CSV files of the live-chat shape instead of inventing a shop."`
	Addr string `placeholder:"HOST:PORT" default:"127.0.0.1:8080" help:"Where to serve; with --once any free port."`
	JSON bool   `name:"json" help:"With --once: the summary as JSON."`
}

// Help is the longer text of -h.
func (demoCmd) Help() string {
	return `Starts a Postgres of its own (nothing of yours is touched), fills it with a shop's live-chat data, and runs the whole service on it with a mailbox to read its mails. Everything is gone when it ends.

Examples:
  lethe demo
  lethe demo --once
  lethe demo --once --data ./data/livechat`
}

// Run runs the demo.
func (c *demoCmd) Run(ctx context.Context, w *world) error {
	if c.Once {
		c.Addr = "127.0.0.1:0"
	}
	d, err := c.set(ctx, w)
	if d != nil {
		defer d.close()
	}
	if err != nil {
		if errors.Is(err, devpg.ErrNoBinaries) {
			return fmt.Errorf("%w\n\nThe demo needs Postgres' server programs; make demo installs them", err)
		}
		return err
	}
	if c.Once {
		return d.once(ctx, w, c.JSON)
	}
	return d.run(ctx, w)
}

// demo is the stage: everything that the demo runs on.
type demo struct {
	app     *app
	box     *mailbox.Mailbox
	shop    *pgxpool.Pool
	server  *devpg.Server
	dir     string
	listen  net.Listener
	origin  string // where the pages are
	link    string // one-time sign-in link
	loaded  sample.Counts
	closers []func()
}

func (d *demo) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// set sets the stage: databases, shop, mailbox, configuration, parts.
func (c *demoCmd) set(ctx context.Context, w *world) (*demo, error) {
	d := &demo{}
	say := func(format string, a ...any) {
		if !c.Once || w.terminal {
			fmt.Fprintf(w.err, format+"\n", a...)
		}
	}
	var err error
	if d.listen, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr); err != nil { // before anything that takes its time
		return d, fmt.Errorf("%s cannot be listened on: %w; choose another with --addr", c.Addr, err)
	}
	d.closers = append(d.closers, func() { _ = d.listen.Close() })
	d.origin = "http://" + d.listen.Addr().String()
	say("Starting a private Postgres ...")
	server, err := devpg.Start(ctx, devpg.Options{})
	if err != nil {
		return d, err
	}
	d.server = server
	d.closers = append(d.closers, func() { _ = server.Stop() })
	for _, name := range []string{"lethe", "livechat"} {
		if err := server.CreateDatabase(ctx, name, ""); err != nil {
			return d, err
		}
	}
	if d.dir, err = server.Folder("demo"); err != nil {
		return d, err
	}
	say("Filling the shop ...")
	if d.shop, err = pg.Open(ctx, server.URL("livechat"), pg.Options{Name: "demo shop"}); err != nil {
		return d, err
	}
	d.closers = append(d.closers, d.shop.Close)
	if d.loaded, err = loadShop(ctx, d.shop, c.Data, w.now()); err != nil {
		return d, err
	}
	if _, err = sample.WriteFiles(ctx, d.shop, filepath.Join(d.dir, "attachments")); err != nil {
		return d, err
	}
	if d.box, err = mailbox.Start("127.0.0.1:0"); err != nil {
		return d, err
	}
	d.closers = append(d.closers, func() { _ = d.box.Close() })
	return d, d.open(ctx, w, c.Once)
}

func loadShop(ctx context.Context, shop *pgxpool.Pool, dir string, now time.Time) (sample.Counts, error) {
	if _, err := shop.Exec(ctx, livechat.Schema); err != nil {
		return nil, fmt.Errorf("the shop's tables: %w", pg.Clean(err))
	}
	load := func() error { return sample.Generate(1, now, sample.Options{}).Load(ctx, shop) }
	if dir != "" {
		load = func() error { return sample.LoadCSV(ctx, shop, dir) }
	}
	if err := load(); err != nil {
		return nil, err
	}
	return sample.Count(ctx, shop)
}

// open writes the example's own configuration files and opens the parts with them.
func (d *demo) open(ctx context.Context, w *world, quiet bool) error {
	for name, text := range map[string]string{"lethe.yaml": livechat.Config, "datamap.yaml": livechat.Datamap, "retention.yaml": livechat.Retention} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	key := filepath.Join(d.dir, "lethe.key")
	if _, err := keys.Create(key); err != nil {
		return err
	}
	env := map[string]string{
		"SHOP_FILES":     "file://" + filepath.Join(d.dir, "attachments"),
		"LETHE_DATABASE": d.server.URL("lethe"), "SHOP_DATABASE": d.server.URL("livechat"), "MAIL_URL": "smtp://" + d.box.SMTPAddr(),
		"STORAGE": "file://" + filepath.Join(d.dir, "archives"), "KEY_FILE": key, "LISTEN": d.listen.Addr().String(), "PUBLIC_URL": d.origin,
	}
	cfg, list := config.Load(filepath.Join(d.dir, "lethe.yaml"), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if len(list) > 0 {
		return problems("the example's configuration cannot be used", list)
	}
	control, err := openControl(ctx, cfg, 4)
	if err != nil {
		return err
	}
	defer control.Close()
	if err := migrations.Up(ctx, control); err != nil {
		return err
	}
	logTo := io.Discard
	if !quiet {
		logTo = w.err
	}
	if d.app, err = openApp(ctx, w, cfg, slog.New(slog.NewTextHandler(logTo, &slog.HandlerOptions{Level: slog.LevelWarn}))); err != nil {
		return err
	}
	d.closers = append(d.closers, d.app.close)
	if err := d.app.retention.Sync(ctx); err != nil {
		return err
	}
	id, err := web.AddStaff(ctx, d.app.pool, web.StaffMember{Email: "dpo@demo.example", Name: "Petra Demo", Role: web.RoleProcessor}, "")
	if err != nil {
		return err
	}
	token, err := web.SignInLink(ctx, d.app.pool, id, 12*time.Hour, w.now(), rand.Reader)
	if err != nil {
		return err
	}
	d.link = d.origin + "/signin/" + token
	return nil
}

func (d *demo) serving(ready func()) serving {
	return serving{
		work: true, listener: d.listen, demo: true, ready: func(string) { ready() },
		extra: map[string]http.Handler{"/mailbox/": http.StripPrefix("/mailbox", d.box.Handler())},
	}
}

// run serves until Ctrl-C.
func (d *demo) run(ctx context.Context, w *world) error {
	people, err := sample.Pick(ctx, d.shop, 1)
	if err != nil {
		return err
	}
	if len(people) == 0 {
		return errors.New("the shop has nobody with a mail address and a conversation")
	}
	return d.app.serve(ctx, d.serving(func() {
		fmt.Fprintf(w.out, `
Lethe is running on a shop with %s and %s.

  1. Ask, as a customer:      %s/c/%s
     with the address         %s
  2. Read the mails:          %s/mailbox/
  3. Decide, as the DPO:      %s
     (the link signs you in once; then %s/)

Ctrl-C ends it, and nothing of it stays.
`, plural(d.loaded["contacts"], "contact", "contacts"), plural(d.loaded["visits"], "visit", "visits"),
			d.origin, d.controller(people[0]), people[0].Email, d.origin, d.link, d.origin)
	}))
}

// controller is the key of the controller whose scope a person's account is.
func (d *demo) controller(p sample.Person) string {
	for _, c := range d.app.cfg.Controllers {
		if c.Scope == p.Scope {
			return c.Key
		}
	}
	return ""
}
