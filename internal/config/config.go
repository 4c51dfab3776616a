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
}

// Work is how many jobs a process works on, and for how long.
type Work struct {
	Concurrency int           // 0: the default of package jobs
	JobLimit    time.Duration // 0: the same
	RescueAfter time.Duration // 0: the same
}

// A Source is a database.
type Source struct {
	Name     string
	Postgres []string // one URL, or one for each shard: same schema, rows anywhere
	Region   string
	Transfer string // ground of a transfer outside the EEA
}

// A Controller is the profile of one controller.
type Controller struct {
	Key, Name, Address, Registration string
	Country, Region, TimeZone        string
	Scope, DPO, Language             string
	Authority, PublicURL, From       string
	Clock                            string
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
	Rules      []PolicyRule
}

// A PolicyRule targets categories with a strategy.
type PolicyRule struct {
	Categories []string
	Strategy   string
	Value      string // string_rewrite
}
