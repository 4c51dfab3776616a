package dsar

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// timeline puts ledger entries into words. The ledger holds no personal data,
// so neither do these sentences.
func timeline(entries []ledger.Entry) []Event {
	events := make([]Event, 0, len(entries))
	for _, e := range entries {
		events = append(events, Event{At: e.At.UTC(), Type: e.Type, Actor: e.Actor, Text: eventText(e)})
	}
	return events
}

// plainEvents are entries whose sentence needs no numbers.
var plainEvents = map[string]string{
	"request.in_review": "In review: somebody is proved to be who they are, and the sources are searched.",
	"request.running":   "The work has begun.",
	"request.fulfilled": "Fulfilled.",
	"request.lapsed":    "Lapsed: never confirmed.",
	"request.reminded":  "Reminded to confirm.",
	"request.scrubbed":  "The identities in these records were replaced by their HMAC.",
	"archive.drafted":   "A draft of the archive was opened.",
	"archive.delivered": "The archive was handed out.",
	"archive.deleted":   "The archive was deleted.",
	"upload.removed":    "A file was taken back.",
}

func eventText(e ledger.Entry) string {
	if text, ok := plainEvents[e.Type]; ok {
		return text
	}
	switch e.Type {
	case "request.submitted":
		narrowed := ""
		if by := words(e, "fields"); by != "" {
			narrowed = ", narrowed by " + by
		}
		return fmt.Sprintf("Received %s: %s, %s%s; due on %s.", channelWords(words(e, "channel")), words(e, "kind"),
			count(e, "identities", "identity", "identities"), narrowed, words(e, "due_on"))
	case "request.confirmed":
		return fmt.Sprintf("Confirmed by the link: %s proved.", count(e, "identities", "identity", "identities"))
	case "request.verified":
		return fmt.Sprintf("Verified by staff: %s proved.", count(e, "identities", "identity", "identities"))
	case "request.joined":
		if into := number(e, "into"); into != 0 {
			return fmt.Sprintf("Joined into request %d, an earlier one of the same person.", into)
		}
		return fmt.Sprintf("Request %d of the same person was joined into this one.", number(e, "from"))
	case "request.approved":
		text := fmt.Sprintf("Approved: %s taken", count(e, "rows", "root row", "root rows"))
		if left := number(e, "left"); left > 0 {
			text += fmt.Sprintf(", %d left as not theirs", left)
		}
		if e.Data["include_shared"] == true {
			text += ", shared rows included"
		}
		return text + "."
	case "request.searched_again":
		return fmt.Sprintf("The data map or the configuration has changed since the search%s. Searched again: %s.", afterColon(words(e, "changes")), words(e, "sources"))
	case "request.gone_on":
		return fmt.Sprintf("Gone on with in %s by the data map as it is now, though it has changed since the approval%s.", words(e, "sources"), afterColon(words(e, "changes")))
	case "request.refused":
		if e.Data["late"] == true {
			return "Refused, with reasons, after the month was over."
		}
		return "Refused, with reasons."
	case "request.extended":
		return fmt.Sprintf("Extended by two months, with reasons; now due on %s.", words(e, "due_on"))
	case "request.withdrawn":
		if e.Data["joined"] == true {
			return "Ended here: the earlier request answers for both."
		}
		return "Withdrawn."
	case "request.located":
		text := "Looked for the address on record: " + count(e, "confirmations", "confirmation", "confirmations") + " asked for"
		if n := number(e, "undecided"); n > 0 {
			text += ", " + count(e, "undecided", "identity", "identities") + " for you to decide"
		}
		return text + "."
	case "archive.sealed":
		if number(e, "missing_files") > 0 {
			return fmt.Sprintf("The archive was made and sealed; %s that rows name could not be found in the store, and the archive says so.", count(e, "missing_files", "file", "files"))
		}
		return "The archive was made and sealed."
	case "step.discovered":
		return fmt.Sprintf("Searched %s: %s found, %d of them shared.", words(e, "source"),
			plural(number(e, "rows")+number(e, "shared"), "row", "rows"), number(e, "shared"))
	case "step.erased":
		text := fmt.Sprintf("Erased in %s; the findings say how many rows", words(e, "source"))
		if files, _ := e.Data["files"].(map[string]any); len(files) > 0 {
			text += " and files"
		}
		if e.Data["unnoted"] != nil {
			text += ". " + count(e, "unnoted", "row", "rows") + " left there will not be erased by themselves: their keys could not be noted"
		}
		return text + "."
	case "kept.finished":
		return fmt.Sprintf("The time of %s in %s that were kept is over: erased.", count(e, "finished", "row", "rows"), words(e, "source"))
	case "step.failed":
		return fmt.Sprintf("Failed: %s (%s).", strings.TrimSpace(words(e, "stage")+" "+words(e, "source")), words(e, "code"))
	case "rows.appeared":
		return fmt.Sprintf("Meanwhile %s came up in %s that an identity matches.", count(e, "rows", "row", "rows"), words(e, "source"))
	case "rows.left":
		return fmt.Sprintf("Left as not theirs: %s that came up in %s.", count(e, "rows", "row", "rows"), words(e, "source"))
	case "request.retried":
		if number(e, "steps")+number(e, "letters") == 0 {
			return "Tried again at once, without waiting for the next try."
		}
		return fmt.Sprintf("Put back to work: %s, %s.", count(e, "steps", "step", "steps"), count(e, "letters", "letter", "letters"))
	case "mentions.searched":
		text := fmt.Sprintf("Searched other people's text in %s: %s found", words(e, "source"), count(e, "mentions", "mention", "mentions"))
		if n := number(e, "skipped"); n > 0 {
			text += "; " + count(e, "skipped", "column or identity", "columns or identities") + " could not be searched"
		}
		return text + "."
	case "mention.shown":
		return fmt.Sprintf("Mention %d was read in its place.", number(e, "mention"))
	case "mention.decided":
		return fmt.Sprintf("Decided about %s: %s.", count(e, "mentions", "mention", "mentions"), decisionWords(words(e, "decision")))
	case "mention.done":
		return fmt.Sprintf("Mention %d in %s: %s.", number(e, "mention"), words(e, "source"), words(e, "outcome"))
	case "mention.undone":
		return fmt.Sprintf("Mention %d in %s was left as it is: it is to be decided again.", number(e, "mention"), words(e, "source"))
	case "mentions.closed":
		return fmt.Sprintf("Mentions: %d redacted, %d deleted, %d left, %d gone by themselves.",
			number(e, "redacted"), number(e, "deleted"), number(e, "left"), number(e, "gone"))
	case "ask.made":
		return fmt.Sprintf("The owner of %s was asked, to answer by %s.", words(e, "source"), words(e, "due_on"))
	case "ask.opened":
		return fmt.Sprintf("The owner of %s opened the page, and saw whom it is about.", words(e, "source"))
	case "ask.reminded":
		if e.Data["late"] == true {
			return fmt.Sprintf("The owner of %s was reminded: the answer is overdue.", words(e, "source"))
		}
		return fmt.Sprintf("The owner of %s was reminded.", words(e, "source"))
	case "ask.resent":
		return fmt.Sprintf("The owner of %s was sent a new link; earlier ones have ended.", words(e, "source"))
	case "ask.answered":
		return fmt.Sprintf("Answered for %s: %s.", words(e, "source"), answerWords(e))
	case "ask.reopened":
		return fmt.Sprintf("The answer for %s was taken back.", words(e, "source"))
	case "ask.skipped":
		return fmt.Sprintf("%s was skipped, with a reason that the person is told.", words(e, "source"))
	case "upload.added":
		return fmt.Sprintf("A file was added for %s (%d bytes).", words(e, "source"), number(e, "size"))
	case "request.first_approved":
		return fmt.Sprintf("Approved by a first person: %s taken. A second one has to approve, too.", count(e, "rows", "root row", "root rows"))
	case "letter.sent":
		return fmt.Sprintf("The mail server took the letter %q.", LetterName(words(e, "kind")))
	case "letter.failed":
		if code := number(e, "code"); code < 500 {
			return fmt.Sprintf("The letter %q could not be handed to the mail server, and Lethe has stopped trying.", LetterName(words(e, "kind")))
		}
		return fmt.Sprintf("The mail server refused the letter %q for good (%d).", LetterName(words(e, "kind")), number(e, "code"))
	case "letter.skipped":
		return fmt.Sprintf("No address on record: the letter %q was not written.", LetterName(words(e, "kind")))
	}
	return fallback(e)
}

