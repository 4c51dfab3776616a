//go:build linux && (amd64 || arm64)

package pgtest

import "syscall"

const (
	memory      = "/dev/shm"
	tmpfs       = 0x01021994
	memoryNeeds = 4 << 30
)

// folder is where the cluster stands: in memory where there is plenty of it. A
// database is three hundred files, which take a busy disk a second to make and
// memory a twentieth of that. Containers often have 64 MB only: they get "",
// devpg's own choice.
func folder() string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Type != tmpfs {
		return ""
	}
	var m syscall.Sysinfo_t
	if err := syscall.Sysinfo(&m); err != nil {
		return ""
	}
	free := m.Freeram * uint64(m.Unit) // without caches: the careful number
	if s.Bavail*uint64(s.Bsize) < memoryNeeds || free < memoryNeeds {
		return ""
	}
	return memory
}
