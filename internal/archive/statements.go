package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the letter says, once, for both of its forms: letter.txt and index.html.

// document is all that the letter is made from.
type document struct {
	Letter
	Tables   []*preview
	Attached []attachedFile
}

// A section is one heading of the letter.
type section struct {
	ID, Title, Article string
	Paragraphs         []string
	Items              []item
	Missing            bool // the controller's records do not say it
}

// An item is one point of a list.
type item struct {
	Term string // may be empty
	Text string
}

// export tells which of the two letters it is.
func (d document) export() bool { return d.Kind == "export" }

// Title is the document's heading.
func (d document) Title() string {
	if d.export() {
		return "Your data, to keep or to take elsewhere"
	}
	return "Your personal data at " + d.controller()
}

func (d document) controller() string {
	if d.Controller.Name == "" {
		return "the controller"
	}
	return d.Controller.Name
}

// day writes a date out, in the zone that the time carries: a day is the
// controller's (Reg. 1182/71), and the caller knows which that is.
func day(t time.Time) string { return t.Format("2 January 2006") }

// Opening is who, what and when.
func (d document) Opening() []string {
	said := d.opening()
	if len(d.Narrowed) > 0 {
		said = append(said, "You asked for a part of it: "+strings.Join(d.Narrowed, "; ")+".")
	}
	return said
}

func (d document) opening() []string {
	asked := fmt.Sprintf("On %s you asked %s ", day(d.ReceivedAt), d.controller())
	if d.export() {
		return []string{
			asked + "for the personal data that you have provided, in a form that you can keep or give to somebody else (Article 20 of the General Data Protection Regulation, GDPR).",
			fmt.Sprintf("This archive was made on %s and answers your request no. %d. It holds what you gave us yourself or by using our service, as far as it is processed by computer and rests on your consent or on a contract with you. What we worked out ourselves is not part of it; you may ask for that under Article 15 GDPR.", day(d.MadeAt), d.RequestID),
			"The files in the folder data are made to be read by programs: each group of data is there as JSON and as CSV. You may pass them on to another company without asking us.",
		}
	}
	return []string{
		asked + "which personal data about you it holds (Article 15 of the General Data Protection Regulation, GDPR).",
		fmt.Sprintf("This archive was made on %s and answers your request no. %d. It holds a copy of the data, and below what the law says you must be told about them.", day(d.MadeAt), d.RequestID),
	}
}

// contents says how much there is.
func (d document) contents() section {
	s := section{ID: "contents", Title: "What is in this archive"}
	var rows int64
	for _, t := range d.Tables {
		rows += t.Rows
		s.Items = append(s.Items, item{Term: t.Heading(), Text: counted(t.Rows, "entry", "entries") + fmt.Sprintf(", in %s.csv and %s.json", t.Base, t.Base) + t.withFiles()})
	}
	for _, f := range d.Attached {
		text := "as it is; open it with a program that you trust"
		if f.From != "" {
			text = "from " + f.From + ", " + text
		}
		s.Items = append(s.Items, item{Term: f.Path, Text: text})
	}
	if rows == 0 && len(d.Attached) == 0 {
		s.Paragraphs = []string{"We found no data about you that belong to this answer."}
	}
	return s
}

// counted is "1 entry", "2 entries".
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// unsaid is the sentence for what no record says: silence would read as "none".
func (d document) unsaid(what string) string {
	return fmt.Sprintf("The records from which this letter was made do not say %s. Ask %s: you have a right to know.", what, d.contact())
}

func (d document) contact() string {
	for _, c := range []string{d.DPO, d.Controller.Email, d.Controller.Name} {
		if c != "" {
			return c
		}
	}
	return "the controller"
}

// Sections is the letter after its opening, in the order of Art. 15(1) and (2).
func (d document) Sections() []section {
	if d.export() {
		return d.exportSections()
	}
	return []section{
		d.contents(), d.purposes(), d.categories(), d.recipients(), d.periods(), d.rights(),
		d.complaint(), d.origins(), d.automated(), d.transfers(), d.leftOut(), d.whom(),
	}
}

func (d document) exportSections() []section {
	list := []section{d.contents(), {
		ID: "rights", Title: "Your rights",
		Paragraphs: []string{"This copy changes nothing about the data that we hold. You may still ask for access (Article 15), correction (16), erasure (17) or restriction (18), object to processing (21), and withdraw a consent at any time (7(3))."},
	}, d.complaint(), d.leftOut(), d.whom()}
	return list
}

// short is a collection's name as the data's headings have it: without its
// dataset, where all the data are of that one.
func (d document) short(collection string) string {
	dataset, rest, ok := strings.Cut(collection, ".")
	if !ok || slices.ContainsFunc(d.Tables, func(t *preview) bool { return t.Dataset != dataset }) {
		return collection
	}
	return rest
}

