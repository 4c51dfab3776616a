package dsar

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// Whoever gives up before a round has taken them along is not carried out later,
// when nobody waits any more.
func TestRoundsLeft(t *testing.T) {
	t.Parallel()
	b := newWork(t)
	free := make(chan struct{})
	begun := make(chan struct{}, roundsAtOnce)
	var riders sync.WaitGroup
	for range roundsAtOnce {
		riders.Go(func() {
			err := b.together(t.Context(), func(context.Context) error { begun <- struct{}{}; <-free; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		<-begun
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	called := false
	err := b.together(over, func(context.Context) error { called = true; return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("expected who gives up to be told, got %v", err)
	}
	close(free)
	riders.Wait()
	if err := b.together(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	if called {
		t.Error("expected nothing to be done for who had left")
	}
}
