package draft

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// An Update is what a map lacks of a database, and the files that have it.
type Update struct {
	Files []datamap.File // those that change, as they are to be
	Added []Addition
	Gone  []Gone
	// Notes are what a person must see to, in sentences: tables that look personal
	// and are not walked, tables that no map can name, links to be written by hand.
	Notes []string
}

// An Addition is a collection, or a field of a collection that was there.
type Addition struct {
	Pos        datamap.Pos // where it stands now
	Collection string      // full name
	Field      string      // "" for a whole collection
	Walked     bool        // false: not reached, or skip_processing
	Identity   string      // of a field: an identity type that is looked for there from now on
	Why        string
}

// Gone is what the map has and the database has not, or not for this role.
type Gone struct {
	Pos        datamap.Pos
	Collection string
	Field      string // "" for the whole collection
}

// Ignore is the entry of lethe: {draft: {ignore: […]}} that keeps an addition out.
func (a Addition) Ignore() string {
	name := a.Collection[strings.LastIndexByte(a.Collection, '.')+1:]
	if a.Field != "" {
		name += "." + a.Field
	}
	return name
}

// DatasetKey is that of the dataset that an addition stands in.
func (a Addition) DatasetKey() string { return a.Collection[:strings.LastIndexByte(a.Collection, '.')] }

// Renew adds to a map what is new in the database. The files are only added to;
// what is gone is told and stays. Run again, it changes nothing.
func Renew(db *Database, m *datamap.Map, files []datamap.File, o Options, p datamap.ParseOptions) (*Update, error) {
	plain, windows := unixEnds(files)
	if len(windows) > 0 {
		if same, _ := datamap.Parse(plain, p); same != nil {
			m, files = same, plain
		}
	}
	u, err := renew(db, m, files, o, p)
	if err != nil {
		return nil, err
	}
	for i, f := range u.Files {
		if windows[f.Name] {
			u.Files[i].Data = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		}
	}
	return u, nil
}

// unixEnds gives files whose lines all end in CR LF with LF alone, because the
// YAML library counts lines and columns right in those only.
func unixEnds(files []datamap.File) (plain []datamap.File, windows map[string]bool) {
	plain, windows = slices.Clone(files), map[string]bool{}
	for i, f := range files {
		ends := bytes.Count(f.Data, []byte("\r\n"))
		if ends > 0 && ends == bytes.Count(f.Data, []byte("\n")) {
			plain[i].Data, windows[f.Name] = bytes.ReplaceAll(f.Data, []byte("\r\n"), []byte("\n")), true
		}
	}
	return plain, windows
}

func renew(db *Database, m *datamap.Map, files []datamap.File, o Options, p datamap.ParseOptions) (*Update, error) {
	o.Map = m
	k := knownOf(db, m, o.Source)
	if len(k.datasets) == 0 {
		return nil, fmt.Errorf("no dataset of the map belongs to the source %s; draft it into a file of its own with --out, and add that to the map", o.Source)
	}
	d := Make(db, o)
	r := &renewing{draft: d, known: k, m: m, edits: map[datamap.List]*edit{}, fresh: map[string][]*Collection{}}
	r.home()
	for _, c := range d.Collections {
		r.collection(c)
	}
	r.datasets(o.Source)
	u := &Update{Added: r.added, Gone: k.gone(db), Notes: r.notes()}
	if len(r.added) == 0 {
		return u, nil
	}
	if r.edits[datamap.List{}] != nil {
		return nil, u.byHand("The map", errors.New("a list stands behind an alias, which names it for others, too"))
	}
	now := slices.Clone(files)
	for i, f := range files {
		var edits []edit
		for _, list := range r.order {
			if list.File == f.Name {
				edits = append(edits, *r.edits[list])
			}
		}
		if len(edits) == 0 {
			continue
		}
		data, err := insert(f.Data, edits)
		if err != nil {
			return nil, u.byHand(f.Name, err)
		}
		now[i].Data = data
		u.Files = append(u.Files, now[i])
	}
	after, problems := datamap.Parse(now, p)
	if after == nil {
		for _, one := range problems {
			if !one.Warning {
				return nil, u.byHand(one.Pos.File, errors.New(one.String()))
			}
		}
	}
	if err := u.settle(m, after); err != nil {
		return nil, err
	}
	return u, nil
}

// byHand is the error where text cannot be added to a file.
func (u *Update) byHand(file string, err error) error {
	var names []string
	for _, a := range u.Added {
		name := a.Collection
		if a.Field != "" {
			name += "." + a.Field
		}
		names = append(names, name)
	}
	return fmt.Errorf("%s is written in a way that nothing can be added to it safely (%w); nothing was changed. Add by hand, from a draft in a file of its own (--out): %s",
		file, err, strings.Join(names, ", "))
}

