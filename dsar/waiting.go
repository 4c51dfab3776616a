package dsar

import (
	"fmt"
	"slices"
	"strings"
)

// waiting says which person, or which other request, a request waits for.
// While only Lethe has to do something, it is empty.
func waiting(r requestRow, steps []Step, letters []LetterState, disagree bool, archive *ArchiveState, mentioned int64) string {
	if !r.Status.isOpen() {
		return untold(r, letters)
	}
	for _, st := range steps {
		if st.Status == "failed" {
			return failedWords(st)
		}
	}
	for _, l := range letters {
		if l.Status == "failed" {
			return l.Message
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
	case slices.ContainsFunc(steps, isAsked):
		return askedWords(steps)
	case mentioned > 0:
		return mentionedWords(mentioned)
	case r.Status == InReview && r.FirstApprovedAt != nil:
		return secondWords(r)
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

// delayed says what keeps an open request from going on though nobody has to do
// anything yet: a source that is down or busy, a mail server that put a letter
// off. Each is tried again.
func delayed(r requestRow, steps []Step, letters []LetterState) string {
	if !r.Status.isOpen() {
		return ""
	}
	var words []string
	for _, st := range steps {
		if st.Status == "waiting" && st.Attempts > 0 && st.Message != "" && !slices.Contains(words, st.Message) {
			words = append(words, st.Message)
		}
	}
	for _, l := range letters {
		if l.Status == "waiting" && l.Attempts > 0 && l.Message != "" && !slices.Contains(words, l.Message) {
			words = append(words, l.Message)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "Goes on as soon as it can. " + strings.Join(words, " ")
}

// untold is what still waits for the DPO after the end: a decision that did not
// reach the person has not been told (Art. 12(4)), and a recipient not reached
// does not know of the erasure. Once scrubbed, Lethe can write to nobody.
func untold(r requestRow, letters []LetterState) string {
	if r.ScrubbedAt != nil {
		return ""
	}
	for _, l := range letters {
		switch {
		case l.Status == "failed" && (l.Kind == string(Refused) || l.Kind == string(Withdrawn) || l.Kind == "notice"):
			return l.Message
		case l.Status == "dropped" && (l.Kind == string(Refused) || l.Kind == "erased" || l.Kind == "nothing"):
			return "There is no address on record to send the answer to: tell the person in another way."
		}
	}
	return ""
}

// letterMessage says what became of a letter that was put off or refused, what
// it means, and what to do. trouble is MailError.Doing of the last attempt. A
// server that refuses a letter for good (5xx) will do so again; one that was
// away may be back.
func letterMessage(l LetterState, trouble string) string {
	what, other := fmt.Sprintf("the letter %q", l.Kind), "find another way to reach the person"
	if l.Kind == letterAsk || l.Kind == letterAskAgain {
		what, other = "the letter to the owner of a source", "correct the address in lethe.yaml and send the link again"
	}
	if l.Kind == "notice" {
		what, other = "the notice to a recipient of the data", "tell them in another way (Art. 19)"
	}
	switch {
	case l.Status == "waiting" && trouble != "":
		return putOff(l, trouble, what) + "; nothing is lost, and Lethe tries again by itself. If this stays, run `lethe check`."
	case l.Status != "failed":
		return ""
	case trouble == "attaching":
		return fmt.Sprintf("The archive is larger than a mail may be, so %s was not sent: hand the archive over, or %s.", what, other)
	case trouble == "reading the recipient's address":
		return fmt.Sprintf("The address on record is none that a mail can go to, so %s was not sent: %s.", what, other)
	case l.Code >= 500 && (trouble == "sending" || trouble == ""):
		return fmt.Sprintf("The mail server refused %s for good (%d): %s, or retry.", what, l.Code, other)
	case trouble == "sending" && l.Code > 0:
		return fmt.Sprintf("The mail server put off %s again and again (%d), and Lethe has stopped trying: retry, or %s.", what, l.Code, other)
	}
	return putOff(l, trouble, what) + ", and Lethe has stopped trying: see `lethe check`, then retry."
}

// putOff is the first half of a sentence: why a letter is not sent yet.
func putOff(l LetterState, trouble, what string) string {
	code := ""
	if l.Code > 0 {
		code = fmt.Sprintf(" (%d)", l.Code)
	}
	switch {
	case trouble == "connecting" && l.Code == 0:
		return "The mail server cannot be reached for " + what
	case trouble == "starting TLS":
		return fmt.Sprintf("The mail server offers no encryption that can be trusted%s, and %s is sent encrypted or not at all", code, what)
	case trouble == "signing in":
		return fmt.Sprintf("The mail server does not let Lethe sign in%s, so %s waits", code, what)
	case trouble == "reading the archive":
		return fmt.Sprintf("The archive could not be read from its storage, so %s waits", what)
	case l.Code > 0:
		return fmt.Sprintf("The mail server put off %s%s", what, code)
	}
	return "The mail server did not answer for " + what
}

func isAsked(st Step) bool { return st.Status == statusAsked }

// askedWords names the people whom a request waits for.
func askedWords(steps []Step) string {
	var who []string
	for _, st := range steps {
		if isAsked(st) {
			who = append(who, fmt.Sprintf("%s (source %s)", st.Message, st.Source))
		}
	}
	return "Waits for the answer of " + strings.Join(who, "; and of ") + "."
}

func failedWords(st Step) string {
	if st.Stage == stageAsk {
		return st.Message + " Ask again (retry), answer for them, or skip this source with a reason."
	}
	doing := map[string]string{
		"locate": "looking for the address on record", "discover": "searching", "archive": "making the archive", "erase": "erasing", "mentions": "looking after mentions in other people's text",
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
