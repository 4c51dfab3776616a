package shards_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

func openShards(t *testing.T, urls ...string) *shards.Source {
	t.Helper()
	s, err := shards.Open(t.Context(), "world", urls, shards.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func byEmail(t *testing.T, kind datamap.Kind) source.Walk {
	t.Helper()
	return source.Walk{Plan: planOf(t, mapOf(t, "world"), kind, "email"), Scope: "1", Seeds: []source.Seed{{Type: "email", Value: "a@x.example"}}}
}

// Where each shard counts for itself, a key says nothing across them: a walk
// stops, and a check says so beforehand.
func TestKeysThatStandTwice(t *testing.T) {
	t.Parallel()
	pools := poolsOf(t, 2)
	for _, pool := range pools {
		pgtest.Exec(t, pool, `INSERT INTO people VALUES (1, 1, 'a@x.example', 'n', NULL)`)
	}
	s := openShards(t, pgtest.URL(pools[0]), pgtest.URL(pools[1]))
	_, err := s.Find(t.Context(), byEmail(t, datamap.Access))
	var twice *shards.KeyTwice
	if !errors.As(err, &twice) || !twice.Permanent() || strings.Contains(err.Error(), "a@x") {
		t.Errorf("expected the walk to stop at a key that stands twice, and no contents in the error, got %v", err)
	}
	doubts, err := s.Check(t.Context(), mapOf(t, "world"))
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, d := range doubts {
		said = said || strings.Contains(d.Subject, "world, shard 1: left.people") && strings.Contains(d.Sentence, "world, shard 2")
	}
	if !said {
		t.Errorf("expected the check to name the collection and both shards, got %+v", doubts)
	}
}

func TestTheSameShardTwice(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(poolsOf(t, 1)[0])
	if _, err := shards.Open(t.Context(), "world", []string{url, url}, shards.Options{}); err == nil || !strings.Contains(err.Error(), "same database") {
		t.Errorf("expected one database named twice to be refused, got %v", err)
	}
}

// A shard that is away is named, and its password is not.
func TestAShardThatIsAway(t *testing.T) {
	t.Parallel()
	s := openShards(t, pgtest.URL(poolsOf(t, 1)[0]), "postgres://lethe:hunter2@127.0.0.1:1/world?connect_timeout=2")
	for what, err := range map[string]error{
		"ping":  s.Ping(t.Context()),
		"find":  func() error { _, err := s.Find(t.Context(), byEmail(t, datamap.Access)); return err }(),
		"given": func() error { _, err := s.Snapshot(t.Context(), byEmail(t, datamap.Access)); return err }(),
	} {
		var place interface{ Place() string }
		if !errors.As(err, &place) || place.Place() != "world, shard 2" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: expected an error that names the shard and no password, got %v", what, err)
		}
	}
}

// A sweep goes through the shards one after another, and goes on in the one
// where it stood.
func TestSweepOverShards(t *testing.T) {
	t.Parallel()
	pools := poolsOf(t, 3)
	for _, pool := range pools {
		pgtest.Exec(t, pool, `INSERT INTO events SELECT i, NULL, NULL, 'w' FROM generate_series(1, 30) i; INSERT INTO events VALUES (31, NULL, NULL, 'stays')`)
	}
	var urls []string
	for _, pool := range pools {
		urls = append(urls, pgtest.URL(pool))
	}
	s := openShards(t, urls...)
	word := "w"
	sel := source.Selection{Collection: mapOf(t, "world").Datasets[0].Collections[2], Where: map[string][]*string{"word": {&word}}, Then: source.Delete}
	count, err := s.Expired(t.Context(), sel, "")
	if err != nil || count.Expired != 90 {
		t.Fatalf("expected 90 rows over three shards to have expired, got %d, %v", count.Expired, err)
	}
	var changed int64
	from := ""
	for range 100 {
		done, err := s.Sweep(t.Context(), sel, from, 7)
		if err != nil {
			t.Fatal(err)
		}
		if changed, from = changed+done.Changed, done.Next; from == "" {
			break
		}
	}
	if changed != 90 || from != "" {
		t.Errorf("expected the sweep to end after 90 rows, it changed %d and stands at %q", changed, from)
	}
	if left := strings.Count(dump(t, pools), "events"); left != 3 {
		t.Errorf("expected one row left in each shard, got %d", left)
	}
	sel.ValueIn = []string{"left.events.word"}
	var not *shards.NotHere
	if _, err := s.Sweep(t.Context(), sel, "", 7); !errors.As(err, &not) {
		t.Errorf("expected a rule that replaces values elsewhere to be refused, got %v", err)
	}
}
