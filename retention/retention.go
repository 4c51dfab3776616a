// Package retention keeps the promises about how long data live: the catalogue
// of documented lifetimes, rules, holds, and the sweeps that carry them out.
//
// Open lifetimes.go for the catalogue, rules.go for the rule file, cutoff.go
// for what "expired" means, sweep.go for how a run goes.
package retention

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/source"
)

// Source is what sweeps ask of a source.
type Source interface {
	// Expired counts what a selection matches now; by, when not empty, is a
	// column of the collection by whose value Expiry.By counts.
	Expired(ctx context.Context, s source.Selection, by string) (source.Expiry, error)
	// Sweep carries out one short transaction of at most limit rows, from where
	// the last one ended ("" to start).
	Sweep(ctx context.Context, s source.Selection, from string, limit int) (source.Slice, error)
}

// A Work is one job to be queued: a sweep's id and the run number.
type Work struct {
	ID  int64
	Run int
	At  time.Time
}

// Queue inserts work in the transaction of the change that needs it.
type Queue interface {
	InsertSweep(ctx context.Context, tx pgx.Tx, work Work) error
}

// Ticks reads cron lines: five fields, a CRON_TZ= prefix may stand before. jobs has it.
type Ticks interface {
	// Next is the first tick after t. An error names what is wrong with the line.
	Next(line string, t time.Time) (time.Time, error)
}

// OpenRequests lists the walks of open requests, whose rows no sweep may touch. dsar is one.
type OpenRequests interface {
	OpenWalks(ctx context.Context) ([]source.Walk, error)
}

// A Result is what one run of one rule did, as commands and pages show it.
type Result struct {
	ID      int64
	Rule    string
	Cutoff  time.Time // a UTC midnight; zero for rules without a period
	Expired int64
	Held    int64
	Deleted int64 // rows changed, whatever the action
	DryRun  bool
	Status  string // done, stopped (brake), failed
	Message string // why it stopped, in words
	Seconds float64
}

// RuleState is a rule as the page and `rules list` show it.
type RuleState struct {
	Name, Collection, Then, Keep, Schedule, Why string
	Approved                                    bool // as it reads now
	ApprovedBy                                  string
	ApprovedAt                                  time.Time
	NextDue                                     time.Time
	Last                                        *Result
	LastAt                                      time.Time
}

// A Forecast line: what will expire when, and what never will.
type Forecast struct {
	Rule, Collection, Name string // Name: the identifier's name, where the rule is by lifetime
	Now, In30, In90        int64  // rows expired now, and further ones within 30 and 90 days
	Never                  int64  // rows with no end
	Why                    string // for Never: "no documented end", …
}

// A Hold stops erasure and expiry of some rows for a time.
type Hold struct {
	ID         int64
	Controller string
	Type       string // identity type, or ""
	Value      string // of the identity or the row's key; empty in lists for readers
	Collection string // for a row or a whole collection
	Reason     string
	PlacedBy   string
	PlacedAt   time.Time
	Until      time.Time // a day; zero: until released
	ReleasedAt time.Time
	keyedBy    string // what a row's key was made of when the hold was placed, where the data map said so
}
