package web

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// words are the functions of the templates: how things are said.
func words() template.FuncMap {
	return template.FuncMap{
		"field": newField, "kind": kindWord, "status": statusWord, "stage": stageWord,
		"letter": dsar.LetterName, "stepstate": stepWord, "letterstate": letterState, "event": eventWord,
		"identity": identityWord, "answer": answerWord, "limit": megabytes, "capital": capital, "as": requesterWord, "delivery": deliveryWord,
		"day": day, "isoday": isoDay, "moment": moment, "iso": iso, "there": there,
		"size": size, "count": count, "plural": plural, "total": total, "sift": sift, "changed": changed, "anyshared": anyShared, "brake": brakeWord,
		"period": periodWord, "action": actionWord, "act": actWord, "sorted": sortedPairs, "contains": strings.Contains, "dict": dict,
	}
}

func kindWord(k datamap.Kind) string {
	switch k {
	case datamap.Access:
		return "Access"
	case datamap.Export:
		return "Export"
	case datamap.Erasure:
		return "Erasure"
	}
	return string(k)
}

func statusWord(s dsar.Status) string {
	switch s {
	case dsar.InReview:
		return "In review"
	case dsar.Received, dsar.Running, dsar.Fulfilled, dsar.Refused, dsar.Withdrawn, dsar.Lapsed:
		return capital(string(s))
	}
	return string(s)
}

func stageWord(s string) string {
	switch s {
	case "locate":
		return "Look for the identities"
	case "discover":
		return "Find the rows"
	case "ask":
		return "Ask a person"
	case "archive":
		return "Make the archive"
	case "erase":
		return "Erase the rows"
	case "mentions":
		return "Look for mentions in other people's text"
	}
	return s
}

func stepWord(s string) string {
	switch s {
	case "waiting":
		return "Waiting"
	case "running":
		return "Running"
	case "asked":
		return "Asked"
	case "done":
		return "Done"
	case "failed":
		return "Failed"
	case "dropped":
		return "No longer needed"
	}
	return s
}

// letterState says what became of a mail; only the server's code is known of a refusal.
func letterState(l dsar.LetterState) string {
	switch l.Status {
	case "waiting":
		if l.Attempts > 0 {
			return fmt.Sprintf("Waiting, tried %s", plural(int64(l.Attempts), "time", "times"))
		}
		return "Waiting"
	case "sent":
		return "Sent"
	case "failed":
		if l.Code > 0 {
			return fmt.Sprintf("Not accepted (code %d)", l.Code)
		}
		return "Not accepted"
	case "dropped":
		if l.Nobody {
			return "Not sent"
		}
		return "No longer needed"
	}
	return l.Status
}

// eventWord turns a ledger entry's type into words; the text that came with it counts first.
func eventWord(e dsar.Event) string {
	if e.Text != "" {
		return e.Text
	}
	return capital(strings.NewReplacer(".", " ", "_", " ").Replace(e.Type))
}

// identityWord names an identity type on a form.
func identityWord(t string) string {
	switch t {
	case "email":
		return "E-mail address"
	case "phone":
		return "Telephone number"
	case "visitor":
		return "Visitor identifier"
	case "cookie":
		return "Cookie value"
	}
	if t == datamap.Row || strings.HasPrefix(t, datamap.Row+":") {
		return "Row that was picked"
	}
	return capital(strings.ReplaceAll(t, "_", " "))
}

func requesterWord(as string) string {
	switch as {
	case "", "self":
		return "The person themselves"
	case "parent":
		return "A parent"
	case "guardian":
		return "A guardian"
	case "lawyer":
		return "A lawyer"
	case "agent":
		return "Somebody else, with a mandate"
	}
	return as
}

func deliveryWord(d string) string {
	switch d {
	case "link":
		return "By a link that expires"
	case "attachment":
		return "Attached to the mail"
	case "hand":
		return "Handed over in person or by post"
	}
	return d
}

// answerWord says what the owner of a source answered.
func answerWord(a string) string {
	switch a {
	case dsar.AnsweredFiles:
		return "Handed over"
	case dsar.AnsweredNothing:
		return "Nothing is held"
	case dsar.AnsweredDone:
		return "Erased by hand"
	case dsar.AnsweredCannot:
		return "It cannot be done"
	case "skipped":
		return "Skipped"
	}
	return a
}

func capital(s string) string {
	for _, first := range s {
		return strings.ToUpper(string(first)) + strings.TrimPrefix(s, string(first))
	}
	return ""
}

// day is a day in words: "Fri 30 Apr 2027".
func day(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Format("Mon 2 Jan 2006")
}

func isoDay(t time.Time) string { return t.Format(time.DateOnly) }

