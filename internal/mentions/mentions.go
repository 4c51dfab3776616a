// Package mentions finds the identities of a person in free text that others
// wrote, and takes them out of it. It knows no database: what finds the rows is
// internal/source/postgres, which asks here where in a text the person stands.
//
// An address is found whatever its case, and only whole; a telephone number by
// its digits, with what people put between them and in front of them; anything
// else exactly, between characters that belong to no word.
package mentions

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Removed stands in a text where a passage was taken out.
const Removed = "[removed]"

// Least is how many characters (of a telephone number: digits) an identity must
// have to be searched: a shorter one stands in too many texts by chance.
const Least = 6

// A Needle is one identity, normalised (datamap.Normalise).
type Needle struct{ Type, Value string }

// A Span is a passage: bytes From to To of a text.
type Span struct{ From, To int }

// A Finder finds the identities of one person.
type Finder struct{ parts []part }

// A part finds one identity, in a time that grows with the text and no faster:
// texts may be megabytes long.
type part struct {
	// next is the first passage that begins at a byte or behind it.
	next func(text string, from int) (Span, bool)
	// whole tells whether a match stands for itself, and is not a piece of something longer.
	whole func(text string, at Span) bool
}

// Searchable tells whether an identity is long enough to be searched.
func Searchable(n Needle) bool {
	switch n.Type {
	case "phone":
		_, national := Dialled(n.Value)
		return len(national) >= Least
	case "email":
		return strings.Contains(n.Value, "@") && utf8.RuneCountInString(n.Value) >= Least
	}
	return utf8.RuneCountInString(strings.TrimSpace(n.Value)) >= Least
}

