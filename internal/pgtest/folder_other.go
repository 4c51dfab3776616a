//go:build !linux || !(amd64 || arm64)

package pgtest

// folder leaves the choice to devpg.
func folder() string { return "" }
