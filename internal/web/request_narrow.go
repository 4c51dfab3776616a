package web

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// narrowInputs are the fields by which the DPO narrows a request; none where the
// data map has no custom_request_field.
func (s *server) narrowInputs(f *form) []field {
	var list []field
	for _, n := range s.Fields {
		list = append(list, field{Form: f, Name: narrowField + n.Name, Label: n.Name, Type: "text", Autocomplete: "off", Hint: narrowHint(n.Collections)})
	}
	return list
}

// narrowHint says what a field narrows. Of a map that gives every table the same
// one, the first few tables are enough.
func narrowHint(collections []string) string {
	const most = 3
	if len(collections) > most+1 {
		return fmt.Sprintf("Of %s and %d other collections only the rows with this value.", strings.Join(collections[:most], ", "), len(collections)-most)
	}
	last := len(collections) - 1
	if last < 1 {
		return fmt.Sprintf("Of %s only the rows with this value.", strings.Join(collections, ""))
	}
	return fmt.Sprintf("Of %s and %s only the rows with this value.", strings.Join(collections[:last], ", "), collections[last])
}

// narrowed reads them; an empty one narrows nothing. A field that the map no longer
// has, because the page is older than the map, is told: without it more would be
// found, and perhaps erased, than whoever typed it wanted.
func (s *server) narrowed(f *form) map[string]string {
	given := map[string]string{}
	for _, n := range s.Fields {
		f.atMost(narrowField+n.Name, 300)
		if v := f.text(narrowField + n.Name); v != "" {
			given[n.Name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.values)) {
		if strings.HasPrefix(name, narrowField) && !slices.Contains(f.names, name) && f.text(name) != "" {
			f.wrong("", "The data map no longer has a field by which this request was to be narrowed. Nothing was done: sent again as it stands below, the request is about all of the person's rows.")
		}
	}
	return given
}