// moment is an instant in UTC, in words.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// there is an instant by the clock that it carries, named, as letters have it:
// the mail and the page behind its link must not differ.
func there(t time.Time) string {
	return t.Format("2 January 2006, 15:04") + " (" + t.Location().String() + ")"
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// size is a number of bytes in words.
func size(n int64) string {
	switch {
	case n < 1000:
		return plural(n, "byte", "bytes")
	case n < 1_000_000:
		return strconv.FormatFloat(float64(n)/1e3, 'f', 1, 64) + " kB"
	case n < 1_000_000_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + " GB"
}

// count groups thousands: 12,345.
func count(n int64) string {
	if n < 0 && n > math.MinInt64 {
		return "-" + count(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// total adds up findings.
func total(list []source.Finding) source.Finding {
	var t source.Finding
	for _, f := range list {
		t.Rows += f.Rows
		t.Shared += f.Shared
		t.Held += f.Held
		t.Kept += f.Kept
		t.Erased += f.Erased
		t.Masked += f.Masked
		t.Stays += f.Stays
		t.Missing += f.Missing
	}
	return t
}

// sifted are findings in which something was found, and the collections of the others.
type sifted struct {
	Some []source.Finding
	None []string
}

func sift(list []source.Finding) (s sifted) {
	for _, f := range list {
		if f.Empty() {
			s.None = append(s.None, f.Collection)
		} else {
			s.Some = append(s.Some, f)
		}
	}
	return s
}

// changed tells whether findings say what an erasure did, and not only what was found.
func changed(list []source.Finding) bool { return slices.ContainsFunc(list, source.Finding.Told) }

// A keptView is what a law keeps of one collection.
type keptView struct {
	Collection string
	Rows       int64
	Laws       []string // in words
}

// keptOf lists the collections of which rows are kept, with the laws that keep them.
func (s *server) keptOf(findings []source.Finding) []keptView {
	var list []keptView
	for _, f := range findings {
		if f.Kept == 0 {
			continue
		}
		v := keptView{Collection: f.Collection, Rows: f.Kept}
		for _, k := range s.Keeps[f.Collection] {
			v.Laws = append(v.Laws, keepWord(k))
		}
		list = append(list, v)
	}
	return list
}

// keepWord says how long a law keeps rows, and which: "for 10 years from
// issued_on (accounting law)".
func keepWord(k Keep) string {
	words := "without end"
	if k.For != "" {
		words = "for " + periodWord(k.For) + " from " + k.From
	}
	if k.Because != "" {
		words += " (" + k.Because + ")"
	}
	return words
}

// brakeWord says which link led nowhere, and with how many values.
func brakeWord(b source.Brake) string {
	return fmt.Sprintf("%s to %s in %s: %s", b.From, b.To, b.Source, plural(b.Values, "value", "values"))
}

func anyShared(list []source.Finding) bool { return total(list).Shared > 0 }

// periodWord says an ISO 8601 period of a rule: "P1Y6M" is "1 year and 6 months".
// What it cannot read it leaves as it is.
func periodWord(iso string) string {
	rest, ok := strings.CutPrefix(iso, "P")
	if !ok {
		return iso
	}
	var parts []string
	inTime := false
	for rest != "" {
		if rest[0] == 'T' {
			inTime, rest = true, rest[1:]
			continue
		}
		i := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if i <= 0 {
			return iso
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		unit := periodUnit(rest[i], inTime)
		if err != nil || unit == "" {
			return iso
		}
		parts = append(parts, plural(n, unit, unit+"s"))
		rest = rest[i+1:]
	}
	if len(parts) == 0 {
		return iso
	}
	return strings.Join(parts, " and ")
}

func periodUnit(c byte, inTime bool) string {
	switch {
	case inTime && c == 'H':
		return "hour"
	case inTime && c == 'M':
		return "minute"
	case inTime:
		return ""
	case c == 'Y':
		return "year"
	case c == 'M':
		return "month"
	case c == 'W':
		return "week"
	case c == 'D':
		return "day"
	}
	return ""
}

// actionWord says what a rule does with its rows.
func actionWord(then string) string {
	switch then {
	case string(source.Delete):
		return "Deletes"
	case string(source.Null):
		return "Empties columns of"
	case string(source.Mask):
		return "Masks"
	case string(source.TruncateIP):
		return "Shortens IP addresses in"
	case string(source.Unlink):
		return "Unlinks"
	}
	return capital(then) + ":"
}

// actWord is the same as what it is allowed to do.
func actWord(then string) string {
	switch then {
	case string(source.Null):
		return "empty them"
	case string(source.TruncateIP):
		return "shorten them"
	}
	return then
}

// rootValue is how the approval names a row: "dataset.collection:key".
func rootValue(r source.RowKey) string { return r.Collection + ":" + r.Key }

type pair struct{ Key, Value string }

func sortedPairs(m map[string]string) []pair {
	list := make([]pair, 0, len(m))
	for _, k := range sortedKeys(m) {
		list = append(list, pair{k, m[k]})
	}
	return list
}

// dict gives a part of a template several values.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: a key is no text")
		}
		m[k] = pairs[i+1]
	}
	return m, nil
}
