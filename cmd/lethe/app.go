package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/keys"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/objects"
	"github.com/lethe-dsr/lethe/jobs"
	"github.com/lethe-dsr/lethe/migrations"
	"github.com/lethe-dsr/lethe/retention"
)

// app is every part, joined.
type app struct {
	cfg       *config.Config
	log       *slog.Logger
	now       func() time.Time
	pool      *pgxpool.Pool // the control database
	keys      *keys.Set
	datamap   *datamap.Map
	rules     []retention.Rule
	sources   map[string]store
	files     map[string]*objects.Store // that rows name
	storage   *archive.Storage
	queue     *jobs.Inserter
	sender    *mail.Sender
	requests  *dsar.Service
	retention *retention.Service
	closers   []func()
}

func (a *app) close() {
	for _, c := range slices.Backward(a.closers) {
		c()
	}
}

// loadConfig reads lethe.yaml; its problems are printed a line each.
func loadConfig(w *world, path string) (*config.Config, error) {
	cfg, list := config.Load(path, w.env)
	if len(list) > 0 {
		return nil, problems("the configuration cannot be used; nothing was done", list)
	}
	return cfg, nil
}

// loadMap reads the data map; warnings go to the log.
func loadMap(cfg *config.Config) (*datamap.Map, []datamap.Problem, error) {
	files, err := readMapFiles(cfg.Datamap)
	if err != nil {
		return nil, nil, err
	}
	m, list := datamap.Parse(files, mapOptions(cfg))
	if serious := slices.DeleteFunc(slices.Clone(list), func(p datamap.Problem) bool { return p.Warning }); len(serious) > 0 {
		return nil, list, problems("the data map cannot be used; nothing was done", serious)
	}
	return m, list, nil
}

func readMapFiles(paths []string) ([]datamap.File, error) {
	var files []datamap.File
	for _, path := range paths {
		data, err := readFile(path, "the data map")
		if err != nil {
			return nil, err
		}
		files = append(files, datamap.File{Name: path, Data: data})
	}
	return files, nil
}

// mapOptions are what a map is read against.
func mapOptions(cfg *config.Config) datamap.ParseOptions {
	names, stores := []string{}, []string{}
	for _, s := range cfg.Sources {
		switch {
		case len(s.Postgres) > 0:
			names = append(names, s.Name)
		case s.Objects != "":
			stores = append(stores, s.Name)
		}
	}
	return datamap.ParseOptions{Sources: names, Stores: stores}
}

// loadRules reads the retention rules; no file is no rules.
func loadRules(cfg *config.Config, m *datamap.Map) ([]retention.Rule, error) {
	if cfg.Retention == "" {
		return nil, nil
	}
	data, err := readFile(cfg.Retention, "the retention rules")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; write it, or take retention: out of the configuration", err)
	}
	if err != nil {
		return nil, err
	}
	rules, list := retention.ParseRules(cfg.Retention, data, m)
	if serious := slices.DeleteFunc(slices.Clone(list), func(p datamap.Problem) bool { return p.Warning }); len(serious) > 0 {
		return nil, problems("the retention rules cannot be used; nothing was done", serious)
	}
	return rules, nil
}

func readFile(path, what string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &noFileError{what, path}
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", what, err)
	}
	return data, nil
}

// noFileError says that a file of the configuration is not there (fs.ErrNotExist).
type noFileError struct{ what, path string }

func (e *noFileError) Error() string {
	return fmt.Sprintf("%s cannot be read: there is no file %s", e.what, e.path)
}

func (e *noFileError) Unwrap() error { return fs.ErrNotExist }

// controlConns is how many connections to the control database a process that works opens.
func controlConns(cfg *config.Config) int32 { return int32(16 + 2*cfg.Work.Concurrency) }

