package main

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/sample"
)

// A command that follows a request goes on when Lethe's own database is restarted
// meanwhile: what it would have to say is not that the request failed.
func TestFollowingOutlastsARestart(t *testing.T) {
	t.Parallel()
	s := setStageWith(t, mailbox.Options{}, sample.Generate(1, asOf, sample.Options{Contacts: 40, Visits: 100}).Load)
	a := s.open(t, slog.New(slog.DiscardHandler), time.Now)
	p, err := sample.Pick(t.Context(), s.shop, 1)
	if err != nil || len(p) == 0 {
		t.Fatal(p, err)
	}
	controller := ""
	for _, c := range a.cfg.Controllers {
		if c.Scope == p[0].Scope {
			controller = c.Key
		}
	}
	got, err := a.requests.Submit(t.Context(), operator, dsar.Submission{
		Controller: controller, Kind: datamap.Erasure, Identities: []dsar.Identity{{Type: "email", Value: p[0].Email}},
		Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the test",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, io.Discard, "work")
	control := s.control(t)
	// A process whose database goes away while it starts ends: the sealer is the last to start.
	eventually(t, "the process should have started", func() bool { return number(t, control, `SELECT count(*) FROM ledger_seals`) > 0 })
	end := func() { // every connection of this process, which has just used them
		number(t, control, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE application_name = 'lethe control' AND datname = current_database() AND pid <> pg_backend_pid()`)
	}
	if _, err := a.requests.Get(t.Context(), operator, got.ID); err != nil {
		t.Fatal(err)
	}
	end()
	if err := a.follow(t.Context(), &world{err: io.Discard, now: time.Now}, got.ID, following{approve: true, limit: patience}); err != nil {
		t.Fatalf("expected the request to be approved once the database is back, got %v", err)
	}
	end()
	if err := a.follow(t.Context(), &world{err: io.Discard, now: time.Now}, got.ID, following{toTheEnd: true, limit: patience}); err != nil {
		t.Fatalf("expected the request to be followed to its end, got %v", err)
	}
	if q, err := a.requests.Get(t.Context(), operator, got.ID); err != nil || q.Status != dsar.Fulfilled {
		t.Errorf("expected the request to be fulfilled, it is %s (%v)", q.Status, err)
	}
}
