package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// Unfit is a database that does not fit its data map: trying again cannot mend it.
type Unfit struct {
	Source  string
	Reasons []string // sentences; names of the map and the catalogue only
}

func (e *Unfit) Error() string {
	return fmt.Sprintf("source %s does not fit the data map: %s", e.Source, strings.Join(e.Reasons, "; "))
}

// Permanent tells callers not to try again.
func (e *Unfit) Permanent() bool { return true }

// Beyond is an erasure that foreign keys would carry beyond its plan: ON DELETE
// CASCADE, SET NULL or SET DEFAULT of rows that the data map knows nothing of.
// Nothing was changed.
type Beyond struct {
	Source string
	Tables []BeyondTable
}

// BeyondTable is one foreign key that would change rows beyond the plan.
type BeyondTable struct {
	Table, Constraint string
	Action            string // "delete", "set to null", "set to default"
	Rows              int64
}

func (e *Beyond) Error() string {
	parts := make([]string, len(e.Tables))
	for i, t := range e.Tables {
		rows := "rows"
		if t.Rows == 1 {
			rows = "row"
		}
		parts[i] = fmt.Sprintf("%s would %s %d %s of %s", t.Constraint, t.Action, t.Rows, rows, t.Table)
	}
	return fmt.Sprintf("source %s: the erasure would go beyond the data map: %s; add these tables to it, or the reference by which their rows are reached; or take strategy: delete off the collections that they name, which are then masked; or change the foreign keys",
		e.Source, strings.Join(parts, ", "))
}

// Permanent tells callers not to try again.
func (e *Beyond) Permanent() bool { return true }

// failed wraps an error once, at the exported method: with the source and what
// was being tried, without anything that Postgres quotes.
func (s *Source) failed(doing string, err error) error {
	var beyond *Beyond
	var unfit *Unfit
	var braked *Braked
	switch {
	case err == nil:
		return nil
	case errors.As(err, &beyond):
		return beyond
	case errors.As(err, &braked):
		return braked
	case errors.As(err, &unfit):
		return unfit
	case pg.Code(err) == "25006":
		// Sessions of a server that became a standby, or whose disk filled up, stay
		// read only; new ones may lead to where there is a primary by now.
		s.pool.Reset()
	}
	return fmt.Errorf("source %s: %s: %w", s.name, doing, pg.Clean(err))
}
