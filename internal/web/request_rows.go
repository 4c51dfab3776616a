package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// pickedAtMost is how many rows can be picked by hand in one form; dsar has a
// limit of its own for all identities together.
const pickedAtMost = 50

// policyOptions are the choice of policy; none where the configuration has
// nothing beside the usual ones.
func (s *server) policyOptions() []option {
	if len(s.Policies) == 0 {
		return nil
	}
	list := []option{{Label: "The usual one of the kind"}}
	for _, p := range s.Policies {
		list = append(list, option{Value: p.Name, Label: fmt.Sprintf("%s (%s)", p.Name, strings.ToLower(kindWord(p.Kind)))})
	}
	return list
}

// chosenPolicy reads the policy, which has to be one for the kind asked for.
func (s *server) chosenPolicy(f *form, kind datamap.Kind) string {
	name := f.text("policy")
	if name == "" {
		return ""
	}
	var fits []string
	for _, p := range s.Policies {
		switch {
		case p.Kind != kind:
		case p.Name == name:
			return name
		default:
			fits = append(fits, p.Name)
		}
	}
	switch {
	case f.Problem("kind") != "": // which policies fit is not known yet
	case len(fits) == 0:
		f.wrong("policy", "This policy is for another kind of request. For this kind there is only the usual one.")
	default:
		f.wrong("policy", "This policy is for another kind of request. For this kind there are: the usual one, "+strings.Join(fits, ", ")+".")
	}
	return name
}

// rowsInput is the field of the rows that the DPO picked.
func (s *server) rowsInput(f *form) *field {
	if len(s.Pickable) == 0 {
		return nil
	}
	return &field{Form: f, Name: "rows", Label: "Rows that you picked", Rows: 2,
		Hint: fmt.Sprintf("For a person whose rows hold nothing that could be typed above. One a line, the collection and the key: “%[1]s:1”; a key of several columns in brackets, “%[1]s:(1,2)”. Say below how you know that they are theirs.", s.Pickable[0])}
}

// pickedRows reads them: an identity each. What is wrong is said with its line's
// number, as several may be there.
func (s *server) pickedRows(f *form) []dsar.Identity {
	if len(s.Pickable) == 0 {
		return nil
	}
	f.atMost("rows", 10_000)
	var rows []dsar.Identity
	for i, line := range strings.Split(f.text("rows"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		collection, key, _ := strings.Cut(line, ":")
		switch {
		case collection == "" || key == "":
			f.wrong("rows", fmt.Sprintf("Line %d is no row: write the collection, a colon and the key, like “%s:1”.", i+1, s.Pickable[0]))
		case !slices.Contains(s.Pickable, collection):
			f.wrong("rows", fmt.Sprintf("Line %d names no collection whose rows can be picked; those are listed below.", i+1))
		case len(rows) == pickedAtMost:
			f.wrong("rows", fmt.Sprintf("These are too many rows for one request: %d at most.", pickedAtMost))
		}
		rows = append(rows, dsar.Identity{Type: datamap.Row, Value: line})
	}
	if len(rows) > 0 && f.text("verified") == "" && f.Value("do") != "preview" {
		f.wrong("verified", "Say how you know that the rows you picked are this person's: nobody can prove a key by a link.")
	}
	return rows
}
