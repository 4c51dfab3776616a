package shards_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// busy is a shard that takes its time, and counts who is at work on its server.
type busy struct {
	shards.Database
	at *atWork
}

type atWork struct {
	mu        sync.Mutex
	now, most int
}

func (b busy) work() {
	b.at.mu.Lock()
	b.at.now++
	b.at.most = max(b.at.most, b.at.now)
	b.at.mu.Unlock()
	time.Sleep(time.Second) // of the bubble's clock
	b.at.mu.Lock()
	b.at.now--
	b.at.mu.Unlock()
}

func (b busy) Trace(context.Context, source.Walk, source.Holds) (source.Trace, error) {
	b.work()
	return source.Trace{}, nil
}

func (b busy) Find(context.Context, source.Walk) (source.Found, error) {
	b.work()
	return source.Found{}, nil
}

// TestShardsAreWalkedInParallelWithinLimits: all shards at once, and on one
// server no more walks than are allowed there, over all requests.
func TestShardsAreWalkedInParallelWithinLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		servers := map[string]*atWork{"a": {}, "b": {}}
		var parts []shards.Part
		for i := range 8 {
			server := string("ab"[i%2])
			parts = append(parts, shards.Part{Name: fmt.Sprint(i), ID: fmt.Sprint(i), Server: server, Database: busy{at: servers[server]}})
		}
		s, err := shards.New("shop", parts, shards.Options{PerServer: 3})
		if err != nil {
			t.Fatal(err)
		}
		walk := source.Walk{Plan: &datamap.Plan{Kind: datamap.Access}}
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := s.Find(t.Context(), walk); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for name, at := range servers {
			if at.most != 3 {
				t.Errorf("expected three walks at once on server %s, and no more, there were %d", name, at.most)
			}
		}
		// Three requests of two exchanges over four shards a server, three at a time: eight seconds.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("expected the servers to be at work at once, it took %s", took)
		}
	})
}
