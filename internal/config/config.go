// Package config reads lethe.yaml: strictly, with every error at once, and
// never the line's text, which may hold a password.
package config

import (
	"net/netip"
	"time"
)

// Config is lethe.yaml, with secrets filled in and paths made absolute
// (relative ones are relative to the file's folder).
type Config struct {
	Path        string
	Database    string
	Sources     []Source // in the file's order
	Datamap     []string
	Retention   string // may be empty
	Controllers []Controller
	Recipients  []Recipient
	Mail        Mail
	Storage     string
	KeyFile     string
	Listen      string // default 127.0.0.1:8080
	PublicURL   string
	Proxies     []netip.Prefix // reverse proxies whose X-Forwarded-For is believed
	Policies    []Policy
	MinimumKeep time.Duration // floor of every retention rule; default a day
	Work        Work
	Brake       Brake
}

// Brake is when an erasure needs a second person's approval.
type Brake struct {
	RootRows int // more root rows than this; 0: the default of package dsar
	Times    int // more than so many times what is usual for the map; 0: the same
}

// Work is how many jobs a process works on, and for how long.
type Work struct {
	Concurrency int           // 0: the default of package jobs
	JobLimit    time.Duration // 0: the same
	RescueAfter time.Duration // 0: the same
}

// A Source is a database, or a person's desk.
type Source struct {
	Name     string
	Postgres []string // one URL, or one for each shard: same schema, rows anywhere
	Objects  string   // a store of files that rows name: file:// or s3://
	Manual   *Manual  // nil: no person
	Region   string
	Transfer string // ground of a transfer outside the EEA
}

// Manual is a source that is a person: a system that Lethe cannot reach.
type Manual struct {
	Owner       string   // as pages and letters call the desk
	Mail        string   // where it is asked
	Holds       string   // what it holds, in words that the subject may read
	Days        int      // by when it answers; default 10
	Limit       int64    // bytes of all files of one answer; default 50 MB
	Controllers []string // whose data it holds; empty: every controller's
}

// A Controller is the profile of one controller.
type Controller struct {
	Key, Name, Address, Registration string
	Country, Region, TimeZone        string
	Scope, DPO, Language             string
	Authority, PublicURL, From       string
	ScrubAfter                       time.Duration // default a week
	Delivery                         string        // default link
	Withhold                         []string      // default: user.device.ip_address
	Agreement                        string
	Automated                        string // what letters say of decisions made by a computer alone
}

// A Recipient is whoever else has the data.
type Recipient struct {
	Key, Name, Role, Region, Transfer, Notify string
	Gets                                      []string
}

// Mail is how letters leave.
type Mail struct{ URL, From string }

// A Policy beside the built-in ones.
type Policy struct {
	Name, Kind string
	// Links says what becomes of the columns that tie collections together:
	// empty for the usual, omit (access, export) or mask (erasure).
	Links string
	Rules []PolicyRule

	Line, Column int // where its name stands in the file
}

// A PolicyRule targets categories with a strategy.
type PolicyRule struct {
	Categories []string
	Strategy   string
	Value      string // string_rewrite
	Length     int    // random_string_rewrite
	Algorithm  string // hash, hmac
	Mode       string // aes_encrypt
	Suffix     string // format_preservation
}
