package web

import (
	"slices"
	"strconv"

	"github.com/lethe-dsr/lethe/dsar"
)

// actorOf is the one place where a member of staff becomes an actor. What the
// actor may then see and do with requests is decided in dsar/access.go.
func actorOf(m StaffMember) dsar.Actor {
	return dsar.Actor{
		Name:        "staff:" + strconv.FormatInt(m.ID, 10),
		All:         m.Role == RoleProcessor,
		Controllers: slices.Clone(m.Controllers),
		ReadOnly:    m.Role == RoleReader,
	}
}

// subjectOf is whoever fills in a controller's public form.
func subjectOf(controller string) dsar.Actor {
	return dsar.Actor{Name: "subject", Controllers: []string{controller}}
}

// everywhere tells whether somebody belongs to every controller. A rule sweeps
// the rows of all controllers at once, so its numbers and its approval are for
// those only. In an installation with one controller that is its DPO.
func (s *server) everywhere(a dsar.Actor) bool {
	if a.All {
		return true
	}
	for _, c := range s.Controllers {
		if !slices.Contains(a.Controllers, c.Key) {
			return false
		}
	}
	return true
}

// mayRules is what approving and trying rules needs.
func (s *server) mayRules(a dsar.Actor) error {
	switch {
	case a.ReadOnly:
		return dsar.ErrForbidden
	case !s.everywhere(a):
		return errProcessor
	}
	return nil
}

// mayHold is what placing and releasing a hold of a controller needs.
func (s *server) mayHold(a dsar.Actor, controller string) error {
	_, known := s.controllers[controller]
	switch {
	case !known, !a.All && !slices.Contains(a.Controllers, controller):
		return dsar.ErrNotFound
	case a.ReadOnly:
		return dsar.ErrForbidden
	}
	return nil
}
