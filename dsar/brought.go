package dsar

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/archive"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// broughtContent is sealed in requests.brought_cipher, and gone with the
// request's end: the fields that came with it (custom_request_field), and the
// secret from which hashed values draw their salt and key (FIDESLANG.md: drawn
// per request and thrown away with it).
type broughtContent struct {
	Fields map[string]string `json:"fields,omitempty"`
	Secret []byte            `json:"secret,omitempty"`
}

// sealBrought keeps what a request brings beside its identities.
func (s *Service) sealBrought(id int64, in intake) ([]byte, error) {
	c := broughtContent{Fields: in.Fields}
	if in.Kind == datamap.Erasure {
		c.Secret = make([]byte, 32)
		if _, err := io.ReadFull(s.c.Rand, c.Secret); err != nil {
			return nil, fmt.Errorf("draw the secret of request %d: %w", id, err)
		}
	}
	if len(c.Fields)+len(c.Secret) == 0 {
		return nil, nil
	}
	return s.sealJSON(place(broughtOf, id), c)
}

// bring puts into a walk what its request brought, and the day by which
// statutory keeps are reckoned.
func (s *Service) bring(w *source.Walk, r requestRow) error {
	w.Today = s.now().Truncate(24 * time.Hour)
	c, err := s.brought(r)
	if err != nil {
		return err
	}
	w.Fields, w.Secret = c.Fields, c.Secret
	return nil
}

func (s *Service) brought(r requestRow) (c broughtContent, err error) {
	if r.BroughtCipher == nil {
		return c, nil
	}
	return c, s.openJSON(place(broughtOf, r.ID), r.BroughtCipher, &c)
}

// fieldsOf are the custom request fields that came with a request.
func (s *Service) fieldsOf(r requestRow) (map[string]string, error) {
	c, err := s.brought(r)
	return c.Fields, err
}

// narrowing says, in words, which part a request asks for; nothing for one that
// asks for everything. It quotes values: for the person's letters and those who work
// on it. A field that the map no longer has narrows the request all the same.
func (s *Service) narrowing(r requestRow) ([]string, error) {
	return s.narrowingFor(r, everything)
}

// everything: to whom the person or the DPO entrusts all of it.
func everything([]string) bool { return true }

// narrowingFor is the same for a reader who may know values of some categories: of
// the others they learn that the request is narrowed by them.
func (s *Service) narrowingFor(r requestRow, knows func(categories []string) bool) ([]string, error) {
	fields, err := s.fieldsOf(r)
	if len(fields) == 0 {
		return nil, err
	}
	of, categories := map[string]string{}, map[string][]string{}
	for _, f := range datamap.RequestFields(s.c.Map) {
		names := make([]string, len(f.Collections))
		for i, c := range f.Collections {
			names[i] = plainName(c)
		}
		of[f.Name], categories[f.Name] = "of "+strings.Join(names, ", ")+" ", f.Categories
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		what := strings.ReplaceAll(name, "_", " ")
		if knows(categories[name]) {
			what += " “" + fields[name] + "”"
		} else {
			what = "a certain " + what
		}
		out = append(out, of[name]+"only entries with "+what)
	}
	return out, nil
}

// partFor says, in words, which part of what is held about a person a request is
// about, for those who hold more of it elsewhere: the owners of desks, recipients. A
// policy that takes some kinds of data alone makes it one, too.
func (s *Service) partFor(r requestRow, knows func(categories []string) bool) ([]string, error) {
	part, err := s.narrowingFor(r, knows)
	if kinds := s.kindsOf(r); len(kinds) > 0 {
		part = append(part, "only "+archive.Words(kinds))
	}
	return part, err
}

// isPart tells whether it is a part.
func (s *Service) isPart(r requestRow) (bool, error) {
	fields, err := s.fieldsOf(r)
	return len(fields)+len(s.kindsOf(r)) > 0, err
}

// kindsOf are the kinds of data to which the request's policy keeps; none where it
// takes all that is personal.
func (s *Service) kindsOf(r requestRow) []string {
	p, _ := s.policy(r.Kind, r.Policy)
	return p.Kinds()
}

// partFound refuses the erasure of a part of which nothing was found, or nothing that
// is the person's alone: somebody else's row names what the part hangs on, which is
// shared by that (docs/datamap.md). What goes then is what nobody asked for.
func (s *Service) partFound(ctx context.Context, tx pgx.Tx, r requestRow) error {
	if r.Kind != datamap.Erasure {
		return nil
	}
	fields, err := s.fieldsOf(r)
	if err != nil || len(fields) == 0 {
		return err
	}
	findings, err := findingsOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	ids, err := s.identitiesOf(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	w, err := s.walk(r, s.seeds(ids, true))
	if err != nil {
		return err
	}
	narrowed := map[string]bool{}
	for _, v := range w.Plan.Visits {
		narrowed[v.Collection.FullName()] = slices.ContainsFunc(v.Collection.AllFields(), func(f *datamap.Field) bool {
			_, given := fields[f.Request]
			return given
		})
	}
	part := slices.DeleteFunc(ownedBy(w.Plan, findings), func(f source.Finding) bool { return !narrowed[f.Collection] })
	rows, shared := total(part)
	all, allShared := total(findings)
	switch {
	case len(part) == 0 || rows > 0 || all+allShared == 0:
		return nil
	case shared > 0:
		return &NotNow{fmt.Sprintf("Request %d asks for a part, and all that was found of it is shared, because other rows name what it hangs on: an erasure would leave it. Withdraw the request and enter it anew with the rows themselves (lethe request submit --row, or under rows in New request).", r.ID)}
	}
	return &NotNow{fmt.Sprintf("Request %d asks for a part, and nothing was found of it: an erasure would take other rows of the person, which nobody asked for. See whether the value is right; withdraw the request, and enter it anew.", r.ID)}
}

// checkFields knows each field that a request brings, by the map.
func (s *Service) checkFields(in *intake, problems map[string]string) {
	if len(in.Fields) == 0 { // as nearly always: the map need not be gone through
		in.Fields = nil
		return
	}
	var known []string
	for _, f := range datamap.RequestFields(s.c.Map) {
		known = append(known, f.Name)
	}
	given := in.Fields
	in.Fields = nil
	for name, value := range given {
		value = strings.TrimSpace(value)
		switch problem := plainText(value, maxIdentity); {
		case !slices.Contains(known, name) && len(known) == 0:
			problems["fields"] = "The data map has no custom_request_field: leave the fields away."
		case !slices.Contains(known, name):
			problems["fields"] = "The data map knows no such field of a request: known are " + strings.Join(known, ", ") + "."
		case value == "":
			problems["fields."+name] = "A field without a value narrows nothing: leave it away."
		case problem != "":
			problems["fields."+name] = problem
		default:
			if in.Fields == nil {
				in.Fields = map[string]string{}
			}
			in.Fields[name] = value
		}
	}
}

// narrows refuses a field that narrows nothing where these identities lead: passed
// over, an erasure of one order would be one of all that is the person's.
func narrows(p *datamap.Plan, fields map[string]string) error {
	problems := map[string]string{}
	for name := range fields {
		of := func(f *datamap.Field) bool { return f.Request == name }
		if !slices.ContainsFunc(p.Visits, func(v *datamap.Visit) bool { return slices.ContainsFunc(v.Collection.AllFields(), of) }) {
			problems["fields."+name] = "Nothing that this field narrows is reached by these identities: leave it away, or give an identity that leads there."
		}
	}
	if len(problems) > 0 {
		return &Invalid{problems}
	}
	return nil
}
