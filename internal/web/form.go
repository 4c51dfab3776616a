package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A form is what somebody typed, and what is wrong with it. Whatever was typed
// is shown again as it was.
type form struct {
	values   url.Values
	names    []string          // of the fields, in the page's order
	problems map[string]string // field -> sentence; "" is the form as a whole
}

// newForm is an empty form with some values filled in.
func newForm(names []string, filled url.Values) *form {
	if filled == nil {
		filled = url.Values{}
	}
	return &form{values: filled, names: names, problems: map[string]string{}}
}

// readForm reads a POST.
func readForm(r *http.Request, names ...string) (*form, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	return newForm(names, r.PostForm), nil
}

// Value is what was typed, as it was.
func (f *form) Value(name string) string { return f.values.Get(name) }

// Has tells whether a box of that value is ticked.
func (f *form) Has(name, value string) bool { return slices.Contains(f.values[name], value) }

// text is what was typed, without space around it and with lines ended by "\n".
func (f *form) text(name string) string {
	return strings.TrimSpace(strings.ReplaceAll(f.values.Get(name), "\r\n", "\n"))
}

// Problem is the sentence beside a field, or empty.
func (f *form) Problem(name string) string { return f.problems[name] }

// Bad tells whether anything is wrong.
func (f *form) Bad() bool { return len(f.problems) > 0 }

// wrong notes a problem; the first one of a field stays.
func (f *form) wrong(name, sentence string) {
	if _, there := f.problems[name]; !there {
		f.problems[name] = sentence
	}
}

// need notes a problem when a field is empty or too long, and returns its text.
func (f *form) need(name, sentence string, most int) string {
	v := f.text(name)
	if v == "" {
		f.wrong(name, sentence)
	}
	f.atMost(name, most)
	return v
}

// atMost notes a problem when a field is longer than so many characters, or is no text at all.
func (f *form) atMost(name string, most int) {
	v := f.text(name)
	switch {
	case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
		f.wrong(name, "This holds characters that are no text. Type it anew.")
	case utf8.RuneCountInString(v) > most:
		f.wrong(name, fmt.Sprintf("This is too long: %d characters at most.", most))
	}
}

// take notes the problems that a service found, beside the fields that they are
// about: rename gives the form's name for the service's, or "".
func (f *form) take(problems map[string]string, rename func(string) string) {
	for _, name := range sortedKeys(problems) {
		own := rename(name)
		if !slices.Contains(f.names, own) {
			own = ""
		}
		if own == "" && f.problems[""] != "" {
			f.problems[""] += " " + problems[name]
			continue
		}
		f.wrong(own, problems[name])
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// A problem is one line of the summary. ID is the field's, or empty.
type problem struct{ ID, Sentence string }

// Problems lists them in the order of the page, those of the whole form first.
func (f *form) Problems() []problem {
	var list []problem
	if p := f.problems[""]; p != "" {
		list = append(list, problem{Sentence: p})
	}
	for _, n := range f.names {
		if p := f.problems[n]; p != "" {
			list = append(list, problem{ID: fieldID(n), Sentence: p})
		}
	}
	return list
}

// fieldID is the id of a field's element. Names of the data map may differ in
// nothing but a dot or a dash.
func fieldID(name string) string {
	if strings.HasPrefix(name, narrowField) {
		return "f-" + name
	}
	return "f-" + strings.NewReplacer(".", "-", "_", "-").Replace(name)
}

// A field is what a template needs to show one field of a form.
type field struct {
	Form         *form
	Name, Label  string
	Type, Hint   string
	Autocomplete string
	Required     bool
	Options      []option
	Rows         int
}

// An option of a choice.
type option struct{ Value, Label, Hint string }

// ID is the element's.
func (f field) ID() string { return fieldID(f.Name) }

// Value is what was typed.
func (f field) Value() string {
	if f.Type == "password" {
		return ""
	}
	return f.Form.Value(f.Name)
}

// Problem is what is wrong with it.
func (f field) Problem() string { return f.Form.Problem(f.Name) }

// DescribedBy names the elements that explain the field.
func (f field) DescribedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	if f.Problem() != "" {
		ids = append(ids, f.ID()+"-problem")
	}
	return strings.Join(ids, " ")
}

// Chosen tells whether an option is.
func (f field) Chosen(value string) bool { return f.Form.Value(f.Name) == value }

// newField is the template's way to make one: field .Form "name" "Label" "key" value ….
func newField(f *form, name, label string, rest ...any) (field, error) {
	out := field{Form: f, Name: name, Label: label, Type: "text", Rows: 3}
	for i := 0; i+1 < len(rest); i += 2 {
		switch v := rest[i+1].(type) {
		case string:
			switch rest[i] {
			case "type":
				out.Type = v
			case "hint":
				out.Hint = v
			case "autocomplete":
				out.Autocomplete = v
			default:
				return out, fmt.Errorf("field %s: unknown setting", name)
			}
		case bool:
			out.Required = v
		case int:
			out.Rows = v
		case []option:
			out.Options = v
		default:
			return out, fmt.Errorf("field %s: unknown setting", name)
		}
	}
	return out, nil
}