// point adds what is to be said of a collection to a list; what was said of the
// same one before is gone on with.
func (d document) point(list []item, collection, text string) []item {
	name := d.short(collection)
	for i := range list {
		if list[i].Term == name {
			list[i].Text += ". Also: " + text
			return list
		}
	}
	return append(list, item{Term: name, Text: text})
}

// together makes one point of those that say the same, so that a letter about
// many tables can be read (Art. 12(1): concise, easily accessible).
func together(list []item) []item {
	var out []item
	for _, it := range list {
		i := slices.IndexFunc(out, func(o item) bool { return o.Text == it.Text })
		if i < 0 {
			out = append(out, it)
			continue
		}
		out[i].Term += ", " + it.Term
	}
	return out
}

func (d document) purposes() section {
	s := section{ID: "purposes", Title: "What the data are used for", Article: "Art. 15(1)(a)"}
	for _, p := range d.Purposes {
		var parts []string
		if len(p.Uses) > 0 {
			parts = append(parts, join(uses(p.Uses)))
		} else {
			parts = append(parts, "purpose not on record")
		}
		if g := ground(p.Basis); g != "" {
			parts = append(parts, "on the ground of "+g)
		}
		if p.Consent != "" {
			parts = append(parts, "asked for as consent to “"+p.Consent+"”")
		}
		s.Items = d.point(s.Items, p.Collection, strings.Join(parts, "; "))
	}
	if s.Items = together(s.Items); len(d.Purposes) == 0 {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("what your data are used for")}
	}
	return s
}

// ground puts a letter of Art. 6(1) in words.
func ground(letter string) string {
	grounds := map[string]string{
		"a": "your consent", "b": "a contract with you, or steps before one, at your request", "c": "a legal obligation",
		"d": "vital interests", "e": "a task in the public interest", "f": "legitimate interests",
	}
	g := grounds[strings.ToLower(letter)]
	if g == "" {
		return ""
	}
	g += " (Art. 6(1)(" + strings.ToLower(letter) + "))"
	switch strings.ToLower(letter) {
	case "e", "f":
		g += ", to which you may object (Art. 21)"
	}
	return g
}

func (d document) categories() section {
	s := section{ID: "categories", Title: "Which kinds of data", Article: "Art. 15(1)(b)"}
	var order []string
	kinds := map[string][]string{}
	for _, p := range d.Purposes {
		if len(p.Categories) > 0 {
			kinds[p.Collection] = append(kinds[p.Collection], p.Categories...)
			if !slices.Contains(order, p.Collection) {
				order = append(order, p.Collection)
			}
		}
	}
	for _, c := range order {
		s.Items = d.point(s.Items, c, join(words(kinds[c])))
	}
	if s.Items = together(s.Items); len(s.Items) == 0 {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("into which categories your data fall")}
	}
	return s
}

func (d document) recipients() section {
	s := section{ID: "recipients", Title: "Who else has received the data, or will", Article: "Art. 15(1)(c)"}
	for _, r := range d.Recipients {
		var parts []string
		if r.Role != "" {
			parts = append(parts, r.Role)
		}
		if r.Region != "" {
			parts = append(parts, "in "+country(r.Region))
		}
		if len(r.Gets) > 0 {
			parts = append(parts, "receives "+join(words(r.Gets)))
		}
		s.Items = append(s.Items, item{Term: r.Name, Text: strings.Join(parts, "; ")})
	}
	if len(d.Recipients) == 0 {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("who else has received your data")}
	}
	return s
}

func (d document) periods() section {
	s := section{ID: "periods", Title: "How long the data are kept", Article: "Art. 15(1)(d)"}
	for _, p := range d.Retention {
		what := d.short(p.Collection)
		if p.What != "" {
			if what != "" {
				what += ": "
			}
			what += p.What
		}
		s.Items = append(s.Items, item{Term: what, Text: period(p.Keep)})
	}
	if len(d.Retention) == 0 {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("how long your data are kept, or how that is decided")}
		return s
	}
	var others []string
	for _, collection := range d.endless() {
		others = append(others, d.short(collection))
	}
	if len(others) > 0 {
		s.Items = append(s.Items, item{Text: d.unsaid("how long your data in " + join(others) + " are kept, or how that is decided")})
	}
	return s
}

func (d document) rights() section {
	s := section{
		ID: "rights", Title: "Your rights", Article: "Art. 15(1)(e)",
		Paragraphs: []string{"You may ask " + d.controller() + " at any time, free of charge, to"},
		Items: []item{
			{Text: "correct what is wrong and complete what is not (Article 16);"},
			{Text: "erase the data, unless a law or a claim requires that they stay (Article 17);"},
			{Text: "restrict what is done with them, for instance while it is checked whether they are right (Article 18);"},
			{Text: "give you, or another company, what you provided, in a form that programs can read (Article 20);"},
			{Text: "stop processing that rests on legitimate interests: you may object, and to direct marketing without giving a reason (Article 21)."},
		},
	}
	for _, p := range d.Purposes {
		if strings.EqualFold(p.Basis, "a") || p.Consent != "" {
			s.Items = slices.Insert(s.Items, len(s.Items)-1, item{Text: "stop what rests on your consent: you may withdraw it at any time (Article 7(3)), and what was done before stays lawful;"})
			break
		}
	}
	return s
}