// openControl opens the control database alone.
func openControl(ctx context.Context, cfg *config.Config, conns int32) (*pgxpool.Pool, error) {
	pool, err := pg.Open(ctx, cfg.Database, pg.Options{
		Name: "lethe control", SearchPath: migrations.Schema, MaxConns: conns,
		ByKey: true, StatementTimeout: 30 * time.Second, LockTimeout: 10 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("the control database cannot be opened: %w", err)
	}
	return pool, nil
}

// openApp joins the parts. It refuses to run against a schema that is not its own.
func openApp(ctx context.Context, w *world, cfg *config.Config, log *slog.Logger) (a *app, err error) {
	a = &app{cfg: cfg, log: log, now: w.now}
	defer func() {
		if err != nil {
			a.close()
			a = nil
		}
	}()
	if a.datamap, _, err = loadMap(cfg); err != nil {
		return
	}
	if a.rules, err = loadRules(cfg, a.datamap); err != nil {
		return
	}
	if a.keys, err = keys.ReadFile(cfg.KeyFile); err != nil {
		return
	}
	if a.pool, err = openControl(ctx, cfg, controlConns(cfg)); err != nil {
		return
	}
	a.closers = append(a.closers, a.pool.Close)
	if err = migrations.Check(ctx, a.pool); err != nil {
		return
	}
	if err = dsar.CheckKeys(ctx, a.pool, a.keys); err != nil {
		return
	}
	if a.storage, err = archive.OpenStorage(ctx, cfg.Storage, a.keys); err != nil {
		return
	}
	a.closers = append(a.closers, func() { _ = a.storage.Close() })
	if a.sender, err = mail.New(mail.Options{URL: cfg.Mail.URL, From: cfg.Mail.From, Now: w.now}); err != nil {
		return
	}
	a.closers = append(a.closers, a.sender.Close)
	if a.queue, err = jobs.NewInserter(a.pool, migrations.Schema, log); err != nil {
		return
	}
	a.sources = map[string]store{}
	a.files = map[string]*objects.Store{}
	for _, s := range cfg.Sources {
		if s.Objects != "" {
			store, oerr := objects.New(s.Name, s.Objects)
			if oerr != nil {
				err = oerr
				return
			}
			a.closers = append(a.closers, func() { _ = store.Close() })
			a.files[s.Name] = store
		}
		if len(s.Postgres) == 0 {
			continue // files that rows name, or a person's desk
		}
		// A source that is down must not keep the others from their work, nor the
		// pages from showing why: Open does not connect yet.
		src, oerr := openStore(ctx, s, w.now)
		if oerr != nil {
			err = fmt.Errorf("source %s: %w", s.Name, oerr)
			return
		}
		a.closers = append(a.closers, src.Close)
		a.sources[s.Name] = src
	}
	err = a.join()
	return
}

// join makes the two services, which know each other by small interfaces only.
func (a *app) join() error {
	bridge := &bridge{}
	forRequests, forSweeps := map[string]dsar.Source{}, map[string]retention.Source{}
	for name, s := range a.sources {
		forRequests[name], forSweeps[name] = s, linkedSweeps{s, a.sources}
	}
	files := map[string]dsar.FileStore{}
	for name, s := range a.files {
		files[name] = s
	}
	var err error
	a.retention, err = retention.New(retention.Config{
		Pool: a.pool, Map: a.datamap, Rules: a.rules, Sources: forSweeps, Controllers: sweepControllers(a.cfg),
		Keys: a.keys, Queue: a.queue, Ticks: jobs.Ticks{}, Requests: bridge, MinimumKeep: a.cfg.MinimumKeep, Now: a.now,
	})
	if err != nil {
		return err
	}
	controllers, err := requestControllers(a.cfg)
	if err != nil {
		return err
	}
	recipients, notify := recipientsOf(a.cfg)
	a.requests, err = dsar.New(dsar.Config{
		Pool: a.pool, Map: a.datamap, Policies: policiesOf(a.cfg), Sources: forRequests, Files: files, Controllers: controllers,
		Recipients: recipients, Notify: notify, Periods: a.retention.Periods(), PublicURL: a.cfg.PublicURL,
		Desks: desksOf(a.cfg), Brake: dsar.Brake{RootRows: a.cfg.Brake.RootRows, Times: a.cfg.Brake.Times},
		Keys: a.keys, Storage: a.storage, Queue: a.queue, Holds: bridge, Now: a.now, Rand: rand.Reader,
	})
	if err != nil {
		return err
	}
	bridge.requests, bridge.retention = a.requests, a.retention
	return nil
}

// bridge lets requests and retention ask each other, which they do by interface
// because neither may import the other.
type bridge struct {
	requests  *dsar.Service
	retention *retention.Service
}

// OpenWalks is retention.OpenRequests.
func (b *bridge) OpenWalks(ctx context.Context) ([]source.Walk, error) {
	return b.requests.OpenWalks(ctx)
}

// Holds is dsar.HoldFinder.
func (b *bridge) Holds(ctx context.Context, controller string) (dsar.Holds, error) {
	walks, rows, err := b.retention.ActiveHolds(ctx, controller)
	return dsar.Holds{Walks: walks, Rows: rows}, err
}

// desksOf are the sources that are people.
func desksOf(cfg *config.Config) map[string]dsar.Desk {
	desks := map[string]dsar.Desk{}
	for _, s := range cfg.Sources {
		if m := s.Manual; m != nil {
			desks[s.Name] = dsar.Desk{Owner: m.Owner, Mail: m.Mail, Holds: m.Holds, Days: m.Days, Limit: m.Limit, Controllers: m.Controllers}
		}
	}
	return desks
}

func sweepControllers(cfg *config.Config) []retention.Controller {
	var list []retention.Controller
	for _, c := range cfg.Controllers {
		list = append(list, retention.Controller{Key: c.Key, Scope: c.Scope, Country: c.Country, Withhold: c.Withhold})
	}
	return list
}

func requestControllers(cfg *config.Config) (map[string]dsar.Controller, error) {
	list := map[string]dsar.Controller{}
	for _, c := range cfg.Controllers {
		loc, err := time.LoadLocation(c.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("controller %s: %w", c.Key, err)
		}
		public := c.PublicURL
		if public == "" {
			public = cfg.PublicURL
		}
		list[c.Key] = dsar.Controller{
			Key: c.Key, Name: c.Name, Address: c.Address, Registration: c.Registration, Country: c.Country, Region: c.Region,
			Scope: c.Scope, DPO: c.DPO, Language: c.Language, Location: loc, Authority: c.Authority, From: c.From,
			PublicURL: public, ScrubAfter: c.ScrubAfter, Delivery: c.Delivery, Automated: c.Automated,
		}
	}
	return list, nil
}

func recipientsOf(cfg *config.Config) ([]archive.Recipient, map[string]dsar.Notify) {
	var list []archive.Recipient
	notify := map[string]dsar.Notify{}
	for _, r := range cfg.Recipients {
		list = append(list, archive.Recipient{Name: r.Name, Role: r.Role, Region: r.Region, Ground: r.Transfer, Gets: r.Gets})
		if r.Notify != "" {
			notify[r.Key] = dsar.Notify{Name: r.Name, Address: r.Notify}
		}
	}
	return list, notify
}

func policiesOf(cfg *config.Config) []datamap.Policy {
	var list []datamap.Policy
	for _, p := range cfg.Policies {
		policy := datamap.Policy{Name: p.Name, Kind: datamap.Kind(p.Kind), Links: datamap.Links(p.Links)}
		for _, r := range p.Rules {
			rule := datamap.PolicyRule{Categories: r.Categories}
			if r.Strategy != "" {
				rule.Strategy = &datamap.Masking{
					Strategy: r.Strategy, Value: r.Value, Length: r.Length, Algorithm: r.Algorithm, Mode: r.Mode, Suffix: r.Suffix}
			}
			policy.Rules = append(policy.Rules, rule)
		}
		list = append(list, policy)
	}
	return list
}

// policyProblems are the policies of the configuration that do not fit the map,
// with their places: their requests would fail, or do less than they say.
func policyProblems(cfg *config.Config, m *datamap.Map) (list []datamap.Problem) {
	for i, p := range policiesOf(cfg) {
		pos := datamap.Pos{File: cfg.Path, Line: cfg.Policies[i].Line, Column: cfg.Policies[i].Column}
		if err := datamap.CheckPolicy(m, p); err != nil {
			list = append(list, datamap.Problem{Pos: pos, Message: err.Error()})
		}
		for _, rule := range p.Rules {
			if rule.Strategy == nil {
				continue
			}
			for _, key := range rule.Strategy.Idle() {
				list = append(list, datamap.Problem{Pos: pos, Warning: true, Message: fmt.Sprintf("policy %q: %s has no effect on %s", p.Name, key, rule.Strategy.Strategy)})
			}
		}
		for _, n := range p.Idle() {
			list = append(list, datamap.Problem{Pos: pos, Warning: true, Message: fmt.Sprintf(
				"policy %q: its rule %d never applies, because the first rule that fits a field counts and those before it target all that it does; put the narrower rule first", p.Name, n)})
		}
	}
	return list
}

// controllersInOrder is the configuration's order, for pages.
func (a *app) controllersInOrder() []dsar.Controller {
	byKey, _ := requestControllers(a.cfg)
	var list []dsar.Controller
	for _, c := range a.cfg.Controllers {
		list = append(list, byKey[c.Key])
	}
	return list
}
