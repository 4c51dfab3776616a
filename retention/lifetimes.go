package retention

import (
	"regexp"
	"slices"
	"strings"
)

// Storage is where in a browser a value stands.
type Storage string

// The storages of the catalogue.
const (
	Cookie       Storage = "cookie"
	LocalStorage Storage = "local_storage"
)

// Category is the purpose under which the vendor lists a value; consent is
// given and withdrawn by category.
type Category string

// The categories of the catalogue.
const (
	Functional Category = "functional"
	Analytics  Category = "analytics"
	Marketing  Category = "marketing"
)

// A Lifetime is one row of a vendor's documentation: how long a cookie or a
// stored value may live, and on which grounds.
type Lifetime struct {
	// Name is as documented. A word in angle brackets (<CHAT_KEY>) stands for a
	// run of letters and digits that differs from shop to shop.
	Name        string
	Description string
	Storage     Storage
	Category    Category
	// Basis is the ground under Art. 6(1) GDPR for processing what is stored, as
	// the vendor claims it; whether it holds is the controller's to judge.
	Basis string
	// StorageGround is the other question: may it be set and read on the device at
	// all (ePrivacy Directive, Art. 5(3); Czech act 127/2005, §89(3))?
	StorageGround string
	// Period is ISO 8601; empty: the vendor documents no end.
	Period string
	// Source cites where that is written.
	Source string
}

// Documented tells whether the vendor says when it ends.
func (l Lifetime) Documented() bool { return l.Period != "" }

const (
	vendorPage = "Smartsupp, Data privacy & GDPR, "

	byInterest = "legitimate interest, Art. 6(1)(f), as the vendor claims for the basic chat"
	byConsent  = "consent, Art. 6(1)(a), as the vendor asks for analytics and marketing"

	neededToServe = "strictly necessary for a service that the user asked for (ePrivacy Art. 5(3), second sentence), if the chat was opened by the user"
	onlyByConsent = "consent of the user (ePrivacy Art. 5(3), first sentence)"
)

// catalogue has the documented lifetimes: twelve rows of eleven names
// (ssupp_<CHAT_KEY> stands under two purposes), in the order of the vendor's page.
var catalogue = []Lifetime{
	{"ssupp.vid", "recognises the visitor, so that a conversation goes on after a page is loaded anew",
		Cookie, Functional, byInterest, neededToServe, "P6M", vendorPage + "Functional cookies"},
	{"_ss.enableSounds", "whether the chat window plays sounds",
		LocalStorage, Functional, byInterest, neededToServe, "", vendorPage + "Functional Local Storage"},
	{"ssupp_<CHAT_KEY>", "data of the visitor and the user's preferences",
		LocalStorage, Functional, byInterest, neededToServe, "", vendorPage + "Functional Local Storage"},
	{"ssupp_<CHAT_KEY>message", "the message that the user has begun to write",
		LocalStorage, Functional, byInterest, neededToServe, "", vendorPage + "Functional Local Storage"},
	{"ssupp_<CHAT_KEY>opened", "whether the chat is open",
		LocalStorage, Functional, byInterest, neededToServe, "", vendorPage + "Functional Local Storage"},
	{"ssupp_<CHAT_KEY>vid", "the same as ssupp.vid",
		LocalStorage, Functional, byInterest, neededToServe, "", vendorPage + "Functional Local Storage"},
	{"SL_C_23361dd035530_KEY", "Smartlook's project key",
		Cookie, Analytics, byConsent, onlyByConsent, "P2Y", vendorPage + "Analytical cookies"},
	{"SL_C_23361dd035530_SID", "Smartlook's session",
		Cookie, Analytics, byConsent, onlyByConsent, "P2Y", vendorPage + "Analytical cookies"},
	{"SL_C_23361dd035530_VID", "Smartlook's visitor",
		Cookie, Analytics, byConsent, onlyByConsent, "P2Y", vendorPage + "Analytical cookies"},
	{"ssupp.visits", "the number of the visitor's earlier visits",
		Cookie, Marketing, byConsent, onlyByConsent, "P6M", vendorPage + "Marketing cookies"},
	{"ssupp_<CHAT_KEY>", "data of the visitor and the user's preferences",
		LocalStorage, Marketing, byConsent, onlyByConsent, "", vendorPage + "Marketing Local Storage"},
	{"ssupp_<CHAT_KEY>visits", "the same as ssupp.visits",
		LocalStorage, Marketing, byConsent, onlyByConsent, "", vendorPage + "Marketing Local Storage"},
}

// Match returns the catalogue's rows for a name as it stands in the data: those
// whose literal part is longest. ssupp_k1message is ssupp_<CHAT_KEY>message and
// nothing else, though its letters would also pass for a key. Two rows come back
// where one name serves two purposes, none where the catalogue does not know it.
func Match(name string) []Lifetime {
	var found []Lifetime
	best := -1
	for _, l := range catalogue {
		if !pattern(l.Name).MatchString(name) {
			continue
		}
		switch n := len(literal(l.Name)); {
		case n > best:
			best, found = n, []Lifetime{l}
		case n == best:
			found = append(found, l)
		}
	}
	return found
}

// named returns the rows of a documented name, as rules write it.
func named(name string) []Lifetime {
	var rows []Lifetime
	for _, l := range catalogue {
		if l.Name == name {
			rows = append(rows, l)
		}
	}
	return rows
}

// ofCategory returns the names that serve this purpose and no other: what stands
// under a second purpose may stay until that has ended, too.
func ofCategory(c Category) []Lifetime {
	var rows []Lifetime
	for _, l := range catalogue {
		if l.Category == c && len(named(l.Name)) == 1 {
			rows = append(rows, l)
		}
	}
	return rows
}

// moreSpecific returns the documented names that also fit name's pattern but
// have a longer literal part: what a selection of name must leave out.
func moreSpecific(name string) []string {
	var names []string
	for _, l := range catalogue {
		probe := placeholder.ReplaceAllString(l.Name, "x1")
		if l.Name != name && len(literal(l.Name)) > len(literal(name)) &&
			pattern(name).MatchString(probe) && !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(literal(b)) - len(literal(a)) })
	return names
}

// placeholder is a word in angle brackets; sources read it as one or more ASCII
// letters and digits (source.Selection).
var placeholder = regexp.MustCompile(`<[A-Z_]+>`)

func literal(name string) string { return placeholder.ReplaceAllString(name, "") }

func pattern(name string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	rest := name
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]) + `[0-9A-Za-z]+`)
		rest = rest[at[1]:]
	}
	b.WriteString(regexp.QuoteMeta(rest) + `\z`)
	return regexp.MustCompile(b.String())
}