func answerWords(e ledger.Entry) string {
	switch words(e, "answer") {
	case AnsweredFiles:
		return count(e, "files", "file", "files") + " handed over"
	case AnsweredNothing:
		return "nothing is held"
	case AnsweredDone:
		return "erased by hand"
	case AnsweredCannot:
		return "it cannot be done, for a reason that stands with the request"
	}
	return words(e, "answer")
}

// fallback reads "step.erased" as "Step erased in livechat."
func fallback(e ledger.Entry) string {
	text := strings.NewReplacer(".", " ", "_", " ").Replace(e.Type)
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if kind := words(e, "kind"); kind != "" {
		text += ": " + kind
	}
	if where := words(e, "source"); where != "" {
		text += " in " + where
	}
	return text + "."
}

func words(e ledger.Entry, key string) string {
	text, _ := e.Data[key].(string)
	return text
}

// decisionWords say what is to become of text that mentions the person.
func decisionWords(decision string) string {
	switch decision {
	case RedactMention:
		return "the passages are to be removed"
	case DeleteMention:
		return "the row is to be deleted"
	case LeaveMention:
		return "it is left as it is"
	}
	return decision
}

// LetterName is how staff read of a letter of this kind, on pages and in the time line.
func LetterName(kind string) string {
	switch kind {
	case "confirm":
		return "Confirm the address"
	case "remind":
		return "Reminder to confirm"
	case "archive":
		return "The archive is ready"
	case "erased":
		return "The data are erased"
	case "nothing":
		return "We hold nothing"
	case "refused":
		return "Refused"
	case "extended":
		return "Extended"
	case "withdrawn":
		return "Withdrawn"
	case "notice":
		return "Notice to a recipient"
	case "ask":
		return "To the owner of a source"
	case "ask_again":
		return "Reminder to the owner of a source"
	}
	return kind
}

// channelWords say which way a request came in.
func channelWords(channel string) string {
	switch channel {
	case "console":
		return "and entered here"
	case "cli":
		return "and entered on the command line"
	}
	return "by the public form"
}

// number reads a number as JSON gives it back.
func number(e ledger.Entry, key string) int64 {
	switch n := e.Data[key].(type) {
	case float64:
		return int64(n)
	case int64:
		return n
	case int:
		return int64(n)
	case interface{ Int64() (int64, error) }: // json.Number
		v, _ := n.Int64()
		return v
	}
	return 0
}

func count(e ledger.Entry, key, one, many string) string { return plural(number(e, key), one, many) }

func plural(n int64, one, many string) string {
	if n != 1 {
		return fmt.Sprintf("%d %s", n, many)
	}
	return "1 " + one
}
