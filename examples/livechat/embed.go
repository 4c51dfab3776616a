// Package livechat holds the example's files as text: what `lethe demo` sets up,
// and what the tests run on. They are ordinary files, to be copied and changed.
package livechat

import _ "embed"

// Schema makes the ten tables.
//
//go:embed schema.sql
var Schema string

// Datamap says where personal data stand in them.
//
//go:embed datamap.yaml
var Datamap string

// Retention says how long they may stay.
//
//go:embed retention.yaml
var Retention string

// Config is lethe.yaml, with ${…} still to be filled in.
//
//go:embed lethe.yaml
var Config string
