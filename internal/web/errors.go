package web

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/retention"
)

// Errors of the pages themselves.
var (
	errNowhere     = errors.New("web: no such page")
	errCrossOrigin = errors.New("web: the form came from another site")
	errTooOften    = errors.New("web: too many tries")
	errBroken      = errors.New("web: a handler panicked")
	errProcessor   = errors.New("web: for the processor's staff only")
	errForm        = errors.New("web: the form cannot be read")
)

// An answer is what a person is told of an error.
type answer struct {
	Status   int
	Title    string
	Sentence string
	log      bool // a fault of ours: it goes into the log
}

// answers is the one table from errors to statuses and words. The first row
// that matches counts; what matches none is a fault.
var answers = []struct {
	is error
	answer
}{
	{dsar.ErrNoToken, answer{Status: http.StatusNotFound, Title: "This link is not valid",
		Sentence: "It may have been used already, it may have expired, or part of it is missing. Open it once more from the mail, or ask for a new one."}},
	{dsar.ErrNotFound, answer{Status: http.StatusNotFound, Title: "There is nothing here",
		Sentence: "There is no such request, or it belongs to a controller that is not yours."}},
	{dsar.ErrForbidden, answer{Status: http.StatusForbidden, Title: "Your account may not do this",
		Sentence: "It may look, but not change anything. Nothing was changed."}},
	{dsar.ErrRows, answer{Status: http.StatusUnprocessableEntity, Title: "Rows are to be ticked first",
		Sentence: "The rows found disagree on the person: tick those that are theirs, then approve again."}},
	{retention.ErrNoHold, answer{Status: http.StatusNotFound, Title: "There is nothing here",
		Sentence: "There is no such hold, or it has been released already."}},
	{retention.ErrNoRule, answer{Status: http.StatusNotFound, Title: "There is nothing here",
		Sentence: "There is no such rule in the rule file any more."}},
	{errNowhere, answer{Status: http.StatusNotFound, Title: "There is no such page",
		Sentence: "The address may be mistyped, or the page has gone."}},
	{errCrossOrigin, answer{Status: http.StatusForbidden, Title: "This form came from another site",
		Sentence: "Nothing was changed. Open the page here and send it again. If it keeps happening, the public_url of this installation does not match the address in your browser."}},
	{errTooOften, answer{Status: http.StatusTooManyRequests, Title: "Too many tries",
		Sentence: "Nothing was changed. Wait a few minutes, then try again."}},
	{errProcessor, answer{Status: http.StatusForbidden, Title: "Your account may not do this",
		Sentence: "This concerns every controller at once, so it needs somebody who belongs to all of them. Nothing was changed."}},
	{errForm, answer{Status: http.StatusBadRequest, Title: "The form cannot be read",
		Sentence: "Nothing was changed. Go back, and send it again."}},
	{context.DeadlineExceeded, away},
}

// away is a database that does not answer, or not in time.
var away = answer{Status: http.StatusServiceUnavailable, Title: "A database does not answer", log: true,
	Sentence: "What was already recorded stays recorded, and nothing is lost. Try again in a minute; if it stays so, tell whoever runs this installation the reference below."}

// unfit is what trying again cannot mend: the data map, the configuration and
// the sources do not fit each other.
var unfit = answer{Status: http.StatusServiceUnavailable, Title: "This cannot be done as it is set up", log: true,
	Sentence: "The data map, the configuration and the databases do not fit each other. Nothing was changed. Whoever runs this installation finds where by the command “lethe check”, and by the reference below."}

// fault is everything that is not in the table.
var fault = answer{Status: http.StatusInternalServerError, Title: "Something went wrong on our side", log: true,
	Sentence: "What was already recorded stays recorded, and work in progress goes on. Try again; if it happens once more, tell whoever runs this installation the reference below."}

// answerTo finds an error's row. Sentences of the domain's own kinds of errors
// are for people and come along.
func answerTo(err error) answer {
	var invalid *dsar.Invalid
	var notNow *dsar.NotNow
	var permanent *dsar.Permanent
	var size *http.MaxBytesError
	var hold *retention.HoldProblem
	switch {
	case errors.As(err, &permanent):
		return unfit
	case errors.As(err, &invalid), errors.As(err, &hold):
		return answer{Status: http.StatusUnprocessableEntity, Title: "Please look at the form again", Sentence: "Some of it cannot be used as it is."}
	case errors.As(err, &notNow):
		return answer{Status: http.StatusConflict, Title: "Not now", Sentence: notNow.Sentence}
	case errors.As(err, &size):
		return answer{Status: http.StatusRequestEntityTooLarge, Title: "This is too long", Sentence: "A form may hold 64 KiB at most. Nothing was changed; shorten what you wrote."}
	}
	for _, row := range answers {
		if errors.Is(err, row.is) {
			return row.answer
		}
	}
	if pg.Passing(err) {
		return away
	}
	return fault
}

// fail shows the page of an error.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	a, reference := s.judge(r, err)
	s.render(w, r, a.Status, "error", page{Title: a.Title, Data: struct {
		answer
		Reference string
	}{a, reference}})
}

// judge finds what to tell of an error. A fault of ours is logged under a
// reference that the page shows; its text goes through pg.Clean, as messages of
// a database quote values.
func (s *server) judge(r *http.Request, err error) (a answer, reference string) {
	if a = answerTo(err); a.log {
		reference = s.reference()
		s.Log.LogAttrs(r.Context(), slog.LevelError, "page failed",
			slog.String("route", r.Pattern), slog.Int("status", a.Status),
			slog.String("reference", reference), slog.Any("error", pg.Clean(err)))
	}
	return a, reference
}

// explainTo puts an error into a form, so that what was typed is not lost:
// problems of fields beside them, faults at its head. Errors that are about
// something else (a request that is not there, no right to it) come back.
func (s *server) explainTo(r *http.Request, f *form, err error, rename func(string) string) (status int, rest error) {
	if explain(f, err, rename) {
		return answerTo(err).Status, nil
	}
	if errors.Is(err, context.Canceled) || !answerTo(err).log {
		return 0, err
	}
	a, reference := s.judge(r, err)
	f.wrong("", a.Title+". "+strings.ReplaceAll(a.Sentence, "the reference below", "the reference "+reference))
	return a.Status, nil
}

// reference is a short random name for one fault.
func (s *server) reference() string {
	var b [4]byte
	if _, err := io.ReadFull(s.Rand, b[:]); err != nil {
		return "none"
	}
	return hex.EncodeToString(b[:])
}
