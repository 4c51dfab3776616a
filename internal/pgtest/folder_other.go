//go:build !linux

package pgtest

// folder leaves the choice to devpg.
func folder() string { return "" }
