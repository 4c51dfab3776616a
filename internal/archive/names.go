package archive

import (
	"strconv"
	"strings"
)

// names gives each collection a path that is safe on every system it may be
// unpacked on, and its own.
type names struct{ taken map[string]bool }

func newNames() *names { return &names{taken: map[string]bool{}} }

// base is the path without its extension. Two collections whose names differ
// only in what is not safe, or in case (unpacked on a file system that ignores
// it), get a number.
func (n *names) base(dataset, collection string) string {
	path := "data/" + safe(dataset) + "/" + safe(collection)
	unique := path
	for i := 2; n.taken[strings.ToLower(unique)]; i++ {
		unique = path + "-" + strconv.Itoa(i)
	}
	n.taken[strings.ToLower(unique)] = true
	return unique
}

// safe keeps letters of ASCII, digits, '_', '-' and inner dots; all else becomes
// '_'. What comes out is never empty, "..", hidden, or a device of Windows.
func safe(name string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '_'
	}, name)
	mapped = strings.Trim(mapped, ".")
	const longest = 100
	if len(mapped) > longest {
		mapped = mapped[:longest]
	}
	stem, _, _ := strings.Cut(strings.ToLower(mapped), ".")
	if stem == "" || device(stem) {
		return "_" + mapped
	}
	return mapped
}
