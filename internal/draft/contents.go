package draft

import (
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Contents counts what a column's sampled values look like. It holds numbers
// only: the values stay where they were read.
type Contents struct {
	Seen      int // values that are neither NULL nor blank
	Mail      int // addresses
	Phone     int // telephone numbers with a country code
	IP        int
	IBAN      int // whose check digits are right (ISO 13616)
	Card      int // payment cards, by Luhn's check digit and length
	UUID      int
	Agent     int // user agents of browsers
	URL       int
	File      int // names of files, by their ending
	Birthday  int // dates 5 to 110 years back, given as a date alone
	Name      int // two or three capitalised words
	Prose     int // texts of eight words or more
	HoldsMail int // texts or documents in which an address stands beside something else
	// Counted beside the others:
	Object int // JSON objects, which may be cut off
	List   int // JSON arrays
}

var (
	mailForm  = regexp.MustCompile(`^[^\s@<>"',;:]+('[^\s@<>"',;:]+)*@[^\s@<>"',;:/]+\.[^\s@<>"',;:/.]{2,}$`) // neither mailto:… nor the …/phone of a chat's address
	mailIn    = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`)
	uuidForm  = regexp.MustCompile(`(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)
	ibanForm  = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`)
	cardForm  = regexp.MustCompile(`^[0-9]{13,19}$`)
	phoneForm = regexp.MustCompile(`^(\+|00)[0-9][0-9 ()./-]{6,20}$`)
	agentForm = regexp.MustCompile(`^[A-Za-z]+/[0-9][0-9.]* \(`)
	fileForm  = regexp.MustCompile(`^[^\\/:*?"<>|]*[^\\/:*?"<>|. ]\.([a-z][a-z0-9]{1,4}|[A-Z][A-Z0-9]{1,4}|7z)$`)
	wordForm  = regexp.MustCompile(`^\p{Lu}[\p{Ll}'’-]+(\p{Lu}\p{Ll}+)?$`)
)

// Look counts what values look like. Today is what birthdays are reckoned from.
func Look(values []string, today time.Time) Contents {
	var c Contents
	for _, v := range values {
		v = strings.TrimSpace(v)
		if v == "" || !utf8.ValidString(v) {
			continue
		}
		c.Seen++
		switch opening(v) {
		case '{':
			c.Object++
		case '[':
			c.List++
		}
		c.look(v, today)
	}
	return c
}

// look counts one value, as the most telling thing that it is.
func (c *Contents) look(v string, today time.Time) {
	words := strings.Fields(v)
	switch {
	case mailForm.MatchString(v):
		c.Mail++
	case uuidForm.MatchString(v):
		c.UUID++
	case isIP(v):
		c.IP++
	case isIBAN(v):
		c.IBAN++
	case isCard(v):
		c.Card++
	case isPhone(v):
		c.Phone++
	case strings.HasPrefix(v, "https://"), strings.HasPrefix(v, "http://"):
		c.URL++
	case fileForm.MatchString(v):
		c.File++
	case agentForm.MatchString(v):
		c.Agent++
	case isBirthday(v, today):
		c.Birthday++
	case mailIn.MatchString(v):
		c.HoldsMail++
	case len(words) >= 8 && opening(v) == 0:
		c.Prose++
	case isName(words):
		c.Name++
	}
}

// opening is the bracket that a JSON document begins with, of one that may be cut
// off; 0 of what is none.
func opening(v string) rune {
	if !strings.HasPrefix(v, "{") && !strings.HasPrefix(v, "[") {
		return 0
	}
	d := json.NewDecoder(strings.NewReader(v))
	for {
		switch _, err := d.Token(); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return rune(v[0])
		case err != nil:
			return 0
		}
	}
}

// nothing is the empty document that may stand where the values are documents; ""
// where they are none.
func (c Contents) nothing() string {
	switch {
	case !c.documents():
		return ""
	case c.List > c.Object:
		return "[]"
	}
	return "{}"
}

// documents tells that values are JSON, in whatever column they stand.
func (c Contents) documents() bool { return c.most(c.Object+c.List, 0.9) }

func isIP(v string) bool {
	if !strings.ContainsAny(v, ".:") {
		return false
	}
	v, _, _ = strings.Cut(v, "/") // inet prints its mask
	_, err := netip.ParseAddr(v)
	return err == nil
}

// isIBAN checks the form and the remainder by 97 (ISO 13616, ISO 7064).
func isIBAN(v string) bool {
	v = strings.ToUpper(strings.ReplaceAll(v, " ", ""))
	if !ibanForm.MatchString(v) {
		return false
	}
	var digits strings.Builder
	for _, r := range v[4:] + v[:4] {
		if r >= 'A' {
			digits.WriteString(string('1'+(r-'A'+10)/10-1) + string('0'+(r-'A'+10)%10))
			continue
		}
		digits.WriteRune(r)
	}
	n, ok := new(big.Int).SetString(digits.String(), 10)
	return ok && new(big.Int).Mod(n, big.NewInt(97)).Int64() == 1
}

// isCard checks Luhn's digit (ISO/IEC 7812) and the first one.
func isCard(v string) bool {
	v = strings.NewReplacer(" ", "", "-", "").Replace(v)
	if !cardForm.MatchString(v) || !strings.ContainsAny(v[:1], "3456") {
		return false
	}
	sum := 0
	for i := range len(v) {
		d := int(v[len(v)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func isPhone(v string) bool {
	if !phoneForm.MatchString(v) {
		return false
	}
	if strings.HasPrefix(v, "00") {
		v = "+" + v[2:]
	}
	n, err := phonenumbers.Parse(v, "")
	return err == nil && phonenumbers.IsPossibleNumber(n)
}

func isBirthday(v string, today time.Time) bool {
	d, err := time.Parse(time.DateOnly, v)
	return err == nil && d.Before(today.AddDate(-5, 0, 0)) && d.After(today.AddDate(-110, 0, 0))
}

// noMail tells that values were looked at and none of them is or holds an address.
func (c Contents) noMail() bool { return c.Seen >= 3 && c.Mail == 0 && c.HoldsMail == 0 }

func isName(words []string) bool {
	if len(words) < 2 || len(words) > 3 {
		return false
	}
	for _, w := range words {
		if !wordForm.MatchString(w) || !unicode.IsUpper([]rune(w)[0]) {
			return false
		}
	}
	return true
}

// most tells whether n of the values seen are more than share of them.
func (c Contents) most(n int, share float64) bool {
	return c.Seen >= 3 && float64(n) >= share*float64(c.Seen)
}

// reaches tells that the values are mail addresses and telephone numbers, as a table
// of contact mechanisms has them in one column, and mostly neither alone.
func (c Contents) reaches() bool {
	return c.Mail > 1 && c.Phone > 1 && !c.most(c.Mail, 0.6) && !c.most(c.Phone, 0.6) && c.most(c.Mail+c.Phone, 0.6)
}
