//go:build unix && !linux

package devpg

import "syscall"

// dieWithParent has nothing to offer here: a killed supervisor leaves Postgres
// to the owner's Stop.
func dieWithParent(*syscall.SysProcAttr) {}
