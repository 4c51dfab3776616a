package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// manyLimit bounds a file of submissions: a bigger one is cut by whoever wrote it.
const manyLimit = 100_000

// A line is one submission of a file, by the line on which it stands.
type line struct {
	number int
	sub    dsar.Submission
}

// taken is what became of one line.
type taken struct {
	Line   int    `json:"line"`
	ID     int64  `json:"id"`
	Joined bool   `json:"joined"`
	Status string `json:"status"`
	Waits  string `json:"waits,omitempty"`
}

// many takes in a file of submissions. All lines are checked before the first
// is taken in, because half a file is worse than none: whoever mends the other
// half would send the first half again. fields narrow each that says nothing else.
func (c *requestSubmitCmd) many(ctx context.Context, w *world, cli *commands, fields map[string]string) error {
	if len(c.Email)+len(c.Phone)+len(c.Visitor)+len(c.Identity)+len(c.Row)+len(c.Rows) > 0 {
		return wrongUse("with --from the identities stand in the file")
	}
	in, name, closeFile, err := openLines(w, c.From)
	if err != nil {
		return err
	}
	defer closeFile()
	a, err := quietApp(ctx, w, cli)
	if err != nil {
		return err
	}
	defer a.close()
	lines, wrong := c.read(a, in, name, fields)
	for _, l := range lines {
		if err := a.requests.Check(operator, l.sub); err != nil {
			var invalid *dsar.Invalid
			if !errors.As(err, &invalid) {
				return err
			}
			for _, field := range slices.Sorted(maps.Keys(invalid.Fields)) {
				wrong = append(wrong, lineProblem{name, l.number, field + ": " + invalid.Fields[field]})
			}
		}
	}
	if len(wrong) > 0 {
		slices.SortStableFunc(wrong, func(a, b lineProblem) int { return a.line - b.line })
		return problems("the file cannot be taken in; nothing was done", wrong)
	}
	return c.takeIn(ctx, w, a, lines)
}

func openLines(w *world, from string) (in io.Reader, name string, closeFile func(), err error) {
	if from == "-" {
		return w.in, "standard input", func() {}, nil
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, "", nil, fmt.Errorf("the requests cannot be read: %w", err)
	}
	return f, from, func() { _ = f.Close() }, nil
}

// A lineProblem never quotes the line: it holds somebody's address.
type lineProblem struct {
	file string
	line int
	what string
}

// String is "file:line: what".
func (p lineProblem) String() string { return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.what) }

// read makes submissions of the lines after --after. fields are those of --field.
func (c *requestSubmitCmd) read(a *app, in io.Reader, name string, fields map[string]string) (lines []line, wrong []lineProblem) {
	say := func(at int, format string, args ...any) {
		wrong = append(wrong, lineProblem{name, at, fmt.Sprintf(format, args...)})
	}
	text := bufio.NewReader(&withoutMark{in: in})
	r := csv.NewReader(text)
	first, _ := text.Peek(1 << 10) // what is wrong with it, Read says
	if first, _, _ = bytes.Cut(first, []byte("\n")); bytes.Contains(first, []byte(";")) && !bytes.Contains(first, []byte(",")) {
		r.Comma = ';' // as spreadsheets write it where the comma parts decimals
	}
	header, err := r.Read()
	var bad *csv.ParseError
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &bad):
		say(1, "the file cannot be read")
		return nil, wrong
	case err != nil:
		say(1, "the first line names the columns, such as kind,email")
		return nil, wrong
	}
	if what := noHeader(header); what != "" {
		say(1, "%s", what)
		return nil, wrong
	}
	types := datamap.IdentityTypes(a.datamap)
	known := slices.Concat(submissionColumns, types)
	for _, f := range datamap.RequestFields(a.datamap) {
		known = append(known, fieldColumn+f.Name)
	}
	for i := range header {
		header[i] = columnName(header[i], known)
	}
	if !slices.ContainsFunc(header, func(h string) bool { return slices.Contains(known, h) }) {
		// It is the first person's line, and not for an error.
		say(1, "the first line names the columns; known are %s", strings.Join(known, ", "))
		return nil, wrong
	}
	for i := range header {
		switch {
		case !slices.Contains(known, header[i]):
			say(1, "unknown column %q; known are %s", header[i], strings.Join(known, ", "))
		case !slices.Contains(types, header[i]) && slices.Contains(header[:i], header[i]):
			say(1, "the column %s stands there twice: a line has one value for it", header[i])
		}
	}
	if !slices.ContainsFunc(header, func(h string) bool { return slices.Contains(types, h) }) {
		say(1, "no column holds an identity: %s", strings.Join(types, ", "))
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, wrong
		}
		at, _ := r.FieldPos(0)
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			say(bad.StartLine, "this is no line of CSV with %d cells", len(header))
			if !errors.Is(err, csv.ErrFieldCount) {
				return nil, wrong // where the next line begins is not known
			}
			continue
		case err != nil:
			say(at, "the file cannot be read to its end")
			return nil, wrong
		case len(lines) == manyLimit:
			say(at, "a file has at most %d lines of requests: cut it into several, each with the first line", manyLimit)
			return nil, wrong
		case at <= c.After:
			continue
		}
		sub, problem := c.submission(a, header, cells, types, fields)
		if problem != "" {
			say(at, "%s", problem)
			continue
		}
		lines = append(lines, line{at, sub})
	}
}

