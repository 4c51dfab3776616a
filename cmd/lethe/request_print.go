package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// requestJSON is what programs read of a request; keys are part of the contract.
type requestJSON struct {
	ID         int64      `json:"id"`
	Kind       string     `json:"kind"`
	Controller string     `json:"controller"`
	Policy     string     `json:"policy"`
	Status     string     `json:"status"`
	Waiting    string     `json:"waiting"`
	Delayed    string     `json:"delayed,omitempty"`
	Delivery   string     `json:"delivery"`
	ReceivedAt time.Time  `json:"received_at"`
	DueOn      string     `json:"due_on"`
	Derivation string     `json:"derivation"`
	Extended   bool       `json:"extended"`
	ApprovedAt *time.Time `json:"approved_at"`
	FinishedAt *time.Time `json:"finished_at"`
	JoinedInto int64      `json:"joined_into,omitempty"`
	Requester  string     `json:"requester,omitempty"`
	// A list says nothing of these, since it does not look.
	Findings   []findingJSON  `json:"findings,omitzero"`
	Steps      []stepJSON     `json:"steps,omitzero"`
	Identities []identityJSON `json:"identities,omitzero"`
	Fields     []string       `json:"fields,omitempty"` // names of those that narrow it; values stay out, as identities' do
	Rows       []rootJSON     `json:"root_rows,omitzero"`
	Letters    []letterJSON   `json:"letters,omitzero"`
	Asks       []askJSON      `json:"asks,omitzero"`
	Lacks      []string       `json:"letter_lacks,omitzero"`
	// FirstApprovedBy: it has one approval, and needs a second person's.
	FirstApprovedBy string `json:"first_approved_by,omitempty"`
}

// askJSON is what the owner of a source was asked. Words and names of files stay out, as identities do.
type askJSON struct {
	Source     string     `json:"source"`
	Owner      string     `json:"owner"`
	Status     string     `json:"status"`
	AskedAt    time.Time  `json:"asked_at"`
	DueOn      string     `json:"due_on"`
	Reminders  int        `json:"reminders"`
	OpenedAt   *time.Time `json:"opened_at"`
	Answer     string     `json:"answer,omitempty"`
	AnsweredAt *time.Time `json:"answered_at"`
	AnsweredBy string     `json:"answered_by,omitempty"`
	Files      int        `json:"files"`
}

type findingJSON struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Rows       int64  `json:"rows"`
	Shared     int64  `json:"shared"`
	Held       int64  `json:"held"`
	Kept       int64  `json:"kept"`
	Erased     int64  `json:"erased"`
	Masked     int64  `json:"masked"`
	Stays      int64  `json:"stays"`
	Missing    int64  `json:"missing"`
}

