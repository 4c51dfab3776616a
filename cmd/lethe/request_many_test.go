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
)

// What is wrong with a first line is said without a word of it: it may be somebody's.
func TestFirstLinesThatNameNoColumns(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ says, cells string }{
		{"", "kind|email|field:order"},
		{"", "Kind|E-mail|"},
		{"UTF-8", "\xff\xfek\x00i\x00n\x00d\x00|e\x00m\x00a\x00i\x00l\x00"},
		{"UTF-8", "kind|name|Ren\xe9 Berg"},
		{"carriage return", "kind|email\raccess|Anna Berg\raccess|anna@x.example\r"},
		{"names the columns", "kind|Anna Berg|anna@x.example"},
	} {
		got := noHeader(strings.Split(x.cells, "|"))
		if (got == "") != (x.says == "") || !strings.Contains(got, x.says) || strings.Contains(got, "Berg") || strings.Contains(got, "anna") {
			t.Errorf("expected %q to be told with %q, got %q", x.cells, x.says, got)
		}
	}
}

// A source that is down, or no workers: the lines wait for the limit once, and not
// each of them for all of it, which for a thousand lines would be days.
func TestLinesThatDoNotGetOnWaitTogether(t *testing.T) {
	t.Parallel()
	s := generated(t, mailbox.Options{}) // no workers
	var lines []line
	for i, p := range someone(t, s, 4) {
		lines = append(lines, line{number: i + 2, sub: dsar.Submission{
			Controller: p.Controller, Kind: datamap.Access, Identities: []dsar.Identity{{Type: "email", Value: p.Email}},
			Requester: dsar.Requester{As: "self"}, Channel: "cli", Verified: "seen by the test",
		}})
	}
	c := &requestSubmitCmd{Approve: true, Timeout: 5 * time.Second}
	began := time.Now()
	err := c.takeIn(t.Context(), &world{out: io.Discard, err: io.Discard, now: time.Now}, s.open(t, slog.New(slog.DiscardHandler), time.Now), lines)
	if err == nil || !isPart(err) || !strings.Contains(err.Error(), "4 of 4") {
		t.Errorf("expected each of the lines to be told as not done, got %v", err)
	}
	if took := time.Since(began); took > 3*c.Timeout {
		t.Errorf("expected all lines together to wait for %s, it took %s", c.Timeout, took)
	}
}