// Dialled are the country code and the national digits of a number in E.164;
// national is empty where the value is none.
func Dialled(e164 string) (country, national string) {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return "", ""
	}
	return strconv.Itoa(int(n.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(n)
}

// New makes a finder of the identities that can be searched.
func New(needles []Needle) *Finder {
	f := &Finder{}
	for _, n := range needles {
		if !Searchable(n) {
			continue
		}
		switch n.Type {
		case "email":
			f.parts = append(f.parts, part{address(n.Value), wholeAddress})
		case "phone":
			f.parts = append(f.parts, phone(n.Value))
		default:
			value := strings.TrimSpace(n.Value)
			f.parts = append(f.parts, part{func(text string, from int) (Span, bool) {
				i := strings.Index(text[from:], value)
				return Span{from + i, from + i + len(value)}, i >= 0
			}, wholeWord})
		}
	}
	return f
}

// Spans are the passages of a text, in order, none touching another.
func (f *Finder) Spans(text string) []Span {
	var all []Span
	for _, p := range f.parts {
		for from := 0; from < len(text); {
			at, ok := p.next(text, from)
			if !ok {
				break
			}
			if p.whole(text, at) {
				all = append(all, at)
				from = at.To
				continue
			}
			_, width := utf8.DecodeRuneInString(text[at.From:])
			from = at.From + width
		}
	}
	slices.SortFunc(all, func(a, b Span) int { return a.From - b.From })
	var merged []Span
	for _, s := range all {
		if n := len(merged); n > 0 && s.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// Take puts Removed in the place of each passage and leaves every other byte
// as it is; it tells the passages, too. Taking one out may lay another bare (an
// address with a number right behind it): then that one goes, too.
func (f *Finder) Take(text string) (left string, spans []Span) {
	spans = f.Spans(text)
	for found, n := spans, 0; len(found) > 0 && n < rounds; n++ {
		text = without(text, found)
		found = f.Spans(text)
	}
	return text, spans
}

// rounds bounds Take, should an identity be found in Removed itself.
const rounds = 4

func without(text string, spans []Span) string {
	var b strings.Builder
	from := 0
	for _, s := range spans {
		b.WriteString(text[from:s.From])
		b.WriteString(Removed)
		from = s.To
	}
	b.WriteString(text[from:])
	return b.String()
}

// address finds a mail address whatever its case, by its @.
func address(value string) func(text string, from int) (Span, bool) {
	i := strings.LastIndexByte(value, '@')
	box, domain := value[:i], value[i+1:]
	return func(text string, from int) (Span, bool) {
		for at := from; ; at++ {
			i := strings.IndexByte(text[at:], '@')
			if i < 0 {
				return Span{}, false
			}
			at += i
			begin, end := backward(text, at, utf8.RuneCountInString(box)), forward(text, at+1, utf8.RuneCountInString(domain))
			if begin >= from && strings.EqualFold(text[begin:at], box) && strings.EqualFold(text[at+1:end], domain) {
				return Span{begin, end}, true
			}
		}
	}
}

// backward is where the n characters before a byte begin.
func backward(text string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, width := utf8.DecodeLastRuneInString(text[:at])
		at -= width
	}
	return at
}

// forward is where the n characters behind a byte end.
func forward(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, width := utf8.DecodeRuneInString(text[at:])
		at += width
	}
	return at
}

// wholeAddress: neither a letter of a longer mailbox stands before it
// (xa@b.example is not a@b.example) nor one of a longer domain after it. A full
// stop counts only where a letter or digit stands on its other side: it may end a sentence.
func wholeAddress(text string, at Span) bool {
	before, w := utf8.DecodeLastRuneInString(text[:at.From])
	if w > 0 {
		if mailbox(before) {
			return false
		}
		if further, n := utf8.DecodeLastRuneInString(text[:at.From-w]); before == '.' && n > 0 && mailbox(further) {
			return false
		}
	}
	after, w := utf8.DecodeRuneInString(text[at.To:])
	if w == 0 {
		return true
	}
	if wordy(after) {
		return false
	}
	further, n := utf8.DecodeRuneInString(text[at.To+w:])
	return (after != '.' && after != '-') || n == 0 || !wordy(further)
}

func wordy(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_'
}
func mailbox(r rune) bool { return wordy(r) || strings.ContainsRune("+-%&~", r) }

// wholeWord: where the value begins or ends with a letter or digit, none stands beside it.
func wholeWord(text string, at Span) bool {
	first, _ := utf8.DecodeRuneInString(text[at.From:])
	last, _ := utf8.DecodeLastRuneInString(text[:at.To])
	before, b := utf8.DecodeLastRuneInString(text[:at.From])
	after, a := utf8.DecodeRuneInString(text[at.To:])
	return (b == 0 || !wordy(first) || !wordy(before)) && (a == 0 || !wordy(last) || !wordy(after))
}

// between is what people put between the digits of a number, and marks of the
// writing's direction, which come along when a number is copied.
const between = `[ \t\x{00a0}\x{00b7}\x{2007}\x{2009}\x{200b}-\x{200f}\x{202f}\x{2060}\x{2212}().\[\]/\-\x{2010}-\x{2014}]{0,3}`

// international is what stands for the + of a number: 00, from North America 011.
const international = `(?:\+|00|011)`

// abroad is the beginning of a number of some country, up to where a national one would begin.
var abroad = regexp.MustCompile(`(?:\+|(?:\b00|\b011)` + between + `)[0-9]{1,3}` + between + `$`)

// abroadWithin is how far before a number such a beginning is looked for, in bytes.
const abroadWithin = 32

// own is the beginning of a number that says its country.
var own = regexp.MustCompile(`^` + international)

// phone finds a number as +420 777 123 456, 00420777123456, 420 777 123 456,
// 0777/123456, 777123456, or behind what its country dials first (8 in Russia, 06
// in Hungary); and not where it ends a number of another country.
func phone(e164 string) part {
	country, national := Dialled(e164)
	digits := strings.Split(national, "")
	core := strings.Join(digits, between)
	code := strings.Join(strings.Split(country, ""), between)
	trunk := `\(?(?:0|` + dialledFirst(e164) + `)\)?` + between
	form := regexp.MustCompile(`((?:` + international + between + `)?` + code + between + `(?:` + trunk + `)?|` + trunk + `)?` + core)
	// The form is slow: it looks only where the digits follow one another.
	next := func(text string, from int) (Span, bool) {
		for at := from; ; at++ {
			i := strings.IndexByte(text[at:], national[0])
			if i < 0 {
				return Span{}, false
			}
			at += i
			end, ok := following(text, at, national)
			if !ok {
				continue
			}
			begin := max(from, at-leading)
			for begin < at && !utf8.RuneStart(text[begin]) {
				begin++
			}
			if m := form.FindStringIndex(text[begin:end]); m != nil {
				return Span{begin + m[0], begin + m[1]}, true
			}
		}
	}
	return part{next, func(text string, at Span) bool {
		digit := unicode.IsDigit
		before, _ := utf8.DecodeLastRuneInString(text[:at.From])
		after, _ := utf8.DecodeRuneInString(text[at.To:])
		if digit(before) || digit(after) {
			return false
		}
		return own.MatchString(text[at.From:at.To]) || !abroad.MatchString(text[max(0, at.From-abroadWithin):at.From])
	}}
}

// leading is how many bytes what stands before the national digits takes at most:
// the signs and digits of all countries with whatever may stand between.
const leading = 128

// apart is how many bytes may stand between two digits: three characters of three bytes each.
const apart = 9

// following tells where digits end that stand in a text from a byte on, not far apart.
func following(text string, at int, digits string) (end int, ok bool) {
	for i := range len(digits) {
		if i > 0 {
			near := text[at:min(len(text), at+apart+1)]
			n := strings.IndexAny(near, "0123456789")
			if n < 0 {
				return 0, false
			}
			at += n
		}
		if at >= len(text) || text[at] != digits[i] {
			return 0, false
		}
		at++
	}
	return at, true
}

// dialledFirst is what is dialled before the national digits within the
// country, with anything between its digits; 0 where nothing else is known.
func dialledFirst(e164 string) string {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return "0"
	}
	region := phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	prefix := phonenumbers.GetNddPrefixForRegion(region, true)
	if prefix == "" {
		return "0"
	}
	return strings.Join(strings.Split(prefix, ""), between)
}
