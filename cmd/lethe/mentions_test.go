package main

import (
	"fmt"
	"strings"
	"testing"
)

// mentionsJSON is what request mentions --json gives.
type mentionsJSON struct {
	Mentions []mentionJSON `json:"mentions"`
	Skipped  []string      `json:"skipped"`
}

// TestAMentionInSomebodyElsesText: contact 4 is erased, and what contact 1 wrote
// of her to the shop waits for the DPO: message 1327 and no other. At the DPO's
// word her address goes from it; its other words, and every other row of
// everybody, stay as they were.
func TestAMentionInSomebodyElsesText(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	const subject, message = 4, "messages:1327"
	p := who(t, s.shop, subject)
	before := picture(t, s.shop)
	gone, emptied := fate(t, s.shop, p)
	words := texts(t, s.shop, `SELECT content_text FROM messages WHERE id = 1327`)[0]
	if !strings.Contains(words, p.Email) {
		t.Fatal("message 1327 should name contact 4")
	}
	log := &safeBuffer{}
	s.start(t, log, "work")

	id := s.submit(t, inPart, "erasure", p, "--approve", "--wait")
	q := s.show(t, id)
	if q.Status != "running" || !strings.Contains(q.Waiting, "mention") {
		t.Errorf("request %d should wait for the DPO's word on a mention, it is %s: %q", id, q.Status, q.Waiting)
	}
	compare(t, before, picture(t, s.shop), gone, emptied)

	number := fmt.Sprint(id)
	found := read[mentionsJSON](t, s.must(t, done, "request", "mentions", number, "--json"))
	if len(found.Mentions) != 1 || found.Mentions[0].Collection+":"+found.Mentions[0].Key != "livechat."+message || found.Mentions[0].Passages != 1 {
		t.Fatalf("message 1327 and nothing else should be found, with one passage: %+v", found.Mentions)
	}
	if text := s.must(t, done, "request", "mentions", number).out; strings.Contains(text, p.Email) || !strings.Contains(text, "livechat."+message) {
		t.Errorf("the list should name the row and none of its words:\n%s", text)
	}
	if text := s.must(t, done, "request", "mentions", number, "--show").out; !strings.Contains(text, strings.ReplaceAll(words, p.Email, "»"+p.Email+"«")) {
		t.Errorf("--show should give the text with the passage marked:\n%s", text)
	}

	which := fmt.Sprint(found.Mentions[0].ID)
	s.must(t, misuse, "request", "mention", number, which)
	s.must(t, misuse, "request", "mention", number, which, "--redact", "--delete")
	s.must(t, done, "request", "mention", number, which, "--redact")
	if q := s.finished(t, id); q.Status != "fulfilled" {
		t.Errorf("request %d should be fulfilled once the mention is decided, it is %s: %q", id, q.Status, q.Waiting)
	}
	compare(t, before, picture(t, s.shop), gone, append(emptied, message))
	if got, want := texts(t, s.shop, `SELECT content_text FROM messages WHERE id = 1327`)[0], strings.ReplaceAll(words, p.Email, "[removed]"); got != want {
		t.Errorf("every other word of message 1327 should stay: expected %q, got %q", want, got)
	}
	if got := read[mentionsJSON](t, s.must(t, done, "request", "mentions", number, "--json")).Mentions[0]; got.Outcome == "" || got.DecidedBy == "" {
		t.Errorf("what became of the mention, and who decided, should be on the record: %+v", got)
	}
	s.nothingOf(t, log.String(), p)
}
