package objects

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// An address is where a store lies.
type address struct {
	folder string // file://: its path
	url    string // s3://: the library's own form
}

// New makes a store of its address, and connects to nothing yet:
//
//	file:///var/lib/shop/files
//	s3://bucket?prefix=folder/&region=eu-central-1
//	s3://bucket?endpoint=https://minio.example:9000&use_path_style=true&region=us-east-1
//
// Of an S3 address, region says where the bucket lies; endpoint names a server
// other than Amazon's (MinIO, Ceph, versitygw …), which mostly wants
// use_path_style=true, too; prefix is put before every key. Credentials come from
// the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the shared
// credentials file (profile=NAME) or the machine's role; never from the address.
func New(name, rawURL string) (*Store, error) {
	a, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", name, err)
	}
	if name == "" {
		return nil, errors.New("a store needs a name")
	}
	return &Store{name: name, address: a}, nil
}

func parse(rawURL string) (*address, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the address is no URL")
	}
	switch u.Scheme {
	case "file":
		switch {
		case u.Host != "" && u.Host != "localhost", !path.IsAbs(u.Path):
			return nil, errors.New("a folder is written file:///FOLDER, with three slashes and its whole path")
		case u.RawQuery != "":
			return nil, errors.New("a folder's address has no options")
		case path.Clean(u.Path) == "/":
			return nil, errors.New("the whole disk is no store of files: name a folder")
		}
		return &address{folder: filepath.FromSlash(path.Clean(u.Path))}, nil
	case "s3":
		switch {
		case u.Host == "":
			return nil, errors.New("a bucket is written s3://BUCKET")
		case u.User != nil:
			return nil, errors.New("credentials do not stand in the address: they come from the environment or the machine's role")
		case strings.Trim(u.Path, "/") != "":
			// The library accepts it, and looks in the bucket's root.
			return nil, errors.New("a folder in a bucket is written s3://BUCKET?prefix=FOLDER/, not s3://BUCKET/FOLDER")
		}
		return &address{url: rawURL}, nil
	}
	return nil, errors.New("a store's address begins with file:/// or s3://")
}

// longestKey is S3's own limit, in bytes: nothing can lie under a longer one.
const longestKey = 1024

// admits tells whether a file can lie under the key: what a row holds is
// anything, and one odd value must not stop an erasure for good, nor lead out
// of the folder.
func (a *address) admits(key string) bool {
	if strings.TrimSpace(key) == "" || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return false
	}
	if a.folder == "" {
		return len(key) <= longestKey
	}
	return !goesUp(key)
}

// goesUp tells whether a path would lead upwards at some place.
func goesUp(key string) bool {
	return slices.Contains(strings.Split(key, "/"), "..")
}
