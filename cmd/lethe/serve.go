package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/web"
	"github.com/lethe-dsr/lethe/jobs"
	"github.com/lethe-dsr/lethe/migrations"
)

type serveCmd struct {
	NoWork bool `help:"Pages only; let lethe work run elsewhere."`
}

// Help is the longer text of -h.
func (serveCmd) Help() string {
	return `Serves the console for staff and the pages for subjects on the address "listen" of the configuration, and works on the queue. Stop it with Ctrl-C, SIGTERM or SIGHUP: running jobs finish or go back to the queue.

Example:
  lethe serve -c /etc/lethe/lethe.yaml
  lethe serve --no-work`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := start(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	return a.serve(ctx, serving{work: !c.NoWork, listen: a.cfg.Listen, ready: func(addr string) {
		fmt.Fprintf(w.err, "Serving %s on %s.\n", a.cfg.PublicURL, addr)
	}})
}

type workCmd struct{}

// Help is the longer text of -h.
func (workCmd) Help() string {
	return `Works on the queue without serving pages. Run as many as you like, on any number of machines.

Example:
  lethe work -c /etc/lethe/lethe.yaml`
}

// Run works until it is told to stop.
func (c *workCmd) Run(ctx context.Context, w *world, cli *commands) error {
	a, err := start(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	fmt.Fprintln(w.err, "Working.")
	return a.serve(ctx, serving{work: true})
}

// start opens the parts of a long-running process, and brings the rules up to date.
func start(ctx context.Context, w *world, cli *commands) (*app, error) {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return nil, err
	}
	a, err := openApp(ctx, w, cfg, slog.New(slog.NewJSONHandler(w.err, &slog.HandlerOptions{Level: slog.LevelInfo})))
	if err != nil {
		return nil, err
	}
	if err := a.retention.Sync(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// serving says what a process does.
type serving struct {
	work     bool
	listen   string // where; empty and no listener: no pages
	listener net.Listener
	ready    func(addr string)
	extra    map[string]http.Handler // the demo's mailbox
	demo     bool
}

// serve runs pages, workers and the ledger's sealer until ctx ends, then stops
// them in the order in which they depend on each other.
func (a *app) serve(ctx context.Context, s serving) error {
	listener := s.listener
	if listener == nil && s.listen != "" { // before any work is begun: where another process serves, this one is a mistake
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen); err != nil {
			return fmt.Errorf("the address %s cannot be listened on: %w; choose another with listen: in the configuration", s.listen, err)
		}
		defer func() { _ = listener.Close() }() // the server closes it, once there is one
	}
	g, ctx := errgroup.WithContext(ctx)
	var client *jobs.Client
	if s.work {
		var err error
		client, err = jobs.New(jobs.Config{
			Pool: a.pool, Schema: migrations.Schema, Requests: a.requests, Sweeps: a.retention, Mailer: a.sender, Log: a.log, Now: a.now,
			Concurrency: a.cfg.Work.Concurrency, JobLimit: a.cfg.Work.JobLimit, RescueAfter: a.cfg.Work.RescueAfter,
		})
		if err != nil {
			return err
		}
		if err := client.Start(ctx); err != nil {
			return err
		}
		g.Go(func() error {
			<-ctx.Done()
			return client.Stop()
		})
		g.Go(func() error {
			ledger.Run(ctx, a.pool, a.log)
			return nil
		})
	}
	if listener != nil {
		handler, err := a.pages(ctx, client, s)
		if err != nil {
			return errors.Join(err, stopped(client))
		}
		server := &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
			// No write time-out: an archive may be large. Slow readers are cut
			// off by the download's own limit.
			ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		}
		g.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("pages: %w", err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			if err := server.Shutdown(limit); err != nil {
				_ = server.Close()
			}
			return nil
		})
		if s.ready != nil {
			s.ready(listener.Addr().String())
		}
	}
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func stopped(c *jobs.Client) error {
	if c == nil {
		return nil
	}
	return c.Stop()
}

// pages is the handler of everything that is served.
func (a *app) pages(ctx context.Context, client *jobs.Client, s serving) (http.Handler, error) {
	conf := web.Config{
		Requests: a.requests, Retention: a.retention, Staff: web.NewStaff(a.pool), Controllers: a.controllersInOrder(),
		Identities: datamap.IdentityTypes(a.datamap), Browser: datamap.BrowserTypes(a.datamap), PublicURL: a.cfg.PublicURL, Proxies: a.cfg.Proxies, Now: a.now, Rand: rand.Reader, Log: a.log, Demo: s.demo,
		Words: a.sender.Words, Fields: datamap.RequestFields(a.datamap),
	}
	for _, p := range a.cfg.Policies {
		conf.Policies = append(conf.Policies, web.Policy{Name: p.Name, Kind: datamap.Kind(p.Kind)})
	}
	conf.Keeps = map[string][]web.Keep{}
	for _, d := range a.datamap.Datasets {
		for _, c := range d.Collections {
			name := c.FullName()
			conf.Collections = append(conf.Collections, name)
			if len(c.PrimaryKey()) > 0 && datamap.MayPick(a.datamap, name) == nil {
				conf.Pickable = append(conf.Pickable, name)
			}
			for _, k := range c.Keeps {
				conf.Keeps[name] = append(conf.Keeps[name], web.Keep{For: k.For, From: k.From, Because: k.Because})
			}
		}
	}
	if client != nil {
		page, err := client.Page(ctx, "/queue")
		if err != nil {
			return nil, err
		}
		conf.Queue = page
	}
	handler, err := web.New(conf)
	if err != nil || len(s.extra) == 0 {
		return handler, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	for pattern, h := range s.extra {
		mux.Handle(pattern, h)
	}
	return mux, nil
}