// noHeader says what a first line is that cannot name columns; "": it may. What
// stands in it is somebody's address, and not for an error.
func noHeader(header []string) string {
	all := strings.Join(header, "")
	switch {
	case !utf8.ValidString(all) || strings.ContainsRune(all, 0):
		return "the file is no text in UTF-8: save it as CSV in UTF-8"
	case strings.ContainsAny(all, "\r\n"):
		return "the first line does not end: lines are to end with a line feed, not with a carriage return alone"
	case strings.Contains(all, "@"):
		return "the first line names the columns, such as kind,email"
	}
	return ""
}

// submissionColumns are the columns of a --from file beside the identities.
var submissionColumns = []string{"kind", "controller", "policy", "received", "verified", "delivery", "as", "name", "address", "mandate"}

// fieldColumn begins the name of a column that holds a field of the request.
const fieldColumn = "field:"

// columnName is a column as the map and the flags spell it; case does not count,
// unless the map has two names that differ in nothing else.
func columnName(written string, known []string) string {
	name := strings.TrimSpace(written)
	if slices.Contains(known, name) {
		return name
	}
	for _, one := range known {
		if strings.EqualFold(name, one) {
			return one
		}
	}
	return datamap.IdentityType(strings.ToLower(name))
}

// submission puts one line together; flags fill what it leaves empty.
func (c *requestSubmitCmd) submission(a *app, header, cells, types []string, fields map[string]string) (sub dsar.Submission, problem string) {
	value := map[string]string{
		"kind": c.Kind, "controller": c.Controller, "policy": c.Policy, "received": c.Received, "verified": c.Verified,
		"delivery": c.Delivery, "as": c.As, "name": c.Name, "address": c.Address, "mandate": c.Mandate,
	}
	sub.Fields = map[string]string{}
	maps.Copy(sub.Fields, fields)
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		field, isField := strings.CutPrefix(header[i], fieldColumn)
		switch {
		case cell == "":
		case isField:
			sub.Fields[field] = cell
		case slices.Contains(types, header[i]):
			sub.Identities = append(sub.Identities, dsar.Identity{Type: header[i], Value: cell})
		default:
			value[header[i]] = cell
		}
	}
	sub.Kind, sub.Controller, sub.Policy = datamap.Kind(value["kind"]), value["controller"], value["policy"]
	sub.Verified, sub.Delivery, sub.Channel = value["verified"], value["delivery"], "cli"
	sub.Requester = dsar.Requester{As: value["as"], Name: value["name"], Address: value["address"], Mandate: value["mandate"]}
	if sub.Controller == "" && len(a.cfg.Controllers) == 1 {
		sub.Controller = a.cfg.Controllers[0].Key
	}
	if day := value["received"]; day != "" {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return sub, "received: a day such as 2026-11-24 is expected"
		}
		sub.ReceivedAt = a.receivedOn(day, sub.Controller)
	}
	return sub, ""
}

