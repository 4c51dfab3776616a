package datamap

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestNormalise(t *testing.T) {
	t.Parallel()
	const alone = "what stands before the @ is no mailbox; give the address alone, as in name@example.org"
	for _, c := range []struct {
		typ, value, country string
		want, err           string
	}{
		{typ: "email", value: " PNG1@EXAMPLE.ORG ", want: "png1@example.org"},
		{typ: "email", value: "o'neil+chat@Example.org", want: "o'neil+chat@example.org"},
		{typ: "email", value: "100%@example.org", want: "100%@example.org"},
		{typ: "email", value: "SIOBHÁN@example.org", want: "siobhán@example.org"},
		{typ: "email", value: "Straße@example.org", want: "straße@example.org"},
		{typ: "email", value: "a@xn--bcher-kva.example", want: "a@bücher.example"},
		{typ: "email", value: "a@BÜCHER.example", want: "a@bücher.example"},
		{typ: "email", value: "🙂@example.org", want: "🙂@example.org"},
		{typ: "email", value: "sioba\u0301n@example.org", want: "siobán@example.org"},
		{typ: "email", value: "", err: "the e-mail address is empty"},
		{typ: "email", value: "  ", err: "the e-mail address is empty"},
		{typ: "email", value: "nobody", err: "an e-mail address has exactly one @, as in name@example.org"},
		{typ: "email", value: "a@b@example.org", err: "an e-mail address has exactly one @, as in name@example.org"},
		{typ: "email", value: "@example.org", err: alone},
		{typ: "email", value: "Pavla Ng <a@example.org>", err: alone},
		{typ: "email", value: "a b@example.org", err: alone},
		{typ: "email", value: `"a"@example.org`, err: alone},
		{typ: "email", value: "a..b@example.org", err: alone},
		{typ: "email", value: strings.Repeat("a", 65) + "@example.org", err: alone},
		{typ: "email", value: "a@example.org>", err: "what stands after the @ is no domain, as in name@example.org"},
		{typ: "email", value: "a@localhost", err: "what stands after the @ is no domain, as in name@example.org"},
		{typ: "email", value: "a@-x.example", err: "what stands after the @ is no domain, as in name@example.org"},
		{typ: "email", value: "a@exa mple.org", err: "what stands after the @ is no domain, as in name@example.org"},
		{typ: "email", value: "a@.org", err: "what stands after the @ is no domain, as in name@example.org"},
		{typ: "email", value: strings.Repeat("a", 300), err: "the e-mail address is longer than 254 characters"},
		{typ: "email", value: "a@example.org\r\nBcc: b@example.org", err: "the e-mail address holds a line break or another character that cannot be typed"},
		{typ: "email", value: "a\x00@example.org", err: "the e-mail address holds a line break or another character that cannot be typed"},
		{typ: "email", value: "a\u202e@example.org", err: "the e-mail address holds a line break or another character that cannot be typed"},
		{typ: "email", value: "a\xff@example.org", err: "the e-mail address is not readable text"},
		{typ: "email", value: "a\ufffd@example.org", err: "the e-mail address is not readable text"},
		{typ: "visitor", value: "v\ufffd", err: "the visitor is not readable text"},

		{typ: "phone", value: "+44 7700 900087", country: "CZ", want: "+447700900087"},
		{typ: "phone", value: " 777 123 456 ", country: "CZ", want: "+420777123456"},
		{typ: "phone", value: "00420 777 123 456", country: "CZ", want: "+420777123456"},
		{typ: "phone_number", value: "0151 23456789", country: "DE", want: "+4915123456789"},
		{typ: "phone", value: "777 123 456", err: "give the telephone number with its country code, as in +420 777 123 456"},
		{typ: "phone", value: "call me", country: "CZ", err: "this is no telephone number, as in +420 777 123 456"},
		{typ: "phone", value: "12", country: "CZ", err: "this is no telephone number, as in +420 777 123 456"},
		{typ: "phone", value: strings.Repeat("7", 300), country: "CZ", err: "the telephone number is longer than 50 characters"},
		{typ: "phone", value: "", country: "CZ", err: "the telephone number is empty"},
		{typ: "phone", value: "777\n123456", country: "CZ", err: "the telephone number holds a line break or another character that cannot be typed"},

		{typ: "visitor", value: " viXABuKoV3g8i ", want: "viXABuKoV3g8i"},
		{typ: "visitor", value: "", err: "the visitor is empty"},
		{typ: "visitor", value: strings.Repeat("v", 201), err: "the visitor is longer than 200 characters"},
		{typ: "visitor", value: "a\x00b", err: "the visitor holds a line break or another character that cannot be typed"},
	} {
		got, err := Normalise(c.typ, c.value, c.country)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("expected %s %q to become %q, got %q and %v", c.typ, c.value, c.want, got, err)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("expected %s %q to be refused with %q, got %q and %v", c.typ, c.value, c.err, got, err)
		}
	}
}

// What is normal stays as it is, and no error quotes what was typed.
func TestNormaliseProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom([]string{Email, Phone, "visitor"}).Draw(rt, "type")
		value := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[a-zA-Z0-9.ß-]{1,9}@[a-z0-9]{1,5}\.[a-zé]{2,4}`),
			rapid.StringMatching(`\+?[0-9 ]{3,14}`),
		).Draw(rt, "value")
		once, err := Normalise(typ, value, "CZ")
		if err != nil {
			if len(value) > 12 && strings.Contains(err.Error(), value) {
				rt.Fatalf("expected an error without the value, got %q", err)
			}
			return
		}
		if strings.ContainsFunc(once, unicode.IsControl) || once == "" {
			rt.Fatalf("expected no control character, got %q", once)
		}
		if again, err := Normalise(typ, once, "DE"); err != nil || again != once {
			rt.Fatalf("expected %q to stay as it is, got %q and %v", once, again, err)
		}
	})
}
