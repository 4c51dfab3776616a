package dsar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// sourceError says which source an error came from.
type sourceError struct {
	source string
	err    error
}

func (e *sourceError) Error() string { return "source " + e.source + ": " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// byItself stands in the sentences of passing failures, until the queue gives
// up: then GiveUp puts givenUp in its place.
const (
	byItself = "Lethe tries again by itself"
	givenUp  = "Lethe has tried several times"
)

// storageError marks a failure of the archives' storage. Its texts quote keys
// and URLs, so nothing of it is passed on but that it happened.
type storageError struct{ err error }

func (e *storageError) Error() string { return "the storage of archives failed" }
func (e *storageError) Unwrap() error { return e.err }

// A failure is what a person is told of an error: never its text, which may
// quote rows, addresses or passwords.
type failure struct {
	code     string
	sentence string
	passing  bool
}

// err is what the queue sees: Lethe's own identifiers and what pg.Clean leaves.
func (f failure) err(what string, cause error) error {
	if !f.passing {
		return &Permanent{Code: f.code, Err: errors.New(what + ": " + f.sentence)}
	}
	return fmt.Errorf("%s: %s: %w", what, f.code, pg.Clean(cause))
}

// lasting is an error of a source that brings a sentence of its own, without
// contents, and that trying again cannot mend: an erasure that foreign keys
// would carry beyond the plan, a database that does not fit the data map.
type lasting interface {
	error
	Permanent() bool
}

// explain turns an error of a step into words: what happened, what it means for
// the request, what to do. A failure is passing when trying again may mend it
// without anybody's help; the rest waits for the DPO's retry.
func explain(err error) failure {
	var perm *Permanent
	if errors.As(err, &perm) {
		return failure{code: perm.Code, sentence: titled(perm.Err)}
	}
	var own lasting
	if errors.As(err, &own) && own.Permanent() {
		return failure{code: "source_unfit", sentence: titled(own)}
	}
	if errors.Is(err, context.Canceled) {
		// The process stops; another one goes on. Nobody needs to be told.
		return failure{code: "stopped", passing: true}
	}
	if errors.Is(err, errHoldsChanged) {
		return failure{"holds_changed", "A legal hold was placed or lifted while very many rows were being erased. What went before it is gone; the rest is looked at anew, and " + byItself + ".", true}
	}
	if errors.Is(err, errLongCopy) {
		return failure{"long_copy", "The copy takes longer to write than one job may take; nothing is lost, and " + byItself + ". If this stays, raise `job_limit` (and `rescue_after`) under `work` in lethe.yaml.", true}
	}
	var store *storageError
	if errors.As(err, &store) {
		return failure{"storage_down", "The storage for archives could not be used; nothing is lost, and " + byItself + ". If this stays, run `lethe check`.", true}
	}
	var files *storeError
	if errors.As(err, &files) {
		return explainStore(files.store, files.err)
	}
	var src *sourceError
	if errors.As(err, &src) {
		return explainSource(src.source, src.err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failure{"slow", "This took longer than one job may take; nothing is lost, and " + byItself + ".", true}
	}
	return failure{"control_db", "Lethe's own database did not answer as it should; nothing is lost, and " + byItself + ". If this stays, look at the log.", true}
}

// lockedCode is Postgres' word for a lock that could not be had in time.
const lockedCode = "55P03"

// explainSource tells what is wrong with a source.
func explainSource(name string, err error) failure {
	code := pg.Code(err)
	table, column := "a table", "a column"
	var detail *pg.Error
	if errors.As(pg.Clean(err), &detail) {
		if detail.Table != "" {
			table = "the table " + detail.Table
		}
		if detail.Column != "" {
			column = "the column " + detail.Column
		}
	}
	at := "The source " + name + " "
	var part interface{ Place() string } // one of its shards
	if errors.As(err, &part) {
		at = "The source " + part.Place() + " "
	}
	const again = " Nothing is lost, and " + byItself + "."
	const then = ". The other sources go on meanwhile."
	switch {
	case code == "57014", code == "" && errors.Is(err, context.DeadlineExceeded):
		return failure{"source_slow", at + "took longer than allowed to answer." + again + " If this stays, run `lethe check`: an index may be missing.", true}
	case code == lockedCode && detail != nil && detail.Table != "":
		return failure{"source_locked", at + "has rows in " + table + " that another session keeps locked." + again + " If this stays, tell those who run it: a transaction may have been left open.", true}
	case code == lockedCode:
		return failure{"source_locked", at + "has rows or a table that another session keeps locked." + again + " If this stays, tell those who run it: a transaction may have been left open.", true}
	case errors.Is(err, errInProgress), code == "40001", code == "40P01":
		return failure{"source_busy", at + "is busy with the same rows." + again, true}
	case code == "53200":
		return failure{"source_full", at + "has no memory left, or no room for the locks of so many tables (max_locks_per_transaction)." + again + " Tell those who run it.", true}
	case strings.HasPrefix(code, "53"):
		return failure{"source_full", at + "has no connection, memory or disk space left." + again + " Tell those who run it.", true}
	case errors.Is(err, pg.ErrPooled):
		return failure{"source_pooler", at + "is reached through a pooler that gives each transaction another session (PgBouncer: pool_mode = transaction), and nothing was changed there. Put the server's own address into lethe.yaml, or that of a pool that keeps sessions" + then, false}
	case strings.HasPrefix(code, "28"):
		return failure{"source_signin", at + "does not let Lethe in. Check its user and password in lethe.yaml" + then, false}
	case code == "3D000":
		return failure{"source_database", at + "has no database of the name in lethe.yaml. Correct it" + then, false}
	case code == "42501" && detail != nil && detail.Connecting():
		return failure{"source_signin", at + "does not let Lethe in: its user may not connect to the database. Grant it that (GRANT CONNECT ON DATABASE)" + then, false}
	case code == "42501":
		return failure{"source_rights", at + "does not give Lethe the rights it needs on " + table + ". Grant them (`lethe grants` prints all but what triggers write by its rights), or let its row-level security allow the change (`lethe check` says more)" + then, false}
	case code == "42P01", code == "3F000":
		return failure{"source_table", at + "lacks " + table + " that the data map names. Correct the map or the database (`lethe check` shows where)" + then, false}
	case code == "42703":
		return failure{"source_column", at + "lacks " + column + " that the data map names. Correct the map or the database (`lethe check` shows where)" + then, false}
	case code == "25006":
		return failure{"source_read_only", at + "is read-only: nothing was changed there." + again + " If this stays, point lethe.yaml to its primary server, or tell those who run it.", true}
	case code == "23503":
		return failure{"source_constraint", at + "kept adding rows to " + table + " that need what is erased, and nothing was changed there." + again, true}
	case code == "23502" && detail != nil && detail.Column != "" && detail.Table != "":
		return failure{"source_constraint", at + "refuses the change: " + column + " of " + table + " may not be NULL, and nothing was changed there. Give it a masking_strategy_override that fits in the data map (`lethe check` names all such columns)" + then, false}
	case strings.HasPrefix(code, "23"), code == "44000":
		return failure{"source_constraint", at + "refuses the change: a rule of " + table + " forbids it, and nothing was changed there. Look at the data map (`lethe check`)" + then, false}
	case strings.HasPrefix(code, "P0"): // PL/pgSQL's own, RAISE above all
		return failure{code, at + "refuses the change: one of its triggers raised the error " + code + ", and nothing was changed there. `lethe check` names the tables with triggers: let them allow it" + then, false}
	case pg.Passing(err), code == "":
		return failure{"source_down", at + "cannot be reached." + again + " If this stays, run `lethe check`.", true}
	default:
		return failure{code, at + "answered with the error " + code + ", and nothing was changed there. Look at `lethe check`" + then, false}
	}
}