// linesAtOnce is how many lines are taken in between two reports of a failure.
const linesAtOnce = 200

// glance is enough to see how a request stands.
const glance = 500 * time.Millisecond

// takeIn submits the lines. All are taken in before the first is waited for,
// so that their work runs together.
func (c *requestSubmitCmd) takeIn(ctx context.Context, w *world, a *app, lines []line) error {
	list := make([]taken, 0, len(lines))
	for part := range slices.Chunk(lines, linesAtOnce) {
		subs := make([]dsar.Submission, len(part))
		for i, l := range part {
			subs[i] = l.sub
		}
		all, errs := a.requests.SubmitMany(ctx, operator, subs)
		var failed []error
		var first int
		for i, got := range all {
			if errs[i] != nil {
				if failed = append(failed, errs[i]); len(failed) == 1 {
					first = part[i].number
				}
				continue
			}
			t := taken{Line: part[i].number, ID: got.ID, Joined: got.Joined}
			if got.Joined && got.Into != 0 {
				t.ID = got.Into
			}
			list = append(list, t)
		}
		if len(failed) == len(part) {
			c.report(w, list)
			return doneInPart("line %d could not be taken in: %w. Those before it are; go on with --after %d", first, failed[0], first-1)
		}
		if last := part[len(part)-1].number; len(failed) > 0 {
			c.report(w, list)
			return doneInPart("%d of the lines from %d to %d could not be taken in, the first of them line %d: %w. The others up to line %d are; submit those by themselves, and go on with --after %d",
				len(failed), part[0].number, last, first, failed[0], last, last)
		}
	}
	waiting, left := 0, c.Timeout // left is what has not been waited in vain, by all of them together
	for i := range list {
		t := &list[i]
		if c.Approve || c.Wait {
			began := a.now()
			err := a.follow(ctx, w, t.ID, following{approve: c.Approve, toTheEnd: c.Wait, limit: max(left, min(c.Timeout, glance))})
			if err != nil && !isPart(err) {
				c.report(w, list)
				return err
			}
			if err != nil {
				waiting++
				t.Waits = err.Error()
				left -= a.now().Sub(began)
			}
		}
		within, cancel := context.WithTimeout(ctx, c.Timeout)
		q, err := a.patiently(within, t.ID)
		cancel()
		if err != nil {
			c.report(w, list)
			return err
		}
		t.Status = string(q.Status)
	}
	c.report(w, list)
	if waiting > 0 {
		return doneInPart("%d of %d requests wait for a person; see the lines above", waiting, len(list))
	}
	return nil
}

func (c *requestSubmitCmd) report(w *world, list []taken) {
	if c.JSON {
		_ = printJSON(w.out, map[string]any{"requests": list})
		return
	}
	t := newTable(w.out, "line", "request", "status", "")
	for _, x := range list {
		note := x.Waits
		if x.Joined {
			note = strings.TrimSpace("joined to an older one of the same person. " + note)
		}
		t.row(x.Line, x.ID, x.Status, note)
	}
	t.flush()
}

// withoutMark drops the byte order mark that spreadsheets write.
type withoutMark struct {
	in    io.Reader
	begun bool
}

func (m *withoutMark) Read(p []byte) (int, error) {
	if m.begun {
		return m.in.Read(p)
	}
	m.begun = true
	var head [3]byte
	n, err := io.ReadFull(m.in, head[:])
	if n == 3 && string(head[:]) == "\ufeff" {
		return m.in.Read(p)
	}
	m.in = io.MultiReader(strings.NewReader(string(head[:n])), m.in)
	if err != nil && n == 0 {
		return 0, err
	}
	return m.in.Read(p)
}
