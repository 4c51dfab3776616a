package dsar

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// What callers decide on.
var (
	ErrNotFound  = errors.New("there is no such request, or it belongs to a controller that is not yours")
	ErrForbidden = errors.New("your account may look, but not change anything")
	ErrNoToken   = errors.New("this link is not valid: it may have been used or have expired; ask for a new one")
	ErrRows      = errors.New("the rows found disagree on the person: tick those that are theirs (approve --rows all, or --rows COLLECTION:KEY for each)")
)

// Invalid is a form with problems: field name -> sentence.
type Invalid struct{ Fields map[string]string }

func (e *Invalid) Error() string { return "the request cannot be taken in" }

// NotNow is a move that the request's state does not allow, in a sentence.
type NotNow struct{ Sentence string }

func (e *NotNow) Error() string { return e.Sentence }

// Permanent marks a failure that trying again cannot mend.
type Permanent struct {
	Code string // of ours, or an SQLSTATE
	Err  error
}

func (e *Permanent) Error() string { return e.Code + ": " + e.Err.Error() }
func (e *Permanent) Unwrap() error { return e.Err }

func (e *MailError) Error() string {
	if e.Code == 0 {
		return "no good answer of the mail server while " + e.Doing
	}
	return "the mail server answered " + strconv.Itoa(e.Code) + " while " + e.Doing
}

// fault is what an exported method returns of an error: the package's own as
// they are, anything else with what was being tried, and without what Postgres
// may have quoted.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	var invalid *Invalid
	var notNow *NotNow
	var permanent *Permanent
	if errors.As(err, &invalid) || errors.As(err, &notNow) || errors.As(err, &permanent) ||
		errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrNoToken) || errors.Is(err, ErrRows) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, pg.Clean(err))
}
