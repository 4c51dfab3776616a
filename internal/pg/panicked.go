package pg

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
)

// ErrPanic is what comes back of a member that panicked.
var ErrPanic = errors.New("panic")

// A Panic is what may be kept of one: the type of its value, which itself may
// quote anything, and where it happened.
type Panic struct{ Type, Place string }

func (p *Panic) Error() string {
	if p.Place == "" {
		return "panic (" + p.Type + ")"
	}
	return "panic (" + p.Type + ") in " + p.Place
}

// Is makes a Panic an ErrPanic.
func (p *Panic) Is(target error) bool { return target == ErrPanic }

// Panicked is the error of a panic with such a value, called by what recovers
// it. One that has come a long way as an error keeps its place.
func Panicked(value any) error {
	if err, ok := value.(error); ok {
		if known := (*Panic)(nil); errors.As(err, &known) {
			return known
		}
	}
	return &Panic{Type: fmt.Sprintf("%T", value), Place: place()}
}

// place is the function that panicked, with its file and line: below the last
// frames of the runtime's own, which are those of the panic.
func place() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	thrown := false
	for {
		f, more := frames.Next()
		of, name := path.Split(f.Function)
		switch {
		case of == "" && strings.HasPrefix(name, "runtime."):
			thrown = thrown || name == "runtime.gopanic"
		case thrown:
			return fmt.Sprintf("%s (%s:%d)", name, path.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}
