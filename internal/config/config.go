// Package config reads lethe.yaml: strictly, with every error at once, and
// never the line's text, which may hold a password.
package config

import "time"

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
	Policies    []Policy
	MinimumKeep time.Duration
}

// A Source is a database.
type Source struct {
	Name     string
	Postgres []string // one URL; a list of shards is refused by name for now
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

// A Problem is one thing wrong with the file.
type Problem struct {
	File         string
	Line, Column int
	Message      string
}

// Load reads a file. env looks up ${NAME}; ${file:PATH} is read from disk. Config is nil when there are problems.
func Load(path string, env func(string) (string, bool)) (*Config, []Problem) { panic("to be built") }
