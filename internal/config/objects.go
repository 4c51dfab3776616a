package config

import (
	"net/url"
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// files reads the address of a store of files that rows name; what may stand
// in it is told by internal/source/objects, which opens it.
func (r *reader) files(n ast.Node, what string, s *Source) {
	r.url(&s.Objects, "file", "s3").read(n, what)
	u, err := url.Parse(s.Objects)
	if err != nil || s.Objects == "" {
		return
	}
	switch {
	case u.Scheme == "file" && (u.Host != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/"):
		r.Say(n, "%s: a folder is written with three slashes and its whole path: file:///var/lib/shop/files", what)
	case u.Scheme == "s3" && u.Host == "":
		r.Say(n, "%s: a bucket is written as s3://bucket", what)
	case u.Scheme == "s3" && strings.Trim(u.Path, "/") != "":
		// The driver would look in the bucket's root in silence.
		r.Say(n, "%s: a folder in a bucket is written as s3://bucket?prefix=folder/", what)
	case u.User != nil:
		r.Say(n, "%s: credentials do not stand in the address: they come from the environment or the machine's role", what)
	}
}
