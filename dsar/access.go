package dsar

import (
	"context"
	"slices"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Names that stand for nobody of the staff in the record.
const (
	subject = "subject" // the person, by a link or the public form
	system  = "system"  // Lethe itself
)

// may is the one check of what somebody may see (change false) or do. What is
// not theirs to see does not exist for them: ErrNotFound, not ErrForbidden.
func (a Actor) may(controller string, change bool) error {
	if !a.All && !slices.Contains(a.Controllers, controller) {
		return ErrNotFound
	}
	if change && a.ReadOnly {
		return ErrForbidden
	}
	return nil
}

// scope is what a list is narrowed to: nil for everything.
func (a Actor) scope() []string {
	if a.All {
		return nil
	}
	return append([]string{}, a.Controllers...)
}

// isStaff tells those who may verify, see a mandate and date a paper letter
// from the subjects themselves.
func (a Actor) isStaff() bool { return a.Name != subject && a.Name != "" }

// loadFor reads a request for somebody, who may have to be allowed to change
// it. lock holds its row until the transaction ends.
func (s *Service) loadFor(ctx context.Context, db pg.DB, a Actor, id int64, change, lock bool) (requestRow, error) {
	r, err := loadRequest(ctx, db, id, lock)
	if err != nil {
		return requestRow{}, err
	}
	if err := a.may(r.Controller, change); err != nil {
		return requestRow{}, err
	}
	return r, nil
}
