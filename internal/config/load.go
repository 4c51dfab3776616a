package config

import (
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/sosodev/duration"

	"github.com/lethe-dsr/lethe/internal/yamldoc"
)

// A Problem is one thing wrong with the file.
type Problem = yamldoc.Problem

// Load reads a file. env looks up ${NAME} (os.LookupEnv); ${file:PATH} is read
// from disk. Every problem is reported at once; Config is nil when there is one.
func Load(path string, env func(string) (string, bool)) (*Config, []Problem) {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	data, err := os.ReadFile(abs)
	if err != nil {
		return nil, []Problem{{File: path, Line: 1, Column: 1, Message: "the configuration cannot be read: " + reason(err) +
			"; say where it is with --config, or set LETHE_CONFIG"}}
	}
	r := &reader{Document: yamldoc.Document{File: path}, dir: filepath.Dir(abs), env: env,
		c: &Config{Path: abs, Listen: "127.0.0.1:8080", MinimumKeep: 24 * time.Hour}}
	root := r.Open(data)
	if root != nil {
		r.file(root)
		r.knownControllers(root)
	}
	if len(r.Problems) > 0 {
		slices.SortStableFunc(r.Problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, r.Problems
	}
	return r.c, nil
}

// reason is the operating system's word without the path, which the caller names.
func reason(err error) string {
	switch {
	case os.IsNotExist(err):
		return "there is no such file"
	case os.IsPermission(err):
		return "permission denied"
	}
	return "it is not a file that can be read"
}

type reader struct {
	yamldoc.Document
	dir string
	env func(string) (string, bool)
	c   *Config
}

// A field reads one key's value.
type field struct {
	read     func(n ast.Node, what string)
	required bool
}

// mapping reads a mapping by a table of fields; unknown and missing keys are problems.
func (r *reader) mapping(n ast.Node, what string, fields map[string]field) {
	seen := map[string]bool{}
	before := len(r.Problems)
	for _, e := range r.Entries(n, what) {
		f, known := fields[e.Name]
		if !known {
			r.Say(e.Key, "%s: unknown key %s%s", what, e.Name, yamldoc.Nearest(e.Name, keysOf(fields)))
			continue
		}
		seen[e.Name] = true
		if _, null := e.Value.(*ast.NullNode); null {
			r.Say(e.Key, "%s: %s has no value", what, e.Name)
			continue
		}
		name := e.Name
		if what != topLevel {
			name = what + ": " + e.Name
		}
		f.read(e.Value, name)
	}
	if len(seen) == 0 && len(r.Problems) > before {
		return // it was no mapping: the missing keys would only be noise
	}
	for _, name := range keysOf(fields) {
		if fields[name].required && !seen[name] {
			r.Say(n, "%s: %s is missing", what, name)
		}
	}
}

func keysOf(fields map[string]field) []string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Values are read through these.

func (r *reader) str(into *string) field {
	return field{read: func(n ast.Node, what string) { *into, _ = r.value(n, what, false) }}
}

func (r *reader) url(into *string, schemes ...string) field {
	return field{read: func(n ast.Node, what string) {
		s, ok := r.value(n, what, true)
		if !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil || !slices.Contains(schemes, u.Scheme) {
			r.Say(n, "%s: a URL beginning with %s expected", what, strings.Join(schemes, ":// or ")+"://")
			return
		}
		*into = s
	}}
}

func (r *reader) path(into *string) field {
	return field{read: func(n ast.Node, what string) {
		if s, ok := r.value(n, what, false); ok {
			*into = r.abs(s)
		}
	}}
}

func (r *reader) paths(into *[]string) field {
	return field{read: func(n ast.Node, what string) {
		for _, s := range r.Texts(n, what) {
			*into = append(*into, r.abs(s))
		}
		if len(*into) == 0 {
			r.Say(n, "%s: at least one file expected", what)
		}
	}}
}

func (r *reader) address(into *string) field {
	return field{read: func(n ast.Node, what string) {
		s, ok := r.value(n, what, false)
		if !ok {
			return
		}
		a, err := mail.ParseAddress(s)
		if err != nil || a.Name != "" || a.Address != s {
			r.Say(n, "%s: a plain mail address expected", what)
			return
		}
		*into = s
	}}
}

func (r *reader) oneOf(into *string, known ...string) field {
	return field{read: func(n ast.Node, what string) {
		s, ok := r.value(n, what, false)
		if ok && !slices.Contains(known, s) {
			r.Say(n, "%s: %s expected", what, strings.Join(known, ", "))
			return
		}
		*into = s
	}}
}

func (r *reader) list(into *[]string) field {
	return field{read: func(n ast.Node, what string) { *into = append([]string{}, r.Texts(n, what)...) }}
}

func (r *reader) number(into *int, least, most int) field {
	return field{read: func(n ast.Node, what string) {
		s, _ := r.value(n, what, false)
		i, err := strconv.Atoi(s)
		if err != nil || i < least || i > most {
			r.Say(n, "%s: a whole number from %d to %d expected", what, least, most)
			return
		}
		*into = i
	}}
}

// period reads an ISO 8601 period (P7D, PT2H) or Go's own form (2m).
func (r *reader) period(into *time.Duration, least time.Duration) field {
	return field{read: func(n ast.Node, what string) {
		s, _ := r.value(n, what, false)
		d, err := time.ParseDuration(s)
		if err != nil {
			var iso *duration.Duration
			if iso, err = duration.Parse(s); err == nil {
				d = iso.ToTimeDuration()
			}
		}
		if err != nil || d < least {
			r.Say(n, "%s: a period of at least %s expected, such as P7D or PT2H", what, least)
			return
		}
		*into = d
	}}
}

// later refuses what a later version carries out: nothing is ignored in silence.
func (r *reader) later(instead string) field {
	return field{read: func(n ast.Node, what string) {
		r.Say(n, "%s: this version does not carry it out yet; %s", what, instead)
	}}
}

func must(f field) field { f.required = true; return f }

func (r *reader) abs(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.dir, p)
}

var placeholder = regexp.MustCompile(`\$\{(file:)?([^}]*)\}`)

// value reads a text with its ${NAME} and ${file:PATH} filled in. Inside a URL
// what is filled in is percent-encoded, unless it is the whole value. The values
// never reach a problem's sentence: they may be secrets.
func (r *reader) value(n ast.Node, what string, inURL bool) (string, bool) {
	s, ok := r.Text(n, what)
	if !ok {
		return "", false
	}
	good := true
	s = placeholder.ReplaceAllStringFunc(s, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		var v string
		if parts[1] != "" {
			data, err := os.ReadFile(r.abs(parts[2]))
			if err != nil {
				r.Say(n, "%s: the file %s cannot be read: %s", what, parts[2], reason(err))
				good = false
				return ""
			}
			v = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		} else {
			var found bool
			if v, found = r.env(parts[2]); !found {
				r.Say(n, "%s: the environment variable %s is not set", what, parts[2])
				good = false
				return ""
			}
		}
		if inURL && m != s {
			// QueryEscape is the strictest; a plus is a blank in queries only.
			return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		return v
	})
	return s, good
}

func validListen(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n < 65536
}
