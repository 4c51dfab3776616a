package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/mailbox"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// Whoever follows a request that nobody has begun is told whether it waits its
// turn, or for somebody to start the workers.
func TestFollowingSaysWhyNothingBegins(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{})
	p := someone(t, s, 1)[0]
	a := s.open(t, slog.New(slog.DiscardHandler), time.Now)
	got, err := a.requests.Submit(t.Context(), operator, dsar.Submission{
		Controller: p.Controller, Kind: datamap.Access, Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
		Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the test",
	})
	if err != nil {
		t.Fatal(err)
	}
	follow := func() string {
		t.Helper()
		for limit := 200 * time.Millisecond; ; limit *= 10 {
			err := a.follow(t.Context(), &world{err: io.Discard, now: time.Now}, got.ID, following{toTheEnd: true, limit: limit})
			if err == nil || !isPart(err) {
				t.Fatalf("expected the request not to be done, got %v", err)
			}
			if limit > time.Minute || !strings.Contains(err.Error(), "could not be looked at") { // a busy machine needs longer for a look
				return err.Error()
			}
		}
	}
	if says := follow(); !strings.Contains(says, "does lethe serve or lethe work run?") {
		t.Errorf("expected to be asked for workers where there are none, got %q", says)
	}
	// Workers that are busy with others for longer than the test.
	pgtest.Exec(t, s.control(t), `INSERT INTO river_leader (leader_id, elected_at, expires_at) VALUES ('another', now(), now() + interval '1 hour')`)
	if says := follow(); !strings.Contains(says, "it waits its turn") || strings.Contains(says, "lethe serve") {
		t.Errorf("expected to be told that workers run, got %q", says)
	}
}
