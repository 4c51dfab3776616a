package datamap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Row is the type of an identity that is no identity at all: a row that the DPO
// picked ("livechat.contacts:1"), for a person whose rows hold nothing that
// anybody could type.
const Row = "row"

// rowOf begins the type under which a plan seeds picked rows of one collection.
const rowOf = Row + ":"

// PickedRow reads "dataset.collection:key", the key in the form of source.RowKey.
// It returns the type that Compile takes and a seed has, "row:dataset.collection".
func PickedRow(m *Map, text string) (typ, key string, err error) {
	name, key, ok := strings.Cut(text, ":")
	if !ok || name == "" || key == "" {
		return "", "", errors.New("a row is written as dataset.collection:key, as in livechat.contacts:1")
	}
	c, err := rowCollection(m, name)
	if err != nil {
		return "", "", err
	}
	switch columns := c.PrimaryKey(); {
	case len(columns) == 0:
		return "", "", fmt.Errorf("%s has no primary_key in the data map: its rows cannot be picked", name)
	case len(columns) > 1 && (!strings.HasPrefix(key, "(") || !strings.HasSuffix(key, ")") || strings.Count(key, ",") < len(columns)-1):
		// One value alone would find nothing, as a row that is gone does.
		var names []string
		for _, f := range columns {
			names = append(names, f.Name)
		}
		return "", "", fmt.Errorf("a row of %[1]s has a key of several columns, written as %[1]s:(%[2]s)", name, strings.Join(names, ","))
	}
	return rowOf + c.FullName(), key, nil
}

// MayPick tells why nobody may pick rows of a collection, or nil. In a source that
// several controllers share, a collection that does not name its own is none to pick
// from: other ways lead to its rows from rows that are the controller's, and a key by
// itself may be that of anybody's row.
func MayPick(m *Map, collection string) error {
	c, err := rowCollection(m, collection)
	if err == nil && c.Controller == "" && m.sharedSources()[c.Dataset.Source] {
		err = fmt.Errorf("rows of %s cannot be picked by their keys: it does not name its controller, as others of its source do, so that a row may be another organisation's. Pick the row that leads to it", collection)
	}
	return err
}

// KeptRow is PickedRow for a row that a source named itself: it knows the row
// again by its table's own key where the map has none.
func KeptRow(m *Map, collection string) (typ string, err error) {
	c, err := rowCollection(m, collection)
	if err != nil {
		return "", err
	}
	return rowOf + c.FullName(), nil
}

func rowCollection(m *Map, name string) (*Collection, error) {
	for _, c := range m.collections() {
		switch {
		case c.FullName() != name:
		case c.Skip:
			return nil, fmt.Errorf("%s is skipped (skip_processing): no request reaches its rows", name)
		case len(c.Fields) == 0:
			return nil, fmt.Errorf("%s has no fields in the data map: no request reaches its rows", name)
		default:
			return c, nil
		}
	}
	return nil, fmt.Errorf("the data map has no collection %s%s", name, MeantCollection(m, name))
}

// MeantCollection is the collection that was probably meant by a name that none
// has, in brackets, or "": most leave the dataset out.
func MeantCollection(m *Map, name string) string {
	var all []string
	for _, c := range m.collections() {
		if c.Name == name {
			return " (did you mean " + c.FullName() + "?)"
		}
		all = append(all, c.FullName())
	}
	if meant, ok := nearest(name, slices.Values(all)); ok {
		return " (did you mean " + meant + "?)"
	}
	return ""
}

// keyField is the field under which rows of a collection are seeded by their key:
// of the primary key, where the map has one.
func keyField(c *Collection) *Field { return append(c.PrimaryKey(), c.Fields...)[0] }
