package archive

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// An Attached is a file that goes into the archive as it is, beside the data:
// what a person's desk handed over.
type Attached struct {
	Folder []string // below files/: made safe here
	Name   string   // as it was called: made safe here
	From   string   // who handed it over, for the letter
	Open   func(ctx context.Context) (io.ReadCloser, error)
}

// attachedFile is one as the letter names it.
type attachedFile struct{ Path, From string }

// attach writes a file under files/<folder>/<name>, as a stream.
func (a *writing) attach(ctx context.Context, f Attached) (attachedFile, error) {
	dir := "files"
	for _, part := range f.Folder {
		dir += "/" + safe(part)
	}
	name := a.names.unique(dir, FileName(f.Name))
	err := a.file(name, func(w io.Writer) (int64, error) {
		r, err := f.Open(ctx)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(w, r)
		if cerr := r.Close(); err == nil {
			err = cerr
		}
		return 0, err
	})
	return attachedFile{Path: name, From: f.From}, err
}

// unique gives a file a path of its own: "plan.pdf", "plan (2).pdf". Names that
// differ in case alone count as one, as they do on many disks.
func (n *names) unique(dir, name string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	full := dir + "/" + name
	for i := 2; n.taken[strings.ToLower(full)]; i++ {
		full = dir + "/" + stem + " (" + strconv.Itoa(i) + ")" + ext
	}
	n.taken[strings.ToLower(full)] = true
	return full
}

// maxFileName is how many characters a file's name keeps: with a number and a
// few folders around it, it still fits what file systems take (255 bytes, of
// which a character may need four).
const maxFileName = 50

// FileName makes the name of somebody's file safe on every system on which the
// archive may be unpacked, and keeps it readable: letters and digits of any
// script, blanks, and a few signs. Folders in it are cut off, whichever way
// their slashes lean; what could steer a program or an eye (control characters,
// marks that turn the direction of writing, leading and trailing dots, names of
// devices) does not pass. It is never empty.
func FileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), strings.ContainsRune("_-.(),+ ", r):
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return '_'
	}, name)
	name = strings.Trim(strings.Join(strings.Fields(name), " "), ". ")
	ext := path.Ext(name)
	stem := []rune(strings.TrimRight(strings.TrimSuffix(name, ext), ". "))
	if len([]rune(ext)) > 12 {
		stem, ext = []rune(name), ""
	}
	if most := maxFileName - len([]rune(ext)); len(stem) > most {
		stem = []rune(strings.TrimRight(string(stem[:most]), ". "))
	}
	first, _, _ := strings.Cut(string(stem), ".")
	if first == "" || device(strings.TrimSpace(first)) {
		stem = append([]rune("_"), stem...)
	}
	return string(stem) + ext
}

// device tells whether Windows takes a name for one of its devices.
func device(stem string) bool {
	stem = strings.ToLower(stem)
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt"))
}

// attachAll writes all files.
func (a *writing) attachAll(ctx context.Context, request int64, files []Attached) ([]attachedFile, error) {
	var out []attachedFile
	for i, f := range files {
		// The name of a file may say who it is about: an error counts it instead.
		one, err := a.attach(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("archive of request %d: file %d of %d: %w", request, i+1, len(files), err)
		}
		out = append(out, one)
	}
	return out, nil
}
