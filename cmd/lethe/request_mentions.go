package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

type requestMentionsCmd struct {
	ID   int64 `arg:"" help:"The request's number."`
	Show bool  `help:"Read the text around each that is undecided, on the record."`
	JSON bool  `name:"json" help:"As JSON, without any text."`
}

// Help is the longer text of -h.
func (requestMentionsCmd) Help() string {
	return `After an erasure, columns that the data map marks with mentions: true are searched for the person in other people's text. This lists the rows found; their text is read only with --show, and that it was read stands in the record.

Examples:
  lethe request mentions 17
  lethe request mentions 17 --show`
}

// mentionJSON is one row of other people's text; the text stays where it is.
type mentionJSON struct {
	ID         int64  `json:"id"`
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Key        string `json:"key"`
	Passages   int    `json:"passages"`
	Decision   string `json:"decision,omitempty"`
	DecidedBy  string `json:"decided_by,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Trouble    string `json:"trouble,omitempty"`
}

// Run lists.
func (c *requestMentionsCmd) Run(ctx context.Context, w *world, cli *commands) error {
	if c.Show && c.JSON {
		return wrongUse("--json leaves texts out: take --show or --json")
	}
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	q, err := a.requests.Get(ctx, operator, c.ID)
	if err != nil {
		return err
	}
	skipped, err := a.requests.SkippedMentions(ctx, operator, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		out := []mentionJSON{}
		for _, m := range q.Mentions {
			out = append(out, mentionJSON{m.ID, m.Source, m.Collection, m.Field, m.Key, m.Passages, m.Decision, m.DecidedBy, m.Outcome, m.Trouble})
		}
		return printJSON(w.out, map[string]any{"mentions": out, "skipped": append([]string{}, skipped...)})
	}
	t := newTable(w.out, "mention", "row", "field", "passages", "decided", "by", "done", "")
	t.none = noMentions(q)
	for _, m := range q.Mentions {
		t.row(m.ID, m.Collection+":"+m.Key, m.Field, m.Passages, m.Decision, m.DecidedBy, m.Outcome, m.Trouble)
	}
	t.flush()
	for _, s := range skipped {
		fmt.Fprintln(w.out, s)
	}
	if !c.Show {
		return nil
	}
	for _, m := range q.Mentions {
		if !m.Open() {
			continue
		}
		text, found, err := a.requests.ShowMention(ctx, operator, c.ID, m.ID)
		if err != nil {
			return err
		}
		printMention(w.out, m, text, found)
	}
	return nil
}

// noMentions says why there are none.
func noMentions(q dsar.Request) string {
	searched := false
	for _, st := range q.Steps {
		if st.Stage != "mentions" {
			continue
		}
		if searched = true; st.Status != "done" && st.Status != "dropped" {
			return "The search of other people's text is not over; it has found nothing so far."
		}
	}
	switch {
	case q.Kind != datamap.Erasure:
		return "Other people's text is searched for an erasure alone."
	case !searched:
		return "Other people's text, where the data map names any (mentions: true), is searched once the person's own rows are gone."
	}
	return "Nobody else's text names the person, as far as it was searched."
}

// printMention shows the passages between angle quotes, as control characters of
// a text must not reach the terminal.
func printMention(out io.Writer, m dsar.Mention, text source.MentionText, found bool) {
	fmt.Fprintf(out, "\nMention %d, %s\n", m.ID, printable(m.Collection+":"+m.Key))
	if !found {
		fmt.Fprintln(out, "  The row is gone.")
		return
	}
	var b strings.Builder
	from := 0
	for _, s := range text.Spans {
		b.WriteString(text.Text[from:s[0]] + "»" + text.Text[s[0]:s[1]] + "«")
		from = s[1]
	}
	b.WriteString(text.Text[from:])
	for _, line := range strings.Split(b.String(), "\n") {
		fmt.Fprintln(out, "  "+printable(strings.ReplaceAll(line, "\t", "    ")))
	}
}

type requestMentionCmd struct {
	answering

	ID     int64    `arg:"" help:"The request's number."`
	Which  []string `arg:"" help:"The mentions' numbers, or all."`
	Redact bool     `help:"Replace the passages by [removed]; every other byte stays."`
	Delete bool     `help:"Delete the row, and nothing more."`
	Leave  string   `placeholder:"REASON" help:"Leave it; the person is told why."`
}

// Help is the longer text of -h.
func (requestMentionCmd) Help() string {
	return `Examples:
  lethe request mention 17 4 --redact
  lethe request mention 17 5 6 --delete
  lethe request mention 17 all --leave "The writer needs the text for a claim (Art. 17(3)(e))."`
}

// Run decides.
func (c *requestMentionCmd) Run(ctx context.Context, w *world, cli *commands) error {
	ways := map[string]bool{dsar.RedactMention: c.Redact, dsar.DeleteMention: c.Delete, dsar.LeaveMention: c.Leave != ""}
	var decision string
	for way, chosen := range ways {
		if chosen && decision != "" {
			return wrongUse("say one of --redact, --delete, --leave")
		}
		if chosen {
			decision = way
		}
	}
	if decision == "" {
		return wrongUse("say one of --redact, --delete, --leave")
	}
	var which []int64
	if len(c.Which) != 1 || c.Which[0] != "all" {
		for _, text := range c.Which {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n <= 0 {
				return wrongUse("a mention is named by its number (lethe request mentions %d), or all", c.ID)
			}
			which = append(which, n)
		}
	}
	return c.change(ctx, w, cli, c.ID, func(a *app) error {
		return a.requests.DecideMention(ctx, operator, c.ID, which, decision, c.Leave)
	})
}