func (d document) complaint() section {
	s := section{ID: "complaint", Title: "Where you can complain", Article: "Art. 15(1)(f)"}
	if d.export() {
		s.Article = "Art. 77"
	}
	general := "You may complain to the supervisory authority where you live, where you work, or where you think the rules were broken (Article 77), and you may go to court (Article 79)."
	if d.Authority != "" {
		s.Paragraphs = []string{"The authority that supervises " + d.controller() + " is " + d.Authority + ".", general}
	} else {
		s.Missing, s.Paragraphs = true, []string{general, d.unsaid("which authority supervises " + d.controller())}
	}
	return s
}

func (d document) origins() section {
	s := section{ID: "sources", Title: "Where the data come from", Article: "Art. 15(1)(g)"}
	for _, o := range d.Sources {
		s.Items = append(s.Items, item{Text: o})
	}
	if len(d.Sources) == 0 {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("where your data come from, as far as they were not collected from you")}
	}
	return s
}

func (d document) automated() section {
	s := section{ID: "automated", Title: "Decisions made by a computer alone", Article: "Art. 15(1)(h)"}
	if d.Automated != "" {
		s.Paragraphs = []string{d.Automated}
	} else {
		s.Missing, s.Paragraphs = true, []string{d.unsaid("whether decisions about you are made by a computer alone, profiling included (Article 22)")}
	}
	return s
}

func (d document) transfers() section {
	s := section{ID: "transfers", Title: "Data outside the European Economic Area", Article: "Art. 15(2)"}
	for _, r := range d.Recipients {
		if r.Region == "" || inEEA(r.Region) {
			continue
		}
		why := "the safeguard is not on record; ask " + d.contact()
		if r.Ground != "" {
			why = "safeguard: " + r.Ground
		}
		s.Items = append(s.Items, item{Term: r.Name + ", " + country(r.Region), Text: why})
		s.Missing = s.Missing || r.Ground == ""
	}
	unknown := slices.ContainsFunc(d.Recipients, func(r Recipient) bool { return r.Region == "" })
	switch {
	case unknown || len(d.Recipients) == 0:
		s.Missing = true
		s.Paragraphs = []string{d.unsaid("for every recipient whether your data leave the European Economic Area")}
	case len(s.Items) == 0:
		s.Paragraphs = []string{"The recipients named above have the data within the European Economic Area."}
	}
	return s
}

func (d document) leftOut() section {
	s := section{ID: "left-out", Title: "What is not in this archive"}
	for _, t := range d.Tables {
		// Rows in which nothing stands that is given are not there either, and are nobody else's.
		if left := min(t.Shared, t.Found-t.Rows); left > 0 {
			text := counted(left, "entry that other people use, too, was", "entries that other people use, too, were") + " left out, to protect the rights of others (Article 15(4))."
			if len(d.Narrowed) > 0 {
				text = counted(left, "entry was left out: it is", "entries were left out: they are") + " used, too, by what you did not ask for, or by other people."
			}
			s.Items = append(s.Items, item{Term: t.Heading(), Text: text + " If you think that this is yours, write to " + d.contact() + "."})
		}
		if t.Missing > 0 {
			s.Items = append(s.Items, item{Term: t.Heading(), Text: counted(t.Missing, "file that an entry names was", "files that entries name were") +
				" not found where files are kept. Most likely deleted before; if you need to know, write to " + d.contact() + "."})
		}
	}
	for _, n := range d.NotIncluded {
		s.Items = append(s.Items, item{Text: n})
	}
	if len(s.Items) == 0 {
		s.Paragraphs = []string{"Nothing that was found for you was left out."}
		if d.export() {
			s.Paragraphs = []string{"Nothing that you provided and that this right covers was left out."}
		}
	}
	return s
}

func (d document) whom() section {
	s := section{ID: "contact", Title: "Who answers your questions"}
	for _, it := range []item{
		{"Controller", d.Controller.Name}, {"Address", d.Controller.Address},
		{"Registration", d.Controller.Registration}, {"E-mail", d.Controller.Email},
		{"Data protection officer", d.DPO},
	} {
		if it.Text != "" {
			s.Items = append(s.Items, it)
		}
	}
	if d.Controller.Name == "" || (d.DPO == "" && d.Controller.Email == "" && d.Controller.Address == "") {
		s.Missing, s.Paragraphs = true, []string{"The records from which this letter was made do not give all of the controller's contact details."}
	}
	return s
}
