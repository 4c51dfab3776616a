package dsar

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The time line is read by people: it calls letters and decisions as the pages do.
func TestTimelineSpeaksToPeople(t *testing.T) {
	t.Parallel()
	events := timeline([]ledger.Entry{
		{Type: "letter.sent", Data: map[string]any{"kind": "ask_again"}},
		{Type: "letter.skipped", Data: map[string]any{"kind": "erased"}},
		{Type: "mention.decided", Data: map[string]any{"mentions": 2, "decision": RedactMention}},
		{Type: "step.discovered", Data: map[string]any{"source": "shop", "rows": 3, "shared": 2}},
	})
	for i, want := range []string{"Reminder to the owner of a source", "The data are erased", "the passages are to be removed", "2 of them shared"} {
		if !strings.Contains(events[i].Text, want) {
			t.Errorf("%s: expected the sentence to say %q, got %q", events[i].Type, want, events[i].Text)
		}
	}
}
