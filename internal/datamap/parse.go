package datamap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// A File of a data map, already read.
type File struct {
	Name string // as problems show it
	Data []byte
}

// ParseOptions say what the map is read against.
type ParseOptions struct {
	// Sources are the names of the configured sources. With nil they are not
	// checked, and a dataset that names none belongs to the source of its own name.
	Sources []string
	// Stores are the names of the configured stores of files (lethe: {object: STORE}
	// on a field). With nil they are not checked.
	Stores []string
}

// Parse reads a data map from its files. All problems come back at once, by
// file, line and column. The map is nil when one of them is more than a warning.
func Parse(files []File, o ParseOptions) (*Map, []Problem) {
	p := &mapReader{
		options:  o,
		out:      &problems{},
		m:        &Map{Digest: digest(files)},
		datasets: make(map[string]*Dataset),
		own:      make(map[string]bool),
		members:  make(map[*Collection]map[string]*Field),
		tables:   make(map[*Dataset]map[string]*Collection),
		inner:    make(map[*Field]map[string]*Field),
		tried:    make(map[*Field]bool),
		broken:   make(map[*Collection]bool),
		composed: make(map[*Reference]bool),
	}
	for _, f := range files {
		p.file(f)
	}
	if len(p.m.Datasets) == 0 && !Failed(p.out.list) {
		pos := Pos{File: "data map", Line: 1, Column: 1}
		if len(files) > 0 {
			pos.File = files[0].Name
		}
		p.out.fail(pos, "the data map has no dataset; start with `dataset:` and a list")
	}
	if len(p.m.Datasets) > 0 {
		for _, name := range p.empty {
			p.out.warn(Pos{name, 1, 1}, "the file is empty: no table that stood in it is found, given or erased")
		}
	}
	p.resolve()
	p.m.Categories = slices.Sorted(maps.Keys(p.own))
	list := p.out.sorted(files)
	if Failed(list) {
		return nil, list
	}
	return p.m, list
}

// digest is the SHA-256 over the files' contents, each led by its length, so
// that moving text from one file to the next is a change.
func digest(files []File) string {
	h := sha256.New()
	for _, f := range files {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f.Data)))
		h.Write(n[:])
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// mapReader holds what is known while a map is being read.
type mapReader struct {
	options  ParseOptions
	out      *problems
	m        *Map
	datasets map[string]*Dataset
	tables   map[*Dataset]map[string]*Collection
	members  map[*Collection]map[string]*Field
	inner    map[*Field]map[string]*Field
	tried    map[*Field]bool      // at an end of a reference, be it a wrong one
	broken   map[*Collection]bool // has a reference that could not be tied
	composed map[*Reference]bool  // part of a composite link
	allOfs   []saidAllOf
	own      map[string]bool // data categories of the map itself
	used     []word          // data categories to be checked
	empty    []string        // files in which nothing stands
	after    []func()        // checks that need every file read
	pending  []pendingReference
	withs    []saidWith
	kept     []keptMask
}

// atEnd runs a check once every file has been read.
func (p *mapReader) atEnd(check func()) { p.after = append(p.after, check) }

func (p *mapReader) file(f File) {
	tree, ok := open(f, p.out)
	if !ok {
		return
	}
	r := &reader{file: f.Name, out: p.out}
	said := false
	for _, doc := range tree.Docs {
		if _, directive := doc.Body.(*ast.DirectiveNode); directive || isNull(doc.Body) {
			continue // %YAML 1.1 stands before its document as one of its own
		}
		said = true
		body := pair{key: "the file", pos: Pos{f.Name, r.pos(doc.Body).Line, 1}, value: doc.Body}
		for _, q := range r.pairs(body, topKeys()) {
			items, _ := r.list(q)
			for _, item := range items {
				one := pair{key: q.key, pos: r.pos(first(item)), value: item}
				if q.key == "dataset" {
					p.dataset(r, one, r.listOf(q.value))
				} else {
					p.category(r, one)
				}
			}
		}
	}
	if !said {
		p.empty = append(p.empty, f.Name)
	}
}

// first is the node whose place a person would point at: a mapping's token is
// the colon after its first key.
func first(n ast.Node) ast.Node {
	switch t := bare(n).(type) {
	case *ast.MappingNode:
		if len(t.Values) > 0 {
			return t.Values[0].Key
		}
	case *ast.MappingValueNode:
		return t.Key
	case nil:
		return &ast.NullNode{}
	}
	return n
}

// category reads one entry of data_category: a category of the map's own.
func (p *mapReader) category(r *reader, item pair) {
	if !r.shaped(item, categoryKeys()) {
		return
	}
	keys := r.pairs(item, categoryKeys())
	if len(keys) == 0 {
		r.out.fail(item.pos, "a data category needs a fides_key")
		return
	}
	key := r.text(keys[0]) // the only key that is read
	if !fidesKey.MatchString(key) {
		r.out.fail(keys[0].pos, "fides_key %q must be letters, digits, _ - . < >", key)
		return
	}
	p.own[key] = true
}

// fidesKey is what a key of Fideslang may hold.
var fidesKey = regexp.MustCompile(`^[A-Za-z0-9_.<>-]{1,200}$`)

// nameProblem says what is wrong with the name of a table or column. Anything
// that Postgres can quote goes, but for the dot, which parts names in references.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "is missing"
	case strings.ContainsRune(name, '.'):
		return "holds a dot; a schema is named in the dataset's fides_meta, as namespace: {schema: …}"
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return "holds a control character"
	case len(name) > 63:
		return "is longer than the 63 bytes that Postgres admits"
	}
	return ""
}
