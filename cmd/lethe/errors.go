package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/lethe-dsr/lethe/dsar"
)

// problemsError is a file's problems, a line each, before the sentence.
type problemsError struct {
	lines []string
	what  string
}

func (e *problemsError) Error() string { return e.what }

func problems[P interface{ String() string }](what string, list []P) error {
	e := &problemsError{what: what}
	for _, p := range list {
		e.lines = append(e.lines, p.String())
	}
	return e
}

// sentence is an error as a person reads it.
func sentence(err error) string {
	var invalid *dsar.Invalid
	if errors.As(err, &invalid) {
		return invalid.Error() + ":" + fieldByField(invalid)
	}
	var notNow *dsar.NotNow
	if errors.As(err, &notNow) {
		return notNow.Sentence
	}
	return err.Error()
}

// fieldByField says what is wrong with each field, on a line of its own.
func fieldByField(invalid *dsar.Invalid) (lines string) {
	for _, field := range slices.Sorted(maps.Keys(invalid.Fields)) {
		lines += "\n  " + field + ": " + invalid.Fields[field]
	}
	return lines
}
