package draft

import (
	"slices"
	"testing"
	"time"
)

func TestLook(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]Contents{
		"a@b.example":                           {Seen: 1, Mail: 1},
		"a.o'hare@b.example":                    {Seen: 1, Mail: 1},
		"'a@b.example'":                         {Seen: 1, HoldsMail: 1},
		"+420 601 234 567":                      {Seen: 1, Phone: 1},
		"2001:db8::1":                           {Seen: 1, IP: 1},
		"192.0.2.1/32":                          {Seen: 1, IP: 1},
		"DE89 3704 0044 0532 0130 00":           {Seen: 1, IBAN: 1},
		"DE88 3704 0044 0532 0130 00":           {Seen: 1},
		"4111 1111 1111 1111":                   {Seen: 1, Card: 1},
		"4111 1111 1111 1112":                   {Seen: 1},
		"1980-02-29":                            {Seen: 1, Birthday: 1},
		"2025-02-28":                            {Seen: 1},
		"Žofie Nováková":                        {Seen: 1, Name: 1},
		"write to a@b.example soon":             {Seen: 1, HoldsMail: 1},
		"Mozilla/5.0 (X11; Linux x86_64) Gecko": {Seen: 1, Agent: 1},
		"https://x.example/a":                   {Seen: 1, URL: 1},
		"  ":                                    {},
		"\xff":                                  {},
		"one two three four five six seven eight": {Seen: 1, Prose: 1},
	} {
		if got := Look([]string{value}, today); got != want {
			t.Errorf("expected %q to be %+v, got %+v", value, want, got)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"billing_address_id": {"billing", "address", "id"}, "userId": {"user", "id"}, "HTTPServer": {"http", "server"},
		"Příjmení": {"prijmeni"}, "e-mail": {"e", "mail"}, "address1": {"address", "1"}, "Straße": {"strasse"},
	} {
		if got := words(name); !slices.Equal(got, want) {
			t.Errorf("expected %s to be %v, got %v", name, want, got)
		}
	}
}

func TestNamesInSeveralLanguages(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Vorname": "user.name.first", "příjmení": "user.name.last", "code_postal": "user.contact.address.postal_code", "geburtsdatum": "user.demographic.date_of_birth",
		"Telefonní číslo": "user.contact.phone_number", "courriel": "user.contact.email", "emailConfirmedAt": "", "email_count": "", "rodne_cislo": "user.government_id.national_identification_number",
	} {
		class := Text
		if name == "emailConfirmedAt" {
			class = Moment
		}
		got, _ := judge(&Column{Name: name, Class: class}, true)
		if got.category != want {
			t.Errorf("expected %s to be %q, got %q", name, want, got.category)
		}
	}
}
