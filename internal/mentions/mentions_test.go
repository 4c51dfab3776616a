package mentions_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/mentions"
)

func TestWhatIsFound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ typ, value, text, want string }{
		{"email", "a@b.example", "write to A@B.Example.", "write to [removed]."},
		{"email", "a@b.example", "<a@b.example>, mailto:a@b.example?x", "<[removed]>, mailto:[removed]?x"},
		{"email", "a@b.example", "a@b.example", "[removed]"},
		{"email", "a@b.example", "...a@b.example... then", "...[removed]... then"},
		{"email", "a@b.example", "xa@b.example", "xa@b.example"},
		{"email", "a@b.example", "x.a@b.example x+a@b.example x-a@b.example", "x.a@b.example x+a@b.example x-a@b.example"},
		{"email", "a@b.example", "éa@b.example", "éa@b.example"},
		{"email", "a@b.example", "a@b.example.com a@b.examples a@b.example-x.com", "a@b.example.com a@b.examples a@b.example-x.com"},
		{"email", "a@b.example", "xa@b.example and a@b.example", "xa@b.example and [removed]"},
		{"email", "a.b@c.example", "aXb@c.example", "aXb@c.example"},
		{"email", "ß@c.example", "to ß@c.example now", "to [removed] now"},
		{"phone", "+420777123456", "call +420 777 123 456!", "call [removed]!"},
		{"phone", "+420777123456", "00420777123456 or 777/123.456 or 777-123-456", "[removed] or [removed] or [removed]"},
		{"phone", "+420777123456", "(+420) 777 123 456", "([removed]"},
		{"phone", "+420777123456", "+421 777 123 456", "+421 777 123 456"},
		{"phone", "+420777123456", "order 1777123456 and 7771234567", "order 1777123456 and 7771234567"},
		{"phone", "+442079460958", "+44 (0)20 7946 0958, 020 7946 0958", "[removed], [removed]"},
		{"phone", "+79161234567", "8 (916) 123-45-67, 89161234567, +7 916 1234567", "[removed], [removed], [removed]"},
		{"phone", "+79161234567", "order 389161234567", "order 389161234567"},
		{"phone", "+3612345678", "06-1/234-5678, +36 (06) 1 234 5678", "[removed], [removed]"},
		{"phone", "+420777123456", "dial 011420777123456 or 011 420 777 123 456", "dial [removed] or [removed]"},
		{"phone", "+420777123456", "011 421 777 123 456", "011 421 777 123 456"},
		{"phone", "+420777123456", "777·123·456, 777−123−456, \u200e+420\u200e777123456", "[removed], [removed], \u200e[removed]"},
		{"visitor", "viXABuKoV3g8i", "see viXABuKoV3g8i, not viXABuKoV3g8ix nor vixabukov3g8i", "see [removed], not viXABuKoV3g8ix nor vixabukov3g8i"},
		{"visitor", "short", "short", "short"},
		{"phone", "+42012", "12", "12"},
	} {
		f := mentions.New([]mentions.Needle{{Type: tc.typ, Value: tc.value}})
		if got, _ := f.Take(tc.text); got != tc.want {
			t.Errorf("%s %s in %q: expected %q, got %q", tc.typ, tc.value, tc.text, tc.want, got)
		}
	}
}

// A text of megabytes, also one that is made to be slow to look through.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	f := mentions.New([]mentions.Needle{{Type: "email", Value: "anna@shop.example"}, {Type: "phone", Value: "+420601222333"}, {Type: "visitor", Value: "viXABuKoV3g8i"}})
	for _, unit := range []string{"Lorem ipsum, 12 (2024) dolor. ", "601222333601222334", "xanna@shop.example ", "anna@", "6", "0 0 0 ", "6-0-1-2-2-2-3-3-4", "viXABuKoV3g8ix"} {
		long := strings.Repeat(unit, 2_400_000/len(unit))
		left, spans := f.Take("anna@shop.example; " + long + "; 601 222 333, viXABuKoV3g8i")
		if want := mentions.Removed + "; " + long + "; " + mentions.Removed + ", " + mentions.Removed; left != want || len(spans) != 3 {
			t.Errorf("%s: expected three passages around it and every other byte to stay, got %d passages and %d bytes", unit, len(spans), len(left))
		}
	}
}

// Whatever stands around an address: what is left of the text is its own bytes
// in their order, and the address is found no more.
func TestEveryOtherByteStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"anna@shop.example", "ANNA@shop.example", " ", ".", "+420 601 222 333", "601222333", "\xff", "é"})), 0, 12).Draw(t, "parts")
		text := strings.Join(parts, "")
		f := mentions.New([]mentions.Needle{{Type: "email", Value: "anna@shop.example"}, {Type: "phone", Value: "+420601222333"}})
		spans := f.Spans(text)
		at := 0
		var rest strings.Builder
		for _, s := range spans {
			if s.From < at || s.To <= s.From || s.To > len(text) {
				t.Fatalf("expected passages in order inside the text, got %v of %d bytes", spans, len(text))
			}
			rest.WriteString(text[at:s.From] + mentions.Removed)
			at = s.To
		}
		rest.WriteString(text[at:])
		got, _ := f.Take(text)
		if got != rest.String() && len(f.Spans(rest.String())) == 0 {
			t.Fatalf("expected every other byte unchanged: %q became %q", text, got)
		}
		if left := f.Spans(got); len(left) > 0 {
			t.Fatalf("expected nothing to be found in %q, got %v", got, left)
		}
	})
}
