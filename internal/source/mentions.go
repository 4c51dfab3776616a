package source

import "github.com/lethe-dsr/lethe/internal/datamap"

// Mentions are free text that others wrote, searched for one person.
type Mentions struct {
	Field datamap.MentionField
	// Scope is the controller's own value: only its rows are searched and changed.
	Scope   string
	Needles []Seed // the identities to look for; never logged
	// Own are the request's own walks: rows that they still reach (under a hold,
	// kept by a law) are the person's and not somebody else's text.
	Own []Walk
}

// A Mention is one row in whose text the person stands.
type Mention struct {
	Key      string // as RowKey.Key
	Passages int
	Sum      []byte // SHA-256 of the text
	After    []byte // SHA-256 of the text as it would be once the passages are removed
}

// A MentionSlice is one bounded piece of a search.
type MentionSlice struct {
	Found []Mention
	// Next is where to go on; empty when the column is searched. It holds no
	// personal data (block numbers).
	Next string
	// Skipped says in a sentence why the column was not searched.
	Skipped string
}

// A MentionText is what an operator is shown of a mention, read live.
type MentionText struct {
	Mention
	Text  string
	Spans [][2]int // bytes of the passages
}

// A MentionChange removes the passages from a row's text, or deletes the row.
type MentionChange struct {
	Mentions
	Key    string
	Delete bool
	Sum    []byte // of the text as it was decided upon
	After  []byte // of the text without the passages
	Holds  Holds  // rows under a hold are not changed
}

// What became of a MentionChange.
const (
	MentionRedacted = "redacted"
	MentionDeleted  = "deleted"
	MentionGone     = "gone"    // row or passages are not there any more: somebody else was first
	MentionChanged  = "changed" // the text is another one than was decided upon: Now
	MentionRefused  = "refused" // by what Why says
)

// A MentionOutcome is what became of a MentionChange.
type MentionOutcome struct {
	What string
	Why  string  // a sentence, without contents
	Now  Mention // MentionChanged
}
