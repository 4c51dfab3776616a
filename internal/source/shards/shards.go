// Package shards makes one source of several Postgres databases with the same
// schema, whose rows may lie in any of them: a person's message in one, the
// conversation that it belongs to in another. A walk over them finds, gives and
// erases what it would in one database that held all rows.
//
// For that, a key must be unique over all shards, as it would be there: where
// each shard counts for itself, row 7 of one and row 7 of another belong to
// different people, and no reference may be followed from one to the other.
// Check looks for such keys, and a walk that meets them among the rows that
// identities match stops.
//
// Open find.go for how a walk goes, erase.go for how an erasure does.
package shards

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/fleet"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A Database is one shard. *postgres.Source is one, opened with Options.Shard.
type Database interface {
	fleet.Node
	Find(ctx context.Context, w source.Walk) (source.Found, error)
	Snapshot(ctx context.Context, w source.Walk) (source.Snapshot, error)
	Erase(ctx context.Context, w source.Walk, h source.Holds, note func(context.Context, source.Note) error) (source.Note, error)
	DryRun(ctx context.Context, w source.Walk, h source.Holds) ([]source.Finding, error)
	Outcome(ctx context.Context, xid string) (source.Outcome, error)
	Look(ctx context.Context, w source.Walk, h source.Holds, erased []source.RowKey) (source.Remainder, error)
	Expired(ctx context.Context, s source.Selection, by string) (source.Expiry, error)
	Sweep(ctx context.Context, s source.Selection, from string, limit int) (source.Slice, error)
	Elsewhere(ctx context.Context, s source.Selection, valueColumn string, fields []*datamap.Field) ([]*datamap.Field, error)
	Indexed(ctx context.Context, c *datamap.Collection, column string) (indexed bool, rows int64, err error)
	Refused(ctx context.Context, s source.Selection) ([]string, error)
	Scopes(ctx context.Context, c *datamap.Collection, known []string) ([]string, error)
	Naming(ctx context.Context, fields []*datamap.Field, keys []string) ([]string, error)
	SearchMentions(ctx context.Context, m source.Mentions, from string) (source.MentionSlice, error)
	ReadMention(ctx context.Context, m source.Mentions, key string) (source.MentionText, bool, error)
	ChangeMention(ctx context.Context, c source.MentionChange) (source.MentionOutcome, error)
	Check(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Doubt, error)
	Misfits(ctx context.Context, m *datamap.Map, policies ...datamap.Policy) ([]postgres.Misfit, error)
	Lacks(ctx context.Context, plans []*datamap.Plan, sweeps []source.Selection, texts ...datamap.MentionField) ([]postgres.Doubt, error)
	Ping(ctx context.Context) error
	Close()
}

// A Part is one shard with its names.
type Part struct {
	Name     string // for people: "livechat, shard 2"
	ID       string // stable while shards are added and reordered; stands in notes
	Server   string // shards with the same one take turns (Options.PerServer)
	Database Database
}

// Options of a sharded source. The zero value is good for use.
type Options struct {
	// PerServer is how many walks run at once on one server, over all requests;
	// 0: 4. A walk is one statement, or one transaction of some.
	PerServer int
	Postgres  postgres.Options // of each shard
}

// Source is one source in several databases.
type Source struct {
	name  string
	parts []Part
	turns map[string]chan struct{} // by server
	// overShared is how many rows of others may hold a value, over all shards.
	overShared int64
}