type stepJSON struct {
	Stage      string     `json:"stage"`
	Source     string     `json:"source"`
	Status     string     `json:"status"`
	Attempts   int        `json:"attempts"`
	Error      string     `json:"error,omitempty"`
	Message    string     `json:"message,omitempty"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// identityJSON leaves values out: JSON ends up in files and logs.
type identityJSON struct {
	ID     int64  `json:"id"`
	Type   string `json:"type"`
	Proved bool   `json:"proved"`
	How    string `json:"how,omitempty"`
}

type rootJSON struct {
	Source     string   `json:"source"`
	Collection string   `json:"collection"`
	Key        string   `json:"key"`
	Types      []string `json:"types"`
	Ticked     *bool    `json:"ticked"`
}

type letterJSON struct {
	Kind    string     `json:"kind"`
	Status  string     `json:"status"`
	Code    int        `json:"smtp_code,omitempty"`
	Message string     `json:"message,omitempty"`
	SentAt  *time.Time `json:"sent_at"`
}

// refusalJSON is a source that would refuse an erasure.
type refusalJSON struct {
	Source  string `json:"source"`
	Message string `json:"message"`
}

func refusalsToJSON(list []dsar.Refusal) []refusalJSON {
	out := []refusalJSON{}
	for _, r := range list {
		out = append(out, refusalJSON{r.Source, r.Sentence})
	}
	return out
}

func printRefusals(out io.Writer, list []dsar.Refusal) {
	for _, r := range list {
		fmt.Fprintf(out, "\nAn erasure would stop: %s\n", r.Sentence)
	}
}

func findingsToJSON(list []source.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range list {
		out = append(out, findingJSON(f))
	}
	return out
}

// listedJSON is a request as a list has it.
func listedJSON(q dsar.Request) requestJSON {
	return requestJSON{
		ID: q.ID, Kind: string(q.Kind), Controller: q.Controller, Policy: q.Policy, Status: string(q.Status), Waiting: q.Waiting, Delayed: q.Delayed,
		Delivery: q.Delivery, ReceivedAt: q.ReceivedAt.UTC(), DueOn: day(q.DueOn), Derivation: q.Derivation, Extended: q.Extended,
		ApprovedAt: optional(q.ApprovedAt), FinishedAt: optional(q.FinishedAt), JoinedInto: q.JoinedInto, Requester: q.Requester.As,
		FirstApprovedBy: q.FirstApproval.By,
	}
}

// requestToJSON is a request in full, without words and names that people typed.
func requestToJSON(q dsar.Request) requestJSON {
	j := listedJSON(q)
	j.Findings, j.Lacks = findingsToJSON(q.Findings), append([]string{}, q.Missing...)
	j.Steps, j.Identities, j.Rows, j.Letters, j.Asks = []stepJSON{}, []identityJSON{}, []rootJSON{}, []letterJSON{}, []askJSON{}
	for _, k := range q.Asks {
		j.Asks = append(j.Asks, askJSON{k.Source, k.Owner, k.Status, k.AskedAt, day(k.DueOn), k.Reminders, optional(k.OpenedAt),
			k.Answer, optional(k.AnsweredAt), k.AnsweredBy, len(k.Files)})
	}
	for _, s := range q.Steps {
		j.Steps = append(j.Steps, stepJSON{s.Stage, s.Source, s.Status, s.Attempts, s.Error, s.Message, optional(s.StartedAt), optional(s.FinishedAt)})
	}
	for _, i := range q.Identities {
		j.Identities = append(j.Identities, identityJSON{i.ID, i.Type, !i.ProvedAt.IsZero(), i.How})
	}
	j.Fields = slices.Sorted(maps.Keys(q.Fields))
	for _, r := range q.Roots {
		j.Rows = append(j.Rows, rootJSON{r.Source, r.Collection, r.Key, r.Types, r.Ticked})
	}
	for _, l := range q.Letters {
		j.Letters = append(j.Letters, letterJSON{l.Kind, l.Status, l.Code, l.Message, optional(l.SentAt)})
	}
	return j
}

func (a *app) printRequest(ctx context.Context, w *world, id int64, asJSON bool) error {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := a.patiently(within, id)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w.out, requestToJSON(q))
	}
	out := w.out
	fmt.Fprintf(out, "Request %d: %s, %s, %s.\n", q.ID, q.Kind, q.Controller, words(q.Status))
	if q.Waiting != "" {
		fmt.Fprintln(out, q.Waiting)
	}
	if q.Delayed != "" {
		fmt.Fprintln(out, q.Delayed)
	}
	fmt.Fprintf(out, "Received %s, due on %s: %s\n", day(q.ReceivedAt), day(q.DueOn), q.Derivation)
	if q.JoinedInto != 0 {
		fmt.Fprintf(out, "Joined into request %d, which answers for both.\n", q.JoinedInto)
	}
	if q.Requester.As != "self" {
		fmt.Fprintln(out, asked(q))
	}
	if q.Reason != "" {
		fmt.Fprintf(out, "Reasons given: %s\n", q.Reason)
	}
	for _, m := range q.Missing {
		fmt.Fprintf(out, "The letter lacks: %s\n", m)
	}
	if len(q.Identities) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "identity", "type", "value", "proved")
		for _, i := range q.Identities {
			proved := "no"
			if !i.ProvedAt.IsZero() {
				proved = instant(i.ProvedAt) + ", " + i.How
			}
			t.row(i.ID, i.Type, i.Value, proved)
		}
		t.flush()
	}
	if len(q.Fields) > 0 {
		fmt.Fprintf(out, "\nNarrowed to rows with %s.\n", printable(personWords(q.Fields)))
	}
	printRoots(out, q)
	printFindings(out, q.Findings, false)
	if len(q.Steps) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "step", "source", "status", "tries", "finished", "")
		for _, s := range q.Steps {
			t.row(s.Stage, s.Source, s.Status, s.Attempts, s.FinishedAt, s.Message)
		}
		t.flush()
	}
	printAsks(out, q.Asks)
	if len(q.Letters) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "letter", "to", "status", "sent", "code", "")
		for _, l := range q.Letters {
			code := ""
			if l.Code != 0 {
				code = fmt.Sprint(l.Code)
			}
			to := l.To
			if l.Nobody {
				to = "no address on record"
			}
			t.row(l.Kind, to, l.Status, l.SentAt, code, l.Message)
		}
		t.flush()
	}
	return nil
}

// asked says who asks for the person, and on which mandate.
func asked(q dsar.Request) string {
	who := "Asked by a " + q.Requester.As
	if q.Requester.As == "agent" {
		who = "Asked by an agent"
	}
	if q.Requester.Name != "" {
		who += ", " + q.Requester.Name + " <" + q.Requester.Address + ">"
	}
	if q.Requester.Mandate == "" {
		return who + "; no mandate seen yet."
	}
	return who + "; mandate seen: " + q.Requester.Mandate
}

func printRoots(out io.Writer, q dsar.Request) {
	if len(q.Roots) == 0 {
		return
	}
	fmt.Fprintln(out)
	t := newTable(out, "row", "matched by", "person", "ticked")
	for _, r := range dsar.GroupRoots(q.Roots) {
		ticked := "undecided"
		if r.Ticked != nil {
			ticked = yes(*r.Ticked)
		}
		t.row(rowWords(r), matchedBy(r.Types), personWords(r.Person), ticked)
	}
	t.flush()
}

// rowWords names a row, and says how many others are like it.
func rowWords(g dsar.RootGroup) string {
	if len(g.Others) == 0 {
		return g.Collection + ":" + g.Key
	}
	return fmt.Sprintf("%s:%s and %d like it", g.Collection, g.Key, len(g.Others))
}

// matchedBy are the types of identities that found a row; of one that the DPO
// picked, that it was.
func matchedBy(types []string) string {
	var list []string
	for _, t := range types {
		if strings.HasPrefix(t, datamap.Row+":") {
			t = "picked"
		}
		list = append(list, t)
	}
	return strings.Join(list, ", ")
}

// personWords are values by field: those by which people are told apart, or a request is narrowed.
func personWords(person map[string]string) string {
	var list []string
	for _, field := range slices.Sorted(maps.Keys(person)) {
		list = append(list, field+" "+person[field])
	}
	return strings.Join(list, ", ")
}

// printFindings prints what was found and done or, of a dry run, would be done.
func printFindings(out io.Writer, list []source.Finding, dry bool) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(out)
	changed := dry || slices.ContainsFunc(list, source.Finding.Told)
	header := []string{"collection", "source", "rows", "shared"}
	switch {
	case dry:
		header = append(header, "to erase", "to mask", "held", "kept")
	case changed:
		header = append(header, "erased", "masked", "held", "kept")
	}
	stays := slices.ContainsFunc(list, func(f source.Finding) bool { return f.Stays > 0 })
	if stays {
		header = append(header, "stays")
	}
	missing := slices.ContainsFunc(list, func(f source.Finding) bool { return f.Missing > 0 })
	if missing {
		header = append(header, "missing")
	}
	t := newTable(out, header...)
	var empty []string
	for _, f := range list {
		if f.Empty() {
			empty = append(empty, f.Collection)
			continue
		}
		cells := []any{f.Collection, f.Source, thousands(f.Rows), thousands(f.Shared)}
		if changed {
			cells = append(cells, thousands(f.Erased), thousands(f.Masked), thousands(f.Held), thousands(f.Kept))
		}
		if stays {
			cells = append(cells, thousands(f.Stays))
		}
		if missing {
			cells = append(cells, thousands(f.Missing))
		}
		t.row(cells...)
	}
	if len(empty) < len(list) {
		t.flush()
	}
	switch n := len(empty); {
	case n == len(list):
		fmt.Fprintf(out, "Nothing was found in %s.\n", plural(int64(n), "collection", "collections"))
	case n > 3: // --json names them
		fmt.Fprintf(out, "Nothing in %d other collections.\n", n)
	case n > 0:
		fmt.Fprintf(out, "Nothing in %s.\n", printable(strings.Join(empty, ", ")))
	}
}
