package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// A database that is away for an hour fills no disk with the same sentence.
func TestTheSameComplaintIsSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newCalm(slog.New(slog.NewJSONHandler(&out, nil))).With("of", "the queue")
	start := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	say := func(at time.Duration, level slog.Level, text, err string) {
		r := slog.NewRecord(start.Add(at), level, text, 0)
		r.AddAttrs(slog.Any("err", errors.New(err)))
		if err := log.Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 * 90 { // ninety seconds
		at := time.Duration(i) * 50 * time.Millisecond
		say(at, slog.LevelError, "cannot fetch", "refused")
		if i == 10 {
			say(at, slog.LevelError, "cannot fetch", "starting up") // something else
			say(at, slog.LevelInfo, "goes on", "")
			say(at, slog.LevelInfo, "goes on", "")
		}
	}
	var got []struct {
		Msg, Err, Of string
		More         int
	}
	for d := json.NewDecoder(&out); d.More(); {
		got = append(got, struct {
			Msg, Err, Of string
			More         int
		}{})
		if err := d.Decode(&got[len(got)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 5 || got[0].Err != "refused" || got[1].Err != "starting up" || got[3].Msg != "goes on" || got[4].Err != "refused" || got[4].Of != "the queue" {
		t.Fatalf("expected each complaint once a minute and all else as it comes, got %+v", got)
	}
	if got[4].More != 1199 {
		t.Errorf("expected the second to say that 1199 more came before it, got %d", got[4].More)
	}
}