// renewing is an update in the making.
type renewing struct {
	draft *Draft
	known *known
	m     *datamap.Map
	edits map[datamap.List]*edit
	order []datamap.List
	added []Addition
	fresh map[string][]*Collection // schema -> of a dataset that is to be added
	keys  map[string]string        // schema -> its key
}

// home gives each table its dataset.
func (r *renewing) home() {
	r.keys = map[string]string{}
	taken := map[string]bool{}
	for _, d := range r.m.Datasets {
		taken[d.Key] = true
	}
	for _, c := range r.draft.Collections {
		var key string
		switch d := r.known.dataset(c.Table); {
		case c.Written != nil:
			key = c.Written.Dataset.Key
		case d != nil:
			key = d.Key
		default:
			if r.keys[c.Table.Schema] == "" {
				own := keyForm.ReplaceAllString(r.draft.Source+"_"+c.Table.Schema, "_")
				for taken[own] {
					own += "_"
				}
				taken[own] = true
				r.keys[c.Table.Schema] = own
			}
			key = r.keys[c.Table.Schema]
		}
		r.draft.keys[c.Table] = key
	}
}

func (r *renewing) edit(list datamap.List, i item) {
	if r.edits[list] == nil {
		r.edits[list] = &edit{list: list}
		r.order = append(r.order, list)
	}
	r.edits[list].items = append(r.edits[list].items, i)
}

// mark is what stands before the reason of what is added.
func (r *renewing) mark() string { return "new " + r.draft.added }

func (r *renewing) collection(c *Collection) {
	key := r.draft.keys[c.Table]
	if c.Written == nil {
		dataset := r.known.dataset(c.Table)
		r.added = append(r.added, Addition{Collection: key + "." + c.Table.Name, Walked: c.Reached, Why: strings.Join(r.draft.said(c)[1:], ". ")})
		if dataset == nil {
			r.fresh[c.Table.Schema] = append(r.fresh[c.Table.Schema], c)
			return
		}
		r.edit(dataset.Items, item{
			block: "\n" + r.draft.collection(c, indentOf(dataset.Items)),
			flow:  r.draft.flowCollection(c), why: []string{strings.Join(r.draft.said(c), ". ") + "."},
		})
		return
	}
	list := c.Written.Items
	for _, f := range c.Fields {
		r.added = append(r.added, Addition{
			Collection: c.Written.FullName(), Field: f.Column.Name, Walked: c.Reached, Identity: f.Identity, Why: reason(f, ""),
		})
		r.edit(list, item{
			block: r.draft.field(f, indentOf(list), r.mark()),
			flow:  r.draft.flowField(f), why: []string{reason(f, r.mark())},
		})
	}
}

// datasets adds those of schemas that the map has nothing of, behind the last
// one of the source.
func (r *renewing) datasets(source string) {
	among := r.known.datasets[len(r.known.datasets)-1].Among
	for _, c := range r.draft.Collections {
		schema := c.Table.Schema
		all := r.fresh[schema]
		if len(all) == 0 {
			continue
		}
		delete(r.fresh, schema)
		key := r.keys[schema]
		indent := indentOf(among)
		var b strings.Builder
		head := []string{"fides_key: " + scalar(key), "name: " + scalar(source), "fides_meta: {namespace: {schema: " + scalar(schema) + "}}", "lethe: {source: " + scalar(source) + "}"}
		fmt.Fprintf(&b, "\n%s# New %s: schema %s.\n", indent, r.draft.added, oneLine(schema))
		b.WriteString(indent + "- " + strings.Join(head, "\n"+indent+"  ") + "\n" + indent + "  collections:\n")
		var flow []string
		for _, one := range all {
			b.WriteString("\n" + r.draft.collection(one, indent+"    "))
			flow = append(flow, r.draft.flowCollection(one))
		}
		r.edit(among, item{
			block: b.String(), flow: "{" + strings.Join(head, ", ") + ", collections: [" + strings.Join(flow, ", ") + "]}",
			why: []string{"New " + r.draft.added + ": schema " + oneLine(schema)},
		})
	}
}

func (r *renewing) notes() []string {
	var all []string
	for _, name := range r.draft.Unreached {
		all = append(all, name+" looks personal and is not walked; the map says why")
	}
	for _, name := range r.draft.Left {
		all = append(all, name+": not in the map")
	}
	return append(all, r.draft.Loose...)
}

func indentOf(l datamap.List) string { return strings.Repeat(" ", max(0, l.Column-1)) }

// flowCollection is a collection in braces.
func (d *Draft) flowCollection(c *Collection) string {
	var fields []string
	for _, f := range c.Fields {
		fields = append(fields, d.flowField(f))
	}
	keys := append([]string{"name: " + scalar(c.Table.Name)}, c.keys()...)
	return "{" + strings.Join(keys, ", ") + ", fields: [" + strings.Join(fields, ", ") + "]}"
}
