package draft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// What stands in a comment where only a person knows; it says what to write.
const (
	mayBeIdentity = "may be an identity: where it is the address of whom the row is about, write fides_meta: {identity: email}"
	mayNameFile   = "may name a file: where it does, write lethe: {object: NAME}, of the source that holds the files, so that the file is given and erased with the row"
	typed         = "typed by the person, it seems"
	notBare       = "%d of %d sampled values hold more than a bare address (a name, a second address), and no request finds them by it"
	severalKinds  = "%s may tell of which table it names rows: a reference would take them all; where some name persons, map a view of these alone"
)

// hint says of a column what a draft does not decide.
func (d *drafting) hint(t *Table, f *Field) {
	name := words(f.Column.Name)
	tied := slices.ContainsFunc(d.links[t], func(l *link) bool { return slices.Contains(l.columns, f.Column.Name) })
	if kind := d.kindOf(t, f.Column); kind != nil && !tied {
		f.Why = append(f.Why, fmt.Sprintf(severalKinds, kind.Name))
	}
	switch {
	case f.Column.Class != Text || f.Key || len(f.References) > 0:
	case f.Category == "user.contact.email" && f.Identity == "" && !d.isHouse(t) && !hasAny(name, deskWords()...) && !hashed(name):
		f.Why = append(f.Why, mayBeIdentity)
	case namesFile(name):
		f.Why = append(f.Why, mayNameFile)
	}
	if n := f.Column.Contents; f.Identity == datamap.Email && n.HoldsMail > 0 {
		f.Why = append(f.Why, fmt.Sprintf(notBare, n.HoldsMail, n.Seen))
	}
	if (d.about[t] || hasAny(name, "shipping", "billing", "delivery")) && !hasAny(name, deskWords()...) {
		f.provide()
	}
}

// kindOf is the column that tells of which table another names rows; nil where there
// is none. Where a table is called so, its model is a thing's: device_id, device_model.
func (d *drafting) kindOf(t *Table, c *Column) *Column {
	kind := t.Column(KindBeside(c.Name, func(name string) bool { return t.Column(name) != nil }))
	if kind != nil && strings.HasSuffix(kind.Name, "model") && d.tableCalled(t, strings.TrimSuffix(strings.Join(words(c.Name), ""), "id")) != nil {
		return nil
	}
	return kind
}

// KindBeside is the name of the column that tells of which table a column names
// rows: sender_type of sender_id, res_model of res_id, type of type_id, and
// content_type_id of object_id (Django). "" where a table has none.
func KindBeside(name string, has func(string) bool) string {
	base := strings.TrimSuffix(strings.TrimSuffix(name, "id"), "Id")
	if base == name || strings.Trim(base, "_") == "" {
		return ""
	}
	kinds := []string{base + "type", base + "Type", base + "model", base + "table"}
	if own := strings.Trim(base, "_"); own == "type" {
		kinds = append(kinds, own)
	}
	for _, kind := range kinds {
		if has(kind) {
			return kind
		}
	}
	if name == "object_id" && has("content_type_id") {
		return "content_type_id"
	}
	return ""
}

// namesFile tells whether a column's name is one of a file's path or key.
func namesFile(name []string) bool {
	return hasAny(name, "file path", "filepath", "file name", "filename", "storage key", "storage path", "object key", "s 3 key", "blob key", "dateipfad", "dateiname", "soubor", "fichier") ||
		len(name) > 0 && name[len(name)-1] == "path" && !hasAny(name, "url", "request", "page", "landing", "link")
}

// provide notes that people type a value themselves (Art. 20(1)): how they are
// called and reached. What they did, and what others wrote of them, is not among it.
func (f *Field) provide() {
	if slices.ContainsFunc([]string{"user.name", "user.contact"}, func(c string) bool { return f.Category == c || strings.HasPrefix(f.Category, c+".") }) {
		f.Provided = true
		f.Why = append(f.Why, typed)
	}
}
