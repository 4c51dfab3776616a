package objects

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// A directory is a folder that holds files under the names that the application gave them. Its file
// system takes "a//b", "./a/b" and "/a/b" for one file, and a link for what it
// leads to: within the folder links are followed, out of it none is.
//
// Whatever is read or deleted goes through os.Root, so that a link put there in
// between leads nowhere either.
type directory struct{ path string }

// errOutside: a link leads out of the folder.
var errOutside = errors.New("a link leads out of the folder")

// tidied is a key as the file system reads it.
func tidied(key string) string { return strings.TrimPrefix(path.Clean("/"+key), "/") }

// mostLinks are followed for one file: Linux follows as many.
const mostLinks = 40

// resolve is where a name of the folder leads, with no link left in it.
// Nothing need be there.
func (f directory) resolve(name string) (string, error) {
	base, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return "", err
	}
	at, rest := base, strings.Split(filepath.FromSlash(name), string(filepath.Separator))
	for links := 0; len(rest) > 0; {
		at, rest = filepath.Join(at, rest[0]), rest[1:]
		to, err := os.Readlink(at)
		if err != nil { // no link, or nothing: whoever opens it is told
			continue
		}
		if links++; links > mostLinks {
			return "", syscall.ELOOP
		}
		if at = filepath.Dir(at); filepath.IsAbs(to) {
			at = string(filepath.Separator)
		}
		rest = append(strings.Split(to, string(filepath.Separator)), rest...)
	}
	in, err := filepath.Rel(base, at)
	if err != nil || !filepath.IsLocal(in) {
		return "", errOutside
	}
	return in, nil
}

// file tells what lies under a resolved name; only a plain file is one.
func file(root *os.Root, in string) error {
	info, err := root.Lstat(in)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	return err
}

func (f directory) read(key string) (io.ReadCloser, error) {
	in, err := f.resolve(tidied(key))
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written by it
	if err := file(root, in); err != nil {
		return nil, err
	}
	return root.Open(in)
}

// sidecar is where an application that uses the Go CDK keeps a file's attributes.
const sidecar = ".attrs"

// longestSidecar is more than attributes have, in bytes.
const longestSidecar = 64 << 10

// attributes tells whether a file is such a sidecar, by what stands in it: one
// that is only called so is somebody's file.
func attributes(root *os.Root, in string) bool {
	if file(root, in) != nil {
		return false
	}
	f, err := root.Open(in)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // nothing is written by it
	var known struct {
		Type *string `json:"user.content_type"`
		Sum  *string `json:"md5"`
	}
	err = json.NewDecoder(io.LimitReader(f, longestSidecar)).Decode(&known)
	return err == nil && known.Type != nil && known.Sum != nil
}

// delete deletes a file, and a link by which it was named, and tells whether either was there.
func (f directory) delete(key string) (bool, error) {
	name := tidied(key)
	in, err := f.resolve(name)
	if err != nil {
		return false, err
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return false, err
	}
	defer root.Close() //nolint:errcheck // the file is gone by then
	// The sidecar first: after a kill in between, the file says that there is more to do.
	if file(root, in) == nil && attributes(root, in+sidecar) {
		if _, err := remove(root, in+sidecar, fs.FileMode.IsRegular); err != nil {
			return false, err
		}
	}
	there, err := remove(root, in, fs.FileMode.IsRegular)
	if err != nil {
		return false, err
	}
	dir, err := f.resolve(path.Dir(name))
	if err != nil {
		return false, err
	}
	link := func(m fs.FileMode) bool { return m&fs.ModeSymlink != 0 }
	linked, err := remove(root, filepath.Join(dir, path.Base(name)), link)
	if err == nil {
		f.tidy(name)
	}
	return there || linked, err
}

// remove removes what lies under a name if it is of a kind, and tells whether it did.
func remove(root *os.Root, in string, kind func(fs.FileMode) bool) (bool, error) {
	info, err := root.Lstat(in)
	if err == nil && kind(info.Mode()) {
		err = root.Remove(in)
		return err == nil, notThere(err)
	}
	return false, notThere(err)
}

// notThere is nil of an error that says that there is no such file.
func notThere(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

// absent tells whether an error says that there is no such file: also where
// the file system cannot hold a name, so that nothing can ever lie under it.
func absent(err error) bool {
	for _, known := range []error{fs.ErrNotExist, syscall.ENAMETOOLONG, syscall.ENOTDIR, syscall.ELOOP} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// tidy removes the folders that a deleted file leaves empty: their names are
// parts of its key (a conversation's number, an address). A folder that holds
// anything, or that somebody fills at this moment, stays; so does a linked one.
func (f directory) tidy(name string) {
	for dir := filepath.Dir(filepath.FromSlash(name)); dir != "."; dir = filepath.Dir(dir) {
		at := filepath.Join(f.path, dir)
		info, err := os.Lstat(at) // a key may go on where another's file stands
		if err != nil && !os.IsNotExist(err) || err == nil && (!info.IsDir() || os.Remove(at) != nil) {
			return
		}
	}
}

// present tells whether the folder is there and may be looked into.
func (f directory) present() error {
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	_, err = dir.Readdirnames(1)
	if errors.Is(err, io.EOF) { // empty
		err = nil
	}
	return errors.Join(err, dir.Close())
}

// alike are the other keys under which a file lies: the spellings that come of
// carelessly joined paths, of its own name and of where links lead from there. A
// file system takes endlessly many; of slashes one place is doubled, or none.
func (f directory) alike(key string) []string {
	var all []string
	seen := map[string]bool{key: true}
	add := func(k string) {
		if !seen[k] {
			seen[k] = true
			all = append(all, k)
		}
	}
	name := tidied(key)
	names := []string{name}
	if in, err := f.resolve(name); err == nil && filepath.ToSlash(in) != name {
		names = append(names, filepath.ToSlash(in))
	}
	for _, n := range names {
		for _, way := range spellings(n) {
			for _, before := range []string{"", "/", "./", "//"} {
				add(before + way)
			}
		}
	}
	return all
}

// spellings are a name as it is, with a slash behind it, and with each of its slashes doubled.
func spellings(name string) []string {
	all := []string{name, name + "/"}
	for i, c := range name {
		if c == '/' {
			all = append(all, name[:i]+"/"+name[i:])
		}
	}
	return all
}
