package datamap

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// The identity types that have a form of their own; any other name is compared
// as it stands.
const (
	Email = "email"
	Phone = "phone"
)

var errNoPhone = errors.New("this is no telephone number, as in +420 777 123 456")

// IdentityType brings Fides' spelling to ours, so that maps made for Fides seed
// from the same requests, and requests may spell a type as the map does.
func IdentityType(name string) string {
	if name == "phone_number" {
		return Phone
	}
	return name
}

// Normalise brings an identity to the form in which it is stored, compared and
// looked up. Country is the controller's (ISO 3166, as in CZ), for telephone
// numbers without a country code. An error is a sentence for the person who
// typed the value, and never quotes it.
func Normalise(typ, value, country string) (string, error) {
	switch IdentityType(typ) {
	case Email:
		return NormaliseEmail(value)
	case Phone:
		return NormalisePhone(value, country)
	}
	if err := clean(value); err != nil {
		return "", fmt.Errorf("the %s %w", typ, err)
	}
	value = strings.TrimSpace(value)
	if value == "" {
		return "", fmt.Errorf("the %s is empty", typ)
	}
	if utf8.RuneCountInString(value) > 200 {
		return "", fmt.Errorf("the %s is longer than 200 characters", typ)
	}
	return value, nil
}

var (
	errControl = errors.New("holds a line break or another character that cannot be typed")
	errText    = errors.New("is not readable text")
)

// clean refuses what could break out of a mail header, a log line or a text
// column: control characters (CR, LF and NUL among them), line separators, the
// invisible marks that turn the direction of writing, and broken UTF-8, also where
// whatever read it (a command line) has put U+FFFD in the place of what was broken.
func clean(value string) error {
	if !utf8.ValidString(value) || strings.ContainsRune(value, utf8.RuneError) {
		return errText
	}
	for _, r := range strings.Trim(value, " \t") {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return errControl
		}
	}
	return nil
}

// NormaliseEmail trims an address and brings it to lower case, letter by
// letter, as lower(email) does in Postgres, so that an index on that expression
// serves the look-up. Full case folding would go further (ß to ss) than any
// index, and would make one of two mailboxes. The domain is brought to its
// Unicode form, in lower case: xn--bcher-kva.example becomes bücher.example.
//
// Lower case is our choice and not the standard's, which lets a mail server
// tell Png1@ from png1@: so letters go to the bytes that stand in the source,
// never to this form.
func NormaliseEmail(value string) (string, error) {
	if err := clean(value); err != nil {
		return "", fmt.Errorf("the e-mail address %w", err)
	}
	value = norm.NFC.String(strings.TrimSpace(value))
	if value == "" {
		return "", errors.New("the e-mail address is empty")
	}
	if len(value) > 254 { // RFC 5321 4.5.3.1.3, less the angle brackets
		return "", errors.New("the e-mail address is longer than 254 characters")
	}
	local, domain, ok := strings.Cut(value, "@")
	if !ok || strings.Contains(domain, "@") {
		return "", errors.New("an e-mail address has exactly one @, as in name@example.org")
	}
	if local == "" || len(local) > 64 || strings.ContainsFunc(local, notLocal) ||
		strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", errors.New("what stands before the @ is no mailbox; give the address alone, as in name@example.org")
	}
	plain, err := unicodeDomain(domain)
	if err != nil {
		return "", errors.New("what stands after the @ is no domain, as in name@example.org")
	}
	return strings.ToLower(local) + "@" + plain, nil
}

// notLocal tells which characters end an unquoted mailbox (RFC 5322 3.2.3,
// letters of all scripts admitted by RFC 6532).
func notLocal(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`()<>[]:;,\"`, r)
}

// unicodeDomain checks a domain by IDNA's rules for look-up and gives its
// Unicode form. A domain of one label (localhost) is no public mail domain.
func unicodeDomain(domain string) (string, error) {
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	ascii, err := profile.ToASCII(domain)
	if err != nil {
		return "", err
	}
	if !strings.Contains(ascii, ".") || strings.HasSuffix(ascii, ".") {
		return "", errors.New("one label")
	}
	plain, err := profile.ToUnicode(ascii)
	if err != nil {
		return "", err
	}
	return strings.ToLower(plain), nil
}

// NormalisePhone brings a telephone number to E.164 (+420777123456). It asks
// that a number be possible, not that it be assigned: numbering plans change
// faster than the tables of any library, and a look-up that finds nothing does
// no harm.
func NormalisePhone(value, country string) (string, error) {
	if err := clean(value); err != nil {
		return "", fmt.Errorf("the telephone number %w", err)
	}
	value = strings.TrimSpace(value)
	if value == "" {
		return "", errors.New("the telephone number is empty")
	}
	if utf8.RuneCountInString(value) > 50 {
		return "", errors.New("the telephone number is longer than 50 characters")
	}
	number, err := phonenumbers.Parse(value, country)
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return "", errors.New("give the telephone number with its country code, as in +420 777 123 456")
	case err != nil || !phonenumbers.IsPossibleNumber(number):
		return "", errNoPhone
	}
	normal := phonenumbers.Format(number, phonenumbers.E164)
	// A row of zeros loses one, as a trunk prefix, each time that it is read:
	// what does not read as itself would be looked up as another number.
	if again, err := phonenumbers.Parse(normal, ""); err != nil || phonenumbers.Format(again, phonenumbers.E164) != normal {
		return "", errNoPhone
	}
	return normal, nil
}