// New makes a source of its parts.
func New(name string, parts []Part, o Options) (*Source, error) {
	if name == "" || len(parts) == 0 {
		return nil, errors.New("a source of shards needs a name and at least one shard")
	}
	if o.PerServer <= 0 {
		o.PerServer = 4
	}
	if o.Postgres.OverShared == 0 {
		o.Postgres.OverShared = postgres.DefaultOverShared
	}
	s := &Source{name: name, parts: parts, turns: map[string]chan struct{}{}, overShared: o.Postgres.OverShared}
	seen := map[string]string{}
	for _, p := range parts {
		if other, twice := seen[p.ID]; twice {
			return nil, fmt.Errorf("source %s: %s and %s are the same database: each row would be found twice. Name each shard once", name, other, p.Name)
		}
		seen[p.ID] = p.Name
		if s.turns[p.Server] == nil {
			s.turns[p.Server] = make(chan struct{}, o.PerServer)
		}
	}
	return s, nil
}

// Open opens a pool for each URL. It does not connect: a shard that is down is
// told by its first use.
func Open(ctx context.Context, name string, urls []string, o Options) (*Source, error) {
	o.Postgres.Shard = true
	each := o.Postgres
	each.OverShared = share(each.OverShared, len(urls))
	var parts []Part
	opened := func() {
		for _, p := range parts {
			p.Database.Close()
		}
	}
	for i, url := range urls {
		label := fmt.Sprintf("%s, shard %d", name, i+1)
		db, err := postgres.Open(ctx, name, url, each)
		if err != nil {
			opened()
			return nil, fmt.Errorf("shard %d: %w", i+1, err)
		}
		id, server, err := whereIs(url)
		if err != nil {
			db.Close()
			opened()
			return nil, fmt.Errorf("source %s: its URL cannot be read", label)
		}
		parts = append(parts, Part{Name: label, ID: id, Server: server, Database: db})
	}
	s, err := New(name, parts, o)
	if err != nil {
		opened()
		return nil, err
	}
	return s, nil
}

// whereIs names a database by a hash of its place, and the server it is on.
func whereIs(url string) (id, server string, err error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return "", "", err
	}
	server = net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	sum := sha256.Sum256([]byte(server + "/" + c.Database))
	return hex.EncodeToString(sum[:6]), server, nil
}

// Name is the source's name in lethe.yaml.
func (s *Source) Name() string { return s.name }

// Parts are the shards, in the configuration's order.
func (s *Source) Parts() []Part { return s.parts }

// Shards is how many there are.
func (s *Source) Shards() int { return len(s.parts) }

// Close closes all shards.
func (s *Source) Close() {
	for _, p := range s.parts {
		p.Database.Close()
	}
}

// Ping tells whether every shard answers.
func (s *Source) Ping(ctx context.Context) error {
	return s.each(ctx, func(ctx context.Context, i int) error { return s.parts[i].Database.Ping(ctx) })
}

// Error says in which shard something failed. It wraps the shard's own error,
// so that callers see what kind it is.
type Error struct {
	Shard string
	Err   error
}

func (e *Error) Error() string { return e.Shard + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Place is the shard's name, for sentences: "livechat, shard 2".
func (e *Error) Place() string { return e.Shard }

// each runs f for every shard at once, within the limits of their servers.
func (s *Source) each(ctx context.Context, f func(ctx context.Context, i int) error) error {
	return fleet.Each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		return s.turn(ctx, i, func() error { return f(ctx, i) })
	})
}

// ofEach brings what every shard answers, in their order.
func ofEach[T any](ctx context.Context, s *Source, ask func(ctx context.Context, d Database) (T, error)) ([]T, error) {
	all := make([]T, len(s.parts))
	err := s.each(ctx, func(ctx context.Context, i int) (err error) {
		all[i], err = ask(ctx, s.parts[i].Database)
		return err
	})
	return all, err
}

// turn waits for a shard's server to have room.
func (s *Source) turn(ctx context.Context, i int, f func() error) error {
	turns := s.turns[s.parts[i].Server]
	select {
	case turns <- struct{}{}:
	case <-ctx.Done():
		return &Error{s.parts[i].Name, ctx.Err()}
	}
	defer func() { <-turns }()
	if err := f(); err != nil {
		return &Error{s.parts[i].Name, err}
	}
	return nil
}
