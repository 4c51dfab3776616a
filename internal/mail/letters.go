package mail

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/datamap"
)

// templates/<language>/ holds, for each kind of letter, KIND.txt (which defines
// "subject" and "text") and KIND.html ("body"); layout.txt and layout.html stand
// around them. A language is added by adding a folder.
//
//go:embed templates
var templates embed.FS

// kinds are those of the control schema (letters.kind).
var kinds = [...]string{"confirm", "remind", "archive", "erased", "nothing", "refused", "extended", "withdrawn", "notice", "ask", "ask_again"}

// fallback is the language of letters in a language that there is no folder for.
const fallback = "en"

// letters are the texts of all languages.
type letters struct{ languages map[string]map[string]texts }

type texts struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// A rendered letter.
type rendered struct{ Subject, Text, HTML string }

func loadLetters() (*letters, error) {
	folders, err := fs.ReadDir(templates, "templates")
	if err != nil {
		return nil, err
	}
	l := &letters{languages: map[string]map[string]texts{}}
	for _, folder := range folders {
		dir := path.Join("templates", folder.Name())
		of := map[string]texts{}
		for _, kind := range kinds {
			text, err := texttemplate.New("").Option("missingkey=error").ParseFS(templates, path.Join(dir, "layout.txt"), path.Join(dir, kind+".txt"))
			if err != nil {
				return nil, fmt.Errorf("mail: letter %s (%s): %w", kind, folder.Name(), err)
			}
			page, err := htmltemplate.New("").Option("missingkey=error").ParseFS(templates, path.Join(dir, "layout.html"), path.Join(dir, kind+".html"))
			if err != nil {
				return nil, fmt.Errorf("mail: letter %s (%s): %w", kind, folder.Name(), err)
			}
			of[kind] = texts{text: text, html: page}
		}
		l.languages[folder.Name()] = of
	}
	return l, nil
}

// letterSize is what the text of a letter mostly fits into, in bytes.
const letterSize = 3 << 10

// render writes a letter in its language, or in English.
func (ls *letters) render(l dsar.Letter) (rendered, error) {
	of, ok := ls.languages[l.Language]
	if !ok {
		of = ls.languages[fallback]
	}
	t, ok := of[l.Kind]
	if !ok {
		return rendered{}, fmt.Errorf("there is no letter of the kind %q", l.Kind)
	}
	v := new(newView(l))
	var subject, text, page strings.Builder
	text.Grow(letterSize)
	page.Grow(2 * letterSize)
	if err := t.text.ExecuteTemplate(&subject, "subject", v); err != nil {
		return rendered{}, fmt.Errorf("subject of %s: %w", l.Kind, err)
	}
	if err := t.text.ExecuteTemplate(&text, "layout", v); err != nil {
		return rendered{}, fmt.Errorf("text of %s: %w", l.Kind, err)
	}
	v.Subject = strings.TrimSpace(subject.String())
	if err := t.html.ExecuteTemplate(&page, "layout", v); err != nil {
		return rendered{}, fmt.Errorf("page of %s: %w", l.Kind, err)
	}
	return rendered{Subject: v.Subject, Text: fill(text.String()), HTML: page.String()}, nil
}

// view is what templates see: everything in words. It is flat, since templates
// look each field up by its name.
type view struct {
	Kind, Recipient, Holds string
	Controller             dsar.Controller
	RequestID              int64
	Link, StatusLink       string
	Late, Part             bool
	Kept, ByHand, Mentions []string
	Narrowed               []string

	Subject  string
	Access   bool
	Export   bool
	Erasure  bool
	Received string // days, in the controller's time zone
	Due      string
	Expires  string // day and time
	DPO      string
	Attached bool
	Owner    bool     // it goes to the owner of a source, not to the person
	Reasons  []string // paragraphs of Reason
	Notices  []notice // of erasures, at least one in such a letter
	Several  bool     // of them
	Last     int64    // of them: the number of its request
	Unnamed  bool     // at least one of them
	Erased   []counted
	Masked   []counted
	Partly   []counted // masked, and something personal in it stays
	Coded    []counted // masked, and something in it pseudonymised only
	Held     []counted
	Shared   []counted
	Stays    []counted // named by an entry that must stay
	Spared   []counted // nothing in it is what the policy takes
	Missing  []counted // files that were not there
	Did      bool      // something was erased or masked
	Left     bool      // something was not
	InVain   bool      // nothing was, because all of it had to stay
	Later    bool      // of what was not, something goes by itself once a law or a hold lets go of it
	Told     bool      // recipients are told of it
}

