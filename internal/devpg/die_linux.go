package devpg

import "syscall"

// dieWithParent lets the kernel end Postgres when the supervisor itself is killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
