package dsar

import (
	"fmt"
	"slices"
)

// waiting says which person, or which other request, a request waits for.
// While only Lethe has to do something, it is empty.
func waiting(r requestRow, steps []Step, letters []LetterState, disagree bool, archive *ArchiveState) string {
	if !r.Status.isOpen() {
		return ""
	}
	for _, st := range steps {
		if st.Status == "failed" {
			return failedWords(st)
		}
	}
	for _, l := range letters {
		if l.Status == "failed" && l.Kind == "notice" {
			return fmt.Sprintf("The mail server refused the notice to a recipient of the data for good (%d): tell them in another way (Art. 19), or retry.", l.Code)
		}
		if l.Status == "failed" {
			return fmt.Sprintf("The mail server refused the letter %q for good (%d): find another way to reach the person, or retry.", l.Kind, l.Code)
		}
	}
	busy := slices.ContainsFunc(steps, func(st Step) bool { return st.Status == "waiting" || st.Status == "running" })
	asked := slices.ContainsFunc(letters, func(l LetterState) bool {
		return (l.Kind == "confirm" || l.Kind == "remind") && (l.Status == "sent" || l.Status == "waiting")
	})
	switch {
	case r.Status == Received && asked:
		return "Waits for the person to confirm by the link in the mail; you may verify the identities yourself."
	case r.Status == Received && !busy:
		return "There is no one address on record to ask for a confirmation: verify the identities yourself, or refuse."
	case r.Status == InReview && r.WaitsFor != nil && r.ApprovedAt != nil:
		return fmt.Sprintf("Approved; waits for request %d of the same person to end, so that they get their copy first.", *r.WaitsFor)
	case busy:
		return ""
	case r.Status == InReview && disagree:
		return "Waits for your tick: the rows found disagree on the person."
	case r.Status == InReview:
		return "Waits for your decision: approve or refuse."
	case r.Delivery == "hand" && archive != nil && !archive.Deleted:
		return "The archive is ready: hand it over."
	case len(letters) > 0 && letters[len(letters)-1].Status == "dropped":
		return "There is no address on record: tell the person, or hand the archive over, yourself."
	}
	return ""
}

func failedWords(st Step) string {
	doing := map[string]string{
		"locate": "looking for the address on record", "discover": "searching", "archive": "making the archive", "erase": "erasing",
	}[st.Stage]
	words := "Failed while " + doing
	if st.Source != "" {
		words += " in " + st.Source
	}
	if st.Message != "" {
		words += ": " + st.Message
	}
	return words + " Put that right, then retry."
}