// notice is one erasure of which a recipient is told.
type notice struct {
	RequestID int64
	Named     []string
}

// counted is a group of data with a number.
type counted struct {
	Collection string
	Rows       int64
	Remains    []string // fields that stay as they are
}

// String is "contacts: 1 entry", or "contacts: 2 entries, in which this stays: birth date".
func (c counted) String() string {
	entries := "1 entry"
	if c.Rows != 1 {
		entries = fmt.Sprintf("%d entries", c.Rows)
	}
	if len(c.Remains) > 0 {
		entries += ", in which this stays: " + strings.Join(c.Remains, ", ")
	}
	return c.Collection + ": " + entries
}

func newView(l dsar.Letter) view {
	zone := l.Controller.Location
	if zone == nil {
		zone = time.UTC
	}
	v := view{
		Kind: l.Kind, Recipient: l.Recipient, Holds: l.Holds, Controller: l.Controller, RequestID: l.RequestID, Link: l.Link, StatusLink: l.StatusLink,
		Late: l.Late, Kept: l.Kept, ByHand: l.ByHand, Mentions: l.Mentions, Narrowed: l.Narrowed, Part: l.Part, Told: l.Told,
		Access: l.RequestKind == datamap.Access, Export: l.RequestKind == datamap.Export, Erasure: l.RequestKind == datamap.Erasure,
		DPO: l.Controller.DPO, Attached: l.Attachment != nil, Owner: l.Kind == "ask" || l.Kind == "ask_again",
	}
	const dayLayout = "2 January 2006"
	if !l.ReceivedAt.IsZero() {
		v.Received = l.ReceivedAt.In(zone).Format(dayLayout)
	}
	if !l.DueOn.IsZero() {
		v.Due = l.DueOn.UTC().Format(dayLayout) // a day, kept at UTC midnight
	}
	if !l.ExpiresAt.IsZero() {
		v.Expires = l.ExpiresAt.In(zone).Format(dayLayout+", 15:04") + " (" + zone.String() + ")"
	}
	v.Reasons = paragraphs(l.Reason)
	for _, n := range l.Notices {
		named := paragraphs(n.Named)
		v.Notices, v.Last = append(v.Notices, notice{n.RequestID, named}), n.RequestID
		v.Unnamed = v.Unnamed || len(named) == 0
	}
	v.Several = len(v.Notices) > 1
	v.Did = l.Changed || len(l.ByHand)+len(l.Mentions) > 0
	v.Left = len(l.Kept) > 0
	for _, f := range l.Findings {
		v.Did = v.Did || f.Erased+f.Masked > 0
		remains, spared := l.Remains[f.Collection], int64(0)
		if len(remains) > 0 {
			spared = f.Rest()
		}
		// What is pseudonymised is still the person's (recital 26).
		v.Left = v.Left || f.Held+f.Kept+f.Shared+f.Stays+spared > 0 || f.Masked > 0 && (l.Coded[f.Collection] || len(remains) > 0)
		v.Later = v.Later || f.Held+f.Kept > 0
		name, changed := inWords(f.Collection), &v.Masked
		switch {
		case l.Coded[f.Collection]:
			changed = &v.Coded
		case len(remains) > 0:
			changed = &v.Partly
		}
		for _, part := range []struct {
			list    *[]counted
			rows    int64
			remains []string
		}{{&v.Erased, f.Erased, nil}, {changed, f.Masked, remains}, {&v.Held, f.Held, nil}, {&v.Shared, f.Shared, nil}, {&v.Stays, f.Stays, nil}, {&v.Spared, spared, remains}, {&v.Missing, f.Missing, nil}} {
			if part.rows > 0 {
				*part.list = append(*part.list, counted{name, part.rows, part.remains})
			}
		}
	}
	v.InVain = v.Left && !v.Did
	return v
}

// paragraphs are the lines of a text that hold something.
func paragraphs(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// inWords is "order items (shop)" for "shop.order_items".
func inWords(collection string) string {
	dataset, name, ok := strings.Cut(collection, ".")
	if !ok {
		return collection
	}
	return strings.ReplaceAll(name, "_", " ") + " (" + strings.ReplaceAll(dataset, "_", " ") + ")"
}
